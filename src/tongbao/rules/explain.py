"""The rules told to a person: each limit that applies to somebody, how much of it is used, when it begins anew, whose it is."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from tongbao.identity.realname.levels import Allowance
from tongbao.identity.standing import Standing
from tongbao.kernel.money import format_minor
from tongbao.kernel.web import Words
from tongbao.rules.assess import renews_at
from tongbao.rules.book import Book, Slot, scopes_of, slots_of_rule
from tongbao.rules.citing import Whose, cited
from tongbao.rules.counting import own_caps
from tongbao.rules.days import window_name
from tongbao.rules.pack import SEVERITY, Condition, Named, Rule
from tongbao.rules.persons import Known
from tongbao.rules.types import ACTS_DONE
from tongbao.rules.whatif import somebody


class LimitLine(msgspec.Struct, frozen=True):
    """One limit. Amounts are decimal strings, counts numbers in a string; `used` and `left` are null for a limit of one act.

    `cap`: the name under which the subject may choose it. `coming`, `coming_from`: what it will be, if it was raised and waits.
    """

    rule_id: str
    name: Named
    citation: str
    citation_zh: str
    verified: bool
    whose: Whose
    action: str
    metric: str
    window: str
    applies_to: Condition
    limit: str
    used: str | None
    left: str | None
    renews_at: datetime | None
    currency: str | None
    cap: str | None = None
    coming: str | None = None
    coming_from: datetime | None = None


class RuleLine(msgspec.Struct, frozen=True):
    """One rule of a rulebook, as it was written."""

    pack: str
    whose: Whose
    rule: Rule
    in_force: bool


#: What makes a rule a limit to whom it limits: their act is refused, asked about or held up. What only obliges us is not theirs
#: to know: a threshold of reporting, told, is how to stay below it.
#: Source: Anti-Money Laundering Law (whoever a report is about must not be told).
_FELT = frozenset({"refuse", "challenge", "delay"})


def limits_of(book: Book, scope: str, known: Known, now: datetime, *, for_staff: bool = False) -> list[LimitLine]:
    """Every limit that applies to a subject of this scope, whatever they do next; the law's first, in the packs' order.

    The subject is told those that stop, challenge or delay what they can do here; staff (`for_staff`) also the thresholds of our
    duties and the rules about acts that nobody can do."""
    standing, usage = known.standing, known.usage
    today = book.today(now)
    of_account, of_person = known.counts(book, now)
    own = own_caps(usage.own) if usage is not None else None
    caps = book.caps_now(own, now, minor=standing is not None and standing.minor) if own is not None else {}
    lines: list[LimitLine] = []
    for rule in book.in_force(today.day):
        if scope not in scopes_of(rule) or rule.metric in (None, "rate", "inactivity") or rule.action in ("uphold", "cover"):
            continue
        if scope == "customer" and not _concerns(rule.when, standing, now):
            continue
        if not for_staff and (rule.action not in _FELT or not _may_apply(rule)):
            continue
        most = book.most(rule, caps)
        if most is None:
            continue
        by_count = rule.metric == "count"
        slots = slots_of_rule(rule, book.currency, book.conversion)
        slot = book.where.get(slots[0].name, -1) if slots and rule.metric != "balance" else -1
        summed = slot >= 0
        alone = slot in book.of_account
        used = (of_account if alone else of_person)[slot] if summed else 0
        opened = known.opened if alone else known.counted_from
        coming = own.coming.get(rule.agreed) if own and own.coming and rule.agreed and caps is own.caps else None
        changes = coming is not None and coming != most
        says = cited(book, rule, own, now, minor=standing is not None and standing.minor)
        lines.append(
            LimitLine(
                rule.id, rule.name, says.citation, says.citation_zh, rule.verified, says.whose,
                rule.action, rule.metric or "", window_name(rule.window) if rule.window else "",
                rule.when if for_staff else _done(rule.when),
                _said(book, most, by_count), _said(book, used, by_count) if summed else None,
                _said(book, max(0, most - used), by_count) if summed else None,
                _renews(book, slot, slots, now, opened) if summed else None, None if by_count else book.currency, rule.agreed,
                _said(book, coming, by_count) if changes and coming is not None else None,
                own.coming_from if changes and own else None,
            )
        )  # fmt: skip
    return lines if for_staff else _once(book, lines)


def allowances_of(book: Book, level: int, now: datetime) -> list[Allowance]:
    """The sums that the rules allow to this level and to no other; of each window the least."""
    least: dict[str, LimitLine] = {}
    for line in limits_of(book, "customer", Known(somebody(level, now), None), now):
        if line.applies_to.levels != (level,) or line.currency is None:
            continue
        if line.window not in least or Decimal(line.limit) < Decimal(least[line.window].limit):
            least[line.window] = line
    return [
        Allowance(
            line.rule_id, Words(line.name.zh, line.name.en), line.limit, book.currency, line.window, line.citation,
            line.citation_zh,
        )
        for line in least.values()
    ]  # fmt: skip


def _once(book: Book, lines: list[LimitLine]) -> list[LimitLine]:
    """What a subject agreed on is one limit to them, though a law refers to it as well: told as the house's rule."""
    ours = {line.cap for line in lines if line.cap and book.owner[line.rule_id] == "house"}
    return [line for line in lines if line.cap not in ours or book.owner[line.rule_id] == "house"]


def _concerns(when: Condition, standing: Standing | None, now: datetime) -> bool:
    level = 0 if standing is None else standing.level
    if when.levels and level not in when.levels:
        return False
    cooling = standing is not None and standing.cooling_until is not None and now < standing.cooling_until
    facts = (
        (when.visitor, standing is not None and standing.visitor),
        (when.minor, standing is not None and standing.minor),
        (when.cooling, cooling),
    )
    # Of wallets of another kind, and of acts of legal persons and the like, the customer of a wallet need not read.
    return all(wanted is None or wanted == is_so for wanted, is_so in facts) and not when.tiers and not when.flags


def _done(when: Condition) -> Condition:
    """A condition without the kinds of acts that the product does not do: nobody is promised what there is not."""
    return replace(when, kinds=tuple(kind for kind in when.kinds if kind in ACTS_DONE))


def _renews(book: Book, slot: int, slots: list[Slot], now: datetime, opened: datetime | None) -> datetime | None:
    return renews_at(book, slot, slots[0].window, book.today(now), opened)


def _said(book: Book, value: int, by_count: bool) -> str:
    return str(value) if by_count else format_minor(value, book.currency)


def rules_of(book: Book, day: int) -> list[RuleLine]:
    """Every rule of a book, also drafts and those whose time has not come or is over."""
    on = date.fromordinal(day)
    return [
        RuleLine(
            pack.header.pack, pack.header.owner, rule,
            rule.status == "in_force" and rule.effective_from <= on and (rule.effective_to is None or on <= rule.effective_to),
        )
        for pack in book.packs
        for rule in pack.rules
    ]  # fmt: skip


def idle_rules(book: Book, day: int) -> list[Rule]:
    """Rules in force about acts that the product does not do, of kinds, flags or wallets that no decider ever names: they say
    nothing to anybody."""
    return [rule for rule in book.in_force(day) if rule.action in SEVERITY and not _may_apply(rule)]


def _may_apply(rule: Rule) -> bool:
    kinds = set(rule.when.kinds or ACTS_DONE) & ACTS_DONE
    return bool(kinds) and not rule.when.flags and not rule.when.tiers
