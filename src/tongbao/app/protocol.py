"""HTTP/1.1 with what the server's own protocol lacks: bounds, and a short way for the busiest requests.

Bounds: how large a request's head and trailers may be, and how long a request may take to arrive. Without them
one connection fills the memory with headers, or many hold it by sending nothing.

Turning away: what would wait too long is answered 429 as soon as it has arrived, and nothing is begun for it. There are two
places where work begins, the short way and the start of an ASGI task, and each asks `admission`: so whatever a request carries
(`Expect`, `Upgrade`, an absolute address), and however many stand before it on its connection, that happens when its turn comes.

The short way: what `quick` takes is answered without ASGI: no scope, no cycle, no messages. All else goes on to uvicorn, and
so does a request that turns out on its arrival not to be for it.

    head ─┬─ plain, too many? ─▶ 429
          ├─ quick? ─▶ body ─┬─ in good order ────────────────▶ handler ─▶ answer
          │                  └─ anything else ─┐
          └─ uvicorn ───────────── its turn ───┴─ too many? ─┬─▶ 429
                                                             └─▶ ASGI ─▶ answer
"""

from __future__ import annotations

import asyncio
import math
from typing import Any, ClassVar

from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from tongbao.app.admission import Admission, closed_answer, is_read
from tongbao.app.answers import HEADERS, Answer, limited_answer
from tongbao.app.limits import Over, RateLimits
from tongbao.app.quick import Begin, QuickRoutes

#: A request line and its headers, in bytes. Ours need less than two thousand.
MOST_HEAD_BYTES = 32 * 1024
#: A body that the short way waits for; a longer one is the framework's to refuse.
MOST_BODY_BYTES = 64 * 1024
#: From the first byte, or from the connection, to the end of the body. A quarter of it may pass until it is noticed.
ARRIVES_WITHIN_S = 20.0

_LENGTH = b"\r\ncontent-length:"
_NOT_PLAIN = (b"\r\ntransfer-encoding:", b"\r\nexpect:", b"\r\nupgrade:", b"\r\nconnection:")
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_HEADERS = "".join(f"{name.lower()}: {value}\r\n" for name, value in HEADERS.items()).encode()


class _Unheard:
    """What a cycle is woken by; an answer on the short way waits for nothing."""

    def set(self) -> None:
        pass


