"""Verification, anchors and proofs for the whole product: what the commands, the worker and the routes call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import structlog

from tongbao.app import catalogue
from tongbao.app.registry import CHECKS, RELATIONS
from tongbao.app.settings import Settings
from tongbao.engine import anchors, points
from tongbao.engine.anchors import Anchor, AnchorCheck, AnchorKey
from tongbao.engine.api import Relation, Sealer
from tongbao.engine.findings import Verification
from tongbao.engine.postgres import QUERIES
from tongbao.engine.proofs import NotAnchored, Proof, prove
from tongbao.engine.types import RECORDS
from tongbao.engine.verify import Progress, verify_for_point
from tongbao.kernel.clock import Clock, SystemClock
from tongbao.kernel.errors import InvariantBroken, Refusal, decline
from tongbao.kernel.sql import Queries
from tongbao.ledger.types import ENTRY, JOURNAL
from tongbao.security.keys import Keys
from tongbao.wallet.types import BILL

_log = structlog.get_logger("tongbao.audit")

NOTHING_TO_PROVE = decline("nothing_to_prove", "没有可供证明的记录。", "There is nothing to prove here.", status=404)

_QUERIES = Queries("tongbao.app")
#: Entries of a journal that one proof shows.
_MOST_ENTRIES = 64

#: A row to be proven, by relation and primary key.
Wanted = tuple[Relation[Any], Sequence[Any]]


def anchor_file(settings: Settings) -> Path:
    """Where anchors are appended."""
    return Path(settings.anchor_file).expanduser() if settings.anchor_file else settings.data_dir / "anchors.jsonl"


class Audit:
    """Holds the keys that verifying and signing need. Every use opens a connection of its own: they are rare, and may be long."""

    def __init__(self, dsn: str, keys: Keys, settings: Settings, clock: Clock | None = None) -> None:
        self._dsn = dsn
        self._sealer = Sealer(keys.seal)
        self._key = AnchorKey(keys.anchor)
        self._settings = settings
        self._clock = clock or SystemClock()
        self._zone = ZoneInfo(settings.time_zone)
        self._anchored_at: datetime | None = None
        self._verified_at: datetime | None = None
        self._verified_on: date | None = None
        self._running: asyncio.Task[None] | None = None
        #: What the last verification in the background found.
        self.last: Verification | None = None

    @property
    def public_key(self) -> bytes:
        """The key that anchors are signed with."""
        return self._key.public_key

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self._dsn, timeout=10, server_settings={"application_name": "tongbao audit"})
        try:
            yield connection
        finally:
            await connection.close(timeout=5)

    # ── verifying ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def verify(
        self,
        *,
        since_last: bool = False,
        files: Sequence[Path] = (),
        progress: Progress = lambda done, total: None,
    ) -> Verification:
        """Compare everything with the chain, the seals and the anchors (ours, our file's, and those of `files`), and the schema
        with what the migrations make. What was found right is noted as a verified point; `since_last` begins at the last one, if
        there is one."""
        ours = anchor_file(self._settings)
        async with self._connected() as connection:
            since = await points.newest(connection, self._sealer) if since_last else None
            found, point = await verify_for_point(
                connection, RELATIONS, self._sealer, CHECKS,
                progress=progress, anchors=AnchorCheck(self.public_key, [ours, *files]), since=since,
                catalogue=catalogue.expected(),
            )  # fmt: skip
            if found.ok:
                await points.keep(connection, point, self._sealer)
        return found

    # ── anchors ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def anchor(self) -> Anchor | None:
        """Sign the chain's ends, store that and append it to the file; None if there is no news."""
        async with self._connected() as connection:
            made = await anchors.make(connection, self._key, self._sealer, RELATIONS, self._clock.now())
            await anchors.append_to_file(connection, anchor_file(self._settings))
        return made

    async def anchors_after(self, number: int, limit: int) -> list[Anchor]:
        """Published anchors in order."""
        async with self._connected() as connection:
            return [Anchor(*row) for row in await connection.fetch(QUERIES["anchors_after"], number, limit)]

    async def standing(self, limit: int) -> tuple[list[Anchor], datetime | None]:
        """The last anchors, newest first, and when any process last found everything right (None if never, or if that note was
        altered)."""
        async with self._connected() as connection:
            newest = await connection.fetchrow(QUERIES["newest_anchor"])
            rows = await connection.fetch(QUERIES["anchors_after"], max(0, newest["number"] - limit), limit) if newest else []
            point = await points.newest(connection, self._sealer)
        return [Anchor(*row) for row in reversed(rows)], point.at if point else None

    # ── proofs ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def prove(self, *wanted: Wanted) -> Proof:
        """The proof of some rows of one command; anchors them first if need be. Declines `nothing_to_prove`."""
        async with self._connected() as connection:
            for attempt in range(2):
                try:
                    async with connection.transaction(isolation="repeatable_read", readonly=True):
                        proof = await prove(connection, RELATIONS, wanted, self._sealer, self.public_key)
                except NotAnchored:
                    if attempt or await self.anchor() is None:
                        raise
                    continue
                if proof is None:
                    break
                return proof
        raise Refusal(NOTHING_TO_PROVE)

    async def prove_bill(self, customer_id: UUID, bill_id: UUID) -> Proof:
        """A customer's own bill."""
        return await self.prove((BILL, (customer_id, bill_id)))

    async def prove_journal(self, journal_id: UUID, owner_id: UUID | None = None) -> Proof:
        """A journal with its entries, or only with those of one owner's accounts."""
        async with self._connected() as connection:
            rows = await connection.fetch(_QUERIES["entries_to_prove"], journal_id, owner_id, _MOST_ENTRIES)
        return await self.prove((JOURNAL, (journal_id,)), *((ENTRY, tuple(row)) for row in rows))

    async def prove_entry(self, account_id: UUID, version: int) -> Proof:
        """One entry."""
        return await self.prove((ENTRY, (account_id, version)))

    async def prove_command(self, command_id: UUID) -> Proof:
        """The record of one command."""
        return await self.prove((RECORDS, (command_id,)))

    async def prove_receipt(self, bill_id: UUID) -> Proof:
        """A bill, whoever's it is."""
        async with self._connected() as connection:
            customer_id = await connection.fetchval(_QUERIES["owner_of_bill"], bill_id)
        if customer_id is None:
            raise Refusal(NOTHING_TO_PROVE)
        return await self.prove((BILL, (customer_id, bill_id)))

    # ── the worker's part ───────────────────────────────────────────────────────────────────────────────────────────────

    async def anchor_when_due(self) -> int:
        """For the worker's rounds: 1 if an anchor was made."""
        now, every = self._clock.now(), self._settings.anchor_every_s
        if not every or (self._anchored_at and (now - self._anchored_at).total_seconds() < every):
            return 0
        self._anchored_at = now
        try:
            return int(await self.anchor() is not None)
        except InvariantBroken as broken:
            _log.error("not_anchored", reason=str(broken))
            return 0

    async def anchor_at_the_end(self) -> None:
        """For a worker that stops: what is not anchored yet is, if that can be."""
        if self._settings.anchor_every_s:
            self._anchored_at = None
            try:
                await self.anchor_when_due()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as failure:
                _log.warning("not_anchored", reason=f"{type(failure).__name__}: {failure}")

    async def verify_when_due(self) -> int:
        """For the worker's rounds: begins a verification in the background, 1 if it did. What it finds is logged."""
        if self._running is not None and not self._running.done():
            return 0
        now = self._clock.now()
        local, every = now.astimezone(self._zone), self._settings.verify_every_s
        nightly = local.hour == self._settings.verify_hour and local.date() != self._verified_on
        if not nightly and (not every or (self._verified_at and (now - self._verified_at).total_seconds() < every)):
            return 0
        if nightly:
            self._verified_on = local.date()
        self._verified_at = now
        self._running = asyncio.create_task(self._verify_and_tell(since_last=not nightly), name="verify")
        return 1

    async def _verify_and_tell(self, *, since_last: bool) -> None:
        try:
            found = await self.verify(since_last=since_last)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as failure:
            _log.warning("not_verified", reason=f"{type(failure).__name__}: {failure}")
            return
        self.last = found
        if found.ok:
            _log.info("verified", commands=found.commands, since=str(found.since), duration_ms=found.duration_ms)
        for finding in found.findings:
            _log.error("altered", finding=finding.text, table=finding.table, key=finding.key, column=finding.column)

    async def idle(self) -> None:
        """Wait until no verification runs."""
        if self._running is not None:
            await asyncio.gather(self._running, return_exceptions=True)

    async def close(self) -> None:
        """Stop a verification that runs."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
