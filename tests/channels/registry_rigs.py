"""The registries that the channel tests run against: those in memory, and the program behind its adapter."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Protocol

from tongbao.channels.registries.adapter import HttpRegistries
from tongbao.channels.registries.memory import MemoryRegistries
from tongbao.channels.simulated.knowledge import RegistryFault
from tongbao.channels.simulated.people import DEMO_PEOPLE, Known
from tongbao.channels.simulated.process import RegistriesOffice, RegistriesProcess
from tongbao.identity.realname.channels import NameChannel, Question, Registry
from tongbao.kernel.clock import VirtualClock

KEY = "a shared secret for tests"
XIAOMING = DEMO_PEOPLE[0]
TIMEOUT_S = 0.6

_numbers = count(1)


def asking(registry: Registry = "police", **changes: Any) -> Question:
    """A question about 张小明 that the registry confirms, under a reference of its own unless one is given."""
    told: dict[str, Any] = {
        "reference": f"check-{next(_numbers)}", "kind": XIAOMING.kind, "number": XIAOMING.number, "name": XIAOMING.name,
    }  # fmt: skip
    if registry in ("bank", "mobile"):
        told["phone"] = XIAOMING.phone
    if registry == "bank":
        told["card"] = XIAOMING.card
    return Question(registry=registry, **{**told, **changes})


class RegistryRig(Protocol):
    """Registries, with a hand on what tests may do to them."""

    @property
    def channel(self) -> NameChannel: ...

    async def order(self, fault: RegistryFault) -> None: ...

    async def learn(self, registry: Registry, known: Known) -> None: ...

    async def lookups(self) -> int: ...

    async def wait(self, ms: int) -> None: ...


@dataclass
class MemoryRegistryRig:
    channel: MemoryRegistries
    clock: VirtualClock

    async def order(self, fault: RegistryFault) -> None:
        self.channel.knowledge.order(fault)

    async def learn(self, registry: Registry, known: Known) -> None:
        self.channel.knowledge.learn(registry, known)

    async def lookups(self) -> int:
        return self.channel.knowledge.lookups

    async def wait(self, ms: int) -> None:
        self.clock.advance(timedelta(milliseconds=ms))


@dataclass
class ProgramRegistryRig:
    channel: HttpRegistries
    office: RegistriesOffice
    process: RegistriesProcess

    async def order(self, fault: RegistryFault) -> None:
        await self.office.order(fault)

    async def learn(self, registry: Registry, known: Known) -> None:
        await self.office.learn(registry, known)

    async def lookups(self) -> int:
        return await self.office.lookups()

    async def wait(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000)


def memory_registries() -> MemoryRegistryRig:
    clock = VirtualClock(datetime(2026, 3, 1, 4, 0, tzinfo=UTC))
    return MemoryRegistryRig(MemoryRegistries(clock, magic_numbers=True, timeout_ms=int(TIMEOUT_S * 1000)), clock)
