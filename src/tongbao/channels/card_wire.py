"""The bodies that travel between `HttpCards` and the card network, in the network's own words, and how they read in ours."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from tongbao.channels.cards import BindingAnswer, BoundCard, CardAnswer, CardRefusal
from tongbao.channels.wire import BankCode

BindingStatus = Literal["CODE_SENT", "WRONG_CODE", "BOUND", "REFUSED", "ENDED"]
CardOperation = Literal["debit", "refund"]

#: Where the network's reason has a counterpart of ours; every other reads as `refused`.
_NORMALISED: dict[str, CardRefusal] = {
    "NSF": "insufficient",
    "OVER_LIMIT": "limit",
    "ACCT_CLOSED": "card_closed",
    "SUSPECTED_FRAUD": "risk",
}


class CardReport(msgspec.Struct, frozen=True):
    """The network's view of one debit or refund: the answer to a request and to an inquiry alike."""

    reference: UUID
    kind: CardOperation
    amount_minor: int
    currency: str
    status: Literal["SUCCESS", "FAIL", "PROCESSING"]
    code: BankCode | None
    serial: str
    at: datetime


class BindingReport(msgspec.Struct, frozen=True):
    """The network's view of one binding: the answer to all three questions about it."""

    reference: UUID
    status: BindingStatus
    card: BoundCard | None = None


class Token(msgspec.Struct, frozen=True):
    """A token that is given back."""

    token: str


class Unbound(msgspec.Struct, frozen=True):
    """The token pays no more."""

    unbound: Literal[True] = True


def read_operation(report: CardReport) -> CardAnswer:
    """What a report says, in our words. "Processing" is not known yet."""
    if report.status == "SUCCESS":
        return CardAnswer("SUCCEEDED", report.serial, None, report.at)
    if report.status == "FAIL":
        return CardAnswer("REFUSED", report.serial, _NORMALISED.get(report.code or "", "refused"), report.at)
    return CardAnswer("UNKNOWN", report.serial)


def read_binding(report: BindingReport) -> BindingAnswer:
    """What a report says, in our words: a card that is bound without saying as what is not known to be."""
    if report.status == "BOUND":
        return BindingAnswer("BOUND", report.card) if report.card is not None else BindingAnswer("UNKNOWN")
    return BindingAnswer(report.status)
