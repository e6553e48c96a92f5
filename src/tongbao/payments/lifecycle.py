"""What may become of a payment: every state, every step, and nothing besides.

This table is the rule. The deciders take a step through `step_of`, the database refuses a row that took another (the trigger of
the migration is `transitions_sql`, word for word), and `docs/payments.md` draws it; tests hold the three together.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

from tongbao.engine.api import Declined
from tongbao.kernel.errors import Code
from tongbao.payments import errors

PaymentState = Literal["CREATED", "UNKNOWN", "AUTHORISED", "PAID", "CLOSED", "EXPIRED", "VOIDED", "REVERSED"]
#: `ask` has what a card pays asked for outside, and nobody knows yet; its answer is `settle` or, where it is a no, `release`.
#: `pay` authorises and captures in one; `capture` leaves more to come, `capture_last` does not; `void` gives up an authorisation
#: of which nothing was taken, `finish` what is left of one; `refund` gives back part or all, `reverse` undoes the whole.
Step = Literal[
    "pay", "ask", "settle", "release", "authorise", "capture", "capture_last", "void", "finish", "close", "expire", "refund",
    "reverse",
]  # fmt: skip

STATES: Final[tuple[PaymentState, ...]] = get_args(PaymentState)
STEPS: Final[tuple[Step, ...]] = get_args(Step)

#: How a payment begins: as an order, or without one, by a printed code, a shown one or an agreement.
FIRST: Final[dict[str, PaymentState]] = {"create": "CREATED", "pay": "PAID", "ask": "UNKNOWN"}

NEXT: Final[dict[PaymentState, dict[Step, PaymentState]]] = {
    "CREATED": {"pay": "PAID", "ask": "UNKNOWN", "authorise": "AUTHORISED", "close": "CLOSED", "expire": "EXPIRED"},
    "UNKNOWN": {"settle": "PAID", "release": "CREATED"},
    "AUTHORISED": {"capture": "AUTHORISED", "capture_last": "PAID", "void": "VOIDED", "finish": "PAID"},
    "PAID": {"refund": "PAID", "reverse": "REVERSED"},
    "CLOSED": {},
    "EXPIRED": {},
    "VOIDED": {},
    "REVERSED": {},
}

#: Why a step is refused: by the state alone where it has ended, else by what the step lacks.
_ENDED: Final[dict[PaymentState, Code]] = {
    "CLOSED": errors.ORDER_CLOSED,
    "EXPIRED": errors.ORDER_EXPIRED,
    "VOIDED": errors.ORDER_VOIDED,
    "REVERSED": errors.ORDER_REVERSED,
}
_LACKS: Final[dict[PaymentState, dict[Step, Code]]] = {
    "CREATED": {
        "settle": errors.ORDER_NOT_PAID,
        "release": errors.ORDER_NOT_PAID,
        "capture": errors.ORDER_NOT_AUTHORISED,
        "capture_last": errors.ORDER_NOT_AUTHORISED,
        "void": errors.ORDER_NOT_AUTHORISED,
        "finish": errors.ORDER_NOT_AUTHORISED,
        "refund": errors.ORDER_NOT_PAID,
        "reverse": errors.ORDER_NOT_PAID,
    },
    "UNKNOWN": {step: errors.ORDER_BEING_PAID for step in STEPS if step not in NEXT["UNKNOWN"]},
    "AUTHORISED": {
        "pay": errors.ORDER_AUTHORISED,
        "ask": errors.ORDER_AUTHORISED,
        "settle": errors.ORDER_AUTHORISED,
        "release": errors.ORDER_AUTHORISED,
        "authorise": errors.ORDER_AUTHORISED,
        "close": errors.ORDER_AUTHORISED,
        "expire": errors.ORDER_AUTHORISED,
        "refund": errors.ORDER_NOT_CAPTURED,
        "reverse": errors.ORDER_NOT_CAPTURED,
    },
    "PAID": {
        "pay": errors.ORDER_PAID,
        "ask": errors.ORDER_PAID,
        "settle": errors.ORDER_PAID,
        "release": errors.ORDER_PAID,
        "authorise": errors.ORDER_PAID,
        "close": errors.ORDER_PAID,
        "expire": errors.ORDER_PAID,
        "capture": errors.ORDER_CAPTURED,
        "capture_last": errors.ORDER_CAPTURED,
        "void": errors.ORDER_CAPTURED,
        "finish": errors.ORDER_CAPTURED,
    },
}


def step_of(state: PaymentState, step: Step) -> PaymentState | Declined:
    """The state after a step; or the reason why it cannot be taken from here."""
    following = NEXT[state].get(step)
    return Declined(refusal_of(state, step)) if following is None else following


def refusal_of(state: PaymentState, step: Step) -> Code:
    """Why a step that `NEXT` does not have is refused."""
    return _ENDED.get(state) or _LACKS[state][step]


def reachable(state: PaymentState) -> list[PaymentState]:
    """Every other state that a payment in this one may yet come to, in the order of `STATES`. Several steps of one batch are
    written at once, so this is what the database can hold a row to."""
    found: set[PaymentState] = set()
    waiting = [state]
    while waiting:
        for after in NEXT[waiting.pop()].values():
            if after not in found:
                found.add(after)
                waiting.append(after)
    return [each for each in STATES if each in found and each != state]


def transitions_sql() -> str:
    """The condition under which the database refuses that `old.state` becomes `new.state`."""
    allowed = ",\n        ".join(
        f"('{state}', '{after}')" for state in STATES for after in reachable(state)
    )  # fmt: skip
    return f"old.state <> new.state and (old.state, new.state) not in (\n        {allowed})"
