"""Routes of devices and alerts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import delete, get, post
from litestar.params import PathParameter

from tongbao.identity import errors
from tongbao.identity.alerts import AlertKind
from tongbao.identity.device_service import DeviceService
from tongbao.identity.service import Caller, command_id_for
from tongbao.kernel import web

PathId = Annotated[str, PathParameter(max_length=64)]


class DeviceLine(msgspec.Struct, frozen=True):
    """A device that the customer logged in on. `current`: the one that asks."""

    device_id: str
    name: str
    first_seen_at: datetime
    confirmed_at: datetime
    current: bool


class DeviceNameBody(web.Request, frozen=True, kw_only=True):
    """What to call a device."""

    name: Annotated[str, msgspec.Meta(max_length=200)]


class AlertLine(msgspec.Struct, frozen=True):
    """Something the customer was told about their own account."""

    alert_id: str
    kind: AlertKind
    facts: dict[str, str]
    at: datetime


@get("/v1/wallet/devices", tags=["Identity"])
async def devices_known(
    customer: Caller, devices: DeviceService, limit: web.Limit = 20, cursor: web.Cursor = None
) -> web.Page[DeviceLine]:
    """The devices this customer logs in on, the latest first. For a day after a new one the limits of a new device hold."""
    place = web.decode_cursor(cursor, tuple[datetime, UUID])
    rows, following = web.page(
        await devices.devices(customer.principal_id, place, limit), limit, lambda row: (row.first_seen_at, row.device_id)
    )
    lines = [
        DeviceLine(str(row.device_id), row.name, row.first_seen_at, row.confirmed_at, row.device_id == customer.device_id)
        for row in rows
    ]
    return web.Page(lines, following)


@post("/v1/wallet/devices/{device_id:str}/name", tags=["Identity"], status_code=204)
async def name_device(
    customer: Caller, devices: DeviceService, data: DeviceNameBody, device_id: PathId, key: web.IdempotencyKey
) -> None:
    """Call a device something else."""
    wanted = web.parse_id(device_id, errors.DEVICE_NOT_FOUND)
    await devices.name(command_id_for(customer, key), customer, wanted, data.name)


@delete("/v1/wallet/devices/{device_id:str}", tags=["Identity"], status_code=204)
async def revoke_device(customer: Caller, devices: DeviceService, device_id: PathId) -> None:
    """Trust a device no more: its sessions end, and it is a new one when it logs in again. Passkeys made there stay."""
    await devices.revoke(customer, web.parse_id(device_id, errors.DEVICE_NOT_FOUND))


@get("/v1/wallet/alerts", tags=["Identity"])
async def alerts(
    customer: Caller, devices: DeviceService, limit: web.Limit = 20, cursor: web.Cursor = None
) -> web.Page[AlertLine]:
    """What this customer was told about their own account, newest first: new devices, changed credentials, locks, large
    payments."""
    before = web.decode_cursor(cursor, UUID)
    rows, following = web.page(await devices.alerts(customer.principal_id, before, limit), limit, lambda row: row.alert_id)
    lines = [AlertLine(str(row.alert_id), row.kind, msgspec.json.decode(row.facts, type=dict[str, str]), row.at) for row in rows]
    return web.Page(lines, following)


ROUTES = (devices_known, name_device, revoke_device, alerts)
