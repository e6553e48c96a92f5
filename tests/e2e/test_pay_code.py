"""The payer's code in the wallet: bound, made without a network, read at a till, asked about."""

from __future__ import annotations

import io

import zxingcpp
from PIL import Image, ImageFilter
from playwright.sync_api import Page, expect

from tests.e2e.authenticator import Authenticator
from tests.e2e.browsers import COUNTER, PHONE, Windows
from tests.e2e.hands import add_passkey, desk_log_in, enter_pin, expect_balance, expect_result, fill, key_in, tap, wallet_log_in
from tests.e2e.product import Product


def digits(page: Page) -> str:
    """The code that the page shows."""
    card = page.get_by_test_id("pay-code")
    expect(card).to_be_visible()
    return card.get_attribute("data-digits") or ""


def photographed(page: Page, part: str, turned: float, blurred: float) -> str:
    """What a till's camera reads of a part of the page, held askew and not quite sharp."""
    with Image.open(io.BytesIO(page.get_by_test_id("pay-code").get_by_test_id(part).screenshot(scale="device"))) as sharp:
        large = sharp.convert("L").resize((sharp.width * 3, sharp.height * 3))
    picture = large.rotate(turned, expand=True, fillcolor=255).filter(ImageFilter.GaussianBlur(blurred))
    (found,) = zxingcpp.read_barcodes(picture)
    return found.text


def test_the_code_needs_no_network_and_a_larger_sum_is_confirmed_on_the_phone(windows: Windows, product: Product) -> None:
    person = product.customer("付款人", 20_000)
    phone = windows.open("/wallet/", "zh", PHONE)
    Authenticator(phone)
    wallet_log_in(phone, person)
    add_passkey(phone)
    phone.goto("/wallet/me/small-payments")
    fill(phone, "small-per-payment", "50")
    fill(phone, "small-per-day", "90")
    tap(phone, "small-save")
    tap(phone, "confirm-passkey")
    expect(phone.get_by_test_id("small-off")).to_be_visible()

    phone.goto("/wallet/")
    tap(phone, "action-code")
    tap(phone, "code-set-up")
    tap(phone, "confirm-by-pin")
    enter_pin(phone)
    digits(phone)
    phone.evaluate("navigator.serviceWorker.ready.then(() => true)")

    phone.context.set_offline(True)
    phone.reload()
    first = digits(phone)
    expect(phone.get_by_test_id("code-offline")).to_be_visible()
    tap(phone, "code-another")
    expect(phone.get_by_test_id("pay-code")).not_to_have_attribute("data-digits", first)
    shown = digits(phone)
    assert photographed(phone, "barcode", 4, 1.5) == shown
    assert photographed(phone, "qr", 27, 3) == shown
    assert product.till(shown, 2_000) == "PAID"
    phone.context.set_offline(False)
    expect_result(phone, "paid")

    tap(phone, "code-continue")
    expect(phone.get_by_test_id("pay-code")).not_to_have_attribute("data-digits", shown)
    till = windows.open("/merchant/login", "zh", COUNTER)
    desk_log_in(till, product.owner_login)
    key_in(till, "60")
    tap(till, "collect-shown")
    fill(till, "shown-digits", "134567890123456789")
    tap(till, "shown-submit")
    expect(till.get_by_test_id("shown-foreign")).to_have_attribute("data-scheme", "wechat")
    fill(till, "shown-digits", digits(phone))
    tap(till, "shown-submit")
    expect(till.get_by_test_id("order-asked")).to_be_visible()
    expect(phone.get_by_test_id("ask")).to_contain_text("60.00")
    tap(phone, "ask-confirm")
    tap(phone, "confirm-passkey")
    expect_result(phone, "paid")
    expect(till.get_by_test_id("received-amount")).to_contain_text("60.00")
    tap(phone, "result-done")
    expect_balance(phone, "120.00")

    phone.goto("/wallet/me/security/instruments")
    tap(phone, "instrument-row")
    tap(phone, "instrument-revoke")
    expect(phone.get_by_test_id("instrument-row")).to_have_count(0)
    phone.goto("/wallet/code")
    expect(phone.get_by_test_id("code-set-up")).to_be_visible()
