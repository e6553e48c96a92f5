"""What an engine remembers of the rows it has read and written, within bounds.

Two generations: what is used moves to the young one; when that is full it becomes the old one, and what nobody used in the
meantime is forgotten. A row of a batch that is not committed yet must not be forgotten, or it would be read anew as it was
before; so generations change only between batches, and never twice while one of the two is under way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

V = TypeVar("V")
_MISSING: Any = object()


class Remembered(Generic[V]):
    """A bounded memory by key. None is a value: "there is no such row" is worth remembering too."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._young: dict[Any, V] = {}
        self._old: dict[Any, V] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def find(self, keys: Iterable[Any], into: dict[Any, V]) -> list[Any]:
        """Put what is remembered into `into`, unless it is there; answer the keys that are not remembered."""
        young, old = self._young, self._old
        missing = []
        put = into.setdefault
        for key in keys:
            value = young.get(key, _MISSING)
            if value is _MISSING:
                if key in into:
                    continue
                value = old.get(key, _MISSING)
                if value is _MISSING:
                    missing.append(key)
                    continue
                young[key] = value
            put(key, value)
        return missing

    def get(self, key: Any) -> V | None:
        """One value; None also where nothing is remembered."""
        value = self._young.get(key)
        return value if value is not None else self._old.get(key)

    def update(self, values: Mapping[Any, V]) -> None:
        """Remember these."""
        self._young.update(values)

    def age(self) -> None:
        """Between batches: forget what has not been used for long, if there is much."""
        if len(self._young) > self._most:
            self._old, self._young = self._young, {}

    def forget(self) -> None:
        """Everything."""
        self._young, self._old = {}, {}
