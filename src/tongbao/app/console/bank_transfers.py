"""Route of top-ups and withdrawals, those in doubt among them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get
from litestar.params import QueryParameter

from tongbao.identity.service import Caller
from tongbao.kernel import web
from tongbao.wallet.bank_http import BankTransferAnswer, bank_transfer_answer
from tongbao.wallet.service import WalletService
from tongbao.wallet.types import BankTransferState


class ConsoleBankTransfer(BankTransferAnswer, frozen=True, kw_only=True):
    """A bank transfer as an operator sees it."""

    customer_id: str
    attempts: int
    next_attempt_at: datetime | None
    bank_reference: str | None


@get("/v1/console/bank-transfers", tags=["Console"])
async def bank_transfers(
    operator: Caller,
    wallet: WalletService,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    in_state: Annotated[BankTransferState | None, QueryParameter(name="state")] = None,
) -> web.Page[ConsoleBankTransfer]:
    """Top-ups and withdrawals, newest first: those the bank has not answered have a next attempt."""
    found = await wallet.bank_transfers(in_state, web.decode_cursor(cursor, UUID), limit)
    rows, following = web.page(found, limit, lambda row: row.bank_transfer_id)
    banks = await wallet.bank_accounts_by_id([row.bank_account_id for row in rows])
    answers = [
        ConsoleBankTransfer(
            **msgspec.structs.asdict(bank_transfer_answer(row, banks[row.bank_account_id])),
            customer_id=str(row.customer_id),
            attempts=row.attempts,
            next_attempt_at=row.next_attempt_at,
            bank_reference=row.bank_reference,
        )
        for row in rows
    ]
    return web.Page(answers, following)
