"""The use cases over a real database: what the edge refuses, what a rehearsal shows, and what `verify` finds altered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.support.books import funding, id_of, journal, pair, reserve, shop, wallet
from tests.support.town import NOON, Town, town
from tongbao.engine.api import Accepted, Declined, PostgresStore
from tongbao.engine.verify import ChainBroken
from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import MAX_AMOUNT_MINOR
from tongbao.ledger.commands import MOST_POSTINGS, ManyLegs, PlaceName, PostBulk
from tongbao.ledger.service import LedgerService
from tongbao.ledger.verify import check_ledger


class Stage(NamedTuple):
    """A town over PostgreSQL, and the ledger's use cases in it."""

    place: Town
    ledger: LedgerService
    pool: asyncpg.Pool


@pytest.fixture
async def stage(database: str) -> AsyncIterator[Stage]:
    async with town(PostgresStore(database)) as place:
        pool = await asyncpg.create_pool(database, min_size=1, max_size=2)
        try:
            undone = frozenset({"payment", "refund"})
            yield Stage(place, LedgerService(place.engine, pool, place.clock, undone_elsewhere=undone), pool)
        finally:
            await pool.close()


async def refusal(doing: Awaitable[Any]) -> str:
    """The code with which something is refused or declined."""
    with pytest.raises(Refusal) as refused:
        await doing
    return refused.value.code.name


async def funded(stage: Stage, minor: int = 100) -> PlaceName:
    name = wallet(stage.place.id())
    await stage.place.happens(funding(stage.place, name, minor))
    return name


# ── the life of a hold, of an account, of a journal ─────────────────────────────────────────────────────────────────────


async def test_a_hold_is_captured_in_parts_and_its_rest_given_back(stage: Stage) -> None:
    name, hold, to = await funded(stage), uuid4(), stage.place.id()
    ledger = stage.ledger
    await ledger.hold(uuid4(), hold, id_of(name), 60, NOON + timedelta(hours=1), agreed_minor=80)
    assert (await ledger.capture(uuid4(), hold, "2101", to, 25, final=False)).left_minor == 35
    assert (await ledger.capture(uuid4(), hold, "2101", to, 45, final=False)).left_minor == 0
    await ledger.void(uuid4(), hold)
    row = await ledger.hold_row(hold)
    assert (row.state, row.captured_minor, row.agreed_minor) == ("VOIDED", 70, 80)
    account = await stage.pool.fetchrow("select posted_minor, held_minor from account where account_id = $1", id_of(name))
    assert tuple(account) == (30, 0)
    assert await refusal(ledger.void(uuid4(), hold)) == "hold_ended"
    assert await refusal(ledger.void(uuid4(), uuid4())) == "hold_not_found"


async def test_an_account_is_frozen_bounded_closed_and_opened_again(stage: Stage) -> None:
    name, ledger = await funded(stage), stage.ledger
    account = id_of(name)
    await ledger.set_limits(uuid4(), account, floor_minor=0, ceiling_minor=100)
    assert await refusal(ledger.move_up_to(uuid4(), reserve(), name, 5)) == "nothing_to_move"
    by = uuid4()
    await ledger.freeze(uuid4(), account, debits=True, credits=False, reason="court", note="（2026）沪01执1号", by=by)
    assert await refusal(ledger.move_up_to(uuid4(), name, reserve(), 5)) == "account_frozen_debit"
    await ledger.freeze(uuid4(), account, debits=True, credits=False, reason="court", lift=True)
    assert (await ledger.move_up_to(uuid4(), name, reserve(), 500)).amount_minor == 100
    await ledger.close(uuid4(), account)
    assert await refusal(ledger.move_up_to(uuid4(), reserve(), name, 5)) == "account_closed"
    await ledger.reopen(uuid4(), account)
    told = await stage.pool.fetch(
        "select kind, payload::json ->> 'by' as by from outbox where topic = 'ledger' order by sequence"
    )
    kinds = [row["kind"] for row in told if row["kind"].startswith("account")]
    assert kinds == ["account.bounded", "account.frozen", "account.unfrozen", "account.closed", "account.reopened"]
    assert [row["by"] for row in told if row["kind"] == "account.frozen"] == [str(by)]
    assert await refusal(ledger.close(uuid4(), uuid4())) == "account_not_found"


