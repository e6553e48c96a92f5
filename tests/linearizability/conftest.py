"""Two servers over one database, and the people who live there in two quarters that have nothing to do with each other."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import NamedTuple

import asyncpg
import pytest
import pytest_asyncio

from tests.http.conftest import client
from tests.http.town import Person, Town, ok
from tests.linearizability.clients import Quarter, minor
from tests.linearizability.model import Order, State
from tests.support.servers import Process, more_servers
from tongbao.app.settings import Settings
from tongbao.app.stack import free_port, running
from tongbao.kernel.postgres import EmbeddedPostgres, create_database, drop_database

ORDERS = 10


class Rig(NamedTuple):
    """What a test of concurrent histories needs. `books` is a connection of the test's own."""

    town: Town
    servers: list[Process]
    books: asyncpg.Connection

    async def quarter(self, people: int, funds: str) -> Quarter:
        """Newcomers with money, a shop without fees, and its unpaid orders."""
        town = self.town
        name = secrets.token_hex(2)
        residents: dict[str, Person] = {}
        for number in range(people):
            residents[f"{name}-{number}"] = who = await town.customer(f"Resident {number}")
            await town.gift(who, funds)
        shop = await town.merchant(f"Shop {name}", fee_ppm=0)
        orders, ids = [], {}
        for number in range(ORDERS):
            made = await town.order(shop, f"{1 + number}.50", out_trade_no=f"{name}-{number}")
            orders.append(Order(made["out_trade_no"], f"shop-{name}", minor(made["amount"])))
            ids[made["out_trade_no"]] = made["payment_id"]
        return Quarter(residents, {f"shop-{name}": shop}, orders, ids)

    async def state(self, quarter: Quarter) -> State:
        """Balances at a quiet moment."""
        balances = {}
        for name, person in quarter.people.items():
            balances[name] = minor(ok(await person.get("/v1/wallet/balance"))["balance"])
        for name, person in quarter.shops.items():
            balances[name] = minor(ok(await person.get("/v1/merchant/balance"))["balance"])
        return State(balances)

    async def cut_connections(self) -> int:
        """Every connection to the database but ours ends; how many there were."""
        cut = await self.books.fetch(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        return len(cut)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def rig(
    postgres_server: EmbeddedPostgres, database_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Rig]:
    """The town's own server stays out of it: it is where everybody registers. The two under test are apart from it."""
    name = f"linear_{secrets.token_hex(6)}"
    folder = tmp_path_factory.mktemp("linear")
    settings = Settings(
        data_dir=folder, database_url=create_database(postgres_server.dsn, name, database_template), port=free_port(),
        rules="none", log_json=True, argon2_time=1, argon2_memory_kib=1024,
    )  # fmt: skip
    try:
        async with AsyncExitStack() as cleanup:
            stack = await cleanup.enter_async_context(running(settings, log=folder / "log"))
            servers = await cleanup.enter_async_context(more_servers(stack.settings, 2, folder))
            here = await cleanup.enter_async_context(client(stack.url))
            books = await asyncpg.connect(stack.dsn)
            cleanup.push_async_callback(books.close)
            town = Town(stack, here, here, books)
            await town.settle()
            yield Rig(town, servers, books)
    finally:
        drop_database(postgres_server.dsn, name)
