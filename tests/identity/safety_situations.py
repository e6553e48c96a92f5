"""Situations of codes, recovery and a reported takeover, for the ladder of identity."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from typing import cast
from uuid import UUID

from msgspec.structs import replace

from tests.support.ladder import ladder
from tests.support.town import LONG_AGO, RIGHT, WRONG, Town, mac_of, sealed
from tongbao.engine.api import Command
from tongbao.identity.codes import LIVES, RESEND_AFTER, Asking, CodeUse, SendCode, UseCode, code_id_of
from tongbao.identity.devices import COOLING, RevokeDevice
from tongbao.identity.lookups import CountLookup, count_of
from tongbao.identity.recovery import ChangePassword, Recover
from tongbao.identity.rules import PIN_LOCKS
from tongbao.identity.takeover import ReportTakeover
from tongbao.identity.tries import CountWrongPassword, Trying
from tongbao.identity.types import OpenSession, PasskeyConfirmation, SetPin
from tongbao.kernel.ids import named_id
from tongbao.privacy.erasure import GRACE, BeginErasure, RequestErasure

ROWS, says = ladder()

CODE_ID = code_id_of("recover", b"index: somebody", "ticket")
RIGHT_CODE = CodeUse(CODE_ID, mac_of("271828"))
WRONG_CODE = CodeUse(CODE_ID, mac_of("314159"))


def asking(where: str = "device") -> Asking:
    """On a device that is known; or from an address, counted among strangers too."""
    here = named_id("asked", where)
    return Asking(here) if where == "device" else Asking(here, named_id("asked", "anywhere"))


def sending(place: Town, where: str = "device") -> SendCode:
    return SendCode(command_id=place.id(), code_id=CODE_ID, mac=RIGHT_CODE.mac, asking=asking(where))


def showing(place: Town, use: CodeUse = RIGHT_CODE) -> UseCode:
    return UseCode(command_id=place.id(), use=use)


async def closed(place: Town) -> UUID:
    """Somebody whose account was closed for ever: it has no password any more."""
    wish = place.registering("+8613812345678")
    return cast(UUID, (await place.happens(replace(wish, who=replace(wish.who, password_hash="")))).principal_id)


async def with_device(place: Town, customer: UUID, *, is_first: bool = True) -> OpenSession:
    """Somebody logged in on a device of theirs."""
    opened = OpenSession(
        command_id=place.id(), principal_id=customer, token_hash=sha256(place.id().bytes).digest(), device_name=sealed("phone"),
        lifetime_s=3600, device_id=place.id(), known_as=sealed("phone"), is_first=is_first,
    )  # fmt: skip
    await place.happens(opened)
    return opened


async def recovering(place: Town, customer: UUID | None = None) -> Recover:
    """Somebody who was sent a code, knows it, and knows the PIN."""
    await place.happens(sending(place))
    return Recover(
        command_id=place.id(), customer_id=customer or await place.customer(100), code=RIGHT_CODE, device_id=None,
        pin_mac=RIGHT.mac, password_hash="argon2 of another", session_ids=(),
    )  # fmt: skip


async def reporting(place: Town) -> ReportTakeover:
    return ReportTakeover(command_id=place.id(), customer_id=await place.customer(100), session_ids=())


@says("ok")
async def a_code(place: Town) -> Command:
    return sending(place)


@says("code_too_soon")
async def another_code_a_moment_before_a_minute_is_over(place: Town) -> Command:
    await place.happens(sending(place))
    place.clock.advance(RESEND_AFTER - timedelta(microseconds=1))
    return sending(place)


@says("ok")
async def another_code_after_a_minute(place: Town) -> Command:
    await place.happens(sending(place))
    place.clock.advance(RESEND_AFTER)
    return sending(place)


@says("code_too_many")
async def the_eleventh_code_of_a_day(place: Town) -> Command:
    for _ in range(10):
        await place.happens(sending(place))
        place.clock.advance(RESEND_AFTER)
    return sending(place)


@says("ok")
async def the_first_code_of_the_next_day(place: Town) -> Command:
    for _ in range(10):
        await place.happens(sending(place))
        place.clock.advance(RESEND_AFTER)
    place.clock.advance(timedelta(hours=12))
    return sending(place)


@says("ok")
async def a_code_a_moment_after_somebody_else_asked_for_one(place: Town) -> Command:
    await place.happens(sending(place, "an address"))
    return sending(place, "another address")


@says("ok")
async def a_strangers_twentieth_code_of_a_day(place: Town) -> Command:
    for number in range(19):
        await place.happens(sending(place, f"address {number}"))
    return sending(place, "another address")


@says("code_too_many")
async def a_strangers_twenty_first_code_of_a_day(place: Town) -> Command:
    for number in range(20):
        await place.happens(sending(place, f"address {number}"))
    return sending(place, "another address")


@says("ok")
async def the_owners_code_after_strangers_used_up_theirs(place: Town) -> Command:
    for number in range(20):
        await place.happens(sending(place, f"address {number}"))
    return sending(place)


@says("ok")
async def the_code_after_five_wrong_ones_of_somebody_else_who_asked(place: Town) -> Command:
    theirs = code_id_of("recover", b"index: somebody", "another ticket")
    await place.happens(sending(place))
    await place.happens(replace(sending(place, "an address"), code_id=theirs))
    for _ in range(5):
        await place.says(showing(place, CodeUse(theirs, WRONG_CODE.mac)))
    return showing(place)


@says("ok")
async def the_code(place: Town) -> Command:
    await place.happens(sending(place))
    return showing(place)


@says("code_wrong")
async def a_code_that_was_never_sent(place: Town) -> Command:
    return showing(place)


@says("code_wrong")
async def the_code_twice(place: Town) -> Command:
    await place.happens(sending(place))
    await place.happens(showing(place))
    return showing(place)


@says("ok")
async def the_code_a_moment_before_it_expires(place: Town) -> Command:
    await place.happens(sending(place))
    place.clock.advance(LIVES - timedelta(microseconds=1))
    return showing(place)


@says("code_wrong")
async def the_code_when_it_expires(place: Town) -> Command:
    await place.happens(sending(place))
    place.clock.advance(LIVES)
    return showing(place)


@says("ok")
async def the_code_after_four_wrong_ones(place: Town) -> Command:
    await place.happens(sending(place))
    for _ in range(4):
        await place.says(showing(place, WRONG_CODE))
    return showing(place)


@says("code_wrong")
async def the_code_after_five_wrong_ones(place: Town) -> Command:
    await place.happens(sending(place))
    for _ in range(5):
        await place.says(showing(place, WRONG_CODE))
    return showing(place)


@says("ok")
async def recovering_with_the_pin(place: Town) -> Command:
    return await recovering(place)


@says("ok")
async def recovering_where_wrong_passwords_locked_the_log_in(place: Town) -> Command:
    wish = await recovering(place)
    for _ in range(10):
        await place.says(CountWrongPassword(command_id=place.id(), trying=Trying(wish.customer_id)))
    return wish


@says("ok")
async def recovering_on_a_known_device(place: Town) -> Command:
    wish = await recovering(place)
    opened = await with_device(place, wish.customer_id)
    return replace(wish, pin_mac=None, device_id=opened.device_id)


@says("recovery_needs_more")
async def recovering_on_a_device_that_only_a_password_let_in_less_than_a_day_ago(place: Town) -> Command:
    wish = await recovering(place)
    opened = await with_device(place, wish.customer_id, is_first=False)
    place.clock.advance(COOLING - timedelta(microseconds=1))
    await place.happens(sending(place))
    return replace(wish, pin_mac=None, device_id=opened.device_id)


@says("ok")
async def recovering_on_a_device_that_was_let_in_a_day_ago(place: Town) -> Command:
    wish = await recovering(place)
    opened = await with_device(place, wish.customer_id, is_first=False)
    place.clock.advance(COOLING)
    await place.happens(sending(place))
    return replace(wish, pin_mac=None, device_id=opened.device_id)


@says("code_wrong")
async def recovering_an_account_that_was_closed_for_ever(place: Town) -> Command:
    return await recovering(place, await closed(place))


@says("account_closing")
async def recovering_an_account_that_is_being_closed(place: Town) -> Command:
    wish = await recovering(place)
    await place.happens(RequestErasure(command_id=place.id(), customer_id=wish.customer_id, confirmation=RIGHT))
    place.clock.advance(GRACE)
    await place.happens(BeginErasure(command_id=place.id(), customer_id=wish.customer_id))
    await place.happens(sending(place))
    return wish


@says("wrong_credentials")
async def another_password_of_an_account_that_was_closed_for_ever(place: Town) -> Command:
    return ChangePassword(command_id=place.id(), principal_id=await closed(place), password_hash="x", session_ids=())


@says("wrong_credentials")
async def another_pin_of_an_account_that_was_closed_for_ever(place: Town) -> Command:
    return choosing(place, await closed(place), LONG_AGO)


@says("recovery_needs_more")
async def recovering_by_the_code_alone(place: Town) -> Command:
    return replace(await recovering(place), pin_mac=None)


@says("recovery_needs_more")
async def recovering_on_somebody_elses_device(place: Town) -> Command:
    opened = await with_device(place, await place.customer())
    return replace(await recovering(place), pin_mac=None, device_id=opened.device_id)


@says("recovery_needs_more")
async def recovering_on_a_device_that_was_removed(place: Town) -> Command:
    wish = await recovering(place)
    opened = await with_device(place, wish.customer_id)
    assert opened.device_id is not None
    await place.happens(
        RevokeDevice(
            command_id=place.id(),
            principal_id=wish.customer_id,
            device_id=opened.device_id,
            session_ids=(),
            proven_at=LONG_AGO,
        )
    )
    return replace(wish, pin_mac=None, device_id=opened.device_id)


@says("code_wrong")
async def recovering_with_a_wrong_code_and_the_pin(place: Town) -> Command:
    return replace(await recovering(place), code=WRONG_CODE)


@says("ok")
async def recovering_with_the_pin_after_a_thief_locked_it_elsewhere(place: Town) -> Command:
    wish = await recovering(place)
    for _ in range(5):
        await place.says(place.transferring(wish.customer_id, await place.customer(), 1, WRONG))
    return wish


@says("pin_locked")
async def recovering_with_the_pin_after_five_wrong_ones_in_recovering(place: Town) -> Command:
    wish = await recovering(place)
    for _ in range(5):
        await place.says(replace(wish, command_id=place.id(), pin_mac=WRONG.mac))
    place.clock.advance(PIN_LOCKS["recovering"] - timedelta(microseconds=1))
    await place.happens(sending(place))
    return wish


@says("wrong_pin")
async def recovering_with_a_wrong_pin(place: Town) -> Command:
    return replace(await recovering(place), pin_mac=WRONG.mac)


@says("code_wrong")
async def recovering_after_five_tries_with_the_code_and_not_the_rest(place: Town) -> Command:
    wish = await recovering(place)
    for _ in range(5):
        assert await place.says(replace(wish, command_id=place.id(), pin_mac=None)) == "recovery_needs_more"
    return wish


@says("code_wrong")
async def recovering_twice_with_one_code(place: Town) -> Command:
    wish = await recovering(place)
    await place.happens(wish)
    return replace(wish, command_id=place.id())


@says("code_wrong")
async def recovering_an_operator(place: Town) -> Command:
    operator = (await place.happens(place.registering("ops@example.com", "console"))).principal_id
    return await recovering(place, operator)


async def on_a_new_device(place: Town, pin: bytes | None) -> ChangePassword:
    return ChangePassword(
        command_id=place.id(), principal_id=await place.customer(), password_hash="x", session_ids=(),
        proven_at=place.clock.now() + timedelta(microseconds=1), pin_mac=pin,
    )  # fmt: skip


@says("ok")
async def another_password_on_a_proven_device(place: Town) -> Command:
    return replace(await on_a_new_device(place, None), proven_at=place.clock.now())


@says("device_unproven")
async def another_password_on_a_new_device_by_the_one_before_alone(place: Town) -> Command:
    return await on_a_new_device(place, None)


@says("ok")
async def another_password_on_a_new_device_with_the_pin(place: Town) -> Command:
    return await on_a_new_device(place, RIGHT.mac)


@says("wrong_pin")
async def another_password_on_a_new_device_with_a_wrong_pin(place: Town) -> Command:
    return await on_a_new_device(place, WRONG.mac)


@says("device_unproven")
async def another_password_in_a_session_without_a_device(place: Town) -> Command:
    return replace(await on_a_new_device(place, None), proven_at=None)


@says("principal_not_found")
async def another_password_of_nobody(place: Town) -> Command:
    return ChangePassword(command_id=place.id(), principal_id=place.id(), password_hash="x", session_ids=())


@says("login_locked")
async def another_password_where_wrong_ones_locked_the_log_in(place: Town) -> Command:
    customer = await place.customer()
    for _ in range(10):
        await place.says(CountWrongPassword(command_id=place.id(), trying=Trying(customer)))
    return ChangePassword(
        command_id=place.id(), principal_id=customer, password_hash="x", session_ids=(), trying=Trying(customer)
    )


@says("ok")
async def reporting_a_takeover(place: Town) -> Command:
    return await reporting(place)


@says("ok")
async def reporting_a_takeover_by_a_code(place: Town) -> Command:
    await place.happens(sending(place))
    return replace(await reporting(place), code=RIGHT_CODE)


@says("code_wrong")
async def reporting_a_takeover_by_a_wrong_code(place: Town) -> Command:
    await place.happens(sending(place))
    return replace(await reporting(place), code=WRONG_CODE)


@says("code_wrong")
async def reporting_a_takeover_of_nobodys_account_by_a_code(place: Town) -> Command:
    await place.happens(sending(place))
    return replace(await reporting(place), customer_id=place.id(), code=RIGHT_CODE)


@says("code_wrong")
async def reporting_a_takeover_by_a_code_of_an_account_that_was_closed_for_ever(place: Town) -> Command:
    await place.happens(sending(place))
    return replace(await reporting(place), customer_id=await closed(place), code=RIGHT_CODE)


@says("recovery_needs_more")
async def recovering_on_a_device_that_was_not_proven_when_a_takeover_was_reported(place: Town) -> Command:
    wish = await reporting(place)
    opened = await with_device(place, wish.customer_id, is_first=False)
    assert opened.device_id is not None
    await place.happens(replace(wish, device_ids=(opened.device_id,)))
    place.clock.advance(2 * COOLING)
    return replace(await recovering(place, wish.customer_id), pin_mac=None, device_id=opened.device_id)


@says("recovery_needs_more")
async def recovering_on_a_device_that_came_after_a_takeover_was_reported(place: Town) -> Command:
    wish = await reporting(place)
    await place.happens(wish)
    opened = await with_device(place, wish.customer_id, is_first=False)
    place.clock.advance(2 * COOLING)
    return replace(await recovering(place, wish.customer_id), pin_mac=None, device_id=opened.device_id)


@says("ok")
async def recovering_on_a_device_that_was_proven_when_a_takeover_was_reported(place: Town) -> Command:
    wish = await reporting(place)
    opened = await with_device(place, wish.customer_id)
    assert opened.device_id is not None
    await place.happens(replace(wish, device_ids=(opened.device_id,)))
    return replace(await recovering(place, wish.customer_id), pin_mac=None, device_id=opened.device_id)


@says("account_suspended")
async def paying_from_an_account_that_was_reported(place: Town) -> Command:
    wish = await reporting(place)
    await place.happens(wish)
    return place.transferring(wish.customer_id, await place.customer(), 1)


@says("ok")
async def paying_into_an_account_that_was_reported(place: Town) -> Command:
    wish = await reporting(place)
    await place.happens(wish)
    return place.transferring(await place.customer(100), wish.customer_id, 1)


@says("ok")
async def paying_from_an_account_that_was_reported_and_recovered(place: Town) -> Command:
    wish = await reporting(place)
    await place.happens(wish)
    await place.happens(await recovering(place, wish.customer_id))
    return place.transferring(wish.customer_id, await place.customer(), 1)


@says("ok")
async def looking_somebody_up_for_the_hundredth_time_of_a_day(place: Town) -> Command:
    return await looking_up(place, 99)


@says("too_many_lookups")
async def looking_somebody_up_once_more(place: Town) -> Command:
    return await looking_up(place, 100)


@says("ok")
async def looking_somebody_up_on_the_next_day(place: Town) -> Command:
    wish = await looking_up(place, 100)
    place.clock.advance(timedelta(hours=12))
    return wish


async def looking_up(place: Town, times: int) -> CountLookup:
    """After so many times."""
    who = count_of(place.id())
    for _ in range(times):
        await place.happens(CountLookup(command_id=place.id(), count_id=who))
    return CountLookup(command_id=place.id(), count_id=who)


def choosing(place: Town, customer: UUID, proven_at: datetime | None, pin: str = "new") -> SetPin:
    return SetPin(command_id=place.id(), customer_id=customer, mac=mac_of(pin), proven_at=proven_at)


@says("ok")
async def a_first_pin_on_a_proven_device(place: Town) -> Command:
    return choosing(place, await place.customer(pin=False), place.clock.now())


@says("device_unproven")
async def a_first_pin_on_a_device_a_moment_before_it_is_proven(place: Town) -> Command:
    return choosing(place, await place.customer(pin=False), place.clock.now() + timedelta(microseconds=1))


@says("device_unproven")
async def a_first_pin_on_a_new_device_confirmed_by_one_that_never_was(place: Town) -> Command:
    return replace(choosing(place, await place.customer(pin=False), None), confirmation=RIGHT)


@says("device_unproven")
async def a_first_pin_in_a_session_without_a_device(place: Town) -> Command:
    return choosing(place, await place.customer(pin=False), None)


@says("ok")
async def a_first_pin_on_a_new_device_with_the_code(place: Town) -> Command:
    await place.happens(sending(place))
    return replace(choosing(place, await place.customer(pin=False), None), code=RIGHT_CODE)


@says("code_wrong")
async def a_first_pin_on_a_new_device_with_a_wrong_code(place: Town) -> Command:
    await place.happens(sending(place))
    return replace(choosing(place, await place.customer(pin=False), None), code=WRONG_CODE)


@says("old_pin_needed")
async def replacing_a_pin_with_the_password_alone(place: Town) -> Command:
    return choosing(place, await place.customer(), LONG_AGO)


@says("ok")
async def replacing_a_pin_with_the_one_before_on_any_device(place: Town) -> Command:
    return replace(choosing(place, await place.customer(), None), confirmation=RIGHT)


@says("wrong_pin")
async def replacing_a_pin_with_a_wrong_one(place: Town) -> Command:
    return replace(choosing(place, await place.customer(), LONG_AGO), confirmation=WRONG)


@says("passkey_unknown")
async def replacing_a_pin_with_a_passkey_that_never_was(place: Town) -> Command:
    return replace(choosing(place, await place.customer(), LONG_AGO), confirmation=PasskeyConfirmation(place.id(), 8))


@says("ok")
async def replacing_a_pin_with_the_code_on_a_proven_device(place: Town) -> Command:
    await place.happens(sending(place))
    return replace(choosing(place, await place.customer(), place.clock.now()), code=RIGHT_CODE)


@says("device_unproven")
async def replacing_a_pin_with_the_code_on_a_new_device(place: Town) -> Command:
    await place.happens(sending(place))
    return replace(choosing(place, await place.customer(), place.clock.now() + timedelta(microseconds=1)), code=RIGHT_CODE)


@says("code_wrong")
async def replacing_a_pin_with_a_wrong_code(place: Town) -> Command:
    await place.happens(sending(place))
    return replace(choosing(place, await place.customer(), LONG_AGO), code=WRONG_CODE)


@says("code_wrong")
async def replacing_a_pin_after_five_wrong_codes(place: Town) -> Command:
    await place.happens(sending(place))
    customer = await place.customer()
    for _ in range(5):
        await place.says(replace(choosing(place, customer, LONG_AGO), code=WRONG_CODE))
    return replace(choosing(place, customer, LONG_AGO), code=RIGHT_CODE)
