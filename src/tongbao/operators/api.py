"""Operators as other modules see them: permissions, acts that take two, and who looked at somebody."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from tongbao.identity.service import IdentityService
from tongbao.operators.invitation_service import Invitations
from tongbao.operators.kinds import Kind, act_id
from tongbao.operators.permissions import Permission, Role, permissions_of
from tongbao.operators.service import OperatorService
from tongbao.operators.suspension_service import Suspensions
from tongbao.operators.types import MACHINE, Incident, OperatorAct, Proposal, Subject
from tongbao.security.masking import mask_name

__all__ = [
    "MACHINE", "Incident", "Invitations", "Kind", "Look", "OperatorAct", "OperatorService", "Permission", "Proposal", "Role",
    "Subject", "Suspensions",
    "act_id", "looks_at", "permissions_of",
]  # fmt: skip


class Look(msgspec.Struct, frozen=True):
    """Somebody of the operator's staff read or changed something of a customer's. The name is masked: which person it was is
    between the operator and its auditors."""

    act_id: UUID
    at: datetime
    act: str
    changing: bool
    by_masked: str
    roles: tuple[str, ...]


async def looks_at(
    operators: OperatorService, identity: IdentityService, subject_ids: Sequence[str], before: UUID | None, limit: int
) -> list[Look]:
    """Who looked at somebody, newest first, `limit` + 1 at most. `subject_ids`: the customer's id and those of their accounts."""
    found = await operators.acts(subjects=subject_ids, before=before, limit=limit)
    who = {row.operator_id for row in found}
    people = await identity.several(who)
    roles = {each: tuple((await identity.need(each)).roles.split(",")) for each in who & people.keys()}
    return [
        Look(
            row.act_id, row.at, row.act, row.changing,
            mask_name(people[row.operator_id].name) if row.operator_id in people else "–", roles.get(row.operator_id, ()),
        )
        for row in found
    ]  # fmt: skip
