"""A second factor in a real browser: set up with the app's code, asked for at log-in, and what one's own account shows."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsers import COUNTER, PHONE, Windows
from tests.e2e.hands import (
    confirm_payment,
    desk_log_in,
    enter_pin,
    expect_balance,
    expect_result,
    fill,
    scan_text,
    tap,
    wallet_log_in,
)
from tests.e2e.product import PASSWORD, Product
from tongbao.identity.totp_codes import RECOVERY_CODES, code_of, step_at

pytestmark = pytest.mark.browser

ANOTHER = "another few words"


class App:
    """An authenticator app that was shown a page. Each code is asked for once: the next is of the next step."""

    def __init__(self, page: Page) -> None:
        told = page.get_by_test_id("qr").get_attribute("data-text") or ""
        assert told.startswith("otpauth://totp/Tongbao")
        secret = told.partition("secret=")[2].partition("&")[0]
        expect(page.get_by_test_id("totp-secret")).to_contain_text(secret)
        self._secret = base64.b32decode(secret)
        self._last = 0

    def code(self) -> str:
        self._last = max(self._last + 1, step_at(datetime.now(UTC)))
        return code_of(self._secret, self._last)

    def wrong(self) -> str:
        near = {code_of(self._secret, step_at(datetime.now(UTC)) + late) for late in range(-3, 4)}
        return next(digits for digits in ("000000", "111111", "222222", "333333", "444444") if digits not in near)


def set_up(page: Page) -> tuple[App, list[str]]:
    """From the page that offers it; the app and the recovery codes."""
    tap(page, "totp-begin")
    fill(page, "totp-password", "not this one")
    tap(page, "totp-next")
    expect(page.get_by_test_id("totp").get_by_text("账号或密码不正确").or_(page.get_by_text("is not right"))).to_be_visible()
    fill(page, "totp-password", PASSWORD)
    tap(page, "totp-next")
    expect(page.get_by_test_id("totp-code")).to_be_visible()
    app = App(page)
    fill(page, "totp-code", app.wrong())
    tap(page, "totp-confirm")
    expect(page.get_by_test_id("totp-code")).to_have_attribute("aria-invalid", "true")
    fill(page, "totp-code", app.code())
    tap(page, "totp-confirm")
    rows = page.get_by_test_id("recovery-code")
    expect(rows).to_have_count(RECOVERY_CODES)
    codes = rows.all_text_contents()
    tap(page, "recovery-kept")
    expect(page.get_by_test_id("totp")).to_have_attribute("data-on", "true")
    return app, codes


def second_step(page: Page, app: App, code: str) -> None:
    """From the question for the code, past a wrong one."""
    expect(page.get_by_test_id("second-step")).to_be_visible()
    fill(page, "second-code", app.wrong())
    tap(page, "second-submit")
    expect(page.get_by_test_id("second-code")).to_have_attribute("aria-invalid", "true")
    fill(page, "second-code", code)
    tap(page, "second-submit")


def test_a_wallet_is_opened_with_the_password_and_the_apps_code(product: Product, windows: Windows) -> None:
    person = product.customer("何十二")
    phone = windows.open("/wallet/", "zh", PHONE)
    wallet_log_in(phone, person)
    phone.goto("/wallet/me/security")
    tap(phone, "security-app")
    app, codes = set_up(phone)
    phone.goto("/wallet/me/security/password")
    fill(phone, "password-old", PASSWORD)
    fill(phone, "password-new", ANOTHER)
    tap(phone, "password-save")
    fill(phone, "password-code", codes[0])
    tap(phone, "password-save")
    expect(phone.get_by_test_id("password-code")).to_have_count(0)
    other = windows.open("/wallet/login", "en", PHONE)
    fill(other, "login-login", person.login)
    fill(other, "login-password", ANOTHER)
    tap(other, "login-submit")
    second_step(other, app, app.code())
    expect_balance(other, "100.00")
    scan_text(other, product.order(1_200).text)
    confirm_payment(other)
    expect_result(other, "paid")
    other.goto("/wallet/me/security/app")
    tap(other, "totp-remove")
    fill(other, "totp-sheet-password", ANOTHER)
    fill(other, "totp-sheet-code", codes[1])
    tap(other, "totp-go")
    expect(other.get_by_test_id("totp")).to_have_attribute("data-on", "false")


def test_where_two_factors_are_wanted_the_app_and_the_pin_confirm(product: Product, windows: Windows) -> None:
    """The law's answer is made up here; what it leads to, and what is then sent, is not."""
    phone = windows.open("/wallet/", "en", PHONE)
    wallet_log_in(phone, product.customer("施十四"))
    phone.goto("/wallet/me/security/app")
    app, _ = set_up(phone)
    said = (
        '{"error":{"code":"stronger_confirmation_needed","message":"Stronger.","messages":{"zh":"x","en":"x"},"family":"decline",'
        '"money_moved":false,"retryable":false,"detail":{"strength":"medium","citation":"x"},"request_id":"x"}}'
    )
    phone.route(
        "**/confirm", lambda route: route.fulfill(status=422, content_type="application/json", body=said), times=1
    )  # fmt: skip
    phone.goto("/wallet/")
    scan_text(phone, product.order(1_200).text)
    confirm_payment(phone)
    expect_result(phone, "failed")
    tap(phone, "result-step")
    fill(phone, "confirm-code", app.code())
    enter_pin(phone)
    expect_result(phone, "paid")


