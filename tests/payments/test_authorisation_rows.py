"""What authorising, capturing, giving up and undoing leave behind: whole rows, whole bills, whole events."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from msgspec.structs import replace

from tests.identity.safety_situations import recovering
from tests.payments.test_rows import order_of, told
from tests.support.leavings import events, rows
from tests.support.suspending import SUSPEND, Suspend
from tests.support.town import CURRENCY, NOON, RIGHT, Town, order_id, town
from tongbao.app.registry import CHECKS, RELATIONS
from tongbao.engine.api import Declined, MemoryStore, PostgresStore, Sealer
from tongbao.engine.verify import verify
from tongbao.identity.alerts import ALERT
from tongbao.identity.factors import KNOWLEDGE
from tongbao.identity.takeover import DOUBTED_BEFORE, ReportTakeover
from tongbao.kernel.errors import InvariantBroken
from tongbao.ledger.api import ENTRY, HOLD, JOURNAL, REVERSAL, Hold, Reversal
from tongbao.payments.types import AUTHORISATION, CAPTURE, PAYMENT, Authorisation, Capture, LapseAuthorisation, capture_id_of
from tongbao.rules.types import SetCaps
from tongbao.wallet.rules import wallet_of
from tongbao.wallet.types import BILL, Bill

STEP = timedelta(seconds=7)
HOUR = timedelta(hours=1)
MOST = 1150


async def asked(place: Town) -> tuple[UUID, UUID]:
    """A merchant who ordered 10.00 to be authorised, up to 11.50 within the hour, and a customer with 50.00."""
    merchant, payer = await place.merchant(), await place.customer(5000)
    await place.happens(place.ordering(merchant, "order", agreed_minor=MOST, capture_within_s=3600))
    place.clock.advance(STEP)
    return merchant, payer


async def authorised(place: Town) -> tuple[UUID, UUID]:
    merchant, payer = await asked(place)
    await place.happens(place.authorising(merchant, "order", payer))
    place.clock.advance(STEP)
    return merchant, payer


def agreed_to(merchant: UUID, payer: UUID) -> Authorisation:
    return Authorisation(order_id(merchant, "order"), MOST, CURRENCY, 3600, payer, 0, 6, 0, "", NOON + STEP, None)


def told_customer(store: MemoryStore, payer: UUID) -> list[tuple[str, dict[str, Any]]]:
    told_them = events(store, f"customer:{payer}")
    return [(kind, said) for _, kind, said in told_them if "alert" not in kind]


async def test_an_order_that_asks_for_an_authorisation_is_kept_with_it() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant, _ = await asked(place)
    assert rows(store, PAYMENT) == [replace(order_of(merchant), agreed_minor=MOST)]
    nobody = Authorisation(order_id(merchant, "order"), MOST, CURRENCY, 3600, None, 0, 6, 0, "", None, None)
    assert rows(store, AUTHORISATION) == [nobody]


async def test_an_authorised_order_says_who_agreed_and_holds_the_amount_of_it() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant, payer = await asked(place)
        done = await place.happens(place.authorising(merchant, "order", payer))
    by, payment_id = NOON + STEP + HOUR, order_id(merchant, "order")
    assert (done.payment_id, done.factors, done.capture_by) == (payment_id, KNOWLEDGE, by)
    assert rows(store, PAYMENT) == [
        replace(
            order_of(merchant),
            agreed_minor=MOST,
            state="AUTHORISED",
            method="qr",
            payer_id=payer,
            expires_at=by,
            factors=KNOWLEDGE,
        )
    ]
    assert rows(store, AUTHORISATION) == [agreed_to(merchant, payer)]
    wallet = wallet_of(payer, CURRENCY).account_id
    assert rows(store, HOLD) == [Hold(payment_id, wallet, 1000, MOST, 0, "ACTIVE", by + timedelta(days=1), NOON + STEP, None)]
    assert events(store, "merchant")[1:] == [told(merchant, "payment.authorised", "AUTHORISED", "2026-03-01T12:00:07Z")]
    assert [bill for bill in rows(store, BILL) if bill.kind == "payment"] == []


async def test_captures_leave_their_rows_their_fees_their_bills_and_their_events() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant, payer = await authorised(place)
        one = await place.happens(place.taking(merchant, "order", payer, "one", 400))
        between = rows(store, PAYMENT)
        place.clock.advance(STEP)
        two = await place.happens(place.taking(merchant, "order", payer, "two", 750))
    payment_id, first, second = order_id(merchant, "order"), NOON + 2 * STEP, NOON + 3 * STEP
    # 0.06 of 10.00: of 4.00 that is 0.024, of all 11.50 it is 0.069.
    assert rows(store, CAPTURE) == [
        Capture(capture_id_of(payment_id, "one"), payment_id, "one", 400, CURRENCY, 2, False, first, one.journal_id),
        Capture(capture_id_of(payment_id, "two"), payment_id, "two", 750, CURRENCY, 4, True, second, two.journal_id),
    ]
    assert rows(store, AUTHORISATION) == [replace(agreed_to(merchant, payer), captured_minor=MOST, captures=2, ended_at=second)]
    bills = [bill for bill in rows(store, BILL) if bill.kind == "payment"]
    assert bills == [
        Bill(payer, bill.bill_id, "payment", "out", minor, CURRENCY, "merchant", merchant, "牛肉面", b"", at, left, journal,
             payment_id, KNOWLEDGE)
        for bill, minor, at, left, journal in zip(
            bills, (400, 750), (first, second), (4600, 3850), (one.journal_id, two.journal_id), strict=True
        )
    ]  # fmt: skip
    authorised_one = replace(
        order_of(merchant), agreed_minor=MOST, state="AUTHORISED", method="qr", payer_id=payer, expires_at=NOON + STEP + HOUR,
        factors=KNOWLEDGE, paid_minor=400, fee_minor=2, paid_at=first, journal_id=one.journal_id, bill_id=bills[0].bill_id,
    )  # fmt: skip
    assert between == [authorised_one]
    assert rows(store, PAYMENT) == [
        replace(
            authorised_one, state="PAID", paid_minor=MOST, journal_id=two.journal_id, bill_id=bills[1].bill_id, paid_at=second,
            fee_minor=6,
        )
    ]  # fmt: skip
    kinds = {journal.journal_id: (journal.kind, journal.memo) for journal in rows(store, JOURNAL)}
    for journal, moved in ((one.journal_id, [-400, 2, 398]), (two.journal_id, [-750, 4, 746])):
        assert kinds[journal] == ("capture", str(payment_id))
        assert sorted(each.amount_minor for each in rows(store, ENTRY) if each.journal_id == journal) == moved
    assert events(store, "merchant")[2:] == [
        told(merchant, "payment.captured", "AUTHORISED", "2026-03-01T12:00:14Z"),
        told(merchant, "payment.paid", "PAID", "2026-03-01T12:00:21Z"),
    ]
    assert told_customer(store, payer)[-2:] == [
        ("payment.captured", {"payment_id": str(payment_id), "amount_minor": minor, "currency": "CNY"}) for minor in (400, 750)
    ]


@pytest.mark.parametrize("by_time", [False, True])
async def test_an_authorisation_that_is_given_up_or_over_is_closed_and_told(by_time: bool) -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant, payer = await authorised(place)
        if by_time:
            place.clock.advance(HOUR)
        ended = place.lapsing(merchant, "order", payer) if by_time else place.giving_up(merchant, "order", payer)
        at = place.clock.now()
        await place.happens(ended)
    (payment,) = rows(store, PAYMENT)
    assert (payment.state, payment.closed_at, payment.paid_at, payment.paid_minor) == ("VOIDED", at, None, 0)
    assert rows(store, AUTHORISATION) == [replace(agreed_to(merchant, payer), ended_at=at)]
    assert events(store, "merchant")[-1] == told(merchant, "payment.voided", "VOIDED", at.isoformat().replace("+00:00", "Z"))
    assert told_customer(store, payer)[-1] == ("authorisation.ended", {"payment_id": str(payment.payment_id)})


async def test_what_was_taken_before_giving_up_is_paid_and_told() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant, payer = await authorised(place)
        taken = await place.happens(place.taking(merchant, "order", payer, "one", 500))
        at = place.clock.now()
        place.clock.advance(STEP)
        await place.happens(place.giving_up(merchant, "order", payer))
        ended = rows(store, PAYMENT), rows(store, AUTHORISATION)
        place.clock.advance(HOUR)
        await place.happens(place.lapsing(merchant, "order", payer))
        assert (rows(store, PAYMENT), rows(store, AUTHORISATION)) == ended
    (payment,) = rows(store, PAYMENT)
    assert (payment.state, payment.closed_at, payment.paid_at, payment.paid_minor) == ("PAID", None, at, 500)
    assert (payment.fee_minor, payment.journal_id) == (3, taken.journal_id)
    assert events(store, "merchant")[-1] == told(merchant, "payment.paid", "PAID", "2026-03-01T12:00:21Z")


async def test_a_lapse_before_its_time_or_of_somebody_else_changes_nothing() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant, payer = await authorised(place)
        before = rows(store, PAYMENT)
        place.clock.advance(HOUR - STEP - timedelta(microseconds=1))
        await place.happens(place.lapsing(merchant, "order", payer))
        place.clock.advance(timedelta(microseconds=1))
        for wrong in ({"payer_id": place.id()}, {"currency": "USD"}, {"payment_id": place.id()}):
            wish: LapseAuthorisation = replace(place.lapsing(merchant, "order", payer), **wrong)
            assert await place.says(wish) == "payment_not_found"
        assert rows(store, PAYMENT) == before


async def test_a_payment_that_is_undone_leaves_the_exact_opposite_and_is_told() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant, payer = await place.merchant(), await place.customer(1000)
        await place.happens(place.ordering(merchant, "order"))
        paid = await place.happens(place.paying(merchant, "order", payer))
        (before,) = rows(store, PAYMENT)
        place.clock.advance(STEP)
        undone = await place.happens(place.undoing(merchant, "order", payer, paid.journal_id))
    at = NOON + STEP
    assert rows(store, PAYMENT) == [replace(before, state="REVERSED", closed_at=at)]
    assert rows(store, REVERSAL) == [Reversal(paid.journal_id, undone.journal_id, "payments.reverse", at)]
    journal = next(each for each in rows(store, JOURNAL) if each.journal_id == undone.journal_id)
    assert (journal.kind, journal.memo, journal.reverses) == ("payment.reversed", "order", paid.journal_id)
    moved: dict[UUID, dict[UUID, int]] = {}
    for entry in rows(store, ENTRY):
        moved.setdefault(entry.journal_id, {})[entry.account_id] = entry.amount_minor
    assert moved[undone.journal_id] == {account: -minor for account, minor in moved[paid.journal_id].items()}
    bill = rows(store, BILL)[-1]
    assert bill == Bill(
        payer, bill.bill_id, "reversal", "in", 1000, CURRENCY, "merchant", merchant, "牛肉面", b"", at, 1000, undone.journal_id,
        before.payment_id, 0,
    )  # fmt: skip
    assert events(store, "merchant")[-1] == told(merchant, "payment.reversed", "REVERSED", "2026-03-01T12:00:07Z")
    assert told_customer(store, payer)[-1] == ("payment.reversed", {"payment_id": str(before.payment_id)})


async def test_agreeing_to_much_and_a_capture_of_much_are_told_as_large_payments() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant, payer = await place.merchant(), await place.customer(300_000)
        await place.happens(place.ordering(merchant, "order", 150_000, agreed_minor=150_000, capture_within_s=3600))
        await place.happens(place.authorising(merchant, "order", payer, 150_000))
        alert, before = rows(store, ALERT)[-1], len(rows(store, ALERT))
        assert (alert.kind, str(order_id(merchant, "order")) in alert.facts) == ("large_payment", True)
        await place.happens(place.taking(merchant, "order", payer, "one", 99_999))
        assert len(rows(store, ALERT)) == before
        place.clock.advance(STEP)
        await place.happens(place.ordering(merchant, "other", 100_000, agreed_minor=100_000, capture_within_s=3600))
        await place.happens(place.authorising(merchant, "other", payer, 100_000))
        await place.happens(place.taking(merchant, "other", payer, "one", 100_000))
        alert = rows(store, ALERT)[-1]
        assert (len(rows(store, ALERT)), alert.kind) == (before + 2, "large_payment"), "of agreeing, and of the capture"
        assert str(rows(store, BILL)[-1].bill_id) in alert.facts


LIMITED = """
pack = "test"
title = { zh = "试", en = "Test" }
[[rule]]
id = "test.day"
name = { zh = "试", en = "Test" }
law = "Test"
article = "1"
effective_from = 2020-01-01
verified = true
action = "refuse"
metric = "amount"
window = { kind = "day" }
limit = { CNY = "20.00" }
when = { kinds = ["payment"] }
counts = { kinds = ["payment"] }
[[rule]]
id = "test.count"
name = { zh = "试", en = "Test" }
law = "Test"
article = "2"
effective_from = 2020-01-01
verified = true
action = "refuse"
metric = "count"
window = { kind = "day" }
most = 2
when = { kinds = ["payment"] }
counts = { kinds = ["payment"] }
[[rule]]
id = "test.delay"
name = { zh = "试", en = "Test" }
law = "Test"
article = "3"
effective_from = 2020-01-01
verified = true
action = "delay"
delay_hours = 3
metric = "amount"
window = { kind = "transaction" }
limit = { CNY = "15.00" }
"""


@pytest.mark.parametrize(
    ("taken", "fits", "more"),
    [
        (None, 850, 851),  # it waits: 11.50 count
        (0, 1500, 1501),  # given up: nothing counts, and what delays begins at 15.00
        (600, 1400, 1401),  # 6.00 were taken: those count
        (1150, 850, 851),
    ],
)  # fmt: skip
async def test_what_was_not_taken_does_not_count_against_the_limits(taken: int | None, fits: int, more: int) -> None:
    async with town() as place:
        merchant, payer = await authorised_under(place)
        if taken:
            await place.happens(place.taking(merchant, "order", payer, "one", taken, last=True))
        elif taken == 0:
            await place.happens(place.giving_up(merchant, "order", payer))
        too_much = await place.says(place.paying_at_once(merchant, "next", payer, more))
        assert too_much == ("delay_required" if more == 1501 else "limit_reached")
        assert await place.says(place.paying_at_once(merchant, "next", payer, fits)) == "ok"


@pytest.mark.parametrize(("taken", "left"), [(0, 2), (1, 1)])
async def test_an_authorisation_of_which_something_was_taken_counts_as_a_payment(taken: int, left: int) -> None:
    async with town() as place:
        merchant, payer = await authorised_under(place)
        if taken:
            await place.happens(place.taking(merchant, "order", payer, "one", taken))
        await place.happens(place.giving_up(merchant, "order", payer))
        for number in range(left):
            assert await place.says(place.paying_at_once(merchant, f"next-{number}", payer, 1)) == "ok"
        assert await place.says(place.paying_at_once(merchant, "last", payer, 1)) == "limit_reached"


async def test_the_most_and_not_the_amount_is_what_the_rules_look_at() -> None:
    async with town() as place:
        merchant, payer = await authorised_under(place)
        await place.happens(place.giving_up(merchant, "order", payer))
        for most, says in ((1501, "delay_required"), (1500, "ok")):
            number = f"order-{most}"
            await place.happens(place.ordering(merchant, number, 1400, agreed_minor=most, capture_within_s=3600))
            assert await place.says(place.authorising(merchant, number, payer, most)) == says
        await place.happens(place.ordering(merchant, "last", 501, agreed_minor=501, capture_within_s=3600))
        assert await place.says(place.authorising(merchant, "last", payer, 501)) == "limit_reached"


CAPPED = """
pack = "test"
title = { zh = "试", en = "Test" }
[[rule]]
id = "test.merchant.day"
name = { zh = "试", en = "Test" }
law = "Test"
article = "1"
effective_from = 2020-01-01
verified = true
action = "refuse"
metric = "amount"
side = "both"
scope = "merchant"
window = { kind = "day" }
agreed = "daily_amount"
when = { kinds = ["payment"] }
counts = { kinds = ["payment"] }
[[rule]]
id = "test.merchant.count"
name = { zh = "试", en = "Test" }
law = "Test"
article = "2"
effective_from = 2020-01-01
verified = true
action = "refuse"
metric = "count"
side = "both"
scope = "merchant"
window = { kind = "day" }
agreed = "daily_count"
when = { kinds = ["payment"] }
counts = { kinds = ["payment"] }
"""


@pytest.mark.parametrize(
    ("taken", "fits", "payments"),
    [(0, 2000, 3), (600, 1400, 2)],  # what was taken counts, and as one payment
)
async def test_what_was_not_taken_does_not_count_against_a_merchants_caps(taken: int, fits: int, payments: int) -> None:
    async with town() as place:
        merchant, payer = await place.merchant(), await place.customer(9000)
        await place.adopt("none", CAPPED)
        caps: dict[str, int | None] = {"daily_amount": 2000, "daily_count": 3}
        await place.happens(SetCaps(command_id=place.id(), subject_id=merchant, caps=caps, by=place.id(), reason="new"))
        for number in ("one", "two", "three"):
            await place.happens(place.ordering(merchant, number, 1000, agreed_minor=MOST, capture_within_s=3600))
        await place.happens(place.authorising(merchant, "one", payer))
        assert await place.says(place.authorising(merchant, "two", payer)) == "limit_reached"
        await place.happens(place.giving_up(merchant, "one", payer))
        await place.happens(place.authorising(merchant, "two", payer))
        if taken:
            await place.happens(place.taking(merchant, "two", payer, "part", taken, last=True))
        else:
            place.clock.advance(HOUR)
            await place.happens(place.lapsing(merchant, "two", payer))
        assert await place.says(place.paying_at_once(merchant, "next", payer, fits + 1)) == "limit_reached"
        for each in range(payments):
            amount = 1 if each else fits - payments
            assert await place.says(place.paying_at_once(merchant, f"next-{each}", payer, amount)) == "ok"
        assert await place.says(place.paying_at_once(merchant, "last", payer, 1)) == "limit_reached", "in number"


async def test_of_a_suspended_payer_nothing_is_taken_beyond_the_hold() -> None:
    async with town(more=[SUSPEND]) as place:
        merchant, payer = await authorised(place)
        await place.happens(place.taking(merchant, "order", payer, "one", 400))
        await place.happens(Suspend(command_id=place.id(), customer_id=payer))
        refused = (await place.submit(place.taking(merchant, "order", payer, "two", 601))).decision
        assert isinstance(refused, Declined)
        assert (refused.code.name, refused.detail["left_minor"]) == ("capture_exceeds_authorised", 600)
        assert await place.says(place.taking(merchant, "order", payer, "two", 600)) == "ok", "the hold was promised"
        assert await place.says(place.taking(merchant, "order", payer, "three", 1)) == "capture_exceeds_authorised"


@pytest.mark.parametrize(
    ("on_proven_device", "before_the_report", "says"),
    [
        (False, timedelta(seconds=1), "capture_waits"),
        (False, timedelta(days=20), "capture_waits"),
        (True, timedelta(seconds=1), "capture_waits"),
        (True, DOUBTED_BEFORE - timedelta(seconds=1), "capture_waits"),
        (True, DOUBTED_BEFORE, "ok"),
    ],
)
async def test_a_report_puts_in_doubt_what_one_factor_showed_and_whatever_was_agreed_to_in_the_last_day(
    on_proven_device: bool, before_the_report: timedelta, says: str
) -> None:
    async with town() as place:
        merchant, payer = await agreed_for_a_month(place, on_proven_device=on_proven_device)
        place.clock.advance(before_the_report)
        await place.happens(reported(place, payer))
        assert await place.says(place.taking(merchant, "order", payer, "one", 1)) == says


async def test_what_is_in_doubt_stays_so_when_the_account_is_recovered_until_operators_let_it_be_taken() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant, payer = await agreed_for_a_month(place, on_proven_device=True)
        await place.happens(reported(place, payer))
        place.clock.advance(DOUBTED_BEFORE)
        await place.happens(reported(place, payer))
        assert await place.says(place.taking(merchant, "order", payer, "one", 1)) == "capture_waits", (
            "reporting again moves nothing"
        )
        await place.happens(await recovering(place, payer))
        assert await place.says(place.taking(merchant, "order", payer, "two", 1)) == "capture_waits"
        await place.happens(place.trusting(merchant, "order"))
        place.clock.advance(STEP)
        trusted_at = place.clock.now()
        await place.happens(place.trusting(merchant, "order"))
        assert await place.says(place.taking(merchant, "order", payer, "three", 1)) == "ok"
        later = await agreed_for_a_month(place, "later", by=(merchant, payer))
        assert await place.says(place.taking(merchant, "later", payer, "one", 1)) == "ok", "agreed to by who recovered"
    assert later == (merchant, payer)
    assert {row.trusted_at for row in rows(store, AUTHORISATION)} == {trusted_at, None}


async def test_another_report_moves_nothing_out_of_doubt_and_doubts_anew_what_it_is_about() -> None:
    async with town() as place:
        merchant, payer = await agreed_for_a_month(place, "first", on_proven_device=True)
        await agreed_for_a_month(place, "weak", by=(merchant, payer))
        await place.happens(place.trusting(merchant, "weak"))  # before anybody reported anything

        async def reported_and_recovered() -> None:
            await place.happens(reported(place, payer))
            await place.happens(await recovering(place, payer))

        async def taken() -> dict[str, str]:
            return {number: await place.says(place.taking(merchant, number, payer, place.id().hex[:8], 1)) for number in numbers}

        numbers = ["first", "weak"]
        await reported_and_recovered()
        assert await taken() == {"first": "capture_waits", "weak": "capture_waits"}
        place.clock.advance(timedelta(days=2))
        await agreed_for_a_month(place, "between", on_proven_device=True, by=(merchant, payer))
        place.clock.advance(timedelta(days=2))
        await agreed_for_a_month(place, "second", on_proven_device=True, by=(merchant, payer))
        numbers += ["between", "second"]
        waits = {"first": "capture_waits", "weak": "capture_waits", "between": "ok", "second": "capture_waits"}
        await reported_and_recovered()
        assert await taken() == waits
        place.clock.advance(timedelta(hours=20))  # these two reports' days touch
        await reported_and_recovered()
        place.clock.advance(timedelta(days=3))
        await reported_and_recovered()
        assert await taken() == waits
        place.clock.advance(STEP)
        for number in ("first", "weak", "second"):
            await place.happens(place.trusting(merchant, number))
        assert set((await taken()).values()) == {"ok"}
        place.clock.advance(timedelta(days=3))
        await reported_and_recovered()
        assert await taken() == dict.fromkeys(numbers, "ok") | {"weak": "capture_waits"}


async def agreed_for_a_month(
    place: Town, number: str = "order", *, on_proven_device: bool = False, by: tuple[UUID, UUID] | None = None
) -> tuple[UUID, UUID]:
    merchant, payer = by or (await place.merchant(), await place.customer(5000))
    await place.happens(place.ordering(merchant, number, agreed_minor=MOST, capture_within_s=30 * 86_400))
    confirmation = replace(RIGHT, on_device=on_proven_device)
    await place.happens(place.authorising(merchant, number, payer, confirmation=confirmation))
    return merchant, payer


def reported(place: Town, payer: UUID) -> ReportTakeover:
    return ReportTakeover(command_id=place.id(), customer_id=payer, session_ids=())


async def authorised_under(place: Town) -> tuple[UUID, UUID]:
    """As `authorised`, under a limit of 20.00 and two payments a day."""
    merchant, payer = await asked(place)
    await place.adopt("none", LIMITED)
    await place.happens(place.authorising(merchant, "order", payer))
    return merchant, payer


async def test_a_command_that_does_not_fit_its_order_is_a_bug_and_not_a_decline() -> None:
    async with town() as place:
        merchant, payer = await asked(place)
        with pytest.raises(InvariantBroken):
            await place.submit(place.paying(merchant, "order", payer))
        await place.happens(place.ordering(merchant, "now"))
        with pytest.raises(InvariantBroken):
            await place.submit(place.authorising(merchant, "now", payer))
        await place.happens(place.paying(merchant, "now", payer))
        with pytest.raises(InvariantBroken):
            await place.submit(place.undoing(merchant, "now", payer, place.id()))
        await place.happens(place.authorising(merchant, "order", payer))
        with pytest.raises(InvariantBroken):
            await place.submit(place.taking(merchant, "order", payer, "one", 0))


async def test_a_capture_of_too_much_says_how_much_is_left_of_what() -> None:
    async with town() as place:
        merchant, payer = await authorised(place)
        await place.happens(place.taking(merchant, "order", payer, "one", 400))
        decision = (await place.submit(place.taking(merchant, "order", payer, "two", 751))).decision
        assert isinstance(decision, Declined)
        assert decision.detail == {"left_minor": 750, "currency": "CNY"}


async def test_all_of_it_verifies_in_postgresql(database: str) -> None:
    async with town(PostgresStore(database)) as place:
        merchant, payer = await authorised(place)
        await place.happens(place.taking(merchant, "order", payer, "one", 400))
        await place.happens(place.taking(merchant, "order", payer, "two", 100, last=True))
        await place.happens(place.refunding(merchant, "order", payer, "back", 50))
        for number in ("given-up", "open", "over"):
            await place.happens(place.ordering(merchant, number, 500, agreed_minor=500, capture_within_s=60))
            await place.happens(place.authorising(merchant, number, payer, 500))
        await place.happens(place.giving_up(merchant, "given-up", payer))
        await place.happens(place.taking(merchant, "open", payer, "one", 1))
        place.clock.advance(timedelta(seconds=60))
        await place.happens(place.lapsing(merchant, "over", payer))
        await place.happens(place.ordering(merchant, "undone"))
        paid = await place.happens(place.paying(merchant, "undone", payer))
        await place.happens(place.undoing(merchant, "undone", payer, paid.journal_id))
    connection = await asyncpg.connect(database)
    try:
        assert (await verify(connection, RELATIONS, Sealer(), CHECKS)).problem is None
        await connection.execute("set session_replication_role = replica")
        for alteration, says in ALTERATIONS:
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(alteration)
            for check in CHECKS[-1:]:
                with pytest.raises(Exception, match=says):
                    await check(connection)
            await transaction.rollback()
    finally:
        await connection.close()


ALTERATIONS = (
    ("update payment set paid_minor = paid_minor + 1 where out_trade_no = 'order'", "its captures come to"),
    ("update authorisation set fee_minor = fee_minor + 2 where captures = 2", "its captures come to"),
    ("update authorisation set captures = captures + 1 where captures = 2", "its captures come to"),
    ("update capture set amount_minor = amount_minor + 1 where out_capture_no = 'two'", "its captures come to"),
    ("delete from authorisation where captures = 0", "its captures come to"),
    ("update payment set state = 'PAID', closed_at = null where out_trade_no = 'undone'", "undone where its journal is not"),
    ("delete from reversal", "undone where its journal is not"),
    ("update capture set journal_id = gen_random_uuid() where out_capture_no = 'two'", "its journal does not say"),
)
