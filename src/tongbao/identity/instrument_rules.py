"""What becomes of instruments: bound, capped, revoked, guessed at."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, View
from tongbao.identity import errors
from tongbao.identity.alerts import tell
from tongbao.identity.daily import count_today
from tongbao.identity.devices import DEVICE, counts, unproven
from tongbao.identity.instruments import INSTRUMENT, Instrument, InstrumentKind, misses_keys, misses_of, revoke
from tongbao.identity.rules import confirm, confirmation_keys
from tongbao.identity.types import Confirmation

#: So many proofs that do not hold, one after the other, and it is revoked.
MOST_WRONG = 10

#: How long an instrument lives.
LIVES: dict[InstrumentKind, timedelta] = {
    "code": timedelta(days=7), "nfc": timedelta(days=730), "plate": timedelta(days=730), "watch": timedelta(days=365),
    "vehicle": timedelta(days=730), "machine": timedelta(days=365), "voucher": timedelta(days=3),
    "text": timedelta(days=730),
}  # fmt: skip


class BindInstrument(Command, frozen=True, kw_only=True):
    """Make an instrument of a customer's. `name` is sealed. `replaces`: a live one of the same kind on the same device, which
    ends with this, and whose binding stands in for the confirmation: a payer's code is bound anew each day."""

    kind = "identity.bind_instrument"
    number: int
    customer_id: UUID
    of: InstrumentKind
    device_id: UUID | None
    name: bytes
    currency: str
    most_minor: int
    day_minor: int
    replaces: int | None = None
    confirmation: Confirmation | None = None

    def hashed(self) -> BindInstrument:
        return replace(self, name=b"", confirmation=None)


class CapInstrument(Command, frozen=True, kw_only=True):
    """Change what an instrument may pay. Lowering needs nothing more; raising is confirmed."""

    kind = "identity.cap_instrument"
    number: int
    customer_id: UUID
    most_minor: int
    day_minor: int
    confirmation: Confirmation | None = None

    def hashed(self) -> CapInstrument:
        return replace(self, confirmation=None)


class RevokeInstrument(Command, frozen=True, kw_only=True):
    """Take nothing from an instrument any more."""

    kind = "identity.revoke_instrument"
    number: int
    customer_id: UUID


class MissInstrument(Command, frozen=True, kw_only=True):
    """A till was shown a proof for this number that does not hold. `merchant_id`: whose till."""

    kind = "identity.miss_instrument"
    number: int
    merchant_id: UUID


def bind_instrument(command: BindInstrument, view: View, now: datetime) -> Decision:
    """Declines `instrument_number_taken` (draw another), `device_unproven`, `instrument_unknown` of one that it does not replace,
    `confirmation_needed`, and what `confirm` does."""
    if view.get(INSTRUMENT, command.number) is not None:
        return Declined(errors.INSTRUMENT_NUMBER_TAKEN)
    if command.device_id is not None:
        device = view.get(DEVICE, command.device_id)
        if device is None or device.principal_id != command.customer_id or device.revoked_at is not None:
            return Declined(errors.DEVICE_REVOKED)
        if not counts(device.proven_at, now):
            return unproven(device.proven_at)
    most_minor, day_minor, currency = command.most_minor, command.day_minor, command.currency
    if command.replaces is not None:
        before = _own(view, command.customer_id, command.replaces)
        if before is None or (before.kind, before.device_id) != (command.of, command.device_id) or now >= before.expires_at:
            return Declined(errors.INSTRUMENT_UNKNOWN)
        view.put(INSTRUMENT, replace(before, revoked_at=now))
        most_minor, day_minor, currency = before.most_minor, before.day_minor, before.currency
    elif refused := _agreed(view, command.customer_id, command.confirmation, now):
        return refused
    else:
        tell(view, command.customer_id, "instrument_added", {"kind": command.of}, now)
    view.put(
        INSTRUMENT,
        Instrument(
            command.number, command.customer_id, command.of, command.device_id, command.name, currency, most_minor, day_minor,
            now.date(), 0, 0, 0, now, now + LIVES[command.of], None,
        ),
    )  # fmt: skip
    return Accepted()


def cap_instrument(command: CapInstrument, view: View, now: datetime) -> Decision:
    """Declines `instrument_unknown`; where a cap is raised or lifted, `confirmation_needed` and what `confirm` does."""
    instrument = _own(view, command.customer_id, command.number)
    if instrument is None:
        return Declined(errors.INSTRUMENT_UNKNOWN)
    raised = _raises(instrument.most_minor, command.most_minor) or _raises(instrument.day_minor, command.day_minor)
    if raised and (refused := _agreed(view, command.customer_id, command.confirmation, now)):
        return refused
    view.put(INSTRUMENT, replace(instrument, most_minor=command.most_minor, day_minor=command.day_minor))
    return Accepted()


def revoke_instrument(command: RevokeInstrument, view: View, now: datetime) -> Decision:
    """Declines `instrument_unknown`, also for somebody else's and for one that is revoked already."""
    instrument = _own(view, command.customer_id, command.number)
    if instrument is None:
        return Declined(errors.INSTRUMENT_UNKNOWN)
    revoke(view, instrument, now)
    return Accepted()


def miss_instrument(command: MissInstrument, view: View, now: datetime) -> Decision:
    """The tenth in a row revokes it: whoever has seen a number must not guess at its proofs. Counted for the merchant as well
    (`check_misses`), who may guess at many numbers."""
    count_today(view, misses_of(command.merchant_id), now)
    instrument = view.get(INSTRUMENT, command.number)
    if instrument is None or instrument.revoked_at is not None:
        return Accepted()
    missed = replace(instrument, wrong=instrument.wrong + 1)
    if missed.wrong >= MOST_WRONG:
        revoke(view, missed, now)
    else:
        view.put(INSTRUMENT, missed)
    return Accepted()


def _own(view: View, customer_id: UUID, number: int) -> Instrument | None:
    instrument = view.get(INSTRUMENT, number)
    if instrument is None or instrument.customer_id != customer_id or instrument.revoked_at is not None:
        return None
    return instrument


def _agreed(view: View, customer_id: UUID, confirmation: Confirmation | None, now: datetime) -> Declined | None:
    if confirmation is None:
        return Declined(errors.CONFIRMATION_NEEDED)
    factors = confirm(view, customer_id, confirmation, now)
    return factors if isinstance(factors, Declined) else None


def _raises(before_minor: int, after_minor: int) -> bool:
    """Is the cap higher than before? 0 is none at all."""
    return bool(before_minor) and (not after_minor or after_minor > before_minor)


def _bind_keys(command: BindInstrument) -> list[Key]:
    keys = [Key(INSTRUMENT, command.number)]
    if command.replaces is not None:
        keys.append(Key(INSTRUMENT, command.replaces))
    if command.device_id is not None:
        keys.append(Key(DEVICE, command.device_id))
    return keys + _confirming(command.customer_id, command.confirmation)


def _confirming(customer_id: UUID, confirmation: Confirmation | None) -> list[Key]:
    return confirmation_keys(customer_id, confirmation) if confirmation is not None else []


DECIDERS = (
    Decider(BindInstrument, _bind_keys, bind_instrument),
    Decider(
        CapInstrument,
        lambda command: [Key(INSTRUMENT, command.number), *_confirming(command.customer_id, command.confirmation)],
        cap_instrument,
    ),
    Decider(RevokeInstrument, lambda command: [Key(INSTRUMENT, command.number)], revoke_instrument),
    Decider(
        MissInstrument,
        lambda command: [Key(INSTRUMENT, command.number), *misses_keys(command.merchant_id)],
        miss_instrument,
    ),
)
