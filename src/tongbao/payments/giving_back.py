"""What goes back to the sources that a payment drew on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from msgspec.structs import replace

from tongbao.engine.api import Key, View
from tongbao.kernel.errors import InvariantBroken
from tongbao.ledger.api import Leg
from tongbao.payments.funding import Draw, drawn, refund_shares, source_keys, source_of
from tongbao.payments.funding_types import CARD_REQUEST, FUNDING, CardRequest, Funding, Part, giving_back_id_of
from tongbao.payments.types import Payment


class Shares(NamedTuple):
    """Where a refund goes: its credit legs, and of it what is on its way to a card."""

    legs: list[Leg]
    to_card_minor: int


def funding_keys(payment_id: UUID, parts: Sequence[Part]) -> list[Key]:
    """The rows of a payment's parts; the first in any case, which says whether there are such."""
    return [Key(FUNDING, (payment_id, number)) for number in range(1, max(1, len(parts)) + 1)]


def giving_back_keys(
    payment_id: UUID, payer_id: UUID, merchant_id: UUID, currency: str, parts: Sequence[Part], cause_id: UUID
) -> list[Key]:
    """The rows that giving back to these parts for a cause (see `giving_back_id_of`) needs."""
    draws = drawn(parts, payer_id, merchant_id, currency, cause_id)
    asked = [Key(CARD_REQUEST, giving_back_id_of(cause_id))] if parts else []
    return [*funding_keys(payment_id, parts), *asked, *source_keys(draws, holds=False)]


def parts_taken(view: View, payment_id: UUID, parts: Sequence[Part]) -> list[Funding]:
    """The parts that a payment took; none where it took all from the balance. What a command says of them must be so: its keys
    followed from that."""
    first = view.get(FUNDING, (payment_id, 1))
    count = first.parts if first is not None and first.state == "TAKEN" else 0
    if count != len(parts):
        raise InvariantBroken("a command names other parts than its payment has")
    rows = [view.need(FUNDING, (payment_id, number)) for number in range(1, count + 1)]
    if [row.part for row in rows] != list(parts):
        raise InvariantBroken("a command names other parts than its payment has")
    return rows


def draws_of(payment: Payment, payer_id: UUID, rows: Sequence[Funding]) -> list[Draw]:
    """The parts with whose they are."""
    return [Draw(row.part, payer_id, payment.merchant_id, payment.currency, row.attempt_id) for row in rows]


def give_back(
    view: View,
    now: datetime,
    payment: Payment,
    payer_id: UUID,
    rows: Sequence[Funding],
    amount_minor: int,
    cause_id: UUID,
    refund_id: UUID | None,
) -> Shares:
    """Divide what goes back, note it with the parts, and have the network asked for a card's share."""
    shares = refund_shares([(row.part, row.refunded_minor) for row in rows], amount_minor)
    legs: list[Leg] = []
    to_card = 0
    for row, draw, share in zip(rows, draws_of(payment, payer_id, rows), shares, strict=True):
        if not share:
            continue
        legs += source_of(draw).given_back(draw, share)
        view.put(FUNDING, replace(row, refunded_minor=row.refunded_minor + share))
        if row.source == "card":
            to_card = share
            ask_card_back(view, now, payment, payer_id, row, share, cause_id, refund_id)
    return Shares(legs, to_card)


def ask_card_back(
    view: View,
    now: datetime,
    payment: Payment,
    payer_id: UUID,
    row: Funding,
    amount_minor: int,
    cause_id: UUID,
    refund_id: UUID | None,
) -> None:
    """Have the network asked to give so much back to the card of a part."""
    view.put(
        CARD_REQUEST,
        CardRequest(
            giving_back_id_of(cause_id), "refund", payment.payment_id, payer_id, payment.merchant_id, UUID(row.which),
            row.attempt_id, refund_id, amount_minor, payment.currency, "ASKED", "", "", "", 0, now, None, now, None,
        ),
    )  # fmt: skip
