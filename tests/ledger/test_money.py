"""Money at its edges: what is parsed is what is printed, what is shared adds up, and nothing slips in between."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from tests.support.town import Town, order_id, town
from tongbao.engine.api import MemoryStore
from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import CURRENCIES, MAX_AMOUNT_MINOR, Money, format_minor, parse, places, share_ppm
from tongbao.ledger.api import FEES, MERCHANT_BALANCE
from tongbao.payments.types import PAYMENT

steady = settings(derandomize=True, database=None, deadline=None, max_examples=300)
currencies = st.sampled_from(sorted(CURRENCIES))
amounts = st.integers(1, MAX_AMOUNT_MINOR)


@steady
@given(amounts, currencies)
def test_what_is_printed_is_parsed_back(minor: int, currency: str) -> None:
    assert parse(format_minor(minor, currency), currency) == Money(minor, currency)


@steady
@given(st.integers(-(2**70), 2**70), currencies)
def test_what_is_printed_is_the_exact_decimal_with_all_places(minor: int, currency: str) -> None:
    text = format_minor(minor, currency)
    assert Decimal(text) == Decimal(minor).scaleb(-places(currency))
    assert len(text.partition(".")[2]) == places(currency)


@steady
@given(st.integers(0, 10**17), st.integers(0, 10**6 - 1), st.integers(1, 6), currencies)
def test_a_decimal_is_taken_exactly_or_not_at_all(whole: int, fraction: int, digits: int, currency: str) -> None:
    text = f"{whole}.{fraction % 10**digits:0{digits}d}"
    exact = Decimal(text).scaleb(places(currency))
    try:
        money = parse(text, currency)
    except Refusal as refusal:
        expected = {
            "amount_precision": digits > places(currency),
            "amount_too_large": exact > MAX_AMOUNT_MINOR,
            "amount_not_positive": exact == 0,
        }
        assert expected[refusal.code.name]
    else:
        assert money.minor == exact and 0 < money.minor <= MAX_AMOUNT_MINOR


@steady
@given(st.one_of(st.text(max_size=12), st.text("0123456789.-+e, ", max_size=12)), currencies)
def test_no_text_whatever_ends_in_anything_but_money_or_a_refusal(text: str, currency: str) -> None:
    try:
        minor = parse(text, currency).minor
    except Refusal:
        return
    assert Decimal(text).scaleb(places(currency)) == minor


@pytest.mark.parametrize(
    ("text", "currency", "expected"),
    [
        ("0.01", "CNY", 1),
        ("12.5", "CNY", 1250),
        ("1", "CNY", 100),
        ("10000000000000.00", "CNY", MAX_AMOUNT_MINOR),
        ("1", "JPY", 1),
        ("1.234", "KWD", 1234),
        ("1.234", "CNY", "amount_precision"),
        ("1.000", "CNY", "amount_precision"),
        ("1.0", "JPY", "amount_precision"),
        ("1.2345", "KWD", "amount_precision"),
        ("10000000000000.01", "CNY", "amount_too_large"),
        ("999999999999999999", "CNY", "amount_too_large"),
        ("9" * 19, "CNY", "amount_malformed"),
        ("9" * 5000, "CNY", "amount_malformed"),
        ("1.0000000", "CNY", "amount_malformed"),
        ("0", "CNY", "amount_not_positive"),
        ("0.00", "CNY", "amount_not_positive"),
        ("-1", "CNY", "amount_not_positive"),
        ("-0.01", "CNY", "amount_not_positive"),
        ("", "CNY", "amount_malformed"),
        ("+1", "CNY", "amount_malformed"),
        ("01", "CNY", "amount_malformed"),
        (".5", "CNY", "amount_malformed"),
        ("5.", "CNY", "amount_malformed"),
        ("1e3", "CNY", "amount_malformed"),
        ("1,000", "CNY", "amount_malformed"),
        ("1_000", "CNY", "amount_malformed"),
        (" 1", "CNY", "amount_malformed"),
        ("1\n", "CNY", "amount_malformed"),
        ("NaN", "CNY", "amount_malformed"),
        ("١٢", "CNY", "amount_malformed"),
        ("１２", "CNY", "amount_malformed"),
        ("1", "XXX", "currency_unknown"),
        ("1", "cny", "currency_unknown"),
        ("bad", "XXX", "currency_unknown"),
    ],
)
def test_amounts_from_text(text: str, currency: str, expected: int | str) -> None:
    if isinstance(expected, int):
        assert parse(text, currency) == Money(expected, currency)
        return
    with pytest.raises(Refusal) as refused:
        parse(text, currency)
    assert refused.value.code.name == expected


def test_currencies_never_mix() -> None:
    yuan, yen = Money(1, "CNY"), Money(1, "JPY")
    for mixed in (lambda: yuan + yen, lambda: yuan - yen, lambda: yuan < yen):
        with pytest.raises(TypeError):
            mixed()
    assert yuan != yen and yuan + yuan == Money(2, "CNY") and -yuan == Money(-1, "CNY") and yuan - yuan < yuan


@steady
@given(st.integers(0, MAX_AMOUNT_MINOR), st.integers(0, 10**6))
def test_a_share_is_the_nearest_whole_unit_and_never_more_than_the_whole(minor: int, ppm: int) -> None:
    share, exact = share_ppm(minor, ppm), Fraction(minor * ppm, 10**6)
    assert -Fraction(1, 2) < share - exact <= Fraction(1, 2)
    assert 0 <= share <= minor
    assert share_ppm(minor, 0) == 0 and share_ppm(minor, 10**6) == minor


# ── a payment given back in pieces ──────────────────────────────────────────────────────────────────────────────────────


async def _balances(place: Town, store: MemoryStore) -> dict[str, int]:
    return {
        account.code: account.posted_minor
        for account in store.tables.rows["account_master"].values()
        if account.code in ("2001", "2101", "4001")
    }


@settings(steady, max_examples=60)
@given(st.integers(1, 3000), st.integers(0, 100_000), st.lists(st.integers(1, 900), max_size=12))
async def test_a_payment_refunded_in_any_pieces_costs_nobody_anything(amount: int, fee_ppm: int, pieces: list[int]) -> None:
    store = MemoryStore()
    async with town(store) as place:
        payer, merchant = await place.customer(amount), await place.merchant(fee_ppm)
        before = await _balances(place, store)
        await place.happens(place.paying_at_once(merchant, "order", payer, amount))
        fee = share_ppm(amount, fee_ppm)
        after = await _balances(place, store)
        assert (after.get(MERCHANT_BALANCE.code, 0), after.get(FEES.code, 0)) == (amount - fee, fee)
        left = amount
        for number, piece in enumerate([*pieces, amount]):
            piece = min(piece, left)
            if not piece:
                break
            await place.happens(place.refunding(merchant, "order", payer, f"refund-{number}", piece))
            left -= piece
            payment = store.tables.table(PAYMENT)[order_id(merchant, "order")]
            # In proportion, to within one unit, at every step.
            assert payment.refunded_minor == amount - left
            assert 0 <= Fraction(fee * (amount - left), amount) - payment.fee_returned_minor < 1
        assert left == 0 and payment.fee_returned_minor == fee
        ended = await _balances(place, store)
        assert {code: ended.get(code, 0) for code in ("2001", "2101", "4001")} == {
            code: before.get(code, 0) for code in ("2001", "2101", "4001")
        }
