"""How somebody gets into the console for the first time, or again: by two halves that no one person has.

    issued ─both halves, a password─▶ accepted
       ├─5 wrong codes─▶ spent
       └─72 h──────────▶ expired           a new one takes its place

The link goes to the phone or address that was proposed, the code is shown to whoever approved. Who proposed somebody under an
address of their own has the link and no code; who approved has the code and no link. Neither half is in the database: both are
made of the installation's keys and the name of the invitation, and here is only what they are compared with.

Source: OWASP ASVS 5, 6.4.1 (first secrets are random, short-lived and never become the password), 6.4.6 (nobody knows another's
password); NIST SP 800-63B-4, 4.1 (binding an authenticator).
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, Relation, View
from tongbao.identity.alerts import tell, write
from tongbao.identity.rules import enrol, login_keys
from tongbao.identity.totp import drop_totp, totp_keys
from tongbao.identity.types import PRINCIPAL, SESSION, Enrolment
from tongbao.operators import errors

LIVES = timedelta(hours=72)
MOST_TRIES = 5
#: The message that brings the link.
MESSAGE_KIND = "operator_invited"


class Invitation(msgspec.Struct, frozen=True, gc=False):
    """The last invitation of an operator. `name`: the command that issued it, of which both halves are made."""

    operator_id: UUID
    name: UUID
    link_hash: bytes
    code_mac: bytes
    tries: int
    issued_at: datetime
    expires_at: datetime
    accepted_at: datetime | None


INVITATION: Relation[Invitation] = Relation("operator_invitation", Invitation, key=("operator_id",), rank=186, marks=True)


class InviteOperator(Command, frozen=True, kw_only=True):
    """Make an operator who has no password yet, and invite them. `link_hash`: SHA-256 of the secret in the link; `code_mac`: the
    code under the installation's key."""

    kind = "operators.invite"
    who: Enrolment
    link_hash: bytes
    code_mac: bytes

    def hashed(self) -> InviteOperator:
        return replace(self, who=self.who.hashed())


class ResetAccess(Command, frozen=True, kw_only=True):
    """Take an operator's password and second factor away, end their sessions, and invite them anew."""

    kind = "operators.reset_access"
    operator_id: UUID
    link_hash: bytes
    code_mac: bytes
    sessions: tuple[UUID, ...]

    def hashed(self) -> ResetAccess:
        return replace(self, sessions=())  # those that live differ from one sending to the next


class AcceptInvitation(Command, frozen=True, kw_only=True):
    """Show both halves, and choose a password. `command_id` is new with every try."""

    kind = "operators.accept_invitation"
    operator_id: UUID
    link_hash: bytes
    code_mac: bytes
    password_hash: str


class Invited(msgspec.Struct, frozen=True):
    """Result of `InviteOperator`."""

    operator_id: UUID


def invite(command: InviteOperator, view: View, now: datetime) -> Decision:
    """Declines `login_taken`."""
    if refused := enrol(view, "console", replace(command.who, password_hash=""), None, now):
        return refused
    _issue(view, command.who.principal_id, command.command_id, command.link_hash, command.code_mac, now)
    return Accepted(Invited(command.who.principal_id))


def reset_access(command: ResetAccess, view: View, now: datetime) -> Decision:
    """Declines `operator_not_found`."""
    operator = view.get(PRINCIPAL, command.operator_id)
    if operator is None or operator.audience != "console":
        return Declined(errors.OPERATOR_NOT_FOUND)
    view.put(PRINCIPAL, replace(operator, password_hash=""))
    for session_id in command.sessions:
        session = view.get(SESSION, session_id)
        if session is not None and session.principal_id == command.operator_id and session.ended_at is None:
            view.put(SESSION, replace(session, ended_at=now))
            view.emit("sessions", "session.ended", {"session_id": session_id})
    drop_totp(view, command.operator_id, now)
    _issue(view, command.operator_id, command.command_id, command.link_hash, command.code_mac, now)
    return Accepted()


def _issue(view: View, operator_id: UUID, name: UUID, link_hash: bytes, code_mac: bytes, now: datetime) -> None:
    view.put(INVITATION, Invitation(operator_id, name, link_hash, code_mac, 0, now, now + LIVES, None))
    write(view, operator_id, MESSAGE_KIND, {"invitation": str(name)}, now)


def accept(command: AcceptInvitation, view: View, now: datetime) -> Decision:
    """Declines `invitation_wrong`, whatever is wrong with it. A wrong code is counted: who has the link might try them all."""
    invitation = view.get(INVITATION, command.operator_id)
    if not _stands(invitation, command.link_hash, now):
        return Declined(errors.INVITATION_WRONG)
    assert invitation is not None
    if not hmac.compare_digest(invitation.code_mac, command.code_mac):
        view.mark(INVITATION, replace(invitation, tries=invitation.tries + 1))
        return Declined(errors.INVITATION_WRONG)
    view.put(INVITATION, replace(invitation, accepted_at=now))
    view.put(PRINCIPAL, replace(view.need(PRINCIPAL, command.operator_id), password_hash=command.password_hash))
    tell(view, command.operator_id, "password_changed", {}, now)
    return Accepted()


def _stands(invitation: Invitation | None, link_hash: bytes, now: datetime) -> bool:
    return (
        invitation is not None
        and invitation.accepted_at is None
        and invitation.tries < MOST_TRIES
        and now < invitation.expires_at
        and hmac.compare_digest(invitation.link_hash, link_hash)
    )


DECIDERS = (
    Decider(InviteOperator, lambda command: login_keys("console", command.who.login_index), invite, Invited),
    Decider(
        ResetAccess,
        lambda command: [
            Key(PRINCIPAL, command.operator_id),
            Key(INVITATION, command.operator_id),
            *totp_keys(command.operator_id, None),
            *(Key(SESSION, each) for each in command.sessions),
        ],
        reset_access,
    ),
    Decider(
        AcceptInvitation, lambda command: [Key(PRINCIPAL, command.operator_id), Key(INVITATION, command.operator_id)], accept
    ),
)
