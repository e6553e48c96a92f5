"""Routes by which an operator finds a payment and reads its story."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import get
from litestar.params import QueryParameter

from tongbao.app.books import Books
from tongbao.app.console.journals import JournalAnswer, journal_answer
from tongbao.app.console.wire import FirstDay, LastDay, PathId, Search
from tongbao.identity.factors import Kind, Strength, kinds, strength
from tongbao.identity.realname.service import RealNameService
from tongbao.identity.service import Caller, IdentityService, Person
from tongbao.kernel import web
from tongbao.merchants.service import MerchantService
from tongbao.payments import errors
from tongbao.payments.authorisations import doubted
from tongbao.payments.cards import Cards, OrderAnswer
from tongbao.payments.lifecycle import PaymentState
from tongbao.payments.service import PaymentService
from tongbao.payments.types import Authorisation, Capture, Payment, Refund
from tongbao.security.masking import mask_login, mask_name

EventKind = Literal[
    "created", "authorised", "captured", "paid", "released", "closed", "expired", "voided", "refunded", "reversed"
]  # fmt: skip
#: What an operator may have meant by a search: a payment's id, its number, its payers, its merchants.
Meaning = tuple[UUID | None, str | None, list[UUID] | None, list[UUID] | None]

#: How a payment ended in a state that it does not leave.
_ENDINGS: dict[PaymentState, EventKind] = {
    "CLOSED": "closed", "EXPIRED": "expired", "VOIDED": "voided", "REVERSED": "reversed",
}  # fmt: skip


class PersonAnswer(msgspec.Struct, frozen=True):
    """A customer, masked."""

    customer_id: str
    name_masked: str
    login_masked: str


class ConsolePayment(OrderAnswer, frozen=True, kw_only=True):
    """A payment as an operator sees it. `factors` and `strength`: by what the payer was shown to agree."""

    payer: PersonAnswer | None = None
    factors: tuple[Kind, ...] = ()
    strength: Strength | None = None


class EventAnswer(msgspec.Struct, frozen=True):
    """Something that happened to a payment, and who or what did it."""

    kind: EventKind
    at: datetime
    by: Literal["merchant", "customer", "clock"]


class ConsolePaymentDetail(ConsolePayment, frozen=True, kw_only=True):
    """With every journal it caused, and its story. `in_doubt`: it was authorised, and is not captured until operators let it
    be, for its payer reported a takeover."""

    journals: list[JournalAnswer]
    events: list[EventAnswer]
    in_doubt: bool


@get("/v1/console/payments", tags=["Console"])
async def payments_found(
    operator: Caller,
    payments: PaymentService,
    merchants: MerchantService,
    identity: IdentityService,
    cards: Cards,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    q: Search = "",
    in_state: Annotated[PaymentState | None, QueryParameter(name="state")] = None,
    first_day: FirstDay = None,
    last_day: LastDay = None,
) -> web.Page[ConsolePayment]:
    """Find payments by id, out_trade_no, payer's login or whole name, or merchant's name."""
    start, end = web.local_days(first_day, last_day, payments.zone)
    place = web.decode_cursor(cursor, tuple[datetime, UUID])
    found: list[Payment] = []
    for payment_id, number, payers, sellers in await _meanings(q.strip(), payments, merchants, identity):
        found = await payments.find(in_state, payment_id, number, payers, sellers, start, end, place, limit)
        if found:
            break
    rows, following = web.page(found, limit, lambda row: (row.created_at, row.payment_id))
    return web.Page([ConsolePayment(**fields) for fields in await _console_payments(list(rows), cards, identity)], following)


@get("/v1/console/payments/{payment_id:str}", tags=["Console"])
async def payment_detail(
    operator: Caller,
    payments: PaymentService,
    identity: IdentityService,
    names: RealNameService,
    cards: Cards,
    books: Books,
    payment_id: PathId,
) -> ConsolePaymentDetail:
    """One payment, its journals and its story."""
    payment = await payments.payment(web.parse_id(payment_id, errors.PAYMENT_NOT_FOUND))
    refunds = (await payments.refunds([payment.payment_id])).get(payment.payment_id, [])
    captures = (await payments.captures([payment.payment_id])).get(payment.payment_id, [])
    journals = [await journal_answer(books, each) for each in _journals(payment, captures)]
    # A payment that is undone has one journal, which says by which other it was.
    undoing = [UUID(each.reversed_by) for each in journals if each.reversed_by]
    journals += [await journal_answer(books, each) for each in [*undoing, *(refund.journal_id for refund in refunds)]]
    found = await payments.authorisation(payment.payment_id) if payment.agreed_minor else None
    fields = (await _console_payments([payment], cards, identity))[0]
    in_doubt = False
    if payment.state == "AUTHORISED" and payment.payer_id is not None and found is not None:
        in_doubt = doubted(await names.standing(payment.payer_id), payment, found)
    story = _story(payment, found, captures, refunds)
    return ConsolePaymentDetail(**fields, journals=journals, events=story, in_doubt=in_doubt)


def _journals(payment: Payment, captures: Sequence[Capture]) -> list[UUID]:
    """Those by which it was paid."""
    if payment.agreed_minor:
        return [capture.journal_id for capture in captures]
    return [payment.journal_id] if payment.journal_id else []


def _story(
    payment: Payment, found: Authorisation | None, captures: Sequence[Capture], refunds: Sequence[Refund]
) -> list[EventAnswer]:
    """What happened, in its order."""
    story = [EventAnswer("created", payment.created_at, "merchant" if payment.method != "qr_static" else "customer")]
    if found is not None and found.authorised_at:
        story.append(EventAnswer("authorised", found.authorised_at, "customer"))
    story += [EventAnswer("captured", capture.at, "merchant") for capture in captures]
    if found is not None and found.ended_at and captures and not captures[-1].last:
        story.append(EventAnswer("released", found.ended_at, "clock" if found.ended_at >= payment.expires_at else "merchant"))
    if found is None and payment.paid_at:
        story.append(EventAnswer("paid", payment.paid_at, "customer"))
    story += [EventAnswer("refunded", refund.at, "merchant") for refund in refunds]
    if payment.closed_at:
        by_time = payment.state != "REVERSED" and payment.closed_at >= payment.expires_at
        story.append(EventAnswer(_ENDINGS[payment.state], payment.closed_at, "clock" if by_time else "merchant"))
    return story


async def _meanings(query: str, payments: PaymentService, merchants: MerchantService, identity: IdentityService) -> list[Meaning]:
    """What an operator may have meant, likeliest first."""
    if not query:
        return [(None, None, None, None)]
    try:
        wanted = UUID(query)
    except ValueError:
        wanted = None
    meanings: list[Meaning] = [(wanted, None, None, None)] if wanted else []
    meanings.append((None, query, None, None))
    people = await identity.search("wallet", query, None, 50)
    if people:
        meanings.append((None, None, [person.principal_id for person in people], None))
    sellers = await merchants.search(query, None, 50)
    if sellers:
        meanings.append((None, None, None, [seller.merchant_id for seller in sellers]))
    return meanings


async def _console_payments(rows: list[Payment], cards: Cards, identity: IdentityService) -> list[dict[str, Any]]:
    payers = await identity.several([row.payer_id for row in rows if row.payer_id])
    answers = []
    for row, card in zip(rows, await cards.orders(rows), strict=True):
        payer = payers.get(row.payer_id) if row.payer_id else None
        shown = {"factors": kinds(row.factors), "strength": strength(row.factors)} if row.factors else {}
        answers.append({**msgspec.structs.asdict(card), "payer": _person(payer) if payer else None, **shown})
    return answers


def _person(who: Person) -> PersonAnswer:
    return PersonAnswer(str(who.principal_id), mask_name(who.name), mask_login(who.login))
