"""What would happen: any decision of the ledger, made by the same rules on a view that is thrown away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import msgspec

from tongbao.engine.api import Command, Decider, Decision, Declined, Key, View, at_once
from tongbao.kernel.ids import RowIds
from tongbao.ledger.rules import Draft, post_linked
from tongbao.ledger.types import ACCOUNT, ENTRY, JOURNAL, Account, Entry, Journal

C = TypeVar("C", bound=Command)


class Preview(msgspec.Struct, frozen=True):
    """The journals and entries that would be posted, balances after included, and the accounts as they would then be. Their ids
    are not those that a posting would give them."""

    journals: tuple[Journal, ...]
    entries: tuple[Entry, ...]
    accounts: tuple[Account, ...]


class _Question(Command, frozen=True, kw_only=True):
    kind = "ledger.question"


async def rows_for(reader: asyncpg.Pool | asyncpg.Connection, keys: Iterable[Key]) -> dict[Key, Any]:
    """The rows that a decider would be given, read without any lock."""
    wanted = list(keys)
    rows: dict[Key, Any] = dict.fromkeys(wanted)
    by_relation: dict[Any, set[Any]] = {}
    for relation, key in wanted:
        by_relation.setdefault(relation, set()).add(key)
    for relation, several in by_relation.items():
        for record in await reader.fetch(relation.load_sql, *relation.key_arguments(list(several))):
            row = relation.row(*tuple(record)[: len(relation.fields)])
            rows[Key(relation, relation.key_of(row))] = row
    return rows


def would_post(rows: Mapping[Key, Any], drafts: Sequence[Draft], now: datetime) -> Preview | Declined:
    """What `post_linked` would come to upon `rows`, which hold what `account_keys` names. Declines what it would decline."""
    view = _thrown_away(rows, now)
    journals = post_linked(view, _Question(command_id=UUID(int=0)), now, drafts)
    return journals if isinstance(journals, Declined) else _left_in(view)


def rehearse(rows: Mapping[Key, Any], decider: Decider[C], command: C, now: datetime) -> tuple[Decision, Preview]:
    """What a command would be answered upon `rows`, which hold what its decider's `keys` name, and what it would post."""
    view = _thrown_away(rows, now)
    decision = at_once(decider.decide(command, view, now))
    return decision, Preview((), (), ()) if isinstance(decision, Declined) else _left_in(view)


def _thrown_away(rows: Mapping[Key, Any], now: datetime) -> View:
    return View(rows, RowIds(now, 0, 0))


def _left_in(view: View) -> Preview:
    left = view.changes(accepted=True)
    accounts = tuple(row for key, row in left.now.items() if key[0] is ACCOUNT)
    return Preview(tuple(left.appended.get(JOURNAL, ())), tuple(left.appended.get(ENTRY, ())), accounts)
