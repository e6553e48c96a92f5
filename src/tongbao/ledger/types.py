"""Rows of the ledger. All amounts are integers of minor units; credit is positive."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from tongbao.engine.api import Relation
from tongbao.kernel.sql import Queries

QUERIES = Queries("tongbao.ledger")


class Account(msgspec.Struct, frozen=True):
    """A balance in one currency. `posted_minor - held_minor` never goes below `floor_minor` (None: no floor).

    `version` counts its entries: the entry with that version says the same balance.
    """

    account_id: UUID
    code: str
    owner_id: UUID | None
    currency: str
    posted_minor: int
    held_minor: int
    floor_minor: int | None
    version: int
    opened_at: datetime

    @property
    def available_minor(self) -> int:
        """What can leave this account now."""
        return self.posted_minor - self.held_minor - (self.floor_minor or 0)


class Journal(msgspec.Struct, frozen=True):
    """One event in the books: all its entries or none. They sum to zero in each currency."""

    journal_id: UUID
    command_id: UUID
    kind: str
    memo: str
    posted_at: datetime


class Entry(msgspec.Struct, frozen=True):
    """A change of one account. `version` is the account's after it, `balance_minor` the posted balance after it."""

    account_id: UUID
    version: int
    journal_id: UUID
    leg: int
    currency: str
    amount_minor: int
    balance_minor: int
    posted_at: datetime


class Hold(msgspec.Struct, frozen=True):
    """Money set aside: not available, not moved. ACTIVE → CAPTURED | VOIDED | EXPIRED; an ended hold never comes back."""

    hold_id: UUID
    account_id: UUID
    amount_minor: int
    captured_minor: int
    state: Literal["ACTIVE", "CAPTURED", "VOIDED", "EXPIRED"]
    expires_at: datetime
    created_at: datetime
    ended_at: datetime | None


#: Accounts are what everyone needs, so they are locked last.
HOLD: Relation[Hold] = Relation("hold", Hold, key=("hold_id",), rank=800)
ACCOUNT: Relation[Account] = Relation("account", Account, key=("account_id",), rank=900, fixed=("code", "owner_id", "currency", "opened_at"))
JOURNAL: Relation[Journal] = Relation("journal", Journal, key=("journal_id",), rank=910, append_only=True)
ENTRY: Relation[Entry] = Relation(
    "entry", Entry, key=("account_id", "version"), rank=920, append_only=True, chain_order=("journal_id", "leg")
)
