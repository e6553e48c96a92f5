"""Where rules are tried: an engine in memory with packs adopted, people of any standing, and acts that only the rules look at."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from tongbao.app.registry import DECIDERS
from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Engine, Key, Limits, MemoryStore, View
from tongbao.identity.factors import KNOWLEDGE, POSSESSION, SIGNATURE, Factors
from tongbao.identity.standing import STANDING, Standing
from tongbao.kernel.clock import VirtualClock
from tongbao.kernel.money import parse
from tongbao.ledger.api import CUSTOMER_WALLET, RESERVE, Journal, Leg, Place, account_keys, post
from tongbao.rules.api import DUTY, USAGE, Act, carrying, give_back, law_keys, weigh
from tongbao.rules.book import Book, book_of
from tongbao.rules.pack import Pack, merged, merged_text, named_packs
from tongbao.rules.types import CURRENT, RULEBOOK, AdoptRules, Duty, Usage

#: Noon in Shanghai of a Wednesday.
NOON = datetime(2026, 3, 11, 4, tzinfo=UTC)
FACTORS: dict[str, Factors] = {"weak": KNOWLEDGE, "medium": KNOWLEDGE | POSSESSION, "strong": KNOWLEDGE | POSSESSION | SIGNATURE}


class Try(Command, frozen=True, kw_only=True):
    """Ask the rules about an act; it is counted if they let it pass."""

    kind = "test.try"
    customer_id: UUID
    act: Act


class TakeBack(Command, frozen=True, kw_only=True):
    """The act did not come to pass."""

    kind = "test.take_back"
    customer_id: UUID
    counted: str
    amount_minor: int
    funding_id: UUID | None = None


class Become(Command, frozen=True, kw_only=True):
    """Give somebody a standing, as finding out who they are does."""

    kind = "test.become"
    standing: Standing

    @property
    def customer_id(self) -> UUID:
        return self.standing.customer_id


class Endow(Command, frozen=True, kw_only=True):
    """Money for a wallet, past all rules."""

    kind = "test.endow"
    customer_id: UUID
    amount_minor: int
    currency: str


def _try(command: Try, view: View, now: datetime) -> Decision:
    weighed = weigh(view, now, command.customer_id, command.act)
    if isinstance(weighed, Declined):
        return weighed
    return Accepted({"delay": weighed.delay_hours, "counted": weighed.counted, "covers": [rule.id for rule in weighed.covers]})


def _try_keys(command: Try) -> list[Key]:
    act = command.act
    others = [each for each in (act.merchant_id, act.funding_id) if each is not None]
    keys = law_keys(command.customer_id, *others)
    if act.account_id is not None:
        keys += account_keys([_wallet(command.customer_id, act.currency)])
    return keys


def _take_back(command: TakeBack, view: View, now: datetime) -> Decision:
    give_back(view, now, command.customer_id, command.counted, command.amount_minor, command.funding_id)
    return Accepted()


def _become(command: Become, view: View, now: datetime) -> Decision:
    view.put(STANDING, command.standing)
    return Accepted()


def _wallet(customer_id: UUID, currency: str) -> Place:
    return Place(CUSTOMER_WALLET, currency, customer_id)


def _endow(command: Endow, view: View, now: datetime) -> Decision:
    wallet, reserve = _wallet(command.customer_id, command.currency), Place(RESERVE, command.currency)
    journal = post(view, command, now, command.kind, [Leg(reserve, -command.amount_minor), Leg(wallet, command.amount_minor)])
    assert isinstance(journal, Journal)
    return Accepted()


TRYING: tuple[Decider[Any], ...] = (
    Decider(Try, _try_keys, _try, Any),
    Decider(TakeBack, lambda command: law_keys(command.customer_id), _take_back),
    *carrying([Decider(Become, lambda command: [Key(STANDING, command.standing.customer_id)], _become)]),
    Decider(
        Endow,
        lambda command: account_keys([_wallet(command.customer_id, command.currency), Place(RESERVE, command.currency)]),
        _endow,
    ),
)


class Court:
    """Builds people and acts, and says what becomes of them. Ids come from a seed."""

    def __init__(self, engine: Engine, store: MemoryStore, clock: VirtualClock, currency: str) -> None:
        self.engine = engine
        self.store = store
        self.clock = clock
        self.currency = currency
        self._random = random.Random(1)

    def id(self) -> UUID:
        return UUID(int=self._random.getrandbits(128), version=4)

    async def decide(self, command: Command) -> Decision:
        return (await self.engine.submit(command)).decision

    async def happens(self, command: Command) -> Any:
        decision = await self.decide(command)
        assert isinstance(decision, Accepted), decision
        return decision.result

    async def adopt(self, packs: Sequence[Pack], zone: str = "Asia/Shanghai") -> None:
        text = merged_text(merged(packs, self.currency, zone))
        await self.happens(AdoptRules(command_id=self.id(), text=text, by_hand=True, adopted_by="test", reason="test"))

    @property
    def book(self) -> Book:
        return book_of(self.store.tables.table(RULEBOOK)[CURRENT])

    async def person(self, level: int = 3, **more: Any) -> UUID:
        customer_id: UUID = more.pop("customer_id", None) or self.id()
        facts: dict[str, Any] = {
            "verified_at": None, "expires_on": None, "visitor": False, "minor": False, "suspended": "", "cooling_until": None,
            "opened_at": self.clock.now(),
        } | more  # fmt: skip
        await self.happens(Become(command_id=self.id(), standing=Standing(customer_id, level, **facts)))
        return customer_id

    def act(self, amount: str | int, kind: str = "payment", strength: str = "strong", **more: Any) -> Act:
        minor = amount if isinstance(amount, int) else parse(amount, self.currency).minor
        if "flags" in more:
            more["flags"] = frozenset(more["flags"])
        return Act(kind, minor, self.currency, FACTORS[strength], **more)

    async def tries(self, customer_id: UUID, act: Act) -> Decision:
        return await self.decide(Try(command_id=self.id(), customer_id=customer_id, act=act))

    async def says(self, customer_id: UUID, act: Act) -> str:
        """ "ok" or the code of the decline."""
        decision = await self.tries(customer_id, act)
        return decision.code.name if isinstance(decision, Declined) else "ok"

    async def wallet(self, customer_id: UUID, amount: str) -> UUID:
        """Money for somebody's wallet; its account."""
        minor = parse(amount, self.currency).minor
        await self.happens(Endow(command_id=self.id(), customer_id=customer_id, amount_minor=minor, currency=self.currency))
        return _wallet(customer_id, self.currency).account_id

    def duties(self) -> list[Duty]:
        return list(self.store.tables.appended.get(DUTY, ()))

    def standing(self, customer_id: UUID) -> Standing:
        found: Standing = self.store.tables.table(STANDING)[customer_id]
        return found

    def usage(self, subject_id: UUID) -> Usage | None:
        return self.store.tables.table(USAGE).get(subject_id)


@asynccontextmanager
async def court(
    *names: str, currency: str = "CNY", zone: str = "Asia/Shanghai", packs: Sequence[Pack] = (), at: datetime = NOON
) -> AsyncIterator[Court]:
    """A court under the packs of these names and those given, at noon."""
    clock, store = VirtualClock(at), MemoryStore()
    async with Engine(store, [*DECIDERS, *TRYING], clock, Limits(patience_s=5)) as engine:
        place = Court(engine, store, clock, currency)
        every = [*named_packs(",".join(names)), *packs]
        if every:
            await place.adopt(every, zone)
        yield place
