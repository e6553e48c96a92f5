"""The books over HTTP: what is read of them, files out and in, acts on accounts, holds and journals, and closing periods.

The town is shared, so nothing here closes a day on which others post: periods are closed long before it was founded.
"""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from tests.http.test_operators import hired
from tests.http.town import PIN, Person, Town, ok, refused
from tongbao.app.asgi import open_services
from tongbao.app.console.accounts import AccountAnswer, AccountBalanceAnswer, StatementLine
from tongbao.app.console.books import LedgerAnswer, LedgerDayLine, LedgerEntry, TrialAnswer
from tongbao.app.console.exchange import OpeningAnswer
from tongbao.app.console.journals import JournalAnswer
from tongbao.app.console.periods import CheckAnswer, PeriodLine
from tongbao.app.console.states import HoldLine
from tongbao.engine.api import accepted
from tongbao.kernel import web
from tongbao.kernel.ids import new_id
from tongbao.ledger.api import CUSTOMER_WALLET, account_id
from tongbao.ledger.commands import PlaceHold

pytestmark = pytest.mark.asyncio(loop_scope="session")

ZONE = ZoneInfo("Asia/Shanghai")
ACCOUNTS = "/v1/console/accounts"


def today() -> str:
    return datetime.now(ZONE).date().isoformat()


def wallet(person: Person) -> str:
    return str(account_id(CUSTOMER_WALLET, "CNY", UUID(person.customer_id)))


async def opened(town: Town, code: str, minor: str, owner: str = "", day: str = "") -> str:
    """Credit a place from the reserve, by a file of opening balances that nobody has sent before. Answers the journal."""
    nonce = new_id(datetime.now(UTC))
    content = f"code,owner_id,currency,debit,credit,{nonce}\n1001,,CNY,{minor},\n{code},{owner},CNY,,{minor}\n"
    ended = await town.agreed("books.opening", {"content": content, "value_date": day or today()})
    assert ended["state"] == "DONE", ended
    return str(ended["outcome"])


async def test_a_statement_reads_the_same_from_both_ends(town: Town) -> None:
    who = await town.customer("Statement")
    for amount in ("5.00", "6.00", "7.00"):
        await town.gift(who, amount)
    path = f"{ACCOUNTS}/{wallet(who)}/statement"
    seen: dict[str, list[int]] = {}
    for order in ("newest", "oldest"):
        versions: list[int] = []
        cursor: dict[str, str] = {}
        while True:
            page = ok(await town.support.get(path, order=order, limit=2, **cursor), web.Page[StatementLine])
            versions += [line.version for line in page.items]
            if page.next_cursor is None:
                break
            cursor = {"cursor": page.next_cursor}
        seen[order] = versions
    assert seen == {"newest": [3, 2, 1], "oldest": [1, 2, 3]}


async def test_a_balance_is_told_as_of_a_moment_and_a_day(town: Town) -> None:
    who = await town.customer("Past")
    await town.gift(who, "5.00")
    between = datetime.now(UTC).isoformat()
    await town.gift(who, "6.00")
    path = f"{ACCOUNTS}/{wallet(who)}/balance"

    async def stood(**query: str) -> str:
        return ok(await town.support.get(path, **query), AccountBalanceAnswer).balance

    yesterday = (datetime.now(ZONE) - timedelta(days=1)).date().isoformat()
    assert await stood(at=between) == "5.00"
    assert (await stood(date=today()), await stood(date=yesterday)) == ("11.00", "0.00")
    for query in ({}, {"at": between, "date": today()}, {"date": "2026-02-30"}):
        refused(await town.support.get(path, **query), 400, "invalid_date")


