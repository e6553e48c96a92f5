"""The story of `tongbao smoke` told with clicks: a wallet on a phone and a till on a counter side by side, in both languages."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsers import COUNTER, PHONE, Language, Windows
from tests.e2e.hands import (
    choose,
    collect,
    confirm_payment,
    desk_log_in,
    enter_pin,
    expect_balance,
    expect_result,
    fill,
    go_home,
    register,
    scan_text,
    tap,
    top_up,
    verify,
)  # fmt: skip
from tests.e2e.product import SHOP, Product

pytestmark = pytest.mark.browser


class Words(NamedTuple):
    """What the pages must say."""

    paid: str
    transferred: str
    topped_up: str
    withdrawn: str
    received: str
    refunded: str
    balanced: str


WORDS: dict[Language, Words] = {
    "zh": Words("付款成功", "转账成功", "充值成功", "提现成功", "已收款", "已退款 ¥10.00", "平衡"),
    "en": Words("Paid", "Transferred", "Topped up", "Withdrawn", "Received", "Refunded ¥10.00", "Balanced"),
}


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_whole_story_in_clicks(product: Product, windows: Windows, language: Language) -> None:
    says = WORDS[language]
    a, b = product.stranger("张小明"), product.stranger("Alice Chen", email=True)
    phone = windows.open("/wallet/", language, PHONE)
    till = windows.open("/merchant/", language, COUNTER)
    other = windows.open("/wallet/", language, PHONE)

    for page, person in ((phone, a), (other, b)):
        register(page, person)
        verify(page, product, person)
        top_up(page, person, "200", link=product)
        expect_result(page, "paid", says.topped_up)
        go_home(page)
        expect_balance(page, "200.00")

    _transfer(other, a.login, "33.30", "面钱 · noodles")
    expect_result(other, "paid", says.transferred)
    go_home(other)
    expect_balance(other, "166.70")

    desk_log_in(till, product.owner_login)
    code = collect(till, "36.75")
    till.evaluate("window.openedAt = performance.timeOrigin")
    scan_text(phone, code)
    expect(phone.get_by_test_id("review-name")).to_have_text(SHOP)
    expect(phone.get_by_test_id("review-amount")).to_contain_text("36.75")
    confirm_payment(phone)
    expect_result(phone, "paid", says.paid)
    received = till.get_by_test_id("order-received")
    expect(received).to_be_visible(timeout=1_000)
    expect(received.get_by_role("heading", level=1)).to_have_text(says.received)
    expect(till.get_by_test_id("received-amount")).to_contain_text("36.75")
    assert till.evaluate("window.openedAt === performance.timeOrigin"), "the till was not reloaded"
    go_home(phone)
    expect_balance(phone, "196.55")

    order_no = _refund(till, "10", says.refunded)
    _see_bills(phone)
    _withdraw(other, "20")
    expect_result(other, "paid", says.withdrawn)
    go_home(other)
    expect_balance(other, "146.70")

    console = windows.open("/console/", language, COUNTER)
    desk_log_in(console, product.operator_login)
    _look_into(console, order_no, says)


def _transfer(page: Page, login: str, amount: str, note: str) -> None:
    tap(page, "action-transfer")
    fill(page, "payee-login", login)
    tap(page, "payee-find")
    expect(page.get_by_test_id("payee-name")).to_have_text("测*员")  # as verified: what they call themselves deceives nobody
    fill(page, "amount-input", amount)
    fill(page, "transfer-note", note)
    tap(page, "amount-next")
    expect(page.get_by_text(note)).to_be_visible()
    tap(page, "transfer-confirm")
    enter_pin(page)


def _refund(till: Page, amount: str, done: str) -> str:
    """Part of the order on the screen; answers its number."""
    tap(till, "order-view")
    tap(till, "detail-refund")
    choose(till, "refund-kind-partial")
    fill(till, "refund-amount", amount)
    fill(till, "refund-reason", "少了一份 · one short")
    tap(till, "refund-next")
    tap(till, "refund-confirm")
    expect(till.get_by_test_id("refund-done").get_by_role("heading")).to_have_text(done)
    tap(till, "refund-close")
    expect(till.get_by_test_id("refund-row")).to_have_count(1)
    expect(till.get_by_test_id("detail-refunded")).to_contain_text("10.00")
    return till.url.rsplit("/", 1)[1].split("?")[0]


def _see_bills(phone: Page) -> None:
    tap(phone, "action-bills")
    rows = phone.get_by_test_id("bill-row")
    expect(rows).to_have_count(4)
    assert [row.get_attribute("data-kind") for row in rows.all()] == ["refund", "payment", "transfer", "topup"]
    expect(rows.first).to_contain_text("+¥10.00")
    rows.nth(1).click()
    detail = phone.get_by_test_id("bill-detail")
    expect(detail).to_have_attribute("data-state", "PARTLY_REFUNDED")
    expect(detail).to_contain_text("36.75")
    expect(phone.get_by_text("少了一份 · one short")).to_be_visible()
    phone.go_back()
    rows.nth(2).click()
    expect(detail).to_contain_text("+¥33.30")
    expect(phone.get_by_text("面钱 · noodles")).to_be_visible()


def _withdraw(page: Page, amount: str) -> None:
    tap(page, "action-withdraw")
    fill(page, "amount-input", amount)
    tap(page, "amount-next")
    tap(page, "withdraw-confirm")
    enter_pin(page)


def _look_into(console: Page, order_no: str, says: Words) -> None:
    tap(console, "nav-payments")
    fill(console, "payments-search", order_no)
    row = console.get_by_test_id("payment-row")
    expect(row).to_have_count(1)
    row.get_by_test_id("payment-link").click()
    expect(console.get_by_test_id("payment-detail")).to_have_attribute("data-state", "PAID")
    expect(console.get_by_test_id("journal")).to_have_count(2)
    expect(console.get_by_test_id("payment-refunds")).to_contain_text("10.00")
    payment_journal = console.get_by_test_id("journal").filter(has_text="36.75").first
    payment_journal.get_by_test_id("journal-link").click()
    expect(console).to_have_url(re.compile("/journals/"))
    entries = console.get_by_test_id("entry-row")
    expect(entries).to_have_count(3)
    for amount in ("36.75", "36.53", "0.22"):
        expect(entries.filter(has_text=amount).first).to_be_visible()

    tap(console, "nav-trial-balance")
    # One for each currency, and for restricted money, of which other tests may have made some.
    expect(console.get_by_test_id("trial-balanced").first).to_have_text(says.balanced)
    for balanced in console.get_by_test_id("trial-balanced").all():
        expect(balanced).to_have_attribute("data-balanced", "true")
    expect(console.get_by_test_id("reserve").first).to_have_attribute("data-equal", "true")

    tap(console, "nav-chain")
    tap(console, "chain-verify")
    expect(console.get_by_test_id("chain-last")).to_have_attribute("data-ok", "true", timeout=30_000)
