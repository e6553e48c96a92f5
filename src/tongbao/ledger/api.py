"""The ledger as other modules see it."""

from tongbao.ledger.chart import (
    CHART,
    CUSTOMER_WALLET,
    FEES,
    MERCHANT_BALANCE,
    RESERVE,
    WITHDRAWALS_IN_TRANSIT,
    AccountType,
    ChartLine,
    account_id,
)
from tongbao.ledger.rules import (
    DECIDERS,
    CaptureHold,
    Leg,
    Place,
    PlaceHold,
    VoidHold,
    account_at,
    account_keys,
    post,
    require_positive,
)
from tongbao.ledger.types import ACCOUNT, ENTRY, HOLD, JOURNAL, QUERIES, Account, Entry, Hold, Journal

__all__ = [
    "ACCOUNT", "CHART", "CUSTOMER_WALLET", "DECIDERS", "ENTRY", "FEES", "HOLD", "JOURNAL", "MERCHANT_BALANCE", "QUERIES",
    "RESERVE", "WITHDRAWALS_IN_TRANSIT", "Account", "AccountType", "CaptureHold", "ChartLine", "Entry", "Hold", "Journal", "Leg",
    "Place", "PlaceHold",    "VoidHold", "account_at", "account_id", "account_keys", "post", "require_positive",
]  # fmt: skip
