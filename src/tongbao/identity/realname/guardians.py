"""Deciders of guardianship: a minor uses the wallet while somebody of age, whose own name is known, agrees.

    REQUESTED ──→ AGREED ──→ ENDED     by the guardian, or by the minor's coming of age (`rules.follow_calendar`)
        └────────────────────↗︎

Source: Civil Code, Arts. 19 and 27; PIPL, Art. 31.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from tongbao.engine.api import Accepted, Decider, Decision, Declined, Key, View
from tongbao.identity.realname import errors
from tongbao.identity.realname.types import (
    GUARDIANSHIP,
    AgreeGuardianship,
    EndGuardianship,
    Guardianship,
    RequestGuardian,
)
from tongbao.identity.rules import confirm, confirmation_keys
from tongbao.identity.standing import STANDING, with_reason, without_reason


def request_guardian(command: RequestGuardian, view: View, now: datetime) -> Decision:
    """Declines `not_a_minor`, `guardian_unfit`, `guardianship_exists`. One who was asked and has not agreed may be replaced."""
    minor = view.get(STANDING, command.minor_id)
    if minor is None or not minor.minor:
        return Declined(errors.NOT_A_MINOR)
    known = view.get(GUARDIANSHIP, command.minor_id)
    if known is not None and known.state == "AGREED":
        return Declined(errors.GUARDIANSHIP_EXISTS)
    if command.guardian_id == command.minor_id or not _fit(view, command.guardian_id):
        return Declined(errors.GUARDIAN_UNFIT)
    view.put(GUARDIANSHIP, Guardianship(command.minor_id, command.guardian_id, "REQUESTED", "", None, None, now, None, None))
    view.emit("real_names", "guardian.requested", {"guardian_id": command.guardian_id})
    return Accepted()


def agree_guardianship(command: AgreeGuardianship, view: View, now: datetime) -> Decision:
    """Declines `guardianship_unknown`, `guardian_unfit`, `not_a_minor`, `pin_…`, `wrong_pin`. Agreeing again changes the caps."""
    known = view.get(GUARDIANSHIP, command.minor_id)
    if known is None or known.guardian_id != command.guardian_id or known.state == "ENDED":
        return Declined(errors.GUARDIANSHIP_UNKNOWN)
    if not _fit(view, command.guardian_id):
        return Declined(errors.GUARDIAN_UNFIT)
    minor = view.get(STANDING, command.minor_id)
    if minor is None or not minor.minor:
        return Declined(errors.NOT_A_MINOR)
    confirmed = confirm(view, command.guardian_id, command.confirmation, now)
    if isinstance(confirmed, Declined):
        return confirmed
    agreed = replace(
        known, state="AGREED", consent=command.consent, single_minor=command.single_minor, daily_minor=command.daily_minor,
        agreed_at=now,
    )  # fmt: skip
    view.put(GUARDIANSHIP, agreed)
    view.put(STANDING, replace(minor, suspended=without_reason(minor.suspended, "guardian")))
    return Accepted()


def end_guardianship(command: EndGuardianship, view: View, now: datetime) -> Decision:
    """Declines `guardianship_unknown`. The minor may not pay until another guardian agrees."""
    known = view.get(GUARDIANSHIP, command.minor_id)
    if known is None or known.guardian_id != command.guardian_id or known.state == "ENDED":
        return Declined(errors.GUARDIANSHIP_UNKNOWN)
    view.put(GUARDIANSHIP, replace(known, state="ENDED", ended_at=now))
    minor = view.get(STANDING, command.minor_id)
    if minor is not None and minor.minor:
        view.put(STANDING, replace(minor, suspended=with_reason(minor.suspended, "guardian")))
    return Accepted()


def _fit(view: View, guardian_id: UUID) -> bool:
    standing = view.get(STANDING, guardian_id)
    return standing is not None and standing.level >= 1 and not standing.minor and not standing.suspended


def _both(command: RequestGuardian | EndGuardianship) -> list[Key]:
    return [Key(GUARDIANSHIP, command.minor_id), Key(STANDING, command.minor_id), Key(STANDING, command.guardian_id)]


def agreeing_keys(command: AgreeGuardianship) -> list[Key]:
    """The rows `agree_guardianship` needs."""
    return [
        Key(GUARDIANSHIP, command.minor_id),
        Key(STANDING, command.minor_id),
        Key(STANDING, command.guardian_id),
        *confirmation_keys(command.guardian_id, command.confirmation),
    ]


#: Agreeing is decided where the caps are upheld: `rules.rules.agree_within_caps`.
DECIDERS = (Decider(RequestGuardian, _both, request_guardian), Decider(EndGuardianship, _both, end_guardianship))
