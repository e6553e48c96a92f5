"""What people may say about their data, and what the office must do, situation by situation."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from tests.identity.test_real_names import agreeing, confirmed, family, index, phone_index, starting
from tests.support.ladder import Row, answer, declines_of, ladder, said_in
from tests.support.town import CURRENCY, NOON, RIGHT, WRONG, Town
from tests.wallet.test_cards import with_cards
from tongbao.engine.api import Command
from tongbao.identity.types import PinConfirmation
from tongbao.ledger.api import PlaceName
from tongbao.ledger.commands import FreezeAccount
from tongbao.privacy import errors
from tongbao.privacy.assessments import SignAssessment, WriteAssessment
from tongbao.privacy.breaches import AssessBreach, CloseBreach, EndBreachTask, OpenBreach
from tongbao.privacy.consents import GiveConsent, WithdrawConsent
from tongbao.privacy.copies import TakeCopy
from tongbao.privacy.corrections import CorrectName
from tongbao.privacy.erasure import (
    GRACE,
    KEPT,
    BeginErasure,
    CancelErasure,
    CompleteErasure,
    ForgetErased,
    ForgetLate,
    PostponeErasure,
    RequestErasure,
)
from tongbao.privacy.letters import WriteLetter
from tongbao.privacy.reviews import AnswerReview, AskReview, ChooseExplanations

ROWS, says = ladder()


def giving(place: Town, customer: UUID, purpose: str = "messages", version: int = 1) -> GiveConsent:
    return GiveConsent(command_id=place.id(), customer_id=customer, purpose=purpose, version=version, screen="settings")


def withdrawing(place: Town, customer: UUID, purpose: str = "messages") -> WithdrawConsent:
    return WithdrawConsent(command_id=place.id(), customer_id=customer, purpose=purpose, screen="settings")


def asking(place: Town, customer: UUID, review: UUID) -> AskReview:
    return AskReview(
        command_id=place.id(), review_id=review, customer_id=customer, declined_id=place.id(), decision="wallet.transfer",
        declined="insufficient_funds", decided_at=NOON, wish=b"sealed",
    )  # fmt: skip


def answering(place: Town, review: UUID) -> AnswerReview:
    return AnswerReview(command_id=place.id(), review_id=review, upheld=False, answer=b"sealed", by=place.id())


def opening(place: Town, risk: Any = "low") -> OpenBreach:
    return OpenBreach(
        command_id=place.id(), what="a lost laptop", categories=("identity",), people=3, risk=risk,
        known_at=NOON - timedelta(hours=1), by=place.id(),
    )  # fmt: skip


def ending(place: Town, breach: UUID, clock: str, *, needed: bool = True) -> EndBreachTask:
    return EndBreachTask(
        command_id=place.id(), breach_id=breach, clock=clock, needed=needed, note="done", told="CAC", people=0, by=place.id()
    )


def closing(place: Town, breach: UUID) -> CloseBreach:
    return CloseBreach(command_id=place.id(), breach_id=breach, lesson="encrypt laptops", by=place.id())


def assessing(place: Town, breach: UUID, risk: Any = "high") -> AssessBreach:
    return AssessBreach(command_id=place.id(), breach_id=breach, people=4000, risk=risk, by=place.id())


def writing(place: Town, by: UUID, replaces: UUID | None = None) -> WriteAssessment:
    return WriteAssessment(
        command_id=place.id(), title="Offers", purpose="personalised", lawful="yes", effects="some", measures="enough",
        risk="low", review_on=date(2027, 3, 1), by=by, replaces=replaces,
    )  # fmt: skip


def signing(place: Town, assessment: UUID, by: UUID) -> SignAssessment:
    return SignAssessment(command_id=place.id(), assessment_id=assessment, by=by)


async def breach(place: Town, risk: Any = "low") -> UUID:
    opened: UUID = (await place.happens(opening(place, risk))).breach_id
    return opened


async def written(place: Town, by: UUID, replaces: UUID | None = None) -> UUID:
    made: UUID = (await place.happens(writing(place, by, replaces))).assessment_id
    return made


# ── consent ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@says("ok")
async def a_yes_to_the_text_in_force(place: Town) -> Command:
    return giving(place, await place.customer())


@says("purpose_unknown")
async def a_yes_to_nothing_there_is(place: Town) -> Command:
    return giving(place, await place.customer(), "astrology")


@says("consent_text_changed")
async def a_yes_to_a_text_that_is_not_in_force(place: Town) -> Command:
    return giving(place, await place.customer(), version=2)


@says("consent_not_needed")
async def a_yes_where_the_law_decides(place: Town) -> Command:
    return giving(place, await place.customer(), "real_name")


@says("ok")
async def a_no_after_a_yes(place: Town) -> Command:
    customer = await place.customer()
    await place.happens(giving(place, customer))
    return withdrawing(place, customer)


@says("ok")
async def a_no_where_nothing_was_said(place: Town) -> Command:
    return withdrawing(place, await place.customer())


@says("purpose_unknown")
async def a_no_to_nothing_there_is(place: Town) -> Command:
    return withdrawing(place, await place.customer(), "astrology")


@says("consent_not_withdrawable")
async def a_no_where_the_contract_needs_it(place: Town) -> Command:
    return withdrawing(place, await place.customer(), "payments")


@says("consent_not_withdrawable")
async def a_no_where_the_law_asks_for_it(place: Town) -> Command:
    return withdrawing(place, await place.customer(), "financial_crime")


# ── reviews ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@says("ok")
async def a_human_is_asked_for(place: Town) -> Command:
    return asking(place, await place.customer(), place.id())


@says("review_exists")
async def a_human_is_asked_for_twice(place: Town) -> Command:
    customer, review = await place.customer(), place.id()
    await place.happens(asking(place, customer, review))
    return asking(place, customer, review)


@says("ok")
async def a_human_answers(place: Town) -> Command:
    review = place.id()
    await place.happens(asking(place, await place.customer(), review))
    return answering(place, review)


@says("review_answered")
async def a_human_answers_twice(place: Town) -> Command:
    review = place.id()
    await place.happens(asking(place, await place.customer(), review))
    await place.happens(answering(place, review))
    return answering(place, review)


@says("review_not_found")
async def an_answer_to_nobody(place: Town) -> Command:
    return answering(place, place.id())


@says("ok")
async def a_wish_for_explanations(place: Town) -> Command:
    return ChooseExplanations(command_id=place.id(), customer_id=await place.customer(), explain=True)


# ── breaches ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@says("ok")
async def a_task_is_done(place: Town) -> Command:
    return ending(place, await breach(place), "contain")


@says("breach_task_done")
async def a_task_is_done_twice(place: Town) -> Command:
    found = await breach(place)
    await place.happens(ending(place, found, "contain"))
    return ending(place, found, "contain", needed=False)


@says("breach_task_not_found")
async def a_task_of_high_risk_where_the_risk_is_low(place: Town) -> Command:
    return ending(place, await breach(place), "people_cn")


@says("ok")
async def a_task_of_high_risk_once_the_risk_turned_out_high(place: Town) -> Command:
    found = await breach(place)
    await place.happens(assessing(place, found))
    return ending(place, found, "people_cn")


@says("breach_not_found")
async def a_task_of_no_breach(place: Town) -> Command:
    return ending(place, place.id(), "contain")


@says("breach_not_found")
async def no_breach_is_assessed(place: Town) -> Command:
    return assessing(place, place.id())


@says("breach_not_found")
async def no_breach_is_closed(place: Town) -> Command:
    return closing(place, place.id())


@says("breach_tasks_open")
async def a_breach_is_closed_with_a_task_open(place: Town) -> Command:
    found = await breach(place)
    for clock in ("contain", "authority_cn", "central_bank"):
        await place.happens(ending(place, found, clock))
    return closing(place, found)


async def closed(place: Town) -> UUID:
    found = await breach(place)
    for clock in ("contain", "authority_cn", "central_bank"):
        await place.happens(ending(place, found, clock))
    await place.happens(ending(place, found, "authority_eu", needed=False))
    await place.happens(closing(place, found))
    return found


@says("breach_closed")
async def a_closed_breach_is_closed_again(place: Town) -> Command:
    return closing(place, await closed(place))


@says("breach_closed")
async def a_closed_breach_is_assessed(place: Town) -> Command:
    return assessing(place, await closed(place))


@says("breach_closed")
async def a_task_of_a_closed_breach(place: Town) -> Command:
    return ending(place, await closed(place), "contain")


# ── impact assessments ──────────────────────────────────────────────────────────────────────────────────────────────────


@says("ok")
async def an_assessment_signed_by_somebody_else(place: Town) -> Command:
    return signing(place, await written(place, place.id()), place.id())


@says("second_person_needed")
async def an_assessment_signed_by_its_author(place: Town) -> Command:
    author = place.id()
    return signing(place, await written(place, author), author)


@says("assessment_signed")
async def an_assessment_signed_twice(place: Town) -> Command:
    made = await written(place, place.id())
    await place.happens(signing(place, made, place.id()))
    return signing(place, made, place.id())


@says("assessment_superseded")
async def an_assessment_signed_after_the_next_was_written(place: Town) -> Command:
    made = await written(place, place.id())
    await written(place, place.id(), made)
    return signing(place, made, place.id())


@says("assessment_superseded")
async def a_version_that_was_replaced_is_replaced_again(place: Town) -> Command:
    made = await written(place, place.id())
    await written(place, place.id(), made)
    return writing(place, place.id(), made)


@says("assessment_not_found")
async def a_version_of_nothing(place: Town) -> Command:
    return writing(place, place.id(), place.id())


@says("assessment_not_found")
async def a_signature_under_nothing(place: Town) -> Command:
    return signing(place, place.id(), place.id())


# ── copies, corrections, erasure ────────────────────────────────────────────────────────────────────────────────────────


def copying(place: Town, customer: UUID, confirmation: PinConfirmation = RIGHT) -> TakeCopy:
    return TakeCopy(command_id=place.id(), customer_id=customer, session_id=None, confirmation=confirmation)


def requesting(place: Town, customer: UUID, confirmation: PinConfirmation = RIGHT) -> RequestErasure:
    return RequestErasure(command_id=place.id(), customer_id=customer, confirmation=confirmation)


def cancelling(place: Town, customer: UUID) -> CancelErasure:
    return CancelErasure(command_id=place.id(), customer_id=customer)


def beginning(place: Town, customer: UUID) -> BeginErasure:
    return BeginErasure(command_id=place.id(), customer_id=customer)


def postponing(place: Town, customer: UUID) -> PostponeErasure:
    return PostponeErasure(command_id=place.id(), customer_id=customer, blocked=("balance",))


def completing(place: Town, customer: UUID, **changes: Any) -> CompleteErasure:
    known = CompleteErasure(
        command_id=place.id(), customer_id=customer, accounts=(PlaceName("2001", CURRENCY, customer),), login_index=b"nobody's",
        sessions=(), devices=(), bank_accounts=(), passkeys=(), certificates=(), agreements=(), wards=(),
        document_index=b"", phone_index=b"",
        sealed_to="a key", sealed=b"sealed",
    )  # fmt: skip
    return replace(known, **changes)


def forgetting(place: Town, customer: UUID) -> ForgetErased:
    return ForgetErased(command_id=place.id(), customer_id=customer)


async def leaving(place: Town, minor: int = 0) -> UUID:
    """A customer whose erasure is due."""
    customer = await place.customer(minor)
    await place.happens(requesting(place, customer))
    place.clock.advance(GRACE)
    return customer


async def suspended(place: Town, minor: int = 0) -> UUID:
    """A customer whose erasure has begun."""
    customer = await leaving(place, minor)
    await place.happens(beginning(place, customer))
    return customer


async def erased(place: Town) -> UUID:
    customer = await suspended(place)
    await place.happens(completing(place, customer))
    return customer


@says("ok")
async def a_copy_confirmed(place: Town) -> Command:
    return copying(place, await place.customer())


@says("wrong_pin")
async def a_copy_not_confirmed(place: Town) -> Command:
    return copying(place, await place.customer(), WRONG)


async def verified(place: Town) -> CorrectName:
    """The wish of somebody who is verified, on a device that is proven."""
    customer = await place.customer()
    await place.happens(starting(customer, place))
    await confirmed(place, customer, ("police",))
    return CorrectName(
        command_id=place.id(), customer_id=customer, name=b"sealed", name_index=b"index", proven_at=place.clock.now()
    )


@says("ok")
async def a_name_of_somebody_verified_corrected_on_a_proven_device(place: Town) -> Command:
    return await verified(place)


@says("device_unproven")
async def a_name_of_somebody_verified_corrected_on_a_device_that_only_a_password_let_in(place: Town) -> Command:
    return replace(await verified(place), proven_at=place.clock.now() + timedelta(microseconds=1))


@says("ok")
async def a_name_corrected(place: Town) -> Command:
    return CorrectName(command_id=place.id(), customer_id=await place.customer(), name=b"sealed", name_index=b"index")


@says("wrong_pin")
async def an_erasure_not_confirmed(place: Town) -> Command:
    return requesting(place, await place.customer(), WRONG)


@says("erasure_requested")
async def an_erasure_requested_twice(place: Town) -> Command:
    customer = await place.customer()
    await place.happens(requesting(place, customer))
    return requesting(place, customer)


@says("ok")
async def an_erasure_requested_after_it_was_cancelled(place: Town) -> Command:
    customer = await place.customer()
    await place.happens(requesting(place, customer))
    await place.happens(cancelling(place, customer))
    return requesting(place, customer)


@says("erasure_not_requested")
async def nothing_is_cancelled(place: Town) -> Command:
    return cancelling(place, await place.customer())


@says("erasure_not_requested")
async def nothing_is_postponed(place: Town) -> Command:
    return postponing(place, await place.customer())


@says("erasure_not_requested")
async def an_erasure_begun_a_moment_before_its_time(place: Town) -> Command:
    customer = await place.customer()
    await place.happens(requesting(place, customer))
    place.clock.advance(GRACE - timedelta(microseconds=1))
    return beginning(place, customer)


@says("ok")
async def an_erasure_begun_in_time(place: Town) -> Command:
    return beginning(place, await leaving(place))


@says("erasure_not_requested")
async def an_erasure_begun_after_it_was_cancelled(place: Town) -> Command:
    customer = await leaving(place)
    await place.happens(cancelling(place, customer))
    return beginning(place, customer)


@says("erasure_not_requested")
async def an_erasure_completed_that_never_began(place: Town) -> Command:
    return completing(place, await leaving(place))


@says("erasure_obstructed")
async def an_erasure_completed_with_money_in_the_wallet(place: Town) -> Command:
    return completing(place, await suspended(place, 1))


@says("erasure_obstructed")
async def an_erasure_completed_though_the_account_was_frozen(place: Town) -> Command:
    customer = await suspended(place)
    await place.happens(
        FreezeAccount(
            command_id=place.id(), code="2001", currency=CURRENCY, owner_id=customer, debits=True, credits=True, reason="court"
        )
    )
    return completing(place, customer)


@says("ok")
async def an_erasure_completed(place: Town) -> Command:
    return completing(place, await suspended(place))


@says("erasure_not_requested")
async def an_erasure_completed_twice(place: Town) -> Command:
    return completing(place, await erased(place))


@says("erasure_not_requested")
async def an_erasure_cancelled_too_late(place: Town) -> Command:
    return cancelling(place, await erased(place))


@says("erasure_requested")
async def an_erasure_requested_by_somebody_erased(place: Town) -> Command:
    return requesting(place, await erased(place))


@says("account_closed")
async def money_for_somebody_erased(place: Town) -> Command:
    customer = await erased(place)
    return place.transferring(await place.customer(100), customer, 1)


@says("erasure_obstructed")
async def an_erasure_of_somebody_whose_card_is_still_bound(place: Town) -> Command:
    customer = await with_cards(place, UUID(int=7))
    await place.happens(requesting(place, customer))
    place.clock.advance(GRACE)
    await place.happens(beginning(place, customer))
    return completing(place, customer, document_index=customer.bytes)


@says("erasure_obstructed")
async def an_erasure_of_a_guardian_whose_child_may_pay(place: Town) -> Command:
    child, parent = await family(place)
    await place.happens(requesting(place, parent))
    place.clock.advance(GRACE)
    await place.happens(beginning(place, parent))
    return completing(place, parent, wards=(child,), document_index=index("P"), phone_index=phone_index("P"))


@says("ok")
async def an_erasure_of_a_guardian_who_never_agreed(place: Town) -> Command:
    child, parent = await family(place, agreed=False)
    await place.happens(requesting(place, parent))
    place.clock.advance(GRACE)
    await place.happens(beginning(place, parent))
    return completing(place, parent, wards=(child,), document_index=index("P"), phone_index=phone_index("P"))


@says("guardian_unfit")
async def a_guardian_who_is_leaving(place: Town) -> Command:
    child, parent = await family(place, agreed=False)
    await place.happens(requesting(place, parent))
    place.clock.advance(GRACE)
    await place.happens(beginning(place, parent))
    return agreeing(place, child, parent)


@says("verification_changed")
async def an_erasure_by_a_worker_who_did_not_see_the_last_document(place: Town) -> Command:
    customer = await suspended(place)
    await place.happens(starting(customer, place))
    return completing(place, customer)


@says("erasure_not_requested")
async def sessions_of_somebody_who_is_not_erased(place: Town) -> Command:
    return ForgetLate(command_id=place.id(), customer_id=await place.customer(), sessions=(), passkeys=(), certificates=())


@says("erasure_retained")
async def what_is_kept_is_forgotten_a_moment_too_early(place: Town) -> Command:
    customer = await erased(place)
    place.clock.advance(KEPT - timedelta(microseconds=1))
    return forgetting(place, customer)


@says("ok")
async def what_is_kept_is_forgotten_in_time(place: Town) -> Command:
    customer = await erased(place)
    place.clock.advance(KEPT)
    return forgetting(place, customer)


@says("erasure_not_requested")
async def what_is_kept_is_forgotten_twice(place: Town) -> Command:
    customer = await erased(place)
    place.clock.advance(KEPT)
    await place.happens(forgetting(place, customer))
    return forgetting(place, customer)


# ── letters ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def letter(place: Town, about: UUID, *people: UUID) -> WriteLetter:
    words = {"zh": "有一台电脑丢失。", "en": "A laptop was lost."}
    return WriteLetter(command_id=place.id(), breach_id=about, listed=people, by=place.id(), **words)


@says("ok")
async def a_letter(place: Town) -> Command:
    return letter(place, await breach(place))


@says("breach_not_found")
async def a_letter_about_nothing(place: Town) -> Command:
    return letter(place, place.id())


@says("letter_written")
async def a_second_letter(place: Town) -> Command:
    about = await breach(place)
    await place.happens(letter(place, about))
    return letter(place, about)


@says("breach_closed")
async def a_letter_about_a_breach_that_is_closed(place: Town) -> Command:
    return letter(place, await closed(place))


@pytest.mark.parametrize("row", ROWS, ids=repr)
async def test_ladder(row: Row) -> None:
    assert await answer(row) == row.says


#: Raised at the edge, from a query: no command is needed to know them.
AT_THE_EDGE = {"decision_not_found"}


def test_every_decline_is_met() -> None:
    assert declines_of(errors) - AT_THE_EDGE == said_in(ROWS) - {
        "wrong_pin",
        "device_unproven",
        "account_closed",
        "guardian_unfit",
        "verification_changed",
    }
