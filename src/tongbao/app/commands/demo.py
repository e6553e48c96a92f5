"""`tongbao demo`: the whole product with demonstration data, until Ctrl-C."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg
import click
import httpx
import msgspec
from rich.console import Console
from rich.table import Table

from tongbao.app import frontends, logs, runtime, seed
from tongbao.app.commands.phone import Network, write_network
from tongbao.app.commands.serve import listening_socket
from tongbao.app.settings import Settings
from tongbao.app.stack import Stack, free_port, running
from tongbao.channels.simulated.people import DEMO_PEOPLE

#: How often the demonstration looks for messages to people's phones.
_LOOK_S = 1.0


@click.command(
    "demo",
    help="Run the whole product with demonstration data, until Ctrl-C. It listens on port 8080 of this machine, or on "
    "TONGBAO_PORT. Codes that would arrive by SMS are written on this terminal.",
)
@click.option("--fresh", is_flag=True, help="Forget what the demonstration did before.")
def command(fresh: bool) -> None:
    settings = Settings.read()
    logs.configure(as_json=settings.log_json, level=30)
    settings = msgspec.structs.replace(settings, data_dir=settings.data_dir / "demo")
    listening_socket(settings.host, settings.port).close()  # says at once if the port is taken
    try:
        with _alone(settings):
            asyncio.run(_main(settings, Console(), fresh))
    except RuntimeError as error:
        raise click.ClickException(f"{error}; see {settings.data_dir / 'demo.log'}") from None


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the demonstration's folder: a second one, above all with --fresh, would pull the data from under the first."""
    settings.data_dir.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (settings.data_dir.parent / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise click.ClickException(
                f"a demonstration is running already on {settings.data_dir}: stop it, or set TONGBAO_DATA_DIR"
            ) from None
        yield


def is_running(data_dir: Path) -> bool:
    """Whether a demonstration holds its folder, `data_dir`."""
    lock = data_dir.parent / "demo.lock"
    if not lock.exists():
        return False
    with lock.open() as held:
        try:
            fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


async def _main(settings: Settings, console: Console, fresh: bool) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    if fresh:
        await _forget(settings)
    with console.status("starting the database"):
        dsn = await runtime.open_database(settings)
    seeded = await _counts(dsn)
    if seeded != len(seed.OPERATORS):
        if seeded is not None:  # an earlier start was broken off in the middle
            await _forget(settings)
            dsn = await runtime.open_database(settings)
        with console.status("making the demonstration's data") as status:
            await seed.play(settings, dsn, lambda what: status.update(f"making the demonstration's data: {what}"))
    with console.status("starting the bank, the server and the worker"):
        stack = running(settings, log=settings.data_dir / "demo.log", bank_port=await _bank_port(settings))
        up = await stack.__aenter__()
    try:
        write_network(settings.data_dir, Network(up.url, up.messages.url))
        console.print(_welcome(up.url, settings, await _till(dsn)))
        phones = asyncio.create_task(_phones(up, console))
        server = asyncio.create_task(up.servers[0].wait())
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait({server, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not stopping.is_set():
            raise RuntimeError("the server ended")
        server.cancel()
        phones.cancel()
    finally:
        with console.status("stopping"):
            await stack.__aexit__(None, None, None)
            if embedded := runtime.embedded(settings):
                await asyncio.to_thread(embedded.stop)


async def _phones(up: Stack, console: Console) -> None:
    """What arrives on people's phones, written here, since nobody of the demonstration has one: the codes above all."""
    seen = 0
    while True:
        await asyncio.sleep(_LOOK_S)
        with suppress(httpx.HTTPError):
            arrived = [(one.at, one.to, one.text) for one in await up.back_office.outbox()]
            arrived += [(one.at, one.to, one.text) for one in await up.messages.outbox()]
            for at, to, text in sorted(arrived)[seen:]:
                console.print(f"{at.astimezone():%H:%M:%S} {to}: {text}", markup=False, highlight=False)
            seen = max(seen, len(arrived))


async def _bank_port(settings: Settings) -> int:
    return 0 if settings.bank_url else free_port()


async def _forget(settings: Settings) -> None:
    if embedded := runtime.embedded(settings):
        await asyncio.to_thread(embedded.stop)
        await asyncio.to_thread(shutil.rmtree, settings.data_dir, True)


async def _counts(dsn: str) -> int | None:
    """How many operators there are; None for an empty database."""
    connection = await asyncpg.connect(dsn)
    try:
        if not await connection.fetchval("select exists (select from merchant)"):
            return None
        return int(await connection.fetchval("select count(*) from principal where audience = 'console'"))
    finally:
        await connection.close()


async def _till(dsn: str) -> str:
    """A merchant's number, to be typed on a plain phone."""
    connection = await asyncpg.connect(dsn)
    try:
        return str(await connection.fetchval("select till_number from text_till order by opened_at limit 1"))
    finally:
        await connection.close()


def _welcome(url: str, settings: Settings, till: str) -> Table:
    url = url.replace("//127.0.0.1:", "//localhost:")  # passkeys belong to a name, never to an address
    table = Table(title="通宝 Tongbao", title_style="bold", show_lines=False)
    table.add_column("open")
    table.add_column("log in as")
    lost = f"{seed.LOST.login}  {seed.LOST.name}, frozen"
    table.add_row(f"{url}/wallet/", "\n".join([*(f"{person.login}  {person.name}" for person in seed.PEOPLE), lost]))
    table.add_row(f"{url}/merchant/", "\n".join(f"{shop.login}  {shop.name}" for shop in seed.SHOPS))
    table.add_row(f"{url}/console/", "\n".join(f"{login}  {role}" for login, _, role in seed.OPERATORS))
    newcomers = []
    for person in DEMO_PEOPLE[4:7]:
        papers = f"{person.kind.replace('_', ' ')} {person.number}, until {person.expires_on}\n  bank card {person.card}"
        if person.mrz:
            papers += "".join(f"\n  {line}" for line in person.mrz.splitlines())
        newcomers.append(f"{person.name}  {person.phone.removeprefix('+86')}\n  {papers}")
    table.add_row("who you may be,\nif you register anew", "\n".join(newcomers))
    plain = f"tongbao phone {seed.PEOPLE[1].login}\ndials {settings.text_code}; {seed.SHOPS[0].name} has till number {till}"
    table.add_row("a plain phone,\nin another terminal", plain)
    table.caption = "codes that would arrive on phones are written below\n"
    table.caption += f"password {seed.PASSWORD} · PIN {seed.PIN} · stop with Ctrl-C · log {settings.data_dir / 'demo.log'}"
    if frontends.built() is None:
        table.caption += "\nthe front ends are not built: run `make web`"
    return table
