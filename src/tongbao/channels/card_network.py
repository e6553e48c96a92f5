"""The adapter that talks to a card network over HTTP: signed requests, verified answers, one deadline for the whole exchange."""

from __future__ import annotations

from uuid import UUID

import msgspec
import structlog

from tongbao.channels.card_wire import BindingReport, CardOperation, CardReport, Token, Unbound, read_binding, read_operation
from tongbao.channels.cards import BindingAnswer, CardAnswer, CardBinding, CardDebit, CardRefund
from tongbao.channels.errors import CARD_REFERENCE_CONFLICT
from tongbao.channels.exchange import NoCertainAnswer, SignedExchange, decode
from tongbao.channels.wire import LinkCode, Problem
from tongbao.kernel.clock import Clock, SystemClock
from tongbao.kernel.errors import Refusal

_log = structlog.get_logger(__name__)


class HttpCards:
    """`CardNetwork` over HTTP (the contract is in `cards`).

    `timeout_s` bounds a whole exchange, connecting and reading included. It sends a request exactly once and follows no redirect;
    its log names operations and references, never what is sent.
    """

    def __init__(
        self, base_url: str, *, key: str, timeout_s: float = 3.0, max_connections: int = 50, clock: Clock | None = None
    ) -> None:
        self._clock = clock or SystemClock()
        self._exchange = SignedExchange(
            base_url, key=key, timeout_s=timeout_s, max_answer_bytes=64 * 1024, max_connections=max_connections,
            clock=self._clock,
        )  # fmt: skip

    async def start_binding(self, binding: CardBinding) -> BindingAnswer:
        return await self._binding(binding.reference, "POST", "", msgspec.json.encode(binding))

    async def confirm_binding(self, reference: UUID, code: str) -> BindingAnswer:
        return await self._binding(reference, "POST", f"/{reference}/confirm", msgspec.json.encode(LinkCode(code)))

    async def inquire_binding(self, reference: UUID) -> BindingAnswer:
        return await self._binding(reference, "GET", f"/{reference}")

    async def unbind(self, token: str) -> bool:
        try:
            status, answer = await self._exchange.send("POST", "/v1/cards/unbind", msgspec.json.encode(Token(token)))
            if status != 200:
                raise NoCertainAnswer(f"status {status}")
            return decode(answer, Unbound).unbound
        except NoCertainAnswer as doubt:
            _log.warning("card_answer_unknown", operation="unbind", reason=str(doubt))
            return False

    async def debit(self, debit: CardDebit) -> CardAnswer:
        return await self._move("debit", debit)

    async def refund(self, refund: CardRefund) -> CardAnswer:
        return await self._move("refund", refund)

    async def inquire(self, reference: UUID) -> CardAnswer:
        try:
            status, body = await self._exchange.send("GET", f"/v1/cards/operations/{reference}")
            if status == 404 and decode(body, Problem).problem == "no_such_operation":
                return CardAnswer("NOT_FOUND")
            if status != 200:
                raise NoCertainAnswer(f"status {status}")
            report = decode(body, CardReport)
            if report.reference != reference:
                raise NoCertainAnswer("the answer speaks of another operation")
            return read_operation(report)
        except NoCertainAnswer as doubt:
            _log.warning("card_answer_unknown", operation="inquire", reference=str(reference), reason=str(doubt))
            return CardAnswer("UNKNOWN")

    async def close(self) -> None:
        await self._exchange.close()

    async def _move(self, kind: CardOperation, request: CardDebit | CardRefund) -> CardAnswer:
        try:
            status, body = await self._exchange.send("POST", f"/v1/cards/{kind}s", msgspec.json.encode(request))
            if status == 200:
                report = decode(body, CardReport)
                said = (report.reference, report.kind, report.amount_minor)
                if said != (request.reference, kind, request.amount_minor):
                    raise NoCertainAnswer("the answer speaks of another operation")
                return read_operation(report)
            problem = decode(body, Problem).problem
        except NoCertainAnswer as doubt:
            _log.warning("card_answer_unknown", operation=kind, reference=str(request.reference), reason=str(doubt))
            return CardAnswer("UNKNOWN")
        if status == 409 and problem == "reference_conflict":
            raise Refusal(CARD_REFERENCE_CONFLICT, reference=str(request.reference))
        if status == 400 and problem == "malformed":
            return CardAnswer("REFUSED", refusal="refused", at=self._clock.now())
        _log.warning("card_answer_unknown", operation=kind, reference=str(request.reference), reason=f"{status} {problem}")
        return CardAnswer("UNKNOWN")

    async def _binding(self, reference: UUID, method: str, where: str, body: bytes = b"") -> BindingAnswer:
        try:
            status, answer = await self._exchange.send(method, f"/v1/cards/bindings{where}", body)
            if status == 200:
                report = decode(answer, BindingReport)
                if report.reference != reference:
                    raise NoCertainAnswer("the answer speaks of another binding")
                return read_binding(report)
            problem = decode(answer, Problem).problem
        except NoCertainAnswer as doubt:
            _log.warning("card_answer_unknown", operation="binding", reference=str(reference), reason=str(doubt))
            return BindingAnswer("UNKNOWN")
        if status == 409 and problem == "reference_conflict":
            raise Refusal(CARD_REFERENCE_CONFLICT, reference=str(reference))
        _log.warning("card_answer_unknown", operation="binding", reference=str(reference), reason=f"{status} {problem}")
        return BindingAnswer("UNKNOWN")
