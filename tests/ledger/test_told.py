"""What operators' acts on the books tell: whole events, and the details of declines."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from tests.support.books import (
    freezing,
    funding,
    id_of,
    journal,
    opening,
    posting,
    reserve,
    reversing,
    unfreezing,
    wallet,
)
from tests.support.leavings import events, rows
from tests.support.town import CURRENCY, NOON, Town, town
from tongbao.engine.api import Command, Declined, MemoryStore
from tongbao.kernel.errors import InvariantBroken
from tongbao.ledger.chart import CUSTOMER_WALLET
from tongbao.ledger.commands import (
    CloseAccount,
    ExpireHolds,
    FreezeAccount,
    HoldRef,
    OpenAccounts,
    PlaceName,
    ReopenAccount,
    SetBook,
    SetLimits,
    UnfreezeAccount,
)
from tongbao.ledger.rules import Place
from tongbao.ledger.types import ACCOUNT, BOOK, ENTRY, HOLD, JOURNAL, Book

WHO = UUID(int=5, version=4)


def at(owner: UUID) -> dict[str, Any]:
    return {"code": "2001", "currency": CURRENCY, "owner_id": owner, "by": WHO}


def told(owner: UUID, kind: str, **changed: Any) -> tuple[str, str, dict[str, Any]]:
    account = str(Place(CUSTOMER_WALLET, CURRENCY, owner).account_id)
    plain = {"debit_freeze": "", "credit_freeze": "", "floor_minor": 0, "ceiling_minor": None, "reason": "", "note": "why"}
    return "ledger", kind, {"account_id": account, **plain, "by": str(WHO), **changed}


async def detail(place: Town, command: Command) -> dict[str, Any]:
    decision = (await place.submit(command)).decision
    assert isinstance(decision, Declined)
    return dict(decision.detail)


async def test_every_change_of_an_account_is_told_with_what_it_is_now_and_who_did_it() -> None:
    store = MemoryStore()
    async with town(store) as place:
        owner = await place.customer()
        plain: dict[str, Any] = {**at(owner), "note": "why"}

        def make(kind: Any, **more: Any) -> Command:
            command: Command = kind(command_id=place.id(), **plain, **more)
            return command

        await place.happens(make(FreezeAccount, debits=True, credits=True, reason="fraud"))
        await place.happens(make(FreezeAccount, debits=True, credits=False, reason="court"))
        await place.happens(make(UnfreezeAccount, debits=False, credits=True, reason="fraud"))
        await place.happens(make(UnfreezeAccount, debits=True, credits=False, reason="fraud"))
        await place.happens(make(UnfreezeAccount, debits=True, credits=False, reason="court"))
        await place.happens(make(SetLimits, floor_minor=0, ceiling_minor=900))
        await place.happens(make(SetLimits, floor_minor=0, ceiling_minor=None))
        await place.happens(make(CloseAccount))
        await place.happens(make(ReopenAccount))
    assert events(store, "ledger") == [
        told(owner, "account.frozen", debit_freeze="fraud", credit_freeze="fraud", reason="fraud"),
        told(owner, "account.frozen", debit_freeze="court,fraud", credit_freeze="fraud", reason="court"),
        told(owner, "account.unfrozen", debit_freeze="court,fraud", reason="fraud"),
        told(owner, "account.unfrozen", debit_freeze="court", reason="fraud"),
        told(owner, "account.unfrozen", reason="court"),
        told(owner, "account.bounded", ceiling_minor=900),
        told(owner, "account.bounded"),
        told(owner, "account.closed"),
        told(owner, "account.reopened"),
    ]


async def test_reasons_of_a_freeze_stand_side_by_side_in_order_each_once() -> None:
    store = MemoryStore()
    async with town(store) as place:
        name = wallet(await place.customer())
        for reason in ("lost", "aml", "fraud"):
            await place.happens(freezing(place, name, debits=True, reason=reason))
        await place.happens(freezing(place, name, debits=True, credits=True, reason="lost"))
        await place.happens(unfreezing(place, name, debits=True, reason="aml"))
    frozen = [(payload["debit_freeze"], payload["credit_freeze"]) for _, _, payload in events(store, "ledger")]
    assert frozen == [("lost", ""), ("aml,lost", ""), ("aml,fraud,lost", ""), ("aml,fraud,lost", "lost"), ("fraud,lost", "lost")]


async def test_how_the_books_days_are_set_is_told_with_who_set_it() -> None:
    store = MemoryStore()
    async with town(store) as place:
        await place.happens(SetBook(command_id=place.id(), zone="UTC", backdating_days=9, forward_days=2, by=WHO))
    assert rows(store, BOOK) == [Book("main", "UTC", None, 9, 2)]
    assert events(store) == [("ledger", "book.set", {"zone": "UTC", "backdating_days": 9, "forward_days": 2, "by": str(WHO)})]


async def test_journals_by_hand_are_told_by_the_first_how_many_and_who_posted_them() -> None:
    store = MemoryStore()
    async with town(store) as place:
        wished = [journal((reserve(), -minor), (wallet(place.id()), minor)) for minor in (5, 6)]
        done = await place.happens(replace(posting(place, *wished), by=WHO))
    assert [each.journal_id for each in rows(store, JOURNAL)] == list(done.journal_ids)
    assert events(store) == [("ledger", "journals.posted", {"first": str(done.journal_ids[0]), "count": 2, "by": str(WHO)})]


async def test_a_reversal_is_told_with_its_reason_and_who_did_it_and_names_the_original() -> None:
    store = MemoryStore()
    async with town(store) as place:
        name = wallet(place.id(), "CNY:canteen")
        original = (await place.happens(funding(place, name, 5))).journal_ids[0]
        undo = replace(reversing(place, original, [(reserve("CNY:canteen"), -5), (name, 5)]), by=WHO)
        done = await place.happens(undo)
        assert await detail(place, replace(undo, command_id=place.id())) == {"reversed_by": str(done.journal_id)}
    told_of = {"journal_id": str(original), "reversed_by": str(done.journal_id), "reason": "记错", "by": str(WHO)}
    assert events(store)[1:] == [("ledger", "journal.reversed", told_of)]
    assert rows(store, JOURNAL)[1].reverses == original
    assert [(each.currency, each.amount_minor) for each in rows(store, ENTRY)[2:]] == [("CNY:canteen", 5), ("CNY:canteen", -5)]


async def test_reversing_an_entry_in_another_currency_than_its_account_is_a_bug() -> None:
    async with town() as place:
        name = wallet(place.id())
        original = (await place.happens(funding(place, name, 5))).journal_ids[0]
        undo = reversing(place, original, [(reserve(), -5), (name, 5)])
        wrong = replace(undo, legs=tuple(replace(leg, currency="USD") for leg in undo.legs))
        with pytest.raises(InvariantBroken, match="an entry in USD on an account in CNY"):
            await place.submit(wrong)


async def test_opening_accounts_counts_what_was_new() -> None:
    async with town() as place:
        one, two = place.id(), place.id()
        name = [PlaceName("2001", CURRENCY, owner) for owner in (one, two)]
        first = await place.happens(OpenAccounts(command_id=place.id(), places=(name[0],)))
        both = await place.happens(OpenAccounts(command_id=place.id(), places=(name[0], name[1])))
        assert (first.opened, first.existed, both.opened, both.existed) == (1, 0, 1, 1)


async def test_an_account_that_cannot_be_closed_says_what_is_in_it() -> None:
    async with town() as place:
        owner = await place.customer(500)
        close = CloseAccount(command_id=place.id(), **at(owner))
        assert await detail(place, close) == {"posted_minor": 500}
        hold = place.holding(owner, place.id(), 200)
        await place.happens(hold)
        assert await detail(place, replace(close, command_id=place.id())) == {"held_minor": 200}
        much = place.holding(owner, place.id(), 301)
        assert await detail(place, much) == {"available_minor": 300, "needed_minor": 301}


async def test_a_hold_says_how_and_when_it_ended() -> None:
    store = MemoryStore()
    async with town(store) as place:
        owner, merchant = await place.customer(500), await place.merchant()
        ids = [place.id() for _ in range(3)]
        for hold_id in ids:
            await place.happens(place.holding(owner, hold_id, 100, timedelta(minutes=5)))
        place.clock.advance(timedelta(minutes=1))
        await place.happens(place.capturing(owner, ids[0], merchant, 60))
        await place.happens(place.voiding(owner, ids[1]))
        place.clock.advance(timedelta(minutes=4))
        await place.happens(place.voiding(owner, ids[2]))
        assert await detail(place, place.voiding(owner, ids[2])) == {"state": "EXPIRED"}
    ended = {hold.hold_id: (hold.state, hold.ended_at) for hold in rows(store, HOLD)}
    assert ended == {
        ids[0]: ("CAPTURED", NOON + timedelta(minutes=1)),
        ids[1]: ("VOIDED", NOON + timedelta(minutes=1)),
        ids[2]: ("EXPIRED", NOON + timedelta(minutes=5)),
    }


async def test_the_janitor_ends_the_holds_whose_time_is_over_and_leaves_the_others() -> None:
    store = MemoryStore()
    async with town(store) as place:
        owner, other = await place.customer(500), await place.customer()
        await place.happens(opening(place, wallet(other)))
        due, voided, not_due, misnamed = ids = [place.id() for _ in range(4)]
        for hold_id, minutes in zip(ids, (5, 5, 9, 5), strict=True):
            await place.happens(place.holding(owner, hold_id, 100, timedelta(minutes=minutes)))
        await place.happens(place.voiding(owner, voided))
        place.clock.advance(timedelta(minutes=5))
        mine, elsewhere = id_of(wallet(owner)), id_of(wallet(other))
        named = [(due, mine), (voided, mine), (not_due, mine), (misnamed, elsewhere), (place.id(), mine)]
        done = await place.happens(ExpireHolds(command_id=place.id(), holds=tuple(HoldRef(*each) for each in named)))
    assert done.ended == 1
    assert {hold.hold_id: (hold.state, hold.ended_at) for hold in rows(store, HOLD)} == {
        due: ("EXPIRED", NOON + timedelta(minutes=5)), voided: ("VOIDED", NOON), not_due: ("ACTIVE", None),
        misnamed: ("ACTIVE", None),
    }  # fmt: skip
    assert {row.account_id: row.held_minor for row in rows(store, ACCOUNT)}[mine] == 200


async def test_a_capture_beyond_a_hold_is_told_what_is_left() -> None:
    async with town() as place:
        owner, merchant, hold_id = await place.customer(500), await place.merchant(), place.id()
        await place.happens(place.holding(owner, hold_id, 100))
        await place.happens(place.capturing(owner, hold_id, merchant, 30, final=False))
        assert await detail(place, place.capturing(owner, hold_id, merchant, 71)) == {"left_minor": 70}
