"""Exchanging the keys of the classes while everything runs: people's keys are wrapped anew, batch by batch, by commands.

    ring.rotate("C2")      a new version, which seals in every process within a second
    rewrap_round, …        the worker's rounds, until nothing is wrapped by an older one
    ring.retire("C2", 1)   the older one is forgotten, and with it what old backups hold of people

Nothing waits and nothing is read wrongly meanwhile, for every version that is in the ring opens.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import cast

import asyncpg

from tongbao.engine.api import Engine, accepted
from tongbao.kernel.clock import Clock
from tongbao.kernel.ids import new_id
from tongbao.security.keyring import CLASSES, KeyRing
from tongbao.security.people import PersonKeysRewrapped, Rewrapped, RewrapPersonKeys
from tongbao.security.personal import QUERIES, Vault

#: A registration that began under the former version is in the database, or never will be, this long after a rotation.
SETTLED = timedelta(minutes=1)


async def rewrap_round(engine: Engine, pool: asyncpg.Pool, vault: Vault, ring: KeyRing, clock: Clock, limit: int = 500) -> int:
    """Wrap the keys of some people by the newest versions. Answers how many were kept: none when there is nothing to do, which
    costs no query while the ring has one version of each."""
    ring.look()
    newest = [ring.newest(purpose).version for purpose in CLASSES]
    if all(ring.only(purpose) for purpose in CLASSES):
        return 0
    rows = await pool.fetch(QUERIES["person_keys_by_version"], *newest, limit)
    if not rows:
        return 0
    people = tuple(Rewrapped(row["person_id"], row["wrapped"], vault.rewrapped(row["person_id"], row["wrapped"])) for row in rows)
    outcome = await engine.submit(RewrapPersonKeys(command_id=new_id(clock.now()), people=people))
    return cast(PersonKeysRewrapped, accepted(outcome)).kept


async def retire(pool: asyncpg.Pool, ring: KeyRing, purpose: str, version: int, settled: timedelta = SETTLED) -> None:
    """Forget a version of a class's key. Raises ValueError, saying why, if somebody's keys are still wrapped by it, or may be:
    by a registration that is under way."""
    newest = max(each.made_at for each in ring.listed() if each.purpose == purpose)
    if (age := datetime.now(UTC) - newest) < settled:
        raise ValueError(f"the newest version is {age.total_seconds():.0f} s old: {settled.total_seconds():.0f} s are needed")
    versions = [version if purpose == each else None for each in CLASSES]
    if left := await pool.fetchval(QUERIES["person_keys_of_version"], *versions):
        raise ValueError(f"version {version} of {purpose} still wraps the keys of {left} people: the worker wraps them anew")
    ring.retire(purpose, version)
