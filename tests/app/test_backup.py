"""A backup holds everything but the master key, comes back as it was, and says so itself when it is not whole."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from uuid import UUID

import asyncpg
import msgspec
import pytest

from tests.support.town import Town
from tongbao.app import backup as backups
from tongbao.app import runtime
from tongbao.app.asgi import open_services
from tongbao.app.audit import anchor_file
from tongbao.app.backup import BackupError, Manifest
from tongbao.app.commands.backup import rehearsed
from tongbao.app.settings import Settings
from tongbao.kernel.clock import VirtualClock
from tongbao.kernel.postgres import EmbeddedPostgres
from tongbao.security.envelopes import EnvelopeError, Identity, OpeningReader, SealingWriter
from tongbao.security.keyring import KeyRing
from tongbao.security.master import MasterKeyError

ANN = Identity.fresh()


class Made:
    """An installation with some people and payments, and a backup of it."""

    def __init__(self, settings: Settings, file: Path, customer: UUID, manifest: Manifest) -> None:
        self.settings = settings
        self.file = file
        self.customer = customer
        self.manifest = manifest


async def _lived(settings: Settings) -> UUID:
    async with open_services(settings, settings.database_url) as services:
        town = Town(services.engine, VirtualClock(services.clock.now()), vault=services.vault)
        merchant, customer, other = await town.merchant(), await town.customer(100_000), await town.customer()
        for number in range(20):
            await town.happens(town.paying_at_once(merchant, f"order-{number}", customer, 1_000))
            await town.happens(town.transferring(customer, other, 10))
        assert await services.audit.anchor() is not None
        assert (await services.identity.person(customer)).name == "张小明"
    return customer


def _backed_up(settings: Settings, target: Path) -> Manifest:
    return backups.back_up(settings.database_url, runtime.ring_file(settings), anchor_file(settings), target, ANN.recipient)


@pytest.fixture
def made(database: str, tmp_path: Path) -> Made:
    settings = Settings(data_dir=tmp_path / "data", database_url=database)
    customer = asyncio.run(_lived(settings))
    file = tmp_path / "backup"
    return Made(settings, file, customer, _backed_up(settings, file))


def test_a_backup_is_brought_back_elsewhere_and_all_of_it_agrees_with_its_chain(made: Made) -> None:
    assert [part.name for part in made.manifest.parts] == ["anchors.jsonl", "keys.json", "database.dump"]
    assert made.file.stat().st_mode & 0o777 == 0o600
    manifest, found = rehearsed(made.file, ANN, made.settings)
    assert manifest == made.manifest
    assert found.ok, found.findings
    assert found.anchors == 1 and found.rows["journal"] >= 41 and found.rows["principal"] == 2
    assert [path.name for path in made.file.parent.iterdir() if path.name.startswith(".")] == []


def test_what_comes_back_is_read_with_the_master_key_and_only_with_it(made: Made, tmp_path: Path) -> None:
    place = tmp_path / "back"
    assert backups.restore(made.file, ANN, place) == made.manifest
    assert {path.name for path in place.iterdir() if not path.name.startswith("postgres")} == {"keys.json", "anchors.jsonl"}
    there = Settings(data_dir=place)
    with pytest.raises(SystemExit, match=r"master\.key"):
        runtime.ring(there)
    (place / "master.key").write_bytes((made.settings.data_dir / "master.key").read_bytes())
    (place / "master.key").chmod(0o600)

    async def read(dsn: str) -> str:
        async with open_services(there, dsn) as services:
            return (await services.identity.person(made.customer)).name

    with EmbeddedPostgres(place / "postgres") as server:
        assert asyncio.run(read(server.dsn)) == "张小明"


def test_nothing_of_the_keys_or_the_people_can_be_read_from_a_backup_by_its_recipient_alone(made: Made, tmp_path: Path) -> None:
    master = (made.settings.data_dir / "master.key").read_bytes().strip()
    ring = KeyRing.open(made.settings.data_dir / "keys.json")
    whole = made.file.read_bytes()
    content = OpeningReader(io.BytesIO(whole), ANN).read(1 << 30)
    assert b"keys.json" in content and b"keys.json" not in whole
    for secret in (master, *msgspec.structs.astuple(ring.keys), "张小明".encode()):
        assert secret not in content and secret not in whole


def _flipped(at: Callable[[int], int]) -> Callable[[bytes], bytes]:
    def alter(content: bytes) -> bytes:
        place = at(len(content))
        return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]

    return alter


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        (lambda content: b"", "no envelope"),
        (lambda content: content[:100], "cut short"),
        (lambda content: content[: len(content) // 2], "cut short"),
        (lambda content: content[:-1], "cut short"),
        (lambda content: content + b"x", "altered"),
        (_flipped(lambda size: 0), "no envelope"),
        (_flipped(lambda size: size // 2), "altered in chunk"),
        (_flipped(lambda size: size - 1), "altered in chunk"),
    ],
    ids=["empty", "head cut", "half", "last byte missing", "a byte more", "magic", "middle", "last byte"],
)
def test_a_truncated_or_altered_backup_is_refused_and_leaves_nothing(
    made: Made, tmp_path: Path, alter: Callable[[bytes], bytes], said: str
) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(alter(made.file.read_bytes()))
    with pytest.raises(EnvelopeError, match=said):
        backups.restore(bad, ANN, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_somebody_else_s_identity_and_somebody_else_s_master_key_are_refused(made: Made, tmp_path: Path) -> None:
    with pytest.raises(EnvelopeError, match="is for recipient"):
        backups.restore(made.file, Identity.fresh(), tmp_path / "back")
    other = Settings(data_dir=tmp_path / "other")
    runtime.ring(other)
    with pytest.raises(MasterKeyError):
        rehearsed(made.file, ANN, other)


def test_a_folder_that_holds_something_is_left_alone(made: Made) -> None:
    before = sorted(made.settings.data_dir.iterdir())
    with pytest.raises(BackupError, match="not empty"):
        backups.restore(made.file, ANN, made.settings.data_dir)
    assert sorted(made.settings.data_dir.iterdir()) == before


def test_a_rehearsal_finds_what_was_altered_before_the_backup(made: Made, tmp_path: Path) -> None:
    async def alter() -> None:
        connection = await asyncpg.connect(made.settings.database_url)
        try:
            await connection.execute("update principal set roles = 'admin' where principal_id = $1", made.customer)
        finally:
            await connection.close()

    asyncio.run(alter())
    _backed_up(made.settings, tmp_path / "second")
    _, found = rehearsed(tmp_path / "second", ANN, made.settings)
    assert not found.ok and "principal" in (found.problem or "")


def test_a_backup_that_cannot_be_made_leaves_no_file(made: Made, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(made.settings, database_url=f"{made.settings.database_url}".replace("/test_", "/none_"))
    with pytest.raises(BackupError, match="pg_dump ended"):
        _backed_up(settings, tmp_path / "never")
    assert [path.name for path in tmp_path.iterdir() if "never" in path.name] == []


def _part(name: str, content: bytes) -> bytes:
    return b'{"part":"' + name.encode() + b'"}\n' + len(content).to_bytes(4, "big") + content + bytes(4)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no manifest"),
        (b"something else\n", "holds no backup"),
        (b"x" * 2_000, "holds no backup"),
        (_part("../../etc/passwd", b"x"), "that no backup has"),
        (_part("keys.json", b"x") * 2, "that no backup has"),
        (_part("keys.json", b"x")[:-5], "ends in part"),
        (b'{"part":"keys.json"}\n\xff\xff\xff\xff', "a block of"),
        (_part("keys.json", b"x"), "never finished"),
        (
            _part("keys.json", b"x") + _part("manifest.json", msgspec.json.encode(
                Manifest(1, "0", "0", msgspec.json.decode(b'"2026-01-01T00:00:00Z"', type=datetime), [])
            )), "not those of its manifest",
        ),
    ],
    ids=["empty", "text", "noise", "another place", "twice", "cut", "huge", "unfinished", "another manifest"],
)  # fmt: skip
def test_an_envelope_that_holds_no_whole_backup_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    """From somebody who has the recipient's public key: what is in it is no more to be believed than that."""
    with (tmp_path / "forged").open("wb") as file:
        writer = SealingWriter(file, ANN.recipient)
        writer.write(content)
        writer.close()
    os.mkdir(tmp_path / "out")
    with pytest.raises(BackupError, match=said):
        backups.unpack(tmp_path / "forged", ANN, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} <= {"keys.json", "manifest.json"}
