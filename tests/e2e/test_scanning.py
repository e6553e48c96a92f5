"""The ways a wallet takes a code in, besides pasted text, and what it says of codes that cannot be paid."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Playwright, expect

from tests.e2e.browsers import COUNTER, PHONE, Language, Windows, chromium
from tests.e2e.hands import (
    collect,
    confirm_payment,
    desk_log_in,
    expect_balance,
    expect_result,
    fill,
    go_home,
    scan_text,
    tap,
    wallet_log_in,
)  # fmt: skip
from tests.e2e.pictures import film, picture_of_code
from tests.e2e.product import SHOP, STORE, Product

pytestmark = pytest.mark.browser


def test_a_picture_of_the_code_is_read(product: Product, windows: Windows) -> None:
    phone = _wallet(product, windows, "zh")
    picture = _code_at_till(product, windows, "12.34")
    tap(phone, "action-scan")
    expect(phone.get_by_test_id("scan-no-camera")).to_be_visible()
    phone.get_by_test_id("scan-file").set_input_files({"name": "code.png", "mimeType": "image/png", "buffer": picture})
    expect(phone.get_by_test_id("review-name")).to_have_text(SHOP)
    expect(phone.get_by_test_id("review-amount")).to_contain_text("12.34")
    confirm_payment(phone)
    expect_result(phone, "paid", "付款成功")


def test_a_picture_without_a_code_says_so(product: Product, windows: Windows) -> None:
    phone = _wallet(product, windows, "en")
    tap(phone, "action-scan")
    picture = phone.get_by_test_id("scan-window").screenshot()
    phone.get_by_test_id("scan-file").set_input_files({"name": "none.png", "mimeType": "image/png", "buffer": picture})
    expect(phone.get_by_text("No code was found in that picture").first).to_be_visible()


def test_the_camera_reads_the_code(product: Product, windows: Windows, playwright_program: Playwright, tmp_path: Path) -> None:
    reel = tmp_path / "code.mjpeg"
    film(_code_at_till(product, windows, "23.45"), reel)
    camera = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", f"--use-file-for-fake-video-capture={reel}")
    with chromium(playwright_program, *camera) as browser:
        seeing = Windows(browser, product.url)
        phone = _wallet(product, seeing, "en")
        tap(phone, "action-scan")
        expect(phone.get_by_test_id("review-name")).to_have_text(SHOP)
        expect(phone.get_by_test_id("review-amount")).to_contain_text("23.45")
        confirm_payment(phone)
        expect_result(phone, "paid", "Paid")
        assert seeing.troubles == []


def test_a_printed_code_asks_for_the_amount(product: Product, windows: Windows) -> None:
    phone = _wallet(product, windows, "zh")
    scan_text(phone, product.store_code())
    expect(phone.get_by_test_id("static-merchant")).to_have_text(SHOP)
    expect(phone.get_by_text(STORE)).to_be_visible()
    fill(phone, "amount-input", "12.5")
    tap(phone, "amount-next")
    expect(phone.get_by_test_id("review-amount")).to_contain_text("12.50")
    confirm_payment(phone)
    expect_result(phone, "paid", "付款成功")
    go_home(phone)
    expect_balance(phone, "87.50")


@pytest.mark.parametrize(
    ("language", "text", "scheme", "title"),
    [
        ("zh", "https://qr.alipay.com/fkx123456789", "alipay", "这是支付宝的二维码"),
        ("en", "wxp://f2f0abcdefgh", "wechat", "A code of WeChat Pay"),
    ],
    ids=["alipay", "wechat"],
)
def test_another_scheme_is_named(
    product: Product, windows: Windows, language: Language, text: str, scheme: str, title: str
) -> None:
    phone = _wallet(product, windows, language)
    scan_text(phone, text)
    foreign = phone.get_by_test_id("scan-foreign")
    expect(foreign).to_have_attribute("data-scheme", scheme)
    expect(foreign).to_contain_text(title)
    expect(foreign).to_contain_text({"zh": "资金未变动。", "en": "No money moved."}[language])


@pytest.mark.parametrize(("language", "says"), [("zh", "已过期"), ("en", "has expired")], ids=["zh", "en"])
def test_an_expired_code_says_that_no_money_moved(product: Product, windows: Windows, language: Language, says: str) -> None:
    phone = _wallet(product, windows, language)
    scan_text(phone, product.order(990, late=True).text)
    expect(phone.get_by_role("alert")).to_contain_text(says)
    expect(phone.get_by_role("alert")).to_contain_text({"zh": "资金未变动", "en": "No money moved"}[language])
    expect(phone.get_by_test_id("pay-confirm")).to_have_count(0)
    tap(phone, "scan-again")
    assert urlsplit(phone.url).path == "/wallet/scan"


def test_an_order_that_the_shop_cancelled_cannot_be_paid(product: Product, windows: Windows) -> None:
    till = windows.open("/merchant/", "zh", COUNTER)
    desk_log_in(till, product.owner_login)
    text = collect(till, "5.00")
    tap(till, "order-cancel")
    expect(till.get_by_test_id("order-closed")).to_be_visible()
    phone = _wallet(product, windows, "zh")
    scan_text(phone, text)
    expect_result(phone, "failed", "这笔订单已关闭")
    expect(phone.get_by_test_id("pay-confirm")).to_have_count(0)


def test_a_paid_order_is_not_paid_twice(product: Product, windows: Windows) -> None:
    phone = _wallet(product, windows, "en")
    order = product.order(1_000)
    scan_text(phone, order.text)
    confirm_payment(phone)
    expect_result(phone, "paid", "Paid")
    go_home(phone)
    scan_text(phone, order.text)
    expect_result(phone, "paid", "This order is paid already")
    tap(phone, "result-home")
    expect_balance(phone, "90.00")


def _wallet(product: Product, windows: Windows, language: Language) -> Page:
    phone = windows.open("/wallet/", language, PHONE)
    wallet_log_in(phone, product.customer("李雨桐"))
    return phone


def _code_at_till(product: Product, windows: Windows, amount: str) -> bytes:
    till = windows.open("/merchant/", "zh", COUNTER)
    desk_log_in(till, product.owner_login)
    collect(till, amount)
    return picture_of_code(till)
