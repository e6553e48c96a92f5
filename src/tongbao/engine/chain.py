"""The audit chain: what is hashed, in which order.

A batch is a link; a link carries the Merkle root over its commands; a command's leaf covers its stored outcome and every
chained row it wrote (journals, entries). Changing any of them later changes the leaf, the root, and every link after it.
Hashing follows RFC 6962, section 2.1: leaves are prefixed with 00, inner nodes with 01, and an odd node moves up unpaired.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec

from tongbao.engine.types import Link, Record

GENESIS = bytes(32)

_encode = msgspec.json.Encoder(order="deterministic").encode


def leaf(record: Record, rows: Iterable[Sequence[Any]]) -> bytes:
    """Hash of one command: its record, and the chained rows by relation, each relation's rows in key order."""
    return sha256(b"\x00" + _encode((record, rows))).digest()


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Root of a non-empty list of leaves."""
    if not leaves:
        return sha256(b"").digest()
    level = list(leaves)
    while len(level) > 1:
        paired = [sha256(b"\x01" + level[at] + level[at + 1]).digest() for at in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
    return level[0]


def link(writer: int, sequence: int, previous: bytes, root: bytes, commands: int, decided_at: datetime) -> Link:
    """The link that follows `previous`."""
    content = _encode((writer, sequence, previous, root, commands, decided_at))
    return Link(writer, sequence, previous, root, sha256(content).digest(), commands, decided_at)
