"""Batches: every command with all it appended comes to its link's root, and no appended row belongs to none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tongbao.engine import chain, naming
from tongbao.engine.batches import Row
from tongbao.engine.findings import Finding
from tongbao.engine.postgres import QUERIES
from tongbao.engine.relation import Relation
from tongbao.engine.stored import Shape, decoded, each_row, selecting
from tongbao.engine.types import RECORDS, Link
from tongbao.engine.verify_run import MOST_FINDINGS, NEVER, WHOLE, Run, found_at
from tongbao.kernel.ids import Origin

#: Commands read at once: what memory is needed for.
_STRETCH = 20_000
_LINKS = 4_000
#: In so few commands every value that is stored anywhere is tried; in more that would take too long.
_FEW = 50
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


async def check_batches(run: Run) -> None:
    """Every batch's commands and what they appended, against its link's root."""
    place = (_BEGIN, -1, -1)
    if run.since and run.earliest < NEVER:
        place = (decoded(datetime, WHOLE.pack(run.earliest)), -1, -1)
    elif run.since:
        return
    done = 0
    while links := await run.reader.links_from(*place, _LINKS):
        last = links[-1]
        place = (last.decided_at, last.writer, last.sequence)
        if run.since:
            heads = run.since.heads
            links = [link for link in links if link.sequence > heads.get(link.writer, (0, b""))[0]]
        if run.mended:
            links = [found for link in links if (found := run.mended.get((link.writer, link.sequence), link)) is not None]
        for stretch in _stretches(links):
            read = await run.reader.read(stretch)
            for name, count in read.counts.items():
                run.rows[name] += count
            for link in stretch:
                if len(run.findings) < MOST_FINDINGS and (
                    (read.unrecorded and read.missing(link)) or chain.merkle_root(read.leaves(link)) != link.root
                ):
                    await _name_in_batch(run, link)
            for row in read.strays[:MOST_FINDINGS]:
                _stray(run, row)
            done += sum(link.commands for link in stretch)
            run.progress(done, max(done, run.commands))


async def _name_in_batch(run: Run, link: Link) -> None:
    """Name what was altered in a batch that does not come to its root."""
    where = f"writer {link.writer}, batch {link.sequence}"
    stretch = await run.reader.read([link], keep=True)
    missing = stretch.missing(link)
    if missing:
        which = ", ".join(str(each) for each in missing[:5])
        run.findings.append(Finding(f"{where}: the record of command {which} (of {link.commands}) is missing", RECORDS.name))
        return
    until = run.until()
    values = {}
    if link.commands <= _FEW:
        values = {each.name: await run.values.for_row(Shape(each)) for each in run.appended}
    found = naming.in_batch(link, stretch, values, until)
    run.spend()
    if found is None:
        whose = f"{where} ({link.decided_at.isoformat()})"
        if link.commands == 1 and stretch.rows:
            record = Shape(RECORDS).values(next(iter(stretch.rows.values()))[0][1])
            text = f"{whose}: command {record['command_id']} ({record['kind']}) or what it wrote was altered"
        else:
            text = f"{whose}: its {link.commands} commands or what they wrote were altered"
        run.findings.append(Finding(text))
        return
    key = tuple(map(str, Shape(found.relation).key(found.row)))
    what = f"{found.relation.name} {'/'.join(key)}"
    if found.named is None:
        run.findings.append(Finding(f"{where}: {what} was inserted", found.relation.name, key))
    else:
        run.findings.append(found_at(f"{where}: {what}: {found.named.text}", found.relation, key, found.named))


def _stray(run: Run, row: Row) -> None:
    relation, encoded = row
    key = tuple(map(str, Shape(relation).key(encoded)))
    what = f"{relation.name} {'/'.join(key)}"
    text = f"{what} was written by no command: it was inserted, or altered in what says where it belongs"
    if not any(each.key == key and each.table == relation.name for each in run.findings):
        run.findings.append(Finding(text, relation.name, key))


async def check_counts(run: Run) -> None:
    """That no appended row is left over, and that none of those before the point is gone."""
    for relation in run.appended:
        stored = await run.connection.fetchval(f"select count(*) from {relation.name}")  # noqa: S608
        expected = run.rows[relation.name] + run.before.get(relation.name, 0)
        if stored < expected:
            text = f"{relation.name}: {expected - stored} rows that were verified before are missing"
            run.findings.append(Finding(text, relation.name))
        elif stored > expected:
            await _left_over(run, relation)


async def _left_over(run: Run, relation: Relation[Any]) -> None:
    """Name rows that belong to no batch of the chain."""
    links = {(row["writer"], row["sequence"]): row["commands"] for row in await run.connection.fetch(QUERIES["link_places"])}
    for place, mended in run.mended.items():
        links.pop(place, None)
        if mended:
            links[mended.writer, mended.sequence] = mended.commands
    unknown = {place for place, mended in run.mended.items() if mended is None}
    strays: list[tuple[Origin, bytes]] = []

    def take(buffer: bytes, begin: int, end: int) -> None:
        row = buffer[begin:end]
        made = run.reader.batch_of(relation, row)
        place = (made.writer, made.sequence)
        if len(strays) < MOST_FINDINGS and place not in unknown and not 0 <= made.position < links.get(place, 0):
            strays.append((made, row))

    await each_row(run.connection, Shape(relation), take, selecting(relation))
    for made, row in strays:
        if (made.writer, made.sequence) in links or relation is not RECORDS:
            _stray(run, (relation, row))
        else:
            key = tuple(map(str, Shape(relation).key(row)))
            text = f"command {key[0]} is recorded in batch {made.sequence} of writer {made.writer}, and no batch contains it"
            run.findings.append(Finding(text, relation.name, key))


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
