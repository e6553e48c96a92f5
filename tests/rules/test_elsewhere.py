"""Other jurisdictions through the same suite: what a law elsewhere says is a file and a table, and no code. The last pack here is
a country that does not exist."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.rules.court import court
from tests.rules.suite import Limit, Packs, Reported, check_limit, check_reported, rules_of
from tongbao.engine.api import Declined
from tongbao.rules.pack import named_packs, read_pack

EU = Packs("eu", "EUR", "Europe/Berlin")
KE = Packs("ke", "KES", "Africa/Nairobi")
IN = Packs("in", "INR", "Asia/Kolkata")
US = Packs("us", "USD", "America/New_York")

RTS = "Delegated Regulation (EU) 2018/389"
NFC = {"method": "nfc", "strength": "weak"}
REMOTE = {"method": "remote", "strength": "weak"}
STRONGER, LEVEL = "stronger_confirmation_needed", "real_name_needed"
CBK, RBI = "Central Bank of Kenya, mobile money limits 2023", "RBI Master Direction on Prepaid Payment Instruments"
#: From noon in Shanghai of 11 March 2026.
NAIROBI, KOLKATA_MONTH = datetime(2026, 3, 11, 21, tzinfo=UTC), datetime(2026, 3, 31, 18, 30, tzinfo=UTC)
# In New York it is midnight of the 10th to the 11th; fifteen days on, the 26th is over.
NEW_YORK, FIFTEEN, THIRTY = (
    datetime(2026, 3, 12, 4, tzinfo=UTC), datetime(2026, 3, 27, 4, tzinfo=UTC), datetime(2026, 4, 11, 4, tzinfo=UTC),
)  # fmt: skip

LIMITS = (
    (EU, Limit("eu.contactless.single", f"{RTS} Art. 11(a)", "50.00", NFC, STRONGER, sums=False, detail={"strength": "medium"})),
    (EU, Limit("eu.contactless.sum", f"{RTS} Art. 11(b)", "150.00", NFC, STRONGER, alone=True)),
    (EU, Limit("eu.contactless.count", f"{RTS} Art. 11(c)", 5, NFC, STRONGER)),
    (EU, Limit("eu.remote.single", f"{RTS} Art. 16(a)", "30.00", REMOTE, STRONGER, sums=False)),
    (EU, Limit("eu.remote.sum", f"{RTS} Art. 16(b)", "100.00", REMOTE, STRONGER, alone=True)),
    (EU, Limit("eu.remote.count", f"{RTS} Art. 16(c)", 5, REMOTE, STRONGER)),
    (KE, Limit("ke.single", CBK, "250000.00", {}, sums=False, alone=True)),
    (KE, Limit("ke.day", CBK, "500000.00", {"kind": "withdrawal"}, renews=NAIROBI, alone=True)),
    (IN, Limit("in.small.load.month", f"{RBI} 9.1", "10000.00", {"kind": "topup"}, LEVEL, {"level": 1}, KOLKATA_MONTH)),
    (
        IN,
        Limit("in.small.load.year", f"{RBI} 9.1", "120000.00", {"kind": "topup"}, LEVEL, {"level": 1}, KOLKATA_MONTH, alone=True),
    ),
    (IN, Limit("in.small.debit.month", f"{RBI} 9.1", "10000.00", {}, LEVEL, {"level": 1}, KOLKATA_MONTH)),
)
REPORTS = (
    Reported("us.ctr.in", "31 CFR 1010.311, 1010.306", "10000.01", {"kind": "cash_in"}, FIFTEEN, NEW_YORK),
    Reported("us.ctr.out", "31 CFR 1010.311, 1010.306", "10000.01", {"kind": "cash_out"}, FIFTEEN, NEW_YORK),
    Reported("us.sar", "31 CFR 1022.320", "2000.00", {"flags": ("suspicious",)}, THIRTY),
    Reported("us.travel", "31 CFR 1010.410(e), (f)", "3000.00", {"kind": "transfer"}, None),
)
BALANCES = (
    (KE, "ke.balance", 1, "500000.00"), (IN, "in.small.balance", 1, "10000.00"), (IN, "in.full.balance", 2, "200000.00"),
)  # fmt: skip


@pytest.mark.parametrize(("packs", "row"), LIMITS, ids=lambda value: repr(value) if isinstance(value, Limit) else "")
async def test_so_far_and_no_further(packs: Packs, row: Limit) -> None:
    await check_limit(row, packs)


@pytest.mark.parametrize("row", REPORTS, ids=repr)
async def test_what_is_to_be_reported(row: Reported) -> None:
    await check_reported(row, US)


@pytest.mark.parametrize(("packs", "rule", "level", "most"), BALANCES)
async def test_what_a_wallet_may_hold(packs: Packs, rule: str, level: int, most: str) -> None:
    async with court(packs.name, currency=packs.currency, zone=packs.zone) as place:
        customer = await place.person(level)
        taking: dict[str, Any] = {"kind": "receive", "account_id": await place.wallet(customer, most)}
        refused = await place.tries(customer, place.act(1, **taking))
        assert isinstance(refused, Declined) and refused.detail["rule_id"] == rule
        assert rules_of(packs.name)[rule].citation == refused.detail["citation"]


async def test_a_strong_authentication_begins_the_small_payments_anew() -> None:
    async with court("eu", currency="EUR") as place:
        customer = await place.person()
        for _ in range(2):
            for _ in range(5):
                assert await place.says(customer, place.act("30.00", **NFC)) == "ok"
            assert await place.says(customer, place.act("0.01", **NFC)) == STRONGER
            assert await place.says(customer, place.act("500.00", method="nfc", strength="medium")) == "ok"


@pytest.mark.parametrize(("bps", "most"), [(14, "30.00"), (13, "100.00"), (6, "250.00"), (1, "500.00")])
async def test_who_has_little_fraud_asks_less_often(bps: int, most: str) -> None:
    """Source: Delegated Regulation (EU) 2018/389, Art. 18."""
    (eu,) = named_packs("eu")
    measured = replace(eu, header=replace(eu.header, parameters={"fraud_bps": bps}))
    async with court(packs=[measured], currency="EUR") as place:
        assert await place.says(await place.person(), place.act(most, **REMOTE)) == "ok"
        over = place.act(int(most.replace(".", "")) + 1, **REMOTE)
        assert await place.says(await place.person(), over) == STRONGER


async def test_a_fiscal_year_begins_in_april() -> None:
    (india,) = named_packs("in")
    only = replace(india, rules=tuple(rule for rule in india.rules if rule.id == "in.small.load.year"))
    async with court(packs=[only], currency="INR", zone="Asia/Kolkata") as place:
        customer = await place.person(1)
        assert await place.says(customer, place.act("120000.00", "topup")) == "ok"
        place.clock.advance(datetime(2026, 3, 31, 18, 29, tzinfo=UTC) - place.clock.now())
        assert await place.says(customer, place.act("0.01", "topup")) == LEVEL
        place.clock.advance(timedelta(minutes=1))
        assert await place.says(customer, place.act("120000.00", "topup")) == "ok"


def test_every_rule_of_these_packs_has_its_row() -> None:
    rows = {row.rule for _, row in LIMITS} | {row.rule for row in REPORTS} | {rule for _, rule, *_ in BALANCES}
    exemptions = {"eu.risk.100", "eu.risk.250", "eu.risk.500"}
    upheld = {id for id, rule in rules_of("us").items() if rule.action == "uphold"}
    assert rows | exemptions | upheld == {id for name in ("eu", "ke", "in", "us") for id in rules_of(name)}
    assert rules_of("us")["us.keep"].deadline is not None


# ── a country that does not exist ───────────────────────────────────────────────────────────────────────────────────────

LAPUTA = """
pack = "laputa"
title = { zh = "飞岛国", en = "Laputa" }

