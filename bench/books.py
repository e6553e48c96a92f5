"""Books of any size: accounts by the million, each opened and endowed by a command, and histories of many entries.

Everything here is decided by the product's own rules and written by its own engine, so that `verify` finds nothing to say. What
makes it quick is that thousands of rows share a journal, that nobody asks whether an account is there that cannot be, and that
the random indexes of the two large tables are made at the end. Nothing is kept for each account: an owner is a number.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from bench.population import CURRENCY, ENDOWMENT_MINOR, fresh_id
from bench.stage import say
from tongbao.engine.api import Accepted, Command, Decider, Decision, Engine, Key, PostgresStore, Sealer, View, accepted
from tongbao.engine.store import Stored
from tongbao.kernel.clock import SystemClock
from tongbao.kernel.ids import fast_id
from tongbao.ledger.api import (
    ACCOUNT,
    CUSTOMER_WALLET,
    DECIDERS,
    RESERVE,
    AccountLeg,
    Journal,
    Leg,
    ManyLegs,
    Place,
    PostBulk,
    account_id,
    account_keys,
    post,
)

#: Accounts that one command opens, entries that one command makes.
AT_ONCE = 2_000
#: Commands on their way: enough that the next batch is decided while one is written, and no more of them in memory.
_ON_THEIR_WAY = 12
#: Owners are numbered from here: version 7 by shape, and as close together as those that register one after another.
_FIRST_OWNER = 0x01990000_0000_7000_8000_000000000000
#: Tables whose indexes would be written at a random page for each new account.
_LARGE = ("account_master", "entry")
_OBJECTS = """
select conname as name, pg_get_constraintdef(oid) as definition, true as key from pg_constraint
where conrelid = $1::text::regclass and contype in ('p', 'u')
union all
select c.relname, pg_get_indexdef(c.oid), false from pg_index i join pg_class c on c.oid = i.indexrelid
where i.indrelid = $1::text::regclass and not exists (select from pg_constraint where conindid = c.oid)
"""


def owner(number: int) -> UUID:
    """The owner of a book's account."""
    return fast_id(UUID(int=_FIRST_OWNER + number))


def wallet(number: int) -> UUID:
    """The account itself."""
    return account_id(CUSTOMER_WALLET, CURRENCY, owner(number))


class Endow(Command, frozen=True, kw_only=True):
    """Bench only: open `count` wallets from number `first` on, and pay each its endowment, in one journal."""

    kind = "bench.endow"
    first: int
    count: int


def _legs(command: Endow) -> Iterator[Leg]:
    yield Leg(Place(RESERVE, CURRENCY), -ENDOWMENT_MINOR * command.count)
    for number in range(command.first, command.first + command.count):
        yield Leg(Place(CUSTOMER_WALLET, CURRENCY, owner(number)), ENDOWMENT_MINOR)


def _endow_keys(command: Endow) -> list[Key]:
    return account_keys(leg.place for leg in _legs(command))


def _endow(command: Endow, view: View, now: datetime) -> Decision:
    journal = post(view, command, now, command.kind, list(_legs(command)))
    assert isinstance(journal, Journal)
    return Accepted()


ENDOW = Decider(Endow, _endow_keys, _endow)


class _Newcomers(PostgresStore):
    """The store of an engine that opens accounts and nothing else: none of them can be there."""

    async def peek(self, keys: Sequence[Key]) -> Stored:
        known = {Key(ACCOUNT, Place(RESERVE, CURRENCY).account_id)}
        asked = [key for key in keys if key.relation is not ACCOUNT or key in known]
        stored = await super().peek(asked) if asked else Stored({}, {})
        return Stored(dict.fromkeys(keys) | stored.rows, stored.seals)


async def open_book(dsn: str, sealer: Sealer, accounts: int) -> None:
    """So many wallets with their endowment in an empty book."""
    async with _without_indexes(dsn), Engine(_Newcomers(dsn, sealer=sealer), [ENDOW], SystemClock()) as engine:
        firsts = range(0, accounts, AT_ONCE)
        several = (Endow(command_id=fresh_id(), first=first, count=min(AT_ONCE, accounts - first)) for first in firsts)
        await _all(f"{accounts:,} accounts", engine, accounts, several)


async def write_history(dsn: str, sealer: Sealer, accounts: int, entries: int) -> int:
    """About so many more entries, evenly spread over the wallets of a book, each of which ends as it began; answers how many
    journals they are."""
    turns = max(1, entries // accounts // 2)
    each = max(1, AT_ONCE // (2 * turns))
    # In the order of their ids: each index page is written once.
    wallets = sorted(wallet(number) for number in range(accounts))

    def commands() -> Iterator[PostBulk]:
        for begin in range(0, accounts, each):
            legs = [AccountLeg(account, amount) for account in wallets[begin : begin + each] for amount in (100, -100) * turns]
            yield PostBulk(command_id=fresh_id(), postings=(ManyLegs(tuple(legs)),))

    async with Engine(PostgresStore(dsn, sealer=sealer), DECIDERS, SystemClock()) as engine:
        await _all(f"{entries:,} entries", engine, entries, commands())
    return -(-accounts // each)


async def _all(title: str, engine: Engine, count: int, commands: Iterable[Command]) -> None:
    """Every command, few at once; says how far it is ten times. `count` is what all of them come to."""
    started, done, told = time.monotonic(), 0, 1
    several = iter(commands)
    waiting: set[asyncio.Future[Any]] = set()
    while True:
        while len(waiting) < _ON_THEIR_WAY and (command := next(several, None)) is not None:
            waiting.add(engine.enqueue(command))
        if not waiting:
            return
        ended, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for future in ended:
            accepted(future.result())
        done += AT_ONCE * len(ended)
        if done * 10 >= told * count:
            told += 1
            say(f"{title:<26} {min(done, count):>9,} in {time.monotonic() - started:.0f} s")


@asynccontextmanager
async def _without_indexes(dsn: str) -> AsyncIterator[None]:
    """The large tables stand without their indexes meanwhile, and have them again afterwards, as the migrations made them."""
    connection = await asyncpg.connect(dsn)
    try:
        again = []
        for table in _LARGE:
            for name, definition, key in await connection.fetch(_OBJECTS, table):
                await connection.execute(f"alter table {table} drop constraint {name}" if key else f"drop index {name}")
                again.append(f"alter table {table} add constraint {name} {definition}" if key else definition)
        yield
        await connection.execute("set maintenance_work_mem = '512MB'")
        for statement in again:
            await connection.execute(statement)
    finally:
        await connection.close()
