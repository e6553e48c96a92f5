"""What the rules in force would say to an act that does not happen: the code that decides, over a copy of the rows it reads."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from tongbao.engine.api import Declined, Key, View
from tongbao.identity.standing import STANDING, Standing
from tongbao.kernel.ids import RowIds
from tongbao.rules.assess import Weighed, assess, weigh
from tongbao.rules.persons import Known
from tongbao.rules.types import CURRENT, DUTY, RULEBOOK, USAGE, Act, Duty, Rulebook

#: Somebody of whom only the level is known.
ANYBODY = UUID(int=0)


class Tried(msgspec.Struct, frozen=True):
    """What came of it. `said`: why not, or how; `delay`: what an act that cannot wait would be told; `duties`: what would have to
    be reported."""

    said: Declined | Weighed
    delay: Declined | None
    duties: tuple[Duty, ...]


def somebody(level: int, now: datetime) -> Standing:
    """A customer of this level of whom nothing else is to be said."""
    return Standing(ANYBODY, level, None, None, False, False, "", None, now)


def tried(row: Rulebook | None, known: Known, customer_id: UUID, act: Act, now: datetime) -> Tried:
    """Try an act. Nothing is changed and nothing is counted. Rules about balances are not asked."""
    rows: dict[Key, Any] = {
        Key(RULEBOOK, CURRENT): row, Key(STANDING, customer_id): known.standing, Key(USAGE, customer_id): known.usage
    }  # fmt: skip
    if known.standing is not None and (subject_id := known.standing.subject_id) is not None:
        first = None if known.person_opened is None else somebody(known.standing.level, known.person_opened)
        rows |= {Key(STANDING, subject_id): first, Key(USAGE, subject_id): known.person}
    view = View(rows, RowIds(now, 0, 0))
    said = weigh(view, now, customer_id, act)
    if isinstance(said, Declined):
        return Tried(said, None, ())
    delay = assess(View(rows, RowIds(now, 0, 0)), now, customer_id, act) if said.delay_hours else None
    return Tried(said, delay, tuple(view.changes(True).appended.get(DUTY, ())))
