"""Routes of authenticator apps, the same for customers, merchants' staff and operators; and the second step of a customer's
log-in."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from tongbao.identity.http import DeviceToken, SessionAnswer, address_of, answer, device_name
from tongbao.identity.own_http import TAGS, Password, own_command
from tongbao.identity.service import Caller, IdentityService
from tongbao.identity.totp_service import TotpService
from tongbao.identity.types import Audience
from tongbao.kernel import web

AnyCode = Annotated[str, msgspec.Meta(max_length=32, description="Six digits of the app, or a recovery code.")]


class TotpState(msgspec.Struct, frozen=True):
    """Since when there is an app (null: there is none), and how many recovery codes are left."""

    since: datetime | None
    recovery_codes_left: int


class StartTotpBody(web.Request, frozen=True, kw_only=True):
    """The password that vouches for it."""

    password: Password


class TotpSecret(msgspec.Struct, frozen=True):
    """What the app is to know, shown now and never again: `uri` for a QR code, `secret` (base32) to be typed."""

    uri: str
    secret: str


class FirstCodeBody(web.Request, frozen=True, kw_only=True):
    """What the app shows."""

    code: Annotated[str, msgspec.Meta(max_length=32, description="Six digits.")]


class VouchedCodeBody(web.Request, frozen=True, kw_only=True):
    """The password, and what the app shows or a recovery code."""

    password: Password
    code: AnyCode


class RecoveryCodes(msgspec.Struct, frozen=True):
    """Codes that stand in for the app, each once: shown now and never again."""

    recovery_codes: tuple[str, ...]


class SecondStepBody(web.Request, frozen=True, kw_only=True):
    """`challenge`: from the detail of `second_factor_needed`, good for five minutes."""

    challenge: Annotated[str, msgspec.Meta(max_length=256)]
    code: AnyCode
    device_name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    device_token: DeviceToken = ""


def routes(audience: Audience) -> tuple[HTTPRouteHandler, ...]:
    """The routes for one audience."""
    path, tags = f"/v1/{audience}/totp", [TAGS[audience]]

    @get(path, tags=tags)
    async def totp(person: Caller, apps: TotpService) -> TotpState:
        """Whether the caller has an authenticator app."""
        found = await apps.state(person.principal_id)
        return TotpState(found.since, found.recovery_codes_left)

    @post(f"{path}/start", tags=tags, status_code=200)
    async def start_totp(person: Caller, apps: TotpService, data: StartTotpBody, key: web.IdempotencyKey) -> TotpSecret:
        """Begin to set up an authenticator app. It counts once its first code was confirmed."""
        shown = await apps.start(own_command(person, key), person, data.password)
        return TotpSecret(shown.address, shown.secret)

    @post(f"{path}/confirm", tags=tags, status_code=200)
    async def confirm_totp(person: Caller, apps: TotpService, data: FirstCodeBody, key: web.IdempotencyKey) -> RecoveryCodes:
        """Confirm the app by its first code. From now on logging in takes a code. Answers the recovery codes."""
        return RecoveryCodes(await apps.confirm(own_command(person, key), person, data.code))

    @post(f"{path}/remove", tags=tags, status_code=204)
    async def remove_totp(person: Caller, apps: TotpService, data: VouchedCodeBody, key: web.IdempotencyKey) -> None:
        """Remove the app."""
        await apps.remove(own_command(person, key), person, data.password, data.code)

    @post(f"{path}/recovery-codes", tags=tags, status_code=200)
    async def renew_recovery_codes(
        person: Caller, apps: TotpService, data: VouchedCodeBody, key: web.IdempotencyKey
    ) -> RecoveryCodes:
        """Make new recovery codes; the old ones are void."""
        return RecoveryCodes(await apps.renew_codes(own_command(person, key), person, data.password, data.code))

    return totp, start_totp, confirm_totp, remove_totp, renew_recovery_codes


@post("/v1/wallet/login/totp", tags=["Identity"], status_code=200)
async def log_in_further(
    request: Request[Any, Any, Any], data: SecondStepBody, apps: TotpService, identity: IdentityService, secure_cookies: bool
) -> Response[SessionAnswer]:
    """The second step of a log-in, where there is an authenticator app."""
    name = device_name(data.device_name, request)
    logged_in = await apps.log_in("wallet", data.challenge, data.code, name, data.device_token, address_of(request))
    return await answer(logged_in, identity, secure_cookies, 200)
