"""A deposit from the hold to its end: both people see at once what the other did, and what was paid is what was taken."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import expect

from tests.e2e.browsers import COUNTER, PHONE, Windows
from tests.e2e.hands import choose, collect, confirm_payment, desk_log_in, fill, scan_text, tap, wallet_log_in
from tests.e2e.product import Product
from tools.tour import ZONE

pytestmark = pytest.mark.browser

#: Well under the pages' own looking round, so that only an event can have told them.
AT_ONCE_MS = 6_000


def test_a_hold_is_seen_at_the_till_taken_in_part_released_and_undone(product: Product, windows: Windows) -> None:
    till = windows.open("/merchant/", "zh", COUNTER)
    desk_log_in(till, product.owner_login)
    choose(till, "collect-later")
    till.get_by_test_id("collect-most").select_option("15")
    till.get_by_test_id("collect-within").select_option("30")
    text = collect(till, "30.00")
    expect(till.get_by_test_id("order-most")).to_contain_text("34.50")
    phone = windows.open("/wallet/", "zh", PHONE)
    wallet_log_in(phone, product.customer("李雨桐"))
    scan_text(phone, text)
    before = datetime.now(ZONE)
    confirm_payment(phone)
    order = till.get_by_test_id("collect-order")
    expect(order).to_have_attribute("data-state", "AUTHORISED", timeout=AT_ONCE_MS)
    expect(till.get_by_test_id("received-amount")).to_contain_text("30.00")

    tap(till, "order-view")
    detail, sum_ = till.get_by_test_id("order-detail"), till.get_by_test_id("detail-sum")
    elsewhere = windows.open("/merchant/orders", "zh", COUNTER)
    desk_log_in(elsewhere, product.owner_login)
    elsewhere.goto("/merchant/orders")
    row = elsewhere.get_by_test_id("order-row").first
    expect(row).to_have_attribute("data-state", "AUTHORISED")
    expect(till.get_by_test_id("detail-most")).to_contain_text("34.50")
    days = {moment + timedelta(days=30) for moment in (before, datetime.now(ZONE))}  # midnight may lie between
    expect(till.get_by_test_id("detail-capture-by")).to_contain_text(
        re.compile("|".join(f"{day.month}月{day.day}日" for day in days))
    )
    tap(till, "detail-capture")
    fill(till, "capture-amount", "12.5")
    choose(till, "capture-rest-keep")
    tap(till, "capture-confirm")
    expect(till.get_by_test_id("detail-captured")).to_contain_text("12.50")
    expect(sum_).to_contain_text("30.00")

    tap(till, "detail-void")
    tap(till, "undo-confirm")
    expect(detail).to_have_attribute("data-state", "PAID")
    expect(sum_).to_contain_text("12.50")
    expect(row).to_have_attribute("data-state", "PAID", timeout=AT_ONCE_MS)
    expect(row.get_by_test_id("order-row-sum")).to_contain_text("12.50")

    tap(till, "detail-undo")
    tap(till, "undo-confirm")
    expect(detail).to_have_attribute("data-state", "REVERSED")
    expect(sum_).to_contain_text("12.50")
    expect(row).to_have_attribute("data-state", "REVERSED", timeout=AT_ONCE_MS)
