"""`tongbao work`: the worker. It asks the bank what became of unanswered transfers, and writes down expired orders and holds.

Any number may run; one at a time does the rounds (an advisory lock decides), the others stand by. A task that fails ends neither
the round nor the worker (`app.duties`); where the failure is a bug, an incident asks operators to look at it.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic

import asyncpg
import click
import structlog

from tongbao.app import logs, runtime
from tongbao.app.asgi import Services, open_services
from tongbao.app.duties import Duty, is_ours
from tongbao.app.settings import Settings
from tongbao.engine.api import accepted
from tongbao.kernel.ids import new_id
from tongbao.ledger.api import QUERIES as LEDGER
from tongbao.ledger.api import ExpireHolds, HoldRef
from tongbao.operators.api import MACHINE
from tongbao.security.rotation import rewrap_round

_log = structlog.get_logger("tongbao.worker")
_LOCK = 7042
_ROUND_S = 1.0
_ASK_S = 10.0
_MOST_INCIDENTS = 20


@click.command("work", help="Run the worker: the janitors and everything on a schedule.")
def command() -> None:
    settings = Settings.read()
    logs.configure(as_json=settings.log_json)
    asyncio.run(_main(settings))


async def _main(settings: Settings) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    dsn = await runtime.open_database(settings)
    async with open_services(settings, dsn) as services:
        click.echo("tongbao worker ready", err=True)
        while not stopping.is_set():
            try:
                await _on_duty(services, dsn, stopping)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as failure:
                _log.warning("worker_retries", reason=f"{type(failure).__name__}: {failure}")
                await _pause(stopping)
        await services.audit.anchor_at_the_end()


async def _on_duty(services: Services, dsn: str, stopping: asyncio.Event) -> None:
    """Hold the lock and do the rounds; without it, wait."""
    connection = await asyncpg.connect(dsn, timeout=10, server_settings={"application_name": "tongbao worker"})
    try:
        while not stopping.is_set():
            if await connection.fetchval("select pg_try_advisory_lock($1)", _LOCK):
                await rounds(services, stopping, connection)
            await _pause(stopping)
    finally:
        connection.terminate()


async def rounds(services: Services, stopping: asyncio.Event, connection: asyncpg.Connection) -> None:
    """Round after round until told to stop, or the lock's connection is lost."""
    duties = [Duty(name, task) for name, task in tasks(services)]
    while not stopping.is_set() and not connection.is_closed():
        failed = False
        for duty in duties:
            failure = await duty.turn(monotonic())
            failed = failed or failure is not None
            if failure is not None and is_ours(failure):
                await _tell(services, duty, failure)
        if failed:
            # The database may be what failed. Whoever lost the lock's connection without hearing of it lost the lock.
            await connection.execute("select 1", timeout=_ASK_S)
        await _pause(stopping)


async def _tell(services: Services, duty: Duty, failure: Exception) -> None:
    """One incident a task until somebody reviewed it. What went wrong in detail is in the log: it may speak of people."""
    text = f"{duty.name}: {type(failure).__name__}, {duty.failures} in a row; the log has the rest"
    try:
        await services.operators.open_incident("task_broken", duty.name, text, MACHINE)
    except Exception as untold:  # whatever is broken, the rounds go on
        _log.error("task_broken_untold", task=duty.name, exc_info=untold)


def tasks(services: Services) -> list[tuple[str, Callable[[], Awaitable[int]]]]:
    """What a round does: each says how many things it did."""
    return [
        ("bank_transfers", services.wallet.settle_due),
        ("bank_links", services.wallet.links.settle_due),
        ("card_bindings", services.wallet.cards.settle_due),
        ("card_requests", services.funded.settle_due),
        ("bank_cards", services.wallet.cards.give_back_due),
        ("name_checks", services.names.settle_due),
        ("entity_checks", services.entities.settle_due),
        ("names_taken_over", services.names.fall_back),
        ("names_waited_for", services.names.end_waiting),
        ("name_calendar", services.names.follow_calendar),
        ("former_documents", services.names.forget_documents),
        ("delayed_transfers", services.wallet.delayed.deliver_due),
        ("messages", services.safety.send_due),
        ("locked_pins", services.safety.tell_locked_pins),
        ("old_codes", services.safety.forget_old),
        ("orders", services.payments.expire_due),
        ("debits", services.agreements.retry_due),
        ("agreements", services.agreements.expire_due),
        ("dormant", services.law.suspend_dormant),
        ("holds", lambda: expire_holds(services)),
        ("suspensions", services.suspensions.end_due),
        ("proposals", services.operators.carry_out_due),
        ("pages", lambda: watch_pages(services)),
        ("person_keys", lambda: rewrap_round(services.engine, services.pool, services.vault, services.ring, services.clock)),
        ("erasures", services.erasures.erase_due),
        ("late_of_erased", services.erasures.forget_late),
        ("breach_letters", services.office.letters.tell_due),
        ("retention", services.erasures.forget_due),
        ("anchor", services.audit.anchor_when_due),
        ("verify", services.audit.verify_when_due),
    ]


async def watch_pages(services: Services) -> int:
    """Compare what is served with what was built, and open an incident for what differs, one a file."""
    if not services.page_watch.is_due():
        return 0
    opened = 0
    for path in (await services.page_watch.look())[:_MOST_INCIDENTS]:
        text = f"{path} is not served as it was built"
        opened += await services.operators.open_incident("page_tampering", path, text, MACHINE)
    return opened


async def expire_holds(services: Services, limit: int = 1000) -> int:
    """End holds whose time is over, all that were found in one command; whether it is over is decided there."""
    now = services.clock.now()
    rows = await services.pool.fetch(LEDGER["expired_holds"], now, limit)
    if rows:
        holds = tuple(HoldRef(row["hold_id"], row["account_id"]) for row in rows)
        accepted(await services.engine.submit(ExpireHolds(command_id=new_id(now), holds=holds)))
    return len(rows)


async def _pause(stopping: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_ROUND_S):
            await stopping.wait()
