"""The ledger as other modules see it."""

from tongbao.ledger import accounts, book, bulk, colours, holds, journals
from tongbao.ledger.book import BOOK_KEY, day_in, the_book, value_day
from tongbao.ledger.chart import (
    CARD_RECEIVABLE,
    CARD_REFUNDS,
    CHART,
    COLOUR_FUNDS,
    COLOUR_ISSUED,
    COLOUR_REDEEMED,
    CUSTOMER_WALLET,
    FEES,
    MERCHANT_BALANCE,
    OPENING_BALANCES,
    RESERVE,
    RETAINED_EARNINGS,
    WITHDRAWALS_IN_TRANSIT,
    AccountType,
    ChartLine,
    account_id,
    coloured,
)
from tongbao.ledger.colours import funds_of, holding_of, may_spend, spend, spend_keys
from tongbao.ledger.commands import (
    MOST_POSTINGS,
    AccountLeg,
    BulkPosted,
    CaptureHold,
    DraftJournal,
    DraftLeg,
    ExpireHolds,
    HoldRef,
    ManyLegs,
    OpenAccounts,
    PlaceHold,
    PlaceName,
    PostBulk,
    Posting,
    PostLinked,
    ReverseJournal,
    VoidHold,
)
from tongbao.ledger.rules import (
    Draft,
    Leg,
    Place,
    account_at,
    account_keys,
    place_of,
    post,
    post_linked,
    require_positive,
)
from tongbao.ledger.types import (
    ACCOUNT,
    BOOK,
    COLOUR,
    COLOUR_MERCHANT,
    ENTRY,
    HOLD,
    JOURNAL,
    LEDGER_DAY,
    QUERIES,
    REVERSAL,
    Account,
    Book,
    Colour,
    Entry,
    Hold,
    Journal,
    LedgerDay,
    Reversal,
)

DECIDERS = (
    *accounts.DECIDERS,
    *holds.DECIDERS,
    *journals.DECIDERS,
    *bulk.DECIDERS,
    *book.DECIDERS,
    *colours.DECIDERS,
)

__all__ = [
    "ACCOUNT", "Account", "AccountLeg", "AccountType", "BOOK", "BOOK_KEY", "Book", "BulkPosted", "CARD_RECEIVABLE",
    "CARD_REFUNDS", "CHART", "COLOUR", "COLOUR_FUNDS", "COLOUR_ISSUED", "COLOUR_MERCHANT", "COLOUR_REDEEMED",
    "CUSTOMER_WALLET", "CaptureHold", "ChartLine", "Colour", "DECIDERS", "Draft", "DraftJournal", "DraftLeg", "ENTRY",
    "Entry", "ExpireHolds", "FEES", "HOLD", "Hold", "HoldRef", "JOURNAL", "Journal", "LEDGER_DAY", "LedgerDay", "Leg",
    "MERCHANT_BALANCE", "MOST_POSTINGS", "ManyLegs", "OPENING_BALANCES", "OpenAccounts", "Place", "PlaceHold", "PlaceName",
    "PostBulk", "PostLinked", "Posting", "QUERIES", "RESERVE", "RETAINED_EARNINGS", "REVERSAL", "Reversal", "ReverseJournal",
    "VoidHold", "WITHDRAWALS_IN_TRANSIT", "account_at", "account_id", "account_keys", "coloured", "day_in", "funds_of",
    "holding_of", "may_spend", "place_of", "post", "post_linked", "require_positive", "spend", "spend_keys", "the_book",
    "value_day",
]  # fmt: skip
