"""Routes of merchants' staff, and the dependency by which others know which merchant is asking."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post

from tongbao.identity import own_http, totp_http
from tongbao.identity.http import LoginBody, address_of, caller_of, device_name, session_cookie
from tongbao.identity.service import Caller, IdentityService, LoggedIn
from tongbao.identity.totp_http import SecondStepBody
from tongbao.identity.totp_service import TotpService
from tongbao.identity.types import Locale
from tongbao.kernel import web
from tongbao.merchants.service import API_KEY_PREFIX, MerchantService


async def staff(request: web.Asking, identity: IdentityService, merchants: MerchantService) -> Caller:
    """Dependency: somebody, or some server, that acts for a merchant. Refuses `unauthenticated`, `csrf`."""
    authorization = request.headers.get("authorization", "")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() == "bearer" and token.startswith(API_KEY_PREFIX):
        return await merchants.authenticate_key(token)
    return await caller_of(request, identity, "merchant")


def merchant_of(staff: Caller) -> UUID:
    """The merchant that a member of staff, or a server's key, acts for."""
    assert staff.merchant_id is not None
    return staff.merchant_id


class StoreAnswer(msgspec.Struct, frozen=True):
    """A store."""

    store_id: str
    name: str
    city: str


class MerchantAnswer(msgspec.Struct, frozen=True):
    """A merchant and its fee in millionths of each payment."""

    merchant_id: str
    name: str
    fee_ppm: int
    currency: str


class StaffAnswer(msgspec.Struct, frozen=True):
    """Who is logged in at the cashier."""

    staff_id: str
    name: str
    role: str
    merchant: MerchantAnswer
    stores: list[StoreAnswer]
    locale: Locale


class StaffSessionAnswer(msgspec.Struct, frozen=True):
    """A fresh session. Browsers get the token as a cookie too; `binding` and `device_token` are as in a wallet's."""

    session_id: str
    token: str
    binding: str
    staff: StaffAnswer
    device_token: str | None = None


async def _staff_answer(caller: Caller, merchants: MerchantService, identity: IdentityService) -> StaffAnswer:
    assert caller.merchant_id is not None
    merchant = await merchants.merchant(caller.merchant_id)
    stores = await merchants.stores(caller.merchant_id)
    return StaffAnswer(
        staff_id=str(caller.principal_id),
        # A server's key is nobody: it has no name.
        name=(await identity.person(caller.principal_id)).name if caller.session_id else "",
        role=",".join(sorted(caller.roles)),
        merchant=MerchantAnswer(str(merchant.merchant_id), merchant.name, merchant.fee_ppm, merchant.currency),
        stores=[StoreAnswer(str(store.store_id), store.name, store.city) for store in stores],
        locale=caller.locale,
    )


async def _session(
    logged_in: LoggedIn, merchants: MerchantService, identity: IdentityService, secure: bool
) -> Response[StaffSessionAnswer]:
    caller = await identity.authenticate(logged_in.token, "merchant")
    answer = StaffSessionAnswer(
        str(logged_in.session_id),
        logged_in.token,
        logged_in.binding,
        await _staff_answer(caller, merchants, identity),
        logged_in.device_token,
    )
    return Response(answer, status_code=200, cookies=[session_cookie("merchant", logged_in.token, secure)])


@post("/v1/merchant/login", tags=["Merchant staff"], status_code=200)
async def log_in(
    request: Request[Any, Any, Any],
    data: LoginBody,
    identity: IdentityService,
    merchants: MerchantService,
    secure_cookies: bool,
) -> Response[StaffSessionAnswer]:
    """Log in at the cashier. Where there is an authenticator app, the right password is answered `second_factor_needed` with a
    challenge, for `POST /v1/merchant/login/totp`."""
    name = device_name(data.device_name, request)
    logged_in = await identity.log_in("merchant", data.login, data.password, name, data.device_token, address_of(request))
    return await _session(logged_in, merchants, identity, secure_cookies)


@post("/v1/merchant/login/totp", tags=["Merchant staff"], status_code=200)
async def log_in_further(
    request: Request[Any, Any, Any],
    data: SecondStepBody,
    apps: TotpService,
    identity: IdentityService,
    merchants: MerchantService,
    secure_cookies: bool,
) -> Response[StaffSessionAnswer]:
    """The second step of a log-in, where there is an authenticator app."""
    name = device_name(data.device_name, request)
    logged_in = await apps.log_in("merchant", data.challenge, data.code, name, data.device_token, address_of(request))
    return await _session(logged_in, merchants, identity, secure_cookies)


@post("/v1/merchant/logout", tags=["Merchant staff"], status_code=204)
async def log_out(staff: Caller, identity: IdentityService, secure_cookies: bool) -> Response[None]:
    """End this session."""
    if staff.session_id is not None:
        await identity.end_session(staff, staff.session_id)
    return Response(None, status_code=204, cookies=[session_cookie("merchant", "", secure_cookies)])


@get("/v1/merchant/me", tags=["Merchant staff"])
async def me(staff: Caller, merchants: MerchantService, identity: IdentityService) -> StaffAnswer:
    """Who is logged in, for which merchant, with which stores."""
    return await _staff_answer(staff, merchants, identity)


ROUTES = (log_in, log_in_further, log_out, me, *own_http.routes("merchant"), *totp_http.routes("merchant"))
