"""Accounts that are one person's: the law counts them together, from the moment on that they show the same document.

What an account did before is carried over when it joins the others, in the commit that makes it one of them. Between people's
accounts nothing else is shared: each has its own caps, its own confirmations, and what the law says of one account.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from tongbao.engine.api import Accepted, Decider, Decision, View, at_once
from tongbao.identity.standing import STANDING, Standing
from tongbao.rules.book import Book, book_of
from tongbao.rules.counting import Counts, brought_to, carried, counts_of
from tongbao.rules.types import CURRENT, RULEBOOK, USAGE, Usage


class Known(NamedTuple):
    """All that the rules look at of a subject. `usage`: its own row; `person`: the row where a customer is counted with others,
    and `person_opened` when the first of them was known; both None where the subject is counted alone."""

    standing: Standing | None
    usage: Usage | None
    person: Usage | None = None
    person_opened: datetime | None = None

    def counts(self, book: Book, now: datetime) -> tuple[Counts, Counts]:
        """The counters as of now, of the account and of the person."""
        own = _counts(book, self.usage, now, self.opened)
        shared = self.standing is not None and self.standing.subject_id is not None
        return own, _counts(book, self.person, now, self.person_opened) if shared else own

    @property
    def opened(self) -> datetime | None:
        """When the subject was first known."""
        return None if self.standing is None else self.standing.opened_at

    @property
    def counted_from(self) -> datetime | None:
        """Where a year of the person begins."""
        return self.opened if self.standing is None or self.standing.subject_id is None else self.person_opened


def _counts(book: Book, usage: Usage | None, now: datetime, opened: datetime | None) -> Counts:
    if usage is None:
        return counts_of(book, b"")
    return brought_to(book, usage, book.today(now).day, book.opening(opened))[0]


def carrying(deciders: Iterable[Decider[Any]]) -> tuple[Decider[Any], ...]:
    """Deciders of real names, each of which may find whose account a customer's is: what was counted comes along."""
    return tuple(Decider(each.command, each.keys, _carrying(each), each.result) for each in deciders)


def _carrying(decider: Decider[Any]) -> Any:
    def decide(command: Any, view: View, now: datetime) -> Decision:
        before = view.follow(STANDING, command.customer_id)
        decision = at_once(decider.decide(command, view, now))
        if isinstance(decision, Accepted):
            _carry(view, now, command.customer_id, before, view.follow(STANDING, command.customer_id))
        return decision

    return decide


def _carry(view: View, now: datetime, customer_id: UUID, before: Standing | None, after: Standing | None) -> None:
    """Nobody begins anew by joining others, or by leaving them: what was counted where they were is counted where they are now
    too, and once only for whoever comes back to a row of their own, which they had taken along."""
    was = (before.subject_id if before is not None else None) or customer_id
    is_now = (after.subject_id if after is not None else None) or customer_id
    row = view.follow(RULEBOOK, CURRENT)
    if was == is_now or row is None:
        return
    carries = view.follow(USAGE, was)
    if carries is None:
        return
    book = book_of(row)
    into = view.follow(USAGE, is_now) or Usage(is_now, carries.day, b"", b"", "")
    day = max(book.today(now).day, carries.day, into.day)
    opened, opened_before = (book.opening(_opened(view, each)) for each in (is_now, was))
    view.put(USAGE, carried(book, into, carries, day, opened, opened_before, back=is_now == customer_id))


def _opened(view: View, customer_id: UUID) -> datetime | None:
    standing = view.follow(STANDING, customer_id)
    return None if standing is None else standing.opened_at
