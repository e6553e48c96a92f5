"""What the rules say to an act: called by the deciders that move money, after the customer agreed and before it moves.

The order in which rules speak: suspended, refuse, challenge, delay, report. What an act comes to is counted in the same commit as
the act: two payments cannot both fit under one limit, whichever processes they came through, and what is declined counts nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from msgspec.structs import replace

from tongbao.engine.api import Declined, Key, View
from tongbao.identity.factors import KNOWLEDGE, POSSESSION, SIGNATURE, Factors, strength
from tongbao.identity.standing import STANDING, Standing, reasons
from tongbao.kernel.money import format_minor
from tongbao.ledger.api import ACCOUNT
from tongbao.rules import errors
from tongbao.rules.book import Book, Check, Plan, Shape, book_of
from tongbao.rules.citing import Cited, cited
from tongbao.rules.counting import Counts, brought_to, counted_text, counts_of, own_caps, packed
from tongbao.rules.days import Today, due, midnight, period_ends
from tongbao.rules.pack import DEBITS, Rule
from tongbao.rules.types import CURRENT, DUTY, RULEBOOK, USAGE, Act, Duty, OwnCaps, Usage

#: Factors that stand for each strength, the least first.
_LEAST: tuple[Factors, ...] = (KNOWLEDGE | POSSESSION, KNOWLEDGE | POSSESSION | SIGNATURE)
_HIGHEST_LEVEL = 3
#: Where a shape says that it is a minor's.
_MINOR = Shape._fields.index("minor")


class Weighed(NamedTuple):
    """An act that may happen. `delay_hours`: not before so many hours; `counted`: where it was counted, for `give_back`, of the
    customer, the bank account and the merchant in turn; `covers`: rules by which a loss would be the institution's."""

    delay_hours: int
    counted: str
    covers: tuple[Rule, ...]


_FREE = Weighed(0, "", ())

#: The rule by which the act is to be delayed, the day it was counted for, and what applied.
_Judged = tuple[Rule | None, int, Plan]


def law_keys(customer_id: UUID, *others: UUID) -> list[Key]:
    """The rows `assess` and `weigh` need: of the customer, and of the other subjects that the act names."""
    return [Key(RULEBOOK, CURRENT), Key(STANDING, customer_id), *(Key(USAGE, each) for each in (customer_id, *others))]


def assess(view: View, now: datetime, customer_id: UUID, act: Act) -> Declined | None:
    """Why the act may not happen now; None if it may, and then it is counted.

    Declines `account_suspended`, `limit_reached`, `stronger_confirmation_needed`, `real_name_needed`, `currency_not_covered`,
    `delay_required` (this act cannot wait; `weigh` is for those that can). Without a rulebook only a suspension stands in the
    way.
    """
    judged = _judged(view, now, customer_id, act)
    if isinstance(judged, Declined):
        return judged
    if act.merchant_id is not None and isinstance(refused := _judged_by_merchant(view, now, customer_id, act), Declined):
        return refused
    if act.funding_id is not None and isinstance(refused := _judged_by_source(view, now, customer_id, act), Declined):
        return refused
    return None if judged is None or judged[0] is None else _delay_required(judged[0])


def _delay_required(rule: Rule) -> Declined:
    named = {"rule_id": rule.id, "name_zh": rule.name.zh, "name_en": rule.name.en}
    named |= {"citation": rule.citation, "citation_zh": rule.citation_zh}
    return Declined(errors.DELAY_REQUIRED, named | {"hours": rule.delay_hours})


def weigh(view: View, now: datetime, customer_id: UUID, act: Act, *, can_wait: bool = True) -> Declined | Weighed:
    """As `assess`, for an act that can be given back, and if it `can_wait`, delayed."""
    judged = _judged(view, now, customer_id, act)
    if isinstance(judged, Declined):
        return judged
    by_merchant = "" if act.merchant_id is None else _judged_by_merchant(view, now, customer_id, act)
    if isinstance(by_merchant, Declined):
        return by_merchant
    by_source = "" if act.funding_id is None else _judged_by_source(view, now, customer_id, act)
    if isinstance(by_source, Declined):
        return by_source
    others = f"|{by_source}|{by_merchant}".rstrip("|")
    if judged is None:
        return Weighed(0, others, ()) if others else _FREE
    delay, day, plan = judged
    if delay is not None and not can_wait:
        return _delay_required(delay)
    counted = counted_text(day, plan.amounts, plan.counts) + others
    return Weighed(0 if delay is None else delay.delay_hours or 0, counted, plan.covers)


