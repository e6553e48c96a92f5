"""The statement: a customer's bills, who stands on their other side, and what each day came to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import msgspec

from tongbao.kernel.errors import Refusal
from tongbao.ledger.api import QUERIES as LEDGER
from tongbao.security.personal import Vault
from tongbao.wallet import errors
from tongbao.wallet.rules import wallet_of
from tongbao.wallet.types import QUERIES, Bill, BillState, CounterpartyKind

NOTE = "bill.note"


class Counterparty(msgspec.Struct, frozen=True):
    """The other side of a bill, as its owner may see it."""

    name: str
    kind: CounterpartyKind
    login_masked: str | None = None


class ShownBill(msgspec.Struct, frozen=True):
    """A bill, its note opened for its customer."""

    row: Bill
    note: str


class DayTotals(msgspec.Struct, frozen=True):
    """What a wallet took in and gave out on one local day, in minor units: neither what was undone nor what undid it."""

    day: date
    in_minor: int
    out_minor: int


#: What the modules that own bills' references and counterparties tell of them; `app/registry.py` plugs them in.
StatesOf = Callable[[Sequence[UUID]], Awaitable[Mapping[UUID, BillState]]]
CounterpartiesOf = Callable[[Sequence[UUID]], Awaitable[Mapping[UUID, Counterparty]]]


class Statement:
    """Reads of bills. `states` by bill kind and `counterparties` by their kind come from the modules that own them."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        vault: Vault,
        *,
        currency: str,
        zone: ZoneInfo,
        states: Mapping[str, StatesOf],
        counterparties: Mapping[str, CounterpartiesOf],
    ) -> None:
        self._pool = pool
        self._vault = vault
        self._currency = currency
        self._zone = zone
        self._states = states
        self._counterparties = counterparties

    async def _shown(self, rows: Sequence[asyncpg.Record]) -> list[ShownBill]:
        bills = [Bill(*row) for row in rows]
        notes = await self._vault.open_many([(bill.customer_id, NOTE, bill.note) for bill in bills])
        return [ShownBill(bill, note) for bill, note in zip(bills, notes, strict=True)]

    async def bill(self, customer_id: UUID, bill_id: UUID) -> ShownBill:
        """One bill. Declines `bill_not_found`, also for somebody else's."""
        row = await self._pool.fetchrow(QUERIES["bill"], customer_id, bill_id)
        if row is None:
            raise Refusal(errors.BILL_NOT_FOUND)
        return (await self._shown([row]))[0]

    async def bills(
        self,
        customer_id: UUID,
        start: datetime | None,
        end: datetime | None,
        kind: str | None,
        direction: str | None,
        before: UUID | None,
        limit: int,
    ) -> list[ShownBill]:
        """Newest first; `limit` + 1 at most."""
        rows = await self._pool.fetch(QUERIES["bills"], customer_id, start, end, kind, direction, before, limit + 1)
        return await self._shown(rows)

    async def daily_totals(self, customer_id: UUID, bills: Sequence[Bill]) -> list[DayTotals]:
        """Totals of each local day that these bills span, from the entries themselves; what was undone is in none."""
        if not bills:
            return []
        local = [bill.at.astimezone(self._zone).date() for bill in bills]
        start = datetime.combine(min(local), datetime.min.time(), self._zone).astimezone(UTC)
        end = datetime.combine(max(local), datetime.max.time(), self._zone).astimezone(UTC)
        account = wallet_of(customer_id, self._currency).account_id
        rows = await self._pool.fetch(LEDGER["daily_totals"], account, start, end, str(self._zone))
        shown = set(local)
        return [DayTotals(*row) for row in rows if row["day"] in shown]

    async def details(self, bills: Sequence[Bill]) -> tuple[dict[UUID, BillState], dict[UUID, Counterparty]]:
        """States by bill id, and counterparties by their id, for a page of bills."""
        states: dict[UUID, BillState] = {}
        for kind in {bill.kind for bill in bills} & set(self._states):
            wanted = [bill.reference_id for bill in bills if bill.kind == kind and bill.reference_id]
            found = await self._states[kind](wanted)
            for bill in bills:
                if bill.kind == kind and bill.reference_id and bill.reference_id in found:
                    states[bill.bill_id] = found[bill.reference_id]
        people: dict[UUID, Counterparty] = {}
        for which in {bill.counterparty_kind for bill in bills} & set(self._counterparties):
            ids = list({bill.counterparty_id for bill in bills if bill.counterparty_kind == which})
            people.update(await self._counterparties[which](ids))
        return states, people
