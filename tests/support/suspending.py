"""A customer who is suspended, without the operators who do that."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tongbao.engine.api import Accepted, Command, Decider, Decision, View
from tongbao.identity.standing import STANDING, Standing, standing_keys


class Suspend(Command, frozen=True, kw_only=True):
    kind = "test.suspend"
    customer_id: UUID


def _suspend(command: Suspend, view: View, now: Any) -> Decision:
    view.put(STANDING, Standing(command.customer_id, 3, None, None, False, False, "reported", None, now))
    return Accepted()


SUSPEND = Decider(Suspend, lambda command: standing_keys(command.customer_id), _suspend)