def _judged(view: View, now: datetime, customer_id: UUID, act: Act) -> Declined | _Judged | None:
    standing = view.get(STANDING, customer_id)
    if standing is not None and standing.suspended and act.kind in DEBITS:
        return Declined(errors.ACCOUNT_SUSPENDED, {"reasons": list(reasons(standing.suspended))})
    row = view.get(RULEBOOK, CURRENT)
    if row is None:
        return None
    book = book_of(row)
    if act.currency != book.currency:
        return Declined(errors.CURRENCY_NOT_COVERED)
    opened = shared = None
    if standing is not None:
        opened, shared = standing.opened_at, standing.subject_id
    shape = shape_of(standing, act, now)
    today = book.today(now)
    answer: Declined | _Judged | None
    answer = _judged_in_short(view, book, customer_id, shape, act.amount_minor, today) if shared is None else None
    if answer is None:
        asked = _Asked(act, shape, customer_id, now, today)
        if shared is None:
            answer = _judged_for(view, book, asked, "customer", customer_id, None, opened)
        else:
            answer = _judged_among_several(view, book, asked, shared, opened)
        if isinstance(answer, Declined):
            return answer
    return answer


def shape_of(standing: Standing | None, act: Act, now: datetime) -> tuple[Any, ...]:
    """The fields of the act's `Shape`."""
    if standing is None:
        return act.kind, act.method, act.factors, 0, False, False, False, act.flags, act.tier
    cooling = standing.cooling_until is not None and now < standing.cooling_until
    known = standing.level, standing.visitor, standing.minor
    return act.kind, act.method, act.factors, *known, cooling, act.flags, act.tier


def _judged_by_merchant(view: View, now: datetime, customer_id: UUID, act: Act) -> Declined | str:
    """What is said of the merchant that is paid; where it was counted, to end `Weighed.counted`. One without caps is not counted,
    which spares the busiest act a row."""
    if act.merchant_id is None or view.get(USAGE, act.merchant_id) is None:
        return ""
    received = act if act.merchant_minor is None else replace(act, amount_minor=act.merchant_minor)
    return _judged_by_another(view, now, customer_id, received, "merchant", act.merchant_id)


def _judged_by_source(view: View, now: datetime, customer_id: UUID, act: Act) -> Declined | str:
    """What is said of the bank account that the money comes from or goes to; where it was counted."""
    return "" if act.funding_id is None else _judged_by_another(view, now, customer_id, act, "funding_source", act.funding_id)


def _judged_by_another(view: View, now: datetime, customer_id: UUID, act: Act, scope: str, subject_id: UUID) -> Declined | str:
    row = view.get(RULEBOOK, CURRENT)
    if row is None:
        return ""
    book = book_of(row)
    asked = _Asked(act, shape_of(view.get(STANDING, customer_id), act, now), customer_id, now, book.today(now))
    judged = _judged_for(view, book, asked, scope, subject_id, None, None)
    if judged is None or isinstance(judged, Declined):
        return judged or ""
    return counted_text(judged[1], judged[2].amounts, judged[2].counts)


def _judged_in_short(
    view: View, book: Book, customer_id: UUID, shape: tuple[Any, ...], amount_minor: int, today: Today
) -> _Judged | None:
    """As `_judged_for`, for the usual customer, who is counted alone, did something earlier today and has no caps of their own,
    where nobody has anything to say; None if it takes a longer look."""
    usage = view.get(USAGE, customer_id)
    if usage is None or usage.own or usage.day != today.day:
        return None
    plan = book.common(shape, today.day)
    if plan is None or plan.enter is None or (entered := plan.enter(usage.counts, amount_minor)) is None:
        return None
    view.put(USAGE, Usage(customer_id, usage.day, entered, usage.past, ""))
    return None, usage.day, plan


