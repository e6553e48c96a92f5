"""Routes of bank cards: bound, listed, removed, and in which order they are drawn on."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import delete, get, post, put
from litestar.params import PathParameter

from tongbao.identity.service import Caller, command_id_for
from tongbao.identity.wire import ConfirmedBody
from tongbao.kernel import web
from tongbao.kernel.errors import Refusal
from tongbao.wallet import errors
from tongbao.wallet.card_binding import BindingState
from tongbao.wallet.card_numbers import PrefixKind, issuers, prefixes
from tongbao.wallet.card_service import ShownBinding, TypedCard
from tongbao.wallet.cards import BALANCE, MOST_CARDS, Card, CardKind
from tongbao.wallet.links import MOST_WRONG
from tongbao.wallet.service import WalletService

PathId = Annotated[str, PathParameter(max_length=64)]


class BindCardBody(ConfirmedBody, frozen=True, kw_only=True):
    """A bank card of the customer's own to bind, confirmed by PIN or in another way. `phone`: the one left with the issuer; that
    of the real name unless said. `expiry` (MM/YY) and `cvn2`: of a credit card. Name and document are those of the real name. The
    number, the expiry and the code are passed on to the card network and kept nowhere."""

    number: Annotated[str, msgspec.Meta(max_length=32)]
    phone: Annotated[str, msgspec.Meta(max_length=32)] = ""
    expiry: Annotated[str, msgspec.Meta(max_length=8)] = ""
    cvn2: Annotated[str, msgspec.Meta(max_length=4)] = ""


class CardCodeBody(web.Request, frozen=True, kw_only=True):
    """The code that the card's issuer sent."""

    code: Annotated[str, msgspec.Meta(max_length=16)]


class FundingOrderBody(web.Request, frozen=True, kw_only=True):
    """Sources in the order in which they are to be drawn on: `balance` and ids of cards. What is not named comes after."""

    sources: Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=MOST_CARDS + 1)]


class CardAnswer(msgspec.Struct, frozen=True):
    """A bank card: whose, which kind, and its last four digits."""

    card_id: str
    bank: str
    bank_name: web.Words
    kind: CardKind
    last4: str
    added_at: datetime


class CardBindingAnswer(msgspec.Struct, frozen=True):
    """How far a binding has come. SENT: the issuer sent a code to `phone_masked`, good until `expires_at`; `tries_left` says how
    often it may be typed. ASKED, CHECKING: there is no answer yet; ask again. BOUND, REFUSED (the card, the name, the document,
    the phone or what is printed on the card is not as the issuer knows it, or it is no card that can be bound: it does not say
    which) and ENDED are final."""

    binding_id: str
    state: BindingState
    last4: str
    phone_masked: str
    tries_left: int
    expires_at: datetime
    card: CardAnswer | None = None


class FundingOrderAnswer(msgspec.Struct, frozen=True):
    """Every source, the first to be drawn on first: `balance` and ids of cards."""

    sources: list[str]


class CardPrefixAnswer(msgspec.Struct, frozen=True):
    """Who issues cards whose number begins like this: a bank or, where that is not known, a scheme. The longest prefix wins."""

    prefix: str
    bank: str
    kind: PrefixKind
    lengths: tuple[int, ...]


class CardPrefixesAnswer(msgspec.Struct, frozen=True):
    """The whole table, so that a number is recognised while it is typed without any of it being sent. Not complete."""

    banks: dict[str, web.Words]
    prefixes: list[CardPrefixAnswer]


def card_answer(card: Card) -> CardAnswer:
    """A card as its owner sees it."""
    issuer = issuers().get(card.bank)
    name = web.Words(issuer.zh, issuer.en) if issuer else web.Words(card.bank, card.bank)
    return CardAnswer(str(card.card_id), card.bank, name, card.kind, card.last4, card.added_at)


async def _binding_answer(found: ShownBinding, wallet: WalletService) -> CardBindingAnswer:
    row, card = found.row, None
    if row.state == "BOUND":
        card = card_answer((await wallet.cards.cards_by_id([row.card_id]))[row.card_id])
    return CardBindingAnswer(
        str(row.binding_id), row.state, found.shown.last4, found.shown.phone, 0 if row.finished_at else MOST_WRONG - row.wrong,
        row.expires_at, card,
    )  # fmt: skip


