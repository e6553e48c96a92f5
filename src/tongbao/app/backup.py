"""Backups: everything an installation needs to go on, but the master key, in one envelope.

An envelope holds parts, each a line of JSON with its name, then blocks (a length of four bytes and so many bytes; none ends it):

    anchors.jsonl    the signed ends of the chain, as this installation keeps them
    keys.json        the key ring, wrapped
    database.dump    PostgreSQL's own archive of the database, of one moment
    manifest.json    last: what made it, when, and the size and SHA-256 of every part

Whoever has the recipient's key has the database as it lies there: people's names are sealed in it, and the ring is wrapped. The
anchors come before the database, so each of them has its row in it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Final

import msgspec

from tongbao import __version__
from tongbao.kernel.postgres import EmbeddedPostgres, binary, for_programs
from tongbao.security.envelopes import EnvelopeError, Identity, OpeningReader, Recipient, SealingWriter
from tongbao.security.master import replace_file

ANCHORS, RING, DATABASE, MANIFEST = "anchors.jsonl", "keys.json", "database.dump", "manifest.json"
_NEEDED: Final = (RING, DATABASE)
_BLOCK: Final = 1 << 20
_LONGEST_LINE: Final = 1_000
_FORMAT = 1
_KEPT: Final = "backups.json"


class BackupError(RuntimeError):
    """A backup cannot be made, or is not whole. The message says why."""


class Part(msgspec.Struct, frozen=True):
    """One part, as the manifest knows it."""

    name: str
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What is in a backup."""

    format: int
    version: str
    postgres: str
    made_at: datetime
    parts: list[Part]


class _Name(msgspec.Struct, frozen=True):
    part: str


class Kept(msgspec.Struct, frozen=True):
    """What an installation remembers of its backups: when the last was made, and when one was last brought back on trial and
    found right. Lies beside the data as `backups.json`; without it there was none."""

    made_at: datetime | None = None
    rehearsed_at: datetime | None = None


def kept(folder: Path) -> Kept:
    """What is remembered in a data directory. A file that nobody can read says nothing."""
    try:
        return msgspec.json.decode((folder / _KEPT).read_bytes(), type=Kept)
    except (OSError, msgspec.DecodeError):
        return Kept()


def remember(folder: Path, **what: datetime) -> None:
    """Write down what was done just now."""
    replace_file(folder / _KEPT, msgspec.json.encode(msgspec.structs.replace(kept(folder), **what)) + b"\n")


# ── making one ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def back_up(dsn: str, ring: Path, anchors: Path, target: Path, recipient: Recipient) -> Manifest:
    """Write a backup of the database of `dsn` to `target`, which is there only when it is whole. Blocks for as long as it takes.

    Raises BackupError, PostgresError.
    """
    draft = target.with_name(f".{target.name}.part")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            writer = SealingWriter(file, recipient)
            parts = []
            for name, path in ((ANCHORS, anchors), (RING, ring)):
                if path.exists():
                    with path.open("rb") as source:
                        parts.append(_write(writer, name, source))
            with _dumping(dsn) as source:
                parts.append(_write(writer, DATABASE, source))
            manifest = Manifest(_FORMAT, __version__, _postgres_version(), datetime.now(UTC), parts)
            _write_bytes(writer, MANIFEST, msgspec.json.encode(manifest))
            writer.close()
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return manifest


