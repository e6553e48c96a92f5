"""What keeps a wallet safe, in a real browser: passkeys, certificates, stolen sessions, real names, limits, second thoughts."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect

from tests.e2e.authenticator import Authenticator
from tests.e2e.browsers import PHONE, Windows
from tests.e2e.hands import (
    add_passkey,
    choose,
    confirm_payment,
    enter_pin,
    expect_balance,
    expect_result,
    fill,
    fill_document,
    go_home,
    register,
    scan_text,
    tap,
    wallet_log_in,
)
from tests.e2e.product import PASSWORD, PIN, Person, Product
from tongbao.channels.simulated.people import DEMO_PEOPLE

pytestmark = pytest.mark.browser

#: A request as the wallet itself would make it, with the proof of its device; answers status and body.
_ASK = """async ([method, path, body, key]) => {
  const done = (request) => new Promise((resolve) => { request.onsuccess = () => resolve(request.result) })
  const opening = indexedDB.open('tongbao', 1)
  opening.onupgradeneeded = () => opening.result.createObjectStore('bindings')
  const opened = await done(opening)
  const secret = await done(opened.transaction('bindings').objectStore('bindings').get('wallet'))
  const headers = { 'Content-Type': 'application/json', 'X-Tongbao-App': '1', 'Idempotency-Key': key }
  if (secret) {
    const seconds = Math.floor(Date.now() / 1000)
    const bytes = (text) => new TextEncoder().encode(text)
    const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, '0')).join('')
    const digest = hex(await crypto.subtle.digest('SHA-256', bytes(body ? JSON.stringify(body) : '')))
    const code = await crypto.subtle.sign('HMAC', secret, bytes(`${method}\\n${path}\\n${seconds}\\n${key}\\n${digest}`))
    headers['X-Tongbao-Proof'] = `${seconds}.${hex(code)}`
  }
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) })
  return { status: answer.status, body: await answer.json().catch(() => null) }
}"""


def ask(page: Page, method: str, path: str, body: object, key: str) -> tuple[int, str]:
    """Send it; answers the status and the error's code, if any."""
    answer: dict[str, Any] = page.evaluate(_ASK, [method, path, body, key])
    return answer["status"], ((answer["body"] or {}).get("error") or {}).get("code", "")


def test_a_passkey_is_made_pays_and_logs_in(product: Product, windows: Windows) -> None:
    phone = windows.open("/wallet/", "zh", PHONE)
    person = product.customer("张小明")
    wallet_log_in(phone, person)
    authenticator = Authenticator(phone)
    add_passkey(phone)
    phone.goto("/wallet/")
    scan_text(phone, product.order(1_200).text)
    tap(phone, "pay-confirm")
    tap(phone, "confirm-passkey")
    expect_result(phone, "paid")
    assert authenticator.counter() >= 1
    go_home(phone)
    expect_balance(phone, "88.00")
    tap(phone, "tab-me")
    tap(phone, "logout")
    tap(phone, "logout-confirm")
    tap(phone, "go-login")
    tap(phone, "login-passkey")
    expect_balance(phone, "88.00")


def test_without_the_right_finger_nothing_is_paid_and_the_pin_remains(product: Product, windows: Windows) -> None:
    phone = windows.open("/wallet/", "en", PHONE)
    wallet_log_in(phone, product.customer("李雨桐"))
    authenticator = Authenticator(phone)
    add_passkey(phone)
    authenticator.verifies(False)
    phone.goto("/wallet/")
    scan_text(phone, product.order(1_200).text)
    tap(phone, "pay-confirm")
    tap(phone, "confirm-passkey")
    expect(phone.get_by_role("dialog").get_by_role("alert")).to_contain_text("Not confirmed")
    tap(phone, "confirm-by-pin")
    enter_pin(phone)
    expect_result(phone, "paid")


