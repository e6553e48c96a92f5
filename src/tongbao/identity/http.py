"""Routes of identity: register, log in and out, sessions, PIN; and the dependencies by which others know their caller."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, cast
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import Cookie

from tongbao.identity import binding, errors
from tongbao.identity.evidence import Given
from tongbao.identity.safety_service import SafetyService
from tongbao.identity.service import SESSION_LIFETIME_S, Caller, IdentityService, LoggedIn, command_id_for, own_act
from tongbao.identity.types import Audience, Locale
from tongbao.identity.wire import CertificateBody, ConfirmedBody, PasskeyBody, Pin
from tongbao.kernel import web
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import named_id
from tongbao.kernel.texts import is_plain, plain
from tongbao.security.masking import mask_login, mask_name

#: Which cookie carries a session: over HTTPS under a name that no page served without it can set. The other prefix, `__Host-`,
#: would send every audience's cookie everywhere. Source: RFC 6265bis, 4.1.3.1.
COOKIES = {False: "tongbao_session", True: "__Secure-tongbao_session"}
_SAFE = {"GET", "HEAD", "OPTIONS"}


async def caller_of(request: web.Asking, identity: IdentityService, audience: Audience) -> Caller:
    """The session behind a request: a bearer token, or the cookie, which for a change needs the header X-Tongbao-App that
    no other site's form can send. Either way a change needs the proof that it comes from the session's device (`binding`).
    Refuses `unauthenticated`, `csrf`, `device_proof_missing`, `device_proof_wrong` (detail: now, in seconds)."""
    authorization = request.headers.get("authorization", "")
    changes = request.method not in _SAFE
    if authorization:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refusal(errors.UNAUTHENTICATED)
    else:
        token = request.cookies.get(COOKIES[identity.secure_cookies], "")
        if not token:
            raise Refusal(errors.UNAUTHENTICATED)
        if changes and not request.headers.get("x-tongbao-app"):
            raise Refusal(errors.CSRF)
    caller = await identity.authenticate(token, audience)
    if changes:
        given, key = request.headers.get(binding.HEADER, ""), request.headers.get("idempotency-key", "")
        target, query = cast(bytes, request.scope["raw_path"]), cast(bytes, request.scope["query_string"])
        if query:
            target += b"?" + query
        identity.check_proof(caller, given, request.method, target.decode("latin-1"), key, await request.body())
    return caller


async def customer(request: web.Asking, identity: IdentityService) -> Caller:
    """Dependency: the logged-in customer."""
    return await caller_of(request, identity, "wallet")


async def person(request: web.Asking, identity: IdentityService) -> Caller:
    """Dependency: whoever is logged in, of the audience whose route this is. A merchant's key is nobody's account: it is refused
    `unauthenticated`."""
    path = cast(str, request.scope["path"])
    return await caller_of(request, identity, cast(Audience, path.split("/", 3)[2]))


async def operator(request: web.Asking, identity: IdentityService) -> Caller:
    """Dependency: the logged-in operator."""
    return await caller_of(request, identity, "console")


DeviceToken = Annotated[
    str, msgspec.Meta(max_length=64, description="What this device was given when it last logged in; empty if it never did.")
]


Ticket = Annotated[str, msgspec.Meta(max_length=64, description="What sending the code answered.")]


class RegisterBody(web.Request, frozen=True, kw_only=True):
    """`login`: a phone (+86 assumed for Chinese mobiles) or an email."""

    login: Annotated[str, msgspec.Meta(max_length=254)]
    password: Annotated[str, msgspec.Meta(max_length=1024)]
    name: Annotated[str, msgspec.Meta(max_length=200)]
    locale: Locale = "zh"
    code: Annotated[str, msgspec.Meta(max_length=16, description="Sent to the phone or address, where codes are asked for.")] = ""
    ticket: Ticket = ""
    device_name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    device_token: DeviceToken = ""


class LoginBody(web.Request, frozen=True, kw_only=True):
    """Phone or email, and password."""

    login: Annotated[str, msgspec.Meta(max_length=254)]
    password: Annotated[str, msgspec.Meta(max_length=1024)]
    device_name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    device_token: DeviceToken = ""


class PinBody(web.Request, frozen=True, kw_only=True):
    """Six digits and the log-in password. To replace a PIN: also `old_pin`, or a `confirmation` (the act `set_pin` towards the
    customer), or the `code` that was sent, on a device that is known for a day."""

    pin: Annotated[str, msgspec.Meta(max_length=32)]
    password: Annotated[str, msgspec.Meta(max_length=1024)]
    old_pin: Pin | None = None
    confirmation: PasskeyBody | CertificateBody | None = None
    code: Annotated[str, msgspec.Meta(max_length=16, description="As sent by `POST /v1/wallet/pin/code`.")] = ""

    def given(self) -> Given | None:
        """What vouches for it beside the password, other than a code. Refuses `confirmation_format`, `encoding_wrong`."""
        if self.old_pin is None and self.confirmation is None:
            return None
        return ConfirmedBody(pin=self.old_pin, confirmation=self.confirmation).given()


class Me(msgspec.Struct, frozen=True):
    """The logged-in customer."""

    customer_id: str
    name: str
    name_masked: str
    login_masked: str
    has_pin: bool
    locale: Locale
    created_at: datetime


class SessionAnswer(msgspec.Struct, frozen=True):
    """A fresh session. Browsers get the token as a cookie too. `binding`: the secret with which the device proves itself in every
    request that changes something (X-Tongbao-Proof): base64url, to be kept where nothing can read it out. `device_token`: given
    once to a device that was not known, to be sent at its next log-in."""

    session_id: str
    token: str
    binding: str
    customer: Me
    device_token: str | None = None


def session_cookie(audience: Audience, token: str, secure: bool) -> Cookie:
    """The cookie that carries a session: HttpOnly, SameSite=Strict, only to its own audience's routes."""
    return Cookie(
        key=COOKIES[secure],
        value=token,
        path=f"/v1/{audience}",
        httponly=True,
        samesite="strict",
        secure=secure,
        max_age=SESSION_LIFETIME_S[audience] if token else 0,
    )


