"""What clients saw: operations on one timeline, each with the moment it was called and the moment its answer came.

Moments are positions in the order in which one process wrote them down, so no two are equal and no clock is trusted.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol


class Answer(NamedTuple):
    """What a caller was told: a code, and a figure where one comes with it (None: the answer carried none)."""

    code: str
    minor: int | None = None

    def fits(self, expected: Answer) -> bool:
        """Could this have been said where the model says `expected`?"""
        return self.code == expected.code and (self.minor is None or self.minor == expected.minor)

    def __str__(self) -> str:
        return self.code if self.minor is None else f"{self.code} {self.minor}"


class Call(Protocol):
    """One operation of the model: pure, hashable, printable. `reads_only`: it changes nothing in any state."""

    @property
    def reads_only(self) -> bool: ...

    def touches(self) -> Iterable[str]:
        """The names of all it may read or change."""
        ...

    def apply(self, state: Any) -> tuple[Answer, Hashable]:
        """What it answers in `state`, and the state after it; an operation that changes nothing returns `state` itself."""
        ...


class Operation(NamedTuple):
    """`returned` and `answer` are None where the outcome was never learnt: it may have happened at any time since, or never."""

    client: str
    call: Call
    called: float
    returned: float | None
    answer: Answer | None

    @property
    def end(self) -> float:
        """Until when it may have taken effect."""
        return math.inf if self.returned is None else self.returned

    def __str__(self) -> str:
        span = f"{self.called:>6g} → {'    ?' if self.returned is None else f'{self.returned:>5g}'}"
        return f"{span}  {self.client:<10} {self.call}  ⇒  {self.answer if self.answer is not None else 'no answer yet'}"


History = Sequence[Operation]


def until(history: History, moment: float) -> list[Operation]:
    """The history as it stood at `moment`: later calls are not there, later answers are not known."""
    return [
        each if each.end <= moment else each._replace(returned=None, answer=None) for each in history if each.called <= moment
    ]


def independent(history: History) -> list[list[Operation]]:
    """Parts that have nothing in common, each in order of call. A history is linearizable if and only if each of them is.

    Source: Herlihy and Wing, "Linearizability: a correctness condition for concurrent objects" (1990), theorem 1 (locality).
    """
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    for operation in history:
        first, *others = operation.call.touches()
        for other in others:
            leader[find(other)] = find(first)
    parts: dict[str, list[Operation]] = {}
    for operation in sorted(history, key=lambda each: each.called):
        parts.setdefault(find(next(iter(operation.call.touches()))), []).append(operation)
    return list(parts.values())
