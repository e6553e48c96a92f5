"""Are the balances what the entries say? Checked in the database, over every account."""

from __future__ import annotations

import asyncpg

from tongbao.engine.findings import ChainBroken
from tongbao.ledger.chart import CHART, account_id
from tongbao.ledger.types import QUERIES


async def check_ledger(connection: asyncpg.Connection) -> None:
    """Every balance, version and running balance against the entries, every held sum against the holds, every
    account's identity and floor against the chart, no orphans, and all
    accounts together at zero in each currency. Raises ChainBroken naming the first difference."""
    for row in await connection.fetch(QUERIES["unsound_accounts"], 1):
        where = f"account {row['account_id']}"
        if row["unknown"]:
            raise ChainBroken(f"{where}: it has entries and does not exist")
        if row["broken_at"] is not None:
            raise ChainBroken(f"{where}: its entry {row['broken_at']} does not follow from the one before")
        raise ChainBroken(f"{where}: a balance of {row['balance_minor']} is beyond its bounds")
    for row in await connection.fetch(QUERIES["unbalanced_holds"], 1):
        raise ChainBroken(f"account {row['account_id']}: {row['held_minor']} held, its holds say {row['holds_minor']}")
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
    if await connection.fetchval(QUERIES["orphan_entries"]):
        raise ChainBroken("an entry belongs to no journal")
    if await connection.fetchval(QUERIES["orphan_journals"]):
        raise ChainBroken("a journal was written by no command")
    sums: dict[str, int] = {}
    for row in await connection.fetch(QUERIES["trial_balance"]):
        sums[row["currency"]] = sums.get(row["currency"], 0) + row["posted_minor"]
    for currency, total in sums.items():
        if total:
            raise ChainBroken(f"all accounts in {currency} together stand at {total}, not at zero")