def test_what_a_passkey_signed_is_good_for_that_payment_and_once(product: Product, windows: Windows) -> None:
    phone = windows.open("/wallet/", "zh", PHONE)
    wallet_log_in(phone, product.customer("王一"))
    Authenticator(phone)
    add_passkey(phone)
    sent: list[Request] = []
    phone.on("request", lambda request: sent.append(request) if request.url.endswith("/confirm") else None)
    phone.goto("/wallet/")
    scan_text(phone, product.order(1_200).text)
    tap(phone, "pay-confirm")
    tap(phone, "confirm-passkey")
    expect_result(phone, "paid")
    (request,) = sent
    path, key = request.url.removeprefix(product.url), request.headers["idempotency-key"]
    body: dict[str, Any] = request.post_data_json or {}
    assert ask(phone, "POST", path, body, key) == (200, ""), "the same request is answered with what came of it"
    go_home(phone)
    expect_balance(phone, "88.00")
    assert ask(phone, "POST", path, body, "another-attempt-1")[1] == "challenge_wrong", "not under another key"
    assert ask(phone, "POST", path, {**body, "amount": "11.00"}, "another-attempt-2")[1] == "challenge_wrong", "nor for less"


def test_a_page_of_another_name_is_not_offered_the_passkey(product: Product, windows: Windows) -> None:
    person = product.customer("赵四")
    phone = windows.open("/wallet/", "en", PHONE)
    wallet_log_in(phone, person)
    Authenticator(phone)
    add_passkey(phone)
    elsewhere = phone.context.new_page()
    elsewhere.goto(product.url.replace("localhost", "127.0.0.1") + "/wallet/login")
    expect(elsewhere.get_by_test_id("login-submit")).to_be_visible()
    expect(elsewhere.get_by_test_id("login-passkey")).to_have_count(0)
    refused = elsewhere.evaluate(
        "navigator.credentials.get({ publicKey: { challenge: new Uint8Array(32), rpId: 'localhost' } }).catch((one) => one.name)"
    )
    assert refused in ("SecurityError", "NotAllowedError")


def test_a_certificate_signs_a_payment_together_with_the_pin(product: Product, windows: Windows) -> None:
    phone = windows.open("/wallet/", "zh", PHONE)
    wallet_log_in(phone, product.customer("孙五"))
    Authenticator(phone)
    add_passkey(phone)
    phone.goto("/wallet/me/security/certificate")
    tap(phone, "certificate-enrol")
    enter_pin(phone)
    expect(phone.get_by_test_id("certificate-row")).to_have_attribute("data-here", "true")
    phone.goto("/wallet/")
    scan_text(phone, product.order(1_200).text)
    tap(phone, "pay-confirm")
    tap(phone, "confirm-by-pin")
    with phone.expect_request("**/confirm") as sent:
        enter_pin(phone)
    body: dict[str, Any] = sent.value.post_data_json or {}
    assert body["confirmation"]["kind"] == "certificate"
    expect_result(phone, "paid")


def test_a_stolen_session_can_neither_pay_nor_change_anything(product: Product, windows: Windows) -> None:
    person = product.customer("周六")
    phone = windows.open("/wallet/", "zh", PHONE)
    wallet_log_in(phone, person)
    thief = windows.open("/wallet/welcome", "zh", PHONE)
    thief.context.add_cookies(phone.context.cookies())  # type: ignore[arg-type] # what one gives the other takes
    assert ask(thief, "GET", "/v1/wallet/me", None, "stolen-session-0") == (200, ""), "it is a session"
    changes = (
        ("POST", "/v1/wallet/pin", {"pin": "975310", "password": PASSWORD}),
        ("POST", "/v1/wallet/passkeys/options", None),
        ("PUT", "/v1/wallet/limits/own", {"limits": {"daily_amount": "1.00"}}),
        ("POST", "/v1/wallet/privacy/erasure", {"pin": PIN}),
        ("DELETE", "/v1/wallet/bank-accounts/00000000-0000-0000-0000-000000000000", None),
    )
    for method, path, body in changes:
        assert ask(thief, method, path, body, "stolen-session-1") == (401, "device_proof_missing"), path
    thief.goto("/wallet/scan")  # the page does not take it for one
    expect(thief.get_by_test_id("login-submit")).to_be_visible()
    phone.reload()
    expect_balance(phone, "100.00")


