"""The end of the story: the bank's books, the trial balance and the audit chain against the tally."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from tongbao.app.smoking.clients import Client, Difference, same
from tongbao.app.smoking.tally import FEES, MERCHANTS, RESERVE, TRANSIT, WALLETS, Tally, yuan
from tongbao.app.stack import Stack
from tongbao.channels.api import HttpBank

_VERIFY_S = 30.0


async def check_bank(stack: Stack, tally: Tally, began: datetime) -> str:
    """The bank's own statement: each of our transfers once, with its amount, and nothing else."""
    bank = HttpBank(stack.bank.url, key=stack.bank.key)
    try:
        days = sorted({began.date(), datetime.now(UTC).date()})
        lines = [line for day in days for line in await bank.statement(day)]
        reserve = await bank.reserve_balance("CNY")
    finally:
        await bank.close()
    found = sorted((line.reference, line.kind, line.amount_minor) for line in lines)
    same("the bank's statement", found, sorted((reference, *rest) for reference, rest in tally.bank_lines.items()))
    same("the bank's word on our reserve", yuan(reserve), yuan(-tally.total(RESERVE)))
    same("the bank's own audit", await stack.back_office.audit(), [])
    return f"the bank's books: {len(lines)} transfers, each once, reserve {yuan(reserve)}"


async def check_trial_balance(console: Client, tally: Tally) -> str:
    """Every line of the trial balance, its totals and the reserve equation."""
    trial = await console.get("trial-balance")
    same("currencies in the trial balance", [each["currency"] for each in trial["currencies"]], ["CNY"])
    cny = trial["currencies"][0]
    found = {row["code"]: (row["debit"], row["credit"]) for row in cny["rows"]}
    expected = {}
    for code in {code for code, _ in tally.balances}:
        total = tally.total(code)
        expected[code] = (yuan(max(0, -total)), yuan(max(0, total)))
    same("trial balance", found, expected)
    reserve = yuan(-tally.total(RESERVE))
    same("trial balance's totals", (cny["total_debit"], cny["total_credit"], cny["balanced"]), (reserve, reserve, True))
    equation = {
        "held": reserve,
        "owed": yuan(tally.total(WALLETS) + tally.total(MERCHANTS)),
        "in_transit": yuan(tally.total(TRANSIT)),
        "own": yuan(tally.total(FEES)),
        "equal": True,
        "at_bank": reserve,
    }
    same("reserve", cny["reserve"], equation)
    return f"trial balance {reserve} on both sides: owed {equation['owed']} + own {equation['own']} = reserve = the bank's word"


async def check_chain(console: Client, tally: Tally) -> str:
    """Verify from the console and wait for the result; as many journals and entries as the tally posted."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _VERIFY_S
    while True:
        await console.post("chain/verify", expect=202)
        while (chain := await console.get("chain"))["verifying"] or chain["last_verified"] is None:
            if loop.time() > deadline:
                raise Difference(f"audit chain: not verified within {_VERIFY_S:.0f} s")
            await asyncio.sleep(0.05)
        # The worker writes down that messages were sent, perhaps just now: then what it wrote is verified as well.
        if sum(writer["commands"] for writer in chain["writers"]) == chain["last_verified"]["commands"] or loop.time() > deadline:
            break
    last = chain["last_verified"]
    same("audit chain", (last["ok"], last["problem"]), (True, None))
    same("journals and entries verified", (last["journals"], last["entries"]), (tally.journals, tally.entries))
    same("commands of the writers", sum(writer["commands"] for writer in chain["writers"]), last["commands"])
    return f"audit chain verified: {last['commands']} commands, {last['journals']} journals, {last['entries']} entries"
