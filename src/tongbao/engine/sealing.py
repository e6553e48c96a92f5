"""Seals: sixteen bytes beside every row that may change, which nobody can make without the installation's key.

A row changed behind the engine's back does not fit its seal. A row deleted, put back to an older version or copied from
elsewhere fits its own seal; therefore each batch's link of the chain says, relation by relation, by how much the sum of all
seals (modulo 2^128) grew: new seals added, old ones taken away. `verify` adds up what is stored and what the links say. An
additive multiset hash over a keyed pseudo-random function is collision-resistant for whoever lacks the key.
Source: D. Clarke et al., "Incremental Multiset Hash Functions and Their Application to Memory Integrity Checking"
(ASIACRYPT 2003), MSet-Add-Hash; RFC 7693 (BLAKE2b, keyed).
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from tongbao.engine.relation import Relation

SEAL_BYTES = 16
_MODULUS = 1 << 8 * SEAL_BYTES


class Sealer:
    """Makes seals under one key (at most 64 bytes; empty for tests and tools that have none)."""

    def __init__(self, key: bytes = b"") -> None:
        self._keyed = blake2b(key=key, digest_size=SEAL_BYTES)
        self._begun: dict[str, Any] = {}

    def seal(self, relation: Relation[Any], encoded: bytes) -> bytes:
        """The seal of a row. The relation's name is part of it: a row fits in no other table."""
        begun = self._begun.get(relation.name)
        if begun is None:
            begun = self._keyed.copy()
            begun.update(relation.tag)
            self._begun[relation.name] = begun
        state = begun.copy()
        state.update(encoded)
        digest: bytes = state.digest()
        return digest


def added(total: int, seal: bytes) -> int:
    """A sum of seals with one more."""
    return (total + int.from_bytes(seal, "big")) % _MODULUS


def removed(total: int, seal: bytes) -> int:
    """A sum of seals with one fewer."""
    return (total - int.from_bytes(seal, "big")) % _MODULUS


def sum_text(total: int) -> str:
    """A sum as it is written in a link: 32 hexadecimal digits."""
    return f"{total % _MODULUS:032x}"
