"""Agreements and small payments in a real browser: read, signed, debited, paused, stopped, revoked; switched on and off."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.authenticator import Authenticator
from tests.e2e.browsers import COUNTER, PHONE, Language, Windows
from tests.e2e.hands import add_passkey, expect_balance, fill, scan_text, tap, wallet_log_in
from tests.e2e.product import Product

pytestmark = pytest.mark.browser


def picture(page: Page, name: str) -> None:
    """For whoever wants to look: TONGBAO_PICTURES names a folder."""
    if folder := os.environ.get("TONGBAO_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.mark.parametrize(("language", "size"), [("zh", PHONE), ("en", COUNTER)])
def test_an_agreement_is_signed_debited_paused_and_revoked(
    product: Product, windows: Windows, language: Language, size: tuple[int, int]
) -> None:
    phone, named = windows.open("/wallet/", language, size), f"{language}-{size[0]}"
    wallet_log_in(phone, product.customer("张小明"))
    Authenticator(phone)
    add_passkey(phone)
    phone.goto("/wallet/me/agreements")
    expect(phone.get_by_test_id("agreements-empty")).to_be_visible()
    picture(phone, f"{named}-empty")
    number, link = product.agreement()
    assert product.debit(number, 3_000) == "agreement_not_signed"
    phone.goto("/wallet/")
    scan_text(phone, link)
    expect(phone.get_by_test_id("review-amount")).to_contain_text("30.00")
    picture(phone, f"{named}-sign")
    tap(phone, "agreement-lower")
    fill(phone, "agreement-per-debit", "20.00")
    picture(phone, f"{named}-lower")
    tap(phone, "agreement-save")
    tap(phone, "confirm-passkey")
    state = phone.get_by_test_id("agreement-state")
    expect(state).to_have_attribute("data-state", "ACTIVE")
    assert product.debit(number, 2_001) == "debit_exceeds_cap"
    assert product.debit(number, 2_000) == "TAKEN"
    assert product.debit(number, 500, notice=True) == "NOTICED"
    phone.reload()
    rows = phone.get_by_test_id("debit-row")
    expect(rows).to_have_count(2)
    picture(phone, f"{named}-agreement")
    tap(phone, "debit-stop")
    expect(rows.first).to_have_attribute("data-state", "STOPPED")
    tap(phone, "agreement-pause")
    expect(state).to_have_attribute("data-state", "PAUSED")
    assert product.debit(number, 100) == "agreement_paused"
    tap(phone, "agreement-resume")
    expect(state).to_have_attribute("data-state", "ACTIVE")
    phone.goto("/wallet/me/agreements")
    expect(phone.get_by_test_id("agreement-row")).to_have_attribute("data-state", "ACTIVE")
    picture(phone, f"{named}-list")
    tap(phone, "agreement-row")
    tap(phone, "agreement-revoke")
    picture(phone, f"{named}-revoke")
    tap(phone, "agreement-revoke-confirm")
    expect(state).to_have_attribute("data-state", "ENDED")
    assert product.debit(number, 100) == "agreement_ended"
    phone.goto("/wallet/")
    expect_balance(phone, "80.00")


def test_small_payments_are_switched_on_lowered_and_switched_off(product: Product, windows: Windows) -> None:
    phone = windows.open("/wallet/", "zh", PHONE)
    wallet_log_in(phone, product.customer("李丽"))
    Authenticator(phone)
    add_passkey(phone)
    phone.goto("/wallet/me/small-payments")
    fill(phone, "small-per-payment", "200")
    fill(phone, "small-per-day", "100")
    tap(phone, "small-save")
    expect(phone.get_by_text("每日不低于单笔")).to_be_visible()
    fill(phone, "small-per-day", "500")
    picture(phone, "small")
    tap(phone, "small-save")
    tap(phone, "confirm-passkey")
    expect(phone.get_by_test_id("small-used")).to_contain_text("500.00")
    fill(phone, "small-per-payment", "100")
    with phone.expect_response(lambda answer: answer.request.method == "PUT" and answer.ok):
        tap(phone, "small-save")
    expect(phone.get_by_test_id("confirm-passkey")).to_have_count(0)
    phone.goto("/wallet/me/agreements")
    expect(phone.get_by_test_id("small-row")).to_contain_text("100.00")
    tap(phone, "small-row")
    picture(phone, "small-on")
    tap(phone, "small-off")
    expect(phone.get_by_test_id("small-off")).to_have_count(0)
