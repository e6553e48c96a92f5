"""The law in clicks, under China's rules and the house's: limits of a customer, what the rules would say, verification by two."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.browsers import COUNTER, PHONE, Windows
from tests.e2e.hands import choose, desk_log_in, fill, tap
from tests.e2e.product import Product

pytestmark = pytest.mark.browser

BY_BALANCE_A_YEAR = "[data-rule='cn.account.class3']"


def test_what_a_customer_paid_is_used_of_their_limits(product: Product, windows: Windows) -> None:
    person = product.customer("张小明", 100_000, verified=False)
    product.give_document(person, 0, 3)
    product.pay(person, 12_345, refund_minor=100)
    assert person.who is not None
    page = windows.open("/console/login", "en", PHONE)
    desk_log_in(page, product.operator_login)
    page.goto(f"/console/customers/{person.who.principal_id}")
    expect(page.get_by_test_id("customer-level")).to_have_text("Level 3")
    expect(page.get_by_test_id("name-check").and_(page.locator("[data-state=MATCHED]"))).to_have_count(5)
    year = page.get_by_test_id("limit-row").and_(page.locator(BY_BALANCE_A_YEAR))
    expect(year).to_contain_text("¥200,000.00")
    expect(year).to_contain_text("¥123.45")
    expect(year.get_by_test_id("limit-left")).to_contain_text("¥199,876.55")
    expect(year).to_contain_text("Art. 11(3)")


@pytest.mark.parametrize(
    ("amount", "strength", "decision", "rule"),
    [
        ("5000.00", "medium", "allowed", None),
        ("5000.01", "medium", "declined", "cn.auth.medium"),
        ("5000.01", "strong", "allowed", None),
        ("1000.01", "weak", "declined", "cn.auth.weak"),
    ],
)
def test_the_rules_say_what_they_would_decide_and_by_which_article(
    product: Product, windows: Windows, amount: str, strength: str, decision: str, rule: str | None
) -> None:
    page = windows.open("/console/login", "zh", COUNTER)
    desk_log_in(page, product.operator_login)
    page.goto("/console/rules?which=what-if")
    fill(page, "whatif-amount", amount)
    choose(page, f"whatif-strength-{strength}")
    tap(page, "whatif-ask")
    answer = page.get_by_test_id("whatif-answer")
    expect(answer).to_have_attribute("data-decision", decision)
    if rule:
        expect(answer.locator(f"[data-testid=whatif-rule][data-rule='{rule}']")).to_contain_text("公告〔2015〕第43号第24条")


def test_the_rules_in_force_are_found_by_article_and_by_whether_somebody_read_them(product: Product, windows: Windows) -> None:
    page = windows.open("/console/login", "en", COUNTER)
    desk_log_in(page, product.operator_login)
    page.goto("/console/rules")
    fill(page, "rules-search", "43 Art. 24(2)")
    rows = page.get_by_test_id("rule-row")
    expect(rows).to_have_count(1)
    expect(rows).to_have_attribute("data-rule", "cn.auth.medium")
    expect(rows).to_contain_text("¥5,000.00")
    page.get_by_test_id("rules-read").select_option("no")
    expect(rows).to_have_count(0)
    tap(page, "rules-history")
    expect(page.get_by_test_id("version-row")).to_contain_text("cn,house")


def test_a_person_seen_face_to_face_is_verified_once_a_second_operator_approves(product: Product, windows: Windows) -> None:
    person = product.customer("李雨桐", verified=False)
    product.give_document(person, 1, 1)
    assert person.who is not None
    mine, theirs = windows.open("/console/login", "zh", COUNTER), windows.open("/console/login", "en", PHONE)
    desk_log_in(mine, product.operator_login)
    desk_log_in(theirs, product.colleague_login)
    place = f"/console/customers/{person.who.principal_id}"
    mine.goto(place)
    expect(mine.get_by_test_id("customer-level")).to_have_text("1 级")
    tap(mine, "face-propose")
    tap(mine, "act-submit")
    expect(mine.get_by_test_id("face-own")).to_be_visible()
    expect(mine.get_by_test_id("face-approve")).to_have_count(0)
    theirs.goto("/console/verifications?state=FACE_PROPOSED")
    tap(theirs, "verification-link")
    tap(theirs, "face-approve")
    tap(theirs, "act-submit")
    expect(theirs.get_by_test_id("customer-level")).to_have_text("Level 3")
    mine.goto(place)
    expect(mine.get_by_test_id("customer-level")).to_have_text("3 级")
