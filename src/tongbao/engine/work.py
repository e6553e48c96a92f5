"""What one batch comes to: each command decided in turn and written up at once, then the rows that changed and the link."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Hashable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import structlog

from tongbao.engine import chain
from tongbao.engine.relation import Relation
from tongbao.engine.sealing import Sealer, sum_of, sum_text
from tongbao.engine.store import Changes, Head, Rows
from tongbao.engine.types import (
    EVENT_BITS,
    OUTBOX,
    RECORDS,
    Accepted,
    Command,
    Decider,
    Decision,
    Declined,
    Event,
    Key,
    NotAtHand,
    OutboxRow,
    Outcome,
    Record,
    View,
)
from tongbao.kernel.errors import InvariantBroken
from tongbao.kernel.ids import RowIds

_log = structlog.get_logger("tongbao.engine")
_encode = msgspec.json.Encoder(order="deterministic").encode

V = TypeVar("V")

#: Commands decided at a stretch before others have a turn: a third of a millisecond. The batch at the database needs a dozen
#: answers, and each of them waits for half of this (at 32 commands it lay idle for a third of its time: bench payments).
_TURN = 8
#: Rows of a command encoded or hashed at a stretch, for the same reason.
_STRETCH = 256
#: A command of fewer rows is an ordinary one.
_ORDINARY_KEYS = 16
#: Positions that an identifier has room for (`kernel.ids.RowIds`).
MOST_COMMANDS = 4096


class Waiting:
    """A command in the queue, and the future of the one who sent it. `weight` is how much work it is, by the rows it names: 1 for
    a payment, 250 for a bulk of 2,000 postings."""

    __slots__ = ("command", "decider", "fingerprint", "future", "keys", "weight")

    def __init__(self, command: Command, decider: Decider[Any], future: asyncio.Future[Outcome]) -> None:
        self.command = command
        self.decider = decider
        # What depends on the command alone is done while the batch before is at the database.
        self.fingerprint = command.fingerprint()
        self.keys = tuple(decider.keys(command))
        self.weight = 1 + len(self.keys) // _ORDINARY_KEYS
        self.future = future


class Work:
    """What one batch has come to so far.

    `rows` holds every row that its commands named, as the commands before left it; the caller puts rows in before a command that
    names them is decided. Nothing here waits for anything.
    """

    def __init__(self, head: Head, now: datetime, sealer: Sealer) -> None:
        self.rows: dict[Key, Any] = {}
        self.seals: dict[Key, bytes] = {}
        self.written: dict[Key, Any] = {}
        self.derived: dict[Key, Any] = {}
        self.appended: dict[Relation[Any], Rows] = {}
        self.outcomes: dict[UUID, Outcome | Exception] = {}
        self.now = now
        self._head = head
        self._sequence = head.sequence + 1
        self._sealer = sealer
        self._ids = RowIds(now, head.writer, self._sequence)
        self._before: dict[Key, Any] = {}
        self._leaves: list[bytes] = []
        self._tallies: dict[tuple[Relation[Any], Hashable], list[int]] = {}

    def __len__(self) -> int:
        """Commands decided, bugs not counted."""
        return len(self._leaves)

    async def decide_all(self, several: Iterable[Waiting], fetch: Callable[[Key], Awaitable[bool]]) -> None:
        """Decide several, often enough letting others have a turn: the one that talks to the database, and those who ask. `fetch`
        puts a row in that only another row named; False: there is no use in going on."""
        for number, waiting in enumerate(several, 1):
            for missing in self.decide(waiting):
                if missing is None:
                    await asyncio.sleep(0)
                elif not await fetch(missing):
                    return
            if number % _TURN == 0:
                await asyncio.sleep(0)

    def decide(self, waiting: Waiting) -> Iterator[Key | None]:
        """Decide one command upon what those before it left, yielding where others may have a turn, or the key of a row that is
        to be put in. A bug is its outcome alone, and leaves nothing behind."""
        command = waiting.command
        position = len(self._leaves)
        self._ids.begin(position)
        view = View(self.rows, self._ids)
        missing: Key | None = None
        try:
            answer = waiting.decider.decide(command, view, self.now)
            decision = answer if isinstance(answer, Accepted | Declined) else (yield from answer)
            if self._ids.spent(position):
                raise InvariantBroken(f"{command.kind} appends more rows than there are identifiers")
            if isinstance(decision, Declined) and decision.detail:
                # As a repeat will be told, so that both are told the same: in the types that JSON has.
                decision = Declined(decision.code, msgspec.to_builtins(decision.detail))
            happened = isinstance(decision, Accepted)
            left = view.changes(happened)
            record = Record(
                command.command_id, command.kind, waiting.fingerprint, happened, outcome_text(decision), self._head.writer,
                self._sequence, position, self.now,
            )  # fmt: skip
            hashes = yield from self._write_up(record, left.appended, left.events)
        except NotAtHand as followed:
            missing = followed.key
        except Exception as bug:
            self.outcomes[command.command_id] = report_bug(command, bug)
            return
        if missing is not None:
            yield missing
            yield from self.decide(waiting)
            return
        self._take(left.now, left.written)
        tallies = self._tallies
        for relation, key, amounts in left.tallies:
            counter = (relation, key)
            if counter in tallies:
                sums = tallies[counter]
                for at, amount in enumerate(amounts):
                    sums[at] += amount
            else:
                tallies[counter] = list(amounts)
        self._leaves.append(chain.command_hash(hashes))
        self.outcomes[command.command_id] = Outcome(decision, self.now)

    def _take(self, now: Mapping[Key, Any], to_be_written: Mapping[Key, Any]) -> None:
        """Rows as a command left them: those to be written, and those of which only derived fields changed."""
        rows, written, derived = self.rows, self.written, self.derived
        if not (written or to_be_written):
            derived.update(now)
            rows.update(now)
            return
        for key, row in now.items():
            if key in written:
                written[key] = row
            elif key in to_be_written:
                self._before[key] = rows.get(key)
                written[key] = row
                derived.pop(key, None)
            else:
                derived[key] = row
        rows.update(now)

    def _write_up(
        self, record: Record, appended: Mapping[Relation[Any], list[Any]], events: list[Event]
    ) -> Generator[None, None, list[bytes]]:
        """Encode and hash what a command appends; only when all of it is encoded does any of it stay."""
        parts: list[tuple[Relation[Any], list[Any], list[bytes]]] = [(RECORDS, [record], [RECORDS.encode(record)])]
        for relation in sorted(appended, key=_rank) if len(appended) > 1 else appended:
            rows = appended[relation]
            if len(rows) <= _STRETCH:
                parts.append((relation, rows, _encoded(relation, rows)))
                continue
            encoded: list[bytes] = []
            for stretch in _stretches(rows):
                encoded += relation.encode_all(stretch)
                yield
            parts.append((relation, rows, encoded))
        if events:
            told = [
                OutboxRow(
                    record.writer, record.sequence, record.position << EVENT_BITS | number, topic, kind,
                    _encode(payload).decode(), self.now,
                )
                for number, (topic, kind, payload) in enumerate(events)
            ]  # fmt: skip
            parts.append((OUTBOX, told, _encoded(OUTBOX, told)))
        count = sum(len(encoded) for _, _, encoded in parts)
        blinds = self._sealer.blinds(self._ids.prefix(record.position), count)
        hashes: list[bytes] = []
        for relation, rows, encoded in parts:
            if len(rows) <= _STRETCH:
                hashes += chain.row_hashes(relation, encoded, blinds, len(hashes))
            else:
                for stretch in _stretches(encoded):
                    hashes += chain.row_hashes(relation, stretch, blinds, len(hashes))
                    yield
            into = self.appended.get(relation)
            if into is None:
                into = self.appended[relation] = Rows([], [], [])
            into.rows += rows
            into.encoded += encoded
        return hashes

    def tallied(self) -> list[Key]:
        """The rows that the tallies need, which are to be put in before `close`."""
        return [Key(relation, key) for relation, key in self._tallies]

    def close(self, known: Callable[[Key], bytes | None]) -> Changes:
        """Add up the tallies, seal the rows that changed, and link it all to what was before. `known`: seals at hand of rows as
        they were, besides those in `seals`."""
        for (relation, key), sums in self._tallies.items():
            self._count(Key(relation, key), sums)
        groups: dict[tuple[Relation[Any], bool], list[Key]] = {}
        gone: dict[Relation[Any], list[Any]] = {}
        former: dict[str, list[bytes]] = {}
        for key, row in self.written.items():
            before = self._before[key]
            if before is not None:
                former.setdefault(key[0].name, []).append(
                    self.seals.get(key) or known(key) or self._sealer.seal(key[0], key[0].encode(before))
                )
            if row is not None:
                groups.setdefault((key[0], before is None), []).append(key)
            elif before is not None:
                gone.setdefault(key[0], []).append(key[1])
        inserted: dict[Relation[Any], Rows] = {}
        updated: dict[Relation[Any], Rows] = {}
        made: dict[str, list[bytes]] = {}
        for (relation, is_new), keys in groups.items():
            rows = [self.written[key] for key in keys]
            encoded = _encoded(relation, rows)
            sealed = self._sealer.seals(relation, encoded)
            self.seals.update(zip(keys, sealed, strict=True))
            (inserted if is_new else updated)[relation] = Rows(rows, encoded, sealed)
            made.setdefault(relation.name, []).extend(sealed)
        grew = {name: sum_of(made.get(name, ())) - sum_of(former.get(name, ())) for name in {**made, **former}}
        seals = _encode({name: sum_text(total) for name, total in grew.items()}).decode()
        link = chain.link(
            self._sealer,
            self._head.writer,
            self._sequence,
            self._head.hash,
            chain.merkle_root(self._leaves),
            seals,
            len(self._leaves),
            self.now,
        )
        return Changes(inserted, updated, self.appended, gone, self.derived, link)

    def _count(self, key: Key, sums: list[int]) -> None:
        relation = key.relation
        row = self.rows[key]
        self._before.setdefault(key, row)
        if row is None:
            named: Any = key.key if relation.composite else (key.key,)
            row = relation.row(*named, *sums)
        else:
            row = msgspec.structs.replace(
                row, **{name: getattr(row, name) + amount for name, amount in zip(relation.tally, sums, strict=True)}
            )
        self.rows[key] = self.written[key] = row


def _encoded(relation: Relation[Any], rows: list[Any]) -> list[bytes]:
    # For one or two rows it is not worth looking for what they have in common.
    return relation.encode_all(rows) if len(rows) > 2 else [relation.encode(row) for row in rows]


def _stretches(items: list[V]) -> Iterator[list[V]]:
    return (items[at : at + _STRETCH] for at in range(0, len(items), _STRETCH))


def _rank(relation: Relation[Any]) -> int:
    return relation.rank


def outcome_text(decision: Decision) -> str:
    """How a decision is stored: JSON, `{"result": …}` or `{"code": …, "detail": …}`."""
    if isinstance(decision, Accepted):
        return _encode({"result": decision.result}).decode()
    return _encode({"code": decision.code.name, "detail": decision.detail}).decode()


def report_bug(command: Command, bug: Exception) -> InvariantBroken:
    """Whatever it was, it is a bug by the time it stands here: logged with its trace, told as one."""
    _log.error("command_broken", command=command.kind, id=str(command.command_id), exc_info=bug)
    return bug if isinstance(bug, InvariantBroken) else InvariantBroken(repr(bug))
