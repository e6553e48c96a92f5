"""Adding an authenticator app, removing it, and new recovery codes. The password was found right before each of them.

Source: NIST SP 800-63B-4, 4.1 (binding an authenticator), 4.6 (telling of it).
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, View
from tongbao.identity import errors
from tongbao.identity.alerts import tell
from tongbao.identity.devices import cool, counts, unproven
from tongbao.identity.factors import POSSESSION
from tongbao.identity.standing import STANDING
from tongbao.identity.totp import TOTP, Totp, TotpUse, drop_totp, first_code, totp_keys, totp_of, use_totp
from tongbao.identity.tries import Trying, check_waiting, forget_wrong, tries_keys
from tongbao.identity.types import PRINCIPAL, SESSION


class StartTotp(Command, frozen=True, kw_only=True):
    """Show somebody a secret for their app. `secret` is sealed. It counts once its first code was typed. `proven_at`: of the
    session's device."""

    kind = "identity.start_totp"
    principal_id: UUID
    totp_id: UUID
    secret: bytes
    trying: Trying | None = None
    proven_at: datetime | None = None

    def hashed(self) -> StartTotp:
        return replace(self, secret=b"", trying=None, proven_at=None)  # another is drawn each time


class ConfirmTotp(Command, frozen=True, kw_only=True):
    """The first code. `recovery`: the MACs of the recovery codes that are shown with the answer. `session_id`: the session that
    asks, which has shown the second factor with it."""

    kind = "identity.confirm_totp"
    principal_id: UUID
    session_id: UUID
    use: TotpUse
    recovery: bytes

    def hashed(self) -> ConfirmTotp:
        return replace(self, use=_unsaid(self.use))


class RemoveTotp(Command, frozen=True, kw_only=True):
    """Trust the app no more."""

    kind = "identity.remove_totp"
    principal_id: UUID
    use: TotpUse
    trying: Trying | None = None

    def hashed(self) -> RemoveTotp:
        return replace(self, use=_unsaid(self.use), trying=None)


class RenewRecoveryCodes(Command, frozen=True, kw_only=True):
    """Another set of recovery codes; the old one is void."""

    kind = "identity.renew_recovery_codes"
    principal_id: UUID
    use: TotpUse
    recovery: bytes
    trying: Trying | None = None

    def hashed(self) -> RenewRecoveryCodes:
        return replace(self, use=_unsaid(self.use), trying=None)


def _unsaid(use: TotpUse) -> TotpUse:
    """A code may not be tried out by repeating a command; which app it is of is said."""
    return TotpUse(use.totp_id, 0, Trying(use.totp_id))


def start_totp(command: StartTotp, view: View, now: datetime) -> Decision:
    """Declines `principal_not_found`, `login_locked`, `totp_set`; of a customer `device_unproven`: who has the app is asked for
    its code from then on, and everybody else is shut out. One that waits for its first code is replaced."""
    principal = view.get(PRINCIPAL, command.principal_id)
    if principal is None:
        return Declined(errors.PRINCIPAL_NOT_FOUND)
    if refused := check_waiting(view, command.trying, now):
        return refused
    if principal.audience == "wallet" and not counts(command.proven_at, now):
        return unproven(command.proven_at)
    forget_wrong(view, command.trying)
    if totp_of(view, command.principal_id) is not None:
        return Declined(errors.TOTP_SET)
    view.put(TOTP, Totp(command.principal_id, command.totp_id, command.secret, now, None, 0, b""))
    return Accepted()


def confirm_totp(command: ConfirmTotp, view: View, now: datetime) -> Decision:
    """Declines `totp_not_set` (none waits), `totp_set` (it counts already), `totp_wrong`, `totp_locked`. A customer is under the
    limits of a new device for a day."""
    who = command.principal_id
    principal, waiting = view.get(PRINCIPAL, who), view.get(TOTP, who)
    if principal is None or waiting is None or not waiting.secret:
        return Declined(errors.TOTP_NOT_SET)
    if waiting.confirmed_at is not None:
        return Declined(errors.TOTP_SET)
    if refused := first_code(view, waiting, command.use, now):
        return refused
    view.put(TOTP, replace(view.need(TOTP, who), confirmed_at=now, recovery=command.recovery))
    session = view.get(SESSION, command.session_id)
    if session is not None and session.principal_id == who:
        view.put(SESSION, replace(session, factors=session.factors | POSSESSION))
    if principal.audience == "wallet":
        cool(view, who, now)
    tell(view, who, "totp_added", {}, now)
    return Accepted()


def remove_totp(command: RemoveTotp, view: View, now: datetime) -> Decision:
    """Declines `login_locked`, what `use_totp` does."""
    if refused := _shown(view, command.principal_id, command.use, command.trying, now):
        return refused
    drop_totp(view, command.principal_id, now)
    return Accepted()


def renew_recovery_codes(command: RenewRecoveryCodes, view: View, now: datetime) -> Decision:
    """Declines `login_locked`, what `use_totp` does."""
    who = command.principal_id
    if refused := _shown(view, who, command.use, command.trying, now):
        return refused
    view.put(TOTP, replace(view.need(TOTP, who), recovery=command.recovery))
    tell(view, who, "recovery_codes_renewed", {}, now)
    return Accepted()


def _shown(view: View, principal_id: UUID, use: TotpUse, trying: Trying | None, now: datetime) -> Declined | None:
    """The password was right: is the code?"""
    if refused := check_waiting(view, trying, now):
        return refused
    forget_wrong(view, trying)
    return use_totp(view, principal_id, use, now)


DECIDERS = (
    Decider(
        StartTotp,
        lambda command: [Key(PRINCIPAL, command.principal_id), Key(TOTP, command.principal_id), *tries_keys(command.trying)],
        start_totp,
    ),
    Decider(
        ConfirmTotp,
        lambda command: [
            Key(PRINCIPAL, command.principal_id),
            Key(SESSION, command.session_id),
            Key(STANDING, command.principal_id),
            *totp_keys(command.principal_id, command.use),
        ],
        confirm_totp,
    ),
    Decider(
        RemoveTotp,
        lambda command: [*totp_keys(command.principal_id, command.use), *tries_keys(command.trying)],
        remove_totp,
    ),
    Decider(
        RenewRecoveryCodes,
        lambda command: [*totp_keys(command.principal_id, command.use), *tries_keys(command.trying)],
        renew_recovery_codes,
    ),
)
