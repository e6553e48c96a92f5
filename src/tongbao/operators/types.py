"""Rows and commands of operators.

proposal        OPEN ──▶ APPROVED ──▶ DONE | FAILED        (or REJECTED, WITHDRAWN; OPEN past its time is EXPIRED)
operator_act    append-only, part of the audit chain: what operators did and whose data they read
incident        what another operator must look at: a broken glass, a page that was tampered with, a task of the worker that fails
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec

from tongbao.engine.api import Command, Relation

ProposalState = Literal["OPEN", "APPROVED", "REJECTED", "WITHDRAWN", "DONE", "FAILED"]
IncidentKind = Literal["break_glass", "page_tampering", "task_broken"]

#: An open proposal lives so long.
PROPOSAL_LIFETIME = timedelta(hours=24)
#: Within this an incident is to be reviewed.
REVIEW_WITHIN = timedelta(hours=24)
LEAST_REASON = 5
LEAST_GLASS_REASON = 20
MOST_REASON = 500

#: Stands for the machine itself: whoever holds the installation's keys acted at its command line, or a worker found something.
MACHINE = UUID(int=0)


class Proposal(msgspec.Struct, frozen=True, gc=False):
    """A sensitive act that one operator wishes and another decides.

    body          the act's own words: JSON with sorted names, sealed for who proposed it (`security.personal`)
    subject_…     whom or what it is about: a customer, an account, an operator
    alone         done by one person in an emergency; an incident asks another to look at it
    outcome       of a FAILED one the code of the decline, of a DONE one what came of it
    """

    proposal_id: UUID
    kind: str
    body: bytes
    reason: str
    subject_kind: str
    subject_id: str
    proposed_by: UUID
    proposed_at: datetime
    expires_at: datetime
    state: ProposalState
    alone: bool
    decided_by: UUID | None
    decided_at: datetime | None
    note: str
    outcome: str
    ended_at: datetime | None


class OperatorAct(msgspec.Struct, frozen=True, gc=False):
    """One thing an operator did, or read of somebody: one row a subject. `outcome` is "ok" or the code of the error."""

    act_id: UUID
    at: datetime
    operator_id: UUID
    session_id: UUID | None
    act: str
    changing: bool
    subject_kind: str
    subject_id: str
    reason: str
    outcome: str


class Incident(msgspec.Struct, frozen=True, gc=False):
    """Something another operator must look at by `due_at`."""

    incident_id: UUID
    kind: str
    subject_id: str
    text: str
    opened_by: UUID
    opened_at: datetime
    due_at: datetime
    reviewed_by: UUID | None
    reviewed_at: datetime | None
    note: str


PROPOSAL: Relation[Proposal] = Relation("proposal", Proposal, key=("proposal_id",), rank=185)
INCIDENT: Relation[Incident] = Relation("incident", Incident, key=("incident_id",), rank=195)
OPERATOR_ACT: Relation[OperatorAct] = Relation("operator_act", OperatorAct, key=("act_id",), rank=985, append_only=True)


class Propose(Command, frozen=True, kw_only=True):
    """Wish a sensitive act. `said`: the SHA-256 of the body as it was sent; `body` is sealed anew."""

    kind = "operators.propose"
    act: str
    body: bytes
    said: bytes
    reason: str
    subject_kind: str
    subject_id: str
    by: UUID
    permission: str
    alone: bool = False

    def hashed(self) -> Propose:
        return msgspec.structs.replace(self, body=b"")


class DecideProposal(Command, frozen=True, kw_only=True):
    """Approve or reject. `proposed_by` and `to_propose`: who wished it, and the permission that this takes."""

    kind = "operators.decide"
    proposal_id: UUID
    by: UUID
    permission: str
    proposed_by: UUID
    to_propose: str
    approve: bool
    note: str = ""


class WithdrawProposal(Command, frozen=True, kw_only=True):
    """Take one's own proposal back."""

    kind = "operators.withdraw"
    proposal_id: UUID
    by: UUID


class FinishProposal(Command, frozen=True, kw_only=True):
    """What became of an approved act."""

    kind = "operators.finish"
    proposal_id: UUID
    happened: bool
    outcome: str


class Subject(msgspec.Struct, frozen=True):
    """Whom or what an act is about."""

    kind: str
    id: str


class RecordAct(Command, frozen=True, kw_only=True):
    """What an operator did, or whose data they read."""

    kind = "operators.record"
    by: UUID
    session_id: UUID | None
    act: str
    changing: bool
    subjects: tuple[Subject, ...]
    reason: str
    outcome: str


class SetRoles(Command, frozen=True, kw_only=True):
    """Give an operator these roles and no others; none: nothing may be done any more. `sessions` end with it."""

    kind = "operators.set_roles"
    operator_id: UUID
    roles: str
    sessions: tuple[UUID, ...]

    def hashed(self) -> SetRoles:
        return msgspec.structs.replace(self, sessions=())  # those that live differ from one sending to the next


class OpenIncident(Command, frozen=True, kw_only=True):
    """Ask for somebody's eyes."""

    kind = "operators.open_incident"
    incident_kind: IncidentKind
    subject_id: str
    text: str
    by: UUID


class ReviewIncident(Command, frozen=True, kw_only=True):
    """Another operator looked at it."""

    kind = "operators.review_incident"
    incident_id: UUID
    by: UUID
    note: str
