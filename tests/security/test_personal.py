"""The vault: what is known of a person, under the person's own keys, until these are shredded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tongbao.engine.api import Accepted, Command, Declined, Engine, Key, MemoryStore, View
from tongbao.engine.types import Decider, Decision, OutboxRow
from tongbao.kernel.clock import VirtualClock
from tongbao.kernel.errors import InvariantBroken, Refusal
from tongbao.security import keyring
from tongbao.security.keyring import KeyRing
from tongbao.security.people import (
    DECIDERS,
    PERSON_KEY,
    PersonKey,
    PersonKeysRewrapped,
    Rewrapped,
    RewrapPersonKeys,
    ShredPerson,
    make_person,
)
from tongbao.security.personal import Vault

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
NAME, FACE = "principal.name", "face.template"


class Make(Command, frozen=True, kw_only=True):
    """Somebody."""

    kind = "test.make"
    person_id: UUID
    wrapped: bytes


def _make(command: Make, view: View, now: datetime) -> Decision:
    make_person(view, command.person_id, command.wrapped)
    return Accepted()


class Here:
    """An engine in memory, a ring, and vaults that read from it and count what they ask."""

    def __init__(self, engine: Engine, store: MemoryStore, ring: KeyRing) -> None:
        self.engine = engine
        self.store = store
        self.ring = ring
        self.asked: list[set[UUID]] = []

    def vault(self) -> Vault:
        return Vault(self.ring, self._fetch, frozenset({FACE}))

    async def _fetch(self, people: list[UUID]) -> Mapping[UUID, bytes]:
        self.asked.append(set(people))
        await asyncio.sleep(0)
        rows = self.store.tables.table(PERSON_KEY)
        return {person: rows[person].wrapped for person in people if person in rows}

    def row(self, person: UUID) -> PersonKey:
        row: PersonKey = self.store.tables.table(PERSON_KEY)[person]
        return row

    async def somebody(self, vault: Vault) -> UUID:
        person = uuid4()
        await self.does(Make(command_id=uuid4(), person_id=person, wrapped=await vault.new_person(person)))
        return person

    async def does(self, command: Command) -> Any:
        decision = (await self.engine.submit(command)).decision
        return decision.code.name if isinstance(decision, Declined) else decision.result


@pytest.fixture
async def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(keyring, "_LOOK_EVERY_S", 0.0)
    store = MemoryStore()
    deciders: list[Decider[Any]] = [*DECIDERS, Decider(Make, lambda command: [Key(PERSON_KEY, command.person_id)], _make)]
    async with Engine(store, deciders, VirtualClock(NOON)) as engine:
        yield Here(engine, store, KeyRing.open(tmp_path / "keys.json"))


@pytest.mark.parametrize("cipher", ["AES-256-GCM", "SM4-GCM"])
async def test_what_is_sealed_in_one_process_opens_in_another(here: Here, cipher: str) -> None:
    here.ring = KeyRing(here.ring.path, here.ring._master, cipher)
    vault, other = here.vault(), here.vault()
    person = await here.somebody(vault)
    for field, text in ((NAME, "张小明"), (FACE, "0.25 0.5"), (NAME, "a" * 10_000)):
        value = await vault.seal(person, field, text)
        assert text.encode() not in value
        assert await other.open(person, field, value) == text


async def test_nothing_is_sealed_as_nothing(here: Here) -> None:
    vault = here.vault()
    assert await vault.seal(uuid4(), NAME, "") == b"" and await vault.open(uuid4(), NAME, b"") == ""
    assert here.asked == []


async def test_a_value_of_one_person_or_column_does_not_open_as_another_s(here: Here) -> None:
    vault = here.vault()
    ann, ben = await here.somebody(vault), await here.somebody(vault)
    value = await vault.seal(ann, NAME, "张小明")
    for person, field in ((ben, NAME), (ann, "principal.login"), (ann, FACE)):
        with pytest.raises(InvariantBroken):
            await vault.open(person, field, value)


async def test_each_class_of_data_has_a_key_of_its_own(here: Here) -> None:
    """Whoever learns how to unwrap the one learns nothing of the other."""
    vault = here.vault()
    person = await here.somebody(vault)
    own = vault._known[person]
    name, face = await vault.seal(person, NAME, "text"), await vault.seal(person, FACE, "text")
    places = [b"".join(len(p).to_bytes(2, "big") + p for p in (b"value", f.encode(), person.bytes)) for f in (NAME, FACE)]
    assert own.c2.open(name, places[0]) == own.c3.open(face, places[1]) == b"text"
    with pytest.raises(InvariantBroken):
        own.c2.open(face, places[1])


async def test_keys_of_many_are_asked_for_once_and_remembered(here: Here) -> None:
    writer, reader = here.vault(), here.vault()
    people = [await here.somebody(writer) for _ in range(20)]
    values = [(person, NAME, await writer.seal(person, NAME, f"name {n}")) for n, person in enumerate(people)]
    assert here.asked == [], "whoever was made here is known here"
    for _ in range(2):
        assert await reader.open_many(values + values) == [f"name {n}" for n in range(20)] * 2
    assert here.asked == [set(people)]


async def test_an_index_is_of_one_column_and_of_one_installation(here: Here, tmp_path: Path) -> None:
    vault, elsewhere = here.vault(), Vault(KeyRing.open(tmp_path / "other" / "keys.json"), here._fetch)
    found = {vault.index(NAME, "张"), vault.index(NAME, "李"), vault.index("principal.login", "张"), elsewhere.index(NAME, "张")}
    assert len(found) == 4 and {len(each) for each in found} == {16}
    assert here.vault().index(NAME, "张") == vault.index(NAME, "张")


# ── shredding ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def shredded(person: UUID) -> OutboxRow:
    return OutboxRow(1, 1, 0, "people", "person.shredded", f'{{"person_id":"{person}"}}', NOON)


async def test_whoever_is_shredded_opens_nowhere_and_is_sealed_nothing(here: Here) -> None:
    vault = here.vault()
    ann, ben = await here.somebody(vault), await here.somebody(vault)
    values = [(person, NAME, await vault.seal(person, NAME, "name")) for person in (ann, ben)]
    assert await here.does(ShredPerson(command_id=uuid4(), person_id=ann)) is None
    assert here.row(ann) == PersonKey(ann, 1, 1, b"", NOON)
    assert next(row for row in here.store.tables.events if row.topic == "people").payload == shredded(ann).payload
    assert vault.told(shredded(ann)) == ann
    for each in (vault, here.vault()):
        assert await each.open_many(values) == ["", "name"]
        with pytest.raises(Refusal, match="person_gone"):
            await each.seal(ann, NAME, "again")
    assert await here.does(ShredPerson(command_id=uuid4(), person_id=ann)) == "person_gone"
    assert await here.does(ShredPerson(command_id=uuid4(), person_id=uuid4())) == "person_gone"


async def test_a_key_that_was_being_fetched_when_it_was_shredded_is_not_remembered(here: Here) -> None:
    writer, reader = here.vault(), here.vault()
    ann = await here.somebody(writer)
    value = await writer.seal(ann, NAME, "name")
    opening = asyncio.create_task(reader.open(ann, NAME, value))
    while not here.asked:
        await asyncio.sleep(0)
    reader.forget(ann)
    assert await opening == ""
    assert await reader.open(ann, NAME, value) == ""


async def test_nobody_there_has_nothing_to_be_sealed_under(here: Here) -> None:
    with pytest.raises(Refusal, match="person_gone"):
        await here.vault().seal(uuid4(), NAME, "name")


# ── wrapping anew ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_keys_wrapped_anew_open_the_same_without_the_former_version(here: Here) -> None:
    vault = here.vault()
    ann = await here.somebody(vault)
    value = await vault.seal(ann, NAME, "name")
    former = here.row(ann).wrapped
    assert (here.ring.rotate("C2"), here.ring.rotate("C3")) == (2, 2)
    anew = vault.rewrapped(ann, former)
    wish = RewrapPersonKeys(command_id=uuid4(), people=(Rewrapped(ann, former, anew),))
    assert await here.does(wish) == PersonKeysRewrapped(1)
    assert here.row(ann) == PersonKey(ann, 2, 2, anew, None)
    here.ring.retire("C2", 1)
    here.ring.retire("C3", 1)
    assert await here.vault().open(ann, NAME, value) == "name"
    with pytest.raises(InvariantBroken, match="not in the ring"):
        here.vault().rewrapped(ann, former)


async def test_wrapping_anew_brings_no_shredded_key_back_and_undoes_no_other(here: Here) -> None:
    vault = here.vault()
    ann, ben, cat = [await here.somebody(vault) for _ in range(3)]
    former = {person: here.row(person).wrapped for person in (ann, ben, cat)}
    here.ring.rotate("C2")
    wishes = tuple(Rewrapped(person, former[person], vault.rewrapped(person, former[person])) for person in (ann, ben, cat))
    await here.does(ShredPerson(command_id=uuid4(), person_id=ann))
    other = vault.rewrapped(ben, former[ben])
    await here.does(RewrapPersonKeys(command_id=uuid4(), people=(Rewrapped(ben, former[ben], other),)))
    assert await here.does(RewrapPersonKeys(command_id=uuid4(), people=wishes)) == PersonKeysRewrapped(1)
    assert here.row(ann).wrapped == b"" and here.row(ben).wrapped == other and here.row(cat).wrapped == wishes[2].wrapped


@pytest.mark.parametrize("wrapped", [b"", b"short", b"\x01" * 125, b"\x01" * 127, bytes(126)])
def test_what_is_no_person_s_key_is_not_kept_as_one(wrapped: bytes) -> None:
    with pytest.raises(InvariantBroken):
        PersonKey.of(UUID(int=1), wrapped)