class _Asked(NamedTuple):
    """What is asked about: an act of this shape, of a customer, now."""

    act: Act
    shape: tuple[Any, ...]
    customer_id: UUID
    now: datetime
    today: Today


def _judged_among_several(
    view: View, book: Book, asked: _Asked, subject_id: UUID, opened: datetime | None
) -> Declined | _Judged | None:
    """Of a customer who is not the only account of a person: what is said of an account is counted with theirs, all else with the
    person, within the caps that they chose for this account."""
    wallet = view.get(USAGE, asked.customer_id)
    first = view.follow(STANDING, subject_id)
    view.follow(USAGE, subject_id)
    own = wallet.own if wallet is not None else ""
    of_account = _judged_for(view, book, asked, "account", asked.customer_id, None, opened)
    if isinstance(of_account, Declined):
        return of_account
    of_person = _judged_for(view, book, asked, "person", subject_id, own, None if first is None else first.opened_at)
    if of_account is None or of_person is None or isinstance(of_person, Declined):
        return of_person or of_account
    (one, day, plan), (other, _, also) = of_account, of_person
    delay = max((each for each in (one, other) if each is not None), key=lambda rule: rule.delay_hours or 0, default=None)
    both = plan._replace(amounts=plan.amounts + also.amounts, counts=plan.counts + also.counts, covers=plan.covers + also.covers)
    return delay, day, both


def _judged_for(
    view: View, book: Book, asked: _Asked, scope: str, subject_id: UUID, caps: str | None, opened: datetime | None
) -> Declined | _Judged | None:
    """What the rules of a scope say to the act, counted in a subject's row. `caps`: those that hold instead of the row's own."""
    act, shape, customer_id, now, today = asked
    usage = view.get(USAGE, subject_id)
    own: OwnCaps | None = None
    stored = past = b""
    text, day = "", today.day
    if usage is not None:
        stored, past, text = usage.counts, usage.past, usage.own
        if day > usage.day:
            counts, past = brought_to(book, usage, day, book.opening(opened))
            stored = packed(counts)
        else:
            day = usage.day
    own = own_caps(text if caps is None else caps)
    plan = book.plan(scope, shape, own, now, today.day)
    if plan.idle:
        return None
    amount = act.amount_minor
    if plan.enter is not None and (entered := plan.enter(stored, amount)) is not None:
        view.put(USAGE, Usage(subject_id, day, entered, past, text))
        return None, day, plan
    counts = counts_of(book, stored)
    for check in plan.checks:
        if not _fits(check, counts, amount):
            return _refusal(book, scope, asked, own, counts, check, opened)
    if plan.balances and (refused := _balances(view, book, scope, plan, asked, own, counts)) is not None:
        return refused
    delay: Rule | None = None
    for slot, step, most, _, rule in plan.delays:
        if counts[slot] + (amount if not step else 2 - step) > most and (rule.delay_hours or 0) > (
            delay.delay_hours or 0 if delay else 0
        ):
            delay = rule
    for slot, step, most, _, rule in plan.reports:
        before = counts[slot]
        total = before + (amount if not step else 2 - step)
        if before <= most < total:
            ends = due(rule.deadline, now, today, book.zone, book.calendar) if rule.deadline is not None else None
            whose = customer_id if scope == "person" else subject_id
            view.put(DUTY, Duty(view.new_id(), rule.id, whose, act.kind, amount, total, act.currency, now, ends))
    for slot in plan.amounts:
        counts[slot] += amount
    for slot in plan.counts:
        counts[slot] += 1
    for slot in plan.resets:
        counts[slot] = 0
    view.put(USAGE, Usage(subject_id, day, packed(counts), past, text))
    return delay, day, plan


