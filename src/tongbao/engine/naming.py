"""Which column of a row was altered, at which byte, and what stood there: found by trying, because hashes and seals only say
whether a row is whole.

Every column in turn is put to what it may have been: other values of its own type (a flag the other way, the states a column can
have, no value), every value of that type that is stored anywhere, neighbouring numbers and moments, and the value with any one of
its bytes changed. What fits the seal or the hash is what was written; nothing else can.
"""

from __future__ import annotations

import time
import typing
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from struct import pack
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from tongbao.engine.batches import Stretch
from tongbao.engine.chain import FAN_OUT
from tongbao.engine.encoding import days, microseconds
from tongbao.engine.relation import Relation
from tongbao.engine.stored import Shape, decoded
from tongbao.engine.types import LINKS, OUTBOX, RECORDS, Link

#: Values of one type tried at most.
_MOST_VALUES = 100_000
_NEIGHBOURS = 20_000
#: Seconds of processor time spent on one row or batch, and on all of a verification together.
PATIENCE_S = 8.0
ALL_PATIENCE_S = 40.0

_SECOND = 1_000_000
_SHIFTS = tuple(
    sign * count * unit
    for unit, most in ((1, 1000), (_SECOND, 3600), (60 * _SECOND, 1440), (3600 * _SECOND, 240), (86_400 * _SECOND, 3700))
    for count in range(1, most + 1)
    for sign in (1, -1)
)
_NULL = b"\xff\xff\xff\xff"


class Named(NamedTuple):
    """What was altered: the column, the first byte of its value that differs (from 0), the values before and now, and the row as
    it was."""

    column: str
    byte: int
    before: Any
    now: Any
    row: bytes

    @property
    def text(self) -> str:
        """For people."""
        return f"column {self.column} was altered at byte {self.byte}: it was {self.before!r}, it is {self.now!r}"


class Candidate(NamedTuple):
    """A row as it may have been: the column put back, the bytes it had, and the whole row."""

    column: str
    value: bytes | None
    row: bytes


class Values:
    """Every value of a type that is stored anywhere, read when it is first asked for."""

    def __init__(self, connection: asyncpg.Connection, relations: Iterable[Relation[Any]]) -> None:
        self._connection = connection
        self._shapes = [Shape(relation) for relation in (*relations, RECORDS, OUTBOX, LINKS)]
        self._known: dict[tuple[type, str], list[bytes]] = {}
        self.spent_s = 0.0

    async def of(self, kind: type, column: str) -> list[bytes]:
        """Encoded values of a type; of bytes only those in columns of the same name."""
        narrow = column if kind is bytes else ""
        known = self._known.get((kind, narrow))
        if known is None:
            found: set[bytes] = set()
            for shape in self._shapes:
                for name, (each, _) in zip(shape.relation.columns, shape.kinds, strict=True):
                    if each is kind and (not narrow or name == narrow) and kind not in (bool,):
                        sql = f"select distinct {name} from {shape.relation.name} where {name} is not null limit {_MOST_VALUES}"  # noqa: S608
                        found.update(encoded(kind, row[0]) for row in await self._connection.fetch(sql))
            known = self._known[kind, narrow] = list(found)[:_MOST_VALUES]
        return known

    async def for_row(self, shape: Shape) -> dict[str, list[bytes]]:
        """What each column of a row may have held."""
        return {name: await self.of(kind, name) for name, (kind, _) in zip(shape.relation.columns, shape.kinds, strict=True)}


def encoded(kind: type, value: Any) -> bytes:
    """The bytes of a value."""
    if kind is int:
        return pack(">q", value)
    if kind is str:
        return bytes(value.encode())
    if kind is UUID:
        return bytes(value.bytes)
    if kind is datetime:
        return pack(">q", microseconds(value))
    if kind is bool:
        return b"\x01" if value else b"\x00"
    if kind is bytes:
        return bytes(value)
    return pack(">i", days(value))


def likely(shape: Shape, row: bytes, values: dict[str, list[bytes]]) -> Iterator[Candidate]:
    """The row with one column put to a value it may well have had."""
    literals = _literals(shape.relation)
    for (name, begin, end), (kind, optional) in zip(shape.spans(row), shape.kinds, strict=True):
        now = row[begin:end] if end >= 0 else None
        several: list[bytes | None] = [*literals.get(name, ()), *values.get(name, ())]
        if kind is bool:
            several += [b"\x00", b"\x01"]
        if kind is int and now is not None:
            (number,) = (int.from_bytes(now, "big", signed=True),)
            several += [pack(">q", other) for other in (-number, 0) if -(1 << 63) <= other < 1 << 63]
        if kind is str:
            several.append(b"")
        if optional:
            several.append(None)
        for value in several:
            if value != now:
                yield Candidate(name, value, _with(row, begin, end, value))


