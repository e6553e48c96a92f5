"""Several accounts of one person under the law: counted together, carried over, given back, and what stays each account's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tests.rules.court import Court, TakeBack, court
from tests.rules.suite import Limit
from tests.rules.test_cn import CN, LIMITS
from tongbao.engine.api import Accepted, Declined
from tongbao.kernel.money import parse
from tongbao.rules.explain import limits_of
from tongbao.rules.pack import Pack, read_pack
from tongbao.rules.persons import Known
from tongbao.rules.types import SetOwnLimits

#: Rows of the Chinese table that sum up amounts, whoever's they are but the account's alone.
OF_PERSONS = [row for row in LIMITS if row.sums and isinstance(row.most, str) and row.most != "0" and "funding_id" not in row.act]
OF_ACCOUNTS = [row for row in OF_PERSONS if row.rule.startswith("cn.ecny.")]


def rule(name: str, window: str, limit: str, scope: str = "customer") -> str:
    return f"""
[[rule]]
id = "{name}"
name = {{ zh = "试", en = "Test" }}
law = "Test"
article = "{name}"
effective_from = 2020-01-01
verified = true
action = "refuse"
metric = "amount"
scope = "{scope}"
window = {window}
limit = {{ CNY = "{limit}" }}
"""


def pack(*rules: str) -> Pack:
    return read_pack('pack = "test"\ntitle = { zh = "试", en = "Test" }\n' + "".join(rules), "test")


YEARLY = pack(rule("year", '{ kind = "year", anchor = "anniversary" }', "100.00"))
BOTH = pack(
    rule("person.day", '{ kind = "day" }', "100.00"), rule("account.day", '{ kind = "day" }', "70.00", "account"),
    rule("person.rolling", '{ kind = "rolling", days = 3 }', "150.00"),
)  # fmt: skip


async def becomes(place: Court, customer: UUID, subject: UUID | None, level: int = 3) -> None:
    """It is found out whose account a customer's is."""
    await place.person(level, customer_id=customer, subject_id=subject)


@pytest.mark.parametrize("row", OF_PERSONS, ids=repr)
async def test_what_one_account_did_is_not_left_for_another_of_the_same_person(row: Limit) -> None:
    only = [Pack(each.header, tuple(one for one in each.rules if one.id == row.rule)) for each in CN.every()]
    async with court(packs=only) as place:
        assert isinstance(row.most, str)
        most = parse(row.most, "CNY").minor
        first = await place.person(**row.who)
        second = await place.person(**row.who, subject_id=first)
        assert await place.says(first, place.act(most - 1, **row.act)) == "ok"
        refused = await place.tries(second, place.act(2, **row.act))
        if row in OF_ACCOUNTS:
            assert isinstance(refused, Accepted), "an account's limit is the account's alone"
            return
        assert isinstance(refused, Declined) and refused.detail["rule_id"] == row.rule
        assert await place.says(second, place.act(1, **row.act)) == "ok"
        assert await place.says(first, place.act(1, **row.act)) == row.says


async def test_the_tables_have_limits_of_persons_and_of_accounts() -> None:
    assert len(OF_PERSONS) > 12 and OF_ACCOUNTS


async def test_what_was_counted_before_the_person_was_known_is_carried_over_once() -> None:
    async with court(packs=[BOTH]) as place:
        first, second = await place.person(), await place.person()
        assert await place.says(first, place.act("30.00")) == "ok"
        assert await place.says(second, place.act("60.00")) == "ok"
        await becomes(place, second, first)
        await becomes(place, second, first)
        for who, amount, says in ((first, "10.01", "limit_reached"), (second, "10.01", "limit_reached"), (first, "10.00", "ok")):
            assert await place.says(who, place.act(amount)) == says
        # Of the account alone: 40 of 70 by the first, 60 of 70 by the second.
        place.clock.advance(timedelta(days=1))
        assert await place.says(first, place.act("50.00")) == "ok"
        place.clock.advance(timedelta(days=1))
        assert await place.says(second, place.act("0.01")) == "limit_reached", "in three days"
        place.clock.advance(timedelta(days=1))
        assert await place.says(second, place.act("70.01")) == "limit_reached"
        assert await place.says(second, place.act("70.00")) == "ok"
        assert await place.says(first, place.act("30.00")) == "ok"


async def test_who_only_said_who_they_are_and_then_proves_it_is_counted_once() -> None:
    async with court(packs=[BOTH]) as place:
        customer, stranger, said = await place.person(), await place.person(), place.id()
        assert await place.says(customer, place.act("10.00")) == "ok"
        await becomes(place, customer, said, 1)
        await becomes(place, stranger, said, 1)
        assert await place.says(customer, place.act("20.00")) == "ok"
        assert await place.says(stranger, place.act("5.00")) == "ok"
        await becomes(place, customer, None)
        assert await place.says(customer, place.act("40.01")) == "limit_reached", "10 and 20 of the account's 70"
        place.clock.advance(timedelta(days=1))
        assert await place.says(customer, place.act("70.00")) == "ok"
        place.clock.advance(timedelta(days=1))
        # In three days: 10, 20, what the stranger did in this name, and 70.
        assert await place.says(customer, place.act("45.01")) == "limit_reached"
        assert await place.says(customer, place.act("45.00")) == "ok"
        assert await place.says(stranger, place.act("70.00")) == "ok", "what is proved is not counted for who only says so"


