"""The wallet when things go wrong or people differ: a wrong PIN, a silent bank, no network, large type, no mouse."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsers import PHONE, Language, Windows
from tests.e2e.hands import (
    choose,
    enter_pin,
    expect_balance,
    expect_result,
    go_home,
    scan_text,
    tap,
    top_up,
    wallet_log_in,
)  # fmt: skip
from tests.e2e.product import PIN, SHOP, WRONG_PIN, Product

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("language", "four_left", "three_left"),
    [
        ("zh", "支付密码不正确，还可以尝试 4 次", "支付密码不正确，还可以尝试 3 次"),
        ("en", "That PIN is not right. 4 tries left", "That PIN is not right. 3 tries left"),
    ],
    ids=["zh", "en"],
)
def test_a_wrong_pin_tells_the_tries_left_and_the_right_one_pays(
    product: Product, windows: Windows, language: Language, four_left: str, three_left: str
) -> None:
    phone = windows.open("/wallet/", language, PHONE)
    wallet_log_in(phone, product.customer("张小明"))
    scan_text(phone, product.order(1_200).text)
    tap(phone, "pay-confirm")
    enter_pin(phone, WRONG_PIN)
    pad = phone.get_by_test_id("pin-pad")
    expect(pad.get_by_role("alert")).to_have_text(four_left)
    enter_pin(phone, WRONG_PIN)
    expect(pad.get_by_role("alert")).to_have_text(three_left)
    enter_pin(phone, PIN)
    expect_result(phone, "paid")
    go_home(phone)
    expect_balance(phone, "88.00")


@pytest.mark.parametrize(
    ("language", "asking", "done"),
    [
        ("zh", "我们正在向银行核实，您的资金是安全的。有结果会告诉您。", "充值成功"),
        ("en", "We are asking the bank; your money is safe; we will tell you.", "Topped up"),
    ],
    ids=["zh", "en"],
)
def test_a_top_up_whose_answer_is_lost_is_unknown_and_then_done_by_itself(
    product: Product, windows: Windows, language: Language, asking: str, done: str
) -> None:
    person = product.customer("李雨桐")
    phone = windows.open("/wallet/", language, PHONE)
    wallet_log_in(phone, person)
    product.lose_next_answer(person)
    top_up(phone, person, "15.15")
    expect_result(phone, "unknown")
    expect(phone.get_by_test_id("result")).to_contain_text(asking)
    expect_result(phone, "paid", done)
    go_home(phone)
    expect_balance(phone, "115.15")


def test_a_refund_in_the_bills_is_simply_done(product: Product, windows: Windows) -> None:
    person = product.customer("张小明")
    product.pay(person, 3_675, refund_minor=1_000)
    phone = windows.open("/wallet/", "zh", PHONE)
    wallet_log_in(phone, person)
    rows = phone.get_by_test_id("bill-row")
    expect(rows).to_have_count(3)
    assert "部分退款" in rows.nth(1).inner_text(), "the payment says so"
    assert "部分退款" not in rows.first.inner_text(), "its refund needs no state"


def test_elder_mode_makes_type_larger_by_35_percent(product: Product, windows: Windows) -> None:
    phone = windows.open("/wallet/", "zh", PHONE)
    wallet_log_in(phone, product.customer("张小明"))
    ordinary = _type_sizes(phone)
    tap(phone, "tab-me")
    choose(phone, "elder-on")
    tap(phone, "tab-home")
    expect(phone.get_by_test_id("balance")).to_be_visible()
    large = _type_sizes(phone)
    assert large == pytest.approx([size * 1.35 for size in ordinary], rel=0.001)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    phone.reload()
    expect(phone.get_by_test_id("balance")).to_be_visible()
    assert _type_sizes(phone) == large, "the choice is remembered"


@pytest.mark.parametrize(
    ("language", "says"),
    [("zh", "无法连接服务器，请检查网络。"), ("en", "The server cannot be reached. Check your connection.")],
    ids=["zh", "en"],
)
def test_without_a_network_the_shell_opens_says_so_and_comes_back(
    product: Product, windows: Windows, language: Language, says: str
) -> None:
    phone = windows.open("/wallet/", language, PHONE)
    wallet_log_in(phone, product.customer("张小明"))
    phone.evaluate("navigator.serviceWorker.ready")
    phone.wait_for_function("navigator.serviceWorker.controller !== null")
    phone.context.set_offline(True)
    phone.reload()
    expect(phone.locator("main")).to_contain_text(says)
    expect(phone.get_by_test_id("balance")).to_have_count(0)
    phone.context.set_offline(False)
    expect_balance(phone, "100.00")


def test_a_payment_with_the_keyboard_alone(product: Product, windows: Windows) -> None:
    phone = windows.open("/wallet/", "en", PHONE)
    wallet_log_in(phone, product.customer("Alice Chen"))
    press = phone.keyboard.press
    _tab_to(phone, "action-scan")
    press("Enter")
    expect(phone.get_by_test_id("scan-type")).to_be_visible()
    _tab_to(phone, "scan-type")
    press("Enter")
    expect(phone.get_by_test_id("scan-text-input")).to_be_visible()
    _tab_to(phone, "scan-text-input")
    phone.keyboard.insert_text(product.order(2_500).text)
    _tab_to(phone, "scan-submit")
    press("Enter")
    expect(phone.get_by_test_id("review-name")).to_have_text(SHOP)
    _tab_to(phone, "pay-confirm")
    press("Enter")
    expect(phone.get_by_test_id("pin-pad")).to_be_focused()
    phone.keyboard.type(PIN)
    expect_result(phone, "paid", "Paid")
    _tab_to(phone, "result-done")
    press("Enter")
    expect_balance(phone, "75.00")


def _tab_to(page: Page, name: str) -> None:
    """Press Tab until the focus is there; a person gives up after forty."""
    for _ in range(40):
        if page.evaluate("document.activeElement?.dataset.testid") == name:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {name}")


def _type_sizes(page: Page) -> list[float]:
    """The computed sizes of running text, of the balance and of an action's label, in px."""
    sizes: list[float] = page.evaluate(
        """() => ['body', '.balance .line', '[data-testid=balance] .amount', '[data-testid=tab-home]']
              .map((one) => parseFloat(getComputedStyle(document.querySelector(one)).fontSize))"""
    )
    return sizes
