"""Anchors: the ends of the audit chain, signed and kept where the database's owner cannot reach them.

Whoever owns the database could cut off the chain's end together with all that belonged to it; nothing inside the database would
tell. So from time to time the ends are signed (Ed25519, RFC 8032) and the signed statement leaves the database: it is appended
to a file and published, for others to keep copies. A statement says, as JSON with sorted keys,

    anchor     its number, from 1            at        when it was signed
    previous   SHA-256 of the statement before, 64 zeros in the first
    writers    for each writer: `last`, the sequence its chain had reached, `head`, the hash of that link, and `root`, the
               Merkle root (RFC 6962, as in `chain`) over the hashes of the links from `first` on, those since the anchor before
    schema     SHA-256 over the columns of every append-only table (`schema_of`), so that a row can be read from its proof alone
    key        the first 16 hexadecimal digits of the public key's SHA-256

Before links are signed they are compared with their seals: what the engine did not make is never anchored.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tongbao.engine import chain
from tongbao.engine.findings import Finding
from tongbao.engine.postgres import QUERIES
from tongbao.engine.relation import Relation
from tongbao.engine.sealing import Sealer
from tongbao.engine.stored import Shape
from tongbao.engine.types import OUTBOX, RECORDS, Link
from tongbao.kernel.errors import InvariantBroken

_LOCK = 7043
_NONE = "0" * 64


class End(msgspec.Struct, frozen=True):
    """How far one writer's chain had come. Without news `first` is `last` + 1."""

    writer: int
    first: int
    last: int
    head: str
    root: str


class Statement(msgspec.Struct, frozen=True):
    """What is signed."""

    anchor: int
    at: str
    previous: str
    writers: list[End]
    schema: str
    key: str


class Anchor(msgspec.Struct, frozen=True):
    """A signed statement, as it is kept and published: the statement's text, and the signature of that text in hexadecimal."""

    number: int
    statement: str
    signature: str

    def read(self) -> Statement:
        """The statement. Raises msgspec.DecodeError if it is none."""
        return msgspec.json.decode(self.statement, type=Statement)

    @property
    def digest(self) -> str:
        """What the next anchor calls `previous`."""
        return sha256(self.statement.encode()).hexdigest()


class AnchorKey:
    """The installation's key for anchors, from a seed of 32 bytes."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._key.public_key().public_bytes_raw()
        self.id = key_id(self.public_key)

    def sign(self, statement: Statement) -> Anchor:
        """The signed statement."""
        text = msgspec.json.encode(statement, order="deterministic")
        return Anchor(statement.anchor, text.decode(), self._key.sign(text).hex())


def key_id(public_key: bytes) -> str:
    """How a key is named."""
    return sha256(public_key).hexdigest()[:16]


def is_signed(anchor: Anchor, public_key: bytes) -> bool:
    """Whether the anchor's statement bears a signature of this key."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(bytes.fromhex(anchor.signature), anchor.statement.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def schema_of(relations: Iterable[Relation[Any]]) -> dict[str, str]:
    """The columns of every append-only table, as text: "journal_id uuid, command_id uuid, …"."""
    appended = (RECORDS, *(each for each in relations if each.append_only), OUTBOX)
    return {
        relation.name: ", ".join(f"{name} {_PLAIN.get(kind, kind)}" for name, kind, _ in Shape(relation).columns())
        for relation in appended
    }


_PLAIN = {"timestamp with time zone": "timestamptz"}


def schema_digest(schema: dict[str, str]) -> str:
    """SHA-256 over the tables in the order of their names, each as "name: columns" and a line feed."""
    return sha256("".join(f"{name}: {schema[name]}\n" for name in sorted(schema)).encode()).hexdigest()


