"""The short way gives the same answers as the framework: whichever way a request takes, nobody can tell."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
import uvicorn

from tests.support.town import RIGHT, Town
from tongbao.app.admission import Admission
from tongbao.app.asgi import Services, application, protocol
from tongbao.app.commands.serve import listening_socket
from tongbao.app.settings import Settings
from tongbao.engine.types import OutboxRow
from tongbao.identity.binding import BoundSession
from tongbao.identity.http import session_cookie
from tongbao.identity.service import IdentityService
from tongbao.identity.types import SetPin
from tongbao.kernel.clock import VirtualClock
from tongbao.methods.qr.api import Payee, static_code

PASSWORD, PIN = "correct horse battery", "135790"


class Place:
    """A server in this process, a shop and a customer of it; `framework` counts the requests that reached ASGI."""

    def __init__(self, client: httpx.AsyncClient, services: Services, admission: Admission) -> None:
        self.client = client
        self.services = services
        self.admission = admission
        self.framework = 0
        self.wallet = self.till = self.code = self.shop = ""
        self.sessions: dict[str, BoundSession] = {}

    async def settle(self) -> None:
        engine, identity = self.services.engine, self.services.identity
        town = Town(engine, VirtualClock(self.services.clock.now()), vault=self.services.vault)
        merchant = await town.merchant()
        payer = await town.customer(1_000_000)
        pin = SetPin(command_id=town.id(), customer_id=payer, mac=identity.pin_mac(payer, PIN), confirmation=RIGHT)
        await town.happens(pin)
        clerk = await town.registered("+8613900000001", "merchant", merchant)
        self.wallet, self.till = [await self._token(identity, town, who) for who in (payer, clerk)]
        store = (await self.services.merchants.stores(merchant))[0]
        self.code = static_code(Payee(merchant_id=merchant, store_id=store.store_id, name="面馆", city="上海"), "CNY")
        self.shop = str(merchant)

    async def both(
        self, path: str, body: Any, *, token: str | None, carried: str = "", key: str | None = None, **headers: str
    ) -> tuple[httpx.Response, httpx.Response]:
        """The same request the short way, then through the framework, which a charset is enough to call for. Each with a key of
        its own, unless `key` makes the second a repeat."""
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        sent = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
        answers = []
        for content_type, way in (("application/json", 0), ("application/json; charset=utf-8", 1)):
            chosen, before = key or uuid4().hex, self.framework
            mine = self.shown(token or carried, path, chosen, content) if token or carried else {"idempotency-key": chosen}
            if token is None:
                mine.pop("authorization", None)
            answers.append(await self.client.post(path, content=content, headers=mine | sent | {"content-type": content_type}))
            assert self.framework == before + way, "this did not go the way it should"
        quick, slow = answers
        return quick, slow

    async def _token(self, identity: IdentityService, town: Town, who: Any) -> str:
        opened = await identity.open_session(town.id(), await identity.need(who), "phone")
        self.sessions[opened.token] = BoundSession(opened.token, opened.binding)
        return opened.token

    def shown(self, token: str, path: str, key: str, body: Any) -> dict[str, str]:
        """The headers of a request that changes something. `body`: as it is sent, or what httpx is to write as JSON."""
        body = body if isinstance(body, bytes) else httpx.Request("POST", "http://x", json=body).content
        proof = self.sessions[token].proof("POST", path, key, body) if token in self.sessions else "0.0"
        return {"authorization": f"Bearer {token}", "x-tongbao-proof": proof, "idempotency-key": key}

    async def pay(self, **other: Any) -> tuple[httpx.Response, httpx.Response]:
        body = {"code": self.code, "amount": "12.50", "currency": "CNY", "pin": PIN} | other
        return await self.both("/v1/wallet/payments", body, token=self.wallet)


@asynccontextmanager
async def place_over(database: str, folder: Path) -> AsyncIterator[Place]:
    """Serve, in this process."""
    settings = Settings(data_dir=folder, rules="none", argon2_time=1, argon2_memory_kib=1024)
    app = application(settings, database)
    seen: list[Place] = []

    async def counted(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and seen:
            seen[0].framework += 1
        await app(scope, receive, send)

    bound = listening_socket("127.0.0.1", 0)
    speaking = protocol(app, settings)
    assert speaking.admission is not None
    config = uvicorn.Config(counted, http=speaking, log_level="critical", server_header=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    while not server.started:
        await asyncio.sleep(0.01)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{bound.getsockname()[1]}", trust_env=False, timeout=20) as client:
        place = Place(client, app.state.services, speaking.admission)
        seen.append(place)
        await place.settle()
        yield place
    server.should_exit = True
    await serving
    bound.close()


@pytest.fixture
async def place(database: str, tmp_path: Path) -> AsyncIterator[Place]:
    async with place_over(database, tmp_path) as place:
        yield place


_OWN = re.compile(
    r'("(?:payment_id|bill_id|out_trade_no|request_id|created_at|expires_at|paid_at)":)"[^"]*"'
)  # what two payments cannot have in common


def same(quick: httpx.Response, slow: httpx.Response, status: int) -> None:
    """Status, headers and, but for what is each request's own, every byte."""
    assert (quick.status_code, slow.status_code) == (status, status), (quick.text, slow.text)
    left, right = dict(quick.headers), dict(slow.headers)
    left.pop("date"), right.pop("date")
    assert left == right
    assert _OWN.sub(r"\1", quick.text) == _OWN.sub(r"\1", slow.text)


