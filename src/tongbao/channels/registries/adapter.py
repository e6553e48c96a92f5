"""The adapter that asks registries over HTTP: signed questions, verified answers, one deadline for the whole exchange."""

from __future__ import annotations

import msgspec
import structlog

from tongbao.channels.errors import REGISTRY_REFERENCE_CONFLICT
from tongbao.channels.exchange import NoCertainAnswer, SignedExchange, decode
from tongbao.channels.registries.wire import DIFFERING, CheckReport, read_report
from tongbao.channels.types import check_reference
from tongbao.channels.wire import Problem
from tongbao.identity.realname.channels import Answer, Question
from tongbao.kernel.clock import Clock, SystemClock
from tongbao.kernel.errors import Refusal

_log = structlog.get_logger(__name__)
_UNKNOWN = Answer("UNKNOWN")


class HttpRegistries:
    """`NameChannel` over HTTP, one address for all registries (the contract is in `identity.realname.channels`).

    `timeout_s` bounds a whole exchange. Nothing of a question is logged but its reference and its registry.
    """

    def __init__(
        self, base_url: str, *, key: str, timeout_s: float = 3.0, max_connections: int = 20, clock: Clock | None = None
    ) -> None:
        self._exchange = SignedExchange(
            base_url, key=key, timeout_s=timeout_s, max_answer_bytes=16 * 1024, max_connections=max_connections,
            clock=clock or SystemClock(),
        )  # fmt: skip

    async def ask(self, question: Question) -> Answer:
        check_reference(question.reference)
        try:
            status, body = await self._exchange.send("POST", "/v1/checks", msgspec.json.encode(question))
            if status == 200:
                report = decode(body, CheckReport)
                if (report.reference, report.registry) != (question.reference, question.registry):
                    raise NoCertainAnswer("the answer speaks of another question")
                if set(report.differing) - DIFFERING or (report.result == "DIFFERENT") != bool(report.differing):
                    raise NoCertainAnswer("the answer does not say what is different")
                return read_report(report)
            problem = decode(body, Problem).problem
        except NoCertainAnswer as doubt:
            _log.warning("registry_answer_unknown", registry=question.registry, reference=question.reference, reason=str(doubt))
            return _UNKNOWN
        if status == 409 and problem == "reference_conflict":
            raise Refusal(REGISTRY_REFERENCE_CONFLICT, reference=question.reference)
        _log.warning(
            "registry_answer_unknown", registry=question.registry, reference=question.reference, reason=f"{status} {problem}"
        )
        return _UNKNOWN

    async def close(self) -> None:
        await self._exchange.close()