async def test_a_journal_is_reversed_once_by_its_exact_opposite(stage: Stage) -> None:
    one, ledger, to = await funded(stage), stage.ledger, shop(stage.place.id())
    done = await ledger.post_linked(uuid4(), [journal((one, -70), (to, 60), (reserve(), 10))])
    decision, preview = await ledger.would(await ledger.reversal_of(uuid4(), done.journal_ids[0], "记错"))
    assert isinstance(decision, Accepted)
    undone = await ledger.reverse(uuid4(), done.journal_ids[0], "记错")
    rows = await stage.pool.fetch(
        "select account_id, amount_minor, balance_minor from entry where journal_id = $1 order by leg", undone.journal_id
    )
    assert [tuple(row) for row in rows] == [(id_of(one), 70, 100), (id_of(to), -60, 0), (id_of(reserve()), -10, -100)]
    assert [(each.account_id, each.amount_minor, each.balance_minor) for each in preview.entries] == [tuple(row) for row in rows]
    assert await refusal(ledger.reverse(uuid4(), done.journal_ids[0], "又错")) == "journal_reversed"
    assert await refusal(ledger.reverse(uuid4(), undone.journal_id, "又错")) == "journal_is_reversal"
    assert await refusal(ledger.reverse(uuid4(), uuid4(), "又错")) == "journal_not_found"
    assert await refusal(ledger.reverse(uuid4(), done.journal_ids[0], "  ")) == "reason_missing"


async def test_two_operators_reverse_a_journal_at_once_and_one_does(stage: Stage) -> None:
    one = await funded(stage)
    done = await stage.ledger.post_linked(uuid4(), [journal((one, -10), (reserve(), 10))])
    wishes = [stage.ledger.reverse(uuid4(), done.journal_ids[0], "记错") for _ in range(5)]
    answers = await asyncio.gather(*wishes, return_exceptions=True)
    refused = [answer.code.name for answer in answers if isinstance(answer, Refusal)]
    assert refused == ["journal_reversed"] * 4


async def test_what_has_an_act_of_its_own_to_undo_it_is_not_reversed(stage: Stage) -> None:
    payer, merchant = await stage.place.customer(100), await stage.place.merchant()
    paid = await stage.place.happens(stage.place.paying_at_once(merchant, "order", payer, 100))
    assert await refusal(stage.ledger.reverse(uuid4(), paid.journal_id, "记错")) == "reversed_elsewhere"


# ── rehearsals ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_rehearsal_shows_what_a_posting_then_does_and_leaves_nothing(stage: Stage) -> None:
    one, other = await funded(stage), wallet(stage.place.id())
    wished = [journal((one, -30), (other, 30)), journal((other, -10), (one, 10), value_date=date(2026, 2, 20))]
    before = await stage.pool.fetchval("select count(*) from entry")
    preview = await stage.ledger.would_post(wished)
    assert not isinstance(preview, Declined)
    assert await stage.pool.fetchval("select count(*) from entry") == before
    done = await stage.ledger.post_linked(uuid4(), wished)
    rows = await stage.pool.fetch(
        "select account_id, version, leg, amount_minor, balance_minor from entry where journal_id = any($1) "
        "order by journal_id, leg",
        done.journal_ids,
    )
    shown = [(each.account_id, each.version, each.leg, each.amount_minor, each.balance_minor) for each in preview.entries]
    assert shown == [tuple(row) for row in rows]
    assert [each.value_date for each in preview.journals] == [NOON.date(), date(2026, 2, 20)]


async def test_a_rehearsal_is_declined_as_the_posting_would_be(stage: Stage) -> None:
    one = await funded(stage)
    preview = await stage.ledger.would_post([journal((one, -101), (reserve(), 101))])
    assert isinstance(preview, Declined) and preview.code.name == "insufficient_funds"
    decision, shown = await stage.ledger.would(PostBulk(command_id=uuid4(), postings=(pair(one, reserve(), 101),)))
    assert isinstance(decision, Accepted) and decision.result.declined[0].code == "insufficient_funds"
    assert shown.entries == ()


# ── the edge ────────────────────────────────────────────────────────────────────────────────────────────────────────────