async def test_the_ledger_leads_from_a_line_to_its_days_and_entries(town: Town) -> None:
    who = await town.customer("Drill")
    await town.gift(who, "5.00")
    period = {"from": "2026-01-01", "to": today()}
    ledger = ok(await town.support.get("/v1/console/general-ledger", **period), LedgerAnswer)
    line = next(row for row in ledger.rows if (row.code, row.currency) == ("2001", "CNY"))
    assert Decimal(line.opening) + Decimal(line.credit) - Decimal(line.debit) == Decimal(line.closing)
    which = {"code": "2001", "currency": "CNY"}
    days = ok(await town.support.get("/v1/console/general-ledger/days", **which, **period), web.Page[LedgerDayLine])
    assert days.items[0].balance_after == line.closing
    found: list[LedgerEntry] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await town.support.get("/v1/console/general-ledger/entries", **which, date=today(), limit=100, **cursor)
        page = ok(answer, web.Page[LedgerEntry])
        found += page.items
        if page.next_cursor is None:
            break
        cursor = {"cursor": page.next_cursor}
    assert [(entry.amount, entry.kind) for entry in found if entry.owner == who.customer_id] == [("5.00", "transfer")]
    refused(
        await town.support.get("/v1/console/general-ledger", **{"from": "2026-02-02", "to": "2026-02-01"}), 400, "invalid_date"
    )
    refused(
        await town.support.get("/v1/console/general-ledger/days", code="1234", currency="CNY", **period), 404, "account_not_found"
    )


async def test_a_trial_balance_of_a_day_before_the_books_is_empty(town: Town) -> None:
    trial = ok(await town.finance.get("/v1/console/trial-balance", date="2020-01-01"), TrialAnswer)
    assert (trial.currencies, str(trial.date)) == ([], "2020-01-01")


async def test_exports_are_files_with_a_name(town: Town) -> None:
    for what, kind in (("beancount", "text/plain"), ("journals", "text/csv"), ("entries", "text/csv"), ("accounts", "text/csv"),
                       ("trial-balance", "text/csv")):  # fmt: skip
        refused(await town.finance.get(f"/v1/console/exports/{what}"), 403, "approval_needed")
        approval = (await town.agreed("books.export", {"what": what}))["proposal_id"]
        answer = await town.finance.get(f"/v1/console/exports/{what}", approval=approval)
        assert (answer.status_code, answer.headers["content-type"]) == (200, f"{kind}; charset=utf-8"), answer.text[:200]
        assert f'filename="tongbao-{what}.' in answer.headers["content-disposition"]
        assert len(answer.text.splitlines()) > 1
        if what == "entries":
            rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
        if what == "accounts":
            answer = await town.finance.get(f"/v1/console/exports/{what}", approval=approval, bom="true")
            assert answer.content.startswith(b"\xef\xbb\xbf")
        refused(await town.admin.get(f"/v1/console/exports/{what}", approval=approval), 403, "approval_needed")
    assert sum(Decimal(row["debit"] or 0) - Decimal(row["credit"] or 0) for row in rows if row["currency"] == "CNY") == 0
    other = await town.finance.get("/v1/console/exports/trial-balance", approval=approval, **{"from": today()})
    refused(other, 403, "approval_needed")


async def test_a_file_says_of_nobody_whose_it_is_unless_two_agreed_and_said_why(town: Town) -> None:
    who = await town.customer("Written out")
    await town.gift(who, "7.00")
    ids = {who.customer_id, wallet(who)}
    auditor = await hired(town, ["auditor"])
    for what in ("beancount", "entries", "accounts", "journals"):
        approval = (await town.agreed("books.export", {"what": what}))["proposal_id"]
        masked = (await town.finance.get(f"/v1/console/exports/{what}", approval=approval)).text.lower()
        assert (not [one for one in ids if one in masked] and "7.00" in masked) or what in ("journals", "accounts")
        refused(await town.finance.get(f"/v1/console/exports/{what}", approval=approval, whole="true"), 403, "forbidden")
        refused(await auditor.get(f"/v1/console/exports/{what}", approval=approval, whole="true"), 403, "approval_needed")
        whole = (await town.agreed("books.export_whole", {"what": what}, auditor))["proposal_id"]
        refused(await auditor.get(f"/v1/console/exports/{what}", approval=whole), 403, "approval_needed")
        file = (await auditor.get(f"/v1/console/exports/{what}", approval=whole, whole="true")).text.lower()
        assert what == "journals" or who.customer_id in file
        page = ok(await town.admin.get("/v1/console/acts", by=auditor.operator_id, limit=1))["items"][0]
        assert (page["subject_kind"], page["reason"]) == ("books", f"whole: {whole}")
    wish = {"kind": "books.export_whole", "body": {"what": "entries"}, "reason": "the yearly audit"}
    refused(await town.finance.post("/v1/console/proposals", wish), 403, "not_permitted")