async def test_a_static_payment_is_answered_alike(place: Place) -> None:
    same(*await place.pay(), 201)


async def test_a_repeat_through_the_framework_is_answered_to_the_byte_as_the_short_way_did(place: Place) -> None:
    body = {"code": place.code, "amount": "0.01", "currency": "CNY", "pin": PIN}
    quick, slow = await place.both("/v1/wallet/payments", body, token=place.wallet, key=uuid4().hex)
    assert (quick.status_code, quick.content) == (slow.status_code, slow.content) == (201, slow.content)


async def test_an_order_and_its_confirmation_are_answered_alike_and_repeats_to_the_byte(place: Place) -> None:
    body = {"amount": "3.00", "currency": "CNY", "subject": '牛肉面 "大"'}
    same(*await place.both("/v1/merchant/orders", body, token=place.till), 201)
    quick, slow = await place.both("/v1/merchant/orders", body | {"expires_in_s": 60}, token=place.till, key=uuid4().hex)
    assert quick.content == slow.content
    path = f"/v1/wallet/payments/{quick.json()['payment_id']}/confirm"
    yes = {"amount": "3.00", "currency": "CNY", "pin": PIN}
    quick, slow = await place.both(path, yes, token=place.wallet, key=uuid4().hex)
    assert quick.status_code == 200 and quick.content == slow.content
    same(*await place.both(path, yes, token=place.wallet), 409)  # paid already


async def test_an_order_number_known_before_is_answered_as_it_stands_by_now(place: Place) -> None:
    body = {"amount": "3.00", "currency": "CNY", "subject": "面", "out_trade_no": "T1"}
    first, _ = await place.both("/v1/merchant/orders", body, token=place.till)
    yes = {"amount": "3.00", "currency": "CNY", "pin": PIN}
    await place.both(f"/v1/wallet/payments/{first.json()['payment_id']}/confirm", yes, token=place.wallet, key=uuid4().hex)
    quick, slow = await place.both("/v1/merchant/orders", body | {"expires_in_s": 60}, token=place.till)
    assert quick.json()["state"] == "PAID" and quick.json()["expires_at"] == first.json()["expires_at"]
    assert quick.content == slow.content


