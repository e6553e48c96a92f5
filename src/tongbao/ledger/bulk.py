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
from tongbao.ledger.rules import refusal_of, require_positive
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
            at, _ = batch.post(postings, at, stop)
            if at < stop:
                # A posting that cannot be is a chain of one, and so is told as one.
                at = _chain(batch, postings, at, declined)
        yield
    batch.keep()
    first = batch.journals[0].journal_id if batch.journals else None
    return Accepted(BulkPosted(len(batch.journals), tuple(declined), first))


_HIGHEST, _LOWEST = LARGEST_BALANCE_MINOR, -LARGEST_BALANCE_MINOR
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


class _Line(msgspec.Struct, gc=False, eq=False):
    """A line of the chart in a currency on one day: what the command debits and credits to it, by so many entries; and why it may
    not, if it may not."""

    refused: Code | None
    debited: int = 0
    credited: int = 0
    entries: int = 0


class _Lines(dict[str, _Line]):
    """The lines of a day and currency, by code."""

    def __missing__(self, code: str) -> _Line:
        line = self[code] = _Line(None if CHART[code].by_hand else errors.LINE_NOT_BY_HAND)
        return line


class _Batch:
    """The accounts, journals and entries of one bulk command."""

    def __init__(self, command: PostBulk, view: View, now: datetime) -> None:
        self._command_id = command.command_id
        self._view = view
        self._now = now
        self._book = the_book(view)
        self._today = value_day(self._book, now)
        self._days: dict[date | None, date | Declined] = {None: self._today}
        #: Accounts with entries, as these leave them.
        self._accounts: dict[UUID, Account] = {}
        self._lines: dict[tuple[date | None, str], _Lines] = {}
        self._entries: list[Entry] = []
        #: Where a chain is under way: the accounts that it changed as they were before (None: without entries), line and amount.
        self._log: list[tuple[UUID, Account | None, _Line, int]] | None = None
        self._marks: tuple[int, int]
        self.journals: list[Journal] = []

    def post(
        self, postings: Sequence[Posting | ManyLegs], at: int, stop: int, *, chained: bool = False
    ) -> tuple[int, Code | None]:
        """Post from `at` on, up to `stop`, or unless `chained` to a posting that is linked. Where it came to, and why the posting
        there cannot be, if it cannot: then that one left nothing.

        A loop with everything at hand: a call for each of two entries of each posting would take half as long again.
        """
        accounts, stored, new_id, log = self._accounts, self._view.get, self._view.new_id, self._log
        find, enter, journalise = self._accounts.get, self._entries.append, self.journals.append
        command_id, now, today = self._command_id, self._now, self._today
        lines, lines_currency = _Lines(), ""
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
            debit = find(debit_id) or stored(ACCOUNT, debit_id)
            credit = find(credit_id) or stored(ACCOUNT, credit_id)
            if debit is None or credit is None:
                return at, errors.ACCOUNT_NOT_FOUND
            if debit_id == credit_id:
                return at, errors.SAME_ACCOUNT
            currency = debit.currency
            if currency != credit.currency:
                return at, errors.CURRENCIES_DIFFER
            day = today if posting.value_date is None else self._day(posting.value_date)
            if day.__class__ is Declined:
                return at, day.code
            if currency != lines_currency:
                lines, lines_currency = self._lines_of(today, currency), currency
            out, into = lines[debit.code], lines[credit.code]
            if out.refused is not None or debit.closed_at is not None or debit.debit_freeze:
                return at, out.refused or (errors.ACCOUNT_CLOSED if debit.closed_at is not None else errors.DEBITS_FROZEN)
            refused = None
            if into.refused is not None or credit.closed_at is not None or credit.credit_freeze:
                refused = into.refused or (errors.ACCOUNT_CLOSED if credit.closed_at is not None else errors.CREDITS_FROZEN)
            if posting.at_most:
                if refused is not None:
                    return at, refused
                amount = min(amount, debit.debitable_minor, credit.creditable_minor)
                if amount <= 0:
                    return at, errors.NOTHING_TO_MOVE
            less, more = debit.posted_minor - amount, credit.posted_minor + amount
            floor, ceiling = debit.floor_minor, credit.ceiling_minor
            if less - debit.held_minor < (_LOWEST if floor is None else floor):
                return at, errors.INSUFFICIENT_FUNDS
            if refused is not None:
                return at, refused
            if more > (_HIGHEST if ceiling is None else ceiling):
                return at, errors.BALANCE_CEILING
            debit_id, credit_id, journal_id = debit.account_id, credit.account_id, new_id()
            if day is not today:
                dated = self._lines_of(day, currency)
                out, into = dated[debit.code], dated[credit.code]
            if log is not None:
                log.append((debit_id, find(debit_id), out, -amount))
                log.append((credit_id, find(credit_id), into, amount))
            out.debited += amount
            out.entries += 1
            into.credited += amount
            into.entries += 1
            debit_version, credit_version = debit.version + 1, credit.version + 1
            accounts[debit_id] = replace(debit, posted_minor=less, version=debit_version)
            accounts[credit_id] = replace(credit, posted_minor=more, version=credit_version)
            enter(Entry(debit_id, debit_version, journal_id, 0, currency, -amount, less, now))
            enter(Entry(credit_id, credit_version, journal_id, 1, currency, amount, more, now))
            journalise(Journal(journal_id, command_id, posting.kind, posting.memo, now, day))  # type: ignore[arg-type]
            at += 1
        return at, None

    def _legs(self, posting: ManyLegs) -> Code | None:
        """Post it, or say why not and leave nothing."""
        touched: list[tuple[Account, int]] = []
        sums: dict[str, int] = {}
        for leg in posting.legs:
            account = self._accounts.get(leg.account_id) or self._view.get(ACCOUNT, leg.account_id)
            if account is None:
                return errors.ACCOUNT_NOT_FOUND
            touched.append((account, leg.amount_minor))
            sums[account.currency] = sums.get(account.currency, 0) + leg.amount_minor
        if not touched or any(sums.values()) or not all(amount for _, amount in touched):
            return errors.LEGS_UNBALANCED
        day = self._day(posting.value_date)
        if isinstance(day, Declined):
            return day.code
        after: dict[UUID, Account] = {}
        left: list[tuple[Account, int]] = []
        for account, amount in touched:
            account = after.get(account.account_id, account)
            posted = account.posted_minor + amount
            if not CHART[account.code].by_hand:
                return errors.LINE_NOT_BY_HAND
            if (refused := refusal_of(account, amount, posted)) is not None:
                return refused.code
            account = after[account.account_id] = replace(account, posted_minor=posted, version=account.version + 1)
            left.append((account, amount))
        journal_id = self._view.new_id()
        for number, (account, amount) in enumerate(left):
            self._enter(account, amount, journal_id, number, day)
        self.journals.append(Journal(journal_id, self._command_id, posting.kind, posting.memo, self._now, day))
        return None

    def _enter(self, account: Account, amount: int, journal_id: UUID, leg: int, day: date) -> None:
        """One entry, which nothing stands against any more, and the account as it leaves it."""
        where, line = account.account_id, self._lines_of(day, account.currency)[account.code]
        if self._log is not None:
            self._log.append((where, self._accounts.get(where), line, amount))
        line.entries += 1
        if amount < 0:
            line.debited -= amount
        else:
            line.credited += amount
        self._accounts[where] = account
        self._entries.append(
            Entry(where, account.version, journal_id, leg, account.currency, amount, account.posted_minor, self._now)
        )

    # ── chains ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def remember(self) -> None:
        """From here on it may be undone."""
        self._log = []
        self._marks = (len(self._entries), len(self.journals))

    def undo(self) -> None:
        """As it was at `remember`."""
        assert self._log is not None
        for where, before, line, amount in reversed(self._log):
            if before is None:
                del self._accounts[where]
            else:
                self._accounts[where] = before
            line.entries -= 1
            line.debited -= max(0, -amount)
            line.credited -= max(0, amount)
        entries, journals = self._marks
        del self._entries[entries:], self.journals[journals:]
        self._log = None

    def forget(self) -> None:
        """It stays."""
        self._log = None

    # ── what the view gives and gets ────────────────────────────────────────────────────────────────────────────────────

    def _lines_of(self, day: date | Declined, currency: str) -> _Lines:
        """Where today is closed, nothing is ever added to its lines; but they say what is not by hand."""
        return self._lines.setdefault((None if isinstance(day, Declined) else day, currency), _Lines())

    def _day(self, wished: date | None) -> date | Declined:
        day = self._days.get(wished)
        if day is None:
            day = self._days[wished] = value_day(self._book, self._now, wished)
        return day

    def keep(self) -> None:
        """Leave everything in the view."""
        view = self._view
        view.derive_all(ACCOUNT, self._accounts)
        view.append(JOURNAL, self.journals)
        view.append(ENTRY, self._entries)
        for (day, currency), lines in self._lines.items():
            for code, line in lines.items():
                if line.entries:
                    view.tally(LEDGER_DAY, (day, code, currency), line.debited, line.credited, line.entries)


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
