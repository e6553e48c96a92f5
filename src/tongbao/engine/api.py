"""The engine as other modules see it."""

from tongbao.engine.engine import Engine, Limits, accepted
from tongbao.engine.memory import MemoryStore, MemoryTables
from tongbao.engine.postgres import PostgresStore
from tongbao.engine.relation import Relation
from tongbao.engine.sealing import Sealer
from tongbao.engine.store import Store
from tongbao.engine.types import Accepted, Command, Decider, Decision, Declined, Key, NotAtHand, Outcome, View, at_once, keys_of

__all__ = [
    "Accepted", "Command", "Decider", "Decision", "Declined", "Engine", "Key", "Limits", "MemoryStore", "MemoryTables",
    "NotAtHand", "Outcome", "PostgresStore", "Relation", "Sealer", "Store", "View", "accepted", "at_once", "keys_of",
]  # fmt: skip
