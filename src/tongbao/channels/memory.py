"""A bank in the process: the same contract as `HttpBank` with the program behind it, virtual time, and nothing random.

For simulations, where thousands of days pass in a minute. It keeps its books in its own simple way, a list of movements and
what each account has paid us in all, so that it can also check the program's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta

import msgspec

from tongbao.channels.errors import BANK_REFERENCE_CONFLICT
from tongbao.channels.simulated.demo import DEMO_ACCOUNTS, DEMO_CLOSED, DEMO_EMPTY, account_number
from tongbao.channels.simulated.faults import Fault, FaultPlan, loses_answer
from tongbao.channels.simulated.links import LinkConflict, Links, belongs
from tongbao.channels.simulated.rules import DEFAULT_LIMIT_MINOR, Account, judge, malformed
from tongbao.channels.types import (
    BankAnswer,
    BankRequest,
    LinkAnswer,
    LinkRequest,
    NotFound,
    StatementLine,
    check_reference,
)
from tongbao.channels.wire import BankCode, LinkReport, normalise
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal

_UNKNOWN = BankAnswer("UNKNOWN")


class _Transfer(msgspec.Struct):
    """One reference in the bank's books. While `due_at` is set it is in processing."""

    request: BankRequest
    serial: str
    at: datetime
    code: BankCode | None = None
    due_at: datetime | None = None
    planned_code: BankCode | None = None


