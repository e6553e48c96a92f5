"""Whatever is wished in whatever order: what must hold of any books holds after every command, and `verify` agrees."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import hypothesis.strategies as st
from hypothesis import given, settings
from msgspec.structs import replace

from tests.support.books import (
    bounding,
    bulk,
    ending,
    freezing,
    funding,
    id_of,
    journal,
    legs,
    moving,
    opening,
    pair,
    posting,
    reopening,
    reserve,
    shop,
    unfreezing,
    wallet,
)
from tests.support.jars import MemoryWorld, PostgresWorld, World
from tests.support.town import Town, town
from tongbao.app.registry import RELATIONS
from tongbao.engine.api import Accepted, Command, Sealer
from tongbao.engine.verify import verify
from tongbao.ledger.commands import ExpireHolds, HoldRef, PlaceName, ReversedLeg, ReverseJournal
from tongbao.ledger.types import ACCOUNT, ENTRY, HOLD, JOURNAL, LEDGER_DAY, REVERSAL
from tongbao.ledger.verify import check_ledger

steady = settings(derandomize=True, database=None, deadline=None, max_examples=50)


KINDS = (
    "fund", "fund", "hold", "hold", "capture", "capture", "void", "expire", "freeze", "thaw", "thaw", "thaw", "thaw", "bound",
    "close", "close", "reopen", "reopen", "drain", "post", "move", "bulk", "reverse", "reverse",
)  # fmt: skip


class Books:
    """All rows, and what must be true of them."""

    def __init__(self, accounts: list[Any], holds: list[Any], journals: list[Any], entries: list[Any], others: list[Any]) -> None:
        self.accounts = {row.account_id: row for row in accounts}
        self.holds = {row.hold_id: row for row in holds}
        self.journals = {row.journal_id: row for row in journals}
        self.entries = entries
        self.reversals = {row.journal_id: row for row in others if hasattr(row, "reversed_by")}
        self.days = {(row.day, row.code, row.currency): row for row in others if hasattr(row, "debit_minor")}

    @classmethod
    async def read(cls, world: World) -> Books:
        relations = (ACCOUNT, HOLD, JOURNAL, ENTRY, REVERSAL, LEDGER_DAY)
        accounts, holds, journals, entries, reversals, days = [await world.rows(relation) for relation in relations]
        return cls(accounts, holds, journals, entries, [*reversals, *days])

    def everything(self) -> tuple[Any, ...]:
        return (self.accounts, self.holds, self.journals, self.entries, self.reversals, self.days)

    def legs_of(self, journal_id: UUID) -> list[Any]:
        return sorted((entry for entry in self.entries if entry.journal_id == journal_id), key=lambda entry: entry.leg)

    def check(self) -> None:
        self._accounts()
        self._holds()
        self._journals()

    def _accounts(self) -> None:
        balances: defaultdict[UUID, int] = defaultdict(int)
        versions: defaultdict[UUID, int] = defaultdict(int)
        for entry in sorted(self.entries, key=lambda entry: (entry.account_id, entry.version)):
            balances[entry.account_id] += entry.amount_minor
            versions[entry.account_id] += 1
            assert (entry.balance_minor, entry.version) == (balances[entry.account_id], versions[entry.account_id])
        for account in self.accounts.values():
            mine = account.account_id
            held = [hold for hold in self.holds.values() if hold.account_id == mine and hold.state == "ACTIVE"]
            assert (account.posted_minor, account.version) == (balances[mine], versions[mine])
            assert account.held_minor == sum(max(0, hold.amount_minor - hold.captured_minor) for hold in held)
            assert account.floor_minor is None or account.posted_minor - account.held_minor >= account.floor_minor
            assert account.ceiling_minor is None or account.posted_minor <= account.ceiling_minor
            assert account.closed_at is None or (account.posted_minor, account.held_minor) == (0, 0)

    def _holds(self) -> None:
        taken: defaultdict[str, int] = defaultdict(int)
        for each in self.journals.values():
            if each.kind == "ledger.capture":
                taken[each.memo] -= sum(leg.amount_minor for leg in self.legs_of(each.journal_id) if leg.amount_minor < 0)
        for hold in self.holds.values():
            assert hold.captured_minor == taken.pop(str(hold.hold_id), 0) <= hold.agreed_minor
        assert not taken

    def _journals(self) -> None:
        sums: defaultdict[Any, int] = defaultdict(int)
        totals: defaultdict[Any, list[int]] = defaultdict(lambda: [0, 0, 0])
        for entry in self.entries:
            sums[entry.journal_id, entry.currency] += entry.amount_minor
            day = self.journals[entry.journal_id].value_date
            total = totals[day, self.accounts[entry.account_id].code, entry.currency]
            total[entry.amount_minor > 0] += abs(entry.amount_minor)
            total[2] += 1
        assert not any(sums.values())
        assert totals == {key: [row.debit_minor, row.credit_minor, row.entries] for key, row in self.days.items()}
        undone = {each.reverses: each for each in self.journals.values() if each.reverses}
        assert {key: row.reversed_by for key, row in self.reversals.items()} == {
            key: each.journal_id for key, each in undone.items()
        }
        for original, each in undone.items():
            assert self.journals[original].reverses is None
            mine = [(leg.account_id, leg.currency, -leg.amount_minor) for leg in self.legs_of(each.journal_id)]
            assert mine == [(leg.account_id, leg.currency, leg.amount_minor) for leg in self.legs_of(original)]


class Wishes:
    """Wishes of every kind, mostly such as may come true."""

    def __init__(self, place: Town, choose: random.Random) -> None:
        self.place = place
        self.choose = choose
        self.people = [wallet(place.id()) for _ in range(3)]
        self.merchant = shop(place.id())
        self.holds: list[tuple[UUID, PlaceName]] = []
        self.journals: list[UUID] = []

    def next(self, books: Books) -> Command:
        place, choose = self.place, self.choose
        one, other = choose.sample([*self.people, self.merchant], 2)
        amount = choose.choice((1, 5, 20, 60))
        match choose.choice(KINDS):
            case "fund":
                day = choose.choice((None, None, place.clock.now().date() - timedelta(days=choose.randrange(40))))
                return funding(place, one, amount, day)
            case "hold":
                return self._hold(one, amount)
            case "capture" if self.holds:
                hold, holder = choose.choice([each for each in self.holds if each[0] in books.holds][-3:] or self.holds)
                amount = (
                    choose.choice((1, amount, books.holds[hold].amount_minor, books.holds[hold].agreed_minor + 1))
                    if hold in books.holds
                    else amount
                )
                capturing = place.capturing(place.id(), hold, place.id(), amount, final=choose.random() < 0.3)
                to = choose.choice([self.merchant, other])
                return replace(capturing, code=holder.code, owner_id=holder.owner_id, to_code=to.code, to_owner_id=to.owner_id)
            case "void" if self.holds:
                hold, holder = choose.choice(self.holds)
                return replace(place.voiding(place.id(), hold), code=holder.code, owner_id=holder.owner_id)
            case "expire" if self.holds:
                return ExpireHolds(
                    command_id=place.id(), holds=tuple(HoldRef(hold, id_of(holder)) for hold, holder in self.holds)
                )
            case "freeze":
                return freezing(place, one, debits=choose.random() < 0.5, credits=choose.random() < 0.5)
            case "thaw":
                return unfreezing(place, one, debits=True, credits=True)
            case "bound":
                return bounding(place, one, choose.choice((0, 0, 5)), choose.choice((None, None, 60, 100)))
            case "close":
                bare = [each for each in self.people if books.accounts[id_of(each)].posted_minor == 0]
                return ending(place, choose.choice([one, *bare]))
            case "reopen":
                closed = [each for each in self.people if books.accounts[id_of(each)].closed_at]
                return reopening(place, choose.choice(closed or [one]))
            case "drain":
                return moving(place, one, reserve(), 10**6)
            case "move":
                return moving(place, one, other, amount)
            case "bulk":
                linked = choose.random() < 0.5
                return bulk(
                    place,
                    [
                        pair(one, other, amount, linked=linked, at_most=choose.random() < 0.3),
                        legs((other, -amount), (one, amount - 1), (reserve(), 1), linked=linked),
                        pair(other, self.people[0], 5),
                    ],
                )
            case "reverse" if books.journals:
                original = books.journals[choose.choice(sorted(books.journals))]
                entries = tuple(
                    ReversedLeg(leg.account_id, leg.currency, leg.amount_minor) for leg in books.legs_of(original.journal_id)
                )
                return ReverseJournal(
                    command_id=place.id(), journal_id=original.journal_id, legs=entries, reverses=original.reverses, reason="记错"
                )
            case _:
                return posting(place, journal((one, -amount), (other, amount)), journal((other, -1), (one, 1)))

    def _hold(self, holder: PlaceName, amount: int) -> Command:
        hold = self.place.id()
        self.holds.append((hold, holder))
        lasts = timedelta(minutes=self.choose.choice((1, 60)))
        wish = self.place.holding(self.place.id(), hold, amount, lasts)
        agreed = self.choose.choice((None, amount, amount + 30))
        return replace(wish, code=holder.code, owner_id=holder.owner_id, agreed_minor=agreed)


async def _live(world: World, choose: random.Random, steps: int, every: int = 1) -> set[str]:
    """Live through so many commands, checking the books after each, or every so many. Answers what was said."""
    said: set[str] = set()
    async with town(world.store()) as place:
        wishes = Wishes(place, choose)
        await place.happens(opening(place, *wishes.people, wishes.merchant, reserve()))
        for name in wishes.people:
            await place.happens(funding(place, name, 50))
        before = await Books.read(world)
        for step in range(steps):
            command = wishes.next(before)
            decision = (await place.submit(command)).decision
            said.add(command.kind if isinstance(decision, Accepted) else decision.code.name)
            if step % every:
                continue
            after = await Books.read(world)
            after.check()
            if every == 1 and isinstance(decision, Accepted):
                _kept_freezes(before, after)
            elif every == 1:
                assert after.everything() == before.everything(), "a declined command left something"
            before = after
            if choose.random() < 0.1:
                place.clock.advance(timedelta(minutes=choose.choice((1, 30, 60))))
    return said


def _kept_freezes(before: Books, after: Books) -> None:
    """What was frozen or closed before a command was not moved by it."""
    known = {(entry.account_id, entry.version) for entry in before.entries}
    for entry in after.entries:
        if (entry.account_id, entry.version) in known:
            continue
        account = before.accounts.get(entry.account_id)
        assert account is None or account.closed_at is None
        assert account is None or not (account.debit_freeze if entry.amount_minor < 0 else account.credit_freeze)


@steady
@given(st.randoms(use_true_random=False), st.integers(10, 40))
async def test_the_books_are_sound_after_every_command(choose: random.Random, steps: int) -> None:
    await _live(MemoryWorld(), choose, steps)


async def test_a_long_life_hears_every_answer_there_is() -> None:
    said = await _live(MemoryWorld(), random.Random(5), 900)
    assert said >= {
        "ledger.post", "ledger.hold", "ledger.capture", "ledger.void", "ledger.expire", "ledger.freeze", "ledger.unfreeze",
        "ledger.limits", "ledger.close", "ledger.reopen", "ledger.bulk", "ledger.move_up_to", "ledger.reverse",
        "insufficient_funds", "account_frozen_debit", "account_frozen_credit", "account_closed", "balance_ceiling",
        "capture_exceeds_hold", "capture_exceeds_agreed", "hold_expired", "hold_ended", "journal_reversed",
        "journal_is_reversal", "nothing_to_move", "account_not_empty", "backdated_too_far",
    }  # fmt: skip


async def test_a_long_life_in_postgresql_verifies(database: str) -> None:
    world = PostgresWorld(database)
    await _live(world, random.Random(7), 300, every=10)
    connection = await asyncpg.connect(database)
    try:
        found = await verify(connection, RELATIONS, Sealer(), [check_ledger])
        assert found.problem is None
        assert found.rows["journal"] > 30
    finally:
        await connection.close()
