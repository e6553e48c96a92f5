"""The links of the chain: each fits its seal and its hash, and follows on the one before."""

from __future__ import annotations

from hashlib import sha256

import msgspec

from tongbao.engine import chain, naming
from tongbao.engine.findings import Finding
from tongbao.engine.postgres import QUERIES
from tongbao.engine.stored import Shape, each_row, selecting
from tongbao.engine.types import LINKS, Link
from tongbao.engine.verify_run import LENGTH, MODULUS, MOST_FINDINGS, WHOLE, Run, found_at

_decode = msgspec.json.Decoder(dict[str, str]).decode


async def check_links(run: Run) -> None:
    """Every link in order within its writer: its seal, its hash, and that it follows on the one before."""
    shape = Shape(LINKS)
    for writer, (sequence, digest) in run.heads.items():
        row = await run.connection.fetchrow(QUERIES["one_link"], writer, sequence)
        if row is None or row["hash"] != digest:
            what = "is missing" if row is None else "is another than was verified"
            run.findings.append(Finding(f"writer {writer}: batch {sequence} {what}", LINKS.name, (str(writer), str(sequence))))
    writers, sequences = list(run.heads), [sequence for sequence, _ in run.heads.values()]
    unsound: list[bytes] = []
    sealed = run.sealer.seal

    def take(buffer: bytes, begin: int, end: int) -> None:
        row = buffer[begin:end]
        values = _pieces(row)
        writer, sequence = WHOLE.unpack(values[0])[0], WHOLE.unpack(values[1])[0]
        previous, digest = values[2], values[6]
        known, before = run.heads.get(writer, (0, chain.GENESIS))
        expected = sha256(b"\x04" + _without(row, values, 6)).digest()
        sound = expected == digest and sealed(LINKS, _without(row, values, 5, 6)) == values[5]
        if not sound:
            unsound.append(row)
        elif sequence == known + 1 and previous != before and (writer, known) not in run.mended:
            run.findings.append(
                Finding(
                    f"writer {writer}: batch {sequence} does not follow on batch {known}",
                    LINKS.name,
                    (str(writer), str(sequence)),
                )
            )
        if sequence != known + 1:
            run.missing.append((writer, known + 1, sequence - 1))
        run.heads[writer] = (sequence, digest)
        if not sound:
            run.mended[writer, sequence] = None
        if run.anchors:
            run.anchors.link(writer, sequence, digest)
        run.commands += WHOLE.unpack(values[7])[0]
        run.batches += 1
        (moment,) = WHOLE.unpack(values[8])
        run.earliest = min(run.earliest, moment)
        if sound:
            _add(run, values[4])

    rest = (
        "left join unnest($1::bigint[], $2::bigint[]) as seen(w, s) on w = writer where s is null or sequence > s "
        "order by writer, sequence"
    )
    await each_row(run.connection, shape, take, selecting(LINKS, rest), writers, sequences)
    for row in unsound:
        await _name_link(run, shape, row)
    put_back = {(link.writer, link.sequence) for link in run.mended.values() if link}
    for writer, low, high in run.missing:
        if low <= high and not all((writer, each) in put_back for each in range(low, min(high, low + MOST_FINDINGS) + 1)):
            several = f"batch {low} is missing" if low == high else f"batches {low} to {high} are missing"
            run.findings.append(Finding(f"writer {writer}: {several}", LINKS.name))


def _add(run: Run, seals: bytes) -> None:
    """Add what a link says to the sums of seals."""
    if len(seals) > 2:
        for name, grown in _decode(seals).items():
            run.sums[name] = (run.sums.get(name, 0) + int(grown, 16)) % MODULUS


async def _name_link(run: Run, shape: Shape, row: bytes) -> None:
    """Name what was altered in a link, and remember what it was."""
    writer, sequence = (WHOLE.unpack(each)[0] for each in _pieces(row)[:2])
    key = (str(writer), str(sequence))
    until = run.until()

    def fits(other: bytes) -> bool:
        values = _pieces(other)
        return sha256(b"\x04" + _without(other, values, 6)).digest() == values[6] and (
            run.sealer.seal(LINKS, _without(other, values, 5, 6)) == values[5]
        )

    values = await run.values.for_row(shape)
    pieces = _pieces(row)
    extra = {
        "hash": [sha256(b"\x04" + _without(row, pieces, 6)).digest()],
        "seal": [run.sealer.seal(LINKS, _without(row, pieces, 5, 6))],
        "previous": [await _hash_of(run, writer, sequence - 1)],
        "root": [await _root_of(run, row)],
    }
    for name, several in extra.items():
        values[name] = [*several, *values[name]]
    named = naming.search(shape, row, naming.likely(shape, row, values), fits, until)
    named = named or naming.search(shape, row, naming.near(shape, row), fits, until)
    run.spend()
    where = f"writer {writer}, batch {sequence}: its link was altered"
    if named is None:
        run.findings.append(Finding(where, LINKS.name, key))
        return
    run.findings.append(found_at(f"{where}: {named.text}", LINKS, key, named))
    mended = run.mended[writer, sequence] = Link(*shape.values(named.row).values())
    _add(run, mended.seals.encode())


async def _hash_of(run: Run, writer: int, sequence: int) -> bytes:
    row = await run.connection.fetchrow(QUERIES["one_link"], writer, sequence)
    return chain.GENESIS if row is None else bytes(row["hash"])


async def _root_of(run: Run, row: bytes) -> bytes:
    """The root that a link's batch comes to, as it is stored."""
    stored = Link(*Shape(LINKS).values(row).values())
    if not 0 < stored.commands <= 4096:
        return chain.GENESIS
    stretch = await run.reader.read([stored])
    return chain.merkle_root(stretch.leaves(stored))


def _pieces(row: bytes) -> list[bytes]:
    """The values of a row that has no nulls."""
    values = []
    at = 0
    read = LENGTH.unpack_from
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
