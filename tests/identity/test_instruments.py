"""What binding, capping, using and revoking instruments leave behind."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from tests.identity.instrument_situations import NUMBER, OTHER, at_till, binding, bound, capping, missed, on_device
from tests.support.leavings import rows
from tests.support.town import CURRENCY, LONG_AGO, NOON, RIGHT, sealed, town
from tongbao.engine.api import Declined, MemoryStore
from tongbao.identity.alerts import ALERT
from tongbao.identity.devices import RevokeDevice
from tongbao.identity.instrument_rules import MOST_WRONG, MissInstrument, RevokeInstrument
from tongbao.identity.instrument_service import check_caps
from tongbao.identity.instruments import (
    INSTRUMENT,
    INSTRUMENT_KINDS,
    Instrument,
    InstrumentKind,
    misses_of,
    number_from,
    secret_of,
)
from tongbao.identity.types import ClaimConfirmation
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import named_id
from tongbao.security.keys import mac

LATER = timedelta(seconds=7)
WISH = UUID(int=7)


async def test_kinds_have_so_many_digits_and_live_so_long() -> None:
    table: list[tuple[InstrumentKind, int, int]] = [
        ("code", 9, 7), ("nfc", 15, 730), ("plate", 15, 730), ("watch", 15, 365), ("vehicle", 15, 730), ("machine", 15, 365),
        ("voucher", 15, 3), ("text", 15, 730),
    ]  # fmt: skip
    assert {kind for kind, _, _ in table} == set(INSTRUMENT_KINDS)
    drawn = int(mac(b"key", b"instrument number", WISH.bytes, b"\x01")[:16].hex(), 16)
    for kind, digits, days in table:
        assert number_from(b"key", WISH, kind, 1) == drawn % 10**digits
        store = MemoryStore()
        async with town(store) as place:
            await place.happens(replace(binding(place, await place.customer()), of=kind))
        assert [(each.kind, each.expires_at) for each in rows(store, INSTRUMENT)] == [(kind, NOON + timedelta(days=days))]


def test_a_number_follows_from_the_wish_and_the_draw_and_a_secret_from_the_number_and_the_kind() -> None:
    drawn = mac(b"key", b"instrument number", WISH.bytes, b"\x02")
    assert number_from(b"key", WISH, "code", 2) == int(drawn[:16].hex(), 16) % 1_000_000_000
    assert number_from(b"key", WISH, "nfc", 2) == int(drawn[:16].hex(), 16) % 10**15
    assert secret_of(b"key", 258, "nfc") == mac(b"key", b"instrument secret", b"nfc", bytes([0, 0, 0, 0, 0, 0, 1, 2]))


def test_wrong_proofs_are_counted_by_merchant_and_apart_from_all_else() -> None:
    assert misses_of(WISH) == named_id("wrong proofs", str(WISH)) != misses_of(UUID(int=8))


async def test_a_bound_instrument_is_all_that_was_wished_and_its_customer_is_told() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await place.customer()
        device = await on_device(place, customer)
        await place.happens(replace(binding(place, customer), device_id=device, most_minor=50, day_minor=500))
    assert rows(store, INSTRUMENT) == [
        Instrument(
            NUMBER, customer, "code", device, sealed("phone"), CURRENCY, 50, 500, NOON.date(), 0, 0, 0, NOON,
            NOON + timedelta(days=7), None,
        )
    ]  # fmt: skip
    (alert,) = [each for each in rows(store, ALERT) if each.kind.startswith("instrument")]
    assert (alert.kind, alert.facts, alert.customer_id) == ("instrument_added", '{"kind":"code"}', customer)


async def test_one_that_replaces_another_has_its_caps_and_is_told_to_nobody() -> None:
    store = MemoryStore()
    async with town(store) as place:
        before = await bound(place, most=50, day=500)
        place.clock.advance(LATER)
        await place.happens(replace(binding(place, before.customer_id, OTHER), confirmation=None, replaces=NUMBER))
    old, new = rows(store, INSTRUMENT)
    assert (old.revoked_at, new.revoked_at) == (NOON + LATER, None)
    assert (new.most_minor, new.day_minor, new.currency, new.created_at) == (50, 500, CURRENCY, NOON + LATER)
    assert [each.kind for each in rows(store, ALERT)].count("instrument_added") == 1


async def test_caps_become_what_was_wished_and_the_same_again_needs_no_word() -> None:
    store = MemoryStore()
    async with town(store) as place:
        wish = await bound(place, most=500, day=1000)
        await place.happens(capping(place, wish, 400, 900))
        assert await place.says(capping(place, wish, 400, 900)) == "ok"
    (instrument,) = rows(store, INSTRUMENT)
    assert (instrument.most_minor, instrument.day_minor) == (400, 900)


async def test_revoking_is_told_once_and_wrong_proofs_afterwards_change_nothing() -> None:
    store = MemoryStore()
    async with town(store) as place:
        wish = await bound(place)
        await missed(place, wish.number, 2)
        place.clock.advance(LATER)
        await place.happens(RevokeInstrument(command_id=place.id(), number=wish.number, customer_id=wish.customer_id))
        await missed(place, wish.number, MOST_WRONG)
    (instrument,) = rows(store, INSTRUMENT)
    assert (instrument.revoked_at, instrument.wrong) == (NOON + LATER, 2)
    told = [(each.kind, each.facts) for each in rows(store, ALERT) if each.kind.startswith("instrument")]
    assert told == [("instrument_added", '{"kind":"code"}'), ("instrument_revoked", '{"kind":"code"}')]


async def test_the_tenth_wrong_proof_revokes_and_tells() -> None:
    store = MemoryStore()
    async with town(store) as place:
        await missed(place, (await bound(place)).number, 10)
    (instrument,) = rows(store, INSTRUMENT)
    assert (instrument.revoked_at, instrument.wrong) == (NOON, 10)
    assert [each.kind for each in rows(store, ALERT)][-1] == "instrument_revoked"


@pytest.mark.parametrize(
    ("most", "day", "spent", "left"), [(300, 1000, 0, 1000), (300, 0, 0, 300), (0, 200, 0, 200), (300, 1000, 800, 200)]
)
async def test_who_meets_a_cap_is_told_what_is_left(most: int, day: int, spent: int, left: int) -> None:
    async with town() as place:
        wish = await bound(place, most=most, day=day)
        for nonce in range(1, spent // 200 + 1):
            await place.happens(await at_till(place, wish, 200, nonce))
        decision = (await place.submit(await at_till(place, wish, 301, 99))).decision
        assert isinstance(decision, Declined)
        assert decision.detail == {"most_minor": most, "left_minor": left, "currency": CURRENCY}


async def test_in_another_currency_than_its_caps_it_pays_nothing() -> None:
    async with town() as place:
        wish = replace(binding(place, await place.customer()), currency="KES", day_minor=1000)
        await place.happens(wish)
        decision = (await place.submit(await at_till(place, wish, 1))).decision
        assert isinstance(decision, Declined)
        assert decision.detail == {"most_minor": 0, "left_minor": 0, "currency": "KES"}


async def test_what_is_spent_is_that_of_its_day() -> None:
    store = MemoryStore()
    async with town(store) as place:
        wish = await bound(place, day=1500)
        await place.happens(await at_till(place, wish, 1500))
        place.clock.advance(timedelta(hours=12))
        await place.happens(await at_till(place, wish, 20, 2))
    (instrument,) = rows(store, INSTRUMENT)
    assert (instrument.day, instrument.spent_minor) == ((NOON + timedelta(hours=12)).date(), 20)


@pytest.mark.parametrize("number", [NUMBER, 5])
async def test_what_nobody_bound_pays_caps_and_revokes_nothing(number: int) -> None:
    async with town() as place:
        wish = replace(binding(place, await place.customer()), number=number)
        assert await place.says(await at_till(place, wish)) == "instrument_unknown"
        assert await place.says(capping(place, wish, 1, 1)) == "instrument_unknown"
        gone = RevokeInstrument(command_id=place.id(), number=number, customer_id=wish.customer_id)
        assert await place.says(gone) == "instrument_unknown"
        assert await place.says(MissInstrument(command_id=place.id(), number=number, merchant_id=place.id())) == "ok"


async def test_nothing_is_bound_to_a_device_that_is_not_there_or_not_any_more() -> None:
    async with town() as place:
        customer = await place.customer()
        nowhere = replace(binding(place, customer), device_id=place.id())
        assert await place.says(nowhere) == "device_revoked"
        device = await on_device(place, customer)
        await place.happens(
            RevokeDevice(command_id=place.id(), principal_id=customer, device_id=device, session_ids=(), proven_at=LONG_AGO)
        )
        assert await place.says(replace(binding(place, customer), device_id=device)) == "device_revoked"


async def test_a_wish_is_the_same_whatever_proved_it_and_however_its_name_is_sealed() -> None:
    async with town() as place:
        wish = binding(place, await place.customer())
        again = replace(wish, name=b"sealed anew", confirmation=None)
        assert wish.fingerprint() == again.fingerprint() != replace(wish, most_minor=1).fingerprint()
        caps = capping(place, wish, 1, 1)
        assert caps.fingerprint() == replace(caps, confirmation=RIGHT).fingerprint() != replace(caps, day_minor=2).fingerprint()


@pytest.mark.parametrize(
    ("most", "day", "fine"),
    [(0, 0, True), (5, 5, True), (5, 0, True), (0, 5, True), (100_000_000, 100_000_000, True), (6, 5, False), (-1, 0, False),
     (0, -1, False), (100_000_001, 0, False), (0, 100_000_001, False)],
)  # fmt: skip
def test_caps_are_nothing_or_positive_and_in_order(most: int, day: int, fine: bool) -> None:
    if fine:
        check_caps(most, day)
        return
    with pytest.raises(Refusal, match="instrument_cap_range"):
        check_caps(most, day)


async def test_a_claim_of_another_device_or_a_device_that_is_gone_pays_nothing() -> None:
    async with town() as place:
        wish = await bound(place)
        told = replace((await at_till(place, wish)), confirmation=ClaimConfirmation(wish.number, 1, place.id()))
        assert await place.says(told) == "instrument_unknown"
