"""Every page of the three front ends and how to get there: the pictures are taken along this way, and the tests check along it.

Whoever walks it must be logged in (`log_in`), and the people walked as must have something to show: bills with a refunded
payment and a top-up for the wallet, paid orders for the merchant, an operator who is an admin for the console.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple
from urllib.parse import quote
from zoneinfo import ZoneInfo

from playwright.sync_api import FilePayload, Page, expect

App = Literal["wallet", "merchant", "console"]
Places = dict[str, str]
#: Where the people of the tour live; a window that walks it must say the same.
ZONE = ZoneInfo("Asia/Shanghai")


class Stop(NamedTuple):
    """One page: where it is (places in braces), what must be seen before it is there, and what to do on it first."""

    name: str
    path: str
    ready: str
    then: Callable[[Page, Places], None] | None = None
    guest: bool = False


def log_in(page: Page, app: App, login: str, password: str) -> None:
    """Into one of the front ends, by its form."""
    page.goto(f"/{app}/login")
    page.get_by_test_id("login-login").fill(login)
    page.get_by_test_id("login-password").fill(password)
    page.get_by_test_id("login-submit").click()
    expect(page.get_by_test_id("login-submit")).to_have_count(0)


def visit(page: Page, stop: Stop, places: Places) -> None:
    """Go there, and wait until it is there and nothing on it is still loading."""
    page.goto(stop.path.format(**places))
    if stop.then:
        stop.then(page, places)
    expect(page.locator(stop.ready).first).to_be_visible()
    expect(page.locator(".skeleton:visible")).to_have_count(0)
    page.evaluate("document.fonts.ready.then(() => true)")


def wallet_places(wallet: Page, merchant: Page, payee: str, pin: str) -> Places:
    """A bill, a bank transfer, an order's code and a printed code; `payee` is somebody else's login. Makes an order, and paying
    is part of the tour."""
    bills = _get(wallet, "/v1/wallet/bills?limit=100")["items"]
    payments = [bill for bill in bills if bill["kind"] == "payment"]
    refunded = [bill for bill in payments if bill["state"] == "PARTLY_REFUNDED"]
    top_up = next(bill for bill in bills if bill["kind"] == "topup")
    order = merchant_places(merchant)["order"]
    store = _get(merchant, "/v1/merchant/me")["stores"][0]["store_id"]
    return {
        "payee": payee,
        "pin": pin,
        "bill": (refunded or payments)[0]["bill_id"],
        "bank_transfer": top_up["bank_transfer_id"],
        "code": quote(_get(merchant, f"/v1/merchant/orders/{order}/code")["text"]),
        "static": quote(_get(merchant, f"/v1/merchant/stores/{store}/code")["text"]),
        "foreign": quote("https://qr.alipay.com/fkx123456789"),
    }


#: As the till itself would: with the proof of its device, which only the page can make.
_POST = """async ([path, body]) => {
  const done = (request) => new Promise((resolve) => { request.onsuccess = () => resolve(request.result) })
  const opened = await done(indexedDB.open('tongbao'))
  const secret = await done(opened.transaction('bindings').objectStore('bindings').get('merchant'))
  const [key, seconds] = [`tour-${crypto.randomUUID()}`, Math.floor(Date.now() / 1000)]
  const [text, bytes] = [JSON.stringify(body), (given) => new TextEncoder().encode(given)]
  const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, '0')).join('')
  const digest = hex(await crypto.subtle.digest('SHA-256', bytes(text)))
  const code = await crypto.subtle.sign('HMAC', secret, bytes(`POST\\n${path}\\n${seconds}\\n${key}\\n${digest}`))
  const proof = `${seconds}.${hex(code)}`
  const headers = { 'Content-Type': 'application/json', 'X-Tongbao-App': '1', 'Idempotency-Key': key, 'X-Tongbao-Proof': proof }
  const answer = await fetch(path, { method: 'POST', headers, body: text })
  if (!answer.ok) throw new Error(await answer.text())
  return answer.json()
}"""


def merchant_places(merchant: Page) -> Places:
    """A new order, and one that was paid."""
    body = {"amount": "36.75", "currency": "CNY", "subject": "牛肉面 · Beef noodles"}
    store = _get(merchant, "/v1/merchant/me")["stores"][0]["store_id"]
    made = merchant.evaluate(_POST, ["/v1/merchant/orders", {**body, "store_id": store}])
    paid = _get(merchant, "/v1/merchant/orders?state=PAID&limit=100")["items"]
    refunded = [order for order in paid if order["refunded"] not in ("0.00", order["amount"])]
    last = datetime.fromisoformat(paid[0]["paid_at"]).astimezone(ZONE)
    return {
        "order": made["out_trade_no"],
        "paid": (refunded or paid)[0]["out_trade_no"],
        "day": last.date().isoformat(),
        "week": (datetime.now(ZONE) - timedelta(days=6)).date().isoformat(),
    }


def console_places(console: Page) -> Places:
    """A payment, one of its journals, accounts of that, and the last day of the books that has something in it."""
    paid = _get(console, "/v1/console/payments?state=PAID&limit=100")["items"]
    refunded = [payment for payment in paid if payment["refunded"] != "0.00"]
    payment = _get(console, f"/v1/console/payments/{(refunded or paid)[0]['payment_id']}")
    journal = payment["journals"][0]
    today = datetime.now(ZONE).date()
    week = (today - timedelta(days=6)).isoformat()
    days = _get(console, f"/v1/console/general-ledger/days?code=2001&currency=CNY&from={week}&to={today}")["items"]
    return {
        "week": week,
        "day": days[0]["date"],
        "wallet": next(entry["account_id"] for entry in journal["entries"] if entry["account_code"] == "2001"),
        "payment": payment["payment_id"],
        "journal": journal["journal_id"],
        "account": journal["entries"][0]["account_id"],
    }


def _get(page: Page, path: str) -> Any:
    answer = page.request.get(path)
    assert answer.ok, f"{path}: {answer.status}"
    return answer.json()


def _suspend(page: Page, places: Places) -> None:
    page.get_by_test_id("customer-link").first.click()
    page.get_by_test_id("suspend").click()


def _click(*names: str) -> Callable[[Page, Places], None]:
    def act(page: Page, places: Places) -> None:
        for name in names:
            page.get_by_test_id(name).first.click()

    return act


def _move(amount: str, *, review: bool) -> Callable[[Page, Places], None]:
    def act(page: Page, places: Places) -> None:
        expect(page.get_by_test_id("bank-choice").first).to_be_checked()
        page.get_by_test_id("amount-input").fill(amount)
        if review:
            page.get_by_test_id("amount-next").click()

    return act


def _transfer(*, review: bool) -> Callable[[Page, Places], None]:
    def act(page: Page, places: Places) -> None:
        page.get_by_test_id("payee-login").fill(places["payee"])
        page.get_by_test_id("payee-find").click()
        page.get_by_test_id("amount-input").fill("33.3")
        page.get_by_test_id("transfer-note").fill("面钱 · noodles")
        if review:
            page.get_by_test_id("amount-next").click()

    return act


def _pay(page: Page, places: Places) -> None:
    page.get_by_test_id("amount-input").fill("12.5")
    page.get_by_test_id("amount-next").click()
    page.get_by_test_id("pay-confirm").click()
    for digit in places["pin"]:
        page.get_by_test_id(f"pin-key-{digit}").click()


def _pin_again(page: Page, places: Places) -> None:
    page.get_by_test_id("pin-password").fill("not asked yet")
    page.get_by_test_id("pin-old").fill(places["pin"])
    page.get_by_test_id("pin-password-next").click()


def _collect(page: Page, places: Places) -> None:
    for key in "36.75":
        page.get_by_test_id(f"key-{key}").click()


def _set_up_code(page: Page, places: Places) -> None:
    page.get_by_test_id("code-set-up").click()
    for digit in places["pin"]:
        page.get_by_test_id(f"pin-key-{digit}").click()
    page.get_by_test_id("code-show").click()


def _show_code(page: Page, places: Places) -> None:
    _collect(page, places)
    page.get_by_test_id("collect-shown").click()


def _look_back(page: Page, places: Places) -> None:
    page.get_by_test_id("past-balance").locator("summary").click()
    page.get_by_test_id("past-day").fill(places["day"])
    page.get_by_test_id("past-day").press("Tab")
    page.get_by_test_id("past-show").click()


#: A file of opening balances that could be posted, and one that could not.
GOOD_OPENING = "code,owner_id,currency,debit,credit\n1001,,CNY,1000.00,\n3901,,CNY,,1000.00\n"
BAD_OPENING = "code,owner_id,currency,debit,credit\n9999,,CNY,1000.00,\n1001,,XAU,,12\n2001,,CNY,,1.234\n"


def _try_opening(content: str) -> Callable[[Page, Places], None]:
    def act(page: Page, places: Places) -> None:
        file: FilePayload = {"name": "opening.csv", "mimeType": "text/csv", "buffer": content.encode()}
        page.get_by_test_id("opening-file").set_input_files(file)
        page.get_by_test_id("opening-date").fill(places["day"])
        page.get_by_test_id("opening-date").press("Tab")
        page.get_by_test_id("opening-try").click()

    return act


def _seen(name: str) -> str:
    return f"[data-testid={name}]"


_VERIFIED = f"{_seen('chain-last')}[data-ok=true]:not(:has({_seen('chain-running')}))"

STOPS: dict[App, tuple[Stop, ...]] = {
    "wallet": (
        Stop("welcome", "/wallet/welcome", _seen("go-register"), guest=True),
        Stop("register", "/wallet/register", _seen("register-submit"), guest=True),
        Stop("login", "/wallet/login", _seen("login-submit"), guest=True),
        Stop("recover", "/wallet/recover", _seen("recover-send"), guest=True),
        Stop("stop", "/wallet/stop", _seen("stop-send"), guest=True),
        Stop("home", "/wallet/", f"{_seen('balance')}[data-amount]"),
        Stop("pay-code-set-up", "/wallet/code", _seen("code-set-up")),
        Stop("pay-code", "/wallet/code", _seen("pay-code"), _set_up_code),
        Stop("instruments", "/wallet/me/security/instruments", _seen("instrument-row")),
        Stop("text", "/wallet/me/security/text", _seen("text-go")),
        Stop("small-payments", "/wallet/me/small-payments", _seen("small-save")),
        Stop("scan", "/wallet/scan", _seen("scan-no-camera")),
        Stop("scan-text", "/wallet/scan", _seen("scan-submit"), _click("scan-type")),
        Stop("pay-amount", "/wallet/pay?code={static}", _seen("amount-input")),
        Stop("pay-confirm", "/wallet/pay?code={code}", _seen("pay-confirm")),
        Stop("pay-pin", "/wallet/pay?code={code}", _seen("pin-pad"), _click("pay-confirm")),
        Stop("pay-done", "/wallet/pay?code={static}", f"{_seen('result')}[data-outcome=paid]", _pay),
        Stop("pay-foreign", "/wallet/pay?code={foreign}", _seen("scan-foreign")),
        Stop("transfer", "/wallet/transfer", _seen("payee-find")),
        Stop("transfer-amount", "/wallet/transfer", _seen("amount-next"), _transfer(review=False)),
        Stop("transfer-confirm", "/wallet/transfer", _seen("transfer-confirm"), _transfer(review=True)),
        Stop("topup", "/wallet/topup", _seen("amount-next"), _move("200", review=False)),
        Stop("topup-confirm", "/wallet/topup", _seen("topup-confirm"), _move("200", review=True)),
        Stop("withdraw", "/wallet/withdraw", _seen("amount-next"), _move("20", review=False)),
        Stop("withdraw-confirm", "/wallet/withdraw", _seen("withdraw-confirm"), _move("20", review=True)),
        Stop("bank-transfer", "/wallet/bank-transfers/{bank_transfer}", f"{_seen('result')}[data-outcome=paid]"),
        Stop("bank-accounts", "/wallet/bank-accounts", _seen("bank-row")),
        Stop("link-bank", "/wallet/bank-accounts/new", _seen("bank-submit")),
        Stop("cards", "/wallet/cards", f"{_seen('card-add')}:visible"),
        Stop("bind-card", "/wallet/cards/new", _seen("card-submit")),
        Stop("bills", "/wallet/bills", _seen("bill-row")),
        Stop("bills-filter", "/wallet/bills", _seen("filter-apply"), _click("bills-filter")),
        Stop("bill", "/wallet/bills/{bill}", _seen("bill-detail")),
        Stop("me", "/wallet/me", _seen("logout")),
        Stop("real-name", "/wallet/me/real-name", _seen("real-name")),
        Stop("document", "/wallet/me/real-name/document?level=3", _seen("document-send")),
        Stop("limits", "/wallet/me/limits", _seen("own-cap")),
        Stop("security", "/wallet/me/security", _seen("security-passkeys")),
        Stop("takeover", "/wallet/me/security/takeover", _seen("takeover-go")),
        Stop("password", "/wallet/me/security/password", _seen("password-save")),
        Stop("passkeys", "/wallet/me/security/passkeys", _seen("passkey-add")),
        Stop("app", "/wallet/me/security/app", _seen("totp-begin")),
        Stop("app-start", "/wallet/me/security/app", _seen("totp-next"), _click("totp-begin")),
        Stop("certificate", "/wallet/me/security/certificate", _seen("certificate-passkey")),
        Stop("alerts", "/wallet/me/security/alerts", f"{_seen('alert-row')}, {_seen('empty-state')}"),
        Stop("privacy", "/wallet/me/privacy", _seen("privacy-copy")),
        Stop("consents", "/wallet/me/privacy/consents", _seen("consent-row")),
        Stop("copy", "/wallet/me/privacy/copy", _seen("copy-take")),
        Stop("corrections", "/wallet/me/privacy/corrections", _seen("correct-save")),
        Stop("accesses", "/wallet/me/privacy/accesses", f"{_seen('access-row')}, {_seen('empty-state')}"),
        Stop("reviews", "/wallet/me/privacy/reviews", _seen("review-explain")),
        Stop("leave", "/wallet/me/privacy/leave", _seen("leave-ask")),
        Stop("wards", "/wallet/me/wards", _seen("empty-state")),
        Stop("devices", "/wallet/me/devices", _seen("device-row")),
        Stop("pin-password", "/wallet/pin", _seen("pin-password-next")),
        Stop("pin", "/wallet/pin", _seen("pin-pad"), _pin_again),
        Stop("missing", "/wallet/no-such-page", "main h1"),
    ),
    "merchant": (
        Stop("login", "/merchant/login", _seen("login-submit"), guest=True),
        Stop("collect", "/merchant/", _seen("collect-submit"), _collect),
        Stop("shown", "/merchant/", _seen("shown-submit"), _show_code),
        Stop("code", "/merchant/collect/{order}", _seen("qr")),
        Stop("received", "/merchant/collect/{paid}", _seen("order-received")),
        Stop("orders", "/merchant/orders?from={week}", f"{_seen('order-row')}[data-state=PAID]"),
        Stop("order", "/merchant/orders/{paid}?from={week}", _seen("detail-print")),
        Stop("refund", "/merchant/orders/{paid}?from={week}", _seen("refund-next"), _click("detail-refund")),
        Stop("poster", "/merchant/code", _seen("qr")),
        Stop("today", "/merchant/today?date={day}", _seen("tile-balance")),
        Stop("me", "/merchant/me", _seen("me-merchant")),
        Stop("business", "/merchant/business", f"{_seen('business-state')}, {_seen('business-edit')}"),
        Stop("business-form", "/merchant/business", _seen("business-save"), _click("business-edit")),
        Stop("account", "/merchant/me/account", _seen("login-row")),
    ),
    "console": (
        Stop("login", "/console/login", _seen("login-submit"), guest=True),
        Stop("welcome", "/console/welcome#an-invitation", _seen("welcome-submit"), guest=True),
        Stop("payments", "/console/payments", _seen("payment-row")),
        Stop("payment", "/console/payments/{payment}", _seen("journal")),
        Stop("journal", "/console/journals/{journal}", _seen("entry-row")),
        Stop("accounts", "/console/accounts", _seen("account-link")),
        Stop("statement", "/console/accounts/{account}", _seen("statement-row")),
        Stop("account-freeze", "/console/accounts/{wallet}", _seen("freeze-reason"), _click("account-freeze")),
        Stop("account-past", "/console/accounts/{account}", _seen("past-found"), _look_back),
        Stop("holds", "/console/holds", _seen("hold-row")),
        Stop("trial-balance", "/console/trial-balance", _seen("trial-balanced")),
        Stop("ledger", "/console/ledger?from={week}", _seen("ledger-row")),
        Stop("ledger-line", "/console/ledger/line?code=2001&currency=CNY&from={week}&to={day}", _seen("ledger-day")),
        Stop("ledger-day", "/console/ledger/line?code=2001&currency=CNY&from={week}&to={day}&date={day}", _seen("ledger-entry")),
        Stop("periods", "/console/periods", _seen("period-row")),
        Stop("period-close", "/console/periods", _seen("act-submit"), _click("period-close")),
        Stop("files", "/console/files", _seen("export-beancount")),
        Stop("opening-preview", "/console/files", _seen("opening-preview"), _try_opening(GOOD_OPENING)),
        Stop("opening-findings", "/console/files", _seen("opening-findings"), _try_opening(BAD_OPENING)),
        Stop(
            "chain",
            "/console/chain",
            f"{_seen('chain-last')}[data-ok=true]:not(:has({_seen('chain-running')}))",
            _click("chain-verify"),
        ),
        Stop("account", "/console/account", _seen("login-row")),
        Stop("bank-transfers", "/console/bank-transfers?state=ALL", _seen("transfer-row")),
        Stop("customers", "/console/customers", _seen("customer-row")),
        Stop("merchants", "/console/merchants", _seen("merchant-row")),
        Stop("new-merchant", "/console/merchants/new", "form"),
        Stop("approvals", "/console/approvals", _seen("proposal-row")),
        Stop("proposal", "/console/approvals", _seen("proposal-approve"), _click("proposal-link")),
        Stop("propose", "/console/periods", _seen("propose-reason"), _click("period-reopen")),
        Stop("incidents", "/console/approvals?which=incidents", _seen("incident-review")),
        Stop("operators", "/console/operators", _seen("operator-change")),
        Stop("new-operator", "/console/operators", _seen("propose-reason"), _click("operator-new")),
        Stop("roles", "/console/operators/roles", _seen("permission-row")),
        Stop("keys", "/console/operators/keys", _seen("key-rotate")),
        Stop("acts", "/console/acts", _seen("act-row")),
        Stop("customer", "/console/customers", _seen("customer-level"), _click("customer-link")),
        Stop("suspend", "/console/customers", _seen("suspend-reason"), _suspend),
        Stop("verifications", "/console/verifications", "main h1"),
        Stop("merchant", "/console/merchants", _seen("entity"), _click("merchant-link")),
        Stop("rules", "/console/rules", "main h1"),
        Stop("what-if", "/console/rules?which=what-if", _seen("whatif-ask")),
        Stop("duties", "/console/duties", "main h1"),
        Stop("reviews", "/console/privacy", _seen("empty-state")),
        Stop("breaches", "/console/privacy?which=breaches", _seen("breach-row")),
        Stop("breach", "/console/privacy?which=breaches", _seen("breach-task"), _click("breach-link")),
        Stop("assessments", "/console/privacy?which=assessments", _seen("assessment-row")),
        Stop("assessment", "/console/privacy?which=assessments", _seen("assessment-sign"), _click("assessment-link")),
        Stop("register", "/console/privacy?which=register", _seen("purpose-row")),
        Stop("scripts", "/console/scripts", "main h1"),
    ),
}
