"""What the worker does of agreements: tries again what lacked money, and writes down whose time is over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, NamedTuple, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import pytest
import pytest_asyncio

from tests.payments.agreement_wishes import ENDS, agreement_id, asked, pausing, signed
from tests.support.town import CURRENCY, NOON, Town, town
from tongbao.engine.api import PostgresStore, Sealer
from tongbao.kernel.database import open_pool
from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import Money
from tongbao.payments import errors
from tongbao.payments.agreements_service import AgreementService, Wish
from tongbao.payments.agreements_types import Debit
from tongbao.security.keys import Keys

DAY = timedelta(days=1)
_NOTHING = cast(Any, None)


class Rounds(NamedTuple):
    """A town on a database, and the service over it."""

    place: Town
    service: AgreementService
    pool: asyncpg.Pool

    async def debit(self, merchant: UUID, minor: int = 1000, number: str = "debit", command_id: UUID | None = None) -> Debit:
        wish = Wish(out_trade_no=number, subject="三月", amount=Money(minor, CURRENCY))
        return await self.service.debit(command_id or self.place.id(), merchant, "agreement", wish)

    async def state(self, merchant: UUID) -> str:
        return str(await self.pool.fetchval("select state from agreement where agreement_id = $1", agreement_id(merchant)))


@pytest_asyncio.fixture
async def rounds(database: str) -> AsyncIterator[Rounds]:
    keys = Keys(*(b"" for _ in Keys.__struct_fields__))
    pool = await open_pool(database, size=2)
    try:
        async with town(PostgresStore(database, sealer=Sealer())) as place:
            service = AgreementService(
                place.engine, pool, _NOTHING, _NOTHING, keys, place.clock, currency=CURRENCY, zone=ZoneInfo("Asia/Shanghai"),
                base_url="http://here",
            )  # fmt: skip
            yield Rounds(place, service, pool)
    finally:
        await pool.close()


async def test_a_debit_is_tried_a_day_later_and_taken_when_there_is_money(rounds: Rounds) -> None:
    place = rounds.place
    merchant, payer = await signed(place, 999)
    waiting = await rounds.debit(merchant)
    assert (waiting.state, waiting.attempts, waiting.next_attempt_at) == ("WAITING", 1, NOON + DAY)
    place.clock.advance(DAY - timedelta(seconds=1))
    assert await rounds.service.retry_due() == 0
    place.clock.advance(timedelta(seconds=1))
    assert await rounds.service.retry_due() == 1
    again = await rounds.service.debit_of(waiting.payment_id)
    assert (again.state, again.attempts, again.next_attempt_at) == ("WAITING", 2, NOON + 2 * DAY)
    await place.happens(place.transferring(await place.customer(1), payer, 1))
    place.clock.advance(DAY)
    assert await rounds.service.retry_due() == 1
    taken = await rounds.service.debit_of(waiting.payment_id)
    assert (taken.state, taken.attempts, taken.failure_code) == ("TAKEN", 3, None)
    assert await rounds.service.retry_due() == 0


async def test_after_the_last_attempt_it_has_failed(rounds: Rounds) -> None:
    merchant, _ = await signed(rounds.place, 999)
    waiting = await rounds.debit(merchant)
    for _ in range(2):
        rounds.place.clock.advance(DAY)
        assert await rounds.service.retry_due() == 1
    failed = await rounds.service.debit_of(waiting.payment_id)
    assert (failed.state, failed.attempts, failed.failure_code) == ("FAILED", 3, "debit_funds_insufficient")
    with pytest.raises(Refusal) as refused:
        await rounds.debit(merchant)
    assert refused.value.code is errors.DEBIT_FAILED


async def test_pausing_ends_what_waits(rounds: Rounds) -> None:
    merchant, payer = await signed(rounds.place, 999)
    waiting = await rounds.debit(merchant)
    await rounds.place.happens(pausing(rounds.place, merchant, payer))
    rounds.place.clock.advance(DAY)
    assert await rounds.service.retry_due() == 1
    failed = await rounds.service.debit_of(waiting.payment_id)
    assert (failed.state, failed.failure_code) == ("FAILED", "agreement_paused")


async def test_whoever_dies_between_the_decline_and_its_record_finds_it_again(rounds: Rounds) -> None:
    merchant, _ = await signed(rounds.place, 999)
    command_id, service = rounds.place.id(), rounds.service
    recording, dead = service._declined, RuntimeError("killed")

    async def killed(*_: object) -> None:
        raise dead

    service._declined = killed  # type: ignore[assignment,method-assign]
    with pytest.raises(RuntimeError):
        await rounds.debit(merchant, command_id=command_id)
    service._declined = recording  # type: ignore[method-assign]
    for _ in range(2):
        assert (await rounds.debit(merchant, command_id=command_id)).state == "WAITING"
    assert await rounds.pool.fetchval("select count(*) from debit") == 1


async def test_whose_time_is_over_is_written_down_once(rounds: Rounds) -> None:
    merchant, _ = await signed(rounds.place)
    unsigned, _ = await asked(rounds.place)
    rounds.place.clock.advance(timedelta(hours=1))
    assert await rounds.service.expire_due() == 1
    assert (await rounds.state(unsigned), await rounds.state(merchant)) == ("EXPIRED", "ACTIVE")
    rounds.place.clock.advance(ENDS - rounds.place.clock.now())
    assert await rounds.service.expire_due() == 1 and await rounds.state(merchant) == "EXPIRED"
    assert await rounds.service.expire_due() == 0
