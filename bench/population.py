"""People, merchants and money to bench with: opened set-wise, in few large commands."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from tongbao.engine.api import Accepted, Command, Decider, Decision, Engine, Key, View, accepted
from tongbao.identity.standing import STANDING, Standing
from tongbao.identity.types import PIN, Pin
from tongbao.kernel.clock import SystemClock
from tongbao.kernel.ids import new_id
from tongbao.ledger.api import CUSTOMER_WALLET, RESERVE, Journal, Leg, Place, account_keys, post
from tongbao.merchants.types import NewStore, OpenMerchant
from tongbao.rules.pack import merged, merged_text, named_packs
from tongbao.rules.types import AdoptRules

CURRENCY = "CNY"
#: One million yuan: nobody runs dry within a bench.
ENDOWMENT_MINOR = 100_000_000
#: What everyone's PIN comes to; the keyed MAC itself is the edge's work and is not in these figures.
PIN_MAC = b"\x2a" * 32


class Fund(Command, frozen=True, kw_only=True):
    """Bench only: pay everyone's endowment into their wallets, in one journal."""

    kind = "bench.fund"
    owners: tuple[UUID, ...]


def _legs(owners: Sequence[UUID]) -> Iterator[Leg]:
    yield Leg(Place(RESERVE, CURRENCY), -ENDOWMENT_MINOR * len(owners))
    for owner in owners:
        yield Leg(Place(CUSTOMER_WALLET, CURRENCY, owner), ENDOWMENT_MINOR)


def _fund_keys(command: Fund) -> list[Key]:
    return account_keys(leg.place for leg in _legs(command.owners))


def _fund(command: Fund, view: View, now: datetime) -> Decision:
    journal = post(view, command, now, command.kind, list(_legs(command.owners)))
    assert isinstance(journal, Journal)
    return Accepted()


FUND = Decider(Fund, _fund_keys, _fund)


def fresh_id() -> UUID:
    """An identifier for a new command."""
    return new_id(SystemClock().now())


async def funded(engine: Engine, count: int) -> list[UUID]:
    """So many owners, each with a wallet that holds the endowment."""
    owners = [fresh_id() for _ in range(count)]
    for start in range(0, count, 2_000):
        accepted(await engine.submit(Fund(command_id=fresh_id(), owners=tuple(owners[start : start + 2_000]))))
    return owners


class GivePins(Command, frozen=True, kw_only=True):
    """Bench only: a PIN for each, and the highest real-name level."""

    kind = "bench.give_pins"
    owners: tuple[UUID, ...]


def _give_pins(command: GivePins, view: View, now: datetime) -> Decision:
    for owner in command.owners:
        view.put(PIN, Pin(owner, PIN_MAC, 0, None, now))
        view.put(STANDING, Standing(owner, 3, now, None, False, False, "", None, now))
    return Accepted()


def _pin_keys(command: GivePins) -> list[Key]:
    return [key for owner in command.owners for key in (Key(PIN, owner), Key(STANDING, owner))]


GIVE_PINS = Decider(GivePins, _pin_keys, _give_pins)


async def give_pins(engine: Engine, owners: Iterable[UUID]) -> None:
    """A PIN for each."""
    accepted(await engine.submit(GivePins(command_id=fresh_id(), owners=tuple(owners))))


async def open_merchants(engine: Engine, count: int, fee_ppm: int) -> list[UUID]:
    """So many merchants, one store each."""
    merchants: list[UUID] = []
    for number in range(count):
        opened = await engine.submit(
            OpenMerchant(
                command_id=fresh_id(), name=f"Bench {number}", mcc="5411", city="Shanghai", country="CN", currency=CURRENCY,
                fee_ppm=fee_ppm, stores=(NewStore("Store", "Shanghai"),),
            )
        )  # fmt: skip
        merchants.append(accepted(opened).merchant_id)
    return merchants


async def adopt(engine: Engine, names: str) -> None:
    """Put packs in force, as a server does at its start."""
    text = merged_text(merged(named_packs(names), CURRENCY, "Asia/Shanghai"))
    accepted(
        await engine.submit(
            AdoptRules(command_id=fresh_id(), text=text, by_hand=False, adopted_by="the bench", reason="to be measured")
        )
    )


def order_number() -> str:
    """An out_trade_no that no other order has."""
    return os.urandom(9).hex()
