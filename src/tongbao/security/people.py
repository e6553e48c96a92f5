"""The keys of people: the row that keeps one, and the commands that make, renew and destroy it.

What is known of a person is encrypted under random keys of their own, one for each class of data, which the installation's class
keys wrap. To erase a person is to overwrite that one small row: whatever was encrypted, in whichever table, opens for nobody any
more ("crypto-shredding"). Wherever the old row still lies (a backup, the write-ahead log) it is wrapped by a version of the class
keys: when that is retired, the copies open no more either.
Source: PIPL, Art. 47 (erasure); JR/T 0171-2020, 6.1.6 (destruction); docs/decisions/0018.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, Relation, View, keys_of
from tongbao.kernel.errors import InvariantBroken
from tongbao.security.errors import PERSON_GONE
from tongbao.security.sealed import OVERHEAD, version_of

#: A wrapped key of one class; a person's are two, C2 and C3, one after the other.
WRAPPED = 32 + OVERHEAD


class PersonKey(msgspec.Struct, frozen=True, gc=False):
    """A person's keys, wrapped. The versions say by which class keys; a shredded one is empty for ever."""

    person_id: UUID
    c2_version: int
    c3_version: int
    wrapped: bytes
    shredded_at: datetime | None

    @classmethod
    def of(cls, person_id: UUID, wrapped: bytes) -> PersonKey:
        """The row of a key as `Vault` wraps it."""
        if len(wrapped) != 2 * WRAPPED:
            raise InvariantBroken("that is no person's key")
        return cls(person_id, version_of(wrapped[:WRAPPED]), version_of(wrapped[WRAPPED:]), wrapped, None)


PERSON_KEY: Relation[PersonKey] = Relation("person_key", PersonKey, key=("person_id",), rank=90)


def make_person(view: View, person_id: UUID, wrapped: bytes) -> None:
    """Keep a new person's key, as part of the command that makes the person. The id is random, so nobody has it yet."""
    view.put(PERSON_KEY, PersonKey.of(person_id, wrapped))


class ShredPerson(Command, frozen=True, kw_only=True):
    """Destroy a person's key, and with it everything that is encrypted under it."""

    kind = "security.shred_person"
    person_id: UUID


class Rewrapped(msgspec.Struct, frozen=True):
    """A person's keys under newer class keys. `former`: the wrapped bytes that were opened for it."""

    person_id: UUID
    former: bytes
    wrapped: bytes


class RewrapPersonKeys(Command, frozen=True, kw_only=True):
    """Keep people's keys as they were wrapped anew: the same keys, by newer versions of the class keys."""

    kind = "security.rewrap_person_keys"
    people: tuple[Rewrapped, ...]


class PersonKeysRewrapped(msgspec.Struct, frozen=True):
    """Result of `RewrapPersonKeys`: how many were kept. The others were shredded or wrapped anew meanwhile."""

    kept: int


def shred_person(command: ShredPerson, view: View, now: datetime) -> Decision:
    """Declines `person_gone` if there is no such person, or they are shredded already. Tells every process to forget the key."""
    known = view.get(PERSON_KEY, command.person_id)
    if known is None or known.shredded_at is not None:
        return Declined(PERSON_GONE)
    view.put(PERSON_KEY, replace(known, wrapped=b"", shredded_at=now))
    view.emit("people", "person.shredded", {"person_id": command.person_id})
    return Accepted()


def rewrap_person_keys(command: RewrapPersonKeys, view: View, now: datetime) -> Decision:
    """Never brings a shredded key back, nor undoes what another rotation did: only what still is as it was opened is replaced."""
    kept = 0
    for each in command.people:
        known = view.get(PERSON_KEY, each.person_id)
        if known is not None and known.wrapped == each.former:
            view.put(PERSON_KEY, PersonKey.of(each.person_id, each.wrapped))
            kept += 1
    return Accepted(PersonKeysRewrapped(kept))


DECIDERS = (
    Decider(ShredPerson, lambda command: [Key(PERSON_KEY, command.person_id)], shred_person),
    Decider(
        RewrapPersonKeys,
        lambda command: keys_of(PERSON_KEY, [each.person_id for each in command.people]),
        rewrap_person_keys,
        PersonKeysRewrapped,
    ),
)
