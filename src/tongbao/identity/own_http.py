"""Routes of one's own account, the same for customers, merchants' staff and operators: sessions, log-ins, devices, what one was
told, the password."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import PathParameter

from tongbao.identity import errors, factors
from tongbao.identity.alerts import AlertKind
from tongbao.identity.device_service import DeviceService
from tongbao.identity.devices import NEVER
from tongbao.identity.safety_service import SafetyService
from tongbao.identity.service import Caller, IdentityService, command_id_for
from tongbao.identity.types import Audience
from tongbao.identity.wire import Pin
from tongbao.kernel import web

PathId = Annotated[str, PathParameter(max_length=64)]
Password = Annotated[str, msgspec.Meta(max_length=1024)]
TAGS: dict[Audience, str] = {"wallet": "Identity", "merchant": "Merchant staff", "console": "Console"}


class SessionLine(msgspec.Struct, frozen=True):
    """One of the caller's sessions."""

    session_id: str
    device_name: str
    created_at: datetime
    last_seen_at: datetime
    current: bool


class LoginLine(msgspec.Struct, frozen=True):
    """A log-in of the caller's. `factors`: by which they showed who they are. `live`: it still lasts."""

    session_id: str
    device_name: str
    at: datetime
    factors: list[factors.Kind]
    live: bool
    current: bool


class DeviceLine(msgspec.Struct, frozen=True):
    """A device that the caller logged in on. `proven_at`: from when on it counts as something that only they have, and a payment
    confirmed there by PIN counts two factors; null: not by waiting. `current`: the one that asks."""

    device_id: str
    name: str
    first_seen_at: datetime
    confirmed_at: datetime
    proven_at: datetime | None
    current: bool


class DeviceNameBody(web.Request, frozen=True, kw_only=True):
    """What to call a device."""

    name: Annotated[str, msgspec.Meta(max_length=200)]


class AlertLine(msgspec.Struct, frozen=True):
    """Something the caller was told about their own account."""

    alert_id: str
    kind: AlertKind
    facts: dict[str, str]
    at: datetime


class PasswordBody(web.Request, frozen=True, kw_only=True):
    """The password and another; the code of the authenticator app, where there is one; and where there is none, on a device that
    is not proven, a customer's PIN."""

    password: Password
    new_password: Password
    totp: Annotated[str, msgspec.Meta(max_length=32, description="Six digits, or a recovery code.")] = ""
    pin: Pin | None = None


def routes(audience: Audience) -> tuple[HTTPRouteHandler, ...]:
    """The routes for one audience."""
    path, tags = f"/v1/{audience}", [TAGS[audience]]

    @get(f"{path}/sessions", tags=tags)
    async def sessions(
        person: Caller, identity: IdentityService, limit: web.Limit = 20, cursor: web.Cursor = None
    ) -> web.Page[SessionLine]:
        """Where the caller is logged in, newest first."""
        before = web.decode_cursor(cursor, UUID)
        found = await identity.sessions(person.principal_id, before, limit)
        rows, following = web.page(found, limit, lambda row: row.session_id)
        lines = [
            SessionLine(
                str(row.session_id), row.device_name, row.created_at, row.last_seen_at, row.session_id == person.session_id
            )
            for row in rows
        ]  # fmt: skip
        return web.Page(lines, following)

    @delete(f"{path}/sessions/{{session_id:str}}", tags=tags, status_code=204)
    async def end_session(person: Caller, identity: IdentityService, session_id: PathId) -> None:
        """Log another device out. A device that is not proven does not end a session on one that is."""
        await identity.end_session(person, web.parse_id(session_id, errors.SESSION_NOT_FOUND))

    @get(f"{path}/logins", tags=tags)
    async def logins(
        person: Caller, identity: IdentityService, limit: web.Limit = 20, cursor: web.Cursor = None
    ) -> web.Page[LoginLine]:
        """When the caller logged in, and how, newest first."""
        before = web.decode_cursor(cursor, UUID)
        found = await identity.logins(person.principal_id, before, limit)
        rows, following = web.page(found, limit, lambda row: row.session_id)
        lines = [
            LoginLine(
                str(row.session_id), row.device_name, row.created_at, list(factors.kinds(row.factors)), row.live,
                row.session_id == person.session_id,
            )
            for row in rows
        ]  # fmt: skip
        return web.Page(lines, following)

    @get(f"{path}/devices", tags=tags)
    async def devices_known(
        person: Caller, devices: DeviceService, limit: web.Limit = 20, cursor: web.Cursor = None
    ) -> web.Page[DeviceLine]:
        """The devices that the caller logs in on, the latest first. For a customer the limits of a new device hold for a day
        after a new one."""
        place = web.decode_cursor(cursor, tuple[datetime, UUID])
        found = await devices.devices(person.principal_id, place, limit)
        rows, following = web.page(found, limit, lambda row: (row.first_seen_at, row.device_id))
        lines = [
            DeviceLine(
                str(row.device_id),
                row.name,
                row.first_seen_at,
                row.confirmed_at,
                row.proven_at if row.proven_at < NEVER else None,
                row.device_id == person.device_id,
            )
            for row in rows
        ]
        return web.Page(lines, following)

    @post(f"{path}/devices/{{device_id:str}}/name", tags=tags, status_code=204)
    async def name_device(
        person: Caller, devices: DeviceService, data: DeviceNameBody, device_id: PathId, key: web.IdempotencyKey
    ) -> None:
        """Call a device something else."""
        wanted = web.parse_id(device_id, errors.DEVICE_NOT_FOUND)
        await devices.name(command_id_for(person, key), person, wanted, data.name)

    @delete(f"{path}/devices/{{device_id:str}}", tags=tags, status_code=204)
    async def revoke_device(person: Caller, devices: DeviceService, device_id: PathId) -> None:
        """Trust a device no more: its sessions end, and it is a new one when it logs in again. Passkeys made there stay. A device
        that is not proven does not remove one that is."""
        await devices.revoke(person, web.parse_id(device_id, errors.DEVICE_NOT_FOUND))

    @get(f"{path}/alerts", tags=tags)
    async def alerts(
        person: Caller, devices: DeviceService, limit: web.Limit = 20, cursor: web.Cursor = None
    ) -> web.Page[AlertLine]:
        """What the caller was told about their own account, newest first: new devices, changed credentials, locks, large
        payments."""
        before = web.decode_cursor(cursor, UUID)
        rows, following = web.page(await devices.alerts(person.principal_id, before, limit), limit, lambda row: row.alert_id)
        lines = [
            AlertLine(str(row.alert_id), row.kind, msgspec.json.decode(row.facts, type=dict[str, str]), row.at) for row in rows
        ]
        return web.Page(lines, following)

    @post(f"{path}/password", tags=tags, status_code=204)
    async def change_password(person: Caller, data: PasswordBody, safety: SafetyService, key: web.IdempotencyKey) -> None:
        """Change the password. Every other session ends, but by a device that is not proven none on one that is. Where there is
        an authenticator app it takes its code too; where there is none, a device that is not proven takes a customer's PIN."""
        await safety.change_password(own_command(person, key), person, data.password, data.new_password, data.totp, data.pin)

    return sessions, end_session, logins, devices_known, name_device, revoke_device, alerts, change_password


def own_command(person: Caller, key: str) -> UUID:
    """The command that somebody's key names in their own account: two of a merchant's staff who use the same key do not meet."""
    return command_id_for(msgspec.structs.replace(person, merchant_id=None), key)