def test_an_operator_sets_up_an_app_and_sees_their_own_account(product: Product, windows: Windows) -> None:
    login = product.operator("third@example.com")
    desk = windows.open("/console/login", "zh", COUNTER)
    desk_log_in(desk, login)
    expect(desk.get_by_test_id("nav-bare")).to_be_visible()
    tap(desk, "nav-account")
    expect(desk.get_by_test_id("second-factor-note")).to_have_attribute("data-rule", "warn")
    app, codes = set_up(desk)
    expect(desk.get_by_test_id("second-factor-note")).to_have_count(0)
    expect(desk.get_by_test_id("nav-bare")).to_have_count(0)
    elsewhere = windows.open("/console/login", "en", PHONE)
    fill(elsewhere, "login-login", login)
    fill(elsewhere, "login-password", PASSWORD)
    tap(elsewhere, "login-submit")
    second_step(elsewhere, app, codes[0])
    expect(elsewhere.get_by_test_id("second-step")).to_have_count(0)
    desk.reload()
    expect(desk.get_by_test_id("login-row")).to_have_count(2)
    expect(desk.locator("[data-testid=own-alert][data-kind=recovery_code_used]")).to_have_count(1)
    desk.get_by_test_id("login-end").click()
    expect(desk.locator("[data-testid=login-row][data-live=true]")).to_have_count(1)
    elsewhere.goto("/console/account")
    expect(elsewhere.get_by_test_id("login-submit")).to_be_visible()
    fill(desk, "own-password-old", PASSWORD)
    fill(desk, "own-password-new", ANOTHER)
    tap(desk, "own-password-save")
    fill(desk, "own-password-code", codes[1])
    tap(desk, "own-password-save")
    expect(desk.locator("[data-testid=own-alert][data-kind=password_changed]")).to_have_count(1)


def test_a_member_of_staff_has_an_account_of_their_own(product: Product, windows: Windows) -> None:
    till = windows.open("/merchant/login", "en", PHONE)
    desk_log_in(till, product.owner_login)
    till.goto("/merchant/me")
    tap(till, "me-account")
    expect(till.get_by_test_id("own-account")).to_be_visible()
    expect(till.locator("[data-testid=login-row][data-current=true]")).to_have_count(1)
    expect(till.get_by_test_id("totp")).to_have_attribute("data-on", "false")
