"""The running product, once for each process of tests: bank, database, worker, and two servers over the one database."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
import pytest_asyncio

from tests.http.town import Town
from tongbao.app.settings import Settings
from tongbao.app.stack import answering, ended, free_port, running, spawn
from tongbao.kernel.postgres import EmbeddedPostgres, create_database, drop_database


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def town(
    postgres_server: EmbeddedPostgres, database_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    """Everything, running. Tests share it, so each makes the orders it pays and the customers it locks out."""
    async with a_town(postgres_server, database_template, tmp_path_factory.mktemp("town"), rules="none") as town:
        yield town


@asynccontextmanager
async def a_town(postgres_server: EmbeddedPostgres, database_template: str, folder: Path, **choices: Any) -> AsyncIterator[Town]:
    """A town with a database of its own, two servers and a worker, under settings of its own."""
    name = f"town_{secrets.token_hex(6)}"
    settings = Settings(
        data_dir=folder, database_url=create_database(postgres_server.dsn, name, database_template), port=free_port(),
        log_json=True, argon2_time=1, argon2_memory_kib=1024, most_wait_s=20.0, **choices,
    )  # fmt: skip
    try:
        async with running(settings, log=folder / "log") as stack:
            other = msgspec.structs.replace(stack.settings, port=free_port())
            with (folder / "other log").open("wb") as output:
                second = await spawn("serve", other, output)
            there = f"http://{other.host}:{other.port}"
            try:
                await answering(there, second)
                async with client(stack.url) as here, client(there) as away:
                    books = await asyncpg.connect(stack.dsn)
                    town = Town(stack, here, away, books)
                    await town.settle()
                    yield town
                    await books.close()
            finally:
                await ended(second)
        # Whatever the tests did with it, every row must still be what the commands made it.
        audit = await spawn("verify", settings, None)
        assert await audit.wait() == 0, "the town's books do not verify"
    finally:
        drop_database(postgres_server.dsn, name)


def client(url: str) -> httpx.AsyncClient:
    """A client that keeps no cookies: who is asking stands in each request."""
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    forgetful = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    return httpx.AsyncClient(base_url=url, trust_env=False, timeout=30, limits=limits, cookies=forgetful)
