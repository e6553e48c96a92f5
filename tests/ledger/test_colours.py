"""Restricted money: which of it pays where, and that it is always backed by as much plain money."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from tests.support.books import colour, freezing, issuing, journal, posting, reclaiming, reserve, wallet
from tests.support.leavings import rows
from tests.support.town import NOON, Town, town
from tongbao.app.registry import DECIDERS
from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Engine, Key, Limits, MemoryStore, View
from tongbao.kernel.clock import VirtualClock
from tongbao.kernel.errors import InvariantBroken
from tongbao.ledger.api import MERCHANT_BALANCE, Leg, Place, account_keys, funds_of, may_spend, post, spend, spend_keys
from tongbao.ledger.commands import AllowColourAt, EndColour
from tongbao.ledger.types import ACCOUNT, COLOUR, ENTRY

steady = settings(derandomize=True, database=None, deadline=None, max_examples=60)


class Buy(Command, frozen=True, kw_only=True):
    """A payment as a module above would make it: restricted money first."""

    kind = "test.buy"
    payer_id: UUID
    merchant_id: UUID
    amount_minor: int
    colours: tuple[str, ...]


def _shop(command: Buy) -> Place:
    return Place(MERCHANT_BALANCE, "CNY", command.merchant_id)


def _keys(command: Buy) -> list[Key]:
    keys = spend_keys(command.payer_id, "CNY", command.merchant_id, command.colours)
    return [*keys, *account_keys([_shop(command)])]


def _buy(command: Buy, view: View, now: datetime) -> Decision:
    legs = spend(view, now, command.payer_id, "CNY", command.amount_minor, command.merchant_id, command.colours)
    if isinstance(legs, Declined):
        return legs
    journal = post(view, command, now, command.kind, [*legs, Leg(_shop(command), command.amount_minor)])
    if isinstance(journal, Declined):
        return journal
    reasons = {code: may_spend(view, now, code, "CNY", command.merchant_id) for code in command.colours}
    return Accepted({code: reason.code.name if reason else "ok" for code, reason in reasons.items()})


def _town(store: MemoryStore) -> tuple[Engine, Town]:
    clock = VirtualClock(NOON)
    engine = Engine(store, [*DECIDERS, Decider(Buy, _keys, _buy)], clock, Limits(patience_s=5))
    return engine, Town(engine, clock)


def balances(store: MemoryStore) -> dict[tuple[str, str, UUID | None], int]:
    """What is where, by line, currency and owner; empty accounts left out."""
    accounts = store.tables.table(ACCOUNT).values()
    return {(row.code, row.currency, row.owner_id): row.posted_minor for row in accounts if row.posted_minor}


def buying(place: Town, payer: UUID, merchant: UUID, minor: int, *colours: str) -> Buy:
    return Buy(command_id=place.id(), payer_id=payer, merchant_id=merchant, amount_minor=minor, colours=colours)


async def test_what_expires_first_pays_first_and_plain_money_pays_the_rest() -> None:
    store = MemoryStore()
    engine, place = _town(store)
    async with engine:
        payer, shop = await place.customer(50), place.id()
        for code, days in (("later", 9), ("sooner", 3)):
            await place.happens(colour(place, code, lasts=timedelta(days=days)))
            await place.happens(issuing(place, code, reserve(), payer, 30))
        await place.happens(buying(place, payer, shop, 40, "later", "sooner"))
        found = balances(store)
        assert found.get(("2001", "CNY:sooner", payer), 0) == 0
        assert found["2001", "CNY:later", payer] == 20
        assert found["2001", "CNY", payer] == 50
        await place.happens(buying(place, payer, shop, 69, "later", "sooner"))
        found = balances(store)
        assert ("2001", "CNY:later", payer) not in found
        assert found["2001", "CNY", payer] == 1
        assert found["2101", "CNY", shop] == 109
        assert await place.says(buying(place, payer, shop, 2, "later", "sooner")) == "insufficient_funds"


async def test_the_last_cent_of_restricted_money_pays_and_all_that_one_has_can_be_spent() -> None:
    store = MemoryStore()
    engine, place = _town(store)
    async with engine:
        payer, shop = await place.customer(9), place.id()
        await place.happens(colour(place, "canteen"))
        await place.happens(issuing(place, "canteen", reserve(), payer, 1))
        await place.happens(buying(place, payer, shop, 10, "canteen"))
        assert {at: minor for at, minor in balances(store).items() if at[0] in ("2001", "2101")} == {("2101", "CNY", shop): 10}


async def test_who_cannot_pay_is_told_what_plain_and_restricted_money_come_to() -> None:
    engine, place = _town(MemoryStore())
    async with engine:
        payer, shop = await place.customer(50), place.id()
        for code, where in (("canteen", None), ("elsewhere", [])):
            await place.happens(colour(place, code, where))
            await place.happens(issuing(place, code, reserve(), payer, 30))
        declined = (await place.submit(buying(place, payer, shop, 81, "canteen", "elsewhere"))).decision
    assert isinstance(declined, Declined)
    assert (declined.code.name, declined.detail) == ("insufficient_funds", {"available_minor": 80, "needed_minor": 81})


@pytest.mark.parametrize("minor", [0, -5])
async def test_a_payment_of_nothing_or_less_is_a_bug(minor: int) -> None:
    engine, place = _town(MemoryStore())
    async with engine:
        with pytest.raises(InvariantBroken, match=f"an amount of {minor}"):
            await place.submit(buying(place, await place.customer(50), place.id(), minor))


async def test_the_last_cent_of_what_has_ended_is_taken_back() -> None:
    store = MemoryStore()
    engine, place = _town(store)
    async with engine:
        owner = place.id()
        await place.happens(colour(place, "canteen"))
        await place.happens(issuing(place, "canteen", reserve(), owner, 1))
        place.clock.advance(timedelta(hours=1))
        await place.happens(EndColour(command_id=place.id(), code="canteen"))
        taken = await place.happens(reclaiming(place, "canteen", reserve(), owner))
    assert taken.amount_minor == 1
    assert [(row.state, row.ended_at) for row in rows(store, COLOUR)] == [("ENDED", NOON + timedelta(hours=1))]
    assert balances(store) == {("9101", "CNY:canteen", None): -1, ("9102", "CNY:canteen", None): 1}


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("elsewhere", "colour_not_here"), ("here", "ok"), ("allowed later", "ok"), ("forbidden later", "colour_not_here"),
        ("ended", "colour_ended"), ("expired", "colour_expired"), ("foreign", "colour_other_currency"),
        ("never defined", "colour_not_found"),
    ],
)  # fmt: skip
async def test_restricted_money_that_may_not_be_spent_here_is_passed_over(what: str, reason: str) -> None:
    store = MemoryStore()
    engine, place = _town(store)
    async with engine:
        payer, shop, other = await place.customer(50), place.id(), place.id()
        where = {"elsewhere": [other], "here": [other, shop], "allowed later": [], "forbidden later": [shop]}.get(what)
        currency = "USD" if what == "foreign" else "CNY"
        if what != "never defined":
            await place.happens(colour(place, "canteen", where, currency=currency))
            await place.happens(issuing(place, "canteen", reserve(currency), payer, 30))
        if what.endswith("later"):
            allowed = what == "allowed later"
            await place.happens(AllowColourAt(command_id=place.id(), code="canteen", merchant_id=shop, allowed=allowed))
        if what == "ended":
            await place.happens(EndColour(command_id=place.id(), code="canteen"))
        if what == "expired":
            place.clock.advance(timedelta(days=30))
        said = await place.happens(buying(place, payer, shop, 20, "canteen"))
        assert said == {"canteen": reason}
        assert balances(store)["2001", "CNY", payer] == (50 if reason == "ok" else 30)


async def test_restricted_money_that_is_frozen_is_passed_over() -> None:
    store = MemoryStore()
    engine, place = _town(store)
    async with engine:
        payer, shop = await place.customer(50), place.id()
        await place.happens(colour(place, "canteen"))
        await place.happens(issuing(place, "canteen", reserve(), payer, 30))
        await place.happens(freezing(place, wallet(payer, "CNY:canteen"), debits=True))
        await place.happens(buying(place, payer, shop, 20, "canteen"))
        assert balances(store)["2001", "CNY", payer] == 30


async def test_the_merchant_gets_plain_money_and_the_reserve_still_covers_all_that_is_owed() -> None:
    store = MemoryStore()
    engine, place = _town(store)
    async with engine:
        payer, shop = await place.customer(50), place.id()
        await place.happens(colour(place, "canteen"))
        await place.happens(issuing(place, "canteen", wallet(payer), payer, 30))
        await place.happens(buying(place, payer, shop, 20, "canteen"))
        funds = funds_of("canteen", "CNY").owner_id
        assert balances(store) == {
            ("1001", "CNY", None): -50, ("2001", "CNY", payer): 20, ("2401", "CNY", funds): 10, ("2101", "CNY", shop): 20,
            ("9101", "CNY:canteen", None): -30, ("9102", "CNY:canteen", None): 20, ("2001", "CNY:canteen", payer): 10,
        }  # fmt: skip


def _backed(store: MemoryStore, codes: list[str]) -> None:
    found = balances(store)
    sums: dict[str, int] = {}
    for (_, currency, _), minor in found.items():
        sums[currency] = sums.get(currency, 0) + minor
    assert not any(sums.values()), "a currency or a colour does not sum to zero"
    for code in codes:
        held = sum(minor for (line, currency, _), minor in found.items() if currency == f"CNY:{code}" and line == "2001")
        assert held == found.get(("2401", "CNY", funds_of(code, "CNY").owner_id), 0), "not backed by as much plain money"
    journals: dict[Any, int] = {}
    for entry in store.tables.appended.get(ENTRY, []):
        at = (entry.journal_id, entry.currency)
        journals[at] = journals.get(at, 0) + entry.amount_minor
    assert not any(journals.values())


@steady
@given(st.randoms(use_true_random=False), st.integers(5, 30))
async def test_every_colour_is_conserved_and_backed_whatever_is_done(choose: random.Random, steps: int) -> None:
    store = MemoryStore()
    engine, place = _town(store)
    codes = ["a", "b", "c"]
    async with engine:
        people = [await place.customer(choose.randrange(1, 80)) for _ in range(2)]
        shops = [place.id(), place.id()]
        for number, code in enumerate(codes):
            where = [None, [shops[0]], shops][number]
            await place.happens(colour(place, code, where, timedelta(days=choose.randrange(1, 20))))
        for _ in range(steps):
            person, code, amount = choose.choice(people), choose.choice(codes), choose.randrange(1, 40)
            command: Command = choose.choice(
                [
                    issuing(place, code, choose.choice([reserve(), wallet(person)]), choose.choice(people), amount),
                    buying(place, person, choose.choice(shops), amount, *choose.sample(codes, choose.randrange(4))),
                    buying(place, person, choose.choice(shops), amount, *codes),
                    reclaiming(place, code, wallet(person), choose.choice(people)),
                ]
            )
            await place.submit(command)
            if choose.random() < 0.1:
                place.clock.advance(timedelta(days=choose.randrange(4)))
            _backed(store, codes)


async def test_colours_of_one_currency_do_not_mix_in_a_journal() -> None:
    async with town() as place:
        wish = posting(place, journal((wallet(place.id(), "CNY:a"), -5), (wallet(place.id(), "CNY:b"), 5)))
        with pytest.raises(AssertionError, match="do not balance"):
            await place.submit(wish)
