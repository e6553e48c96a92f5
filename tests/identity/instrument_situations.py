"""Situations of instruments, for the ladder of identity."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from msgspec.structs import replace

from tests.support.ladder import ladder
from tests.support.town import CURRENCY, RIGHT, WRONG, Town, sealed
from tongbao.engine.api import Command
from tongbao.identity.devices import RevokeDevice
from tongbao.identity.instrument_rules import LIVES, MOST_WRONG, BindInstrument, CapInstrument, MissInstrument, RevokeInstrument
from tongbao.identity.instruments import MOST_MISSES_A_DAY, InstrumentKind
from tongbao.identity.tries import Trying
from tongbao.identity.types import ClaimConfirmation, OpenSession
from tongbao.payments.types import PayMerchant
from tongbao.wallet.small_payments import SetSmallPayments

ROWS, says = ladder()

NUMBER, OTHER = 4_512_369, 777
ON_DEVICE = replace(RIGHT, on_device=True)


def binding(place: Town, customer: UUID, number: int = NUMBER) -> BindInstrument:
    """A code without caps of its own, on no device."""
    return BindInstrument(
        command_id=place.id(), number=number, customer_id=customer, of="code", device_id=None, name=sealed("phone"),
        currency=CURRENCY, most_minor=0, day_minor=0, confirmation=RIGHT,
    )  # fmt: skip


async def on_device(place: Town, customer: UUID, *, is_first: bool = True) -> UUID:
    """A device of the customer's; the first is proven at once."""
    device = place.id()
    await place.happens(
        OpenSession(
            command_id=place.id(), principal_id=customer, token_hash=sha256(device.bytes).digest(), device_name=sealed("phone"),
            lifetime_s=3600, trying=Trying(customer), device_id=device, is_first=is_first,
        )
    )  # fmt: skip
    return device


async def bound(
    place: Town, minor: int = 10_000, *, most: int = 0, day: int = 0, kind: InstrumentKind = "code"
) -> BindInstrument:
    """A customer whose code, or another kind, pays up to 500.00 a payment and 1,000.00 a day without a PIN."""
    customer = await place.customer(minor)
    wish = replace(binding(place, customer), of=kind, most_minor=most, day_minor=day)
    await place.happens(wish)
    await place.happens(
        SetSmallPayments(
            command_id=place.id(), customer_id=customer, currency=CURRENCY, per_payment_minor=50_000, per_day_minor=100_000,
            zone="Asia/Shanghai", confirmation=ON_DEVICE,
        )
    )  # fmt: skip
    return wish


def shown(wish: BindInstrument, nonce: int = 1) -> ClaimConfirmation:
    """What a till made of the code."""
    return ClaimConfirmation(wish.number, nonce, wish.device_id)


async def at_till(
    place: Town, wish: BindInstrument, minor: int = 1000, nonce: int = 1, merchant: UUID | None = None
) -> PayMerchant:
    """The wish to be paid by it."""
    merchant = merchant or await place.merchant()
    number = f"till-{place.id().hex[:8]}"
    return place.paying_at_once(merchant, number, wish.customer_id, minor, method="qr_payer", confirmation=shown(wish, nonce))


async def missed(place: Town, number: int, times: int, merchant: UUID | None = None) -> None:
    merchant = merchant or place.id()
    for _ in range(times):
        await place.happens(MissInstrument(command_id=place.id(), number=number, merchant_id=merchant))


# ── binding ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@says("ok")
async def a_code_confirmed_by_pin(place: Town) -> Command:
    return binding(place, await place.customer())


@says("confirmation_needed")
async def a_code_that_nobody_confirmed(place: Town) -> Command:
    return replace(binding(place, await place.customer()), confirmation=None)


@says("wrong_pin")
async def a_code_with_a_wrong_pin(place: Town) -> Command:
    return replace(binding(place, await place.customer()), confirmation=WRONG)


@says("instrument_number_taken")
async def a_number_that_somebody_has(place: Town) -> Command:
    await bound(place)
    return binding(place, await place.customer())


