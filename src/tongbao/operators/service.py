"""Use cases of operators: propose, decide, carry out; record what operators do; incidents; roles."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, cast
from uuid import UUID

import asyncpg
import msgspec
import structlog

from tongbao.engine.api import Engine, accepted
from tongbao.identity.service import IdentityService
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import INTERNAL_ERROR, Refusal
from tongbao.kernel.ids import id_range, named_id, new_id
from tongbao.kernel.sql import Queries
from tongbao.kernel.texts import plain
from tongbao.operators import errors
from tongbao.operators.kinds import Kind, canonical
from tongbao.operators.permissions import ROLE_NAMES
from tongbao.operators.rules import Proposed
from tongbao.operators.types import (
    LEAST_GLASS_REASON,
    LEAST_REASON,
    DecideProposal,
    FinishProposal,
    Incident,
    IncidentKind,
    OpenIncident,
    OperatorAct,
    Proposal,
    Propose,
    RecordAct,
    ReviewIncident,
    SetRoles,
    Subject,
    WithdrawProposal,
)
from tongbao.security.personal import Vault

_log = structlog.get_logger("tongbao.operators")

QUERIES = Queries("tongbao.operators")

#: The column in which what is proposed stands, for the vault.
BODY = "proposal.body"

#: An approved act that nobody reported by then is carried out by the worker.
_REPORTED_WITHIN = timedelta(seconds=10)
_DATABASE_AWAY = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


class Waiting(msgspec.Struct, frozen=True):
    """How much waits for somebody's eyes."""

    proposals: int
    incidents: int
    overdue: int