def near(shape: Shape, row: bytes) -> Iterator[Candidate]:
    """The row with one column's value changed in one byte, or a number or moment moved."""
    for (name, begin, end), (kind, _) in zip(shape.spans(row), shape.kinds, strict=True):
        if end < 0:
            continue
        for at in range(begin, end):
            before, after = row[:at], row[at + 1 :]
            for byte in range(256):
                if byte != row[at]:
                    whole = before + bytes((byte,)) + after
                    yield Candidate(name, whole[begin:end], whole)
        if kind in (int, datetime):
            number = int.from_bytes(row[begin:end], "big", signed=True)
            steps: Iterable[int] = _SHIFTS if kind is datetime else (*range(-_NEIGHBOURS, _NEIGHBOURS),)
            for step in steps:
                if -(1 << 63) <= number + step < 1 << 63:
                    value = pack(">q", number + step)
                    yield Candidate(name, value, row[:begin] + value + row[end:])


def search(
    shape: Shape, row: bytes, candidates: Iterable[Candidate], fits: Callable[[bytes], bool], until: float
) -> Named | None:
    """The first candidate that fits, until `time.process_time()` passes `until`."""
    for number, candidate in enumerate(candidates):
        if fits(candidate.row):
            return _named(shape, row, candidate)
        if number % 4096 == 4095 and time.process_time() > until:
            return None
    return None


class Climb:
    """From the hash of one row of a batch up to the root: what is put before and after at each step."""

    def __init__(self, hashes: list[bytes], at: int, leaves: list[bytes], leaf: int) -> None:
        self._steps: list[tuple[bytes, bytes]] = []
        for tag, before, after in (*command_path(hashes, at), *batch_path(leaves, leaf)):
            self._steps.append((tag + b"".join(before), b"".join(after)))

    def root(self, row_hash: bytes) -> bytes:
        """The root that follows."""
        for before, after in self._steps:
            row_hash = sha256(before + row_hash + after).digest()
        return row_hash


Step = tuple[bytes, list[bytes], list[bytes]]


