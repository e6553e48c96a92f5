"""Devices: where somebody logs in. A device is known by a random token that the server gave it once and that it shows when it
logs in again; its id is made of that token under a key of the installation, so the token is not kept.

    unknown ─log in─▶ known ─revoke─▶ revoked     (its sessions end; a later log-in from there is from a new device)

Whoever logs in on a device that is new to them is told of it on all others, and for a day the limits of a new device hold
(`Standing.cooling_until`), but for the first device of all, which has nobody to be told.

A session alone says that somebody knew the password, so its device is no factor of its own until it is proven: the first device
of all (on which the account was registered) and one that logged in by passkey are at once, any other when that day is over and
nobody has said that it was not them: a device that was not proven when a takeover was reported never is by waiting (`takeover`).

Until then it is a guest beside those that are proven: it removes none of them and ends no session there, so that whoever knows a
password cannot put the owner out and have the day to themselves.

Source: NIST SP 800-63B-4, 3.1.7 and 4.1.2 (binding an authenticator takes one that is bound already); Yinfa [2017] 296, Art. 12.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, Relation, View
from tongbao.identity import errors
from tongbao.identity.alerts import tell
from tongbao.identity.standing import REPORTED, STANDING, reasons, standing_of
from tongbao.identity.types import SESSION
from tongbao.kernel.ids import named_id
from tongbao.security.keys import mac

#: Where the vault puts a device's name.
NAME = "device.name"
COOLING = timedelta(hours=24)
#: When a device is proven that is not by waiting.
NEVER = datetime(9999, 12, 31, tzinfo=UTC)
#: Sessions of one device, or of one person, that one command ends; a person logs in a few times a month.
MOST_SESSIONS = 1000


class Device(msgspec.Struct, frozen=True, gc=False):
    """A device of one principal. `name` is sealed (`NAME`). `confirmed_at`: when it last logged in. `proven_at`: from when on it
    is something that only its owner has."""

    device_id: UUID
    principal_id: UUID
    name: bytes
    first_seen_at: datetime
    confirmed_at: datetime
    revoked_at: datetime | None
    proven_at: datetime


DEVICE: Relation[Device] = Relation("device", Device, key=("device_id",), rank=125)


class NameDevice(Command, frozen=True, kw_only=True):
    """Call a device something else. `name` is sealed."""

    kind = "identity.name_device"
    principal_id: UUID
    device_id: UUID
    name: bytes

    def hashed(self) -> NameDevice:
        return replace(self, name=b"")  # sealed anew each time


class RevokeDevice(Command, frozen=True, kw_only=True):
    """Trust a device no more. `session_ids`: its live sessions; `proven_at`: of the device where it is asked for."""

    kind = "identity.revoke_device"
    principal_id: UUID
    device_id: UUID
    session_ids: tuple[UUID, ...]
    proven_at: datetime | None = None

    def hashed(self) -> RevokeDevice:
        return replace(self, proven_at=None)


def new_token(key: bytes, command_id: UUID) -> str:
    """The token of a device that is made known by this command."""
    return base64.urlsafe_b64encode(mac(key, b"device token", command_id.bytes)).decode().rstrip("=")


def device_id_of(key: bytes, principal_id: UUID, token: str) -> UUID:
    """What a device is called in the books of one principal."""
    return named_id("device", mac(key, b"device", principal_id.bytes, token.encode()).hex())


def device_keys(principal_id: UUID, device_id: UUID | None) -> list[Key]:
    """The rows `arrive` needs."""
    return [Key(STANDING, principal_id), Key(DEVICE, device_id)] if device_id else []


def arrive(
    view: View,
    principal_id: UUID,
    audience: str,
    device_id: UUID,
    name: bytes,
    now: datetime,
    *,
    is_first: bool,
    by_passkey: bool,
) -> Declined | None:
    """Somebody proved who they are on this device, by password or passkey. Declines `device_revoked`."""
    device = view.get(DEVICE, device_id)
    if device is not None:
        if device.revoked_at is not None or device.principal_id != principal_id:
            return Declined(errors.DEVICE_REVOKED)
        proven_at = min(now, device.proven_at) if by_passkey else device.proven_at
        view.put(DEVICE, replace(device, confirmed_at=now, proven_at=proven_at))
        return None
    waits_until = NEVER if audience == "wallet" and doubted(view, principal_id, now) else now + COOLING
    proven_at = now if is_first or by_passkey else waits_until
    view.put(DEVICE, Device(device_id, principal_id, name, now, now, None, proven_at))
    if not is_first:
        if audience == "wallet":
            cool(view, principal_id, now)
        tell(view, principal_id, "device_added", {"device_id": str(device_id)}, now)
    return None


def counts(proven_at: datetime | None, now: datetime) -> bool:
    """Whether a device is proven by now: a factor of its own."""
    return proven_at is not None and proven_at <= now


def unproven(proven_at: datetime | None) -> Declined:
    """`device_unproven` (detail: after, when the device will count, if it will)."""
    waits = proven_at is not None and proven_at < NEVER
    return Declined(errors.DEVICE_UNPROVEN, {"after": proven_at} if waits else {})


def doubted(view: View, customer_id: UUID, now: datetime) -> bool:
    """Whether a takeover was reported from which nobody has recovered."""
    return REPORTED in reasons(standing_of(view, customer_id, now).suspended)


def doubt(view: View, principal_id: UUID, device_ids: tuple[UUID, ...], now: datetime) -> None:
    """Those of these devices that are not proven yet are not by waiting any more."""
    for device_id in device_ids:
        device = view.get(DEVICE, device_id)
        if device is not None and device.principal_id == principal_id and not counts(device.proven_at, now):
            view.put(DEVICE, replace(device, proven_at=NEVER))


def cool(view: View, customer_id: UUID, now: datetime) -> None:
    """From now on, for a day, the limits of a new device hold."""
    view.put(STANDING, replace(standing_of(view, customer_id, now), cooling_until=now + COOLING))


def end_sessions(view: View, principal_id: UUID, session_ids: tuple[UUID, ...], now: datetime) -> int:
    """End those of these sessions that are this principal's and live. Answers how many."""
    ended = 0
    for session_id in session_ids:
        session = view.get(SESSION, session_id)
        if session is not None and session.principal_id == principal_id and session.ended_at is None:
            view.put(SESSION, replace(session, ended_at=now))
            view.emit("sessions", "session.ended", {"session_id": session_id})
            ended += 1
    return ended


