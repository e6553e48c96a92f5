"""What one batch comes to: each command decided in turn, then the rows to write and the seal to put under them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import structlog

from tongbao.engine import chain
from tongbao.engine.relation import Relation
from tongbao.engine.store import Changes, Head, Seal
from tongbao.engine.types import Accepted, Command, Decider, Decision, Declined, Event, Key, OutboxRow, Outcome, Record, View
from tongbao.kernel.errors import InvariantBroken

_log = structlog.get_logger("tongbao.engine")
_encode = msgspec.json.Encoder(order="deterministic").encode

#: Commands written up at a stretch before others have a turn: about half a millisecond.
_TURN = 32


class Waiting:
    """A command in the queue, and the future of the one who sent it."""

    __slots__ = ("command", "decider", "fingerprint", "future", "keys")

    def __init__(self, command: Command, decider: Decider[Any], future: asyncio.Future[Outcome]) -> None:
        self.command = command
        self.decider = decider
        # What depends on the command alone is done while the batch before is at the database.
        self.fingerprint = command.fingerprint()
        self.keys = tuple(decider.keys(command))
        self.future = future


_Decided = tuple[Waiting, Decision, dict[Relation[Any], list[Any]], list[Event]]


class Work:
    """What one batch has come to so far."""

    def __init__(self, rows: dict[Key, Any], head: Head, now: datetime) -> None:
        self.rows = rows
        self.now = now
        self.head = head
        self.existed = {key for key, row in rows.items() if row is not None}
        self.written: dict[Key, Any] = {}
        self.appended: dict[Relation[Any], list[Any]] = {}
        self.decided: list[_Decided] = []
        self.outcomes: dict[Any, Outcome | Exception] = {}

    def decide(self, waiting: Waiting) -> None:
        """Decide one command upon what those before it left. A bug is its outcome alone, and leaves nothing behind."""
        command = waiting.command
        view = View(self.rows)
        try:
            decision = waiting.decider.decide(command, view, self.now)
        except Exception as bug:
            self.outcomes[command.command_id] = report_bug(command, bug)
            return
        if isinstance(decision, Declined) and decision.detail:
            # As a repeat will be told, so that both are told the same: in the types that JSON has.
            decision = Declined(decision.code, msgspec.to_builtins(decision.detail))
        happened = isinstance(decision, Accepted)
        written, appended, events = view.changes(happened)
        self.rows.update(written)
        self.written.update(written)
        chained: dict[Relation[Any], list[Any]] = {}
        for relation, row in appended:
            self.appended.setdefault(relation, []).append(row)
            if relation.chained:
                chained.setdefault(relation, []).append(row)
        self.decided.append((waiting, decision, chained, events))
        self.outcomes[command.command_id] = Outcome(decision, self.now)

    async def decide_all(self, several: Sequence[Waiting]) -> None:
        """Decide several, often enough letting the one that talks to the database have a turn."""
        for number, waiting in enumerate(several):
            if number % _TURN == 0:
                await asyncio.sleep(0)
            self.decide(waiting)

    def take_appended(self) -> Changes:
        """The appended rows so far, which nothing decided later can change: to be written ahead of the rest."""
        appended, self.appended = self.appended, {}
        return Changes({}, {}, appended)

    def changes(self) -> Changes:
        """The rows to write that were not taken before."""
        inserted: dict[Relation[Any], list[Any]] = {}
        updated: dict[Relation[Any], list[Any]] = {}
        for key, row in self.written.items():
            (updated if key in self.existed else inserted).setdefault(key[0], []).append(row)
        return Changes(inserted, updated, self.appended)

    async def seal(self) -> Seal:
        """Write up what was decided, and hash it; often enough letting the one that talks to the database have a turn."""
        writer, sequence, now = self.head.writer, self.head.sequence + 1, self.now
        records: list[Record] = []
        leaves: list[bytes] = []
        outbox: list[OutboxRow] = []
        for position, (waiting, decision, chained, events) in enumerate(self.decided):
            if position % _TURN == 0:
                await asyncio.sleep(0)
            command = waiting.command
            record = Record(
                command.command_id, command.kind, waiting.fingerprint, isinstance(decision, Accepted), outcome_text(decision),
                writer, sequence, position, now,
            )  # fmt: skip
            records.append(record)
            leaves.append(chain.leaf(record, in_chain_order(chained)))
            for topic, kind, payload in events:
                outbox.append(OutboxRow(writer, sequence, len(outbox), topic, kind, _encode(payload).decode(), now))
        link = chain.link(writer, sequence, self.head.hash, chain.merkle_root(leaves), len(records), now)
        return Seal(records, outbox, link)


def in_chain_order(rows: dict[Relation[Any], list[Any]]) -> list[list[Any]]:
    """A command's chained rows in the one order that is hashed: relations by rank, rows by key."""
    return [sorted(rows[relation], key=relation.key_of) for relation in sorted(rows, key=lambda relation: relation.rank)]  # type: ignore[arg-type]


def outcome_text(decision: Decision) -> str:
    """How a decision is stored: JSON, `{"result": …}` or `{"code": …, "detail": …}`."""
    if isinstance(decision, Accepted):
        return _encode({"result": decision.result}).decode()
    return _encode({"code": decision.code.name, "detail": decision.detail}).decode()


def report_bug(command: Command, bug: Exception) -> InvariantBroken:
    """Whatever it was, it is a bug by the time it stands here: logged with its trace, told as one."""
    _log.error("command_broken", command=command.kind, id=str(command.command_id), exc_info=bug)
    return bug if isinstance(bug, InvariantBroken) else InvariantBroken(repr(bug))
