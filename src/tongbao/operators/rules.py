"""Deciders of operators: who proposes, who decides, and that they are two. Roles are looked at when it is decided, in the same
commit, not when somebody logged in."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Decider, Decision, Declined, Key, View
from tongbao.identity.types import PRINCIPAL, SESSION, Principal
from tongbao.kernel.ids import derived_id
from tongbao.operators import errors
from tongbao.operators.permissions import Permission, grants
from tongbao.operators.types import (
    INCIDENT,
    OPERATOR_ACT,
    PROPOSAL,
    PROPOSAL_LIFETIME,
    REVIEW_WITHIN,
    DecideProposal,
    FinishProposal,
    Incident,
    OpenIncident,
    OperatorAct,
    Proposal,
    Propose,
    RecordAct,
    ReviewIncident,
    SetRoles,
    WithdrawProposal,
)


class Proposed(msgspec.Struct, frozen=True):
    """Result of `Propose`."""

    proposal_id: UUID


class IncidentOpened(msgspec.Struct, frozen=True):
    """Result of `OpenIncident`."""

    incident_id: UUID


def permitted(view: View, operator_id: UUID, permission: str) -> Declined | None:
    """Whether they may, as their roles are now. Declines `operator_not_found`, `not_permitted`."""
    operator = view.get(PRINCIPAL, operator_id)
    if operator is None or operator.audience != "console":
        return Declined(errors.OPERATOR_NOT_FOUND)
    if not grants(operator.roles, permission):
        return Declined(errors.NOT_PERMITTED, {"permission": permission})
    return None


def propose(command: Propose, view: View, now: datetime) -> Decision:
    """Declines `operator_not_found`, `not_permitted`. Alone, it is approved at once and an incident is opened."""
    if refused := permitted(view, command.by, command.permission):
        return refused
    proposal_id = derived_id(now, command.command_id)
    alone = command.alone
    view.put(
        PROPOSAL,
        Proposal(
            proposal_id, command.act, command.body, command.reason, command.subject_kind, command.subject_id, command.by, now,
            now + PROPOSAL_LIFETIME, "APPROVED" if alone else "OPEN", alone, command.by if alone else None,
            now if alone else None, "", "", None,
        ),
    )  # fmt: skip
    if alone:
        incident_id = derived_id(now, command.command_id, b"incident")
        view.put(INCIDENT, _incident(incident_id, "break_glass", str(proposal_id), command.reason, command.by, now))
    return Accepted(Proposed(proposal_id))


def decide(command: DecideProposal, view: View, now: datetime) -> Decision:
    """Declines `proposal_not_found`, `operator_not_found`, `not_permitted`, `own_proposal`, `proposal_decided`,
    `proposal_expired`, and, where it is approved, `proposer_not_permitted`: what somebody wished who may not wish it any more is
    one pair of eyes. It can be rejected still."""
    proposal = view.get(PROPOSAL, command.proposal_id)
    if proposal is None or proposal.proposed_by != command.proposed_by:
        return Declined(errors.PROPOSAL_NOT_FOUND)
    if refused := permitted(view, command.by, command.permission):
        return refused
    if command.by == proposal.proposed_by or str(command.by) == proposal.subject_id:
        return Declined(errors.OWN_PROPOSAL)
    if refused := _open(proposal, now):
        return refused
    if command.approve and permitted(view, proposal.proposed_by, command.to_propose) is not None:
        return Declined(errors.PROPOSER_NOT_PERMITTED, {"permission": command.to_propose})
    state = "APPROVED" if command.approve else "REJECTED"
    ended_at = None if command.approve else now
    view.put(
        PROPOSAL, replace(proposal, state=state, decided_by=command.by, decided_at=now, note=command.note, ended_at=ended_at)
    )
    return Accepted()


def withdraw(command: WithdrawProposal, view: View, now: datetime) -> Decision:
    """Declines `proposal_not_found`, `not_your_proposal`, `proposal_decided`, `proposal_expired`."""
    proposal = view.get(PROPOSAL, command.proposal_id)
    if proposal is None:
        return Declined(errors.PROPOSAL_NOT_FOUND)
    if command.by != proposal.proposed_by:
        return Declined(errors.NOT_YOUR_PROPOSAL)
    if refused := _open(proposal, now):
        return refused
    view.put(PROPOSAL, replace(proposal, state="WITHDRAWN", decided_by=command.by, decided_at=now, ended_at=now))
    return Accepted()


def finish(command: FinishProposal, view: View, now: datetime) -> Decision:
    """Declines `proposal_not_found`, `proposal_decided` unless it is approved and has not ended."""
    proposal = view.get(PROPOSAL, command.proposal_id)
    if proposal is None:
        return Declined(errors.PROPOSAL_NOT_FOUND)
    if proposal.state != "APPROVED":
        return Declined(errors.PROPOSAL_DECIDED, {"state": proposal.state})
    state = "DONE" if command.happened else "FAILED"
    view.put(PROPOSAL, replace(proposal, state=state, outcome=command.outcome, ended_at=now))
    return Accepted()


def record(command: RecordAct, view: View, now: datetime) -> Decision:
    """Never declined: what happened is written down, whoever it was."""
    view.append(
        OPERATOR_ACT,
        [
            OperatorAct(
                view.new_id(), now, command.by, command.session_id, command.act, command.changing, subject.kind, subject.id,
                command.reason, command.outcome,
            )
            for subject in command.subjects
        ],
    )  # fmt: skip
    return Accepted()


def set_roles(command: SetRoles, view: View, now: datetime) -> Decision:
    """Declines `operator_not_found`. Their sessions end: what they may do is asked anew."""
    operator: Principal | None = view.get(PRINCIPAL, command.operator_id)
    if operator is None or operator.audience != "console":
        return Declined(errors.OPERATOR_NOT_FOUND)
    view.put(PRINCIPAL, replace(operator, roles=command.roles))
    for session_id in command.sessions:
        session = view.get(SESSION, session_id)
        if session is not None and session.principal_id == command.operator_id and session.ended_at is None:
            view.put(SESSION, replace(session, ended_at=now))
            view.emit("sessions", "session.ended", {"session_id": session_id})
    return Accepted()


def open_incident(command: OpenIncident, view: View, now: datetime) -> Decision:
    """Never declined."""
    incident_id = derived_id(now, command.command_id)
    view.put(INCIDENT, _incident(incident_id, command.incident_kind, command.subject_id, command.text, command.by, now))
    return Accepted(IncidentOpened(incident_id))


def review(command: ReviewIncident, view: View, now: datetime) -> Decision:
    """Declines `incident_not_found`, `operator_not_found`, `not_permitted`, `own_incident`, `incident_reviewed`."""
    incident = view.get(INCIDENT, command.incident_id)
    if incident is None:
        return Declined(errors.INCIDENT_NOT_FOUND)
    if refused := permitted(view, command.by, Permission.INCIDENTS_REVIEW):
        return refused
    if command.by == incident.opened_by:
        return Declined(errors.OWN_INCIDENT)
    if incident.reviewed_at is not None:
        return Declined(errors.INCIDENT_REVIEWED)
    view.put(INCIDENT, replace(incident, reviewed_by=command.by, reviewed_at=now, note=command.note))
    return Accepted()


def _open(proposal: Proposal, now: datetime) -> Declined | None:
    if proposal.state != "OPEN":
        return Declined(errors.PROPOSAL_DECIDED, {"state": proposal.state})
    if now >= proposal.expires_at:
        return Declined(errors.PROPOSAL_EXPIRED)
    return None


def _incident(incident_id: UUID, kind: str, subject_id: str, text: str, by: UUID, now: datetime) -> Incident:
    return Incident(incident_id, kind, subject_id, text, by, now, now + REVIEW_WITHIN, None, None, "")


DECIDERS = (
    Decider(Propose, lambda command: [Key(PRINCIPAL, command.by)], propose, Proposed),
    Decider(
        DecideProposal,
        lambda command: [
            Key(PROPOSAL, command.proposal_id),
            *(Key(PRINCIPAL, each) for each in {command.by, command.proposed_by}),
        ],
        decide,
    ),
    Decider(WithdrawProposal, lambda command: [Key(PROPOSAL, command.proposal_id)], withdraw),
    Decider(FinishProposal, lambda command: [Key(PROPOSAL, command.proposal_id)], finish),
    Decider(RecordAct, lambda command: [], record),
    Decider(
        SetRoles,
        lambda command: [Key(PRINCIPAL, command.operator_id), *(Key(SESSION, each) for each in command.sessions)],
        set_roles,
    ),
    Decider(OpenIncident, lambda command: [], open_incident, IncidentOpened),
    Decider(ReviewIncident, lambda command: [Key(INCIDENT, command.incident_id), Key(PRINCIPAL, command.by)], review),
)
