"""Who is let in: what can be answered in time, and no more; reads for longer than writes; health always."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from tests.app.test_quick import PIN, Place, place, same
from tongbao.app.admission import Admission, closed_answer
from tongbao.app.answers import ErrorAnswer

__all__ = ["place"]

PAY, LIST = (b"POST", b"/v1/wallet/payments"), (b"GET", b"/v1/wallet/bills")


class Work:
    """An engine as admission sees it, and a clock."""

    def __init__(self) -> None:
        self.backlog = self.decided = 0
        self.now = 1000.0
        self.admission = Admission(lambda: self, 1.0, lambda: self.now)

    def runs(self, seconds: float, rate: float, backlog: int) -> None:
        """Some time in which so many a second were decided and so many waited."""
        for _ in range(round(seconds / 0.1)):
            self.now += 0.1
            self.decided += round(rate * 0.1)
            self.backlog = backlog
            self.admission.closed_for_s(*PAY)

    def closed(self, request: tuple[bytes, bytes] = PAY) -> int:
        return self.admission.closed_for_s(*request)


def test_a_backlog_is_let_in_up_to_what_is_done_in_the_longest_wait_and_not_beyond() -> None:
    work = Work()
    work.runs(3, rate=2000, backlog=1500)
    assert work.closed() == 0
    work.backlog = 2500
    assert work.closed() == 2


def test_the_time_to_come_back_grows_with_the_backlog_and_with_those_turned_away_and_has_an_end() -> None:
    work = Work()
    work.runs(3, rate=1000, backlog=900)
    work.backlog = 3500
    assert work.closed() == 4
    said = [work.closed() for _ in range(5000)]
    assert said == sorted(said) and said[-1] > 7
    work.backlog = 1_000_000
    assert work.closed() == 30


def test_a_database_that_stands_still_closes_the_door_and_one_that_goes_on_opens_it() -> None:
    work = Work()
    work.runs(3, rate=2000, backlog=1000)
    assert work.closed() == 0
    work.runs(2, rate=0, backlog=1000)
    assert work.closed() > 0
    work.runs(2, rate=2000, backlog=1000)
    assert work.closed() == 0


def test_few_are_let_in_whatever_the_estimate_so_that_better_times_are_noticed() -> None:
    work = Work()
    work.runs(5, rate=0, backlog=1000)
    work.backlog = 63
    assert work.closed() == 0


def test_a_quiet_server_does_not_think_itself_slow() -> None:
    work = Work()
    work.runs(60, rate=10, backlog=1)
    work.backlog = 400
    assert work.closed() == 0


def test_writes_that_wait_do_not_shed_reads_and_reads_wait_three_times_as_long() -> None:
    work = Work()
    work.runs(3, rate=1000, backlog=2500)
    assert work.closed() > 0 and work.closed(LIST) == 0
    for _ in range(30):
        work.now += 0.1
        work.admission.reading, work.admission.read = 2500, work.admission.read + 100
        work.closed(LIST)
    assert work.closed(LIST) == 0
    work.admission.reading = 3500
    assert work.closed(LIST) == 4


@pytest.mark.parametrize("url", [b"/health", b"/v1/ping", b"/", b"/wallet/assets/index.js", b"/v1/merchant/events"])
def test_health_and_pages_are_never_turned_away(url: bytes) -> None:
    work = Work()
    work.runs(3, rate=0, backlog=10_000)
    work.admission.reading = 10_000
    assert work.closed((b"GET", url)) == 0


@pytest.mark.parametrize(("language", "words"), [(b"en", "Too many requests"), (b"zh-CN", "当前请求过多"), (b"", "当前请求过多")])
def test_the_refusal_is_told_as_any_other_with_an_id_of_its_own(language: bytes, words: str) -> None:
    first, second = [closed_answer(7, [(b"accept-language", language)] if language else []) for _ in range(2)]
    error = msgspec.json.decode(first.body, type=ErrorAnswer).error
    assert (first.status, first.retry_after_s, error.code, error.retryable) == (429, 7, "overloaded", True)
    assert error.money_moved is False and error.detail == {"retry_after_s": 7} and error.message.startswith(words)
    assert error.request_id != msgspec.json.decode(second.body, type=ErrorAnswer).error.request_id


# ── a server ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _full(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(place.services.engine), "backlog", property(lambda engine: 100_000))


async def test_a_full_server_says_when_to_come_back_whichever_way_the_request_would_take(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    _full(place, monkeypatch)
    body: dict[str, Any] = {"code": place.code, "amount": "12.50", "currency": "CNY", "pin": PIN}
    before = place.framework
    headers = place.shown(place.wallet, "/v1/wallet/payments", uuid4().hex, body)
    for path in ("/v1/wallet/payments", "/v1/wallet/transfers"):
        answer = await place.client.post(path, json=body, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "overloaded")
        assert int(answer.headers["retry-after"]) == answer.json()["error"]["detail"]["retry_after_s"] == 30
        assert answer.headers["cache-control"] == "no-store" and answer.headers["content-type"] == "application/json"
    assert place.framework == before
    assert (await place.client.get("/health")).status_code == 200
    assert (await place.client.get("/v1/wallet/balance", headers=headers)).status_code == 200


async def _raw(place: Place, *pieces: bytes) -> bytes:
    """What comes back for requests written piece by piece, until nothing more comes."""
    reader, writer = await asyncio.open_connection(place.client.base_url.host, place.client.base_url.port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.05)
    said = b""
    try:
        while more := await asyncio.wait_for(reader.read(65536), 0.4):
            said += more
    except TimeoutError:
        pass
    writer.close()
    return re.sub(rb'("request_id":)"[^"]*"|date: [^\r]*', b"", said)


def _payment(*fields: str, body: str = '{"a":1}') -> bytes:
    lines = ["POST /v1/wallet/payments HTTP/1.1", "Host: x", f"Content-Length: {len(body.encode())}", *fields]
    return "\r\n".join([*lines, "", body]).encode()


async def test_a_request_that_arrives_whole_is_turned_away_as_one_in_pieces_is(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    _full(place, monkeypatch)
    await place.client.post("/v1/wallet/payments")  # from now on writes are being turned away
    for fields in ((), ("Accept-Language: en-GB",), ("Accept-Language: zh",)):
        request = _payment(*fields)
        whole, pieces = await _raw(place, request), await _raw(place, request[:30], request[30:])
        assert whole == pieces and whole.startswith(b"HTTP/1.1 429 ")
    assert (await _raw(place, _payment(), _payment())).count(b"HTTP/1.1 429 ") == 2, "the connection stays"
    assert (await _raw(place, _payment() * 3)).count(b"HTTP/1.1 429 ") == 3, "requests in one piece are each answered"


@pytest.mark.parametrize(
    "request_bytes",
    [
        _payment("Transfer-Encoding: chunked"),
        _payment("Content-Length: 3"),
        _payment("Connection: close"),
        _payment().replace(b"Content-Length: 7", b"Content-Length: +7"),
        _payment().replace(b"Content-Length: 7", b"Content-Length: 6"),
        _payment().replace(b"HTTP/1.1", b"HTTP/1.0"),
        _payment().replace(b"Content-Length: 7\r\n", b""),
    ],
)
async def test_what_is_not_plainly_one_whole_request_is_left_to_the_parser(
    place: Place, monkeypatch: pytest.MonkeyPatch, request_bytes: bytes
) -> None:
    _full(place, monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(
            type(place.admission), "turning_away", property(lambda gates: False, lambda gates, value: None), raising=False
        )
        parsed = await _raw(place, request_bytes)
    place.admission.turning_away = True
    assert await _raw(place, request_bytes) == parsed


@pytest.mark.parametrize(
    "request_bytes",
    [
        _payment("Expect: 100-continue"),
        _payment("Connection: Upgrade", "Upgrade: h2c"),
        _payment("Connection: Upgrade", "Upgrade: websocket"),
        _payment().replace(b"POST /v1", b"POST http://x/v1"),
        _payment().replace(b"POST /v1", b"POST //v1"),
        _payment().replace(b"POST /v1", b"POST /%761"),
        _payment("Transfer-Encoding: chunked")
        .replace(b"Content-Length: 7\r\n", b"")
        .replace(b'{"a":1}', b"7\r\n{}     \r\n0\r\n\r\n"),
    ],
    ids=["expect", "upgrade", "websocket", "absolute", "slashes", "quoted", "chunked"],
)
async def test_nothing_that_a_request_carries_lets_it_in_at_a_full_server(
    place: Place, monkeypatch: pytest.MonkeyPatch, request_bytes: bytes
) -> None:
    _full(place, monkeypatch)
    before = place.framework
    heard = await _raw(place, request_bytes)
    assert heard.startswith(b"HTTP/1.1 429 ") and heard.count(b"HTTP/1.1 ") == 1
    assert place.framework == before
    plain = await _raw(place, _payment())
    assert heard.partition(b"\r\n\r\n")[2] == plain.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    "first", [b"GET /v1/ping HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /v1/wallet/bills HTTP/1.1\r\nHost: x\r\n\r\n"]
)
async def test_requests_that_stand_behind_another_are_turned_away_too(
    place: Place, monkeypatch: pytest.MonkeyPatch, first: bytes
) -> None:
    _full(place, monkeypatch)
    before = place.framework
    heard = await _raw(place, first + _payment() * 5)
    assert re.findall(rb"HTTP/1\.1 (\d+)", heard)[1:] == [b"429"] * 5
    assert place.framework == before + 1


async def test_who_stood_behind_another_when_the_server_filled_up_is_asked_for_when_their_turn_comes(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first payment is let in and is on its way; the door closes; the second was read before that."""
    body = msgspec.json.encode({"code": place.code, "amount": "1.00", "currency": "CNY", "pin": PIN}).decode()
    several = [place.shown(place.wallet, "/v1/wallet/payments", uuid4().hex, body.encode()) for _ in range(2)]
    first, second = [
        _payment(*(f"{name}: {value}" for name, value in mine.items()), "Content-Type: application/json", body=body)
        for mine in several
    ]
    paid = place.services.payments.pay_merchant

    async def slowly(*arguments: Any, **named: Any) -> Any:
        answer = await paid(*arguments, **named)
        _full(place, monkeypatch)
        return answer

    monkeypatch.setattr(place.services.payments, "pay_merchant", slowly)
    assert re.findall(rb"HTTP/1\.1 (\d+)", await _raw(place, first + second)) == [b"201", b"429"]


