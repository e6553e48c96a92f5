"""Routes of operators themselves: who they are, what each role may do, and what each of them did."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get
from litestar.params import QueryParameter

from tongbao.app.console.wire import FirstDay, LastDay, PersonName
from tongbao.identity.service import Caller, IdentityService
from tongbao.kernel import web
from tongbao.operators.api import Invitations, OperatorService, Role
from tongbao.operators.errors import OPERATOR_NOT_FOUND
from tongbao.operators.permissions import ROLE_NAMES, ROLES
from tongbao.security.keyring import ROTATED, KeyRing
from tongbao.wallet.service import WalletService

Text = Annotated[str | None, QueryParameter(max_length=64)]


class OperatorLine(msgspec.Struct, frozen=True):
    """Somebody at the console. Without roles they may do nothing any more. `invited_until`: they have not chosen a password yet,
    and the invitation by which they may is good until then, or was."""

    operator_id: str
    name: str
    login: str
    roles: list[Role]
    created_at: datetime
    invited_until: datetime | None


class KeyLine(msgspec.Struct, frozen=True):
    """A version of a key that is kept; the key itself is shown to nobody. `exchangeable`: `keys.rotate` makes a newer one."""

    purpose: str
    version: int
    made_at: datetime
    exchangeable: bool


class KeysAnswer(msgspec.Struct, frozen=True):
    """Every key of the installation, by purpose and version."""

    items: list[KeyLine]


class RoleAnswer(msgspec.Struct, frozen=True):
    """A role and all that it permits."""

    role: Role
    permissions: list[str]


class RolesAnswer(msgspec.Struct, frozen=True):
    """Who may do what: all of it."""

    roles: list[RoleAnswer]


class ActLine(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator did, or whose data they read (`changing` false). `outcome` is "ok" or the code of the error."""

    act_id: str
    at: datetime
    by: PersonName
    session_id: str | None
    act: str
    changing: bool
    subject_kind: str
    subject_id: str
    reason: str
    outcome: str


@get("/v1/console/operators", tags=["Console"])
async def operators_found(
    operator: Caller, identity: IdentityService, invitations: Invitations, limit: web.Limit = 20, cursor: web.Cursor = None
) -> web.Page[OperatorLine]:
    """Everybody at the console, newest first. Changes are proposed: `operator.create`, `operator.roles`, `operator.reset`."""
    found = await identity.search("console", "", web.decode_cursor(cursor, UUID), limit)
    rows, following = web.page(found, limit, lambda row: row.principal_id)
    invited = await invitations.of([row.principal_id for row in rows])
    lines = []
    for row in rows:
        waits = invited.get(row.principal_id)
        until = waits.expires_at if waits and waits.accepted_at is None else None
        held = (await identity.need(row.principal_id)).roles.split(",")
        named = [role for role in ROLE_NAMES if role in held]
        lines.append(OperatorLine(str(row.principal_id), row.name, row.login, named, row.created_at, until))
    return web.Page(lines, following)


@get("/v1/console/keys", tags=["Console"])
async def keys(operator: Caller, ring: KeyRing) -> KeysAnswer:
    """What keys there are and since when. Those of the classes of personal data are exchanged by two: propose `keys.rotate`."""
    listed = await asyncio.to_thread(ring.listed)
    return KeysAnswer([KeyLine(each.purpose, each.version, each.made_at, each.purpose in ROTATED) for each in listed])


@get("/v1/console/roles", tags=["Console"])
async def roles(operator: Caller) -> RolesAnswer:
    """What each role permits."""
    return RolesAnswer([RoleAnswer(role, sorted(permitted)) for role, permitted in ROLES.items()])


@get("/v1/console/acts", tags=["Console"])
async def acts(
    operator: Caller,
    operators: OperatorService,
    identity: IdentityService,
    wallet: WalletService,
    limit: web.Limit = 50,
    cursor: web.Cursor = None,
    by: Text = None,
    subject: Text = None,
    act: Text = None,
    changes: bool = False,
    first_day: FirstDay = None,
    last_day: LastDay = None,
) -> web.Page[ActLine]:
    """What operators did and whose data they read, newest first: of one operator (`by`), about one subject's id, of one act, or
    only changes."""
    start, end = web.local_days(first_day, last_day, wallet.zone)
    found = await operators.acts(
        operator_id=web.parse_id(by, OPERATOR_NOT_FOUND) if by else None, subjects=[subject] if subject else None, act=act,
        changes_only=changes, start=start, end=end, before=web.decode_cursor(cursor, UUID), limit=limit,
    )  # fmt: skip
    rows, following = web.page(found, limit, lambda row: row.act_id)
    people = await identity.several({row.operator_id for row in rows})
    lines = [
        ActLine(
            act_id=str(row.act_id), at=row.at,
            by=PersonName(str(row.operator_id), people[row.operator_id].name if row.operator_id in people else "–"),
            session_id=str(row.session_id) if row.session_id else None, act=row.act, changing=row.changing,
            subject_kind=row.subject_kind, subject_id=row.subject_id, reason=row.reason, outcome=row.outcome,
        )
        for row in rows
    ]  # fmt: skip
    return web.Page(lines, following)
