"""`tongbao keys`: what it says, and that it shows no key."""

from __future__ import annotations

import base64
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from tongbao.app import runtime
from tongbao.app.commands.keys import command
from tongbao.app.settings import Settings
from tongbao.security.envelopes import Identity, Recipient
from tongbao.security.keyring import PURPOSES


def ran(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> Result:
    monkeypatch.setenv("TONGBAO_DATA_DIR", str(folder))
    return CliRunner().invoke(command, list(arguments))


def test_the_list_names_every_key_and_shows_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ring = runtime.ring(Settings(data_dir=tmp_path))
    said = ran(monkeypatch, tmp_path, "list")
    assert said.exit_code == 0
    assert all(purpose in said.output for purpose in PURPOSES)
    for key in msgspec.structs.astuple(ring.keys):
        assert key.hex()[:16] not in said.output and base64.b64encode(key).decode()[:16] not in said.output


def test_where_there_are_no_keys_none_are_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for arguments in (("list",), ("rotate", "master"), ("retire", "C2", "1")):
        said = ran(monkeypatch, tmp_path / "empty", *arguments)
        assert said.exit_code == 1 and "there are no keys" in said.output
    assert not (tmp_path / "empty").exists()


def test_the_master_key_is_exchanged_and_the_former_forgotten_when_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = runtime.keys(Settings(data_dir=tmp_path))
    assert ran(monkeypatch, tmp_path, "rotate", "master").exit_code == 0
    assert len((tmp_path / "master.key").read_text().split()) == 2
    assert ran(monkeypatch, tmp_path, "retire", "master").output.strip() == "forgotten"
    assert len((tmp_path / "master.key").read_text().split()) == 1
    assert runtime.keys(Settings(data_dir=tmp_path)) == before


def test_a_recipient_of_backups_is_a_pair_of_files_of_which_one_is_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "recipient"
    assert ran(monkeypatch, tmp_path, "identity", str(file)).exit_code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    public = Recipient.parse(file.with_name("recipient.pub").read_text())
    assert Identity.parse(file.read_text()).recipient.bytes == public.bytes
    again = ran(monkeypatch, tmp_path, "identity", str(file))
    assert again.exit_code == 1 and Identity.parse(file.read_text()).recipient.bytes == public.bytes


@pytest.mark.parametrize("purpose", ["pin", "seal", "index", "everything"])
def test_a_key_on_which_what_is_stored_depends_cannot_be_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, purpose: str
) -> None:
    runtime.ring(Settings(data_dir=tmp_path))
    assert ran(monkeypatch, tmp_path, "rotate", purpose).exit_code == 2
