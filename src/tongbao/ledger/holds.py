"""Holds: money set aside until it is captured, voided or its time is over.

    ACTIVE ─capture, capture, …─▶ CAPTURED     the last one is `final`, or takes all that was agreed
       ├────void─────────────────▶ VOIDED      what is left goes back, also after partial captures
       └────time is over─────────▶ EXPIRED     written down by the janitor within a second

A hold's share of its account's held sum is what is left of it, so that what is available is read from the account's row
alone. A hold past its time can no longer be captured, to the microsecond; its money is free again once that is written down.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from tongbao.engine.api import Accepted, Decider, Decision, Declined, Key, View
from tongbao.kernel.errors import InvariantBroken
from tongbao.ledger import errors
from tongbao.ledger.commands import (
    Captured,
    CaptureHold,
    ExpireHolds,
    Held,
    HoldsExpired,
    PlaceHold,
    PlaceName,
    VoidHold,
)
from tongbao.ledger.rules import Leg, Place, account_at, account_keys, not_by_hand, place_of, post, require_positive
from tongbao.ledger.types import ACCOUNT, HOLD, Account, Hold


def _place(command: PlaceHold | CaptureHold | VoidHold) -> Place:
    return place_of(PlaceName(command.code, command.currency, command.owner_id))


def _target(command: CaptureHold) -> Place:
    return place_of(PlaceName(command.to_code, command.currency, command.to_owner_id))


def place_hold(command: PlaceHold, view: View, now: datetime) -> Decision:
    """Declines `line_not_by_hand`, `hold_exists`, `hold_expired`, `account_closed`, `account_frozen_debit`, `insufficient_funds`.
    The held sum rises; nothing is posted."""
    amount = command.amount_minor
    require_positive(amount)
    agreed = amount if command.agreed_minor is None else command.agreed_minor
    if agreed < amount:
        raise InvariantBroken(f"{agreed} agreed for a hold of {amount}")
    place = _place(command)
    if (refused := not_by_hand((place,))) is not None:
        return refused
    if view.get(HOLD, command.hold_id) is not None:
        return Declined(errors.HOLD_EXISTS)
    if command.expires_at <= now:
        return Declined(errors.HOLD_EXPIRED)
    account = account_at(view, place, now)
    if account.closed_at is not None:
        return Declined(errors.ACCOUNT_CLOSED)
    if account.debit_freeze:
        return Declined(errors.DEBITS_FROZEN)
    if amount > account.debitable_minor:
        return Declined(errors.INSUFFICIENT_FUNDS, {"available_minor": account.debitable_minor, "needed_minor": amount})
    view.put(ACCOUNT, replace(account, held_minor=account.held_minor + amount))
    view.put(HOLD, Hold(command.hold_id, account.account_id, amount, agreed, 0, "ACTIVE", command.expires_at, now, None))
    return Accepted(Held(command.hold_id))


def capture_hold(command: CaptureHold, view: View, now: datetime) -> Decision:
    """Declines `line_not_by_hand`, `hold_not_found`, `hold_ended`, `hold_expired`, `capture_exceeds_hold`,
    `capture_exceeds_agreed` (both with detail left_minor), and what `post` declines: `insufficient_funds` only for what goes
    beyond the hold itself. The journal's memo is the hold's id."""
    amount = command.amount_minor
    place, target = _place(command), _target(command)
    if (refused := not_by_hand((target,))) is not None:
        return refused
    left = take_held(view, place, command.hold_id, amount, now, final=command.final)
    if isinstance(left, Declined):
        return left
    journal = post(view, command, now, command.kind, [Leg(place, -amount), Leg(target, amount)], str(command.hold_id))
    return journal if isinstance(journal, Declined) else Accepted(Captured(journal.journal_id, left))


def take_held(view: View, place: Place, hold_id: UUID, amount: int, now: datetime, *, final: bool) -> int | Declined:
    """Note that `amount` of a hold is taken, for a decider that posts it right after; what is still held then, in minor units.

    What is taken is free before the posting, so that the posting finds it; the view forgets this if that is declined. `final`, or
    all that was agreed: the hold ends. Declines `hold_not_found`, `hold_ended`, `hold_expired`, `capture_exceeds_hold` and
    `capture_exceeds_agreed` (both with detail left_minor).
    """
    require_positive(amount)
    hold = _active(view, hold_id, place)
    if isinstance(hold, Declined):
        return hold
    if hold.expires_at <= now:
        return Declined(errors.HOLD_EXPIRED)
    capturable = hold.agreed_minor - hold.captured_minor
    if amount > capturable:
        exceeds = errors.CAPTURE_EXCEEDS_AGREED if hold.agreed_minor > hold.amount_minor else errors.CAPTURE_EXCEEDS_HOLD
        return Declined(exceeds, {"left_minor": capturable})
    account = view.need(ACCOUNT, hold.account_id)
    ended = final or amount == capturable
    captured = replace(hold, captured_minor=hold.captured_minor + amount)
    left = 0 if ended else captured.left_minor
    view.put(ACCOUNT, replace(account, held_minor=account.held_minor - hold.left_minor + left))
    view.put(HOLD, replace(captured, state="CAPTURED", ended_at=now) if ended else captured)
    return left


def void_hold(command: VoidHold, view: View, now: datetime) -> Decision:
    """Declines `hold_not_found`, `hold_ended`. A hold past its expiry ends as EXPIRED. Freezes do not stand in the way: nothing
    leaves the account."""
    hold = _active(view, command.hold_id, _place(command))
    if isinstance(hold, Declined):
        return hold
    _end(view, hold, view.need(ACCOUNT, hold.account_id), now)
    return Accepted()


def expire_holds(command: ExpireHolds, view: View, now: datetime) -> Decision:
    """End the holds whose time is over; one that has ended meanwhile, or has time yet, is left alone."""
    ended = 0
    for named in command.holds:
        hold = view.get(HOLD, named.hold_id)
        if hold is None or hold.account_id != named.account_id or hold.state != "ACTIVE" or hold.expires_at > now:
            continue
        _end(view, hold, view.need(ACCOUNT, hold.account_id), now)
        ended += 1
    return Accepted(HoldsExpired(ended))


def _end(view: View, hold: Hold, account: Account, now: datetime) -> None:
    view.put(ACCOUNT, replace(account, held_minor=account.held_minor - hold.left_minor))
    view.put(HOLD, replace(hold, state="EXPIRED" if hold.expires_at <= now else "VOIDED", ended_at=now))


def _active(view: View, hold_id: UUID, place: Place) -> Hold | Declined:
    hold = view.get(HOLD, hold_id)
    if hold is None or hold.account_id != place.account_id:
        return Declined(errors.HOLD_NOT_FOUND)
    return hold if hold.state == "ACTIVE" else Declined(errors.HOLD_ENDED, {"state": hold.state})


def _hold_keys(command: PlaceHold | VoidHold) -> list[Key]:
    return [Key(HOLD, command.hold_id), Key(ACCOUNT, _place(command).account_id)]


def _capture_keys(command: CaptureHold) -> list[Key]:
    return [Key(HOLD, command.hold_id), *account_keys([_place(command), _target(command)])]


def _expire_keys(command: ExpireHolds) -> list[Key]:
    keys = [Key(HOLD, named.hold_id) for named in command.holds]
    keys += {Key(ACCOUNT, named.account_id) for named in command.holds}
    return keys


DECIDERS = (
    Decider(PlaceHold, _hold_keys, place_hold, Held),
    Decider(CaptureHold, _capture_keys, capture_hold, Captured),
    Decider(VoidHold, _hold_keys, void_hold),
    Decider(ExpireHolds, _expire_keys, expire_holds, HoldsExpired),
)
