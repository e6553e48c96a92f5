"""Do the books say what they must? Checked in the database, over every account, hold, journal and total."""

from __future__ import annotations

import asyncpg

from tongbao.engine.findings import ChainBroken
from tongbao.kernel.ids import named_id
from tongbao.ledger.chart import CHART, COLOUR_FUNDS, COLOUR_ISSUED, COLOUR_REDEEMED, account_id
from tongbao.ledger.types import QUERIES


async def check_ledger(connection: asyncpg.Connection) -> None:
    """Every running balance against the entry before it and the account's bounds, every held sum against the holds, every hold
    against its captures, every account's identity and bounds against the chart, every reversal against its original, the
    running totals against the entries, every colour against the money behind it, no orphans, and all accounts together at
    zero in each currency and colour. Raises ChainBroken naming the first difference."""
    await _check_accounts(connection)
    await _check_holds(connection)
    await _check_journals(connection)
    await _check_sums(connection)


async def _check_accounts(connection: asyncpg.Connection) -> None:
    for row in await connection.fetch(QUERIES["unsound_accounts"], 1):
        where = f"account {row['account_id']}"
        if row["unknown"]:
            raise ChainBroken(f"{where}: it has entries and does not exist")
        if row["broken_at"] is not None:
            raise ChainBroken(f"{where}: its entry {row['broken_at']} does not follow from the one before")
        raise ChainBroken(f"{where}: a balance of {row['balance_minor']} is beyond its bounds")
    async for row in connection.cursor(QUERIES["account_names"], prefetch=5000):
        line = CHART.get(row["code"])
        known = line is not None and line.owned == (row["owner_id"] is not None)
        if not known or row["account_id"] != account_id(line, row["currency"], row["owner_id"]):  # type: ignore[arg-type]
            raise ChainBroken(f"account {row['account_id']}: it is not the account of its code, currency and owner")
        if not line.allows_floor(row["floor_minor"]) or not line.allows_ceiling(row["ceiling_minor"]):  # type: ignore[union-attr]
            raise ChainBroken(
                f"account {row['account_id']}: a floor of {row['floor_minor']} or a ceiling of {row['ceiling_minor']} is not its "
                "chart line's"
            )


async def _check_holds(connection: asyncpg.Connection) -> None:
    for row in await connection.fetch(QUERIES["unbalanced_holds"], 1):
        raise ChainBroken(f"account {row['account_id']}: {row['held_minor']} held, its holds say {row['holds_minor']}")
    for row in await connection.fetch(QUERIES["captures_unlike_journals"], 1):
        raise ChainBroken(
            f"hold {row['hold_id']}: {row['captured_minor']} is noted as captured, its captures took {row['taken_minor']}"
        )
    if await connection.fetchval(QUERIES["captures_without_hold"]):
        raise ChainBroken("a capture names no hold")


async def _check_journals(connection: asyncpg.Connection) -> None:
    if await connection.fetchval(QUERIES["orphan_entries"]):
        raise ChainBroken("an entry belongs to no journal")
    if await connection.fetchval(QUERIES["orphan_journals"]):
        raise ChainBroken("a journal was written by no command")
    for row in await connection.fetch(QUERIES["unsound_reversals"], 1):
        raise ChainBroken(f"journal {row['journal_id']}: {row['problem']}")


async def _check_sums(connection: asyncpg.Connection) -> None:
    sums: dict[str, int] = {}
    for row in await connection.fetch(QUERIES["trial_balance"]):
        sums[row["currency"]] = sums.get(row["currency"], 0) + row["posted_minor"]
    for currency, total in sums.items():
        if total:
            raise ChainBroken(f"all accounts in {currency} together stand at {total}, not at zero")
    for row in await connection.fetch(QUERIES["totals_unlike_entries"], 1):
        raise ChainBroken(f"totals of {row['code']} {row['currency']} on {row['day']}: they are not what the entries come to")
    codes = [row["code"] for row in await connection.fetch(QUERIES["colour_codes"])]
    owners = [named_id("colour", code) for code in codes]
    apart = [COLOUR_ISSUED.code, COLOUR_REDEEMED.code]
    for row in await connection.fetch(QUERIES["unsound_colours"], 1, apart, COLOUR_FUNDS.code, codes, owners):
        raise ChainBroken(f"colour {row['code']}: {row['problem']}")