@says("ok")
async def a_code_on_a_proven_device(place: Town) -> Command:
    customer = await place.customer()
    return replace(binding(place, customer), device_id=await on_device(place, customer))


@says("device_unproven")
async def a_code_on_a_device_of_today(place: Town) -> Command:
    customer = await place.customer()
    return replace(binding(place, customer), device_id=await on_device(place, customer, is_first=False))


@says("device_revoked")
async def a_code_on_somebody_elses_device(place: Town) -> Command:
    device = await on_device(place, await place.customer())
    return replace(binding(place, await place.customer()), device_id=device)


@says("ok")
async def a_code_in_the_place_of_another_unconfirmed(place: Town) -> Command:
    before = await bound(place)
    return replace(binding(place, before.customer_id, OTHER), confirmation=None, replaces=before.number)


@says("instrument_unknown")
async def a_code_in_the_place_of_one_that_expired(place: Town) -> Command:
    before = await bound(place)
    place.clock.advance(LIVES["code"])
    return replace(binding(place, before.customer_id, OTHER), confirmation=None, replaces=before.number)


@says("instrument_unknown")
async def a_code_in_the_place_of_another_kind(place: Town) -> Command:
    before = await bound(place)
    return replace(binding(place, before.customer_id, OTHER), of="watch", confirmation=None, replaces=before.number)


@says("instrument_unknown")
async def a_code_in_the_place_of_somebody_elses(place: Town) -> Command:
    before = await bound(place)
    return replace(binding(place, await place.customer(), OTHER), confirmation=None, replaces=before.number)


# ── caps and revoking ───────────────────────────────────────────────────────────────────────────────────────────────────


def capping(place: Town, wish: BindInstrument, most: int, day: int) -> CapInstrument:
    return CapInstrument(command_id=place.id(), number=wish.number, customer_id=wish.customer_id, most_minor=most, day_minor=day)


@says("ok")
async def a_first_cap_unconfirmed(place: Town) -> Command:
    return capping(place, await bound(place), 100, 1000)


@says("ok")
async def a_lower_cap_unconfirmed(place: Town) -> Command:
    return capping(place, await bound(place, most=500, day=1000), 499, 999)


@says("confirmation_needed")
async def a_higher_cap_of_a_payment_unconfirmed(place: Town) -> Command:
    return capping(place, await bound(place, most=500, day=1000), 501, 1000)


@says("confirmation_needed")
async def a_higher_cap_of_a_day_unconfirmed(place: Town) -> Command:
    return capping(place, await bound(place, most=500, day=1000), 500, 1001)


@says("confirmation_needed")
async def lifting_a_cap_unconfirmed(place: Town) -> Command:
    return capping(place, await bound(place, most=500, day=1000), 0, 1000)


@says("ok")
async def lifting_a_cap_confirmed(place: Town) -> Command:
    return replace(capping(place, await bound(place, most=500, day=1000), 0, 0), confirmation=RIGHT)


@says("wrong_pin")
async def lifting_a_cap_with_a_wrong_pin(place: Town) -> Command:
    return replace(capping(place, await bound(place, most=500, day=1000), 0, 0), confirmation=WRONG)


@says("instrument_unknown")
async def capping_somebody_elses(place: Town) -> Command:
    return replace(capping(place, await bound(place), 1, 1), customer_id=await place.customer())


@says("ok")
async def revoking(place: Town) -> Command:
    wish = await bound(place)
    return RevokeInstrument(command_id=place.id(), number=wish.number, customer_id=wish.customer_id)


@says("instrument_unknown")
async def revoking_twice(place: Town) -> Command:
    wish = await bound(place)
    command = RevokeInstrument(command_id=place.id(), number=wish.number, customer_id=wish.customer_id)
    await place.happens(command)
    return replace(command, command_id=place.id())


@says("instrument_unknown")
async def revoking_somebody_elses(place: Town) -> Command:
    wish = await bound(place)
    return RevokeInstrument(command_id=place.id(), number=wish.number, customer_id=await place.customer())


