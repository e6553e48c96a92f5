"""What other modules use of the channels: the contracts of a bank and of a card network, the adapters, the simulated banks."""

from tongbao.channels.bank import HttpBank
from tongbao.channels.card_network import HttpCards
from tongbao.channels.cards import (
    ARRIVES_WITHIN,
    BindingAnswer,
    BindingState,
    BoundCard,
    CardAnswer,
    CardBinding,
    CardDebit,
    CardKind,
    CardNetwork,
    CardRefund,
    CardRefusal,
    CardState,
)
from tongbao.channels.errors import (
    BANK_REFERENCE_CONFLICT,
    BANK_REFERENCE_MALFORMED,
    BANK_UNAVAILABLE,
    CARD_DECLINES,
    CARD_REFERENCE_CONFLICT,
    DECLINES,
)
from tongbao.channels.memory import MemoryBank
from tongbao.channels.memory_cards import MemoryCards
from tongbao.channels.simulated.card_rules import DEMO_CARD_EMPTY, DEMO_CARD_EXPIRED, DEMO_CARD_SUSPECT, DEMO_CARDS, Card
from tongbao.channels.simulated.demo import DEMO_ACCOUNTS, DEMO_BALANCE_MINOR, DEMO_CLOSED, DEMO_EMPTY
from tongbao.channels.simulated.faults import MAGIC_AMOUNTS, Fault, FaultKind, Match
from tongbao.channels.simulated.rules import Account
from tongbao.channels.types import (
    BankAnswer,
    BankChannel,
    BankRequest,
    FailureCode,
    LinkAnswer,
    LinkRequest,
    LinkState,
    NotFound,
    StatementLine,
    TransferKind,
    TransferState,
)

# The child process and its back office (`simulated.process`) bring the web server along: import them from there.
__all__ = [
    "ARRIVES_WITHIN", "BANK_REFERENCE_CONFLICT", "BANK_REFERENCE_MALFORMED", "BANK_UNAVAILABLE", "CARD_DECLINES",
    "CARD_REFERENCE_CONFLICT", "DECLINES", "DEMO_ACCOUNTS", "DEMO_BALANCE_MINOR", "DEMO_CARDS", "DEMO_CARD_EMPTY",
    "DEMO_CARD_EXPIRED", "DEMO_CARD_SUSPECT", "DEMO_CLOSED", "DEMO_EMPTY", "MAGIC_AMOUNTS",
    "Account", "BankAnswer", "BankChannel", "BankRequest", "BindingAnswer", "BindingState", "BoundCard", "Card", "CardAnswer",
    "CardBinding", "CardDebit", "CardKind", "CardNetwork", "CardRefund", "CardRefusal", "CardState", "FailureCode", "Fault",
    "FaultKind", "HttpBank", "HttpCards", "LinkAnswer", "LinkRequest", "LinkState", "Match", "MemoryBank", "MemoryCards",
    "NotFound", "StatementLine", "TransferKind", "TransferState",
]  # fmt: skip
