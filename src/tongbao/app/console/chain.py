"""Routes of the audit chain: where it ends, how it is anchored, and its verification."""

from __future__ import annotations

from datetime import datetime

import msgspec
from litestar import get, post

from tongbao.app.audit import Audit
from tongbao.app.books import Books
from tongbao.engine.anchors import Anchor, is_signed
from tongbao.identity.service import Caller
from tongbao.kernel import web

_ANCHORS_SHOWN = 10


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


class AnchoredAnswer(msgspec.Struct, frozen=True):
    """What one anchor says of one writer: the Merkle root over the hashes of its batches `first` to `last`."""

    writer: int
    first: int
    last: int
    root: str


class ChainAnchorAnswer(msgspec.Struct, frozen=True):
    """A signed end of the chain. `writers` are those with news; `signature` is over the statement that GET /v1/anchors gives.
    Where it does not fit (`signed` false) the statement is not believed and nothing of it is told."""

    number: int
    signed: bool
    at: datetime | None
    writers: list[AnchoredAnswer]
    signature: str


class ChainAnswer(msgspec.Struct, frozen=True):
    """The audit chain. `right_at`: when any process, a worker above all, last found everything right. `anchors`: newest first."""

    writers: list[WriterAnswer]
    verifying: bool
    last_verified: VerifiedAnswer | None
    right_at: datetime | None
    algorithm: str
    public_key: str
    anchors: list[ChainAnchorAnswer]


class RunningAnswer(msgspec.Struct, frozen=True):
    """A verification runs."""

    running: bool


def anchor_answer(anchor: Anchor, public_key: bytes) -> ChainAnchorAnswer:
    """An anchor as the page shows it."""
    if not is_signed(anchor, public_key):
        return ChainAnchorAnswer(anchor.number, False, None, [], anchor.signature)
    said = anchor.read()
    news = [AnchoredAnswer(end.writer, end.first, end.last, end.root) for end in said.writers if end.first <= end.last]
    return ChainAnchorAnswer(anchor.number, True, datetime.fromisoformat(said.at), news, anchor.signature)


@get("/v1/console/chain", tags=["Console"])
async def chain(operator: Caller, books: Books, audit: Audit) -> ChainAnswer:
    """Every writer's head, what the last verification found, and the last anchors."""
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
    anchors, right_at = await audit.standing(_ANCHORS_SHOWN)
    key = audit.public_key
    shown = [anchor_answer(each, key) for each in anchors]
    return ChainAnswer(writers, books.verifying, verified, right_at, "Ed25519", key.hex(), shown)


@post("/v1/console/chain/verify", tags=["Console"], status_code=202)
async def verify_chain(operator: Caller, books: Books, key: web.IdempotencyKey) -> RunningAnswer:
    """Verify everything, in the background; poll the chain for the result."""
    books.start_verifying()
    return RunningAnswer(True)
