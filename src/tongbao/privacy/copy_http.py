"""Routes of a customer's data itself: a copy of it, correcting it, who looked at it, and closing the account for ever."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.response import Stream

from tongbao.identity.service import Caller, IdentityService, command_id_for, own_act
from tongbao.identity.wire import ConfirmedBody
from tongbao.kernel import web
from tongbao.operators.api import OperatorService, looks_at
from tongbao.privacy.copies import SCHEMA_ID
from tongbao.privacy.corrections import ELSEWHERE, Field
from tongbao.privacy.data import PrivacyData
from tongbao.privacy.erasure import GRACE, KEPT
from tongbao.privacy.erasure import ErasureState as State
from tongbao.privacy.erasures import ErasureService, ErasureState
from tongbao.wallet.rules import wallet_of
from tongbao.wallet.service import WalletService


class CopyBody(ConfirmedBody, frozen=True, kw_only=True):
    """The customer's confirmation."""


class ErasureBody(ConfirmedBody, frozen=True, kw_only=True):
    """The customer's confirmation."""


class CorrectionBody(web.Request, frozen=True, kw_only=True):
    """What is wrong, and what is right. Only `name`, the display name, is corrected by saying so."""

    field: Field
    value: Annotated[str, msgspec.Meta(max_length=200)] = ""


class FieldAnswer(msgspec.Struct, frozen=True):
    """What can be corrected. `where`: the route that does it; null: this one."""

    field: Field
    where: str | None
    how: web.Words


class CorrectionLine(msgspec.Struct, frozen=True):
    """A correction that was made."""

    correction_id: str
    field: str
    former: str
    corrected: str
    at: datetime


class CorrectionsAnswer(msgspec.Struct, frozen=True):
    """What can be corrected, and a page of what was, newest first."""

    fields: list[FieldAnswer]
    items: list[CorrectionLine]
    next_cursor: str | None


class ObstacleAnswer(msgspec.Struct, frozen=True):
    """Something to be done first. `kind` is stable."""

    kind: str
    message: web.Words


class ErasureAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Closing the account for ever. `state` is null when nobody asked. `due_at`: until then one may change one's mind.
    `obstacles`: what stands in the way now. `what_happens`, `what_is_kept`: what it comes to."""

    state: State | None
    requested_at: datetime | None
    due_at: datetime | None
    obstacles: list[ObstacleAnswer]
    grace_days: int
    kept_days: int
    what_happens: web.Words
    what_is_kept: web.Words


class AccessLine(msgspec.Struct, frozen=True):
    """That somebody of the staff looked at the customer's data or changed something. `act` says what they did: the console's own
    name for it. Their name is masked."""

    access_id: str
    at: datetime
    by_masked: str
    roles: list[str]
    act: str
    changed: bool


_HAPPENS = web.Words(
    "到期后：钱包关闭，登录方式释放，会话失效，通行密钥与证书删除，同意全部撤回，姓名、手机号、证件与附言在本系统中不再可读。",
    "Then: the wallet closes, your log-in is free for others, sessions end, passkeys and certificates are removed, consents are "
    "withdrawn, and nobody here can read your name, phone, documents and notes any more.",
)  # fmt: skip
_KEPT = web.Words(
    "依《反洗钱法》第三十四条，交易与身份资料封存十年：密钥以保留公钥加密，本系统无法打开，期满销毁。",
    "The AML Law (Art. 34) has us keep what you did and who you are for ten years: under a key that this system cannot open, "
    "destroyed when the time is over.",
)  # fmt: skip


def _erasure(found: ErasureState) -> ErasureAnswer:
    known = found.erasure
    return ErasureAnswer(
        state=known.state if known else None,
        requested_at=known.requested_at if known else None,
        due_at=known.due_at if known and known.state in ("REQUESTED", "CLOSING") else None,
        obstacles=[ObstacleAnswer(each.kind, each.message) for each in found.obstacles],
        grace_days=GRACE.days,
        kept_days=KEPT.days,
        what_happens=_HAPPENS,
        what_is_kept=_KEPT,
    )


@post("/v1/wallet/privacy/copy", tags=["Privacy"], status_code=200, media_type="application/octet-stream")
async def take_copy(
    customer: Caller, data: CopyBody, identity: IdentityService, privacy_data: PrivacyData, key: web.IdempotencyKey
) -> Stream:
    """Everything that is held about the customer, as one JSON file (its schema: /v1/schemas/portable-copy.json), written as it is
    read. Each file is confirmed anew: the same key does not answer a second one."""
    command_id = command_id_for(customer, key)
    confirmation = await identity.confirmation(customer, data.given(), command_id, own_act("take_copy", customer))
    pieces = await privacy_data.copy(command_id, customer, confirmation)
    begun = await anext(pieces, b"")  # whatever refuses does so before the first byte is sent
    headers = {"Content-Disposition": 'attachment; filename="tongbao-copy.json"', "Cache-Control": "no-store"}
    return Stream(_all(begun, pieces), media_type="application/octet-stream", headers=headers)


async def _all(begun: bytes, pieces: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    async with aclosing(pieces):
        yield begun
        async for piece in pieces:
            yield piece


@get(SCHEMA_ID, tags=["Privacy"])
async def copy_schema(privacy_data: PrivacyData) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a portable copy."""
    return privacy_data.schema()


