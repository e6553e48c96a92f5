"""Routes of transfers that arrive later."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import PathParameter, QueryParameter

from tongbao.identity.service import Caller, command_id_for
from tongbao.kernel import web
from tongbao.kernel.money import format_minor
from tongbao.wallet import errors
from tongbao.wallet.delayed import Place
from tongbao.wallet.service import WalletService
from tongbao.wallet.types import DelayedState, DelayedTransfer

PathId = Annotated[str, PathParameter(max_length=64)]


class DelayedTransferAnswer(msgspec.Struct, frozen=True):
    """A transfer that arrives later. PENDING: its money is held, and it can be cancelled until `arrives_at`."""

    transfer_id: str
    state: DelayedState
    amount: str
    currency: str
    payee_id: str
    created_at: datetime
    arrives_at: datetime
    ended_at: datetime | None
    failure_code: str | None


def _answer(found: DelayedTransfer) -> DelayedTransferAnswer:
    return DelayedTransferAnswer(
        str(found.transfer_id), found.state, format_minor(found.amount_minor, found.currency), found.currency,
        str(found.payee_id), found.created_at, found.arrives_at, found.ended_at, found.failure_code,
    )  # fmt: skip


@get("/v1/wallet/transfers", tags=["Wallet"])
async def delayed_transfers(
    customer: Caller,
    wallet: WalletService,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    wanted_state: Annotated[DelayedState | None, QueryParameter(name="state")] = None,
) -> web.Page[DelayedTransferAnswer]:
    """The customer's own transfers that were not to arrive at once, newest first."""
    place = web.decode_cursor(cursor, Place)  # type: ignore[arg-type]
    found = await wallet.delayed.list(customer.principal_id, wanted_state, place, limit)
    rows, following = web.page(found, limit, lambda row: (row.created_at, row.transfer_id))
    return web.Page([_answer(row) for row in rows], following)


@get("/v1/wallet/transfers/{transfer_id:str}", tags=["Wallet"])
async def delayed_transfer(customer: Caller, wallet: WalletService, transfer_id: PathId) -> DelayedTransferAnswer:
    """One of them."""
    wanted: UUID = web.parse_id(transfer_id, errors.TRANSFER_NOT_FOUND)
    return _answer(await wallet.delayed.of(customer.principal_id, wanted))


@post("/v1/wallet/transfers/{transfer_id:str}/cancel", tags=["Wallet"], status_code=200)
async def cancel_transfer(
    customer: Caller, wallet: WalletService, transfer_id: PathId, key: web.IdempotencyKey
) -> DelayedTransferAnswer:
    """Take a transfer back that has not arrived yet; its money is free at once, and counts towards no limit any more."""
    wanted = web.parse_id(transfer_id, errors.TRANSFER_NOT_FOUND)
    return _answer(await wallet.delayed.cancel(command_id_for(customer, key), customer, wanted))


ROUTES = (delayed_transfers, delayed_transfer, cancel_transfer)