def test_who_is_not_known_is_led_to_the_real_name_and_then_pays(product: Product, windows: Windows) -> None:
    person = product.customer("吴七", verified=False)
    phone = windows.open("/wallet/", "en", PHONE)
    wallet_log_in(phone, person)
    scan_text(phone, product.order(1_200).text)
    confirm_payment(phone)
    expect_result(phone, "failed")
    expect(phone.get_by_test_id("result-code")).to_contain_text("real_name_needed")
    expect(phone.get_by_test_id("result-money")).to_have_text("No money moved.")
    tap(phone, "result-step")
    fill(phone, "document-name", "吴七")
    fill(phone, "document-number", DEMO_PEOPLE[0].number)  # somebody else's
    fill(phone, "document-expires", "2035-01-01")
    fill(phone, "document-card", person.bank_number)
    tap(phone, "document-send")
    tap(phone, "correct")
    for field, kept in (("name", "吴七"), ("number", DEMO_PEOPLE[0].number), ("card", person.bank_number)):
        expect(phone.get_by_test_id(f"document-{field}")).to_have_value(kept)
    fill_document(phone, person)
    phone.goto("/wallet/")
    scan_text(phone, product.order(1_200).text)
    confirm_payment(phone)
    expect_result(phone, "paid")


def test_a_bank_card_is_linked_under_ones_own_name_by_the_code_that_the_bank_sends(product: Product, windows: Windows) -> None:
    person, other = product.stranger("孙十"), product.stranger("钱多")
    phone = windows.open("/wallet/welcome", "zh", PHONE)
    register(phone, person)
    tap(phone, "action-topup")
    tap(phone, "bank-add")
    tap(phone, "bank-verify")  # nobody links a card who is not known
    fill_document(phone, person)
    fill(phone, "bank-number", other.bank_number)
    tap(phone, "bank-submit")
    enter_pin(phone)
    expect(phone.get_by_test_id("bank-link")).to_have_attribute("data-state", "REFUSED")
    tap(phone, "bank-anew")
    fill(phone, "bank-number", person.bank_number)
    tap(phone, "bank-submit")
    enter_pin(phone)
    expect(phone.get_by_test_id("bank-code")).to_be_visible()
    right = product.bank_code(person)
    fill(phone, "bank-code", f"{(int(right) + 1) % 10**6:06d}")
    tap(phone, "bank-confirm")
    expect(phone.get_by_test_id("bank-code-form")).to_contain_text("还可以试 2 次")
    fill(phone, "bank-code", right)
    tap(phone, "bank-confirm")
    expect(phone.get_by_test_id("bank-choice")).to_be_checked()


def test_a_limit_of_ones_own_holds_at_once_is_shown_and_is_raised_with_time_to_think(product: Product, windows: Windows) -> None:
    phone = windows.open("/wallet/", "en", PHONE)
    wallet_log_in(phone, product.customer("郑八"))
    phone.goto("/wallet/me/limits")
    cap = phone.locator("[data-cap=per_payment]")
    cap.click()
    fill(phone, "cap-input", "10")
    tap(phone, "cap-save")
    expect(cap).to_contain_text("¥10.00")
    phone.goto("/wallet/")
    scan_text(phone, product.order(1_200).text)
    confirm_payment(phone)
    expect_result(phone, "failed")
    law = phone.get_by_test_id("law-limit")
    expect(law).to_have_attribute("data-rule", "house.own.payment")
    expect(law).to_contain_text("¥10.00")
    expect(law).to_contain_text("your own limit")
    tap(phone, "result-step")
    cap.click()
    fill(phone, "cap-input", "20")
    tap(phone, "cap-save")
    enter_pin(phone)
    expect(cap).to_contain_text("From")
    expect(cap).to_contain_text("¥20.00")
    expect(cap).to_contain_text("¥10.00")