async def test_files_and_acts_are_for_bookkeepers(town: Town) -> None:
    who = await town.customer("Nosy")
    refused(await town.support.get("/v1/console/exports/entries"), 403, "forbidden")
    freeze = {"debits": True, "credits": False, "reason": "fraud"}
    for path, body in (
        (f"{ACCOUNTS}/{wallet(who)}/freeze", freeze), (f"{ACCOUNTS}/{wallet(who)}/close", {}),
        ("/v1/console/periods", {"through": "2020-01-01"}),
        ("/v1/console/opening-balances", {"content": "x", "value_date": today()}),
    ):  # fmt: skip
        refused(await town.support.post(path, body), 403, "forbidden")
    refused(await town.finance.post("/v1/console/periods/2020-01-01/reopen", {"reason": "x"}), 403, "forbidden")


async def test_opening_balances_are_tried_before_they_are_posted(town: Town) -> None:
    nonce = new_id(datetime.now(UTC))
    content = f"code,owner_id,currency,debit,credit,{nonce}\n1001,,CNY,3.00,\n3901,,CNY,,3.00\n"
    path, before = "/v1/console/opening-balances", await town.moved()
    tried = ok(await town.finance.post(path, {"content": content, "value_date": today()}), OpeningAnswer)
    assert (tried.lines, tried.findings, tried.journal_id) == (2, [], None)
    assert all(each.balanced for each in tried.currencies)
    ahead = str(date.fromisoformat(today()) + timedelta(days=2))
    early = ok(await town.finance.post(path, {"content": content, "value_date": ahead}), OpeningAnswer)
    assert [(each.line, ahead in each.message.en) for each in early.findings] == [(0, True)]
    refused(await town.admin.post(path, {"content": content, "value_date": today(), "dry_run": False}), 403, "approval_needed")
    wish = {"kind": "books.opening", "reason": "carried over"}
    for body in ({"content": content + "9,,CNY,1,\n", "value_date": today()}, {"content": content, "value_date": ahead}):
        refused(await town.finance.post("/v1/console/proposals", {**wish, "body": body}), 400, "act_malformed")
    assert await town.moved() == before
    posted = await town.agreed("books.opening", {"content": content, "value_date": today()})
    again = await town.agreed("books.opening", {"content": content, "value_date": today()})
    assert posted["state"] == "DONE" and posted["outcome"]
    assert again["outcome"] == posted["outcome"]
    # The bank knows nothing of this money: tests to come compare the books with its own.
    undone = f"/v1/console/journals/{posted['outcome']}/reverse"
    refused(await town.admin.post(undone, {"reason": "alone"}), 403, "approval_needed")
    assert (await town.agreed("journal.reverse", {"journal_id": posted["outcome"]}))["state"] == "DONE"


async def test_a_journal_is_reversed_once_and_by_two(town: Town) -> None:
    posted = await opened(town, "3901", "2.00")
    path, wish = f"/v1/console/journals/{posted}", {"journal_id": posted}
    refused(await town.finance.post(f"{path}/reverse", {"reason": "typed twice"}), 403, "approval_needed")
    done = await town.agreed("journal.reverse", wish)
    assert done["state"] == "DONE"
    undoing = ok(await town.support.get(f"/v1/console/journals/{done['outcome']}"), JournalAnswer)
    assert (undoing.reverses, undoing.memo, undoing.reversible) == (posted, "as the test asks", False)
    original = ok(await town.support.get(path), JournalAnswer)
    assert (original.reversed_by, original.reversible) == (undoing.journal_id, False)
    assert sorted(entry.amount for entry in original.entries) == sorted(entry.amount for entry in undoing.entries)
    assert (await town.agreed("journal.reverse", wish))["outcome"] == "journal_reversed"
    assert (await town.agreed("journal.reverse", {"journal_id": undoing.journal_id}))["outcome"] == "journal_is_reversal"


