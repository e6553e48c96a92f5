"""What becomes of operators' wishes, situation by situation."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from tests.support.ladder import Row, answer, declines_of, ladder, said_in
from tests.support.town import Town
from tongbao.engine.api import Command
from tongbao.operators import errors
from tongbao.operators.invitations import AcceptInvitation, InviteOperator, ResetAccess
from tongbao.operators.suspensions import Liftable, LiftSuspension, SuspendCustomer
from tongbao.operators.types import (
    MACHINE,
    DecideProposal,
    FinishProposal,
    OpenIncident,
    Propose,
    RecordAct,
    ReviewIncident,
    SetRoles,
    Subject,
    WithdrawProposal,
)

ROWS, says = ladder()

RELEASE = "accounts.release"


async def operator(place: Town, login: str, roles: str = "finance") -> UUID:
    plain = place.registering(f"{login}@example.com", "console")
    wish = replace(plain, who=replace(plain.who, roles=roles))
    made: UUID = (await place.happens(wish)).principal_id
    return made


def proposing(place: Town, by: UUID, *, about: str = "", permission: str = RELEASE, alone: bool = False) -> Propose:
    return Propose(
        command_id=place.id(), act="account.unfreeze", body=b"sealed", said=b"hash", reason="found again", subject_kind="account",
        subject_id=about, by=by, permission=permission, alone=alone,
    )  # fmt: skip


async def proposed(place: Town, by: UUID, **how: Any) -> UUID:
    made: UUID = (await place.happens(proposing(place, by, **how))).proposal_id
    _proposers[made] = by
    return made


#: Who proposed what.
_proposers: dict[UUID, UUID] = {}


def deciding(place: Town, proposal: UUID, by: UUID, *, approve: bool = True, permission: str = RELEASE) -> DecideProposal:
    return DecideProposal(
        command_id=place.id(), proposal_id=proposal, by=by, permission=permission, proposed_by=_proposers.get(proposal, by),
        to_propose=RELEASE, approve=approve,
    )  # fmt: skip


async def incident(place: Town, by: UUID) -> UUID:
    wish = OpenIncident(command_id=place.id(), incident_kind="break_glass", subject_id="x", text="x", by=by)
    made: UUID = (await place.happens(wish)).incident_id
    return made


def reviewing(place: Town, incident_id: UUID, by: UUID) -> ReviewIncident:
    return ReviewIncident(command_id=place.id(), incident_id=incident_id, by=by, note="as it should be")


@says("operator_not_found")
async def a_proposal_by_nobody(place: Town) -> Command:
    return proposing(place, place.id())


@says("operator_not_found")
async def a_proposal_by_a_customer(place: Town) -> Command:
    return proposing(place, await place.customer())


@says("not_permitted")
async def a_proposal_by_a_role_that_may_not(place: Town) -> Command:
    return proposing(place, await operator(place, "a", "support"))


@says("not_permitted")
async def a_proposal_by_a_role_that_is_none(place: Town) -> Command:
    return proposing(place, await operator(place, "a", "owner,"))


@says("ok")
async def a_proposal(place: Town) -> Command:
    return proposing(place, await operator(place, "a"))


@says("proposal_not_found")
async def a_decision_on_nothing(place: Town) -> Command:
    return deciding(place, place.id(), await operator(place, "a"))


@says("own_proposal")
async def an_approval_of_ones_own(place: Town) -> Command:
    me = await operator(place, "a", "admin")
    return deciding(place, await proposed(place, me), me)


@says("own_proposal")
async def a_rejection_of_ones_own(place: Town) -> Command:
    me = await operator(place, "a", "admin")
    return deciding(place, await proposed(place, me), me, approve=False)


@says("own_proposal")
async def an_approval_of_what_is_about_oneself(place: Town) -> Command:
    me = await operator(place, "a", "admin")
    return deciding(place, await proposed(place, await operator(place, "b"), about=str(me)), me)


@says("not_permitted")
async def an_approval_by_a_role_that_may_not(place: Town) -> Command:
    return deciding(place, await proposed(place, await operator(place, "a")), await operator(place, "b", "support"))


@says("not_permitted")
async def an_approval_by_somebody_whose_role_was_taken_away_meanwhile(place: Town) -> Command:
    other = await operator(place, "b")
    wish = await proposed(place, await operator(place, "a"))
    await place.happens(SetRoles(command_id=place.id(), operator_id=other, roles="", sessions=()))
    return deciding(place, wish, other)


async def by_somebody_who_left(place: Town, *, approve: bool) -> Command:
    """A decision on what somebody proposed whose role was taken away meanwhile."""
    one, other = await operator(place, "a"), await operator(place, "b")
    wish = await proposed(place, one)
    await place.happens(SetRoles(command_id=place.id(), operator_id=one, roles="support", sessions=()))
    return deciding(place, wish, other, approve=approve)


@says("proposer_not_permitted")
async def an_approval_of_what_somebody_wished_who_may_not_any_more(place: Town) -> Command:
    return await by_somebody_who_left(place, approve=True)


@says("ok")
async def a_rejection_of_what_somebody_wished_who_may_not_any_more(place: Town) -> Command:
    return await by_somebody_who_left(place, approve=False)


@says("proposal_not_found")
async def a_decision_on_what_another_is_said_to_have_proposed(place: Town) -> Command:
    other = await operator(place, "b")
    return replace(deciding(place, await proposed(place, await operator(place, "a")), other), proposed_by=other)


@says("ok")
async def an_approval(place: Town) -> Command:
    return deciding(place, await proposed(place, await operator(place, "a")), await operator(place, "b"))


@says("ok")
async def an_approval_in_the_last_second(place: Town) -> Command:
    wish = await proposed(place, await operator(place, "a"))
    other = await operator(place, "b")
    place.clock.advance(timedelta(hours=24) - timedelta(microseconds=1))
    return deciding(place, wish, other)


@says("proposal_expired")
async def an_approval_a_day_later(place: Town) -> Command:
    wish = await proposed(place, await operator(place, "a"))
    other = await operator(place, "b")
    place.clock.advance(timedelta(hours=24))
    return deciding(place, wish, other)


@says("proposal_decided")
async def an_approval_after_a_rejection(place: Town) -> Command:
    wish = await proposed(place, await operator(place, "a"))
    await place.happens(deciding(place, wish, await operator(place, "b"), approve=False))
    return deciding(place, wish, await operator(place, "c"))


@says("proposal_decided")
async def a_second_approval(place: Town) -> Command:
    wish = await proposed(place, await operator(place, "a"))
    await place.happens(deciding(place, wish, await operator(place, "b")))
    return deciding(place, wish, await operator(place, "c"))


@says("proposal_not_found")
async def a_withdrawal_of_nothing(place: Town) -> Command:
    return WithdrawProposal(command_id=place.id(), proposal_id=place.id(), by=await operator(place, "a"))


@says("not_your_proposal")
async def a_withdrawal_of_somebody_elses(place: Town) -> Command:
    wish = await proposed(place, await operator(place, "a"))
    return WithdrawProposal(command_id=place.id(), proposal_id=wish, by=await operator(place, "b"))


@says("proposal_decided")
async def a_withdrawal_after_the_approval(place: Town) -> Command:
    me = await operator(place, "a")
    wish = await proposed(place, me)
    await place.happens(deciding(place, wish, await operator(place, "b")))
    return WithdrawProposal(command_id=place.id(), proposal_id=wish, by=me)


@says("proposal_expired")
async def a_withdrawal_of_what_has_expired(place: Town) -> Command:
    me = await operator(place, "a")
    wish = await proposed(place, me)
    place.clock.advance(timedelta(hours=25))
    return WithdrawProposal(command_id=place.id(), proposal_id=wish, by=me)


@says("ok")
async def a_withdrawal(place: Town) -> Command:
    me = await operator(place, "a")
    return WithdrawProposal(command_id=place.id(), proposal_id=await proposed(place, me), by=me)


@says("proposal_not_found")
async def an_end_of_nothing(place: Town) -> Command:
    return FinishProposal(command_id=place.id(), proposal_id=place.id(), happened=True, outcome="")


@says("proposal_decided")
async def an_end_before_anybody_approved(place: Town) -> Command:
    wish = await proposed(place, await operator(place, "a"))
    return FinishProposal(command_id=place.id(), proposal_id=wish, happened=True, outcome="")


@says("ok")
async def an_end_of_what_was_done_alone(place: Town) -> Command:
    wish = await proposed(place, await operator(place, "a"), alone=True)
    return FinishProposal(command_id=place.id(), proposal_id=wish, happened=True, outcome="")


@says("proposal_decided")
async def an_approval_of_what_was_done_alone(place: Town) -> Command:
    wish = await proposed(place, await operator(place, "a"), alone=True)
    return deciding(place, wish, await operator(place, "b"))


@says("ok")
async def a_record(place: Town) -> Command:
    return RecordAct(
        command_id=place.id(), by=MACHINE, session_id=None, act="statement", changing=False, subjects=(Subject("account", "x"),),
        reason="", outcome="ok",
    )  # fmt: skip


@says("operator_not_found")
async def roles_for_a_customer(place: Town) -> Command:
    return SetRoles(command_id=place.id(), operator_id=await place.customer(), roles="admin", sessions=())


@says("incident_not_found")
async def a_review_of_nothing(place: Town) -> Command:
    return reviewing(place, place.id(), await operator(place, "a", "admin"))


@says("not_permitted")
async def a_review_by_a_role_that_may_not(place: Town) -> Command:
    return reviewing(place, await incident(place, MACHINE), await operator(place, "a", "finance"))


@says("own_incident")
async def a_review_of_ones_own(place: Town) -> Command:
    me = await operator(place, "a", "admin")
    return reviewing(place, await incident(place, me), me)


@says("incident_reviewed")
async def a_second_review(place: Town) -> Command:
    found = await incident(place, MACHINE)
    await place.happens(reviewing(place, found, await operator(place, "a", "admin")))
    return reviewing(place, found, await operator(place, "b", "security"))


# ── invitations ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_LINK, _CODE = b"link".ljust(32), b"code".ljust(32)


def inviting(place: Town, login: str = "new@example.com") -> InviteOperator:
    who = place.registering(login, "console").who
    return InviteOperator(command_id=place.id(), who=replace(who, roles="kyc"), link_hash=_LINK, code_mac=_CODE)


async def invited(place: Town) -> UUID:
    made: UUID = (await place.happens(inviting(place))).operator_id
    return made


def accepting(place: Town, who: UUID, link: bytes = _LINK, code: bytes = _CODE) -> AcceptInvitation:
    return AcceptInvitation(command_id=place.id(), operator_id=who, link_hash=link, code_mac=code, password_hash="argon2 of mine")


def resetting(place: Town, who: UUID) -> ResetAccess:
    return ResetAccess(
        command_id=place.id(), operator_id=who, link_hash=b"another link".ljust(32), code_mac=b"c".ljust(32), sessions=()
    )


@says("ok")
async def an_invitation(place: Town) -> Command:
    return inviting(place)


@says("login_taken")
async def an_invitation_of_somebody_who_is_here(place: Town) -> Command:
    await operator(place, "new")
    return inviting(place)


@says("ok")
async def an_invitation_accepted_in_the_last_second(place: Town) -> Command:
    who = await invited(place)
    place.clock.advance(timedelta(hours=72) - timedelta(microseconds=1))
    return accepting(place, who)


@says("invitation_wrong")
async def an_invitation_accepted_after_three_days(place: Town) -> Command:
    who = await invited(place)
    place.clock.advance(timedelta(hours=72))
    return accepting(place, who)


@says("invitation_wrong")
async def an_invitation_accepted_twice(place: Town) -> Command:
    who = await invited(place)
    await place.happens(accepting(place, who))
    return accepting(place, who)


@says("invitation_wrong")
async def an_invitation_of_nobody(place: Town) -> Command:
    return accepting(place, await operator(place, "a"))


@says("invitation_wrong")
async def an_invitation_with_the_code_and_another_link(place: Town) -> Command:
    return accepting(place, await invited(place), link=b"x".ljust(32))


@says("invitation_wrong")
async def an_invitation_with_the_link_and_another_code(place: Town) -> Command:
    return accepting(place, await invited(place), code=b"x".ljust(32))


async def after_wrong_codes(place: Town, times: int) -> Command:
    who = await invited(place)
    for _ in range(times):
        assert await place.says(accepting(place, who, code=b"x".ljust(32))) == "invitation_wrong"
    return accepting(place, who)


@says("ok")
async def an_invitation_after_four_wrong_codes(place: Town) -> Command:
    return await after_wrong_codes(place, 4)


@says("invitation_wrong")
async def an_invitation_after_five_wrong_codes(place: Town) -> Command:
    return await after_wrong_codes(place, 5)


@says("ok")
async def an_invitation_after_links_that_were_wrong(place: Town) -> Command:
    who = await invited(place)
    for _ in range(6):
        assert await place.says(accepting(place, who, link=b"x".ljust(32))) == "invitation_wrong"
    return accepting(place, who)


@says("invitation_wrong")
async def an_invitation_whose_place_another_took(place: Town) -> Command:
    who = await invited(place)
    await place.happens(resetting(place, who))
    return accepting(place, who)


@says("ok")
async def letting_an_operator_in_again(place: Town) -> Command:
    return resetting(place, await operator(place, "a"))


@says("operator_not_found")
async def letting_a_customer_in_again(place: Town) -> Command:
    return resetting(place, await place.customer())


# ── suspensions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def suspending(place: Town, customer: UUID, *, roles: str = "risk", days: float | None = None) -> SuspendCustomer:
    until = place.clock.now() + timedelta(days=days) if days is not None else None
    by = await operator(place, place.id().hex, roles)
    return SuspendCustomer(command_id=place.id(), customer_id=customer, why="fraud", text="three chargebacks", until=until, by=by)


def lifting(place: Town, customer: UUID, since: datetime | None, reason: Liftable = "operator") -> LiftSuspension:
    return LiftSuspension(
        command_id=place.id(), customer_id=customer, reason=reason, suspended_at=since, text="explained", by=place.id(),
        approved_by=place.id(),
    )  # fmt: skip


async def suspended(place: Town) -> UUID:
    customer = await place.customer()
    await place.happens(await suspending(place, customer))
    return customer


@says("ok")
async def suspending_a_customer(place: Town) -> Command:
    return await suspending(place, await place.customer())


@says("ok")
async def suspending_for_a_year(place: Town) -> Command:
    return await suspending(place, await place.customer(), days=366)


@says("suspension_too_long")
async def suspending_for_more_than_a_year(place: Town) -> Command:
    return await suspending(place, await place.customer(), days=366.01)


@says("suspension_too_long")
async def suspending_until_now(place: Town) -> Command:
    return await suspending(place, await place.customer(), days=0)


@says("not_permitted")
async def suspending_by_a_role_that_may_not(place: Town) -> Command:
    return await suspending(place, await place.customer(), roles="finance")


@says("customer_not_found")
async def suspending_nobody(place: Town) -> Command:
    return await suspending(place, place.id())


@says("customer_not_found")
async def suspending_an_operator(place: Town) -> Command:
    return await suspending(place, await operator(place, "a"))


@says("already_suspended")
async def suspending_twice(place: Town) -> Command:
    return await suspending(place, await suspended(place))


@says("ok")
async def lifting_what_was_read(place: Town) -> Command:
    since = place.clock.now()
    return lifting(place, await suspended(place), since)


@says("not_suspended")
async def lifting_what_another_took_the_place_of(place: Town) -> Command:
    before = place.clock.now()
    customer = await suspended(place)
    await place.happens(lifting(place, customer, before))
    place.clock.advance(timedelta(hours=1))
    await place.happens(await suspending(place, customer))
    return lifting(place, customer, before)


@says("not_suspended")
async def lifting_twice(place: Town) -> Command:
    since = place.clock.now()
    customer = await suspended(place)
    await place.happens(lifting(place, customer, since))
    return lifting(place, customer, since)


@says("not_suspended")
async def lifting_what_never_was(place: Town) -> Command:
    return lifting(place, await place.customer(), None, "dormant")


@says("not_suspended")
async def lifting_an_operators_suspension_as_dormancy(place: Town) -> Command:
    return lifting(place, await suspended(place), None, "dormant")


@pytest.mark.parametrize("row", ROWS, ids=repr)
async def test_operators_says(row: Row) -> None:
    assert await answer(row) == row.says


def test_every_decline_of_operators_has_its_situation() -> None:
    assert declines_of(errors) == said_in(ROWS) - {"login_taken"}  # that one is identity's
