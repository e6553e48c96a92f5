"""People who send each other money and top up, without end, at whichever server answers; and what they were told.

Everybody repeats a wish under its key until there is a definite answer. So at the end every wish has one, and what all
servers and the database must hold can be worked out from the answers alone.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import httpx

from tests.http.town import PIN, Person

#: What the bank does not answer at once, or not at all, or not so that it can be understood. In minor units.
TROUBLED = (102, 104, 105, 106, 111, 112, 113)
_PATIENCE_S = 4.0


class Told(NamedTuple):
    """A wish and its definite answer: the bill's id of a transfer, the bank transfer's of a top-up, or the code of a decline."""

    who: str
    path: str
    body: dict[str, Any]
    key: str
    answer: str
    accepted: bool


class Load:
    """`servers` in the order of the processes under test; `acknowledged` counts answers by server."""

    def __init__(self, people: Sequence[Person], servers: Sequence[httpx.AsyncClient], seed: int) -> None:
        self._people = {person.customer_id: person for person in people}
        self.servers = servers
        self._random = random.Random(seed)
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self.told: list[Told] = []
        self.acknowledged: Counter[int] = Counter()
        self.repeats = 0

    def start(self, clients: int) -> None:
        """So many clients, one in six of whom tops up."""
        self._tasks = [asyncio.create_task(self._live(topping_up=number % 6 == 5)) for number in range(clients)]

    async def stop(self) -> None:
        """No new wishes; every one under way gets its answer. Raises what a client met that it should not have."""
        self._stopping = True
        await asyncio.gather(*self._tasks)

    async def abandon(self) -> None:
        """Whatever they are doing."""
        for task in self._tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def goes_on(self, server: int, answers: int, within_s: float) -> None:
        """Wait until a server has given so many more answers. Fails if it takes longer, or if a client has failed."""
        wanted, loop = self.acknowledged[server] + answers, asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while self.acknowledged[server] < wanted:
            for task in self._tasks:
                if task.done():
                    task.result()
            assert loop.time() < deadline, f"server {server + 1} gave fewer than {answers} answers in {within_s} s"
            await asyncio.sleep(0.02)

    async def repeat(self, told: Told) -> str:
        """What the same wish is answered now."""
        return (await self._insist(told.who, told.path, told.body, told.key))[0]

    async def _live(self, *, topping_up: bool) -> None:
        while not self._stopping:
            await asyncio.sleep(self._random.expovariate(50))
            who, other = self._random.sample(list(self._people), 2)
            if topping_up:
                minor = self._random.choice((100, 200, *TROUBLED))
                path = "/v1/wallet/topups"
                who = next(iter(self._people))
                body = {"bank_account_id": self._people[who].bank_account_id, "amount": f"{minor / 100:.2f}"}
            else:
                minor = self._random.choice((1, 20, 300, 4000, 50_000))
                path, body = "/v1/wallet/transfers", {"payee_id": other, "amount": f"{minor // 100}.{minor % 100:02}"}
            body |= {"currency": "CNY", "pin": PIN}
            key = f"{self._random.getrandbits(128):032x}"
            answer, accepted = await self._insist(who, path, body, key)
            self.told.append(Told(who, path, body, key, answer, accepted))

    async def _insist(self, who: str, path: str, body: dict[str, Any], key: str) -> tuple[str, bool]:
        """Ask until there is a definite answer, at one server or the other."""
        server = self._random.randrange(len(self.servers))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + 120
        while True:
            assert loop.time() < deadline, f"{path} {key}: no definite answer in two minutes"
            try:
                asking = self._people[who].elsewhere(self.servers[server]).post(path, body, key=key)
                answer = await asyncio.wait_for(asking, _PATIENCE_S)
                told: dict[str, Any] = answer.json()
            except (TimeoutError, httpx.TransportError, ValueError):
                told, answer = {}, None
            if answer is not None and answer.status_code == 201:
                self.acknowledged[server] += 1
                return told["bill_id" if path.endswith("transfers") else "bank_transfer_id"], True
            if answer is not None and told["error"]["family"] == "decline":
                self.acknowledged[server] += 1
                return told["error"]["code"], False
            assert answer is None or answer.status_code >= 429, f"{path}: {answer.status_code} {answer.text}"
            self.repeats += 1
            server = (server + 1) % len(self.servers)
            await asyncio.sleep(self._random.uniform(0.05, 0.3))
