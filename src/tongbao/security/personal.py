"""The vault: personal data in and out of its columns.

A column of personal data holds bytes that only the vault makes and opens, each under the key of the person it is about and for
its own column. Where the database has to find something by what it is (who has this phone?) it keeps an index beside it: a keyed
MAC, which says nothing without the installation's key. An empty text is empty bytes: that there is nothing is not hidden.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from tongbao.engine.types import OutboxRow
from tongbao.kernel.errors import InvariantBroken, Refusal
from tongbao.kernel.gather import Gatherer
from tongbao.kernel.sql import Queries
from tongbao.security.errors import PERSON_GONE
from tongbao.security.keyring import CLASSES, KeyRing
from tongbao.security.keys import mac
from tongbao.security.people import WRAPPED
from tongbao.security.sealed import Box, place_of, version_of

QUERIES = Queries("tongbao.security")

#: Version of a person's own keys: they are exchanged by nobody, only wrapped anew.
_OWN = 1
_MOST_REMEMBERED = 100_000
_INDEX = 16

#: (person, "table.column", sealed value)
Sealed = tuple[UUID, str, bytes]


class _Own(NamedTuple):
    """A person's keys, open."""

    c2: Box
    c3: Box


class _Shredded(msgspec.Struct):
    person_id: UUID


class Vault:
    """Seals and opens what is known of people.

    `fetch`: the wrapped keys of those of some people who have one; empty bytes for who was shredded. `c3`: the columns that
    authenticate somebody; every other is of class C2.
    """

    def __init__(
        self,
        ring: KeyRing,
        fetch: Callable[[list[UUID]], Awaitable[Mapping[UUID, bytes]]],
        c3: frozenset[str] = frozenset(),
    ) -> None:
        self._ring = ring
        self._fetch = fetch
        self._c3 = c3
        self._index = ring.keys.index
        self._known: dict[UUID, _Own] = {}
        self._asked = Gatherer(fetch)
        self._gone: set[UUID] = set()

    @classmethod
    def over(cls, pool: asyncpg.Pool, ring: KeyRing, c3: frozenset[str] = frozenset()) -> Vault:
        """A vault whose people are in a database."""

        async def fetch(people: list[UUID]) -> dict[UUID, bytes]:
            return {row["person_id"]: row["wrapped"] for row in await pool.fetch(QUERIES["person_keys"], people)}

        return cls(ring, fetch, c3)

    async def new_person(self, person_id: UUID) -> bytes:
        """Fresh keys for somebody about to be made, wrapped: the command that makes them keeps these (`people.make_person`).

        `person_id` is random and used once: whoever repeats the command makes another, and the first one's stands.
        """
        own = (os.urandom(32), os.urandom(32))
        self._remember(person_id, _Own(Box(own[0], _OWN), Box(own[1], _OWN)))
        return self._wrapped(person_id, own)

    async def seal(self, person_id: UUID, field: str, text: str) -> bytes:
        """The text, for this column ("table.column") of this person. Declines `person_gone` if there is no such person."""
        if not text:
            return b""
        own = await self._own([person_id])
        if person_id not in own:
            raise Refusal(PERSON_GONE)
        return self._box(own[person_id], field).seal(text.encode(), _place(field, person_id), self._ring.cipher)

    async def open(self, person_id: UUID, field: str, blob: bytes) -> str:
        """The text of a sealed value; nothing if its person was shredded. Raises InvariantBroken if it does not fit."""
        return (await self.open_many([(person_id, field, blob)]))[0]

    async def open_many(self, values: Sequence[Sealed]) -> list[str]:
        """As `open`, for many at once, in their order: keys that are not known are fetched together."""
        own = await self._own({person_id for person_id, _, blob in values if blob})
        return [
            self._box(own[person_id], field).open(blob, _place(field, person_id)).decode() if blob and person_id in own else ""
            for person_id, field, blob in values
        ]

    def index(self, field: str, text: str) -> bytes:
        """By what a text in this column is found: 16 bytes, the same for the same text, saying nothing without the key."""
        return mac(self._index, field.encode(), text.encode())[:_INDEX]

    async def keys_of(self, person_id: UUID) -> bytes:
        """A person's own keys in clear, to be sealed to somebody else and kept nowhere. Declines `person_gone`."""
        wrapped = (await self._fetch([person_id])).get(person_id)
        if not wrapped:
            raise Refusal(PERSON_GONE)
        return b"".join(self._unwrapped(person_id, wrapped))

    def adopt(self, person_id: UUID, keys: bytes) -> None:
        """Open for a person whose keys (as `keys_of` gave them out) are in the system no more: in this process only."""
        if len(keys) != 64:
            raise InvariantBroken("those are no person's keys")
        self._gone.discard(person_id)
        self._remember(person_id, _Own(Box(keys[:32], _OWN), Box(keys[32:], _OWN)))

    def rewrapped(self, person_id: UUID, wrapped: bytes) -> bytes:
        """A person's keys wrapped by the class keys of now."""
        return self._wrapped(person_id, self._unwrapped(person_id, wrapped))

    def forget(self, person_id: UUID) -> None:
        """A person was shredded, here or in another process: their key is not in this one any more."""
        if len(self._gone) >= _MOST_REMEMBERED:
            self._gone.clear()  # those who come back from the database come back empty
        self._gone.add(person_id)
        self._known.pop(person_id, None)

    def told(self, row: OutboxRow) -> UUID:
        """An event of topic `people`: who it was that was shredded."""
        person_id = msgspec.json.decode(row.payload, type=_Shredded).person_id
        self.forget(person_id)
        return person_id

    # ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _own(self, people: Sequence[UUID] | set[UUID]) -> dict[UUID, _Own]:
        """The keys of those who have them: not of who was shredded, nor of who never was."""
        own = {person_id: self._known[person_id] for person_id in people if person_id in self._known}
        missing = [person_id for person_id in people if person_id not in own and person_id not in self._gone]
        if missing:
            found = await self._asked.several(missing)
            for person_id, wrapped in found.items():
                if wrapped and person_id not in self._gone:
                    keys = self._unwrapped(person_id, wrapped)
                    own[person_id] = _Own(Box(keys[0], _OWN), Box(keys[1], _OWN))
                    self._remember(person_id, own[person_id])
        return own

    def _remember(self, person_id: UUID, own: _Own) -> None:
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[person_id] = own

    def _box(self, own: _Own, field: str) -> Box:
        return own.c3 if field in self._c3 else own.c2

    def _wrapped(self, person_id: UUID, own: Sequence[bytes]) -> bytes:
        return b"".join(
            self._ring.newest(kind).seal(key, _wrapping(kind, person_id), self._ring.cipher)
            for kind, key in zip(CLASSES, own, strict=True)
        )

    def _unwrapped(self, person_id: UUID, wrapped: bytes) -> list[bytes]:
        parts = (wrapped[:WRAPPED], wrapped[WRAPPED:])
        return [
            self._ring.version(kind, version_of(part)).open(part, _wrapping(kind, person_id))
            for kind, part in zip(CLASSES, parts, strict=True)
        ]


def _place(field: str, person_id: UUID) -> bytes:
    return place_of(b"value", field.encode(), person_id.bytes)


def _wrapping(kind: str, person_id: UUID) -> bytes:
    return place_of(b"person", kind.encode(), person_id.bytes)