class _ShortCycle:
    """Stands where uvicorn keeps its request/response cycle while an answer goes the short way: what follows on the connection
    waits its turn, and a server that stops waits for it."""

    message_event = _Unheard()

    def __init__(self, keep_alive: bool) -> None:
        self.keep_alive = keep_alive
        self.response_complete = False
        self.disconnected = False  # written by uvicorn; an answer to nobody is found out when it is written


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol; a head beyond `MOST_HEAD_BYTES` is answered 431, as much beside a body is cut off, and so is a
    request that dawdles; `quick` requests go the short way."""

    quick: ClassVar[QuickRoutes | None] = None
    admission: ClassVar[Admission | None] = None
    limits: ClassVar[RateLimits | None] = None

    _head_bytes = 0
    _in_head = True
    # One timer a connection looks now and then at the deadline of whatever is being waited for: a timer for each wait would be
    # two made and two cancelled a request.
    _watch: asyncio.TimerHandle | None = None
    _deadline = math.inf
    _arriving = True
    _begin: Begin | None = None
    _closed_for_s = 0
    #: Whose requests on this connection are counted; empty: nobody's.
    _peer = ""
    _over: Over | None = None
    _body = b""
    _short: _ShortCycle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        peer = self.client[0] if self.client else ""
        if self.limits is not None and self.limits.applies_to(peer):
            self._peer = peer
        self._deadline = self.loop.time() + ARRIVES_WITHIN_S
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        rushed = self._in_head and self._head_bytes == 0 and self.admission is not None and self.admission.turning_away
        if rushed and self._turn_away(data):
            return
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            if self._in_head:
                self.transport.write(_TOO_LARGE)
                self.transport.close()
            else:  # trailers, or chunks of nothing: perhaps it has been answered already
                self.transport.abort()

    def on_message_begin(self) -> None:
        if not self._arriving:
            self._arriving = True
            self._deadline = self.loop.time() + ARRIVES_WITHIN_S
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # A trailer is nobody's: who is asking, and with which key, stands in the head (RFC 9110, 6.5.1).
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._peer and self.limits is not None:
            self._over = self.limits.over(self._peer, self.headers)
        if self._is_free() and (self._over is not None or self._goes_the_short_way()):
            self._body = b""
            keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
            self.cycle = self._short = _ShortCycle(keep_alive)  # type: ignore[assignment]
            return
        if self._over is not None:  # behind another on the connection: it waits its turn for its no
            app, self.app, self._over = self.app, _said(limited_answer(self._over, _texts(self.headers))), None
            super().on_headers_complete()
            self.app = app
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        # What is not body counts as head; what chunks of one byte need is allowed for.
        self._head_bytes = max(0, self._head_bytes - 8 * len(body))
        if self._closed_for_s or self._over is not None:
            return
        if self._begin is None:
            super().on_body(body)
            return
        self._body += body
        if len(self._body) > MOST_BODY_BYTES:
            self._hand_on()

    def on_message_complete(self) -> None:
        self._arriving, self._deadline = False, math.inf
        if self.cycle is not None and self.cycle.response_complete:  # it was answered before all of it had come
            self._deadline = self.loop.time() + self.timeout_keep_alive
        self._in_head, self._head_bytes = True, 0
        if self._over is not None:
            limited = limited_answer(self._over, _texts(self.headers))
            self._over, self._short.response_complete = None, True
            self._write(limited, self._short.keep_alive)
            return
        if self._closed_for_s:
            closed = closed_answer(self._closed_for_s, self.headers)
            self._closed_for_s, self._short.response_complete = 0, True
            self._write(closed, self._short.keep_alive)
            return
        if self._begin is not None:
            answer = self._begin(self.headers, self._body)
            if answer is not None:
                self._begin = None
                task = self.loop.create_task(answer)
                self.tasks.add(task)  # type: ignore[arg-type]
                task.add_done_callback(self._answer)
                return
            self._hand_on()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif not self._arriving:
            self._deadline = self.loop.time() + self.timeout_keep_alive

    # ── the short way ───────────────────────────────────────────────────────────────────────────────────────────────

    def _is_free(self) -> bool:
        """Whether nothing else is under way on this connection, and nothing about the request is uvicorn's to handle."""
        if self.cycle is not None and not self.cycle.response_complete:
            return False
        if self.expect_100_continue or self.flow.write_paused or self.parser.should_upgrade():
            return False
        return self.limit_concurrency is None or len(self.connections) < self.limit_concurrency

    def _goes_the_short_way(self) -> bool:
        method = self.parser.get_method()
        if self.admission is not None:
            self._closed_for_s = self.admission.closed_for_s(method, self.url)
            if self._closed_for_s:
                return True
        if self.quick is not None:
            self._begin = self.quick.find(method, self.url)
        return self._begin is not None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Begin the framework's work on a request: at once, or when those before it on the connection have been answered."""
        if self.admission is not None:
            # As the framework will read it: the address may be absolute, quoted, or begin with two slashes.
            method, path = cycle.scope["method"].encode(), b"/" + cycle.scope["path"].encode().lstrip(b"/")
            if closed_for_s := self.admission.closed_for_s(method, path):
                app = _said(closed_answer(closed_for_s, list(cycle.scope["headers"])))
            elif is_read(method, path):
                app = self.admission.counted(app)
        super()._start_asgi_task(cycle, app)

    def _turn_away(self, data: bytes) -> bool:
        """While writes are being turned away: answer one that has arrived whole, without taking it apart. What is not plainly
        one whole request is left to the parser, which comes to the same answer at twice the price."""
        if not data.startswith(b"POST /v1/") or (self.cycle is not None and not self.cycle.response_complete):
            return False
        end = data.find(b"\r\n\r\n", 0, MOST_HEAD_BYTES)
        head = data[: max(end, 0)].lower()
        line, _, rest = head.partition(b"\r\n")
        fields = b"\r\n" + rest + b"\r\n"
        if not line.endswith(b" http/1.1") or any(name in fields for name in _NOT_PLAIN) or fields.count(_LENGTH) != 1:
            return False
        at = fields.index(_LENGTH) + len(_LENGTH)
        length = fields[at : fields.index(b"\r\n", at)].strip()
        if not (length.isdigit() and len(length) < 9 and len(data) == end + 4 + int(length)) or self.admission is None:
            return False
        closed_for_s = self.admission.closed_for_s(b"POST", data[5 : line.index(b" ", 5)])
        if not closed_for_s:
            return False
        self._arriving, self._deadline = False, math.inf
        english = b"\r\naccept-language: en" in fields
        self._write(closed_answer(closed_for_s, [(b"accept-language", b"en")] if english else []), True)
        return True

    def _hand_on(self) -> None:
        """Let uvicorn have the request after all, as far as it has arrived."""
        body, self._begin, self._body = self._body, None, b""
        self.cycle = None  # type: ignore[assignment]
        super().on_headers_complete()
        if body:
            super().on_body(body)

    def _answer(self, task: asyncio.Task[Answer]) -> None:
        self.tasks.discard(task)
        self._short.response_complete = True
        if self.transport.is_closing():
            return
        if task.cancelled():
            self.transport.close()
            return
        self._write(task.result(), self._short.keep_alive)

    def _write(self, answer: Answer, keep_alive: bool) -> None:
        retry = b"retry-after: %d\r\n" % answer.retry_after_s if answer.retry_after_s else b""
        for name, value in answer.headers:
            retry += f"{name.lower()}: {value}\r\n".encode()
        close = b"" if keep_alive else b"connection: close\r\n"
        head = b"%s%s%s%s%scontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (
            STATUS_LINE[answer.status], self._default_headers(), _HEADERS, retry, close, len(answer.body),
        )  # fmt: skip
        self.transport.write(head + answer.body)
        if not keep_alive:
            self.transport.close()
        self.on_response_complete()

    _written_once: ClassVar[tuple[Any, bytes]] = (None, b"")

    def _default_headers(self) -> bytes:
        """The server's own headers (the date), which it makes anew once a second."""
        headers, text = BoundedProtocol._written_once
        if headers is not self.server_state.default_headers:
            headers = self.server_state.default_headers
            text = b"".join(b"%s: %s\r\n" % header for header in headers)
            BoundedProtocol._written_once = headers, text
        return text

    # ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _look_later(self) -> None:
        self._watch = self.loop.call_later(ARRIVES_WITHIN_S / 4, self._look)

    def _look(self) -> None:
        if self.transport.is_closing():
            return
        if self.loop.time() < self._deadline:
            self._look_later()
        elif self._arriving:
            self.transport.abort()
        else:
            self.transport.close()


def _texts(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}


def _said(answer: Answer) -> ASGI3Application:
    """Stands where the application would, and answers in the bytes that `_write` would."""

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        headers = [(name.lower().encode(), value.encode()) for name, value in (*HEADERS.items(), *answer.headers)]
        headers += [
            (b"retry-after", b"%d" % answer.retry_after_s),
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(answer.body)),
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers, "trailers": False})
        await send({"type": "http.response.body", "body": answer.body, "more_body": False})

    return app


def server_protocol(routes: QuickRoutes, admission: Admission, limits: RateLimits) -> type[BoundedProtocol]:
    """The protocol of a server whose requests for `routes` go the short way, which `admission` keeps from drowning, and which
    nobody may ask more often than `limits` let them."""
    return type("ServerProtocol", (BoundedProtocol,), {"quick": routes, "admission": admission, "limits": limits})
