"""What accounts and currencies are called in Beancount, and back.

    Liabilities:2001-Customer-wallets:0198C1…      a line of the chart, and the owner where the line has owners
    CNY, CNY.CANTEEN-2026                          a currency, and one of its colours

Source: Beancount Language Syntax, "Accounts" and "Commodities / Currencies".
"""

from __future__ import annotations

import re
from hashlib import blake2b
from uuid import UUID

from tongbao.ledger.chart import CHART, AccountType, ChartLine

_ROOTS: dict[AccountType, str] = {
    "asset": "Assets", "liability": "Liabilities", "equity": "Equity", "income": "Income", "expense": "Expenses",
}  # fmt: skip
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9]+")
_COMMODITY = re.compile(r"[A-Z][A-Z0-9'._-]{0,22}[A-Z0-9]")


def account_name(code: str, owner_id: UUID | None) -> str:
    """The Beancount account of a line of the chart, or of an owner on it."""
    line = CHART[code]
    title = _NOT_IN_NAMES.sub("-", line.en).strip("-")
    return f"{_ROOTS[line.type]}:{code}-{title}" + (f":{str(owner_id).upper()}" if owner_id else "")


def account_named(name: str) -> tuple[ChartLine, UUID | None] | None:
    """What `account_name` was told, or None for a name that is not ours."""
    parts = name.split(":")
    line = CHART.get(parts[1].partition("-")[0]) if len(parts) in (2, 3) else None
    if line is None or parts[0] != _ROOTS[line.type] or line.owned != (len(parts) == 3):
        return None
    try:
        return line, UUID(parts[2]) if line.owned else None
    except ValueError:
        return None


def commodity(currency: str) -> str:
    """The Beancount commodity of a currency's text. A colour whose name has no such spelling gets a digest of it."""
    code, _, colour = currency.partition(":")
    if not colour:
        return code
    name = f"{code}.{colour.upper()}"
    return name if _COMMODITY.fullmatch(name) else f"{code}.X{blake2b(colour.encode(), digest_size=8).hexdigest().upper()}"
