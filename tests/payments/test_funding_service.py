"""Asking a card's network over PostgreSQL: whoever dies between the wish, the question and its record, and whatever is lost on
the way, the payment and the network come to say the same, and nothing stays held."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest

from tests.payments.test_funding_ladder import BOTH, asked, settled
from tests.support.card_network import ScriptedCards
from tests.support.town import Town, town
from tongbao.app.registry import CHECKS, RELATIONS
from tongbao.channels.cards import ARRIVES_WITHIN
from tongbao.engine.api import Command, Outcome, PostgresStore, Sealer
from tongbao.engine.verify import verify
from tongbao.kernel.database import open_pool
from tongbao.merchants.types import Merchant
from tongbao.payments.funding_service import ASK_FOR, CardOnFile, FundedPayments
from tongbao.payments.funding_types import CardRequest, PayInParts, debit_id_of
from tongbao.payments.service import QUERIES


class OnFile:
    """Every card is on file, until it is removed."""

    removed = False

    async def card(self, customer_id: UUID, card_id: UUID) -> CardOnFile | None:
        return None if self.removed else CardOnFile(card_id, "token")


class Names:
    """What merchants are called."""

    async def several(self, ids: list[UUID]) -> dict[UUID, Merchant]:
        return {each: Merchant(each, "面馆", "5812", "上海", "CN", "CNY", 0, cast(Any, None)) for each in ids}


class Dying:
    """An engine at whose door the caller dies, `before` the command is decided or after."""

    def __init__(self, place: Town, before: bool) -> None:
        self._place, self._before = place, before

    async def submit(self, command: Command) -> Outcome:
        if not self._before:
            await self._place.engine.submit(command)
        raise asyncio.CancelledError


class Rig:
    """A town, a network, and the use cases between them."""

    def __init__(self, place: Town, pool: asyncpg.Pool) -> None:
        self.place, self.pool = place, pool
        self.network = ScriptedCards()
        self.on_file = OnFile()

    def service(self, engine: Any = None) -> FundedPayments:
        """A process that has just started."""
        return FundedPayments(
            engine or self.place.engine, self.pool, cast(Any, None), cast(Any, Names()), cast(Any, None), self.network,
            self.on_file, self.place.clock,
        )  # fmt: skip

    async def request(self, wish: PayInParts) -> CardRequest:
        return CardRequest(*await self.pool.fetchrow(QUERIES["card_request"], debit_id_of(wish.command_id)))

    async def ask(self, wish: PayInParts, engine: Any = None) -> None:
        """What a process does right after the wish is written."""
        service = self.service(engine)
        await service._ask(await self.request(wish), wish.parts)

    async def rounds(self, most: int = 12) -> int:
        """Janitors' rounds until nothing is due within ten minutes; how many there were."""
        for number in range(most):
            due = await self.pool.fetchval("select min(next_attempt_at) from card_request")
            if due is None or due > self.place.clock.now() + timedelta(minutes=10):
                return number
            self.place.clock.advance(max(timedelta(0), due - self.place.clock.now()))
            await self.service().settle_due()
        raise AssertionError("the janitor does not come to an end")

    async def state(self) -> str:
        return str(await self.pool.fetchval("select state from payment order by created_at limit 1"))

    async def check(self) -> None:
        """Nothing is held, the books and the network say the same, and all of it verifies."""
        held = await self.pool.fetchval("select count(*) from hold where state = 'ACTIVE'")
        owed = await self.pool.fetchval("select coalesce(sum(posted_minor), 0)::bigint from account where code = '1101'")
        assert (held, -owed) == (0, self.network.taken_minor())
        async with self.pool.acquire() as connection:
            assert (await verify(connection, RELATIONS, Sealer(), CHECKS)).problem is None


@asynccontextmanager
async def rig(database: str) -> AsyncIterator[Rig]:
    pool = await open_pool(database)
    try:
        async with town(PostgresStore(database)) as place:
            yield Rig(place, pool)
    finally:
        await pool.close()


async def never() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize("says", ["SUCCEEDED", "REFUSED"])
@pytest.mark.parametrize("dies", ["before it asks", "on the way there", "on the way back", "before the record", "after it"])
async def test_wherever_the_one_who_asks_dies_the_payment_ends_as_the_network_says(database: str, dies: str, says: Any) -> None:
    async with rig(database) as here:
        here.network.says = says
        wish = await asked(here.place)
        assert await here.state() == "UNKNOWN"
        here.network.sent = never if dies == "on the way there" else None
        here.network.answered = never if dies == "on the way back" else None
        engine = Dying(here.place, dies == "before the record") if dies in ("before the record", "after it") else None
        if dies != "before it asks":
            with pytest.raises(asyncio.CancelledError):
                await here.ask(wish, engine)
        here.network.sent = here.network.answered = None
        await here.rounds()
        assert await here.state() == ("PAID" if says == "SUCCEEDED" else "CREATED")
        assert len(here.network.known) == 1, "one wish, one debit"
        await here.check()


async def test_lost_answers_are_asked_for_with_growing_waits_and_nothing_happens_twice(database: str) -> None:
    async with rig(database) as here:
        wish = await asked(here.place)
        here.network.silent = True
        waits = []
        await here.ask(wish)
        for _ in range(10):
            due = (await here.request(wish)).next_attempt_at
            assert due is not None
            waits.append((due - here.place.clock.now()).total_seconds())
            here.place.clock.advance(due - here.place.clock.now())
            await here.service().settle_due()
        assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
        assert await here.state() == "UNKNOWN", "silence is not a no, however long it lasts"
        here.network.silent = False
        await here.rounds()
        # It was never heard of, and can arrive no more.
        assert (await here.state(), (await here.request(wish)).reason) == ("CREATED", "never_arrived")
        await here.check()


