"""Routes of what takes two operators, and of the incidents that somebody else must look at."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import QueryParameter

from tongbao.app.console.exchange import MOST_FILE_BYTES
from tongbao.app.console.wire import PathId, PersonName
from tongbao.identity.service import Caller, IdentityService, command_id_for
from tongbao.kernel import web
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.operators.api import Incident, Invitations, OperatorService, Proposal, act_id
from tongbao.operators.errors import INCIDENT_NOT_FOUND, INVITATION_ENDED, NOT_THE_APPROVER, PROPOSAL_NOT_FOUND
from tongbao.operators.types import MOST_REASON

Reason = Annotated[str, msgspec.Meta(max_length=MOST_REASON)]
ShownState = Literal["OPEN", "APPROVED", "REJECTED", "WITHDRAWN", "DONE", "FAILED", "EXPIRED"]
Which = Annotated[Literal["open", "ended"] | None, QueryParameter(name="which", description="`open`: waiting for somebody.")]

#: Longer texts of a body are cut in lists; the proposal by itself shows all of it.
_MOST_SHOWN = 300


class KindAnswer(msgspec.Struct, frozen=True):
    """A kind of act that takes two: who may propose it and who approve; `alone`: one may do it in an emergency. `fields` of what
    it needs to be told, as a JSON Schema."""

    kind: str
    name: web.Words
    propose: str
    approve: str
    alone: bool
    fields: dict[str, Any]


class KindsAnswer(msgspec.Struct, frozen=True):
    """Every kind. `four_eyes` false: this installation lets one operator do all of it."""

    four_eyes: bool
    kinds: list[KindAnswer]


class ProposalAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody proposed, and what became of it. `subject_kind`, `subject_id`: whom or what it is about. `alone`: the
    glass was broken. `outcome`: what came of a DONE one, the code of the error of a FAILED one."""

    proposal_id: str
    kind: str
    name: web.Words
    body: dict[str, Any]
    reason: str
    state: ShownState
    alone: bool
    proposed_by: PersonName
    proposed_at: datetime
    expires_at: datetime
    decided_by: PersonName | None
    decided_at: datetime | None
    note: str
    outcome: str
    ended_at: datetime | None
    subject_kind: str
    subject_id: str


class ProposeBody(web.Request, frozen=True, kw_only=True):
    """An act that takes two. `body` is what its kind needs to be told; `alone` breaks the glass: it is done at once, and another
    operator must look at it within a day."""

    kind: Annotated[str, msgspec.Meta(max_length=64)]
    body: dict[str, Any]
    reason: Reason
    alone: bool = False


class DecideBody(web.Request, frozen=True, kw_only=True):
    """A word for the record."""

    note: Reason = ""


class ReviewBody(web.Request, frozen=True, kw_only=True):
    """What was found."""

    note: Reason


class IncidentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Something another operator must look at; `overdue`: nobody has, in time."""

    incident_id: str
    kind: str
    subject_id: str
    text: str
    opened_by: PersonName
    opened_at: datetime
    due_at: datetime
    overdue: bool
    reviewed_by: PersonName | None
    reviewed_at: datetime | None
    note: str


class InvitationCodeAnswer(msgspec.Struct, frozen=True):
    """The half of an invitation that its approver has, to be told in person. `expires_at`: the invitation's end."""

    code: str
    expires_at: datetime


class WaitingAnswer(msgspec.Struct, frozen=True):
    """How much waits for somebody: open proposals, incidents nobody has looked at, and those that are overdue."""

    proposals: int
    incidents: int
    overdue: int


@get("/v1/console/kinds", tags=["Console"])
async def kinds(operator: Caller, operators: OperatorService) -> KindsAnswer:
    """What takes two operators, who may propose and who approve, and what each needs to be told."""
    return KindsAnswer(
        operators.four_eyes,
        [
            KindAnswer(
                each.name, web.Words(each.zh, each.en), each.propose, each.approve, each.alone,
                msgspec.json.schema(each.body)["$defs"][each.body.__name__],
            )
            for each in operators.kinds.values()
        ],
    )  # fmt: skip


