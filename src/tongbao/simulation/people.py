"""How people live: they are taken on, and then wish for things until they have had enough. What they are not answered they ask
again, mostly."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

from msgspec.structs import replace

from tongbao.channels.types import BankAnswer
from tongbao.engine.api import Accepted, Command, Outcome
from tongbao.identity.types import Register, SetPin
from tongbao.kernel.ids import named_id
from tongbao.merchants.types import NewStore, OpenMerchant
from tongbao.simulation.actions import ACTIONS
from tongbao.simulation.office import amends
from tongbao.simulation.open_vault import enrolled
from tongbao.simulation.town import CURRENCY, Person, Town
from tongbao.simulation.world import Answer, World
from tongbao.wallet.types import LinkBankAccount, SettleBankTransfer, StartBankTransfer

#: Everybody goes on using the device on which they registered.
REGISTERED_THERE = datetime.min.replace(tzinfo=UTC)
_FINAL_CODES = frozenset({"idempotency_conflict"})
_PATIENCE_S = (0.05, 2.0, 20.0)
_HONEST = list(accumulate(action.weight for action in ACTIONS))
_THIEVES = list(accumulate(action.thieves for action in ACTIONS))


class People:
    """Everybody who lives in a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.town = Town(world.random, world.now, world.tables.rows)
        #: What nobody has had a certain answer to, by command.
        self.open: dict[Command, None] = {}
        self.asking = 0

    async def live(self) -> None:
        """Everybody's life, from the first to the last wish."""
        weather, chance = self.world.weather, self.world.random
        await asyncio.gather(*[self._open_shop(number) for number in range(max(1, weather.actors // 5))])
        for number in range(weather.actors):
            self.town.people.append(self.town.person(number, thief=chance.random() < 0.2))
        await asyncio.gather(*[self._lives(person, number) for number, person in enumerate(self.town.people)])

    async def settle(self) -> None:
        """Under a clear sky: ask again for everything that was never answered, free every account, and ask once more for some
        of what was answered."""
        for command in [*self.open]:
            await self.ask(command)
        for place, account in list(self.world.auditor.books.accounts.items()):
            for command in amends(self.town, place, account):
                await self.ask(command)
        for command in list(self.town.said)[:20]:
            await self.ask(command)

    async def _open_shop(self, number: int) -> None:
        command = OpenMerchant(
            command_id=self.town.id(), name="面馆", mcc="5812", city="上海", country="CN",
            currency="JPY" if number == 3 else CURRENCY, fee_ppm=self.world.random.choice((0, 6_000, 61_803)),
            stores=(NewStore("一店", "上海"),),
        )  # fmt: skip
        await self.ask(command)

    async def _lives(self, me: Person, number: int) -> None:
        chance, weather = self.world.random, self.world.weather
        await self._pause()
        await self._taken_on(me, number)
        for _ in range(weather.wishes):
            await self._pause()
            weights = _THIEVES if me.thief else _HONEST
            wishes = chance.choices(ACTIONS, cum_weights=weights)[0].act(me, self.town)
            if wishes:
                await self._wish(wishes)

    async def _wish(self, wishes: Sequence[Command]) -> None:
        if len(wishes) == 1:
            await self._ask_sometimes(await self._true(wishes[0]))
        else:
            await asyncio.gather(*[self._ask_sometimes(wish) for wish in wishes])

    async def _true(self, wish: Command) -> Command:
        """A notice of the bank's says what the bank says."""
        if not isinstance(wish, SettleBankTransfer):
            return wish
        answer = await self.world.bank.inquire(str(wish.bank_transfer_id))
        if not isinstance(answer, BankAnswer) or answer.state == "UNKNOWN":
            return wish
        return replace(wish, state=answer.state, bank_reference=answer.bank_reference, failure_code=answer.failure_code)

    async def _taken_on(self, me: Person, number: int) -> None:
        town = self.town
        registered = await self.ask(Register(command_id=town.id(), audience="wallet", who=enrolled(town.id(), me.name, "张小明")))
        me.customer_id = _result(registered).principal_id
        await self.ask(SetPin(command_id=town.id(), customer_id=me.customer_id, mac=me.mac, proven_at=REGISTERED_THERE))
        for _ in range(self.world.random.choice((1, 1, 2))):
            account = self.world.bank.open_account("张小明", me.name, 10**9)
            card = named_id("card", account.number)
            await self.ask(
                LinkBankAccount(
                    command_id=town.id(), customer_id=me.customer_id, bank_account_id=card, bank="simbank",
                    number=account.number.encode(), holder_name="张小明".encode(), holder_index=b"",
                )
            )  # fmt: skip
            me.cards.append(card)
        await self._ask_sometimes(
            StartBankTransfer(
                command_id=town.id(), customer_id=me.customer_id, bank_account_id=me.cards[0], transfer_kind="topup",
                amount_minor=self.world.random.choice((700, 10_000, 50_000)), currency=CURRENCY, confirmation=me.pin,
            )
        )  # fmt: skip

    async def _pause(self) -> None:
        chance = self.world.random
        kind = chance.random()
        if kind < 0.5:
            await asyncio.sleep(chance.random() * 0.02)
        elif kind < 0.9:
            await asyncio.sleep(chance.random() * 15)
        else:
            await asyncio.sleep(chance.random() * self.world.weather.days * 86_400 / max(1, self.world.weather.wishes) * 5)

    # ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def ask(self, command: Command) -> Outcome | None:
        """Ask until there is a certain answer; None if it is that the id was another wish's."""
        self.open[command] = None
        self.asking += 1
        try:
            while True:
                answer = await self._ask_once(command)
                if self._certain(command, answer):
                    return answer if isinstance(answer, Outcome) else None
                await asyncio.sleep(self.world.random.random())
        finally:
            self.asking -= 1

    async def _ask_sometimes(self, command: Command) -> None:
        """As `ask`, but some give up."""
        self.open[command] = None
        while not self._certain(command, await self._ask_once(command)):
            if self.world.random.random() < 0.2:
                return
            await asyncio.sleep(self.world.random.random() * 2)

    def _certain(self, command: Command, answer: Answer | None) -> bool:
        if isinstance(answer, Outcome):
            self.open.pop(command, None)
            self.town.learn(command, answer)
            return True
        if answer is not None and answer.code.name in _FINAL_CODES:
            self.open.pop(command, None)
            return True
        return False

    async def _ask_once(self, command: Command) -> Answer | None:
        """The first answer to come back, or None when patience ends."""
        loop = self.world.loop
        first: asyncio.Future[Answer | None] = loop.create_future()

        def answered(answer: Answer | None) -> None:
            if not first.done():
                first.set_result(answer)

        timer = loop.call_later(self.world.random.choice(_PATIENCE_S), answered, None)
        self.world.send(command, answered)
        answer = await first
        timer.cancel()
        return answer


def _result(outcome: Outcome | None) -> Any:
    assert outcome is not None
    assert isinstance(outcome.decision, Accepted)
    return outcome.decision.result
