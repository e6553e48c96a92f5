"""Those who know people, as a program: one process, nine registries, and every way of failing that they have.

    python -m tongbao.channels.simulated.registries --port N [--magic-numbers]

It prints `registries ready on http://127.0.0.1:PORT` when it takes questions (`--port 0` lets the system choose), and stops
cleanly on SIGTERM. The key comes from `TONGBAO_REGISTRIES_KEY`. Whom it knows is in `people`, what it answers and the magic
numbers in `knowledge`. Under /v1 every request and answer is signed (see `channels.signing`); /admin takes the key as a bearer
token. It keeps nothing on disk: the same question has the same answer after a restart.

    POST   /v1/checks            a `Question` -> a `CheckReport`; idempotent by reference; 409 for another question under it
    GET    /health
    PUT    /admin/files/{name}   a `Known`: a line in that registry's file, new or changed
    POST   /admin/faults         a `RegistryFault`, 201;  DELETE clears
    GET    /admin/lookups        {"lookups": how often a file was looked into}
"""

from __future__ import annotations

import argparse
import hmac
import os
import sys

import msgspec
from litestar import Litestar, Response, delete, get, post, put
from litestar.exceptions import NotAuthorizedException
from litestar.types import ASGIApp

from tongbao.channels.signing import key_bytes
from tongbao.channels.simulated.door import AnyRequest, Door, silence
from tongbao.channels.simulated.knowledge import Knowledge, ReferenceConflict, RegistryFault
from tongbao.channels.simulated.people import Known, demo_files
from tongbao.channels.simulated.server import listening, serve
from tongbao.channels.wire import Problem
from tongbao.identity.realname.channels import Question, Registry
from tongbao.kernel.clock import Clock, SystemClock

KEY_VARIABLE = "TONGBAO_REGISTRIES_KEY"


class Registries(Door):
    """Every registry behind one door."""

    def __init__(self, knowledge: Knowledge, *, key: str, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        super().__init__(key, self.clock)
        self.knowledge = knowledge


def create_app(registries: Registries) -> Litestar:
    """The ASGI application."""
    knowledge = registries.knowledge

    def only_with_key(request: AnyRequest) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), registries.key):
            raise NotAuthorizedException("bearer")

    @post("/v1/checks", status_code=200)
    async def check(request: AnyRequest) -> Response[bytes] | ASGIApp:
        body = await registries.authenticate(request)
        try:
            question = msgspec.json.decode(body, type=Question)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return registries.answer(request, 400, Problem("malformed"))
        fault = knowledge.fault_of(question)
        kind = fault.kind if fault else None
        if fault and kind == "timeout":
            return silence(registries, fault.wait_ms)
        if kind == "down":
            return Response(b"out of service", status_code=500, media_type="text/plain")
        now = registries.clock.now()
        try:
            if kind == "answer_twice":
                knowledge.answer(question, now)
            report = knowledge.answer(question, now, fault.wait_ms if fault and kind == "pending" else None)
        except ReferenceConflict:
            return registries.answer(request, 409, Problem("reference_conflict"))
        if kind == "lost_answer" or (fault and kind == "delay" and not await registries.hold(fault.wait_ms)):
            return silence(registries, 0)
        return registries.answer(request, 200, b'{"result":"SA' if kind == "garbage" else report)

    @get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @put("/admin/files/{name:str}", status_code=204)
    async def learn(request: AnyRequest, name: str) -> None:
        only_with_key(request)
        knowledge.learn(msgspec.convert(name, Registry), msgspec.json.decode(await request.body(), type=Known))

    @post("/admin/faults", status_code=201)
    async def order(request: AnyRequest) -> None:
        only_with_key(request)
        knowledge.order(msgspec.json.decode(await request.body(), type=RegistryFault))

    @delete("/admin/faults")
    async def clear(request: AnyRequest) -> None:
        only_with_key(request)
        knowledge.clear()

    @get("/admin/lookups")
    async def lookups(request: AnyRequest) -> dict[str, int]:
        only_with_key(request)
        return {"lookups": knowledge.lookups}

    async def malformed(request: AnyRequest, error: Exception) -> Response[Problem]:
        return Response(Problem("malformed"), status_code=400)

    return Litestar(
        route_handlers=[check, health, learn, order, clear, lookups],
        exception_handlers={msgspec.DecodeError: malformed, msgspec.ValidationError: malformed},  # type: ignore[dict-item]
        request_max_body_size=16 * 1024,
        openapi_config=None,
        logging_config=None,
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the registries until SIGTERM or SIGINT. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="registries", description="Simulated registries of people and businesses.")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1; 0 lets the system choose")
    parser.add_argument("--magic-numbers", action="store_true", help="let document numbers choose faults (the sandbox)")
    options = parser.parse_args(arguments)
    key = os.environ.get(KEY_VARIABLE, "")
    try:
        key_bytes(key)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    with listening(options.port) as listener:
        if listener is None:
            return 2
        registries = Registries(Knowledge(demo_files(), magic_numbers=options.magic_numbers), key=key)
        serve(create_app(registries), [registries], listener, "registries")
    return 0


if __name__ == "__main__":
    sys.exit(main())
