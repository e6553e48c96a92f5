"""Postings in bulk come to what the same postings come to one by one; a chain stands or falls as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import hypothesis.strategies as st
from hypothesis import given, settings
from msgspec.structs import replace

from tests.support.books import bulk, funding, id_of, journal, legs, opening, pair, posting, reserve, wallet
from tests.support.town import NOON, Town, town
from tongbao.engine.api import Accepted, Command, Declined, Key, View, at_once
from tongbao.kernel.ids import RowIds
from tongbao.ledger.book import BOOK_KEY
from tongbao.ledger.bulk import post_bulk
from tongbao.ledger.chart import CUSTOMER_WALLET, RESERVE
from tongbao.ledger.commands import AccountLeg, BulkPosted, ManyLegs, PostBulk, Posting
from tongbao.ledger.rules import Leg, Place, account_at, most_movable, post
from tongbao.ledger.types import ACCOUNT, ENTRY, JOURNAL, LEDGER_DAY, Account, Book

steady = settings(derandomize=True, database=None, deadline=None, max_examples=400)

OWNERS = [UUID(int=number, version=4) for number in range(1, 9)]
PLACES = [Place(CUSTOMER_WALLET, "CNY", owner) for owner in OWNERS[:6]] + [
    Place(CUSTOMER_WALLET, "CNY", OWNERS[6], "canteen"), Place(CUSTOMER_WALLET, "USD", OWNERS[7]), Place(RESERVE, "CNY"),
]  # fmt: skip
NOWHERE = Place(CUSTOMER_WALLET, "CNY", UUID(int=99, version=4))
TODAY = NOON.date()
BOOK_ROW = Book("main", "Asia/Shanghai", TODAY - timedelta(days=5), 9, 0)
BY_ID = {place.account_id: place for place in [*PLACES, NOWHERE]}


class Asked(Command, frozen=True, kw_only=True):
    kind = "test.asked"


def accounts() -> dict[Key, Any]:
    """Plain ones, one each with a hold, a ceiling, a floor, frozen, closed; and one that is not there."""
    opened = [replace(_account(place), posted_minor=10, version=3) for place in PLACES]
    opened[1] = replace(opened[1], held_minor=7)
    opened[2] = replace(opened[2], ceiling_minor=12, floor_minor=5)
    opened[3] = replace(opened[3], debit_freeze="court")
    opened[4] = replace(opened[4], credit_freeze="aml")
    opened[5] = replace(opened[5], posted_minor=0, closed_at=NOON)
    rows: dict[Key, Any] = {Key(ACCOUNT, account.account_id): account for account in opened}
    return rows | {Key(ACCOUNT, NOWHERE.account_id): None, BOOK_KEY: BOOK_ROW}


def _account(place: Place) -> Account:
    view = View({Key(ACCOUNT, place.account_id): None}, RowIds(NOON, 1, 1))
    return account_at(view, place, NOON)


_ids = st.sampled_from([place.account_id for place in (*PLACES, PLACES[0], PLACES[0], PLACES[1], NOWHERE)])
_days: st.SearchStrategy[date | None] = st.sampled_from(
    [
        None,
        None,
        None,
        TODAY,
        TODAY - timedelta(days=4),
        TODAY - timedelta(days=5),
        TODAY - timedelta(days=30),
        TODAY + timedelta(days=1),
    ]
)
_pairs = st.builds(
    Posting, _ids, _ids, st.integers(1, 9), st.just("m"), st.booleans(), st.booleans(), _days,
    st.sampled_from(["bulk", "bulk.pay"]),
)  # fmt: skip
_amounts = st.integers(-9, 9)


@st.composite
def _many(draw: st.DrawFn) -> ManyLegs:
    amounts = draw(st.lists(_amounts, min_size=1, max_size=3))
    if draw(st.integers(0, 9)):
        amounts.append(-sum(amounts))
    return ManyLegs(tuple(AccountLeg(draw(_ids), amount) for amount in amounts), "n", draw(st.booleans()), draw(_days))


_postings = st.lists(st.one_of(_pairs, _pairs, _many()), min_size=1, max_size=12)


def one_by_one(rows: dict[Key, Any], postings: Sequence[Posting | ManyLegs]) -> tuple[dict[int, str], list[Any], list[Any]]:
    """Codes of the declined, entries and journals, by posting each chain on a view of its own."""
    declined: dict[int, str] = {}
    entries: list[Any] = []
    journals: list[Any] = []
    chains: list[list[int]] = [[]]
    for index, each in enumerate(postings):
        chains[-1].append(index)
        if not each.linked:
            chains.append([])
    for chain in chains:
        if chain and postings[chain[-1]].linked:
            declined |= dict.fromkeys(chain, "linked_chain_open")
            continue
        scratch = View(rows, RowIds(NOON, 1, 1))
        for index in chain:
            code = _post_one(scratch, postings[index])
            if code:
                declined |= dict.fromkeys(chain, "linked_posting_declined") | {index: code}
                break
        else:
            left = scratch.changes(accepted=True)
            rows.update(left.now)
            entries += left.appended.get(ENTRY, [])
            journals += left.appended.get(JOURNAL, [])
    return declined, entries, journals


def _post_one(view: View, wished: Posting | ManyLegs) -> str:
    if isinstance(wished, ManyLegs):
        named = [(leg.account_id, leg.amount_minor) for leg in wished.legs]
    else:
        named = [(wished.debit_account_id, -wished.amount_minor), (wished.credit_account_id, wished.amount_minor)]
    if any(view.get(ACCOUNT, account_id) is None for account_id, _ in named):
        return "account_not_found"
    if isinstance(wished, Posting):
        source, target = (BY_ID[account_id] for account_id, _ in named)
        if source == target:
            return "same_account"
        if source.money != target.money:
            return "account_currencies_differ"
        if wished.at_most:
            return _at_most(view, wished, source, target)
    sums: dict[str, int] = {}
    for account_id, amount in named:
        money = BY_ID[account_id].money
        sums[money] = sums.get(money, 0) + amount
    if any(sums.values()) or not all(amount for _, amount in named):
        return "legs_unbalanced"
    done = post(
        view, Asked(command_id=OWNERS[0]), NOON, wished.kind, [Leg(BY_ID[account_id], amount) for account_id, amount in named],
        wished.memo, value_date=wished.value_date,
    )  # fmt: skip
    return done.code.name if isinstance(done, Declined) else ""


def _at_most(view: View, wished: Posting, source: Place, target: Place) -> str:
    giving, taking = account_at(view, source, NOON), account_at(view, target, NOON)
    amount = most_movable(giving, taking, wished.amount_minor)
    # Whatever is said of the day or the accounts themselves is said first: try a movement that no balance stands against.
    roomy = {
        key: replace(row, posted_minor=10**6, floor_minor=None, ceiling_minor=None) if key[0] is ACCOUNT and row else row
        for key, row in {**accounts()}.items()
    }
    legs_ = [Leg(source, -max(1, amount)), Leg(target, max(1, amount))]
    possible = post(View(roomy, RowIds(NOON, 1, 1)), Asked(command_id=OWNERS[0]), NOON, "x", legs_, value_date=wished.value_date)
    if isinstance(possible, Declined):
        return possible.code.name
    if amount == 0:
        return "nothing_to_move"
    done = post(
        view, Asked(command_id=OWNERS[0]), NOON, wished.kind, [Leg(source, -amount), Leg(target, amount)], wished.memo,
        value_date=wished.value_date,
    )  # fmt: skip
    return done.code.name if isinstance(done, Declined) else ""


def _said(entries: Sequence[Any]) -> list[tuple[Any, ...]]:
    return [(each.account_id, each.version, each.leg, each.currency, each.amount_minor, each.balance_minor) for each in entries]


@steady
@given(_postings)
def test_a_bulk_comes_to_what_its_postings_come_to_one_by_one(postings: list[Posting | ManyLegs]) -> None:
    rows = accounts()
    view = View(rows, RowIds(NOON, 1, 1))
    decision = at_once(post_bulk(PostBulk(command_id=OWNERS[0], postings=tuple(postings)), view, NOON))
    assert isinstance(decision, Accepted)
    result: BulkPosted = decision.result
    left = view.changes(accepted=True)
    slow = accounts()
    declined, entries, journals = one_by_one(slow, postings)
    assert {each.index: each.code for each in result.declined} == declined
    assert result.posted == len(postings) - len(declined) == len(journals)
    assert _said(left.appended.get(ENTRY, [])) == _said(entries)
    mine = left.appended.get(JOURNAL, [])
    assert [(each.kind, each.memo, each.value_date) for each in mine] == [
        (each.kind, each.memo, each.value_date) for each in journals
    ]
    assert {**rows, **left.now} == slow
    assert left.now.keys() == {(ACCOUNT, entry.account_id) for entry in entries}, "an account is left that nothing was posted to"
    assert result.first_journal_id == (mine[0].journal_id if mine else None)
    _sound(mine, left)


def _sound(mine: Sequence[Any], left: Any) -> None:
    """Ids grow, entries name their journal in order, every journal balances, and the tallies are the entries'."""
    ids = [each.journal_id for each in mine]
    assert ids == sorted(set(ids))
    days = {each.journal_id: each.value_date for each in mine}
    sums: dict[tuple[UUID, str], int] = {}
    totals: dict[Any, list[int]] = {}
    for entry in left.appended.get(ENTRY, []):
        at = (entry.journal_id, entry.currency)
        sums[at] = sums.get(at, 0) + entry.amount_minor
        key = (days[entry.journal_id], BY_ID[entry.account_id].line.code, entry.currency)
        total = totals.setdefault(key, [0, 0, 0])
        total[entry.amount_minor > 0] += abs(entry.amount_minor)
        total[2] += 1
    assert not any(sums.values())
    assert [key for _, key, _ in left.tallies if key not in totals] == []
    assert {key: list(amounts) for _, key, amounts in left.tallies} == totals
    assert all(relation is LEDGER_DAY for relation, _, _ in left.tallies)


