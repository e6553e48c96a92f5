"""Routes that change the state of accounts, holds and journals: freeze, close, bound, void, reverse."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import QueryParameter

from tongbao.app.books import Books
from tongbao.app.console.accounts import AccountAnswer, account_answer
from tongbao.app.console.journals import JournalAnswer, journal_answer
from tongbao.app.console.wire import PathId, chart_name
from tongbao.identity.service import Caller, command_id_for
from tongbao.kernel import web
from tongbao.kernel.money import format_minor, parse
from tongbao.ledger.commands import FreezeReason
from tongbao.ledger.errors import ACCOUNT_NOT_FOUND, HOLD_NOT_FOUND, JOURNAL_NOT_FOUND
from tongbao.ledger.reports import HoldRow
from tongbao.ledger.service import LedgerService
from tongbao.payments.service import PaymentService

Note = Annotated[str, msgspec.Meta(max_length=200)]


class FreezeBody(web.Request, frozen=True, kw_only=True):
    """Which side, and why. Each reason stands by itself: lifting one leaves the others."""

    debits: bool
    credits: bool
    reason: FreezeReason
    note: Note = ""


class NoteBody(web.Request, frozen=True, kw_only=True):
    """A word for the record."""

    note: Note = ""


class LimitsBody(web.Request, frozen=True, kw_only=True):
    """The most the account may hold; null: no bound."""

    ceiling: Annotated[str, msgspec.Meta(max_length=32)] | None


class ReverseBody(web.Request, frozen=True, kw_only=True):
    """Why the journal is undone."""

    reason: Note


class HoldLine(msgspec.Struct, frozen=True, kw_only=True):
    """Money set aside. `agreed` is the most that may be captured in all; `left` is what is set aside still."""

    hold_id: str
    account_id: str
    account_code: str
    account_name: web.Words
    owner: str | None
    currency: str
    amount: str
    agreed: str
    captured: str
    left: str
    state: str
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None


@post("/v1/console/accounts/{account:str}/freeze", tags=["Console"], status_code=200)
async def freeze_account(
    operator: Caller, ledger: LedgerService, books: Books, account: PathId, data: FreezeBody, key: web.IdempotencyKey
) -> AccountAnswer:
    """Let nothing leave the account, nothing arrive in it, or neither, for one reason more."""
    return await _freeze(operator, ledger, books, account, data, key, lift=False)


@post("/v1/console/accounts/{account:str}/unfreeze", tags=["Console"], status_code=200)
async def unfreeze_account(
    operator: Caller, ledger: LedgerService, books: Books, account: PathId, data: FreezeBody, key: web.IdempotencyKey
) -> AccountAnswer:
    """Lift the freezes of one reason on the sides named."""
    return await _freeze(operator, ledger, books, account, data, key, lift=True)


async def _freeze(
    operator: Caller, ledger: LedgerService, books: Books, account: str, data: FreezeBody, key: str, *, lift: bool
) -> AccountAnswer:
    found = web.parse_id(account, ACCOUNT_NOT_FOUND)
    await ledger.freeze(
        command_id_for(operator, key), found, debits=data.debits, credits=data.credits, reason=data.reason, note=data.note,
        by=operator.principal_id, lift=lift,
    )  # fmt: skip
    return account_answer(await books.account(found))


@post("/v1/console/accounts/{account:str}/close", tags=["Console"], status_code=200)
async def close_account(
    operator: Caller, ledger: LedgerService, books: Books, account: PathId, data: NoteBody, key: web.IdempotencyKey
) -> AccountAnswer:
    """Close an owner's account: it must be empty, without holds and not frozen."""
    found = web.parse_id(account, ACCOUNT_NOT_FOUND)
    await ledger.close(command_id_for(operator, key), found, data.note, operator.principal_id)
    return account_answer(await books.account(found))


@post("/v1/console/accounts/{account:str}/reopen", tags=["Console"], status_code=200)
async def reopen_account(
    operator: Caller, ledger: LedgerService, books: Books, account: PathId, data: NoteBody, key: web.IdempotencyKey
) -> AccountAnswer:
    """Open a closed account again."""
    found = web.parse_id(account, ACCOUNT_NOT_FOUND)
    await ledger.reopen(command_id_for(operator, key), found, data.note, operator.principal_id)
    return account_answer(await books.account(found))


