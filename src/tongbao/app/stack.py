"""The whole product as processes: the simulated bank, card network, registries and provider of messages, the server, the worker.

What `demo`, `smoke` and the tests start.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import IO

import httpx
import msgspec

from tongbao.app import runtime
from tongbao.app.registry import cards_key, messages_key, registries_key
from tongbao.app.settings import Settings
from tongbao.app.watch import database_watched
from tongbao.channels.simulated.messages_process import MessagesProcess
from tongbao.channels.simulated.process import BackOffice, BankProcess, CardsOffice, RegistriesOffice, RegistriesProcess

_START_S = 60.0


class Stack(msgspec.Struct, frozen=True):
    """Running processes. `url` is the server's; `back_office`, `cards_office` and `registries_office` order faults from them,
    `messages` shows what was sent."""

    settings: Settings
    url: str
    dsn: str
    bank: BankProcess
    back_office: BackOffice
    cards_office: CardsOffice
    registries: RegistriesProcess
    registries_office: RegistriesOffice
    messages: MessagesProcess
    servers: list[asyncio.subprocess.Process]
    worker: asyncio.subprocess.Process


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def running(
    settings: Settings, *, servers: int = 1, magic_amounts: bool = True, log: Path | None = None, bank_port: int = 0
) -> AsyncIterator[Stack]:
    """Start everything, wait until it answers, stop it at the end. `servers` > 1 share the one port.

    The embedded database is watched and started again while this runs, and stopped with the rest if this started it.
    Raises RuntimeError naming what did not start.
    """
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with AsyncExitStack() as cleanup:
        embedded = runtime.embedded(settings)
        was_up = embedded is not None and await asyncio.to_thread(embedded.is_running)
        dsn = await runtime.open_database(settings)
        if embedded is not None and not was_up:
            cleanup.push_async_callback(asyncio.to_thread, embedded.stop)
        await cleanup.enter_async_context(database_watched(settings))
        key = runtime.keys(settings).bank.hex()
        network_key = cards_key(runtime.keys(settings))
        bank = await BankProcess.start(
            settings.data_dir / "bank", key=key, cards_key=network_key, port=bank_port, magic_amounts=magic_amounts
        )
        cleanup.push_async_callback(bank.stop)
        back_office = BackOffice(bank.url, key=key)
        cleanup.push_async_callback(back_office.close)
        cards_office = CardsOffice(bank.url, key=network_key)
        cleanup.push_async_callback(cards_office.close)
        registries = await RegistriesProcess.start(key=registries_key(runtime.keys(settings)), magic_numbers=magic_amounts)
        cleanup.push_async_callback(registries.stop)
        registries_office = RegistriesOffice(registries.url, key=registries.key)
        cleanup.push_async_callback(registries_office.close)
        messages = await MessagesProcess.start(key=messages_key(runtime.keys(settings)))
        cleanup.push_async_callback(messages.stop)
        settings = msgspec.structs.replace(
            settings,
            bank_url=bank.url,
            cards_url=bank.url,
            registries_url=registries.url,
            messages_url=messages.url,
            processes=servers,
        )
        output = cleanup.enter_context(log.open("ab")) if log else None
        server = await spawn("serve", settings, output)
        cleanup.push_async_callback(ended, server)
        worker = await spawn("work", settings, output)
        cleanup.push_async_callback(ended, worker)
        url = f"http://{settings.host}:{settings.port}"
        await answering(url, server)
        yield Stack(
            settings, url, dsn, bank, back_office, cards_office, registries, registries_office, messages, [server], worker
        )


async def spawn(command: str, settings: Settings, output: IO[bytes] | None) -> asyncio.subprocess.Process:
    """`tongbao COMMAND` with these settings, in a session of its own so that Ctrl-C reaches only its parent."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TONGBAO_")}
    for name, value in msgspec.structs.asdict(settings).items():
        environment[f"TONGBAO_{name.upper()}"] = str(value).lower() if isinstance(value, bool) else str(value)
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tongbao", command, env=environment, stdout=output, stderr=output, start_new_session=True
    )


async def ended(process: asyncio.subprocess.Process) -> None:
    """Stop a process and wait for it; one that does not obey is killed with its children."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(20):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def answering(url: str, process: asyncio.subprocess.Process) -> None:
    """Wait until the server says that it and its database are well. Raises RuntimeError if it ends or takes too long."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _START_S
    async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
        while loop.time() < deadline:
            if process.returncode is not None:
                raise RuntimeError(f"the server ended with status {process.returncode}")
            with suppress(httpx.HTTPError):
                if (await client.get(f"{url}/health")).status_code == 200:
                    return
            await asyncio.sleep(0.1)
    raise RuntimeError(f"the server did not answer within {_START_S:.0f} s")