def _balances(
    view: View, book: Book, scope: str, plan: Plan, asked: _Asked, own: OwnCaps | None, counts: Counts
) -> Declined | None:
    act, shape, _, now, today = asked
    account = view.get(ACCOUNT, act.account_id) if act.account_id is not None else None
    before = 0 if account is None else account.posted_minor
    after = before - act.amount_minor if act.kind in DEBITS else before + act.amount_minor
    for check in plan.balances:
        rule = check.rule
        if check.days:
            since = counts[check.slot] if before > check.most else 0
            broken = bool(since) and today.day - since >= check.days
            counts[check.slot] = (since or today.day) if after > check.most else 0
        else:
            broken = after > check.most
        if not broken:
            continue
        detail = _detail(book, rule, check.most, before, None, False, cited(book, rule, own, now, minor=shape[_MINOR]))
        for level in range(shape[3] + 1, _HIGHEST_LEVEL + 1) if rule.challenge == "level" else ():
            better = book.plan(scope, Shape(*shape)._replace(level=level), own, now, today.day)
            if all(other.rule is not rule for other in better.balances):
                return Declined(errors.REAL_NAME_NEEDED, detail | {"level": level})
        return Declined(errors.LIMIT_REACHED, detail)
    return None


def _refusal(
    book: Book, scope: str, asked: _Asked, own: OwnCaps | None, counts: Counts, check: Check, opened: datetime | None
) -> Declined:
    act, shape, _, now, today = asked
    rule = check.rule
    by_count = rule.metric == "count"
    used = counts[check.slot]
    window = book.slots[check.slot].window if check.slot >= 0 else ""
    says = cited(book, rule, own, now, minor=shape[_MINOR])
    detail = _detail(book, rule, check.most, used, renews_at(book, check.slot, window, today, opened), by_count, says)
    if rule.action == "challenge":
        for tried in _stronger(Shape(*shape), rule.challenge == "level"):
            plan = book.plan(scope, tried, own, now, today.day)
            if passes(plan, counts, act.amount_minor):
                if tried.level != shape[3]:
                    stronger = {} if tried.factors == act.factors else {"strength": strength(tried.factors)}
                    return Declined(errors.REAL_NAME_NEEDED, detail | {"level": tried.level} | stronger)
                return Declined(errors.STRONGER_CONFIRMATION, detail | {"strength": strength(tried.factors)})
    return Declined(errors.LIMIT_REACHED, detail)


def _stronger(shape: Shape, level_first: bool) -> Iterator[Shape]:
    """The same act confirmed more strongly, by somebody better known, or both: the least that is asked of the customer first."""
    factors = [each for each in _LEAST if _rank(each) > _rank(shape.factors)]
    levels = range(shape.level + 1, _HIGHEST_LEVEL + 1)
    by_strength = [shape._replace(factors=each) for each in factors]
    by_level = [shape._replace(level=level) for level in levels]
    yield from by_level + by_strength if level_first else by_strength + by_level
    for level in levels:
        for each in factors:
            yield shape._replace(level=level, factors=each)


def _rank(factors: Factors) -> int:
    return ("weak", "medium", "strong").index(strength(factors))


def passes(plan: Plan, counts: Counts, amount: int) -> bool:
    """Whether no check of a plan stands in the way of an amount."""
    return all(_fits(check, counts, amount) for check in plan.checks)


def _fits(check: Check, counts: Counts, amount: int) -> bool:
    return counts[check.slot] + (amount if not check.step else 2 - check.step) <= check.most or amount <= check.exempt


def renews_at(book: Book, slot: int, window: str, today: Today, opened: datetime | None) -> datetime | None:
    """When a window begins anew; None if it never does, or day by day (a rolling one)."""
    ends = period_ends(window, today.day, book.opening(opened)) if slot >= 0 else None
    return midnight(date.fromordinal(ends), book.zone) if ends is not None else None


def _detail(book: Book, rule: Rule, most: int, used: int, renews: datetime | None, by_count: bool, says: Cited) -> dict[str, Any]:
    def said(value: int) -> str:
        return str(value) if by_count else format_minor(value, book.currency)

    return {
        "rule_id": rule.id,
        "name_zh": rule.name.zh,
        "name_en": rule.name.en,
        "whose": says.whose,
        "citation": says.citation,
        "citation_zh": says.citation_zh,
        "limit": said(most),
        "used": said(used),
        "left": said(max(0, most - used)),
        "renews_at": renews,
        **({} if by_count else {"currency": book.currency}),
    }
