"""What is unsafe or missing in an installation: every check of `tongbao doctor`, in plain functions that change nothing.

ok      as it should be
note    works, and somebody should know
broken  unsafe, or will not work
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg

from tongbao.app import frontends, inventory, runtime, seed
from tongbao.app.audit import anchor_file
from tongbao.app.backup import kept
from tongbao.app.privacy_findings import privacy_state
from tongbao.app.registry import MIGRATIONS
from tongbao.app.settings import Settings
from tongbao.identity.enrolment import LOGIN, login_index
from tongbao.identity.evidence import QUERIES as IDENTITY
from tongbao.identity.rules import normal_login
from tongbao.kernel.migrations import pending
from tongbao.operators.permissions import Permission, grants
from tongbao.operators.service import QUERIES
from tongbao.rules.book import book_of
from tongbao.rules.explain import idle_rules
from tongbao.rules.types import QUERIES as RULES
from tongbao.rules.types import Rulebook
from tongbao.security.keyring import KeyRing
from tongbao.security.personal import QUERIES as PERSONS
from tongbao.security.personal import Vault

Level = Literal["ok", "note", "broken"]

_LOCAL = ("127.0.0.1", "::1", "localhost")
_MOST_SKEW = timedelta(seconds=2)
_OLD_ANCHOR = timedelta(days=1)
_OLD_KEY = timedelta(days=365)
_OLD_BACKUP = timedelta(days=2)
_OLD_REHEARSAL = timedelta(days=92)
_STUCK = timedelta(minutes=5)


class Finding(NamedTuple):
    """What was found about something."""

    level: Level
    subject: str
    text: str


def is_public(settings: Settings) -> bool:
    """Whether anybody but this machine can reach the server, by itself or through a proxy that speaks TLS."""
    return settings.host not in _LOCAL or settings.secure_cookies


def settings_findings(settings: Settings) -> list[Finding]:
    """What the settings alone say."""
    found = []
    public = is_public(settings)
    worse: Level = "broken" if public else "note"
    if not settings.secure_cookies:
        found.append(Finding("note", "cookies", "sent over plain HTTP: set TONGBAO_SECURE_COOKIES=true behind TLS"))
    if settings.host not in _LOCAL and not settings.secure_cookies:
        found.append(Finding("broken", "network", "reachable by others without TLS"))
    if settings.public_url and urlsplit(settings.public_url).scheme != "https":
        found.append(Finding(worse, "network", f"{settings.public_url} is not HTTPS: codes lead phones there"))
    if settings.secure_cookies and not settings.trusted_proxies and settings.host in _LOCAL:
        text = "behind a proxy everybody has its address: name it in TONGBAO_TRUSTED_PROXIES, or nobody is limited"
        found.append(Finding("note", "rate limits", text))
    if not settings.four_eyes:
        found.append(Finding(worse, "four eyes", "off: one operator alone may unfreeze, export and post opening balances"))
    if settings.operators_second_factor != "required" and public:
        text = "an operator's password alone is enough: set TONGBAO_OPERATORS_SECOND_FACTOR=required"
        found.append(Finding("note", "second factor", text))
    if not settings.registration_codes:
        text = "off: whoever registers need not hold the phone or address, and a password alone replaces a PIN"
        found.append(Finding(worse, "codes", text))
    if settings.master_key:
        text = "the master key is in the environment, which every process of this account can read: use a file or a module"
        found.append(Finding("note", "master key", text))
    if not (settings.master_key or settings.master_key_file or settings.pkcs11_module):
        text = "lies beside the keys: name a file elsewhere, or a token (decision 0019)"
        found.append(Finding("note", "master key", text))
    if settings.argon2_memory_kib < 19_456 or settings.argon2_time < 2:
        found.append(Finding(worse, "passwords", "hashed more cheaply than 19 MiB in 2 passes"))
    if not (settings.anchor_every_s and settings.verify_every_s and settings.verify_hour >= 0):
        found.append(Finding("note", "audit chain", "is not anchored or not verified by the worker"))
    if not settings.anchor_file:
        found.append(Finding("note", "anchors", "kept beside the data they vouch for: copy them elsewhere"))
    if sys.flags.dev_mode or os.environ.get("PYTHONASYNCIODEBUG"):
        found.append(Finding(worse, "debugging", "Python runs in its development mode"))
    return found


def file_findings(settings: Settings) -> list[Finding]:
    """Who may read our files, and whether the pages are those that were built."""
    found = []
    folder = settings.data_dir
    if folder.exists() and folder.stat().st_mode & 0o007:
        found.append(Finding("note", "data", f"others may look into {folder}: chmod 700"))
    master = Path(settings.master_key_file).expanduser() if settings.master_key_file else folder / "master.key"
    for subject, file in (("keys", folder / "keys.json"), ("master key", master), ("anchors", anchor_file(settings))):
        mode = file.stat().st_mode if file.exists() else 0
        if mode & 0o077 and subject != "anchors":
            found.append(Finding("broken", subject, f"{file} can be read by others: chmod 600"))
        elif mode & 0o022:
            found.append(Finding("broken", subject, f"{file} can be changed by others: chmod go-w"))
    if not (folder / "keys.json").exists():
        found.append(Finding("note", "keys", "none yet: made at the first start"))
    root = frontends.built()
    if root is None:
        found.append(Finding("note", "front ends", "not built: run `make web`"))
    elif differing := inventory.differences(root):
        text = f"not as they were built: {', '.join(differing[:5])}{' …' if len(differing) > 5 else ''}: run `make web`"
        found.append(Finding("broken", "front ends", text))
    else:
        found.append(Finding("ok", "front ends", "as they were built"))
    return found


def backup_findings(settings: Settings, now: datetime) -> list[Finding]:
    """How old the last backup is, and when one was last brought back on trial: one that nobody tried is a hope."""
    known = kept(settings.data_dir)
    worse: Level = "broken" if is_public(settings) else "note"
    if known.made_at is None:
        return [Finding(worse, "backups", "none was ever made here: `tongbao backup`")]
    found = []
    if now - known.made_at > _OLD_BACKUP:
        text = f"the last is {(now - known.made_at).days} days old, of {known.made_at:%Y-%m-%d}: `tongbao backup`"
        found.append(Finding(worse, "backups", text))
    if known.rehearsed_at is None:
        found.append(Finding("note", "backups", "none was ever brought back on trial from here: `tongbao rehearse`"))
    elif now - known.rehearsed_at > _OLD_REHEARSAL:
        text = f"last brought back on trial {(now - known.rehearsed_at).days} days ago: `tongbao rehearse`"
        found.append(Finding("note", "backups", text))
    return found or [Finding("ok", "backups", f"the last is of {known.made_at:%Y-%m-%d %H:%M}Z, and one was tried since")]


def key_findings(ring: KeyRing, now: datetime) -> list[Finding]:
    """Keys that should have been exchanged by now."""
    old = sorted({each.purpose for each in ring.listed() if now - each.made_at > _OLD_KEY})
    return [Finding("note", "keys", f"older than a year: {', '.join(old)}")] if old else []


async def database_findings(settings: Settings, ring: KeyRing | None) -> list[Finding]:
    """The database, and what stands in it."""
    server = runtime.embedded(settings)
    if server is not None and not server.is_running():
        return [Finding("note", "database", "the embedded server is not running: `tongbao serve` starts it")]
    dsn = server.attach() if server is not None else settings.database_url
    try:
        async with asyncio.timeout(20):
            connection = await asyncpg.connect(dsn, timeout=5)
            try:
                found = await _server(connection, settings, own=server is not None)
                if all(finding.level != "broken" and "migrations" not in finding.text for finding in found):
                    found += await _contents(connection, settings, ring)
                    found += [Finding(*each) for each in await privacy_state(connection, datetime.now(UTC))]
            finally:
                await connection.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
        return [Finding("broken", "database", f"does not answer: {type(error).__name__}")]
    return found


async def _server(connection: asyncpg.Connection, settings: Settings, *, own: bool) -> list[Finding]:
    """The server itself: release, durability, who we are there, how others get in, its clock."""
    found = []
    version = connection.get_server_version()
    if version.major < 16:
        found.append(Finding("broken", "database", f"PostgreSQL {version.major}: 16 or later is needed"))
    unsafe = [
        row["name"]
        for row in await connection.fetch(
            "select name from pg_settings where name in ('fsync', 'synchronous_commit', 'full_page_writes') and setting <> 'on'"
        )
    ]
    if unsafe:
        found.append(Finding("broken", "database", f"commits are not durable: {', '.join(sorted(unsafe))} must be on"))
    if missing := await pending(connection, MIGRATIONS):
        found.append(Finding("note", "database", f"{len(missing)} migrations wait for the next start"))
    if not found:
        release = await connection.fetchval("show server_version")
        found.append(Finding("ok", "database", f"PostgreSQL {release}, durable, up to date"))
    if not own:
        found += await _access(connection, settings)
    before = datetime.now(UTC)
    theirs: datetime = await connection.fetchval("select clock_timestamp()")
    skew = max(before - theirs, theirs - datetime.now(UTC), timedelta())
    if skew > _MOST_SKEW:
        text = f"the database's differs from ours by {skew.total_seconds():.0f} s: limits and expiries go wrong"
        found.append(Finding("broken" if skew > 10 * _MOST_SKEW else "note", "clock", text))
    return found


async def _access(connection: asyncpg.Connection, settings: Settings) -> list[Finding]:
    """An operator's own server: whether our role may do anything at all, others get in without a password, or all is in the
    clear on the wire."""
    found = []
    superuser = await connection.fetchval("select current_setting('is_superuser')") == "on"
    if superuser:
        found.append(Finding("broken", "database", "we are its superuser: give the application a role of its own"))
    encrypted = await connection.fetchval("select coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false)")
    address = await connection.fetchval("select host(inet_server_addr())")
    if address is not None and not ip_address(address).is_loopback and not encrypted:
        found.append(Finding("broken", "database", "reached over a network without TLS: add ?sslmode=verify-full"))
    if superuser:
        trusting = await connection.fetchval(
            "select count(*) from pg_hba_file_rules where auth_method = 'trust' and type <> 'local'"
        )
        if trusting:
            found.append(Finding("broken", "database", f"pg_hba.conf lets in without a password, by {trusting} lines: trust"))
    return found


async def _contents(connection: asyncpg.Connection, settings: Settings, ring: KeyRing | None) -> list[Finding]:
    """What stands in the database: accounts everybody knows, operators, what waits for somebody, rules."""
    found = []
    worse: Level = "broken" if is_public(settings) else "note"
    if ring is not None and (known := await _demonstration(connection, ring)):
        text = f"{known} of the demonstration's log-ins are alive, and their password is printed in its source"
        found.append(Finding(worse, "accounts", text))
    roles = [row["roles"] for row in await connection.fetch("select roles from principal where audience = 'console'")]
    if not roles:
        found.append(Finding("note", "operators", "none: `tongbao operators add` makes the first two"))
    elif settings.four_eyes and sum(grants(each, Permission.OPERATORS_CHANGE) for each in roles) < 2:
        text = "fewer than two may change operators: nothing that takes two can be decided; `tongbao operators add`"
        found.append(Finding("note", "operators", text))
    if settings.operators_second_factor != "off" and (bare := await _without_second_factor(connection, ring)):
        text = f"{', '.join(bare[:10])}{' …' if len(bare) > 10 else ''}: neither an authenticator app nor a passkey"
        found.append(Finding("note", "second factor", text))
    now = datetime.now(UTC)
    waiting = await connection.fetchrow(QUERIES["waiting"], now, None)
    if waiting["overdue"]:
        text = f"{waiting['overdue']} not reviewed within a day (a broken glass, a page that was tampered with)"
        found.append(Finding("broken", "incidents", text))
    elif waiting["incidents"]:
        found.append(Finding("note", "incidents", f"{waiting['incidents']} wait for a review"))
    if stuck := await connection.fetch(QUERIES["proposals_to_run"], now - _STUCK, 100):
        found.append(Finding("broken", "proposals", f"{len(stuck)} are approved and not carried out: is the worker running?"))
    verified = await connection.fetchval("select max(at) from verified_point")
    if verified is not None and now - verified > _OLD_ANCHOR:
        found.append(Finding("note", "audit chain", f"last found right on {verified:%Y-%m-%d}: is the worker running?"))
    has_rules = await connection.fetchval("select to_regclass('rulebook') is not null")
    row = await connection.fetchrow(RULES["rulebook"]) if has_rules else None
    if has_rules and row is None:
        found.append(Finding(worse, "rules", "no rulebook is adopted: nothing is limited"))
    if row is not None:
        book = book_of(Rulebook(*row))
        if idle := [rule.id for rule in idle_rules(book, book.today(now).day)]:
            text = f"{len(idle)} are about acts that this product does not do, and say nothing to anybody: {', '.join(idle)}"
            found.append(Finding("note", "rules", text))
    return found


async def _without_second_factor(connection: asyncpg.Connection, ring: KeyRing | None) -> list[str]:
    """The log-ins of operators who may do something and have nothing but a password; their ids, where no key opens them."""
    rows = await connection.fetch(IDENTITY["operators_without_second_factor"])
    if ring is None:
        return [str(row["principal_id"]) for row in rows]

    async def keys(people: list[UUID]) -> dict[UUID, bytes]:
        found = await connection.fetch(PERSONS["person_keys"], people)
        return {row["person_id"]: row["wrapped"] for row in found}

    return await Vault(ring, keys).open_many([(row["principal_id"], LOGIN, row["login"]) for row in rows])


async def _demonstration(connection: asyncpg.Connection, ring: KeyRing) -> int:
    """How many of the demonstration's log-ins there are here."""
    vault = Vault(ring, _nobody)
    people = (*(person.login for person in (*seed.PEOPLE, seed.LOST)), *(shop.login for shop in seed.SHOPS))
    logins = (*people, *(login for login, _, _ in seed.OPERATORS))
    indexes = [login_index(vault, normal_login(login)) for login in logins]
    query = "select count(*) from login_name where login_index = any($1::bytea[])"
    return int(await connection.fetchval(query, indexes))


async def _nobody(people: list[UUID]) -> dict[UUID, bytes]:
    return {}


def worst(findings: Sequence[Finding]) -> Level:
    """The worst of what was found."""
    levels = {finding.level for finding in findings}
    return "broken" if "broken" in levels else "note" if "note" in levels else "ok"
