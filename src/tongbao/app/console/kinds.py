"""The acts that take two operators, one line each at the end. A module that has one adds its line there."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.app.console.exchange import ExportBody, export_days
from tongbao.app.console.wire import day
from tongbao.identity.rules import normal_login, normal_name
from tongbao.identity.types import Locale
from tongbao.kernel import web
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import new_id
from tongbao.kernel.money import parse
from tongbao.ledger.commands import FreezeReason
from tongbao.ledger.errors import ACCOUNT_NOT_FOUND, JOURNAL_NOT_FOUND
from tongbao.ledger.exchange import opening
from tongbao.operators.api import Kind, Permission, Proposal, Subject, act_id
from tongbao.operators.errors import ACT_MALFORMED, CUSTOMER_NOT_FOUND, OPERATOR_NOT_FOUND
from tongbao.operators.service import role_text
from tongbao.operators.suspensions import Liftable
from tongbao.payments.errors import PAYMENT_NOT_FOUND

if TYPE_CHECKING:
    from tongbao.app.asgi import Services

Id = Annotated[str, msgspec.Meta(max_length=64)]
Day = Annotated[str, msgspec.Meta(max_length=10)]
Roles = Annotated[list[Annotated[str, msgspec.Meta(max_length=32)]], msgspec.Meta(max_length=8)]


class UnfreezeBody(web.Request, frozen=True, kw_only=True):
    """Lift the freezes of one reason from sides of an account."""

    account_id: Id
    debits: bool
    credits: bool
    freeze_reason: FreezeReason


class BoundBody(web.Request, frozen=True, kw_only=True):
    """The most an account may hold; null: no bound."""

    account_id: Id
    ceiling: Annotated[str, msgspec.Meta(max_length=32)] | None


class ReopenBody(web.Request, frozen=True, kw_only=True):
    """The period closed last, by its last day."""

    through: Day


class OpeningFileBody(web.Request, frozen=True, kw_only=True):
    """A file of opening balances to be posted."""

    content: Annotated[str, msgspec.Meta(max_length=1_500_000)]
    format: opening.Format = "csv"
    value_date: Day


class ReverseJournalBody(web.Request, frozen=True, kw_only=True):
    """A journal to be undone by its exact opposite; why stands in the proposal."""

    journal_id: Id


class RefundBody(web.Request, frozen=True, kw_only=True):
    """Give a payer money back in the merchant's stead."""

    payment_id: Id
    amount: Annotated[str, msgspec.Meta(max_length=32)]
    currency: Annotated[str, msgspec.Meta(max_length=8)]


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


class LiftBody(web.Request, frozen=True, kw_only=True):
    """A customer who may pay again. `reason`: `operator` for an operator's suspension, `dormant` for a wallet that was never
    used, once it was seen anew who it is. `since`: of the suspension that was read, filled in by the server."""

    customer_id: Id
    reason: Liftable
    since: datetime | None = None


class ResetBody(web.Request, frozen=True, kw_only=True):
    """An operator who lost their password or second factor: both are taken away, and they are invited anew."""

    operator_id: Id


async def _unfreeze(services: Services, proposal: Proposal, body: UnfreezeBody) -> str:
    account = web.parse_id(body.account_id, ACCOUNT_NOT_FOUND)
    await services.ledger.freeze(
        act_id(proposal), account, debits=body.debits, credits=body.credits, reason=body.freeze_reason,
        note=proposal.reason[:200], by=proposal.proposed_by, lift=True,
    )  # fmt: skip
    return str(account)


async def _check_unfreeze(services: Services, body: UnfreezeBody) -> UnfreezeBody:
    await services.books.account(web.parse_id(body.account_id, ACCOUNT_NOT_FOUND))
    return body


async def _bound(services: Services, proposal: Proposal, body: BoundBody) -> str:
    found = await services.books.account(web.parse_id(body.account_id, ACCOUNT_NOT_FOUND))
    ceiling = None if body.ceiling is None else parse(body.ceiling, found.currency.partition(":")[0]).minor
    await services.ledger.set_limits(
        act_id(proposal), found.account_id, floor_minor=found.floor_minor, ceiling_minor=ceiling, note=proposal.reason[:200],
        by=proposal.proposed_by,
    )  # fmt: skip
    return str(found.account_id)


async def _check_bound(services: Services, body: BoundBody) -> BoundBody:
    found = await services.books.account(web.parse_id(body.account_id, ACCOUNT_NOT_FOUND))
    if body.ceiling is not None:
        parse(body.ceiling, found.currency.partition(":")[0])
    return body


async def _reopen(services: Services, proposal: Proposal, body: ReopenBody) -> str:
    period = await services.books.closing.reopen(act_id(proposal), day(body.through), proposal.reason[:200], proposal.proposed_by)
    return str(period.through)


async def _check_reopen(services: Services, body: ReopenBody) -> ReopenBody:
    day(body.through)
    return body


async def _open_balances(services: Services, proposal: Proposal, body: OpeningFileBody) -> str:
    journal_id, _ = await services.books.post_opening(opening.read(body.content, body.format), day(body.value_date))
    return str(journal_id)


async def _check_opening(services: Services, body: OpeningFileBody) -> OpeningFileBody:
    trial = await services.books.opening_dry_run(opening.read(body.content, body.format), day(body.value_date))
    if trial.findings:
        raise Refusal(ACT_MALFORMED, problem=f"{trial.findings[0].number}: {trial.findings[0].en}")
    return body


async def _reverse(services: Services, proposal: Proposal, body: ReverseJournalBody) -> str:
    journal_id = web.parse_id(body.journal_id, JOURNAL_NOT_FOUND)
    undoing = await services.ledger.reverse(act_id(proposal), journal_id, proposal.reason[:200], by=proposal.proposed_by)
    return str(undoing.journal_id)


