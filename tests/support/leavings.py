"""What commands leave behind in the memory store, for tests that compare whole rows and whole events."""

from __future__ import annotations

from typing import Any

import msgspec

from tongbao.engine.api import MemoryStore, Relation
from tongbao.engine.relation import Row


def rows(store: MemoryStore, relation: Relation[Row]) -> list[Row]:
    """All rows of a relation, in the order in which they were first written."""
    if relation.append_only:
        return list(store.tables.appended.get(relation, ()))
    return list(store.tables.table(relation).values())


def events(store: MemoryStore, topic: str = "") -> list[tuple[str, str, dict[str, Any]]]:
    """(topic, kind, payload) of every event, of those topics that begin with `topic`, as listeners get them."""
    told = [(each.topic, each.kind, msgspec.json.decode(each.payload)) for each in store.tables.events]
    return [each for each in told if each[0].startswith(topic)]
