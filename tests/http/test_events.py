"""The merchant's live events: quickly, from every process, without loss over a broken connection, and only one's own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import httpx
import msgspec
import pytest

from tests.http.crowd import Asked, at_once
from tests.http.town import Person, Town, ok, refused

pytestmark = pytest.mark.asyncio(loop_scope="session")


class EventRefund(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a refund adds to an event."""

    out_refund_no: str
    amount: str
    state: str


class EventData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every event says."""

    payment_id: str
    out_trade_no: str
    amount: str
    currency: str
    state: str
    at: datetime
    refund: EventRefund | None = None


class Heard(msgspec.Struct, frozen=True):
    """One event off the wire, and when it came (monotonic)."""

    id: str
    kind: str
    data: EventData
    came: float


class Ear:
    """A reader of one stream, as a browser's EventSource is one."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def next(self, seconds: float = 3.0) -> Heard:
        """The next event. Raises TimeoutError."""
        return await asyncio.wait_for(self._next(), seconds)

    async def several(self, count: int) -> list[Heard]:
        return [await self.next() for _ in range(count)]

    async def _next(self) -> Heard:
        fields: dict[str, str] = {}
        async for line in self._lines:
            if line.startswith(":"):
                continue
            if line:
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
            elif fields.get("data"):
                data = msgspec.json.decode(fields["data"], type=EventData)
                return Heard(fields["id"], fields["event"], data, time.monotonic())
            else:
                fields = {}
        raise AssertionError("the stream ended")


