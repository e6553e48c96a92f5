"""What may become of an agreement to be debited: every state, every step, and nothing besides.

This table is the rule. The deciders take a step through `step_of`, the database refuses a row that took another (the trigger of
the migration is `transitions_sql`, word for word), and `docs/agreements.md` draws it; tests hold the three together.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

from tongbao.engine.api import Declined
from tongbao.kernel.errors import Code
from tongbao.payments import errors

AgreementState = Literal["ASKED", "ACTIVE", "PAUSED", "ENDED", "EXPIRED"]
#: `end`: the payer revokes it, the merchant gives it up, or the payer's account is closed for ever; the row says who.
AgreementStep = Literal["sign", "change", "debit", "pause", "resume", "end", "expire"]

AGREEMENT_STATES: Final[tuple[AgreementState, ...]] = get_args(AgreementState)
AGREEMENT_STEPS: Final[tuple[AgreementStep, ...]] = get_args(AgreementStep)

NEXT: Final[dict[AgreementState, dict[AgreementStep, AgreementState]]] = {
    "ASKED": {"sign": "ACTIVE", "end": "ENDED", "expire": "EXPIRED"},
    "ACTIVE": {"change": "ACTIVE", "debit": "ACTIVE", "pause": "PAUSED", "end": "ENDED", "expire": "EXPIRED"},
    "PAUSED": {"change": "PAUSED", "resume": "ACTIVE", "end": "ENDED", "expire": "EXPIRED"},
    "ENDED": {},
    "EXPIRED": {},
}

_REFUSED: Final[dict[AgreementState, Code]] = {
    "ASKED": errors.AGREEMENT_NOT_SIGNED,
    "ACTIVE": errors.AGREEMENT_ACTIVE,
    "PAUSED": errors.AGREEMENT_PAUSED,
    "ENDED": errors.AGREEMENT_ENDED,
    "EXPIRED": errors.AGREEMENT_EXPIRED,
}


def step_of(state: AgreementState, step: AgreementStep) -> AgreementState | Declined:
    """The state after a step; or the reason why it cannot be taken from here."""
    following = NEXT[state].get(step)
    return Declined(refusal_of(state)) if following is None else following


def refusal_of(state: AgreementState) -> Code:
    """Why a step that `NEXT` does not have is refused."""
    return _REFUSED[state]


def reachable(state: AgreementState) -> list[AgreementState]:
    """Every other state that an agreement in this one may yet come to, in the order of `AGREEMENT_STATES`. Several steps of one
    batch are written at once, so this is what the database can hold a row to."""
    found: set[AgreementState] = set()
    waiting = [state]
    while waiting:
        for after in NEXT[waiting.pop()].values():
            if after not in found:
                found.add(after)
                waiting.append(after)
    return [each for each in AGREEMENT_STATES if each in found and each != state]


def transitions_sql() -> str:
    """The condition under which the database refuses that `old.state` becomes `new.state`."""
    allowed = ",\n        ".join(f"('{state}', '{after}')" for state in AGREEMENT_STATES for after in reachable(state))
    return f"old.state <> new.state and (old.state, new.state) not in (\n        {allowed})"
