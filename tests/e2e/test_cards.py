"""Bank cards in a real browser: recognised while typed, bound by the issuer's code, put in order, unbound."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsers import PHONE, Windows
from tests.e2e.hands import enter_pin, fill, tap, wallet_log_in
from tests.e2e.product import Person, Product
from tongbao.channels.api import Card

pytestmark = pytest.mark.browser


def bind(phone: Page, product: Product, person: Person, card: Card) -> None:
    """From the form to the list with the card in it; a customer's phone is that of their real name."""
    phone.get_by_test_id("card-number").press_sequentially(card.number)
    expect(phone.get_by_test_id("card-number")).to_have_value(" ".join(card.number[at : at + 4] for at in range(0, 16, 4)))
    if card.kind == "credit":
        phone.get_by_test_id("card-expiry").press_sequentially(card.expiry)
        expect(phone.get_by_test_id("card-expiry")).to_have_value(f"{card.expiry[:2]}/{card.expiry[2:]}")
        fill(phone, "card-cvn2", card.cvn2)
    tap(phone, "card-submit")
    enter_pin(phone)
    expect(phone.get_by_test_id("card-code-form")).to_contain_text(card.number[-4:])
    expect(phone.locator("body")).not_to_contain_text(card.number)
    fill(phone, "card-code", product.bank_code(person))
    tap(phone, "card-confirm")
    expect(phone.get_by_test_id("card").filter(has_text=card.number[-4:])).to_be_visible()


def test_cards_are_bound_while_their_bank_is_recognised_ordered_and_unbound(product: Product, windows: Windows) -> None:
    person = product.customer("冯十一")
    debit, credit = product.card(person, "debit"), product.card(person, "credit", "622576")
    phone = windows.open("/wallet/", "zh", PHONE)
    wallet_log_in(phone, person)
    tap(phone, "tab-me")
    tap(phone, "me-cards")
    expect(phone.get_by_test_id("cards-none")).to_be_visible()

    tap(phone, "card-add")
    phone.get_by_test_id("card-number").press_sequentially("62148")
    expect(phone.get_by_test_id("card-bank")).to_have_text("银联卡")
    phone.get_by_test_id("card-number").press_sequentially("3")
    expect(phone.get_by_test_id("card-bank")).to_have_text("招商银行 · 储蓄卡")
    tap(phone, "card-submit")
    expect(phone.get_by_test_id("card-form")).to_contain_text("还差 10 位")
    fill(phone, "card-number", debit.number[:-1] + str((int(debit.number[-1]) + 1) % 10))
    tap(phone, "card-submit")
    expect(phone.get_by_test_id("card-form")).to_contain_text("卡号不对")
    fill(phone, "card-number", "")
    bind(phone, product, person, debit)
    tap(phone, "card-add")
    bind(phone, product, person, credit)

    sources = phone.get_by_test_id("source")
    expect(sources).to_have_count(3)
    expect(sources.nth(0)).to_contain_text("余额")
    phone.get_by_test_id("source-down").nth(0).focus()
    phone.keyboard.press("Enter")
    expect(sources.nth(0)).to_contain_text(debit.number[-4:])
    expect(sources.nth(1).get_by_test_id("source-down")).to_be_focused()
    phone.keyboard.press("Enter")
    expect(sources.nth(2)).to_contain_text("余额")
    phone.reload()
    expect(sources.nth(2)).to_contain_text("余额")

    phone.get_by_test_id("card").filter(has_text=debit.number[-4:]).get_by_test_id("card-remove").click()
    tap(phone, "card-remove-confirm")
    expect(phone.get_by_test_id("card")).to_have_count(1)
    expect(sources).to_have_count(2)


def test_a_card_of_somebody_else_is_refused_without_a_reason_and_what_was_typed_is_forgotten(
    product: Product, windows: Windows
) -> None:
    person, other = product.customer("陈十二"), product.stranger("卫十三")
    card = product.card(other, "credit", "622576")
    phone = windows.open("/wallet/", "en", PHONE)
    wallet_log_in(phone, person)
    phone.goto("/wallet/cards/new")
    phone.get_by_test_id("card-number").press_sequentially(card.number)
    expect(phone.get_by_test_id("card-bank")).to_have_text("China Merchants Bank · Credit card")
    phone.get_by_test_id("card-expiry").press_sequentially("1329")
    tap(phone, "card-submit")
    expect(phone.get_by_test_id("card-form")).to_contain_text("Month and year as on the card")
    fill(phone, "card-expiry", "11/29")
    fill(phone, "card-cvn2", card.cvn2)
    tap(phone, "card-submit")
    enter_pin(phone)
    expect(phone.get_by_test_id("card-binding")).to_have_attribute("data-state", "REFUSED")
    tap(phone, "card-anew")
    expect(phone.get_by_test_id("card-number")).to_have_value("")
    expect(phone.get_by_test_id("card-cvn2")).to_have_count(0)
