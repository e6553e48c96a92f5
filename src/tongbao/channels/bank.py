"""The adapter that talks to a bank over HTTP: signed requests, verified answers, one deadline for the whole exchange."""

from __future__ import annotations

import asyncio
import os
from datetime import date
from typing import TypeVar
from urllib.parse import quote

import httpx
import msgspec
import structlog

from tongbao.channels import signing
from tongbao.channels.errors import BANK_REFERENCE_CONFLICT, BANK_UNAVAILABLE
from tongbao.channels.types import AccountCheck, BankAnswer, BankRequest, NotFound, StatementLine, check_reference
from tongbao.channels.wire import Problem, ReserveReport, TransferReport, VerifyRequest, read_report
from tongbao.kernel.clock import Clock, SystemClock
from tongbao.kernel.errors import Refusal

_log = structlog.get_logger(__name__)
_UNKNOWN = BankAnswer("UNKNOWN")
T = TypeVar("T")

#: A day's statement is the one answer that may be long.
_STATEMENT_BYTES = 64 * 1024 * 1024
_STATEMENT_TIMEOUT_S = 60.0


class _NoCertainAnswer(Exception):
    """The exchange ended without an answer that is provably the bank's."""


class HttpBank:
    """`BankChannel` over HTTP (the contract is in `types`).

    `timeout_s` bounds a whole exchange, connecting and reading included; an answer of more than `max_answer_bytes` is not
    read to its end. It sends a request exactly once and follows no redirect.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: str,
        timeout_s: float = 3.0,
        max_answer_bytes: int = 64 * 1024,
        max_connections: int = 50,
        clock: Clock | None = None,
    ) -> None:
        self._key = signing.key_bytes(key)
        self._timeout_s = timeout_s
        self._max_answer_bytes = max_answer_bytes
        self._clock = clock or SystemClock()
        self._client = httpx.AsyncClient(
            base_url=base_url.rstrip("/"),
            timeout=None,  # noqa: S113 (the deadline is `_exchange`'s: httpx's would start again with every chunk)
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=max_connections, max_keepalive_connections=max_connections),
            headers={"accept": "application/json", "accept-encoding": "identity"},
        )

    async def submit(self, request: BankRequest) -> BankAnswer:
        check_reference(request.reference)
        try:
            status, body = await self._exchange("POST", "/v1/transfers", msgspec.json.encode(request))
            if status == 200:
                report = _decode(body, TransferReport)
                if not _echoes(report, request):
                    raise _NoCertainAnswer("the answer speaks of another transfer")
                return read_report(report)
            problem = _decode(body, Problem).problem
        except _NoCertainAnswer as doubt:
            _log.warning("bank_answer_unknown", operation="submit", reference=request.reference, reason=str(doubt))
            return _UNKNOWN
        if status == 409 and problem == "reference_conflict":
            raise Refusal(BANK_REFERENCE_CONFLICT, reference=request.reference)
        if status == 400 and problem == "malformed":
            return BankAnswer("FAILED", failure_code="refused", at=self._clock.now())
        _log.warning("bank_answer_unknown", operation="submit", reference=request.reference, reason=f"{status} {problem}")
        return _UNKNOWN

    async def inquire(self, reference: str) -> BankAnswer | NotFound:
        check_reference(reference)
        try:
            status, body = await self._exchange("GET", f"/v1/transfers/{reference}")
            if status == 404 and _decode(body, Problem).problem == "no_such_transfer":
                return NotFound(reference)
            if status != 200:
                raise _NoCertainAnswer(f"status {status}")
            report = _decode(body, TransferReport)
            if report.reference != reference:
                raise _NoCertainAnswer("the answer speaks of another transfer")
            return read_report(report)
        except _NoCertainAnswer as doubt:
            _log.warning("bank_answer_unknown", operation="inquire", reference=reference, reason=str(doubt))
            return _UNKNOWN

    async def verify_account(self, account_number: str, holder_name: str) -> AccountCheck:
        return await self._ask("POST", "/v1/accounts/verify", AccountCheck, VerifyRequest(account_number, holder_name))

    async def reserve_balance(self, currency: str) -> int:
        return (await self._ask("GET", f"/v1/reserve?currency={quote(currency, safe='')}", ReserveReport)).balance_minor

    async def statement(self, day: date) -> list[StatementLine]:
        try:
            status, body = await self._exchange(
                "GET", f"/v1/statement?date={day.isoformat()}", limit=_STATEMENT_BYTES, timeout_s=_STATEMENT_TIMEOUT_S
            )
            if status != 200:
                raise _NoCertainAnswer(f"status {status}")
            return [_decode(line, StatementLine) for line in body.splitlines()]
        except _NoCertainAnswer as doubt:
            _log.warning("bank_answer_unknown", operation="statement", day=day.isoformat(), reason=str(doubt))
            raise Refusal(BANK_UNAVAILABLE) from doubt

    async def close(self) -> None:
        await self._client.aclose()

    async def _ask(self, method: str, target: str, shape: type[T], body: msgspec.Struct | None = None) -> T:
        """A question whose only acceptable end is a verified 200. Refuses `bank_unavailable`."""
        try:
            status, answer = await self._exchange(method, target, b"" if body is None else msgspec.json.encode(body))
            if status != 200:
                raise _NoCertainAnswer(f"status {status}")
            return _decode(answer, shape)
        except _NoCertainAnswer as doubt:
            _log.warning("bank_answer_unknown", operation=target.partition("?")[0], reason=str(doubt))
            raise Refusal(BANK_UNAVAILABLE) from doubt

    async def _exchange(
        self, method: str, target: str, body: bytes = b"", *, limit: int | None = None, timeout_s: float | None = None
    ) -> tuple[int, bytes]:
        """Send once; the status below 500 and the body of an answer whose signature holds. Raises `_NoCertainAnswer`."""
        request = self._client.build_request(method, target, content=body)
        timestamp, nonce = str(int(self._clock.now().timestamp())), os.urandom(16).hex()
        request.headers[signing.TIMESTAMP_HEADER] = timestamp
        request.headers[signing.NONCE_HEADER] = nonce
        request.headers[signing.SIGNATURE_HEADER] = signing.sign_request(
            self._key, method=method, target=request.url.raw_path.decode("ascii"), timestamp=timestamp, nonce=nonce, body=body
        )
        if body:
            request.headers["content-type"] = "application/json"
        try:
            async with asyncio.timeout(self._timeout_s if timeout_s is None else timeout_s):
                response = await self._client.send(request, stream=True)
                try:
                    answer = await _read_bounded(response, limit or self._max_answer_bytes)
                finally:
                    await response.aclose()
        except (httpx.HTTPError, httpx.StreamError, TimeoutError, OSError) as error:
            raise _NoCertainAnswer(type(error).__name__) from error
        if response.status_code >= 500:
            raise _NoCertainAnswer(f"status {response.status_code}")
        self._verify(response, nonce, answer)
        return response.status_code, answer

    def _verify(self, response: httpx.Response, nonce: str, body: bytes) -> None:
        timestamp = response.headers.get(signing.TIMESTAMP_HEADER, "")
        claimed = response.headers.get(signing.SIGNATURE_HEADER, "")
        expected = signing.sign_answer(self._key, status=response.status_code, timestamp=timestamp, nonce=nonce, body=body)
        if not signing.same(claimed, expected):
            raise _NoCertainAnswer(f"unverified answer, status {response.status_code}")
        if not signing.fresh(timestamp, self._clock.now().timestamp()):
            raise _NoCertainAnswer("the answer's timestamp is too far from our clock")


async def _read_bounded(response: httpx.Response, limit: int) -> bytes:
    chunks = bytearray()
    async for chunk in response.aiter_raw():
        chunks += chunk
        if len(chunks) > limit:
            raise _NoCertainAnswer(f"an answer of more than {limit} bytes")
    return bytes(chunks)


def _decode(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _NoCertainAnswer("unparsable answer") from error


def _echoes(report: TransferReport, request: BankRequest) -> bool:
    fields = ("reference", "kind", "account_number", "amount_minor", "currency")
    return all(getattr(report, field) == getattr(request, field) for field in fields)
