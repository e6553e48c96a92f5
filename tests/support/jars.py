"""A toy domain to try the engine with: jars of marbles, a count of refused wishes, and a log of what was poured.

It has one of everything the engine promises: a row that is read and changed, a row that a declined command may mark, an
append-only row that is hashed into the chain, events, a constraint of the database, and deciders that are broken.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec

from tongbao.engine.api import (
    Accepted,
    Command,
    Decider,
    Decision,
    Declined,
    Key,
    MemoryStore,
    MemoryTables,
    PostgresStore,
    Relation,
    Store,
    View,
    keys_of,
)
from tongbao.engine.types import Link, OutboxRow, Record
from tongbao.ledger.errors import INSUFFICIENT_FUNDS

TABLES = """
create table jar (jar_id uuid primary key, marbles bigint not null, label text, seal bytea not null,
    constraint jar_not_overfull check (marbles <= 1000000));
create unique index jar_label_once on jar (label) where label is not null;
create table refused (jar_id uuid primary key, times bigint not null, seal bytea not null);
create table counted (flavour text primary key, pours bigint not null, marbles bigint not null, seal bytea not null);
create table poured (pour_id uuid primary key, command_id uuid not null, jar_id uuid not null, marbles bigint not null);
"""


class Jar(msgspec.Struct, frozen=True):
    """A jar. No two jars bear the same label, which only the database knows."""

    jar_id: UUID
    marbles: int
    label: str | None = None


class Refused(msgspec.Struct, frozen=True):
    """How many wishes for a jar were declined."""

    jar_id: UUID
    times: int


class Poured(msgspec.Struct, frozen=True):
    """One accepted pour."""

    pour_id: UUID
    command_id: UUID
    jar_id: UUID
    marbles: int


class Counted(msgspec.Struct, frozen=True):
    """How many pours there were, and of how many marbles, by flavour ("in" or "out")."""

    flavour: str
    pours: int
    marbles: int


JAR: Relation[Jar] = Relation("jar", Jar, key=("jar_id",), rank=10, removable=True)
REFUSED: Relation[Refused] = Relation("refused", Refused, key=("jar_id",), rank=5, marks=True)
POURED: Relation[Poured] = Relation("poured", Poured, key=("pour_id",), rank=20, append_only=True)
COUNTED: Relation[Counted] = Relation("counted", Counted, key=("flavour",), rank=30, tally=("pours", "marbles"))


class Pour(Command, frozen=True, kw_only=True):
    """Put marbles in, or take them out (negative). Declines `insufficient_funds`; a decline is counted in REFUSED."""

    kind = "test.pour"
    jar_id: UUID
    marbles: int
    label: str | None = None


class Look(Command, frozen=True, kw_only=True):
    """Asks only; its fields are those of `Shake`."""

    kind = "test.look"
    jar_id: UUID


class Shake(Command, frozen=True, kw_only=True):
    """The same fields as `Look`, another wish."""

    kind = "test.shake"
    jar_id: UUID


class Drop(Command, frozen=True, kw_only=True):
    """Writes, marks, tells, and then raises: a bug."""

    kind = "test.drop"
    jar_id: UUID


class Stray(Command, frozen=True, kw_only=True):
    """Reads a jar that its keys do not name: a bug."""

    kind = "test.stray"
    jar_id: UUID


class Forward(Command, frozen=True, kw_only=True):
    """Pours a jar into the one that its label names, which the command cannot know. Declines `insufficient_funds`."""

    kind = "test.forward"
    jar_id: UUID


class Unnameable(Command, frozen=True, kw_only=True):
    """Cannot even say which rows it needs: a bug."""

    kind = "test.unnameable"
    jar_id: UUID


class Meddle(Command, frozen=True, kw_only=True):
    """Marks a relation that does not allow it: a bug."""

    kind = "test.meddle"
    jar_id: UUID


class Sprinkle(Command, frozen=True, kw_only=True):
    """A marble into each of many jars, with a rest after each; at the jar `spilt_at` there is a bug."""

    kind = "test.sprinkle"
    jar_ids: tuple[UUID, ...]
    spilt_at: int | None = None


class Smash(Command, frozen=True, kw_only=True):
    """Be rid of a jar; with `refuse`, only nearly: it is declined in the end."""

    kind = "test.smash"
    jar_id: UUID
    refuse: bool = False


class Level(msgspec.Struct, frozen=True):
    """Result of `Pour`."""

    marbles: int
    at: datetime


def pour(command: Pour, view: View, now: datetime) -> Decision:
    jar = view.get(JAR, command.jar_id) or Jar(command.jar_id, 0)
    left = jar.marbles + command.marbles
    # Written before the check on purpose: a declined command must leave nothing of it.
    view.put(JAR, Jar(command.jar_id, left, command.label or jar.label))
    view.put(POURED, Poured(view.new_id(), command.command_id, command.jar_id, command.marbles))
    view.tally(COUNTED, "in" if command.marbles > 0 else "out", 1, abs(command.marbles))
    view.emit("jars", "poured", {"jar_id": command.jar_id})
    if left < 0:
        before = view.get(REFUSED, command.jar_id)
        view.mark(REFUSED, Refused(command.jar_id, 1 + (before.times if before else 0)))
        return Declined(INSUFFICIENT_FUNDS, {"available_minor": jar.marbles})
    return Accepted(Level(left, now))


def look(command: Look | Shake, view: View, now: datetime) -> Decision:
    jar = view.get(JAR, command.jar_id)
    return Accepted({"kind": command.kind, "marbles": jar.marbles if jar else None})


def drop(command: Drop, view: View, now: datetime) -> Decision:
    view.put(JAR, Jar(command.jar_id, 77))
    view.mark(REFUSED, Refused(command.jar_id, 77))
    view.put(POURED, Poured(view.new_id(), command.command_id, command.jar_id, 77))
    view.emit("jars", "dropped", {})
    raise ZeroDivisionError("the decider is broken")


def stray(command: Stray, view: View, now: datetime) -> Decision:
    return Accepted(view.get(JAR, command.jar_id))


def forward(command: Forward, view: View, now: datetime) -> Decision:
    jar = view.need(JAR, command.jar_id)
    # Written before it is followed on purpose: what is begun anew must leave nothing of it.
    view.put(JAR, Jar(command.jar_id, 0, jar.label))
    view.put(POURED, Poured(view.new_id(), command.command_id, command.jar_id, -jar.marbles))
    view.tally(COUNTED, "out", 1, jar.marbles)
    other = view.follow(JAR, UUID(jar.label)) or Jar(UUID(jar.label), 0)
    view.put(JAR, Jar(other.jar_id, other.marbles + jar.marbles, other.label))
    return Accepted(other.marbles + jar.marbles) if jar.marbles else Declined(INSUFFICIENT_FUNDS)


def meddle(command: Meddle, view: View, now: datetime) -> Decision:
    view.mark(JAR, Jar(command.jar_id, 5))
    return Declined(INSUFFICIENT_FUNDS)


def sprinkle(command: Sprinkle, view: View, now: datetime) -> Generator[None, None, Decision]:
    for number, jar_id in enumerate(command.jar_ids):
        if number == command.spilt_at:
            raise ZeroDivisionError("spilt")
        jar = view.get(JAR, jar_id) or Jar(jar_id, 0)
        view.put(JAR, Jar(jar_id, jar.marbles + 1, jar.label))
        view.put(POURED, Poured(view.new_id(), command.command_id, jar_id, 1))
        yield
    return Accepted(len(command.jar_ids))


def smash(command: Smash, view: View, now: datetime) -> Decision:
    view.remove(JAR, command.jar_id)
    if command.refuse:
        return Declined(INSUFFICIENT_FUNDS)
    return Accepted(view.get(JAR, command.jar_id))


def _no_keys(command: Unnameable) -> list[Key]:
    raise KeyError("no such chart line")


DECIDERS: tuple[Decider[Any], ...] = (
    Decider(Pour, lambda command: [Key(JAR, command.jar_id), Key(REFUSED, command.jar_id)], pour, Level),
    Decider(Look, lambda command: [Key(JAR, command.jar_id)], look),
    Decider(Shake, lambda command: [Key(JAR, command.jar_id)], look),
    Decider(Drop, lambda command: [Key(JAR, command.jar_id), Key(REFUSED, command.jar_id)], drop),
    Decider(Stray, lambda command: [], stray),
    Decider(Forward, lambda command: [Key(JAR, command.jar_id)], forward),
    Decider(Unnameable, _no_keys, lambda command, view, now: Accepted()),
    Decider(Sprinkle, lambda command: keys_of(JAR, command.jar_ids), sprinkle),
    Decider(Meddle, lambda command: [Key(JAR, command.jar_id)], meddle),
    Decider(Smash, lambda command: [Key(JAR, command.jar_id)], smash),
)


def pouring(jar_id: UUID, marbles: int, *, command_id: UUID | None = None, label: str | None = None) -> Pour:
    """A wish to pour, fresh unless `command_id` says that it is a repeat."""
    return Pour(command_id=command_id or uuid4(), jar_id=jar_id, marbles=marbles, label=label)


class TickingClock:
    """Every look at it is a second later, so that a repeat that was decided anew would show."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now


