"""Which parts make up the product: one explicit line each."""

from __future__ import annotations

from typing import Any

from tongbao.engine.api import Decider, Relation
from tongbao.identity import rules as identity
from tongbao.ledger import api as ledger
from tongbao.merchants import rules as merchants
from tongbao.payments import rules as payments
from tongbao.wallet import rules as wallet

#: Packages with a `migrations/` folder, in the order in which they may rely on each other.
MIGRATIONS = (
    "tongbao.engine",
    "tongbao.ledger",
    "tongbao.identity",
    "tongbao.merchants",
    "tongbao.wallet",
    "tongbao.payments",
)

#: Everything the engine can decide.
DECIDERS: tuple[Decider[Any], ...] = (
    *ledger.DECIDERS,
    *identity.DECIDERS,
    *merchants.DECIDERS,
    *wallet.DECIDERS,
    *payments.DECIDERS,
)

#: Relations whose rows are hashed into the audit chain.
CHAINED: tuple[Relation[Any], ...] = (ledger.JOURNAL, ledger.ENTRY)
