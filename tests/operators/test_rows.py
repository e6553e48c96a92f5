"""What operators' acts leave behind: whole rows."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from msgspec.structs import replace

from tests.operators.test_ladder import accepting, deciding, invited, lifting, operator, proposed, resetting, suspending
from tests.support.leavings import rows
from tests.support.town import NOON, town
from tongbao.engine.api import MemoryStore
from tongbao.identity.alerts import ALERT, MESSAGE
from tongbao.identity.standing import STANDING
from tongbao.identity.takeover import ReportTakeover
from tongbao.identity.types import PRINCIPAL, SESSION, OpenSession
from tongbao.operators.invitations import INVITATION, MESSAGE_KIND
from tongbao.operators.permissions import ROLES, Permission, grants, permissions_of
from tongbao.operators.suspensions import SUSPENSION, EndSuspension
from tongbao.operators.types import INCIDENT, OPERATOR_ACT, PROPOSAL, FinishProposal, Incident, RecordAct, SetRoles, Subject
from tongbao.rules.types import SuspendDormant

DAY = timedelta(hours=24)


async def test_a_proposal_keeps_who_wished_it_who_approved_it_and_what_came_of_it() -> None:
    store = MemoryStore()
    async with town(store) as place:
        one, other = await operator(place, "a"), await operator(place, "b")
        wish = await proposed(place, one)
        place.clock.advance(timedelta(hours=1))
        await place.happens(deciding(place, wish, other))
        await place.happens(FinishProposal(command_id=place.id(), proposal_id=wish, happened=False, outcome="account_closed"))
    (row,) = rows(store, PROPOSAL)
    assert (row.proposed_by, row.proposed_at, row.expires_at) == (one, NOON, NOON + DAY)
    assert (row.decided_by, row.decided_at, row.alone) == (other, NOON + timedelta(hours=1), False)
    assert (row.state, row.outcome, row.ended_at) == ("FAILED", "account_closed", NOON + timedelta(hours=1))
    assert rows(store, INCIDENT) == []


async def test_a_broken_glass_is_approved_at_once_and_asks_for_a_review_within_a_day() -> None:
    store = MemoryStore()
    async with town(store) as place:
        me = await operator(place, "a")
        wish = await proposed(place, me, alone=True)
    (row,) = rows(store, PROPOSAL)
    assert (row.state, row.alone, row.decided_by) == ("APPROVED", True, me)
    (incident,) = rows(store, INCIDENT)
    assert incident == Incident(
        incident.incident_id, "break_glass", str(wish), "found again", me, NOON, NOON + DAY, None, None, ""
    )


async def test_an_act_is_recorded_once_for_each_subject() -> None:
    store = MemoryStore()
    async with town(store) as place:
        me = await operator(place, "a")
        subjects = (Subject("customer", "x"), Subject("customer", "y"))
        await place.happens(
            RecordAct(
                command_id=place.id(), by=me, session_id=None, act="customers", changing=False, subjects=subjects, reason="",
                outcome="ok",
            )
        )  # fmt: skip
    found = rows(store, OPERATOR_ACT)
    assert [(row.operator_id, row.act, row.subject_id, row.at) for row in found] == [
        (me, "customers", "x", NOON),
        (me, "customers", "y", NOON),
    ]


async def test_new_roles_end_the_operators_own_sessions_and_nobody_elses() -> None:
    store = MemoryStore()
    async with town(store) as place:
        me, other = await operator(place, "a"), await operator(place, "b")
        opened = []
        for who in (me, other):
            wish = OpenSession(
                command_id=place.id(), principal_id=who, token_hash=uuid4().bytes * 2, device_name=b"x", lifetime_s=60
            )
            opened.append((await place.happens(wish)).session_id)
        await place.happens(SetRoles(command_id=place.id(), operator_id=me, roles="auditor", sessions=tuple(opened)))
    ended = {row.session_id: row.ended_at for row in rows(store, SESSION)}
    assert ended == {opened[0]: NOON, opened[1]: None}
    assert {row.principal_id: row.roles for row in rows(store, PRINCIPAL)} == {me: "auditor", other: "finance"}


def test_roles_are_sets_of_permissions() -> None:
    assert permissions_of({"support", "kyc"}) == ROLES["support"] | ROLES["kyc"]
    assert permissions_of({"owner", ""}) == frozenset()
    assert grants("support,finance", "books.act") and not grants("support", "books.act") and not grants("", "self")


def test_an_auditor_and_support_change_nothing() -> None:
    reading = {each for each in Permission if each.endswith(".read")} | {
        Permission.SELF, Permission.PROPOSALS, Permission.BOOKS_EXPORT, Permission.BOOKS_EXPORT_WHOLE,
            Permission.CHAIN_VERIFY,
    }  # fmt: skip
    assert ROLES["auditor"] <= reading
    assert ROLES["support"] <= reading


async def test_nobody_has_a_password_until_they_chose_it_and_losing_access_ends_sessions() -> None:
    store = MemoryStore()
    async with town(store) as place:
        who = await invited(place)
        assert [row.password_hash for row in rows(store, PRINCIPAL)] == [""]
        (sent,) = rows(store, MESSAGE)
        assert (sent.customer_id, sent.kind, sent.state) == (who, MESSAGE_KIND, "PENDING")
        await place.happens(accepting(place, who))
        assert [row.password_hash for row in rows(store, PRINCIPAL)] == ["argon2 of mine"]
        assert [alert.kind for alert in rows(store, ALERT)] == ["password_changed"]
        session = await place.happens(
            OpenSession(command_id=place.id(), principal_id=who, token_hash=b"t" * 32, device_name=b"x", lifetime_s=60)
        )
        await place.happens(replace(resetting(place, who), sessions=(session.session_id,)))
    assert [row.password_hash for row in rows(store, PRINCIPAL)] == [""]
    assert [row.ended_at for row in rows(store, SESSION)] == [NOON]
    (invitation,) = rows(store, INVITATION)
    assert (invitation.accepted_at, invitation.tries, invitation.expires_at) == (None, 0, NOON + timedelta(hours=72))


async def test_letting_one_in_again_ends_no_session_of_another() -> None:
    store = MemoryStore()
    async with town(store) as place:
        who, other = await operator(place, "a"), await operator(place, "b")
        session = await place.happens(
            OpenSession(command_id=place.id(), principal_id=other, token_hash=b"t" * 32, device_name=b"x", lifetime_s=60)
        )
        await place.happens(replace(resetting(place, who), sessions=(session.session_id,)))
    assert [row.ended_at for row in rows(store, SESSION)] == [None]


async def test_a_suspension_stops_until_its_day_and_keeps_who_why_and_until_when() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await place.customer()
        wish = await suspending(place, customer, days=2)
        await place.happens(wish)
        (row,) = rows(store, SUSPENSION)
        assert (row.why, row.text, row.suspended_by, row.until) == ("fraud", "three chargebacks", wish.by, NOON + 2 * DAY)
        place.clock.advance(2 * DAY - timedelta(microseconds=1))
        await place.happens(EndSuspension(command_id=place.id(), customer_id=customer))
        assert [row.suspended for row in rows(store, STANDING)] == ["operator"]
        place.clock.advance(timedelta(microseconds=1))
        await place.happens(EndSuspension(command_id=place.id(), customer_id=customer))
    assert [row.suspended for row in rows(store, STANDING)] == [""]
    (row,) = rows(store, SUSPENSION)
    assert (row.ended_at, row.ended_by, row.approved_by) == (NOON + 2 * DAY, None, None)


async def test_one_without_an_end_ends_only_by_two_and_leaves_other_reasons() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await place.customer()
        await place.happens(ReportTakeover(command_id=place.id(), customer_id=customer, session_ids=()))
        await place.happens(await suspending(place, customer))
        place.clock.advance(400 * DAY)
        await place.happens(EndSuspension(command_id=place.id(), customer_id=customer))
        assert [row.suspended for row in rows(store, STANDING)] == ["operator,reported"]
        wish = lifting(place, customer, NOON)
        await place.happens(wish)
    assert [row.suspended for row in rows(store, STANDING)] == ["reported"]
    (row,) = rows(store, SUSPENSION)
    assert (row.ended_by, row.approved_by, row.ended_text) == (wish.by, wish.approved_by, "explained")


async def test_lifting_dormancy_says_that_it_was_seen_anew_who_it_is() -> None:
    store = MemoryStore()
    async with town(store) as place:
        await place.adopt("cn")
        customer = await place.customer()
        place.clock.advance(300 * DAY)
        dormant = SuspendDormant(command_id=place.id(), customer_id=customer, currency="CNY")
        assert (await place.happens(dormant)).suspended
        await place.happens(lifting(place, customer, None, "dormant"))
        again = SuspendDormant(command_id=place.id(), customer_id=customer, currency="CNY")
        assert not (await place.happens(again)).suspended
    assert [(row.suspended, row.verified_at) for row in rows(store, STANDING)] == [("", NOON + 300 * DAY)]