class MemoryBank:
    """`BankChannel` without a network. `faults` befall it in the order given; more with `order`.

    An answer that a fault delays by `timeout_ms` or more is UNKNOWN, as a real time-out would make it; no time passes.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        faults: Iterable[Fault] = (),
        accounts: Iterable[Account] = (*DEMO_ACCOUNTS, DEMO_EMPTY, DEMO_CLOSED),
        magic_amounts: bool = False,
        timeout_ms: int = 3_000,
        limit_minor: int = DEFAULT_LIMIT_MINOR,
        seed: int = 0,
    ) -> None:
        self._clock = clock
        self._plan = FaultPlan(seed=seed, magic_amounts=magic_amounts, faults=list(faults))
        self._timeout_ms = timeout_ms
        self._limit_minor = limit_minor
        self._accounts = {account.number: account for account in accounts}
        self._transfers: dict[str, _Transfer] = {}
        self._processing: list[_Transfer] = []
        self._moved: list[StatementLine] = []
        self._paid_minor: dict[str, int] = defaultdict(int)
        self._reserves_minor: dict[str, int] = defaultdict(int)
        self._on_the_way: list[tuple[datetime, BankRequest]] = []
        self._opened = 0
        self.links = Links()

    # --- the contract ------------------------------------------------------------------------------------------------

    async def submit(self, request: BankRequest) -> BankAnswer:
        check_reference(request.reference)
        self._catch_up()
        fault = self._plan.next("submit", request.reference, request.account_number, request.amount_minor)
        kind = fault.kind if fault else None
        if kind in ("timeout_before", "server_error_before"):
            return _UNKNOWN
        if fault and kind == "late_arrival":
            self._on_the_way.append((self._clock.now() + timedelta(milliseconds=fault.wait_ms), request))
            return _UNKNOWN
        try:
            answer = self._deliver(request, fault)
            if kind == "duplicate_delivery":
                answer = self._deliver(request, None)
        except Refusal:
            if fault and loses_answer(fault, self._timeout_ms):
                return _UNKNOWN
            raise
        return _UNKNOWN if fault and loses_answer(fault, self._timeout_ms) else answer

    async def inquire(self, reference: str) -> BankAnswer | NotFound:
        check_reference(reference)
        self._catch_up()
        known = self._transfers.get(reference)
        facts = (known.request.account_number, known.request.amount_minor) if known else (None, None)
        fault = self._plan.next("inquire", reference, *facts)
        if fault and loses_answer(fault, self._timeout_ms):
            return _UNKNOWN
        return NotFound(reference) if known is None else _answer(known)

    async def start_link(self, request: LinkRequest) -> LinkAnswer:
        account = self._accounts.get(request.account_number)
        try:
            agrees, now = belongs(request, account), self._clock.now()
            return self._link(request.reference, lambda: self.links.start(request.reference, request, request.phone, agrees, now))
        except LinkConflict:
            raise Refusal(BANK_REFERENCE_CONFLICT, reference=request.reference) from None

    async def confirm_link(self, reference: str, code: str) -> LinkAnswer:
        return self._link(reference, lambda: self.links.confirm(reference, code, self._clock.now()))

    async def inquire_link(self, reference: str) -> LinkAnswer:
        return self._link(reference, lambda: self.links.report(reference, self._clock.now()))

    def _link(self, reference: str, work: Callable[[], LinkReport]) -> LinkAnswer:
        check_reference(reference)
        fault = self._plan.next("link", reference)
        if fault and fault.kind in ("timeout_before", "server_error_before"):
            return LinkAnswer("UNKNOWN")
        report = work()
        return LinkAnswer("UNKNOWN" if fault and loses_answer(fault, self._timeout_ms) else report.status)

    async def reserve_balance(self, currency: str) -> int:
        self._catch_up()
        return self._reserve_minor(currency)

    async def statement(self, day: date) -> list[StatementLine]:
        self._catch_up()
        return [line for line in self._moved if line.at.astimezone(UTC).date() == day]

    async def close(self) -> None:
        """Nothing to let go of."""

    # --- the back office ---------------------------------------------------------------------------------------------

    def order(self, fault: Fault) -> None:
        """Put a fault at the end of the script."""
        self._plan.add(fault)

    def clear_faults(self) -> None:
        """Cancel every fault ordered."""
        self._plan.clear()

    def open_account(
        self, holder_name: str, phone: str, balance_minor: int, currency: str = "CNY", document_number: str = ""
    ) -> Account:
        """Open a customer's account with a first balance."""
        number = account_number("5", self._opened)
        account = Account(number, holder_name, phone, currency, balance_minor, document_number=document_number)
        self._opened += 1
        self._accounts[account.number] = account
        return account

    def set_account_open(self, number: str, is_open: bool) -> None:
        """Close an account, or open it again."""
        self._accounts[number] = msgspec.structs.replace(self._accounts[number], state="open" if is_open else "closed")

    def account(self, number: str) -> Account | None:
        """A customer's account, with the balance of this moment."""
        self._catch_up()
        return self._account(number)

    # --- books -------------------------------------------------------------------------------------------------------

    def _deliver(self, request: BankRequest, fault: Fault | None) -> BankAnswer:
        known = self._transfers.get(request.reference)
        if known is not None:
            if known.request != request:
                raise Refusal(BANK_REFERENCE_CONFLICT, reference=request.reference)
            return _answer(known)
        now = self._clock.now()
        if malformed(request):
            return BankAnswer("FAILED", failure_code="refused", at=now)
        new = _Transfer(request, f"MB{len(self._transfers) + 1:012d}", now)
        kind = fault.kind if fault else None
        new.code = fault.code if fault and kind == "refuse" else self._judge(request)
        if fault and new.code is None and kind in ("pending_then_success", "pending_then_failure"):
            new.due_at = now + timedelta(milliseconds=fault.wait_ms)
            new.planned_code = fault.code if kind == "pending_then_failure" else None
        self._transfers[request.reference] = new
        if new.due_at is not None:
            self._processing.append(new)
        elif new.code is None:
            self._move(new)
        return _answer(new)

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
        ripe = [transfer for transfer in self._processing if transfer.due_at is not None and transfer.due_at <= now]
        for transfer in sorted(ripe, key=lambda each: each.due_at or now):
            self._processing.remove(transfer)
            transfer.code = transfer.planned_code or self._judge(transfer.request)
            transfer.due_at, transfer.at = None, now
            if transfer.code is None:
                self._move(transfer)

    def _judge(self, request: BankRequest) -> BankCode | None:
        reserve = self._reserve_minor(request.currency)
        return judge(request, self._account(request.account_number), reserve_minor=reserve, limit_minor=self._limit_minor)

    def _move(self, transfer: _Transfer) -> None:
        request = transfer.request
        signed = request.amount_minor if request.kind == "debit" else -request.amount_minor
        self._paid_minor[request.account_number] += signed
        self._reserves_minor[request.currency] += signed
        self._moved.append(
            StatementLine(
                transfer.at, transfer.serial, request.reference, request.kind, request.account_number,
                request.amount_minor, request.currency, self._reserves_minor[request.currency],
            )
        )  # fmt: skip

    def _reserve_minor(self, currency: str) -> int:
        return self._reserves_minor.get(currency, 0)

    def _account(self, number: str) -> Account | None:
        opened = self._accounts.get(number)
        if opened is None:
            return None
        return msgspec.structs.replace(opened, balance_minor=opened.balance_minor - self._paid_minor.get(number, 0))


def _answer(transfer: _Transfer) -> BankAnswer:
    if transfer.due_at is not None:
        return BankAnswer("UNKNOWN", transfer.serial)
    if transfer.code is not None:
        return BankAnswer("FAILED", transfer.serial, normalise(transfer.code), transfer.at)
    return BankAnswer("SUCCEEDED", transfer.serial, None, transfer.at)