async def test_nobody_begins_anew_by_showing_another_document() -> None:
    async with court(packs=[BOTH]) as place:
        one, other, moving = await place.person(), await place.person(), await place.person()
        await becomes(place, moving, one)
        assert await place.says(moving, place.act("60.00")) == "ok"
        await becomes(place, moving, other)
        assert await place.says(moving, place.act("10.01")) == "limit_reached", "the account's own"
        assert await place.says(other, place.act("40.01")) == "limit_reached", "what the person did comes along"
        assert await place.says(one, place.act("40.01")) == "limit_reached", "and stays counted where it was"
        assert (await place.says(one, place.act("40.00")), await place.says(other, place.act("40.00"))) == ("ok", "ok")


async def test_what_fails_later_is_given_back_to_the_person_and_to_the_account() -> None:
    async with court(packs=[BOTH]) as place:
        first, second = await place.person(), await place.person()
        decision = await place.tries(second, place.act("70.00"))
        assert isinstance(decision, Accepted)
        await becomes(place, second, first)
        again = await place.tries(first, place.act("30.00"))
        assert isinstance(again, Accepted) and await place.says(second, place.act("0.01")) == "limit_reached"
        for who, counted, amount in ((second, decision.result["counted"], 7_000), (first, again.result["counted"], 3_000)):
            await place.happens(TakeBack(command_id=place.id(), customer_id=who, counted=counted, amount_minor=amount))
        decision = await place.tries(second, place.act("70.00"))
        assert isinstance(decision, Accepted)
        counted = decision.result["counted"]
        await place.happens(TakeBack(command_id=place.id(), customer_id=second, counted=counted, amount_minor=7_000))
        assert await place.says(second, place.act("70.00")) == "ok"
        assert await place.says(first, place.act("30.01")) == "limit_reached"
        assert await place.says(first, place.act("30.00")) == "ok"


async def test_what_a_bank_account_brings_is_counted_by_it_and_given_back_to_it() -> None:
    bank = pack(rule("bank.day", '{ kind = "day" }', "50.00", "funding_source").replace("window =", 'side = "credit"\nwindow ='))
    async with court(packs=[bank]) as place:
        one, other, account = await place.person(), await place.person(), place.id()
        brings = place.act("30.00", "topup", funding_id=account)
        decision = await place.tries(one, brings)
        assert isinstance(decision, Accepted) and await place.says(other, brings) == "limit_reached"
        assert await place.says(other, place.act("30.00", "topup", funding_id=place.id())) == "ok"
        back = TakeBack(
            command_id=place.id(), customer_id=one, counted=decision.result["counted"], amount_minor=3_000, funding_id=account
        )
        await place.happens(back)
        assert await place.says(other, brings) == "ok"


async def test_each_account_keeps_the_caps_of_its_own() -> None:
    async with court("house") as place:
        first = await place.person()
        second = await place.person(subject_id=first)
        cap = SetOwnLimits(command_id=place.id(), customer_id=second, caps={"daily_amount": 5_000})
        await place.happens(cap)
        assert await place.says(first, place.act("40.00")) == "ok"
        assert await place.says(second, place.act("10.01")) == "limit_reached", "what the person paid counts towards it"
        assert await place.says(second, place.act("10.00")) == "ok"
        assert await place.says(first, place.act("60.00")) == "ok"


async def test_the_limits_shown_are_the_persons_and_the_accounts() -> None:
    async with court(packs=[BOTH]) as place:
        first = await place.person()
        second = await place.person(subject_id=first)
        assert await place.says(first, place.act("30.00")) == "ok"
        assert await place.says(second, place.act("20.00")) == "ok"
        standing = place.standing(second)
        known = Known(standing, place.usage(second), place.usage(first), standing.opened_at)
        shown = {line.rule_id: (line.used, line.left) for line in limits_of(place.book, "customer", known, place.clock.now())}
        assert shown == {
            "person.day": ("50.00", "50.00"), "account.day": ("20.00", "50.00"), "person.rolling": ("50.00", "100.00"),
        }  # fmt: skip


async def test_a_year_from_the_opening_is_that_of_the_persons_first_account() -> None:
    async with court(packs=[YEARLY], at=datetime(2026, 3, 11, 4, tzinfo=UTC)) as place:
        first = await place.person(opened_at=datetime(2020, 6, 1, 4, tzinfo=UTC))
        second = await place.person(opened_at=datetime(2026, 3, 10, 4, tzinfo=UTC), subject_id=first)
        assert await place.says(second, place.act("100.00")) == "ok"
        decision = await place.tries(second, place.act("0.01"))
        assert isinstance(decision, Declined) and decision.detail["renews_at"] == "2026-05-31T16:00:00Z"
        place.clock.advance(timedelta(days=81))
        assert await place.says(first, place.act("0.01")) == "limit_reached", "the 31st of May"
        place.clock.advance(timedelta(days=1))
        assert await place.says(first, place.act("100.00")) == "ok"


async def test_a_year_from_the_opening_of_nobody_known_is_the_calendars() -> None:
    async with court(packs=[YEARLY]) as place:
        nobody = place.id()
        assert await place.says(nobody, place.act("100.00")) == "ok"
        for days in (1, 30, 200):
            place.clock.advance(timedelta(days=days))
            decision = await place.tries(nobody, place.act("0.01"))
            assert isinstance(decision, Declined) and decision.detail["renews_at"] == "2026-12-31T16:00:00Z"
        place.clock.advance(datetime(2026, 12, 31, 16, tzinfo=UTC) - place.clock.now())
        assert await place.says(nobody, place.act("100.00")) == "ok"
