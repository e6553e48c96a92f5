"""Routes between the wallet and the bank: linked accounts, top-ups, withdrawals."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import delete, get, post
from litestar.params import PathParameter

from tongbao.identity.service import Caller, command_id_for
from tongbao.identity.wire import ConfirmedBody
from tongbao.kernel import web
from tongbao.kernel.money import format_minor, parse
from tongbao.security.masking import mask_card, mask_login, mask_name
from tongbao.wallet import errors
from tongbao.wallet.link_service import BANKS, ShownLink
from tongbao.wallet.links import MOST_WRONG, LinkState
from tongbao.wallet.service import WalletService
from tongbao.wallet.types import BankTransfer, BankTransferKind, BankTransferState, LinkedAccount

Text = Annotated[str, msgspec.Meta(max_length=200)]
PathId = Annotated[str, PathParameter(max_length=64)]


class LinkBody(ConfirmedBody, frozen=True, kw_only=True):
    """A bank account of the customer's own to link, confirmed by PIN or in another way. `phone`: the one left with the bank; that
    of the real name unless said. Name and document are those of the real name."""

    bank: Text
    account_number: Text
    phone: Annotated[str, msgspec.Meta(max_length=32)] = ""


class LinkCodeBody(web.Request, frozen=True, kw_only=True):
    """The code that the bank sent."""

    code: Annotated[str, msgspec.Meta(max_length=16)]


class BankAccountAnswer(msgspec.Struct, frozen=True):
    """A linked bank account, masked."""

    bank_account_id: str
    bank: str
    bank_name: web.Words
    number_masked: str
    holder_masked: str


class BankLinkAnswer(msgspec.Struct, frozen=True):
    """How far a link has come. SENT: the bank sent a code to `phone_masked`, good until `expires_at`; `tries_left` says how often
    it may be typed. ASKED, CHECKING: the bank has not answered yet; ask again. LINKED, REFUSED (the account, the name, the
    document or the phone is not as the bank knows it: it does not say which) and ENDED are final."""

    link_id: str
    state: LinkState
    number_masked: str
    phone_masked: str
    tries_left: int
    expires_at: datetime
    bank_account: BankAccountAnswer | None = None


class BankTransferBody(ConfirmedBody, frozen=True, kw_only=True):
    """How much, from or to which linked account, confirmed by PIN or in another way."""

    bank_account_id: Text
    amount: Text
    currency: Text


class BankTransferAnswer(msgspec.Struct, frozen=True):
    """PENDING or UNKNOWN: the bank is being asked; the money is safe either way. SUCCEEDED and FAILED are final."""

    bank_transfer_id: str
    kind: BankTransferKind
    state: BankTransferState
    amount: str
    currency: str
    bank_account: BankAccountAnswer
    created_at: datetime
    finished_at: datetime | None = None
    failure_code: str | None = None
    bill_id: str | None = None


def bank_account_answer(account: LinkedAccount) -> BankAccountAnswer:
    """A bank account as its owner sees it."""
    name = BANKS.get(account.bank, {"zh": account.bank, "en": account.bank})
    return BankAccountAnswer(
        str(account.bank_account_id), account.bank, web.Words(**name), mask_card(account.number), mask_name(account.holder_name)
    )


def bank_transfer_answer(transfer: BankTransfer, account: LinkedAccount, bill_id: UUID | None = None) -> BankTransferAnswer:
    """A bank transfer as its owner sees it."""
    return BankTransferAnswer(
        str(transfer.bank_transfer_id), transfer.kind, transfer.state, format_minor(transfer.amount_minor, transfer.currency),
        transfer.currency, bank_account_answer(account), transfer.created_at, transfer.finished_at, transfer.failure_code,
        str(bill_id) if bill_id else None,
    )  # fmt: skip


async def _transfer_answer(transfer: BankTransfer, wallet: WalletService) -> BankTransferAnswer:
    account = (await wallet.bank_accounts_by_id([transfer.bank_account_id]))[transfer.bank_account_id]
    return bank_transfer_answer(transfer, account, await wallet.bill_of(transfer.customer_id, transfer.bank_transfer_id))


@get("/v1/wallet/bank-accounts", tags=["Wallet"])
async def bank_accounts(
    customer: Caller, wallet: WalletService, limit: web.Limit = 20, cursor: web.Cursor = None
) -> web.Page[BankAccountAnswer]:
    """Linked bank accounts."""
    before = web.decode_cursor(cursor, UUID)
    rows, following = web.page(
        await wallet.bank_accounts(customer.principal_id, before, limit), limit, lambda account: account.bank_account_id
    )
    return web.Page([bank_account_answer(account) for account in rows], following)


async def _link_answer(link: ShownLink, wallet: WalletService) -> BankLinkAnswer:
    row, account = link.row, None
    if row.state == "LINKED":
        found = await wallet.bank_accounts_by_id([row.bank_account_id])
        account = bank_account_answer(found[row.bank_account_id])
    return BankLinkAnswer(
        str(row.link_id), row.state, mask_card(link.number), mask_login(link.told.phone),
        0 if row.finished_at else MOST_WRONG - row.wrong, row.expires_at, account,
    )  # fmt: skip


@post("/v1/wallet/bank-accounts", tags=["Wallet"], status_code=201)
async def link_bank_account(customer: Caller, data: LinkBody, wallet: WalletService, key: web.IdempotencyKey) -> BankLinkAnswer:
    """Link a bank account of one's own, under the verified name. The bank compares account, name, document and phone, and sends a
    code to that phone: the next step takes it. Five a day."""
    link = await wallet.links.start(
        command_id_for(customer, key), customer, data.bank, data.account_number, data.given(), data.phone
    )
    return await _link_answer(link, wallet)


@post("/v1/wallet/bank-links/{link_id:str}/confirm", tags=["Wallet"], status_code=200)
async def confirm_bank_link(
    customer: Caller, link_id: PathId, data: LinkCodeBody, wallet: WalletService, key: web.IdempotencyKey
) -> BankLinkAnswer:
    """Type the code that the bank sent. A wrong one leaves the link SENT, with fewer tries."""
    known = web.parse_id(link_id, errors.BANK_LINK_UNKNOWN)
    link = await wallet.links.confirm(command_id_for(customer, key), customer.principal_id, known, data.code)
    return await _link_answer(link, wallet)


@get("/v1/wallet/bank-links/{link_id:str}", tags=["Wallet"])
async def bank_link(customer: Caller, link_id: PathId, wallet: WalletService) -> BankLinkAnswer:
    """How far a link has come: the customer's last one is known."""
    known = web.parse_id(link_id, errors.BANK_LINK_UNKNOWN)
    return await _link_answer(await wallet.links.link(customer.principal_id, known), wallet)


