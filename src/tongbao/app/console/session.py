"""Routes of the operator's own session."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post

from tongbao.identity.http import LoginBody, address_of, device_name, session_cookie
from tongbao.identity.service import Caller, IdentityService
from tongbao.identity.types import Locale
from tongbao.kernel import web
from tongbao.operators.api import Invitations, Role, permissions_of
from tongbao.operators.permissions import ROLE_NAMES


class OperatorAnswer(msgspec.Struct, frozen=True):
    """Who is logged in, and what their roles let them do."""

    operator_id: str
    name: str
    roles: list[Role]
    locale: Locale
    permissions: list[str]


class OperatorSessionAnswer(msgspec.Struct, frozen=True):
    """A fresh session; `binding` and `device_token` are as in a wallet's."""

    session_id: str
    token: str
    binding: str
    operator: OperatorAnswer
    device_token: str | None = None


async def _operator(caller: Caller, identity: IdentityService) -> OperatorAnswer:
    name = (await identity.person(caller.principal_id)).name
    roles = [role for role in ROLE_NAMES if role in caller.roles]
    return OperatorAnswer(str(caller.principal_id), name, roles, caller.locale, sorted(permissions_of(caller.roles)))


@post("/v1/console/login", tags=["Console"], status_code=200)
async def log_in(
    request: Request[Any, Any, Any], data: LoginBody, identity: IdentityService, secure_cookies: bool
) -> Response[OperatorSessionAnswer]:
    """Log in at the console."""
    name = device_name(data.device_name, request)
    logged_in = await identity.log_in("console", data.login, data.password, name, data.device_token, address_of(request))
    caller = await identity.authenticate(logged_in.token, "console")
    answer = OperatorSessionAnswer(
        str(logged_in.session_id),
        logged_in.token,
        logged_in.binding,
        await _operator(caller, identity),
        logged_in.device_token,
    )
    return Response(answer, status_code=200, cookies=[session_cookie("console", logged_in.token, secure_cookies)])


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
        await identity.end_session(operator.principal_id, operator.session_id)
    return Response(None, status_code=204, cookies=[session_cookie("console", "", secure_cookies)])


@get("/v1/console/me", tags=["Console"])
async def me(operator: Caller, identity: IdentityService) -> OperatorAnswer:
    """Who is logged in."""
    return await _operator(operator, identity)
