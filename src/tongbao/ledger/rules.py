"""How money moves: with `bulk.py`, which does the same for many at once, the only code that changes a balance.

Other modules' deciders name the accounts they touch with `account_keys` and call `post` with legs. A leg is (place,
amount): positive credits it, negative debits it. `post` opens accounts that do not exist yet, asks each whether it may give
or take, and leaves one journal with its entries in the view; or it says why not and leaves nothing. `post_linked` does so
for several journals: all of them or none.

    closed? → frozen on this side? → below the floor, or above the ceiling?
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from msgspec.structs import replace

from tongbao.engine.api import Command, Declined, Key, View
from tongbao.kernel.errors import InvariantBroken
from tongbao.ledger import errors
from tongbao.ledger.book import BOOK_KEY, the_book, value_day
from tongbao.ledger.chart import CHART, ChartLine, account_id
from tongbao.ledger.commands import PlaceName
from tongbao.ledger.types import ACCOUNT, ENTRY, JOURNAL, LARGEST_BALANCE_MINOR, LEDGER_DAY, Account, Entry, Journal

_HIGHEST, _LOWEST = LARGEST_BALANCE_MINOR, -LARGEST_BALANCE_MINOR


class Place:
    """An account named by what it is: a line of the chart, a currency, an owner where the line has owners, and the colour of
    restricted money.

    `money` is what the rows of this place call its currency: with the colour, if it has one. Places are equal if their accounts
    are the same. What is asked for in every payment should come from a cached function: the account's id is a hash.
    """

    __slots__ = ("account_id", "colour", "currency", "line", "money", "owner_id")

    def __init__(self, line: ChartLine, currency: str, owner_id: UUID | None = None, colour: str = "") -> None:
        self.line = line
        self.currency = currency
        self.owner_id = owner_id
        self.colour = colour
        self.money = f"{currency}:{colour}" if colour else currency
        self.account_id = _account_id(line.code, self.money, owner_id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and self.account_id == other.account_id

    def __hash__(self) -> int:
        return hash(self.account_id)

    def __repr__(self) -> str:
        return f"<{self.line.code} {self.money}{f' of {self.owner_id}' if self.owner_id else ''}>"


@lru_cache(maxsize=100_000)
def _account_id(code: str, money: str, owner_id: UUID | None) -> UUID:
    # Asked for several times in every payment, and the same for ever; some 20 MB when it is full.
    return account_id(CHART[code], money, owner_id)


class Leg(NamedTuple):
    """One side of a movement: `amount_minor` > 0 credits the place, < 0 debits it."""

    place: Place
    amount_minor: int


class Draft(NamedTuple):
    """A journal to be posted. `value_date` None: today in the book's zone."""

    kind: str
    legs: Sequence[Leg]
    memo: str = ""
    value_date: date | None = None
    reverses: UUID | None = None


def place_of(name: PlaceName) -> Place:
    """The place that a command names."""
    currency, _, colour = name.currency.partition(":")
    return Place(CHART[name.code], currency, name.owner_id, colour)


def account_keys(places: Iterable[Place]) -> list[Key]:
    """The rows that posting to these places needs: their accounts, and the book with its closed periods."""
    keys = [Key(ACCOUNT, place.account_id) for place in places]
    keys.append(BOOK_KEY)
    return keys


def account_at(view: View, place: Place, now: datetime) -> Account:
    """The account at a place, as it is or as it would be opened."""
    where = place.account_id
    found = view.get(ACCOUNT, where)
    return _new_account(where, place, now) if found is None else found


def _new_account(where: UUID, place: Place, now: datetime) -> Account:
    line = place.line
    return Account(where, line.code, place.owner_id, place.money, 0, 0, line.floor_minor, None, 0, now)


def post(
    view: View,
    command: Command,
    now: datetime,
    kind: str,
    legs: Sequence[Leg],
    memo: str = "",
    *,
    value_date: date | None = None,
    reverses: UUID | None = None,
) -> Journal | Declined:
    """Move money: all legs or none.

    Declines `period_closed`, `backdated_too_far`, `value_date_ahead`, and for the first leg that cannot be: `account_closed`,
    `account_frozen_debit`, `insufficient_funds` (detail: available, needed in minor units), `account_frozen_credit`,
    `balance_ceiling`. Legs that do not sum to zero in each currency and colour are a bug.
    """
    touched: dict[UUID, Account] = {}
    written = _write(view, command, now, touched, kind, legs, memo, value_date, reverses)
    if isinstance(written, Declined):
        return written
    _keep(view, touched, (written,))
    return written[0]


