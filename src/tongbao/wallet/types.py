"""Rows and commands of the wallet, and the bank as the wallet needs it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

import msgspec

from tongbao.engine.api import Command, Relation
from tongbao.identity.types import UNSAID, Confirmation, Principal
from tongbao.kernel.sql import Queries

QUERIES = Queries("tongbao.wallet")

#: Columns of personal data, as the vault knows them.
NUMBER = "bank_account.number"
HOLDER = "bank_account.holder_name"

BankTransferState = Literal["PENDING", "UNKNOWN", "SUCCEEDED", "FAILED"]
BankTransferKind = Literal["topup", "withdrawal"]
Direction = Literal["in", "out"]
CounterpartyKind = Literal["customer", "merchant", "bank"]
BillState = Literal["PENDING", "UNKNOWN", "SUCCEEDED", "FAILED", "CANCELLED", "PARTLY_REFUNDED", "REFUNDED", "REVERSED"]
#: When a transfer arrives, as its payer chooses.
Arrival = Literal["now", "ordinary", "next_day"]
DelayedState = Literal["PENDING", "SUCCEEDED", "CANCELLED", "FAILED"]
#: `reversal`: a payment was undone as a whole, which is no income of the payer's.
BillKind = Literal["payment", "refund", "reversal", "topup", "withdrawal", "transfer"]


class BankAccount(msgspec.Struct, frozen=True, gc=False):
    """A customer's account at a bank, linked after the bank confirmed the holder. Number and holder are sealed."""

    bank_account_id: UUID
    customer_id: UUID
    bank: str
    number: bytes
    holder_name: bytes
    linked_at: datetime
    unlinked_at: datetime | None


class LinkedAccount(msgspec.Struct, frozen=True):
    """A bank account, opened for its owner or for the bank."""

    bank_account_id: UUID
    customer_id: UUID
    bank: str
    number: str
    holder_name: str


class BankTransfer(msgspec.Struct, frozen=True, gc=False):
    """Money between a bank account and a wallet.

        PENDING ─▶ SUCCEEDED | FAILED            the bank answered
        PENDING ─▶ UNKNOWN ─▶ SUCCEEDED | FAILED  it did not, and the janitor asked until it knew

    A withdrawal leaves the wallet when it starts and comes back if it fails; a top-up reaches it when it succeeds. `counted` says
    where the rules counted it, for giving that back too.
    """

    bank_transfer_id: UUID
    customer_id: UUID
    bank_account_id: UUID
    kind: BankTransferKind
    state: BankTransferState
    amount_minor: int
    currency: str
    attempts: int
    next_attempt_at: datetime | None
    bank_reference: str | None
    failure_code: str | None
    created_at: datetime
    finished_at: datetime | None
    counted: str


class DelayedTransfer(msgspec.Struct, frozen=True, gc=False):
    """A transfer that arrives later. Its money is held in the payer's wallet until then.

        PENDING ─▶ SUCCEEDED    its time has come
        PENDING ─▶ CANCELLED    the payer changed their mind before that
        PENDING ─▶ FAILED       it could not arrive; `failure_code` says why, and the money is free again

    `payee_note` is sealed for the payee's bill; `hold_id` is the hold's, `counted` where the rules counted it.
    """

    transfer_id: UUID
    payer_id: UUID
    payee_id: UUID
    amount_minor: int
    currency: str
    payee_note: bytes
    state: DelayedState
    arrives_at: datetime
    hold_id: UUID
    counted: str
    failure_code: str | None
    created_at: datetime
    ended_at: datetime | None
    journal_id: UUID | None


class Bill(msgspec.Struct, frozen=True, gc=False):
    """A line in a customer's statement. Never changed: what became of it is read from what `reference_id` names.

    `counterparty_id`: a customer, merchant or bank account, by `counterparty_kind`. `note`: sealed for the customer whose bill
    it is. `balance_minor`: the wallet after it, if it moved money at once. `factors`: by which this customer was shown to agree
    (`identity.factors`); 0 where nobody asked them.
    """

    customer_id: UUID
    bill_id: UUID
    kind: BillKind
    direction: Direction
    amount_minor: int
    currency: str
    counterparty_kind: CounterpartyKind
    counterparty_id: UUID
    title: str
    note: bytes
    at: datetime
    balance_minor: int | None
    journal_id: UUID | None
    reference_id: UUID | None
    factors: int


BANK_ACCOUNT: Relation[BankAccount] = Relation("bank_account", BankAccount, key=("bank_account_id",), rank=300)
BANK_TRANSFER: Relation[BankTransfer] = Relation("bank_transfer", BankTransfer, key=("bank_transfer_id",), rank=310)
DELAYED_TRANSFER: Relation[DelayedTransfer] = Relation("delayed_transfer", DelayedTransfer, key=("transfer_id",), rank=320)
BILL: Relation[Bill] = Relation(
    "bill",
    Bill,
    key=("customer_id", "bill_id"),
    rank=990,
    append_only=True,
    chain_order=("bill_id", "customer_id"),
)
#: Customers, for whoever only needs to know that they exist: no lock.
CUSTOMER: Relation[Principal] = Relation("principal", Principal, key=("principal_id",), rank=111, read_only=True)


