"""Proofs: small files that show to anybody, without the database, that a row was committed and never changed since.

A proof holds the row in clear with its blind, the hashes beside it on the way up to its command, its batch and its link, the
hashes from the link to a signed anchor, and the anchor. Of other people's rows it holds hashes only, and these say nothing: each
is blinded with 16 bytes that its own proof alone shows (`sealing`). `tools/verify_proof.py` checks one offline.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from tongbao.engine import chain
from tongbao.engine.anchors import Anchor, End, schema_digest, schema_of
from tongbao.engine.batches import BatchReader
from tongbao.engine.naming import Step, batch_path, command_path
from tongbao.engine.postgres import QUERIES
from tongbao.engine.relation import Relation
from tongbao.engine.sealing import Sealer
from tongbao.engine.stored import Shape, rows_of, selecting
from tongbao.engine.types import Link
from tongbao.kernel.errors import InvariantBroken

FORMAT = "tongbao-proof/1"


class NotAnchored(Exception):
    """The row is too new: no anchor covers it yet."""


class Beside(msgspec.Struct, frozen=True):
    """Hashes that stand before and after ours in a list."""

    before: list[str]
    after: list[str]


class Pair(msgspec.Struct, frozen=True, omit_defaults=True):
    """The other node of a pair in a Merkle tree: on the left, or on the right."""

    left: str | None = None
    right: str | None = None


class ProvenRow(msgspec.Struct, frozen=True):
    """A row in clear, the blind it was hashed with, and its way to the hash of its command: groups of 32 first, if there were
    more rows than that."""

    table: str
    row: dict[str, Any]
    blind: str
    groups: list[Beside]
    command: Beside


class Proof(msgspec.Struct, frozen=True):
    """Rows of one command, proven. Every part is needed, and none can be changed."""

    format: str
    schema: dict[str, str]
    rows: list[ProvenRow]
    batch: list[Pair]
    link: dict[str, Any]
    links: list[Pair]
    anchor: dict[str, str]
    public_key: str


async def prove(
    connection: asyncpg.Connection,
    relations: Sequence[Relation[Any]],
    wanted: Iterable[tuple[Relation[Any], Sequence[Any]]],
    sealer: Sealer,
    public_key: bytes,
) -> Proof | None:
    """The proof of some rows of one command, each named by relation and primary key; None if one of them does not exist.

    Raises NotAnchored; InvariantBroken if what is stored does not agree with the chain: nothing false is ever proven.
    """
    reader = BatchReader(connection, relations, sealer)
    found: list[tuple[Relation[Any], bytes]] = []
    for relation, key in wanted:
        conditions = " and ".join(f"{name} = ${number}" for number, name in enumerate(relation.key_columns, 1))
        rows = await rows_of(connection, Shape(relation), selecting(relation, f"where {conditions}"), *key)
        if not rows:
            return None
        found.append((relation, rows[0]))
    places = {reader.batch_of(relation, row) for relation, row in found}
    if len(places) != 1:
        raise ValueError("the rows of one proof belong to one command")
    (place,) = places
    stored = await connection.fetchrow(QUERIES["one_link"], place.writer, place.sequence)
    if stored is None:
        raise InvariantBroken(f"batch {place.sequence} of writer {place.writer} is missing")
    link = Link(*stored)
    stretch = await reader.read([link], keep=True)
    leaves = stretch.leaves(link)
    if place.position >= len(leaves) or chain.merkle_root(leaves) != link.root or chain.link_hash(link) != link.hash:
        raise InvariantBroken(f"batch {place.sequence} of writer {place.writer} was altered")
    prefix = stretch.prefixes(link)[place.position]
    assert stretch.rows is not None
    rows_then, hashes = stretch.rows[prefix], stretch.hashes[prefix]
    proven = []
    for relation, row in found:
        at = rows_then.index((relation, row))
        *groups, command = command_path(hashes, at)
        values = {name: plain(value) for name, value in Shape(relation).values(row).items()}
        blind = stretch.blind(prefix, at).hex()
        proven.append(ProvenRow(relation.name, values, blind, [_beside(step) for step in groups], _beside(command)))
    anchor, path = await _to_anchor(connection, link)
    schema = schema_of(relations)
    if anchor.read().schema != schema_digest(schema):
        raise NotAnchored("the tables have changed since the anchor was signed")
    written = {name: plain(getattr(link, name)) for name in Link.__struct_fields__ if name != "hash"}
    return Proof(
        FORMAT, schema, proven, [_pair(step) for step in batch_path(leaves, place.position)], written, path,
        {"statement": anchor.statement, "signature": anchor.signature}, public_key.hex(),
    )  # fmt: skip


async def _to_anchor(connection: asyncpg.Connection, link: Link) -> tuple[Anchor, list[Pair]]:
    """The anchor that covers a link, and the way there."""
    newest = await connection.fetchrow(QUERIES["newest_anchor"])
    low, high = 1, newest["number"] if newest else 0
    anchor, end = None, None
    while low <= high:
        middle = (low + high) // 2
        tried = Anchor(*await connection.fetchrow(QUERIES["one_anchor"], middle))
        reached = next((each for each in tried.read().writers if each.writer == link.writer), End(link.writer, 1, 0, "", ""))
        if reached.last >= link.sequence:
            anchor, end, high = tried, reached, middle - 1
        else:
            low = middle + 1
    if anchor is None or end is None:
        raise NotAnchored("no anchor covers this yet")
    rows = await connection.fetch(QUERIES["links_of_writer"], link.writer, end.first - 1, end.last)
    digests = [row["hash"] for row in rows]
    if chain.merkle_root(digests).hex() != end.root or rows[link.sequence - end.first]["hash"] != link.hash:
        raise InvariantBroken(
            f"batches {end.first} to {end.last} of writer {link.writer} are not those of anchor {anchor.number}"
        )
    return anchor, [_pair(step) for step in batch_path(digests, link.sequence - end.first)]


def plain(value: Any) -> Any:
    """A value as it stands in a proof: numbers, texts, flags and null as they are; bytes in hexadecimal; moments in UTC with
    microseconds."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def _beside(step: Step) -> Beside:
    _, before, after = step
    return Beside([each.hex() for each in before], [each.hex() for each in after])


def _pair(step: Step) -> Pair:
    _, before, after = step
    return Pair(left=before[0].hex()) if before else Pair(right=after[0].hex())
