"""Turning an order's clock on, by a command: rows that the engine has sealed and remembers are not changed by SQL from aside."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Engine, Key, PostgresStore, Sealer, View, accepted
from tongbao.kernel.clock import SystemClock
from tongbao.kernel.ids import new_id
from tongbao.payments.types import PAYMENT


class Age(Command, frozen=True, kw_only=True):
    """The order's time is over."""

    kind = "test.age"
    payment_id: UUID


def _age(command: Age, view: View, now: datetime) -> Decision:
    payment = view.need(PAYMENT, command.payment_id)
    view.put(PAYMENT, replace(payment, expires_at=now - timedelta(seconds=1)))
    return Accepted()


async def age(dsn: str, sealer: Sealer, payment_id: UUID) -> None:
    """Let an order's time be over: the shortest life the edge grants is 30 s, and no test waits that long."""
    decider = Decider(Age, lambda command: [Key(PAYMENT, command.payment_id)], _age)
    async with Engine(PostgresStore(dsn, sealer=sealer), [decider], SystemClock()) as engine:
        accepted(await engine.submit(Age(command_id=new_id(SystemClock().now()), payment_id=payment_id)))