async def _check_reverse(services: Services, body: ReverseJournalBody) -> ReverseJournalBody:
    journal_id = web.parse_id(body.journal_id, JOURNAL_NOT_FOUND)
    await services.ledger.reversal_of(new_id(services.clock.now()), journal_id, "the proposal's")  # declines what cannot be
    return replace(body, journal_id=str(journal_id))


async def _granted(services: Services, proposal: Proposal, body: ExportBody) -> str:
    return ""  # the file is fetched by whoever proposed it, with the proposal's id


async def _check_export(services: Services, body: ExportBody) -> ExportBody:
    export_days(body.first_day, body.last_day)
    return body


async def _refund(services: Services, proposal: Proposal, body: RefundBody) -> str:
    payment = await services.payments.payment(web.parse_id(body.payment_id, PAYMENT_NOT_FOUND))
    amount = parse(body.amount, body.currency)
    _, refund = await services.payments.refund(
        act_id(proposal), payment.merchant_id, payment.out_trade_no, None, amount, proposal.reason[:80]
    )
    return str(refund.refund_id)


async def _check_refund(services: Services, body: RefundBody) -> RefundBody:
    await services.payments.payment(web.parse_id(body.payment_id, PAYMENT_NOT_FOUND))
    parse(body.amount, body.currency)
    return body


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


async def _set_roles(services: Services, proposal: Proposal, body: RolesBody) -> str:
    operator_id = web.parse_id(body.operator_id, OPERATOR_NOT_FOUND)
    await services.operators.set_roles(act_id(proposal), operator_id, body.roles)
    return str(operator_id)


async def _check_roles(services: Services, body: RolesBody) -> RolesBody:
    role_text(body.roles)
    await _operator(services, body.operator_id)
    return body


def _account(body: UnfreezeBody | BoundBody) -> Subject:
    return Subject("account", _id(body.account_id))


def _id(text: str) -> str:
    """An id as we write it, so that what is about the same thing says the same."""
    try:
        return str(UUID(text))
    except ValueError:
        return text


_P = Permission

#: By name. The first permission proposes, the second approves.
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="account.unfreeze", zh="解除账户止付止收", en="Unfreeze an account", body=UnfreezeBody,
            propose=_P.ACCOUNTS_RELEASE, approve=_P.ACCOUNTS_RELEASE, subject=_account, run=_unfreeze, check=_check_unfreeze,
            alone=True,
        ),
        Kind(
            name="account.bound", zh="调整账户余额上限", en="Change an account's ceiling", body=BoundBody,
            propose=_P.ACCOUNTS_BOUND, approve=_P.ACCOUNTS_BOUND, subject=_account, run=_bound, check=_check_bound, alone=True,
        ),
        Kind(
            name="period.reopen", zh="重新打开账期", en="Reopen a period", body=ReopenBody,
            propose=_P.BOOKS_CLOSE, approve=_P.BOOKS_REOPEN, subject=lambda body: Subject("period", body.through), run=_reopen,
            check=_check_reopen,
        ),
        Kind(
            name="books.opening", zh="导入期初余额", en="Post opening balances", body=OpeningFileBody,
            propose=_P.BOOKS_TRY_OPENING, approve=_P.BOOKS_OPENING, subject=lambda body: Subject("books", body.value_date),
            run=_open_balances, check=_check_opening,
        ),
        Kind(
            name="journal.reverse", zh="冲正凭证", en="Reverse a journal", body=ReverseJournalBody,
            propose=_P.BOOKS_ACT, approve=_P.BOOKS_ACT, subject=lambda body: Subject("journal", _id(body.journal_id)),
            run=_reverse, check=_check_reverse,
        ),
        Kind(
            name="books.export", zh="导出账簿", en="Write out the books", body=ExportBody,
            propose=_P.BOOKS_EXPORT, approve=_P.BOOKS_EXPORT, subject=lambda body: Subject("books", body.what), run=_granted,
            check=_check_export, alone=True,
        ),
        Kind(
            name="payment.refund", zh="代商户退款", en="Refund in the merchant's stead", body=RefundBody,
            propose=_P.PAYMENTS_REFUND, approve=_P.PAYMENTS_REFUND,
            subject=lambda body: Subject("payment", _id(body.payment_id)), run=_refund, check=_check_refund, alone=True,
        ),
        Kind(
            name="customer.lift_suspension", zh="解除客户暂停", en="Lift a customer's suspension", body=LiftBody,
            propose=_P.LIFT_SUSPENSION, approve=_P.LIFT_SUSPENSION,
            subject=lambda body: Subject("customer", _id(body.customer_id)), run=_lift, check=_check_lift,
        ),
        Kind(
            name="operator.create", zh="新增操作员", en="Take an operator on", body=NewOperatorBody,
            propose=_P.OPERATORS_CHANGE, approve=_P.OPERATORS_CHANGE, subject=lambda body: Subject("login", ""),
            run=_invite, check=_check_invite,
        ),
        Kind(
            name="operator.reset", zh="重设操作员登录", en="Let an operator in again", body=ResetBody,
            propose=_P.OPERATORS_CHANGE, approve=_P.OPERATORS_CHANGE,
            subject=lambda body: Subject("operator", _id(body.operator_id)), run=_reset, check=_check_reset,
        ),
        Kind(
            name="operator.roles", zh="变更操作员角色", en="Change an operator's roles", body=RolesBody,
            propose=_P.OPERATORS_CHANGE, approve=_P.OPERATORS_CHANGE,
            subject=lambda body: Subject("operator", _id(body.operator_id)), run=_set_roles, check=_check_roles,
        ),
    )
}  # fmt: skip
