"""What the simulated bank agrees to: pure rules, shared by the program's books and by `MemoryBank`."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

import msgspec

from tongbao.channels.types import BankRequest
from tongbao.channels.wire import BankCode
from tongbao.kernel.money import CURRENCIES, MAX_AMOUNT_MINOR

#: One transfer may not be above this many minor units, unless the bank is started with another limit.
DEFAULT_LIMIT_MINOR = 500_000_00

_ACCOUNT_NUMBER = re.compile(r"[0-9]{8,32}")
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Account(msgspec.Struct, frozen=True):
    """A customer's account at the bank. `phone`, `document_number`: as the holder left them with the bank."""

    number: str
    holder_name: str
    phone: str
    currency: str
    balance_minor: int
    state: Literal["open", "closed"] = "open"
    document_number: str = ""


def malformed(request: BankRequest) -> bool:
    """Whether the bank would not even record this request."""
    return (
        _REFERENCE.fullmatch(request.reference) is None
        or _ACCOUNT_NUMBER.fullmatch(request.account_number) is None
        or request.currency not in CURRENCIES
        or not 0 < request.amount_minor <= MAX_AMOUNT_MINOR
        or not 0 < len(request.holder_name) <= 200
    )


def judge(request: BankRequest, account: Account | None, *, reserve_minor: int, limit_minor: int) -> BankCode | None:
    """The bank's reason for a no, or None when the money may move. The order of the checks is the order of precedence."""
    if account is None:
        return "NO_SUCH_ACCOUNT"
    if account.state == "closed":
        return "ACCT_CLOSED"
    if not same_name(account.holder_name, request.holder_name):
        return "NAME_MISMATCH"
    if account.currency != request.currency:
        return "WRONG_CURRENCY"
    if request.amount_minor > limit_minor:
        return "OVER_LIMIT"
    available = account.balance_minor if request.kind == "debit" else reserve_minor
    if request.amount_minor > available:
        return "NSF"
    return None


def same_name(left: str, right: str) -> bool:
    """Names agree when they differ only in case, width and spacing."""
    return _folded(left) == _folded(right)


def luhn_digit(body: str) -> str:
    """The check digit that completes a card number. Source: ISO/IEC 7812-1, Annex B."""
    doubled = (int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body)))
    return str(-sum(value - 9 if value > 9 else value for value in doubled) % 10)


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
