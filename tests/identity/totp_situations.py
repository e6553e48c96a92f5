"""Situations of authenticator apps, for the ladder of identity."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from msgspec.structs import replace

from tests.support.ladder import ladder
from tests.support.town import LONG_AGO, RIGHT, WRONG, Town, sealed
from tongbao.engine.api import Command
from tongbao.identity.recovery import ChangePassword
from tongbao.identity.totp import TotpUse
from tongbao.identity.totp_codes import RECOVERY_MAC_BYTES
from tongbao.identity.totp_rules import ConfirmTotp, RemoveTotp, RenewRecoveryCodes, StartTotp
from tongbao.identity.tries import FIRST_WAIT, FREE_HERE, CountWrongPassword, Trying
from tongbao.identity.types import OpenSession, TotpConfirmation

ROWS, says = ladder()

SPARE, OTHER = b"s" * RECOVERY_MAC_BYTES, b"o" * RECOVERY_MAC_BYTES
FIRST = 1_000


def starting(place: Town, who: UUID) -> StartTotp:
    wish = place.id()
    return StartTotp(
        command_id=wish, principal_id=who, totp_id=wish, secret=sealed("secret"), trying=Trying(who), proven_at=LONG_AGO
    )


@says("device_unproven")
async def an_app_on_a_device_that_only_a_password_let_in(place: Town) -> Command:
    return replace(starting(place, await place.customer()), proven_at=None)


@says("ok")
async def an_operators_app_on_any_device(place: Town) -> Command:
    operator = (await place.happens(place.registering("ops@example.com", "console"))).principal_id
    return replace(starting(place, operator), proven_at=None)


def shown(app: StartTotp, step: int, recovery: bytes = b"") -> TotpUse:
    """What is typed where codes are tried by their owner."""
    return TotpUse(app.totp_id, step, Trying(app.totp_id), recovery)


def confirming(place: Town, app: StartTotp, step: int = FIRST) -> ConfirmTotp:
    return ConfirmTotp(
        command_id=place.id(), principal_id=app.principal_id, session_id=place.id(), use=shown(app, step), recovery=SPARE + OTHER
    )


async def with_app(place: Town, minor: int = 100) -> StartTotp:
    """A customer whose app counts; the step `FIRST` is used."""
    app = starting(place, await place.customer(minor))
    await place.happens(app)
    await place.happens(confirming(place, app))
    return app


def entering(place: Town, app: StartTotp, use: TotpUse | None) -> OpenSession:
    return OpenSession(
        command_id=place.id(), principal_id=app.principal_id, token_hash=sha256(place.id().bytes).digest(),
        device_name=sealed("phone"), lifetime_s=3600, trying=Trying(app.principal_id), totp=use,
    )  # fmt: skip


def removing(place: Town, app: StartTotp, use: TotpUse) -> RemoveTotp:
    return RemoveTotp(command_id=place.id(), principal_id=app.principal_id, use=use, trying=Trying(app.principal_id))


def renewing(place: Town, app: StartTotp, use: TotpUse) -> RenewRecoveryCodes:
    return RenewRecoveryCodes(
        command_id=place.id(), principal_id=app.principal_id, use=use, recovery=OTHER, trying=Trying(app.principal_id)
    )


async def wrong_codes(place: Town, app: StartTotp, times: int) -> None:
    for _ in range(times):
        await place.says(entering(place, app, shown(app, 0)))


async def wrong_passwords(place: Town, app: StartTotp) -> None:
    for _ in range(FREE_HERE):
        await place.says(CountWrongPassword(command_id=place.id(), trying=Trying(app.principal_id)))


@says("ok")
async def beginning_to_set_up_an_app(place: Town) -> Command:
    return starting(place, await place.customer())


@says("ok")
async def beginning_again_before_the_first_code(place: Town) -> Command:
    app = starting(place, await place.customer())
    await place.happens(app)
    return starting(place, app.principal_id)


@says("totp_set")
async def a_second_app(place: Town) -> Command:
    return starting(place, (await with_app(place)).principal_id)


@says("principal_not_found")
async def an_app_of_nobody(place: Town) -> Command:
    return starting(place, place.id())


@says("login_locked")
async def an_app_where_wrong_passwords_locked_the_log_in(place: Town) -> Command:
    app = starting(place, await place.customer())
    await wrong_passwords(place, app)
    return app


@says("ok")
async def the_first_code(place: Town) -> Command:
    app = starting(place, await place.customer())
    await place.happens(app)
    return confirming(place, app)


@says("totp_wrong")
async def a_wrong_first_code(place: Town) -> Command:
    app = starting(place, await place.customer())
    await place.happens(app)
    return confirming(place, app, 0)


@says("totp_wrong")
async def the_first_code_of_a_secret_that_was_replaced(place: Town) -> Command:
    app = starting(place, await place.customer())
    await place.happens(app)
    await place.happens(starting(place, app.principal_id))
    return confirming(place, app)


@says("totp_not_set")
async def the_first_code_of_an_app_that_nobody_began(place: Town) -> Command:
    return confirming(place, starting(place, await place.customer()))


@says("totp_not_set")
async def the_first_code_of_an_app_that_was_removed(place: Town) -> Command:
    app = await with_app(place)
    await place.happens(removing(place, app, shown(app, FIRST + 1)))
    return confirming(place, app, FIRST + 2)


@says("totp_set")
async def the_first_code_twice(place: Town) -> Command:
    return confirming(place, await with_app(place), FIRST + 1)


@says("ok")
async def logging_in_while_the_app_waits_for_its_first_code(place: Town) -> Command:
    app = starting(place, await place.customer())
    await place.happens(app)
    return entering(place, app, None)


@says("second_factor_needed")
async def logging_in_without_the_code(place: Town) -> Command:
    return entering(place, await with_app(place), None)


@says("ok")
async def logging_in_with_the_code(place: Town) -> Command:
    app = await with_app(place)
    return entering(place, app, shown(app, FIRST + 1))


@says("totp_used")
async def logging_in_with_the_code_that_confirmed_the_app(place: Town) -> Command:
    app = await with_app(place)
    return entering(place, app, shown(app, FIRST))


@says("totp_used")
async def logging_in_with_an_earlier_code_than_the_last(place: Town) -> Command:
    app = await with_app(place)
    await place.happens(entering(place, app, shown(app, FIRST + 2)))
    return entering(place, app, shown(app, FIRST + 1))


@says("totp_wrong")
async def logging_in_with_a_wrong_code(place: Town) -> Command:
    app = await with_app(place)
    return entering(place, app, shown(app, 0))


@says("totp_wrong")
async def logging_in_with_somebody_elses_code(place: Town) -> Command:
    app, other = await with_app(place), await with_app(place)
    return entering(place, app, shown(other, FIRST + 1))


@says("totp_not_set")
async def logging_in_with_a_code_of_an_app_that_was_removed_meanwhile(place: Town) -> Command:
    app = await with_app(place)
    await place.happens(removing(place, app, shown(app, FIRST + 1)))
    return entering(place, app, shown(app, FIRST + 2))


@says("ok")
async def the_code_after_nine_wrong_ones(place: Town) -> Command:
    app = await with_app(place)
    await wrong_codes(place, app, FREE_HERE - 1)
    return entering(place, app, shown(app, FIRST + 1))


@says("totp_locked")
async def the_tenth_wrong_code(place: Town) -> Command:
    app = await with_app(place)
    await wrong_codes(place, app, FREE_HERE - 1)
    return entering(place, app, shown(app, 0))


@says("totp_locked")
async def the_right_code_within_the_wait(place: Town) -> Command:
    app = await with_app(place)
    await wrong_codes(place, app, FREE_HERE)
    place.clock.advance(FIRST_WAIT - timedelta(microseconds=1))
    return entering(place, app, shown(app, FIRST + 1))


@says("totp_locked")
async def a_recovery_code_within_the_wait(place: Town) -> Command:
    app = await with_app(place)
    await wrong_codes(place, app, FREE_HERE)
    return entering(place, app, shown(app, 0, SPARE))


@says("ok")
async def the_right_code_after_the_wait(place: Town) -> Command:
    app = await with_app(place)
    await wrong_codes(place, app, FREE_HERE)
    place.clock.advance(FIRST_WAIT)
    return entering(place, app, shown(app, FIRST + 1))


@says("ok")
async def wrong_codes_elsewhere_lock_nobody_out_here(place: Town) -> Command:
    app = await with_app(place)
    elsewhere = Trying(place.id())
    for _ in range(FREE_HERE):
        await place.says(entering(place, app, replace(shown(app, 0), trying=elsewhere)))
    return entering(place, app, shown(app, FIRST + 1))


@says("ok")
async def a_recovery_code(place: Town) -> Command:
    app = await with_app(place)
    return entering(place, app, shown(app, 0, SPARE))


@says("totp_wrong")
async def a_recovery_code_twice(place: Town) -> Command:
    app = await with_app(place)
    await place.happens(entering(place, app, shown(app, 0, SPARE)))
    return entering(place, app, shown(app, 0, SPARE))


@says("totp_wrong")
async def a_recovery_code_that_is_none(place: Town) -> Command:
    app = await with_app(place)
    return entering(place, app, shown(app, 0, b"x" * RECOVERY_MAC_BYTES))


@says("ok")
async def removing_the_app(place: Town) -> Command:
    app = await with_app(place)
    return removing(place, app, shown(app, FIRST + 1))


@says("ok")
async def removing_the_app_by_a_recovery_code(place: Town) -> Command:
    app = await with_app(place)
    return removing(place, app, shown(app, 0, OTHER))


@says("totp_wrong")
async def removing_the_app_by_a_wrong_code(place: Town) -> Command:
    app = await with_app(place)
    return removing(place, app, shown(app, 0))


@says("login_locked")
async def removing_the_app_where_wrong_passwords_locked_the_log_in(place: Town) -> Command:
    app = await with_app(place)
    await wrong_passwords(place, app)
    return removing(place, app, shown(app, FIRST + 1))


@says("ok")
async def another_app_after_the_first_was_removed(place: Town) -> Command:
    app = await with_app(place)
    await place.happens(removing(place, app, shown(app, FIRST + 1)))
    return starting(place, app.principal_id)


@says("ok")
async def logging_in_by_the_password_alone_after_the_app_was_removed(place: Town) -> Command:
    app = await with_app(place)
    await place.happens(removing(place, app, shown(app, FIRST + 1)))
    return entering(place, app, None)


@says("ok")
async def new_recovery_codes(place: Town) -> Command:
    app = await with_app(place)
    return renewing(place, app, shown(app, FIRST + 1))


@says("totp_wrong")
async def an_old_recovery_code_after_there_are_new_ones(place: Town) -> Command:
    app = await with_app(place)
    await place.happens(renewing(place, app, shown(app, FIRST + 1)))
    return entering(place, app, shown(app, 0, SPARE))


@says("totp_used")
async def new_recovery_codes_by_a_used_code(place: Town) -> Command:
    app = await with_app(place)
    return renewing(place, app, shown(app, FIRST))


def changing(place: Town, app: StartTotp, use: TotpUse | None) -> ChangePassword:
    return ChangePassword(command_id=place.id(), principal_id=app.principal_id, password_hash="x", session_ids=(), totp=use)


@says("second_factor_needed")
async def another_password_without_the_code(place: Town) -> Command:
    return changing(place, await with_app(place), None)


@says("totp_wrong")
async def another_password_with_a_wrong_code(place: Town) -> Command:
    app = await with_app(place)
    return changing(place, app, shown(app, 0))


@says("ok")
async def another_password_with_the_code(place: Town) -> Command:
    app = await with_app(place)
    return changing(place, app, shown(app, FIRST + 1))


async def sending(place: Town, app: StartTotp, mac: bytes, use: TotpUse, minor: int = 1) -> Command:
    payee = await place.customer()
    return place.transferring(app.principal_id, payee, minor, TotpConfirmation(mac, use))


@says("ok")
async def a_payment_with_the_pin_and_the_code(place: Town) -> Command:
    app = await with_app(place)
    return await sending(place, app, RIGHT.mac, shown(app, FIRST + 1))


@says("wrong_pin")
async def a_payment_with_a_wrong_pin_and_the_code(place: Town) -> Command:
    app = await with_app(place)
    return await sending(place, app, WRONG.mac, shown(app, FIRST + 1))


@says("totp_wrong")
async def a_payment_with_the_pin_and_a_wrong_code(place: Town) -> Command:
    app = await with_app(place)
    return await sending(place, app, RIGHT.mac, shown(app, 0))


@says("totp_not_set")
async def a_payment_with_the_pin_and_the_code_of_no_app(place: Town) -> Command:
    app = starting(place, await place.customer(100))
    return await sending(place, app, RIGHT.mac, shown(app, FIRST))


@says("totp_used")
async def a_code_that_confirmed_what_was_then_declined(place: Town) -> Command:
    app = await with_app(place, 100)
    assert await place.says(await sending(place, app, RIGHT.mac, shown(app, FIRST + 1), 101)) == "insufficient_funds"
    return await sending(place, app, RIGHT.mac, shown(app, FIRST + 1))