@get("/v1/wallet/cards", tags=["Wallet"])
async def cards(
    customer: Caller, wallet: WalletService, limit: web.Limit = 20, cursor: web.Cursor = None
) -> web.Page[CardAnswer]:
    """Bank cards that are bound; in which order they are drawn on, the funding order says."""
    before = web.decode_cursor(cursor, UUID)
    rows, following = web.page(await wallet.cards.cards(customer.principal_id, before, limit), limit, lambda card: card.card_id)
    return web.Page([card_answer(card) for card in rows], following)


@post("/v1/wallet/cards", tags=["Wallet"], status_code=201)
async def bind_card(customer: Caller, data: BindCardBody, wallet: WalletService, key: web.IdempotencyKey) -> CardBindingAnswer:
    """Bind a bank card of one's own, under the verified name. Its issuer compares number, name, document and phone (of a credit
    card also what is printed on it), and sends a code to that phone: the next step takes it. Five a day."""
    typed = TypedCard(data.number, data.phone, data.expiry, data.cvn2)
    found = await wallet.cards.start(command_id_for(customer, key), customer, typed, data.given())
    return await _binding_answer(found, wallet)


@post("/v1/wallet/card-bindings/{binding_id:str}/confirm", tags=["Wallet"], status_code=200)
async def confirm_card_binding(
    customer: Caller, binding_id: PathId, data: CardCodeBody, wallet: WalletService, key: web.IdempotencyKey
) -> CardBindingAnswer:
    """Type the code that the issuer sent. A wrong one leaves the binding SENT, with fewer tries."""
    known = web.parse_id(binding_id, errors.CARD_BINDING_UNKNOWN)
    found = await wallet.cards.confirm(command_id_for(customer, key), customer.principal_id, known, data.code)
    return await _binding_answer(found, wallet)


@get("/v1/wallet/card-bindings/{binding_id:str}", tags=["Wallet"])
async def card_binding(customer: Caller, binding_id: PathId, wallet: WalletService) -> CardBindingAnswer:
    """How far a binding has come: the customer's last one is known."""
    known = web.parse_id(binding_id, errors.CARD_BINDING_UNKNOWN)
    return await _binding_answer(await wallet.cards.binding(customer.principal_id, known), wallet)


@delete("/v1/wallet/cards/{card_id:str}", tags=["Wallet"], status_code=204)
async def remove_card(customer: Caller, wallet: WalletService, card_id: PathId) -> None:
    """Unbind a card: it pays no more from now on. Refunds of what it paid still reach it."""
    await wallet.cards.remove(customer.principal_id, web.parse_id(card_id, errors.CARD_UNKNOWN))


@get("/v1/wallet/funding-order", tags=["Wallet"])
async def funding_order(customer: Caller, wallet: WalletService) -> FundingOrderAnswer:
    """In which order the customer's sources are drawn on; the balance first unless they chose otherwise."""
    return FundingOrderAnswer(list(await wallet.cards.funding_order(customer.principal_id)))


@put("/v1/wallet/funding-order", tags=["Wallet"])
async def order_funding(
    customer: Caller, data: FundingOrderBody, wallet: WalletService, key: web.IdempotencyKey
) -> FundingOrderAnswer:
    """Choose the order. What is bound and not named comes after."""
    sources = [_source(each) for each in data.sources]
    return FundingOrderAnswer(list(await wallet.cards.order(command_id_for(customer, key), customer.principal_id, sources)))


@get("/v1/wallet/card-prefixes", tags=["Wallet"])
async def card_prefixes(customer: Caller) -> CardPrefixesAnswer:
    """By which digits cards begin, so that one is recognised while its number is typed."""
    rows = [CardPrefixAnswer(row.prefix, row.bank, row.kind, row.lengths) for row in prefixes().values()]
    return CardPrefixesAnswer({bank: web.Words(issuer.zh, issuer.en) for bank, issuer in issuers().items()}, rows)


def _source(text: str) -> str:
    if text == BALANCE:
        return text
    try:
        return str(UUID(text))
    except ValueError:
        raise Refusal(errors.FUNDING_ORDER_WRONG) from None


ROUTES = (
    cards, bind_card, confirm_card_binding, card_binding, remove_card, funding_order, order_funding, card_prefixes,
)  # fmt: skip
