"""A rulebook made ready: its rules as checks upon numbered counters, and for each shape of an act those that apply to it.

Everything here follows from a row (`Rulebook`) alone, so that all processes and every replay agree; what is kept between two
decisions is only kept, never known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from tongbao.identity.factors import Factors, strength
from tongbao.rules.days import Calendar, Today, today_at, window_name
from tongbao.rules.pack import DEBITS, SEVERITY, Condition, Merged, Pack, Rule, conversions, minor_in, read_merged
from tongbao.rules.types import OwnCaps, Rulebook

#: Shapes of acts kept a rulebook; beyond it all are made anew.
_MOST_PLANS = 20_000
_NO_LIMIT = 2**63 - 1
_HIGHEST_BIT = 1 << 63
_OF_ACCOUNT = " of the account"
_ORDER = {action: place for place, action in enumerate(SEVERITY)}


class Shape(NamedTuple):
    """All of an act but its amount that rules look at: acts of one shape meet the same checks."""

    kind: str
    method: str
    factors: Factors
    level: int
    visitor: bool
    minor: bool
    cooling: bool
    flags: frozenset[str]
    tier: str


#: Where a shape says that it is a minor's.
_MINOR = Shape._fields.index("minor")


class Check(NamedTuple):
    """`counts[slot]` and this act may not come to more than `most`. `slot` -1: the act alone. `step`: what the act itself adds,
    its amount (0), one (1) or nothing (2). `exempt`: amounts up to this one it says nothing about."""

    slot: int
    step: int
    most: int
    exempt: int
    rule: Rule


class BalanceCheck(NamedTuple):
    """The balance may not come to more than `most` (`days` 0), or stay above it for so many days, counted in `slot`."""

    slot: int
    days: int
    most: int
    rule: Rule


class Plan(NamedTuple):
    """What happens to an act of one shape, for subjects of one scope. Checks stand in the order in which they speak."""

    checks: tuple[Check, ...]
    delays: tuple[Check, ...]
    reports: tuple[Check, ...]
    balances: tuple[BalanceCheck, ...]
    amounts: tuple[int, ...]
    counts: tuple[int, ...]
    resets: tuple[int, ...]
    covers: tuple[Rule, ...]
    idle: bool
    #: The same in short, for the acts about which nobody has anything to say, which are nearly all: takes the counters as they
    #: are stored and the amount, and gives the counters with the act; None if somebody has. None where it takes a longer look.
    enter: Enter | None


Enter = Callable[[bytes, int], bytes | None]


class Slot(NamedTuple):
    """A counter: what it measures ("amount", "count", "today", "since"), over which window, of which acts; and whether of one
    account alone, for what the law says of an account is not said of all accounts of a person."""

    measure: str
    window: str
    of: str

    @property
    def name(self) -> str:
        return f"{self.measure} {self.window} {self.of}"

    @property
    def of_account(self) -> bool:
        """A balance, too, is one account's."""
        return self.measure == "since" or self.of.endswith(_OF_ACCOUNT)

    @classmethod
    def named(cls, name: str) -> Slot:
        return cls(*name.split(" ", 2))


def slots_of(merged: Merged) -> list[str]:
    """Names of the counters that these rules need: those that nearly every act touches first, for a row ends where its counters
    are 0."""
    conversion = conversions(merged.packs)
    rules = [rule for pack in merged.packs for rule in pack.rules]
    every = [slot.name for rule in sorted(rules, key=_seldom) for slot in slots_of_rule(rule, merged.currency, conversion)]
    return list(dict.fromkeys(every))


def _seldom(rule: Rule) -> bool:
    counts = rule.counts
    special = counts.flags or counts.tiers or counts.cooling or counts.minor or counts.visitor or rule.scope != "customer"
    return bool(special) or (bool(counts.kinds) and not {"payment", "transfer"} & set(counts.kinds)) or rule.side == "credit"


