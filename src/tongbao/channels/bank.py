"""The adapter that talks to a bank over HTTP: signed requests, verified answers, one deadline for the whole exchange."""

from __future__ import annotations

from datetime import date
from typing import TypeVar
from urllib.parse import quote

import msgspec
import structlog

from tongbao.channels.errors import BANK_REFERENCE_CONFLICT, BANK_UNAVAILABLE
from tongbao.channels.exchange import NoCertainAnswer, SignedExchange, decode
from tongbao.channels.types import BankAnswer, BankRequest, LinkAnswer, LinkRequest, NotFound, StatementLine, check_reference
from tongbao.channels.wire import LinkCode, LinkReport, Problem, ReserveReport, TransferReport, read_report
from tongbao.kernel.clock import Clock, SystemClock
from tongbao.kernel.errors import Refusal

_log = structlog.get_logger(__name__)
_UNKNOWN = BankAnswer("UNKNOWN")
T = TypeVar("T")

#: A day's statement is the one answer that may be long.
_STATEMENT_BYTES = 64 * 1024 * 1024
_STATEMENT_TIMEOUT_S = 60.0


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
        self._clock = clock or SystemClock()
        self._exchange = SignedExchange(
            base_url, key=key, timeout_s=timeout_s, max_answer_bytes=max_answer_bytes, max_connections=max_connections,
            clock=self._clock,
        )  # fmt: skip

    async def submit(self, request: BankRequest) -> BankAnswer:
        check_reference(request.reference)
        try:
            status, body = await self._exchange.send("POST", "/v1/transfers", msgspec.json.encode(request))
            if status == 200:
                report = decode(body, TransferReport)
                if not _echoes(report, request):
                    raise NoCertainAnswer("the answer speaks of another transfer")
                return read_report(report)
            problem = decode(body, Problem).problem
        except NoCertainAnswer as doubt:
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
            status, body = await self._exchange.send("GET", f"/v1/transfers/{reference}")
            if status == 404 and decode(body, Problem).problem == "no_such_transfer":
                return NotFound(reference)
            if status != 200:
                raise NoCertainAnswer(f"status {status}")
            report = decode(body, TransferReport)
            if report.reference != reference:
                raise NoCertainAnswer("the answer speaks of another transfer")
            return read_report(report)
        except NoCertainAnswer as doubt:
            _log.warning("bank_answer_unknown", operation="inquire", reference=reference, reason=str(doubt))
            return _UNKNOWN

    async def start_link(self, request: LinkRequest) -> LinkAnswer:
        return await self._link(request.reference, "POST", "", msgspec.json.encode(request))

    async def confirm_link(self, reference: str, code: str) -> LinkAnswer:
        return await self._link(reference, "POST", f"/{reference}/confirm", msgspec.json.encode(LinkCode(code)))

    async def inquire_link(self, reference: str) -> LinkAnswer:
        return await self._link(reference, "GET", f"/{reference}")

    async def reserve_balance(self, currency: str) -> int:
        return (await self._ask("GET", f"/v1/reserve?currency={quote(currency, safe='')}", ReserveReport)).balance_minor

    async def statement(self, day: date) -> list[StatementLine]:
        try:
            status, body = await self._exchange.send(
                "GET", f"/v1/statement?date={day.isoformat()}", limit=_STATEMENT_BYTES, timeout_s=_STATEMENT_TIMEOUT_S
            )
            if status != 200:
                raise NoCertainAnswer(f"status {status}")
            return [decode(line, StatementLine) for line in body.splitlines()]
        except NoCertainAnswer as doubt:
            _log.warning("bank_answer_unknown", operation="statement", day=day.isoformat(), reason=str(doubt))
            raise Refusal(BANK_UNAVAILABLE) from doubt

    async def close(self) -> None:
        await self._exchange.close()

    async def _link(self, reference: str, method: str, where: str, body: bytes = b"") -> LinkAnswer:
        check_reference(reference)
        try:
            status, answer = await self._exchange.send(method, f"/v1/links{where}", body)
            if status == 200:
                report = decode(answer, LinkReport)
                if report.reference != reference:
                    raise NoCertainAnswer("the answer speaks of another link")
                return LinkAnswer(report.status)
            problem = decode(answer, Problem).problem
        except NoCertainAnswer as doubt:
            _log.warning("bank_answer_unknown", operation="link", reference=reference, reason=str(doubt))
            return LinkAnswer("UNKNOWN")
        if status == 409 and problem == "reference_conflict":
            raise Refusal(BANK_REFERENCE_CONFLICT, reference=reference)
        _log.warning("bank_answer_unknown", operation="link", reference=reference, reason=f"{status} {problem}")
        return LinkAnswer("UNKNOWN")

    async def _ask(self, method: str, target: str, shape: type[T]) -> T:
        """A question whose only acceptable end is a verified 200. Refuses `bank_unavailable`."""
        try:
            status, answer = await self._exchange.send(method, target)
            if status != 200:
                raise NoCertainAnswer(f"status {status}")
            return decode(answer, shape)
        except NoCertainAnswer as doubt:
            _log.warning("bank_answer_unknown", operation=target.partition("?")[0], reason=str(doubt))
            raise Refusal(BANK_UNAVAILABLE) from doubt


def _echoes(report: TransferReport, request: BankRequest) -> bool:
    fields = ("reference", "kind", "account_number", "amount_minor", "currency")
    return all(getattr(report, field) == getattr(request, field) for field in fields)
