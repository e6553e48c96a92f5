"""Saying no before the work begins: what waits longer than people wait is answered 429 at once, and cheaply.

A server that takes on everything serves nobody: each request waits behind those whose senders have given up. So the wait a new
request would have is estimated from what is known anyway, how many are waiting and how many were lately done a second, and
beyond `most_wait_s` it is told when to come back. Who is in keeps their place.

    writes   commands in the engine, over its rate              POST, DELETE
    reads    requests under way, over the rate of their answers  GET; let in for three times as long, and never shed for writes
    never    health, ping, the front ends, an event stream once it is open

Source: Little's law (waiting = rate x wait); RFC 6585, 4 (429); RFC 9110, 10.2.3 (Retry-After).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from typing import Protocol

from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope

from tongbao.app.answers import Answer, error_answer
from tongbao.kernel.errors import OVERLOADED

#: So many are let in whatever the estimate: without them nobody would learn that things go well again.
_ALWAYS = 64
#: A rate is measured over stretches of this length at least, and forgotten over about the second.
_STRETCH_S, _MEMORY_S = 0.05, 0.5
#: Before anything was measured: slow, so that a server that has just started is not flooded.
_FIRST_RATE = 500.0
_LONGEST_S = 30
_READS_PATIENCE = 3


class Working(Protocol):
    """What admission asks of the engine."""

    @property
    def backlog(self) -> int: ...
    @property
    def decided(self) -> int: ...


class Gate:
    """One kind of work. `progress()`: how many are under way, and how many were done so far."""

    def __init__(
        self, progress: Callable[[], tuple[int, int]], most_wait_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._progress = progress
        self._most_wait_s = most_wait_s
        self._clock = clock
        self._rate = _FIRST_RATE
        self._at = clock()
        self._waiting, self._done = 0, 0
        self._turned_away, self._second = 0, 0

    def wait_s(self) -> float:
        """What a newcomer would wait, in seconds."""
        waiting, done = self._progress()
        now = self._clock()
        if now - self._at >= _STRETCH_S:
            self._measure(waiting, done, now)
        return waiting / self._rate if waiting >= _ALWAYS else 0.0

    def closed_for_s(self) -> int:
        """0: come in. Otherwise the whole seconds after which to come again: what waits and what was turned away in this second
        come first."""
        wait_s = self.wait_s()
        if wait_s <= self._most_wait_s:
            return 0
        if int(self._at) != self._second:
            self._second, self._turned_away = int(self._at), 0
        self._turned_away += 1
        return min(_LONGEST_S, math.ceil(wait_s + self._turned_away / self._rate))

    def _measure(self, waiting: int, done: int, now: float) -> None:
        stretch = now - self._at
        rate = max(1.0, (done - self._done) / stretch)
        if stretch < _MEMORY_S and min(self._waiting, waiting) >= _ALWAYS:  # there was enough to do all along
            self._rate += (rate - self._rate) * (1 - math.exp(-stretch / _MEMORY_S))
        else:  # it can do at least this much
            self._rate = max(self._rate, rate)
        self._at, self._waiting, self._done = now, waiting, done


class Admission:
    """The gates of one server process."""

    def __init__(self, engine: Callable[[], Working], most_wait_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self.reading = 0
        self.read = 0
        self._writes = Gate(self._written, most_wait_s, clock)
        #: Whether one of the last writes that came was turned away, so that the next may well be too.
        self.turning_away = False
        self._let_in = 0
        self._reads = Gate(lambda: (self.reading, self.read), most_wait_s * _READS_PATIENCE, clock)

    def _written(self) -> tuple[int, int]:
        engine = self._engine()
        return engine.backlog, engine.decided

    def closed_for_s(self, method: bytes, url: bytes) -> int:
        """0: come in. Otherwise the whole seconds after which to come again."""
        if is_read(method, url):
            return self._reads.closed_for_s()
        if not url.startswith(b"/v1/") or method not in _WRITES:
            return 0
        closed_for_s = self._writes.closed_for_s()
        self._let_in = 0 if closed_for_s else self._let_in + 1
        if closed_for_s or self._let_in == _ALWAYS:
            self.turning_away = closed_for_s > 0
        return closed_for_s

    def counted(self, app: ASGI3Application) -> ASGI3Application:
        """`app`, under way from now until its work is done: who hangs up before takes nothing off it."""
        self.reading += 1

        async def reading(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
            try:
                await app(scope, receive, send)
            finally:
                self.reading -= 1
                self.read += 1

        return reading


_WRITES = {b"POST", b"DELETE", b"PUT", b"PATCH"}
_UNCOUNTED = (b"/v1/ping", b"/v1/merchant/events", b"/v1/merchant/agreement-events")


def is_read(method: bytes, url: bytes) -> bool:
    """Whether this is a read that takes its turn among reads."""
    return method == b"GET" and url.startswith(b"/v1/") and not url.startswith(_UNCOUNTED)


def closed_answer(retry_after_s: int, headers: list[tuple[bytes, bytes]]) -> Answer:
    """429 `overloaded`, as any refusal is told, made of a template: this is written when there is no time."""
    english = any(name == b"accept-language" and value[:2].lower() == b"en" for name, value in headers)
    template = _TEMPLATES.get((english, retry_after_s))
    if template is None:
        said = {"accept-language": "en" if english else "zh"}
        whole = error_answer(OVERLOADED, {"retry_after_s": retry_after_s}, said, request_id=_PLACE)
        before, after = whole.body.split(_PLACE.encode())
        template = _TEMPLATES[english, retry_after_s] = (before, after, whole.status)
    before, after, status = template
    return Answer(status, before + os.urandom(16).hex().encode() + after, retry_after_s)


_PLACE = "0" * 32
_TEMPLATES: dict[tuple[bool, int], tuple[bytes, bytes, int]] = {}
