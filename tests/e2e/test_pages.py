"""What must hold on every page of the three front ends at a phone's width, in both languages."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.browsers import PHONE, Language, Windows
from tests.e2e.hands import confirm_payment, expect_balance, expect_result, tap, wallet_log_in
from tests.e2e.product import PASSWORD, PIN, Person, Product
from tools.tour import STOPS, App, Places, console_places, log_in, merchant_places, visit, wallet_places

pytestmark = pytest.mark.browser

#: What a page does wrong, in words; empty when nothing. Only what a person can see or reach counts.
_FAULTS = """() => {
  const faults = []
  const seen = (one) => one.checkVisibility({ visibilityProperty: true }) && one.closest('[aria-hidden=true]') === null
  const say = (one) => one.outerHTML.slice(0, 160)
  const named = (one) => [
    one.getAttribute('aria-label'),
    ...(one.getAttribute('aria-labelledby') ?? '').split(' ').map((id) => id && document.getElementById(id)?.textContent),
    one.textContent, one.getAttribute('title'), one.querySelector('[aria-label]')?.getAttribute('aria-label'),
  ].some((text) => text?.trim())
  for (const one of document.querySelectorAll('button, a[href], [role=button], summary'))
    if (seen(one) && !named(one)) faults.push(`no name: ${say(one)}`)
  for (const one of document.querySelectorAll('input, select, textarea'))
    if (seen(one) && ![...one.labels].some((label) => label.textContent.trim()) && !one.getAttribute('aria-label'))
      faults.push(`no label: ${say(one)}`)
  for (const one of document.querySelectorAll('img, svg[role=img]'))
    if (seen(one) && !one.getAttribute('alt') && !one.getAttribute('aria-label')) faults.push(`no words: ${say(one)}`)
  for (const one of document.querySelectorAll('[aria-describedby], [aria-controls]'))
    for (const id of `${one.getAttribute('aria-describedby') ?? ''} ${one.getAttribute('aria-controls') ?? ''}`.split(' '))
      if (id && seen(one) && !document.getElementById(id)) faults.push(`names nobody (${id}): ${say(one)}`)
  const ids = [...document.querySelectorAll('[id]')].map((one) => one.id)
  for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) faults.push(`id twice: ${id}`)
  const headings = [...document.querySelectorAll('h1')].filter((one) => one.checkVisibility())
  if (headings.length !== 1) faults.push(`${headings.length} main headings`)
  if (document.querySelectorAll('main').length !== 1) faults.push('not one main')
  const wide = document.documentElement.scrollWidth
  if (wide > innerWidth) faults.push(`scrolls sideways: ${wide} px`)
  return faults
}"""

#: What of the console's tables cannot be read: no width is left for it, or what it stands in cuts it off. Columns marked `spare`
#: are left out on a phone by intent.
_CUT = """() => [...document.querySelectorAll('main td:not(.spare), main tfoot th, main td .amount, main td button')]
  .filter((one) => one.textContent.trim() && !one.closest('.spare') && !one.matches('.visually-hidden *'))
  .filter((one) => {
    if (!one.checkVisibility()) return true
    const box = one.getBoundingClientRect()
    let [left, right] = [0, innerWidth]
    for (let at = one.parentElement; at; at = at.parentElement)
      if (getComputedStyle(at).overflowX !== 'visible') {
        const frame = at.getBoundingClientRect()
        left = Math.max(left, frame.left)
        right = Math.min(right, frame.right)
      }
    return box.width < 1 || box.left < left - 1 || box.right > right + 1
  })
  .map((one) => `cut off: ${one.outerHTML.slice(0, 160)}`)