async def test_a_payment_is_refunded_not_reversed(town: Town) -> None:
    await town.pay(town.ann, await town.order(town.shop, "1.00"))
    entry = ok(await town.support.get(f"{ACCOUNTS}/{wallet(town.ann)}/statement", limit=1))["items"][0]
    assert not ok(await town.support.get(f"/v1/console/journals/{entry['journal_id']}"), JournalAnswer).reversible
    wish = {"kind": "journal.reverse", "body": {"journal_id": entry["journal_id"]}, "reason": "instead of a refund"}
    refused(await town.finance.post("/v1/console/proposals", wish), 409, "reversed_elsewhere")


async def test_a_frozen_wallet_pays_nothing_until_the_reason_is_lifted(town: Town) -> None:
    who = await town.customer("Frozen")
    await town.gift(who, "5.00")
    path, send = (
        f"{ACCOUNTS}/{wallet(who)}",
        {"payee_id": town.ann.customer_id, "amount": "1.00", "currency": "CNY", "pin": PIN},
    )
    for reason in ("fraud", "court"):
        body = {"debits": True, "credits": False, "reason": reason}
        frozen = ok(await town.finance.post(f"{path}/freeze", body), AccountAnswer)
    assert (frozen.debit_freeze, frozen.credit_freeze) == (["court", "fraud"], [])
    refused(await who.post("/v1/wallet/transfers", send), 422, "account_frozen_debit")
    await town.gift(who, "1.00")
    for reason in ("fraud", "court"):
        refused(await who.post("/v1/wallet/transfers", send), 422, "account_frozen_debit")
        sides = {"debits": True, "credits": False}
        refused(await town.finance.post(f"{path}/unfreeze", {**sides, "reason": reason}), 403, "approval_needed")
        thawing = {"account_id": wallet(who), "freeze_reason": reason, **sides}
        assert (await town.agreed("account.unfreeze", thawing))["state"] == "DONE"
    assert ok(await town.finance.get(path), AccountAnswer).debit_freeze == []
    ok(await who.post("/v1/wallet/transfers", send), status=201)
    body = {"debits": False, "credits": False, "reason": "fraud"}
    refused(await town.finance.post(f"{path}/freeze", body), 400, "freeze_without_side")


async def test_an_account_is_closed_empty_and_opened_again(town: Town) -> None:
    who = await town.customer("Leaving")
    await town.gift(who, "5.00")
    path = f"{ACCOUNTS}/{wallet(who)}"
    refused(await town.finance.post(f"{path}/close", {}), 422, "account_not_empty")
    send = {"payee_id": town.ann.customer_id, "amount": "5.00", "currency": "CNY", "pin": PIN}
    ok(await who.post("/v1/wallet/transfers", send), status=201)
    assert ok(await town.finance.post(f"{path}/close", {"note": "moved abroad"}), AccountAnswer).closed_at is not None
    gift = {"payee_id": who.customer_id, "amount": "1.00", "currency": "CNY", "pin": PIN}
    refused(await town.ann.post("/v1/wallet/transfers", gift), 422, "account_closed")
    assert ok(await town.finance.post(f"{path}/reopen", {}), AccountAnswer).closed_at is None
    ok(await town.ann.post("/v1/wallet/transfers", gift), status=201)


