"""What we say to a bank and what it may answer.

submit ──→ SUCCEEDED   the money moved: final
       ├─→ FAILED      the bank said no, provably: final, nothing moved and nothing will under this reference
       └─→ UNKNOWN     everything else: no answer, half an answer, "processing" ── inquire ──→ any of the three, or NotFound
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Literal, Protocol

import msgspec

from tongbao.channels.errors import BANK_REFERENCE_MALFORMED
from tongbao.kernel.errors import Refusal

TransferKind = Literal["debit", "credit"]
TransferState = Literal["SUCCEEDED", "FAILED", "UNKNOWN"]
LinkState = Literal["CODE_SENT", "WRONG_CODE", "LINKED", "REFUSED", "ENDED", "UNKNOWN"]
FailureCode = Literal["insufficient_funds", "account_closed", "limit_exceeded", "refused"]

_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class BankRequest(msgspec.Struct, frozen=True):
    """One movement of money. `reference` is ours, made and stored before the first attempt; it binds to this very body for ever.

    debit: the bank takes from the customer's account and pays our reserve account (a top-up).
    credit: the reverse (a withdrawal).
    """

    reference: str
    kind: TransferKind
    account_number: str
    holder_name: str
    amount_minor: int
    currency: str


class BankAnswer(msgspec.Struct, frozen=True):
    """What is known of a transfer. `failure_code` is set exactly when FAILED; `at` is when the bank decided, in UTC.

    `insufficient_funds` speaks of the account that the money would leave: the customer's in a debit, our reserve in a credit.
    """

    state: TransferState
    bank_reference: str | None = None
    failure_code: FailureCode | None = None
    at: datetime | None = None


class NotFound(msgspec.Struct, frozen=True):
    """The bank has never heard of this reference, *so far*.

    It proves nothing while a request may still be on its way: only resubmit under the same reference, never under a new one.
    """

    reference: str


class LinkRequest(msgspec.Struct, frozen=True):
    """Whether an account is this person's, by the four elements that banks compare. `reference` is ours, kept before the first
    attempt. `phone`: E.164, as the holder left it with the bank.

    Source: Yinjianfa [2014] 10, Arts. 3 and 4 (who links an account is verified by its bank too, by two factors).
    """

    reference: str
    account_number: str
    holder_name: str
    document_number: str
    phone: str


class LinkAnswer(msgspec.Struct, frozen=True):
    """What is known of a link.

    CODE_SENT   the four agree, and the bank has sent the holder a code;  WRONG_CODE  the same, and the code shown was another
    LINKED      the code was right: final
    REFUSED     something of the four is different; which, the bank does not say: final
    ENDED       too late, too many wrong codes, or never heard of: final
    UNKNOWN     no certain answer: inquire
    """

    state: LinkState


class StatementLine(msgspec.Struct, frozen=True):
    """One movement of our reserve account. `amount_minor` is always positive; `kind` says which way, as in `BankRequest`."""

    at: datetime
    bank_reference: str
    reference: str
    kind: TransferKind
    account_number: str
    amount_minor: int
    currency: str
    reserve_balance_minor: int


class BankChannel(Protocol):
    """A bank that holds our reserve account and our customers' accounts.

    It may: open and pool connections, sign, verify, time out, and say that it does not know.

    It must never:
    - touch our database: the caller commits the intent before, and records the answer after;
    - raise for a bank's no, nor for silence: `submit` and `inquire` answer FAILED and UNKNOWN;
    - answer FAILED without proof: a time-out, a reset connection, a 5xx, an unparsable or unverified answer is UNKNOWN;
    - repeat a request by itself under another reference, nor change any field of it.

    Implementations are safe to call from many tasks at once and pass `tests/channels/test_bank_conformance.py`.
    """

    async def submit(self, request: BankRequest) -> BankAnswer:
        """Ask the bank to move the money. Idempotent by `reference` on the bank's side, so it may be called again after UNKNOWN.

        Refuses `bank_reference_conflict` when the bank knows the reference for another body, and `bank_reference_malformed`:
        both are bugs of the caller, and say nothing about the earlier transfer.
        """
        ...

    async def inquire(self, reference: str) -> BankAnswer | NotFound:
        """Ask what became of `reference`. Moves nothing. Refuses `bank_reference_malformed`."""
        ...

    async def start_link(self, request: LinkRequest) -> LinkAnswer:
        """Ask whether an account is this person's; if so the bank sends its holder a code. Idempotent by `reference`: asked again
        no second code goes out. Refuses `bank_reference_conflict`, `bank_reference_malformed`."""
        ...

    async def confirm_link(self, reference: str, code: str) -> LinkAnswer:
        """Show the code that its holder typed. Each wrong one counts, so it is never shown again by itself: after UNKNOWN,
        inquire. Refuses `bank_reference_malformed`."""
        ...

    async def inquire_link(self, reference: str) -> LinkAnswer:
        """Ask what became of a link. Changes nothing. Refuses `bank_reference_malformed`."""
        ...

    async def reserve_balance(self, currency: str) -> int:
        """Minor units on our reserve account; 0 where none is open. Refuses `bank_unavailable`."""
        ...

    async def statement(self, day: date) -> list[StatementLine]:
        """Every movement of our reserve account on a UTC day, in the order of the bank's books. Refuses `bank_unavailable`."""
        ...

    async def close(self) -> None:
        """Let go of connections. The channel is not used afterwards."""
        ...


def check_reference(reference: str) -> None:
    """Refuse `bank_reference_malformed` unless the reference can travel in a path unchanged."""
    if _REFERENCE.fullmatch(reference) is None:
        raise Refusal(BANK_REFERENCE_MALFORMED)