@get("/v1/console/waiting", tags=["Console"])
async def waiting(operator: Caller, operators: OperatorService) -> WaitingAnswer:
    """How much waits for somebody's eyes: to be shown on every page. One's own proposals wait for others, and are not counted."""
    found = await operators.waiting(operator.principal_id)
    return WaitingAnswer(found.proposals, found.incidents, found.overdue)


@get("/v1/console/proposals", tags=["Console"])
async def proposals(
    operator: Caller,
    operators: OperatorService,
    identity: IdentityService,
    clock: Clock,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    which: Which = None,
    mine: bool = False,
) -> web.Page[ProposalAnswer]:
    """What was proposed, newest first; `open`: what still waits, and what was approved and is under way; `mine`: by oneself."""
    proposer = operator.principal_id if mine else None
    found = await operators.proposals(which, proposer, web.decode_cursor(cursor, UUID), limit)
    rows, following = web.page(found, limit, lambda row: row.proposal_id)
    return web.Page(await _answers(list(rows), operators, identity, clock, whole=False), following)


@get("/v1/console/proposals/{proposal_id:str}", tags=["Console"])
async def one_proposal(
    operator: Caller, operators: OperatorService, identity: IdentityService, clock: Clock, proposal_id: PathId
) -> ProposalAnswer:
    """One proposal with the whole of what it wishes."""
    return await _answer(await operators.proposal(web.parse_id(proposal_id, PROPOSAL_NOT_FOUND)), operators, identity, clock)


@get("/v1/console/proposals/{proposal_id:str}/code", tags=["Console"])
async def code(
    operator: Caller, operators: OperatorService, invitations: Invitations, proposal_id: PathId
) -> InvitationCodeAnswer:
    """The code of an invitation, for whoever approved it and nobody else, as long as it waits. The newcomer has the link."""
    proposal = await operators.proposal(web.parse_id(proposal_id, PROPOSAL_NOT_FOUND))
    if proposal.kind not in ("operator.create", "operator.reset") or proposal.state != "DONE":
        raise Refusal(INVITATION_ENDED)
    if proposal.decided_by != operator.principal_id:
        raise Refusal(NOT_THE_APPROVER)
    return InvitationCodeAnswer(*await invitations.code(act_id(proposal)))


@post("/v1/console/proposals", tags=["Console"], status_code=201, request_max_body_size=MOST_FILE_BYTES)
async def propose(
    operator: Caller,
    operators: OperatorService,
    identity: IdentityService,
    clock: Clock,
    data: ProposeBody,
    key: web.IdempotencyKey,
) -> ProposalAnswer:
    """Propose an act that takes two. It waits a day for another operator."""
    made = await operators.propose(
        command_id_for(operator, key), operator.principal_id, data.kind, data.body, data.reason, alone=data.alone
    )
    return await _answer(made, operators, identity, clock)


@post("/v1/console/proposals/{proposal_id:str}/approve", tags=["Console"], status_code=200)
async def approve(
    operator: Caller,
    operators: OperatorService,
    identity: IdentityService,
    clock: Clock,
    proposal_id: PathId,
    data: DecideBody,
    key: web.IdempotencyKey,
) -> ProposalAnswer:
    """Agree to what somebody else proposed, whereupon it is done. Declined acts end FAILED with their code."""
    wanted = web.parse_id(proposal_id, PROPOSAL_NOT_FOUND)
    decided = await operators.decide(command_id_for(operator, key), operator.principal_id, wanted, True, data.note)
    return await _answer(decided, operators, identity, clock)


@post("/v1/console/proposals/{proposal_id:str}/reject", tags=["Console"], status_code=200)
async def reject(
    operator: Caller,
    operators: OperatorService,
    identity: IdentityService,
    clock: Clock,
    proposal_id: PathId,
    data: DecideBody,
    key: web.IdempotencyKey,
) -> ProposalAnswer:
    """Say no to what somebody else proposed."""
    wanted = web.parse_id(proposal_id, PROPOSAL_NOT_FOUND)
    decided = await operators.decide(command_id_for(operator, key), operator.principal_id, wanted, False, data.note)
    return await _answer(decided, operators, identity, clock)