async def test_what_the_network_has_not_heard_of_is_no_no_before_it_can_arrive_no_more(database: str) -> None:
    async with rig(database) as here:
        wish = await asked(here.place)
        begun = here.place.clock.now()
        here.on_file.removed = True  # so that it is not sent again
        bound = begun + ASK_FOR + timedelta(seconds=30) + ARRIVES_WITHIN
        while here.place.clock.now() < bound:
            assert await here.state() == "UNKNOWN"
            due = (await here.request(wish)).next_attempt_at
            assert due is not None
            here.place.clock.advance(due - here.place.clock.now())
            await here.service().settle_due()
        assert await here.state() == "CREATED"
        assert here.network.seen.count("debit") == 0
        await here.check()


async def test_a_debit_that_was_dropped_is_sent_again_while_it_may_be_and_never_later(database: str) -> None:
    async with rig(database) as here:
        wish = await asked(here.place)
        here.network.drops = True
        await here.ask(wish)
        await here.rounds()
        assert (await here.state(), here.network.seen) == ("PAID", ["debit", "inquire", "debit"])
        other = await asked(here.place)
        here.place.clock.advance(ASK_FOR)
        seen = len(here.network.seen)
        await here.service().settle_due()
        assert here.network.seen[seen:] == ["inquire"], "too late to be sent at all"
        assert debit_id_of(other.command_id) not in here.network.known
        await here.rounds(20)
        await here.check()


@pytest.mark.parametrize("says", ["SUCCEEDED", "REFUSED"])
@pytest.mark.parametrize("trouble", ["none", "dropped", "lost"])
async def test_a_refund_to_a_card_is_pending_until_the_network_has_said_so(database: str, trouble: str, says: Any) -> None:
    async with rig(database) as here:
        place = here.place
        wish = await asked(place)
        await here.ask(wish)
        here.network.says = says
        here.network.drops, here.network.loses = trouble == "dropped", False
        done = await place.happens(place.refunding(wish.merchant_id, "order", wish.payer_id, "one", 700, parts=BOTH))
        assert await here.pool.fetchval("select state from refund where refund_id = $1", done.refund_id) == "PENDING"
        if trouble == "lost":
            await here.service().settle_due()  # NOT_FOUND, then sent: its answer is what is lost
            here.network.loses = True
        await here.rounds()
        assert await here.pool.fetchval("select state from refund where refund_id = $1", done.refund_id) == "SUCCEEDED"
        wallet = await here.pool.fetchval("select posted_minor from account where owner_id = $1", wish.payer_id)
        assert wallet == (100 if says == "SUCCEEDED" else 700)
        await here.check()


async def test_a_late_yes_goes_back_to_the_card(database: str) -> None:
    async with rig(database) as here:
        wish = await asked(here.place)
        await here.place.happens(here.place.hearing(wish, "REFUSED", reason="never_arrived"))
        # A sender that was stopped for longer than any bound, and went on: the wish is still its own.
        service = here.service()
        await service._record(await here.request(wish), wish.parts, await service._send(await here.request(wish)))
        assert (await here.state(), here.network.taken_minor()) == ("CREATED", 600)
        await here.rounds()
        assert here.network.taken_minor() == 0
        await here.check()


async def test_ten_processes_that_ask_at_once_make_one_payment(database: str) -> None:
    async with rig(database) as here:
        wish = await asked(here.place)
        await asyncio.gather(*(here.ask(wish) for _ in range(10)), *(here.service().settle_due() for _ in range(3)))
        assert (await here.state(), len(here.network.known)) == ("PAID", 1)
        await here.check()


# ── verify ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

LIES = [
    "update funding set state = 'HELD' where number = 1",
    "update funding set amount_minor = 401 where number = 1",
    "update funding set source = 'voucher', which = 'lunch' where number = 1",
    "delete from funding where number = 2",
    "update card_request set amount_minor = 599 where kind = 'debit'",
    "update card_request set state = 'REFUSED' where kind = 'debit'",
    "delete from card_request where kind = 'refund'",
    "update card_request set amount_minor = 2 where kind = 'refund'",
    "update card_request set state = 'SUCCEEDED', finished_at = now() where kind = 'refund'",
    "update refund set state = 'SUCCEEDED'",
    "update refund set amount_minor = 2",
    "update funding set refunded_minor = 2 where number = 2",
]


async def test_verify_compares_parts_requests_payments_and_refunds(database: str) -> None:
    """Said by this check itself: seals and the chain, which say it too, are not asked."""
    from tongbao.engine.findings import ChainBroken
    from tongbao.payments.verify import check_payments

    async with rig(database) as here:
        wish = await settled(here.place)
        await here.place.happens(here.place.refunding(wish.merchant_id, "order", wish.payer_id, "one", 1, parts=BOTH))
        async with here.pool.acquire() as connection:
            await check_payments(connection)
            for lie in LIES:
                transaction = connection.transaction()
                await transaction.start()
                await connection.execute(lie)
                with pytest.raises(ChainBroken):
                    await check_payments(connection)
                    raise AssertionError(lie)
                await transaction.rollback()