# ── at a till ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@says("ok")
async def a_small_sum_by_code(place: Town) -> Command:
    return await at_till(place, await bound(place))


@says("payer_must_confirm")
async def a_sum_by_code_that_is_not_small(place: Town) -> Command:
    return await at_till(place, await bound(place, 100_000), 50_001)


@says("ok")
async def a_sum_that_is_not_small_by_code_and_pin(place: Town) -> Command:
    wish = await at_till(place, await bound(place, 100_000), 50_001)
    return replace(wish, confirmation=replace(wish.confirmation, mac=RIGHT.mac))


@says("wrong_pin")
async def a_code_and_a_wrong_pin(place: Town) -> Command:
    wish = await at_till(place, await bound(place))
    return replace(wish, confirmation=replace(wish.confirmation, mac=WRONG.mac))


@says("instrument_used")
async def the_same_proof_at_two_tills(place: Town) -> Command:
    wish = await bound(place)
    await place.happens(await at_till(place, wish))
    return await at_till(place, wish)


@says("instrument_used")
async def an_older_proof_after_a_newer_one(place: Town) -> Command:
    wish = await bound(place)
    await place.happens(await at_till(place, wish, nonce=8))
    return await at_till(place, wish, nonce=7)


@says("ok")
async def the_next_proof(place: Town) -> Command:
    wish = await bound(place)
    await place.happens(await at_till(place, wish, nonce=8))
    return await at_till(place, wish, nonce=9)


@says("ok")
async def a_proof_whose_payment_was_declined(place: Town) -> Command:
    wish = await bound(place, 1000)
    assert await place.says(await at_till(place, wish, 1001)) == "insufficient_funds"
    return await at_till(place, wish, 1000)


@says("instrument_unknown")
async def an_instrument_of_somebody_else(place: Town) -> Command:
    return replace(await at_till(place, await bound(place)), payer_id=await place.customer(1000))


@says("instrument_unknown")
async def an_instrument_on_another_device_than_is_said(place: Town) -> Command:
    wish = await bound(place)
    return await at_till(place, replace(wish, device_id=await on_device(place, wish.customer_id)))


@says("instrument_revoked")
async def an_instrument_that_was_revoked(place: Town) -> Command:
    wish = await bound(place)
    await place.happens(RevokeInstrument(command_id=place.id(), number=wish.number, customer_id=wish.customer_id))
    return await at_till(place, wish)


@says("instrument_revoked")
async def an_instrument_that_another_replaced(place: Town) -> Command:
    wish = await bound(place)
    await place.happens(replace(binding(place, wish.customer_id, OTHER), confirmation=None, replaces=wish.number))
    return await at_till(place, wish)


@says("ok")
async def an_instrument_on_its_device(place: Town) -> Command:
    customer = await place.customer(1000)
    wish = replace(binding(place, customer), device_id=await on_device(place, customer))
    await place.happens(wish)
    claim = await at_till(place, wish)
    return replace(claim, confirmation=replace(claim.confirmation, mac=RIGHT.mac))


@says("instrument_revoked")
async def an_instrument_whose_device_was_removed(place: Town) -> Command:
    customer = await place.customer(1000)
    device = await on_device(place, customer)
    wish = replace(binding(place, customer), device_id=device)
    await place.happens(wish)
    revoking = RevokeDevice(
        command_id=place.id(), principal_id=customer, device_id=device, session_ids=(), proven_at=place.clock.now()
    )
    await place.happens(revoking)
    return await at_till(place, wish)


@says("ok")
async def an_instrument_a_moment_before_it_expires(place: Town) -> Command:
    wish = await bound(place)
    place.clock.advance(LIVES["code"] - timedelta(microseconds=1))
    return await at_till(place, wish)


@says("instrument_expired")
async def an_instrument_that_expired(place: Town) -> Command:
    wish = await bound(place)
    place.clock.advance(LIVES["code"])
    return await at_till(place, wish)