def slots_of_rule(rule: Rule, currency: str, conversion: Mapping[str, str]) -> list[Slot]:
    """The counters of one rule: the sum first; of a rolling window, what today came to after it."""
    if rule.window is None or rule.window.kind == "transaction" or rule.action in ("uphold", "suspend", "exempt", "cover"):
        return []
    window = window_name(rule.window)
    if rule.metric == "balance":
        most = _most(rule, currency, conversion, {})
        return [] if most is None else [Slot("since", window, str(most))]
    if rule.limit is not None and minor_in(rule.limit, currency, conversion) is None:
        return []  # about other currencies
    measure = "count" if rule.metric == "count" else "amount"
    of = msgspec.json.encode([rule.side, _normal(rule.counts)]).decode() + (_OF_ACCOUNT if rule.scope == "account" else "")
    found = [Slot(measure, window, of)]
    if window.startswith("rolling:"):
        found.append(Slot("today", window, f"{measure} {of}"))
    return found


def _normal(condition: Condition) -> dict[str, object]:
    """A condition as what it means: in one order, and nothing that it does not say."""
    said = {name: getattr(condition, name) for name in condition.__struct_fields__}
    return {
        name: sorted(value) if isinstance(value, tuple) else value
        for name, value in sorted(said.items())
        if value not in ((), None)
    }


def _most(rule: Rule, currency: str, conversion: Mapping[str, str], parameters: Mapping[str, str | int]) -> int | None:
    """The highest that is still allowed, of a rule with an amount or a number; None if it is about other currencies."""
    most = rule.most if rule.limit is None else minor_in(rule.limit, currency, conversion)
    if most is None:
        return None
    if rule.multiplier is not None:
        most = most * rule.multiplier.permille.get(str(parameters.get(rule.multiplier.parameter)), 1000) // 1000
    return most - 1 if rule.comparison == ">=" else most


