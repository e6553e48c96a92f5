"""Rows and commands of payments that draw on several sources."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from tongbao.engine.api import Command, Relation
from tongbao.identity.types import UNSAID, Confirmation
from tongbao.kernel.ids import named_id

SourceName = Literal["balance", "card", "voucher"]
PartState = Literal["HELD", "TAKEN", "FREED"]
CardRequestKind = Literal["debit", "refund"]
CardRequestState = Literal["ASKED", "SUCCEEDED", "REFUSED"]
#: Why a card did not pay: what the network said, or that it never heard of it.
CardReason = Literal["insufficient", "limit", "card_closed", "risk", "refused", "never_arrived"]

MOST_PARTS = 5


class Part(msgspec.Struct, frozen=True, gc=False):
    """What a payment draws on one source. `which`: the card's id, or the colour of a voucher; empty for the balance."""

    source: SourceName
    amount_minor: int
    which: str = ""


class Funding(msgspec.Struct, frozen=True, gc=False):
    """A part of a payment. `number` counts from 1 to `parts`. HELD while a card is asked; FREED where it said no, and written
    anew when the order is paid again; TAKEN for good. `attempt_id`: the debit, where a
    card is among them. A payment from the balance alone has no such row."""

    payment_id: UUID
    number: int
    parts: int
    attempt_id: UUID
    source: SourceName
    which: str
    amount_minor: int
    currency: str
    refunded_minor: int
    state: PartState

    @property
    def part(self) -> Part:
        """The part as its payer named it."""
        return Part(self.source, self.amount_minor, self.which)


class CardRequest(msgspec.Struct, frozen=True, gc=False):
    """What the network of cards is asked for: a debit, or that part of one is given back. `request_id` is the reference by which
    the network knows it.

    ASKED ─▶ SUCCEEDED | REFUSED     the network's word, or for a debit: it never heard of it and never will

    `debit_id`: what a refund gives back of. `refund_id`: whose part it is; None for the undoing of a whole payment, and for a
    debit that came too late. `reason`: see `CardReason`. `counted`: where the rules counted the balance's part and the card's.
    `instrument`: by whose own caps the whole payment was counted.
    `next_attempt_at`: when to ask what became of it.
    """

    request_id: UUID
    kind: CardRequestKind
    payment_id: UUID
    payer_id: UUID
    merchant_id: UUID
    card_id: UUID
    debit_id: UUID | None
    refund_id: UUID | None
    amount_minor: int
    currency: str
    state: CardRequestState
    reason: str
    counted: str
    counted_card: str
    attempts: int
    next_attempt_at: datetime | None
    network_reference: str | None
    asked_at: datetime
    finished_at: datetime | None
    instrument: int | None = None


FUNDING: Relation[Funding] = Relation("funding", Funding, key=("payment_id", "number"), rank=405)
CARD_REQUEST: Relation[CardRequest] = Relation("card_request", CardRequest, key=("request_id",), rank=415)


def debit_id_of(command_id: UUID) -> UUID:
    """The debit that a payer's wish asks for: one wish, one debit."""
    return named_id("card debit", str(command_id))


def giving_back_id_of(cause_id: UUID) -> UUID:
    """What gives back to a card, by what it is given back for: a refund, or the debit itself."""
    return named_id("card refund", str(cause_id))


class PayInParts(Command, frozen=True, kw_only=True):
    """A customer pays an order from several sources, or from another than the balance. Amount, currency and parts are what they
    saw. `out_trade_no`: set where there was no order before it (a static code), with `store_id` and `subject`."""

    kind = "payments.pay_in_parts"
    payment_id: UUID
    merchant_id: UUID
    payer_id: UUID
    amount_minor: int
    currency: str
    method: str
    parts: tuple[Part, ...]
    confirmation: Confirmation
    store_id: UUID | None = None
    out_trade_no: str = ""
    subject: str = ""

    def hashed(self) -> PayInParts:
        return msgspec.structs.replace(self, confirmation=UNSAID)


class _SettleCardRequest(Command, frozen=True, kw_only=True):
    """All but the answer repeats the request, so that its rows are known. UNKNOWN: nobody knows yet, to be asked again in
    `retry_in_s`."""

    request_id: UUID
    payment_id: UUID
    merchant_id: UUID
    payer_id: UUID
    currency: str
    state: Literal["SUCCEEDED", "REFUSED", "UNKNOWN"]
    reason: str = ""
    network_reference: str | None = None
    retry_in_s: int = 0


class SettleCardDebit(_SettleCardRequest, frozen=True, kw_only=True):
    """Record what became of a debit. `parts` are those of the payment."""

    kind = "payments.settle_card_debit"
    parts: tuple[Part, ...]


class SettleCardRefund(_SettleCardRequest, frozen=True, kw_only=True):
    """Record what became of giving back to a card."""

    kind = "payments.settle_card_refund"
    refund_id: UUID | None


def card_part(parts: Sequence[Part]) -> Part | None:
    """The part that a card pays, if one does: there is one at most."""
    return next((part for part in parts if part.source == "card"), None)
