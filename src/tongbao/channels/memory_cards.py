"""A card network in the process: the same contract as `HttpCards` with the program behind it, virtual time, and nothing random
but its codes.

For simulations. It keeps its books in its own simple way, a list of what moved, so that it can also check the program's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from uuid import UUID, uuid5

import msgspec

from tongbao.channels.card_wire import CardReport, read_operation
from tongbao.channels.cards import BindingAnswer, BindingState, CardAnswer, CardBinding, CardDebit, CardRefund
from tongbao.channels.errors import CARD_REFERENCE_CONFLICT
from tongbao.channels.signing import MAX_SKEW_S
from tongbao.channels.simulated.card_rules import DEMO_CARDS, Card, belongs, judge_debit, judge_refund, malformed
from tongbao.channels.simulated.faults import Fault, FaultPlan, loses_answer
from tongbao.channels.simulated.links import LinkConflict, Links
from tongbao.channels.wire import BankCode, LinkReport
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal

_TOKENS = UUID("5a3f4e0e-6a43-4c0f-9a51-d0a5a4a9c0de")


class _Operation(msgspec.Struct):
    """One reference in the network's books. While `due_at` is set it is in processing."""

    request: CardDebit | CardRefund
    number: str | None
    serial: str
    at: datetime
    code: BankCode | None = None
    due_at: datetime | None = None
    planned_code: BankCode | None = None