@post("/v1/console/proposals/{proposal_id:str}/withdraw", tags=["Console"], status_code=200)
async def withdraw(
    operator: Caller,
    operators: OperatorService,
    identity: IdentityService,
    clock: Clock,
    proposal_id: PathId,
    key: web.IdempotencyKey,
) -> ProposalAnswer:
    """Take back what one proposed oneself."""
    wanted = web.parse_id(proposal_id, PROPOSAL_NOT_FOUND)
    withdrawn = await operators.withdraw(command_id_for(operator, key), operator.principal_id, wanted)
    return await _answer(withdrawn, operators, identity, clock)


@get("/v1/console/incidents", tags=["Console"])
async def incidents(
    operator: Caller,
    operators: OperatorService,
    identity: IdentityService,
    clock: Clock,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    unreviewed: bool = False,
) -> web.Page[IncidentAnswer]:
    """Broken glasses and pages that were tampered with, newest first."""
    found = await operators.incidents(unreviewed, web.decode_cursor(cursor, UUID), limit)
    rows, following = web.page(found, limit, lambda row: row.incident_id)
    return web.Page([await _incident(row, identity, clock) for row in rows], following)


@post("/v1/console/incidents/{incident_id:str}/review", tags=["Console"], status_code=200)
async def review(
    operator: Caller,
    operators: OperatorService,
    identity: IdentityService,
    clock: Clock,
    incident_id: PathId,
    data: ReviewBody,
    key: web.IdempotencyKey,
) -> IncidentAnswer:
    """Write down what was found. Not by whoever broke the glass."""
    wanted = web.parse_id(incident_id, INCIDENT_NOT_FOUND)
    reviewed = await operators.review(command_id_for(operator, key), operator.principal_id, wanted, data.note)
    return await _incident(reviewed, identity, clock)


async def _answer(proposal: Proposal, operators: OperatorService, identity: IdentityService, clock: Clock) -> ProposalAnswer:
    return (await _answers([proposal], operators, identity, clock, whole=True))[0]


async def _answers(
    rows: list[Proposal], operators: OperatorService, identity: IdentityService, clock: Clock, *, whole: bool
) -> list[ProposalAnswer]:
    names = await _names({*(row.proposed_by for row in rows), *(row.decided_by for row in rows if row.decided_by)}, identity)
    now = clock.now()
    answers = []
    for row, text in zip(rows, await operators.bodies(rows), strict=True):
        kind = operators.kind(row.kind)
        body = kind.shown(text)
        state: ShownState = "EXPIRED" if row.state == "OPEN" and now >= row.expires_at else row.state
        answers.append(
            ProposalAnswer(
                proposal_id=str(row.proposal_id), kind=row.kind, name=web.Words(kind.zh, kind.en),
                body=body if whole else {name: _cut(value) for name, value in body.items()}, reason=row.reason, state=state,
                alone=row.alone, proposed_by=names[row.proposed_by], proposed_at=row.proposed_at, expires_at=row.expires_at,
                decided_by=names[row.decided_by] if row.decided_by else None, decided_at=row.decided_at, note=row.note,
                outcome=row.outcome, ended_at=row.ended_at, subject_kind=row.subject_kind, subject_id=row.subject_id,
            )
        )  # fmt: skip
    return answers


async def _incident(row: Incident, identity: IdentityService, clock: Clock) -> IncidentAnswer:
    names = await _names({row.opened_by, *({row.reviewed_by} if row.reviewed_by else ())}, identity)
    return IncidentAnswer(
        incident_id=str(row.incident_id), kind=row.kind, subject_id=row.subject_id, text=row.text,
        opened_by=names[row.opened_by], opened_at=row.opened_at, due_at=row.due_at,
        overdue=row.reviewed_at is None and clock.now() >= row.due_at,
        reviewed_by=names[row.reviewed_by] if row.reviewed_by else None, reviewed_at=row.reviewed_at, note=row.note,
    )  # fmt: skip


async def _names(ids: set[UUID], identity: IdentityService) -> dict[UUID, PersonName]:
    people = await identity.several(ids)
    return {each: PersonName(str(each), people[each].name if each in people else "–") for each in ids}


def _cut(value: Any) -> Any:
    return f"{value[:_MOST_SHOWN]}…" if isinstance(value, str) and len(value) > _MOST_SHOWN else value