# ── through the engine ──────────────────────────────────────────────────────────────────────────────────────────────────


async def two(place: Town) -> tuple[Any, Any]:
    """A wallet with 100 and an empty one, both open."""
    one, other = wallet(place.id()), wallet(place.id())
    await place.happens(opening(place, one, other))
    await place.happens(funding(place, one, 100))
    return one, other


async def test_a_chain_is_posted_as_a_whole_or_not_at_all() -> None:
    async with town() as place:
        one, other = await two(place)
        linked = [pair(one, other, 60, linked=True), pair(one, other, 60, linked=True), pair(other, one, 60)]
        done = await place.happens(bulk(place, [*linked, pair(one, other, 60), pair(one, other, 60)]))
        assert [(each.index, each.code) for each in done.declined] == [
            (0, "linked_posting_declined"), (1, "insufficient_funds"), (2, "linked_posting_declined"), (4, "insufficient_funds"),
        ]  # fmt: skip
        assert done.posted == 1


async def test_a_chain_may_pass_money_on_that_only_it_brings() -> None:
    async with town() as place:
        one, other = await two(place)
        done = await place.happens(bulk(place, [pair(reserve(), other, 900, linked=True), pair(other, one, 900)]))
        assert (done.posted, done.declined) == (2, ())


async def test_legs_that_do_not_balance_are_declined_and_their_neighbours_posted() -> None:
    async with town() as place:
        one, other = await two(place)
        done = await place.happens(bulk(place, [legs((one, -5), (other, 4)), legs((one, -5), (other, 4), (reserve(), 1))]))
        assert [(each.index, each.code) for each in done.declined] == [(0, "legs_unbalanced")]
        assert done.posted == 1


