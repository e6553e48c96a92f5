"""Routes of the wallet: the balance, transfers between customers, the statement, and those to the bank and back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import PathParameter, QueryParameter

from tongbao.identity.factors import Kind, Strength, kinds, strength
from tongbao.identity.realname.errors import GUARDIANSHIP_UNKNOWN
from tongbao.identity.realname.guardian_service import GuardianService
from tongbao.identity.realname.service import RealNameService
from tongbao.identity.service import Caller, command_id_for
from tongbao.identity.wire import ConfirmedBody
from tongbao.kernel import web
from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import format_minor, parse
from tongbao.security.masking import mask_login, mask_name
from tongbao.wallet import bank_http, card_http, errors, small_payments_http, today_http, transfers_http
from tongbao.wallet.service import WalletService
from tongbao.wallet.statement import Counterparty, ShownBill
from tongbao.wallet.types import Arrival, Bill, BillKind, BillState, CounterpartyKind, DelayedTransfer, Direction

Text = Annotated[str, msgspec.Meta(max_length=200)]
PathId = Annotated[str, PathParameter(max_length=64)]


class BalanceAnswer(msgspec.Struct, frozen=True):
    """`available` is what can be spent now; `in_transit_out` is on its way to the bank and no longer in `balance`."""

    currency: str
    balance: str
    available: str
    held: str
    in_transit_out: str


class ResolveBody(web.Request, frozen=True, kw_only=True):
    """A phone or email."""

    login: Annotated[str, msgspec.Meta(max_length=254)]


class PayeeAnswer(msgspec.Struct, frozen=True):
    """Who would receive, as much as a payer may see before sending."""

    payee_id: str
    name_masked: str
    login_masked: str


class TransferBody(ConfirmedBody, frozen=True, kw_only=True):
    """Money for another customer, confirmed by PIN or in another way. `arrival`: now, ordinary (in two hours) or next_day (in 24
    hours); until then it can be cancelled."""

    payee_id: Text
    amount: Text
    currency: Text
    note: Annotated[str, msgspec.Meta(max_length=400)] = ""
    arrival: Arrival = "now"


class CounterpartyAnswer(msgspec.Struct, frozen=True):
    """The other side of a bill."""

    name: str
    kind: CounterpartyKind
    login_masked: str | None = None


class BillAnswer(msgspec.Struct, frozen=True):
    """One line of the statement. A payment's state says what was refunded since, a transfer's whether it has arrived, which
    it does at `arrives_at`; `factors` and `strength`, by what this customer
    was shown to agree, where it was theirs to."""

    bill_id: str
    kind: BillKind
    direction: Direction
    amount: str
    currency: str
    counterparty: CounterpartyAnswer
    title: str
    note: str
    at: datetime
    state: BillState
    balance_after: str | None = None
    journal_id: str | None = None
    payment_id: str | None = None
    bank_transfer_id: str | None = None
    transfer_id: str | None = None
    arrives_at: datetime | None = None
    factors: tuple[Kind, ...] = ()
    strength: Strength | None = None


class DayAnswer(msgspec.Struct, frozen=True):
    """What came in and went out on one local day, without what was undone."""

    date: date
    in_: str = msgspec.field(name="in")
    out: str = msgspec.field(name="out")


class BillsAnswer(msgspec.Struct, frozen=True):
    """A page of bills, with the totals of every day on it. `zone` is where the days begin and end."""

    items: list[BillAnswer]
    next_cursor: str | None
    days: list[DayAnswer]
    zone: str


async def _bill_answers(bills: Sequence[ShownBill], wallet: WalletService) -> list[BillAnswer]:
    states, people = await wallet.statement.details([bill.row for bill in bills])
    waiting = [bill.row.reference_id for bill in bills if bill.row.kind == "transfer" and bill.row.reference_id]
    delayed = await wallet.delayed.several(waiting) if waiting else {}
    return [_bill_answer(bill.row, bill.note, states, people, delayed) for bill in bills]


def _bill_answer(
    bill: Bill,
    note: str,
    states: dict[UUID, BillState],
    people: dict[UUID, Counterparty],
    delayed: dict[UUID, DelayedTransfer],
) -> BillAnswer:
    other = people.get(bill.counterparty_id) or Counterparty("–", bill.counterparty_kind)
    reference = str(bill.reference_id) if bill.reference_id else None
    later = delayed.get(bill.reference_id) if bill.reference_id and bill.kind == "transfer" else None
    return BillAnswer(
        bill_id=str(bill.bill_id),
        kind=bill.kind,
        direction=bill.direction,
        amount=format_minor(bill.amount_minor, bill.currency),
        currency=bill.currency,
        counterparty=CounterpartyAnswer(other.name, other.kind, other.login_masked),
        title=bill.title,
        note=note,
        at=bill.at,
        state=states.get(bill.bill_id, "SUCCEEDED"),
        balance_after=None if bill.balance_minor is None else format_minor(bill.balance_minor, bill.currency),
        journal_id=str(bill.journal_id) if bill.journal_id else None,
        payment_id=reference if bill.kind in ("payment", "refund", "reversal") else None,
        bank_transfer_id=reference if bill.kind in ("topup", "withdrawal") else None,
        transfer_id=reference if bill.kind == "transfer" else None,
        arrives_at=later.arrives_at if later else None,
        factors=kinds(bill.factors),
        strength=strength(bill.factors) if bill.factors else None,
    )


@get("/v1/wallet/balance", tags=["Wallet"])
async def balance(customer: Caller, wallet: WalletService) -> BalanceAnswer:
    """The customer's balance."""
    account, transit = await wallet.balance(customer.principal_id)
    currency = wallet.currency
    posted, held = (account.posted_minor, account.held_minor) if account else (0, 0)
    available = account.available_minor if account else 0
    return BalanceAnswer(currency, *(format_minor(minor, currency) for minor in (posted, available, held, transit)))