def test_a_transfer_that_waits_is_cancelled_and_the_money_is_free(product: Product, windows: Windows) -> None:
    payer, payee = product.customer("钱九"), product.customer("张小明", 1_000)
    phone = windows.open("/wallet/", "zh", PHONE)
    wallet_log_in(phone, payer)
    tap(phone, "action-transfer")
    fill(phone, "payee-login", payee.login)
    tap(phone, "payee-find")
    fill(phone, "amount-input", "33.30")
    choose(phone, "arrival-ordinary")
    tap(phone, "amount-next")
    tap(phone, "transfer-confirm")
    enter_pin(phone)
    expect_result(phone, "waiting")
    tap(phone, "result-receipt")
    expect(phone.get_by_test_id("time-left")).to_contain_text("1 小时")
    tap(phone, "transfer-cancel")
    expect(phone.get_by_test_id("bill-detail")).to_have_attribute("data-state", "CANCELLED")
    expect(phone.get_by_test_id("transfer-waiting")).to_have_count(0)
    phone.goto("/wallet/")
    expect_balance(phone, "100.00")
    expect(phone.get_by_test_id("bill-row").first).to_contain_text("已撤销")


def test_it_was_not_me_stops_payments_until_the_owner_is_back_in(product: Product, windows: Windows) -> None:
    person = product.customer("冯十")
    phone, other = windows.open("/wallet/", "en", PHONE), windows.open("/wallet/", "zh", PHONE)
    wallet_log_in(phone, person)
    wallet_log_in(other, person)
    phone.goto("/wallet/me/security")
    tap(phone, "security-takeover")
    tap(phone, "takeover-go")
    expect(phone.get_by_test_id("takeover-recover")).to_be_visible()
    other.reload()
    expect(other.get_by_test_id("balance")).to_have_count(0)
    phone.goto("/wallet/")
    scan_text(phone, product.order(1_200).text)
    confirm_payment(phone)
    expect_result(phone, "failed")
    expect(phone.get_by_test_id("result-code")).to_contain_text("account_suspended")
    tap(phone, "result-step")
    _recover(phone, product, person, "another few words", pin="")
    fill(phone, "login-login", person.login)
    fill(phone, "login-password", "another few words")
    tap(phone, "login-submit")
    expect_balance(phone, "100.00")
    scan_text(phone, product.order(1_200).text)
    confirm_payment(phone)
    expect_result(phone, "paid")


def test_a_forgotten_password_takes_a_code_and_on_a_strange_device_the_pin(product: Product, windows: Windows) -> None:
    person = product.customer("陈十一")
    stranger = windows.open("/wallet/login", "zh", PHONE)
    tap(stranger, "go-recover")
    _recover(stranger, product, person, "another few words", pin="", done=False)
    expect(stranger.get_by_text("这台设备没有登录过")).to_be_visible()
    code = stranger.get_by_test_id("recover-code").input_value()
    stranger.reload()  # the code in hand is still good; what was typed as a secret is gone
    expect(stranger.get_by_test_id("recover-step")).to_have_attribute("data-step", "2")
    expect(stranger.get_by_test_id("recover-code")).to_have_value("")
    fill(stranger, "recover-code", code)
    fill(stranger, "recover-password", "another few words")
    fill(stranger, "recover-pin", PIN)
    tap(stranger, "recover-save")
    expect(stranger.get_by_test_id("login-submit")).to_be_visible()
    fill(stranger, "login-login", person.login)
    fill(stranger, "login-password", "another few words")
    tap(stranger, "login-submit")
    expect_balance(stranger, "100.00")


def _recover(page: Page, product: Product, person: Person, password: str, *, pin: str, done: bool = True) -> None:
    """From the page that asks which account it is."""
    fill(page, "recover-login", person.login)
    tap(page, "recover-send")
    expect(page.get_by_test_id("recover-step")).to_have_attribute("data-step", "2")
    fill(page, "recover-code", product.code_sent(person))
    fill(page, "recover-password", password)
    fill(page, "recover-pin", pin)
    tap(page, "recover-save")
    if done:
        expect(page.get_by_test_id("login-submit")).to_be_visible()
