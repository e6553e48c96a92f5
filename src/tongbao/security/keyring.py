"""The key ring: every key of the installation but one, in a file in which the master key has wrapped them.

    purpose   what it is for: a field of `Keys`, or a class of data, "C2" or "C3" (JR/T 0171-2020), whose keys wrap the keys of
              people (`personal`)
    version   from 1; the newest seals, every one that is kept opens
    master    by which master key it is wrapped

The file may be copied, backed up and read by whoever may read the database: without the master key it says nothing. A process
looks at it once a second, and at once where it meets a version it does not know, so a rotation needs no restart.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import structlog

from tongbao.kernel.errors import InvariantBroken
from tongbao.security.keys import Keys
from tongbao.security.master import FileMaster, MasterKey, MasterKeyError, replace_file, write_first
from tongbao.security.sealed import CIPHERS, Box, place_of

#: Classes of data with a key of their own. Source: JR/T 0171-2020, 4.2 (C3: what authenticates; C2: what identifies somebody or
#: tells of their finances; C1: what is internal).
CLASSES: Final = ("C2", "C3")
PURPOSES: Final = (*Keys.__struct_fields__, *CLASSES)

#: What a rotation can renew while everything that the old key made still opens.
ROTATED: Final = CLASSES

_LOOK_EVERY_S = 1.0

_log = structlog.get_logger("tongbao.security")


class Wrapped(msgspec.Struct, frozen=True):
    """One version of one key, as it is kept."""

    purpose: str
    version: int
    made_at: datetime
    master: str
    wrapped: bytes


class _File(msgspec.Struct, frozen=True):
    format: int
    keys: list[Wrapped]


class KeyRing:
    """The keys of one installation, open in this process."""

    def __init__(self, path: Path, master: MasterKey, cipher: str = "AES-256-GCM") -> None:
        self.path = path
        self.cipher = CIPHERS[cipher]
        self._master = master
        self._boxes: dict[tuple[str, int], Box] = {}
        self._newest: dict[str, Box] = {}
        self._seen: tuple[int, int] | None = None
        self._looked = 0.0
        self.keys = self._load()

    @classmethod
    def open(cls, path: Path, master: MasterKey | None = None, cipher: str = "AES-256-GCM") -> KeyRing:
        """The ring in `path`, made on first use. `master`: by default the file `master.key` beside it, made with it.

        Safe when several processes start at once. Raises msgspec.DecodeError if the file is damaged, MasterKeyError if it was
        wrapped by a master key that is not there: a ring is never replaced by a new one.
        """
        if master is None:
            beside = path.with_name("master.key")
            master = FileMaster(beside) if path.exists() else FileMaster.made(beside)
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            now = datetime.now(UTC)
            write_first(path, _encoded([_wrapped(master, purpose, 1, os.urandom(32), now) for purpose in PURPOSES]))
        return cls(path, master, cipher)

    def newest(self, purpose: str) -> Box:
        """The key that seals for a class now."""
        self.look()
        return self._newest[purpose]

    def only(self, purpose: str) -> bool:
        """Whether a class has one version: then nothing is sealed by an older one."""
        return sum(each == purpose for each, _ in self._boxes) == 1

    def version(self, purpose: str, version: int) -> Box:
        """The key of a class that sealed something. Raises InvariantBroken if it is not kept any more."""
        box = self._boxes.get((purpose, version))
        if box is None:
            self._load()
            box = self._boxes.get((purpose, version))
        if box is None:
            raise InvariantBroken(f"version {version} of key {purpose} is not in the ring")
        return box

    def listed(self) -> list[Wrapped]:
        """Every key that is kept, as it is kept, by purpose and version."""
        return sorted(self._file().keys, key=lambda each: (PURPOSES.index(each.purpose), each.version))

    def rotate(self, purpose: str, after: int | None = None) -> int:
        """Make a new version of a class's key, which seals from now on: within a second in every process. Its number. `after`:
        only if that is the newest version still, so that asking again for the same exchange makes no other.

        What is sealed by the others still opens. Raises ValueError for a purpose whose key cannot be exchanged.
        """
        if purpose not in ROTATED:
            raise ValueError(f"key {purpose} cannot be rotated")
        with self._changing() as keys:
            newest = max(each.version for each in keys if each.purpose == purpose)
            if after is not None and newest != after:
                return newest
            number = newest + 1
            keys.append(_wrapped(self._master, purpose, number, os.urandom(32), datetime.now(UTC)))
        return number

    def rotate_master(self) -> str:
        """Wrap every key anew, by a new master key, whose name it answers. The former is kept until `retire_master`: rings in
        backups are wrapped by it. Killed between the steps this leaves both, and each opens what it wrapped."""
        self._master.rotate()
        return self.rewrap()

    def rewrap(self) -> str:
        """Wrap every key by the current master key, whose name it answers."""
        with self._changing() as keys:
            keys[:] = [_wrapped(self._master, each.purpose, each.version, self._unwrapped(each), each.made_at) for each in keys]
        return self._master.current()

    def retire_master(self) -> None:
        """Forget every master key but the current, for ever: a ring that is in a backup and was wrapped by another opens no more.
        Raises ValueError while one of them still wraps something here."""
        current = self._master.current()
        if others := sorted({each.master for each in self._file().keys} - {current}):
            raise ValueError(f"{', '.join(others)} still wraps keys: rotate first")
        self._master.retire()

    def retire(self, purpose: str, version: int) -> None:
        """Forget a version for ever: nothing that it sealed opens again, in no backup either. Never the newest.

        The caller has seen that nothing is sealed by it. Raises ValueError if there is no such version, or it is the newest.
        """
        with self._changing() as keys:
            versions = [each.version for each in keys if each.purpose == purpose]
            if version not in versions or version == max(versions):
                raise ValueError(f"version {version} of key {purpose} cannot be retired: there are {versions}, the last in use")
            keys[:] = [each for each in keys if (each.purpose, each.version) != (purpose, version)]

    # ── the file ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def look(self) -> None:
        """Take notice of what another process changed, unless that was done within the last second."""
        now = time.monotonic()
        if now - self._looked < _LOOK_EVERY_S:
            return
        self._looked = now
        try:
            if self._mark() != self._seen:
                self._load()
        except (OSError, msgspec.DecodeError, MasterKeyError) as failure:
            # What this process has open still seals and opens; the next start says what is wrong.
            _log.error("key_ring_not_read", reason=f"{type(failure).__name__}: {failure}")

    def _mark(self) -> tuple[int, int]:
        found = self.path.stat()
        return (found.st_mtime_ns, found.st_ino)

    def _file(self) -> _File:
        return msgspec.json.decode(self.path.read_bytes(), type=_File)

    def _load(self) -> Keys:
        seen = self._mark()
        keys = {(each.purpose, each.version): self._unwrapped(each) for each in self._file().keys}
        newest = dict(sorted(keys))  # the last of each stays
        if missing := [purpose for purpose in PURPOSES if purpose not in newest]:
            raise msgspec.DecodeError(f"{self.path} has no key for {', '.join(missing)}")
        self._boxes = {(purpose, version): Box(key, version) for (purpose, version), key in keys.items() if purpose in CLASSES}
        self._newest = {purpose: self._boxes[purpose, newest[purpose]] for purpose in CLASSES}
        self._seen = seen
        return Keys(**{purpose: keys[purpose, newest[purpose]] for purpose in Keys.__struct_fields__})

    def _unwrapped(self, each: Wrapped) -> bytes:
        return self._master.unwrap(each.master, each.wrapped, _place(each.purpose, each.version))

    @contextmanager
    def _changing(self) -> Iterator[list[Wrapped]]:
        """The keys, to be changed: one process at a time, written whole when the block ends without an error."""
        with self.path.with_name(f".{self.path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            keys = self._file().keys
            yield keys
            replace_file(self.path, _encoded(keys))
        self._load()


def _place(purpose: str, version: int) -> bytes:
    return place_of(b"key ring", purpose.encode(), str(version).encode())


def _wrapped(master: MasterKey, purpose: str, version: int, key: bytes, made_at: datetime) -> Wrapped:
    return Wrapped(purpose, version, made_at, master.current(), master.wrap(key, _place(purpose, version)))


def _encoded(keys: list[Wrapped]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(_File(1, keys)), indent=2) + b"\n"