@asynccontextmanager
async def listening(client: httpx.AsyncClient, who: Person, after: str = "") -> AsyncIterator[Ear]:
    """Listen; once inside, whatever is committed is heard."""
    headers = {"authorization": f"Bearer {who.token}", **({"last-event-id": after} if after else {})}
    async with client.stream("GET", "/v1/merchant/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.aiter_lines()
        # The first bytes are sent when the subscription stands.
        await asyncio.wait_for(anext(lines), 3)
        yield Ear(lines)


async def test_a_merchant_hears_of_a_payment_within_a_second_in_both_processes(town: Town) -> None:
    shop = await town.merchant("Ears")
    async with listening(town.here, shop) as near, listening(town.there, shop) as far:
        order = await town.order(shop, "7.00")
        assert {(await ear.next()).kind for ear in (near, far)} == {"payment.created"}
        await town.pay(town.ann, order)
        paid = time.monotonic()
        for ear in (near, far):
            heard = await ear.next()
            assert heard.kind == "payment.paid" and heard.came - paid < 1.0
            assert heard.data == EventData(
                order["payment_id"], order["out_trade_no"], "7.00", "CNY", "PAID", heard.data.at
            )  # fmt: skip


async def test_every_kind_of_event(town: Town) -> None:
    shop = await town.merchant("All kinds")
    async with listening(town.there, shop) as ear:
        order, other, late = [await town.order(shop, "7.00") for _ in range(3)]
        await town.pay(town.ann, order)
        refund = {"amount": "2.00", "currency": "CNY", "out_refund_no": "back-1"}
        ok(await shop.post(f"/v1/merchant/orders/{order['out_trade_no']}/refunds", refund), status=201)
        ok(await shop.post(f"/v1/merchant/orders/{other['out_trade_no']}/close"))
        heard = await ear.several(6)
        await town.expire(late["payment_id"])
        heard.append(await ear.next(5))  # the worker writes it down within its round
        assert [(each.kind, each.data.out_trade_no, each.data.state) for each in heard] == [
            *(("payment.created", each["out_trade_no"], "CREATED") for each in (order, other, late)),
            ("payment.paid", order["out_trade_no"], "PAID"),
            ("payment.refunded", order["out_trade_no"], "PAID"),
            ("payment.closed", other["out_trade_no"], "CLOSED"),
            ("payment.expired", late["out_trade_no"], "EXPIRED"),
        ]
        assert heard[4].data.refund == EventRefund("back-1", "2.00", "SUCCEEDED")


async def test_another_merchant_hears_nothing(town: Town) -> None:
    quiet = await town.merchant("Quiet")
    async with listening(town.here, quiet) as near, listening(town.there, quiet) as far:
        order = await town.order(town.shop, "1.00")
        await town.pay(town.ann, order)
        own = await town.order(quiet, "1.00")
        for ear in (near, far):
            assert (await ear.next()).data.out_trade_no == own["out_trade_no"]


async def test_who_comes_back_hears_what_was_missed(town: Town) -> None:
    shop = await town.merchant("Tunnel")
    async with listening(town.here, shop) as ear:
        first = await town.order(shop, "1.00")
        last = (await ear.next()).id
    missed = [await town.order(shop.elsewhere(client), "1.00") for client in (town.here, town.there, town.here)]
    await town.pay(town.ann, first)
    async with listening(town.there, shop, after=last) as ear:
        heard = await ear.several(4)
        new = await town.order(shop, "1.00")
        while heard[-1].data.out_trade_no != new["out_trade_no"]:
            heard.append(await ear.next())
    # At least once: what was committed just before the line stood may be both replayed and heard live.
    once = list(dict.fromkeys((each.kind, each.data.out_trade_no) for each in heard))
    assert once == [
        *(("payment.created", each["out_trade_no"]) for each in missed),
        ("payment.paid", first["out_trade_no"]),
        ("payment.created", new["out_trade_no"]),
    ]


async def test_who_leaves_in_the_middle_of_a_batch_misses_none_of_it(town: Town) -> None:
    """Orders that came together are committed together; the line may break after any of their events."""
    shop = await town.merchant("Batch")
    order = {"amount": "1.00", "currency": "CNY", "subject": "x"}
    async with listening(town.here, shop) as ear:
        answers = await at_once([Asked(shop, "/v1/merchant/orders", order) for _ in range(60)])
        numbers = {ok(answer, status=201)["out_trade_no"] for answer in answers}
        heard = [await ear.next()]
    while len(heard) < 60:
        try:
            async with listening(town.here, shop, after=heard[-1].id) as ear:
                heard.append(await ear.next())
        except TimeoutError:
            break
    assert {each.data.out_trade_no for each in heard} == numbers


async def test_who_was_away_for_long_hears_it_all(town: Town) -> None:
    shop = await town.merchant("Long tunnel")
    async with listening(town.here, shop) as ear:
        await town.order(shop, "1.00")
        last = (await ear.next()).id
    order = {"amount": "1.00", "currency": "CNY", "subject": "x"}
    answers = await at_once([Asked(shop, "/v1/merchant/orders", order) for _ in range(700)])
    numbers = {ok(answer, status=201)["out_trade_no"] for answer in answers}
    heard: set[str] = set()
    async with listening(town.here, shop, after=last) as ear:
        try:
            while len(heard) < 700:
                heard.add((await ear.next()).data.out_trade_no)
        except TimeoutError:
            pass
    assert heard == numbers


async def test_a_live_listener_hears_a_flood(town: Town) -> None:
    """More events at once than are fetched at a time: none falls between two fetches."""
    shop = await town.merchant("Flood")
    order = {"amount": "1.00", "currency": "CNY", "subject": "x"}
    async with listening(town.there, shop) as ear:
        answers = await at_once([Asked(shop, "/v1/merchant/orders", order) for _ in range(900)])
        numbers = {ok(answer, status=201)["out_trade_no"] for answer in answers}
        heard: set[str] = set()
        try:
            while len(heard) < 900:
                heard.add((await ear.next()).data.out_trade_no)
        except TimeoutError:
            pass
    assert heard == numbers


@pytest.mark.parametrize("after", ["garbage", "1:", "-1:5", "99999999999:1", ",", "1:2:3", "é", "1:5," * 2000])
async def test_a_place_that_is_none_is_no_place(town: Town, after: str) -> None:
    shop = await town.merchant("Lost")
    headers = [(b"authorization", f"Bearer {shop.token}".encode()), (b"last-event-id", after.encode())]
    async with town.here.stream("GET", "/v1/merchant/events", headers=headers) as answer:
        assert answer.status_code == 200
        lines = answer.aiter_lines()
        await asyncio.wait_for(anext(lines), 3)
        order = await town.order(shop, "1.00")
        assert (await Ear(lines).next()).data.out_trade_no == order["out_trade_no"]


async def test_only_staff_listen(town: Town) -> None:
    refused(await town.here.get("/v1/merchant/events"), 401, "unauthenticated")
    refused(await town.ann.get("/v1/merchant/events"), 401, "unauthenticated")