SOMEBODY = UUID(int=7, version=4)
WALLET = wallet(SOMEBODY)
TOO_MUCH = MAX_AMOUNT_MINOR + 1
Doing = Callable[[LedgerService], Awaitable[Any]]

REFUSED: list[tuple[str, Doing]] = [
    ("amount_out_of_range", lambda ledger: ledger.hold(uuid4(), uuid4(), WALLET, 0, NOON)),
    ("amount_out_of_range", lambda ledger: ledger.hold(uuid4(), uuid4(), WALLET, TOO_MUCH, NOON)),
    ("agreed_below_amount", lambda ledger: ledger.hold(uuid4(), uuid4(), WALLET, 5, NOON, 4)),
    ("hold_too_long", lambda ledger: ledger.hold(uuid4(), uuid4(), WALLET, 5, NOON + timedelta(days=367))),
    ("place_malformed", lambda ledger: ledger.hold(uuid4(), uuid4(), PlaceName("9999", "CNY"), 5, NOON)),
    ("place_malformed", lambda ledger: ledger.hold(uuid4(), uuid4(), PlaceName("2001", "CNY"), 5, NOON)),
    ("currency_unknown", lambda ledger: ledger.hold(uuid4(), uuid4(), wallet(SOMEBODY, "XXX"), 5, NOON)),
    ("colour_malformed", lambda ledger: ledger.hold(uuid4(), uuid4(), wallet(SOMEBODY, "CNY:"), 5, NOON)),
    ("colour_malformed", lambda ledger: ledger.hold(uuid4(), uuid4(), wallet(SOMEBODY, "CNY:a:b"), 5, NOON)),
    ("freeze_without_side", lambda ledger: ledger.freeze(uuid4(), WALLET, debits=False, credits=False, reason="aml")),
    ("ledger_text_too_long", lambda ledger: ledger.close(uuid4(), WALLET, "字" * 201)),
    ("control_characters", lambda ledger: ledger.close(uuid4(), WALLET, "\x00")),
    ("amount_out_of_range", lambda ledger: ledger.set_limits(uuid4(), WALLET, floor_minor=0, ceiling_minor=TOO_MUCH)),
    ("account_currencies_differ", lambda ledger: ledger.move_up_to(uuid4(), WALLET, wallet(SOMEBODY, "USD"), 1)),
    ("same_account", lambda ledger: ledger.move_up_to(uuid4(), WALLET, WALLET, 1)),
    ("no_postings", lambda ledger: ledger.post_linked(uuid4(), [])),
    ("legs_unbalanced", lambda ledger: ledger.post_linked(uuid4(), [journal()])),
    ("legs_unbalanced", lambda ledger: ledger.would_post([journal((WALLET, 5), (reserve(), -4))])),
    ("legs_unbalanced", lambda ledger: ledger.would_post([journal((WALLET, 5), (wallet(SOMEBODY, "CNY:a"), -5))])),
    ("amount_out_of_range", lambda ledger: ledger.would_post([journal((WALLET, 0), (reserve(), 0))])),
    ("too_many_postings", lambda ledger: ledger.bulk(uuid4(), [pair(WALLET, reserve(), 1)] * (MOST_POSTINGS + 1))),
    ("too_many_postings", lambda ledger: ledger.bulk(uuid4(), [ManyLegs(())] * (MOST_POSTINGS + 1))),
    ("no_postings", lambda ledger: ledger.bulk(uuid4(), [])),
    ("place_malformed", lambda ledger: ledger.bulk(uuid4(), [pair(WALLET, reserve(), 1, kind="payment")])),
    ("amount_out_of_range", lambda ledger: ledger.bulk(uuid4(), [pair(WALLET, reserve(), -1)])),
    ("zone_unknown", lambda ledger: ledger.set_book(uuid4(), "Asia/Nowhere", 1, 1)),
    ("zone_unknown", lambda ledger: ledger.set_book(uuid4(), "../../etc/passwd", 1, 1)),
    ("amount_out_of_range", lambda ledger: ledger.set_book(uuid4(), "UTC", -1, 0)),
    ("colour_malformed", lambda ledger: ledger.define_colour(uuid4(), "Über", "CNY", "餐", "Meal", None, NOON)),
    ("colour_malformed", lambda ledger: ledger.define_colour(uuid4(), "meal", "CNY", " ", "Meal", None, NOON)),
    ("currency_unknown", lambda ledger: ledger.define_colour(uuid4(), "meal", "CNY:meal", "餐", "Meal", None, NOON)),
]