@post("/v1/console/accounts/{account:str}/limits", tags=["Console"], status_code=200)
async def limit_account(
    operator: Caller, ledger: LedgerService, books: Books, account: PathId, data: LimitsBody, key: web.IdempotencyKey
) -> AccountAnswer:
    """Give an account a ceiling, or take it away; its floor stays."""
    found = await books.account(web.parse_id(account, ACCOUNT_NOT_FOUND))
    ceiling = None if data.ceiling is None else parse(data.ceiling, found.currency.partition(":")[0]).minor
    await ledger.set_limits(
        command_id_for(operator, key), found.account_id, floor_minor=found.floor_minor, ceiling_minor=ceiling,
        by=operator.principal_id,
    )  # fmt: skip
    return account_answer(await books.account(found.account_id))


@get("/v1/console/holds", tags=["Console"])
async def holds(
    operator: Caller,
    books: Books,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    account: Annotated[str | None, QueryParameter(max_length=64)] = None,
) -> web.Page[HoldLine]:
    """Active holds, soonest to expire first; or every hold of one account, newest first."""
    place = web.decode_cursor(cursor, tuple[datetime, UUID])
    if account:
        found = await books.reports.holds_of_account(web.parse_id(account, ACCOUNT_NOT_FOUND), place, limit + 1)
        rows, following = web.page(found, limit, lambda row: (row.created_at, row.hold_id))
    else:
        found = await books.reports.holds(place, limit + 1)
        rows, following = web.page(found, limit, lambda row: (row.expires_at, row.hold_id))
    return web.Page([_hold(row) for row in rows], following)


@post("/v1/console/holds/{hold:str}/void", tags=["Console"], status_code=200)
async def void_hold(
    operator: Caller, ledger: LedgerService, books: Books, payments: PaymentService, hold: PathId, key: web.IdempotencyKey
) -> HoldLine:
    """Give what is left of a hold back to its account. Where it is what a payer authorised, the authorisation ends with it, and
    both sides are told."""
    found, command_id = web.parse_id(hold, HOLD_NOT_FOUND), command_id_for(operator, key)
    await free_hold(payments, ledger, command_id, found)
    ended = await books.reports.hold(found)
    assert ended is not None
    return _hold(ended)


@post("/v1/console/journals/{journal_id:str}/reverse", tags=["Console"], status_code=201)
async def reverse_journal(
    operator: Caller, ledger: LedgerService, books: Books, journal_id: PathId, data: ReverseBody, key: web.IdempotencyKey
) -> JournalAnswer:
    """Undo a journal by its exact opposite, once. Answers the journal that undoes it."""
    original = web.parse_id(journal_id, JOURNAL_NOT_FOUND)
    undoing = await ledger.reverse(command_id_for(operator, key), original, data.reason, by=operator.principal_id)
    return await journal_answer(books, undoing.journal_id)


async def free_hold(payments: PaymentService, ledger: LedgerService, command_id: UUID, hold_id: UUID) -> None:
    """Give what is left of a hold back to its account. Declines `hold_not_found`, `hold_ended`, `order_…`."""
    if not await payments.void_of_hold(command_id, hold_id):
        await ledger.void(command_id, hold_id)


def _hold(row: HoldRow) -> HoldLine:
    return HoldLine(
        hold_id=str(row.hold_id),
        account_id=str(row.account_id),
        account_code=row.code,
        account_name=chart_name(row.code),
        owner=str(row.owner_id) if row.owner_id else None,
        currency=row.currency,
        amount=format_minor(row.amount_minor, row.currency),
        agreed=format_minor(row.agreed_minor, row.currency),
        captured=format_minor(row.captured_minor, row.currency),
        left=format_minor(row.left_minor, row.currency),
        state=row.state,
        created_at=row.created_at,
        expires_at=row.expires_at,
        ended_at=row.ended_at,
    )