def name_device(command: NameDevice, view: View, now: datetime) -> Decision:
    """Declines `device_not_found`, also for somebody else's."""
    device = _own(view, command.principal_id, command.device_id)
    if device is None:
        return Declined(errors.DEVICE_NOT_FOUND)
    view.put(DEVICE, replace(device, name=command.name))
    return Accepted()


def revoke_device(command: RevokeDevice, view: View, now: datetime) -> Decision:
    """Declines `device_not_found`, also for somebody else's; `device_unproven` where one that is proven is to be removed by one
    that is not. Ends the device's sessions; passkeys made there stay."""
    device = _own(view, command.principal_id, command.device_id)
    if device is None:
        return Declined(errors.DEVICE_NOT_FOUND)
    if counts(device.proven_at, now) and not counts(command.proven_at, now):
        return unproven(command.proven_at)
    view.put(DEVICE, replace(device, revoked_at=now))
    end_sessions(view, command.principal_id, command.session_ids, now)
    tell(view, command.principal_id, "device_revoked", {"device_id": str(command.device_id)}, now)
    return Accepted()


def _own(view: View, principal_id: UUID, device_id: UUID) -> Device | None:
    device = view.get(DEVICE, device_id)
    return device if device is not None and device.principal_id == principal_id and device.revoked_at is None else None


DECIDERS = (
    Decider(NameDevice, lambda command: [Key(DEVICE, command.device_id)], name_device),
    Decider(
        RevokeDevice,
        lambda command: [Key(DEVICE, command.device_id), *(Key(SESSION, each) for each in command.session_ids)],
        revoke_device,
    ),
)
