"""What registrations, sessions, passwords and PINs leave behind: whole rows, whole events."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from tests.identity.test_ladder import adding, opening, wrong, wrong_passwords, wrong_pins
from tests.support.leavings import events, rows
from tests.support.town import LONG_AGO, NOON, RIGHT, WRONG, Town, enrolled, mac_of, town
from tongbao.engine.api import Declined, MemoryStore
from tongbao.identity.alerts import ALERT
from tongbao.identity.devices import COOLING
from tongbao.identity.factors import KNOWLEDGE
from tongbao.identity.rules import normal_login, normal_name
from tongbao.identity.standing import STANDING
from tongbao.identity.tries import FIRST_WAIT, TRIES, LoginTries, Trying
from tongbao.identity.types import (
    LOGIN,
    PIN,
    PRINCIPAL,
    SESSION,
    EndSession,
    LoginName,
    Pin,
    Principal,
    Register,
    Session,
    SetPin,
)
from tongbao.kernel.errors import Refusal
from tongbao.security.people import PERSON_KEY, PersonKey

LATER = timedelta(seconds=7)
PIN_LOCK = timedelta(hours=24)


async def detail(place: Town, command: object) -> dict[str, object]:
    """What a declined command is told besides its code."""
    decision = (await place.submit(command)).decision  # type: ignore[arg-type]
    assert isinstance(decision, Declined)
    return dict(decision.detail)


def text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


async def test_a_registration_leaves_a_principal_and_its_login() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant = place.id()
        who = enrolled(place.id(), "wang@example.com", "owner")
        wish = replace(place.registering("wang@example.com", "merchant", merchant), who=who)
        assert (await place.happens(wish)).principal_id == who.principal_id
    assert rows(store, LOGIN) == [LoginName("merchant", who.login_index, who.principal_id)]
    assert rows(store, PRINCIPAL) == [
        Principal(who.principal_id, "merchant", who.name, who.name_index, who.login, "zh", "owner", merchant, "argon2", NOON)
    ]
    assert rows(store, PERSON_KEY) == [PersonKey(who.principal_id, 1, 1, who.person_key, None)]


async def test_a_login_is_taken_at_once_for_everybody_after() -> None:
    store = MemoryStore()
    async with town(store) as place:
        await place.happens(place.registering("+8613800000000"))
        before = (rows(store, PRINCIPAL), rows(store, LOGIN))
        assert await place.says(place.registering("+8613800000000")) == "login_taken"
    assert (rows(store, PRINCIPAL), rows(store, LOGIN)) == before


async def test_a_session_is_kept_with_its_end_and_its_token_as_a_hash() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await place.customer()
        place.clock.advance(LATER)
        wish = opening(place, customer)
        opened = await place.happens(wish)
        at = NOON + LATER
        assert opened.expires_at == at + timedelta(seconds=3600)
        expected = Session(
            opened.session_id, customer, wish.token_hash, wish.device_name, at, at + timedelta(hours=1), None, None, KNOWLEDGE
        )
        assert rows(store, SESSION) == [expected]
        place.clock.advance(LATER)
        await place.happens(EndSession(command_id=place.id(), principal_id=customer, session_id=opened.session_id))
    assert rows(store, SESSION) == [replace(expected, ended_at=NOON + 2 * LATER)]
    assert events(store) == [("sessions", "session.ended", {"session_id": str(opened.session_id)})]


async def test_wrong_passwords_are_counted_up_to_the_wait_which_those_within_it_do_not_lengthen() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await place.customer(pin=False)
        await wrong_passwords(place, customer, 9)
        assert rows(store, TRIES) == [LoginTries(customer, 9, NOON, None)]
        waiting = LoginTries(customer, 10, NOON, NOON + FIRST_WAIT)
        assert await detail(place, wrong(place, customer)) == {"until": text(NOON + FIRST_WAIT)}
        assert rows(store, TRIES) == [waiting]
        place.clock.advance(LATER)
        pin = SetPin(command_id=place.id(), customer_id=customer, mac=RIGHT.mac, trying=Trying(customer), proven_at=LONG_AGO)
        for refused in (wrong(place, customer), opening(place, customer), pin):
            assert await detail(place, refused) == {"until": text(NOON + FIRST_WAIT)}
    assert rows(store, TRIES) == [waiting] and rows(store, PIN) == []


async def test_each_wrong_password_after_a_wait_doubles_it_up_to_a_day() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await place.customer(pin=False)
        await wrong_passwords(place, customer, 10)
        waits = []
        for _ in range(9):
            (tries,) = rows(store, TRIES)
            assert tries.waits_until is not None
            waits.append(tries.waits_until - place.clock.now())
            place.clock.advance(waits[-1])
            await wrong_passwords(place, customer, 1)
    assert waits == [min(FIRST_WAIT * 2**number, timedelta(days=1)) for number in range(9)] and waits[-1] == timedelta(days=1)


async def test_what_is_not_known_is_counted_by_pair_and_altogether() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer, one, other, anywhere = await place.customer(pin=False), *sorted((place.id(), place.id(), place.id()))
        for pair in (one, one, other):
            assert await place.says(wrong(place, customer, Trying(pair, anywhere))) == "wrong_credentials"
        assert {each.tries_id: each.wrong for each in rows(store, TRIES)} == {one: 2, other: 1, anywhere: 3}
        await place.happens(opening(place, customer, trying=Trying(one, anywhere)))
    assert {each.tries_id: each.wrong for each in rows(store, TRIES)} == {one: 0, other: 1, anywhere: 0}


@pytest.mark.parametrize("times", [3, 10])
async def test_a_session_and_a_new_pin_each_clear_the_count_of_wrong_passwords(times: int) -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await place.customer(pin=False)
        await wrong_passwords(place, customer, times)
        place.clock.advance(FIRST_WAIT)
        await place.happens(opening(place, customer))
        assert rows(store, TRIES) == [LoginTries(customer, 0, NOON, None)]
        await wrong_passwords(place, customer, times)
        place.clock.advance(FIRST_WAIT)
        await place.happens(
            SetPin(command_id=place.id(), customer_id=customer, mac=RIGHT.mac, trying=Trying(customer), proven_at=LONG_AGO)
        )
    assert rows(store, TRIES) == [LoginTries(customer, 0, NOON + FIRST_WAIT, None)]


@pytest.mark.parametrize(("before", "says"), [(timedelta(microseconds=1), "login_locked"), (timedelta(), "ok")])
async def test_a_pin_is_set_when_the_wait_ends_and_not_a_moment_sooner(before: timedelta, says: str) -> None:
    async with town() as place:
        customer = await place.customer(pin=False)
        await wrong_passwords(place, customer, 10)
        place.clock.advance(FIRST_WAIT - before)
        wish = SetPin(command_id=place.id(), customer_id=customer, mac=RIGHT.mac, trying=Trying(customer), proven_at=LONG_AGO)
        assert await place.says(wish) == says


def replacing_by_pin(place: Town, customer: UUID, pin: str) -> SetPin:
    """Another PIN for who knows theirs."""
    return SetPin(command_id=place.id(), customer_id=customer, mac=mac_of(pin), confirmation=RIGHT)


async def test_a_pin_is_kept_as_its_mac_and_a_new_one_starts_afresh() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await place.customer()
        expected = Pin(customer, RIGHT.mac, 0, None, NOON)
        assert rows(store, PIN) == [expected]
        await wrong_pins(place, customer, 5)
        assert rows(store, PIN)[0] == replace(expected, wrong=5, locked_until=NOON + PIN_LOCK)
        place.clock.advance(PIN_LOCK)
        await place.happens(replacing_by_pin(place, customer, "new"))
    assert rows(store, PIN)[0] == Pin(customer, mac_of("new"), 0, None, NOON + PIN_LOCK)


async def test_a_wrong_pin_given_for_another_one_counts_as_any_wrong_pin() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await place.customer()
        await wrong_pins(place, customer, 4)
        assert await place.says(replace(replacing_by_pin(place, customer, "new"), confirmation=WRONG)) == "pin_locked"
        assert await place.says(replacing_by_pin(place, customer, "new")) == "pin_locked"
    assert rows(store, PIN)[0] == Pin(customer, RIGHT.mac, 5, NOON + PIN_LOCK, NOON)


async def test_a_pin_that_is_replaced_is_told_of_and_cools_and_the_same_one_again_is_not() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await place.customer()
        await place.happens(replacing_by_pin(place, customer, "right"))
        assert (rows(store, ALERT), rows(store, STANDING)) == ([], [])
        place.clock.advance(LATER)
        await place.happens(replacing_by_pin(place, customer, "new"))
    assert [each.kind for each in rows(store, ALERT)] == ["pin_changed"]
    assert rows(store, STANDING)[0].cooling_until == NOON + LATER + COOLING


@pytest.mark.parametrize(("before", "says"), [(timedelta(microseconds=1), "login_locked"), (timedelta(), "ok")])
async def test_no_passkey_is_added_while_the_password_is_locked(before: timedelta, says: str) -> None:
    async with town() as place:
        customer = await place.customer(pin=False)
        await wrong_passwords(place, customer, 10)
        place.clock.advance(FIRST_WAIT - before)
        assert await place.says(replace(adding(place, customer), trying=Trying(customer))) == says


@pytest.mark.parametrize("times", [4, 5])
async def test_a_right_pin_clears_what_was_counted(times: int) -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer, payee = await place.customer(100), await place.customer()
        await wrong_pins(place, customer, times)
        place.clock.advance(PIN_LOCK)
        await place.happens(place.transferring(customer, payee, 1))
    assert rows(store, PIN)[0] == Pin(customer, RIGHT.mac, 0, None, NOON)


async def test_the_first_wrong_pin_after_a_lock_is_the_first() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer, payee = await place.customer(100), await place.customer()
        await wrong_pins(place, customer, 5)
        place.clock.advance(PIN_LOCK)
        assert await detail(place, place.transferring(customer, payee, 1, WRONG)) == {"attempts_left": 4}
    assert rows(store, PIN)[0] == Pin(customer, RIGHT.mac, 1, None, NOON)


@pytest.mark.parametrize(
    ("login", "taken"),
    [
        ("+860213456789", False),
        ("+86212345678", False),
        (f"a@{'b' * 248}.com", True),
        (f"a@{'b' * 249}.com", False),
    ],
)
def test_logins_at_the_edge_of_their_form(login: str, taken: bool) -> None:
    """A Chinese number is a mobile or nothing; an address has at most 254 characters (RFC 3696, erratum 1690)."""
    if taken:
        assert len(login) == 254 and normal_login(login) == login
        return
    with pytest.raises(Refusal, match="login_format"):
        normal_login(login)


def test_what_is_made_anew_for_each_sending_is_no_part_of_the_wish() -> None:
    who = enrolled(UUID(int=2), "a@b.cn")
    wish = Register(command_id=UUID(int=1), audience="wallet", who=who)
    anew = {"principal_id": UUID(int=3), "person_key": b"k", "login": b"l", "name": b"n", "password_hash": "salted anew"}
    assert wish.fingerprint() == replace(wish, who=replace(who, **anew)).fingerprint()
    for other in ({"login_index": b"l"}, {"name_index": b"n"}, {"locale": "en"}, {"roles": "owner"}):
        assert wish.fingerprint() != replace(wish, who=replace(who, **other)).fingerprint()


@pytest.mark.parametrize(
    ("text", "name"),
    [("张", "张"), (" 张小明 ", "张小明"), ("n" * 60, "n" * 60), ("", None), ("n" * 61, None), ("  ", None), ("\u3164", None),
     ("\u3164\u2800", None), ("a\u3164", "a\u3164"), ("~", "~"), ("a\u200db", None), ("a\u00a0b", None)],
)  # fmt: skip
def test_a_name_has_one_to_sixty_characters_that_print_and_shows_something(text: str, name: str | None) -> None:
    if name is None:
        with pytest.raises(Refusal):
            normal_name(text)
    else:
        assert normal_name(text) == name