class World:
    """One set of rows that outlives the engines over it. `store()` is what a process opens when it starts."""

    async def prepare(self) -> None:
        """Make the toy's tables."""

    def store(self) -> Store:
        raise NotImplementedError

    async def rows(self, relation: Relation[Any]) -> list[Any]:
        """Every row, by key."""
        raise NotImplementedError

    async def records(self) -> list[Record]:
        """Every stored outcome, in chain order."""
        raise NotImplementedError

    async def links(self) -> list[Link]:
        """Every link, by writer and sequence."""
        raise NotImplementedError

    async def events(self) -> list[OutboxRow]:
        """The outbox."""
        raise NotImplementedError

    async def marbles(self, jar_id: UUID) -> int | None:
        """What is in a jar; None if there is no such jar."""
        return next((jar.marbles for jar in await self.rows(JAR) if jar.jar_id == jar_id), None)


class MemoryWorld(World):
    """Over MemoryStore: the tables are the disk."""

    def __init__(self) -> None:
        self._tables = MemoryTables()

    def store(self) -> Store:
        return MemoryStore(self._tables)

    async def rows(self, relation: Relation[Any]) -> list[Any]:
        rows = self._tables.appended.get(relation, []) if relation.append_only else list(self._tables.table(relation).values())
        return sorted(rows, key=relation.key_of)  # type: ignore[arg-type]

    async def records(self) -> list[Record]:
        return sorted(self._tables.records.values(), key=lambda record: (record.writer, record.sequence, record.position))

    async def links(self) -> list[Link]:
        return list(self._tables.links)

    async def events(self) -> list[OutboxRow]:
        return list(self._tables.events)


