"""A proof convinces whoever has the public key and nothing else; changed anywhere, it convinces nobody."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from copy import deepcopy
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from tests.support.books import bulk, pair, wallet
from tests.support.town import NOON, Town, town
from tongbao.app.registry import RELATIONS
from tongbao.engine import anchors
from tongbao.engine.anchors import AnchorKey
from tongbao.engine.api import PostgresStore, Relation, Sealer
from tongbao.engine.chain import command_hash
from tongbao.engine.naming import command_path
from tongbao.engine.proofs import NotAnchored, prove
from tongbao.engine.types import OUTBOX, RECORDS
from tongbao.kernel.errors import InvariantBroken
from tongbao.ledger.types import ENTRY, JOURNAL, Entry
from tongbao.wallet.types import BILL

TOOL = Path(__file__).parents[2] / "tools" / "verify_proof.py"
KEY = AnchorKey(b"k" * 32)
SEALER = Sealer(b"seal")


def _tool() -> Any:
    spec = importlib.util.spec_from_file_location("verify_proof", TOOL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CHECK = _tool().verify


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    """A database in which people paid and were refused, anchored."""
    async with town(PostgresStore(database, sealer=SEALER)) as place:
        await _pay(place)
    opened = await asyncpg.connect(database)
    await anchors.make(opened, KEY, SEALER, RELATIONS, NOON)
    yield opened
    await opened.close()


async def _pay(place: Town) -> None:
    payer, payee, merchant = await place.customer(10_000), await place.customer(), await place.merchant()
    await place.happens(place.ordering(merchant, "order"))
    several = [place.engine.enqueue(place.transferring(payer, payee, number)) for number in range(1, 9)]
    for outcome in several:
        await outcome
    await place.happens(place.paying(merchant, "order", payer))
    # A command of more rows than are hashed at once.
    await place.happens(bulk(place, [pair(wallet(payer), wallet(payee), number) for number in range(1, 13)]))


async def _proof(
    connection: asyncpg.Connection, *wanted: tuple[Relation[Any], tuple[Any, ...]], sealer: Sealer = SEALER
) -> dict[str, Any]:
    found = await prove(connection, RELATIONS, wanted, sealer, KEY.public_key)
    assert found is not None
    proof: dict[str, Any] = json.loads(msgspec.json.encode(found))
    return proof


async def _payment(connection: asyncpg.Connection) -> list[tuple[Relation[Any], tuple[Any, ...]]]:
    """The journal of the payment, with its entries."""
    journal = await connection.fetchval("select journal_id from journal where kind = 'payment'")
    entries = await connection.fetch("select account_id, version from entry where journal_id = $1 order by leg", journal)
    return [(JOURNAL, (journal,)), *((ENTRY, tuple(row)) for row in entries)]


async def test_every_appended_row_can_be_proven(connection: asyncpg.Connection) -> None:
    proven = 0
    every: list[Relation[Any]] = [RECORDS, OUTBOX, *(each for each in RELATIONS if each.append_only)]
    for relation in every:
        for row in await connection.fetch(f"select {', '.join(relation.key_columns)} from {relation.name}"):
            statement = CHECK(await _proof(connection, (relation, tuple(row))), KEY.public_key.hex())
            assert statement["anchor"] == 1
            proven += 1
    assert proven > 100


async def test_a_proof_shows_its_own_rows_and_only_hashes_of_others(connection: asyncpg.Connection) -> None:
    row = await connection.fetchrow(
        "select customer_id, bill_id, title from bill where kind = 'transfer' and direction = 'out' limit 1"
    )
    proof = await _proof(connection, (BILL, (row["customer_id"], row["bill_id"])))
    assert [part["table"] for part in proof["rows"]] == ["bill"]
    assert proof["rows"][0]["row"]["bill_id"] == str(row["bill_id"])
    shown = json.dumps({name: part for name, part in proof.items() if name != "rows"})
    for other in await connection.fetch("select journal_id::text from journal union select customer_id::text from bill"):
        assert other[0] not in shown


def _leaves(part: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(part, dict):
        for name, value in part.items():
            yield from _leaves(value, (*path, name))
    elif isinstance(part, list):
        for at, value in enumerate(part):
            yield from _leaves(value, (*path, at))
    else:
        yield path


def _changes(value: Any) -> list[Any]:
    """What a value may be changed into: near to it, of another type, nothing."""
    if isinstance(value, bool):
        return [not value, int(value), None]
    if isinstance(value, int):
        return [value + 1, -value - 1, float(value), str(value), None]
    if value is None:
        return ["", 0, False]
    several: list[Any] = [value + "0", value[:-1], None, 0, [value]]
    for at in {0, len(value) // 2, len(value) - 1} if value else ():
        several.append(value[:at] + ("1" if value[at] != "1" else "2") + value[at + 1 :])
        several.append(value[:at] + value[at].swapcase() + value[at + 1 :])
    return several if value else [*several, "0"]


def _put(proof: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = deepcopy(proof)
    part: Any = changed
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    return changed


def _holds(proof: Any) -> bool:
    try:
        CHECK(proof, KEY.public_key.hex())
    except Exception:
        return False
    return True


async def test_a_proof_with_any_one_field_changed_does_not_hold(connection: asyncpg.Connection) -> None:
    proof = await _proof(connection, *await _payment(connection))
    assert _holds(proof)
    tried = 0
    for path in _leaves(proof):
        now: Any = proof
        for step in path:
            now = now[step]
        for value in _changes(now):
            if value != now or type(value) is not type(now):
                assert not _holds(_put(proof, path, value)), (path, now, value)
                tried += 1
    assert tried > 300


async def test_a_proof_with_a_part_more_or_less_or_in_another_order_does_not_hold(connection: asyncpg.Connection) -> None:
    proof = await _proof(connection, *await _payment(connection))

    def parts(part: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
        yield path, part
        for name, value in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
            yield from parts(value, (*path, name))

    tried = 0
    for path, part in list(parts(proof)):
        others: list[Any]
        if isinstance(part, dict) and path:
            others = [{name: value for name, value in part.items() if name != left} for left in part] + [{**part, "more": "x"}]
        elif isinstance(part, list) and path != ("rows",):
            others = [part[:at] + part[at + 1 :] for at in range(len(part))]
            others += [[*part, part[-1]], part[::-1]] if part else [[{"before": [], "after": []}]]
        else:
            continue
        for other in others:
            if other != part:
                assert not _holds(_put(proof, path, other)), (path, other)
                tried += 1
    assert tried > 50
    assert not _holds({**proof, "rows": []})


async def test_a_proof_with_another_blind_does_not_hold(connection: asyncpg.Connection) -> None:
    proof = await _proof(connection, *await _payment(connection))
    blinds = [part["blind"] for part in proof["rows"]]
    assert len({*blinds}) == len(blinds) == 4
    for other in (blinds[1], "", "00" * 16, blinds[0] + "00", blinds[0][:-2], blinds[0].upper(), None):
        assert not _holds(_put(proof, ("rows", 0, "blind"), other)), other


# ── what a proof does not say ───────────────────────────────────────────────────────────────────────────────────────────


class _Bare(Sealer):
    """Hashes rows without blinds."""

    def blinds(self, command: bytes, count: int) -> bytes:
        return b""


def _balances_that_fit(proof: dict[str, Any], other: Entry) -> set[int]:
    """The balance of somebody else's entry in the proven journal, as found by one who knows all the rest of that entry: tries
    every balance, bare and with every blind that the proof shows or that anybody could make."""
    journal = proof["rows"][0]["row"]
    stream = Sealer().blinds(UUID(journal["journal_id"]).bytes[:14], 16)
    blinds = {b"", bytes(16), *(bytes.fromhex(part["blind"]) for part in proof["rows"])}
    blinds |= {stream[at : at + 16] for at in range(0, len(stream), 16)}
    hashes = {
        bytes.fromhex(each)
        for part in proof["rows"]
        for beside in (*part["groups"], part["command"])
        for each in (*beside["before"], *beside["after"])
    }
    found = set()
    for balance in range(10_001):
        row = b"\x02entry\x00" + ENTRY.encode(msgspec.structs.replace(other, balance_minor=balance))
        if any(sha256(row + blind).digest() in hashes for blind in blinds):
            found.add(balance)
    return found


@pytest.mark.parametrize("mine", [0, 1], ids=["payer", "payee"])
@pytest.mark.parametrize(("sealer", "tells"), [(SEALER, False), (_Bare(b"seal"), True)], ids=["blinded", "bare"])
async def test_a_proof_does_not_tell_the_other_sides_balance_as_it_would_without_blinds(
    database: str, sealer: Sealer, tells: bool, mine: int
) -> None:
    async with town(PostgresStore(database, sealer=sealer)) as place:
        await place.happens(place.transferring(await place.customer(4321), await place.customer(1234), 100))
    opened = await asyncpg.connect(database)
    await anchors.make(opened, KEY, sealer, RELATIONS, NOON)
    rows = await opened.fetch(
        "select e.* from entry e join journal using (journal_id) where kind = 'transfer' order by amount_minor"
    )
    entries = [Entry(**row) for row in rows]
    own, other = entries[mine], entries[1 - mine]
    proof = await _proof(opened, (JOURNAL, (own.journal_id,)), (ENTRY, (own.account_id, own.version)), sealer=sealer)
    await opened.close()
    assert [entry.balance_minor for entry in entries] == [4221, 1334]
    assert _balances_that_fit(proof, other) == ({other.balance_minor} if tells else set())


async def test_a_proof_under_another_key_does_not_hold(connection: asyncpg.Connection) -> None:
    proof = await _proof(connection, *await _payment(connection))
    other = AnchorKey(b"other" + b"-" * 27)
    signed = other.sign(msgspec.json.decode(proof["anchor"]["statement"], type=anchors.Statement))
    forged = {
        **proof,
        "anchor": {"statement": signed.statement, "signature": signed.signature},
        "public_key": other.public_key.hex(),
    }
    assert CHECK(forged)["anchor"] == 1, "it is sound in itself"
    assert not _holds(forged)


@pytest.mark.parametrize(
    "sql",
    [
        "update journal set memo = memo || 'x'",
        "update entry set amount_minor = amount_minor * 2",
        "delete from bill where kind = 'payment'",
        "update command set outcome = outcome || ' '",
        "update chain_link set root = sha256('x')",
        "update chain_link set decided_at = decided_at + interval '1 microsecond'",
        "delete from chain_link where sequence = 2",
    ],
)
async def test_nothing_is_proven_from_an_altered_database(connection: asyncpg.Connection, sql: str) -> None:
    wanted = await _payment(connection)
    await connection.execute("set session_replication_role = replica")
    await connection.execute(sql)
    with pytest.raises(InvariantBroken):
        await prove(connection, RELATIONS, wanted, SEALER, KEY.public_key)


async def test_what_is_not_anchored_yet_is_not_proven(connection: asyncpg.Connection, database: str) -> None:
    async with town(PostgresStore(database, sealer=SEALER), seed=2) as place:
        await place.customer(5)
    newest = await connection.fetchval("select journal_id from journal order by journal_id desc limit 1")
    with pytest.raises(NotAnchored):
        await prove(connection, RELATIONS, [(JOURNAL, (newest,))], SEALER, KEY.public_key)
    await anchors.make(connection, KEY, SEALER, RELATIONS, NOON)
    assert CHECK(await _proof(connection, (JOURNAL, (newest,))), KEY.public_key.hex())["anchor"] == 2


def test_a_row_among_more_than_thirty_two_of_one_command_comes_to_its_hash() -> None:
    """A command that appended many rows hashes them in groups."""
    hashes = [bytes([number]) * 32 for number in range(100)]
    for at in range(100):
        ours = hashes[at]
        for tag, before, after in command_path(hashes, at):
            ours = sha256(tag + b"".join((*before, ours, *after))).digest()
        assert ours == command_hash(hashes)


async def test_the_tool_says_in_words_what_is_proven(connection: asyncpg.Connection, tmp_path: Path) -> None:
    file = tmp_path / "proof.json"
    proof = await _proof(connection, *await _payment(connection))
    file.write_text(json.dumps(proof))
    told = subprocess.run([sys.executable, TOOL, file, KEY.public_key.hex()], capture_output=True, text=True, check=False)
    assert told.returncode == 0
    assert "证明成立" in told.stdout and "THE PROOF HOLDS" in told.stdout and "order" in told.stdout
    file.write_text(json.dumps(_put(proof, ("rows", 0, "row", "memo"), "another")))
    told = subprocess.run([sys.executable, TOOL, file], capture_output=True, text=True, check=False)
    assert told.returncode == 1 and "DOES NOT HOLD" in told.stdout


def test_the_tool_is_short_enough_to_be_read() -> None:
    assert len(TOOL.read_text().splitlines()) <= 150


async def test_a_text_cannot_make_up_lines_of_its_own_when_a_proof_is_shown(database: str, tmp_path: Path) -> None:
    async with town(PostgresStore(database, sealer=SEALER)) as place:
        payer, shop = await place.customer(10_000), await place.merchant()
        await place.happens(place.paying_at_once(shop, "A-1", payer, 1, subject="ok\n    amount_minor   -9\x1b[2K"))
    opened = await asyncpg.connect(database)
    await anchors.make(opened, KEY, SEALER, RELATIONS, NOON)
    bill = await opened.fetchval("select bill_id from bill where customer_id = $1 and kind = 'payment'", payer)
    file = tmp_path / "proof.json"
    file.write_text(json.dumps(await _proof(opened, (BILL, (payer, bill)))))
    await opened.close()
    told = subprocess.run([sys.executable, TOOL, file], capture_output=True, text=True, check=True).stdout
    assert "\\n    amount_minor   -9\\x1b" in told and told.count("\n    amount_minor") == 1 and "\x1b" not in told
