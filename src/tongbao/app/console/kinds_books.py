"""Acts upon accounts, the books and payments that take two operators. The first permission proposes, the second approves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec.structs import replace

from tongbao.app.console.exchange import ExportBody, export_days
from tongbao.app.console.states import free_hold
from tongbao.app.console.wire import Id, day, subject_id
from tongbao.kernel import web
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import new_id
from tongbao.kernel.money import parse
from tongbao.ledger.api import CUSTOMER_WALLET
from tongbao.ledger.commands import FreezeReason
from tongbao.ledger.errors import ACCOUNT_NOT_FOUND, HOLD_ENDED, HOLD_NOT_FOUND, JOURNAL_NOT_FOUND
from tongbao.ledger.exchange import opening
from tongbao.operators.api import Kind, Permission, Proposal, Subject, act_id
from tongbao.operators.errors import ACT_MALFORMED
from tongbao.payments.errors import ORDER_NOT_AUTHORISED, PAYMENT_NOT_FOUND

if TYPE_CHECKING:
    from tongbao.app.asgi import Services

Day = Annotated[str, msgspec.Meta(max_length=10)]


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


class VoidHoldBody(web.Request, frozen=True, kw_only=True):
    """What is left of a hold, to be given back to its account. `customer_id`: whose it is where it is a customer's, filled in by
    the server."""

    hold_id: Id
    customer_id: Id | None = None


class TrustBody(web.Request, frozen=True, kw_only=True):
    """An authorisation that is in doubt, since its payer reported a takeover, and may be captured all the same. `customer_id`:
    whose it is, filled in by the server."""

    payment_id: Id
    customer_id: Id | None = None


class ReverseJournalBody(web.Request, frozen=True, kw_only=True):
    """A journal to be undone by its exact opposite; why stands in the proposal."""

    journal_id: Id


class RefundBody(web.Request, frozen=True, kw_only=True):
    """Give a payer money back in the merchant's stead."""

    payment_id: Id
    amount: Annotated[str, msgspec.Meta(max_length=32)]
    currency: Annotated[str, msgspec.Meta(max_length=8)]


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


async def _void_hold(services: Services, proposal: Proposal, body: VoidHoldBody) -> str:
    hold_id = web.parse_id(body.hold_id, HOLD_NOT_FOUND)
    await free_hold(services.payments, services.ledger, act_id(proposal), hold_id)
    return str(hold_id)


async def _check_void_hold(services: Services, body: VoidHoldBody) -> VoidHoldBody:
    _unsaid(body)
    hold_id = web.parse_id(body.hold_id, HOLD_NOT_FOUND)
    found = await services.books.reports.hold(hold_id)
    if found is None:
        raise Refusal(HOLD_NOT_FOUND)
    if found.state != "ACTIVE":
        raise Refusal(HOLD_ENDED)
    customers = found.code == CUSTOMER_WALLET.code and found.owner_id is not None
    return replace(body, hold_id=str(hold_id), customer_id=str(found.owner_id) if customers else None)


async def _trust(services: Services, proposal: Proposal, body: TrustBody) -> str:
    payment_id = web.parse_id(body.payment_id, PAYMENT_NOT_FOUND)
    await services.payments.trust(act_id(proposal), payment_id)
    return str(payment_id)


async def _check_trust(services: Services, body: TrustBody) -> TrustBody:
    _unsaid(body)
    payment = await services.payments.payment(web.parse_id(body.payment_id, PAYMENT_NOT_FOUND))
    if payment.payer_id is None:
        raise Refusal(ORDER_NOT_AUTHORISED)
    return replace(body, payment_id=str(payment.payment_id), customer_id=str(payment.payer_id))


def _unsaid(body: VoidHoldBody | TrustBody) -> None:
    """Whose it is, is not the proposer's to say. Refuses `act_malformed`."""
    if body.customer_id is not None:
        raise Refusal(ACT_MALFORMED, problem="customer_id")


def _customer_or(kind: str, wanted: str, body: VoidHoldBody | TrustBody) -> Subject:
    return Subject("customer", body.customer_id) if body.customer_id else Subject(kind, subject_id(wanted))


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


def _account(body: UnfreezeBody | BoundBody) -> Subject:
    return Subject("account", subject_id(body.account_id))


_P = Permission

KINDS = (
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
        propose=_P.BOOKS_ACT, approve=_P.BOOKS_ACT, subject=lambda body: Subject("journal", subject_id(body.journal_id)),
        run=_reverse, check=_check_reverse,
    ),
    Kind(
        name="hold.void", zh="解冻（撤销冻结）", en="Free a hold", body=VoidHoldBody,
        propose=_P.BOOKS_ACT, approve=_P.BOOKS_ACT, subject=lambda body: _customer_or("hold", body.hold_id, body),
        run=_void_hold, check=_check_void_hold, alone=True,
    ),
    Kind(
        name="authorisation.trust", zh="放行存疑的预授权", en="Let an authorisation in doubt be taken", body=TrustBody,
        propose=_P.ACCOUNTS_RELEASE, approve=_P.ACCOUNTS_RELEASE,
        subject=lambda body: _customer_or("payment", body.payment_id, body), run=_trust, check=_check_trust,
    ),
    Kind(
        name="books.export", zh="导出账簿", en="Write out the books", body=ExportBody,
        propose=_P.BOOKS_EXPORT, approve=_P.BOOKS_EXPORT, subject=lambda body: Subject("books", body.what), run=_granted,
        check=_check_export, alone=True,
    ),
    Kind(
        name="books.export_whole", zh="导出账簿（含个人标识）", en="Write out the books with whose they are", body=ExportBody,
        propose=_P.BOOKS_EXPORT_WHOLE, approve=_P.BOOKS_EXPORT_WHOLE, subject=lambda body: Subject("books", body.what),
        run=_granted, check=_check_export,
    ),
    Kind(
        name="payment.refund", zh="代商户退款", en="Refund in the merchant's stead", body=RefundBody,
        propose=_P.PAYMENTS_REFUND, approve=_P.PAYMENTS_REFUND,
        subject=lambda body: Subject("payment", subject_id(body.payment_id)), run=_refund, check=_check_refund, alone=True,
    ),
)  # fmt: skip
