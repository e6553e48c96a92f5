"""Routes of the audit chain: where it ends, and its verification."""

from __future__ import annotations

from datetime import datetime

import msgspec
from litestar import get, post

from tongbao.app.books import Books
from tongbao.app.console.wire import READERS
from tongbao.identity.http import require_role
from tongbao.identity.service import Caller
from tongbao.kernel import web


class WriterAnswer(msgspec.Struct, frozen=True):
    """One process's chain."""

    writer: int
    sequence: int
    head: str
    at: datetime
    commands: int


class VerifiedAnswer(msgspec.Struct, frozen=True):
    """The last verification by this server process."""

    at: datetime
    ok: bool
    batches: int
    commands: int
    journals: int
    entries: int
    duration_ms: int
    problem: str | None


class ChainAnswer(msgspec.Struct, frozen=True):
    """The audit chain."""

    writers: list[WriterAnswer]
    verifying: bool
    last_verified: VerifiedAnswer | None


class RunningAnswer(msgspec.Struct, frozen=True):
    """A verification runs."""

    running: bool


@get("/v1/console/chain", tags=["Console"])
async def chain(operator: Caller, books: Books) -> ChainAnswer:
    """Every writer's head, and what the last verification found."""
    require_role(operator, *READERS)
    writers = [
        WriterAnswer(writer, sequence, digest.hex(), at, commands)
        for writer, sequence, digest, at, commands in await books.chain()
    ]
    last = books.last_verified
    verified = (
        VerifiedAnswer(
            last.at,
            last.ok,
            last.batches,
            last.commands,
            last.rows["journal"],
            last.rows["entry"],
            last.duration_ms,
            last.problem,
        )
        if last
        else None
    )
    return ChainAnswer(writers, books.verifying, verified)


@post("/v1/console/chain/verify", tags=["Console"], status_code=202)
async def verify_chain(operator: Caller, books: Books, key: web.IdempotencyKey) -> RunningAnswer:
    """Verify everything, in the background; poll the chain for the result."""
    require_role(operator, "finance", "admin")
    books.start_verifying()
    return RunningAnswer(True)


ROUTES = (chain, verify_chain)
