"""Rows that may change: each fits its seal, and the seals add up to what the links say."""

from __future__ import annotations

from struct import Struct

from tongbao.engine import naming
from tongbao.engine.findings import Finding
from tongbao.engine.naming import Named
from tongbao.engine.points import SLICES
from tongbao.engine.sealing import SEAL_BYTES, sum_text
from tongbao.engine.stored import Shape, each_row, selecting
from tongbao.engine.verify_run import LENGTH, MODULUS, MOST_FINDINGS, Run, found_at

_TWO = Struct(">QQ")
_SEAL_LENGTH = LENGTH.pack(SEAL_BYTES)


async def check_seals(run: Run, shape: Shape) -> None:
    """Every row of a relation against its seal, and the sum of the seals against the links."""
    relation = shape.relation
    seal_of, unfit = run.sealer.seal, list[tuple[bytes, bytes]]()
    two = _TWO.unpack_from
    high = low = 0
    part = run.slice

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

    run.rows[relation.name] = await each_row(run.connection, shape, take, selecting(relation))
    over = ((high << 64) + low - run.sums.get(relation.name, 0)) % MODULUS
    if run.missing or None in run.mended.values():
        over = 0  # what the sum should be is not known
    for row, seal in unfit[:MOST_FINDINGS]:
        await _name_sealed(run, shape, row, seal, over)
    seals_altered = unfit and all(each.column != "seal" for each in run.findings if each.table == relation.name)
    if over and (not unfit or seals_altered):
        await _name_sum(run, shape, over)


async def _name_sealed(run: Run, shape: Shape, row: bytes, seal: bytes, over: int) -> None:
    relation = shape.relation
    key = tuple(map(str, shape.key(row)))
    where = f"{relation.name} {'/'.join(key)} does not fit its seal"
    computed = run.sealer.seal(relation, row)
    if not seal:
        run.findings.append(Finding(f"{where}: it has none of the right length", relation.name, key, "seal"))
        return
    if over and (int.from_bytes(seal, "big") - int.from_bytes(computed, "big") - over) % MODULUS == 0:
        first = next(at for at in range(SEAL_BYTES) if seal[at] != computed[at])
        named = Named("seal", first, computed.hex(), seal.hex(), row)
        run.findings.append(found_at(f"{where}: {named.text}", relation, key, named))
        return
    until = run.until()

    def fits(other: bytes) -> bool:
        return run.sealer.seal(relation, other) == seal

    own = {name: row[begin:end] for name, begin, end in shape.spans(row) if end >= 0}
    siblings = {
        name: [
            own[other] for other, (kind, _) in zip(relation.columns, shape.kinds, strict=True) if other in own and kind is mine
        ]
        for name, (mine, _) in zip(relation.columns, shape.kinds, strict=True)
    }
    values = await run.values.for_row(shape)
    tries = (
        naming.likely(shape, row, siblings),
        naming.likely(shape, row, values),
        naming.near(shape, row),
    )
    found = None
    for candidates in tries:
        found = found or naming.search(shape, row, candidates, fits, until)
    run.spend()
    if found is None:
        run.findings.append(Finding(f"{where}: it was altered or inserted, not by a command", relation.name, key))
    else:
        run.findings.append(found_at(f"{where}: {found.text}", relation, key, found))


async def _name_sum(run: Run, shape: Shape, over: int) -> None:
    """The rows fit their seals, but they are not those that the links speak of."""
    relation = shape.relation
    inserted: list[bytes] = []
    wanted = over.to_bytes(SEAL_BYTES, "big")

    def take(buffer: bytes, begin: int, end: int) -> None:
        if buffer[end + 4 : end + 20] == wanted:
            inserted.append(buffer[begin:end])

    await each_row(run.connection, shape, take, selecting(relation))
    if inserted:
        key = tuple(map(str, shape.key(inserted[0])))
        run.findings.append(
            Finding(
                f"{relation.name} {'/'.join(key)} was inserted: it bears a true seal, but is not there by a command",
                relation.name,
                key,
            )
        )
        return
    text = f"{relation.name}: rows were deleted or put back to an older state (the sum of its seals is off by {sum_text(over)})"
    run.findings.append(Finding(text, relation.name))