@post("/v1/wallet/payees/resolve", tags=["Wallet"], status_code=200)
async def resolve_payee(customer: Caller, data: ResolveBody, wallet: WalletService, names: RealNameService) -> PayeeAnswer:
    """Who has this phone or email, masked, so that the payer can check before sending: the verified name where there is one, for
    what somebody calls themselves says nothing."""
    payee = await wallet.resolve_payee(customer, data.login)
    verified = await names.verified_name(payee.principal_id)
    return PayeeAnswer(str(payee.principal_id), mask_name(verified or payee.name), mask_login(payee.login))


@post("/v1/wallet/transfers", tags=["Wallet"], status_code=201)
async def transfer(customer: Caller, data: TransferBody, wallet: WalletService, key: web.IdempotencyKey) -> BillAnswer:
    """Send money to another customer, at once or to arrive later. A rule may delay it further: `arrives_at` says until when."""
    amount = wallet.own_currency(parse(data.amount, data.currency))
    if len(data.note) > 100:
        raise Refusal(errors.NOTE_TOO_LONG)
    payee_id = web.parse_id(data.payee_id, errors.PAYEE_NOT_FOUND)
    given, note = data.given(), data.note
    bill = await wallet.transfer(command_id_for(customer, key), customer, payee_id, amount, note, given, data.arrival)
    return (await _bill_answers([bill], wallet))[0]


async def _page_of_bills(
    customer_id: UUID,
    wallet: WalletService,
    limit: int,
    cursor: str | None,
    first_day: str | None,
    last_day: str | None,
    kind: BillKind | None,
    direction: Direction | None,
) -> BillsAnswer:
    start, end = web.local_days(first_day, last_day, wallet.zone)
    before = web.decode_cursor(cursor, UUID)
    found = await wallet.statement.bills(customer_id, start, end, kind, direction, before, limit)
    rows, following = web.page(found, limit, lambda bill: bill.row.bill_id)
    totals = await wallet.statement.daily_totals(customer_id, [bill.row for bill in rows])
    days = [
        DayAnswer(day.day, format_minor(day.in_minor, wallet.currency), format_minor(day.out_minor, wallet.currency))
        for day in totals
    ]
    return BillsAnswer(await _bill_answers(rows, wallet), following, days, str(wallet.zone))


@get("/v1/wallet/bills", tags=["Wallet"])
async def bills(
    customer: Caller,
    wallet: WalletService,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    first_day: Annotated[str | None, QueryParameter(name="from", max_length=10, description="First local day.")] = None,
    last_day: Annotated[str | None, QueryParameter(name="to", max_length=10, description="Last local day.")] = None,
    kind: BillKind | None = None,
    direction: Direction | None = None,
) -> BillsAnswer:
    """The statement, newest first, with the totals of each day shown."""
    return await _page_of_bills(customer.principal_id, wallet, limit, cursor, first_day, last_day, kind, direction)


@get("/v1/wallet/guardianships/{minor_id:str}/bills", tags=["Real name"])
async def ward_bills(
    customer: Caller,
    minor_id: PathId,
    wallet: WalletService,
    guardians: GuardianService,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    first_day: Annotated[str | None, QueryParameter(name="from", max_length=10, description="First local day.")] = None,
    last_day: Annotated[str | None, QueryParameter(name="to", max_length=10, description="Last local day.")] = None,
) -> BillsAnswer:
    """What a minor paid and received, for the guardian who agreed, for as long as they answer for them."""
    known = web.parse_id(minor_id, GUARDIANSHIP_UNKNOWN)
    await guardians.need_agreed(known, customer.principal_id)
    return await _page_of_bills(known, wallet, limit, cursor, first_day, last_day, None, None)


@get("/v1/wallet/bills/{bill_id:str}", tags=["Wallet"])
async def bill(customer: Caller, wallet: WalletService, bill_id: PathId) -> BillAnswer:
    """One bill."""
    wanted = web.parse_id(bill_id, errors.BILL_NOT_FOUND)
    return (await _bill_answers([await wallet.statement.bill(customer.principal_id, wanted)], wallet))[0]


ROUTES = (
    balance, *bank_http.ROUTES, *card_http.ROUTES,
    resolve_payee, transfer, *transfers_http.ROUTES, *small_payments_http.ROUTES, *today_http.ROUTES, bills, ward_bills,
    bill,
)  # fmt: skip
