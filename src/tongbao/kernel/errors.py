"""The three families of error, and the one catalogue of their codes.

    Decline   an expected no: returned by a decider, recorded, committed        (DeclineCode, `engine.Declined`)
    Refusal   malformed, unauthorised, conflicting, unavailable: raised         (RefusalCode, `Refusal`)
    Broken    an invariant does not hold: a bug; nothing is committed           (`InvariantBroken`)

Every code is declared once, in the `errors.py` of the module that uses it, with a message in both languages and its HTTP
status. A code is never renamed and never used for something else: clients and stored outcomes rely on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

Family = Literal["decline", "refusal", "broken"]


class Code(msgspec.Struct, frozen=True):
    """One entry of the catalogue. `zh` and `en` may name `{placeholders}` that the error's detail fills."""

    name: str
    family: Family
    status: int
    zh: str
    en: str
    retryable: bool = False

    def message(self, language: str, detail: Mapping[str, Any] | None = None) -> str:
        """The message in `language` ("zh" or "en"), filled from `detail`; a missing detail leaves a dash."""
        template = self.zh if language == "zh" else self.en
        return template.format_map(_Filled(detail or {}))


class _Filled(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "–"


_catalogue: dict[str, Code] = {}


def _declare(code: Code) -> Code:
    if code.name in _catalogue:
        raise InvariantBroken(f"error code {code.name} is declared twice")
    _catalogue[code.name] = code
    return code


def decline(name: str, zh: str, en: str, *, status: int = 422) -> Code:
    """Declare a decline: an expected no that a decider returns."""
    return _declare(Code(name, "decline", status, zh, en))


def refusal(name: str, zh: str, en: str, *, status: int = 400, retryable: bool = False) -> Code:
    """Declare a refusal: raised before, or instead of, a decision."""
    return _declare(Code(name, "refusal", status, zh, en, retryable))


def lookup(name: str) -> Code:
    """The catalogue's entry for a stored code; an unknown one reads as `internal_error`."""
    return _catalogue.get(name, INTERNAL_ERROR)


def catalogue() -> Iterator[Code]:
    """Every declared code, by name."""
    return iter(sorted(_catalogue.values(), key=lambda code: code.name))


class Refusal(Exception):
    """Raised when a request is not even decided: nothing was recorded and no money moved."""

    def __init__(self, code: Code, **detail: Any) -> None:
        super().__init__(code.name)
        self.code = code
        self.detail = detail


class InvariantBroken(AssertionError):
    """A bug: something that cannot be, is. Never caught to go on; nothing of the batch is committed."""


INTERNAL_ERROR = _declare(
    Code(
        "internal_error",
        "broken",
        500,
        "系统出错，我们已记录。",
        "Something broke on our side and was recorded.",
    )
)
UNAVAILABLE = refusal(
    "unavailable",
    "服务暂时不可用，请稍后重试。",
    "The service is unavailable for a moment. Please try again.",
    status=503,
    retryable=True,
)
TIMED_OUT = refusal(
    "timed_out",
    "处理时间过长，结果未知。请用同一请求号重试以查询结果。",
    "This took too long and its outcome is not known yet. Repeat it with the same key to learn it.",
    status=504,
    retryable=True,
)
OVERLOADED = refusal(
    "overloaded",
    "当前请求过多，请稍后重试。",
    "Too many requests right now. Please try again shortly.",
    status=429,
    retryable=True,
)
IDEMPOTENCY_CONFLICT = refusal(
    "idempotency_conflict",
    "该请求号已用于另一笔不同的请求。",
    "This idempotency key was already used for a different request.",
    status=409,
)
AMOUNT_MALFORMED = refusal(
    "amount_malformed", "金额格式不正确，应为如 12.50 的字符串。", 'The amount must be a string such as "12.50".'
)
AMOUNT_PRECISION = refusal(
    "amount_precision", "{currency} 最多保留 {places} 位小数。", "{currency} has at most {places} decimal places."
)
AMOUNT_NOT_POSITIVE = refusal("amount_not_positive", "金额必须大于零。", "The amount must be greater than zero.")
AMOUNT_TOO_LARGE = refusal("amount_too_large", "金额超出可处理的范围。", "The amount is larger than can be handled.")
CURRENCY_UNKNOWN = refusal("currency_unknown", "不支持的币种：{currency}。", "Unknown currency: {currency}.")
CURRENCY_UNSUPPORTED = refusal(
    "currency_unsupported", "这里只支持 {supported}，不支持 {currency}。", "Only {supported} is kept here, not {currency}."
)
