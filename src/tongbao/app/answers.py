"""How an error is answered: one shape, a stable code, both languages, and whether money moved."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import asyncpg
import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from tongbao.app.limits import RATE_LIMITED, Over
from tongbao.kernel import web
from tongbao.kernel.errors import INTERNAL_ERROR, TIMED_OUT, UNAVAILABLE, Code, InvariantBroken, Refusal
from tongbao.kernel.texts import is_plain
from tongbao.methods.text.gateway import SMS_PATH, USSD_PATH

_log = structlog.get_logger("tongbao.app")

_PLACE = re.compile(r"`(\$[^`]{0,64})`")
_UNKNOWN_FIELD = re.compile(r"unknown field `([^`]{1,64})`")
#: Query parameters whose name in the source cannot be the one on the wire.
_ON_THE_WIRE = {"in_state": "state", "first_day": "from", "last_day": "to", "day": "date"}
_WITHOUT_BODY = {"GET", "HEAD", "DELETE", "OPTIONS"}
#: Addresses at which a secret is tried by somebody who has no session yet.
_TRIES_A_SECRET = re.compile(r"^/+v1/[a-z]+/(?:.*/)?(?:login|register|(?:by-)?codes?|recovery|recover|welcome)(?:/|$)")
_SAFE = {"GET", "HEAD", "OPTIONS"}
#: Who is asking, and for which attempt: of two it would be chance which one counts, and a proxy before us may choose the other.
_ONCE = (b"authorization", b"idempotency-key")
_DATABASE_AWAY = (
    asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError, asyncpg.InterfaceError, OSError, TimeoutError,
)  # fmt: skip
_BY_STATUS = {404: web.NOT_FOUND, 405: web.METHOD_NOT_ALLOWED, 413: web.TOO_LARGE, 415: web.UNSUPPORTED_MEDIA}

AnyRequest = Request[Any, Any, Any]


class ErrorBody(msgspec.Struct, frozen=True):
    """What went wrong. `money_moved` is null only when it is not known yet: repeat with the same key to learn it."""

    code: str
    message: str
    messages: dict[str, str]
    family: str
    money_moved: bool | None
    retryable: bool
    detail: dict[str, Any]
    request_id: str


class ErrorAnswer(msgspec.Struct, frozen=True):
    """Every error's shape."""

    error: ErrorBody


_MOST_BRACKETS = 500
#: Where browsers send JSON by another name, and gateways of mobile networks forms. Source: CSP Level 3, 5.3; Reporting API, 2.2.
_JSON: dict[str, tuple[str, ...]] = {
    "/v1/page-reports": ("application/csp-report", "application/reports+json", "application/json"),
    **dict.fromkeys((USSD_PATH, SMS_PATH), ("application/x-www-form-urlencoded",)),
}


async def check_request(request: AnyRequest) -> None:
    """What no route can take, refused before any looks at it: a header twice of which one counts, another content type, text that
    is not UTF-8, U+0000 (which PostgreSQL cannot store), in a path any character that shows nothing, JSON nested beyond sense.
    Refuses `repeated_header`, `unsupported_media_type`, `malformed_json`, `invalid_request`; and who tries secrets too often,
    `rate_limited`."""
    if request.method not in _SAFE and _TRIES_A_SECRET.search(request.scope["path"]):
        client = request.scope["client"]
        forwarded = b",".join(value for name, value in request.scope["headers"] if name == b"x-forwarded-for")
        if over := request.app.state.limits.over_attempts(client[0] if client else "", forwarded):
            raise RateLimited(over)
    names = [name for name, _ in request.scope["headers"]]
    for once in _ONCE:
        if names.count(once) > 1:
            raise Refusal(web.REPEATED_HEADER, header=once.decode())
    if not is_plain(request.scope["path"]) or b"%00" in request.scope["query_string"]:
        raise Refusal(web.INVALID_REQUEST, problem="U+0000", where="U+0000")
    if request.method in _WITHOUT_BODY or not (body := await request.body()):
        return
    if request.content_type[0] not in _JSON.get(request.scope["path"], ("application/json",)):
        raise Refusal(web.UNSUPPORTED_MEDIA)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise Refusal(web.MALFORMED_JSON) from None
    if "\0" in text or "\\u0000" in text:
        raise Refusal(web.INVALID_REQUEST, problem="U+0000", where="U+0000")
    if text.count("[") + text.count("{") > _MOST_BRACKETS:
        raise Refusal(web.MALFORMED_JSON)


class RateLimited(Refusal):
    """Too many requests from one client."""

    def __init__(self, over: Over) -> None:
        super().__init__(RATE_LIMITED, retry_after_s=over.retry_after_s)
        self.over = over


def limited_answer(over: Over, headers: Mapping[str, str]) -> Answer:
    """429 `rate_limited`, with the headers by which a client learns its bounds."""
    return error_answer(RATE_LIMITED, {"retry_after_s": over.retry_after_s}, headers)._replace(headers=over.headers)


def answer_refusal(request: AnyRequest, refusal: Refusal) -> Response[bytes]:
    """A refusal, or a decline on its way out."""
    if isinstance(refusal, RateLimited):
        return _response(limited_answer(refusal.over, request.headers))
    return _answer(request, refusal.code, refusal.detail)