@get("/v1/wallet/privacy/corrections", tags=["Privacy"])
async def corrections(
    customer: Caller, privacy_data: PrivacyData, limit: web.Limit = 20, cursor: web.Cursor = None
) -> CorrectionsAnswer:
    """What can be corrected and where, and what was."""
    before = web.decode_cursor(cursor, UUID)
    found = await privacy_data.corrections(customer.principal_id, before, limit)
    rows, following = web.page(found, limit, lambda row: row.correction_id)
    here = FieldAnswer("name", None, web.Words("显示姓名可直接更正。", "The display name is corrected right here."))
    fields = [here, *(FieldAnswer(field, where, how) for field, (where, how) in ELSEWHERE.items())]
    lines = [CorrectionLine(str(row.correction_id), row.field, row.former, row.corrected, row.at) for row in rows]
    return CorrectionsAnswer(fields, lines, following)


@post("/v1/wallet/privacy/corrections", tags=["Privacy"], status_code=200)
async def correct(
    customer: Caller, data: CorrectionBody, privacy_data: PrivacyData, key: web.IdempotencyKey
) -> CorrectionsAnswer:
    """Correct the display name. Anything else is answered with the place where it is verified anew."""
    await privacy_data.correct(command_id_for(customer, key), customer.principal_id, data.field, data.value, customer.proven_at)
    return await corrections.fn(customer, privacy_data, limit=20, cursor=None)  # type: ignore[no-any-return]


@get("/v1/wallet/privacy/erasure", tags=["Privacy"])
async def erasure(customer: Caller, erasures: ErasureService) -> ErasureAnswer:
    """Whether the account is being closed for ever, what stands in the way, and what it comes to."""
    return _erasure(await erasures.state(customer.principal_id))


@post("/v1/wallet/privacy/erasure", tags=["Privacy"], status_code=200)
async def request_erasure(
    customer: Caller, data: ErasureBody, identity: IdentityService, erasures: ErasureService, key: web.IdempotencyKey
) -> ErasureAnswer:
    """Have the account closed for ever, seven days from now. Until then the wallet works, and one may change one's mind."""
    command_id = command_id_for(customer, key)
    confirmation = await identity.confirmation(customer, data.given(), command_id, own_act("request_erasure", customer))
    return _erasure(await erasures.request(command_id, customer.principal_id, confirmation))


@post("/v1/wallet/privacy/erasure/cancel", tags=["Privacy"], status_code=200)
async def cancel_erasure(customer: Caller, erasures: ErasureService, key: web.IdempotencyKey) -> ErasureAnswer:
    """Keep the account after all."""
    return _erasure(await erasures.cancel(command_id_for(customer, key), customer.principal_id))


@get("/v1/wallet/privacy/accesses", tags=["Privacy"])
async def accesses(
    customer: Caller,
    operators: OperatorService,
    identity: IdentityService,
    wallet: WalletService,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
) -> web.Page[AccessLine]:
    """Who of the staff looked at the customer, or did something to their wallet, newest first."""
    mine = [str(customer.principal_id), str(wallet_of(customer.principal_id, wallet.currency).account_id)]
    found = await looks_at(operators, identity, mine, web.decode_cursor(cursor, UUID), limit)
    rows, following = web.page(found, limit, lambda row: row.act_id)
    lines = [AccessLine(str(row.act_id), row.at, row.by_masked, list(row.roles), row.act, row.changing) for row in rows]
    return web.Page(lines, following)


ROUTES = (accesses, take_copy, copy_schema, corrections, correct, erasure, request_erasure, cancel_erasure)
