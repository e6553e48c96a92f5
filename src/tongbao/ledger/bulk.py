"""Postings in bulk: what `post` does, for ten thousand at once.

Every account is read once, brought forward in memory, and written once at the end; only entries and journals are made one by
one. Each posting is decided upon what those before it left, and has its own outcome; a chain of linked ones has one together.
A property test holds this to the same outcomes, balances and entries as posting one by one.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Decider, Decision, Declined, Key, View, keys_of
from tongbao.kernel.errors import Code
from tongbao.ledger import errors
from tongbao.ledger.book import BOOK_KEY, the_book, value_day
from tongbao.ledger.chart import CHART
from tongbao.ledger.commands import BulkPosted, ManyLegs, PostBulk, Posting, PostingDeclined
from tongbao.ledger.rules import require_positive
from tongbao.ledger.types import ACCOUNT, ENTRY, JOURNAL, LARGEST_BALANCE_MINOR, LEDGER_DAY, Account, Entry, Journal


def post_bulk(command: PostBulk, view: View, now: datetime) -> Generator[None, None, Decision]:
    """Always accepted; the result says which postings were declined.

    A posting declines, in this order, `account_not_found`, `same_account`, `account_currencies_differ`, `legs_unbalanced`,
    `period_closed`, `backdated_too_far`, `value_date_ahead`, then leg by leg `line_not_by_hand`, `account_closed`,
    `account_frozen_debit` and `insufficient_funds`, or `account_frozen_credit` and `balance_ceiling`; one of at most its amount
    `nothing_to_move`. The others of its chain decline `linked_posting_declined`; a chain whose last posting is linked to
    nothing declines `linked_chain_open`.
    """
    batch = _Batch(command, view, now)
    declined: list[PostingDeclined] = []
    postings = command.postings
    at, end = 0, len(postings)
    while at < end:
        stop = min(at + _STRETCH, end)
        while at < stop:
            at, code = batch.post(postings, at, stop)
            if code is not None:
                declined.append(PostingDeclined(at, code.name))
                at += 1
            elif at < stop:
                at = _chain(batch, postings, at, declined)
        yield
    batch.keep()
    first = batch.journals[0].journal_id if batch.journals else None
    return Accepted(BulkPosted(len(batch.journals), tuple(declined), first))


#: Postings decided at a stretch before others have a turn: about a third of a millisecond.
_STRETCH = 64


def _chain(batch: _Batch, postings: Sequence[Posting | ManyLegs], first: int, declined: list[PostingDeclined]) -> int:
    """Post the chain that begins at `first`; if one of it cannot be, none is. Where what follows it begins."""
    last, end = first, len(postings)
    while last < end and postings[last].linked:
        last += 1
    if last == end:
        declined.extend(PostingDeclined(index, errors.CHAIN_OPEN.name) for index in range(first, end))
        return end
    batch.remember()
    guilty, code = batch.post(postings, first, last + 1, chained=True)
    if code is None:
        batch.forget()
    else:
        batch.undo()
        declined.extend(
            PostingDeclined(index, code.name if index == guilty else errors.LINKED_DECLINED.name)
            for index in range(first, last + 1)
        )
    return last + 1


class _Totals(msgspec.Struct, gc=False, eq=False):
    """What is debited and credited to a line of the chart in a currency on one day, by so many entries."""

    debited: int = 0
    credited: int = 0
    entries: int = 0


class _State(msgspec.Struct, gc=False, eq=False):
    """An account on its way through the batch: `lowest` and `highest` are how far its posted balance may go, `today` is where
    its entries of today are summed up."""

    account: Account
    account_id: UUID
    currency: str
    posted: int
    version: int
    lowest: int
    highest: int
    debits_refused: Code | None
    credits_refused: Code | None
    today: _Totals


class _Batch:
    """The accounts, journals and entries of one bulk command."""

    def __init__(self, command: PostBulk, view: View, now: datetime) -> None:
        self._command_id = command.command_id
        self._view = view
        self._now = now
        self._book = the_book(view)
        self._today = value_day(self._book, now)
        self._days: dict[date | None, date | Declined] = {None: self._today}
        self._states: dict[UUID, _State] = {}
        self._totals: dict[tuple[date | Declined, str, str], _Totals] = {}
        self._entries: list[Entry] = []
        #: Where a chain is under way: what it changed, as it was before.
        self._log: list[tuple[_State, int, int, _Totals, int]] | None = None
        self._marks = (0, 0)
        self.journals: list[Journal] = []

    def post(
        self, postings: Sequence[Posting | ManyLegs], at: int, stop: int, *, chained: bool = False
    ) -> tuple[int, Code | None]:
        """Post from `at` on, up to `stop`, or unless `chained` to a posting that is linked. Where it came to, and why the posting
        there cannot be, if it cannot: then that one left nothing.

        A loop with everything at hand: a call for each of two entries of each posting would take half as long again.
        """
        find, load, new_id, log = self._states.get, self._load, self._view.new_id, self._log
        command_id, now, today = self._command_id, self._now, self._today
        enter, journalise = self._entries.append, self.journals.append
        while at < stop:
            posting = postings[at]
            if posting.linked and not chained:
                break
            if posting.__class__ is not Posting:
                if (code := self._legs(posting)) is not None:  # type: ignore[arg-type]
                    return at, code
                at += 1
                continue
            debit_id, credit_id, amount = posting.debit_account_id, posting.credit_account_id, posting.amount_minor
            if amount <= 0:
                require_positive(amount)
            debit = find(debit_id) or load(debit_id)
            credit = find(credit_id) or load(credit_id)
            if debit is None or credit is None:
                return at, errors.ACCOUNT_NOT_FOUND
            if debit is credit:
                return at, errors.SAME_ACCOUNT
            currency = debit.currency
            if currency != credit.currency:
                return at, errors.CURRENCIES_DIFFER
            day = today if posting.value_date is None else self._day(posting.value_date)
            if day.__class__ is Declined:
                return at, day.code
            if debit.debits_refused is not None:
                return at, debit.debits_refused
            if posting.at_most:
                if credit.credits_refused is not None:
                    return at, credit.credits_refused
                amount = min(amount, debit.posted - debit.lowest, credit.highest - credit.posted)
                if amount <= 0:
                    return at, errors.NOTHING_TO_MOVE
            less = debit.posted - amount
            if less < debit.lowest:
                return at, errors.INSUFFICIENT_FUNDS
            if credit.credits_refused is not None:
                return at, credit.credits_refused
            more = credit.posted + amount
            if more > credit.highest:
                return at, errors.BALANCE_CEILING
            journal_id = new_id()
            out, into = debit.today, credit.today
            if day is not today:
                out, into = self._totals_of(day, debit.account), self._totals_of(day, credit.account)
            if log is not None:
                log.append((debit, debit.posted, debit.version, out, -amount))
                log.append((credit, credit.posted, credit.version, into, amount))
            debit.posted, credit.posted = less, more
            debit.version = debit_version = debit.version + 1
            credit.version = credit_version = credit.version + 1
            out.debited += amount
            out.entries += 1
            into.credited += amount
            into.entries += 1
            enter(Entry(debit.account_id, debit_version, journal_id, 0, currency, -amount, less, now))
            enter(Entry(credit.account_id, credit_version, journal_id, 1, currency, amount, more, now))
            journalise(Journal(journal_id, command_id, posting.kind, posting.memo, now, day))  # type: ignore[arg-type]
            at += 1
        return at, None

    def _legs(self, posting: ManyLegs) -> Code | None:
        """Post it, or say why not and leave nothing."""
        touched: list[tuple[_State, int]] = []
        sums: dict[str, int] = {}
        for leg in posting.legs:
            state = self._states.get(leg.account_id) or self._load(leg.account_id)
            if state is None:
                return errors.ACCOUNT_NOT_FOUND
            touched.append((state, leg.amount_minor))
            sums[state.currency] = sums.get(state.currency, 0) + leg.amount_minor
        if not touched or any(sums.values()) or not all(amount for _, amount in touched):
            return errors.LEGS_UNBALANCED
        day = self._day(posting.value_date)
        if isinstance(day, Declined):
            return day.code
        after: dict[UUID, int] = {}
        for state, amount in touched:
            posted = after.get(state.account_id, state.posted) + amount
            refused = state.debits_refused if amount < 0 else state.credits_refused
            if refused is not None:
                return refused
            if amount < 0 and posted < state.lowest:
                return errors.INSUFFICIENT_FUNDS
            if amount > 0 and posted > state.highest:
                return errors.BALANCE_CEILING
            after[state.account_id] = posted
        journal_id = self._view.new_id()
        for number, (state, amount) in enumerate(touched):
            self._enter(state, amount, journal_id, number, day)
        self.journals.append(Journal(journal_id, self._command_id, posting.kind, posting.memo, self._now, day))
        return None

    def _enter(self, state: _State, amount: int, journal_id: UUID, leg: int, day: date) -> None:
        """One entry, which nothing stands against any more."""
        totals = state.today
        if day is not self._today:
            totals = self._totals_of(day, state.account)
        if self._log is not None:
            self._log.append((state, state.posted, state.version, totals, amount))
        posted = state.posted = state.posted + amount
        version = state.version = state.version + 1
        totals.entries += 1
        if amount < 0:
            totals.debited -= amount
        else:
            totals.credited += amount
        self._entries.append(Entry(state.account_id, version, journal_id, leg, state.currency, amount, posted, self._now))

    # ── chains ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def remember(self) -> None:
        """From here on it may be undone."""
        self._log = []
        self._marks = (len(self._entries), len(self.journals))

    def undo(self) -> None:
        """As it was at `remember`."""
        assert self._log is not None
        for state, posted, version, totals, amount in reversed(self._log):
            state.posted, state.version = posted, version
            totals.entries -= 1
            totals.debited -= max(0, -amount)
            totals.credited -= max(0, amount)
        entries, journals = self._marks
        del self._entries[entries:], self.journals[journals:]
        self._log = None

    def forget(self) -> None:
        """It stays."""
        self._log = None

    # ── what the view gives and gets ────────────────────────────────────────────────────────────────────────────────────

    def _load(self, account_id: UUID) -> _State | None:
        account = self._view.get(ACCOUNT, account_id)
        if account is None:
            return None
        floor, ceiling = account.floor_minor, account.ceiling_minor
        debits_refused = credits_refused = None
        if not CHART[account.code].by_hand:
            debits_refused = credits_refused = errors.LINE_NOT_BY_HAND
        elif account.closed_at is not None:
            debits_refused = credits_refused = errors.ACCOUNT_CLOSED
        else:
            if account.debit_freeze:
                debits_refused = errors.DEBITS_FROZEN
            if account.credit_freeze:
                credits_refused = errors.CREDITS_FROZEN
        state = self._states[account_id] = _State(
            account, account.account_id, account.currency, account.posted_minor, account.version,
            (-LARGEST_BALANCE_MINOR if floor is None else floor) + account.held_minor,
            LARGEST_BALANCE_MINOR if ceiling is None else ceiling,
            debits_refused, credits_refused, self._totals_of(self._today, account),
        )  # fmt: skip
        return state

    def _totals_of(self, day: date | Declined, account: Account) -> _Totals:
        place = (day, account.code, account.currency)
        return self._totals.get(place) or self._totals.setdefault(place, _Totals())

    def _day(self, wished: date | None) -> date | Declined:
        day = self._days.get(wished)
        if day is None:
            day = self._days[wished] = value_day(self._book, self._now, wished)
        return day

    def keep(self) -> None:
        """Leave everything in the view."""
        if not self.journals:
            return
        view = self._view
        view.derive_all(
            ACCOUNT,
            {
                account_id: replace(state.account, posted_minor=state.posted, version=state.version)
                for account_id, state in self._states.items()
                if state.version != state.account.version
            },
        )
        view.append(JOURNAL, self.journals)
        view.append(ENTRY, self._entries)
        for place, totals in self._totals.items():
            if totals.entries:
                view.tally(LEDGER_DAY, place, totals.debited, totals.credited, totals.entries)


def _bulk_keys(command: PostBulk) -> list[Key]:
    accounts: set[UUID] = set()
    for posting in command.postings:
        if posting.__class__ is Posting:
            accounts.add(posting.debit_account_id)
            accounts.add(posting.credit_account_id)
        else:
            accounts.update(leg.account_id for leg in posting.legs)  # type: ignore[union-attr]
    return [*keys_of(ACCOUNT, accounts), BOOK_KEY]


DECIDERS = (Decider(PostBulk, _bulk_keys, post_bulk, BulkPosted),)