# ── making ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def make(
    connection: asyncpg.Connection, key: AnchorKey, sealer: Sealer, relations: Sequence[Relation[Any]], now: datetime
) -> Anchor | None:
    """Sign what has been committed since the last anchor and store it; None if that is nothing.

    One at a time (an advisory lock). Raises InvariantBroken if the chain is not what the engine made, or no longer has what was
    anchored before.
    """
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
        row = await connection.fetchrow(QUERIES["newest_anchor"])
        last = Anchor(*row) if row else None
        if last is not None and not is_signed(last, key.public_key):
            raise InvariantBroken(f"anchor {last.number} is not signed with this installation's key")
        ends = {end.writer: end for end in last.read().writers} if last else {}
        fresh = await _fresh_ends(connection, sealer, ends)
        if all(end.first > end.last for end in fresh):
            return None
        anchor = key.sign(
            Statement(
                last.number + 1 if last else 1,
                now.astimezone(UTC).isoformat(timespec="microseconds"),
                last.digest if last else _NONE,
                fresh,
                schema_digest(schema_of(relations)),
                key.id,
            )
        )
        await connection.execute(QUERIES["keep_anchor"], anchor.number, anchor.statement, bytes.fromhex(anchor.signature))
    return anchor


async def _fresh_ends(connection: asyncpg.Connection, sealer: Sealer, ends: dict[int, End]) -> list[End]:
    """Every writer's end, with the links after the one before compared and hashed."""
    for end in ends.values():
        row = await connection.fetchrow(QUERIES["one_link"], end.writer, end.last)
        if row is None or row["hash"].hex() != end.head:
            raise InvariantBroken(f"writer {end.writer}: batch {end.last} was anchored and is not there any more")
    writers = sorted({*ends, *(row["writer"] for row in await connection.fetch(QUERIES["chain_heads"]))})
    fresh = []
    for writer in writers:
        before = ends.get(writer, End(writer, 1, 0, chain.GENESIS.hex(), ""))
        previous, sequence, digests = bytes.fromhex(before.head), before.last, list[bytes]()
        async for row in connection.cursor(QUERIES["links_of_writer"], writer, before.last, 1 << 62, prefetch=1000):
            link = Link(*row)
            sequence += 1
            again = chain.link(sealer, writer, sequence, previous, link.root, link.seals, link.commands, link.decided_at)
            if again != link:
                raise InvariantBroken(f"writer {writer}: batch {sequence} is not what the engine made; nothing is anchored")
            previous = link.hash
            digests.append(link.hash)
        fresh.append(End(writer, before.last + 1, sequence, previous.hex(), chain.merkle_root(digests).hex()))
    return fresh


async def append_to_file(connection: asyncpg.Connection, path: Path) -> int:
    """Append to the file what it does not have yet, and make that durable. Returns how many lines that were."""
    last = await asyncio.to_thread(_last_number, path)
    missing = [Anchor(*row) for row in await connection.fetch(QUERIES["anchors_after"], last, 100_000)]
    if missing:
        await asyncio.to_thread(_append, path, missing)
    return len(missing)


def _last_number(path: Path) -> int:
    return max((anchor.number for anchor in read_file(path)), default=0) if path.exists() else 0