async def _me(principal_id: UUID, locale: Locale, identity: IdentityService) -> Me:
    who = await identity.person(principal_id)
    return Me(
        str(principal_id), who.name, mask_name(who.name), mask_login(who.login), await identity.has_pin(principal_id), locale,
        who.created_at,
    )  # fmt: skip


async def answer(logged_in: LoggedIn, identity: IdentityService, secure: bool, status: int) -> Response[SessionAnswer]:
    me = await _me(logged_in.principal.principal_id, logged_in.principal.locale, identity)
    return Response(
        SessionAnswer(str(logged_in.session_id), logged_in.token, logged_in.binding, me, logged_in.device_token),
        status_code=status,
        cookies=[session_cookie("wallet", logged_in.token, secure)],
    )


def device_name(given: str, request: Request[Any, Any, Any]) -> str:
    """What the device calls itself, or what its browser does. Refuses `control_characters`."""
    agent = request.headers.get("user-agent", "")[:80]
    return plain(given) or (agent if is_plain(agent) else "")


def address_of(request: Request[Any, Any, Any]) -> str:
    """Where a request comes from: behind proxies that we trust, the address that they were asked from."""
    forwarded = ",".join(request.headers.getall("x-forwarded-for", []))
    return cast(str, request.app.state.limits.client(request.client.host if request.client else "", forwarded.encode("latin-1")))


@post("/v1/wallet/register", tags=["Identity"], status_code=201)
async def register(
    request: Request[Any, Any, Any],
    data: RegisterBody,
    identity: IdentityService,
    safety: SafetyService,
    key: web.IdempotencyKey,
    secure_cookies: bool,
) -> Response[SessionAnswer]:
    """Open a wallet by phone or email, and log in. Where codes are asked for, `code` is what was sent there before."""
    command_id = named_id("command", "wallet", "register", key)
    name = device_name(data.device_name, request)
    if safety.codes_asked:  # before anything else, so that nobody learns whether a number is taken who does not hold it
        await safety.check_code(
            named_id("command", "wallet", "register's code", key), "register", data.login, data.ticket, data.code
        )
    principal_id, repeated = await identity.register(command_id, "wallet", data.login, data.password, data.name, data.locale)
    if repeated:  # who repeats must know the password like anybody who logs in
        logged_in = await identity.log_in("wallet", data.login, data.password, name, data.device_token, address_of(request))
    else:
        session = named_id("session", str(command_id))
        logged_in = await identity.open_session(session, await identity.need(principal_id), name)
    return await answer(logged_in, identity, secure_cookies, 201)


@post("/v1/wallet/login", tags=["Identity"], status_code=200)
async def log_in(
    request: Request[Any, Any, Any], data: LoginBody, identity: IdentityService, secure_cookies: bool
) -> Response[SessionAnswer]:
    """Log in. Ten wrong passwords in a row from one device or address make it wait, for fifteen minutes and then
    twice as long each time; a device that is known does not wait for others. Where there is an authenticator app, the right
    password is answered `second_factor_needed` with a challenge, for `POST /v1/wallet/login/totp`."""
    name = device_name(data.device_name, request)
    logged_in = await identity.log_in("wallet", data.login, data.password, name, data.device_token, address_of(request))
    return await answer(logged_in, identity, secure_cookies, 200)


@post("/v1/wallet/logout", tags=["Identity"], status_code=204)
async def log_out(customer: Caller, identity: IdentityService, secure_cookies: bool) -> Response[None]:
    """End this session."""
    if customer.session_id is not None:
        await identity.end_session(customer, customer.session_id)
    return Response(None, status_code=204, cookies=[session_cookie("wallet", "", secure_cookies)])


@get("/v1/wallet/me", tags=["Identity"])
async def me(customer: Caller, identity: IdentityService) -> Me:
    """The logged-in customer."""
    return await _me(customer.principal_id, customer.locale, identity)


@post("/v1/wallet/pin", tags=["Identity"], status_code=204)
async def set_pin(
    customer: Caller,
    data: PinBody,
    identity: IdentityService,
    safety: SafetyService,
    key: web.IdempotencyKey,
) -> None:
    """Set or change the payment PIN. The first one takes a device that is proven, or a code; another one the one that is
    replaced, a passkey or certificate, or a code on a proven device. A password alone is not enough."""
    command_id, given = command_id_for(customer, key), data.given()
    agreed = None
    if given is not None:
        agreed = await identity.confirmation(customer, given, command_id, own_act("set_pin", customer))
    code = await safety.pin_code(customer, data.code)
    await identity.set_pin(command_id, customer, data.pin, data.password, agreed, code)


ROUTES = (register, log_in, log_out, me, set_pin)
