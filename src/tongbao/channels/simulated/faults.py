"""What can go wrong between us and a bank, on demand.

A fault is asked for beforehand (`FaultPlan.add`), or by the amount itself when magic amounts are on. The first fault of
the plan that matches a request applies, and only that one.

    kind                   submit                                                  inquire
    delay                  done, answered `delay_ms` later                         answered `delay_ms` later
    timeout_before         nothing done, no answer                                 no answer
    late_arrival           no answer; the request reaches the bank `delay_ms` on   –
    lost_answer            done, connection closed without a reply                 connection closed without a reply
    duplicate_delivery     the bank is handed the request twice at once            –
    refuse                 recorded as failed with `code`                          –
    server_error_before    500, nothing done                                       500
    server_error_after     done, then 500                                          500
    garbage_answer         done, then an answer that does not parse                an answer that does not parse
    pending_then_success   "processing"; decided `delay_ms` later                  –
    pending_then_failure   "processing"; failed with `code` `delay_ms` later       –
    lost_inquiry           –                                                       connection closed without a reply

A link of an account ("link": asked for, confirmed or inquired about) meets the kinds that an inquiry meets, but the last; where
an answer is lost the bank has done what it was asked.

The card network keeps a plan of its own: there "submit" is a debit or a refund, "link" a binding or the return of a token (whose
reference is the token), and nothing is matched by account number.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from typing import Annotated, Literal

import msgspec

from tongbao.channels.wire import BankCode

Operation = Literal["submit", "inquire", "link"]
FaultKind = Literal[
    "delay", "timeout_before", "late_arrival", "lost_answer", "duplicate_delivery", "refuse", "server_error_before",
    "server_error_after", "garbage_answer", "pending_then_success", "pending_then_failure", "lost_inquiry",
]  # fmt: skip

_SUBMIT_ONLY: frozenset[str] = frozenset(
    {"late_arrival", "duplicate_delivery", "refuse", "pending_then_success", "pending_then_failure"}
)
_INQUIRE_ONLY: frozenset[str] = frozenset({"lost_inquiry"})
_DEFAULT_DELAY_MS: dict[str, int] = {
    "delay": 10_000, "timeout_before": 30_000, "late_arrival": 5_000,
    "pending_then_success": 3_000, "pending_then_failure": 3_000,
}  # fmt: skip


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which requests a fault is for; what is left out matches everything."""

    reference: str | None = None
    account_number: str | None = None
    amount_minor: int | None = None
    operation: Operation | None = None


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`count`: how many requests it still applies to (None: no end). `probability`: how often it applies to one that matches.

    With neither, it applies once. `code` is the bank's reason where the kind makes it say no.
    """

    kind: FaultKind
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    count: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    match: Match = Match()
    delay_ms: Annotated[int, msgspec.Meta(ge=0, le=600_000)] | None = None
    code: BankCode = "NOT_PERMITTED"

    @property
    def wait_ms(self) -> int:
        """`delay_ms`, or what is usual for the kind."""
        return _DEFAULT_DELAY_MS.get(self.kind, 0) if self.delay_ms is None else self.delay_ms

    def applies(self, operation: Operation, reference: str, account_number: str | None, amount_minor: int | None) -> bool:
        """Whether this request is one of those meant. An inquiry about an unknown reference has no account and no amount."""
        if (operation != "submit" and self.kind in _SUBMIT_ONLY) or (operation != "inquire" and self.kind in _INQUIRE_ONLY):
            return False
        wanted = self.match
        return (
            wanted.operation in (None, operation)
            and wanted.reference in (None, reference)
            and wanted.account_number in (None, account_number)
            and wanted.amount_minor in (None, amount_minor)
        )


def loses_answer(fault: Fault, timeout_ms: int) -> bool:
    """Whether who asked, and waits so long, hears nothing that they could believe."""
    if fault.kind == "delay":
        return fault.wait_ms >= timeout_ms
    return fault.kind in (
        "timeout_before", "lost_answer", "lost_inquiry", "server_error_before", "server_error_after", "garbage_answer",
    )  # fmt: skip


#: `amount_minor` mod 100 -> what happens to the first submission, and to the first inquiry, of each reference.
MAGIC_AMOUNTS: dict[int, dict[Operation, Fault]] = {
    1: {"submit": Fault("delay", delay_ms=10_000)},
    2: {"submit": Fault("lost_answer")},
    3: {"submit": Fault("refuse")},
    4: {"submit": Fault("duplicate_delivery")},
    5: {"submit": Fault("timeout_before")},
    6: {"submit": Fault("server_error_after")},
    7: {"submit": Fault("pending_then_success", delay_ms=5_000)},
    8: {"submit": Fault("pending_then_failure", delay_ms=5_000)},
    9: {"submit": Fault("late_arrival", delay_ms=5_000)},
    11: {"submit": Fault("garbage_answer")},
    12: {"submit": Fault("server_error_before")},
    13: {"submit": Fault("lost_answer"), "inquire": Fault("lost_inquiry")},
    51: {"submit": Fault("refuse", code="NSF")},
    61: {"submit": Fault("refuse", code="OVER_LIMIT")},
    62: {"submit": Fault("refuse", code="ACCT_CLOSED")},
    63: {"submit": Fault("refuse", code="SUSPECTED_FRAUD")},
}

#: How many (operation, reference) pairs are remembered as seen, for "the first of each reference".
_SEEN = 100_000


class FaultPlan:
    """The faults still to come. Deterministic for a seed and a sequence of requests; not shared between threads."""

    def __init__(self, *, seed: int = 0, magic_amounts: bool = False, faults: list[Fault] | None = None) -> None:
        self._chance = random.Random(seed)
        self._magic = magic_amounts
        self._planned: dict[int, Fault] = {}
        self._last_id = 0
        self._seen: OrderedDict[tuple[Operation, str], None] = OrderedDict()
        for fault in faults or []:
            self.add(fault)

    def add(self, fault: Fault) -> int:
        """Put a fault at the end of the plan; answers its number."""
        self._last_id += 1
        once = fault.count is None and fault.probability is None
        self._planned[self._last_id] = msgspec.structs.replace(fault, count=1) if once else fault
        return self._last_id

    def planned(self) -> dict[int, Fault]:
        """What is still to come, by number; `count` is what is left of it."""
        return dict(self._planned)

    def clear(self) -> None:
        """From here on everything goes well, magic amounts excepted."""
        self._planned.clear()

    def next(
        self, operation: Operation, reference: str, account_number: str | None = None, amount_minor: int | None = None
    ) -> Fault | None:
        """The fault that befalls this request, used up as it is answered; None when nothing goes wrong."""
        first = self._first_time(operation, reference)
        for number, fault in self._planned.items():
            if not fault.applies(operation, reference, account_number, amount_minor):
                continue
            if fault.probability is not None and self._chance.random() >= fault.probability:
                continue
            self._use(number, fault)
            return fault
        if self._magic and first and amount_minor is not None:
            return MAGIC_AMOUNTS.get(amount_minor % 100, {}).get(operation)
        return None

    def _use(self, number: int, fault: Fault) -> None:
        if fault.count is None:
            return
        if fault.count == 1:
            del self._planned[number]
        else:
            self._planned[number] = msgspec.structs.replace(fault, count=fault.count - 1)

    def _first_time(self, operation: Operation, reference: str) -> bool:
        key = (operation, reference)
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > _SEEN:
            self._seen.popitem(last=False)
        return True