class OperatorService:
    """What operators do with one another. `kinds`: the acts that take two. `services`: what these acts are done with."""

    def __init__(
        self,
        engine: Engine,
        pool: asyncpg.Pool,
        identity: IdentityService,
        clock: Clock,
        vault: Vault,
        kinds: Mapping[str, Kind],
        services: Callable[[], Any],
        *,
        four_eyes: bool = True,
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._identity = identity
        self._clock = clock
        self._vault = vault
        self._services = services
        self.kinds = kinds
        #: Whether sensitive acts take two people; off for an installation of one.
        self.four_eyes = four_eyes

    # ── four eyes ───────────────────────────────────────────────────────────────────────────────────────────────────

    def kind(self, name: str) -> Kind:
        """Refuses `act_unknown`."""
        kind = self.kinds.get(name)
        if kind is None:
            raise Refusal(errors.ACT_UNKNOWN, kind=name[:64])
        return kind

    def need_two(self, kind: str) -> None:
        """Refuses `approval_needed` where this act takes two people."""
        if self.four_eyes:
            raise Refusal(errors.APPROVAL_NEEDED, kind=kind)

    async def propose(
        self, command_id: UUID, operator_id: UUID, name: str, body: object, reason: str, *, alone: bool = False
    ) -> Proposal:
        """Propose an act, or break the glass and do it `alone`. Refuses `act_unknown`, `act_malformed`, `reason_too_short`,
        `break_glass_not_allowed` and whatever the kind's own check refuses; declines `not_permitted`."""
        kind = self.kind(name)
        reason = reason_of(reason, LEAST_GLASS_REASON if alone else LEAST_REASON)
        if alone and not kind.alone:
            raise Refusal(errors.BREAK_GLASS_NOT_ALLOWED)
        wished = kind.read(body)
        said = hashlib.sha256(canonical(wished).encode()).digest()
        if kind.check is not None:
            wished = await kind.check(self._services(), wished)
        subject = kind.subject(wished)
        body = await self._vault.seal(operator_id, BODY, canonical(wished))
        outcome = await self._engine.submit(
            Propose(
                command_id=command_id, act=name, body=body, said=said, reason=reason, subject_kind=subject.kind,
                subject_id=subject.id, by=operator_id, permission=kind.propose, alone=alone,
            )
        )  # fmt: skip
        proposal = await self.proposal(cast(Proposed, accepted(outcome)).proposal_id)
        return await self.carry_out(proposal) if alone else proposal

    async def decide(self, command_id: UUID, operator_id: UUID, proposal_id: UUID, approve: bool, note: str) -> Proposal:
        """Approve, whereupon it is done, or reject. Declines `proposal_…`, `own_proposal`, `not_permitted`."""
        proposal = await self.proposal(proposal_id)
        kind = self.kind(proposal.kind)
        decision = DecideProposal(
            command_id=command_id, proposal_id=proposal_id, by=operator_id, permission=kind.approve,
            proposed_by=proposal.proposed_by, to_propose=kind.propose, approve=approve, note=plain(note.strip()),
        )  # fmt: skip
        accepted(await self._engine.submit(decision))
        return await self.carry_out(await self.proposal(proposal_id))

    async def withdraw(self, command_id: UUID, operator_id: UUID, proposal_id: UUID) -> Proposal:
        """Declines `proposal_…`, `not_your_proposal`."""
        accepted(await self._engine.submit(WithdrawProposal(command_id=command_id, proposal_id=proposal_id, by=operator_id)))
        return await self.proposal(proposal_id)

    async def carry_out(self, proposal: Proposal) -> Proposal:
        """Do an approved act and report what became of it. The act's command is named after the proposal, so whoever comes
        again, another process or the worker after a crash, changes nothing more. What a retry may cure stays approved."""
        if proposal.state != "APPROVED":
            return proposal
        kind = self.kind(proposal.kind)
        (body,) = await self.bodies([proposal])
        try:
            happened, outcome = True, await kind.run(self._services(), proposal, kind.stored(body))
        except Refusal as refusal:
            if refusal.code.retryable:
                return proposal
            happened, outcome = False, refusal.code.name
        except _DATABASE_AWAY:
            raise
        except Exception as bug:
            _log.error("approved_act_broken", kind=proposal.kind, proposal=str(proposal.proposal_id), exc_info=bug)
            happened, outcome = False, INTERNAL_ERROR.name
        report = FinishProposal(
            command_id=named_id("proposal ended", str(proposal.proposal_id)), proposal_id=proposal.proposal_id,
            happened=happened, outcome=outcome[:200],
        )  # fmt: skip
        try:
            accepted(await self._engine.submit(report))
        except Refusal as refusal:  # another process reported something else: what stands there is what is told
            _log.warning("proposal_reported_otherwise", proposal=str(proposal.proposal_id), code=refusal.code.name)
        return await self.proposal(proposal.proposal_id)

    async def carry_out_due(self) -> int:
        """Carry out approved acts that nobody reported: the server that approved them died. Answers how many there were."""
        rows = await self._pool.fetch(QUERIES["proposals_to_run"], self._clock.now() - _REPORTED_WITHIN, 100)
        for row in rows:
            await self.carry_out(Proposal(*row))
        return len(rows)

    async def proposal(self, proposal_id: UUID) -> Proposal:
        """Declines `proposal_not_found`."""
        row = await self._pool.fetchrow(QUERIES["proposal"], proposal_id)
        if row is None:
            raise Refusal(errors.PROPOSAL_NOT_FOUND)
        return Proposal(*row)

    async def proposals(
        self, which: Literal["open", "ended"] | None, proposed_by: UUID | None, before: UUID | None, limit: int
    ) -> list[Proposal]:
        """Newest first, `limit` + 1 at most. `open`: what waits, and what was approved and is under way."""
        rows = await self._pool.fetch(QUERIES["proposals"], which, proposed_by, before, limit + 1, self._clock.now())
        return [Proposal(*row) for row in rows]

    async def bodies(self, rows: Sequence[Proposal]) -> list[str]:
        """What these proposals wish, opened."""
        return await self._vault.open_many([(row.proposed_by, BODY, row.body) for row in rows])

    async def approved(self, operator_id: UUID, proposal_id: UUID, kind: str, body: msgspec.Struct) -> None:
        """Whether a second operator agreed to this very act of this operator's, and its day is not over. Refuses
        `approval_needed`."""
        proposal = await self.proposal(proposal_id)
        same = (proposal.kind, proposal.proposed_by) == (kind, operator_id)
        same = same and await self.bodies([proposal]) == [canonical(body)]
        if not same or proposal.state != "DONE" or self._clock.now() >= proposal.expires_at:
            raise Refusal(errors.APPROVAL_NEEDED, kind=kind)

    # ── what operators did ──────────────────────────────────────────────────────────────────────────────────────────

    async def record(
        self, operator_id: UUID, session_id: UUID | None, act: str, subjects: Sequence[Subject], *, changing: bool,
        outcome: str = "ok", reason: str = "",
    ) -> None:  # fmt: skip
        """Write down an act. Returns once it is committed, together with whatever else is being committed."""
        command = RecordAct(
            command_id=new_id(self._clock.now()), by=operator_id, session_id=session_id, act=act, changing=changing,
            subjects=tuple(subjects) or (Subject("", ""),), reason=reason[:500], outcome=outcome,
        )  # fmt: skip
        accepted(await self._engine.submit(command))

    async def acts(
        self, *, operator_id: UUID | None = None, subjects: Sequence[str] | None = None, act: str | None = None,
        changes_only: bool = False, start: datetime | None = None, end: datetime | None = None, before: UUID | None = None,
        limit: int,
    ) -> list[OperatorAct]:  # fmt: skip
        """What operators did and read, newest first, `limit` + 1 at most."""
        rows = await self._pool.fetch(
            QUERIES["acts"], operator_id, list(subjects) if subjects else None, act, changes_only,
            id_range(start, start)[0] if start else None, id_range(end, end)[0] if end else None, before, limit + 1,
        )  # fmt: skip
        return [OperatorAct(*row) for row in rows]

    # ── incidents ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def open_incident(self, kind: IncidentKind, subject_id: str, text: str, by: UUID) -> bool:
        """Open an incident unless one about this is open already; whether one was opened."""
        if await self._pool.fetchval(QUERIES["unreviewed"], kind, subject_id):
            return False
        command = OpenIncident(
            command_id=new_id(self._clock.now()), incident_kind=kind, subject_id=subject_id, text=text[:500], by=by
        )
        accepted(await self._engine.submit(command))
        return True

    async def review(self, command_id: UUID, operator_id: UUID, incident_id: UUID, note: str) -> Incident:
        """Refuses `reason_too_short`; declines `incident_…`, `own_incident`, `not_permitted`."""
        note = reason_of(note, LEAST_REASON)
        command = ReviewIncident(command_id=command_id, incident_id=incident_id, by=operator_id, note=note)
        accepted(await self._engine.submit(command))
        return await self.incident(incident_id)

    async def incident(self, incident_id: UUID) -> Incident:
        """Declines `incident_not_found`."""
        row = await self._pool.fetchrow(QUERIES["incident"], incident_id)
        if row is None:
            raise Refusal(errors.INCIDENT_NOT_FOUND)
        return Incident(*row)

    async def incidents(self, unreviewed: bool, before: UUID | None, limit: int) -> list[Incident]:
        """Newest first, `limit` + 1 at most."""
        return [Incident(*row) for row in await self._pool.fetch(QUERIES["incidents"], unreviewed, before, limit + 1)]

    async def waiting(self, operator_id: UUID) -> Waiting:
        """How much waits for this operator's eyes or another's; of proposals, those that somebody else made."""
        return Waiting(*await self._pool.fetchrow(QUERIES["waiting"], self._clock.now(), operator_id))

    # ── roles ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def set_roles(self, command_id: UUID, operator_id: UUID, roles: Sequence[str]) -> None:
        """Give an operator these roles and no others; their sessions end. Refuses `role_unknown`; declines
        `operator_not_found`."""
        text = role_text(roles)
        live = [each.session_id for each in await self._identity.sessions(operator_id, None, 1000)]
        command = SetRoles(command_id=command_id, operator_id=operator_id, roles=text, sessions=tuple(live))
        accepted(await self._engine.submit(command))
        for session_id in live:
            self._identity.forget_session(session_id)


def role_text(roles: Sequence[str]) -> str:
    """Roles as a principal's row has them. Refuses `role_unknown`."""
    for role in roles:
        if role not in ROLE_NAMES:
            raise Refusal(errors.ROLE_UNKNOWN, role=role[:32])
    return ",".join(role for role in ROLE_NAMES if role in roles)


def reason_of(text: str, least: int) -> str:
    """A reason as it is kept. Refuses `reason_too_short`."""
    text = plain(text.strip())
    if len(text) < least:
        raise Refusal(errors.REASON_TOO_SHORT, least=least)
    return text
