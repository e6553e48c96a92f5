"""The greatest payment that the rules let through now, all that is left for the rest of the day, and the rule that binds each.

Found by the checks that decide a payment, over the counters that it is counted in, so that what is told is what will be decided.
What binds a merchant, a card or a bank account is theirs and not told here, nor what the wallet has.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from tongbao.identity.factors import Factors
from tongbao.rules.assess import renews_at, shape_of
from tongbao.rules.book import Book, Check, book_of
from tongbao.rules.citing import Cited, Whose, cited
from tongbao.rules.counting import Counts, own_caps
from tongbao.rules.pack import Named
from tongbao.rules.persons import Known
from tongbao.rules.types import Act, OwnCaps, Rulebook


class Bound(msgspec.Struct, frozen=True):
    """The rule that binds. `renews_at`: when what it counts begins anew; null for a rule about one payment, or day by day."""

    rule_id: str
    name: Named
    whose: Whose
    citation: str
    citation_zh: str
    renews_at: datetime | None


class Most(NamedTuple):
    """How much, in minor units, and by which rule; None: nothing binds."""

    minor: int | None
    by: Bound | None


class Greatest(NamedTuple):
    """Of one payment now, and of all payments for the rest of the day."""

    single: Most
    today: Most


_FREE = Most(None, None)


class _Seen(NamedTuple):
    check: Check
    counts: Counts
    opened: datetime | None


def greatest(row: Rulebook | None, known: Known, customer_id: UUID, factors: Factors, method: str, now: datetime) -> Greatest:
    """What a customer may pay who confirms by these factors. Suspensions are not looked at."""
    if row is None:
        return Greatest(_FREE, _FREE)
    book = book_of(row)
    own = own_caps(known.usage.own) if known.usage is not None else None
    minor = known.standing is not None and known.standing.minor
    shape = shape_of(known.standing, Act("payment", 0, book.currency, factors, None, method), now)
    single = today = _FREE
    for seen in _checks(book, known, shape, own, now):
        check = seen.check
        left = _left(check, seen.counts)
        says = cited(book, check.rule, own, now, minor=minor)
        by = _bound(book, seen, says, now)
        single = _least(single, None if left is None else max(left, check.exempt), by)
        if check.slot >= 0:
            today = _least(today, left, by)
    if single.minor == 0 or (single.minor is not None and today.minor is not None and single.minor > today.minor):
        today = single  # where one payment cannot be, the day has none; sums a rule says nothing about can be paid all the same
    return Greatest(single, today)


def _checks(book: Book, known: Known, shape: tuple[object, ...], own: OwnCaps | None, now: datetime) -> Iterator[_Seen]:
    """Every check that a payment meets, with the counters that it looks at."""
    day = book.today(now).day
    of_account, of_person = known.counts(book, now)
    shared = known.standing is not None and known.standing.subject_id is not None
    scopes = (("account", of_account, known.opened), ("person", of_person, known.counted_from))
    for scope, counts, opened in scopes if shared else (("customer", of_account, known.opened),):
        plan = book.plan(scope, shape, own, now, day)
        # A payment cannot wait: what would delay it stands in its way.
        yield from (_Seen(check, counts, opened) for check in (*plan.checks, *plan.delays))


def _left(check: Check, counts: Counts) -> int | None:
    """How much a check leaves; None where it is about numbers, or about what this act does not add to, and lets it through."""
    if check.step:
        return None if counts[check.slot] + 2 - check.step <= check.most else 0
    return max(0, check.most - counts[check.slot])


def _least(so_far: Most, left: int | None, by: Bound) -> Most:
    return so_far if left is None or (so_far.minor is not None and so_far.minor <= left) else Most(left, by)


def _bound(book: Book, seen: _Seen, says: Cited, now: datetime) -> Bound:
    rule, slot = seen.check.rule, seen.check.slot
    renews = renews_at(book, slot, book.slots[slot].window, book.today(now), seen.opened) if slot >= 0 else None
    return Bound(rule.id, rule.name, says.whose, says.citation, says.citation_zh, renews)
