"""Rows of the ledger. All amounts are integers of minor units; credit is positive.

A `currency` in these rows is a currency's code, or, for restricted money, the code and a colour: "CNY:canteen-2026". Money
of different colours mixes as little as money of different currencies.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

import msgspec

from tongbao.engine.api import Relation
from tongbao.kernel.errors import Refusal
from tongbao.kernel.sql import Queries
from tongbao.ledger.errors import LEDGER_DAY_FULL

QUERIES = Queries("tongbao.ledger")

#: No balance goes beyond this on either side, whatever floors and ceilings say: a sum of two still fits in 64 bits.
LARGEST_BALANCE_MINOR = 2**62

#: The one row of BOOK.
MAIN_BOOK = "main"


class Account(msgspec.Struct, frozen=True, gc=False):
    """A balance in one currency. `posted_minor - held_minor` never goes below `floor_minor`, and `posted_minor` never above
    `ceiling_minor` (None: no such bound but LARGEST_BALANCE_MINOR).

    `version` counts its entries, and the balance is that of the last one: it is written nowhere else (decision 0008).
    `debit_freeze` and `credit_freeze` are the reasons for which nothing may leave or arrive ("court,fraud"), empty where it
    may. A closed account has nothing in it.
    """

    account_id: UUID
    code: str
    owner_id: UUID | None
    currency: str
    posted_minor: int
    held_minor: int
    floor_minor: int | None
    ceiling_minor: int | None
    version: int
    opened_at: datetime
    debit_freeze: str = ""
    credit_freeze: str = ""
    closed_at: datetime | None = None

    @property
    def available_minor(self) -> int:
        """What its owner may dispose of; where there is no floor, counted from zero."""
        return self.posted_minor - self.held_minor - (self.floor_minor or 0)

    @property
    def debitable_minor(self) -> int:
        """What could leave this account now, were it not frozen."""
        floor = self.floor_minor
        return self.posted_minor - self.held_minor - (-LARGEST_BALANCE_MINOR if floor is None else floor)

    @property
    def creditable_minor(self) -> int:
        """What could arrive in this account now, were it not frozen."""
        ceiling = self.ceiling_minor
        return (LARGEST_BALANCE_MINOR if ceiling is None else ceiling) - self.posted_minor


class Journal(msgspec.Struct, frozen=True, gc=False):
    """One event in the books: all its entries or none. They sum to zero in each currency and colour.

    `posted_at` is when it was written, `value_date` the day in the book's zone to which it counts. `reverses` names the
    journal whose exact opposite this one is.
    """

    journal_id: UUID
    command_id: UUID
    kind: str
    memo: str
    posted_at: datetime
    value_date: date
    reverses: UUID | None = None


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A change of one account. `version` is the account's after it, `balance_minor` the posted balance after it."""

    account_id: UUID
    version: int
    journal_id: UUID
    leg: int
    currency: str
    amount_minor: int
    balance_minor: int
    posted_at: datetime


class Hold(msgspec.Struct, frozen=True, gc=False):
    """Money set aside: not available, not moved. ACTIVE → CAPTURED | VOIDED | EXPIRED; an ended hold never comes back.

    While it is active, `amount_minor - captured_minor` (never less than 0) is part of its account's held sum. All captures
    together never exceed `agreed_minor`: the amount itself, or more where the payer agreed to more in advance.
    """

    hold_id: UUID
    account_id: UUID
    amount_minor: int
    agreed_minor: int
    captured_minor: int
    state: Literal["ACTIVE", "CAPTURED", "VOIDED", "EXPIRED"]
    expires_at: datetime
    created_at: datetime
    ended_at: datetime | None

    @property
    def left_minor(self) -> int:
        """What an active hold still sets aside."""
        return max(0, self.amount_minor - self.captured_minor)


class Reversal(msgspec.Struct, frozen=True, gc=False):
    """That a journal was reversed: its key is the original, so it happens once."""

    journal_id: UUID
    reversed_by: UUID
    reason: str
    reversed_at: datetime


class Book(msgspec.Struct, frozen=True, gc=False):
    """The book's calendar. Nothing is posted with a value date up to `closed_through`, further back than `backdating_days`
    before today, or further ahead than `forward_days`; today is the day in `zone`."""

    name: str
    zone: str
    closed_through: date | None
    backdating_days: int
    forward_days: int


#: What holds while nobody has decided otherwise.
DEFAULT_BOOK = Book(MAIN_BOOK, "Asia/Shanghai", None, 31, 0)


class Colour(msgspec.Struct, frozen=True, gc=False):
    """Restricted money: `code` coloured units of `currency`, to be spent before `valid_until` at merchants that COLOUR_MERCHANT
    names, or `everywhere`. ACTIVE → ENDED: an ended colour is spent no more and can only be taken back."""

    code: str
    currency: str
    title_zh: str
    title_en: str
    everywhere: bool
    valid_until: datetime
    state: Literal["ACTIVE", "ENDED"]
    defined_at: datetime
    ended_at: datetime | None


class ColourMerchant(msgspec.Struct, frozen=True, gc=False):
    """That a colour may be spent at a merchant, or (`allowed` false) no more."""

    code: str
    merchant_id: UUID
    allowed: bool


class LedgerDay(msgspec.Struct, frozen=True, gc=False):
    """What was debited and credited to one line of the chart in one currency on one value date, kept up as entries are made.
    Both sums are positive; the day's change of the line is `credit_minor - debit_minor`. A sum that no column takes is refused as
    `ledger_day_full`: the engine adds up after it has decided, so that cannot be a decline."""

    day: date
    code: str
    currency: str
    debit_minor: int
    credit_minor: int
    entries: int

    def __post_init__(self) -> None:
        if self.debit_minor >= 2**63 or self.credit_minor >= 2**63:
            raise Refusal(LEDGER_DAY_FULL, day=str(self.day), line=self.code, currency=self.currency)


REVERSAL: Relation[Reversal] = Relation("reversal", Reversal, key=("journal_id",), rank=780)
HOLD: Relation[Hold] = Relation("hold", Hold, key=("hold_id",), rank=800)
COLOUR: Relation[Colour] = Relation("colour", Colour, key=("code",), rank=820)
COLOUR_MERCHANT: Relation[ColourMerchant] = Relation("colour_merchant", ColourMerchant, key=("code", "merchant_id"), rank=830)
BOOK: Relation[Book] = Relation("book", Book, key=("name",), rank=890)
ACCOUNT: Relation[Account] = Relation(
    "account_master", Account, key=("account_id",), rank=900, fixed=("code", "owner_id", "currency", "opened_at"),
    derived=("posted_minor", "version"), read_from="account",
)  # fmt: skip
JOURNAL: Relation[Journal] = Relation("journal", Journal, key=("journal_id",), rank=910, append_only=True)
ENTRY: Relation[Entry] = Relation(
    "entry", Entry, key=("account_id", "version"), rank=920, append_only=True, chain_order=("journal_id", "leg")
)
#: The day is the value date.
LEDGER_DAY: Relation[LedgerDay] = Relation(
    "ledger_day", LedgerDay, key=("day", "code", "currency"), rank=930, tally=("debit_minor", "credit_minor", "entries")
)
