"""What somebody may pay today is what is decided: the sum that is told goes through, a cent more does not, by that rule."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.rules.court import FACTORS, Court, court
from tongbao.engine.api import Declined
from tongbao.identity.standing import STANDING
from tongbao.rules.greatest import Greatest, Most, greatest
from tongbao.rules.persons import Known
from tongbao.rules.types import CURRENT, RULEBOOK, USAGE, SetOwnLimits

METHODS = ("qr_dynamic", "qr_static")


def told(place: Court, customer: UUID, strength: str, method: str) -> Greatest:
    tables = place.store.tables
    known = Known(tables.table(STANDING)[customer], tables.table(USAGE).get(customer))
    return greatest(tables.table(RULEBOOK)[CURRENT], known, customer, FACTORS[strength], method, place.clock.now())


@pytest.mark.parametrize("spent", ["", "120.00"])
@pytest.mark.parametrize("who", ["level 0", "level 1", "level 2", "level 3", "new device", "minor", "visitor", "own"])
async def test_the_greatest_payment_goes_through_and_a_cent_more_is_declined_by_the_rule_that_is_told(
    who: str, spent: str
) -> None:
    async with court("cn,house") as place:
        special: dict[str, dict[str, Any]] = {
            "new device": {"cooling_until": place.clock.now() + timedelta(hours=1)}, "minor": {"minor": True},
            "visitor": {"visitor": True},
        }  # fmt: skip
        facts = special.get(who, {})
        level = int(who[-1]) if who.startswith("level") else 3
        for strength in FACTORS:
            for method in METHODS:
                customer = await place.person(level, **facts)
                if who == "own":
                    caps: dict[str, int | None] = {"per_payment": 15_000, "daily_amount": 20_000}
                    await place.happens(SetOwnLimits(command_id=place.id(), customer_id=customer, caps=caps))
                if spent and level:
                    assert await place.says(customer, place.act(spent, method="qr_dynamic")) == "ok"
                single, today = told(place, customer, strength, method)
                assert single.minor is not None and single.by is not None and today.minor is not None
                assert single.minor <= today.minor
                refused = await place.tries(customer, place.act(single.minor + 1, strength=strength, method=method))
                assert isinstance(refused, Declined)
                if refused.code.name != "delay_required":
                    cited = (refused.detail["rule_id"], refused.detail["citation"], refused.detail["whose"])
                    assert cited == (single.by.rule_id, single.by.citation, single.by.whose)
                if single.minor:
                    assert await place.says(customer, place.act(single.minor, strength=strength, method=method)) == "ok"
                    left = told(place, customer, strength, method).today
                    assert left.minor is not None and left.minor <= today.minor - single.minor
                    if who == "own":
                        assert (single.by.citation_zh, today.by and today.by.whose) == (
                            "您自己设置的限额",
                            "own",
                        ) or single.minor < 8_000


async def test_where_no_rules_are_in_force_nothing_binds() -> None:
    async with court() as place:
        customer = await place.person()
        known = Known(place.store.tables.table(STANDING)[customer], None)
        assert greatest(None, known, customer, FACTORS["weak"], "", place.clock.now()) == Greatest(
            Most(None, None), Most(None, None)
        )
