"""What only the installation's key can make: seals of the rows that may change, blinds of those in the audit chain.

**Seals** are sixteen bytes beside a row. A row changed behind the engine's back does not fit its seal. A row deleted, put back to
an older version or copied from elsewhere fits its own seal; therefore each batch's link of the chain says, relation by relation,
by how much the sum of all seals (modulo 2^128) grew: new seals added, old ones taken away, also those of rows that a command
removed. `verify` adds up what is stored and
what the links say. An additive multiset hash over a keyed pseudo-random function is collision-resistant for who lacks the key.
Source: D. Clarke et al., "Incremental Multiset Hash Functions and Their Application to Memory Integrity Checking"
(ASIACRYPT 2003), MSet-Add-Hash; RFC 7693 (BLAKE2b, keyed).

**Blinds** are sixteen bytes hashed with every row of the chain, so that a row's hash says nothing to whoever tries what the row
may have been. They are stored nowhere: those of one command are one pseudo-random stream, made from the key and its place.
Source: FIPS 202, section 6.2 (SHAKE128). The key is of fixed length and comes first, so what the sponge gives is a keyed
pseudo-random function (Bertoni et al., "On the Security of the Keyed Sponge Construction", SKEW 2011).
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b, shake_128
from struct import unpack
from typing import Any

from tongbao.engine.relation import Relation

SEAL_BYTES = 16
BLIND_BYTES = 16
_MODULUS = 1 << 8 * SEAL_BYTES


class Sealer:
    """Makes seals and blinds under one key (at most 64 bytes; empty for tests and tools that have none)."""

    def __init__(self, key: bytes = b"") -> None:
        self._keyed = blake2b(key=key, digest_size=SEAL_BYTES)
        self._begun: dict[str, Any] = {}
        self._blinding = shake_128(b"\x05" + blake2b(b"blinds of the audit chain", key=key, digest_size=32).digest())

    def seal(self, relation: Relation[Any], encoded: bytes) -> bytes:
        """The seal of a row. The relation's name is part of it: a row fits in no other table."""
        return self.seals(relation, (encoded,))[0]

    def seals(self, relation: Relation[Any], several: Sequence[bytes]) -> list[bytes]:
        """The seals of rows of one relation, in their order."""
        begun = self._begun.get(relation.name)
        if begun is None:
            begun = self._keyed.copy()
            begun.update(relation.tag)
            self._begun[relation.name] = begun
        begin = begun.copy
        made: list[bytes] = []
        for encoded in several:
            state = begin()
            state.update(encoded)
            made.append(state.digest())
        return made

    def blinds(self, command: bytes, count: int) -> bytes:
        """The blinds of a command's first `count` rows, in the chain's order: row i has bytes 16 i to 16 i + 16.

        The command is told by how its rows' identifiers begin (`RowIds.prefix`). Its moment is part of that, so that also after a
        database was put back to an earlier state no other command gets the same.
        """
        stream = self._blinding.copy()
        stream.update(command)
        return stream.digest(BLIND_BYTES * count)


def sum_of(seals: Sequence[bytes]) -> int:
    """Seals added up, each as a number of 128 bits."""
    halves: tuple[int, ...] = unpack(f">{2 * len(seals)}Q", b"".join(seals))
    high, low = sum(halves[::2]), sum(halves[1::2])
    return (high << 64) + low


def sum_text(total: int) -> str:
    """A sum as it is written in a link: 32 hexadecimal digits."""
    return f"{total % _MODULUS:032x}"
