"""Where the money of a payment from several sources is, from the wish to the last refund."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from tests.identity.instrument_situations import at_till, bound, shown
from tests.payments.test_authorisation_rows import CAPPED
from tests.payments.test_funding_ladder import BOTH, CARD, OTHER_CARD, asked, frozen, ordered, settled, voucher
from tests.support.leavings import events, rows
from tests.support.town import CURRENCY, NOON, Town, town
from tongbao.engine.api import MemoryStore
from tongbao.identity.instruments import INSTRUMENT
from tongbao.ledger.api import ACCOUNT, JOURNAL
from tongbao.ledger.commands import EndColour
from tongbao.payments.funding import refund_shares
from tongbao.payments.funding_types import CARD_REQUEST, FUNDING, Part, PayInParts, debit_id_of, giving_back_id_of
from tongbao.payments.types import PAYMENT, REFUND
from tongbao.rules.types import USAGE, SetCaps
from tongbao.wallet.rules import wallet_of
from tongbao.wallet.types import BILL

Place = tuple[Town, MemoryStore]


@pytest.fixture
async def here() -> AsyncIterator[Place]:
    store = MemoryStore()
    async with town(store) as place:
        yield place, store


def books(store: MemoryStore) -> dict[str, int]:
    """What each line of the chart has in plain money, credit positive; lines with nothing are left out."""
    sums: dict[str, int] = {}
    for account in rows(store, ACCOUNT):
        if account.currency == CURRENCY:
            sums[account.code] = sums.get(account.code, 0) + account.posted_minor
    assert sum(sums.values()) == 0
    return {code: minor for code, minor in sorted(sums.items()) if minor}


def held(store: MemoryStore, payer: UUID) -> int:
    return store.tables.table(ACCOUNT)[wallet_of(payer, CURRENCY).account_id].held_minor  # type: ignore[no-any-return]


def kinds(store: MemoryStore, topic: str) -> list[str]:
    return [kind for _, kind, _ in events(store, topic)]


def bills(store: MemoryStore) -> list[tuple[str, int, int | None]]:
    """Kind, amount and balance afterwards of every bill but of top-ups."""
    return [(row.kind, row.amount_minor, row.balance_minor) for row in rows(store, BILL) if row.kind != "topup"]


async def test_while_a_card_is_asked_nothing_has_moved_and_the_rest_is_held(here: Place) -> None:
    place, store = here
    before = books(store)
    wish = await asked(place)
    assert books(store) == {"1001": -400, "2001": 400} != before
    assert held(store, wish.payer_id) == 400
    (payment,) = rows(store, PAYMENT)
    assert (payment.state, payment.payer_id, payment.paid_minor, payment.journal_id) == ("UNKNOWN", wish.payer_id, 0, None)
    assert [(row.number, row.parts, row.part, row.state) for row in rows(store, FUNDING)] == [
        (1, 2, BOTH[0], "HELD"), (2, 2, BOTH[1], "HELD"),
    ]  # fmt: skip
    (request,) = rows(store, CARD_REQUEST)
    assert (request.request_id, request.kind, request.state, request.amount_minor) == (
        debit_id_of(wish.command_id), "debit", "ASKED", 600,
    )  # fmt: skip
    assert request.next_attempt_at == NOON + timedelta(seconds=10)
    assert kinds(store, "merchant") == ["payment.created", "payment.pending"]
    told = events(store, "merchant")[-1][2]
    assert set(told) == {"payment_id", "out_trade_no", "amount_minor", "currency", "state", "at"}, "nothing of the payer's card"
    assert bills(store) == []


async def test_a_yes_takes_every_part_in_one_journal(here: Place) -> None:
    place, store = here
    wish = await settled(place)
    # The network owes us what the card paid; the merchant has it all less the fee of six in a thousand.
    assert books(store) == {"1001": -400, "1101": -600, "2101": 994, "4001": 6}
    assert held(store, wish.payer_id) == 0
    (payment,) = rows(store, PAYMENT)
    assert (payment.state, payment.paid_minor, payment.fee_minor) == ("PAID", 1000, 6)
    assert {row.state for row in rows(store, FUNDING)} == {"TAKEN"}
    assert bills(store) == [("payment", 1000, 0)]
    assert kinds(store, "merchant")[-1] == "payment.paid"
    assert kinds(store, f"customer:{wish.payer_id}")[1:] == ["payment.paid"]


async def test_a_no_frees_every_part_and_the_order_is_as_it_was(here: Place) -> None:
    place, store = here
    merchant, payer = await ordered(place)
    before, order = books(store), rows(store, PAYMENT)
    wish = place.paying_in_parts(merchant, "order", payer, BOTH)
    await place.happens(wish)
    await place.happens(place.hearing(wish, "REFUSED", reason="insufficient"))
    assert (books(store), rows(store, PAYMENT), held(store, payer)) == (before, order, 0)
    assert {row.state for row in rows(store, FUNDING)} == {"FREED"}
    (request,) = rows(store, CARD_REQUEST)
    assert (request.state, request.reason, request.next_attempt_at) == ("REFUSED", "insufficient", None)
    assert kinds(store, "merchant")[-1] == "payment.reopened"
    assert kinds(store, f"customer:{payer}")[1:] == ["payment.card_refused"]


async def test_a_payment_without_an_order_that_a_card_refused_is_nobodys_to_pay(here: Place) -> None:
    place, store = here
    merchant, payer = await place.merchant(), await place.customer(400)
    wish = place.paying_in_parts(merchant, "at-once", payer, BOTH, at_once=True)
    await place.happens(wish)
    await place.happens(place.hearing(wish, "REFUSED", reason="risk"))
    assert await place.says(place.paying(merchant, "at-once", await place.customer(1000))) == "order_expired"
    assert rows(store, PAYMENT)[0].method == wish.method


async def test_not_knowing_changes_nothing_but_when_to_ask_again(here: Place) -> None:
    place, store = here
    wish = await asked(place)
    before = (books(store), rows(store, PAYMENT), rows(store, FUNDING), len(events(store)))
    for attempt, wait in enumerate((2, 4, 8), 1):
        await place.happens(place.hearing(wish, "UNKNOWN", retry_in_s=wait))
        (request,) = rows(store, CARD_REQUEST)
        assert (request.attempts, request.next_attempt_at) == (attempt, place.clock.now() + timedelta(seconds=wait))
    assert (books(store), rows(store, PAYMENT), rows(store, FUNDING), len(events(store))) == before


@pytest.mark.parametrize("where", ["payer", "merchant"])
async def test_a_yes_that_cannot_be_used_frees_all_and_goes_back_to_the_card(here: Place, where: str) -> None:
    place, store = here
    wish = await asked(place)
    if where == "payer":
        await place.happens(frozen(place, wish.payer_id))
    else:
        await place.happens(place.paying_at_once(wish.merchant_id, "other", await place.customer(1), 1))
        await place.happens(frozen(place, wish.merchant_id, "2101", credits_too=True))
    before = books(store)
    await place.happens(place.hearing(wish))
    assert books(store) == before | {"1101": -600, "2302": 600}
    assert held(store, wish.payer_id) == 0 and rows(store, PAYMENT)[0].state == "CREATED"
    _, back = rows(store, CARD_REQUEST)
    assert (back.request_id, back.kind, back.debit_id, back.amount_minor, back.state) == (
        giving_back_id_of(debit_id_of(wish.command_id)), "refund", debit_id_of(wish.command_id), 600, "ASKED",
    )  # fmt: skip
    await place.happens(place.hearing_back(wish, debit_id_of(wish.command_id), None))
    assert books(store) == before
    assert [bill for bill in bills(store) if bill[1] != 1] == []


async def test_what_the_network_never_heard_of_is_asked_about_twice_more_and_given_back_should_it_have_happened(
    here: Place,
) -> None:
    place, store = here
    wish = await asked(place)

    def heard() -> tuple[str, timedelta | None]:
        row = rows(store, CARD_REQUEST)[0]
        return row.state, None if row.next_attempt_at is None else row.next_attempt_at - NOON

    await place.happens(place.hearing(wish, "REFUSED", reason="never_arrived"))
    assert heard() == ("REFUSED", timedelta(hours=1))
    place.clock.advance(timedelta(hours=1))
    await place.happens(place.hearing(wish, "UNKNOWN", retry_in_s=4))
    assert heard() == ("REFUSED", timedelta(days=1))
    place.clock.advance(timedelta(hours=23))
    await place.happens(place.hearing(wish, "UNKNOWN", retry_in_s=4))
    assert heard() == ("REFUSED", timedelta(days=1, seconds=60)), "no answer is no answer: asked again"
    place.clock.advance(timedelta(seconds=60))
    await place.happens(place.hearing(wish, "REFUSED", reason="never_arrived"))
    assert heard() == ("REFUSED", None)


async def test_a_yes_after_the_order_was_paid_otherwise_goes_back_to_the_card(here: Place) -> None:
    place, store = here
    wish = await asked(place)
    await place.happens(place.hearing(wish, "REFUSED", reason="never_arrived"))
    other = await place.customer(1000)
    await place.happens(place.paying(wish.merchant_id, "order", other))
    before, paid = books(store), rows(store, PAYMENT)
    await place.happens(place.hearing(wish))
    assert books(store) == before | {"1101": -600, "2302": 600} and rows(store, PAYMENT) == paid
    await place.happens(place.hearing_back(wish, debit_id_of(wish.command_id), None))
    assert books(store) == before and rows(store, PAYMENT) == paid
    # And its refunds are those of a payment from the balance.
    assert await place.says(place.refunding(wish.merchant_id, "order", other, "refund", 1000)) == "ok"


# ── refunds ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

MIXED = (Part("voucher", 300, "lunch"), Part("balance", 200), Part("card", 500, CARD.which))


async def mixed(place: Town) -> PayInParts:
    """An order of 10.00 paid from a voucher, the balance and a card."""
    merchant, payer = await place.merchant(), await place.customer(200)
    await place.happens(place.ordering(merchant, "order"))
    await voucher(place, payer, 300, (merchant,))
    wish = place.paying_in_parts(merchant, "order", payer, MIXED)
    await place.happens(wish)
    await place.happens(place.hearing(wish))
    return wish


@pytest.mark.parametrize(
    ("refunded", "amount", "shares"),
    [
        ((0, 0, 0), 1, [0, 0, 1]),
        ((0, 0, 0), 500, [0, 0, 500]),
        ((0, 0, 0), 501, [0, 1, 500]),
        ((0, 0, 0), 701, [1, 200, 500]),
        ((0, 0, 0), 1000, [300, 200, 500]),
        ((0, 0, 499), 1, [0, 0, 1]),
        ((0, 0, 499), 2, [0, 1, 1]),
        ((0, 200, 500), 300, [300, 0, 0]),
        ((299, 200, 500), 1, [1, 0, 0]),
    ],
)
def test_refunds_go_to_the_card_first_then_to_the_balance_then_to_vouchers(
    refunded: tuple[int, ...], amount: int, shares: list[int]
) -> None:
    assert refund_shares(list(zip(MIXED, refunded, strict=True)), amount) == shares


def of_colour(store: MemoryStore, payer: UUID) -> int:
    return sum(
        account.posted_minor
        for account in rows(store, ACCOUNT)
        if account.owner_id == payer and account.currency == f"{CURRENCY}:lunch"
    )


async def test_a_refund_in_parts_gives_each_source_what_it_gave_and_costs_the_merchant_nothing(here: Place) -> None:
    place, store = here
    wish = await mixed(place)
    paid = {"1001": -500, "1101": -500, "2101": 994, "4001": 6}
    assert books(store) == paid and of_colour(store, wish.payer_id) == 0
    states = []
    for number, minor, left in (
        # the merchant gives back 300 less 1 of the fee, and it is on its way to the card
        ("one", 300, paid | {"2101": 695, "4001": 5, "2302": 300}),
        # 200 to the card, 200 to the balance; of 700 the fee is 4
        ("two", 400, {"1001": -500, "1101": -500, "2001": 200, "2101": 298, "2302": 500, "4001": 2}),
        ("three", 300, {"1001": -500, "1101": -500, "2001": 200, "2302": 500, "2401": 300}),
    ):
        done = await place.happens(place.refunding(wish.merchant_id, "order", wish.payer_id, number, minor, parts=MIXED))
        assert books(store) == left, number
        states.append((done.refund_id, rows(store, REFUND)[-1].state))
    assert [state for _, state in states] == ["PENDING", "PENDING", "SUCCEEDED"]
    assert of_colour(store, wish.payer_id) == 300, "a voucher comes back as what it was"
    assert bills(store)[1:] == [("refund", 200, 200), ("refund", 300, 200)], "what goes to a card has its bill when it arrives"
    for refund_id, state in states[:2]:
        await place.happens(place.hearing_back(wish, refund_id, refund_id))
        assert state == "PENDING"
    assert books(store) == {"1001": -500, "2001": 200, "2401": 300}
    assert {row.state for row in rows(store, REFUND)} == {"SUCCEEDED"}
    assert bills(store)[3:] == [("refund", 300, 200), ("refund", 200, 200)]
    assert kinds(store, "merchant")[-2:] == ["refund.succeeded"] * 2
    assert [row.refunded_minor for row in rows(store, FUNDING)] == [300, 200, 500]
    assert await place.says(place.refunding(wish.merchant_id, "order", wish.payer_id, "four", 1, parts=MIXED)) == (
        "refund_exceeds_paid"
    )


async def test_the_same_refund_again_asks_the_network_once(here: Place) -> None:
    place, store = here
    wish = await mixed(place)
    for _ in range(2):
        await place.happens(place.refunding(wish.merchant_id, "order", wish.payer_id, "one", 300, parts=MIXED))
    assert [row.kind for row in rows(store, CARD_REQUEST)] == ["debit", "refund"]


async def test_what_a_card_takes_no_more_goes_to_its_owners_wallet(here: Place) -> None:
    place, store = here
    wish = await settled(place)
    done = await place.happens(place.refunding(wish.merchant_id, "order", wish.payer_id, "one", 500, parts=BOTH))
    await place.happens(place.hearing_back(wish, done.refund_id, done.refund_id, "REFUSED", reason="card_closed"))
    assert books(store) == {"1001": -400, "1101": -600, "2001": 500, "2101": 497, "4001": 3}
    assert bills(store)[1:] == [("refund", 500, 500)] and rows(store, REFUND)[0].state == "SUCCEEDED"
    assert events(store, f"customer:{wish.payer_id}")[-1][2]["to"] == "wallet"


async def test_what_the_wallet_cannot_take_either_waits(here: Place) -> None:
    place, store = here
    wish = await settled(place)
    done = await place.happens(place.refunding(wish.merchant_id, "order", wish.payer_id, "one", 500, parts=BOTH))
    await place.happens(frozen(place, wish.payer_id, credits_too=True))
    before = books(store)
    await place.happens(place.hearing_back(wish, done.refund_id, done.refund_id, "REFUSED", reason="card_closed"))
    request = rows(store, CARD_REQUEST)[-1]
    assert books(store) == before and rows(store, REFUND)[0].state == "PENDING"
    assert (request.state, request.next_attempt_at) == ("ASKED", NOON + timedelta(hours=1))


async def test_undoing_gives_every_part_back_and_the_network_owes_until_the_card_has_it(here: Place) -> None:
    place, store = here
    wish = await mixed(place)
    journal = rows(store, PAYMENT)[0].journal_id
    assert journal is not None
    await place.happens(place.undoing(wish.merchant_id, "order", wish.payer_id, journal, MIXED))
    assert books(store) == {"1001": -500, "1101": -500, "2001": 200, "2302": 500, "2401": 300}
    assert of_colour(store, wish.payer_id) == 300
    assert (rows(store, PAYMENT)[0].state, bills(store)[1:]) == ("REVERSED", [("reversal", 500, 200)])
    await place.happens(place.hearing_back(wish, wish.payment_id, None))
    assert books(store) == {"1001": -500, "2001": 200, "2401": 300}
    assert bills(store)[2:] == [("reversal", 500, 200)]


async def test_what_is_undone_is_one_journal_of_that_kind() -> None:
    store = MemoryStore()
    async with town(store) as place:
        wish = await mixed(place)
        (journal,) = [each.journal_id for each in rows(store, PAYMENT)]
        assert journal is not None
        await place.happens(place.undoing(wish.merchant_id, "order", wish.payer_id, journal, MIXED))
    assert [each.kind for each in rows(store, JOURNAL)].count("payment.reversed") == 1


async def test_a_voucher_comes_back_though_its_colour_has_ended(here: Place) -> None:
    place, store = here
    wish = await mixed(place)
    await place.happens(EndColour(command_id=place.id(), code="lunch"))
    await place.happens(place.refunding(wish.merchant_id, "order", wish.payer_id, "all", 1000, parts=MIXED))
    assert of_colour(store, wish.payer_id) == 300


async def test_parts_from_inside_alone_are_paid_at_once(here: Place) -> None:
    place, store = here
    merchant, payer = await ordered(place, 700)
    await voucher(place, payer, 300, None)
    wish = place.paying_in_parts(merchant, "order", payer, (Part("voucher", 300, "lunch"), Part("balance", 700)))
    done = await place.happens(wish)
    assert (done.state, done.debit_id) == ("PAID", None)
    assert books(store) == {"1001": -1000, "2101": 994, "4001": 6} and rows(store, CARD_REQUEST) == []


# ── the law ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_a_card_pays_counts_in_no_limit_of_payments_from_the_balance(here: Place) -> None:
    """PBOC announcement 2015 No. 43, Arts. 11 and 24: they are of 余额付款."""
    place, _ = here
    await place.adopt("cn")
    merchant, payer = await place.merchant(), await place.customer(100_000)
    for number in range(3):
        # 900.00 by card and 100.00 from the balance, thrice: of 1,000.00 a day by one factor, 300.00 is used.
        name = f"at-once-{number}"
        parts = (Part("balance", 10_000), Part("card", 90_000, CARD.which))
        wish = place.paying_in_parts(merchant, name, payer, parts, at_once=True)
        assert await place.says(wish) == "ok", name
        await place.happens(place.hearing(wish))
    assert await place.says(place.paying_at_once(merchant, "rest", payer, 70_000)) == "ok"
    assert await place.says(place.paying_at_once(merchant, "more", payer, 1)) == "stronger_confirmation_needed"
    assert await place.says(place.paying_in_parts(merchant, "card", payer, [Part("card", 1, CARD.which)], at_once=True)) == "ok"


async def test_static_codes_are_paid_by_each_card_up_to_its_limit_of_the_day(here: Place) -> None:
    """Yinfa [2017] 296, Art. 12: 500 yuan a day, by the card."""
    place, _ = here
    await place.adopt("cn")
    merchant, payer = await place.merchant(), await place.customer(1)

    async def pays(name: str, card: Part, minor: int) -> str:
        part = Part("card", minor, card.which)
        return await place.says(place.paying_in_parts(merchant, name, payer, [part], at_once=True, method="qr_static"))

    assert await pays("one", CARD, 50_000) == "ok"
    assert await pays("two", CARD, 1) == "limit_reached"
    assert await pays("three", OTHER_CARD, 50_000) == "ok"


async def test_a_no_gives_back_what_was_counted(here: Place) -> None:
    place, store = here
    await place.adopt("cn")
    merchant, payer = await place.merchant(), await place.customer(100_000)
    parts = (Part("balance", 50_000), Part("card", 50_000, CARD.which))

    async def tried(name: str) -> PayInParts:
        wish = place.paying_in_parts(merchant, name, payer, parts, at_once=True, method="qr_static")
        assert await place.says(wish) == "ok", name
        return wish

    # All that may be paid by static codes in a day, from the balance and by this card; three times, for nothing came of it.
    counted = []
    for number in range(3):
        await place.happens(place.hearing(await tried(f"try-{number}"), "REFUSED", reason="insufficient"))
        counted.append([row.counts for row in rows(store, USAGE)])
    assert counted[0] == counted[1] == counted[2]
    await place.happens(place.hearing(await tried("last")))
    more = place.paying_in_parts(merchant, "more", payer, [Part("card", 1, CARD.which)], at_once=True, method="qr_static")
    assert await place.says(more) == "limit_reached"


async def test_a_no_gives_back_what_was_counted_of_the_merchant(here: Place) -> None:
    place, _ = here
    await place.adopt("none", CAPPED.replace('["payment"]', '["payment", "quick_payment"]'))
    merchant, payer, other = await place.merchant(), await place.customer(5000), await place.customer(5000)
    caps: dict[str, int | None] = {"daily_amount": 2000, "daily_count": 1}
    await place.happens(SetCaps(command_id=place.id(), subject_id=merchant, caps=caps, by=place.id(), reason="test"))
    card_alone = (replace(CARD, amount_minor=2000),)
    for number, parts in enumerate([(Part("balance", 1999), replace(CARD, amount_minor=1)), card_alone]):
        wish = place.paying_in_parts(merchant, f"try-{number}", payer, parts, at_once=True)
        await place.happens(wish)
        assert await place.says(place.paying_at_once(merchant, f"meanwhile-{number}", other, 1)) == "limit_reached"
        await place.happens(place.hearing(wish, "REFUSED", reason="insufficient"))
    assert await place.says(place.paying_at_once(merchant, "all", other, 2000)) == "ok"
    assert await place.says(place.paying_at_once(merchant, "more", other, 1)) == "limit_reached"


# In a town of its own, for tests without fixtures are the ones that mutants meet.
@pytest.mark.parametrize(("most", "day", "overnight", "left"), [(0, 1000, False, 300), (0, 1000, True, 300), (0, 0, False, 0)])
async def test_a_no_gives_back_what_was_counted_of_the_instrument_while_its_day_lasts(
    most: int, day: int, overnight: bool, left: int
) -> None:
    store = MemoryStore()
    async with town(store) as place:
        await _a_no_after_a_code(place, store, most, day, overnight, left)


async def _a_no_after_a_code(place: Town, store: MemoryStore, most: int, day: int, overnight: bool, left: int) -> None:
    code, merchant = await bound(place, most=most, day=day), await place.merchant()

    async def by_code(name: str, nonce: int) -> PayInParts:
        parts = (Part("balance", 400), replace(CARD, amount_minor=300))
        wish = place.paying_in_parts(
            merchant, name, code.customer_id, parts, at_once=True, method="qr_payer", confirmation=shown(code, nonce)
        )
        await place.happens(wish)
        return wish

    first = await by_code("first", 1)
    assert store.tables.table(INSTRUMENT)[code.number].spent_minor == (700 if day else 0)
    if overnight:
        place.clock.advance(timedelta(days=1))
    await place.happens(await at_till(place, code, 300, nonce=2, merchant=merchant))
    await place.happens(place.hearing(first, "REFUSED", reason="insufficient"))
    assert store.tables.table(INSTRUMENT)[code.number].spent_minor == left


OF_MERCHANTS = """
pack = "test"
title = { zh = "测试", en = "Test" }
[[rule]]
id = "test.merchant"
name = { zh = "单笔", en = "One payment" }
law = "Test"
article = "1"
effective_from = 2020-01-01
verified = true
action = "refuse"
metric = "amount"
side = "both"
scope = "merchant"
window = { kind = "transaction" }
agreed = "per_payment"
when = { kinds = ["payment", "quick_payment"] }
"""


async def test_a_merchants_limit_of_one_payment_looks_at_the_whole(here: Place) -> None:
    place, _ = here
    await place.adopt("none", OF_MERCHANTS)
    merchant, payer = await ordered(place)
    await place.happens(
        SetCaps(command_id=place.id(), subject_id=merchant, caps={"per_payment": 999}, by=place.id(), reason="test")
    )
    assert await place.says(place.paying_in_parts(merchant, "order", payer, BOTH)) == "limit_reached"
    assert await place.says(place.paying_in_parts(merchant, "less", payer, (Part("balance", 399), CARD), at_once=True)) == "ok"
