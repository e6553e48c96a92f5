"""Compares all that the engine ever stored with the audit chain and the seals, and names what differs.

    tables     have the columns that the engine made
    links      fit their seals and hashes, and each follows on the one before        (and the anchors: `anchors.py`)
    batches    every command with all it appended comes to its link's root; no appended row belongs to none
    seals      every row that may change fits its seal; the seals add up to what the links say
    checks     the modules' own: balances against entries, payments against journals

Runs on one snapshot (REPEATABLE READ, read only), so it can run while payments go on. Rows are hashed in the bytes that the
server sends; only when something differs are they taken apart, to name it (`naming.py`).

An incremental run begins at a verified point (`points.py`): links and batches after it, counts of the rows before it, the sum of
all seals, and each row's own seal in one part of each table, another part each time. What it does not see is an appended row from
before the point that was altered in place, and what only the modules' checks can tell: the full run sees everything.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from struct import Struct
from typing import Any, Protocol

import asyncpg
import msgspec

from tongbao.engine import chain, naming
from tongbao.engine.batches import Batch, BatchReader, Row
from tongbao.engine.findings import ChainBroken, Finding, Verification
from tongbao.engine.naming import ALL_PATIENCE_S, PATIENCE_S, Named, Values
from tongbao.engine.points import SLICES, Point
from tongbao.engine.postgres import QUERIES
from tongbao.engine.relation import Relation
from tongbao.engine.sealing import SEAL_BYTES, Sealer, sum_text
from tongbao.engine.stored import Shape, decoded, each_row, selecting
from tongbao.engine.types import LINKS, OUTBOX, RECORDS, Link
from tongbao.kernel.ids import Origin

__all__ = ["ChainBroken", "Check", "Finding", "Progress", "Verification", "verify"]

#: Commands read at once: what memory is needed for.
_STRETCH = 20_000
_LINKS = 4_000
_MOST_FINDINGS = 20
_MODULUS = 1 << 8 * SEAL_BYTES
_LENGTH = Struct(">i")
_WHOLE = Struct(">q")
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_TWO = Struct(">QQ")
_SEAL_LENGTH = _LENGTH.pack(SEAL_BYTES)
_NEVER = 1 << 62

Progress = Callable[[int, int], None]
Check = Callable[[asyncpg.Connection], Awaitable[None]]


class AnchorsOf(Protocol):
    """Signed ends of the chain, as `verify` compares them."""

    count: int
    signed_at: datetime | None

    async def prepare(self, connection: asyncpg.Connection, heads: dict[int, int]) -> list[Finding]:
        """Read them; `heads`: by writer, up to which sequence the links need not be seen."""
        ...

    def link(self, writer: int, sequence: int, digest: bytes) -> None:
        """A link of the chain, in order within its writer."""
        ...

    def findings(self) -> list[Finding]:
        """What differs, once all links were seen."""
        ...


async def verify(
    connection: asyncpg.Connection,
    relations: Sequence[Relation[Any]],
    sealer: Sealer,
    checks: Sequence[Check] = (),
    *,
    progress: Progress = lambda done, total: None,
    anchors: AnchorsOf | None = None,
    since: Point | None = None,
    patience_s: float = ALL_PATIENCE_S,
) -> Verification:
    """Compare all that is stored. `relations` are all that commands write; `progress` is told commands done and in all.

    `checks` each raise ChainBroken; an incremental run (`since`) leaves them out. `patience_s` is how much processor time may be
    spent on naming what was altered.
    """
    return (
        await verify_for_point(
            connection, relations, sealer, checks, progress=progress, anchors=anchors, since=since, patience_s=patience_s
        )
    )[0]


async def verify_for_point(
    connection: asyncpg.Connection,
    relations: Sequence[Relation[Any]],
    sealer: Sealer,
    checks: Sequence[Check] = (),
    *,
    progress: Progress = lambda done, total: None,
    anchors: AnchorsOf | None = None,
    since: Point | None = None,
    patience_s: float = ALL_PATIENCE_S,
) -> tuple[Verification, Point]:
    """As `verify`, and the point up to which it came; the point is good only if the verification is."""
    started = time.monotonic()
    at = datetime.now(UTC)
    run = _Run(connection, relations, sealer, progress, anchors, since, patience_s)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute("set local statement_timeout = 0; set local jit = off; set local work_mem = '64MB'")
        await run.everything(() if since else checks)
    findings = tuple(sorted(run.findings, key=lambda each: -each.precision)[:_MOST_FINDINGS])
    result = Verification(
        not findings,
        at,
        run.batches,
        run.rows.get(RECORDS.name, 0),
        run.rows,
        int((time.monotonic() - started) * 1000),
        findings[0].text if findings else None,
        findings,
        anchors.count if anchors else 0,
        anchors.signed_at if anchors else None,
        since.at if since else None,
        (run.slice + 1, SLICES) if run.slice is not None else None,
    )
    return result, run.point(at)


class _Run:
    """One verification."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        relations: Sequence[Relation[Any]],
        sealer: Sealer,
        progress: Progress,
        anchors: AnchorsOf | None,
        since: Point | None,
        patience_s: float,
    ) -> None:
        self._connection = connection
        self._relations = relations
        self._appended = [RECORDS, *(each for each in relations if each.append_only), OUTBOX]
        self._sealed = [Shape(each) for each in relations if each.sealed]
        self._sealer = sealer
        self._progress = progress
        self._anchors = anchors
        self._since = since
        self._reader = BatchReader(connection, relations)
        self._values = Values(connection, relations)
        self._patience = patience_s
        self._heads: dict[int, tuple[int, bytes]] = dict(since.heads) if since else {}
        self._sums: dict[str, int] = dict(since.sums) if since else {}
        self._before: dict[str, int] = dict(since.counts) if since else {}
        self._commands = 0
        self._earliest = _NEVER
        #: What a link that was altered said before, by its stored place; None where that is not known.
        self._mended: dict[Batch, Link | None] = {}
        self._missing: list[tuple[int, int, int]] = []
        self.slice = None if since is None else (since.slice + 1) % SLICES
        self.batches = 0
        self.rows: dict[str, int] = {each.name: 0 for each in (*self._appended, *(shape.relation for shape in self._sealed))}
        self.findings: list[Finding] = []

    async def everything(self, checks: Sequence[Check]) -> None:
        if await self._tables():
            return
        heads = {writer: sequence for writer, (sequence, _) in self._heads.items()}
        if self._anchors:
            self.findings += await self._anchors.prepare(self._connection, heads)
        await self._links()
        if self._anchors:
            self.findings += self._anchors.findings()
        await self._batches()
        await self._counts()
        for shape in self._sealed:
            await self._seals(shape)
        for check in checks:
            try:
                await check(self._connection)
            except ChainBroken as broken:
                self.findings.append(broken.finding)
            except Exception as failure:
                if not self.findings:
                    raise
                self.findings.append(Finding(f"{getattr(check, '__name__', check)} could not be done: {failure!r}"))

    def point(self, at: datetime) -> Point:
        counts = {each.name: self.rows[each.name] + self._before.get(each.name, 0) for each in self._appended}
        return Point(at, dict(self._heads), dict(self._sums), counts, self.slice or 0)

    # ── tables ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _tables(self) -> bool:
        """Whether a table is not what the engine made: then its bytes cannot be read as rows."""
        for relation in (*self._appended, LINKS, *(shape.relation for shape in self._sealed)):
            stored = [tuple(row) for row in await self._connection.fetch(QUERIES["table_columns"], relation.name)]
            if stored != Shape(relation).columns():
                told = ", ".join(" ".join(map(str, each[:2])) for each in stored) or "nothing"
                self.findings.append(
                    Finding(f"table {relation.name} has other columns than the engine made: {told}", relation.name)
                )
        return bool(self.findings)

    # ── links ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _links(self) -> None:
        """Every link in order within its writer: its seal, its hash, and that it follows on the one before."""
        shape = Shape(LINKS)
        for writer, (sequence, digest) in self._heads.items():
            row = await self._connection.fetchrow(QUERIES["one_link"], writer, sequence)
            if row is None or row["hash"] != digest:
                what = "is missing" if row is None else "is another than was verified"
                self.findings.append(
                    Finding(f"writer {writer}: batch {sequence} {what}", LINKS.name, (str(writer), str(sequence)))
                )
        writers, sequences = list(self._heads), [sequence for sequence, _ in self._heads.values()]
        unsound: list[bytes] = []
        sealed = self._sealer.seal

        def take(buffer: bytes, begin: int, end: int) -> None:
            row = buffer[begin:end]
            values = _pieces(row)
            writer, sequence = _WHOLE.unpack(values[0])[0], _WHOLE.unpack(values[1])[0]
            previous, digest = values[2], values[6]
            known, before = self._heads.get(writer, (0, chain.GENESIS))
            expected = sha256(b"\x04" + _without(row, values, 6)).digest()
            sound = expected == digest and sealed(LINKS, _without(row, values, 5, 6)) == values[5]
            if not sound:
                unsound.append(row)
            elif sequence == known + 1 and previous != before and (writer, known) not in self._mended:
                self.findings.append(
                    Finding(
                        f"writer {writer}: batch {sequence} does not follow on batch {known}",
                        LINKS.name,
                        (str(writer), str(sequence)),
                    )
                )
            if sequence != known + 1:
                self._missing.append((writer, known + 1, sequence - 1))
            self._heads[writer] = (sequence, digest)
            if not sound:
                self._mended[writer, sequence] = None
            if self._anchors:
                self._anchors.link(writer, sequence, digest)
            self._commands += _WHOLE.unpack(values[7])[0]
            self.batches += 1
            (moment,) = _WHOLE.unpack(values[8])
            self._earliest = min(self._earliest, moment)
            if sound:
                self._add(values[4])

        rest = (
            "left join unnest($1::bigint[], $2::bigint[]) as seen(w, s) on w = writer where s is null or sequence > s "
            "order by writer, sequence"
        )
        await each_row(self._connection, shape, take, selecting(LINKS, rest), writers, sequences)
        for row in unsound:
            await self._name_link(shape, row)
        put_back = {(link.writer, link.sequence) for link in self._mended.values() if link}
        for writer, low, high in self._missing:
            if low <= high and not all((writer, each) in put_back for each in range(low, min(high, low + _MOST_FINDINGS) + 1)):
                several = f"batch {low} is missing" if low == high else f"batches {low} to {high} are missing"
                self.findings.append(Finding(f"writer {writer}: {several}", LINKS.name))

    def _add(self, seals: bytes) -> None:
        """Add what a link says to the sums of seals."""
        if len(seals) > 2:
            for name, grown in _decode(seals).items():
                self._sums[name] = (self._sums.get(name, 0) + int(grown, 16)) % _MODULUS

    async def _name_link(self, shape: Shape, row: bytes) -> None:
        """Name what was altered in a link, and remember what it was."""
        writer, sequence = (_WHOLE.unpack(each)[0] for each in _pieces(row)[:2])
        key = (str(writer), str(sequence))
        until = self._until()

        def fits(other: bytes) -> bool:
            values = _pieces(other)
            return sha256(b"\x04" + _without(other, values, 6)).digest() == values[6] and (
                self._sealer.seal(LINKS, _without(other, values, 5, 6)) == values[5]
            )

        values = await self._values.for_row(shape)
        pieces = _pieces(row)
        extra = {
            "hash": [sha256(b"\x04" + _without(row, pieces, 6)).digest()],
            "seal": [self._sealer.seal(LINKS, _without(row, pieces, 5, 6))],
            "previous": [await self._hash_of(writer, sequence - 1)],
            "root": [await self._root_of(row)],
        }
        for name, several in extra.items():
            values[name] = [*several, *values[name]]
        named = naming.search(shape, row, naming.likely(shape, row, values), fits, until)
        named = named or naming.search(shape, row, naming.near(shape, row), fits, until)
        self._spend(until)
        where = f"writer {writer}, batch {sequence}: its link was altered"
        if named is None:
            self.findings.append(Finding(where, LINKS.name, key))
            return
        self.findings.append(_found(f"{where}: {named.text}", LINKS, key, named))
        mended = self._mended[writer, sequence] = Link(*shape.values(named.row).values())
        self._add(mended.seals.encode())

    async def _hash_of(self, writer: int, sequence: int) -> bytes:
        row = await self._connection.fetchrow(QUERIES["one_link"], writer, sequence)
        return chain.GENESIS if row is None else bytes(row["hash"])

    async def _root_of(self, row: bytes) -> bytes:
        """The root that a link's batch comes to, as it is stored."""
        stored = Link(*Shape(LINKS).values(row).values())
        if not 0 < stored.commands <= 4096:
            return chain.GENESIS
        stretch = await self._reader.read([stored])
        return chain.merkle_root(stretch.leaves(stored))

    # ── batches ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _batches(self) -> None:
        """Every batch's commands and what they appended, against its link's root."""
        place = (_BEGIN, -1, -1)
        if self._since and self._earliest < _NEVER:
            place = (decoded(datetime, _WHOLE.pack(self._earliest)), -1, -1)
        elif self._since:
            return
        done = 0
        while links := await self._reader.links_from(*place, _LINKS):
            last = links[-1]
            place = (last.decided_at, last.writer, last.sequence)
            if self._since:
                heads = self._since.heads
                links = [link for link in links if link.sequence > heads.get(link.writer, (0, b""))[0]]
            if self._mended:
                links = [found for link in links if (found := self._mended.get((link.writer, link.sequence), link)) is not None]
            for stretch in _stretches(links):
                read = await self._reader.read(stretch)
                for name, count in read.counts.items():
                    self.rows[name] += count
                for link in stretch:
                    if len(self.findings) < _MOST_FINDINGS and (
                        (read.unrecorded and read.missing(link)) or chain.merkle_root(read.leaves(link)) != link.root
                    ):
                        await self._name_in_batch(link)
                for row in read.strays[:_MOST_FINDINGS]:
                    self._stray(row)
                done += sum(link.commands for link in stretch)
                self._progress(done, max(done, self._commands))

    async def _name_in_batch(self, link: Link) -> None:
        """Name what was altered in a batch that does not come to its root."""
        where = f"writer {link.writer}, batch {link.sequence}"
        stretch = await self._reader.read([link], keep=True)
        missing = stretch.missing(link)
        if missing:
            which = ", ".join(str(each) for each in missing[:5])
            self.findings.append(Finding(f"{where}: the record of command {which} (of {link.commands}) is missing", RECORDS.name))
            return
        until = self._until()
        values = (
            {shape.relation.name: await self._values.for_row(shape) for shape in self._shapes()} if link.commands <= 50 else {}
        )
        found = naming.in_batch(link, stretch, values, until)
        self._spend(until)
        if found is None:
            whose = f"{where} ({link.decided_at.isoformat()})"
            if link.commands == 1 and stretch.rows:
                record = Shape(RECORDS).values(next(iter(stretch.rows.values()))[0][1])
                text = f"{whose}: command {record['command_id']} ({record['kind']}) or what it wrote was altered"
            else:
                text = f"{whose}: its {link.commands} commands or what they wrote were altered"
            self.findings.append(Finding(text))
            return
        key = tuple(map(str, Shape(found.relation).key(found.row)))
        what = f"{found.relation.name} {'/'.join(key)}"
        if found.named is None:
            self.findings.append(Finding(f"{where}: {what} was inserted", found.relation.name, key))
        else:
            self.findings.append(_found(f"{where}: {what}: {found.named.text}", found.relation, key, found.named))

    def _stray(self, row: Row) -> None:
        relation, encoded = row
        key = tuple(map(str, Shape(relation).key(encoded)))
        what = f"{relation.name} {'/'.join(key)}"
        text = f"{what} was written by no command: it was inserted, or altered in what says where it belongs"
        if not any(each.key == key and each.table == relation.name for each in self.findings):
            self.findings.append(Finding(text, relation.name, key))

    async def _counts(self) -> None:
        """That no appended row is left over, and that none of those before the point is gone."""
        for relation in self._appended:
            stored = await self._connection.fetchval(f"select count(*) from {relation.name}")  # noqa: S608
            expected = self.rows[relation.name] + self._before.get(relation.name, 0)
            if stored < expected:
                text = f"{relation.name}: {expected - stored} rows that were verified before are missing"
                self.findings.append(Finding(text, relation.name))
            elif stored > expected:
                await self._left_over(relation)

    async def _left_over(self, relation: Relation[Any]) -> None:
        """Name rows that belong to no batch of the chain."""
        links = {
            (row["writer"], row["sequence"]): row["commands"] for row in await self._connection.fetch(QUERIES["link_places"])
        }
        for place, mended in self._mended.items():
            links.pop(place, None)
            if mended:
                links[mended.writer, mended.sequence] = mended.commands
        unknown = {place for place, mended in self._mended.items() if mended is None}
        strays: list[tuple[Origin, bytes]] = []

        def take(buffer: bytes, begin: int, end: int) -> None:
            row = buffer[begin:end]
            made = self._reader.batch_of(relation, row)
            place = (made.writer, made.sequence)
            if len(strays) < _MOST_FINDINGS and place not in unknown and not 0 <= made.position < links.get(place, 0):
                strays.append((made, row))

        await each_row(self._connection, Shape(relation), take, selecting(relation))
        for made, row in strays:
            if (made.writer, made.sequence) in links or relation is not RECORDS:
                self._stray((relation, row))
            else:
                key = tuple(map(str, Shape(relation).key(row)))
                text = f"command {key[0]} is recorded in batch {made.sequence} of writer {made.writer}, and no batch contains it"
                self.findings.append(Finding(text, relation.name, key))

    # ── seals ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _seals(self, shape: Shape) -> None:
        """Every row of a relation against its seal, and the sum of the seals against the links."""
        relation = shape.relation
        seal_of, unfit = self._sealer.seal, list[tuple[bytes, bytes]]()
        two = _TWO.unpack_from
        high = low = 0
        part = self.slice

        def take(buffer: bytes, begin: int, end: int) -> None:
            nonlocal high, low
            if buffer[end : end + 4] != _SEAL_LENGTH:
                unfit.append((buffer[begin:end], b""))
                return
            upper, lower = two(buffer, end + 4)
            high += upper
            low += lower
            if part is None or buffer[end + 4] % SLICES == part:
                row = buffer[begin:end]
                if seal_of(relation, row) != buffer[end + 4 : end + 20]:
                    unfit.append((row, buffer[end + 4 : end + 20]))

        self.rows[relation.name] = await each_row(self._connection, shape, take, selecting(relation))
        over = ((high << 64) + low - self._sums.get(relation.name, 0)) % _MODULUS
        if self._missing or None in self._mended.values():
            over = 0  # what the sum should be is not known
        for row, seal in unfit[:_MOST_FINDINGS]:
            await self._name_sealed(shape, row, seal, over)
        seals_altered = unfit and all(each.column != "seal" for each in self.findings if each.table == relation.name)
        if over and (not unfit or seals_altered):
            await self._name_sum(shape, over)

    async def _name_sealed(self, shape: Shape, row: bytes, seal: bytes, over: int) -> None:
        relation = shape.relation
        key = tuple(map(str, shape.key(row)))
        where = f"{relation.name} {'/'.join(key)} does not fit its seal"
        computed = self._sealer.seal(relation, row)
        if not seal:
            self.findings.append(Finding(f"{where}: it has none of the right length", relation.name, key, "seal"))
            return
        if over and (int.from_bytes(seal, "big") - int.from_bytes(computed, "big") - over) % _MODULUS == 0:
            first = next(at for at in range(SEAL_BYTES) if seal[at] != computed[at])
            named = Named("seal", first, computed.hex(), seal.hex(), row)
            self.findings.append(_found(f"{where}: {named.text}", relation, key, named))
            return
        until = self._until()

        def fits(other: bytes) -> bool:
            return self._sealer.seal(relation, other) == seal

        own = {name: row[begin:end] for name, begin, end in shape.spans(row) if end >= 0}
        siblings = {
            name: [
                own[other]
                for other, (kind, _) in zip(relation.columns, shape.kinds, strict=True)
                if other in own and kind is mine
            ]
            for name, (mine, _) in zip(relation.columns, shape.kinds, strict=True)
        }
        values = await self._values.for_row(shape)
        tries = (
            naming.likely(shape, row, siblings),
            naming.likely(shape, row, values),
            naming.near(shape, row),
        )
        found = None
        for candidates in tries:
            found = found or naming.search(shape, row, candidates, fits, until)
        self._spend(until)
        if found is None:
            self.findings.append(Finding(f"{where}: it was altered or inserted, not by a command", relation.name, key))
        else:
            self.findings.append(_found(f"{where}: {found.text}", relation, key, found))

    async def _name_sum(self, shape: Shape, over: int) -> None:
        """The rows fit their seals, but they are not those that the links speak of."""
        relation = shape.relation
        inserted: list[bytes] = []
        wanted = over.to_bytes(SEAL_BYTES, "big")

        def take(buffer: bytes, begin: int, end: int) -> None:
            if buffer[end + 4 : end + 20] == wanted:
                inserted.append(buffer[begin:end])

        await each_row(self._connection, shape, take, selecting(relation))
        if inserted:
            key = tuple(map(str, shape.key(inserted[0])))
            self.findings.append(
                Finding(
                    f"{relation.name} {'/'.join(key)} was inserted: it bears a true seal, but is not there by a command",
                    relation.name,
                    key,
                )
            )
            return
        text = (
            f"{relation.name}: rows were deleted or put back to an older state (the sum of its seals is off by {sum_text(over)})"
        )
        self.findings.append(Finding(text, relation.name))

    # ── means ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _shapes(self) -> list[Shape]:
        return [Shape(relation) for relation in self._appended]

    def _until(self) -> float:
        """Until when to search: less and less, when there is much to name."""
        self._search_began = time.process_time()
        return self._search_began + min(PATIENCE_S, self._patience / 2)

    def _spend(self, until: float) -> None:
        self._patience -= time.process_time() - self._search_began


