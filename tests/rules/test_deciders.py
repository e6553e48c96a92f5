"""Adopting rules, caps of one's own and of merchants: what holds when, and who may change what."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.rules.court import Court, court
from tests.support.leavings import rows
from tests.support.town import LONG_AGO, RIGHT, WRONG, enrolled
from tongbao.engine.api import Declined
from tongbao.identity.realname.types import AgreeGuardianship, RequestGuardian
from tongbao.identity.standing import STANDING
from tongbao.identity.types import PinConfirmation, Register, SetPin
from tongbao.rules.explain import limits_of
from tongbao.rules.pack import merged, merged_text, named_packs
from tongbao.rules.persons import Known
from tongbao.rules.types import RULEBOOK, RULEBOOK_VERSION, USAGE, AdoptRules, SetCaps, SetOwnLimits

ON_DEVICE = PinConfirmation(RIGHT.mac, True)


def adopting(place: Court, names: str, *, by_hand: bool = False, after: int | None = None) -> AdoptRules:
    text = merged_text(merged(named_packs(names), "CNY", "Asia/Shanghai"))
    return AdoptRules(
        command_id=place.id(), text=text, by_hand=by_hand, adopted_by="somebody", reason="because", after_version=after
    )


async def test_what_the_server_ships_never_replaces_what_was_adopted_by_hand() -> None:
    async with court() as place:
        steps: tuple[tuple[str, bool, int, bool], ...] = (
            ("cn", False, 1, True), ("cn", False, 1, False), ("cn,house", False, 2, True), ("cn", True, 3, True),
            ("cn,house", False, 3, False), ("house", True, 4, True),
        )  # fmt: skip
        for names, by_hand, version, changed in steps:
            done = await place.happens(adopting(place, names, by_hand=by_hand))
            assert (done.version, done.changed) == (version, changed)
        kept = rows(place.store, RULEBOOK_VERSION)
        assert [(row.version, row.by_hand, row.adopted_by, row.reason) for row in kept] == [
            (1, False, "somebody", "because"), (2, False, "somebody", "because"), (3, True, "somebody", "because"),
            (4, True, "somebody", "because"),
        ]  # fmt: skip
        (row,) = rows(place.store, RULEBOOK)
        assert (row.text, row.digest) == (kept[-1].text, kept[-1].digest)


async def test_rules_made_upon_an_older_version_are_not_adopted() -> None:
    async with court("cn") as place:
        assert (await place.decide(adopting(place, "house", by_hand=True, after=0))).code.name == "rules_outdated"  # type: ignore[union-attr]
        assert (await place.happens(adopting(place, "house", by_hand=True, after=1))).changed


async def test_what_was_counted_goes_on_being_counted_under_other_rules() -> None:
    async with court("cn") as place:
        customer = await place.person()
        assert await place.says(customer, place.act("400.00", method="qr_static")) == "ok"
        for names in ("house", "us,house,cn"):
            await place.happens(adopting(place, names, by_hand=True))
        assert await place.says(customer, place.act("100.01", method="qr_static")) == "limit_reached"
        assert await place.says(customer, place.act("100.00", method="qr_static")) == "ok"


async def owner(place: Court) -> UUID:
    """A customer with a PIN."""
    customer = await place.person()
    who = enrolled(customer, f"+86{customer.int % 10**11:011}")
    await place.happens(Register(command_id=place.id(), audience="wallet", who=who))
    await place.happens(SetPin(command_id=place.id(), customer_id=customer, mac=RIGHT.mac, proven_at=LONG_AGO))
    return customer


def wishing(place: Court, customer: UUID, confirmation: Any = None, **caps: int | None) -> SetOwnLimits:
    return SetOwnLimits(command_id=place.id(), customer_id=customer, caps=caps, confirmation=confirmation)


async def test_lowering_holds_at_once_and_raising_after_a_day() -> None:
    async with court("house") as place:
        customer = await owner(place)
        await place.happens(wishing(place, customer, daily_amount=10_000))
        assert await place.says(customer, place.act("100.01")) == "limit_reached"
        done = await place.happens(wishing(place, customer, ON_DEVICE, daily_amount=20_000))
        assert (done.caps, done.coming) == ({"daily_amount": 10_000}, {"daily_amount": 20_000})
        assert done.coming_from == place.clock.now() + timedelta(hours=24)
        place.clock.advance(timedelta(hours=24) - timedelta(microseconds=1))
        assert await place.says(customer, place.act("100.01")) == "limit_reached"
        place.clock.advance(timedelta(microseconds=1))
        assert await place.says(customer, place.act("200.01")) == "limit_reached"
        assert await place.says(customer, place.act("200.00")) == "ok"
        (usage,) = [row for row in rows(place.store, USAGE) if row.subject_id == customer]
        lines = limits_of(place.book, "customer", Known(None, usage), place.clock.now())
        (line,) = [each for each in lines if each.rule_id == "house.own.day"]
        assert (line.limit, line.used, line.left, line.whose, line.coming) == ("200.00", "200.00", "0.00", "own", None)


@pytest.mark.parametrize("kind", ["payment", "quick_payment", "transfer", "withdrawal"])
async def test_caps_of_ones_own_hold_for_whatever_leaves_the_wallet_together(kind: str) -> None:
    async with court("house") as place:
        customer = await owner(place)
        await place.happens(wishing(place, customer, per_payment=6_000, daily_amount=10_000, daily_count=3))
        assert await place.says(customer, place.act("60.01", kind=kind)) == "limit_reached", "at once"
        assert await place.says(customer, place.act("50.00", kind="withdrawal")) == "ok"
        assert await place.says(customer, place.act("50.01", kind=kind)) == "limit_reached", "in the day"
        for _ in range(2):
            assert await place.says(customer, place.act("1.00", kind="payment")) == "ok"
        # In number the part that a card pays is none of its own: the payment that it belongs to is counted.
        says = "ok" if kind == "quick_payment" else "limit_reached"
        assert await place.says(customer, place.act("1.00", kind=kind)) == says, "in number"


async def test_lowering_again_takes_back_what_was_to_be_raised() -> None:
    async with court("house") as place:
        customer = await owner(place)
        await place.happens(wishing(place, customer, daily_amount=10_000, per_payment=5_000))
        await place.happens(wishing(place, customer, ON_DEVICE, daily_amount=90_000, per_payment=6_000))
        done = await place.happens(wishing(place, customer, daily_amount=8_000))
        assert done.caps == {"daily_amount": 8_000, "per_payment": 5_000}
        assert done.coming == {"daily_amount": 8_000, "per_payment": 6_000}


@pytest.mark.parametrize(
    ("confirmation", "says"),
    [
        (None, "stronger_confirmation_needed"),
        (RIGHT, "stronger_confirmation_needed"),
        (PinConfirmation(WRONG.mac, True), "wrong_pin"),
    ],
)
async def test_raising_takes_two_factors(confirmation: Any, says: str) -> None:
    async with court("house") as place:
        customer = await owner(place)
        await place.happens(wishing(place, customer, daily_count=3))
        for caps in ({"daily_count": 4}, {"daily_count": None}):
            refused = await place.decide(wishing(place, customer, confirmation, **caps))
            assert isinstance(refused, Declined) and refused.code.name == says


async def test_only_caps_that_the_rules_know_can_be_chosen() -> None:
    async with court("house") as place:
        for command in (
            wishing(place, await place.person(), monthly_amount=1),  # a merchant's
            SetCaps(command_id=place.id(), subject_id=place.id(), caps={"transfer_daily_count": 1}, by=place.id(), reason=""),
        ):
            refused = await place.decide(command)
            assert isinstance(refused, Declined) and refused.code.name == "limit_unknown"


async def test_without_rules_there_is_nothing_to_choose() -> None:
    async with court() as place:
        for command in (
            wishing(place, place.id(), daily_amount=1),
            SetCaps(command_id=place.id(), subject_id=place.id(), caps={"daily_amount": 1}, by=place.id(), reason=""),
        ):
            refused = await place.decide(command)
            assert isinstance(refused, Declined) and refused.code.name == "limits_not_in_force"


def agreeing(place: Court, child: UUID, guardian: UUID, **caps: int) -> AgreeGuardianship:
    wish: dict[str, Any] = {"single_minor": None, "daily_minor": None} | caps
    return AgreeGuardianship(
        command_id=place.id(), minor_id=child, guardian_id=guardian, consent="text", confirmation=ON_DEVICE, **wish
    )


async def ward(place: Court, **caps: int) -> tuple[UUID, UUID]:
    """A minor, and who agreed within these caps."""
    child, guardian = await place.person(minor=True, suspended="guardian"), await owner(place)
    await place.happens(RequestGuardian(command_id=place.id(), minor_id=child, guardian_id=guardian))
    assert await place.says(child, place.act("0.01")) == "account_suspended"
    await place.happens(agreeing(place, child, guardian, **caps))
    return child, guardian


@pytest.mark.parametrize(
    ("caps", "amounts"),
    [
        ({}, ["300.00", "200.00", "!0.01"]),  # what the house says of minors
        ({"single_minor": 1_000}, ["!10.01", "10.00", "10.00"]),
        ({"daily_minor": 1_500}, ["10.00", "!5.01", "5.00", "!0.01"]),
        ({"single_minor": 1_000, "daily_minor": 1_500}, ["!10.01", "10.00", "!5.01", "5.00"]),
        ({"single_minor": 90_000}, ["500.00", "!0.01"]),  # higher than the house's changes nothing
    ],
)
async def test_a_minor_pays_within_what_the_guardian_allows(caps: dict[str, int], amounts: list[str]) -> None:
    async with court("house") as place:
        child, _ = await ward(place, **caps)
        for amount in amounts:
            says = await place.says(child, place.act(amount.lstrip("!")))
            assert says == ("limit_reached" if amount.startswith("!") else "ok"), amount


async def test_a_guardians_cap_is_not_the_minors_to_raise_and_ends_when_they_are_of_age() -> None:
    async with court("house") as place:
        child, guardian = await ward(place, single_minor=1_000)
        await place.happens(Register(command_id=place.id(), audience="wallet", who=enrolled(child, "+8613900000009")))
        await place.happens(SetPin(command_id=place.id(), customer_id=child, mac=RIGHT.mac, proven_at=LONG_AGO))
        await place.happens(wishing(place, child, per_payment=800))
        assert await place.says(child, place.act("8.01")) == "limit_reached"
        await place.happens(wishing(place, child, ON_DEVICE, per_payment=5_000))
        place.clock.advance(timedelta(days=1))
        assert [await place.says(child, place.act(amount)) for amount in ("10.01", "10.00")] == ["limit_reached", "ok"]
        (usage,) = [row for row in rows(place.store, USAGE) if row.subject_id == child]
        (standing,) = [row for row in rows(place.store, STANDING) if row.customer_id == child]
        lines = limits_of(place.book, "customer", Known(standing, usage), place.clock.now())
        assert [each.limit for each in lines if each.rule_id == "house.own.payment"] == ["10.00"]
        await place.happens(agreeing(place, child, guardian))
        assert [await place.says(child, place.act(amount)) for amount in ("50.01", "50.00")] == ["limit_reached", "ok"]
        await place.happens(agreeing(place, child, guardian, single_minor=1_000))
        await place.person(customer_id=child)
        assert [await place.says(child, place.act(amount)) for amount in ("50.01", "50.00")] == ["limit_reached", "ok"]


@pytest.mark.parametrize(
    ("cap", "value", "amounts"),
    [
        ("per_payment", 500, ["5.00", "!5.01"]),
        ("daily_amount", 800, ["5.00", "!3.01", "3.00", "!0.01"]),
        ("daily_count", 2, ["5.00", "3.00", "!0.01"]),
        ("monthly_amount", 800, ["5.00", "3.00", "!0.01"]),
    ],
)
async def test_a_merchants_cap_holds_for_all_its_payers_together(cap: str, value: int, amounts: list[str]) -> None:
    async with court("house") as place:
        merchant, other = place.id(), place.id()
        await place.happens(SetCaps(command_id=place.id(), subject_id=merchant, caps={cap: value}, by=place.id(), reason="new"))
        for amount in amounts:
            payer = await place.person()
            says = await place.says(payer, place.act(amount.lstrip("!"), merchant_id=merchant))
            assert says == ("limit_reached" if amount.startswith("!") else "ok")
            assert await place.says(payer, place.act("9.00", merchant_id=other)) == "ok"


async def test_a_suspended_customer_pays_nothing_even_where_no_rules_are_in_force() -> None:
    async with court() as place:
        customer = await place.person(suspended="document_expired,reported")
        for kind in ("payment", "transfer", "withdrawal"):
            refused = await place.tries(customer, place.act("0.01", kind))
            assert isinstance(refused, Declined) and refused.code.name == "account_suspended"
            assert refused.detail["reasons"] == ["document_expired", "reported"]
        assert await place.says(customer, place.act("0.01", "receive")) == "ok"


@pytest.mark.parametrize(
    ("who", "amount", "kind", "says"),
    [
        ({"level": 0}, "0.01", "payment", "real_name_needed"),
        ({"level": 0}, "0.01", "receive", "ok"),
        ({"minor": True}, "500.00", "payment", "ok"),
        ({"minor": True}, "500.01", "payment", "limit_reached"),
    ],
)
async def test_the_house_says(who: dict[str, Any], amount: str, kind: str, says: str) -> None:
    async with court("house") as place:
        assert await place.says(await place.person(**who), place.act(amount, kind)) == says


async def test_a_new_device_pays_little_and_its_transfers_wait() -> None:
    async with court("house") as place:
        customer = await place.person(cooling_until=place.clock.now() + timedelta(hours=1))
        for amount, kind, delay in (("500.00", "transfer", 0), ("500.01", "transfer", 24), ("999.99", "payment", 0)):
            passed: Any = await place.tries(customer, place.act(amount, kind))
            assert passed.result["delay"] == delay
        assert await place.says(customer, place.act("0.01")) == "limit_reached"
        place.clock.advance(timedelta(hours=1))
        assert await place.says(customer, place.act("5000.00")) == "ok"


async def test_the_strictest_kind_of_answer_comes_first() -> None:
    """Refuse before challenge: who may not do it at all is not asked to confirm it better."""
    async with court("cn") as place:
        refused = await place.tries(await place.person(), place.act("1000.01", strength="weak", method="qr_static"))
        assert isinstance(refused, Declined) and refused.detail["rule_id"] == "cn.barcode.d"


async def test_an_act_in_a_currency_that_the_rules_do_not_know_is_declined() -> None:
    async with court("cn") as place:
        place.currency = "USD"
        assert await place.says(await place.person(), place.act("1.00")) == "currency_not_covered"