class Book:
    """A rulebook that answers, for a moment and a shape, what has to be looked at."""

    def __init__(self, text: str, slots: Sequence[str]) -> None:
        self.merged = read_merged(text)
        self.currency = self.merged.currency
        self.zone = ZoneInfo(self.merged.zone)
        self.packs: tuple[Pack, ...] = self.merged.packs
        self.conversion = conversions(self.packs)
        self.parameters = {name: value for pack in self.packs for name, value in pack.header.parameters.items()}
        self.defaults = self._defaults()
        self.slots = [Slot.named(name) for name in slots]
        self.where = {name: number for number, name in enumerate(slots)}
        self.rules = [rule for pack in self.packs for rule in pack.rules if rule.status == "in_force"]
        self.owner = {rule.id: pack.header.owner for pack in self.packs for rule in pack.rules}
        #: In bytes, with one 0 more than there are counters.
        self.size = 8 * (len(slots) + 1)
        #: Where the sum of a rolling window is and where today's part of it.
        self.rolling = {
            number: self.where[Slot("today", slot.window, f"{slot.measure} {slot.of}").name]
            for number, slot in enumerate(self.slots)
            if slot.measure in ("amount", "count") and slot.window.startswith("rolling:")
        }
        #: Counters that an account has to itself.
        self.of_account = frozenset(number for number, slot in enumerate(self.slots) if slot.of_account)
        self._today: Today | None = None
        self._plans: dict[object, Plan] = {}
        self._common: dict[object, Plan] = {}
        self._age = -1

    def _defaults(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for pack in self.packs:
            for name, value in pack.header.defaults.items():
                most = value if isinstance(value, int) else minor_in(value, self.currency, self.conversion)
                if most is not None:
                    found[name] = most
        return found

    @cached_property
    def calendar(self) -> Calendar:
        """Working days, as the packs know them."""
        headers = [pack.header for pack in self.packs]
        holidays = frozenset(day for header in headers for day in header.holidays)
        return Calendar(holidays, frozenset(day for header in headers for day in header.workdays))

    @cached_property
    def caps(self) -> dict[str, str]:
        """Names of the caps that a subject can have ("merchant." before a merchant's), and whether each is amount or count."""
        return {
            rule.agreed if rule.scope != "merchant" else f"merchant.{rule.agreed}": str(rule.metric)
            for rule in self.rules
            if rule.agreed is not None
        }

    def today(self, now: datetime) -> Today:
        """The local day of a moment."""
        found = self._today
        if found is None or not found.begins <= now < found.ends:
            found = self._today = today_at(now, self.zone)
        return found

    def opening(self, opened: datetime | None) -> int:
        """The local day on which somebody was first known, as its ordinal; the first of a January where nobody knows, so that a
        year from that day is the calendar's."""
        return 1 if opened is None else today_at(opened, self.zone).day

    def in_force(self, day: int) -> list[Rule]:
        """The rules that hold on a day."""
        on = date.fromordinal(day)
        return [
            rule for rule in self.rules if rule.effective_from <= on and (rule.effective_to is None or on <= rule.effective_to)
        ]

    def plan(self, scope: str, shape: tuple[object, ...], own: OwnCaps | None, now: datetime, day: int) -> Plan:
        """What applies to acts of a shape, for a subject with these caps of its own. `shape`: a `Shape`, or its fields."""
        caps = None if own is None else self.caps_now(own, now, minor=bool(shape[_MINOR]))
        if day != self._age:
            # Rules come into force and cease at midnight.
            self._age = day
            self._plans.clear()
            self._common.clear()
        key = (scope, shape, tuple(sorted(caps.items())) if caps else None)
        found = self._plans.get(key)
        if found is None:
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
                self._common.clear()
            found = self._plans[key] = self._made(scope, Shape(*shape), caps or {}, day)  # type: ignore[arg-type]
            if scope == "customer" and caps is None:
                self._common[shape] = found
        return found

    def caps_now(self, own: OwnCaps, now: datetime, *, minor: bool) -> Mapping[str, int]:
        """The caps of a subject's own that hold now: a minor's are none higher than the guardian's."""
        caps = own.coming or {} if own.coming_from is not None and now >= own.coming_from else own.caps
        if not minor or not own.guardian:
            return caps
        chosen = {name: caps.get(name, self.defaults.get(name, most)) for name, most in own.guardian.items()}
        return {**caps, **{name: min(most, chosen[name]) for name, most in own.guardian.items()}}

    def common(self, shape: tuple[object, ...], day: int) -> Plan | None:
        """What `plan` said of a customer without caps of their own; None if it was not asked today."""
        return self._common.get(shape) if day == self._age else None

    def _made(self, scope: str, shape: Shape, caps: Mapping[str, int], day: int) -> Plan:
        rules = [rule for rule in self.in_force(day) if scope in scopes_of(rule)]
        checks: list[Check] = []
        balances: list[BalanceCheck] = []
        amounts: set[int] = set()
        counted: set[int] = set()
        resets: set[int] = set()
        covers: list[Rule] = []
        debit = shape.kind in DEBITS
        exempt = self._exemptions(shape, day)
        for rule in rules:
            sided = rule.side == "both" or (rule.side == "debit") == debit
            applies = sided and matches(rule.when, shape)
            slots = [self.where[slot.name] for slot in slots_of_rule(rule, self.currency, self.conversion)]
            if rule.metric == "balance":
                self._balance(rule, slots, applies, balances)
                continue
            counts = sided and matches(rule.counts, shape)
            if counts and slots:
                (counted if rule.metric == "count" else amounts).update(slots)
            if slots and rule.window is not None and rule.window.kind == "since_confirmation":
                enough = ("strong",) if rule.window.strength == "strong" else ("medium", "strong")
                if strength(shape.factors) in enough:
                    resets.update(slots)
            if applies and rule.action == "cover":
                covers.append(rule)
            most = self.most(rule, caps)
            if not applies or most is None or rule.action not in SEVERITY or rule.action == "cover":
                continue
            step = 2 if not counts else 1 if rule.metric == "count" else 0
            checks.append(Check(slots[0] if slots else -1, step, most, exempt.get(rule.id, -1), rule))
        checks.sort(key=lambda check: (_ORDER[check.rule.action], -check.rule.precedence))
        by = {action: tuple(check for check in checks if check.rule.action == action) for action in SEVERITY}
        idle = not (checks or balances or amounts or counted or resets or covers)
        enter = None if balances or resets else _in_short(checks, amounts, counted, len(self.slots))
        return Plan(
            by["refuse"] + by["challenge"], by["delay"], by["report"], tuple(balances), tuple(sorted(amounts)),
            tuple(sorted(counted)), tuple(sorted(resets)), tuple(covers), idle, enter,
        )  # fmt: skip

    def _balance(self, rule: Rule, slots: list[int], applies: bool, balances: list[BalanceCheck]) -> None:
        most = self.most(rule, {})
        if most is None or rule.window is None:
            return
        if applies:
            balances.append(BalanceCheck(slots[0] if slots else -1, rule.window.days or 0, most, rule))

    def most(self, rule: Rule, caps: Mapping[str, int]) -> int | None:
        """How far a rule goes for a subject with these caps; None if it does not say."""
        if rule.agreed is not None:
            return caps.get(rule.agreed, self.defaults.get(rule.agreed) if rule.scope != "merchant" else None)
        return _most(rule, self.currency, self.conversion, self.parameters)

    def _exemptions(self, shape: Shape, day: int) -> dict[str, int]:
        """Up to which amount rules say nothing, by their ids."""
        found: dict[str, int] = {}
        for rule in self.in_force(day):
            if rule.action != "exempt" or rule.at_most is None or rule.parameter is None or not matches(rule.when, shape):
                continue
            rate, most = self.parameters.get(rule.parameter), self.most(rule, {})
            if isinstance(rate, int) and rate <= rule.at_most and most is not None:
                for id in rule.exempts:
                    found[id] = max(found.get(id, -1), most)
        return found


def _in_short(checks: list[Check], amounts: set[int], counted: set[int], slots: int) -> Enter | None:
    """A plan in short; None if something is looked at that the act itself does not add to.

    All counters are added to and compared at once, as one long number of 64 bits a counter, which takes a fifth of the time of a
    loop. With the highest bit of each set, a limit less what was counted keeps that bit if, and only if, the limit is not passed:
    no place borrows from the next one, because the amount alone is within every limit.
    """
    most = dict.fromkeys(amounts | counted, _NO_LIMIT)
    single = _NO_LIMIT
    for check in checks:
        if check.slot < 0 and check.step == 0:
            single = min(single, check.most)
        elif (check.slot, check.step) in {(slot, 0) for slot in amounts} | {(slot, 1) for slot in counted}:
            most[check.slot] = min(most[check.slot], check.most)
        else:
            return None
    single = min([single, *(most[slot] for slot in amounts)])
    if single < 0 or any(most[slot] < 1 for slot in counted):
        return None
    high = sum(_HIGHEST_BIT << 64 * slot for slot in range(slots))
    room = high + sum(most.get(slot, _NO_LIMIT) << 64 * slot for slot in range(slots))
    of_amount, of_number = (sum(1 << 64 * slot for slot in each) for each in (amounts, counted))
    least = 8 * (max(most, default=-1) + 1)
    from_bytes = int.from_bytes

    def enter(stored: bytes, amount: int) -> bytes | None:
        if amount > single:
            return None
        now = from_bytes(stored, "little") + amount * of_amount + of_number
        if (room - now) & high != high:
            return None
        size = len(stored)
        return now.to_bytes(size if size > least else least, "little")

    return enter


def scopes_of(rule: Rule) -> tuple[str, ...]:
    """As which part of somebody a rule looks at them: as the customer they are, who is a person and an account in one; or, where
    several accounts are one person's, as the person or as the account. A document is whoever showed it."""
    if rule.metric == "balance" or rule.scope == "account":
        return ("customer", "account")
    return ("customer", "person") if rule.scope in ("customer", "document") else (rule.scope,)


def matches(condition: Condition, shape: Shape) -> bool:
    """Whether a condition holds of acts of a shape."""
    listed = (
        (condition.kinds, shape.kind),
        (condition.methods, shape.method),
        (condition.strengths, strength(shape.factors)),
        (condition.levels, shape.level),
        (condition.tiers, shape.tier),
    )
    if any(allowed and value not in allowed for allowed, value in listed):
        return False
    said = ((condition.visitor, shape.visitor), (condition.minor, shape.minor), (condition.cooling, shape.cooling))
    if any(wanted is not None and wanted != value for wanted, value in said):
        return False
    return shape.flags.issuperset(condition.flags) and shape.flags.isdisjoint(condition.without)


_books: dict[tuple[bytes, str], Book] = {}
_last: tuple[Rulebook | None, Book | None] = (None, None)


def book_of(row: Rulebook) -> Book:
    """The rulebook of a row, made ready once for each text."""
    global _last
    if row is _last[0]:
        return _last[1]  # type: ignore[return-value]
    key = (row.digest, row.slots)
    book = _books.get(key)
    if book is None:
        if len(_books) >= 8:
            _books.clear()
        book = _books[key] = Book(row.text, row.slots.split("\n") if row.slots else ())
    _last = (row, book)
    return book


def grown(slots: Sequence[str], needed: Iterable[str]) -> list[str]:
    """The counters with those that are needed besides: none changes its place."""
    return list(dict.fromkeys((*slots, *needed)))
