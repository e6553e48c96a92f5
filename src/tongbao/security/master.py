"""The master key, which wraps every other key and wraps nothing else.

Whoever has it and the key ring has everything; whoever has the ring, the database and every backup but not this has nothing that
was sealed. So it is kept apart from them: in a file of its own, in the environment of the process, or in a hardware module that
never gives it away (`token`). During a rotation there are two: the first wraps, any of them unwraps.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from tongbao.security.sealed import Box


class MasterKeyError(RuntimeError):
    """There is no master key, or not the one that wrapped the ring, or it lies open to others. The message says what to do."""


class MasterKey(Protocol):
    """What wraps and unwraps. It is named, so that a wrapped key can say by which it was."""

    def current(self) -> str:
        """The name of the one that wraps."""
        ...

    def wrap(self, key: bytes, place: bytes) -> bytes:
        """A key of 32 bytes, wrapped by the current one for this place."""
        ...

    def unwrap(self, name: str, wrapped: bytes, place: bytes) -> bytes:
        """The key. Raises MasterKeyError if there is none of that name, InvariantBroken if it does not fit."""
        ...

    def rotate(self) -> str:
        """Make a new one, the current from now on; the former still unwraps. Its name. Raises MasterKeyError if that is not ours
        to do (a key given by the environment)."""
        ...

    def retire(self) -> None:
        """Forget every one but the current."""
        ...


def name_of(key: bytes) -> str:
    """What a master key is called: it says nothing of the key."""
    return sha256(b"tongbao master key\x00" + key).hexdigest()[:16]


def parse(text: str) -> list[bytes]:
    """Master keys as text: 32 bytes in base64 each, the current first, with blanks or commas between them."""
    keys = []
    for word in text.replace(",", " ").split():
        try:
            key = base64.b64decode(word, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != 32:
            raise MasterKeyError("a master key is 32 bytes in base64, as `head -c 32 /dev/urandom | base64` makes one")
        keys.append(key)
    if not keys:
        raise MasterKeyError("the master key is empty")
    return keys


class GivenMaster:
    """Master keys that somebody handed to the process."""

    def __init__(self, keys: list[bytes]) -> None:
        self._boxes = {name_of(key): Box(key, 0) for key in keys}

    def current(self) -> str:
        return next(iter(self._boxes))

    def wrap(self, key: bytes, place: bytes) -> bytes:
        return self._boxes[self.current()].seal(key, place)

    def unwrap(self, name: str, wrapped: bytes, place: bytes) -> bytes:
        box = self._boxes.get(name)
        if box is None:
            raise MasterKeyError(f"a key is wrapped by master key {name}, and this process has {', '.join(self._boxes)}")
        return box.open(wrapped, place)

    def rotate(self) -> str:
        raise MasterKeyError(
            "the master key comes from the environment: put a new one before it, separated by a comma, start anew, "
            "and rotate once more"
        )

    def retire(self) -> None:
        pass  # what the environment says stands until it says otherwise


class FileMaster:
    """Master keys in a file that only its owner can read, one a line, the current first. It is read anew when it changes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._given = GivenMaster([])
        self._seen: tuple[int, int] | None = None

    @classmethod
    def made(cls, path: Path) -> FileMaster:
        """The file's, made on first use with mode 0600. Safe when several processes start at once."""
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_first(path, base64.b64encode(os.urandom(32)) + b"\n")
        return cls(path)

    def _read(self) -> GivenMaster:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            raise MasterKeyError(f"the master key is expected in {self.path}, and nothing is there: put it back") from None
        if found.st_mode & 0o077:
            raise MasterKeyError(f"{self.path} holds the master key and can be read by others: chmod 600")
        mark = (found.st_mtime_ns, found.st_ino)
        if mark != self._seen:
            self._given = GivenMaster(parse(self.path.read_text("ascii", "replace")))
            self._seen = mark
        return self._given

    def current(self) -> str:
        return self._read().current()

    def wrap(self, key: bytes, place: bytes) -> bytes:
        return self._read().wrap(key, place)

    def unwrap(self, name: str, wrapped: bytes, place: bytes) -> bytes:
        return self._read().unwrap(name, wrapped, place)

    def rotate(self) -> str:
        keys = [os.urandom(32), *self._keys()]
        self._write(keys)
        return name_of(keys[0])

    def retire(self) -> None:
        self._write(self._keys()[:1])

    def _keys(self) -> list[bytes]:
        self._read()
        return parse(self.path.read_text("ascii", "replace"))

    def _write(self, keys: list[bytes]) -> None:
        replace_file(self.path, b"".join(base64.b64encode(key) + b"\n" for key in keys))


def write_first(path: Path, content: bytes) -> None:
    """Make a file that only its owner can read, unless somebody made it first: then theirs stays."""
    draft = _draft(path, content)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def replace_file(path: Path, content: bytes) -> None:
    """Put this in a file's place: whoever reads meanwhile reads the old or the new, and so does whoever comes after a crash."""
    os.replace(_draft(path, content), path)  # noqa: PTH105 (beside `link` above)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _draft(path: Path, content: bytes) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return draft