def command_path(hashes: list[bytes], at: int) -> list[Step]:
    """How the hash of row `at` of a command goes into the command's: by groups while there are more than 32, then all."""
    steps: list[Step] = []
    while len(hashes) > FAN_OUT:
        groups = [hashes[start : start + FAN_OUT] for start in range(0, len(hashes), FAN_OUT)]
        mine = groups[at // FAN_OUT]
        steps.append((b"\x03", mine[: at % FAN_OUT], mine[at % FAN_OUT + 1 :]))
        hashes = [sha256(b"\x03" + b"".join(group)).digest() for group in groups]
        at //= FAN_OUT
    steps.append((b"\x00", hashes[:at], hashes[at + 1 :]))
    return steps


def batch_path(leaves: list[bytes], at: int) -> list[Step]:
    """How leaf `at` goes into the root of a Merkle tree. Source: RFC 6962, section 2.1.1."""
    steps: list[Step] = []
    level = leaves
    while len(level) > 1:
        pair = at ^ 1
        if pair < len(level):
            steps.append((b"\x01", [level[pair]], []) if pair < at else (b"\x01", [], [level[pair]]))
        paired = [sha256(b"\x01" + level[left] + level[left + 1]).digest() for left in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            paired.append(level[-1])
        level, at = paired, at // 2
    return steps


class InBatch(NamedTuple):
    """An alteration found in a batch."""

    relation: Relation[Any]
    row: bytes
    named: Named | None
    inserted: bool = False


def in_batch(link: Link, stretch: Stretch, values: dict[str, dict[str, list[bytes]]], until: float) -> InBatch | None:
    """Look for the one row of a batch whose alteration or insertion explains that the root does not fit. `stretch` was read with
    its rows; `values` are candidates by relation and column."""
    rows = stretch.rows
    assert rows is not None
    prefixes, leaves = stretch.prefixes(link), stretch.leaves(link)
    places = [
        (leaf, at, relation, row) for leaf, prefix in enumerate(prefixes) for at, (relation, row) in enumerate(rows[prefix])
    ]
    shapes = {relation: Shape(relation) for _, _, relation, _ in places}

    def climb(leaf: int, at: int) -> Climb:
        return Climb(stretch.hashes[prefixes[leaf]], at, leaves, leaf)

    # With one row fewer in a command, each of those behind it had the blind before its own.
    moved = [
        [
            sha256(relation.row_tag + row + stretch.blind(prefix, at)).digest()
            for at, (relation, row) in enumerate(rows[prefix][1:])
        ]
        for prefix in prefixes
    ]
    for leaf, at, relation, row in places:
        others = [*stretch.hashes[prefixes[leaf]][:at], *moved[leaf][at:]]
        if others and Climb(others, 0, leaves, leaf).root(others[0]) == link.root:
            return InBatch(relation, row, None, inserted=True)
    own = {
        leaf: _own_values(link, leaf, [shapes[relation].spans(row) for relation, row in rows[prefix]], rows[prefix], shapes)
        for leaf, prefix in enumerate(prefixes)
    }
    rounds: tuple[Callable[[int, Relation[Any], bytes], Iterable[Candidate]], ...] = (
        lambda leaf, relation, row: likely(shapes[relation], row, _by_kind(shapes[relation], own[leaf])),
        lambda leaf, relation, row: likely(shapes[relation], row, values.get(relation.name, {})),
        lambda leaf, relation, row: near(shapes[relation], row),
    )
    for candidates in rounds:
        for leaf, at, relation, row in places:
            up, tag, blind = climb(leaf, at), relation.row_tag, stretch.blind(prefixes[leaf], at)
            named = search(
                shapes[relation], row, candidates(leaf, relation, row),
                lambda other, up=up, tag=tag, blind=blind: (  # type: ignore[misc]
                    up.root(sha256(tag + other + blind).digest()) == link.root
                ),
                until,
            )  # fmt: skip
            if named:
                return InBatch(relation, row, named)
            if time.process_time() > until:
                return None
    return None


def _own_values(
    link: Link, leaf: int, spans: list[Iterator[tuple[str, int, int]]], rows: list[tuple[Relation[Any], bytes]],
    shapes: dict[Relation[Any], Shape],
) -> dict[type, set[bytes]]:  # fmt: skip
    """The values of a command's own rows and its place, by type."""
    found: dict[type, set[bytes]] = {
        datetime: {pack(">q", microseconds(link.decided_at))},
        int: {pack(">q", number) for number in (link.writer, link.sequence, leaf)},
    }
    for columns, (relation, row) in zip(spans, rows, strict=True):
        for (_, begin, end), (kind, _) in zip(columns, shapes[relation].kinds, strict=True):
            if end >= 0:
                found.setdefault(kind, set()).add(row[begin:end])
    numbers = [int.from_bytes(each, "big", signed=True) for each in found[int]][:200]
    for number in numbers:
        if number > -(1 << 63):
            found[int].add(pack(">q", -number))
    return found


def _by_kind(shape: Shape, found: dict[type, set[bytes]]) -> dict[str, list[bytes]]:
    return {name: list(found.get(kind, ())) for name, (kind, _) in zip(shape.relation.columns, shape.kinds, strict=True)}


def _literals(relation: Relation[Any]) -> dict[str, list[bytes]]:
    """The states that columns declare."""
    found: dict[str, list[bytes]] = {}
    for name, hint in typing.get_type_hints(relation.row).items():
        members = [hint, *typing.get_args(hint)]
        for member in members:
            if typing.get_origin(member) is typing.Literal:
                found[name] = [str(each).encode() for each in typing.get_args(member)]
    return found


def _with(row: bytes, begin: int, end: int, value: bytes | None) -> bytes:
    """The row with another value in a column."""
    after = row[end:] if end >= 0 else row[begin:]
    return row[: begin - 4] + (_NULL if value is None else pack(">i", len(value)) + value) + after


def _named(shape: Shape, row: bytes, candidate: Candidate) -> Named:
    kinds = dict(zip(shape.relation.columns, shape.kinds, strict=True))
    begin, end = next((begin, end) for name, begin, end in shape.spans(row) if name == candidate.column)
    now = row[begin:end] if end >= 0 else None
    kind = kinds[candidate.column][0]
    before, after = candidate.value or b"", now or b""
    first = next((at for at, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after)))
    return Named(candidate.column, first, _shown(kind, candidate.value), _shown(kind, now), candidate.row)


def _shown(kind: type, value: bytes | None) -> Any:
    if value is None:
        return None
    plain = decoded(kind, value)
    if isinstance(plain, bytes):
        return plain.hex()
    return plain.isoformat() if isinstance(plain, datetime) else str(plain) if isinstance(plain, UUID) else plain
