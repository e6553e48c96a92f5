"""What is stored, as the auditor and the janitors read it, and where a starting process finds its store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Protocol

from tongbao.engine.api import MemoryStore, Relation, Store
from tongbao.engine.memory import MemoryTables
from tongbao.engine.types import Link, Record
from tongbao.ledger.types import HOLD
from tongbao.ledger.types import QUERIES as LEDGER
from tongbao.payments.service import QUERIES as PAYMENTS
from tongbao.payments.types import PAYMENT
from tongbao.wallet.types import BANK_ACCOUNT, BANK_TRANSFER
from tongbao.wallet.types import QUERIES as WALLET


class Tables(Protocol):
    """The rows that outlive every process. Reads are of what is committed."""

    def store(self) -> Store:
        """What a process opens when it starts."""
        ...

    def new_records(self) -> Sequence[Record]:
        """Outcomes that became durable since this was last asked, a batch's in the order of their decisions."""
        ...

    def rows(self, relation: Relation[Any]) -> Sequence[Any]:
        """Every row of a relation."""
        ...

    def links(self) -> Sequence[Link]:
        """Every link of every writer's chain."""
        ...

    def fetch(self, query: str, *arguments: Any) -> Sequence[Any]:
        """What the janitors ask, as they ask it of a pool of connections."""
        ...

    def next_due(self) -> datetime | None:
        """When the next thing is due that a janitor does."""
        ...


class InMemory:
    """The tables of memory stores."""

    def __init__(self) -> None:
        self._tables = MemoryTables()
        self._known = 0

    def store(self) -> Store:
        return MemoryStore(self._tables)

    def new_records(self) -> Sequence[Record]:
        records = self._tables.records
        found = list(islice(reversed(records.values()), len(records) - self._known))[::-1]
        self._known = len(records)
        return found

    def rows(self, relation: Relation[Any]) -> Sequence[Any]:
        if relation.append_only:
            return self._tables.appended.get(relation, [])
        return list(self._tables.table(relation).values())

    def links(self) -> Sequence[Link]:
        return self._tables.links

    def fetch(self, query: str, *arguments: Any) -> Sequence[Any]:
        if query == WALLET["bank_transfers_due"]:
            now, limit = arguments
            due = [
                row for row in self._tables.table(BANK_TRANSFER).values() if row.next_attempt_at and row.next_attempt_at <= now
            ]
            return [_values(row) for row in sorted(due, key=_attempt)[:limit]]
        if query == WALLET["bank_accounts_by_id"]:
            table = self._tables.table(BANK_ACCOUNT)
            return [_Named(table[key]) for key in arguments[0] if key in table]
        if query == PAYMENTS["orders_to_expire"]:
            due = [*self._due(PAYMENT, "CREATED", *arguments), *self._due(PAYMENT, "AUTHORISED", *arguments)]
            return [_Named(row) for row in due]
        if query == LEDGER["expired_holds"]:
            due = self._due(HOLD, "ACTIVE", *arguments)
            return [{"hold_id": hold.hold_id, "account_id": hold.account_id} for hold in due]
        raise NotImplementedError(query)

    def next_due(self) -> datetime | None:
        moments = [row.next_attempt_at for row in self._tables.table(BANK_TRANSFER).values() if row.next_attempt_at]
        moments += [row.expires_at for row in self._tables.table(PAYMENT).values() if row.state in ("CREATED", "AUTHORISED")]
        moments += [row.expires_at for row in self._tables.table(HOLD).values() if row.state == "ACTIVE"]
        return min(moments, default=None)

    def _due(self, relation: Relation[Any], state: str, now: datetime, limit: int) -> list[Any]:
        due = [row for row in self._tables.table(relation).values() if row.state == state and row.expires_at <= now]
        return sorted(due, key=_expiry)[:limit]


def _attempt(row: Any) -> datetime:
    return row.next_attempt_at  # type: ignore[no-any-return]


def _expiry(row: Any) -> datetime:
    return row.expires_at  # type: ignore[no-any-return]


def _values(row: Any) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in row.__struct_fields__)


class _Named(tuple[Any, ...]):
    """A row by position and by name, as asyncpg's records are."""

    _names: tuple[str, ...]

    def __new__(cls, row: Any) -> _Named:
        made = super().__new__(cls, _values(row))
        made._names = row.__struct_fields__
        return made

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(self._names.index(key) if isinstance(key, str) else key)
