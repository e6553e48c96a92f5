"""The chart of accounts: every line as it is, and what may be agreed for accounts of it."""

from __future__ import annotations

from typing import get_args
from uuid import UUID

import pytest

from tongbao.kernel.ids import named_id
from tongbao.ledger.chart import CHART, AccountType, ChartLine, account_id, coloured
from tongbao.ledger.colours import funds_of
from tongbao.ledger.commands import PlaceName
from tongbao.ledger.rules import Place, place_of

OWNER = UUID(int=7, version=4)

#: code, type, zh, en, then: owned, overdraft, may be posted to by hand.
LINES = """
1001 asset     客户备付金存款 Customer reserve at bank       - overdraft hand
1101 asset     应收银行卡清算款 Due from the card network   - overdraft hand
2001 liability 客户钱包余额 Customer wallets                 owned - hand
2101 liability 商户待结算余额 Merchant balances              owned - hand
2301 liability 在途提现 Withdrawals in transit               - - hand
2302 liability 在途银行卡退款 Refunds on their way to cards  - - -
2401 liability 专用资金准备 Funds behind restricted money    owned - -
3001 equity    未分配利润 Retained earnings                  - overdraft hand
3901 equity    期初余额 Opening balances                     - overdraft hand
4001 income    手续费收入 Fee income                         - overdraft hand
9101 asset     已发行专用资金 Restricted money issued        - overdraft -
9102 asset     已核销专用资金 Restricted money redeemed      - - -
"""


def told(line: ChartLine) -> str:
    flags = (line.owned and "owned", line.overdraft and "overdraft", line.by_hand and "hand")
    return " ".join([line.code, line.type, line.zh, line.en, *(flag or "-" for flag in flags)])


def test_the_chart_is_this() -> None:
    assert [told(line) for _, line in sorted(CHART.items())] == [" ".join(each.split()) for each in LINES.strip().splitlines()]
    assert all(code == line.code for code, line in CHART.items())
    assert {line.type for line in CHART.values()} <= set(get_args(AccountType))


@pytest.mark.parametrize(
    ("kind", "side"),
    [("asset", "debit"), ("expense", "debit"), ("liability", "credit"), ("equity", "credit"), ("income", "credit")],
)
def test_assets_and_expenses_are_normally_in_debit(kind: AccountType, side: str) -> None:
    assert ChartLine("0", kind, "", "").normal == side


@pytest.mark.parametrize(
    ("lowest", "floor", "allowed"),
    [(0, 0, True), (0, -1, False), (0, 5, True), (-10, -10, True), (-10, -11, False), (None, -(10**9), True), (None, None, False),
     (0, None, False)],
)  # fmt: skip
def test_a_floor_is_within_what_its_line_allows(lowest: int | None, floor: int | None, allowed: bool) -> None:
    assert ChartLine("0", "liability", "", "", owned=True, lowest_floor_minor=lowest).allows_floor(floor) is allowed


@pytest.mark.parametrize(
    ("owned", "highest", "ceiling", "allowed"),
    [
        (True, None, 0, True), (True, None, -1, False), (True, None, 10**9, True), (True, None, None, True),
        (True, 100, 100, True), (True, 100, 101, False), (True, 100, 0, True), (False, None, 5, False), (False, None, None, True),
    ],
)  # fmt: skip
def test_a_ceiling_is_within_what_its_line_allows(owned: bool, highest: int | None, ceiling: int | None, allowed: bool) -> None:
    line = ChartLine("0", "liability", "", "", owned=owned, highest_ceiling_minor=highest)
    assert line.allows_ceiling(ceiling) is allowed


def test_an_account_is_named_by_line_currency_and_owner() -> None:
    """For ever: what is posted once is found again by this name."""
    assert account_id(CHART["2001"], "CNY", OWNER) == named_id("account", "2001", "CNY", str(OWNER))
    assert account_id(CHART["1001"], "CNY", None) == named_id("account", "1001", "CNY", "")
    for line, owner in ((CHART["2001"], None), (CHART["1001"], OWNER)):
        with pytest.raises(ValueError, match="owner"):
            account_id(line, "CNY", owner)


def test_a_colour_is_part_of_the_currency() -> None:
    assert coloured("CNY", "canteen") == "CNY:canteen" and coloured("CNY", "") == "CNY"
    place = Place(CHART["2001"], "CNY", OWNER, "canteen")
    named = place_of(PlaceName("2001", "CNY:canteen", OWNER))
    assert named == place and (named.currency, named.colour, named.money) == ("CNY", "canteen", "CNY:canteen")
    assert place.account_id == named_id("account", "2001", "CNY:canteen", str(OWNER))
    assert funds_of("canteen", "CNY") == Place(CHART["2401"], "CNY", named_id("colour", "canteen"))
