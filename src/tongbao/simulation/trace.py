"""What happened in a run, in order, as text and as one hash: two runs are the same if their hashes are."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from hashlib import blake2b

_TAIL = 25


class Trace:
    """Everything that anybody did. The end of it is kept for the report of a failure; `tell` gets every line."""

    def __init__(self, time: Callable[[], float], tell: Callable[[str], None] | None = None) -> None:
        self._time = time
        self._tell = tell
        self._hash = blake2b(digest_size=16)
        self.tail: deque[str] = deque(maxlen=_TAIL)
        self.lines = 0

    def note(self, who: str, what: str, *about: object) -> None:
        """One line: when, who, what, and about what."""
        line = f"{self._time():.6f} {who} {what} {' '.join(map(str, about))}"
        self._hash.update(line.encode())
        self._hash.update(b"\n")
        self.lines += 1
        self.tail.append(line)
        if self._tell is not None:
            self._tell(line)

    @property
    def hash(self) -> str:
        """32 hexadecimal digits over every line so far."""
        return self._hash.hexdigest()
