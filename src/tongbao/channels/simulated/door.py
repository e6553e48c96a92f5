"""What every simulated program does at its door: it knows who asks, signs what it answers, and can fall silent."""

from __future__ import annotations

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import Coroutine
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import NotAuthorizedException
from litestar.types import ASGIApp, Receive, Scope, Send

from tongbao.channels import signing
from tongbao.kernel.clock import Clock

AnyRequest = Request[Any, Any, State]

#: Key of the ASGI scope under which the server (`server.ClosingProtocol`) puts a function that cuts the connection.
CUT = "tongbao.cut"


class Door:
    """One program's half of the signatures, and what it needs to stop while it makes others wait."""

    def __init__(self, key: str, clock: Clock) -> None:
        self.key = signing.key_bytes(key)
        self.stopping = asyncio.Event()
        self._clock = clock
        self._nonces: OrderedDict[str, float] = OrderedDict()
        self._late: set[asyncio.Task[None]] = set()

    def only_with_key(self, request: AnyRequest) -> None:
        """Let in who shows the key as a bearer token; else 401."""
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self.key):
            raise NotAuthorizedException("bearer")

    def later(self, arrival: Coroutine[Any, Any, None]) -> None:
        """A request that is still on its way."""
        self._late.add(task := asyncio.create_task(arrival))
        task.add_done_callback(self._late.discard)

    def forget_late(self) -> None:
        """Nothing more arrives."""
        for task in self._late:
            task.cancel()

    async def hold(self, wait_ms: int, *, until: asyncio.Task[None] | None = None) -> bool:
        """Let time pass, but not after the bank is told to stop nor after `until` is done; whether all of it passed."""
        stopping = asyncio.create_task(self.stopping.wait())
        done, _ = await asyncio.wait(
            {stopping, until} if until else {stopping}, timeout=wait_ms / 1000, return_when=asyncio.FIRST_COMPLETED
        )
        stopping.cancel()
        return not done

    async def authenticate(self, request: AnyRequest) -> bytes:
        """The body of a request that is provably from the holder of the key, recent and not played back; else 401."""
        body = await request.body()
        timestamp, nonce, claimed = (
            request.headers.get(name, "") for name in (signing.TIMESTAMP_HEADER, signing.NONCE_HEADER, signing.SIGNATURE_HEADER)
        )
        query = request.scope["query_string"]
        target = (request.scope["raw_path"] + (b"?" + query if query else b"")).decode("latin-1")
        expected = signing.sign_request(
            self.key, method=request.method, target=target, timestamp=timestamp, nonce=nonce, body=body
        )
        if not signing.same(claimed, expected):
            raise NotAuthorizedException("signature")
        now_s = self._clock.now().timestamp()
        if not signing.fresh(timestamp, now_s):
            raise NotAuthorizedException("timestamp")
        while self._nonces and next(iter(self._nonces.values())) < now_s - 2 * signing.MAX_SKEW_S:
            self._nonces.popitem(last=False)
        if not nonce or nonce in self._nonces:
            raise NotAuthorizedException("nonce")
        self._nonces[nonce] = now_s
        return body

    def answer(self, request: AnyRequest, status: int, body: object) -> Response[bytes]:
        """A signed answer; `body` is encoded as JSON unless it is bytes already."""
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        timestamp = str(int(self._clock.now().timestamp()))
        nonce = request.headers.get(signing.NONCE_HEADER, "")
        signature = signing.sign_answer(self.key, status=status, timestamp=timestamp, nonce=nonce, body=content)
        headers = {signing.TIMESTAMP_HEADER: timestamp, signing.SIGNATURE_HEADER: signature}
        return Response(content, status_code=status, headers=headers, media_type="application/json")


def silence(door: Door, wait_ms: int) -> ASGIApp:
    """Say nothing for that long, or until the other side hangs up; then cut the connection."""

    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        async def hung_up() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        waiting = asyncio.create_task(hung_up())
        await door.hold(wait_ms, until=waiting)
        cut = scope["state"].get(CUT)
        if cut is not None:
            cut()
        await waiting

    return silent