@pytest.mark.parametrize(
    ("other", "status", "code"),
    [
        ({"pin": "12"}, 400, "pin_format"),
        ({"amount": "99999999.00"}, 422, "insufficient_funds"),
        ({"amount": "1.001"}, 400, "amount_precision"),
        ({"amount": "-1"}, 400, "amount_not_positive"),
        ({"currency": "XXX"}, 400, "currency_unknown"),
        ({"currency": "USD"}, 400, "currency_unsupported"),
        ({"code": "000201"}, 400, "code_malformed"),
        ({"code": "https://qr.alipay.com/fkx123"}, 400, "code_not_static"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("language", ["zh-CN", "en-GB"])
async def test_a_no_is_answered_alike(place: Place, other: dict[str, str], status: int, code: str, language: str) -> None:
    body = {"code": place.code, "amount": "12.50", "currency": "CNY", "pin": PIN} | other
    quick, slow = await place.both("/v1/wallet/payments", body, token=place.wallet, accept_language=language)
    assert quick.json()["error"]["code"] == code
    same(quick, slow, status)


async def test_a_wrong_pin_is_counted_whichever_way_it_comes(place: Place) -> None:
    quick, slow = await place.pay(pin="135791")
    assert [answer.json()["error"]["detail"]["attempts_left"] for answer in (quick, slow)] == [4, 3]


async def test_strangers_are_refused_alike(place: Place) -> None:
    body = {"code": place.code, "amount": "12.50", "currency": "CNY", "pin": PIN}
    for token in (None, "nobody's", place.till):
        same(*await place.both("/v1/wallet/payments", body, token=token), 401)
    same(*await place.both("/v1/wallet/payments", body, token=None, authorization="Basic abc"), 401)


async def test_a_cookie_needs_the_header_that_no_form_can_send(place: Place) -> None:
    body = {"code": place.code, "amount": "12.50", "currency": "CNY", "pin": PIN}
    cookie = f"other=1; tongbao_session={place.wallet}"
    same(*await place.both("/v1/wallet/payments", body, token=None, carried=place.wallet, cookie=cookie, x_tongbao_app="1"), 201)
    same(*await place.both("/v1/wallet/payments", body, token=None, cookie=cookie), 403)


async def test_over_https_a_cookie_counts_only_under_the_name_that_no_other_page_can_set(place: Place) -> None:
    place.services.identity.secure_cookies = True
    body = {"code": place.code, "amount": "12.50", "currency": "CNY", "pin": PIN}
    for name, status in (("tongbao_session", 401), ("__Secure-tongbao_session", 201)):
        cookie = f"{name}={place.wallet}"
        answers = await place.both(
            "/v1/wallet/payments", body, token=None, carried=place.wallet, cookie=cookie, x_tongbao_app="1"
        )
        same(*answers, status)


@pytest.mark.parametrize(("secure", "name"), [(False, "tongbao_session"), (True, "__Secure-tongbao_session")])
def test_the_cookie_is_set_as_it_is_read(secure: bool, name: str) -> None:
    cookie = session_cookie("wallet", "token", secure)
    assert (cookie.key, cookie.path, cookie.secure, cookie.httponly, cookie.samesite) == (
        name,
        "/v1/wallet",
        secure,
        True,
        "strict",
    )


async def test_a_bug_is_answered_alike_and_tells_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(place.services.payments, "pay_merchant", broken)
    quick, slow = await place.pay()
    same(quick, slow, 500)
    assert "secret" not in quick.text


async def test_whatever_is_not_in_good_order_is_the_framework_s_to_refuse(place: Place) -> None:
    good = msgspec.json.encode({"code": place.code, "amount": "1.00", "currency": "CNY", "pin": PIN})
    cases: list[tuple[bytes, dict[str, str], str]] = [
        (b"", {}, "malformed_json"),
        (b"{", {}, "malformed_json"),
        (b"\xff" + good, {}, "malformed_json"),
        (good.replace(b"1.00", b"\\u0000"), {}, "invalid_request"),
        (good[:-1] + b',"tip":1}', {}, "unknown_field"),
        (good.replace(b'"1.00"', b"1"), {}, "invalid_request"),
        (good.replace(b'"1.00"', b'"%s"' % (b"1" * 201)), {}, "invalid_request"),
        (good.replace(b"1.00", b"[" * 501), {}, "malformed_json"),
        (good, {"idempotency-key": "short"}, "idempotency_key_missing"),
        (good, {"content-type": "text/plain"}, "unsupported_media_type"),
        (good + b" " * 70_000, {}, "too_large"),
    ]
    for content, other, code in cases:
        before, once = place.framework, other.get("idempotency-key", uuid4().hex)
        headers = {**place.shown(place.wallet, "/v1/wallet/payments", once, content), "content-type": "application/json"}
        answer = await place.client.post("/v1/wallet/payments", content=content, headers=headers | other)
        assert answer.json()["error"]["code"] == code, (content[:80], answer.text)
        assert place.framework == before + 1


@pytest.mark.parametrize("header", ["Authorization", "Idempotency-Key"])
@pytest.mark.parametrize("order", [1, -1])
async def test_a_header_that_counts_once_is_refused_twice_whichever_way_the_request_would_take(
    place: Place, header: str, order: int
) -> None:
    """On the short way, and with a charset, which is enough to call for the framework."""
    other = {"Authorization": f"Bearer {place.till}", "Idempotency-Key": uuid4().hex}[header]
    good = _bare(place, "1.00")
    line = next(line for line in good.split(b"\r\n") if line.startswith(header.encode()))
    both = [line, f"{header.lower()}: {other}".encode()][::order]
    sent = good.replace(line, b"\r\n".join(both))
    ways = [sent, sent.replace(b"application/json", b"application/json; charset=utf-8")]
    quick, slow = [_OWN.sub(r"\1", (await _exchange(place, way, answers=1)).decode()) for way in ways]
    without_date = [re.sub(r"date: [^\r]*", "", heard) for heard in (quick, slow)]
    assert without_date[0] == without_date[1] and quick.startswith("HTTP/1.1 400 ")
    error = msgspec.json.decode(quick.partition("\r\n\r\n")[2].replace('"request_id":}', '"request_id":""}'))["error"]
    assert (error["code"], error["detail"]) == ("repeated_header", {"header": header.lower()})


async def test_a_repeated_header_is_refused_where_one_only_reads(place: Place) -> None:
    line = f"Authorization: Bearer {place.wallet}\r\n".encode()
    head = b"GET /v1/wallet/balance HTTP/1.1\r\nHost: x\r\n"
    assert b"HTTP/1.1 200 " in await _exchange(place, head + line + b"\r\n", answers=1)
    heard = await _exchange(place, head + line + line + b"\r\n", answers=1)
    assert heard.startswith(b"HTTP/1.1 400 ") and b'"repeated_header"' in heard


async def test_an_ended_session_pays_no_more(place: Place) -> None:
    assert (await place.pay())[0].status_code == 201
    caller = await place.services.identity.authenticate(place.wallet, "wallet")
    assert caller.session_id is not None
    await place.services.identity.end_session(caller, caller.session_id)
    same(*await place.pay(), 401)


async def _exchange(place: Place, *parts: bytes, answers: int, pause_s: float = 0.0) -> bytes:
    """What a bare connection hears, until it has heard so many answers or is hung up on."""
    assert place.client.base_url.port is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", place.client.base_url.port)
    heard = b""
    for part in parts:
        writer.write(part)
        await asyncio.sleep(pause_s)
    while heard.count(b"HTTP/1.1 ") < answers or not heard.endswith((b"}", b"pong")):
        more = await asyncio.wait_for(reader.read(65536), 10)
        if not more:
            break
        heard += more
    writer.close()
    return heard


def _bare(place: Place, amount: str, *headers: str) -> bytes:
    body = msgspec.json.encode({"code": place.code, "amount": amount, "currency": "CNY", "pin": PIN})
    key = uuid4().hex
    lines = [
        "POST /v1/wallet/payments HTTP/1.1", "Host: x", f"Authorization: Bearer {place.wallet}",
        f"X-Tongbao-Proof: {place.sessions[place.wallet].proof('POST', '/v1/wallet/payments', key, body)}",
        f"Idempotency-Key: {key}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers,
    ]  # fmt: skip
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def test_pipelined_requests_of_both_kinds_are_answered_in_their_order(place: Place) -> None:
    ping = b"GET /v1/ping HTTP/1.1\r\nHost: x\r\n\r\n"
    stream = _bare(place, "1.00") + ping + _bare(place, "2.00") + _bare(place, "3.00") + ping
    heard = await _exchange(place, stream, answers=5)
    assert re.findall(rb'"amount":"([0-9.]+)"|\r\n\r\n(pong)', heard) == [
        (b"1.00", b""), (b"", b"pong"), (b"2.00", b""), (b"3.00", b""), (b"", b"pong"),
    ]  # fmt: skip


async def test_a_request_that_comes_in_pieces_is_put_together(place: Place) -> None:
    whole = _bare(place, "1.00")
    pieces = [whole[at : at + 60] for at in range(0, len(whole), 60)]
    before = place.framework
    heard = await _exchange(place, *pieces, answers=1, pause_s=0.002)
    assert heard.startswith(b"HTTP/1.1 201 ") and place.framework == before


async def test_a_connection_that_asked_to_be_closed_is_closed(place: Place) -> None:
    heard = await _exchange(place, _bare(place, "1.00", "Connection: close"), answers=2)
    assert heard.startswith(b"HTTP/1.1 201 ") and b"\r\nconnection: close\r\n" in heard


async def test_who_hangs_up_has_paid_all_the_same(place: Place) -> None:
    assert place.client.base_url.port is not None
    _, writer = await asyncio.open_connection("127.0.0.1", place.client.base_url.port)
    paid = asyncio.Event()
    place.services.listener.watch(f"merchant:{place.shop}", lambda row: _note(row, paid))
    writer.write(_bare(place, "1.00"))
    await writer.drain()
    writer.close()
    await asyncio.wait_for(paid.wait(), 10)
    assert (await place.pay())[0].status_code == 201  # and the server lives on


def _note(row: OutboxRow, paid: asyncio.Event) -> None:
    if row.kind == "payment.paid":
        paid.set()


async def test_when_a_session_was_seen_is_noted_for_its_owner_though_nobody_waits_for_it(place: Place) -> None:
    await place.pay()
    caller = await place.services.identity.authenticate(place.wallet, "wallet")
    query = "select count(*) from session_seen where session_id = $1"
    deadline = asyncio.get_running_loop().time() + 5
    while await place.services.pool.fetchval(query, caller.session_id) == 0:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.02)
