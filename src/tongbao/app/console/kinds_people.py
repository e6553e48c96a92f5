"""Acts upon operators and customers that take two operators. The first permission proposes, the second approves."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec.structs import replace

from tongbao.app.console.wire import Id, subject_id
from tongbao.identity.rules import normal_login, normal_name
from tongbao.identity.types import Locale
from tongbao.kernel import web
from tongbao.kernel.errors import Refusal
from tongbao.operators.api import Kind, Permission, Proposal, Subject, act_id
from tongbao.operators.errors import ACT_MALFORMED, CUSTOMER_NOT_FOUND, OPERATOR_NOT_FOUND
from tongbao.operators.service import role_text
from tongbao.operators.suspensions import Liftable
from tongbao.privacy.errors import BREACH_NOT_FOUND, LETTER_PEOPLE
from tongbao.privacy.letters import MOST_LISTED, MOST_TEXT

if TYPE_CHECKING:
    from tongbao.app.asgi import Services

Roles = Annotated[list[Annotated[str, msgspec.Meta(max_length=32)]], msgspec.Meta(max_length=8)]


class NewOperatorBody(web.Request, frozen=True, kw_only=True):
    """Somebody new at the console. They choose their own password, by a link sent to `login` and a code shown to who approves."""

    login: Annotated[str, msgspec.Meta(max_length=254)]
    name: Annotated[str, msgspec.Meta(max_length=200)]
    locale: Locale = "zh"
    roles: Roles


class RolesBody(web.Request, frozen=True, kw_only=True):
    """The roles of an operator from now on; none: they may do nothing any more."""

    operator_id: Id
    roles: Roles


class LetterBody(web.Request, frozen=True, kw_only=True):
    """What the people whom a breach concerns are told, in both languages. `customers`: whom; none: every customer there was
    when it was known. Nobody can take it back."""

    breach_id: Id
    zh: Annotated[str, msgspec.Meta(max_length=MOST_TEXT)]
    en: Annotated[str, msgspec.Meta(max_length=MOST_TEXT)]
    customers: Annotated[tuple[Id, ...], msgspec.Meta(max_length=MOST_LISTED)] = ()


class LiftBody(web.Request, frozen=True, kw_only=True):
    """A customer who may pay again. `reason`: `operator` for an operator's suspension, `dormant` for a wallet that was never
    used, once it was seen anew who it is. `since`: of the suspension that was read, filled in by the server."""

    customer_id: Id
    reason: Liftable
    since: datetime | None = None


class ResetBody(web.Request, frozen=True, kw_only=True):
    """An operator who lost their password or second factor: both are taken away, and they are invited anew."""

    operator_id: Id


async def _invite(services: Services, proposal: Proposal, body: NewOperatorBody) -> str:
    operator_id = await services.invitations.invite(act_id(proposal), body.login, body.name, body.locale, role_text(body.roles))
    return str(operator_id)


async def _check_invite(services: Services, body: NewOperatorBody) -> NewOperatorBody:
    role_text(body.roles)
    return replace(body, login=normal_login(body.login), name=normal_name(body.name))


async def _reset(services: Services, proposal: Proposal, body: ResetBody) -> str:
    operator_id = web.parse_id(body.operator_id, OPERATOR_NOT_FOUND)
    await services.invitations.reset(act_id(proposal), operator_id)
    return str(operator_id)


async def _check_reset(services: Services, body: ResetBody) -> ResetBody:
    await _operator(services, body.operator_id)
    return body


async def _operator(services: Services, operator_id: str) -> None:
    """Declines `operator_not_found`."""
    person = await services.identity.need(web.parse_id(operator_id, OPERATOR_NOT_FOUND))
    if person.audience != "console":
        raise Refusal(OPERATOR_NOT_FOUND)


async def _lift(services: Services, proposal: Proposal, body: LiftBody) -> str:
    customer_id = web.parse_id(body.customer_id, CUSTOMER_NOT_FOUND)
    assert proposal.decided_by is not None
    await services.suspensions.lift(
        act_id(proposal), customer_id, body.reason, body.since, proposal.reason, proposal.proposed_by, proposal.decided_by
    )
    return str(customer_id)


async def _check_lift(services: Services, body: LiftBody) -> LiftBody:
    if body.since is not None:
        raise Refusal(ACT_MALFORMED, problem="since")
    customer_id = web.parse_id(body.customer_id, CUSTOMER_NOT_FOUND)
    if (await services.identity.need(customer_id)).audience != "wallet":
        raise Refusal(CUSTOMER_NOT_FOUND)
    standing = await services.names.standing(customer_id)
    return replace(body, since=await services.suspensions.readable(customer_id, body.reason, standing.suspended))


async def _write_letter(services: Services, proposal: Proposal, body: LetterBody) -> str:
    breach_id = web.parse_id(body.breach_id, BREACH_NOT_FOUND)
    listed = [web.parse_id(each, LETTER_PEOPLE) for each in body.customers]
    await services.office.letters.begin(act_id(proposal), breach_id, body.zh, body.en, listed, proposal.proposed_by)
    return str(breach_id)


async def _check_letter(services: Services, body: LetterBody) -> LetterBody:
    listed = [web.parse_id(each, LETTER_PEOPLE) for each in body.customers]
    breach_id = web.parse_id(body.breach_id, BREACH_NOT_FOUND)
    zh, en = await services.office.letters.check(breach_id, body.zh, body.en, listed)
    return replace(body, zh=zh, en=en)


async def _set_roles(services: Services, proposal: Proposal, body: RolesBody) -> str:
    operator_id = web.parse_id(body.operator_id, OPERATOR_NOT_FOUND)
    await services.operators.set_roles(act_id(proposal), operator_id, body.roles)
    return str(operator_id)


async def _check_roles(services: Services, body: RolesBody) -> RolesBody:
    role_text(body.roles)
    await _operator(services, body.operator_id)
    return body


_P = Permission

KINDS = (
    Kind(
        name="breach.letter", zh="告知受影响的个人", en="Write to the people a breach concerns", body=LetterBody,
        propose=_P.PRIVACY_ACT, approve=_P.PRIVACY_ACT, subject=lambda body: Subject("breach", subject_id(body.breach_id)),
        run=_write_letter, check=_check_letter,
    ),
    Kind(
        name="customer.lift_suspension", zh="解除客户暂停", en="Lift a customer's suspension", body=LiftBody,
        propose=_P.LIFT_SUSPENSION, approve=_P.LIFT_SUSPENSION,
        subject=lambda body: Subject("customer", subject_id(body.customer_id)), run=_lift, check=_check_lift,
    ),
    Kind(
        name="operator.create", zh="新增操作员", en="Take an operator on", body=NewOperatorBody,
        propose=_P.OPERATORS_CHANGE, approve=_P.OPERATORS_CHANGE, subject=lambda body: Subject("login", ""),
        run=_invite, check=_check_invite,
    ),
    Kind(
        name="operator.reset", zh="重设操作员登录", en="Let an operator in again", body=ResetBody,
        propose=_P.OPERATORS_CHANGE, approve=_P.OPERATORS_CHANGE,
        subject=lambda body: Subject("operator", subject_id(body.operator_id)), run=_reset, check=_check_reset,
    ),
    Kind(
        name="operator.roles", zh="变更操作员角色", en="Change an operator's roles", body=RolesBody,
        propose=_P.OPERATORS_CHANGE, approve=_P.OPERATORS_CHANGE,
        subject=lambda body: Subject("operator", subject_id(body.operator_id)), run=_set_roles, check=_check_roles,
    ),
)  # fmt: skip