async def test_a_ceiling_is_set_and_taken_away(town: Town) -> None:
    who = await town.customer("Small")
    await town.gift(who, "5.00")
    path = f"{ACCOUNTS}/{wallet(who)}"
    refused(await town.finance.post(f"{path}/limits", {"ceiling": "5.50"}), 403, "approval_needed")

    async def bounded(ceiling: str | None) -> tuple[str, str, str | None]:
        ended = await town.agreed("account.bound", {"account_id": wallet(who), "ceiling": ceiling})
        code = ended["outcome"] if ended["state"] == "FAILED" else ""
        return ended["state"], code, ok(await town.finance.get(path), AccountAnswer).ceiling

    assert await bounded("4.99") == ("FAILED", "ceiling_below_balance", None)
    assert await bounded("5.50") == ("DONE", "", "5.50")
    gift = {"payee_id": who.customer_id, "amount": "1.00", "currency": "CNY", "pin": PIN}
    refused(await town.ann.post("/v1/wallet/transfers", gift), 422, "balance_ceiling")
    assert await bounded(None) == ("DONE", "", None)
    ok(await town.ann.post("/v1/wallet/transfers", gift), status=201)
    wish = {"kind": "account.bound", "body": {"account_id": wallet(who), "ceiling": "a lot"}, "reason": "no number"}
    refused(await town.finance.post("/v1/console/proposals", wish), 400, "amount_malformed")


async def test_a_hold_is_listed_and_voided_once(town: Town) -> None:
    who = await town.customer("Held")
    await town.gift(who, "5.00")
    async with open_services(town.stack.settings, town.stack.dsn) as services:
        now = services.clock.now()
        hold_id = new_id(now)
        hold = PlaceHold(
            command_id=new_id(now), hold_id=hold_id, code="2001", currency="CNY", owner_id=UUID(who.customer_id),
            amount_minor=300, expires_at=now + timedelta(hours=1),
        )  # fmt: skip
        accepted(await services.engine.submit(hold))
    listed = ok(await town.support.get("/v1/console/holds", account=wallet(who)), web.Page[HoldLine])
    assert [(each.hold_id, each.left, each.state) for each in listed.items] == [(str(hold_id), "3.00", "ACTIVE")]
    everyone = ok(await town.support.get("/v1/console/holds", limit=100), web.Page[HoldLine])
    assert str(hold_id) in {each.hold_id for each in everyone.items}
    assert (await town.agreed("hold.void", {"hold_id": str(hold_id)}))["state"] == "DONE"
    (voided,) = ok(await town.support.get("/v1/console/holds", account=wallet(who)), web.Page[HoldLine]).items
    assert (voided.state, voided.left, voided.amount) == ("VOIDED", "0.00", "3.00")
    assert ok(await town.support.get(f"{ACCOUNTS}/{wallet(who)}"), AccountAnswer).held == "0.00"


async def test_a_period_is_closed_after_a_look_and_reopened_with_a_reason(town: Town) -> None:
    check = ok(await town.support.get("/v1/console/periods/check", through=today()), CheckAnswer)
    assert not check.ready and "not_over" in [finding.name for finding in check.findings]
    refused(await town.finance.post("/v1/console/periods", {"through": today()}), 409, "period_not_over")
    check = ok(await town.support.get("/v1/console/periods/check", through="2020-01-31"), CheckAnswer)
    assert check.ready and check.results == []
    closed = ok(await town.finance.post("/v1/console/periods", {"through": "2020-01-31"}), PeriodLine, 201)
    assert (closed.state, closed.last, str(closed.through)) == ("CARRIED", True, "2020-01-31")
    refused(await town.finance.post("/v1/console/periods", {"through": "2020-01-31"}), 409, "period_out_of_order")
    path = "/v1/console/periods/2020-01-31/reopen"
    refused(await town.admin.post(path, {"reason": "a late invoice"}), 403, "approval_needed")
    assert (await town.agreed("period.reopen", {"through": "2020-01-31"}))["state"] == "DONE"
    again = await town.agreed("period.reopen", {"through": "2020-01-31"})
    assert (again["state"], again["outcome"]) == ("FAILED", "period_not_closed")
    listed = ok(await town.support.get("/v1/console/periods"), web.Page[PeriodLine])
    assert [(str(each.through), each.state, each.reason, each.last) for each in listed.items] == [
        ("2020-01-31", "REOPENED", "as the test asks", False)
    ]
