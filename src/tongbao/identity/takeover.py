"""“It wasn't me”: a customer says that somebody else is in their account, and from that moment nothing can be paid from it
(`rules.assess` declines `account_suspended`), and no device of theirs becomes proven by waiting.

well ─report─▶ reported ─recover─▶ well      (`recovery`; nobody else can lift it, no operator either)

Who is not logged in any more, or has no device at hand, reports by a code to their phone or address. That is all it takes, for it
only stops; how many codes are sent is counted (`codes`). By the code every session ends. From a session all others do, but from a
device that is not proven those on proven devices stay: reporting is no way to put an owner out.

What was authorised before and is not captured yet is in doubt (`in_doubt`) if fewer than two kinds of factors said it was the
owner, or if it was agreed to in the last day before the report, whatever said so: phones are taken together with their PINs,
and an owner needs hours to notice and to say it. It stays in doubt when the account is recovered, for that says who is in it
now and not who was, and when another takeover is reported, which says nothing of the one before. All else is what the merchant
was promised, and a report alone must not be a way out of a promise.

Source: PBOC announcement 2015 No. 43, Arts. 19 (what a customer lost without being at fault is made good) and 22 (kinds of
factors); Directive (EU) 2015/2366, Art. 74(2) (a payer bears nothing of what was not strongly authenticated).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, View
from tongbao.identity import errors
from tongbao.identity.alerts import tell
from tongbao.identity.codes import CODE, CodeUse, use_code
from tongbao.identity.devices import DEVICE, doubt, end_sessions
from tongbao.identity.factors import Factors, strength
from tongbao.identity.standing import REPORTED, STANDING, Standing, reasons, standing_of, with_reason
from tongbao.identity.types import PRINCIPAL, SESSION

#: How long before a report whatever was agreed to may have been somebody else's.
DOUBTED_BEFORE = timedelta(hours=24)
#: How long a report's day is remembered: longer than anything that was agreed to waits to be taken (30 days at most).
REMEMBERED = timedelta(days=31)
_EVER = datetime.min.replace(tzinfo=UTC)


class ReportTakeover(Command, frozen=True, kw_only=True):
    """Suspend at once. `session_ids`: the live sessions that end; `device_ids`: every trusted device. `code`: as typed, of who
    reports without a session."""

    kind = "identity.report_takeover"
    customer_id: UUID
    session_ids: tuple[UUID, ...]
    device_ids: tuple[UUID, ...] = ()
    code: CodeUse | None = None

    def hashed(self) -> ReportTakeover:
        """Without what changes between two sendings, and what may not be tried out by repeating it."""
        code = CodeUse(self.code.code_id, b"") if self.code is not None else None
        return replace(self, session_ids=(), device_ids=(), code=code)


def report_takeover(command: ReportTakeover, view: View, now: datetime) -> Decision:
    """Declines `code_wrong`, also for an account that was closed for ever; who reports from a session is believed."""
    if command.code is not None:
        principal = view.get(PRINCIPAL, command.customer_id)
        if principal is None or principal.audience != "wallet" or not principal.password_hash:
            return Declined(errors.CODE_WRONG)
        if refused := use_code(view, command.code, now):
            return refused
    standing = standing_of(view, command.customer_id, now)
    # Reported once more before anybody recovered, it is the same takeover: saying it again moves nothing out of doubt.
    again = REPORTED in reasons(standing.suspended) and standing.reported_at is not None
    if not again:
        standing = replace(standing, reported_at=now, doubted=_doubted_too(standing.doubted, now))
    view.put(STANDING, replace(standing, suspended=with_reason(standing.suspended, REPORTED)))
    doubt(view, command.customer_id, command.device_ids, now)
    end_sessions(view, command.customer_id, command.session_ids, now)
    tell(view, command.customer_id, "takeover_reported", {}, now)
    return Accepted()


def in_doubt(standing: Standing | None, agreed_at: datetime, factors: Factors, trusted_at: datetime | None = None) -> bool:
    """Whether what was agreed to then, shown by these factors, may have been somebody else's wish, as was reported later.
    `trusted_at`: when operators last said that it was not, which answers the reports until then."""
    if standing is None or standing.reported_at is None:
        return False
    doubted = [(_EVER, standing.reported_at)] if strength(factors) == "weak" else _pairs(standing.doubted)
    return any(since < agreed_at <= until and (trusted_at is None or trusted_at <= until) for since, until in doubted)


def _doubted_too(doubted: str, reported_at: datetime) -> str:
    """With the day before one report more. Days that touch become one, so that there are never more than days in a month."""
    since = reported_at - DOUBTED_BEFORE
    pairs = [pair for pair in _pairs(doubted) if pair[1] > reported_at - REMEMBERED]
    if pairs and pairs[-1][1] >= since:
        since = pairs.pop()[0]
    return " ".join(moment.isoformat() for pair in (*pairs, (since, reported_at)) for moment in pair)


def _pairs(doubted: str) -> list[tuple[datetime, datetime]]:
    moments = [datetime.fromisoformat(text) for text in doubted.split()]
    return list(zip(moments[::2], moments[1::2], strict=True))


DECIDERS = (
    Decider(
        ReportTakeover,
        lambda command: [
            Key(STANDING, command.customer_id),
            *([Key(PRINCIPAL, command.customer_id), Key(CODE, command.code.code_id)] if command.code else []),
            *(Key(DEVICE, each) for each in command.device_ids),
            *(Key(SESSION, each) for each in command.session_ids),
        ],
        report_takeover,
    ),
)
