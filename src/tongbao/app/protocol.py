"""HTTP/1.1 with bounds that the server's own protocol lacks: how large a request's head may be, and how long a request may
take to arrive. Without them one connection fills the memory with headers, or many hold it by sending nothing."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: A request line and its headers, in bytes. Ours need less than two thousand.
MOST_HEAD_BYTES = 32 * 1024
#: From the first byte, or from the connection, to the end of the body.
ARRIVES_WITHIN_S = 20.0

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol; a head beyond `MOST_HEAD_BYTES` is answered 431, a request that dawdles is cut off."""

    _head_bytes = 0
    _in_head = True
    _arrival: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._has_arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        if self._arrival is None:
            self._expect_request()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._has_arrived()
        self._in_head, self._head_bytes = True, 0
        super().on_message_complete()

    def _expect_request(self) -> None:
        self._arrival = self.loop.call_later(ARRIVES_WITHIN_S, self._give_up)

    def _has_arrived(self) -> None:
        if self._arrival is not None:
            self._arrival.cancel()
            self._arrival = None

    def _give_up(self) -> None:
        self._arrival = None
        if not self.transport.is_closing():
            self.transport.abort()
