"""Asking who has a phone or an email. A payer must see whom they pay, masked, so anybody who is logged in may ask; but only so
often a day, lest somebody reads out who is a customer here, number by number.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, View
from tongbao.identity import errors
from tongbao.identity.daily import count_keys, count_today, times_today
from tongbao.kernel.ids import named_id

MOST_A_DAY = 100


class CountLookup(Command, frozen=True, kw_only=True):
    """Somebody asks who has a log-in. `count_id`: theirs (`count_of`)."""

    kind = "identity.count_lookup"
    count_id: UUID


def count_of(principal_id: UUID) -> UUID:
    """What counts how often somebody asks."""
    return named_id("look-ups", str(principal_id))


def count_lookup(command: CountLookup, view: View, now: datetime) -> Decision:
    """Declines `too_many_lookups`."""
    if times_today(view, command.count_id, now) >= MOST_A_DAY:
        return Declined(errors.TOO_MANY_LOOKUPS)
    count_today(view, command.count_id, now)
    return Accepted()


DECIDERS = (Decider(CountLookup, lambda command: count_keys((command.count_id,)), count_lookup),)
