"""Verified points: how far a verification found everything right, so that the next one can begin there.

A point says where each writer's chain stood, what the sums of seals were and how many rows each append-only table had. It is kept
in table `verified_point` under a seal of the installation's key, so that nobody without the key can pretend that a verification
took place; one that does not fit its seal is not used.
"""

from __future__ import annotations

from datetime import datetime

import asyncpg
import msgspec

from tongbao.engine.postgres import QUERIES
from tongbao.engine.relation import Relation
from tongbao.engine.sealing import Sealer

#: In so many parts sealed rows are compared with their seals, one part in each incremental run.
SLICES = 16


class Point(msgspec.Struct, frozen=True):
    """Heads by writer (sequence, hash), sums of seals by relation, rows by append-only relation, and which part of the sealed
    rows was compared last."""

    at: datetime
    heads: dict[int, tuple[int, bytes]]
    sums: dict[str, int]
    counts: dict[str, int]
    slice: int = 0


class _Written(msgspec.Struct, frozen=True):
    heads: dict[str, tuple[int, str]]
    sums: dict[str, str]
    counts: dict[str, int]
    slice: int


class _Row(msgspec.Struct, frozen=True):
    """Row type of table `verified_point`, for sealing only: commands do not write it."""

    at: datetime
    point: str


_POINTS: Relation[_Row] = Relation("verified_point", _Row, key=("at",), rank=0)


async def keep(connection: asyncpg.Connection, point: Point, sealer: Sealer) -> None:
    """Store a point; those before it are no longer needed."""
    written = _Written(
        {str(writer): (sequence, digest.hex()) for writer, (sequence, digest) in point.heads.items()},
        {name: f"{total:032x}" for name, total in point.sums.items()},
        point.counts,
        point.slice,
    )
    row = _Row(point.at, msgspec.json.encode(written, order="deterministic").decode())
    async with connection.transaction():
        await connection.execute(QUERIES["forget_points"], row.at)
        await connection.execute(QUERIES["keep_point"], row.at, row.point, sealer.seal(_POINTS, _POINTS.encode(row)))


async def newest(connection: asyncpg.Connection, sealer: Sealer) -> Point | None:
    """The last point kept, if there is one that fits its seal."""
    stored = await connection.fetchrow(QUERIES["newest_point"])
    if stored is None:
        return None
    row = _Row(stored["at"], stored["point"])
    if sealer.seal(_POINTS, _POINTS.encode(row)) != stored["seal"]:
        return None
    written = msgspec.json.decode(row.point, type=_Written)
    return Point(
        row.at,
        {int(writer): (sequence, bytes.fromhex(digest)) for writer, (sequence, digest) in written.heads.items()},
        {name: int(total, 16) for name, total in written.sums.items()},
        written.counts,
        written.slice,
    )