"""

#: What must be seen on a phone's page of the console, as a selector.
_NAMED = {
    "payments": "[data-testid=payment-row] .amount",
    "statement": "[data-testid=statement-row] td:nth-child(5) .amount",
    "accounts": "[data-testid=account-row] td:nth-child(5) .amount",
    "holds": "[data-testid=hold-row] [data-testid=hold-void]",
    "trial-balance": "[data-testid=trial-row] td:nth-child(5) .amount",
    "ledger": "[data-testid=ledger-row] td:nth-child(6) .amount",
    "ledger-line": "[data-testid=ledger-day] td:nth-child(4) .amount",
    "periods": "[data-testid=period-reopen]",
    "chain": "[data-testid=anchor-row] [data-testid=anchor-signature]",
    "customers": "[data-testid=customer-row] td.num",
    "merchants": "[data-testid=merchant-row] td:nth-child(6)",
    "approvals": "[data-testid=proposal-row] [data-testid=deadline]",
    "incidents": "[data-testid=incident-row] [data-testid=incident-review]",
}

#: Whether the element that has the focus shows it: an outline or a ring, on itself or on what stands round it.
_FOCUS_SHOWS = """() => {
  const one = document.activeElement
  if (!one || one === document.body || one.tabIndex < 0) return null  // a heading is given the focus, not reached by Tab
  for (let at = one, up = 0; at && up < 3; at = at.parentElement, up++) {
    const look = getComputedStyle(at)
    if (look.outlineStyle !== 'none' && parseFloat(look.outlineWidth) > 0) return ''
    if (look.boxShadow !== 'none' && (at === one || at.matches(':focus-within'))) return ''
  }
  return one.outerHTML.slice(0, 160)
}"""


#: Another tab of the same browser chose this language; the page's once it has followed.
_TURN = """async (next) => {
  localStorage.setItem('tongbao.language', next)
  dispatchEvent(new StorageEvent('storage', { key: 'tongbao.language', newValue: next }))
  await new Promise(requestAnimationFrame)
  return document.documentElement.lang
}"""

#: Makes a customer with something of everything in the bills, and a friend.
People = Callable[[], tuple[Person, Person]]


@pytest.fixture(scope="module")
def people(product: Product) -> People:
    """One of their own for each wallet that is walked through: its phone is their first, which counts as theirs at once."""
    product.busy_books()

    def made() -> tuple[Person, Person]:
        payer, friend = product.customer("张小明", 100_000), product.customer("李雨桐", 1_000)
        product.pay(payer, 3_675, refund_minor=1_000)
        product.send(payer, friend, 3_330, "面钱 · noodles")
        return payer, friend

    return made


@pytest.mark.parametrize("app", ["wallet", "merchant", "console"])
def test_every_page_is_named_labelled_and_fits_in_both_languages(
    product: Product, windows: Windows, people: People, app: App
) -> None:
    page = windows.open(f"/{app}/login", "zh", PHONE)
    wrong: dict[str, list[str]] = {}

    def check(name: str) -> None:
        faults = [*_faults(page, app, name), *_focus_faults(page)]
        before, after = _turned(page)
        faults += _faults(page, app, name)
        if {before, after} != {"zh-CN", "en"}:
            faults.append(f"was {before} and became {after}")
        if faults:
            wrong[name] = faults

    for stop in STOPS[app]:
        if stop.guest:
            visit(page, stop, {})
            check(stop.name)
    places = _enter(page, app, product, windows, people)
    for stop in STOPS[app]:
        if not stop.guest:
            visit(page, stop, places)
            check(stop.name)
    assert wrong == {}


def _enter(page: Page, app: App, product: Product, windows: Windows, people: People) -> Places:
    """Log in there; answers the places to go to."""
    payer, friend = people()
    match app:
        case "wallet":
            log_in(page, app, payer.login, PASSWORD)
            till = windows.open("/merchant/login", "zh", PHONE)
            log_in(till, "merchant", product.owner_login, PASSWORD)
            return wallet_places(page, till, friend.login, PIN)
        case "merchant":
            log_in(page, app, product.owner_login, PASSWORD)
            return merchant_places(page)
        case "console":
            log_in(page, app, product.operator_login, PASSWORD)
            return console_places(page)


def _faults(page: Page, app: App, name: str) -> list[str]:
    faults: list[str] = page.evaluate(_FAULTS)
    if not page.title().strip():
        faults.append("no title")
    if app == "console":
        faults += page.evaluate(_CUT)
        if name in _NAMED and not page.locator(_NAMED[name]).first.is_visible():
            faults.append(f"not to be seen: {_NAMED[name]}")
    return faults


def _turned(page: Page) -> tuple[str, str]:
    """Change the language as it changes in another tab; the page's before and after."""
    before = page.evaluate("document.documentElement.lang")
    after: str = page.evaluate(_TURN, "en" if before == "zh-CN" else "zh")
    return before, after


