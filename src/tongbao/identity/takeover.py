"""“It wasn't me”: a customer says that somebody else is in their account, and from that moment nothing can be paid from it
(`rules.assess` declines `account_suspended`).

well ─report─▶ reported ─recover─▶ well      (`recovery`; nobody else can lift it, no operator either)
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Key, View
from tongbao.identity.alerts import tell
from tongbao.identity.devices import end_sessions
from tongbao.identity.standing import STANDING, standing_of, with_reason
from tongbao.identity.types import SESSION

REPORTED = "reported"


class ReportTakeover(Command, frozen=True, kw_only=True):
    """Suspend at once. `session_ids`: every other live session of theirs."""

    kind = "identity.report_takeover"
    customer_id: UUID
    session_ids: tuple[UUID, ...]

    def hashed(self) -> ReportTakeover:
        return replace(self, session_ids=())  # which sessions live changes between two sendings


def report_takeover(command: ReportTakeover, view: View, now: datetime) -> Decision:
    """Never declines: who is in doubt is believed."""
    standing = standing_of(view, command.customer_id, now)
    view.put(STANDING, replace(standing, suspended=with_reason(standing.suspended, REPORTED)))
    end_sessions(view, command.customer_id, command.session_ids, now)
    tell(view, command.customer_id, "takeover_reported", {}, now)
    return Accepted()


DECIDERS = (
    Decider(
        ReportTakeover,
        lambda command: [Key(STANDING, command.customer_id), *(Key(SESSION, each) for each in command.session_ids)],
        report_takeover,
    ),
)
