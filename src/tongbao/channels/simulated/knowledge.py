"""What a simulated registry answers: pure rules and the faults on order, shared by the program and by `MemoryRegistries`.

    fault kind        what happens to the question
    delay             answered `delay_ms` later
    timeout           nothing is looked up and nothing is said
    lost_answer       looked up, connection closed without a reply
    down              500
    garbage           an answer that does not parse
    pending           "processing"; decided `delay_ms` later: asked again then, it is answered
    answer_twice      the question is handed over twice; the answer is the same

With magic numbers (the sandbox) the last three digits of a document number before its check digit (of one without, the last
three) choose the fault of the first question under each reference; a repeated one goes through:

    901, 902   MISMATCHED by every registry, also when repeated   909, 910   answered after 10 s
    903, 904   no record, also when repeated                      911, 912   processing for 5 s
    905, 906   silence                                            913, 914   handed over twice
    907, 908   500                                                915, 916   an answer that does not parse

Anybody called 测试员 or SANDBOX TESTER is known to every registry under any well-formed number, with any phone and card.
"""

from __future__ import annotations

import unicodedata
from collections import OrderedDict
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Literal

import msgspec

from tongbao.channels.registries.wire import CheckReport
from tongbao.channels.simulated.people import Files, Known
from tongbao.identity.realname.channels import Question, Registry

FaultKind = Literal["delay", "timeout", "lost_answer", "down", "garbage", "pending", "answer_twice"]
SANDBOX_NAMES = frozenset({"测试员", "SANDBOX TESTER"})
_DEFAULT_DELAY_MS = {"delay": 10_000, "timeout": 30_000, "pending": 5_000}
#: How many references are remembered; the facts stay, so a forgotten one is only looked up again.
_MOST_REMEMBERED = 100_000

_MAGIC: dict[int, FaultKind] = {905: "timeout", 907: "down", 909: "delay", 911: "pending", 913: "answer_twice", 915: "garbage"}


class RegistryFault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`registry`, `number`: which questions it is for; None for all. `count`: how many it still applies to."""

    kind: FaultKind
    registry: Registry | None = None
    number: str | None = None
    delay_ms: Annotated[int, msgspec.Meta(ge=0, le=600_000)] | None = None
    count: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1

    @property
    def wait_ms(self) -> int:
        """`delay_ms`, or what is usual for the kind."""
        return _DEFAULT_DELAY_MS.get(self.kind, 0) if self.delay_ms is None else self.delay_ms

    def applies(self, question: Question) -> bool:
        """Whether this question is one of those meant."""
        return self.registry in (None, question.registry) and self.number in (None, question.number)


class ReferenceConflict(Exception):
    """The reference stands for another question."""


class _Asked(msgspec.Struct):
    question: bytes
    report: CheckReport
    due_at: datetime | None = None


class Knowledge:
    """All registries: their files, what they were asked, and the faults to come. Not shared between threads."""

    def __init__(self, files: Files, *, magic_numbers: bool = False) -> None:
        self._files = files
        self._magic = magic_numbers
        self._faults: list[RegistryFault] = []
        self._asked: OrderedDict[str, _Asked] = OrderedDict()
        self.lookups = 0

    def learn(self, registry: Registry, known: Known) -> None:
        """A new line in a registry's file, or another version of one."""
        self._files[registry][known.number] = known

    def order(self, fault: RegistryFault) -> None:
        """Put a fault at the end of what is to come."""
        self._faults.append(fault)

    def clear(self) -> None:
        """From here on everything goes well, magic numbers excepted."""
        self._faults.clear()

    def fault_of(self, question: Question) -> RegistryFault | None:
        """The fault that befalls this question, used up as it is answered."""
        for at, fault in enumerate(self._faults):
            if fault.applies(question):
                if fault.count == 1:
                    del self._faults[at]
                else:
                    self._faults[at] = msgspec.structs.replace(fault, count=fault.count - 1)
                return fault
        if self._magic and question.reference not in self._asked:
            order = magic_order(question.number)
            kind = _MAGIC.get(order - 1 + order % 2)
            if kind is not None:
                # Remembered although nothing may be looked up: the next one under this reference goes through.
                self._asked[question.reference] = _Asked(_body(question), self._judge(question, _NEVER))
                return RegistryFault(kind)
        return None

    def answer(self, question: Question, now: datetime, pending_ms: int | None = None) -> CheckReport:
        """What the registry says, now and whenever asked again under this reference. Raises `ReferenceConflict`."""
        known = self._asked.get(question.reference)
        if known is not None and known.question != _body(question):
            raise ReferenceConflict
        if known is None or known.report.at == _NEVER:
            self.lookups += 1
            due_at = now + timedelta(milliseconds=pending_ms) if pending_ms is not None else None
            known = self._asked[question.reference] = _Asked(_body(question), self._judge(question, now), due_at)
            if len(self._asked) > _MOST_REMEMBERED:
                self._asked.popitem(last=False)
        if known.due_at is not None and now < known.due_at:
            return msgspec.structs.replace(known.report, result="PROCESSING", differing=())
        return known.report

    def _judge(self, question: Question, now: datetime) -> CheckReport:
        serial = sha256(question.reference.encode()).hexdigest()[:20].upper()
        order = magic_order(question.number) if self._magic else 0
        known = self._files[question.registry].get(question.number)
        result: Literal["SAME", "DIFFERENT", "NO_RECORD"] = "NO_RECORD"
        differing: tuple[str, ...] = ()
        if order in (901, 902):
            result, differing = "DIFFERENT", ("name",)
        elif order in (903, 904):
            pass
        elif question.name in SANDBOX_NAMES:
            result = "SAME"
        elif known is not None:
            differing = different(question, known)
            result = "DIFFERENT" if differing else "SAME"
        return CheckReport(question.reference, question.registry, result, differing, serial, now)


#: When a question was remembered without having been looked up.
_NEVER = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def different(question: Question, known: Known) -> tuple[str, ...]:
    """The fields of the question that are not as the registry knows them; of a cancelled document only that it is."""
    if known.void:
        return ("void",)
    found = {
        "name": same_name(question.name, known.name),
        "phone": not known.phone or question.phone == known.phone,
        "card": not known.cards or question.card in known.cards,
        "birth_date": not (known.birth_date and question.birth_date) or question.birth_date == known.birth_date,
        "expires_on": not (known.expires_on and question.expires_on) or question.expires_on == known.expires_on,
        "legal_person": not known.legal_person or same_name(question.legal_person, known.legal_person),
    }
    return tuple(field for field, same in found.items() if not same)


def same_name(left: str, right: str) -> bool:
    """Names agree when they differ only in case, width and spacing, and in the order of a Latin name's words."""
    return _folded(left) == _folded(right)


def _folded(name: str) -> list[str]:
    return sorted(unicodedata.normalize("NFKC", name).casefold().split())


def magic_order(number: str) -> int:
    """The three digits that choose what happens; 0 where there are none."""
    digits = number[14:17] if len(number) == 18 else number[-3:]
    return int(digits) if len(digits) == 3 and digits.isascii() and digits.isdigit() else 0


def _body(question: Question) -> bytes:
    """What a reference binds to, without keeping any of it."""
    return sha256(msgspec.json.encode(question)).digest()