async def test_reads_behind_another_are_counted_one_after_another_and_turned_away_when_there_are_too_many(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    gates, before = place.admission, place.admission.read
    read = b"GET /v1/merchant/nothing HTTP/1.1\r\nHost: x\r\n\r\n"
    assert (await _raw(place, read * 4)).count(b"HTTP/1.1 404 ") == 4
    assert (gates.reading, gates.read) == (0, before + 4)
    gates.reading = 100_000
    ping = b"GET /v1/ping HTTP/1.1\r\nHost: x\r\n\r\n"
    assert re.findall(rb"HTTP/1\.1 (\d+)", await _raw(place, ping + read * 2)) == [b"200", b"429", b"429"]
    assert gates.reading == 100_000


async def test_who_was_turned_away_may_come_again_with_the_same_key(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"code": place.code, "amount": "12.50", "currency": "CNY", "pin": PIN}
    headers = place.shown(place.wallet, "/v1/wallet/payments", uuid4().hex, body)
    with monkeypatch.context() as patch:
        _full(place, patch)
        assert (await place.client.post("/v1/wallet/payments", json=body, headers=headers)).status_code == 429
    paid = await place.client.post("/v1/wallet/payments", json=body, headers=headers)
    assert paid.status_code == 201
    assert (await place.client.post("/v1/wallet/payments", json=body, headers=headers)).json() == paid.json()


async def test_who_is_in_keeps_their_place(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    async def pay() -> int:
        body = {"code": place.code, "amount": "1.00", "currency": "CNY", "pin": PIN}
        headers = place.shown(place.wallet, "/v1/wallet/payments", uuid4().hex, body)
        return (await place.client.post("/v1/wallet/payments", json=body, headers=headers)).status_code

    paying = [asyncio.create_task(pay()) for _ in range(20)]
    while (are_in := place.services.engine.backlog) == 0:
        await asyncio.sleep(0)
    _full(place, monkeypatch)
    answers = [await each for each in paying]
    assert answers.count(201) >= are_in and answers.count(201) + answers.count(429) == 20


async def test_reads_are_counted_until_they_are_answered_and_event_streams_are_not(place: Place) -> None:
    gates = place.admission
    headers = {"authorization": f"Bearer {place.till}"}
    before = gates.read
    assert (await place.client.get("/v1/merchant/orders", headers=headers)).status_code == 200
    assert (await place.client.get("/v1/merchant/nothing", headers=headers)).status_code == 404
    assert (gates.reading, gates.read) == (0, before + 2)
    async with place.client.stream("GET", "/v1/merchant/events", headers=headers) as stream:
        assert stream.status_code == 200 and gates.reading == 0


async def test_an_answer_is_alike_before_and_after_a_rush(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        _full(place, patch)
        answer = await place.client.post("/v1/wallet/payments", headers={"idempotency-key": uuid4().hex})
        assert answer.status_code == 429
    same(*await place.pay(), 201)
