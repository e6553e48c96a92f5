"""Passkeys: their rows, and what deciders say of them. What an authenticator signed is checked before (`passkey_checks`).

    made ─use─▶ used …   its counter only grows, where it has one: one that does not is a copy's
      └─revoke─▶ revoked  for ever

Source: W3C Web Authentication Level 3, 7.2 step 22 (signature counter).
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, Relation, View
from tongbao.identity import errors
from tongbao.identity.alerts import tell
from tongbao.identity.devices import counts, unproven
from tongbao.identity.tries import Trying
from tongbao.kernel.ids import named_id

#: Where the vault puts a passkey's name.
NAME = "passkey.name"


class Passkey(msgspec.Struct, frozen=True, gc=False):
    """A passkey of a customer. `public_key`: COSE. `name` is sealed. `counter`: 0 where the authenticator keeps none."""

    passkey_id: UUID
    customer_id: UUID
    credential_id: bytes
    public_key: bytes
    counter: int
    name: bytes
    created_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


PASSKEY: Relation[Passkey] = Relation("passkey", Passkey, key=("passkey_id",), rank=127, removable=True)


class AddPasskey(Command, frozen=True, kw_only=True):
    """A passkey was made, and the password vouched for it. `proven_at`: of the session's device; `pin_mac`: the PIN as typed."""

    kind = "identity.add_passkey"
    passkey_id: UUID
    customer_id: UUID
    credential_id: bytes
    public_key: bytes
    counter: int
    name: bytes
    trying: Trying | None = None
    proven_at: datetime | None = None
    pin_mac: bytes | None = None

    def hashed(self) -> AddPasskey:
        """Without what is sealed anew each time, and what may not be tried out by repeating it."""
        return replace(self, name=b"", trying=None, proven_at=None, pin_mac=None)


class RevokePasskey(Command, frozen=True, kw_only=True):
    """Trust a passkey no more. `proven_at`: of the device where it is asked for."""

    kind = "identity.revoke_passkey"
    customer_id: UUID
    passkey_id: UUID
    proven_at: datetime | None = None

    def hashed(self) -> RevokePasskey:
        return replace(self, proven_at=None)


def passkey_id_of(credential_id: bytes) -> UUID:
    """What a passkey is called here, by what its authenticator calls it."""
    return named_id("passkey", credential_id.hex())


def use_passkey(view: View, customer_id: UUID, passkey_id: UUID, counter: int, now: datetime) -> Declined | None:
    """A passkey signed. Declines `passkey_unknown` (also somebody else's), `passkey_revoked`, `passkey_cloned`."""
    passkey = view.get(PASSKEY, passkey_id)
    if passkey is None or passkey.customer_id != customer_id:
        return Declined(errors.PASSKEY_UNKNOWN)
    if passkey.revoked_at is not None:
        return Declined(errors.PASSKEY_REVOKED)
    if (counter or passkey.counter) and counter <= passkey.counter:
        return Declined(errors.PASSKEY_CLONED)
    view.put(PASSKEY, replace(passkey, counter=counter, used_at=now))
    return None


def revoke_passkey(command: RevokePasskey, view: View, now: datetime) -> Decision:
    """Declines `passkey_unknown`, also for somebody else's and for one that is revoked already; `device_unproven`, for it is how
    its owner shows who they are."""
    passkey = view.get(PASSKEY, command.passkey_id)
    if passkey is None or passkey.customer_id != command.customer_id or passkey.revoked_at is not None:
        return Declined(errors.PASSKEY_UNKNOWN)
    if not counts(command.proven_at, now):
        return unproven(command.proven_at)
    view.put(PASSKEY, replace(passkey, revoked_at=now))
    tell(view, command.customer_id, "passkey_revoked", {"passkey_id": str(command.passkey_id)}, now)
    return Accepted()


DECIDERS = (Decider(RevokePasskey, lambda command: [Key(PASSKEY, command.passkey_id)], revoke_passkey),)