[[rule]]
id = "laputa.week"
name = { zh = "七日累计", en = "In seven days" }
law = "Statutes of Laputa"
article = "7"
effective_from = 2026-03-01
effective_to = 2026-04-30
verified = true
action = "challenge"
challenge = "strength"
metric = "amount"
window = { kind = "rolling", days = 7 }
limit = { JPY = "700" }
when = { strengths = ["weak"], methods = ["balloon"] }
counts = { methods = ["balloon"] }

[[rule]]
id = "laputa.birthday"
name = { zh = "开户年度笔数", en = "Number in a year from opening" }
law = "Statutes of Laputa"
article = "8"
effective_from = 2026-01-01
verified = false
action = "refuse"
metric = "count"
window = { kind = "year", anchor = "anniversary" }
most = 3
when = { kinds = ["transfer"] }
counts = { kinds = ["transfer"] }

[[rule]]
id = "laputa.draft"
name = { zh = "草案", en = "A draft" }
law = "Statutes of Laputa"
article = "9"
effective_from = 2026-01-01
status = "draft"
verified = false
action = "refuse"
metric = "amount"
window = { kind = "transaction" }
limit = { JPY = "1" }
"""


async def test_a_new_jurisdiction_is_a_file_and_its_table() -> None:
    balloon = {"method": "balloon", "strength": "weak"}
    async with court(packs=[read_pack(LAPUTA, "laputa")], currency="JPY", zone="Asia/Tokyo") as place:
        opened = datetime(2025, 3, 14, 12, tzinfo=UTC)
        customer = await place.person(1, opened_at=opened)
        for days, amount, says in ((0, "300", "ok"), (3, "400", "ok"), (3, "1", STRONGER), (1, "300", "ok"), (0, "1", STRONGER)):
            place.clock.advance(timedelta(days=days))
            assert await place.says(customer, place.act(amount, **balloon)) == says
        sender = await place.person(1, opened_at=datetime(2025, 3, 20, 12, tzinfo=UTC))
        for _ in range(3):
            assert await place.says(sender, place.act("5", "transfer")) == "ok"
        assert await place.says(sender, place.act("5", "transfer")) == "limit_reached"
        place.clock.advance(datetime(2026, 3, 19, 15, tzinfo=UTC) - place.clock.now())  # the 20th begins in Tokyo
        assert await place.says(sender, place.act("5", "transfer")) == "ok"
        place.clock.advance(datetime(2026, 4, 30, 14, 59, tzinfo=UTC) - place.clock.now())
        assert await place.says(customer, place.act("701", **balloon)) == STRONGER
        place.clock.advance(timedelta(minutes=1))
        assert await place.says(customer, place.act("701", **balloon)) == "ok", "it held until 30 April"
        assert place.book.in_force(date(2026, 5, 1).toordinal())[0].id == "laputa.birthday"
