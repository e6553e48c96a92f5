"""Where the server asks for codes (`registration_codes`), on a small stack of its own; and a PIN that is changed or forgotten."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.authenticator import Authenticator
from tests.e2e.browsers import COUNTER, PHONE, Language, Windows
from tests.e2e.hands import add_passkey, enter_pin, expect_balance, fill, tap, wallet_log_in
from tests.e2e.product import PASSWORD, PIN, Person, Product, product_running
from tongbao.app import frontends
from tongbao.kernel.postgres import EmbeddedPostgres, create_database, drop_database

pytestmark = pytest.mark.browser

NEW_PIN = "970531"


@pytest.fixture(scope="module")
def strict(
    postgres_server: EmbeddedPostgres, database_template: str, tmp_path_factory: pytest.TempPathFactory, worker_name: str
) -> Iterator[Product]:
    """A product where nobody registers without a code."""
    assert frontends.built() is not None, "the front ends are not built: run `make web`"
    name = f"e2e_codes_{worker_name}"
    dsn = create_database(postgres_server.dsn, name, database_template)
    with product_running(tmp_path_factory.mktemp("codes"), dsn, registration_codes=True) as product:
        yield product
    drop_database(postgres_server.dsn, name)


@pytest.fixture
def strict_windows(browser: Browser, strict: Product) -> Iterator[Windows]:
    """Windows onto it, which complain of nothing."""
    windows = Windows(browser, strict.url)
    yield windows
    windows.close()
    assert windows.troubles == []


def other_than(digits: str) -> str:
    return f"{(int(digits) + 1) % 10**6:06d}"


def signs_up(page: Page, person: Person) -> None:
    """The form of a new account, sent."""
    tap(page, "go-register")
    fill(page, "register-name", person.name)
    fill(page, "register-login", person.login)
    fill(page, "register-password", PASSWORD)
    tap(page, "register-submit")


@pytest.mark.parametrize(
    ("language", "size", "says"),
    [
        ("zh", PHONE, ("六位验证码", "秒后可重新发送", "验证码不正确或已失效")),
        ("en", COUNTER, ("Code of six", "Again in", "no longer good")),
    ],
)
def test_where_codes_are_asked_for_the_page_asks_for_one_and_registers(
    strict: Product, strict_windows: Windows, language: Language, size: tuple[int, int], says: tuple[str, str, str]
) -> None:
    person = strict.stranger("Newcomer", email=True)
    page = strict_windows.open("/wallet/welcome", language, size)
    signs_up(page, person)
    field, again = page.get_by_test_id("register-code"), page.get_by_test_id("register-again")
    expect(page.get_by_label(says[0])).to_be_focused()
    expect(again).to_contain_text(says[1])
    expect(again).to_be_disabled()
    code = strict.code_sent(person)
    fill(page, "register-code", other_than(code))
    tap(page, "register-submit")
    expect(page.get_by_text(says[2])).to_be_visible()
    fill(page, "register-code", code)
    tap(page, "register-submit")
    expect(field).to_have_count(0)
    step = page.get_by_test_id("pin-step")
    expect(step).to_have_attribute("data-step", "choose")
    enter_pin(page)
    expect(step).to_have_attribute("data-step", "again")
    enter_pin(page)
    expect_balance(page, "0.00")


def test_a_code_that_expired_is_asked_for_again_after_a_minute(strict: Product, strict_windows: Windows) -> None:
    person = strict.stranger("Slow", email=True)
    page = strict_windows.open("/wallet/welcome", "en", PHONE)
    page.clock.install()
    signs_up(page, person)
    first = strict.code_sent(person)
    again = page.get_by_test_id("register-again")
    expect(again).to_be_disabled()
    page.clock.run_for(61_000)
    expect(again).to_be_enabled()
    tap(page, "register-again")  # the page's minute is over, the server's is not
    expect(page.get_by_text("A code was sent a moment ago")).to_be_visible()
    fill(page, "register-code", first)
    tap(page, "register-submit")
    expect(page.get_by_test_id("pin-step")).to_be_visible()


def chooses(page: Page, pin: str = NEW_PIN) -> None:
    """Six digits, twice."""
    tap(page, "pin-password-next")
    step = page.get_by_test_id("pin-step")
    expect(step).to_have_attribute("data-step", "choose")
    enter_pin(page, pin)
    expect(step).to_have_attribute("data-step", "again")
    enter_pin(page, pin)


def test_a_pin_is_changed_by_who_knows_it(product: Product, windows: Windows) -> None:
    phone = windows.open("/wallet/", "en", PHONE)
    wallet_log_in(phone, product.customer("Pat"))
    phone.goto("/wallet/pin")
    fill(phone, "pin-password", PASSWORD)
    tap(phone, "pin-password-next")
    expect(phone.get_by_text("The PIN is six digits")).to_be_visible()
    fill(phone, "pin-old", "246802")
    chooses(phone)
    expect(phone.get_by_text("PIN is not right", exact=False).first).to_be_visible()
    fill(phone, "pin-old", PIN)
    chooses(phone)
    expect(phone.get_by_text("Your payment PIN is set")).to_be_visible()


def test_a_forgotten_pin_takes_a_code(product: Product, windows: Windows) -> None:
    person = product.customer("忘记")
    phone = windows.open("/wallet/", "zh", PHONE)
    wallet_log_in(phone, person)
    phone.goto("/wallet/pin")
    fill(phone, "pin-password", PASSWORD)
    tap(phone, "pin-forgotten")
    expect(phone.get_by_test_id("pin-again")).to_contain_text("秒后可重新发送")
    code = product.code_sent(person)
    fill(phone, "pin-code", other_than(code))
    chooses(phone)
    expect(phone.get_by_text("验证码不正确或已失效")).to_be_visible()
    fill(phone, "pin-code", code)
    chooses(phone)
    expect(phone.get_by_text("支付密码已设置")).to_be_visible()


def test_a_passkey_vouches_for_another_pin(product: Product, windows: Windows) -> None:
    phone = windows.open("/wallet/", "en", PHONE)
    wallet_log_in(phone, product.customer("Kim"))
    Authenticator(phone)
    add_passkey(phone)
    phone.goto("/wallet/pin")
    fill(phone, "pin-password", PASSWORD)
    tap(phone, "pin-by-passkey")
    chooses(phone)
    expect(phone.get_by_text("Your payment PIN is set")).to_be_visible()


def test_on_a_new_device_a_passkey_takes_the_pin_and_a_code_does_not_replace_it(product: Product, windows: Windows) -> None:
    person = product.customer("Lee")
    wallet_log_in(windows.open("/wallet/", "en", PHONE), person)
    phone = windows.open("/wallet/", "en", PHONE)
    wallet_log_in(phone, person)
    phone.goto("/wallet/pin")
    fill(phone, "pin-password", PASSWORD)
    tap(phone, "pin-forgotten")
    fill(phone, "pin-code", product.code_sent(person))
    chooses(phone)
    expect(phone.get_by_text("This device is new")).to_be_visible()
    Authenticator(phone)
    phone.goto("/wallet/me/security/passkeys")
    tap(phone, "passkey-add")
    fill(phone, "passkey-password", PASSWORD)
    tap(phone, "passkey-go")
    expect(phone.get_by_text("your payment PIN is needed too")).to_be_visible()
