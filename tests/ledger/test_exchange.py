"""Files: the books in Beancount as its own loader reads them, in CSV as a spreadsheet does, and opening balances brought in."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from beancount import loader
from beancount.core import data

from tests.ledger.books import CURRENCY, DAY, NOON, WALLET, Books, books
from tongbao.app.audit import Audit
from tongbao.app.books import Books as BooksOfApp
from tongbao.app.settings import Settings
from tongbao.kernel.errors import Refusal
from tongbao.ledger.api import CUSTOMER_WALLET, RESERVE, account_id
from tongbao.ledger.exchange import opening
from tongbao.ledger.exchange.export import WHATS, Export, What, export
from tongbao.ledger.exchange.names import account_name, account_named, commodity
from tongbao.ledger.exchange.tables import text
from tongbao.security.keys import Keys

OWNER = UUID("0f0f0f0f-0000-4000-8000-0000000000aa")
FIRST = date(2026, 3, 1)


async def written(here: Books, what: What, **more: Any) -> str:
    pieces = [piece async for piece in export(here.pool, Export(what, **more))]
    return b"".join(pieces).decode()


async def week(here: Books) -> None:
    """A week with two currencies, a colour, a hold, a backdated journal and memos that hurt."""
    await here.post(WALLET, OWNER, 12_345, memo='he said "no" \\ and\nleft')
    await here.post(WALLET, OWNER, 500, currency="JPY", memo="=1+1")
    await here.post(WALLET, OWNER, 700, currency="CNY:canteen-2026")
    await here.place.happens(here.place.holding(OWNER, here.place.id(), 45))
    here.at(here.place.clock.now() + 3 * DAY)
    await here.post(WALLET, here.place.id(), 99, day=FIRST - timedelta(days=2))
    await here.post("4001", None, 60)


async def test_beancount_loads_the_books_without_a_complaint(database: str, tmp_path: Path) -> None:
    async with books(database) as here:
        await week(here)
        file = tmp_path / "books.beancount"
        file.write_text(await written(here, "beancount"), encoding="utf-8")
        entries, errors, _ = loader.load_file(str(file))
        assert errors == []
        transactions = [entry for entry in entries if isinstance(entry, data.Transaction)]
        assert len(transactions) == await here.pool.fetchval("select count(*) from journal")
        notes = [entry for entry in entries if isinstance(entry, data.Note)]
        assert [note.account for note in notes] == [account_name(WALLET, OWNER)] and "0.45 CNY" in notes[0].comment
        balances = {
            (entry.account, entry.amount.currency): entry.amount.number for entry in entries if isinstance(entry, data.Balance)
        }
        assert balances[account_name(WALLET, OWNER), "CNY"] == Decimal("-123.45")
        assert balances[account_name(WALLET, OWNER), "JPY"] == Decimal("-500")
        assert balances[account_name(WALLET, OWNER), "CNY.CANTEEN-2026"] == Decimal("-7.00")
        assert len(balances) == await here.pool.fetchval("select count(*) from account")
        ids = {entry.meta["journal-id"] for entry in transactions}
        assert ids == {str(row["journal_id"]) for row in await here.pool.fetch("select journal_id from journal")}
        assert any(entry.narration == 'he said "no" \\ and\nleft' for entry in transactions)


async def test_beancount_complains_of_books_that_were_changed(database: str, tmp_path: Path) -> None:
    """The balances at the end are assertions: what was exported checks itself."""
    async with books(database) as here:
        await week(here)
        file = tmp_path / "books.beancount"
        changed = (await written(here, "beancount")).replace("123.45 CNY\n", "123.46 CNY\n", 1)
        file.write_text(changed, encoding="utf-8")
        assert loader.load_file(str(file))[1]


async def test_empty_books_are_written_too(database: str, tmp_path: Path) -> None:
    async with books(database) as here:
        for what in WHATS:
            file = tmp_path / what
            file.write_text(await written(here, what), encoding="utf-8")
        assert loader.load_file(str(tmp_path / "beancount"))[1] == []
        assert len((tmp_path / "entries").read_text().splitlines()) == 1


async def test_csv_entries_sum_to_zero_in_each_currency_and_colour(database: str) -> None:
    async with books(database) as here:
        await week(here)
        rows = list(csv.DictReader(io.StringIO(await written(here, "entries"), newline="")))
        assert len(rows) == await here.pool.fetchval("select count(*) from entry")
        sums: dict[tuple[str, str], Decimal] = {}
        for row in rows:
            place = (row["currency"], row["colour"])
            sums[place] = sums.get(place, Decimal(0)) + Decimal(row["credit"] or 0) - Decimal(row["debit"] or 0)
        assert sums == {("CNY", ""): 0, ("JPY", ""): 0, ("CNY", "canteen-2026"): 0}
        assert {row["memo"] for row in rows if row["currency"] == "JPY"} == {"'=1+1"}


async def test_csv_journals_are_those_of_the_days_asked_for(database: str) -> None:
    async with books(database) as here:
        await week(here)
        rows = list(csv.DictReader(io.StringIO(await written(here, "journals", first=FIRST, last=FIRST), newline="")))
        assert len(rows) == 3 and {row["value_date"] for row in rows} == {"2026-03-01"}
        before = await written(here, "journals", last=FIRST - timedelta(days=1))
        assert len(before.splitlines()) == 2


async def test_csv_accounts_and_trial_balance_agree(database: str) -> None:
    async with books(database) as here:
        await week(here)
        accounts = list(csv.DictReader(io.StringIO(await written(here, "accounts"), newline="")))
        lines = list(csv.DictReader(io.StringIO(await written(here, "trial-balance"), newline="")))
        for line in lines:
            posted = sum(
                Decimal(each["posted"]) for each in accounts
                if (each["code"], each["currency"], each["colour"]) == (line["code"], line["currency"], line["colour"])
            )  # fmt: skip
            assert posted == Decimal(line["closing"])
        assert len(lines) == 7


async def test_a_byte_order_mark_leads_a_csv_only_when_asked_for(database: str) -> None:
    async with books(database) as here:
        assert (await written(here, "accounts", bom=True)).startswith("\ufeffaccount_id")
        assert (await written(here, "accounts")).startswith("account_id")
        assert (await written(here, "beancount", bom=True)).startswith("option")


def books_of_app(here: Books, database: str) -> BooksOfApp:
    audit = Audit(database, Keys.fresh(), Settings(), here.place.clock)
    return BooksOfApp(here.place.engine, here.pool, audit, here.place.clock)


async def test_few_exports_run_at_once_and_one_that_ends_makes_room(database: str) -> None:
    async with books(database) as here:
        await week(here)
        app = books_of_app(here, database)
        running = [app.export(Export("accounts")) for _ in range(2)]
        for each in running:
            assert await anext(each)
        with pytest.raises(Refusal) as refused:
            await anext(app.export(Export("accounts")))
        assert refused.value.code.name == "overloaded"
        await running[0].aclose()
        assert b"".join([piece async for piece in app.export(Export("journals"))])
        await running[1].aclose()


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_cell_that_a_spreadsheet_would_run_is_led_by_an_apostrophe(cell: str) -> None:
    assert text(cell) == f"'{cell}"
    assert text(f" {cell}") == f" {cell}" and text("饭钱") == "饭钱"


def test_every_account_name_is_read_back_as_it_was_written() -> None:
    for line, owner in ((RESERVE, None), (CUSTOMER_WALLET, OWNER)):
        assert account_named(account_name(line.code, owner)) == (line, owner)
    for strange in ("Assets", "Assets:9999-X", "Liabilities:1001-Customer", "Liabilities:2001-Customer-wallets", "a:b:c:d",
                    "Liabilities:2001-Customer-wallets:NOBODY"):  # fmt: skip
        assert account_named(strange) is None


def test_a_colour_without_a_spelling_in_beancount_gets_a_digest() -> None:
    assert commodity("CNY:canteen") == "CNY.CANTEEN"
    assert commodity("CNY:a-") != commodity("CNY:a") and commodity(f"CNY:{'x' * 32}").startswith("CNY.X")


# ── opening balances ────────────────────────────────────────────────────────────────────────────────────────────────────

GOOD = f"code,owner_id,currency,debit,credit\n1001,,CNY,100.00,\n2001,{OWNER},CNY,,99.50\n3901,,CNY,,0.50\n"


@pytest.mark.parametrize(
    ("line", "number", "said"),
    [
        ("9999,,CNY,,1.00", 2, "no line 9999"),
        ("2001,,CNY,,1.00", 2, "needs owner"),
        (f"1001,{OWNER},CNY,,1.00", 2, "has no owner"),
        ("2001,nobody,CNY,,1.00", 2, "not an owner's id"),
        ("1001,,XXX,,1.00", 2, "unknown currency"),
        ("9101,,CNY,1.00,", 2, "only the rules of restricted money"),
        ("1001,,CNY,1.00,1.00", 2, "one of debit and credit"),
        ("1001,,CNY,,", 2, "one of debit and credit"),
        ("1001,,CNY,1.001,", 2, "decimal places"),
        ("1001,,CNY,-1.00,", 2, "greater than zero"),
        ("1001,,CNY,1e3,", 2, "1e3"),
        ("1001,,CNY,1.00,", 0, "out of balance by -1.00"),
        ("", 0, "no balances"),
    ],
)
def test_a_bad_line_of_opening_balances_is_named_with_its_number(line: str, number: int, said: str) -> None:
    read = opening.read(f"code,owner_id,currency,debit,credit\n{line}\n", "csv")
    assert [finding.number for finding in read.findings] == [number]
    assert said in read.findings[0].en and read.findings[0].zh


def test_every_bad_line_is_named_not_only_the_first() -> None:
    read = opening.read("code,currency,debit,credit\n9999,CNY,1,\n1001,CNY,2,\n1001,CNY,,2\n8888,CNY,,1\n", "csv")
    assert [finding.number for finding in read.findings] == [2, 5, 4]


def test_a_file_without_its_columns_or_that_is_no_csv_is_refused_whole() -> None:
    assert opening.read("code,currency\n1001,CNY\n", "csv").findings[0].en == "columns are missing: debit, credit"
    assert opening.read('code,currency,debit,credit\n"1001', "csv").findings


def test_more_lines_than_a_journal_takes_are_refused() -> None:
    body = "".join(f"2001,{UUID(int=number)},CNY,,1\n" for number in range(opening.MOST_LINES))
    read = opening.read(f"code,owner_id,currency,debit,credit\n1001,,CNY,{opening.MOST_LINES},\n{body}", "csv")
    assert [(finding.number, "divide the file" in finding.en) for finding in read.findings] == [(0, True)]


async def test_opening_balances_are_posted_once_for_a_file(database: str) -> None:
    async with books(database) as here:
        app = books_of_app(here, database)
        read = opening.read("\ufeff" + GOOD, "csv")
        assert read.findings == []
        trial = await app.opening_dry_run(read, FIRST)
        assert ([(row.code, row.posted_minor) for row in trial.trials[0].rows], trial.moved, trial.findings) == (
            [("1001", -10_000), ("2001", 9_950), ("3901", 50)], 0, []
        )  # fmt: skip
        assert await here.pool.fetchval("select count(*) from journal") == 0
        journal, repeated = await app.post_opening(read, FIRST)
        assert not repeated
        assert await app.post_opening(read, FIRST) == (journal, True)
        assert await here.pool.fetchval("select count(*) from journal") == 1
        assert await here.reports.balance_at(account_id(CUSTOMER_WALLET, CURRENCY, OWNER), here.place.clock.now()) == 9_950
        assert {row.code: row.closing_minor for row in await here.reports.trial_balance(FIRST)} == {
            "1001": -10_000, "2001": 9_950, "3901": 50,
        }  # fmt: skip
        again = await app.opening_dry_run(read, FIRST)
        assert again.moved == 3 and "accounts without entries" in again.findings[0].en


HOUSE = "code,currency,debit,credit\n1001,CNY,1.00,\n3901,CNY,,1.00\n"


@pytest.mark.parametrize(
    ("day", "said", "code"),
    [
        (FIRST, "已关账", "period_closed"),
        (FIRST - timedelta(days=40), "已关账", "period_closed"),
        (FIRST + timedelta(days=1), "", ""),
        (FIRST + timedelta(days=3), "", "value_date_ahead"),
    ],
    ids=["the last closed day", "long ago", "an open day", "tomorrow"],
)
async def test_the_dry_run_finds_what_the_posting_declines(database: str, day: date, said: str, code: str) -> None:
    async with books(database) as here:
        app = books_of_app(here, database)
        here.at(NOON + 2 * DAY)
        await app.closing.close(here.place.id(), FIRST, here.place.id())
        read = opening.read(HOUSE, "csv")
        trial = await app.opening_dry_run(read, day)
        assert [(finding.number, said in finding.zh) for finding in trial.findings] == ([(0, True)] if code else [])
        try:
            await app.post_opening(read, day)
            declined = ""
        except Refusal as refusal:
            declined = refusal.code.name
        assert declined == code
        assert await here.pool.fetchval("select count(*) from journal") == (0 if code else 1)


async def test_a_day_too_far_back_is_found_by_the_dry_run_too(database: str) -> None:
    async with books(database) as here:
        app = books_of_app(here, database)
        trial = await app.opening_dry_run(opening.read(HOUSE, "csv"), FIRST - timedelta(days=40))
        assert len(trial.findings) == 1 and str(FIRST - timedelta(days=31)) in trial.findings[0].en


async def test_what_was_declined_is_posted_once_the_books_are_put_right_and_then_only_repeated(database: str) -> None:
    async with books(database) as here:
        app, operator = books_of_app(here, database), here.place.id()
        here.at(NOON + 2 * DAY)
        await app.closing.close(here.place.id(), FIRST, operator)
        read = opening.read(HOUSE, "csv")
        for _ in range(3):
            with pytest.raises(Refusal) as refused:
                await app.post_opening(read, FIRST)
            assert refused.value.code.name == "period_closed"
        await app.closing.reopen(here.place.id(), FIRST, "opening balances", operator)
        several = await asyncio.gather(*(app.post_opening(read, FIRST) for _ in range(5)))
        assert len({journal for journal, _ in several}) == 1 and sum(not repeated for _, repeated in several) == 1
        assert await here.pool.fetchval("select count(*) from journal") == 1
        await app.closing.close(here.place.id(), FIRST, operator)
        assert (await app.post_opening(read, FIRST))[1], "what was posted is answered as it was, whatever became of the books"


async def test_opening_balances_do_not_come_again_in_a_file_written_otherwise(database: str) -> None:
    async with books(database) as here:
        app = books_of_app(here, database)
        await app.post_opening(opening.read(GOOD, "csv"), FIRST)
        for content, day in ((GOOD + "\n", FIRST), (GOOD.replace("\n", "\r\n"), FIRST), (GOOD, FIRST + timedelta(days=1))):
            with pytest.raises(Refusal) as refused:
                await app.post_opening(opening.read(content, "csv"), day)
            assert refused.value.code.name == "opening_account_used"
        assert await here.pool.fetchval("select count(*) from journal") == 1


async def test_our_own_beancount_balances_open_other_books_alike(database: str) -> None:
    async with books(database) as here:
        await here.post(WALLET, OWNER, 12_345)
        await here.post("4001", None, 60)
        await here.post(WALLET, OWNER, 500, currency="JPY")
        read = opening.read(await written(here, "beancount"), "beancount")
        assert read.findings == []
        found = [(line.owner_id, line.currency, line.amount_minor) for line in read.lines if line.code == WALLET]
        assert sorted(found, key=str) == [(OWNER, "CNY", 12_345), (OWNER, "JPY", 500)]
        assert sum(line.amount_minor for line in read.lines) == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2026-01-01 balance Assets:Cash  1.00 CNY", "no line of the chart"),
        ("2026-01-01 balance Assets:1001-Reserve  1.00 ZZZ", "unknown currency"),
        ("2026-01-01 balance Assets:1001-Reserve  lots", "cannot be read"),
    ],
)
def test_a_beancount_balance_that_is_not_ours_is_named(line: str, said: str) -> None:
    read = opening.read(f"; a comment\n{line}\n", "beancount")
    assert [(finding.number, said in finding.en) for finding in read.findings] == [(2, True)]
