"""The checker itself: it must accept what is right, and refuse what is wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.linearizability.checker import check, explain
from tests.linearizability.history import Answer, Call, Operation, independent, until
from tests.linearizability.model import OK, Balance, Look, Order, Pay, Refund, State, Transfer

BREAD = Order("bread", "shop", 300)
START = State({"ann": 1000, "ben": 500})


def did(call: Call, called: float, returned: float | None, answer: str | None = OK, minor: int | None = None) -> Operation:
    return Operation("c", call, called, returned, None if answer is None else Answer(answer, minor))


def saw(account: str, minor: int, called: float, returned: float) -> Operation:
    return did(Balance(account), called, returned, OK, minor)


RIGHT = {
    "nothing at all": [],
    "one after the other": [did(Transfer("ann", "ben", 100), 1, 2, OK, 900), saw("ann", 900, 3, 4), saw("ben", 600, 5, 6)],
    "a read during a transfer may see it or not, each its own": [
        did(Transfer("ann", "ben", 100), 1, 10), saw("ann", 1000, 2, 3), saw("ben", 600, 4, 5), saw("ann", 900, 6, 7)
    ],
    "a decline while what was there is on its way out": [
        did(Transfer("ann", "ben", 900), 1, 10), did(Transfer("ann", "ben", 200), 2, 9, "insufficient_funds", 100)
    ],
    "a decline before money came, though it was answered after": [
        did(Transfer("ben", "ann", 600), 1, 10, "insufficient_funds", 500), did(Transfer("ann", "ben", 200), 2, 9)
    ],
    "an unknown outcome that happened late": [
        did(Transfer("ann", "ben", 100), 1, None, None), saw("ann", 1000, 2, 3), saw("ann", 900, 4, 5)
    ],
    "an unknown outcome that never happened": [did(Transfer("ann", "ben", 100), 1, None, None), saw("ann", 1000, 90, 91)],
    "one of two payers of an order is told that it is paid": [
        did(Pay(BREAD, "ann"), 1, 10), did(Pay(BREAD, "ben"), 2, 9, "order_paid"), did(Look(BREAD), 3, 4, "CREATED", 0)
    ],
    "a refund goes to whoever paid": [
        did(Pay(BREAD, "ann"), 1, 4), did(Pay(BREAD, "ben"), 2, 3, "order_paid"),
        did(Refund(BREAD, 200, ("ann", "ben")), 5, 6), did(Refund(BREAD, 200, ("ann", "ben")), 7, 8, "refund_exceeds_paid", 100),
        saw("ann", 900, 9, 10), saw("shop", 100, 11, 12),
    ],
}  # fmt: skip

WRONG = {
    "a stale read": [did(Transfer("ann", "ben", 100), 1, 2), saw("ann", 1000, 3, 4)],
    "a read that goes back": [did(Transfer("ann", "ben", 100), 1, 10), saw("ann", 900, 2, 3), saw("ann", 1000, 4, 5)],
    "a stale read of the other side": [
        did(Transfer("ann", "ben", 100), 1, 10), saw("ann", 900, 2, 3), saw("ben", 500, 4, 5)
    ],
    "a lost update": [
        did(Transfer("ann", "ben", 100), 1, 4), did(Transfer("ann", "ben", 200), 2, 3), saw("ann", 800, 5, 6)
    ],
    "a balance after it that another's change is missing from": [
        did(Transfer("ann", "ben", 100), 1, 4, OK, 900), did(Transfer("ann", "ben", 200), 2, 3, OK, 800)
    ],
    "a double effect": [did(Transfer("ann", "ben", 100), 1, 2), saw("ann", 800, 3, 4)],
    "an unknown outcome that happened twice": [did(Transfer("ann", "ben", 100), 1, None, None), saw("ann", 800, 3, 4)],
    "an unknown outcome that happened and was undone": [
        did(Transfer("ann", "ben", 100), 1, None, None), saw("ann", 900, 2, 3), saw("ann", 1000, 4, 5)
    ],
    "an effect before its cause": [saw("ann", 900, 1, 2), did(Transfer("ann", "ben", 100), 3, 4)],
    "an uncommitted value": [
        did(Transfer("ann", "ben", 400), 1, 6, "insufficient_funds"), saw("ann", 600, 2, 3), saw("ann", 1000, 4, 5)
    ],
    "money on neither side": [did(Transfer("ann", "ben", 100), 1, 2), saw("ann", 900, 3, 4), saw("ben", 500, 5, 6)],
    "a decline that should have been an acceptance": [did(Transfer("ann", "ben", 1000), 1, 2, "insufficient_funds", 1000)],
    "a decline after the money had come": [
        did(Transfer("ann", "ben", 200), 1, 2), did(Transfer("ben", "ann", 700), 3, 4, "insufficient_funds")
    ],
    "an acceptance that should have been a decline": [did(Transfer("ann", "ben", 1001), 1, 2)],
    "the last money spent twice": [did(Transfer("ann", "ben", 600), 1, 4), did(Transfer("ann", "ben", 600), 2, 3)],
    "an order paid by two": [did(Pay(BREAD, "ann"), 1, 4), did(Pay(BREAD, "ben"), 2, 3)],
    "an order paid by nobody is said to be paid": [did(Pay(BREAD, "ben"), 2, 3, "order_paid"), did(Pay(BREAD, "ann"), 4, 5)],
    "more refunded than was paid": [
        did(Pay(BREAD, "ann"), 1, 2), did(Refund(BREAD, 200, ("ann",)), 3, 6), did(Refund(BREAD, 200, ("ann",)), 4, 5)
    ],
    "a refund to somebody else": [
        did(Pay(BREAD, "ann"), 1, 2), did(Refund(BREAD, 200, ("ann", "ben")), 3, 4), saw("ben", 700, 5, 6)
    ],
    "a paid order looks unpaid": [did(Pay(BREAD, "ann"), 1, 2), did(Look(BREAD), 3, 4, "CREATED", 0)],
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_history_is_accepted(name: str) -> None:
    assert check(RIGHT[name], START).word == "linearizable"
    assert brute_force(RIGHT[name], START)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_history_is_refused(name: str) -> None:
    assert check(WRONG[name], START).word == "not linearizable"
    assert not brute_force(WRONG[name], START)


def test_a_search_that_is_cut_short_says_unknown() -> None:
    crowd = [did(Transfer("ann", "ben", 1 + number), 1 + number / 100, 50 + number / 100) for number in range(12)]
    assert check([*crowd, saw("ann", 1, 60, 61)], START, most=100).word == "unknown"
    assert check([*crowd, saw("ann", 922, 60, 61)], START, most=100).word == "linearizable"


def test_parts_without_anything_in_common_are_judged_apart() -> None:
    mixed = [did(Transfer(f"a{number}", f"b{number}", 1), 1 + number / 100, 50 + number / 100) for number in range(50)]
    wrong = [*mixed, saw("b49", 0, 60, 61)]
    rich = State({f"a{number}": 1 for number in range(50)})
    assert len(independent(wrong)) == 50
    # Together these would have 2⁴⁹ configurations.
    assert check(mixed, rich, most=1000).word == "linearizable"
    assert check(wrong, rich, most=1000).word == "not linearizable"


@given(st.lists(st.tuples(st.sampled_from("abcdefghij"), st.sampled_from("abcdefghij")), max_size=15))
def test_parts_are_the_smallest_that_have_nothing_in_common(pairs: list[tuple[str, str]]) -> None:
    parts = independent([did(Transfer(*pair, 1), number, number + 0.5) for number, pair in enumerate(pairs)])
    names = [{name for each in part for name in each.call.touches()} for part in parts]
    assert sum(map(len, parts)) == len(pairs)
    assert all(not one & other for number, one in enumerate(names) for other in names[:number])
    for reached in names:  # whoever starts anywhere in a part comes to all of it
        known = {min(reached)}
        for _ in pairs:
            known.update(name for pair in pairs if known & {*pair} for name in pair)
        assert known == reached


def test_an_explanation_is_as_short_as_can_be_and_marks_the_one_that_does_not_fit() -> None:
    before = [saw("ann", 1000, number, number + 0.5) for number in range(100)]
    after = [saw("ann", 900, number, number + 0.5) for number in range(300, 400)]
    stale = [did(Transfer("ann", "ben", 100), 200, 201), saw("ben", 600, 202, 203), saw("ann", 1000, 204, 205)]
    told = explain([*before, *stale, *after], START)
    assert told.splitlines()[0].startswith("No order of these 2 operations")
    assert "▶    204 →   205  c          balance of ann by the overview  ⇒  ok 1000" in told
    assert "ann: 900, ben: 600" in told and "the marked one would be answered: ok 900" in told


# ── against an oracle ───────────────────────────────────────────────────────────────────────────────────────────────────


def brute_force(history: Sequence[Operation], start: State) -> bool:
    """Every order of every choice of the unanswered ones, tried."""
    known = [each for each in history if each.returned is not None]
    unknown = [each for each in history if each.returned is None]
    for choice in range(2 ** len(unknown)):
        chosen = known + [each for number, each in enumerate(unknown) if choice >> number & 1]
        if any(_explains(order, start) for order in permutations(chosen)):
            return True
    return False


def _explains(order: Sequence[Operation], state: State) -> bool:
    for number, each in enumerate(order):
        if any(later.end < each.called for later in order[number + 1 :]):
            return False
    for each in order:
        expected, after = each.call.apply(state)
        if each.answer is not None and not each.answer.fits(expected):
            return False
        assert isinstance(after, State)
        state = after
    return True


PEOPLE = ("ann", "ben")
CALLS = st.one_of(
    st.builds(Transfer, st.sampled_from(PEOPLE), st.sampled_from((*PEOPLE, "cat")), st.sampled_from((100, 500, 1000)))
    .filter(lambda call: call.payer != call.payee),
    st.builds(Pay, st.just(BREAD), st.sampled_from(PEOPLE)),
    st.builds(Refund, st.just(BREAD), st.sampled_from((100, 200)), st.just(PEOPLE)),
    st.builds(Balance, st.sampled_from((*PEOPLE, "cat", "shop"))),
    st.builds(Look, st.just(BREAD)),
)  # fmt: skip


@st.composite
def right_histories(draw: st.DrawFn, most: int = 6) -> list[Operation]:
    """Each operation takes effect at a moment of its own, somewhere between its call and its answer."""
    state, history = START, []
    for moment, call in enumerate(draw(st.lists(CALLS, max_size=most)), start=1):
        answer, state = call.apply(state)
        sooner, later = draw(st.integers(0, 4)), draw(st.integers(0, 4))
        # No two moments are equal: calls and answers have fractions of their own.
        called, returned = moment * 10 - sooner * 10 - 0.01 * moment, moment * 10 + later * 10 + 0.01 * moment
        keeps_figure = draw(st.booleans())
        answer = answer if keeps_figure or call.reads_only else Answer(answer.code)
        known = draw(st.integers(0, 5)) > 0
        history.append(Operation(f"c{moment}", call, called, returned if known else None, answer if known else None))
    return history


@st.composite
def any_histories(draw: st.DrawFn) -> list[Operation]:
    """A right history with some answers and some moments changed: most of these are wrong, some happen to be right."""
    history = draw(right_histories(5))
    for _ in range(draw(st.integers(1, 2))):
        if not history:
            break
        at = draw(st.integers(0, len(history) - 1))
        each = history[at]
        match draw(st.sampled_from(("answer", "late", "early", "again"))):
            case "answer" if each.answer is not None:
                figure = None if each.answer.minor is None else each.answer.minor + draw(st.sampled_from((-100, 100, 500)))
                code = draw(st.sampled_from((each.answer.code, OK, "insufficient_funds", "order_paid")))
                history[at] = each._replace(answer=Answer(code, figure))
            case "late":
                history[at] = each._replace(called=each.called + 20.001, returned=each.returned and each.returned + 20.001)
            case "early":
                history[at] = each._replace(called=each.called - 20.001, returned=each.returned and each.returned - 20.001)
            case "again" if len(history) < 6:
                history.append(each._replace(called=each.called + 0.002, returned=each.returned and each.returned + 0.002))
            case _:
                pass
    return history


@given(right_histories())
@settings(max_examples=150, deadline=None)
def test_whatever_really_happened_in_some_order_is_accepted(history: list[Operation]) -> None:
    assert check(history, START).word == "linearizable"


@given(any_histories())
@settings(max_examples=400, deadline=None)
def test_the_checker_agrees_with_trying_every_order(history: list[Operation]) -> None:
    expected = "linearizable" if brute_force(history, START) else "not linearizable"
    assert check(history, START).word == expected


@given(any_histories())
@settings(max_examples=150, deadline=None)
def test_what_is_right_is_right_at_every_moment_before(history: list[Operation]) -> None:
    """What the shortest prefix is found by."""
    words = [check(until(history, moment), START).word for moment in sorted({each.end for each in history} - {math.inf})]
    assert words == sorted(words), "linearizable comes first, and never again after"


@given(any_histories())
@settings(max_examples=100, deadline=None)
def test_an_explanation_of_a_wrong_history_marks_one_operation(history: list[Operation]) -> None:
    if check(history, START).word == "not linearizable":
        assert explain(history, START).count("▶") == 1
