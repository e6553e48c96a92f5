"""The key ring: wrapped, found again, exchanged while others use it, and of no use without its master key."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tongbao.kernel.errors import InvariantBroken
from tongbao.security import keyring
from tongbao.security.keyring import PURPOSES, KeyRing
from tongbao.security.master import FileMaster, GivenMaster, MasterKeyError, name_of, parse

ONE, OTHER = bytes(range(32)), bytes(range(1, 33))


@pytest.fixture(autouse=True)
def looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "_LOOK_EVERY_S", 0.0)


def values(ring: KeyRing) -> list[bytes]:
    return list(msgspec.structs.astuple(ring.keys))


def test_no_key_can_be_read_from_the_ring_alone(tmp_path: Path) -> None:
    ring = KeyRing.open(tmp_path / "keys.json")
    content = (tmp_path / "keys.json").read_bytes()
    for key in values(ring):
        for form in (key, key.hex().encode(), base64.b64encode(key), base64.urlsafe_b64encode(key), key[:12]):
            assert form not in content
    assert {each.purpose for each in ring.listed()} == set(PURPOSES)


def test_a_ring_opens_with_its_own_master_key_only(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    first = KeyRing.open(path, GivenMaster([ONE]))
    assert values(KeyRing.open(path, GivenMaster([ONE]))) == values(first)
    with pytest.raises(MasterKeyError, match=name_of(ONE)):
        KeyRing.open(path, GivenMaster([OTHER]))
    assert values(KeyRing.open(path, GivenMaster([OTHER, ONE]))) == values(first)


def test_a_lost_master_key_is_never_replaced_by_a_new_one(tmp_path: Path) -> None:
    KeyRing.open(tmp_path / "keys.json")
    (tmp_path / "master.key").unlink()
    with pytest.raises(MasterKeyError, match="put it back"):
        KeyRing.open(tmp_path / "keys.json")
    assert not (tmp_path / "master.key").exists()


def test_a_master_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    KeyRing.open(tmp_path / "keys.json")
    (tmp_path / "master.key").chmod(0o640)
    with pytest.raises(MasterKeyError, match="chmod 600"):
        KeyRing.open(tmp_path / "keys.json")


@pytest.mark.parametrize("text", ["", "short", base64.b64encode(bytes(31)).decode(), "!" * 44, "Ä"])
def test_what_is_no_master_key_is_refused(text: str) -> None:
    with pytest.raises(MasterKeyError):
        parse(text)


def _swapped(keys: list[dict[str, Any]]) -> None:
    keys[0]["wrapped"], keys[1]["wrapped"] = keys[1]["wrapped"], keys[0]["wrapped"]


def _older(keys: list[dict[str, Any]]) -> None:
    keys[0]["version"] = 2


def _flipped(keys: list[dict[str, Any]]) -> None:
    wrapped = bytearray(base64.b64decode(keys[0]["wrapped"]))
    wrapped[-1] ^= 1
    keys[0]["wrapped"] = base64.b64encode(wrapped).decode()


@pytest.mark.parametrize("alter", [_swapped, _older, _flipped], ids=["swapped", "another version", "altered"])
def test_a_wrapped_key_opens_only_as_what_it_is(tmp_path: Path, alter: Any) -> None:
    KeyRing.open(tmp_path / "keys.json")
    content = json.loads((tmp_path / "keys.json").read_text())
    alter(content["keys"])
    (tmp_path / "keys.json").write_text(json.dumps(content))
    with pytest.raises(InvariantBroken):
        KeyRing.open(tmp_path / "keys.json")


# ── rotation ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_version_seals_in_every_process_and_the_old_one_still_opens(tmp_path: Path) -> None:
    ring, other = KeyRing.open(tmp_path / "keys.json"), KeyRing.open(tmp_path / "keys.json")
    before = other.newest("C2").seal(b"text", b"place")
    assert ring.rotate("C2") == 2
    assert (ring.newest("C2").version, ring.newest("C3").version) == (2, 1)
    after = ring.newest("C2").seal(b"text", b"place")
    assert other.version("C2", 2).open(after, b"place") == b"text", "a version that was not known is looked up"
    assert other.newest("C2").version == 2
    assert other.version("C2", 1).open(before, b"place") == b"text"
    assert values(KeyRing.open(tmp_path / "keys.json")) == values(other)


def test_a_retired_version_opens_nothing_any_more(tmp_path: Path) -> None:
    ring = KeyRing.open(tmp_path / "keys.json")
    ring.rotate("C2")
    for number in (2, 3):
        with pytest.raises(ValueError, match="cannot be retired"):
            ring.retire("C2", number)
    ring.retire("C2", 1)
    for each in (ring, KeyRing.open(tmp_path / "keys.json")):
        with pytest.raises(InvariantBroken, match="not in the ring"):
            each.version("C2", 1)
    assert [(each.purpose, each.version) for each in ring.listed()][-2:] == [("C2", 2), ("C3", 1)]


@pytest.mark.parametrize("purpose", [each for each in PURPOSES if each not in ("C2", "C3")])
def test_a_key_on_which_what_is_stored_depends_is_not_exchanged(tmp_path: Path, purpose: str) -> None:
    with pytest.raises(ValueError, match="cannot be rotated"):
        KeyRing.open(tmp_path / "keys.json").rotate(purpose)


def test_a_new_master_key_wraps_everything_and_the_former_opens_nothing(tmp_path: Path) -> None:
    path, master = tmp_path / "keys.json", tmp_path / "master.key"
    ring, running = KeyRing.open(path), KeyRing.open(path)
    former = parse(master.read_text())[0]
    name = ring.rotate_master()
    assert name != name_of(former) and {each.master for each in ring.listed()} == {name}
    assert [name_of(key) for key in parse(master.read_text())] == [name, name_of(former)], "the former opens what is in backups"
    ring.retire_master()
    assert [name_of(key) for key in parse(master.read_text())] == [name], "the former is forgotten"
    assert values(KeyRing.open(path)) == values(running)
    assert running.rotate("C3") == 2, "a process that was running meanwhile goes on"
    with pytest.raises(MasterKeyError):
        KeyRing.open(path, GivenMaster([former]))


def test_a_rotation_of_the_master_key_that_stops_halfway_leaves_a_ring_that_opens(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    before = values(KeyRing.open(path))
    FileMaster(tmp_path / "master.key").rotate()
    ring = KeyRing.open(path)
    assert values(ring) == before
    with pytest.raises(ValueError, match="rotate first"):
        ring.retire_master()
    name = ring.rewrap()
    ring.retire_master()
    assert len(parse((tmp_path / "master.key").read_text())) == 1 and {each.master for each in ring.listed()} == {name}
    assert values(KeyRing.open(path)) == before


def test_a_master_key_from_the_environment_is_exchanged_by_giving_two(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    before = values(KeyRing.open(path, GivenMaster([ONE])))
    with pytest.raises(MasterKeyError, match="put a new one before it"):
        KeyRing.open(path, GivenMaster([ONE])).rotate_master()
    KeyRing.open(path, GivenMaster([OTHER, ONE])).rewrap()
    assert values(KeyRing.open(path, GivenMaster([OTHER]))) == before


def test_a_process_whose_ring_became_unreadable_goes_on_with_what_it_has(tmp_path: Path) -> None:
    ring = KeyRing.open(tmp_path / "keys.json")
    value = ring.newest("C2").seal(b"text", b"place")
    (tmp_path / "keys.json").write_bytes(os.urandom(100))
    assert ring.newest("C2").open(value, b"place") == b"text"
