"""Instruments: what a customer pays with where they are not logged in. A payer's code, a card in a phone, a watch, a number
plate: each is known by its number, shows by a secret of its own that it is there, and can be revoked in one tap.

    bound ─▶ expired        when its time is over; a payer's code is bound anew each day that its phone is online
      └─revoke─▶ revoked    by its customer, with its device, or after too many wrong proofs

The secret follows from the installation's key and the number (as a card's keys follow from its issuer's master key), so no table
holds it. What it proves carries a `nonce` that only grows: nothing that was shown once is taken again, whoever shows it. An
instrument has caps of its own, a payment and a day, below everything else that limits its customer.

Source: EMV Book 2, A1.4 (keys derived from a master key and a number) and 9 (a counter in every cryptogram); Yinfa [2017] 296,
Art. 12 (codes are used once).
"""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache
from typing import Literal, get_args
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Declined, Key, Relation, View
from tongbao.identity import errors
from tongbao.identity.alerts import tell
from tongbao.identity.daily import count_keys, times_today
from tongbao.identity.devices import DEVICE
from tongbao.identity.types import ClaimConfirmation
from tongbao.kernel.ids import named_id
from tongbao.security.keys import mac

#: Where the vault puts an instrument's name.
NAME = "instrument.name"

InstrumentKind = Literal["code", "nfc", "plate", "watch", "vehicle", "machine", "voucher", "text"]
INSTRUMENT_KINDS: tuple[InstrumentKind, ...] = get_args(InstrumentKind)

#: How many digits a number has.
DIGITS: dict[InstrumentKind, int] = {
    "code": 9, "nfc": 15, "plate": 15, "watch": 15, "vehicle": 15, "machine": 15, "voucher": 15, "text": 15,
}  # fmt: skip


#: Wrong proofs in a UTC day at all tills of a merchant.
MOST_MISSES_A_DAY = 300


class Instrument(msgspec.Struct, frozen=True, gc=False):
    """What a customer pays with. `number` says nothing of whose it is. `device_id`: the device on which it lives, if it is one
    that is known. `name` is sealed. `most_minor`, `day_minor`: its caps in `currency`, 0 for none of its own; `spent_minor`
    of the UTC day `day`. `nonce`: the last that was taken. `wrong`: proofs in a row that did not hold."""

    number: int
    customer_id: UUID
    kind: InstrumentKind
    device_id: UUID | None
    name: bytes
    currency: str
    most_minor: int
    day_minor: int
    day: date
    spent_minor: int
    nonce: int
    wrong: int
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


INSTRUMENT: Relation[Instrument] = Relation("instrument", Instrument, key=("number",), rank=126)


def secret_of(key: bytes, number: int, kind: InstrumentKind) -> bytes:
    """32 bytes that only the instrument and we have. `key`: the installation's for instruments."""
    return mac(key, b"instrument secret", kind.encode(), number.to_bytes(8, "big"))


def number_from(key: bytes, command_id: UUID, kind: InstrumentKind, attempt: int) -> int:
    """The number that this command gives out: the same one each time it is asked, so that a lost answer can be asked for."""
    drawn = mac(key, b"instrument number", command_id.bytes, bytes([attempt]))
    below: int = 10 ** DIGITS[kind]
    return int.from_bytes(drawn[:16], "big") % below


def instrument_keys(claim: ClaimConfirmation) -> list[Key]:
    """The rows that the functions below need."""
    device = [Key(DEVICE, claim.device_id)] if claim.device_id else []
    return [Key(INSTRUMENT, claim.number), *device]


@lru_cache(maxsize=20_000)
def misses_of(merchant_id: UUID) -> UUID:
    """What counts the wrong proofs at a merchant's tills."""
    return named_id("wrong proofs", str(merchant_id))


@lru_cache(maxsize=20_000)
def misses_keys(merchant_id: UUID) -> tuple[Key, ...]:
    """The row that `check_misses` needs."""
    return tuple(count_keys((misses_of(merchant_id),)))


def check_misses(view: View, merchant_id: UUID, now: datetime) -> Declined | None:
    """Declines `too_many_wrong_proofs`: that many in a day are no mistyping, and what is shown here is believed no more."""
    if times_today(view, misses_of(merchant_id), now) >= MOST_MISSES_A_DAY:
        return Declined(errors.TOO_MANY_WRONG_PROOFS)
    return None


def revoke(view: View, instrument: Instrument, now: datetime) -> None:
    """Take nothing from it any more, and tell its customer. One that was revoked stays as it is."""
    if instrument.revoked_at is None:
        view.put(INSTRUMENT, replace(instrument, revoked_at=now))
        tell(view, instrument.customer_id, "instrument_revoked", {"kind": instrument.kind}, now)


def use_instrument(view: View, customer_id: UUID, claim: ClaimConfirmation, now: datetime) -> Declined | None:
    """An instrument showed that it was there. Declines `instrument_unknown` (also somebody else's), `instrument_revoked` (also
    with its device), `instrument_expired`, `instrument_used` (this proof, or one after it, was taken before)."""
    instrument = view.get(INSTRUMENT, claim.number)
    if instrument is None or (instrument.customer_id, instrument.device_id) != (customer_id, claim.device_id):
        return Declined(errors.INSTRUMENT_UNKNOWN)
    if instrument.revoked_at is not None:
        return Declined(errors.INSTRUMENT_REVOKED)
    if claim.device_id is not None and view.need(DEVICE, claim.device_id).revoked_at is not None:
        return Declined(errors.INSTRUMENT_REVOKED)
    if now >= instrument.expires_at:
        return Declined(errors.INSTRUMENT_EXPIRED)
    if claim.nonce <= instrument.nonce:
        return Declined(errors.INSTRUMENT_USED)
    view.put(INSTRUMENT, replace(instrument, nonce=claim.nonce, wrong=0))
    return None


def spend_instrument(view: View, number: int, amount_minor: int, currency: str, now: datetime) -> Declined | None:
    """Count a payment with an instrument that was used just now. Declines `instrument_cap` (detail: most_minor, left_minor)."""
    instrument = view.need(INSTRUMENT, number)
    if not instrument.most_minor and not instrument.day_minor:
        return None
    if instrument.currency != currency:
        return Declined(errors.INSTRUMENT_CAP, {"most_minor": 0, "left_minor": 0, "currency": instrument.currency})
    spent = instrument.spent_minor if instrument.day == now.date() else 0
    left = instrument.day_minor - spent if instrument.day_minor else instrument.most_minor
    most = min(instrument.most_minor or left, left)
    if amount_minor > most:
        return Declined(errors.INSTRUMENT_CAP, {"most_minor": instrument.most_minor, "left_minor": left, "currency": currency})
    view.put(INSTRUMENT, replace(instrument, day=now.date(), spent_minor=spent + amount_minor))
    return None


def unspend_instrument(view: View, number: int, amount_minor: int, spent_at: datetime, now: datetime) -> None:
    """What `spend_instrument` counted then was not paid after all: it counts no more, if its day is not over."""
    instrument = view.follow(INSTRUMENT, number)
    if instrument is not None and instrument.day == spent_at.date() == now.date():
        view.put(INSTRUMENT, replace(instrument, spent_minor=max(0, instrument.spent_minor - amount_minor)))