@says("instrument_cap")
async def more_than_the_cap_of_a_payment(place: Town) -> Command:
    return await at_till(place, await bound(place, most=999), 1000)


@says("ok")
async def as_much_as_the_cap_of_a_payment(place: Town) -> Command:
    return await at_till(place, await bound(place, most=1000), 1000)


@says("instrument_cap")
async def more_than_the_cap_of_a_day(place: Town) -> Command:
    wish = await bound(place, day=1500)
    await place.happens(await at_till(place, wish, 1000))
    return await at_till(place, wish, 501, nonce=2)


@says("ok")
async def as_much_as_the_cap_of_a_day(place: Town) -> Command:
    wish = await bound(place, day=1500)
    await place.happens(await at_till(place, wish, 1000))
    return await at_till(place, wish, 500, nonce=2)


@says("ok")
async def the_cap_of_a_day_on_the_next(place: Town) -> Command:
    wish = await bound(place, day=1500)
    await place.happens(await at_till(place, wish, 1500))
    place.clock.advance(timedelta(hours=12))
    return await at_till(place, wish, 1500, nonce=2)


@says("instrument_cap")
async def another_currency_than_the_caps(place: Town) -> Command:
    wish = replace(binding(place, await place.customer()), currency="KES", most_minor=1000)
    await place.happens(wish)
    return await at_till(place, wish, 1)


# ── guessing ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@says("ok")
async def a_proof_after_nine_wrong_ones(place: Town) -> Command:
    wish = await bound(place)
    await missed(place, wish.number, MOST_WRONG - 1)
    return await at_till(place, wish)


@says("ok")
async def wrong_ones_are_forgotten_by_a_right_one(place: Town) -> Command:
    wish = await bound(place)
    await missed(place, wish.number, MOST_WRONG - 1)
    await place.happens(await at_till(place, wish))
    await missed(place, wish.number, MOST_WRONG - 1)
    return await at_till(place, wish, nonce=2)


@says("instrument_revoked")
async def a_proof_after_ten_wrong_ones(place: Town) -> Command:
    wish = await bound(place)
    await missed(place, wish.number, MOST_WRONG)
    return await at_till(place, wish)


@says("too_many_wrong_proofs")
async def a_till_that_guessed_all_day(place: Town) -> Command:
    wish, merchant = await bound(place), await place.merchant()
    await missed(place, OTHER, MOST_MISSES_A_DAY, merchant)
    return await at_till(place, wish, merchant=merchant)


@says("ok")
async def a_till_that_guessed_almost_all_day(place: Town) -> Command:
    wish, merchant = await bound(place), await place.merchant()
    await missed(place, OTHER, MOST_MISSES_A_DAY - 1, merchant)
    return await at_till(place, wish, merchant=merchant)


@says("ok")
async def a_till_that_guessed_yesterday(place: Town) -> Command:
    wish, merchant = await bound(place), await place.merchant()
    await missed(place, OTHER, MOST_MISSES_A_DAY, merchant)
    place.clock.advance(timedelta(hours=12))
    return await at_till(place, wish, merchant=merchant)


# ── sending to a person ─────────────────────────────────────────────────────────────────────────────────────────────────


async def sending(place: Town, wish: BindInstrument, minor: int = 100, mac: bytes = b"") -> Command:
    """To somebody else, shown by the instrument, and by the PIN where `mac` is one."""
    claim = ClaimConfirmation(wish.number, 1, None, mac)
    return replace(place.transferring(wish.customer_id, await place.customer(), minor), confirmation=claim)


@says("payer_must_confirm")
async def sending_a_small_sum_by_code_alone(place: Town) -> Command:
    return await sending(place, await bound(place))


@says("ok")
async def sending_by_code_and_pin(place: Town) -> Command:
    return await sending(place, await bound(place, most=100, day=100), mac=RIGHT.mac)


@says("instrument_cap")
async def sending_more_than_the_instrument_may_pay(place: Town) -> Command:
    return await sending(place, await bound(place, most=99, day=99), mac=RIGHT.mac)