class PostgresWorld(World):
    """Over PostgreSQL: a store is a connection of its own."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    async def prepare(self) -> None:
        await self.execute(TABLES)

    def store(self) -> Store:
        return PostgresStore(self.dsn)

    async def rows(self, relation: Relation[Any]) -> list[Any]:
        order = ", ".join(relation.key_columns)
        return [
            relation.row(*row)
            for row in await self.fetch(f"select {', '.join(relation.fields)} from {relation.read_from} order by {order}")
        ]

    async def records(self) -> list[Record]:
        columns = ", ".join(Record.__struct_fields__)
        return [Record(*row) for row in await self.fetch(f"select {columns} from command order by writer, sequence, position")]

    async def links(self) -> list[Link]:
        columns = ", ".join(Link.__struct_fields__)
        return [Link(*row) for row in await self.fetch(f"select {columns} from chain_link order by writer, sequence")]

    async def events(self) -> list[OutboxRow]:
        columns = ", ".join(OutboxRow.__struct_fields__)
        return [OutboxRow(*row) for row in await self.fetch(f"select {columns} from outbox order by writer, sequence, position")]

    async def fetch(self, sql: str, *arguments: Any) -> Sequence[Any]:
        """Rows of one statement, on a connection of its own."""
        connection = await asyncpg.connect(self.dsn)
        try:
            rows: Sequence[Any] = await connection.fetch(sql, *arguments)
            return rows
        finally:
            await connection.close()

    async def execute(self, sql: str) -> None:
        """A script, on a connection of its own."""
        connection = await asyncpg.connect(self.dsn)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()
