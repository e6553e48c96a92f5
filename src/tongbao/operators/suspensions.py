"""Suspending a customer: nothing more may be paid from their wallet, until a day or until two operators lift it.

    none ─one operator, why─▶ suspended ─its time is over─▶ ended
                                  └─two operators, why─▶ ended        and may be suspended again

Stopping takes one, for a thief does not wait; letting go takes two. In the customer's standing it is the reason "operator", which
the rules read at every payment (`rules.assess` declines `account_suspended`). Two operators also lift "dormant", having seen anew
who it is. What a customer reported themselves only their own recovery lifts (`identity.takeover`), a document that ended only
another one.

Source: Yinfa [2016] 261, 6 (identity is verified anew before a dormant account goes on).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, Relation, View
from tongbao.identity.standing import STANDING, Standing, reasons, standing_of, with_reason, without_reason
from tongbao.identity.types import PRINCIPAL
from tongbao.operators import errors
from tongbao.operators.permissions import Permission
from tongbao.operators.rules import permitted

Why = Literal["fraud", "aml", "court", "deceased", "misuse", "customer"]
Liftable = Literal["operator", "dormant"]

#: The reason in a standing.
BY_OPERATOR: Liftable = "operator"
DORMANT: Liftable = "dormant"
LONGEST = timedelta(days=366)


class Suspension(msgspec.Struct, frozen=True, gc=False):
    """A customer's suspension that is in force, or the last that was. `until` null: until it is lifted. `ended_by` null once it
    has ended: its time was over; otherwise who proposed and who approved that it be lifted."""

    customer_id: UUID
    why: str
    text: str
    suspended_by: UUID
    suspended_at: datetime
    until: datetime | None
    ended_at: datetime | None
    ended_by: UUID | None
    approved_by: UUID | None
    ended_text: str


SUSPENSION: Relation[Suspension] = Relation("suspension", Suspension, key=("customer_id",), rank=187)


class SuspendCustomer(Command, frozen=True, kw_only=True):
    """Let nothing be paid from a customer's wallet."""

    kind = "operators.suspend"
    customer_id: UUID
    why: Why
    text: str
    until: datetime | None
    by: UUID


class LiftSuspension(Command, frozen=True, kw_only=True):
    """Two operators lift a suspension. `suspended_at`: of the one that they read, where it is an operator's."""

    kind = "operators.lift_suspension"
    customer_id: UUID
    reason: Liftable
    suspended_at: datetime | None
    text: str
    by: UUID
    approved_by: UUID


class EndSuspension(Command, frozen=True, kw_only=True):
    """The time of a suspension is over."""

    kind = "operators.end_suspension"
    customer_id: UUID


def suspend(command: SuspendCustomer, view: View, now: datetime) -> Decision:
    """Declines `operator_not_found`, `not_permitted`, `customer_not_found`, `already_suspended`, `suspension_too_long`."""
    if refused := permitted(view, command.by, Permission.SUSPEND):
        return refused
    customer = view.get(PRINCIPAL, command.customer_id)
    if customer is None or customer.audience != "wallet":
        return Declined(errors.CUSTOMER_NOT_FOUND)
    standing = standing_of(view, command.customer_id, customer.created_at)
    if BY_OPERATOR in reasons(standing.suspended):
        return Declined(errors.ALREADY_SUSPENDED)
    if command.until is not None and not now < command.until <= now + LONGEST:
        return Declined(errors.SUSPENSION_TOO_LONG)
    view.put(STANDING, replace(standing, suspended=with_reason(standing.suspended, BY_OPERATOR)))
    view.put(
        SUSPENSION,
        Suspension(command.customer_id, command.why, command.text, command.by, now, command.until, None, None, None, ""),
    )
    view.emit(f"customer:{command.customer_id}", "account.suspended", {"reason": BY_OPERATOR})
    return Accepted()


def lift(command: LiftSuspension, view: View, now: datetime) -> Decision:
    """Declines `not_suspended`: also where another suspension took the place of the one that was read."""
    standing = view.get(STANDING, command.customer_id)
    if standing is None or command.reason not in reasons(standing.suspended):
        return Declined(errors.NOT_SUSPENDED)
    if command.reason == BY_OPERATOR:
        suspension = view.need(SUSPENSION, command.customer_id)
        if suspension.suspended_at != command.suspended_at:
            return Declined(errors.NOT_SUSPENDED)
        ended = replace(suspension, ended_at=now, ended_by=command.by, approved_by=command.approved_by, ended_text=command.text)
        view.put(SUSPENSION, ended)
    else:  # two operators have seen anew who it is
        standing = replace(standing, verified_at=now)
    _freed(view, standing, command.reason)
    return Accepted()


def end(command: EndSuspension, view: View, now: datetime) -> Decision:
    """Never declines; does nothing unless its time is over."""
    suspension, standing = view.get(SUSPENSION, command.customer_id), view.get(STANDING, command.customer_id)
    if suspension is None or standing is None or suspension.ended_at is not None:
        return Accepted()
    if suspension.until is None or now < suspension.until:
        return Accepted()
    view.put(SUSPENSION, replace(suspension, ended_at=now))
    _freed(view, standing, BY_OPERATOR)
    return Accepted()


def _freed(view: View, standing: Standing, reason: Liftable) -> None:
    view.put(STANDING, replace(standing, suspended=without_reason(standing.suspended, reason)))
    view.emit(f"customer:{standing.customer_id}", "account.freed", {"reason": reason})


DECIDERS = (
    Decider(
        SuspendCustomer,
        lambda command: [
            *(Key(PRINCIPAL, each) for each in {command.by, command.customer_id}),
            Key(STANDING, command.customer_id),
            Key(SUSPENSION, command.customer_id),
        ],
        suspend,
    ),
    Decider(LiftSuspension, lambda command: [Key(STANDING, command.customer_id), Key(SUSPENSION, command.customer_id)], lift),
    Decider(EndSuspension, lambda command: [Key(STANDING, command.customer_id), Key(SUSPENSION, command.customer_id)], end),
)