class MemoryCards:
    """`CardNetwork` without a network. `faults` befall it in the order given; more with `order`.

    An answer that a fault delays by `timeout_ms` or more is UNKNOWN, as a real time-out would make it; no time passes.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        faults: Iterable[Fault] = (),
        cards: Iterable[Card] = DEMO_CARDS,
        magic_amounts: bool = False,
        timeout_ms: int = 3_000,
        seed: int = 0,
    ) -> None:
        self._clock = clock
        self._plan = FaultPlan(seed=seed, magic_amounts=magic_amounts, faults=list(faults))
        self._timeout_ms = timeout_ms
        self._cards = {card.number: card for card in cards}
        self._asked: dict[UUID, CardBinding] = {}
        self._tokens: dict[str, str] = {}
        self._operations: dict[UUID, _Operation] = {}
        self._processing: list[_Operation] = []
        self._taken_minor: dict[str, int] = defaultdict(int)
        self._given_minor: dict[UUID, int] = defaultdict(int)
        self._on_the_way: list[tuple[datetime, CardDebit | CardRefund]] = []
        self.codes = Links()

    # --- the contract ------------------------------------------------------------------------------------------------

    async def start_binding(self, binding: CardBinding) -> BindingAnswer:
        now = self._clock.now()
        agrees = belongs(binding, self._cards.get(binding.number), now)

        def start() -> LinkReport:
            said = self.codes.start(str(binding.reference), binding, binding.phone, agrees, now)
            self._asked[binding.reference] = binding
            return said

        try:
            return self._bind(binding.reference, start)
        except LinkConflict:
            raise Refusal(CARD_REFERENCE_CONFLICT, reference=str(binding.reference)) from None

    async def confirm_binding(self, reference: UUID, code: str) -> BindingAnswer:
        return self._bind(reference, lambda: self.codes.confirm(str(reference), code, self._clock.now()))

    async def inquire_binding(self, reference: UUID) -> BindingAnswer:
        return self._bind(reference, lambda: self.codes.report(str(reference), self._clock.now()))

    async def unbind(self, token: str) -> bool:
        fault = self._plan.next("link", token)
        if fault and fault.kind in ("timeout_before", "server_error_before"):
            return False
        self._tokens.pop(token, None)
        return not (fault and loses_answer(fault, self._timeout_ms))

    async def debit(self, debit: CardDebit) -> CardAnswer:
        return self._submit(debit)

    async def refund(self, refund: CardRefund) -> CardAnswer:
        return self._submit(refund)

    async def inquire(self, reference: UUID) -> CardAnswer:
        self._catch_up()
        known = self._operations.get(reference)
        fault = self._plan.next("inquire", str(reference), None, known.request.amount_minor if known else None)
        if fault and loses_answer(fault, self._timeout_ms):
            return CardAnswer("UNKNOWN")
        return CardAnswer("NOT_FOUND") if known is None else self._answer(known)

    async def close(self) -> None:
        """Nothing to let go of."""

    # --- the back office ---------------------------------------------------------------------------------------------

    def order(self, fault: Fault) -> None:
        """Put a fault at the end of the script."""
        self._plan.add(fault)

    def open_card(self, card: Card) -> None:
        """A new card."""
        self._cards[card.number] = card

    def set_card_open(self, number: str, is_open: bool) -> None:
        """Close a card, or open it again."""
        self._cards[number] = msgspec.structs.replace(self._cards[number], state="open" if is_open else "closed")

    def available_minor(self, number: str) -> int:
        """What a card has left."""
        self._catch_up()
        return self._available(self._cards[number])

    # --- books -------------------------------------------------------------------------------------------------------

    def _bind(self, reference: UUID, work: Callable[[], LinkReport]) -> BindingAnswer:
        fault = self._plan.next("link", str(reference))
        if fault and fault.kind in ("timeout_before", "server_error_before"):
            return BindingAnswer("UNKNOWN")
        before = self.codes.report(str(reference), self._clock.now()).status
        status = work().status
        if status == "LINKED" and before != "LINKED":
            self._tokens[_token(reference)] = self._asked[reference].number
        if fault and loses_answer(fault, self._timeout_ms):
            return BindingAnswer("UNKNOWN")
        if status == "LINKED":
            return BindingAnswer("BOUND", self._cards[self._asked[reference].number].bound(_token(reference)))
        state: BindingState = status
        return BindingAnswer(state)

    def _submit(self, request: CardDebit | CardRefund) -> CardAnswer:
        self._catch_up()
        fault = self._plan.next("submit", str(request.reference), None, request.amount_minor)
        kind = fault.kind if fault else None
        if kind in ("timeout_before", "server_error_before"):
            return CardAnswer("UNKNOWN")
        if fault and kind == "late_arrival":
            if fault.wait_ms <= MAX_SKEW_S * 1000:
                self._on_the_way.append((self._clock.now() + timedelta(milliseconds=fault.wait_ms), request))
            return CardAnswer("UNKNOWN")
        lost = fault is not None and loses_answer(fault, self._timeout_ms)
        try:
            answer = self._deliver(request, fault)
            if kind == "duplicate_delivery":
                answer = self._deliver(request, None)
        except Refusal:
            if lost:
                return CardAnswer("UNKNOWN")
            raise
        return CardAnswer("UNKNOWN") if lost else answer

    def _deliver(self, request: CardDebit | CardRefund, fault: Fault | None) -> CardAnswer:
        known = self._operations.get(request.reference)
        if known is not None:
            if known.request != request:
                raise Refusal(CARD_REFERENCE_CONFLICT, reference=str(request.reference))
            return self._answer(known)
        now = self._clock.now()
        if malformed(request):
            return CardAnswer("REFUSED", refusal="refused", at=now)
        debit = None if isinstance(request, CardDebit) else self._operations.get(request.debit_reference)
        number = self._tokens.get(request.token) if isinstance(request, CardDebit) else (debit.number if debit else None)
        new = _Operation(request, number, f"MC{len(self._operations) + 1:012d}", now)
        kind = fault.kind if fault else None
        new.code = fault.code if fault and kind == "refuse" else self._judge(new)
        if fault and new.code is None and kind in ("pending_then_success", "pending_then_failure"):
            new.due_at = now + timedelta(milliseconds=fault.wait_ms)
            new.planned_code = fault.code if kind == "pending_then_failure" else None
        self._operations[request.reference] = new
        if new.due_at is None:
            self._count(new)
        else:
            self._processing.append(new)
        return self._answer(new)

    def _catch_up(self) -> None:
        """Deliver what was on its way, and decide what was in processing, as far as the clock has come."""
        now = self._clock.now()
        arrived = [request for due, request in self._on_the_way if due <= now]
        self._on_the_way = [(due, request) for due, request in self._on_the_way if due > now]
        for request in arrived:
            try:
                self._deliver(request, None)
            except Refusal:
                pass  # nobody is waiting for this answer any more
        ripe = [each for each in self._processing if each.due_at is not None and each.due_at <= now]
        for operation in sorted(ripe, key=lambda each: each.due_at or now):
            self._processing.remove(operation)
            operation.code = operation.planned_code or self._judge(operation)
            operation.due_at, operation.at = None, now
            self._count(operation)

    def _judge(self, operation: _Operation) -> BankCode | None:
        request = operation.request
        if isinstance(request, CardDebit):
            card = self._cards.get(self._tokens.get(request.token, ""))
            return judge_debit(request, card, self._available(card) if card else 0, self._clock.now())
        debit = self._operations.get(request.debit_reference)
        if debit is None or not isinstance(debit.request, CardDebit) or not _succeeded(debit):
            return judge_refund(request.amount_minor, 0)
        return judge_refund(request.amount_minor, debit.request.amount_minor - self._given_minor[request.debit_reference])

    def _count(self, operation: _Operation) -> None:
        """What is decided with a yes has moved."""
        request = operation.request
        if operation.code is not None or operation.number is None:
            return
        if isinstance(request, CardDebit):
            self._taken_minor[operation.number] += request.amount_minor
        else:
            self._taken_minor[operation.number] -= request.amount_minor
            self._given_minor[request.debit_reference] += request.amount_minor

    def _available(self, card: Card) -> int:
        return card.available_minor - self._taken_minor[card.number]

    def _answer(self, operation: _Operation) -> CardAnswer:
        if operation.due_at is not None:
            return CardAnswer("UNKNOWN", operation.serial)
        request = operation.request
        return read_operation(
            CardReport(
                request.reference, "debit" if isinstance(request, CardDebit) else "refund", request.amount_minor, "",
                "FAIL" if operation.code else "SUCCESS", operation.code, operation.serial, operation.at,
            )
        )  # fmt: skip


def _succeeded(operation: _Operation) -> bool:
    return operation.due_at is None and operation.code is None


def _token(reference: UUID) -> str:
    return f"ct_{uuid5(_TOKENS, str(reference)).hex}"
