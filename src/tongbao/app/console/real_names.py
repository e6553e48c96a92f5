"""Routes of real names at the console: what is known of a customer, masked, and verification face to face by two operators."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import QueryParameter

from tongbao.app.console.wire import PathId
from tongbao.identity import errors as identity_errors
from tongbao.identity.realname import errors
from tongbao.identity.realname.http import (
    DocumentAnswer,
    HeldBackAnswer,
    NameCheckAnswer,
    check_answers,
    document_answer,
    held_back,
    in_force_answer,
)
from tongbao.identity.realname.service import RealNameService, Status
from tongbao.identity.realname.types import State
from tongbao.identity.service import Caller, command_id_for
from tongbao.identity.standing import reasons
from tongbao.kernel import web


class NameLine(msgspec.Struct, frozen=True):
    """A customer in the list of verifications."""

    customer_id: str
    state: State
    level: int
    wanted_level: int
    document: DocumentAnswer
    started_at: datetime
    verified_at: datetime | None


class FaceToFaceAnswer(msgspec.Struct, frozen=True):
    """What an operator proposed, and who approved it."""

    level: int
    verified_by: str
    approved_by: str | None


class NameDetail(msgspec.Struct, frozen=True):
    """Everything about a customer's name that an operator sees: nothing of it in clear. `accounts`: held under the document.
    `in_force`: where that one is yet to be proven, the one whose name and level hold until then."""

    customer_id: str
    state: State | None
    level: int
    wanted_level: int
    document: DocumentAnswer | None
    checks: list[NameCheckAnswer]
    held_back: HeldBackAnswer | None
    face_to_face: FaceToFaceAnswer | None
    suspended: list[str]
    minor: bool
    visitor: bool
    of_age_on: date | None
    accounts: int
    attempt: int
    verified_at: datetime | None
    in_force: DocumentAnswer | None


class NameEventLine(msgspec.Struct, frozen=True):
    """Something that happened to a name; `document` where one was given."""

    event_id: str
    act: str
    detail: str
    level: int
    document: DocumentAnswer | None
    by: str | None
    at: datetime


class FaceToFaceBody(web.Request, frozen=True, kw_only=True):
    """The level that a meeting gives, and what was seen."""

    level: Annotated[int, msgspec.Meta(ge=1, le=3)]
    note: Annotated[str, msgspec.Meta(max_length=200)] = ""


class ApproveBody(web.Request, frozen=True, kw_only=True):
    """The proposal that was read: its level, and who made it. Where another one has taken its place, nothing is approved."""

    level: Annotated[int, msgspec.Meta(ge=2, le=3)]
    verified_by: Annotated[str, msgspec.Meta(max_length=64)]


async def _detail(status: Status, names: RealNameService) -> NameDetail:
    real, standing = status.real, status.standing
    holder = await names.accounts_under(real) if real else None
    face = None
    if real is not None and real.verified_by is not None:
        approved_by = str(real.approved_by) if real.approved_by else None
        face = FaceToFaceAnswer(real.face_level, str(real.verified_by), approved_by)
    return NameDetail(
        str(standing.customer_id), real.state if real else None, standing.level, real.wanted_level if real else 0,
        document_answer(real.document_kind, status.file, real.expires_on) if real else None, check_answers(status),
        held_back(real.held_back if real else ""), face, list(reasons(standing.suspended)), standing.minor, standing.visitor,
        real.of_age_on if real else None, holder.accounts if holder else 0, real.attempt if real else 0,
        real.verified_at if real else None, in_force_answer(status),
    )  # fmt: skip


def _customer(customer_id: str) -> UUID:
    return web.parse_id(customer_id, identity_errors.PRINCIPAL_NOT_FOUND)


@get("/v1/console/real-names", tags=["Console"])
async def real_names_found(
    operator: Caller,
    names: RealNameService,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    wanted: Annotated[State | None, QueryParameter(name="state", description="Only those in this state.")] = None,
) -> web.Page[NameLine]:
    """Customers who gave a document, the latest first, masked."""
    found = await names.real_names(wanted, web.decode_cursor(cursor, tuple[datetime, UUID]), limit)
    rows, following = web.page(found, limit, lambda row: (row[0].started_at, row[0].customer_id))
    lines = [
        NameLine(
            str(real.customer_id), real.state, real.level, real.wanted_level,
            document_answer(real.document_kind, file, real.expires_on), real.started_at, real.verified_at,
        )
        for real, file in rows
    ]  # fmt: skip
    return web.Page(lines, following)


@get("/v1/console/customers/{customer_id:str}/real-name", tags=["Console"])
async def one_real_name(operator: Caller, customer_id: PathId, names: RealNameService) -> NameDetail:
    """A customer's verification: document masked, every channel, who verified."""
    return await _detail(await names.status(_customer(customer_id)), names)


@get("/v1/console/customers/{customer_id:str}/real-name/history", tags=["Console"])
async def real_name_history(
    operator: Caller, customer_id: PathId, names: RealNameService, limit: web.Limit = 20, cursor: web.Cursor = None
) -> web.Page[NameEventLine]:
    """What happened to a customer's name, newest first: documents given and corrected, answers, who verified."""
    found = await names.history(_customer(customer_id), web.decode_cursor(cursor, UUID), limit)
    rows, following = web.page(found, limit, lambda row: row[0].event_id)
    lines = [
        NameEventLine(
            str(event.event_id), event.act, event.detail, event.level,
            document_answer(event.document_kind, file, file.document.expires_on) if file else None,
            str(event.by) if event.by else None, event.at,
        )
        for event, file in rows
    ]  # fmt: skip
    return web.Page(lines, following)


@post("/v1/console/customers/{customer_id:str}/real-name/face-to-face", tags=["Console"], status_code=200)
async def verify_face_to_face(
    operator: Caller, customer_id: PathId, data: FaceToFaceBody, names: RealNameService, key: web.IdempotencyKey
) -> NameDetail:
    """Say that the person and the document were seen. It counts once another operator approves."""
    command_id = command_id_for(operator, key)
    return await _detail(await names.propose_face_to_face(command_id, operator, _customer(customer_id), data.level), names)


@post("/v1/console/customers/{customer_id:str}/real-name/face-to-face/approve", tags=["Console"], status_code=200)
async def approve_face_to_face(
    operator: Caller, customer_id: PathId, data: ApproveBody, names: RealNameService, key: web.IdempotencyKey
) -> NameDetail:
    """Approve what another operator verified, as it was read."""
    known = _customer(customer_id)
    verified_by = web.parse_id(data.verified_by, errors.FACE_NOT_PROPOSED)
    await names.approve_face_to_face(command_id_for(operator, key), operator, known, data.level, verified_by)
    return await _detail(await names.status(known), names)
