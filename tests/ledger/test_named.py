"""What a command of the ledger changes, it has named: the rows it writes were loaded and locked before it was decided."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.ledger import test_ladder as holds
from tests.ledger import test_ladder_accounts as accounts
from tests.ledger import test_ladder_colours as colours
from tests.support.ladder import Row
from tests.support.town import NOON, Town
from tongbao.app.registry import DECIDERS
from tongbao.engine.api import Command, Decider, Decision, Engine, Limits, MemoryStore, View, at_once
from tongbao.kernel.clock import VirtualClock

ROWS = [row for row in [*holds.ROWS, *accounts.ROWS, *colours.ROWS] if row.says == "ok"]


def watched(decider: Decider[Any]) -> Decider[Any]:
    """The same, which fails where it writes a row that it did not name. Only the ledger's, whose rows all have names; other
    modules also write rows under identifiers made on the spot."""
    if not decider.command.kind.startswith("ledger."):
        return decider

    def decide(command: Command, view: View, now: datetime) -> Decision:
        decision = at_once(decider.decide(command, view, now))
        unnamed = view.changes(accepted=True).written.keys() - set(decider.keys(command))
        assert not unnamed, f"{command.kind} writes {unnamed} unnamed"
        return decision

    return Decider(decider.command, decider.keys, decide, decider.result)


@pytest.mark.parametrize("row", ROWS, ids=repr)
async def test_what_a_command_writes_it_has_named(row: Row) -> None:
    clock = VirtualClock(NOON)
    async with Engine(MemoryStore(), [watched(each) for each in DECIDERS], clock, Limits(patience_s=5)) as engine:
        place = Town(engine, clock)
        await place.happens(await row.situation(place))
