"""The chart of accounts of an institution that keeps money for others.

Customers' money and the reserve that backs it are kept apart from the institution's own (the reserve is not the
institution's property: PBOC Order [2021] No. 1). Amounts are signed with credit positive, so a liability that we owe is
positive and an asset that we have is negative; `normal` says on which side a reader expects the balance.

Restricted money (see `colours.py`) is kept in its own colour beside the plain money that backs it: what was issued and
redeemed of a colour stands in 9101 and 9102 in that colour, the plain money behind it in 2401.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import msgspec

from tongbao.kernel.ids import named_id

AccountType = Literal["asset", "liability", "equity", "income", "expense"]


class ChartLine(msgspec.Struct, frozen=True):
    """One line of the chart. `owned`: one account an owner; otherwise one a currency, the institution's own.

    `overdraft`: the balance may fall below zero (in the credit-positive sense), as an asset's does when it grows; other
    accounts are opened with a floor of zero. `lowest_floor_minor` and `highest_ceiling_minor` bound what may be agreed for
    a single account later (None: no bound). `by_hand` false: only the rules of restricted money and of refunds to
    cards post there, no operator and no bulk.
    """

    code: str
    type: AccountType
    zh: str
    en: str
    owned: bool = False
    overdraft: bool = False
    lowest_floor_minor: int | None = 0
    highest_ceiling_minor: int | None = None
    by_hand: bool = True

    @property
    def normal(self) -> Literal["debit", "credit"]:
        """The side on which this line's balance usually stands."""
        return "debit" if self.type in ("asset", "expense") else "credit"

    @property
    def floor_minor(self) -> int | None:
        """The floor of a new account."""
        return None if self.overdraft else 0

    def allows_floor(self, floor_minor: int | None) -> bool:
        """Whether an account of this line may have that floor."""
        if self.overdraft:
            return True
        return floor_minor is not None and (self.lowest_floor_minor is None or floor_minor >= self.lowest_floor_minor)

    def allows_ceiling(self, ceiling_minor: int | None) -> bool:
        """Whether an account of this line may have that ceiling. The institution's own accounts have none: money that is on
        its way must always find them open."""
        if ceiling_minor is None:
            return True
        return self.owned and ceiling_minor >= 0 and (
            self.highest_ceiling_minor is None or ceiling_minor <= self.highest_ceiling_minor
        )  # fmt: skip


RESERVE = ChartLine("1001", "asset", "客户备付金存款", "Customer reserve at bank", overdraft=True)
#: What a network of cards has taken from cards for us and will pay into the reserve, less what it gave back to them.
CARD_RECEIVABLE = ChartLine("1101", "asset", "应收银行卡清算款", "Due from the card network", overdraft=True)
CUSTOMER_WALLET = ChartLine("2001", "liability", "客户钱包余额", "Customer wallets", owned=True)
MERCHANT_BALANCE = ChartLine("2101", "liability", "商户待结算余额", "Merchant balances", owned=True)
WITHDRAWALS_IN_TRANSIT = ChartLine("2301", "liability", "在途提现", "Withdrawals in transit")
CARD_REFUNDS = ChartLine("2302", "liability", "在途银行卡退款", "Refunds on their way to cards", by_hand=False)
COLOUR_FUNDS = ChartLine("2401", "liability", "专用资金准备", "Funds behind restricted money", owned=True, by_hand=False)
RETAINED_EARNINGS = ChartLine("3001", "equity", "未分配利润", "Retained earnings", overdraft=True)
OPENING_BALANCES = ChartLine("3901", "equity", "期初余额", "Opening balances", overdraft=True)
#: May stand on the other side: once a period's income has been carried forward, a refund still gives back a fee of it.
FEES = ChartLine("4001", "income", "手续费收入", "Fee income", overdraft=True)
COLOUR_ISSUED = ChartLine("9101", "asset", "已发行专用资金", "Restricted money issued", overdraft=True, by_hand=False)
COLOUR_REDEEMED = ChartLine("9102", "asset", "已核销专用资金", "Restricted money redeemed", by_hand=False)

CHART: dict[str, ChartLine] = {
    line.code: line
    for line in (
        RESERVE, CARD_RECEIVABLE, CUSTOMER_WALLET, MERCHANT_BALANCE, WITHDRAWALS_IN_TRANSIT, CARD_REFUNDS, COLOUR_FUNDS,
        RETAINED_EARNINGS, OPENING_BALANCES, FEES, COLOUR_ISSUED, COLOUR_REDEEMED,
    )
}  # fmt: skip


def coloured(currency: str, colour: str) -> str:
    """What rows call a currency of a colour; plain money has the colour ""."""
    return f"{currency}:{colour}" if colour else currency


def account_id(line: ChartLine, currency: str, owner_id: UUID | None = None) -> UUID:
    """The account of `line` in `currency`, an owner's where the line has owners. The same for ever, so nobody looks it up."""
    if line.owned != (owner_id is not None):
        raise ValueError(f"{line.code} {'needs' if line.owned else 'has no'} owner")
    return named_id("account", line.code, currency, str(owner_id) if owner_id else "")
