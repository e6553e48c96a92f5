"""Whatever order acts come in, no window's sum exceeds its limit, and what is declined or taken back counts nothing: against an
auditor that keeps every act and adds them up anew each time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rules.court import TakeBack, court
from tongbao.engine.api import Accepted
from tongbao.rules.pack import read_pack

_HEAD = 'pack = "all"\ntitle = { zh = "试", en = "Test" }\n'
ZONE = ZoneInfo("Asia/Shanghai")
OPENED = datetime(2025, 6, 17, 20, tzinfo=UTC)  # the 18th in Shanghai

#: window -> (its TOML, limit, whether a moment lies in the same window as now)
WINDOWS: dict[str, tuple[str, int]] = {
    "day": ('{ kind = "day" }', 900),
    "month": ('{ kind = "month" }', 2_000),
    "calendar": ('{ kind = "year" }', 5_000),
    "anniversary": ('{ kind = "year", anchor = "anniversary" }', 4_000),
    "fiscal": ('{ kind = "year", anchor = "fiscal", begins_month = 4 }', 4_500),
    "rolling": ('{ kind = "rolling", days = 5 }', 1_500),
    "lifetime": ('{ kind = "lifetime" }', 20_000),
}
PACK = read_pack(
    _HEAD
    + "".join(
        f"""
[[rule]]
id = "{name}"
name = {{ zh = "试", en = "Test" }}
law = "Test"
article = "{name}"
effective_from = 2020-01-01
verified = true
action = "refuse"
metric = "amount"
side = "both"
window = {toml}
limit = {{ CNY = "{limit // 100}.{limit % 100:02}" }}
"""
        for name, (toml, limit) in WINDOWS.items()
    ),
    "all",
)


class Past(NamedTuple):
    day: date
    amount: int


def same_window(name: str, then: date, now: date) -> bool:
    """Written from the meaning of the words, not from the code that counts."""
    opened = OPENED.astimezone(ZONE).date()
    match name:
        case "day":
            return then == now
        case "month":
            return (then.year, then.month) == (now.year, now.month)
        case "calendar":
            return then.year == now.year
        case "anniversary":
            begins = [date(year, opened.month, opened.day) for year in range(2024, 2040)]
            return then >= max(begin for begin in begins if begin <= now)
        case "fiscal":
            begin = max(date(year, 4, 1) for year in range(2024, 2040) if date(year, 4, 1) <= now)
            return then >= begin
        case "rolling":
            return (now - then).days < 5
        case _:
            return True


STEPS = st.lists(
    st.tuples(st.sampled_from([0, 0, 0, 1, 7, 26, 24 * 4, 24 * 5, 24 * 31, 24 * 200]), st.integers(1, 800), st.booleans()),
    min_size=5,
    max_size=60,
)  # hours later, amount, and whether the act is taken back at the end of the step


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
async def test_no_order_of_acts_brings_a_window_beyond_its_limit(steps: list[tuple[int, int, bool]]) -> None:
    async with court(packs=[PACK]) as place:
        customer = await place.person(opened_at=OPENED)
        past: list[Past] = []
        waiting: list[tuple[Past, str]] = []
        for hours, amount, keeps in steps:
            place.clock.advance(timedelta(hours=hours))
            today = place.clock.now().astimezone(ZONE).date()
            fits = all(
                sum(each.amount for each in past if same_window(name, each.day, today)) + amount <= limit
                for name, (_, limit) in WINDOWS.items()
            )
            before = place.usage(customer)
            decision = await place.tries(customer, place.act(amount))
            assert isinstance(decision, Accepted) == fits, (today, amount, past)
            if not isinstance(decision, Accepted):
                assert place.usage(customer) == before, "what is declined counts nothing"
                continue
            result: Any = decision.result
            past.append(Past(today, amount))
            if not keeps:
                waiting.append((past[-1], result["counted"]))
            if len(waiting) == 3:
                # Of several acts that may fail, the first one does, perhaps days later.
                failed, counted = waiting.pop(0)
                past.remove(failed)
                await place.happens(
                    TakeBack(command_id=place.id(), customer_id=customer, counted=counted, amount_minor=failed.amount)
                )
