"""An authenticator app: its row, and what deciders say of its codes. Whose code it is was looked at before (`totp_service`), for
the secret is sealed and a decider opens nothing.

    none ─start─▶ waiting ─the first right code─▶ on ─remove, with a code─▶ none
                     └─ start again: another secret

Each time step is accepted once, even if what it was to confirm is then declined. Wrong codes are counted as wrong passwords are,
by device, and apart from them. A recovery code stands in for a code once; a new set takes the place of the old.

Source: RFC 6238, 5.2 (a code is accepted once); NIST SP 800-63B-4, 3.1.2 (look-up secrets), 3.1.4 (one-time passwords), 3.2.2.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Declined, Key, Relation, View
from tongbao.identity import errors
from tongbao.identity.alerts import tell
from tongbao.identity.totp_codes import RECOVERY_MAC_BYTES, without
from tongbao.identity.tries import Trying, check_waiting, count_wrong, forget_wrong, tries_keys
from tongbao.kernel.ids import named_id

#: Where the vault puts a secret.
SECRET = "totp.secret"  # noqa: S105 (the name of a column)


class Totp(msgspec.Struct, frozen=True, gc=False):
    """Somebody's authenticator app. `totp_id` names the secret: another secret is another app. `secret` is sealed (`SECRET`).
    `confirmed_at`: since when it counts. `last_step`: the latest time step whose code was accepted. `recovery`: the MACs of the
    recovery codes that are left, one after the other."""

    principal_id: UUID
    totp_id: UUID
    secret: bytes
    started_at: datetime
    confirmed_at: datetime | None
    last_step: int
    recovery: bytes


TOTP: Relation[Totp] = Relation("totp", Totp, key=("principal_id",), rank=129, marks=True, removable=True)


class TotpUse(msgspec.Struct, frozen=True):
    """A code as typed. `step`: the time step whose code it is under the secret `totp_id`; 0: none near now. `recovery`: the
    MAC of what was typed instead, a recovery code."""

    totp_id: UUID
    step: int
    trying: Trying
    recovery: bytes = b""


def code_tries(trying: Trying) -> Trying:
    """Where codes are tried, by where passwords are."""
    elsewhere = trying.elsewhere
    return Trying(_apart(trying.here), None if elsewhere is None else _apart(elsewhere))


def _apart(tries_id: UUID) -> UUID:
    return named_id("code tries", str(tries_id))


def totp_keys(principal_id: UUID, use: TotpUse | None) -> list[Key]:
    """The rows `use_totp` needs."""
    return [Key(TOTP, principal_id), *(tries_keys(use.trying) if use else [])]


def totp_of(view: View, principal_id: UUID) -> Totp | None:
    """Somebody's app, if it counts."""
    totp = view.get(TOTP, principal_id)
    return totp if totp is not None and totp.confirmed_at is not None else None


def use_totp(view: View, principal_id: UUID, use: TotpUse, now: datetime) -> Declined | None:
    """Is it the code? Declines `totp_not_set`, `totp_locked` (detail: until), `totp_used`, `totp_wrong`. A wrong one is counted,
    and a right one spent, even though the command is declined."""
    totp = totp_of(view, principal_id)
    return Declined(errors.TOTP_NOT_SET) if totp is None else _show(view, totp, use, now)


def first_code(view: View, totp: Totp, use: TotpUse, now: datetime) -> Declined | None:
    """As `use_totp`, of an app that waits for its first code."""
    return _show(view, totp, use, now)


def _show(view: View, totp: Totp, use: TotpUse, now: datetime) -> Declined | None:
    if refused := check_waiting(view, use.trying, now, errors.TOTP_LOCKED):
        return refused
    if use.recovery:
        left = without(totp.recovery, use.recovery)
        spent = None if left is None else replace(totp, recovery=left)
    elif use.totp_id == totp.totp_id and use.step > 0:
        if use.step <= totp.last_step:
            return Declined(errors.TOTP_USED)
        spent = replace(totp, last_step=use.step)
    else:
        spent = None
    if spent is None:
        until = count_wrong(view, use.trying, now)
        return Declined(errors.TOTP_LOCKED, {"until": until}) if until else Declined(errors.TOTP_WRONG)
    forget_wrong(view, use.trying)
    view.mark(TOTP, spent)
    view.put(TOTP, spent)
    if use.recovery:
        tell(view, totp.principal_id, "recovery_code_used", {"left": str(left_of(spent))}, now)
    return None


def left_of(totp: Totp) -> int:
    """How many recovery codes are left."""
    return len(totp.recovery) // RECOVERY_MAC_BYTES


def drop_totp(view: View, principal_id: UUID, now: datetime) -> None:
    """Trust an app no more, as part of any command that may decide that; nothing happens where there is none. Needs the rows of
    `totp_keys`."""
    totp = view.get(TOTP, principal_id)
    if totp is None:
        return
    # The secret's name stays, so that no answer under way can speak for the next one; the secret does not.
    view.put(TOTP, replace(totp, secret=b"", confirmed_at=None, recovery=b""))
    if totp.confirmed_at is not None:
        tell(view, principal_id, "totp_removed", {}, now)
