"""Is there one order of a history's operations that respects real time and explains every answer?

A depth-first search over configurations (which operations have been placed, and the state they lead to), each looked at once.
Sources: Wing and Gong, "Testing and verifying concurrent objects" (1993); Lowe, "Testing for linearizability" (2017), whose
memoisation this is. Two shortcuts, both without loss:

- an operation that fits and changes nothing is placed at once: whatever order works with it later works with it now;
- an operation without an answer need not be placed at all.
"""

from __future__ import annotations

import math
import time
from collections.abc import Hashable, Iterator, Sequence
from typing import Literal, NamedTuple

from tests.linearizability.history import History, Operation, independent, until

Word = Literal["linearizable", "not linearizable", "unknown"]

MOST_CONFIGURATIONS = 400_000
MOST_CPU_S = 60.0


class Verdict(NamedTuple):
    """`order` is one order that explains everything; where there is none, the longest that explains a beginning."""

    word: Word
    order: list[Operation]
    state: Hashable
    configurations: int


class _Configuration(NamedTuple):
    """Bit `i` of `placed` is set when operation `i` has its place; `last` is the one placed last, for telling the order."""

    placed: int
    state: Hashable
    last: int
    before: _Configuration | None


def check(history: History, state: Hashable, most: int = MOST_CONFIGURATIONS, most_cpu_s: float = MOST_CPU_S) -> Verdict:
    """Search from `state`. `unknown`: neither proved nor refuted within `most` configurations or `most_cpu_s` of processor
    time; whoever asked must not take it for a yes."""
    verdict = Verdict("linearizable", [], state, 0)
    for part in independent(history):
        verdict = _Search(part, most, most_cpu_s).run(state)
        if verdict.word != "linearizable":
            return verdict
    return verdict


class _Search:
    def __init__(self, operations: Sequence[Operation], most: int, most_cpu_s: float) -> None:
        self._operations = operations
        self._required = sum(1 << number for number, each in enumerate(operations) if each.returned is not None)
        self._most = most
        self._most_cpu_s = most_cpu_s

    def run(self, state: Hashable) -> Verdict:
        stopping = time.process_time() + self._most_cpu_s
        stack = [_Configuration(0, state, -1, None)]
        deepest = stack[0]
        seen: set[tuple[int, Hashable]] = set()
        while stack:
            here = self._settled(stack.pop())
            if (here.placed, here.state) in seen:
                continue
            seen.add((here.placed, here.state))
            if here.placed & self._required == self._required:
                return Verdict("linearizable", self._order(here), here.state, len(seen))
            if here.placed.bit_count() > deepest.placed.bit_count():
                deepest = here
            if len(seen) >= self._most or (len(seen) % 512 == 0 and time.process_time() > stopping):
                return Verdict("unknown", self._order(deepest), deepest.state, len(seen))
            # The one whose answer came first is tried first: it is the likeliest to have happened first.
            stack += sorted(self._next(here), key=lambda each: self._operations[each.last].end, reverse=True)
        return Verdict("not linearizable", self._order(deepest), deepest.state, len(seen))

    def _settled(self, here: _Configuration) -> _Configuration:
        """With everything placed that fits and changes nothing."""
        moved = True
        while moved:
            moved = False
            for number in self._candidates(here.placed):
                operation = self._operations[number]
                expected, after = operation.call.apply(here.state)
                if after == here.state and operation.answer is not None and operation.answer.fits(expected):
                    here = _Configuration(here.placed | 1 << number, here.state, number, here)
                    moved = True
        return here

    def _next(self, here: _Configuration) -> Iterator[_Configuration]:
        for number in self._candidates(here.placed):
            operation = self._operations[number]
            expected, after = operation.call.apply(here.state)
            if after != here.state and (operation.answer is None or operation.answer.fits(expected)):
                yield _Configuration(here.placed | 1 << number, after, number, here)

    def _candidates(self, placed: int) -> list[int]:
        """The operations that may come next: called before any of the others not placed yet had its answer."""
        first_end = math.inf
        found: list[int] = []
        # The lowest bit that is not set: all before it have their place.
        for number in range((~placed & placed + 1).bit_length() - 1, len(self._operations)):
            operation = self._operations[number]
            if operation.called > first_end:
                break
            if not placed >> number & 1:
                found.append(number)
                first_end = min(first_end, operation.end)
        return [number for number in found if self._operations[number].called < first_end]

    def _order(self, last: _Configuration) -> list[Operation]:
        order: list[Operation] = []
        step: _Configuration | None = last
        while step is not None and step.last >= 0:
            order.append(self._operations[step.last])
            step = step.before
        return order[::-1]


def explain(history: History, state: Hashable, most: int = MOST_CONFIGURATIONS) -> str:
    """Why a history is refused, for a person: its shortest beginning that no order explains, without what does not matter."""
    guilty = next((part for part in independent(history) if check(part, state, most).word == "not linearizable"), None)
    if guilty is None:
        return "no order was found within the bounds, nor was it shown that there is none"
    smallest = _without_bystanders(_shortest_prefix(guilty, state, most), state, most)
    culprit = max((each for each in smallest if each.returned is not None), key=lambda each: each.end)
    others = [each for each in smallest if each is not culprit]
    best = check(others, state, most)
    expected, _ = culprit.call.apply(best.state)
    lines = [f"No order of these {len(smallest)} operations explains what was answered (moment of call → of answer):", ""]
    lines += [f"  {'▶' if each is culprit else ' '} {each}" for each in smallest]
    lines += ["", "Without the marked one this order explains the others:", ""]
    lines += [f"    {each.client:<10} {each.call}  ⇒  {each.answer}" for each in best.order]
    lines += ["", f"after which all stands at {best.state}, and the marked one would be answered: {expected}"]
    return "\n".join(lines)


def _shortest_prefix(history: History, state: Hashable, most: int) -> list[Operation]:
    """What is linearizable is so at every moment before, so the moment at which it ceases to be can be halved for."""
    moments = sorted(each.end for each in history if each.returned is not None)
    low, high = 0, len(moments) - 1
    while low < high:
        middle = (low + high) // 2
        if check(until(history, moments[middle]), state, most).word == "not linearizable":
            high = middle
        else:
            low = middle + 1
    return until(history, moments[high])


def _without_bystanders(history: list[Operation], state: Hashable, most: int) -> list[Operation]:
    """Leave out, one by one, what is not needed for the contradiction. Only what changed nothing for certain may be left out:
    an unanswered operation need not have happened, and a read never changes anything."""
    for each in list(history):
        without = [other for other in history if other is not each]
        if (each.returned is None or each.call.reads_only) and check(without, state, most).word == "not linearizable":
            history = without
    return history
