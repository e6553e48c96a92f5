"""Money that an account cannot take waits where it is; it is neither lost nor a bug."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.support.books import bounding, ending, freezing, opening, reopening, unfreezing, wallet
from tests.support.town import Town, town
from tongbao.engine.api import Command, MemoryStore
from tongbao.ledger.types import ACCOUNT
from tongbao.wallet.types import BANK_TRANSFER


def _balance(store: MemoryStore, code: str) -> int:
    return sum(row.posted_minor for row in store.tables.table(ACCOUNT).values() if row.code == code)


def _transfer(store: MemoryStore, transfer_id: UUID) -> Any:
    return store.tables.table(BANK_TRANSFER)[transfer_id]


def _obstacle(place: Town, customer: UUID, what: str) -> tuple[Command, Command]:
    """What keeps money out of a wallet, and what lets it in again."""
    name = wallet(customer)
    if what == "frozen":
        return freezing(place, name, credits=True), unfreezing(place, name, credits=True)
    if what == "closed":
        return ending(place, name), reopening(place, name)
    return bounding(place, name, ceiling=0), bounding(place, name)


@pytest.mark.parametrize("what", ["frozen", "closed", "full"])
async def test_a_topup_waits_for_a_wallet_that_cannot_take_it(what: str) -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await place.customer()
        await place.happens(opening(place, wallet(customer)))
        started = await place.happens(place.starting(customer, await place.bank_account(customer), 500))
        shut, reopened = _obstacle(place, customer, what)
        await place.happens(shut)
        await place.happens(place.settling(customer, started.bank_transfer_id))
        waiting = _transfer(store, started.bank_transfer_id)
        assert (waiting.state, waiting.next_attempt_at) == ("UNKNOWN", place.clock.now() + timedelta(hours=1))
        assert _balance(store, "2001") == _balance(store, "1001") == 0
        await place.happens(reopened)
        await place.happens(place.settling(customer, started.bank_transfer_id))
        assert _transfer(store, started.bank_transfer_id).state == "SUCCEEDED"
        assert _balance(store, "2001") == -_balance(store, "1001") == 500


async def test_a_failed_withdrawal_waits_in_transit_for_a_frozen_wallet() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await place.customer(500)
        card = await place.bank_account(customer)
        started = await place.happens(place.starting(customer, card, 500, "withdrawal"))
        await place.happens(freezing(place, wallet(customer), credits=True))
        await place.happens(place.settling(customer, started.bank_transfer_id, "FAILED"))
        assert (_balance(store, "2001"), _balance(store, "2301")) == (0, 500)
        await place.happens(unfreezing(place, wallet(customer), credits=True))
        await place.happens(place.settling(customer, started.bank_transfer_id, "FAILED"))
        assert (_balance(store, "2001"), _balance(store, "2301")) == (500, 0)