async def test_restricted_and_plain_money_do_not_mix_in_one_posting() -> None:
    async with town() as place:
        one, _ = await two(place)
        canteen = wallet(place.id(), "CNY:canteen")
        await place.happens(opening(place, canteen))
        done = await place.happens(bulk(place, [pair(one, canteen, 5), legs((one, -5), (canteen, 5))]))
        assert [each.code for each in done.declined] == ["account_currencies_differ", "legs_unbalanced"]


async def test_an_account_that_was_never_opened_declines_its_posting_alone() -> None:
    async with town() as place:
        one, other = await two(place)
        done = await place.happens(bulk(place, [pair(one, wallet(place.id()), 5), pair(one, other, 5)]))
        assert ([(each.index, each.code) for each in done.declined], done.posted) == ([(0, "account_not_found")], 1)


async def test_a_repeated_bulk_is_told_what_became_of_it_and_moves_nothing() -> None:
    async with town() as place:
        one, other = await two(place)
        command = bulk(place, [pair(one, other, 100), pair(one, other, 1)])
        first = await place.submit(command)
        again = await place.submit(command)
        assert (again.decision, again.repeated) == (first.decision, True)
        assert await place.says(posting(place, journal((other, -100), (one, 100)))) == "ok"
        assert id_of(one) != id_of(other)