def _focus_faults(page: Page) -> list[str]:
    """Tab through the first places of a page: each must show that it has the focus."""
    faults = []
    for _ in range(6):
        page.keyboard.press("Tab")
        if hidden := page.evaluate(_FOCUS_SHOWS):
            faults.append(f"focus does not show: {hidden}")
    return faults


def test_a_frozen_wallet_is_sent_to_customer_care_and_not_asked_to_try_again(product: Product, windows: Windows) -> None:
    person = product.customer("钱冻")
    product.freeze(person)
    words: dict[Language, str] = {"zh": "客服", "en": "customer care"}
    for language, care in words.items():
        page = windows.open("/wallet/welcome", language, PHONE)
        wallet_log_in(page, person)
        page.goto(f"/wallet/pay?code={quote(product.order(1_000).text)}")
        confirm_payment(page)
        expect_result(page, "failed")
        expect(page.get_by_test_id("result-code")).to_contain_text("account_frozen_debit")
        expect(page.get_by_test_id("result-frozen")).to_contain_text(care)
        expect(page.get_by_test_id("result-again")).to_have_count(0)
        tap(page, "result-home")
        expect_balance(page, "100.00")


def test_the_public_key_of_the_anchors_is_shown_and_downloaded_as_it_is_published(product: Product, windows: Windows) -> None:
    page = windows.open("/console/login", "en", PHONE)
    log_in(page, "console", product.operator_login, PASSWORD)
    published = page.request.get("/v1/anchors").json()["public_key"]
    page.goto("/console/chain")
    expect(page.get_by_test_id("chain-public-key")).to_contain_text(published)
    with page.expect_download() as download:
        page.get_by_test_id("chain-key-download").click()
    assert download.value.path().read_text() == f"{published}\n"


def test_a_chain_without_anchors_says_when_the_first_will_come(product: Product, windows: Windows) -> None:
    page = windows.open("/console/login", "en", PHONE)
    log_in(page, "console", product.operator_login, PASSWORD)

    def without_anchors(route: Route) -> None:
        route.fulfill(json={**route.fetch().json(), "anchors": [], "right_at": None})

    page.route("**/v1/console/chain", without_anchors)
    page.goto("/console/chain")
    expect(page.get_by_test_id("chain-anchors-empty")).to_contain_text("within a minute")
    expect(page.get_by_test_id("chain-key-download")).to_be_visible()


def test_a_table_folded_into_cards_is_still_a_table_to_a_screen_reader(product: Product, windows: Windows) -> None:
    page = windows.open("/console/login", "en", PHONE)
    log_in(page, "console", product.operator_login, PASSWORD)
    page.goto("/console/accounts?code=1001")
    table = page.get_by_role("table")
    expect(table.get_by_role("columnheader", name="Balance", exact=True)).to_have_count(1)
    row = table.get_by_role("row").filter(has=page.get_by_role("cell", name="1001"))
    expect(row.get_by_role("cell")).to_have_count(table.get_by_role("columnheader").count())
    assert row.evaluate("(one) => getComputedStyle(one).display") == "grid"
