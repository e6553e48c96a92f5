"""Rigs for the conformance suite: a payer whose instrument of a kind lives on a proven device, in a town in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID

from msgspec.structs import replace

from tests.identity.instrument_situations import ON_DEVICE, binding, on_device
from tests.methods.conformance import Rig
from tests.support.town import CURRENCY, LONG_AGO, Town, town
from tongbao.engine.api import MemoryStore
from tongbao.identity.devices import RevokeDevice
from tongbao.identity.instrument_rules import MissInstrument, RevokeInstrument
from tongbao.identity.instruments import INSTRUMENT, Instrument, InstrumentKind, secret_of
from tongbao.methods.api import Held, InstrumentBook, PaymentMethod
from tongbao.wallet.small_payments import SetSmallPayments

KEY = b"k" * 32


class Book:
    """`InstrumentBook` over the rows of a town in memory."""

    def __init__(self, place: Town, store: MemoryStore) -> None:
        self._place = place
        self._store = store

    def secret(self, number: int, kind: InstrumentKind) -> bytes:
        return secret_of(KEY, number, kind)

    async def owner(self, number: int) -> Instrument | None:
        return self._store.tables.table(INSTRUMENT).get(number)

    async def missed(self, number: int, merchant_id: UUID) -> None:
        await self._place.happens(MissInstrument(command_id=self._place.id(), number=number, merchant_id=merchant_id))


@asynccontextmanager
async def rig(
    kind: InstrumentKind, method_over: Callable[[InstrumentBook], PaymentMethod], number: int = 4_512_369
) -> AsyncIterator[Rig]:
    """A payer with a bound instrument of this kind and 100.00, who lets 50.00 go without a PIN."""
    store = MemoryStore()
    async with town(store) as place:
        book = Book(place, store)
        payer = await place.customer(10_000)
        device = await on_device(place, payer)
        await place.happens(replace(binding(place, payer, number), of=kind, device_id=device))
        await place.happens(
            SetSmallPayments(
                command_id=place.id(), customer_id=payer, currency=CURRENCY, per_payment_minor=5_000, per_day_minor=10_000,
                zone="Asia/Shanghai", confirmation=ON_DEVICE,
            )
        )  # fmt: skip

        async def revoke() -> None:
            await place.happens(RevokeInstrument(command_id=place.id(), number=number, customer_id=payer))

        async def revoke_device() -> None:
            await place.happens(
                RevokeDevice(command_id=place.id(), principal_id=payer, device_id=device, session_ids=(), proven_at=LONG_AGO)
            )

        merchants = (await place.merchant(), await place.merchant())
        held = Held(number, book.secret(number, kind))
        yield Rig(place, method_over(book), payer, held, merchants, revoke, revoke_device)
