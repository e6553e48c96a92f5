"""Mainland China, row by row: what each article lets pass and what it does not. The figures stand here once more, so that a slip
in the pack is a difference."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.rules.court import NOON, court
from tests.rules.suite import Limit, Packs, Reported, check_limit, check_reported, rules_of
from tests.support.town import enrolled
from tongbao.engine.api import Accepted, Declined
from tongbao.identity.types import Register
from tongbao.kernel.money import parse
from tongbao.rules.book import Book
from tongbao.rules.pack import Deadline, merged, merged_text, named_packs
from tongbao.rules.types import SuspendDormant

CN = Packs("cn", "CNY", "Asia/Shanghai")
#: Local midnights after noon of Wednesday, 11 March 2026, in Shanghai.
TOMORROW = datetime(2026, 3, 11, 16, tzinfo=UTC)
NEXT_MONTH = datetime(2026, 3, 31, 16, tzinfo=UTC)
NEXT_YEAR = datetime(2026, 12, 31, 16, tzinfo=UTC)

N43, B296, L163, A261 = "PBOC announcement 2015 No. 43", "Yinfa [2017] 296", "Yinfa [2018] 163", "Yinfa [2016] 261"
M2012 = "Measures on anti-money-laundering of payment institutions (2012)"
ECNY = "Digital-currency wallets tier"
O11 = "Order [2025] No. 11"
MEDIUM, WEAK = {"strength": "medium"}, {"strength": "weak"}

LIMITS = (
    # payment accounts
    Limit("cn.account.class1", f"{N43} Art. 11(1)", "1000.00", {}, "real_name_needed", {"level": 1}, detail={"level": 2}),
    Limit("cn.account.class1", f"{N43} Art. 11(1)", "1000.00", {"kind": "withdrawal"}, "real_name_needed", {"level": 1}),
    Limit("cn.account.class2", f"{N43} Art. 11(2)", "100000.00", {}, "real_name_needed", {"level": 2}, NEXT_YEAR,
          detail={"level": 3}, uncounted=({"kind": "withdrawal"},), alone=True),
    Limit("cn.account.class3", f"{N43} Art. 11(3)", "200000.00", {}, who={"level": 3}, renews=NEXT_YEAR,
          uncounted=({"kind": "withdrawal"},), alone=True),
    Limit("cn.account.wealth", f"{N43} Art. 11(1)–(3)", "0", {"kind": "wealth"}, "real_name_needed", {"level": 2}, sums=False,
          detail={"level": 3}),
    Limit("cn.auth.strong", f"{N43} Art. 24(1)", "50000.00", {}, renews=TOMORROW, alone=True),
    Limit("cn.auth.medium", f"{N43} Art. 24(2)", "5000.00", MEDIUM, "stronger_confirmation_needed", renews=TOMORROW,
          detail={"strength": "strong"}, uncounted=({"kind": "withdrawal"}, {"strength": "strong"})),
    Limit("cn.auth.weak", f"{N43} Art. 24(3)", "1000.00", WEAK, "stronger_confirmation_needed", renews=TOMORROW,
          detail={"strength": "medium"}, uncounted=({"kind": "withdrawal"}, {"strength": "medium"})),
    Limit("cn.quick.institution", f"{N43} Art. 10", "200.00",
          {"kind": "quick_payment", "flags": ("institution_verified",), "funding_id": "one"}, sums=False),
    # barcodes
    Limit("cn.barcode.a", f"{B296} Art. 12", "50000.00", {"method": "qr_dynamic"}, renews=TOMORROW, alone=True),
    Limit("cn.barcode.b", f"{B296} Art. 12", "5000.00", {**MEDIUM, "method": "qr_dynamic"}, "stronger_confirmation_needed",
          renews=TOMORROW, detail={"strength": "strong"}, uncounted=({"method": "nfc"},), alone=True),
    Limit("cn.barcode.c", f"{B296} Art. 12", "1000.00", {**WEAK, "method": "qr_payer"}, "stronger_confirmation_needed",
          renews=TOMORROW, detail={"strength": "medium"}, uncounted=({"strength": "medium"},), alone=True),
    Limit("cn.barcode.d", f"{B296} Art. 12", "500.00", {"method": "qr_static"}, renews=TOMORROW,
          uncounted=({"method": "qr_dynamic"},)),
    Limit("cn.barcode.d", f"{B296} Art. 12", "500.00", {**MEDIUM, "method": "qr_static"}, renews=TOMORROW),
    Limit("cn.barcode.bank", f"{B296} Art. 12", "500.00", {"kind": "quick_payment", "method": "qr_static", "funding_id": "one"},
          renews=TOMORROW),
    Limit("cn.micro.day", f"{B296} micro-merchants", "1000.00",
          {"kind": "card_receipt", "flags": ("micro_merchant",)}, renews=TOMORROW),
    Limit("cn.micro.month", f"{B296} micro-merchants", "10000.00",
          {"kind": "card_receipt", "flags": ("micro_merchant",)}, renews=NEXT_MONTH, alone=True),
    # anti-money-laundering: identity
    Limit("cn.aml.identity.single", f"{M2012} Art. 11", "9999.99", {"kind": "topup"}, "real_name_needed", {"level": 0},
          sums=False, detail={"level": 2}),
    Limit("cn.aml.identity.single", f"{M2012} Art. 11", "9999.99", {"kind": "payment"}, "real_name_needed", {"level": 0},
          sums=False),
    Limit("cn.aml.identity.month", f"{M2012} Art. 11", "49999.99", {"kind": "topup"}, "real_name_needed", {"level": 1},
          detail={"level": 2}, alone=True),
    Limit("cn.aml.identity.wealth", f"{M2012} Art. 11", "0", {"kind": "wealth"}, "real_name_needed", {"level": 1}, sums=False,
          detail={"level": 2}, alone=True),
    Limit("cn.aml.remittance", f"{O11} Arts. 34, 35", "4999.99", {"kind": "transfer"}, "real_name_needed", {"level": 0},
          sums=False, detail={"level": 1}, alone=True),
    # telecom fraud: as agreed, or as the house has it for whoever agreed nothing
    Limit("cn.fraud.agreed-amount", f"{A261} 10", "50000.00", {"kind": "transfer"}, renews=TOMORROW,
          uncounted=({"kind": "payment"},), alone=True),
    Limit("cn.fraud.agreed-count", f"{A261} 10", 100, {"kind": "transfer"}, renews=TOMORROW, alone=True),
    # foreign exchange: a dollar is taken for seven yuan, by the house
    Limit("cn.fx.individual.buy", "SAFE, individual foreign exchange quota", "350000.00", {"flags": ("fx",)}, renews=NEXT_YEAR,
          alone=True),
    Limit("cn.fx.individual.sell", "SAFE, individual foreign exchange quota", "350000.00", {"kind": "topup", "flags": ("fx",)},
          renews=NEXT_YEAR),
    Limit("cn.fx.trade", "SAFE Huifa [2019] 13 single payment", "350000.00", {"kind": "topup", "flags": ("fx_trade",)},
          sums=False),
    Limit("cn.visitor.single", "PBOC guidance 2024-03 visitors", "35000.00", {}, who={"visitor": True}, sums=False),
    Limit("cn.visitor.year", "PBOC guidance 2024-03 visitors", "350000.00", {}, who={"visitor": True}, renews=NEXT_YEAR,
          alone=True),
    # digital-currency wallets
    Limit("cn.ecny.2.single", f"{ECNY} 2", "50000.00", {"tier": "ecny-2"}, sums=False, alone=True),
    Limit("cn.ecny.2.day", f"{ECNY} 2", "100000.00", {"tier": "ecny-2", "strength": "medium"}, renews=TOMORROW, alone=True),
    Limit("cn.ecny.3.single", f"{ECNY} 3", "5000.00", {"tier": "ecny-3"}, sums=False),
    Limit("cn.ecny.3.day", f"{ECNY} 3", "10000.00", {"tier": "ecny-3"}, renews=TOMORROW,
          uncounted=({"tier": "ecny-2"},), alone=True),
    Limit("cn.ecny.4.single", f"{ECNY} 4", "2000.00", {"tier": "ecny-4"}, sums=False),
    Limit("cn.ecny.4.day", f"{ECNY} 4", "5000.00", {"tier": "ecny-4"}, renews=TOMORROW, alone=True),
    Limit("cn.ecny.4.year", f"{ECNY} 4", "50000.00", {"tier": "ecny-4"}, renews=NEXT_YEAR, alone=True),
)  # fmt: skip

#: The fifth working day after Wednesday, 11 March, is Wednesday the 18th.
FIVE_DAYS = datetime(2026, 3, 18, 16, tzinfo=UTC)


def _large(name: str, least: str, paid: dict[str, Any], taken: dict[str, Any]) -> tuple[Reported, ...]:
    return tuple(
        Reported(f"cn.aml.large.{name}.{side}", f"{L163} 2", least, act, FIVE_DAYS, TOMORROW)
        for side, act in (("debit", paid), ("credit", taken))
    )


def _flagged(*flags: str) -> tuple[dict[str, Any], dict[str, Any]]:
    # Withdrawals and top-ups, for what is paid has limits below these.
    return {"kind": "withdrawal", "flags": flags}, {"kind": "topup", "flags": flags}


REPORTS = (
    *_large("cash", "50000.00", {"kind": "cash_out"}, {"kind": "cash_in"}),
    *_large("legal", "2000000.00", *_flagged("legal_person")),
    *_large("person", "500000.00", *_flagged()),
    *_large("border", "200000.00", *_flagged("cross_border")),
)

#: Held by how the product is made, not by counting: the row, its article, and its deadline where it has one.
UPHELD = (
    ("cn.auth.factors", f"{N43} Art. 22", None),
    ("cn.account.rating", f"{N43} Art. 36", None),
    ("cn.record", f"{N43} Art. 14", None),
    ("cn.refund", f"{N43} Art. 15", None),
    ("cn.carddata", f"{N43} Art. 20", None),
    ("cn.query", f"{N43} Art. 28", Deadline(3, "years")),
    ("cn.barcode.payer-code", f"{B296} (draft of 2021)", None),
    ("cn.barcode.personal", "Yinfa [2021] 259 1(2)3", None),
    ("cn.barcode.trading", "Yinfa [2021] 259 1(2)3", None),
    ("cn.terminal", "Yinfa [2021] 259 1(1)2", None),
    ("cn.reserve.balance", "State Council Order 768 Arts. 23, 24", None),
    ("cn.reserve.traceable", "State Council Order 768 Art. 25", None),
    ("cn.reserve.secrets", "State Council Order 768 Art. 26", None),
    ("cn.reserve.funds", "State Council Order 768 Arts. 27, 29", None),
    ("cn.reserve.clearing", "State Council Order 768 Art. 30", None),
    ("cn.reserve.sharing", "State Council Order 768 Art. 32", None),
    ("cn.contract.notice", "State Council Order 768 Art. 20", Deadline(30, "calendar_days")),
    ("cn.fees.notice", "Order [2024] No. 4 Art. 62", None),
    ("cn.onshore", "State Council Order 768 Arts. 18, 19", None),
    ("cn.netassets", "Order [2024] No. 4 Art. 59", None),
    ("cn.aml.report.large", "Order [2016] No. 3 Art. 8", Deadline(5, "working_days")),
    ("cn.aml.report.suspicious", "Order [2016] No. 3 Arts. 11, 15", Deadline(5, "working_days")),
    ("cn.aml.diligence", f"{O11} Arts. 16, 17", None),
    ("cn.aml.pep", f"{O11} Art. 33", None),
    ("cn.aml.keep", "Anti-Money Laundering Law Art. 34; Order [2025] No. 11, Art. 44", Deadline(10, "years")),
    ("cn.aml.sanctions", "Special preventive measures (2026) Arts. 3, 13–18", None),
    ("cn.aml.freeze", "Anti-Money Laundering Law Art. 45", Deadline(48, "hours")),
    ("cn.aml.review", f"{O11} Art. 25; 2012 measures, Art. 20", Deadline(6, "months")),
    ("cn.fraud.one-account", f"{A261} 1", None),
    ("cn.fraud.phone", f"{A261} 7", None),
    ("cn.fraud.arrival", f"{A261} 8", None),
    ("cn.fraud.devices", "Anti-Telecom and Online Fraud Law Art. 18", None),
    ("cn.fraud.appeal", "Anti-Telecom and Online Fraud Law Art. 32", None),
    ("cn.data.rights", "Personal Information Protection Law Arts. 15, 24, 45–47", None),
    ("cn.data.sensitive", "Personal Information Protection Law Arts. 23, 28, 29, 39", None),
    ("cn.data.assessment", "Personal Information Protection Law Arts. 55, 56", Deadline(3, "years")),
    ("cn.data.breach", "Personal Information Protection Law Art. 57; PBOC data security measures", Deadline(72, "hours")),
    ("cn.data.logs", "Cybersecurity Law Art. 21", Deadline(6, "months")),
    ("cn.ecny.1", f"{ECNY} 1", None),
)

#: Of wallets: the tier and the balance that it may have.
BALANCES = (
    ("cn.ecny.2.balance", "2", "500000.00"),
    ("cn.ecny.3.balance", "3", "20000.00"),
    ("cn.ecny.4.balance", "4", "10000.00"),
)

#: Rows with a test of their own below.
TOLD = {"cn.auth.weak-cover", "cn.barcode.c-cover", "cn.aml.identity.balance", "cn.fraud.dormant"}


@pytest.mark.parametrize("row", LIMITS, ids=repr)
async def test_so_far_and_no_further(row: Limit) -> None:
    await check_limit(row, CN)


@pytest.mark.parametrize("row", REPORTS, ids=repr)
async def test_a_large_value_is_a_duty_within_five_working_days(row: Reported) -> None:
    await check_reported(row, CN)


@pytest.mark.parametrize(("rule", "citation", "deadline"), UPHELD)
def test_what_is_upheld_otherwise_says_where(rule: str, citation: str, deadline: Deadline | None) -> None:
    found = rules_of("cn")[rule]
    assert (found.action, found.citation, found.deadline) == ("uphold", citation, deadline)
    assert found.upheld_by


@pytest.mark.parametrize(("rule", "tier", "most"), BALANCES)
async def test_a_digital_wallet_takes_no_more_than_its_tier_may_hold(rule: str, tier: str, most: str) -> None:
    async with court("cn") as place:
        customer = await place.person(3)
        account = await place.wallet(customer, "9000.00")
        left = parse(most, "CNY").minor - 900_000
        taking: dict[str, Any] = {"kind": "topup", "tier": f"ecny-{tier}", "account_id": account}
        assert await place.says(customer, place.act(left, **taking)) == "ok"
        refused = await place.tries(customer, place.act(left + 1, **taking))
        assert isinstance(refused, Declined) and refused.detail["rule_id"] == rule


@pytest.mark.parametrize(
    ("method", "rules"), [("", {"cn.auth.weak-cover"}), ("qr_dynamic", {"cn.auth.weak-cover", "cn.barcode.c-cover"})]
)
async def test_what_is_paid_with_one_factor_is_at_our_risk(method: str, rules: set[str]) -> None:
    async with court("cn") as place:
        for strength, expected in (("weak", rules), ("medium", set())):
            passed = await place.tries(await place.person(), place.act("1.00", strength=strength, method=method))
            assert isinstance(passed, Accepted) and set(passed.result["covers"]) == expected


async def test_weak_payments_count_towards_the_limit_of_medium_ones() -> None:
    async with court("cn") as place:
        customer = await place.person()
        assert await place.says(customer, place.act("1000.00", strength="weak")) == "ok"
        assert await place.says(customer, place.act("4000.01", strength="medium")) == "stronger_confirmation_needed"
        assert await place.says(customer, place.act("4000.00", strength="medium")) == "ok"


@pytest.mark.parametrize(("rating", "most"), [("none", "5000.00"), ("A", "10000.00"), ("B", "7500.00"), ("C", "5000.00")])
async def test_a_rating_multiplies_the_medium_limit_only_where_the_house_says_so(rating: str, most: str) -> None:
    (cn,) = named_packs("cn")
    rated = replace(cn, header=replace(cn.header, parameters={"cn_rating": rating}))
    async with court(packs=[rated]) as place:
        minor = parse(most, "CNY").minor
        assert await place.says(await place.person(), place.act(minor + 1, strength="medium")) == "stronger_confirmation_needed"
        assert await place.says(await place.person(), place.act(minor, strength="medium")) == "ok"


async def test_the_sum_of_thirty_days_forgets_each_day_when_it_is_thirty_days_old() -> None:
    (cn,) = named_packs("cn")
    only = replace(cn, rules=tuple(rule for rule in cn.rules if rule.id == "cn.aml.identity.month"))
    async with court(packs=[only]) as place:
        customer = await place.person(1)
        for amount, kind in (("20000.00", "topup"), ("15000.00", "payment"), ("14999.99", "receive")):
            assert await place.says(customer, place.act(amount, kind)) == "ok"
            place.clock.advance(timedelta(days=10))
        assert place.clock.now() == NOON + timedelta(days=30)
        # The first day has just left; 20,000 are free again, and not a cent more.
        assert await place.says(customer, place.act("20000.01", "topup")) == "real_name_needed"
        assert await place.says(customer, place.act("20000.00", "topup")) == "ok"
        assert await place.says(customer, place.act("0.01", "topup")) == "real_name_needed"


async def test_a_balance_above_5000_for_ten_days_running_asks_for_identity() -> None:
    async with court("cn") as place:
        customer = await place.person(0)
        account = await place.wallet(customer, "5000.01")
        paying: dict[str, Any] = {"account_id": account}
        assert await place.says(customer, place.act(1, "topup", **paying)) == "ok"
        place.clock.advance(timedelta(days=9))
        assert await place.says(customer, place.act(1, "topup", **paying)) == "ok"
        place.clock.advance(timedelta(days=1))
        refused = await place.tries(customer, place.act(1, **paying))
        assert isinstance(refused, Declined) and refused.code.name == "real_name_needed"
        assert (refused.detail["rule_id"], refused.detail["level"]) == ("cn.aml.identity.balance", 2)
        assert refused.detail["citation"] == f"{M2012} Art. 11"


async def test_a_balance_that_was_lower_in_between_begins_anew() -> None:
    async with court("cn") as place:
        customer = await place.person(0)
        paying: dict[str, Any] = {"account_id": await place.wallet(customer, "5000.01")}
        assert await place.says(customer, place.act("1.00", "topup", **paying)) == "ok"
        place.clock.advance(timedelta(days=9))
        assert await place.says(customer, place.act("1.00", **paying)) == "ok"  # 4,999.01 would be left
        place.clock.advance(timedelta(days=1))
        assert await place.says(customer, place.act("1.00", "topup", **paying)) == "ok"


@pytest.mark.parametrize(
    ("opened", "verified", "used", "suspended"),
    [
        ("2025-09-11", None, False, True),
        ("2025-09-12", None, False, False),
        ("2025-09-11", None, True, False),
        ("2024-01-01", "2025-09-12", False, False),
        ("2024-01-01", "2025-09-11", False, True),
    ],
)
async def test_who_never_did_anything_in_six_months_is_suspended(
    opened: str, verified: str | None, used: bool, suspended: bool
) -> None:
    """Source: Yinfa [2016] 261, 6."""
    assert rules_of("cn")["cn.fraud.dormant"].citation == f"{A261} 6"
    async with court("cn") as place:
        registered = await place.happens(
            Register(command_id=place.id(), audience="wallet", who=enrolled(place.id(), "+8613800000001"))
        )
        customer = registered.principal_id
        since = datetime.fromisoformat(f"{opened}T12:00:00+08:00")
        anew = datetime.fromisoformat(f"{verified}T12:00:00+08:00") if verified else None
        await place.person(2, customer_id=customer, opened_at=since, verified_at=anew)
        if used:
            await place.wallet(customer, "1.00")
        for _ in range(2):
            result = await place.happens(SuspendDormant(command_id=place.id(), customer_id=customer, currency="CNY"))
        assert result.suspended is False, "the second time there is nothing left to do"
        assert (await place.says(customer, place.act("1.00")) == "account_suspended") is suspended


def test_every_rule_of_the_pack_has_its_row() -> None:
    rows = {row.rule for row in LIMITS} | {row.rule for row in REPORTS} | {rule for rule, *_ in (*UPHELD, *BALANCES)} | TOLD
    assert rows == set(rules_of("cn"))


def test_a_holiday_is_no_working_day_and_a_worked_weekend_is_one() -> None:
    calendar = Book(merged_text(merged(named_packs("cn"), "CNY", "Asia/Shanghai")), ()).calendar
    # Friday, 13 February 2026, before nine days of Spring Festival; Saturday the 14th and the 28th are worked.
    assert calendar.after(date(2026, 2, 13), 5) == date(2026, 2, 27)
    assert calendar.after(date(2026, 2, 13), 6) == date(2026, 2, 28)
    assert calendar.after(date(2026, 2, 27), 2) == date(2026, 3, 2)