@contextmanager
def _dumping(dsn: str) -> Iterator[IO[bytes]]:
    """The database as `pg_dump` writes it: one snapshot, whoever writes meanwhile. Raises BackupError if it does not end well."""
    address, environment = for_programs(dsn)
    command = [str(binary("pg_dump")), "--format=custom", "--compress=gzip:3", "--no-owner", "--no-privileges", address]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    assert process.stdout is not None and process.stderr is not None
    try:
        yield process.stdout
        said = process.stderr.read().decode(errors="replace").strip()
        if process.wait() != 0:
            raise BackupError(f"pg_dump ended with {process.returncode}: {said}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
        process.stderr.close()


def _write(writer: SealingWriter, name: str, source: IO[bytes]) -> Part:
    digest, size = sha256(), 0
    writer.write(msgspec.json.encode(_Name(name)) + b"\n")
    while block := source.read(_BLOCK):
        digest.update(block)
        size += len(block)
        writer.write(len(block).to_bytes(4, "big") + block)
    writer.write(bytes(4))
    return Part(name, size, digest.hexdigest())


def _write_bytes(writer: SealingWriter, name: str, content: bytes) -> None:
    writer.write(msgspec.json.encode(_Name(name)) + b"\n" + len(content).to_bytes(4, "big") + content + bytes(4))


def _postgres_version() -> str:
    done = subprocess.run([str(binary("pg_dump")), "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


# ── bringing one back ───────────────────────────────────────────────────────────────────────────────────────────────────


def unpack(file: Path, identity: Identity, folder: Path) -> Manifest:
    """Write every part of a backup into `folder`, and compare each with the manifest. Raises EnvelopeError, BackupError."""
    found: dict[str, Part] = {}
    with file.open("rb") as source:
        reader = OpeningReader(source, identity)
        while line := _line(reader):
            try:
                name = msgspec.json.decode(line, type=_Name).part
            except msgspec.DecodeError:
                raise BackupError("this envelope holds no backup") from None
            if name not in (ANCHORS, RING, DATABASE, MANIFEST) or name in found:
                raise BackupError(f"this backup has a part {name!r} that no backup has")
            found[name] = _read(reader, name, folder / name)
    manifest_part = found.pop(MANIFEST, None)
    if manifest_part is None:
        raise BackupError("this backup has no manifest: it was never finished")
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    if manifest.format != _FORMAT:
        raise BackupError(f"this backup is of format {manifest.format}, and format {_FORMAT} is known here")
    if sorted(found.values(), key=_by_name) != sorted(manifest.parts, key=_by_name):
        raise BackupError("the parts of this backup are not those of its manifest")
    if missing := [name for name in _NEEDED if name not in found]:
        raise BackupError(f"this backup has no {', '.join(missing)}")
    return manifest


def _by_name(part: Part) -> str:
    return part.name


def _line(reader: OpeningReader) -> bytes:
    line = bytearray()
    while byte := reader.read(1):
        if byte == b"\n":
            return bytes(line)
        line += byte
        if len(line) > _LONGEST_LINE:
            raise BackupError("this envelope holds no backup")
    if line:
        raise BackupError("this backup ends in the name of a part")
    return b""


def _read(reader: OpeningReader, name: str, target: Path) -> Part:
    digest, size = sha256(), 0
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while length := int.from_bytes(_exactly(reader, 4, name), "big"):
            if length > _BLOCK:
                raise BackupError(f"part {name} has a block of {length} bytes, which no backup has")
            block = _exactly(reader, length, name)
            digest.update(block)
            size += length
            file.write(block)
    return Part(name, size, digest.hexdigest())


def _exactly(reader: OpeningReader, length: int, name: str) -> bytes:
    found = reader.read(length)
    if len(found) != length:
        raise BackupError(f"this backup ends in part {name}")
    return found


def restore(file: Path, identity: Identity, into: Path) -> Manifest:
    """Bring a backup back as the data directory `into`, which is new or empty: the key ring, the anchors, and an embedded server
    with the database, stopped. The master key has to be brought by who keeps it. What fails leaves nothing behind.

    Raises EnvelopeError, BackupError, PostgresError.
    """
    if into.exists() and any(into.iterdir()):
        raise BackupError(f"{into} is not empty: a backup is brought back into a folder of its own")
    new = not into.exists()
    into.mkdir(mode=0o700, parents=True, exist_ok=True)
    staging = into / ".restoring"
    staging.mkdir(mode=0o700)
    try:
        manifest = unpack(file, identity, staging)
        server = EmbeddedPostgres(into / "postgres")
        dsn = server.start()
        try:
            _load(dsn, staging / DATABASE)
        finally:
            server.stop()
        for name in (RING, ANCHORS):
            if (staging / name).exists():
                (staging / name).replace(into / name)
    except BaseException:
        for each in into.iterdir():
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        if new:
            into.rmdir()
        raise
    shutil.rmtree(staging)
    return manifest


def _load(dsn: str, dump: Path) -> None:
    address, environment = for_programs(dsn)
    with dump.open("rb") as source:
        done = subprocess.run(
            [str(binary("pg_restore")), "--no-owner", "--no-privileges", "--exit-on-error", "--dbname", address],
            stdin=source, capture_output=True, env=environment, check=False,
        )  # fmt: skip
    if done.returncode != 0:
        raise BackupError(f"pg_restore ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()}")


__all__ = ["BackupError", "EnvelopeError", "Manifest", "Part", "back_up", "restore", "unpack"]
