"""The keys file: nobody else reads it, two processes that start at once have the same keys, a second start has the first's."""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pytest

from tongbao.security.keys import Keys, mac


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077], ids=oct)
def test_only_the_owner_reads_the_files_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    with umask(mask):
        Keys.open(tmp_path / "keys.json")
    assert mode(tmp_path / "keys.json") == mode(tmp_path / "master.key") == 0o600


def test_the_directory_is_made_and_nothing_is_left_in_it_but_the_ring_and_its_master_key(tmp_path: Path) -> None:
    Keys.open(tmp_path / "new" / "data" / "keys.json")
    assert {path.name for path in (tmp_path / "new" / "data").iterdir()} == {"keys.json", "master.key"}


def test_a_second_start_has_the_keys_of_the_first(tmp_path: Path) -> None:
    first = Keys.open(tmp_path / "keys.json")
    written = (tmp_path / "keys.json").read_bytes()
    assert Keys.open(tmp_path / "keys.json") == first
    assert (tmp_path / "keys.json").read_bytes() == written


def test_every_purpose_of_every_installation_has_a_key_of_its_own() -> None:
    keys = [key for _ in range(20) for key in msgspec.structs.astuple(Keys.fresh())]
    assert {len(key) for key in keys} == {32}
    assert len(set(keys)) == len(keys) == 20 * len(Keys.__struct_fields__)


@pytest.mark.parametrize("content", [b"", b"{}", b"not json", b'{"pin": "AAAA"}'], ids=["empty", "no keys", "garbage", "too few"])
def test_a_damaged_file_is_an_error_and_never_replaced_by_new_keys(tmp_path: Path, content: bytes) -> None:
    """New keys would make every PIN wrong and every code in print false."""
    path = tmp_path / "keys.json"
    Keys.open(path)
    path.write_bytes(content)
    with pytest.raises(msgspec.DecodeError):
        Keys.open(path)
    assert path.read_bytes() == content


_OPENER = """
import sys
from pathlib import Path
import msgspec
from tongbao.security.keys import Keys
for line in sys.stdin:
    print(msgspec.json.encode(Keys.open(Path(line.rstrip("\\n")))).decode(), flush=True)
"""


def test_processes_that_start_at_once_have_the_same_keys(tmp_path: Path) -> None:
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", _OPENER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
                )
            )
            for _ in range(2)
        ]
        rounds = 200
        for number in range(rounds):
            path = tmp_path / f"{number}" / "keys.json"
            for process in processes:
                assert process.stdin is not None
                process.stdin.write(f"{path}\n")
            answers = [process.stdout.readline() for process in processes if process.stdout is not None]
            assert len(answers) == 2 and answers[0].strip() and answers[0] == answers[1]
            assert msgspec.json.decode(answers[0], type=Keys) == Keys.open(path)
            assert {each.name for each in path.parent.iterdir()} == {"keys.json", "master.key"} and mode(path) == 0o600


# ── the keyed MAC ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_mac_is_hmac_sha_256_over_parts_with_their_lengths() -> None:
    message = b"\x00\x00\x00\x02ab" + b"\x00\x00\x00\x00" + b"\x00\x00\x00\x01c"
    assert mac(b"key", b"ab", b"", b"c") == hmac.new(b"key", message, hashlib.sha256).digest()


def test_no_two_lists_of_parts_look_alike() -> None:
    lists: list[tuple[bytes, ...]] = [(), (b"",), (b"", b""), (b"ab",), (b"a", b"b"), (b"b", b"a"), (b"ab", b""), (b"", b"ab")]
    assert len({mac(b"key", *parts) for parts in lists}) == len(lists)


def test_another_key_makes_another_mac() -> None:
    assert mac(b"one", b"part") != mac(b"other", b"part")
