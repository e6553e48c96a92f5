"""What operators' acts on the books tell: whole events, and the details of declines."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from tests.support.leavings import events, rows
from tests.support.town import CURRENCY, NOON, Town, town
from tongbao.engine.api import Command, Declined, MemoryStore
from tongbao.ledger.chart import CUSTOMER_WALLET
from tongbao.ledger.commands import (
    CloseAccount,
    FreezeAccount,
    OpenAccounts,
    PlaceName,
    ReopenAccount,
    SetLimits,
    UnfreezeAccount,
)
from tongbao.ledger.rules import Place
from tongbao.ledger.types import HOLD

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


async def test_a_capture_beyond_a_hold_is_told_what_is_left() -> None:
    async with town() as place:
        owner, merchant, hold_id = await place.customer(500), await place.merchant(), place.id()
        await place.happens(place.holding(owner, hold_id, 100))
        await place.happens(place.capturing(owner, hold_id, merchant, 30, final=False))
        assert await detail(place, place.capturing(owner, hold_id, merchant, 71)) == {"left_minor": 70}
