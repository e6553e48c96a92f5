"""The chart of accounts of an institution that keeps money for others.

Customers' money and the reserve that backs it are kept apart from the institution's own (the reserve is not the
institution's property: PBOC Order [2021] No. 1). Amounts are signed with credit positive, so a liability that we owe is
positive and an asset that we have is negative; `normal` says on which side a reader expects the balance.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import msgspec

from tongbao.kernel.ids import named_id

AccountType = Literal["asset", "liability", "equity", "income", "expense"]


class ChartLine(msgspec.Struct, frozen=True):
    """One line of the chart. `owned`: one account an owner; otherwise one a currency, the institution's own.

    `overdraft`: the balance may fall below zero (in the credit-positive sense), as an asset's does when it grows.
    """

    code: str
    type: AccountType
    zh: str
    en: str
    owned: bool = False
    overdraft: bool = False

    @property
    def normal(self) -> Literal["debit", "credit"]:
        """The side on which this line's balance usually stands."""
        return "debit" if self.type in ("asset", "expense") else "credit"


RESERVE = ChartLine("1001", "asset", "客户备付金存款", "Customer reserve at bank", overdraft=True)
CUSTOMER_WALLET = ChartLine("2001", "liability", "客户钱包余额", "Customer wallets", owned=True)
MERCHANT_BALANCE = ChartLine("2101", "liability", "商户待结算余额", "Merchant balances", owned=True)
WITHDRAWALS_IN_TRANSIT = ChartLine("2301", "liability", "在途提现", "Withdrawals in transit")
FEES = ChartLine("4001", "income", "手续费收入", "Fee income")

CHART: dict[str, ChartLine] = {
    line.code: line for line in (RESERVE, CUSTOMER_WALLET, MERCHANT_BALANCE, WITHDRAWALS_IN_TRANSIT, FEES)
}


def account_id(line: ChartLine, currency: str, owner_id: UUID | None = None) -> UUID:
    """The account of `line` in `currency`, an owner's where the line has owners. The same for ever, so nobody looks it up."""
    if line.owned != (owner_id is not None):
        raise ValueError(f"{line.code} {'needs' if line.owned else 'has no'} owner")
    return named_id("account", line.code, currency, str(owner_id) if owner_id else "")
