"""Paying from several sources in a real browser: shown before it is agreed to, changed, refused by a card, and waited for."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsers import COUNTER, PHONE, Windows
from tests.e2e.hands import confirm_payment, desk_log_in, expect_balance, expect_result, scan_text, tap, wallet_log_in
from tests.e2e.product import Product

pytestmark = pytest.mark.browser


def drawn(page: Page) -> list[str]:
    """What the review says that each source gives."""
    expect(page.get_by_test_id("sources")).to_be_visible()
    return [" ".join(text.split()) for text in page.get_by_test_id("source-part").all_inner_texts()]


def test_sources_are_shown_changed_refused_and_waited_for(windows: Windows, product: Product) -> None:
    person = product.customer("多源", 400)
    product.pay(product.customer("东家", 10_000), 5_000, refund_minor=100)  # so that the shop can issue a coupon
    product.voucher(person, "noodles", 100)
    first, second = product.bind(person), product.bind(person, "credit", "622576")
    phone = windows.open("/wallet/", "zh", PHONE)
    wallet_log_in(phone, person)

    order = product.order(1_000)
    scan_text(phone, order.text)
    assert drawn(phone) == ["面券 ¥1.00", "余额 ¥4.00", f"招商银行 {first} ¥5.00"]
    tap(phone, "sources-change")
    phone.locator('[data-testid="source-choice"][data-source="voucher"]').click()
    phone.get_by_test_id("source-choice").filter(has_text=second).click()
    tap(phone, "sources-done")
    assert drawn(phone) == ["余额 ¥4.00", f"招商银行 {second} ¥6.00"]
    confirm_payment(phone)
    expect_result(phone, "paid")
    expect(phone.get_by_test_id("part")).to_have_count(2)
    tap(phone, "result-done")
    expect_balance(phone, "0.00")

    # The card refuses: nothing was taken, and the other card is offered.
    product.refuse_next_card(6_051)
    refused = product.order(6_151)
    scan_text(phone, refused.text)
    assert drawn(phone) == ["面券 ¥1.00", f"招商银行 {first} ¥60.51"]
    confirm_payment(phone)
    expect_result(phone, "failed")
    expect(phone.get_by_test_id("result-code")).to_contain_text("card_insufficient")
    tap(phone, "result-again")
    assert drawn(phone) == ["面券 ¥1.00", f"招商银行 {second} ¥60.51"]

    # Its answer is lost: not paid, to the customer nor at the till, until the bank was asked what became of it.
    till = windows.open("/merchant/login", "zh", COUNTER)
    desk_log_in(till, product.owner_login)
    waited = product.order(702)
    product.lose_next_card(702)
    till.goto(f"/merchant/collect/{waited.out_trade_no}")
    expect(till.get_by_test_id("order-countdown")).to_be_visible()
    phone.goto("/wallet/")
    scan_text(phone, waited.text)
    phone.locator("[data-testid=sources-change]").click()
    phone.locator('[data-testid="source-choice"][data-source="voucher"]').click()
    tap(phone, "sources-done")
    confirm_payment(phone)
    expect(phone.get_by_test_id("asking-bank")).to_be_visible(timeout=20_000)
    expect(till.get_by_test_id("order-asking-bank")).to_contain_text("先不要交付")
    expect(till.get_by_test_id("order-received")).to_have_count(0)
    phone.reload()
    expect_result(phone, "paid")
    expect(till.get_by_test_id("received-amount")).to_contain_text("7.02")
