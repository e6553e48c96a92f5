"""Who may do what, situation by situation."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from uuid import UUID

import pytest
from msgspec.structs import replace

from tests.identity.instrument_situations import ROWS as INSTRUMENTS
from tests.identity.safety_situations import RIGHT_CODE, sending
from tests.identity.safety_situations import ROWS as SAFETY
from tests.identity.totp_situations import ROWS as TOTP
from tests.support.ladder import Row, answer, declines_of, ladder, said_in
from tests.support.town import LONG_AGO, RIGHT, WRONG, Town, mac_of, sealed, town
from tongbao.engine.api import Command
from tongbao.identity import errors
from tongbao.identity.certificates import LIVES, RevokeCertificate
from tongbao.identity.devices import COOLING, NameDevice, RevokeDevice
from tongbao.identity.enrolling import EnrolCertificate
from tongbao.identity.passkeys import AddPasskey, RevokePasskey
from tongbao.identity.rules import PIN_LOCKS, check_pin_choice, normal_login
from tongbao.identity.tries import FIRST_WAIT, FORGOTTEN_AFTER, CountWrongPassword, Trying
from tongbao.identity.types import (
    CertificateConfirmation,
    EndSession,
    OpenSession,
    PasskeyConfirmation,
    SetPin,
)
from tongbao.kernel.errors import Refusal
from tongbao.wallet.types import Transfer

ROWS, says = ladder()


def opening(place: Town, principal: UUID, token: bytes = b"token", trying: Trying | None = None) -> OpenSession:
    """A session from where `wrong_passwords` tries."""
    return OpenSession(
        command_id=place.id(),
        principal_id=principal,
        token_hash=sha256(token).digest(),
        device_name=sealed("phone"),
        lifetime_s=3600,
        trying=trying or Trying(principal),
    )


async def on_a_device(place: Town) -> RevokeDevice:
    """Somebody logged in on a device; the wish to remove it."""
    customer, device = await place.customer(), place.id()
    opened = await place.happens(replace(opening(place, customer), device_id=device))
    return RevokeDevice(command_id=place.id(), principal_id=customer, device_id=device, session_ids=(opened.session_id,))


def adding(place: Town, customer: UUID) -> AddPasskey:
    """A passkey that says it was used seven times, made on a proven device."""
    return AddPasskey(
        command_id=place.id(), passkey_id=place.id(), customer_id=customer, credential_id=b"credential", public_key=b"key",
        counter=7, name=sealed("phone"), proven_at=LONG_AGO,
    )  # fmt: skip


async def with_passkey(place: Town, minor: int = 100) -> AddPasskey:
    """A customer who has one."""
    added = adding(place, await place.customer(minor))
    await place.happens(added)
    return added


async def enrolling(place: Town, minor: int = 100) -> EnrolCertificate:
    """A customer with a passkey enrols a signing key."""
    added = await with_passkey(place, minor)
    return EnrolCertificate(
        command_id=place.id(), certificate_id=place.id(), customer_id=added.customer_id, algorithm="ed25519",
        public_key=bytes(32), x509=b"der", name=sealed("laptop"), lives=LIVES, pin_mac=RIGHT.mac,
        passkey=PasskeyConfirmation(added.passkey_id, 8),
    )  # fmt: skip


async def signing(place: Town) -> tuple[EnrolCertificate, Transfer]:
    """A customer with a signing key, and a transfer that it signed."""
    wish = await enrolling(place)
    await place.happens(wish)
    confirmation = CertificateConfirmation(wish.certificate_id, RIGHT.mac)
    return wish, place.transferring(wish.customer_id, await place.customer(), 1, confirmation)


def wrong(place: Town, principal: UUID, trying: Trying | None = None) -> CountWrongPassword:
    return CountWrongPassword(command_id=place.id(), trying=trying or Trying(principal))


async def wrong_passwords(place: Town, principal: UUID, times: int) -> None:
    for _ in range(times):
        await place.says(wrong(place, principal))


async def wrong_pins(place: Town, customer: UUID, times: int, *, on_device: bool = False) -> None:
    for _ in range(times):
        await place.says(place.transferring(customer, await place.customer(), 1, replace(WRONG, on_device=on_device)))


@says("ok")
async def a_new_login(place: Town) -> Command:
    return place.registering("+8613800000000")


@says("login_taken")
async def a_login_somebody_has(place: Town) -> Command:
    await place.happens(place.registering("+8613800000000"))
    return place.registering("+8613800000000")


@says("ok")
async def the_same_login_in_another_audience(place: Town) -> Command:
    await place.happens(place.registering("+8613800000000"))
    return place.registering("+8613800000000", "console")


@says("principal_not_found")
async def a_session_for_nobody(place: Town) -> Command:
    return opening(place, place.id())


@says("ok")
async def a_session_after_nine_wrong_passwords(place: Town) -> Command:
    customer = await place.customer()
    await wrong_passwords(place, customer, 9)
    return opening(place, customer)


@says("login_locked")
async def a_session_after_ten_wrong_passwords(place: Town) -> Command:
    customer = await place.customer()
    await wrong_passwords(place, customer, 10)
    return opening(place, customer)


@says("login_locked")
async def a_session_a_moment_before_the_lock_ends(place: Town) -> Command:
    customer = await place.customer()
    await wrong_passwords(place, customer, 10)
    place.clock.advance(timedelta(minutes=15) - timedelta(microseconds=1))
    return opening(place, customer)


@says("ok")
async def a_session_when_the_lock_ends(place: Town) -> Command:
    customer = await place.customer()
    await wrong_passwords(place, customer, 10)
    place.clock.advance(timedelta(minutes=15))
    return opening(place, customer)


@says("ok")
async def a_session_where_one_between_started_the_count_again(place: Town) -> Command:
    customer = await place.customer()
    await wrong_passwords(place, customer, 9)
    await place.happens(opening(place, customer, b"other"))
    await wrong_passwords(place, customer, 9)
    return opening(place, customer)


@says("wrong_credentials")
async def a_wrong_password(place: Town) -> Command:
    return wrong(place, await place.customer())


@says("wrong_credentials")
async def a_wrong_password_of_nobody(place: Town) -> Command:
    return wrong(place, place.id())


@says("login_locked")
async def the_tenth_wrong_password(place: Town) -> Command:
    customer = await place.customer()
    await wrong_passwords(place, customer, 9)
    return wrong(place, customer)


@says("login_locked")
async def the_first_wrong_password_after_a_wait(place: Town) -> Command:
    customer = await place.customer()
    await wrong_passwords(place, customer, 10)
    place.clock.advance(timedelta(minutes=15))
    return wrong(place, customer)


@says("login_locked")
async def a_session_when_the_second_wait_is_half_over(place: Town) -> Command:
    customer = await place.customer()
    await wrong_passwords(place, customer, 10)
    place.clock.advance(FIRST_WAIT)
    await wrong_passwords(place, customer, 1)
    place.clock.advance(FIRST_WAIT)
    return opening(place, customer)


@says("ok")
async def a_session_when_the_second_wait_is_over(place: Town) -> Command:
    customer = await place.customer()
    await wrong_passwords(place, customer, 10)
    place.clock.advance(FIRST_WAIT)
    await wrong_passwords(place, customer, 1)
    place.clock.advance(2 * FIRST_WAIT)
    return opening(place, customer)


@says("wrong_credentials")
async def a_wrong_password_a_day_after_a_wait(place: Town) -> Command:
    customer = await place.customer()
    await wrong_passwords(place, customer, 10)
    place.clock.advance(FIRST_WAIT + FORGOTTEN_AFTER)
    return wrong(place, customer)


@says("ok")
async def a_session_on_a_known_device_while_strangers_wait(place: Town) -> Command:
    customer, known, anywhere = await place.customer(), place.id(), place.id()
    for _ in range(110):
        await place.says(wrong(place, customer, Trying(place.id(), anywhere)))
    return opening(place, customer, trying=Trying(known))


@says("login_locked")
async def a_session_from_one_more_address_after_a_hundred_wrong_passwords_from_as_many(place: Town) -> Command:
    customer, anywhere = await place.customer(), place.id()
    for _ in range(100):
        await place.says(wrong(place, customer, Trying(place.id(), anywhere)))
    return opening(place, customer, trying=Trying(place.id(), anywhere))


@says("ok")
async def a_session_from_one_more_address_after_ninety_nine(place: Town) -> Command:
    customer, anywhere = await place.customer(), place.id()
    for _ in range(99):
        await place.says(wrong(place, customer, Trying(place.id(), anywhere)))
    return opening(place, customer, trying=Trying(place.id(), anywhere))


@says("ok")
async def ending_a_session(place: Town) -> Command:
    customer = await place.customer()
    opened = await place.happens(opening(place, customer))
    return EndSession(command_id=place.id(), principal_id=customer, session_id=opened.session_id)


@says("session_not_found")
async def ending_a_session_that_never_was(place: Town) -> Command:
    return EndSession(command_id=place.id(), principal_id=await place.customer(), session_id=place.id())


@says("session_not_found")
async def ending_somebody_elses_session(place: Town) -> Command:
    opened = await place.happens(opening(place, await place.customer()))
    return EndSession(command_id=place.id(), principal_id=await place.customer(), session_id=opened.session_id)


@says("session_not_found")
async def ending_a_session_twice(place: Town) -> Command:
    customer = await place.customer()
    opened = await place.happens(opening(place, customer))
    await place.happens(EndSession(command_id=place.id(), principal_id=customer, session_id=opened.session_id))
    return EndSession(command_id=place.id(), principal_id=customer, session_id=opened.session_id)


@says("ok")
async def a_session_on_a_device_that_is_new(place: Town) -> Command:
    return replace(opening(place, await place.customer()), device_id=place.id())


@says("ok")
async def a_session_on_a_device_that_is_known(place: Town) -> Command:
    first = replace(opening(place, await place.customer()), device_id=place.id())
    await place.happens(first)
    return replace(opening(place, first.principal_id, b"again"), device_id=first.device_id)


async def two_devices(place: Town) -> tuple[RevokeDevice, EndSession, UUID]:
    """The wishes, made on a device that only the password let in, to remove the one that was there first, and to end the session
    on it; and the newer device."""
    customer, device, newer = await place.customer(), place.id(), place.id()
    opened = await place.happens(replace(opening(place, customer), device_id=device, is_first=True))
    await place.happens(replace(opening(place, customer, b"newer"), device_id=newer))
    due = place.clock.now() + COOLING
    revoking = RevokeDevice(
        command_id=place.id(), principal_id=customer, device_id=device, session_ids=(opened.session_id,), proven_at=due
    )
    ending = EndSession(
        command_id=place.id(), principal_id=customer, session_id=opened.session_id, device_id=device, here=place.id(),
        proven_at=due,
    )  # fmt: skip
    return revoking, ending, newer


@says("device_unproven")
async def removing_a_proven_device_from_a_new_one(place: Town) -> Command:
    return (await two_devices(place))[0]


@says("ok")
async def removing_a_proven_device_from_one_that_is_proven_by_now(place: Town) -> Command:
    wish = (await two_devices(place))[0]
    place.clock.advance(COOLING)
    return wish


@says("ok")
async def removing_a_new_device_from_itself(place: Town) -> Command:
    wish, _, newer = await two_devices(place)
    return replace(wish, device_id=newer, session_ids=())


@says("device_unproven")
async def ending_a_session_on_a_proven_device_from_a_new_one(place: Town) -> Command:
    return (await two_devices(place))[1]


@says("device_unproven")
async def ending_a_session_elsewhere_than_is_said_from_a_new_device(place: Town) -> Command:
    _, wish, newer = await two_devices(place)
    return replace(wish, device_id=newer)


@says("ok")
async def ending_a_session_on_a_proven_device_from_another(place: Town) -> Command:
    return replace((await two_devices(place))[1], proven_at=LONG_AGO)


@says("ok")
async def ending_ones_own_session_on_any_device(place: Town) -> Command:
    wish = (await two_devices(place))[1]
    return replace(wish, here=wish.session_id, proven_at=None)


@says("device_revoked")
async def a_session_on_a_device_that_was_removed(place: Town) -> Command:
    revoking = await on_a_device(place)
    await place.happens(revoking)
    return replace(opening(place, revoking.principal_id, b"again"), device_id=revoking.device_id)


@says("device_revoked")
async def a_session_on_somebody_elses_device(place: Town) -> Command:
    theirs = await on_a_device(place)
    return replace(opening(place, await place.customer(), b"again"), device_id=theirs.device_id)


@says("ok")
async def removing_a_device(place: Town) -> Command:
    return await on_a_device(place)


@says("device_not_found")
async def removing_a_device_twice(place: Town) -> Command:
    revoking = await on_a_device(place)
    await place.happens(revoking)
    return replace(revoking, command_id=place.id())


@says("device_not_found")
async def removing_a_device_that_never_was(place: Town) -> Command:
    return RevokeDevice(command_id=place.id(), principal_id=await place.customer(), device_id=place.id(), session_ids=())


@says("device_not_found")
async def removing_somebody_elses_device(place: Town) -> Command:
    return replace(await on_a_device(place), principal_id=await place.customer())


@says("ok")
async def naming_a_device(place: Town) -> Command:
    known = await on_a_device(place)
    return NameDevice(command_id=place.id(), principal_id=known.principal_id, device_id=known.device_id, name=sealed("kitchen"))


@says("device_not_found")
async def naming_somebody_elses_device(place: Town) -> Command:
    known = await on_a_device(place)
    return NameDevice(command_id=place.id(), principal_id=place.id(), device_id=known.device_id, name=sealed("kitchen"))


@says("device_unproven")
async def removing_a_passkey_from_a_device_that_only_a_password_let_in(place: Town) -> Command:
    added = await with_passkey(place)
    return RevokePasskey(command_id=place.id(), customer_id=added.customer_id, passkey_id=added.passkey_id)


@says("device_unproven")
async def removing_a_signing_key_from_a_device_that_only_a_password_let_in(place: Town) -> Command:
    wish = await enrolling(place)
    await place.happens(wish)
    return RevokeCertificate(command_id=place.id(), customer_id=wish.customer_id, certificate_id=wish.certificate_id)


@says("ok")
async def adding_a_passkey(place: Town) -> Command:
    return adding(place, await place.customer())


@says("device_unproven")
async def adding_a_passkey_with_the_password_alone_on_a_device_that_is_a_moment_too_new(place: Town) -> Command:
    return replace(adding(place, await place.customer()), proven_at=place.clock.now() + timedelta(microseconds=1))


@says("device_unproven")
async def adding_a_passkey_with_the_password_alone_in_a_session_without_a_device(place: Town) -> Command:
    return replace(adding(place, await place.customer()), proven_at=None)


@says("ok")
async def adding_a_passkey_on_a_new_device_with_the_pin(place: Town) -> Command:
    return replace(adding(place, await place.customer()), proven_at=None, pin_mac=RIGHT.mac)


@says("wrong_pin")
async def adding_a_passkey_on_a_new_device_with_a_wrong_pin(place: Town) -> Command:
    return replace(adding(place, await place.customer()), proven_at=None, pin_mac=WRONG.mac)


@says("passkey_known")
async def adding_a_passkey_twice(place: Town) -> Command:
    return replace(await with_passkey(place), command_id=place.id())


@says("passkey_known")
async def adding_somebody_elses_passkey(place: Town) -> Command:
    return replace(await with_passkey(place), command_id=place.id(), customer_id=await place.customer())


@says("ok")
async def confirming_with_a_passkey(place: Town) -> Command:
    added = await with_passkey(place)
    return place.transferring(added.customer_id, await place.customer(), 1, PasskeyConfirmation(added.passkey_id, 8))


@says("passkey_unknown")
async def confirming_with_a_passkey_that_never_was(place: Town) -> Command:
    return place.transferring(await place.customer(100), await place.customer(), 1, PasskeyConfirmation(place.id(), 8))


@says("passkey_unknown")
async def confirming_with_somebody_elses_passkey(place: Town) -> Command:
    added = await with_passkey(place)
    return place.transferring(await place.customer(100), added.customer_id, 1, PasskeyConfirmation(added.passkey_id, 8))


@says("passkey_cloned")
async def confirming_with_a_copy_of_a_passkey(place: Town) -> Command:
    added = await with_passkey(place)
    return place.transferring(added.customer_id, await place.customer(), 1, PasskeyConfirmation(added.passkey_id, 7))


@says("passkey_revoked")
async def confirming_with_a_removed_passkey(place: Town) -> Command:
    added = await with_passkey(place)
    who, passkey = added.customer_id, added.passkey_id
    await place.happens(RevokePasskey(command_id=place.id(), customer_id=who, passkey_id=passkey, proven_at=LONG_AGO))
    return place.transferring(who, await place.customer(), 1, PasskeyConfirmation(passkey, 8))


@says("passkey_unknown")
async def removing_somebody_elses_passkey(place: Town) -> Command:
    added = await with_passkey(place)
    return RevokePasskey(command_id=place.id(), customer_id=await place.customer(), passkey_id=added.passkey_id)


@says("ok")
async def a_session_by_passkey_where_wrong_passwords_locked_the_log_in(place: Town) -> Command:
    added = await with_passkey(place)
    await wrong_passwords(place, added.customer_id, 10)
    return replace(opening(place, added.customer_id), passkey=PasskeyConfirmation(added.passkey_id, 8))


@says("passkey_unknown")
async def a_session_by_somebody_elses_passkey(place: Town) -> Command:
    added = await with_passkey(place)
    return replace(opening(place, await place.customer()), passkey=PasskeyConfirmation(added.passkey_id, 8))


@says("ok")
async def enrolling_a_signing_key(place: Town) -> Command:
    return await enrolling(place)


@says("wrong_pin")
async def enrolling_a_signing_key_with_a_wrong_pin(place: Town) -> Command:
    return replace(await enrolling(place), pin_mac=WRONG.mac)


@says("passkey_cloned")
async def enrolling_a_signing_key_with_a_copy_of_a_passkey(place: Town) -> Command:
    wish = await enrolling(place)
    return replace(wish, passkey=PasskeyConfirmation(wish.passkey.passkey_id, 7))


@says("ok")
async def confirming_with_a_signature(place: Town) -> Command:
    return (await signing(place))[1]


@says("wrong_pin")
async def confirming_with_a_signature_and_a_wrong_pin(place: Town) -> Command:
    wish, transfer = await signing(place)
    return replace(transfer, confirmation=CertificateConfirmation(wish.certificate_id, WRONG.mac))


@says("certificate_unknown")
async def confirming_with_a_certificate_that_never_was(place: Town) -> Command:
    _, transfer = await signing(place)
    return replace(transfer, confirmation=CertificateConfirmation(place.id(), RIGHT.mac))


@says("certificate_unknown")
async def confirming_with_somebody_elses_certificate(place: Town) -> Command:
    _, transfer = await signing(place)
    return replace(transfer, payer_id=await place.customer(100))


@says("certificate_revoked")
async def confirming_with_a_revoked_certificate(place: Town) -> Command:
    wish, transfer = await signing(place)
    await place.happens(
        RevokeCertificate(
            command_id=place.id(), customer_id=wish.customer_id, certificate_id=wish.certificate_id, proven_at=LONG_AGO
        )
    )
    return transfer


@says("certificate_unknown")
async def revoking_somebody_elses_certificate(place: Town) -> Command:
    wish, transfer = await signing(place)
    return RevokeCertificate(command_id=place.id(), customer_id=transfer.payee_id, certificate_id=wish.certificate_id)


@says("certificate_expired")
async def confirming_with_a_certificate_when_it_expires(place: Town) -> Command:
    _, transfer = await signing(place)
    place.clock.advance(LIVES)
    return transfer


@says("ok")
async def confirming_with_a_certificate_a_moment_before_it_expires(place: Town) -> Command:
    _, transfer = await signing(place)
    place.clock.advance(LIVES - timedelta(microseconds=1))
    return transfer


@says("principal_not_found")
async def a_pin_for_nobody(place: Town) -> Command:
    return SetPin(command_id=place.id(), customer_id=place.id(), mac=mac_of("x"))


@says("pin_not_set")
async def confirming_without_a_pin(place: Town) -> Command:
    return place.transferring(await place.customer(pin=False), await place.customer(), 1)


@says("wrong_pin")
async def confirming_with_a_wrong_pin(place: Town) -> Command:
    return place.transferring(await place.customer(100), await place.customer(), 1, WRONG)


@says("wrong_pin")
async def a_wrong_pin_is_said_before_a_short_balance(place: Town) -> Command:
    return place.transferring(await place.customer(), await place.customer(), 1, WRONG)


@says("ok")
async def the_right_pin_after_four_wrong_ones(place: Town) -> Command:
    customer = await place.customer(100)
    await wrong_pins(place, customer, 4)
    return place.transferring(customer, await place.customer(), 1)


@says("pin_locked")
async def the_fifth_wrong_pin(place: Town) -> Command:
    customer = await place.customer(100)
    await wrong_pins(place, customer, 4)
    return place.transferring(customer, await place.customer(), 1, WRONG)


@says("pin_locked")
async def the_right_pin_after_five_wrong_ones(place: Town) -> Command:
    customer = await place.customer(100)
    await wrong_pins(place, customer, 5)
    return place.transferring(customer, await place.customer(), 1)


@says("wrong_pin")
async def the_fifth_wrong_pin_with_a_right_one_between(place: Town) -> Command:
    customer = await place.customer(100)
    await wrong_pins(place, customer, 3)
    await place.happens(place.transferring(customer, await place.customer(), 1))
    await wrong_pins(place, customer, 1)
    return place.transferring(customer, await place.customer(), 1, WRONG)


@says("ok")
async def the_right_pin_when_the_lock_ends(place: Town) -> Command:
    customer = await place.customer(100)
    await wrong_pins(place, customer, 5)
    place.clock.advance(PIN_LOCKS["elsewhere"])
    return place.transferring(customer, await place.customer(), 1)


@says("wrong_pin")
async def a_wrong_pin_when_the_lock_ends_is_the_first_again(place: Town) -> Command:
    customer = await place.customer(100)
    await wrong_pins(place, customer, 5)
    place.clock.advance(PIN_LOCKS["elsewhere"])
    return place.transferring(customer, await place.customer(), 1, WRONG)


@says("ok")
async def the_pin_on_a_proven_device_after_five_wrong_ones_elsewhere(place: Town) -> Command:
    customer = await place.customer(100)
    await wrong_pins(place, customer, 5)
    return place.transferring(customer, await place.customer(), 1, replace(RIGHT, on_device=True))


@says("ok")
async def the_pin_elsewhere_after_five_wrong_ones_on_a_proven_device(place: Town) -> Command:
    customer = await place.customer(100)
    await wrong_pins(place, customer, 5, on_device=True)
    return place.transferring(customer, await place.customer(), 1)


@says("pin_locked")
async def the_pin_on_a_proven_device_a_moment_before_its_lock_ends(place: Town) -> Command:
    customer = await place.customer(100)
    await wrong_pins(place, customer, 5, on_device=True)
    place.clock.advance(PIN_LOCKS["here"] - timedelta(microseconds=1))
    return place.transferring(customer, await place.customer(), 1, replace(RIGHT, on_device=True))


@says("ok")
async def the_pin_on_a_proven_device_when_its_lock_ends(place: Town) -> Command:
    customer = await place.customer(100)
    await wrong_pins(place, customer, 5, on_device=True)
    place.clock.advance(PIN_LOCKS["here"])
    return place.transferring(customer, await place.customer(), 1, replace(RIGHT, on_device=True))


@says("ok")
async def a_new_pin_lifts_the_lock(place: Town) -> Command:
    customer = await place.customer(100)
    await wrong_pins(place, customer, 5)
    await place.happens(sending(place))
    replacing = SetPin(command_id=place.id(), customer_id=customer, mac=RIGHT.mac, proven_at=LONG_AGO, code=RIGHT_CODE)
    await place.happens(replacing)
    return place.transferring(customer, await place.customer(), 1)


@pytest.mark.parametrize("row", [*ROWS, *SAFETY, *TOTP, *INSTRUMENTS], ids=repr)
async def test_identity_says(row: Row) -> None:
    assert await answer(row) == row.says


def test_every_decline_of_identity_has_its_situation() -> None:
    assert declines_of(errors) == said_in([*ROWS, *SAFETY, *TOTP, *INSTRUMENTS]) - {"account_suspended", "payer_must_confirm"}


async def test_the_attempts_left_are_counted_down() -> None:
    async with town() as place:
        customer, payee = await place.customer(100), await place.customer()
        left = [(await place.submit(place.transferring(customer, payee, 1, WRONG))).decision.detail for _ in range(6)]  # type: ignore[union-attr]
        assert [detail.get("attempts_left") for detail in left] == [4, 3, 2, 1, None, None]
        assert left[4] == left[5] == {"until": "2026-03-02T12:00:00Z"}


async def test_a_repeated_decline_has_the_same_detail() -> None:
    async with town() as place:
        customer, payee = await place.customer(100), await place.customer()
        await wrong_pins(place, customer, 5)
        command = place.transferring(customer, payee, 1)
        assert (await place.submit(command)).decision == (await place.submit(command)).decision


async def test_a_registration_sent_again_with_another_salt_is_the_same_wish() -> None:
    async with town() as place:
        wish = place.registering("+8613800000000")
        first = await place.submit(wish)
        salted = replace(wish, who=replace(wish.who, password_hash="other salt"))
        again = await place.submit(salted)
        assert again.repeated and again.decision == first.decision
        other = replace(wish, who=replace(wish.who, name_index=b"somebody else"))
        with pytest.raises(Refusal, match="idempotency_conflict"):
            await place.submit(other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("13800138000", "+8613800138000"),
        (" 138-0013 8000 ", "+8613800138000"),
        ("+8613800138000", "+8613800138000"),
        ("+254712345678", "+254712345678"),
        ("Wei.Zhang@Example.COM", "wei.zhang@example.com"),
        ("12345678901", None),
        ("1380013800", None),
        ("+0123456789", None),
        ("１３８００１３８０００", None),
        ("a@b", None),
        ("@example.com", None),
        ("a b@example.com", None),
        (f"{'a' * 65}@example.com", None),
        (f"a@{'b' * 250}.com", None),
        ("a@example.com\n+8613800138000", None),
        ("", None),
    ],
)
def test_logins(text: str, expected: str | None) -> None:
    if expected is not None:
        assert normal_login(text) == expected == normal_login(expected)
        return
    with pytest.raises(Refusal, match="login_format"):
        normal_login(text)


@pytest.mark.parametrize(
    ("pin", "code"),
    [
        ("135790", ""), ("112233", ""), ("123457", ""), ("098765", ""),
        ("111111", "pin_too_simple"), ("123456", "pin_too_simple"), ("654321", "pin_too_simple"), ("000000", "pin_too_simple"),
        ("12345", "pin_format"), ("1234567", "pin_format"), ("12345a", "pin_format"),
        ("１２３４５６", "pin_format"), ("135790\n", "pin_format"),
    ],
)  # fmt: skip
def test_pins(pin: str, code: str) -> None:
    if not code:
        check_pin_choice(pin)
        return
    with pytest.raises(Refusal, match=code):
        check_pin_choice(pin)
