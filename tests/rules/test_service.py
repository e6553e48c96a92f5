"""The rules' use cases over PostgreSQL: whom the worker suspends, and how often it looks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from zoneinfo import ZoneInfo

from tests.rules.court import NOON, TRYING, Court
from tests.support.town import enrolled
from tongbao.app.registry import DECIDERS
from tongbao.engine.api import Engine, MemoryStore, PostgresStore
from tongbao.identity.types import Register
from tongbao.kernel.clock import VirtualClock
from tongbao.kernel.database import open_pool
from tongbao.rules.pack import named_packs
from tongbao.rules.service import DORMANT_EVERY, LawService


@asynccontextmanager
async def law_over(database: str) -> AsyncIterator[tuple[LawService, Court]]:
    clock = VirtualClock(NOON)
    async with (
        await open_pool(database, size=2) as pool,
        Engine(PostgresStore(database), [*DECIDERS, *TRYING], clock) as engine,
    ):
        law = LawService(engine, pool, clock, currency="CNY", zone=ZoneInfo("Asia/Shanghai"))
        yield law, Court(engine, MemoryStore(), clock, "CNY")


async def registered(place: Court, count: int) -> None:
    for _ in range(count):
        who = enrolled(place.id(), f"+86139{place.id().int % 10**8:08}")
        await place.happens(Register(command_id=place.id(), audience="wallet", who=who))


async def test_the_worker_suspends_who_never_did_anything_in_pieces_and_then_looks_once_an_hour(database: str) -> None:
    async with law_over(database) as (law, place):
        await registered(place, 3)
        place.clock.advance(timedelta(days=190))
        assert await law.suspend_dormant() == 0, "no rules, nobody is suspended"
        await law.adopt(named_packs("cn"), "test", "test")
        assert await law.suspend_dormant() == 0, "looked at within this hour"
        place.clock.advance(DORMANT_EVERY)
        assert [await law.suspend_dormant(limit=2) for _ in range(3)] == [2, 1, 0], "until there are no more"
        await registered(place, 1)
        place.clock.advance(timedelta(days=190) - DORMANT_EVERY)
        assert await law.suspend_dormant() == 1
        place.clock.advance(DORMANT_EVERY - timedelta(seconds=1))
        await registered(place, 1)
        assert await law.suspend_dormant() == 0
