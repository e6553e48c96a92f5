"""Where refunds went: to which source how much of each, told from what was decided when they were made.

Which part of a refund went where is not written down, for it follows: `refund_shares` divides each in its turn, and the network's
answers say what became of a card's share.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from tongbao.payments.funding import refund_shares
from tongbao.payments.funding_types import CardRequestState, Funding, Part
from tongbao.payments.types import Payment, Refund

Arrival = Literal["PENDING", "ARRIVED", "TO_BALANCE"]

_ARRIVAL: dict[CardRequestState, Arrival] = {"ASKED": "PENDING", "SUCCEEDED": "ARRIVED", "REFUSED": "TO_BALANCE"}


class CardReturn(msgspec.Struct, frozen=True):
    """What the network was asked to give back, and what became of it."""

    request_id: UUID
    refund_id: UUID | None
    amount_minor: int
    state: CardRequestState
    asked_at: datetime
    finished_at: datetime | None
    debit_id: UUID


class GoingBack(msgspec.Struct, frozen=True):
    """So much of one refund to one source; `refund_id` None: the payment was undone as a whole."""

    refund_id: UUID | None
    part: Part
    amount_minor: int
    state: Arrival
    at: datetime


def going_back(
    payment: Payment, parts: Sequence[Funding], refunds: Sequence[Refund], returned: Sequence[CardReturn]
) -> list[GoingBack]:
    """What went back of a payment, the first refund first. `refunds` in the order in which they were made; `returned`: what the
    network was asked for because of them."""
    asked = {each.refund_id: each for each in returned if each.debit_id == parts[0].attempt_id}
    given = [0] * len(parts)
    found: list[GoingBack] = []
    causes: list[tuple[UUID | None, int, datetime]] = [(each.refund_id, each.amount_minor, each.at) for each in refunds]
    if payment.state == "REVERSED":
        causes.append(
            (None, payment.paid_minor - sum(each.amount_minor for each in refunds), payment.closed_at or payment.created_at)
        )
    for refund_id, amount_minor, at in causes:
        shares = refund_shares([(row.part, gone) for row, gone in zip(parts, given, strict=True)], amount_minor)
        for index, (row, share) in enumerate(zip(parts, shares, strict=True)):
            if not share:
                continue
            given[index] += share
            network = asked.get(refund_id) if row.source == "card" else None
            state: Arrival = "ARRIVED" if network is None else _ARRIVAL[network.state]
            when = at if network is None else network.finished_at or network.asked_at
            found.append(GoingBack(refund_id, row.part, share, state, when))
    return found
