"""What a person does with the pages, in clicks. Waiting is left to what each page shows next."""

from __future__ import annotations

import re
from typing import Literal

from playwright.sync_api import Page, expect

from tests.e2e.product import PASSWORD, PIN, SANDBOX_NAME, Person, Product


def choose(page: Page, testid: str, *, on: bool = True) -> None:
    """Choose one of several, or turn a switch: by its label, which is what people see and hit."""
    choice = page.get_by_test_id(testid)
    choice.locator("xpath=ancestor::label | following-sibling::label").first.click()
    expect(choice).to_be_checked(checked=on)


def tap(page: Page, name: str) -> None:
    """Click what carries this test id."""
    page.get_by_test_id(name).click()


def fill(page: Page, name: str, text: str) -> None:
    """Type into the field that carries this test id."""
    page.get_by_test_id(name).fill(text)


def enter_pin(page: Page, pin: str = PIN) -> None:
    """Press the pad's keys."""
    for digit in pin:
        tap(page, f"pin-key-{digit}")


def wallet_log_in(page: Page, person: Person) -> None:
    """From the welcome page to the home page."""
    tap(page, "go-login")
    fill(page, "login-login", person.login)
    fill(page, "login-password", PASSWORD)
    tap(page, "login-submit")
    expect(page.get_by_test_id("balance")).to_be_visible()


def desk_log_in(page: Page, login: str) -> None:
    """Into the merchant's or the operator's pages."""
    fill(page, "login-login", login)
    fill(page, "login-password", PASSWORD)
    tap(page, "login-submit")
    expect(page.get_by_test_id("login-submit")).to_have_count(0)


def register(page: Page, person: Person) -> None:
    """From the welcome page through the PIN to the home page."""
    tap(page, "go-register")
    fill(page, "register-name", person.name)
    fill(page, "register-login", person.login)
    fill(page, "register-password", PASSWORD)
    tap(page, "register-submit")
    step = page.get_by_test_id("pin-step")
    expect(step).to_have_attribute("data-step", "choose")
    enter_pin(page)
    expect(step).to_have_attribute("data-step", "again")
    enter_pin(page)
    expect_balance(page, "0.00")


def verify(page: Page, product: Product, person: Person) -> None:
    """From the home page's hint through the document's form to class III, and back home."""
    tap(page, "real-name-notice")
    tap(page, "raise-3")
    fill_document(page, person)
    prove_phone(page, product, person)
    expect(page.get_by_test_id("real-name")).to_have_attribute("data-level", "3")
    page.goto("/wallet/")
    expect(page.get_by_test_id("balance")).to_be_visible()
    expect(page.get_by_test_id("real-name-notice")).to_have_count(0)


def fill_document(page: Page, person: Person) -> None:
    """An identity card, with the bank card's number."""
    fill(page, "document-name", SANDBOX_NAME)
    fill(page, "document-number", person.document)
    expect(page.get_by_test_id("document-born")).to_contain_text("-**-**")
    fill(page, "document-expires", "2035-01-01")
    if "@" in person.login:
        fill(page, "document-phone", person.phone)
    fill(page, "document-card", person.bank_number)
    tap(page, "document-send")
    expect(page.get_by_test_id("document-send")).to_have_count(0)


def prove_phone(page: Page, product: Product, person: Person) -> None:
    """On the page of the real name, after the document: the code that is sent to the phone."""
    tap(page, "phone-send")
    expect(page.get_by_test_id("phone-code")).to_be_visible()
    fill(page, "phone-code", product.phone_code(person))
    expect(page.get_by_test_id("phone-card")).to_have_value(person.bank_number)  # as it was typed with the document
    tap(page, "phone-prove")
    expect(page.get_by_test_id("phone-code")).to_have_count(0)


def add_passkey(page: Page) -> None:
    """From anywhere: a passkey, by the browser's own dialogue."""
    page.goto("/wallet/me/security/passkeys")
    tap(page, "passkey-add")
    fill(page, "passkey-name", "手机 phone")
    fill(page, "passkey-password", PASSWORD)
    tap(page, "passkey-go")
    expect(page.get_by_test_id("passkey-row")).to_have_count(1)


def link_card(page: Page, product: Product, person: Person) -> None:
    """From the form to the card that is linked, by the code that the bank sends."""
    fill(page, "bank-number", person.bank_number)
    if "@" in person.login:
        fill(page, "bank-phone", person.phone)
    tap(page, "bank-submit")
    enter_pin(page)
    expect(page.get_by_test_id("bank-code")).to_be_visible()
    fill(page, "bank-code", product.bank_code(person))
    tap(page, "bank-confirm")
    expect(page.get_by_test_id("bank-code")).to_have_count(0)


def top_up(page: Page, person: Person, amount: str, *, link: Product | None = None) -> None:
    """From the home page to what the bank said; `link` the product if this is the first card."""
    tap(page, "action-topup")
    if link:
        tap(page, "bank-add")
        link_card(page, link, person)
    expect(page.get_by_test_id("bank-choice")).to_be_checked()
    fill(page, "amount-input", amount)
    tap(page, "amount-next")
    tap(page, "topup-confirm")
    enter_pin(page)


def scan_text(page: Page, text: str) -> None:
    """From the home page, paste a code's text."""
    tap(page, "action-scan")
    tap(page, "scan-type")
    fill(page, "scan-text-input", text)
    tap(page, "scan-submit")


def confirm_payment(page: Page) -> None:
    """From the review to the result."""
    tap(page, "pay-confirm")
    enter_pin(page)


def expect_result(page: Page, outcome: Literal["paid", "failed", "unknown", "waiting"], title: str | None = None) -> None:
    """The result page says so."""
    result = page.get_by_test_id("result")
    expect(result).to_have_attribute("data-outcome", outcome, timeout=20_000)
    if title:
        expect(result.get_by_role("heading", level=1)).to_have_text(title)


def expect_balance(page: Page, amount: str) -> None:
    """The home page shows this balance."""
    expect(page.get_by_test_id("balance")).to_have_attribute("data-amount", amount)


def go_home(page: Page) -> None:
    """Press "done" on a result."""
    tap(page, "result-done")
    expect(page.get_by_test_id("balance")).to_be_visible()


def key_in(page: Page, amount: str) -> None:
    """Press the cashier's keys."""
    for key in amount:
        tap(page, f"key-{key}")


def collect(page: Page, amount: str) -> str:
    """From the cashier's first page to the code; answers its text."""
    key_in(page, amount)
    tap(page, "collect-submit")
    expect(page.get_by_test_id("order-amount")).to_contain_text(amount)
    qr = page.get_by_test_id("qr")
    expect(qr).to_have_attribute("data-text", re.compile("."))
    return qr.get_attribute("data-text") or ""
