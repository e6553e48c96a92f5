"""The bodies that travel between `HttpBank` and the bank, in the bank's own words, and how they read in ours."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from tongbao.channels.types import BankAnswer, FailureCode, TransferKind

#: The bank's own reasons for a no.
BankCode = Literal[
    "NSF", "ACCT_CLOSED", "OVER_LIMIT", "NO_SUCH_ACCOUNT", "NAME_MISMATCH", "WRONG_CURRENCY", "NOT_PERMITTED", "SUSPECTED_FRAUD",
]  # fmt: skip

LinkStatus = Literal["CODE_SENT", "WRONG_CODE", "LINKED", "REFUSED", "ENDED"]

#: Where the bank's reason has a counterpart of ours; every other reads as `refused`.
_NORMALISED: dict[str, FailureCode] = {
    "NSF": "insufficient_funds",
    "ACCT_CLOSED": "account_closed",
    "OVER_LIMIT": "limit_exceeded",
}


class TransferReport(msgspec.Struct, frozen=True):
    """The bank's view of one transfer: the answer to a submission and to an inquiry alike."""

    reference: str
    kind: TransferKind
    account_number: str
    amount_minor: int
    currency: str
    status: Literal["SUCCESS", "FAIL", "PROCESSING"]
    code: str | None
    serial: str
    at: datetime


class Problem(msgspec.Struct, frozen=True):
    """Why the bank did not take a request: `malformed`, `reference_conflict`, `no_such_transfer`, `no_such_account`."""

    problem: str


class LinkReport(msgspec.Struct, frozen=True):
    """The bank's view of one link: the answer to all three questions about it."""

    reference: str
    status: LinkStatus


class LinkCode(msgspec.Struct, frozen=True):
    """A code as its holder typed it."""

    code: str


class ReserveReport(msgspec.Struct, frozen=True):
    currency: str
    balance_minor: int


def normalise(code: str | None) -> FailureCode:
    """The failure code that a bank's reason means to us."""
    return _NORMALISED.get(code or "", "refused")


def read_report(report: TransferReport) -> BankAnswer:
    """What a transfer report says, in our words. "Processing" is not known yet."""
    if report.status == "SUCCESS":
        return BankAnswer("SUCCEEDED", report.serial, None, report.at)
    if report.status == "FAIL":
        return BankAnswer("FAILED", report.serial, normalise(report.code), report.at)
    return BankAnswer("UNKNOWN", report.serial)
