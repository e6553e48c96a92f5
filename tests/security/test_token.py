"""The master key in a hardware module: SoftHSM2, which is one made of software."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tongbao.kernel.errors import InvariantBroken
from tongbao.security.keyring import KeyRing
from tongbao.security.master import MasterKeyError
from tongbao.security.token import TokenMaster

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "4711"

pytestmark = pytest.mark.skipif(
    shutil.which("softhsm2-util") is None, reason="SoftHSM2 is not installed: tools/softhsm installs it where apt can"
)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A place for tokens of its own. The module reads where it is once a process."""
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "conf"))
        for label in ("first", "second", "third", "fourth", "fifth"):
            subprocess.run(
                ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", PIN],
                check=True, capture_output=True,
            )  # fmt: skip
        yield


@pytest.mark.usefixtures("tokens")
def test_a_ring_is_wrapped_by_a_key_that_never_leaves_the_token(tmp_path: Path) -> None:
    master = TokenMaster.made(MODULE, "first", PIN)
    ring = KeyRing.open(tmp_path / "keys.json", master)
    assert {each.master for each in ring.listed()} == {"tongbao-master-1"}
    assert [path.name for path in tmp_path.iterdir()] == ["keys.json"], "there is no file with a master key"
    again = KeyRing.open(tmp_path / "keys.json", TokenMaster.made(MODULE, "first", PIN))
    assert msgspec.structs.astuple(again.keys) == msgspec.structs.astuple(ring.keys)
    import pkcs11

    key = master._key(1)
    with pytest.raises(pkcs11.PKCS11Error):
        key[pkcs11.Attribute.VALUE]
    assert key[pkcs11.Attribute.EXTRACTABLE] is False


@pytest.mark.usefixtures("tokens")
def test_what_was_altered_or_belongs_elsewhere_does_not_unwrap() -> None:
    master = TokenMaster.made(MODULE, "second", PIN)
    wrapped = master.wrap(bytes(range(32)), b"place")
    assert master.unwrap(master.current(), wrapped, b"place") == bytes(range(32))
    for value, place in ((wrapped, b"elsewhere"), (wrapped[:-1] + bytes([wrapped[-1] ^ 1]), b"place"), (wrapped[:20], b"place")):
        with pytest.raises(InvariantBroken):
            master.unwrap(master.current(), value, place)


@pytest.mark.usefixtures("tokens")
def test_a_new_master_key_in_the_token_takes_over_and_the_former_is_destroyed_when_told(tmp_path: Path) -> None:
    master = TokenMaster.made(MODULE, "third", PIN)
    ring = KeyRing.open(tmp_path / "keys.json", master)
    before = msgspec.structs.astuple(ring.keys)
    assert ring.rotate_master() == "tongbao-master-2"
    assert {each.master for each in ring.listed()} == {"tongbao-master-2"}
    ring.retire_master()
    assert master._numbers() == {2}
    assert msgspec.structs.astuple(KeyRing.open(tmp_path / "keys.json", master).keys) == before


@pytest.mark.usefixtures("tokens")
def test_another_token_has_not_this_ring_s_master_key(tmp_path: Path) -> None:
    KeyRing.open(tmp_path / "keys.json", TokenMaster.made(MODULE, "third", PIN))
    with pytest.raises(MasterKeyError, match="does not have"):
        KeyRing.open(tmp_path / "keys.json", TokenMaster.made(MODULE, "fourth", PIN))


@pytest.mark.usefixtures("tokens")
@pytest.mark.parametrize(("module", "label", "pin"), [(MODULE, "nowhere", PIN), ("/no/module.so", "first", PIN)])
def test_a_token_that_does_not_open_says_which(module: str, label: str, pin: str) -> None:
    with pytest.raises(MasterKeyError, match=label):
        TokenMaster(module, label, pin)


class _Watched:
    """A session that notices when two use it at once."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._using = threading.Lock()
        self.overlapped = False

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._session, name)

        def call(*arguments: Any, **named: Any) -> Any:
            alone = self._using.acquire(blocking=False)
            self.overlapped = self.overlapped or not alone
            try:
                time.sleep(0.002)
                return inner(*arguments, **named)
            finally:
                if alone:
                    self._using.release()

        return call


@pytest.mark.usefixtures("tokens")
def test_threads_use_the_session_one_at_a_time_whatever_they_ask_of_it() -> None:
    master = TokenMaster.made(MODULE, "fifth", PIN)
    watched = _Watched(master._session)
    master._session = watched
    wrapped = master.wrap(b"k" * 32, b"place")
    with ThreadPoolExecutor(4) as threads:
        names = [threads.submit(master.current) for _ in range(4)]
        opened = [threads.submit(master.unwrap, "tongbao-master-1", wrapped, b"place") for _ in range(4)]
        assert {each.result() for each in names} == {"tongbao-master-1"}
        assert {each.result() for each in opened} == {b"k" * 32}
    assert not watched.overlapped
