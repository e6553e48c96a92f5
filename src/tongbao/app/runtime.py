"""What every command needs to run: settings, keys, a database that is up and migrated, an engine."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from tongbao.app.registry import DECIDERS, MIGRATIONS
from tongbao.app.settings import Settings
from tongbao.engine.api import Engine, Limits, PostgresStore, Sealer
from tongbao.kernel.clock import Clock, SystemClock
from tongbao.kernel.migrations import migrate
from tongbao.kernel.postgres import EmbeddedPostgres, wait_until_ready
from tongbao.privacy.retention import pair_in
from tongbao.security.envelopes import EnvelopeError, Recipient
from tongbao.security.keyring import KeyRing
from tongbao.security.keys import Keys
from tongbao.security.master import FileMaster, GivenMaster, MasterKey, MasterKeyError, parse
from tongbao.security.token import TokenMaster

_log = structlog.get_logger("tongbao.app")


def embedded(settings: Settings) -> EmbeddedPostgres | None:
    """The embedded server, or None where the operator brought a PostgreSQL of their own."""
    return None if settings.database_url else EmbeddedPostgres(settings.data_dir / "postgres")


def calm_collector() -> None:
    """Spare the garbage collector what lives as long as the process, and let it look at the rest less often.

    A payment makes some two hundred objects and no cycles; at Python's own threshold the collector went over all of them at
    every third payment, a tenth of the time (py-spy, bench payments).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def keys(settings: Settings) -> Keys:
    """The installation's keys."""
    return ring(settings).keys


def ring(settings: Settings) -> KeyRing:
    """The installation's key ring, made on first use. Raises SystemExit saying what to do where its master key is not there."""
    try:
        return KeyRing.open(ring_file(settings), master(settings), settings.cipher)
    except MasterKeyError as error:
        raise SystemExit(str(error)) from None


def ring_file(settings: Settings) -> Path:
    """Where the installation's keys are, wrapped."""
    return settings.data_dir / "keys.json"


def master(settings: Settings) -> MasterKey:
    """The master key, where the settings say that it is: by default in a file beside the ring. Raises MasterKeyError."""
    if settings.master_key:
        return GivenMaster(parse(settings.master_key))
    if settings.master_key_file:
        return FileMaster(Path(settings.master_key_file).expanduser())
    if settings.pkcs11_module:
        how = (settings.pkcs11_module, settings.pkcs11_token, str(settings.pkcs11_pin))
        return TokenMaster(*how) if ring_file(settings).exists() else TokenMaster.made(*how)
    beside = ring_file(settings).with_name("master.key")
    return FileMaster(beside) if ring_file(settings).exists() else FileMaster.made(beside)


def retention_key(settings: Settings) -> Recipient:
    """The public retention key. Without one in the settings, a pair is made in the data directory, which `doctor` speaks of.
    Raises SystemExit if the file named is not there or is no such key."""
    if not settings.retention_key:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return pair_in(settings.data_dir)
    file = Path(settings.retention_key).expanduser()
    try:
        return Recipient.parse(file.read_text())
    except (OSError, EnvelopeError) as error:
        raise SystemExit(f"TONGBAO_RETENTION_KEY: {file}: {error}") from None


def no_database(settings: Settings) -> str | None:
    """Why there is nothing to look at, for a command that looks: it makes no database."""
    if settings.database_url or (settings.data_dir / "postgres").exists():
        return None
    demo = settings.data_dir / "demo"
    hint = f"; the demonstration's is in {demo}: set TONGBAO_DATA_DIR to that" if (demo / "postgres").exists() else ""
    return f"there is no database in {settings.data_dir}{hint}"


def nothing_to_audit(settings: Settings) -> str | None:
    """As `no_database`, for a command that needs the keys too: it makes none."""
    file = ring_file(settings)
    if file.exists():
        return no_database(settings)
    return no_database(settings) or (
        f"there are no keys in {settings.data_dir}: the installation's are expected in {file}, and without them no seal can be "
        "made or compared; set TONGBAO_DATA_DIR to its folder"
    )


async def open_database(settings: Settings) -> str:
    """The URL of a database that answers and has every migration. Starts the embedded server if need be; leaves it running."""
    server = embedded(settings)
    if server is not None:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        dsn = await asyncio.to_thread(server.ensure_running)
    else:
        dsn = settings.database_url
        await asyncio.to_thread(wait_until_ready, dsn, 30.0)
    applied = await migrate(dsn, MIGRATIONS)
    if applied:
        _log.info("migrated", files=len(applied))
    return dsn


@asynccontextmanager
async def left_as_found(settings: Settings) -> AsyncIterator[None]:
    """For a command that ends by itself: an embedded server that was not running before is stopped again."""
    server = embedded(settings)
    was_up = server is None or await asyncio.to_thread(server.is_running)
    try:
        yield
    finally:
        if server is not None and not was_up:
            await asyncio.to_thread(server.stop)


@asynccontextmanager
async def open_engine(dsn: str, keys: Keys, clock: Clock | None = None, limits: Limits | None = None) -> AsyncIterator[Engine]:
    """An engine over PostgreSQL with everything the product can decide."""
    async with Engine(
        PostgresStore(dsn, sealer=Sealer(keys.seal)), DECIDERS, clock or SystemClock(), limits or Limits()
    ) as engine:
        yield engine
