"""Four eyes in clicks: two operators in two windows, each with a session of their own."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsers import COUNTER, PHONE, Windows
from tests.e2e.hands import choose, desk_log_in, fill, tap
from tests.e2e.product import PASSWORD, Person, Product

pytestmark = pytest.mark.browser

WHY = "the phone was found, checked by phone"
EMERGENCY = "nobody else is at the desk this whole night"


def _wallet_of(console: Page, person: Person) -> str:
    """The page of this customer's wallet."""
    assert person.who is not None
    answer = console.request.get(f"/v1/console/accounts?code=2001&owner={person.who.principal_id}")
    return f"/console/accounts/{answer.json()['items'][0]['account_id']}"


def _propose_to_unfreeze(console: Page, wallet: str) -> str:
    """From the frozen account to the proposal's page; answers where that is."""
    console.goto(wallet)
    tap(console, "account-unfreeze")
    fill(console, "propose-reason", WHY)
    tap(console, "act-submit")
    console.wait_for_url(re.compile("/approvals/"))
    return console.url


def test_what_one_operator_proposes_only_another_approves_and_then_it_is_done(product: Product, windows: Windows) -> None:
    person = product.customer("钱冻一")
    product.freeze(person)
    mine, theirs = windows.open("/console/login", "zh", COUNTER), windows.open("/console/login", "en", PHONE)
    desk_log_in(mine, product.operator_login)
    desk_log_in(theirs, product.colleague_login)
    wallet = _wallet_of(mine, person)

    mine.goto(wallet)
    tap(mine, "account-unfreeze")
    fill(mine, "propose-reason", "no")
    tap(mine, "act-submit")
    expect(mine.get_by_test_id("act-problem")).to_contain_text("5")
    place = _propose_to_unfreeze(mine, wallet)
    expect(mine.get_by_test_id("proposal")).to_have_attribute("data-state", "OPEN")
    expect(mine.get_by_test_id("proposal-own")).to_be_visible()
    expect(mine.get_by_test_id("proposal-approve")).to_have_count(0)
    mine.goto(wallet)
    expect(mine.get_by_test_id("account-unfreeze")).to_be_visible()

    theirs.goto(f"/console/approvals/{place.rsplit('/', 1)[1]}")
    expect(theirs.get_by_test_id("proposal-told")).to_contain_text("Lifts the freeze of debits for: Fraud")
    expect(theirs.get_by_test_id("proposal-account")).to_contain_text("100.00")
    expect(theirs.get_by_test_id("proposal-reason")).to_have_text(WHY)
    expect(theirs.get_by_test_id("nav-waiting")).to_have_count(1)  # in the menu, which is folded on a phone
    tap(theirs, "proposal-approve")
    fill(theirs, "proposal-note", "called back")
    tap(theirs, "act-submit")
    expect(theirs.get_by_test_id("proposal")).to_have_attribute("data-state", "DONE")

    mine.goto(wallet)
    expect(mine.get_by_test_id("account-freeze")).to_be_visible()
    expect(mine.get_by_test_id("account-unfreeze")).to_have_count(0)


def test_a_no_takes_a_reason_and_changes_nothing(product: Product, windows: Windows) -> None:
    person = product.customer("钱冻二")
    product.freeze(person)
    mine, theirs = windows.open("/console/login", "en", COUNTER), windows.open("/console/login", "en", COUNTER)
    desk_log_in(mine, product.operator_login)
    desk_log_in(theirs, product.colleague_login)
    wallet = _wallet_of(mine, person)
    theirs.goto(_propose_to_unfreeze(mine, wallet))
    tap(theirs, "proposal-reject")
    tap(theirs, "act-submit")
    expect(theirs.get_by_test_id("act-problem")).to_be_visible()
    fill(theirs, "proposal-note", "ask the police first")
    tap(theirs, "act-submit")
    expect(theirs.get_by_test_id("proposal")).to_have_attribute("data-state", "REJECTED")
    mine.goto(wallet)
    expect(mine.get_by_test_id("account-unfreeze")).to_be_visible()


