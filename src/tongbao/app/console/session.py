"""Routes of the operator's own session."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get, post

from tongbao.identity.factors import POSSESSION
from tongbao.identity.http import LoginBody, address_of, device_name, session_cookie
from tongbao.identity.service import Caller, IdentityService, LoggedIn
from tongbao.identity.totp_http import SecondStepBody
from tongbao.identity.totp_service import TotpService
from tongbao.identity.types import Locale
from tongbao.kernel import web
from tongbao.operators.api import Invitations, Role, permissions_of
from tongbao.operators.permissions import ROLE_NAMES

SecondFactorRule = Literal["off", "warn", "required"]


class OperatorAnswer(msgspec.Struct, frozen=True):
    """Who is logged in, and what their roles let them do. `second_factor`: this session was opened, or confirmed since, with one;
    where the rule is `required`, nothing else can be done without."""

    operator_id: str
    name: str
    roles: list[Role]
    locale: Locale
    permissions: list[str]
    second_factor: bool
    second_factor_rule: SecondFactorRule


class OperatorSessionAnswer(msgspec.Struct, frozen=True):
    """A fresh session; `binding` and `device_token` are as in a wallet's."""

    session_id: str
    token: str
    binding: str
    operator: OperatorAnswer
    device_token: str | None = None


async def _operator(caller: Caller, identity: IdentityService, rule: SecondFactorRule) -> OperatorAnswer:
    name = (await identity.person(caller.principal_id)).name
    roles = [role for role in ROLE_NAMES if role in caller.roles]
    return OperatorAnswer(
        str(caller.principal_id), name, roles, caller.locale, sorted(permissions_of(caller.roles)),
        bool(caller.factors & POSSESSION), rule,
    )  # fmt: skip


async def _session(
    logged_in: LoggedIn, identity: IdentityService, rule: SecondFactorRule, secure: bool
) -> Response[OperatorSessionAnswer]:
    caller = await identity.authenticate(logged_in.token, "console")
    answer = OperatorSessionAnswer(
        str(logged_in.session_id),
        logged_in.token,
        logged_in.binding,
        await _operator(caller, identity, rule),
        logged_in.device_token,
    )
    return Response(answer, status_code=200, cookies=[session_cookie("console", logged_in.token, secure)])


@post("/v1/console/login", tags=["Console"], status_code=200)
async def log_in(
    request: Request[Any, Any, Any],
    data: LoginBody,
    identity: IdentityService,
    second_factor_rule: SecondFactorRule,
    secure_cookies: bool,
) -> Response[OperatorSessionAnswer]:
    """Log in at the console. Where there is an authenticator app, the right password is answered `second_factor_needed` with a
    challenge, for `POST /v1/console/login/totp`."""
    name = device_name(data.device_name, request)
    logged_in = await identity.log_in("console", data.login, data.password, name, data.device_token, address_of(request))
    return await _session(logged_in, identity, second_factor_rule, secure_cookies)


@post("/v1/console/login/totp", tags=["Console"], status_code=200)
async def log_in_further(
    request: Request[Any, Any, Any],
    data: SecondStepBody,
    apps: TotpService,
    identity: IdentityService,
    second_factor_rule: SecondFactorRule,
    secure_cookies: bool,
) -> Response[OperatorSessionAnswer]:
    """The second step of a log-in, where there is an authenticator app."""
    name = device_name(data.device_name, request)
    logged_in = await apps.log_in("console", data.challenge, data.code, name, data.device_token, address_of(request))
    return await _session(logged_in, identity, second_factor_rule, secure_cookies)


class WelcomeBody(web.Request, frozen=True, kw_only=True):
    """Both halves of an invitation, and a password. `link`: what stands behind the # of the link."""

    link: Annotated[str, msgspec.Meta(max_length=128)]
    code: Annotated[str, msgspec.Meta(max_length=16)]
    password: Annotated[str, msgspec.Meta(max_length=1024)]


@post("/v1/console/welcome", tags=["Console"], status_code=204)
async def welcome(data: WelcomeBody, invitations: Invitations) -> None:
    """Choose a password, for the first time or anew: by the link that was sent and the code that whoever approved it tells. It
    works once; logging in is another matter."""
    await invitations.accept(data.link, data.code, data.password)


@post("/v1/console/logout", tags=["Console"], status_code=204)
async def log_out(operator: Caller, identity: IdentityService, secure_cookies: bool) -> Response[None]:
    """End this session."""
    if operator.session_id is not None:
        await identity.end_session(operator, operator.session_id)
    return Response(None, status_code=204, cookies=[session_cookie("console", "", secure_cookies)])


@get("/v1/console/me", tags=["Console"])
async def me(operator: Caller, identity: IdentityService, second_factor_rule: SecondFactorRule) -> OperatorAnswer:
    """Who is logged in."""
    return await _operator(operator, identity, second_factor_rule)