_decode = msgspec.json.Decoder(dict[str, str]).decode


def _pieces(row: bytes) -> list[bytes]:
    """The values of a row that has no nulls."""
    values = []
    at = 0
    read = _LENGTH.unpack_from
    size = len(row)
    while at < size:
        (length,) = read(row, at)
        values.append(row[at + 4 : at + 4 + length])
        at += 4 + length
    return values


def _without(row: bytes, values: list[bytes], *emptied: int) -> bytes:
    """A link's row with its hash (6), or its seal and its hash (5, 6) left empty: they stand before its last two columns."""
    end = len(row) - 24
    begin = end - sum(4 + len(values[at]) for at in emptied)
    return row[:begin] + b"\0\0\0\0" * len(emptied) + row[end:]


def _found(text: str, relation: Relation[Any], key: tuple[str, ...], named: Named) -> Finding:
    return Finding(text, relation.name, key, named.column, named.byte, named.before, named.now)


def _stretches(links: list[Link]) -> list[list[Link]]:
    """Cut into runs of at most _STRETCH commands."""
    runs: list[list[Link]] = []
    size = _STRETCH
    for each in links:
        if size + each.commands > _STRETCH:
            runs.append([])
            size = 0
        runs[-1].append(each)
        size += each.commands
    return runs
