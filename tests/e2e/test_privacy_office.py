"""The privacy officer's desk in clicks: a breach and its clocks, an assessment that somebody else signs."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsers import COUNTER, PHONE, Windows
from tests.e2e.hands import choose, desk_log_in, fill, tap
from tests.e2e.product import Product
from tools.tour import ZONE

pytestmark = pytest.mark.browser


def _finish(page: Page, clock: str, note: str) -> None:
    task = page.locator(f"[data-testid=breach-task][data-clock={clock}]")
    task.get_by_test_id("task-finish").click()
    if page.get_by_test_id("task-told").count():
        fill(page, "task-told", "the authority")
    fill(page, "task-note", note)
    tap(page, "act-submit")
    expect(task).to_have_attribute("data-state", "DONE")


def test_a_breachs_clocks_run_from_when_it_was_known_until_its_tasks_are_done(product: Product, windows: Windows) -> None:
    page = windows.open("/console/login", "en", PHONE)
    desk_log_in(page, product.operator_login)
    page.goto("/console/privacy?which=breaches")
    tap(page, "breach-new")
    tap(page, "act-submit")
    expect(page.get_by_test_id("act-problem")).to_be_visible()
    fill(page, "breach-what", "a list of people was sent to the wrong address")
    known = datetime.now(ZONE) - timedelta(hours=2)
    page.get_by_test_id("breach-known").fill(known.strftime("%Y-%m-%dT%H:%M"))
    page.get_by_test_id("breach-known").press("Tab")
    page.get_by_test_id("breach-category-identity").check()
    fill(page, "breach-people", "12")
    tap(page, "act-submit")
    expect(page).to_have_url(re.compile("/privacy/breaches/"))
    clocks = page.get_by_test_id("breach-task")
    expect(clocks.locator("[data-testid=deadline][data-urgency=late]").first).to_have_text(re.compile("2 h( 1 min)? late"))
    central = page.locator("[data-clock=central_bank]").get_by_test_id("deadline")
    expect(central).to_have_attribute("data-urgency", "calm")
    expect(central).to_have_text(re.compile("2 d 2[12] h left"))
    expect(page.get_by_test_id("breach-close")).to_have_count(0)

    before = clocks.count()
    tap(page, "breach-assess")
    choose(page, "assess-risk-high")
    tap(page, "act-submit")
    expect(page.get_by_test_id("breach-risk-now")).to_contain_text("High")
    assert clocks.count() > before, "people whose risk is high have to be told"

    place = page.url
    later = windows.open("/console/login", "en", PHONE)
    desk_log_in(later, product.colleague_login)
    later.clock.install()
    later.goto(place)
    clock = later.locator("[data-clock=central_bank]").get_by_test_id("deadline")
    expect(clock).to_have_attribute("data-urgency", "calm")
    later.clock.fast_forward(72 * 3_600_000)
    expect(clock).to_have_attribute("data-urgency", "late")

    for name in [one.get_attribute("data-clock") for one in clocks.all()]:
        assert name is not None
        if name.startswith("people"):
            page.locator(f"[data-clock={name}]").get_by_test_id("task-finish").click()
            choose(page, "task-needed", on=False)
            fill(page, "task-note", "the list came back unread")
            tap(page, "act-submit")
            expect(page.locator(f"[data-clock={name}]")).to_have_attribute("data-state", "NOT_NEEDED")
        else:
            _finish(page, name, "rang them, and wrote")
    tap(page, "breach-close")
    fill(page, "breach-lesson", "addresses are chosen, not typed")
    tap(page, "act-submit")
    expect(page.get_by_test_id("breach")).to_have_attribute("data-state", "CLOSED")
    expect(page.get_by_test_id("deadline")).to_have_count(0)


def test_an_assessment_is_signed_by_somebody_else_than_who_wrote_it(product: Product, windows: Windows) -> None:
    mine, theirs = windows.open("/console/login", "zh", COUNTER), windows.open("/console/login", "en", COUNTER)
    desk_log_in(mine, product.operator_login)
    desk_log_in(theirs, product.colleague_login)
    mine.goto("/console/privacy/assessments/new")
    for field in ("title", "lawful", "effects", "measures"):
        fill(mine, f"assessment-{field}", f"{field} 评估")
    tap(mine, "assessment-submit")
    expect(mine.get_by_test_id("assessment")).to_have_attribute("data-state", "DRAFT")
    expect(mine.get_by_test_id("assessment-own")).to_be_visible()
    expect(mine.get_by_test_id("assessment-sign")).to_have_count(0)
    theirs.goto(mine.url)
    tap(theirs, "assessment-sign")
    tap(theirs, "act-submit")
    expect(theirs.get_by_test_id("assessment")).to_have_attribute("data-state", "SIGNED")
