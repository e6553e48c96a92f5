"""The two stores, each with the toy domain of `tests.support.jars`."""

from __future__ import annotations

import pytest

from tests.support.jars import MemoryWorld, PostgresWorld, World
from tests.support.quiet import quiet

quiet()


@pytest.fixture
async def postgres(database: str) -> PostgresWorld:
    """The toy domain over PostgreSQL."""
    world = PostgresWorld(database)
    await world.prepare()
    return world


@pytest.fixture(params=["memory", "postgres"])
def either(request: pytest.FixtureRequest) -> World:
    """The toy domain over each store in turn; call `prepare()` first."""
    return MemoryWorld() if request.param == "memory" else PostgresWorld(request.getfixturevalue("database"))
