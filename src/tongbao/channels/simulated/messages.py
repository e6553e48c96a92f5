"""A provider of short messages and mail as a program, with every way of failing that one has, and an outbox to look at.

    python -m tongbao.channels.simulated.messages --port N        prints `messages ready on http://127.0.0.1:PORT`

    POST   /v1/messages          {reference, to, text} -> 201; the same reference again -> 200 and nothing is sent twice
    GET    /v1/outbox?to=…       what was delivered, the latest first, a thousand at most
    GET    /v1/sims?phone=…      {since}: since when its SIM is the one it is; null where nobody exchanged it
    POST   /admin/sims           {phone} -> 201: its SIM is exchanged now, as somebody does who takes a number over
    POST   /admin/faults         {kind, times, wait_ms} -> 201; DELETE clears them
    GET    /health

    delay       the answer comes `wait_ms` later        lose        taken and never delivered
    silence     nothing is taken, nothing is answered   duplicate   delivered twice
    refuse      422

The key comes from TONGBAO_MESSAGES_KEY. Everything is in memory: a message is nobody's record.
"""

from __future__ import annotations

import argparse
import hmac
import os
import sys
from collections import OrderedDict, deque
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Litestar, Request, Response, delete, get, post
from litestar.datastructures import State
from litestar.exceptions import NotAuthorizedException

from tongbao.channels.messages import MessageRequest, Sim
from tongbao.channels.simulated.door import Door
from tongbao.channels.simulated.server import listening, serve
from tongbao.kernel.clock import SystemClock

KEY_VARIABLE = "TONGBAO_MESSAGES_KEY"
_MOST = 1000

FaultKind = Literal["delay", "silence", "refuse", "lose", "duplicate"]


class MessageFault(msgspec.Struct, forbid_unknown_fields=True):
    """What befalls the next messages. `wait_ms`: of a delay or a silence."""

    kind: FaultKind
    times: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1
    wait_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 1000


class SwappedSim(msgspec.Struct, frozen=True):
    """Whose SIM is exchanged."""

    phone: str


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
        self.door = Door(key, SystemClock())
        self.taken: OrderedDict[str, None] = OrderedDict()
        self.outbox: deque[Delivered] = deque(maxlen=_MOST)
        self.faults: deque[MessageFault] = deque()
        self.sims: OrderedDict[str, datetime] = OrderedDict()

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
    provider: Post = request.app.state.post
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(given.encode(), provider.key.encode()):
        raise NotAuthorizedException("bearer")
    return provider


@post("/v1/messages")
async def send(request: AnyRequest, data: MessageRequest) -> Response[None]:
    provider = _known(request)
    fault = provider.fault()
    kind = fault.kind if fault else None
    if fault and kind in ("delay", "silence"):
        await provider.door.hold(fault.wait_ms)
    if kind == "silence":
        return Response(None, status_code=503)
    if kind == "refuse":
        return Response(None, status_code=422)
    new = provider.take(data, {"lose": 0, "duplicate": 2}.get(kind or "", 1))
    return Response(None, status_code=201 if new else 200)


@get("/v1/outbox")
async def outbox(request: AnyRequest, to: str = "") -> list[Delivered]:
    return [each for each in _known(request).outbox if not to or each.to == to]


@get("/v1/sims")
async def sim(request: AnyRequest, phone: str) -> Sim:
    return Sim(_known(request).sims.get(phone))


@post("/admin/sims", status_code=201)
async def swap_sim(request: AnyRequest, data: SwappedSim) -> None:
    sims = _known(request).sims
    sims[data.phone] = datetime.now(UTC)
    while len(sims) > _MOST:
        sims.popitem(last=False)


@post("/admin/faults", status_code=201)
async def add_fault(request: AnyRequest, data: MessageFault) -> None:
    _known(request).faults.append(data)


@delete("/admin/faults", status_code=204)
async def clear_faults(request: AnyRequest) -> None:
    _known(request).faults.clear()


@get("/health", sync_to_thread=False)
def health() -> dict[str, str]:
    return {"status": "ok"}


def create_app(provider: Post) -> Litestar:
    """The provider, over HTTP."""
    app = Litestar([send, outbox, sim, swap_sim, add_fault, clear_faults, health], logging_config=None, openapi_config=None)
    app.state.post = provider
    return app


def main(arguments: list[str] | None = None) -> int:
    """Run the provider until SIGTERM or SIGINT. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="messages", description="A provider of messages that fails on demand.")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1; 0 lets the system choose")
    options = parser.parse_args(arguments)
    key = os.environ.get(KEY_VARIABLE, "")
    try:
        provider = Post(key)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    with listening(options.port) as listener:
        if listener is None:
            return 2
        serve(create_app(provider), [provider.door], listener, "messages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
