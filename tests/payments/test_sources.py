"""What a payment is drawn on where its payer says nothing, and where refunds are said to have gone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import msgspec
import pytest
from msgspec.structs import replace

from tongbao.kernel.money import parse
from tongbao.payments.funding_types import Funding, Part
from tongbao.payments.going_back import CardReturn, going_back
from tongbao.payments.sources import Offer, chosen_by_default, parts_of
from tongbao.payments.types import Payment, Refund

PLANS: list[dict[str, Any]] = msgspec.json.decode((Path(__file__).parent / "funding_plans.json").read_bytes())
AT = datetime(2026, 11, 22, tzinfo=UTC)
PAYMENT, PAYER, DEBIT, CARD = uuid4(), uuid4(), uuid4(), uuid4()


def minor(amount: str) -> int:
    return parse(amount, "CNY").minor


@pytest.mark.parametrize("plan", PLANS, ids=[plan["says"] for plan in PLANS])
def test_the_default_is_the_one_that_the_wallet_shows(plan: dict[str, Any]) -> None:
    offers = [Offer(source, of, None if has is None else int(has.replace(".", ""))) for source, of, has in plan["offers"]]
    amount = minor(plan["amount"])
    drawn = parts_of(chosen_by_default(offers, amount), amount)
    assert [(each.source, each.which, each.amount_minor) for each in drawn] == [
        (source, of, minor(gives)) for source, of, gives in plan["parts"]
    ]


def parts() -> list[Funding]:
    drawn = (Part("voucher", 100, "tea"), Part("balance", 300), Part("card", 600, str(CARD)))
    return [
        Funding(PAYMENT, number, 3, DEBIT, part.source, part.which, part.amount_minor, "CNY", 0, "TAKEN")
        for number, part in enumerate(drawn, 1)
    ]


def paid(state: str = "PAID", refunded: int = 0) -> Payment:
    return Payment(
        PAYMENT, uuid4(), None, "T1", "面", 1000, 0, "CNY", 6, cast(Any, state), "qr_dynamic", PAYER, 1000, refunded, 0, 0, AT,
        AT + timedelta(minutes=15), AT, None, None, None, 1,
    )  # fmt: skip


def refund(refund_id: UUID, amount: int) -> Refund:
    return Refund(refund_id, PAYMENT, "R", amount, "CNY", 0, "", AT, uuid4())


def returned(refund_id: UUID | None, amount: int, state: str, debit_id: UUID = DEBIT) -> CardReturn:
    return CardReturn(uuid4(), refund_id, amount, cast(Any, state), AT, None if state == "ASKED" else AT, debit_id)


def test_each_refund_says_where_it_went_and_whether_it_is_there() -> None:
    first, second, third = uuid4(), uuid4(), uuid4()
    refunds = [refund(first, 400), refund(second, 400), refund(third, 200)]
    asked = [returned(first, 400, "SUCCEEDED"), returned(second, 200, "ASKED"), returned(None, 600, "SUCCEEDED", uuid4())]
    found = [
        (each.refund_id, each.part.source, each.amount_minor, each.state)
        for each in going_back(paid(refunded=1000), parts(), refunds, asked)
    ]
    assert found == [
        (first, "card", 400, "ARRIVED"),
        (second, "balance", 200, "ARRIVED"),
        (second, "card", 200, "PENDING"),
        (third, "voucher", 100, "ARRIVED"),
        (third, "balance", 100, "ARRIVED"),
    ]


def test_what_a_card_takes_no_more_is_said_to_be_in_the_balance() -> None:
    only = uuid4()
    (one,) = going_back(paid(refunded=600), parts(), [refund(only, 600)], [returned(only, 600, "REFUSED")])
    assert (one.part.source, one.state) == ("card", "TO_BALANCE")


def test_undoing_gives_every_part_back() -> None:
    undone = replace(paid("REVERSED"), closed_at=AT)
    found = going_back(undone, parts(), [], [returned(None, 600, "ASKED")])
    assert [(each.refund_id, each.part.source, each.amount_minor, each.state) for each in found] == [
        (None, "voucher", 100, "ARRIVED"), (None, "balance", 300, "ARRIVED"), (None, "card", 600, "PENDING"),
    ]  # fmt: skip