class LinkBankAccount(Command, frozen=True, kw_only=True):
    """Take over a bank account whose holder was verified elsewhere: those of a replay, of a simulation. No route makes it; who
    links an account goes through `links`. Its id is that of customer, bank and the number's index.

    `holder_index` stands for the sealed name where two sendings are compared.
    """

    kind = "wallet.link_bank_account"
    customer_id: UUID
    bank_account_id: UUID
    bank: str
    number: bytes
    holder_name: bytes
    holder_index: bytes

    def hashed(self) -> LinkBankAccount:
        return msgspec.structs.replace(self, number=b"", holder_name=b"")


class UnlinkBankAccount(Command, frozen=True, kw_only=True):
    """Forget a linked bank account; running transfers still finish. `proven_at`: of the session's device."""

    kind = "wallet.unlink_bank_account"
    customer_id: UUID
    bank_account_id: UUID
    proven_at: datetime | None = None

    def hashed(self) -> UnlinkBankAccount:
        return msgspec.structs.replace(self, proven_at=None)


class StartBankTransfer(Command, frozen=True, kw_only=True):
    """Record the wish to top up or withdraw, confirmed by the customer, before the bank is asked."""

    kind = "wallet.start_bank_transfer"
    customer_id: UUID
    bank_account_id: UUID
    transfer_kind: BankTransferKind
    amount_minor: int
    currency: str
    confirmation: Confirmation

    def hashed(self) -> StartBankTransfer:
        return msgspec.structs.replace(self, confirmation=UNSAID)


class SettleBankTransfer(Command, frozen=True, kw_only=True):
    """Record what the bank said. UNKNOWN: it did not say; `retry_in_s` until it is asked again."""

    kind = "wallet.settle_bank_transfer"
    bank_transfer_id: UUID
    customer_id: UUID
    currency: str
    state: Literal["SUCCEEDED", "FAILED", "UNKNOWN"]
    bank_reference: str | None = None
    failure_code: str | None = None
    retry_in_s: int = 5


class Transfer(Command, frozen=True, kw_only=True):
    """Send money to another customer, to arrive at once or later. The note is sealed twice, for either's bill; `note_index`
    stands for it where two sendings are compared."""

    kind = "wallet.transfer"
    payer_id: UUID
    payee_id: UUID
    amount_minor: int
    currency: str
    note: bytes
    payee_note: bytes
    note_index: bytes
    confirmation: Confirmation
    arrival: Arrival = "now"

    def hashed(self) -> Transfer:
        return msgspec.structs.replace(self, note=b"", payee_note=b"", confirmation=UNSAID)


class CancelTransfer(Command, frozen=True, kw_only=True):
    """The payer takes back a transfer that has not arrived yet."""

    kind = "wallet.cancel_transfer"
    transfer_id: UUID
    payer_id: UUID
    currency: str


class DeliverTransfer(Command, frozen=True, kw_only=True):
    """A delayed transfer's time has come. `payer_id`, `payee_id` and `currency` repeat the transfer's, so that its rows are
    known."""

    kind = "wallet.deliver_transfer"
    transfer_id: UUID
    payer_id: UUID
    payee_id: UUID
    currency: str


class BankAnswer(msgspec.Struct, frozen=True):
    """What the bank said of a transfer. NOT_FOUND: it has never heard of it (or not yet)."""

    state: Literal["SUCCEEDED", "FAILED", "UNKNOWN", "NOT_FOUND"]
    bank_reference: str | None = None
    failure_code: str | None = None


BankLinkAnswer = Literal["CODE_SENT", "WRONG_CODE", "LINKED", "REFUSED", "ENDED", "UNKNOWN"]


class BankLinkQuestion(msgspec.Struct, frozen=True):
    """The four elements by which a bank knows whose an account is, under the link's reference. `phone`: E.164."""

    reference: str
    account_number: str
    holder_name: str
    document_number: str
    phone: str


class Bank(Protocol):
    """The bank as the wallet needs it; `app/registry.py` plugs a channel in.

    It never raises for a bank's no or silence, never repeats a request under another reference, and always comes back
    within its own time-out. Submitting the same reference again is safe.
    """

    async def submit(self, transfer: BankTransfer, account: LinkedAccount) -> BankAnswer:
        """Ask the bank to move the money. Silence is UNKNOWN, never FAILED."""
        ...

    async def inquire(self, transfer: BankTransfer) -> BankAnswer:
        """Ask what became of it."""
        ...

    async def start_link(self, question: BankLinkQuestion) -> BankLinkAnswer:
        """Ask whether an account is this person's; if so the bank sends its holder a code, once a reference."""
        ...

    async def confirm_link(self, reference: str, code: str) -> BankLinkAnswer:
        """Show the code. After UNKNOWN it is not shown again: inquire."""
        ...

    async def inquire_link(self, reference: str) -> BankLinkAnswer:
        """Ask what became of a link."""
        ...

    async def reserve_minor(self, currency: str) -> int:
        """What the bank says our reserve account holds. Refuses `bank_unavailable`."""
        ...