def post_linked(view: View, command: Command, now: datetime, drafts: Sequence[Draft]) -> list[Journal] | Declined:
    """Post several journals of one command, each upon what those before it left: all of them, or none and the first decline."""
    touched: dict[UUID, Account] = {}
    every: list[_Written] = []
    for draft in drafts:
        written = _write(view, command, now, touched, *draft)
        if isinstance(written, Declined):
            return written
        every.append(written)
    _keep(view, touched, every)
    return [journal for journal, _ in every]


def not_by_hand(places: Iterable[Place]) -> Declined | None:
    """The decline `line_not_by_hand`, if one of the places is not for operators to post to."""
    return None if all(place.line.by_hand for place in places) else Declined(errors.LINE_NOT_BY_HAND)


def most_movable(source: Account, target: Account, most_minor: int) -> int:
    """How much of `most_minor` can go from one account to the other now; 0 when nothing can."""
    return max(0, min(most_minor, source.debitable_minor, target.creditable_minor))


def require_positive(amount_minor: int) -> None:
    """An amount in a command is positive: the edge has refused anything else, so another one here is a bug."""
    if amount_minor <= 0:
        raise InvariantBroken(f"an amount of {amount_minor}")


_Written = tuple[Journal, list[Entry]]


def _write(
    view: View,
    command: Command,
    now: datetime,
    touched: dict[UUID, Account],
    kind: str,
    legs: Sequence[Leg],
    memo: str,
    wished: date | None,
    reverses: UUID | None,
) -> _Written | Declined:
    """The journal and entries that a draft comes to, upon the accounts in `touched`, which it brings to where they then are."""
    _balanced(legs)
    day = value_day(the_book(view), now, wished)
    if isinstance(day, Declined):
        return day
    journal_id = view.new_id()
    entries: list[Entry] = []
    for number, (place, amount) in enumerate(legs):
        where = place.account_id
        account = touched.get(where) or view.get(ACCOUNT, where) or _new_account(where, place, now)
        posted, version = account.posted_minor + amount, account.version + 1
        if (refused := refusal_of(account, amount, posted)) is not None:
            return refused
        touched[where] = replace(account, posted_minor=posted, version=version)
        entries.append(Entry(where, version, journal_id, number, account.currency, amount, posted, now))
    return Journal(journal_id, command.command_id, kind, memo, now, day, reverses), entries


def refusal_of(account: Account, amount: int, posted: int) -> Declined | None:
    """Why `amount` may not bring the account to `posted`; None if it may.

    A detail goes to whoever sent the command: what is said of the side that receives must not tell the payer about it.
    """
    if account.closed_at is not None:
        return Declined(errors.ACCOUNT_CLOSED)
    if amount < 0:
        if account.debit_freeze:
            return Declined(errors.DEBITS_FROZEN)
        floor = account.floor_minor
        if posted - account.held_minor < (_LOWEST if floor is None else floor):
            return Declined(errors.INSUFFICIENT_FUNDS, {"available_minor": account.debitable_minor, "needed_minor": -amount})
        return None
    if account.credit_freeze:
        return Declined(errors.CREDITS_FROZEN)
    ceiling = account.ceiling_minor
    if posted > (_HIGHEST if ceiling is None else ceiling):
        return Declined(errors.BALANCE_CEILING)
    return None


def _keep(view: View, touched: dict[UUID, Account], every: Sequence[_Written]) -> None:
    tally = view.tally
    new = sum(len(entries) for _, entries in every)
    for account in touched.values():
        if account.version > new:
            view.derive(ACCOUNT, account)
        else:
            view.put(ACCOUNT, account)  # it may have been opened here
    for journal, entries in every:
        view.append(JOURNAL, (journal,))
        view.append(ENTRY, entries)
        day = journal.value_date
        for entry in entries:
            amount, line = entry.amount_minor, (day, touched[entry.account_id].code, entry.currency)
            if amount > 0:
                tally(LEDGER_DAY, line, 0, amount, 1)
            else:
                tally(LEDGER_DAY, line, -amount, 0, 1)


def _balanced(legs: Sequence[Leg]) -> None:
    if len(legs) == 2:
        # Nearly all journals, and a tenth of the work of those below.
        (one, amount), (other, back) = legs
        if amount and amount + back == 0 and one.currency == other.currency and one.colour == other.colour:
            return
    sums: dict[str, int] = {}
    for place, amount in legs:
        if amount == 0:
            raise InvariantBroken("a leg moves nothing")
        money = place.money
        sums[money] = sums.get(money, 0) + amount
    if not legs or any(sums.values()):
        raise InvariantBroken(f"legs do not balance: {sums}")
