"""The ledger's commands and their results.

An account is named in one of two ways: by its place (line of the chart, currency, owner), which works before it was ever
opened, or by its id, which is quicker and needs it to exist. `currency` may carry a colour ("CNY:canteen-2026").
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

import msgspec

from tongbao.engine.api import Command

#: Why an account is frozen. Each reason stands by itself: lifting one leaves the others.
FreezeReason = Literal["court", "fraud", "aml", "lost", "deceased", "customer", "operator"]

#: Most postings, or legs of linked journals, in one command.
MOST_POSTINGS = 10_000


class _AtPlace(Command, frozen=True, kw_only=True):
    code: str
    currency: str
    owner_id: UUID | None


class _StateOfAccount(_AtPlace, frozen=True, kw_only=True):
    """`by` is the operator, `note` what they say of it: both go into the event that tells of the change."""

    note: str = ""
    by: UUID | None = None


class PlaceName(msgspec.Struct, frozen=True, gc=False):
    """A place in a command."""

    code: str
    currency: str
    owner_id: UUID | None = None


# ── accounts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class OpenAccounts(Command, frozen=True, kw_only=True):
    """Open the accounts at these places that are not open yet, so that they can be named by id."""

    kind = "ledger.open"
    places: tuple[PlaceName, ...]


class FreezeAccount(_StateOfAccount, frozen=True, kw_only=True):
    """Let nothing leave (`debits`), nothing arrive (`credits`), or neither, for one reason more."""

    kind = "ledger.freeze"
    debits: bool
    credits: bool
    reason: FreezeReason


class UnfreezeAccount(_StateOfAccount, frozen=True, kw_only=True):
    """Lift the freezes of one reason on the sides named."""

    kind = "ledger.unfreeze"
    debits: bool
    credits: bool
    reason: FreezeReason


class CloseAccount(_StateOfAccount, frozen=True, kw_only=True):
    """Close an owner's account: it must be empty, without holds and not frozen."""

    kind = "ledger.close"


class ReopenAccount(_StateOfAccount, frozen=True, kw_only=True):
    """Open a closed account again."""

    kind = "ledger.reopen"


class SetLimits(_StateOfAccount, frozen=True, kw_only=True):
    """Give an account a floor and a ceiling within what its line of the chart allows; None: none."""

    kind = "ledger.limits"
    floor_minor: int | None
    ceiling_minor: int | None


class AccountsOpened(msgspec.Struct, frozen=True):
    """Result of `OpenAccounts`."""

    opened: int
    existed: int


class AccountChanged(msgspec.Struct, frozen=True):
    """Result of a change of an account's state."""

    account_id: UUID


# ── holds ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


class PlaceHold(_AtPlace, frozen=True, kw_only=True):
    """Set money aside on one account until it is captured, voided or expires. `agreed_minor`: the most that may be captured in
    total, where the payer agreed to more than is held (a tip, a longer ride)."""

    kind = "ledger.hold"
    hold_id: UUID
    amount_minor: int
    expires_at: datetime
    agreed_minor: int | None = None


class CaptureHold(_AtPlace, frozen=True, kw_only=True):
    """Move held money to another account; what is left of the hold stays held unless `final`."""

    kind = "ledger.capture"
    hold_id: UUID
    to_code: str
    to_owner_id: UUID | None
    amount_minor: int
    final: bool = True


class VoidHold(_AtPlace, frozen=True, kw_only=True):
    """Give what is left of a hold back to its account."""

    kind = "ledger.void"
    hold_id: UUID


class HoldRef(msgspec.Struct, frozen=True, gc=False):
    """A hold and the account it stands on."""

    hold_id: UUID
    account_id: UUID


class ExpireHolds(Command, frozen=True, kw_only=True):
    """End those of these holds whose time is over; leave the others as they are."""

    kind = "ledger.expire"
    holds: tuple[HoldRef, ...]


class Held(msgspec.Struct, frozen=True):
    """Result of `PlaceHold`."""

    hold_id: UUID


class Captured(msgspec.Struct, frozen=True):
    """Result of `CaptureHold`: its journal, and what is still held."""

    journal_id: UUID
    left_minor: int = 0


class HoldsExpired(msgspec.Struct, frozen=True):
    """Result of `ExpireHolds`."""

    ended: int


# ── journals ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class DraftLeg(msgspec.Struct, frozen=True, gc=False):
    """A leg at a place: > 0 credits it, < 0 debits it."""

    place: PlaceName
    amount_minor: int


class DraftJournal(msgspec.Struct, frozen=True, gc=False):
    """A journal that somebody wishes. `value_date` None: today."""

    legs: tuple[DraftLeg, ...]
    memo: str = ""
    value_date: date | None = None


class PostLinked(Command, frozen=True, kw_only=True):
    """Post several journals: all of them or none. At most MOST_POSTINGS legs together."""

    kind = "ledger.post"
    journals: tuple[DraftJournal, ...]
    by: UUID | None = None