def _append(path: Path, several: Sequence[Anchor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")  # a line that was cut short by a crash is not an anchor, and stays alone
        file.write(b"".join(msgspec.json.encode(anchor) + b"\n" for anchor in several))
        file.flush()
        os.fsync(file.fileno())


def read_file(path: Path) -> Iterator[Anchor]:
    """The anchors of a file, one a line; what is none is passed over."""
    with path.open("rb") as file:
        for line in file:
            try:
                yield msgspec.json.decode(line, type=Anchor)
            except msgspec.MsgspecError:
                continue


# ── comparing ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Reached(NamedTuple):
    number: int
    at: str
    end: End


class AnchorCheck:
    """Compares the chain with the anchors in the database and in files: what `verify` asks for (`verify.AnchorsOf`)."""

    def __init__(self, public_key: bytes, files: Sequence[Path] = (), relations: Sequence[Relation[Any]] = ()) -> None:
        self.count = 0
        self.signed_at: datetime | None = None
        self._public_key = public_key
        self._files = files
        self._schema = schema_digest(schema_of(relations))
        self._found: list[Finding] = []
        self._ends: dict[int, deque[_Reached]] = {}
        self._hashes: dict[int, list[bytes]] = {}
        self._seen: dict[int, int] = {}

    async def prepare(self, connection: asyncpg.Connection, heads: dict[int, int]) -> list[Finding]:
        """See `verify.AnchorsOf`."""
        found: list[Finding] = []
        self._seen = dict(heads)
        known: dict[int, Anchor] = {}
        previous = _NONE
        async for row in connection.cursor(QUERIES["anchors_after"], 0, 1 << 40, prefetch=1000):
            anchor = Anchor(*row)
            place = (str(anchor.number),)
            statement = self._read(anchor)
            if statement is None:
                found.append(Finding(f"anchor {anchor.number} was altered: its signature does not fit", "anchor", place))
            elif anchor.number != len(known) + 1 or statement.anchor != anchor.number:
                found.append(Finding(f"anchor {len(known) + 1} is missing in the database", "anchor"))
            elif statement.previous != previous:
                found.append(Finding(f"anchor {anchor.number} does not follow on the one before", "anchor", place))
            else:
                self._expect(statement)
            known[anchor.number] = anchor
            previous = anchor.digest
        for path in self._files:
            found += self._compare(path, known)
        for writer, expected in self._ends.items():
            self._ends[writer] = deque(sorted(expected, key=lambda each: each.end.last))
        self.count = len(known)
        return found

    def _compare(self, path: Path, known: dict[int, Anchor]) -> list[Finding]:
        """A file against the database. Its anchors are taken at their word if they are signed: the database is the suspect."""
        found = []
        several = 0
        for anchor in read_file(path) if path.exists() else ():
            if known.get(anchor.number) == anchor:
                continue
            statement = self._read(anchor)
            if statement is None:
                found.append(Finding(f"{path.name}: anchor {anchor.number} was altered there: its signature does not fit"))
                continue
            several += 1
            if several == 1:
                what = "is another in the database" if anchor.number in known else "is missing in the database"
                found.append(Finding(f"{path.name}: anchor {anchor.number}, signed at {statement.at}, {what}", "anchor"))
            self._expect(statement)
        return found

    def _read(self, anchor: Anchor) -> Statement | None:
        if not is_signed(anchor, self._public_key):
            return None
        try:
            return anchor.read()
        except msgspec.MsgspecError:
            return None

    def _expect(self, statement: Statement) -> None:
        at = datetime.fromisoformat(statement.at)
        self.signed_at = at if self.signed_at is None else max(at, self.signed_at)
        for end in statement.writers:
            if end.first <= end.last and end.last > self._seen.get(end.writer, 0):
                self._ends.setdefault(end.writer, deque()).append(_Reached(statement.anchor, statement.at, end))

    def link(self, writer: int, sequence: int, digest: bytes) -> None:
        """See `verify.AnchorsOf`."""
        self._seen[writer] = sequence
        expected = self._ends.get(writer)
        if not expected:
            return
        hashes = self._hashes.setdefault(writer, [])
        hashes.append(digest)
        while expected and expected[0].end.last <= sequence:
            number, at, end = expected.popleft()
            whole = len(hashes) == end.last - end.first + 1 and end.last == sequence
            right = (
                end.last == sequence and end.head == digest.hex() and (not whole or chain.merkle_root(hashes).hex() == end.root)
            )
            if not right:
                self._found.append(
                    Finding(
                        f"writer {writer}: batches {end.first} to {end.last} are not those of anchor {number}, signed at {at}",
                        "chain_link",
                    )
                )
            if not expected or expected[0].end.first > end.last:
                hashes.clear()

    def findings(self) -> list[Finding]:
        """See `verify.AnchorsOf`."""
        for writer, expected in self._ends.items():
            if expected:
                number, at, end = expected[-1]
                text = (
                    f"the end was cut off: at {at} writer {writer} had reached batch {end.last} (anchor {number}), "
                    f"now its chain ends at {self._seen.get(writer, 0)}"
                )
                self._found.append(Finding(text, "chain_link", (str(writer), str(end.last))))
        return self._found
