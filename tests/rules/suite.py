"""One suite for the tables of all packs: a row says how far a rule lets somebody go, and each row is tried just below, there and
just beyond, in one act and in several, before and after its window."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from msgspec.structs import replace

from tests.rules.court import NOON, Court, court
from tongbao.engine.api import Accepted, Declined
from tongbao.kernel.money import parse
from tongbao.rules.pack import Pack, Rule, named_packs
from tongbao.rules.types import Act

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Limit(NamedTuple):
    """`most`: the highest amount (or number of acts of `each`) that passes; the smallest unit more is answered `says`.

    who      standing; `act`: everything else of the act
    renews   the first moment at which the window is new; None: it is of one act, or it never is
    sums     whether several acts are summed up
    detail   what the decline says besides
    uncounted  acts that must not count towards it
    alone    tried without the pack's other rules, of which a stricter one would speak first
    """

    rule: str
    citation: str
    most: str | int
    act: dict[str, Any]
    says: str = "limit_reached"
    who: Mapping[str, Any] = NOTHING
    renews: datetime | None = None
    sums: bool = True
    detail: Mapping[str, Any] = NOTHING
    uncounted: tuple[dict[str, Any], ...] = ()
    alone: bool = False

    def __repr__(self) -> str:
        return f"{self.rule} ({self.citation}): {self.most}"


class Reported(NamedTuple):
    """From `least` on a duty arises, once a window, due at `due` (None: without a deadline)."""

    rule: str
    citation: str
    least: str
    act: dict[str, Any]
    due: datetime | None
    renews: datetime | None = None
    who: Mapping[str, Any] = NOTHING

    def __repr__(self) -> str:
        return f"{self.rule} ({self.citation}): {self.least}"


class Packs(NamedTuple):
    """Under which a table is tried: a pack, and of the house what a dollar is taken for and what holds for whoever agreed
    nothing."""

    name: str
    currency: str
    zone: str
    at: datetime = NOON

    def every(self) -> list[Pack]:
        pack, house = named_packs(f"{self.name},house")
        return [pack, replace(house, rules=())]


def rules_of(pack: str) -> dict[str, Rule]:
    """The rules of a pack that ships, by id."""
    (found,) = named_packs(pack)
    return {rule.id: rule for rule in found.rules}


def shared(act: dict[str, Any], place: Court) -> dict[str, Any]:
    """The act's facts, with one and the same id for each subject that it names."""
    return {name: place.id() if value == "one" else value for name, value in act.items()}


async def tried(place: Court, row: Limit, customer_id: UUID, act: Act) -> None:
    """It is declined as the row says, by the rule of the row."""
    decision = await place.tries(customer_id, act)
    assert isinstance(decision, Declined), f"passed: {act}"
    found = {name: decision.detail.get(name) for name in row.detail}
    assert (decision.code.name, decision.detail["rule_id"], found) == (row.says, row.rule, row.detail)
    assert decision.detail["citation"] == row.citation
    if row.renews is not None:
        assert datetime.fromisoformat(decision.detail["renews_at"]) == row.renews


async def check_limit(row: Limit, packs: Packs) -> None:
    """Under, at and beyond."""
    every = packs.every()
    if row.alone:
        every = [replace(pack, rules=tuple(rule for rule in pack.rules if rule.id == row.rule)) for pack in every]
    async with court(currency=packs.currency, zone=packs.zone, packs=every, at=packs.at) as place:
        if isinstance(row.most, int):
            await _check_count(place, row)
            return
        most = parse(row.most, packs.currency).minor if row.most != "0" else 0
        for amount in (most - 1, most):
            if amount > 0 and row.most != "0":
                facts = shared(row.act, place)
                decision = await place.tries(await place.person(**row.who), place.act(amount, **facts))
                assert isinstance(decision, Accepted), (amount, decision)
        facts = shared(row.act, place)
        await tried(place, row, await place.person(**row.who), place.act(most + 1, **facts))
        if not row.sums:
            return
        customer = await place.person(**row.who)
        for other in row.uncounted:
            assert await place.says(customer, place.act(1, **{**facts, **other})) == "ok"
        for part in (most // 2, most - most // 2):
            assert await place.says(customer, place.act(part, **facts)) == "ok"
        await tried(place, row, customer, place.act(1, **facts))
        assert await place.says(await place.person(**row.who), place.act(1, **shared(row.act, place))) == "ok", "another's"
        if row.renews is not None:
            place.clock.advance(row.renews - place.clock.now() - timedelta(microseconds=1))
            await tried(place, row, customer, place.act(1, **facts))
            place.clock.advance(timedelta(microseconds=1))
            assert await place.says(customer, place.act(most, **facts)) == "ok"


async def _check_count(place: Court, row: Limit) -> None:
    customer, facts = await place.person(**row.who), shared(row.act, place)
    assert isinstance(row.most, int)
    for _ in range(row.most):
        assert await place.says(customer, place.act(1, **facts)) == "ok"
    await tried(place, row, customer, place.act(1, **facts))
    if row.renews is not None:
        place.clock.advance(row.renews - place.clock.now())
        assert await place.says(customer, place.act(1, **facts)) == "ok"


async def check_reported(row: Reported, packs: Packs) -> None:
    """No duty below, one from there on, and not a second one in the same window."""
    async with court(currency=packs.currency, zone=packs.zone, packs=packs.every(), at=packs.at) as place:
        least = parse(row.least, packs.currency).minor

        def said() -> list[UUID]:
            return [duty.subject_id for duty in place.duties() if duty.rule_id == row.rule]

        customer = await place.person(**row.who)
        assert await place.says(customer, place.act(least - 1, **row.act)) == "ok"
        assert said() == []
        assert rules_of(packs.name)[row.rule].citation == row.citation
        if row.renews is not None:
            assert await place.says(customer, place.act(1, **row.act)) == "ok"
            assert said() == [customer]
            assert await place.says(customer, place.act(1, **row.act)) == "ok"
            assert said() == [customer], "once in a window"
            place.clock.advance(row.renews - place.clock.now())
            assert await place.says(customer, place.act(least - 1, **row.act)) == "ok"
            assert said() == [customer]
        other = await place.person(**row.who)
        assert await place.says(other, place.act(least, **row.act)) == "ok"
        assert said()[-1] == other
        first = next(each for each in place.duties() if each.rule_id == row.rule)
        assert (first.due_at, first.total_minor) == (row.due, least)
