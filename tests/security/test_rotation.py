"""Keys are exchanged while real servers write: nothing that was acknowledged is lost, and the former keys are of no use after."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import sys
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest

from tests.http.conftest import client
from tests.http.town import PASSWORD, PIN, Person, Town, key, ok, session_of
from tongbao.app.settings import Settings
from tongbao.app.stack import Stack, free_port, running
from tongbao.kernel.errors import InvariantBroken
from tongbao.kernel.postgres import EmbeddedPostgres, create_database, drop_database
from tongbao.security.keyring import KeyRing
from tongbao.security.personal import Vault
from tongbao.security.rotation import retire

_WORKERS = 4


class Load:
    """Customers who register and are sent money with a note, as fast as they are answered; what was acknowledged is kept."""

    def __init__(self, http: httpx.AsyncClient, payer: Person) -> None:
        self.http = http
        self.payer = payer
        self.people: list[tuple[Person, str, str]] = []
        self.stopping = asyncio.Event()

    async def run(self, worker: int) -> None:
        number = 0
        while not self.stopping.is_set():
            number += 1
            name, note = f"客户{worker}-{number}", f"备注 {secrets.token_hex(8)}"
            body = {"login": f"load{worker}-{number}@example.com", "password": PASSWORD, "name": name}
            answer = await self.http.post("/v1/wallet/register", json=body, headers={"idempotency-key": key()})
            person = Person(self.http, session_of(answer), customer_id=ok(answer, status=201)["customer"]["customer_id"])
            sent = {"payee_id": person.customer_id, "amount": "0.01", "currency": "CNY", "pin": PIN, "note": note}
            ok(await self.payer.post("/v1/wallet/transfers", sent), status=201)
            self.people.append((person, name, note))

    async def until(self, more: int) -> None:
        """Until so many more are done."""
        wanted = len(self.people) + more
        async with asyncio.timeout(60):
            while len(self.people) < wanted:
                await asyncio.sleep(0.02)


async def _tongbao(settings: Settings, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TONGBAO_")} | {
        f"TONGBAO_{name.upper()}": str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in msgspec.structs.asdict(settings).items()
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tongbao", *arguments, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    return out.decode()


async def _all_read(load: Load) -> None:
    for person, name, note in load.people:
        assert ok(await person.get("/v1/wallet/me"))["name"] == name
        assert ok(await person.get("/v1/wallet/bills"))["items"][0]["note"] == note


async def _rotated_under(load: Load, stack: Stack) -> None:
    """Each kind of key, with writes before, meanwhile and after."""
    await load.until(10)
    said = await _tongbao(stack.settings, "keys", "rotate", "C2")
    # Who wraps the people's keys anew, this command or the worker, is who comes first.
    assert "version 2 seals" in said and re.search(r"keys of [0-9]+ people", said)
    await load.until(10)
    assert "wrapped by master key" in await _tongbao(stack.settings, "keys", "rotate", "master")
    await load.until(10)
    assert "version 2 seals" in await _tongbao(stack.settings, "keys", "rotate", "C3")
    await load.until(10)


async def test_keys_are_exchanged_under_load_and_nothing_acknowledged_is_lost(
    postgres_server: EmbeddedPostgres, database_template: str, tmp_path: Path
) -> None:
    name = f"rotation_{secrets.token_hex(6)}"
    settings = Settings(
        data_dir=tmp_path / "data", database_url=create_database(postgres_server.dsn, name, database_template),
        port=free_port(), rules="none", argon2_time=1, argon2_memory_kib=1024, most_wait_s=20.0,
    )  # fmt: skip
    try:
        async with running(settings, servers=2, log=tmp_path / "log") as stack, client(stack.url) as http:
            books = await asyncpg.connect(stack.dsn)
            town = Town(stack, http, http, books)
            town.ann = await town.customer("张小明", bank=0, funds="1000.00")
            payer = UUID(town.ann.customer_id)
            copy = await books.fetchval("select wrapped from person_key where person_id = $1", payer)
            load = Load(http, town.ann)
            workers = [asyncio.create_task(load.run(number)) for number in range(_WORKERS)]
            try:
                await _rotated_under(load, stack)
            finally:
                load.stopping.set()
                await asyncio.gather(*workers)
            assert len(load.people) >= 40
            await _all_read(load)
            await _the_former_keys_are_of_no_use(copy, payer, stack, books)
            await books.close()
        assert "key_ring_not_read" not in (tmp_path / "log").read_text()
        async with running(settings, log=tmp_path / "log") as stack, client(stack.url) as http:
            for person, _, _ in load.people:
                person.client = http
            await _all_read(load)
    finally:
        drop_database(postgres_server.dsn, name)


async def _the_former_keys_are_of_no_use(copy: bytes, payer: UUID, stack: Stack, books: asyncpg.Connection) -> None:
    """The worker wraps what is left; then the first versions are forgotten, and a copy of a key from before opens no more."""
    ring = KeyRing.open(stack.settings.data_dir / "keys.json")
    vault = Vault.over(books, ring)
    with pytest.raises(ValueError, match="s old"):
        await retire(books, ring, "C3", 1)
    async with asyncio.timeout(30):
        while await books.fetchval("select count(*) from person_key where c2_version < 2 or c3_version < 2"):
            await asyncio.sleep(0.1)
    assert vault.rewrapped(payer, copy), "until then it does"
    for purpose in ("C2", "C3"):
        await retire(books, ring, purpose, 1, timedelta(0))
        with pytest.raises(ValueError, match="still wraps"):
            await retire(books, ring, purpose, 2, timedelta(0))
    assert [each.version for each in ring.listed() if each.purpose in ("C2", "C3")] == [2, 2]
    with pytest.raises(InvariantBroken, match="not in the ring"):
        vault.rewrapped(payer, copy)