class MoveUpTo(Command, frozen=True, kw_only=True):
    """Move what there is, at most `amount_minor`, from one place to another of the same currency."""

    kind = "ledger.move_up_to"
    source: PlaceName
    target: PlaceName
    amount_minor: int
    memo: str = ""
    value_date: date | None = None


class ReversedLeg(msgspec.Struct, frozen=True, gc=False):
    """An entry of the journal to be reversed, as it is stored."""

    account_id: UUID
    currency: str
    amount_minor: int


class ReverseJournal(Command, frozen=True, kw_only=True):
    """Undo a journal by its exact opposite, once. `legs` are the original's entries in leg order and `reverses` what the
    original itself reverses: the edge reads them, for they never change; `verify` compares."""

    kind = "ledger.reverse"
    journal_id: UUID
    legs: tuple[ReversedLeg, ...]
    reverses: UUID | None
    reason: str
    value_date: date | None = None
    by: UUID | None = None


class Posted(msgspec.Struct, frozen=True):
    """Result of `PostLinked`: one journal for each wished, in their order."""

    journal_ids: tuple[UUID, ...]


class Moved(msgspec.Struct, frozen=True):
    """Result of `MoveUpTo`."""

    journal_id: UUID
    amount_minor: int


class Reversed(msgspec.Struct, frozen=True):
    """Result of `ReverseJournal`: the journal that undoes."""

    journal_id: UUID


# ── postings in bulk ────────────────────────────────────────────────────────────────────────────────────────────────────


class Posting(msgspec.Struct, frozen=True, gc=False, tag="pair"):
    """Two entries: `amount_minor` from one account to the other. Both must exist and be kept in one currency and colour.

    `linked`: stands or falls with the next one. `at_most`: moves what can be moved, up to the amount. `value_date` None:
    today. `kind` is the journal's.
    """

    debit_account_id: UUID
    credit_account_id: UUID
    amount_minor: int
    memo: str = ""
    linked: bool = False
    at_most: bool = False
    value_date: date | None = None
    kind: str = "bulk"


class AccountLeg(msgspec.Struct, frozen=True, gc=False):
    """A leg at an account: > 0 credits it, < 0 debits it."""

    account_id: UUID
    amount_minor: int


class ManyLegs(msgspec.Struct, frozen=True, gc=False, tag="legs"):
    """A posting with any number of legs, which sum to zero in each currency and colour."""

    legs: tuple[AccountLeg, ...]
    memo: str = ""
    linked: bool = False
    value_date: date | None = None
    kind: str = "bulk"


class PostBulk(Command, frozen=True, kw_only=True):
    """Many postings at once, at most MOST_POSTINGS legs or pairs. Each, or each chain of linked ones, has its own outcome."""

    kind = "ledger.bulk"
    postings: tuple[Posting | ManyLegs, ...]


class PostingDeclined(msgspec.Struct, frozen=True, gc=False):
    """Which posting of a bulk was declined, and the code of the decline."""

    index: int
    code: str


class BulkPosted(msgspec.Struct, frozen=True):
    """Result of `PostBulk`: how many journals were posted, which postings were declined, the first journal's id."""

    posted: int
    declined: tuple[PostingDeclined, ...]
    first_journal_id: UUID | None


# ── the book ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class SetBook(Command, frozen=True, kw_only=True):
    """Say in which zone the book's days begin, and how far from today a value date may lie."""

    kind = "ledger.set_book"
    zone: str
    backdating_days: int
    forward_days: int
    by: UUID | None = None


# ── restricted money ────────────────────────────────────────────────────────────────────────────────────────────────────


class DefineColour(Command, frozen=True, kw_only=True):
    """Restricted money: what it is called, where it may be spent (`merchants` None: everywhere) and until when."""

    kind = "ledger.define_colour"
    code: str
    currency: str
    title_zh: str
    title_en: str
    merchants: tuple[UUID, ...] | None
    valid_until: datetime


class AllowColourAt(Command, frozen=True, kw_only=True):
    """Let a colour be spent at a merchant, or no more."""

    kind = "ledger.allow_colour"
    code: str
    merchant_id: UUID
    allowed: bool


class EndColour(Command, frozen=True, kw_only=True):
    """Let a colour be spent no more; what is left of it can be taken back."""

    kind = "ledger.end_colour"
    code: str


class IssueColour(Command, frozen=True, kw_only=True):
    """Give restricted money to a customer, backed by plain money from `source`."""

    kind = "ledger.issue_colour"
    code: str
    source: PlaceName
    customer_id: UUID
    amount_minor: int


class ReclaimColour(Command, frozen=True, kw_only=True):
    """Take what a customer has left of an ended or expired colour back, and return the plain money behind it to `target`."""

    kind = "ledger.reclaim_colour"
    code: str
    target: PlaceName
    customer_id: UUID
