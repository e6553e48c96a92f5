"""What a log-in on a device leaves behind: the device, who is told of it, and for how long the limits of a new device hold."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from msgspec.structs import replace

from tests.identity.test_ladder import on_a_device, opening, with_passkey
from tests.support.leavings import events, rows
from tests.support.town import NOON, RIGHT, sealed, town
from tongbao.engine.api import MemoryStore
from tongbao.identity.alerts import ALERT, MESSAGE, Alert, Message
from tongbao.identity.devices import COOLING, DEVICE, Device, NameDevice, device_id_of, new_token
from tongbao.identity.factors import KNOWLEDGE, POSSESSION
from tongbao.identity.standing import STANDING, Standing
from tongbao.identity.types import SESSION, PasskeyConfirmation
from tongbao.wallet.types import BILL

LATER = timedelta(seconds=7)


async def test_the_first_device_is_known_and_nobody_is_told() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer, device = await place.customer(), place.id()
        await place.happens(replace(opening(place, customer), device_id=device, known_as=sealed("phone"), is_first=True))
    assert rows(store, DEVICE) == [Device(device, customer, sealed("phone"), NOON, NOON, None, NOON)]
    assert rows(store, SESSION)[0].device_id == device
    assert (rows(store, STANDING), rows(store, ALERT), rows(store, MESSAGE)) == ([], [], [])


async def test_another_device_is_told_of_and_cools_for_a_day_and_a_known_one_does_not() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer, device = await place.customer(), place.id()
        place.clock.advance(LATER)
        await place.happens(replace(opening(place, customer), device_id=device, known_as=sealed("phone")))
        at = NOON + LATER
        standing = Standing(customer, 0, None, None, False, False, "", at + timedelta(days=1), at)
        assert rows(store, STANDING) == [standing]
        (alert,) = rows(store, ALERT)
        facts = msgspec.json.encode({"device_id": str(device)}).decode()
        assert alert == Alert(customer, alert.alert_id, "device_added", facts, at)
        assert rows(store, MESSAGE) == [Message(alert.alert_id, customer, "device_added", facts, "PENDING", 0, at, at, None)]
        assert (f"customer:{customer}", "alert.device_added", {"alert_id": str(alert.alert_id)}) in events(store)
        place.clock.advance(LATER)
        await place.happens(replace(opening(place, customer, b"again"), device_id=device))
        assert rows(store, STANDING) == [standing] and len(rows(store, ALERT)) == 1
        assert rows(store, DEVICE) == [Device(device, customer, sealed("phone"), at, at + LATER, None, at + COOLING)]


@pytest.mark.parametrize("known", [False, True])
async def test_a_device_is_proven_at_once_by_a_passkey_whether_it_was_known_or_not(known: bool) -> None:
    store = MemoryStore()
    async with town(store) as place:
        added, device = await with_passkey(place), place.id()
        session = replace(opening(place, added.customer_id), device_id=device, known_as=sealed("phone"))
        if known:
            await place.happens(session)
        place.clock.advance(LATER)
        by_passkey = replace(opening(place, added.customer_id, b"again"), device_id=device, known_as=sealed("phone"))
        await place.happens(replace(by_passkey, passkey=PasskeyConfirmation(added.passkey_id, 8)))
    (row,) = rows(store, DEVICE)
    assert (row.first_seen_at, row.proven_at) == (NOON if known else NOON + LATER, NOON + LATER)


async def test_an_operators_new_device_is_told_of_and_has_no_standing() -> None:
    store = MemoryStore()
    async with town(store) as place:
        who = (await place.happens(place.registering("ops@example.com", "console"))).principal_id
        await place.happens(replace(opening(place, who), device_id=place.id()))
    assert rows(store, STANDING) == [] and [each.kind for each in rows(store, ALERT)] == ["device_added"]


async def test_removing_a_device_ends_its_sessions_and_no_others() -> None:
    store = MemoryStore()
    async with town(store) as place:
        revoking = await on_a_device(place)
        elsewhere = (await place.happens(opening(place, revoking.principal_id, b"elsewhere"))).session_id
        stranger = (await place.happens(opening(place, await place.customer(), b"stranger"))).session_id
        place.clock.advance(LATER)
        await place.happens(replace(revoking, session_ids=(*revoking.session_ids, stranger)))
    ended = {each.session_id: each.ended_at for each in rows(store, SESSION)}
    assert ended == {revoking.session_ids[0]: NOON + LATER, elsewhere: None, stranger: None}
    assert ("sessions", "session.ended", {"session_id": str(revoking.session_ids[0])}) in events(store)
    assert rows(store, DEVICE)[0].revoked_at == NOON + LATER
    assert [each.kind for each in rows(store, ALERT)] == ["device_added", "device_revoked"]


async def test_a_device_keeps_the_name_it_was_given() -> None:
    store = MemoryStore()
    async with town(store) as place:
        known = await on_a_device(place)
        await place.happens(
            NameDevice(command_id=place.id(), principal_id=known.principal_id, device_id=known.device_id, name=sealed("kitchen"))
        )
    assert [each.name for each in rows(store, DEVICE)] == [sealed("kitchen")]


@pytest.mark.parametrize(("on_device", "factors"), [(False, KNOWLEDGE), (True, KNOWLEDGE | POSSESSION)])
async def test_a_pin_on_a_device_is_two_factors_and_alone_it_is_one(on_device: bool, factors: int) -> None:
    store = MemoryStore()
    async with town(store) as place:
        payer, payee = await place.customer(500), await place.customer()
        await place.happens(place.transferring(payer, payee, 30, replace(RIGHT, on_device=on_device)))
    assert {each.direction: each.factors for each in rows(store, BILL)[-2:]} == {"out": factors, "in": 0}


async def test_a_device_has_another_name_for_everybody_and_under_every_key() -> None:
    async with town() as place:
        one, other, token = place.id(), place.id(), new_token(b"k" * 32, place.id())
    names = {device_id_of(key, who, text) for key in (b"k" * 32, b"j" * 32) for who in (one, other) for text in (token, "x")}
    assert len(names) == 8 and len(token) == 43