@delete("/v1/wallet/bank-accounts/{bank_account_id:str}", tags=["Wallet"], status_code=204)
async def unlink_bank_account(customer: Caller, wallet: WalletService, bank_account_id: PathId) -> None:
    """Forget a bank account."""
    await wallet.unlink_bank_account(customer, web.parse_id(bank_account_id, errors.BANK_ACCOUNT_UNKNOWN))


async def _start(
    kind: BankTransferKind, customer: Caller, data: BankTransferBody, wallet: WalletService, key: str
) -> BankTransferAnswer:
    amount = wallet.own_currency(parse(data.amount, data.currency))
    bank_account_id = web.parse_id(data.bank_account_id, errors.BANK_ACCOUNT_UNKNOWN)
    transfer = await wallet.start_bank_transfer(
        command_id_for(customer, key), customer, kind, bank_account_id, amount, data.given()
    )
    return await _transfer_answer(transfer, wallet)


@post("/v1/wallet/topups", tags=["Wallet"], status_code=201)
async def top_up(customer: Caller, data: BankTransferBody, wallet: WalletService, key: web.IdempotencyKey) -> BankTransferAnswer:
    """Bring money from the bank. Answers when the bank does, or as UNKNOWN when it does not in time."""
    return await _start("topup", customer, data, wallet, key)


@post("/v1/wallet/withdrawals", tags=["Wallet"], status_code=201)
async def withdraw(
    customer: Caller, data: BankTransferBody, wallet: WalletService, key: web.IdempotencyKey
) -> BankTransferAnswer:
    """Send money to the bank. It leaves the balance at once, and comes back if the bank refuses."""
    return await _start("withdrawal", customer, data, wallet, key)


@get("/v1/wallet/bank-transfers/{bank_transfer_id:str}", tags=["Wallet"])
async def bank_transfer(customer: Caller, wallet: WalletService, bank_transfer_id: PathId) -> BankTransferAnswer:
    """What became of a top-up or withdrawal."""
    wanted = web.parse_id(bank_transfer_id, errors.BANK_TRANSFER_UNKNOWN)
    return await _transfer_answer(await wallet.bank_transfer(wanted, customer.principal_id), wallet)


ROUTES = (
    bank_accounts, link_bank_account, confirm_bank_link, bank_link, unlink_bank_account, top_up, withdraw, bank_transfer,
)  # fmt: skip
