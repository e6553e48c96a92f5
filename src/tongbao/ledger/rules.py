"""How money moves: the only code that changes a balance.

Other modules' deciders name the accounts they touch with `account_keys` and call `post` with legs. A leg is (account,
amount): positive credits it, negative debits it. `post` opens accounts that do not exist yet, checks floors, and leaves
one journal with its entries in the view; or it says why not and leaves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, View
from tongbao.kernel.errors import InvariantBroken
from tongbao.kernel.ids import derived_id
from tongbao.ledger import errors
from tongbao.ledger.chart import CHART, ChartLine, account_id
from tongbao.ledger.types import ACCOUNT, ENTRY, HOLD, JOURNAL, Account, Entry, Hold, Journal


class Place(NamedTuple):
    """An account named by what it is: a line of the chart, a currency, and an owner where the line has owners."""

    line: ChartLine
    currency: str
    owner_id: UUID | None = None

    @property
    def account_id(self) -> UUID:
        """The identifier of the account at this place."""
        return _account_id(self.line.code, self.currency, self.owner_id)


@lru_cache(maxsize=100_000)
def _account_id(code: str, currency: str, owner_id: UUID | None) -> UUID:
    # Asked for several times in every payment, and the same for ever; some 20 MB when it is full.
    return account_id(CHART[code], currency, owner_id)


class Leg(NamedTuple):
    """One side of a movement: `amount_minor` > 0 credits the place, < 0 debits it."""

    place: Place
    amount_minor: int


def account_keys(places: Iterable[Place]) -> list[Key]:
    """The rows that posting to these places needs."""
    return [Key(ACCOUNT, place.account_id) for place in places]


def account_at(view: View, place: Place, now: datetime) -> Account:
    """The account at a place, as it is or as it would be opened."""
    where = place.account_id
    found = view.get(ACCOUNT, where)
    if found is not None:
        return found
    line = place.line
    return Account(where, line.code, place.owner_id, place.currency, 0, 0, None if line.overdraft else 0, 0, now)


def post(
    view: View, command: Command, now: datetime, kind: str, legs: Sequence[Leg], memo: str = "", label: bytes = b""
) -> Journal | Declined:
    """Move money: all legs or none.

    Declines `insufficient_funds` (detail: available, needed in minor units, for the first account that would fall below its
    floor). Legs that do not sum to zero in each currency are a bug. `label` tells several journals of one command apart.
    """
    _balanced(legs)
    journal_id = view.new_id()
    touched: dict[UUID, Account] = {}
    entries: list[Entry] = []
    for number, (place, amount) in enumerate(legs):
        where = place.account_id
        account = touched.get(where) or account_at(view, place, now)
        posted, version = account.posted_minor + amount, account.version + 1
        if account.floor_minor is not None and amount < 0 and posted - account.held_minor < account.floor_minor:
            return Declined(errors.INSUFFICIENT_FUNDS, {"available_minor": account.available_minor, "needed_minor": -amount})
        touched[where] = Account(
            where, account.code, account.owner_id, account.currency, posted, account.held_minor, account.floor_minor, version,
            account.opened_at,
        )  # fmt: skip
        entries.append(Entry(where, version, journal_id, number, place.currency, amount, posted, now))
    for account in touched.values():
        view.put(ACCOUNT, account)
    journal = Journal(journal_id, command.command_id, kind, memo, now)
    view.put(JOURNAL, journal)
    for entry in entries:
        view.put(ENTRY, entry)
    return journal


def require_positive(amount_minor: int) -> None:
    """An amount in a command is positive: the edge has refused anything else, so another one here is a bug."""
    if amount_minor <= 0:
        raise InvariantBroken(f"an amount of {amount_minor}")


def _balanced(legs: Sequence[Leg]) -> None:
    sums: dict[str, int] = {}
    for place, amount in legs:
        if amount == 0:
            raise InvariantBroken("a leg moves nothing")
        sums[place.currency] = sums.get(place.currency, 0) + amount
    if not legs or any(sums.values()):
        raise InvariantBroken(f"legs do not balance: {sums}")


# ── holds ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


class PlaceHold(Command, frozen=True, kw_only=True):
    """Set money aside on one account until it is captured, voided or expires."""

    kind = "ledger.hold"
    hold_id: UUID
    code: str
    currency: str
    owner_id: UUID | None
    amount_minor: int
    expires_at: datetime


class CaptureHold(Command, frozen=True, kw_only=True):
    """Move held money to another account; what is left of the hold stays held unless `final`."""

    kind = "ledger.capture"
    hold_id: UUID
    code: str
    currency: str
    owner_id: UUID | None
    to_code: str
    to_owner_id: UUID | None
    amount_minor: int
    final: bool = True


class VoidHold(Command, frozen=True, kw_only=True):
    """Give held money back to its account."""

    kind = "ledger.void"
    hold_id: UUID
    code: str
    currency: str
    owner_id: UUID | None


class Held(msgspec.Struct, frozen=True):
    """Result of `PlaceHold`."""

    hold_id: UUID


class Captured(msgspec.Struct, frozen=True):
    """Result of `CaptureHold`."""

    journal_id: UUID


def _place(command: PlaceHold | CaptureHold | VoidHold) -> Place:
    return Place(CHART[command.code], command.currency, command.owner_id)


def _hold_keys(command: PlaceHold | VoidHold) -> list[Key]:
    return [Key(HOLD, command.hold_id), *account_keys([_place(command)])]


def _capture_keys(command: CaptureHold) -> list[Key]:
    to = Place(CHART[command.to_code], command.currency, command.to_owner_id)
    return [Key(HOLD, command.hold_id), *account_keys([_place(command), to])]


def place_hold(command: PlaceHold, view: View, now: datetime) -> Decision:
    """Declines `hold_exists`, `hold_expired`, `insufficient_funds`. The held sum rises; nothing is posted."""
    require_positive(command.amount_minor)
    if view.get(HOLD, command.hold_id) is not None:
        return Declined(errors.HOLD_EXISTS)
    if command.expires_at <= now:
        return Declined(errors.HOLD_EXPIRED)
    account = account_at(view, _place(command), now)
    if command.amount_minor > account.available_minor:
        return Declined(
            errors.INSUFFICIENT_FUNDS, {"available_minor": account.available_minor, "needed_minor": command.amount_minor}
        )
    view.put(ACCOUNT, replace(account, held_minor=account.held_minor + command.amount_minor))
    view.put(HOLD, Hold(command.hold_id, account.account_id, command.amount_minor, 0, "ACTIVE", command.expires_at, now, None))
    return Accepted(Held(command.hold_id))


def capture_hold(command: CaptureHold, view: View, now: datetime) -> Decision:
    """Declines `hold_not_found`, `hold_ended`, `hold_expired`, `capture_exceeds_hold`."""
    require_positive(command.amount_minor)
    hold = _active(view, command.hold_id, _place(command).account_id)
    if isinstance(hold, Declined):
        return hold
    if hold.expires_at <= now:
        return Declined(errors.HOLD_EXPIRED)
    left = hold.amount_minor - hold.captured_minor
    if command.amount_minor > left:
        return Declined(errors.CAPTURE_EXCEEDS_HOLD, {"left_minor": left})
    place = _place(command)
    account = view.need(ACCOUNT, place.account_id)
    released = left if command.final else command.amount_minor
    view.put(ACCOUNT, replace(account, held_minor=account.held_minor - released))
    to = Place(CHART[command.to_code], command.currency, command.to_owner_id)
    journal = post(view, command, now, command.kind, [Leg(place, -command.amount_minor), Leg(to, command.amount_minor)])
    if isinstance(journal, Declined):
        raise InvariantBroken("held money was not there")
    captured = hold.captured_minor + command.amount_minor
    ended = command.final or captured == hold.amount_minor
    if ended:
        hold = replace(hold, state="CAPTURED", ended_at=now)
    view.put(HOLD, replace(hold, captured_minor=captured))
    return Accepted(Captured(journal.journal_id))


def void_hold(command: VoidHold, view: View, now: datetime) -> Decision:
    """Declines `hold_not_found`, `hold_ended`. A hold past its expiry ends as EXPIRED."""
    hold = _active(view, command.hold_id, _place(command).account_id)
    if isinstance(hold, Declined):
        return hold
    account = view.need(ACCOUNT, hold.account_id)
    left = hold.amount_minor - hold.captured_minor
    view.put(ACCOUNT, replace(account, held_minor=account.held_minor - left))
    view.put(HOLD, replace(hold, state="EXPIRED" if hold.expires_at <= now else "VOIDED", ended_at=now))
    return Accepted()


def _active(view: View, hold_id: UUID, account: UUID) -> Hold | Declined:
    hold = view.get(HOLD, hold_id)
    if hold is None or hold.account_id != account:
        return Declined(errors.HOLD_NOT_FOUND)
    return hold if hold.state == "ACTIVE" else Declined(errors.HOLD_ENDED, {"state": hold.state})


DECIDERS = (
    Decider(PlaceHold, _hold_keys, place_hold, Held),
    Decider(CaptureHold, _capture_keys, capture_hold, Captured),
    Decider(VoidHold, _hold_keys, void_hold),
)
