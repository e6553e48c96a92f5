"""What a decider is given and what it answers.

Command ──keys──▶ rows ──decide(command, view, now)──▶ Accepted(result) + the changes left in the view
                                                   └─▶ Declined(code, detail) + marks at most
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterable, Mapping
from datetime import datetime
from functools import partial
from hashlib import sha256
from itertools import repeat
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from tongbao.engine.relation import Relation, Row
from tongbao.kernel.errors import Code, InvariantBroken
from tongbao.kernel.ids import RowIds


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """The wish to change something. `command_id` is made by whoever wishes, before it is sent, and kept for repeats."""

    kind: ClassVar[str]
    command_id: UUID

    def fingerprint(self) -> bytes:
        """What the idempotency check compares: 32 bytes over the whole command. Nothing of the command itself is stored."""
        return sha256(self.kind.encode() + b"\x00" + _encode(self.hashed())).digest()

    def hashed(self) -> Command:
        """The command without what may differ between two sendings of the same wish (a salted password hash), and without
        what must not be tried out by repeating it (a PIN: a repeat is told what happened then, whatever PIN it carries)."""
        return self


_encode = msgspec.msgpack.Encoder(order="deterministic", uuid_format="bytes").encode


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """The command happens, with the changes its decider left in the view. `result` is stored and answers every repeat."""

    result: Any = None


class Declined(msgspec.Struct, frozen=True, gc=False):
    """An expected no. It is recorded and stays the answer to this command for ever."""

    code: Code
    detail: Mapping[str, Any] = {}


Decision = Accepted | Declined

#: What a rule answers: a decision; or, where it takes long, the steps to one: wherever it yields, others may have a turn.
Answer = Decision | Generator[None, None, Decision]

C = TypeVar("C", bound=Command)


class Key(NamedTuple):
    """One row a command needs: a relation and the primary key in it (a tuple where the key has several columns)."""

    relation: Relation[Any]
    key: Hashable


_key_of: Callable[[tuple[Relation[Any], Hashable]], Key] = partial(tuple.__new__, Key)


def keys_of(relation: Relation[Any], keys: Iterable[Hashable]) -> list[Key]:
    """Keys in one relation: thousands in a third of the time that making each would take."""
    return list(map(_key_of, zip(repeat(relation), keys, strict=False)))


class Event(NamedTuple):
    """Something others want to know, written to the outbox in the same commit."""

    topic: str
    kind: str
    payload: Mapping[str, Any]


class NotAtHand(Exception):
    """A row that only another row names has yet to be fetched: the engine does, and the decision begins anew."""

    def __init__(self, key: Key) -> None:
        super().__init__(f"{key.relation.name} {key.key}")
        self.key = key


class View:
    """The rows of a batch as one command may see and change them.

    Reads see the commands before it in the batch. Changes stay in the view until the command is accepted; a declined
    command leaves nothing but its marks.
    """

    __slots__ = ("_appended", "_events", "_marked", "_now", "_rows", "_tallies", "_written", "new_id")

    def __init__(self, rows: Mapping[Key, Any], ids: RowIds) -> None:
        self._rows = rows
        #: A new identifier for a row that is appended: increasing, and saying which command it belongs to.
        self.new_id: Callable[[], UUID] = ids.next
        #: Rows as they are now, and those of them that are to be written.
        self._now: dict[Key, Any] = {}
        self._written: dict[Key, Any] = {}
        self._marked: dict[Key, Any] = {}
        self._appended: dict[Relation[Any], list[Any]] = {}
        self._events: list[Event] = []
        self._tallies: list[tuple[Relation[Any], Hashable, tuple[int, ...]]] = []

    def get(self, relation: Relation[Row], key: Hashable) -> Row | None:
        """The row, or None if there is none. A key the command did not name is a bug and raises."""
        wanted = (relation, key)  # equal to Key(relation, key), and made in a third of the time
        if wanted in self._now:
            return self._now[wanted]  # type: ignore[no-any-return]
        try:
            return self._rows[wanted]  # type: ignore[no-any-return, index]
        except KeyError:
            raise InvariantBroken(f"{relation.name} {key} was read but not named by keys()") from None

    def need(self, relation: Relation[Row], key: Hashable) -> Row:
        """As `get`, where absence would be a bug."""
        row = self.get(relation, key)
        if row is None:
            raise InvariantBroken(f"{relation.name} {key} does not exist")
        return row

    def follow(self, relation: Relation[Row], key: Hashable) -> Row | None:
        """As `get`, of a row that another row names, so that the command could not. Where it is not at hand it is fetched and the
        decision begins anew, upon nothing that this one left: for what is seldom needed."""
        if (relation, key) not in self._now and (relation, key) not in self._rows:
            raise NotAtHand(Key(relation, key))
        return self.get(relation, key)

    def put(self, relation: Relation[Row], row: Row) -> None:
        """A new row, or the new version of one that was read."""
        if relation.append_only:
            self.append(relation, (row,))
            return
        key: Key = (relation, relation.key_of(row))  # type: ignore[assignment]
        self._now[key] = self._written[key] = row

    def remove(self, relation: Relation[Row], key: Hashable) -> None:
        """Have no such row from now on. Only relations declared `removable` allow it."""
        if not relation.removable:
            raise InvariantBroken(f"no command removes rows of {relation.name}")
        gone = Key(relation, key)
        if self.get(relation, key) is not None:
            self._now[gone] = self._written[gone] = None

    def derive(self, relation: Relation[Row], row: Row) -> None:
        """The new version of a row that exists, of which only derived fields changed: nothing of it needs to be written."""
        key: Key = (relation, relation.key_of(row))  # type: ignore[assignment]
        self._now[key] = row
        if key in self._written:
            self._written[key] = row

    def derive_all(self, relation: Relation[Row], rows: Mapping[Any, Row]) -> None:
        """As `derive`, for many rows by their keys."""
        if self._written:
            for row in rows.values():
                self.derive(relation, row)
        else:
            self._now.update(zip(keys_of(relation, rows), rows.values(), strict=True))

    def append(self, relation: Relation[Row], rows: Iterable[Row]) -> None:
        """Several new rows of an append-only relation, in its chain order."""
        known = self._appended.get(relation)
        if known is not None:
            known.extend(rows)
        elif added := list(rows):
            self._appended[relation] = added

    def mark(self, relation: Relation[Row], row: Row) -> None:
        """As `put`, kept even if the command is declined. Only relations declared with `marks` allow it."""
        if not relation.marks:
            raise InvariantBroken(f"a declined command may not change {relation.name}")
        self._marked[Key(relation, relation.key_of(row))] = row

    def tally(self, relation: Relation[Any], key: Hashable, *amounts: int) -> None:
        """Add to the counters of a row, which need not be named by `keys()` and cannot be read: the engine adds up a batch's
        tallies and writes each row once."""
        self._tallies.append((relation, key, amounts))

    def emit(self, topic: str, kind: str, payload: Mapping[str, Any]) -> None:
        """Tell the outside, once the command is committed."""
        self._events.append(Event(topic, kind, payload))

    def changes(self, accepted: bool) -> Left:
        """What the engine keeps of this view."""
        if accepted:
            if self._marked:
                self._now = {**self._marked, **self._now}
                self._written = {**self._marked, **self._written}
            return Left(self._now, self._written, self._appended, self._events, self._tallies)
        return Left(self._marked, self._marked, {}, [], [])


class Left(NamedTuple):
    """What a command left: rows as they are now (None: removed), those of them to be written, rows appended by relation, events,
    tallies."""

    now: dict[Key, Any]
    written: dict[Key, Any]
    appended: dict[Relation[Any], list[Any]]
    events: list[Event]
    tallies: list[tuple[Relation[Any], Hashable, tuple[int, ...]]]


class Decider(Generic[C]):
    """Binds a command type to its pure rule.

    `keys(command)` names every row the rule may read or change. `decide(command, view, now)` does no I/O, knows no clock
    and no randomness; it raises only for bugs. One that takes more than a millisecond is a generator. `result` is the type of
    `Accepted.result`, for decoding a stored outcome.
    """

    def __init__(
        self,
        command: type[C],
        keys: Callable[[C], Iterable[Key]],
        decide: Callable[[C, View, datetime], Answer],
        result: Any = None,
    ) -> None:
        self.command = command
        self.keys = keys
        self.decide = decide
        self.result = result


def at_once(answer: Answer) -> Decision:
    """The decision, with nobody having a turn meanwhile."""
    while isinstance(answer, Generator):
        try:
            next(answer)
        except StopIteration as end:
            answer = end.value
    return answer


class Record(msgspec.Struct, frozen=True, gc=False):
    """The stored outcome of a command: row type of table `command`."""

    command_id: UUID
    kind: str
    fingerprint: bytes
    accepted: bool
    outcome: str
    writer: int
    sequence: int
    position: int
    decided_at: datetime


class Link(msgspec.Struct, frozen=True, gc=False):
    """One link of a writer's audit chain: row type of table `chain_link`.

    `root` covers what the batch appended, `seals` says by how much the sum of each relation's seals grew (JSON, relation to 32
    hexadecimal digits), `previous` is the hash of the link before; `seal` is made with the installation's key, and `hash` covers
    all of it (`chain.link`).
    """

    writer: int
    sequence: int
    previous: bytes
    root: bytes
    seals: str
    seal: bytes
    hash: bytes
    commands: int
    decided_at: datetime


class OutboxRow(msgspec.Struct, frozen=True, gc=False):
    """An event as stored: row type of table `outbox`. `sequence` only grows within a writer: readers keep a place for each.
    `position` grows within a batch; its lower 12 bits number the events of one command, the rest is the command's position."""

    writer: int
    sequence: int
    position: int
    topic: str
    kind: str
    payload: str
    at: datetime


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What a caller gets back: the decision, when it was made, and whether it had been made before this request."""

    decision: Decision
    decided_at: datetime
    repeated: bool = False


#: Bits of an event's position that number the events of one command.
EVENT_BITS = 12

#: The engine's own tables. Rank 0: written last, read by no decider.
RECORDS: Relation[Record] = Relation("command", Record, key=("command_id",), rank=0, append_only=True)
OUTBOX: Relation[OutboxRow] = Relation("outbox", OutboxRow, key=("writer", "sequence", "position"), rank=0, append_only=True)
LINKS: Relation[Link] = Relation("chain_link", Link, key=("writer", "sequence"), rank=0, append_only=True)