def test_a_broken_glass_acts_at_once_and_waits_for_somebody_elses_review(product: Product, windows: Windows) -> None:
    person = product.customer("钱冻三")
    product.freeze(person)
    mine, theirs = windows.open("/console/login", "en", COUNTER), windows.open("/console/login", "zh", COUNTER)
    desk_log_in(mine, product.operator_login)
    desk_log_in(theirs, product.colleague_login)
    wallet = _wallet_of(mine, person)
    mine.goto(wallet)
    tap(mine, "account-unfreeze")
    choose(mine, "propose-alone")
    expect(mine.get_by_test_id("propose-warning")).to_be_visible()
    fill(mine, "propose-reason", "too short")
    tap(mine, "act-submit")
    expect(mine.get_by_test_id("act-problem")).to_contain_text("20")
    fill(mine, "propose-reason", EMERGENCY)
    tap(mine, "act-submit")
    expect(mine.get_by_test_id("proposal")).to_have_attribute("data-state", "DONE")
    mine.goto(wallet)
    expect(mine.get_by_test_id("account-freeze")).to_be_visible()
    expect(mine.get_by_test_id("account-unfreeze")).to_have_count(0)

    mine.goto("/console/approvals?which=incidents")
    ours = mine.get_by_test_id("incident-row").filter(has_text=EMERGENCY)
    expect(ours).to_have_count(1)
    expect(ours.get_by_test_id("incident-review")).to_have_count(0)

    theirs.goto("/console/approvals?which=incidents")
    row = theirs.get_by_test_id("incident-row").filter(has_text=EMERGENCY)
    row.get_by_test_id("incident-review").click()
    fill(theirs, "incident-note", "I rang the customer: it was right")
    tap(theirs, "act-submit")
    expect(row).to_have_count(0)
    theirs.goto("/console/approvals?which=incidents&reviewed=1")
    expect(row).to_contain_text("I rang the customer")


def test_the_record_says_who_looked_at_whom(product: Product, windows: Windows) -> None:
    person = product.customer("钱记录")
    console = windows.open("/console/login", "en", COUNTER)
    desk_log_in(console, product.operator_login)
    wallet = _wallet_of(console, person)
    console.goto(wallet)
    expect(console.get_by_test_id("statement-row")).to_have_count(1)
    console.goto(f"/console/acts?subject={wallet.rsplit('/', 1)[1]}")
    rows = console.get_by_test_id("act-row")
    expect(rows.filter(has_text="Looked at a statement").first).to_contain_text("运营 Operator")
    choose(console, "acts-changes")
    expect(console).to_have_url(re.compile("changes=1"))
    expect(console.get_by_test_id("empty-state")).to_be_visible()


def test_somebody_new_chooses_their_own_password_by_a_link_and_a_code_that_no_one_else_has_both_of(
    product: Product, windows: Windows
) -> None:
    login = f"{uuid4().hex}@tongbao.test"
    mine, theirs = windows.open("/console/login", "zh", COUNTER), windows.open("/console/login", "en", PHONE)
    desk_log_in(mine, product.operator_login)
    desk_log_in(theirs, product.colleague_login)
    mine.goto("/console/operators")
    tap(mine, "operator-new")
    fill(mine, "operator-name", "新同事")
    fill(mine, "operator-login", login)
    choose(mine, "role-kyc")
    fill(mine, "propose-reason", "joins on Monday")
    tap(mine, "act-submit")
    mine.wait_for_url(re.compile("/approvals/"))

    theirs.goto(f"/console/approvals/{mine.url.rsplit('/', 1)[1]}")
    expect(theirs.get_by_test_id("nav-waiting")).to_have_count(1)  # in the menu, which is folded on a phone
    tap(theirs, "proposal-approve")
    tap(theirs, "act-submit")
    expect(theirs.get_by_test_id("proposal")).to_have_attribute("data-state", "DONE")
    tap(theirs, "invitation-show")
    code = theirs.get_by_test_id("invitation-code").inner_text()
    mine.reload()
    expect(mine.get_by_test_id("proposal")).to_have_attribute("data-state", "DONE")
    expect(mine.get_by_test_id("invitation")).to_have_count(0)

    newcomer = windows.open(product.invitation(login), "zh", PHONE)
    newcomer.wait_for_url(re.compile("/console/welcome$"))
    fill(newcomer, "welcome-password", PASSWORD)
    fill(newcomer, "welcome-again", "something else")
    tap(newcomer, "welcome-submit")
    expect(newcomer.get_by_test_id("welcome-problem")).to_be_visible()
    fill(newcomer, "welcome-again", PASSWORD)
    fill(newcomer, "welcome-code", "0000-0000")
    tap(newcomer, "welcome-submit")
    expect(newcomer.get_by_role("alert")).to_be_visible()
    fill(newcomer, "welcome-code", code)
    tap(newcomer, "welcome-submit")
    tap(newcomer, "welcome-on")
    desk_log_in(newcomer, login)
