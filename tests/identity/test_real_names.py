"""Real names as deciders know them: the ladder of levels, situation by situation, and what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from tests.support.ladder import Row, answer, declines_of, ladder, said_in
from tests.support.leavings import events, rows
from tests.support.town import LONG_AGO, NOON, RIGHT, WRONG, Town, town
from tongbao.engine.api import Command, MemoryStore
from tongbao.identity.alerts import ALERT
from tongbao.identity.codes import Asking, CodeUse, SendCode
from tongbao.identity.realname import errors
from tongbao.identity.realname.channels import AnswerState, Registry
from tongbao.identity.realname.levels import FACE, LEVELS, NAME, POLICY, POSSESSION, level_by_channels, retry_in
from tongbao.identity.realname.rules import COUNTED_FOR
from tongbao.identity.realname.types import (
    DOCUMENT_HOLDER,
    GUARDIANSHIP,
    NAME_CHECK,
    NAME_EVENT,
    NEXT_NAME,
    PHONE_HOLDER,
    REAL_NAME,
    AgreeGuardianship,
    ApproveFaceToFace,
    Ask,
    AskRegistries,
    DocumentHolder,
    EndGuardianship,
    EndWaiting,
    FallBack,
    FollowCalendar,
    ForgetDocument,
    ProposeFaceToFace,
    ProvePhone,
    RealName,
    RecordAnswer,
    RequestGuardian,
    StartVerification,
)
from tongbao.identity.standing import STANDING, Standing
from tongbao.identity.types import SetPin

TODAY = NOON.date()
PHONE = "+8613800000001"
ENDS = date(2030, 6, 30)
GROWN = date(2000, 1, 1)
STILL_A_CHILD = date(2030, 5, 20)
THREE: tuple[Registry, ...] = ("police", "bank", "mobile")
FIVE: tuple[Registry, ...] = ("police", "bank", "mobile", "social_insurance", "tax")
#: What they know is on many desks: number and name.
FACTS: tuple[Registry, ...] = ("police", "social_insurance", "tax", "education", "vehicles")

ROWS, says = ladder()


def index(text: str) -> bytes:
    return sha256(text.encode()).digest()[:16]


def phone_index(number: str, phone: str = "") -> bytes:
    """The index of the phone that goes with a document: one of its own, unless it is said."""
    return index(phone or f"the phone of {number}")


def starting(customer: UUID, place: Town, number: str = "A", phone: str = "", **other: Any) -> StartVerification:
    """Giving a document. What was given before is named by `former`: (number, phone)."""
    former: tuple[str, str] = other.pop("former", ("", ""))
    wish: dict[str, Any] = {
        "content": f"{number} {phone}", "wanted_level": 3, "expires_on": ENDS, "of_age_on": GROWN,
        "number_tells_age": True, "confirmation": RIGHT if former[0] else None, **other,
    }  # fmt: skip
    content = wish.pop("content")
    return StartVerification(
        command_id=place.id(), customer_id=customer, document_kind="resident_id", document=b"sealed " + number.encode(),
        document_index=index(number), content_index=index(content), phone_index=phone_index(number, phone), today=TODAY,
        former_document_index=index(former[0]) if former[0] else b"",
        former_phone_index=phone_index(*former) if former[0] else b"",
        **wish,
    )  # fmt: skip


async def asked(place: Town, customer: UUID, registries: Sequence[Registry], attempt: int = 1) -> dict[Registry, UUID]:
    """Registries that are about to be asked: the reference of each."""
    ids = {registry: place.id() for registry in registries}
    asks = tuple(Ask(registry, check_id) for registry, check_id in ids.items())
    await place.happens(AskRegistries(command_id=place.id(), customer_id=customer, attempt=attempt, asks=asks))
    return ids


def answering(
    place: Town, customer: UUID, registry: Registry, check_id: UUID, state: AnswerState = "MATCHED", number: str = "A",
    phone: str = "",
) -> RecordAnswer:  # fmt: skip
    return RecordAnswer(
        command_id=place.id(), customer_id=customer, registry=registry, check_id=check_id, state=state, today=TODAY,
        document_index=index(number), phone_index=phone_index(number, phone),
        differing=("name",) if state == "MISMATCHED" else (),
    )  # fmt: skip


async def confirmed(
    place: Town, customer: UUID, registries: Sequence[Registry], number: str = "A", phone: str = "", attempt: int = 1,
    state: AnswerState = "MATCHED",
) -> int:  # fmt: skip
    """What the level is once these registries have answered; the phone is proven before its operator or a bank is asked."""
    level = 0
    if {"bank", "mobile"} & {*registries}:
        await place.happens(await proving(place, customer, number, phone))
    for registry, check_id in (await asked(place, customer, registries, attempt)).items():
        level = (await place.happens(answering(place, customer, registry, check_id, state, number, phone))).level
    return level


async def proving(place: Town, customer: UUID, number: str = "A", phone: str = "", **changes: Any) -> ProvePhone:
    """The code that was just sent to the phone, shown."""
    code_id = place.id()
    await place.happens(SendCode(command_id=place.id(), code_id=code_id, mac=b"right", asking=Asking(place.id())))
    wish: dict[str, Any] = {"code": CodeUse(code_id, b"right"), "phone_index": phone_index(number, phone)} | changes
    return ProvePhone(command_id=place.id(), customer_id=customer, document_index=index(number), today=TODAY, **wish)


async def with_pin(place: Town) -> UUID:
    """Somebody who has given no document yet."""
    customer = await place.registered(f"+86139{place.id().int % 10**8:08}")
    await place.happens(SetPin(command_id=place.id(), customer_id=customer, mac=RIGHT.mac, proven_at=LONG_AGO))
    return customer


async def known(place: Town, registries: Sequence[Registry] = ("police",), number: str = "A", **other: Any) -> UUID:
    """A customer whose document these registries confirm."""
    customer = await with_pin(place)
    phone = other.get("phone", "")
    await place.happens(starting(customer, place, number, **other))
    await confirmed(place, customer, registries, number, phone)
    return customer


def proposing(place: Town, customer: UUID, operator: UUID, level: int = 3) -> ProposeFaceToFace:
    return ProposeFaceToFace(command_id=place.id(), customer_id=customer, attempt=1, level=level, operator_id=operator)


def approving(place: Town, customer: UUID, operator: UUID, proposer: UUID, **changes: Any) -> ApproveFaceToFace:
    """The approval of what `proposer` proposed."""
    wish: dict[str, Any] = {"attempt": 1, "document_index": index("A"), "phone_index": phone_index("A"), "level": 3} | changes
    return ApproveFaceToFace(
        command_id=place.id(), customer_id=customer, today=TODAY, operator_id=operator, verified_by=proposer, **wish
    )


def agreeing(place: Town, minor: UUID, guardian: UUID, confirmation: Any = RIGHT, **caps: Any) -> AgreeGuardianship:
    wish: dict[str, Any] = {"single_minor": None, "daily_minor": None} | caps
    return AgreeGuardianship(
        command_id=place.id(), minor_id=minor, guardian_id=guardian, consent="text 1", confirmation=confirmation, **wish
    )


def waiting_ends(place: Town, customer: UUID) -> EndWaiting:
    return EndWaiting(
        command_id=place.id(), customer_id=customer, document_index=index("A"), phone_index=phone_index("A"), today=TODAY
    )


async def family(place: Town, *, agreed: bool = True) -> tuple[UUID, UUID]:
    """A child, and a parent with a PIN who is asked (and has agreed)."""
    parent = await place.customer()
    await place.happens(starting(parent, place, "P"))
    await confirmed(place, parent, ("police",), "P")
    child = await known(place, number="C", of_age_on=STILL_A_CHILD)
    await place.happens(RequestGuardian(command_id=place.id(), minor_id=child, guardian_id=parent))
    if agreed:
        await place.happens(agreeing(place, child, parent))
    return child, parent


# ── documents ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@says("ok")
async def a_first_document(place: Town) -> Command:
    return starting(await place.customer(), place)


@says("not_a_customer")
async def a_document_of_an_operator(place: Town) -> Command:
    return starting(await place.registered("ops@example.com", "console"), place)


@says("not_a_customer")
async def a_document_of_nobody(place: Town) -> Command:
    return starting(place.id(), place)


@says("verification_changed")
async def a_document_by_somebody_who_did_not_see_the_last_one(place: Town) -> Command:
    return starting(await known(place), place, "B")


@says("ok")
async def another_document(place: Town) -> Command:
    return starting(await known(place), place, "B", former=("A", ""))


@says("name_confirmation_needed")
async def another_document_of_who_is_verified_by_a_session_alone(place: Town) -> Command:
    return starting(await known(place), place, "B", former=("A", ""), confirmation=None)


@says("name_confirmation_needed")
async def a_renewed_document_of_who_is_verified_by_a_session_alone(place: Town) -> Command:
    return starting(await known(place), place, content="renewed", former=("A", ""), confirmation=None)


@says("wrong_pin")
async def another_document_of_who_is_verified_with_a_wrong_pin(place: Town) -> Command:
    return starting(await known(place), place, "B", former=("A", ""), confirmation=WRONG)


@says("ok")
async def another_document_of_who_is_verified_with_the_pin(place: Town) -> Command:
    return starting(await known(place), place, "B", former=("A", ""))


@says("ok")
async def another_document_of_who_has_no_pin_on_a_proven_device(place: Town) -> Command:
    return starting(await without_pin(place), place, "B", former=("A", ""), confirmation=None, proven_at=LONG_AGO)


@says("name_confirmation_needed")
async def another_document_of_who_has_no_pin_on_a_new_device(place: Town) -> Command:
    due = place.clock.now() + timedelta(microseconds=1)
    return starting(await without_pin(place), place, "B", former=("A", ""), confirmation=None, proven_at=due)


async def without_pin(place: Town) -> UUID:
    """Somebody who is verified."""
    customer = await place.customer(pin=False)
    await place.happens(starting(customer, place))
    await confirmed(place, customer, ("police",))
    return customer


@says("ok")
async def the_same_document_of_who_is_verified(place: Town) -> Command:
    return starting(await known(place), place, former=("A", ""), confirmation=None)


@says("ok")
async def another_document_where_nothing_was_verified(place: Town) -> Command:
    customer = await with_pin(place)
    await place.happens(starting(customer, place))
    return starting(customer, place, "B", former=("A", ""), confirmation=None)


@says("too_many_verification_attempts")
async def a_document_after_too_many_in_a_day(place: Town) -> Command:
    customer = await place.customer()
    await place.happens(starting(customer, place, content="0"))
    for turn in range(1, POLICY.most_acts):
        await place.happens(starting(customer, place, content=str(turn), former=("A", "")))
    return starting(customer, place, content="one more", former=("A", ""))


@says("ok")
async def a_document_the_day_after(place: Town) -> Command:
    wish = await a_document_after_too_many_in_a_day(place)
    place.clock.advance(POLICY.acts_window)
    return wish


@says("ok")
async def a_phone_that_belongs_with_another_document(place: Town) -> Command:
    await known(place, ("police", "mobile"), phone=PHONE)
    return starting(await place.customer(), place, "B", PHONE)


@says("ok")
async def a_phone_that_was_given_with_a_document_nobody_confirmed(place: Town) -> Command:
    await place.happens(starting(await place.customer(), place, "A", PHONE))
    return starting(await place.customer(), place, "B", PHONE)


@says("ok")
async def a_second_account_of_the_same_person_on_the_same_phone(place: Town) -> Command:
    await known(place, number="A", phone=PHONE)
    return starting(await place.customer(), place, "A", PHONE)


@says("ok")
async def a_child_on_a_parents_phone(place: Town) -> Command:
    await known(place, number="A", phone=PHONE)
    return starting(await place.customer(), place, "B", PHONE, of_age_on=STILL_A_CHILD)


@says("ok")
async def a_phone_whose_owner_gave_another_document(place: Town) -> Command:
    former = await known(place, number="A", phone=PHONE)
    await place.happens(starting(former, place, "A2", "", former=("A", PHONE)))
    return starting(await place.customer(), place, "B", PHONE)


# ── the phone ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@says("ok")
async def the_right_code(place: Town) -> Command:
    return await proving(place, await known(place))


@says("code_wrong")
async def a_wrong_code(place: Town) -> Command:
    wish = await proving(place, await known(place))
    return replace(wish, code=CodeUse(wish.code.code_id, b"wrong"))


@says("code_wrong")
async def a_code_that_was_sent_for_nothing(place: Town) -> Command:
    return await proving(place, await known(place), code=CodeUse(place.id(), b"right"))


@says("real_name_not_started")
async def a_phone_without_a_document(place: Town) -> Command:
    return await proving(place, await place.customer())


@says("verification_changed")
async def another_phone_than_was_given(place: Town) -> Command:
    return await proving(place, await known(place), phone_index=phone_index("B"))


@says("ok")
async def a_phone_that_somebody_gave_and_never_proved(place: Town) -> Command:
    await known(place, phone=PHONE)
    return await proving(place, await known(place, number="B", phone=PHONE), "B", PHONE)


@says("phone_with_other_document")
async def a_phone_that_is_proven_to_be_anothers(place: Town) -> Command:
    await known(place, ("police", "mobile"), phone=PHONE)
    return await proving(place, await known(place, number="B", phone=PHONE), "B", PHONE)


@says("ok")
async def the_same_persons_second_account_on_the_same_phone(place: Town) -> Command:
    await known(place, ("police", "mobile"), phone=PHONE)
    return await proving(place, await known(place, phone=PHONE), "A", PHONE)


@says("verification_changed")
async def falling_back_under_another_document(place: Town) -> Command:
    who = await known(place)
    return FallBack(command_id=place.id(), customer_id=who, document_index=index("B"), phone_index=b"", today=TODAY)


@says("verification_changed")
async def ending_to_wait_for_nobody(place: Town) -> Command:
    return waiting_ends(place, await place.customer())


# ── channels ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def asking(place: Town, customer: UUID, registry: Registry = "police", attempt: int = 1) -> AskRegistries:
    return AskRegistries(command_id=place.id(), customer_id=customer, attempt=attempt, asks=(Ask(registry, place.id()),))


@says("real_name_not_started")
async def asking_about_nobody(place: Town) -> Command:
    return asking(place, await place.customer())


@says("phone_not_proven")
async def asking_the_operator_of_a_phone_that_is_not_proven(place: Town) -> Command:
    return asking(place, await known(place), "mobile")


@says("check_superseded")
async def asking_about_a_document_that_was_replaced(place: Town) -> Command:
    customer = await known(place)
    await place.happens(starting(customer, place, "B", former=("A", "")))
    return asking(place, customer)


@says("channel_not_for_document")
async def asking_who_cannot_know(place: Town) -> Command:
    return asking(place, await known(place), "immigration")


@says("check_settled")
async def asking_who_has_confirmed(place: Town) -> Command:
    return asking(place, await known(place))


@says("ok")
async def asking_again_who_said_no(place: Town) -> Command:
    customer = await known(place)
    await confirmed(place, customer, ("tax",), state="MISMATCHED")
    return asking(place, customer, "tax")


@says("check_superseded")
async def an_answer_to_a_question_asked_anew(place: Town) -> Command:
    customer = await known(place)
    old = (await asked(place, customer, ("tax",)))["tax"]
    await asked(place, customer, ("tax",))
    return answering(place, customer, "tax", old)


@says("check_superseded")
async def an_answer_about_a_document_that_was_replaced(place: Town) -> Command:
    customer = await with_pin(place)
    await place.happens(starting(customer, place))
    old = (await asked(place, customer, ("tax",)))["tax"]
    await place.happens(starting(customer, place, "B", former=("A", "")))
    return answering(place, customer, "tax", old)


@says("ok")
async def an_answer_about_the_document_in_force_while_another_waits(place: Town) -> Command:
    customer = await known(place)
    old = (await asked(place, customer, ("tax",)))["tax"]
    await place.happens(starting(customer, place, "B", former=("A", "")))
    return answering(place, customer, "tax", old)


@says("ok")
async def an_answer_given_twice(place: Town) -> Command:
    customer = await known(place)
    reference = (await asked(place, customer, ("tax",)))["tax"]
    await place.happens(answering(place, customer, "tax", reference))
    return answering(place, customer, "tax", reference, "MISMATCHED")


# ── face to face ────────────────────────────────────────────────────────────────────────────────────────────────────────


@says("real_name_not_started")
async def seeing_somebody_without_a_document(place: Town) -> Command:
    return proposing(place, await place.customer(), place.id())


@says("check_superseded")
async def seeing_a_document_that_was_replaced(place: Town) -> Command:
    customer = await known(place)
    await place.happens(starting(customer, place, "B", former=("A", "")))
    return proposing(place, customer, place.id())


@says("face_not_proposed")
async def approving_what_nobody_saw(place: Town) -> Command:
    return approving(place, await known(place), place.id(), place.id())


@says("face_not_proposed")
async def approving_after_the_document_was_replaced(place: Town) -> Command:
    customer, proposer = await known(place), place.id()
    await place.happens(proposing(place, customer, proposer))
    await place.happens(starting(customer, place, "B", former=("A", "")))
    return approving(place, customer, place.id(), proposer, document_index=index("B"))


@says("face_not_proposed")
async def approving_another_level_than_was_read(place: Town) -> Command:
    customer, proposer = await known(place), place.id()
    await place.happens(proposing(place, customer, proposer, level=3))
    return approving(place, customer, place.id(), proposer, level=2)


@says("face_not_proposed")
async def approving_what_somebody_else_proposed_meanwhile(place: Town) -> Command:
    customer, proposer = await known(place), place.id()
    await place.happens(proposing(place, customer, proposer))
    await place.happens(proposing(place, customer, place.id()))
    return approving(place, customer, place.id(), proposer)


@says("same_operator")
async def approving_what_one_saw_oneself(place: Town) -> Command:
    customer, operator = await known(place), place.id()
    await place.happens(proposing(place, customer, operator))
    return approving(place, customer, operator, operator)


@says("face_not_proposed")
async def approving_twice(place: Town) -> Command:
    customer, proposer = await known(place), place.id()
    await place.happens(proposing(place, customer, proposer))
    await place.happens(approving(place, customer, place.id(), proposer))
    return approving(place, customer, place.id(), proposer)


# ── the calendar, guardians ─────────────────────────────────────────────────────────────────────────────────────────────


@says("real_name_not_started")
async def a_day_of_nobody(place: Town) -> Command:
    return FollowCalendar(command_id=place.id(), customer_id=await place.customer(), today=TODAY)


async def left(place: Town) -> ForgetDocument:
    """A document whose bearer is known by another one now."""
    customer = await known(place)
    await place.happens(starting(customer, place, "B", former=("A", "")))
    await confirmed(place, customer, ("police",), "B", attempt=2)
    return ForgetDocument(command_id=place.id(), document_index=index("A"))


@says("document_still_counts")
async def forgetting_a_document_under_which_somebody_is_known(place: Town) -> Command:
    await known(place)
    place.clock.advance(COUNTED_FOR)
    return ForgetDocument(command_id=place.id(), document_index=index("A"))


@says("document_still_counts")
async def forgetting_a_document_that_nobody_showed(place: Town) -> Command:
    return ForgetDocument(command_id=place.id(), document_index=index("A"))


@says("document_still_counts")
async def forgetting_a_document_a_moment_too_early(place: Town) -> Command:
    wish = await left(place)
    place.clock.advance(COUNTED_FOR - timedelta(microseconds=1))
    return wish


@says("document_still_counts")
async def forgetting_a_document_that_somebody_showed_again(place: Town) -> Command:
    wish = await left(place)
    await known(place)
    place.clock.advance(COUNTED_FOR)
    return wish


@says("ok")
async def forgetting_a_document_in_time(place: Town) -> Command:
    wish = await left(place)
    place.clock.advance(COUNTED_FOR)
    return wish


@says("not_a_minor")
async def a_guardian_for_a_grown_up(place: Town) -> Command:
    return RequestGuardian(command_id=place.id(), minor_id=await known(place), guardian_id=await known(place, number="B"))


@says("not_a_minor")
async def a_guardian_for_somebody_unknown(place: Town) -> Command:
    return RequestGuardian(command_id=place.id(), minor_id=await place.customer(), guardian_id=await known(place))


@says("guardian_unfit")
async def a_guardian_nobody_knows(place: Town) -> Command:
    child = await known(place, number="C", of_age_on=STILL_A_CHILD)
    return RequestGuardian(command_id=place.id(), minor_id=child, guardian_id=await place.customer())


@says("guardian_unfit")
async def a_child_for_a_guardian(place: Town) -> Command:
    children = [await known(place, number=number, of_age_on=STILL_A_CHILD) for number in "CD"]
    return RequestGuardian(command_id=place.id(), minor_id=children[0], guardian_id=children[1])


@says("guardian_unfit")
async def oneself_for_a_guardian(place: Town) -> Command:
    child = await known(place, number="C", of_age_on=STILL_A_CHILD)
    return RequestGuardian(command_id=place.id(), minor_id=child, guardian_id=child)


@says("ok")
async def another_guardian_before_the_first_agreed(place: Town) -> Command:
    child, _ = await family(place, agreed=False)
    return RequestGuardian(command_id=place.id(), minor_id=child, guardian_id=await known(place, number="Q"))


@says("guardianship_exists")
async def another_guardian_after_the_first_agreed(place: Town) -> Command:
    child, _ = await family(place)
    return RequestGuardian(command_id=place.id(), minor_id=child, guardian_id=await known(place, number="Q"))


@says("guardianship_unknown")
async def agreeing_without_being_asked(place: Town) -> Command:
    child, _ = await family(place, agreed=False)
    return agreeing(place, child, await place.customer())


@says("wrong_pin")
async def agreeing_with_a_wrong_pin(place: Town) -> Command:
    child, parent = await family(place, agreed=False)
    return agreeing(place, child, parent, WRONG)


@says("guardianship_unknown")
async def agreeing_after_saying_no(place: Town) -> Command:
    child, parent = await family(place, agreed=False)
    await place.happens(EndGuardianship(command_id=place.id(), minor_id=child, guardian_id=parent))
    return agreeing(place, child, parent)


@says("guardianship_unknown")
async def ending_for_somebody_elses_child(place: Town) -> Command:
    child, _ = await family(place)
    return EndGuardianship(command_id=place.id(), minor_id=child, guardian_id=place.id())


@pytest.mark.parametrize("row", ROWS, ids=repr)
async def test_the_ladder(row: Row) -> None:
    assert await answer(row) == row.says


def test_every_decline_of_a_decider_has_a_row() -> None:
    at_the_edge = {"channel_unknown", "channel_needs_more"}
    #: Not said but kept: why a level is held back.
    kept = {"class_three_elsewhere", "possession_not_proven"}
    assert declines_of(errors) - said_in(ROWS) == at_the_edge | kept


# ── levels ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def the_standing(store: MemoryStore, customer: UUID) -> Standing:
    return next(row for row in rows(store, STANDING) if row.customer_id == customer)


def the_name(store: MemoryStore, customer: UUID) -> RealName:
    return next(row for row in rows(store, REAL_NAME) if row.customer_id == customer)


@pytest.mark.parametrize(("channels", "level"), [(0, 0), (1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (8, 3)])
def test_one_three_and_five_channels_give_the_levels(channels: int, level: int) -> None:
    """PBOC 2015 No. 43, Art. 11."""
    assert level_by_channels(channels) == level
    assert [(facts.channels, facts.face_to_face) for facts in LEVELS] == [(0, False), (1, False), (3, True), (5, True)]


@pytest.mark.parametrize("count", range(1, 6))
async def test_the_level_follows_from_the_channels_that_confirmed(count: int) -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await known(place, FIVE[:count])
        assert the_standing(store, customer).level == the_name(store, customer).level == level_by_channels(count)


@pytest.mark.parametrize("count", range(1, 6))
async def test_facts_alone_give_the_first_level_however_many_know_them(count: int) -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await known(place, FACTS[:count])
        assert the_standing(store, customer).level == 1
        assert (the_name(store, customer).proof, the_name(store, customer).held_back) == (NAME, "possession_not_proven")
        assert rows(store, PHONE_HOLDER) == []
        # The code alone proves a phone, and no name: its operator has to know whose it is.
        await place.happens(await proving(place, customer))
        assert the_standing(store, customer).level == 1
        expected = level_by_channels(count + 1)
        assert await confirmed(place, customer, ("mobile",)) == expected
        assert the_name(store, customer).held_back == ("possession_not_proven" if expected < 1 else "")


@pytest.mark.parametrize("state", ["NO_RECORD", "MISMATCHED", "UNKNOWN"])
async def test_what_is_not_confirmed_does_not_count(state: AnswerState) -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await known(place, ("police", "bank", "mobile"))
        assert await confirmed(place, customer, ("tax", "social_insurance"), state=state) == 2
        found = {check.registry: check for check in rows(store, NAME_CHECK)}
        assert found["tax"].differing == ("name" if state == "MISMATCHED" else "")
        assert (found["tax"].ask_at is not None) == (state == "UNKNOWN")


async def test_what_the_issuing_authority_denies_counts_for_nothing() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await known(place, ("bank", "mobile", "tax"))
        assert the_standing(store, customer).level == 2
        assert await confirmed(place, customer, ("police",), state="MISMATCHED") == 0
        assert the_name(store, customer).state == "MISMATCHED"
        assert rows(store, DOCUMENT_HOLDER) == [DocumentHolder(index("A"), 0, None, customer, NOON)]


async def test_the_standing_tells_level_time_end_and_beginning() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await place.customer()
        registered = place.clock.now()
        place.clock.advance(timedelta(days=3))
        await place.happens(starting(customer, place))
        await confirmed(place, customer, ("police",))
        now = place.clock.now()
    assert the_standing(store, customer) == Standing(customer, 1, now, ENDS, False, False, "", None, registered)


async def test_a_second_class_three_under_one_document_is_held_back() -> None:
    """Yinfa [2016] 261."""
    store = MemoryStore()
    async with town(store) as place:
        first, second = await known(place, FIVE), await known(place, FIVE)
        assert (the_standing(store, first).level, the_standing(store, second).level) == (3, 2)
        assert the_name(store, second).held_back == "class_three_elsewhere"
        assert rows(store, DOCUMENT_HOLDER) == [DocumentHolder(index("A"), 2, first, first, None, POSSESSION)]
        # Once the first is under another document, the second has its turn with the next answer.
        await place.happens(starting(first, place, "B", former=("A", ""), wanted_level=1))
        assert await confirmed(place, first, ("police",), "B", attempt=2) == 1
        assert await confirmed(place, second, ("vehicles",)) == 3
        assert the_name(store, second).held_back == ""


async def test_all_accounts_under_one_document_are_counted_with_the_first_of_them() -> None:
    store = MemoryStore()
    async with town(store) as place:
        first, second, other = await known(place, FIVE), await known(place, FIVE), await known(place, FIVE, number="B")
        unknown, stranger = await place.customer(), await known(place)
        await place.happens(starting(unknown, place))
        everybody = (first, second, other, unknown, stranger)
        assert [the_standing(store, each).subject_id for each in everybody] == [None, first, None, None, None]
        assert the_standing(store, stranger).level == 1, "to know a name and a number is not to be counted with their owner"
        # Another document: with whoever showed that one, or else where they were.
        await place.happens(starting(second, place, "B", former=("A", "")))
        assert the_standing(store, second).subject_id == first, "until it is confirmed"
        await confirmed(place, second, FIVE, "B", attempt=2)
        assert the_standing(store, second).subject_id == other
        await place.happens(starting(first, place, "C", former=("A", "")))
        await confirmed(place, first, FIVE, "C", attempt=2)
        assert the_standing(store, first).subject_id is None
        again = await known(place, FIVE)
        assert the_standing(store, again).subject_id == first, "who shows a document later does not begin anew"
        await confirmed(place, stranger, ("mobile",))
        assert the_standing(store, stranger).subject_id == first, "who has shown that they hold it is counted with the others"


async def test_a_phone_is_the_first_ones_who_proves_it_and_others_get_no_further_by_it() -> None:
    store = MemoryStore()
    async with town(store) as place:
        squatter = await known(place, FACTS[:3], number="A", phone=PHONE)
        owner = await known(place, FIVE, number="B", phone=PHONE)
        assert [(holder.document_index, holder.accounts, holder.proof) for holder in rows(store, PHONE_HOLDER)] == [
            (index("B"), 1, POSSESSION)
        ]  # fmt: skip
        assert the_standing(store, owner).level == 3
        # What is asked about the squatter from here on finds the phone taken.
        await confirmed(place, squatter, ("education",), "A", PHONE, state="NO_RECORD")
        assert (the_standing(store, squatter).level, the_name(store, squatter).held_back) == (1, "phone_with_other_document")


async def test_a_better_proof_takes_a_phone_over_and_its_former_holder_falls_back_and_is_told() -> None:
    store = MemoryStore()
    async with town(store) as place:
        former = await known(place, FIVE, number="A", phone=PHONE)
        claimant, first, second = await known(place, number="B", phone=PHONE), place.id(), place.id()
        await place.happens(proposing(place, claimant, first))
        changes = {"document_index": index("B"), "phone_index": phone_index("B", PHONE)}
        assert (await place.happens(approving(place, claimant, second, first, **changes))).level == 3
        assert rows(store, PHONE_HOLDER)[0].document_index == index("A"), "to have been seen is not to hold a phone"
        await place.happens(await proving(place, claimant, "B", PHONE))
        assert [(each.document_index, each.proof, each.taken_over) for each in rows(store, PHONE_HOLDER)] == [
            (index("B"), FACE, True)
        ]  # fmt: skip
        assert the_standing(store, former).level == 3, "until it is looked at"
        falling = FallBack(
            command_id=place.id(), customer_id=former, document_index=index("A"), phone_index=phone_index("A", PHONE), today=TODAY
        )
        assert (await place.happens(falling)).level == 1
        name = the_name(store, former)
        assert (name.held_back, name.proof, name.phone_proven) == ("phone_with_other_document", NAME, False)
        assert [(alert.customer_id, alert.kind) for alert in rows(store, ALERT)] == [(former, "level_fell")]
        # And never the reverse: as much as the former had, later, is not better.
        assert await place.says(await proving(place, former, "A", PHONE)) == "phone_with_other_document"


async def test_a_better_proof_takes_over_the_documents_account_of_class_three() -> None:
    store = MemoryStore()
    async with town(store) as place:
        former, claimant = await known(place, FIVE), await known(place, FIVE)
        first, second = place.id(), place.id()
        assert [the_standing(store, each).level for each in (former, claimant)] == [3, 2]
        await place.happens(proposing(place, claimant, first))
        assert (await place.happens(approving(place, claimant, second, first))).level == 3
        falling = FallBack(
            command_id=place.id(), customer_id=former, document_index=index("A"), phone_index=phone_index("A"), today=TODAY
        )
        assert (await place.happens(falling)).level == 2
        (held,) = rows(store, DOCUMENT_HOLDER)
        assert (held.class_three_id, held.class_three_proof, held.taken_over) == (claimant, FACE, True)
        assert [(alert.customer_id, alert.kind) for alert in rows(store, ALERT)] == [(former, "level_fell")]


@pytest.mark.parametrize("former", ["A", "B"])
async def test_who_was_a_minor_stays_one_whatever_document_is_given_until_the_day_or_a_meeting(former: str) -> None:
    store = MemoryStore()
    async with town(store) as place:
        child = await known(place, number=former, of_age_on=STILL_A_CHILD)
        await place.happens(starting(child, place, "A", content="older", of_age_on=GROWN, former=(former, "")))
        assert await confirmed(place, child, ("police",), attempt=2) == 1
        assert (the_standing(store, child).minor, the_standing(store, child).suspended) == (True, "guardian")
        assert the_name(store, child).of_age_on == STILL_A_CHILD
        first, second = place.id(), place.id()
        await place.happens(replace(proposing(place, child, first), attempt=2))
        await place.happens(approving(place, child, second, first, attempt=2))
        assert (the_standing(store, child).minor, the_standing(store, child).suspended) == (False, "")


async def test_a_number_that_does_not_tell_the_age_counts_once_its_issuer_or_a_meeting_confirms_it() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await known(place, ("tax", "mobile", "bank"), number_tells_age=False)
        assert the_standing(store, customer).level == 0
        assert await confirmed(place, customer, ("police",)) == 2


@pytest.mark.parametrize(("age", "ended"), [(POLICY.patience - timedelta(seconds=1), False), (POLICY.patience, True)])
async def test_answers_and_approvals_that_do_not_come_are_waited_for_so_long_and_then_told(age: timedelta, ended: bool) -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await known(place)
        late = (await asked(place, customer, ("tax",)))["tax"]
        await place.happens(proposing(place, customer, place.id()))
        place.clock.advance(age)
        await place.happens(waiting_ends(place, customer))
        check = next(check for check in rows(store, NAME_CHECK) if check.registry == "tax")
        assert (check.state, check.ask_at is None) == (("ENDED", True) if ended else ("UNKNOWN", False))
        name = the_name(store, customer)
        assert (name.state, name.verified_by is None) == (("VERIFIED", True) if ended else ("FACE_PROPOSED", False))
        assert [alert.kind for alert in rows(store, ALERT)] == ["verification_ended"] * ended
        if ended:  # what comes after that is heard no more
            assert (await place.happens(answering(place, customer, "tax", late))).level == 1
            assert check in rows(store, NAME_CHECK)


async def test_the_same_document_again_only_says_which_level_is_wanted() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await known(place, FIVE[:3], wanted_level=2)
        await place.happens(starting(customer, place, wanted_level=3))
        assert (the_name(store, customer).attempt, the_name(store, customer).wanted_level) == (1, 3)
        assert await confirmed(place, customer, FIVE[3:]) == 3


async def test_a_renewed_document_keeps_the_level_and_another_number_begins_at_nothing() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await known(place, FIVE)
        renewed = starting(customer, place, content="A renewed", expires_on=date(2040, 1, 1), former=("A", ""))
        await place.happens(renewed)
        assert (the_standing(store, customer).level, the_standing(store, customer).expires_on) == (3, ENDS)
        assert await confirmed(place, customer, ("police",), attempt=2) == 3
        assert the_standing(store, customer).expires_on == date(2040, 1, 1)
        assert rows(store, DOCUMENT_HOLDER) == [DocumentHolder(index("A"), 1, customer, customer, None, POSSESSION)]
        await place.happens(starting(customer, place, "B", former=("A", "")))
        assert the_standing(store, customer).level == 3
        assert store.tables.table(NEXT_NAME)[customer].level == 0
        told = [(event.attempt, event.act, event.document) for event in rows(store, NAME_EVENT) if event.act == "started"]
        assert told == [(1, "started", b"sealed A"), (2, "started", b"sealed A"), (3, "started", b"sealed B")]


@pytest.mark.parametrize(
    ("wanted", "asked_of", "state", "in_force"),
    [
        (3, (), "MATCHED", ("A", 3)),
        (3, ("police",), "MATCHED", ("A", 3)),
        (3, THREE, "MATCHED", ("A", 3)),
        (3, FIVE, "MATCHED", ("B", 3)),
        (2, ("police",), "MATCHED", ("A", 3)),
        (2, THREE, "MATCHED", ("B", 2)),
        (1, ("police",), "MATCHED", ("B", 1)),
        (1, ("police",), "MISMATCHED", ("A", 3)),
    ],
)
async def test_name_and_level_that_were_proven_hold_until_another_document_is_proven_as_was_wanted(
    wanted: int, asked_of: Sequence[Registry], state: AnswerState, in_force: tuple[str, int]
) -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await known(place, FIVE, phone="one phone")
        before, ends = the_standing(store, customer), date(2040, 1, 1)
        other = starting(customer, place, "B", "one phone", former=("A", "one phone"), wanted_level=wanted, expires_on=ends)
        await place.happens(other)
        assert the_standing(store, customer) == before, "at first nothing changes"
        level = await confirmed(place, customer, asked_of, "B", "one phone", attempt=2, state=state) if asked_of else 3
        number, held = in_force
        assert (level, the_standing(store, customer).level) == (held, held)
        assert the_name(store, customer).document_index == index(number)
        holders = {row.document_index: row.accounts for row in rows(store, DOCUMENT_HOLDER)}
        assert holders == ({index("A"): 1} if number == "A" else {index("A"): 0, index("B"): 1})
        assert (customer in store.tables.table(NEXT_NAME)) is (number == "A")
        assert the_standing(store, customer).expires_on == (ENDS if number == "A" else ends)
        phones = [(row.document_index, row.accounts) for row in rows(store, PHONE_HOLDER)]
        assert phones == ([] if number == "B" and wanted == 1 else [(index(number), 1)])
        told = [alert.kind for alert in rows(store, ALERT)]
        assert told == ["document_replaced", *(["level_fell"] if held < 3 else [])]


async def test_who_has_class_three_keeps_it_beside_a_document_whose_one_is_elsewhere() -> None:
    store = MemoryStore()
    async with town(store) as place:
        first, customer = await known(place, FIVE, "A"), await known(place, FIVE, "B")
        await place.happens(starting(customer, place, "A", "another", former=("B", "")))
        assert await confirmed(place, customer, FIVE, "A", "another", attempt=2) == 3
        assert [the_standing(store, each).level for each in (first, customer)] == [3, 3]
        assert the_name(store, customer).document_index == index("B")
        waiting = store.tables.table(NEXT_NAME)[customer]
        assert (waiting.level, waiting.held_back) == (2, "class_three_elsewhere")
        assert [alert.kind for alert in rows(store, ALERT)] == ["document_replaced"]


async def test_less_is_wanted_of_a_document_that_waits_by_no_session_alone() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await known(place, FIVE)
        await place.happens(starting(customer, place, "B", former=("A", ""), wanted_level=2))
        await confirmed(place, customer, ("police",), "B", attempt=2)

        async def wants(level: int, confirmation: Any) -> str:
            return await place.says(starting(customer, place, "B", wanted_level=level, confirmation=confirmation))

        assert await wants(1, None) == "name_confirmation_needed"
        assert [await wants(level, None) for level in (2, 3)] == ["ok", "ok"], "as much, or more"
        assert await confirmed(place, customer, ("tax",), "B", attempt=2) == 3
        assert await wants(1, RIGHT) == "ok"
        assert await confirmed(place, customer, ("education",), "B", attempt=2) == 1
        assert the_name(store, customer).document_index == index("B")


async def test_giving_the_document_in_force_again_gives_up_the_one_that_waits_and_what_was_said_of_it() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await known(place, FIVE)
        await place.happens(starting(customer, place, "B", former=("A", "")))
        late = (await asked(place, customer, ("police",), attempt=2))["police"]
        await place.happens(starting(customer, place, former=("A", ""), confirmation=None))
        assert await place.says(answering(place, customer, "police", late, number="B")) == "check_superseded"
        assert (the_standing(store, customer).level, rows(store, NEXT_NAME)) == (3, [])
        await place.happens(starting(customer, place, "C", former=("A", "")))
        assert store.tables.table(NEXT_NAME)[customer].attempt == 4, "no answer about another one counts for it"
        assert await confirmed(place, customer, ("police",), "C", attempt=4, state="MISMATCHED") == 3
        assert [event.act for event in rows(store, NAME_EVENT)][-4:] == ["started", "kept", "started", "checked"]


async def test_whose_document_ends_while_another_waits_is_suspended_until_that_is_proven() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await known(place, ("police",))
        await place.happens(starting(customer, place, "B", former=("A", ""), wanted_level=1, expires_on=date(2040, 1, 1)))
        over = ENDS + timedelta(POLICY.grace_days)
        await place.happens(FollowCalendar(command_id=place.id(), customer_id=customer, today=over))
        assert the_standing(store, customer).suspended == "document_expired"
        assert await confirmed(place, customer, ("police",), "B", attempt=2) == 1
        assert (the_standing(store, customer).suspended, the_name(store, customer).document_index) == ("", index("B"))


async def test_face_to_face_counts_once_a_second_operator_approves() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer, first, second = await known(place), place.id(), place.id()
        assert (await place.happens(proposing(place, customer, first))).level == 1
        assert the_name(store, customer).state == "FACE_PROPOSED"
        assert (await place.happens(approving(place, customer, second, first))).level == 3
        name = the_name(store, customer)
        assert (name.verified_by, name.approved_by, name.state) == (first, second, "VERIFIED")
        assert the_standing(store, customer).level == 3


async def test_silence_is_asked_about_ever_less_often() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await known(place)
        reference = (await asked(place, customer, ("tax",)))["tax"]
        for tries in range(12):
            await place.happens(answering(place, customer, "tax", reference, "UNKNOWN"))
            check = next(check for check in rows(store, NAME_CHECK) if check.registry == "tax")
            assert (check.tries, check.ask_at) == (tries + 1, place.clock.now() + retry_in(tries))
        assert [retry_in(tries) for tries in (0, 1, 2, 50)] == [
            timedelta(seconds=3), timedelta(seconds=6), timedelta(seconds=12), timedelta(hours=1)
        ]  # fmt: skip
        assert (await place.happens(answering(place, customer, "tax", reference))).level == 1


async def test_who_changes_level_is_told() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await known(place, FIVE)
    told = [payload["level"] for _, kind, payload in events(store, "real_names") if kind == "real_name.level_changed"]
    assert told == [1, 2, 3]
    assert all(payload["customer_id"] == str(customer) for _, _, payload in events(store, "real_names"))


# ── the calendar ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("day", "reminded", "suspended"),
    [
        (ENDS - timedelta(31), False, ""), (ENDS - timedelta(30), True, ""), (ENDS + timedelta(89), True, ""),
        (ENDS + timedelta(90), True, "document_expired"),
    ],
)  # fmt: skip
async def test_a_document_that_ends_is_told_of_and_after_its_grace_suspends(day: date, reminded: bool, suspended: str) -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await known(place)
        for _ in range(2):
            await place.happens(FollowCalendar(command_id=place.id(), customer_id=customer, today=day))
        assert (the_name(store, customer).reminded_on is not None) == reminded
        assert the_standing(store, customer).suspended == suspended
        acts = [event.act for event in rows(store, NAME_EVENT)]
        assert (acts.count("reminded"), acts.count("expired")) == (int(reminded), int(bool(suspended)))


async def test_a_valid_document_lifts_the_suspension_once_the_authority_agrees() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await known(place)
        late = ENDS + timedelta(100)
        await place.happens(FollowCalendar(command_id=place.id(), customer_id=customer, today=late))
        assert the_name(store, customer).state == "EXPIRED"
        await place.happens(starting(customer, place, content="renewed", expires_on=date(2040, 1, 1), former=("A", "")))
        assert await confirmed(place, customer, ("tax",), attempt=2) == 1
        assert the_standing(store, customer).suspended == "document_expired"
        await confirmed(place, customer, ("police",), attempt=2)
        assert the_standing(store, customer).suspended == ""


async def test_a_minor_may_not_pay_until_a_guardian_agrees_and_is_of_age_on_the_day() -> None:
    store = MemoryStore()
    async with town(store) as place:
        child, parent = await family(place, agreed=False)
        assert (the_standing(store, child).minor, the_standing(store, child).suspended) == (True, "guardian")
        await place.happens(agreeing(place, child, parent, single_minor=10_000, daily_minor=20_000))
        assert the_standing(store, child).suspended == ""
        kept = rows(store, GUARDIANSHIP)[0]
        assert (kept.state, kept.consent, kept.agreed_at) == ("AGREED", "text 1", place.clock.now())
        await place.happens(EndGuardianship(command_id=place.id(), minor_id=child, guardian_id=parent))
        assert the_standing(store, child).suspended == "guardian"
        for day, minor in ((STILL_A_CHILD - timedelta(1), True), (STILL_A_CHILD, False)):
            await place.happens(FollowCalendar(command_id=place.id(), customer_id=child, today=day))
            assert the_standing(store, child).minor == minor
        assert the_standing(store, child).suspended == ""
