"""The audit chain: what is hashed, in which order. All hashes are SHA-256; rows are in the bytes of `encoding`.

    row        H(02, relation, 00, row, blind): the blind is 16 bytes that only the installation's key can make (`sealing`). So a
               row's hash can be shown to anybody; without it, the few unknowns of an entry would be found by trying
    command    H(00, hashes of its rows): its record, then what it appended, relation by relation in the order of their ranks
               and in their chain order, then its events; of more than 32, groups of 32 are hashed first: H(03, hashes), and so on
    batch      Merkle root over its commands
    link       H(04, link), the link with its own hash left empty; `previous` is the hash of the link before. Its `seal` is keyed,
               over the link with seal and hash left empty: nobody without the installation's key can append a batch

Changing any appended row later changes its hash, its command's, the root, and every link after it. The Merkle tree over the
commands follows RFC 6962, section 2.1 (an odd node moves up unpaired), with the commands' hashes as its leaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from tongbao.engine.relation import Relation
from tongbao.engine.sealing import BLIND_BYTES, Sealer
from tongbao.engine.types import LINKS, Link

GENESIS = bytes(32)
FAN_OUT = 32


def row_hashes(relation: Relation[Any], encoded: Iterable[bytes], blinds: bytes, first: int) -> list[bytes]:
    """Hashes of several rows of a relation, given in the bytes that travel; the first of them is row `first` of its command,
    whose blinds are `blinds`."""
    tag, at = relation.row_tag, BLIND_BYTES * first
    hashes = []
    # A plain loop: most commands have one or two rows of a relation, and a comprehension over two sequences takes twice as long.
    for row in encoded:
        hashes.append(sha256(tag + row + blinds[at : at + BLIND_BYTES]).digest())
        at += BLIND_BYTES
    return hashes


def command_hash(hashes: Sequence[bytes]) -> bytes:
    """Hash of one command from the hashes of its rows."""
    while len(hashes) > FAN_OUT:
        hashes = [sha256(b"\x03" + b"".join(hashes[at : at + FAN_OUT])).digest() for at in range(0, len(hashes), FAN_OUT)]
    return sha256(b"\x00" + b"".join(hashes)).digest()


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Root over the hashes of a batch's commands."""
    if not leaves:
        return sha256(b"").digest()
    level = list(leaves)
    while len(level) > 1:
        paired = [sha256(b"\x01" + level[at] + level[at + 1]).digest() for at in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
    return level[0]


def link(
    sealer: Sealer, writer: int, sequence: int, previous: bytes, root: bytes, seals: str, commands: int, decided_at: datetime
) -> Link:
    """The link that follows `previous`."""
    draft = Link(writer, sequence, previous, root, seals, b"", b"", commands, decided_at)
    sealed = replace(draft, seal=sealer.seal(LINKS, LINKS.encode(draft)))
    return replace(sealed, hash=link_hash(sealed))


def link_hash(link: Link) -> bytes:
    """Hash of a link, whatever hash it bears itself."""
    return sha256(b"\x04" + LINKS.encode(replace(link, hash=b""))).digest()
