"""Registries in the process: the same contract as `HttpRegistries` with the program behind it, virtual time, nothing random."""

from __future__ import annotations

from collections.abc import Iterable

from tongbao.channels.errors import REGISTRY_REFERENCE_CONFLICT
from tongbao.channels.registries.wire import read_report
from tongbao.channels.simulated.knowledge import Knowledge, ReferenceConflict, RegistryFault
from tongbao.channels.simulated.people import Files, demo_files
from tongbao.channels.types import check_reference
from tongbao.identity.realname.channels import Answer, Question
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal

_UNKNOWN = Answer("UNKNOWN")


class MemoryRegistries:
    """`NameChannel` without a network. `faults` befall it in the order given; more with `knowledge.order`.

    An answer that a fault delays by `timeout_ms` or more is UNKNOWN, as a real time-out would make it; no time passes.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        files: Files | None = None,
        faults: Iterable[RegistryFault] = (),
        magic_numbers: bool = False,
        timeout_ms: int = 3_000,
    ) -> None:
        self._clock = clock
        self._timeout_ms = timeout_ms
        self.knowledge = Knowledge(files if files is not None else demo_files(), magic_numbers=magic_numbers)
        for fault in faults:
            self.knowledge.order(fault)

    async def ask(self, question: Question) -> Answer:
        check_reference(question.reference)
        fault = self.knowledge.fault_of(question)
        kind = fault.kind if fault else None
        if kind in ("timeout", "down"):
            return _UNKNOWN
        pending_ms = fault.wait_ms if fault and kind == "pending" else None
        try:
            if kind == "answer_twice":
                self.knowledge.answer(question, self._clock.now())
            report = self.knowledge.answer(question, self._clock.now(), pending_ms)
        except ReferenceConflict:
            raise Refusal(REGISTRY_REFERENCE_CONFLICT, reference=question.reference) from None
        if kind in ("lost_answer", "garbage") or (fault and kind == "delay" and fault.wait_ms >= self._timeout_ms):
            return _UNKNOWN
        return read_report(report)

    async def close(self) -> None:
        """Nothing to let go of."""
