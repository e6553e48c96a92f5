"""Who stands behind a merchant, as the deciders know it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from tests.support.leavings import rows
from tests.support.town import Town, town
from tongbao.engine.api import MemoryStore
from tongbao.identity.realname.channels import AnswerState
from tongbao.merchants.entities import (
    ENTITY,
    ENTITY_CHECK,
    ENTITY_PERSON,
    NewPerson,
    RecordEntity,
    RecordEntityAnswer,
)
from tongbao.security.people import PERSON_KEY, WRAPPED


def person(place: Town, name: str, role: Any = "owner", share_ppm: int = 300_000) -> NewPerson:
    return NewPerson(
        place.id(), b"\x01\x00\x01".ljust(WRAPPED, b"k") * 2, role, share_ppm, "resident_id", b"sealed " + name.encode(),
        name.encode(), "police", place.id(),
    )  # fmt: skip


def recording(place: Town, merchant: UUID, *owners: str, micro: bool = False) -> RecordEntity:
    people = (person(place, "legal person", "legal_person", 0), *(person(place, name) for name in owners))
    return RecordEntity(
        command_id=place.id(), merchant_id=merchant, entity_kind="micro" if micro else "company", legal_name="面馆",
        credit_code="" if micro else "91330106MA2000003Q", people=people, operator_id=place.id(),
        business_check_id=None if micro else place.id(),
    )  # fmt: skip


def answering(wish: RecordEntity, at: int, place: Town, state: AnswerState = "MATCHED", attempt: int = 1) -> RecordEntityAnswer:
    check_id = wish.business_check_id if at == 0 else wish.people[at - 1].check_id
    assert check_id is not None
    return RecordEntityAnswer(
        command_id=place.id(), merchant_id=wish.merchant_id, attempt=attempt, place=at, check_id=check_id, state=state,
        differing=("name",) if state == "MISMATCHED" else (),
    )  # fmt: skip


async def test_a_merchant_is_verified_once_everybody_behind_it_is() -> None:
    store = MemoryStore()
    async with town(store) as place:
        wish = recording(place, await place.merchant(), "one", "two")
        assert (await place.happens(wish)).attempt == 1
        for at in range(3):
            assert (await place.happens(answering(wish, at, place))).state == "STARTED"
        assert (await place.happens(answering(wish, 3, place))).state == "VERIFIED"
        assert rows(store, ENTITY)[0].verified_at == place.clock.now()
        assert [each.role for each in rows(store, ENTITY_PERSON)] == ["legal_person", "owner", "owner"]
        keys = {key.person_id for key in rows(store, PERSON_KEY)}
        assert keys == {each.person_id for each in rows(store, ENTITY_PERSON)}


async def test_a_micro_merchant_is_its_person() -> None:
    async with town() as place:
        wish = recording(place, await place.merchant(), micro=True)
        await place.happens(wish)
        assert (await place.happens(answering(wish, 1, place))).state == "VERIFIED"


@pytest.mark.parametrize("state", ["MISMATCHED", "NO_RECORD"])
@pytest.mark.parametrize("at", [0, 1, 2])
async def test_one_who_is_not_confirmed_keeps_the_merchant_from_it(at: int, state: AnswerState) -> None:
    async with town() as place:
        wish = recording(place, await place.merchant(), "one")
        await place.happens(wish)
        for each in range(3):
            answer = await place.happens(answering(wish, each, place, state if each == at else "MATCHED"))
        assert answer.state == "MISMATCHED"


async def test_silence_is_asked_about_again_and_a_second_answer_says_nothing_new() -> None:
    store = MemoryStore()
    async with town(store) as place:
        wish = recording(place, await place.merchant(), micro=True)
        await place.happens(wish)
        assert (await place.happens(answering(wish, 1, place, "UNKNOWN"))).state == "STARTED"
        check = rows(store, ENTITY_CHECK)[0]
        assert (check.tries, check.state) == (1, "UNKNOWN") and check.ask_at is not None and check.ask_at > place.clock.now()
        assert (await place.happens(answering(wish, 1, place))).state == "VERIFIED"
        assert (await place.happens(answering(wish, 1, place, "MISMATCHED"))).state == "VERIFIED"


async def test_what_is_recorded_anew_is_checked_anew_and_what_was_before_is_kept() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant = await place.merchant()
        first, second = recording(place, merchant, "one"), recording(place, merchant)
        await place.happens(first)
        assert (await place.happens(second)).attempt == 2
        assert await place.says(answering(first, 1, place)) == "check_superseded"
        assert await place.says(answering(first, 1, place, attempt=2)) == "check_superseded"
        assert [(each.attempt, each.place) for each in rows(store, ENTITY_PERSON)] == [(1, 1), (1, 2), (2, 1)]


async def test_nobody_stands_behind_no_merchant() -> None:
    async with town() as place:
        assert await place.says(recording(place, place.id())) == "merchant_not_found"


async def test_the_same_record_sent_twice_is_one() -> None:
    """Keys and seals are made anew with every sending; the answer is the first one's."""
    async with town() as place:
        wish = recording(place, await place.merchant(), "one")
        again = replace(wish, people=tuple(replace(each, person_id=place.id(), document=b"anew") for each in wish.people))
        assert await place.happens(wish) == await place.happens(again)
