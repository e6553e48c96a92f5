"""Routes of safety: codes, getting back in, and “it wasn't me”."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, post

from tongbao.identity.codes import Purpose
from tongbao.identity.http import DeviceToken, Ticket, address_of
from tongbao.identity.safety_service import Credential, SafetyService
from tongbao.identity.service import Caller, command_id_for
from tongbao.identity.types import Locale
from tongbao.identity.wire import Pin
from tongbao.kernel import web
from tongbao.kernel.ids import named_id

Login = Annotated[str, msgspec.Meta(max_length=254)]
Password = Annotated[str, msgspec.Meta(max_length=1024)]


class CodeBody(web.Request, frozen=True, kw_only=True):
    """Where to send a code: a phone or an email. A device that is known has a share of its own of the codes that may be sent."""

    login: Login
    locale: Locale = "zh"
    device_token: DeviceToken = ""


class SentCode(msgspec.Struct, frozen=True):
    """`ticket` is to be sent back with the code: a code is good only for whoever asked for it."""

    ticket: str


class RecoverBody(web.Request, frozen=True, kw_only=True):
    """The code, a new password, and one of: what this device was given at its last log-in, the payment PIN."""

    login: Login
    ticket: Ticket
    code: Annotated[str, msgspec.Meta(max_length=16)]
    new_password: Password
    device_token: DeviceToken = ""
    pin: Pin | None = None
    drop_all: Annotated[
        bool, msgspec.Meta(description="Trust no passkey and no signing key any more, not only none of the last 30 days.")
    ] = False


class ReportBody(web.Request, frozen=True, kw_only=True):
    """The code that was sent to the phone or email."""

    login: Login
    ticket: Ticket
    code: Annotated[str, msgspec.Meta(max_length=16)]


class RecoveredAnswer(msgspec.Struct, frozen=True):
    """Back in. Passkeys and signing keys that are not trusted any more, and those that are: look through them."""

    dropped: list[Credential]
    kept: list[Credential]


@post("/v1/wallet/register/code", tags=["Identity"], status_code=200)
async def registration_code(
    request: Request[Any, Any, Any], data: CodeBody, safety: SafetyService, key: web.IdempotencyKey
) -> SentCode:
    """Send a code to a phone or address that is to be registered. The answer is the same whether it is taken or not."""
    return await _send(request, data, safety, "register", key)


@post("/v1/wallet/recovery/code", tags=["Identity"], status_code=200)
async def recovery_code(
    request: Request[Any, Any, Any], data: CodeBody, safety: SafetyService, key: web.IdempotencyKey
) -> SentCode:
    """Send a code for getting back in. The answer is the same whether there is such a customer or not."""
    return await _send(request, data, safety, "recover", key)


@post("/v1/wallet/report-takeover/code", tags=["Identity"], status_code=200)
async def report_code(
    request: Request[Any, Any, Any], data: CodeBody, safety: SafetyService, key: web.IdempotencyKey
) -> SentCode:
    """Send a code for reporting a takeover. The answer is the same whether there is such a customer or not."""
    return await _send(request, data, safety, "report", key)


@post("/v1/wallet/report-takeover/by-code", tags=["Identity"], status_code=204)
async def report_by_code(data: ReportBody, safety: SafetyService, key: web.IdempotencyKey) -> None:
    """“It wasn't me”, of who is not logged in: nothing can be paid from the account any more, and every session ends. The code is
    all it takes; getting back in by recovery lifts it."""
    await safety.report_by_code(named_id("command", "report", key), data.login, data.ticket, data.code)


async def _send(request: Request[Any, Any, Any], data: CodeBody, safety: SafetyService, purpose: Purpose, key: str) -> SentCode:
    command_id = named_id("command", purpose, "code", key)
    address = address_of(request)
    return SentCode(await safety.send_code(command_id, purpose, data.login, data.locale, data.device_token, address))


@post("/v1/wallet/recovery", tags=["Identity"], status_code=200)
async def recover(data: RecoverBody, safety: SafetyService, key: web.IdempotencyKey) -> RecoveredAnswer:
    """A forgotten password: a new one, for the code and a proven device or the PIN. Every session ends, no other device is known
    any more, recent passkeys and signing keys are dropped, a reported takeover is over (and then all of them are dropped), and
    for a day the limits of a new device hold."""
    command_id = named_id("command", "recover", key)
    dropped, kept = await safety.recover(
        command_id, data.login, data.ticket, data.code, data.new_password, data.device_token, data.pin, drop_all=data.drop_all
    )
    return RecoveredAnswer(dropped, kept)


@post("/v1/wallet/pin/code", tags=["Identity"], status_code=204)
async def pin_code(customer: Caller, safety: SafetyService, key: web.IdempotencyKey) -> None:
    """Send the customer a code for replacing their payment PIN."""
    await safety.send_pin_code(command_id_for(customer, key), customer)


@post("/v1/wallet/report-takeover", tags=["Identity"], status_code=204)
async def report_takeover(customer: Caller, safety: SafetyService, key: web.IdempotencyKey) -> None:
    """“It wasn't me”: nothing can be paid from this account any more, and every other session ends, but by a device that is not
    proven none on one that is. Getting back in by recovery lifts it; nothing and nobody else does."""
    await safety.report_takeover(command_id_for(customer, key), customer)


ROUTES = (registration_code, recovery_code, recover, pin_code, report_code, report_by_code, report_takeover)