async def test_the_edge_refuses_before_anything_is_decided(stage: Stage) -> None:
    for number, (code, doing) in enumerate(REFUSED):
        assert await refusal(doing(stage.ledger)) == code, f"row {number}"
    assert await stage.pool.fetchval("select count(*) from command") == 0


async def test_the_largest_amount_goes_through_and_back(stage: Stage) -> None:
    one = wallet(stage.place.id())
    await stage.ledger.post_linked(uuid4(), [journal((reserve(), -MAX_AMOUNT_MINOR), (one, MAX_AMOUNT_MINOR))])
    assert (await stage.ledger.move_up_to(uuid4(), one, reserve(), MAX_AMOUNT_MINOR)).amount_minor == MAX_AMOUNT_MINOR


# ── what verify finds ───────────────────────────────────────────────────────────────────────────────────────────────────

ALTERATIONS = [
    ("another amount captured",
     "update hold set captured_minor = 6; update account_master set held_minor = 14 where held_minor = 15", "noted as captured"),
    ("a capture of no hold", "update journal set memo = 'x' where kind = 'ledger.capture'", "captured"),
    ("a reversal forgotten", "delete from reversal", "not noted as a reversal"),
    ("a reversal that is none", "update journal set reverses = null where reverses is not null", "is noted as reversed"),
    ("a reversal of something else",
     "update journal set reverses = gen_random_uuid() where reverses is not null", "no journal that could be reversed"),
    ("a reversal of another journal",
     "update journal set reverses = (select min(journal_id::text)::uuid from journal) where reverses is not null;"
     "update reversal set journal_id = (select min(journal_id::text)::uuid from journal)", "not the exact opposite"),
    ("a total raised", "update ledger_day set debit_minor = debit_minor + 1 where code = '1001'", "not what the entries come to"),
    ("a day's totals deleted", "delete from ledger_day where code = '1001'", "not what the entries come to"),
    ("totals of a day without entries",
     "insert into ledger_day values ('2020-01-01', '1001', 'CNY', 5, 0, 1, '')", "not what the entries come to"),
    ("a colour deleted", "delete from colour", "never defined"),
    ("a colour's currency", "update colour set currency = 'USD'", "another currency"),
    ("a ceiling below the balance",
     "update account_master set ceiling_minor = 1 where account_id in (select account_id from account where posted_minor > 1)",
     "beyond its bounds"),
    ("a closed account with money",
     "update account_master set closed_at = now() where held_minor = 0 and account_id in "
     "(select account_id from account where posted_minor > 1)",
     "beyond its bounds"),
    ("a floor below what the line allows", "update account_master set floor_minor = -1 where code = '2001'", "chart line's"),
]  # fmt: skip


async def test_an_alteration_of_the_ledger_is_found(stage: Stage, database: str) -> None:
    one, ledger, to = await funded(stage), stage.ledger, stage.place.id()
    hold = uuid4()
    await ledger.hold(uuid4(), hold, one, 20, NOON + timedelta(hours=1))
    await ledger.capture(uuid4(), hold, "2101", to, 5, final=False)
    done = await ledger.post_linked(uuid4(), [journal((one, -3), (reserve(), 3))])
    await ledger.reverse(uuid4(), done.journal_ids[0], "记错")
    await ledger.define_colour(uuid4(), "meal", "CNY", "餐补", "Meals", None, NOON + timedelta(days=1))
    await ledger.issue_colour(uuid4(), "meal", one, stage.place.id(), 7)
    connection = await asyncpg.connect(database)
    try:
        await check_ledger_in_transaction(connection)
        # The thief is the database's owner.
        await connection.execute("set session_replication_role = replica")
        for name, sql, says in ALTERATIONS:
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(sql)
            with pytest.raises(ChainBroken, match=says):
                await check_ledger(connection)
                pytest.fail(f"{name} was not found")
            await transaction.rollback()
    finally:
        await connection.close()


async def check_ledger_in_transaction(connection: asyncpg.Connection) -> None:
    """As `verify` runs it: on a snapshot."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await check_ledger(connection)