def answer_http_exception(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    """What the framework itself refuses: routes, methods, bodies and parameters that do not fit."""
    if isinstance(error, ValidationException) or error.status_code == 400:
        return _answer(request, *_invalid(error))
    if code := _BY_STATUS.get(error.status_code):
        return _answer(request, code, {})
    if error.status_code < 500:
        return _answer(request, web.INVALID_REQUEST, {"problem": str(error.detail)[:200]}, status=error.status_code)
    return answer_error(request, error)


def answer_error(request: AnyRequest, error: Exception) -> Response[bytes]:
    """See `bug_answer`."""
    return _response(bug_answer(request.method, request.url.path, request.headers, error))


def _invalid(error: HTTPException) -> tuple[Code, dict[str, Any]]:
    problems = [problem for problem in error.extra or [] if isinstance(problem, Mapping)] if isinstance(error.extra, list) else []
    first = problems[0] if problems else {}
    message, key = str(first.get("message", "")), str(first.get("key", ""))
    key = _ON_THE_WIRE.get(key, key)
    if unknown := _UNKNOWN_FIELD.search(message):
        return web.UNKNOWN_FIELD, {"field": unknown[1]}
    text = f"{error.detail} {message} {error.__cause__}".lower()
    if key == "key" or "idempotency-key" in text:
        return web.KEY_MISSING, {}
    cause = error.__cause__ or error.__context__
    malformed = isinstance(cause, msgspec.DecodeError) and not isinstance(cause, msgspec.ValidationError)
    if key == "data" and message in ("", "'data'"):
        return web.MALFORMED_JSON, {}  # no body at all
    if malformed or "malformed" in text or "truncated" in text or "utf-8" in text:
        return web.MALFORMED_JSON, {}
    problem = f"{key}: {message}" if key else message or str(error.detail)
    # What is wrong is told in English by those who check; where it is, in no language.
    path = _PLACE.search(message)
    where = " ".join(filter(None, (key if key != "data" else "", path[1] if path else ""))) or "JSON"
    return web.INVALID_REQUEST, {"problem": problem[:200], "where": where[:80], **({"field": key} if key else {})}


def _answer(request: AnyRequest, code: Code, detail: Mapping[str, Any], *, status: int | None = None) -> Response[bytes]:
    return _response(error_answer(code, detail, request.headers, status=status))


def _response(answer: Answer) -> Response[bytes]:
    headers = {**HEADERS, **dict(answer.headers)}
    if answer.retry_after_s:
        headers["Retry-After"] = str(answer.retry_after_s)
    return Response(answer.body, status_code=answer.status, headers=headers, media_type="application/json")


# ── the same without a framework ────────────────────────────────────────────────────────────────────────────────────────


class Answer(NamedTuple):
    """What goes back: JSON, the seconds after which asking again makes sense, if it does, and headers beside `HEADERS`."""

    status: int
    body: bytes
    retry_after_s: int = 0
    headers: tuple[tuple[str, str], ...] = ()


#: Of every answer, whatever its status.
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_encode = msgspec.json.Encoder().encode


def refusal_answer(refusal: Refusal, headers: Mapping[str, str]) -> Answer:
    """A refusal, or a decline on its way out, in the language of the request's `headers`."""
    return error_answer(refusal.code, refusal.detail, headers)


def bug_answer(method: str, path: str, headers: Mapping[str, str], error: Exception) -> Answer:
    """A bug, or a database that hung up on us. Logged with its trace; the client learns nothing of it but where to ask.

    Either may come after the commit, while what was done is read back: unless it is the engine's own word that nothing was
    committed, an acting request is told that its outcome is not known.
    """
    request_id = _request_id()
    acting = method not in _SAFE
    if isinstance(error, _DATABASE_AWAY):
        _log.warning("database_away", method=method, path=path[:200], request_id=request_id, reason=repr(error))
        return error_answer(TIMED_OUT if acting else UNAVAILABLE, {}, headers, request_id=request_id)
    _log.error("request_broken", method=method, path=path[:200], request_id=request_id, exc_info=error)
    moved = None if acting and not isinstance(error, InvariantBroken) else False
    return error_answer(INTERNAL_ERROR, {}, headers, request_id=request_id, money_moved=moved)


def error_answer(
    code: Code,
    detail: Mapping[str, Any],
    headers: Mapping[str, str],
    *,
    status: int | None = None,
    request_id: str = "",
    money_moved: bool | None = False,
) -> Answer:
    """Every error's shape, filled. `detail["retry_after_s"]`, or one second, is when to try again what a retry may cure."""
    messages = {language: code.message(language, detail) for language in ("zh", "en")}
    language = "en" if headers.get("accept-language", "zh").lower().startswith("en") else "zh"
    body = ErrorBody(
        code=code.name,
        message=messages[language],
        messages=messages,
        family=code.family,
        money_moved=None if code is TIMED_OUT else money_moved,
        retryable=code.retryable,
        detail={
            name: value if isinstance(value, (bool, int, str)) or value is None else str(value) for name, value in detail.items()
        },
        request_id=request_id or _request_id(),
    )
    return Answer(status or code.status, _encode(ErrorAnswer(body)), int(detail.get("retry_after_s", 1)) if code.retryable else 0)


def _request_id() -> str:
    return os.urandom(16).hex()
