"""What every route answers when all is well: each answer is decoded into its own type, and says nothing beside it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeVar

import httpx
import msgspec
import pytest

from tests.http.town import PASSWORD, PIN, Town, key, until
from tongbao.app.console.accounts import AccountAnswer, StatementLine
from tongbao.app.console.bank_transfers import ConsoleBankTransfer
from tongbao.app.console.books import TrialAnswer
from tongbao.app.console.chain import ChainAnswer, RunningAnswer
from tongbao.app.console.journals import JournalAnswer
from tongbao.app.console.payments import ConsolePayment, ConsolePaymentDetail
from tongbao.app.console.people import CustomerLine, MerchantLine
from tongbao.app.console.session import OperatorAnswer
from tongbao.channels.api import DEMO_ACCOUNTS
from tongbao.channels.simulated.faults import Fault, Match
from tongbao.channels.simulated.people import DEMO_PEOPLE
from tongbao.identity import http as identity
from tongbao.identity import own_http
from tongbao.identity.binding import BoundSession
from tongbao.kernel import web
from tongbao.merchants import http as merchants
from tongbao.methods.qr import http as qr
from tongbao.payments import http as payments
from tongbao.payments.cards import OrderAnswer, PaymentAnswer
from tongbao.security.masking import mask_login
from tongbao.wallet import http as wallet
from tongbao.wallet.bank_http import BankAccountAnswer, BankLinkAnswer, BankTransferAnswer

pytestmark = pytest.mark.asyncio(loop_scope="session")

T = TypeVar("T")


def exact(answer: httpx.Response, kind: Any, status: int = 200) -> Any:
    """The answer as its type. Encoded again it must be the same: nothing was left out, nothing said beside it."""
    assert answer.status_code == status, answer.text
    decoded = msgspec.json.decode(answer.content, type=kind)
    assert msgspec.json.decode(msgspec.json.encode(decoded)) == answer.json()
    return decoded


async def test_a_customers_first_day(town: Town) -> None:
    login = town.login()
    body = {"login": login, "password": PASSWORD, "name": "王秀英", "locale": "zh", "device_name": "phone"}
    session = exact(
        await town.here.post("/v1/wallet/register", json=body, headers={"idempotency-key": key()}), identity.SessionAnswer, 201
    )
    me = session.customer
    assert (me.name, me.name_masked, me.login_masked) == ("王秀英", "王*英", f"{login[:3]}****{login[-4:]}")
    assert (me.has_pin, me.locale) == (False, "zh") and me.created_at.tzinfo is not None
    again = await town.here.post("/v1/wallet/login", json={"login": f"+86 {login}", "password": PASSWORD})
    other = exact(again, identity.SessionAnswer)
    assert other.customer == me and other.token != session.token

    headers = {"authorization": f"Bearer {session.token}"}
    balance = exact(await town.here.get("/v1/wallet/balance", headers=headers), wallet.BalanceAnswer)
    assert balance == wallet.BalanceAnswer("CNY", "0.00", "0.00", "0.00", "0.00")
    bills = exact(await town.here.get("/v1/wallet/bills", headers=headers), wallet.BillsAnswer)
    assert (bills.items, bills.next_cursor, bills.days) == ([], None, [])
    pin = await town.here.post(
        "/v1/wallet/pin", json={"pin": PIN, "password": PASSWORD}, headers={"idempotency-key": key()},
        auth=BoundSession(session.token, session.binding),
    )  # fmt: skip
    assert (pin.status_code, pin.content) == (204, b"")
    assert exact(await town.here.get("/v1/wallet/me", headers=headers), identity.Me).has_pin
    sessions = exact(await town.here.get("/v1/wallet/sessions", headers=headers), web.Page[own_http.SessionLine])
    assert [line.current for line in sessions.items] == [False, True] and sessions.next_cursor is None


async def test_to_the_bank_and_back(town: Town) -> None:
    who = await town.customer(DEMO_ACCOUNTS[4].holder_name)
    await town.known(who, 4)
    papers = DEMO_PEOPLE[4]
    wish = {"bank": "simbank", "account_number": papers.card, "phone": papers.phone, "pin": PIN}
    asked = exact(await who.post("/v1/wallet/bank-accounts", wish), BankLinkAnswer, 201)
    assert (asked.state, asked.bank_account, asked.tries_left) == ("SENT", None, 3)
    masked = f"{papers.card[:4]} **** {papers.card[-4:]}"
    assert (asked.number_masked, asked.phone_masked) == (masked, mask_login(papers.phone))
    assert exact(await who.get(f"/v1/wallet/bank-links/{asked.link_id}"), BankLinkAnswer) == asked
    code = {"code": await town.stack.back_office.code_sent(papers.phone)}
    done = exact(await who.post(f"/v1/wallet/bank-links/{asked.link_id}/confirm", code), BankLinkAnswer)
    account = done.bank_account
    assert done.state == "LINKED" and account is not None and account.number_masked == masked
    listed = exact(await who.get("/v1/wallet/bank-accounts"), web.Page[BankAccountAnswer])
    assert listed.items == [account]

    body = {"bank_account_id": account.bank_account_id, "amount": "50", "currency": "CNY", "pin": PIN}
    topup = exact(await who.post("/v1/wallet/topups", body), BankTransferAnswer, 201)
    assert (topup.kind, topup.state, topup.amount, topup.bank_account) == ("topup", "SUCCEEDED", "50.00", account)
    out = exact(await who.post("/v1/wallet/withdrawals", {**body, "amount": "20.50"}), BankTransferAnswer, 201)
    assert (out.kind, out.state, out.failure_code) == ("withdrawal", "SUCCEEDED", None)
    for each in (topup, out):
        path = f"/v1/wallet/bank-transfers/{each.bank_transfer_id}"
        assert exact(await who.get(path), BankTransferAnswer) == each
    assert exact(await who.get("/v1/wallet/balance"), wallet.BalanceAnswer).balance == "29.50"

    bills = exact(await who.get("/v1/wallet/bills"), wallet.BillsAnswer)
    assert [(bill.kind, bill.direction, bill.amount, bill.state) for bill in bills.items] == [
        ("withdrawal", "out", "20.50", "SUCCEEDED"), ("topup", "in", "50.00", "SUCCEEDED"),
    ]  # fmt: skip
    assert [(day.in_, day.out) for day in bills.days] == [("50.00", "20.50")]
    for bill in bills.items:
        assert exact(await who.get(f"/v1/wallet/bills/{bill.bill_id}"), wallet.BillAnswer) == bill
    assert (await who.delete(f"/v1/wallet/bank-accounts/{account.bank_account_id}")).status_code == 204
    assert exact(await who.get("/v1/wallet/bank-accounts"), web.Page[BankAccountAnswer]).items == []


async def test_between_friends(town: Town) -> None:
    payee = exact(await town.ann.post("/v1/wallet/payees/resolve", {"login": town.ben.login}), wallet.PayeeAnswer)
    assert (payee.payee_id, payee.name_masked) == (town.ben.customer_id, "李*桐")
    body = {"payee_id": payee.payee_id, "amount": "1.5", "currency": "CNY", "pin": PIN, "note": "饭钱 🍜"}
    sent = exact(await town.ann.post("/v1/wallet/transfers", body), wallet.BillAnswer, 201)
    assert (sent.kind, sent.direction, sent.amount, sent.note, sent.state) == ("transfer", "out", "1.50", "饭钱 🍜", "SUCCEEDED")
    assert sent.counterparty == wallet.CounterpartyAnswer("李*桐", "customer", payee.login_masked)
    got = exact(await town.ben.get(f"/v1/wallet/bills/{sent.bill_id}"), wallet.BillAnswer)
    assert (got.direction, got.amount, got.note) == ("in", "1.50", "饭钱 🍜")
    assert got.journal_id == sent.journal_id and got.balance_after != sent.balance_after


async def test_an_order_from_code_to_refund(town: Town) -> None:
    shop = await town.merchant("咖啡", fee_ppm=6000)
    body = {
        "amount": "12.50",
        "currency": "CNY",
        "subject": "拿铁",
        "store_id": shop.store_id,
        "out_trade_no": key(),
        "expires_in_s": 60,
    }
    order = exact(await shop.post("/v1/merchant/orders", body), OrderAnswer, 201)
    assert (order.state, order.amount, order.fee, order.net, order.refunded) == ("CREATED", "12.50", "0.08", "12.42", "0.00")
    assert (order.expires_at - order.created_at).total_seconds() == 60
    path = f"/v1/merchant/orders/{order.out_trade_no}"

    code = exact(await shop.get(f"{path}/code"), qr.CodeAnswer)
    assert code.text.startswith("000201") and code.svg.startswith("<svg") and code.expires_at == order.expires_at
    scan = exact(await town.ann.post("/v1/wallet/scan", {"text": code.text}), qr.OrderScan | qr.StaticScan | qr.ForeignScan)
    assert isinstance(scan, qr.OrderScan) and scan.payment.payment_id == order.payment_id
    assert exact(await town.ann.get(f"/v1/wallet/payments/{order.payment_id}"), PaymentAnswer) == scan.payment

    yes = {"amount": scan.payment.amount, "currency": scan.payment.currency, "pin": PIN}
    paid = exact(await town.ann.post(f"/v1/wallet/payments/{order.payment_id}/confirm", yes), PaymentAnswer)
    assert (paid.state, paid.payer_masked) == ("PAID", "张*明") and paid.paid_at is not None and paid.bill_id is not None
    refund = exact(
        await shop.post(f"{path}/refunds", {"amount": "2.50", "currency": "CNY", "reason": "洒了"}), payments.RefundAnswer, 201
    )
    assert (refund.amount, refund.fee_returned, refund.state, refund.reason) == ("2.50", "0.01", "SUCCEEDED", "洒了")

    shown = exact(await shop.get(path), OrderAnswer)
    assert (shown.refunded, [line.refund_id for line in shown.refunds]) == ("2.50", [refund.refund_id])
    page = exact(await shop.get("/v1/merchant/orders", q=order.out_trade_no[:12]), web.Page[OrderAnswer])
    assert page.items == [shown]
    bill = exact(await town.ann.get(f"/v1/wallet/bills/{paid.bill_id}"), wallet.BillAnswer)
    assert (bill.state, bill.title, bill.counterparty.name, bill.payment_id) == (
        "PARTLY_REFUNDED",
        "拿铁",
        "咖啡",
        paid.payment_id,
    )
    summary = exact(await shop.get("/v1/merchant/summary"), payments.SummaryAnswer)
    assert (summary.paid_count, summary.paid, summary.refunded_count, summary.refunded) == (1, "12.50", 1, "2.50")
    balance = exact(await shop.get("/v1/merchant/balance"), payments.MerchantBalanceAnswer)
    assert balance.balance == summary.net == summary.balance == "9.93"

    other = exact(await shop.post("/v1/merchant/orders", {**body, "out_trade_no": key()}), OrderAnswer, 201)
    closed = exact(await shop.post(f"/v1/merchant/orders/{other.out_trade_no}/close"), OrderAnswer)
    assert closed.state == "CLOSED" and closed.closed_at is not None


async def test_a_static_code(town: Town) -> None:
    Scan = qr.OrderScan | qr.StaticScan | qr.ForeignScan
    for query, fixed in (({}, None), ({"amount": "3"}, "3.00")):
        code = exact(await town.shop.get(f"/v1/merchant/stores/{town.shop.store_id}/code", **query), qr.CodeAnswer)
        scan = exact(await town.ann.post("/v1/wallet/scan", {"text": f" {code.text}\n"}), Scan)
        assert isinstance(scan, qr.StaticScan) and scan.store is not None
        assert (scan.merchant.merchant_id, scan.store.store_id, scan.amount) == (town.shop.merchant_id, town.shop.store_id, fixed)
        body = {"code": code.text, "amount": "3.00", "currency": "CNY", "pin": PIN}
        paid = exact(await town.ann.post("/v1/wallet/payments", body), PaymentAnswer, 201)
        assert (paid.state, paid.amount, paid.store) == ("PAID", "3.00", scan.store)


@pytest.mark.parametrize(
    ("text", "scheme"),
    [("https://qr.alipay.com/fkx123", "alipay"), ("wxp://f2f0abc", "wechat"), ("upi://pay?pa=a@b", "upi"),
     ("https://example.com", "url"), ("何か", "unknown"), ("", "unknown")],
)  # fmt: skip
async def test_a_foreign_code_is_named(town: Town, text: str, scheme: str) -> None:
    scan = exact(await town.ann.post("/v1/wallet/scan", {"text": text}), qr.OrderScan | qr.StaticScan | qr.ForeignScan)
    assert isinstance(scan, qr.ForeignScan) and scan.code == scheme
    assert scan.message.zh and scan.message.en


async def test_the_cashier(town: Town) -> None:
    answer = await town.here.post("/v1/merchant/login", json={"login": town.shop.login, "password": PASSWORD})
    session = exact(answer, merchants.StaffSessionAnswer)
    staff = exact(await town.shop.get("/v1/merchant/me"), merchants.StaffAnswer)
    assert session.staff == staff and staff.role == "owner" and staff.merchant.fee_ppm == 6000


async def test_the_console_reads_it_all(town: Town) -> None:
    order = await town.order(town.shop, "4.00")
    paid = await town.pay(town.ann, order)
    back = {"amount": "1.00", "currency": "CNY"}
    assert (await town.shop.post(f"/v1/merchant/orders/{order['out_trade_no']}/refunds", back)).status_code == 201
    look = town.support
    assert exact(await look.get("/v1/console/me"), OperatorAnswer).roles == ["support"]
    for query in (paid["payment_id"], order["out_trade_no"]):
        page = exact(await look.get("/v1/console/payments", q=query), web.Page[ConsolePayment])
        assert [each.payment_id for each in page.items] == [paid["payment_id"]]
    for query in (town.ann.login, "山前"):
        found = exact(await look.get("/v1/console/payments", q=query, state="PAID"), web.Page[ConsolePayment])
        assert paid["payment_id"] in {each.payment_id for each in found.items}
    detail = exact(await look.get(f"/v1/console/payments/{paid['payment_id']}"), ConsolePaymentDetail)
    assert [event.kind for event in detail.events] == ["created", "paid", "refunded"]
    assert detail.payer is not None and detail.payer.customer_id == town.ann.customer_id
    for journal in detail.journals:
        assert exact(await look.get(f"/v1/console/journals/{journal.journal_id}"), JournalAnswer) == journal
        assert sum(Decimal(entry.amount) for entry in journal.entries) == 0
        for entry in journal.entries:
            account = exact(await look.get(f"/v1/console/accounts/{entry.account_id}"), AccountAnswer)
            assert account.code == entry.account_code and account.version >= entry.version
            lines = exact(await look.get(f"/v1/console/accounts/{entry.account_id}/statement"), web.Page[StatementLine])
            assert (journal.journal_id, entry.balance_after) in {(line.journal_id, line.balance_after) for line in lines.items}
    assert exact(await look.get("/v1/console/accounts", code=account.code), web.Page[AccountAnswer]).items
    customer = exact(await look.get("/v1/console/customers", q=town.ann.login), web.Page[CustomerLine])
    assert [line.customer_id for line in customer.items] == [town.ann.customer_id]
    merchant = exact(await look.get("/v1/console/merchants", q=town.shop.merchant_id), web.Page[MerchantLine])
    assert [(line.name, line.stores) for line in merchant.items] == [("山前咖啡", 1)]
    assert exact(await look.get("/v1/console/bank-transfers", state="SUCCEEDED"), web.Page[ConsoleBankTransfer]).items


async def test_the_books_are_shown(town: Town) -> None:
    trial = exact(await town.finance.get("/v1/console/trial-balance"), TrialAnswer)
    for each in trial.currencies:
        assert each.balanced and each.total_debit == each.total_credit
        assert each.reserve is not None and each.reserve.equal
    assert exact(await town.finance.post("/v1/console/chain/verify"), RunningAnswer, 202).running

    async def verified() -> bool:
        chain = exact(await town.finance.get("/v1/console/chain"), ChainAnswer)
        return not chain.verifying and chain.last_verified is not None and chain.last_verified.ok

    await until(verified, 30)


async def test_pages_meet_without_gap_or_overlap(town: Town) -> None:
    shop = await town.merchant("Pages")
    numbers = [(await town.order(shop, "1.00"))["out_trade_no"] for _ in range(7)]
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 3}
    while True:
        page = exact(await shop.get("/v1/merchant/orders", **query), web.Page[OrderAnswer])
        seen += [each.out_trade_no for each in page.items]
        if page.next_cursor is None:
            break
        query["cursor"] = page.next_cursor
    assert seen == numbers[::-1]


async def test_a_bank_that_does_not_answer_is_unknown_and_then_known(town: Town) -> None:
    await town.stack.back_office.add_fault(Fault(kind="lost_answer", match=Match(amount_minor=7777)))
    body = {"bank_account_id": town.ann.bank_account_id, "amount": "77.77", "currency": "CNY", "pin": PIN}
    transfer = exact(await town.ann.post("/v1/wallet/topups", body), BankTransferAnswer, 201)
    assert transfer.state in ("UNKNOWN", "SUCCEEDED")

    async def settled() -> bool:
        path = f"/v1/wallet/bank-transfers/{transfer.bank_transfer_id}"
        return bool(exact(await town.ann.get(path), BankTransferAnswer).state == "SUCCEEDED")

    await until(settled, 15)


async def test_the_front_door(town: Town) -> None:
    health = (await town.here.get("/health")).json()
    assert (health["status"], health["database"]) == ("ok", "ok") and health["version"]
    assert (await town.here.get("/v1/ping")).text == "pong"
