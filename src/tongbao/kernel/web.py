"""What every module's `http.py` shares: request keys, pages and cursors, texts and times on the wire."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Generic, Protocol, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from litestar.params import HeaderParameter, QueryParameter

from tongbao.kernel.errors import Refusal, refusal

MALFORMED_JSON = refusal("malformed_json", "请求内容不是有效的 JSON。", "The body is not valid JSON.")
#: What is wrong is said by the decoder, in English; where it is wrong, in no language.
INVALID_REQUEST = refusal("invalid_request", "请求参数不正确，请检查：{where}。", "The request is not valid: {problem}")
UNKNOWN_FIELD = refusal("unknown_field", "请求中有未知字段：{field}。", "The request has an unknown field: {field}.")
INVALID_CURSOR = refusal(
    "invalid_cursor", "翻页标记无效，请从第一页重新开始。", "The cursor is not valid. Start again from the first page."
)
INVALID_DATE = refusal(
    "invalid_date", "日期应为 2026-01-31 的格式，且起止有序。", "Dates look like 2026-01-31, the first before the second."
)
KEY_MISSING = refusal(
    "idempotency_key_missing",
    "缺少 Idempotency-Key 请求头（8 至 64 位字母、数字、_ 或 -）。",
    "The header Idempotency-Key is missing (8 to 64 letters, digits, _ or -).",
)
REPEATED_HEADER = refusal("repeated_header", "请求头 {header} 只能出现一次。", "The header {header} may be sent only once.")
NOT_FOUND = refusal("not_found", "没有这个地址。", "There is nothing at this address.", status=404)
METHOD_NOT_ALLOWED = refusal("method_not_allowed", "该地址不支持此方法。", "This address does not take that method.", status=405)
TOO_LARGE = refusal("too_large", "请求内容过大。", "The request is too large.", status=413)
UNSUPPORTED_MEDIA = refusal("unsupported_media_type", "请使用 application/json。", "Please send application/json.", status=415)

T = TypeVar("T")

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=100, description="Most items in one page.")]
Cursor = Annotated[str | None, QueryParameter(name="cursor", max_length=200, description="`next_cursor` of the page before.")]
KEY_PATTERN = "[A-Za-z0-9_-]{8,64}"
#: Made by the client for each attempt of its user, kept for repeats of that attempt.
IdempotencyKey = Annotated[
    str, HeaderParameter(name="Idempotency-Key", pattern=f"^{KEY_PATTERN}$", description="8 to 64 of A–Z a–z 0–9 _ -")
]


class Asking(Protocol):
    """The parts of a request by which its caller is known. Names of headers are in lower case; `scope` has `raw_path` and
    `query_string`."""

    @property
    def method(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def cookies(self) -> Mapping[str, str]: ...
    @property
    def scope(self) -> Mapping[str, object]: ...
    async def body(self) -> bytes: ...


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list. `next_cursor` is null on the last one."""

    items: Sequence[T]
    next_cursor: str | None


class Words(msgspec.Struct, frozen=True):
    """The same in both languages."""

    zh: str
    en: str


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every request body: a field we do not know is refused, not ignored."""


def page(rows: Sequence[T], limit: int, place: Any) -> tuple[Sequence[T], str | None]:
    """Cut `limit + 1` fetched rows to a page; `place(last row)` is what the next cursor says."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], encode_cursor(place(rows[limit - 1]))


def encode_cursor(place: Any) -> str:
    """A place in a list, opaque to clients."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def decode_cursor(text: str | None, kind: type[T]) -> T | None:
    """The place a cursor names, None for the first page. Refuses `invalid_cursor`."""
    if text is None:
        return None
    try:
        place = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=kind)
    except (msgspec.MsgspecError, binascii.Error, ValueError):
        raise Refusal(INVALID_CURSOR) from None
    for value in place if isinstance(place, tuple) else (place,):
        if (isinstance(value, datetime) and not plausible(value)) or (isinstance(value, int) and not 0 <= value < 2**62):
            raise Refusal(INVALID_CURSOR)
    return place


def plausible(moment: datetime) -> bool:
    """Whether a moment has a zone and lies where a database and a calendar can follow."""
    return moment.tzinfo is not None and 2000 <= moment.year <= 2999


def parse_id(text: str, missing: Any) -> UUID:
    """An identifier in a path or body. One that cannot be ours is answered as one that does not exist: `missing`."""
    try:
        return UUID(text)
    except ValueError:
        raise Refusal(missing) from None


def local_days(first: str | None, last: str | None, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    """[from, to) in UTC of the local days `first` to `last` inclusive. Refuses `invalid_date`."""
    if any(text is not None and not _DAY.fullmatch(text) for text in (first, last)):
        raise Refusal(INVALID_DATE)
    try:
        start = date.fromisoformat(first) if first else None
        end = date.fromisoformat(last) + timedelta(days=1) if last else None
    except (ValueError, OverflowError):
        raise Refusal(INVALID_DATE) from None
    if start and end and start >= end:
        raise Refusal(INVALID_DATE)
    if any(day is not None and not 2000 <= day.year <= 2999 for day in (start, end)):
        raise Refusal(INVALID_DATE)
    return (_midnight(start, zone) if start else None, _midnight(end, zone) if end else None)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
