"""A provider of short messages and mail as a program, with every way of failing that one has, and an outbox to look at.

    python -m tongbao.channels.simulated.messages --port N        prints `messages ready on http://127.0.0.1:PORT`

    POST   /v1/messages          {reference, to, text} -> 201; the same reference again -> 200 and nothing is sent twice
    GET    /v1/outbox?to=…       what was delivered, the latest first, a thousand at most
    POST   /admin/faults         {kind, times, wait_ms} -> 201; DELETE clears them
    GET    /health

    delay       the answer comes `wait_ms` later        lose        taken and never delivered
    silence     nothing is taken, nothing is answered   duplicate   delivered twice
    refuse      422

The key comes from TONGBAO_MESSAGES_KEY. Everything is in memory: a message is nobody's record.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import os
import socket
import sys
from collections import OrderedDict, deque
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
import uvicorn
from litestar import Litestar, Request, Response, delete, get, post
from litestar.datastructures import State
from litestar.exceptions import NotAuthorizedException

from tongbao.channels.messages import MessageRequest

KEY_VARIABLE = "TONGBAO_MESSAGES_KEY"
_MOST = 1000

FaultKind = Literal["delay", "silence", "refuse", "lose", "duplicate"]


class MessageFault(msgspec.Struct, forbid_unknown_fields=True):
    """What befalls the next messages. `wait_ms`: of a delay or a silence."""

    kind: FaultKind
    times: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1
    wait_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 1000


class Delivered(msgspec.Struct, frozen=True):
    """A message as it arrived."""

    reference: str
    to: str
    text: str
    at: datetime


class Post:
    """What was taken, what was delivered, what is to go wrong."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.taken: OrderedDict[str, None] = OrderedDict()
        self.outbox: deque[Delivered] = deque(maxlen=_MOST)
        self.faults: deque[MessageFault] = deque()

    def fault(self) -> MessageFault | None:
        """The next one, used up."""
        if not self.faults:
            return None
        first = self.faults[0]
        first.times -= 1
        if first.times <= 0:
            self.faults.popleft()
        return first

    def take(self, message: MessageRequest, copies: int) -> bool:
        """Whether it is new."""
        if message.reference in self.taken:
            return False
        self.taken[message.reference] = None
        while len(self.taken) > 100 * _MOST:
            self.taken.popitem(last=False)
        for _ in range(copies):
            self.outbox.appendleft(Delivered(message.reference, message.to, message.text, datetime.now(UTC)))
        return True


AnyRequest = Request[Any, Any, State]


def _known(request: AnyRequest) -> Post:
    post: Post = request.app.state.post
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(given.encode(), post.key.encode()):
        raise NotAuthorizedException("bearer")
    return post


@post("/v1/messages")
async def send(request: AnyRequest, data: MessageRequest) -> Response[None]:
    post = _known(request)
    fault = post.fault()
    kind = fault.kind if fault else None
    if fault and kind in ("delay", "silence"):
        await asyncio.sleep(fault.wait_ms / 1000)
    if kind == "silence":
        return Response(None, status_code=503)
    if kind == "refuse":
        return Response(None, status_code=422)
    new = post.take(data, {"lose": 0, "duplicate": 2}.get(kind or "", 1))
    return Response(None, status_code=201 if new else 200)


@get("/v1/outbox")
async def outbox(request: AnyRequest, to: str = "") -> list[Delivered]:
    return [each for each in _known(request).outbox if not to or each.to == to]


@post("/admin/faults", status_code=201)
async def add_fault(request: AnyRequest, data: MessageFault) -> None:
    _known(request).faults.append(data)


@delete("/admin/faults", status_code=204)
async def clear_faults(request: AnyRequest) -> None:
    _known(request).faults.clear()


@get("/health", sync_to_thread=False)
def health() -> dict[str, str]:
    return {"status": "ok"}


def create_app(key: str) -> Litestar:
    """The provider, over HTTP."""
    app = Litestar([send, outbox, add_fault, clear_faults, health], logging_config=None, openapi_config=None)
    app.state.post = Post(key)
    return app


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started and sockets:
            print(f"messages ready on http://127.0.0.1:{sockets[0].getsockname()[1]}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="A provider of messages that fails on demand.")
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    key = os.environ.get(KEY_VARIABLE, "")
    if len(key) < 16:
        sys.exit(f"{KEY_VARIABLE} must have at least 16 characters")
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", given.port))
    _Server(uvicorn.Config(create_app(key), log_level="critical", server_header=False)).run(sockets=[bound])


if __name__ == "__main__":
    main()
