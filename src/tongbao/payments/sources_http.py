"""The route by which a customer learns what they can pay a merchant from."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import get
from litestar.params import QueryParameter

from tongbao.identity.service import Caller
from tongbao.kernel import web
from tongbao.kernel.money import format_minor
from tongbao.merchants import errors as merchant_errors
from tongbao.payments.funding_types import SourceName
from tongbao.payments.sources import Offer, Sources
from tongbao.wallet.card_http import CardAnswer, card_answer
from tongbao.wallet.service import WalletService


class SourceAnswer(msgspec.Struct, frozen=True):
    """Something to pay from; `source` and `of` go into `funding`. `available`: what is in it; null of a card, for that is its
    bank's to know. `name` and `until`: of a voucher."""

    source: SourceName
    of: str
    available: str | None
    name: web.Words | None = None
    until: datetime | None = None
    card: CardAnswer | None = None


class SourcesAnswer(msgspec.Struct, frozen=True):
    """Vouchers that may be spent there, the soonest to end first; then the rest in the customer's own order."""

    currency: str
    sources: list[SourceAnswer]


def _answer(offer: Offer, currency: str) -> SourceAnswer:
    available = None if offer.available_minor is None else format_minor(offer.available_minor, currency)
    name = web.Words(offer.titles.zh, offer.titles.en) if offer.titles else None
    return SourceAnswer(offer.source, offer.which, available, name, offer.until, card_answer(offer.card) if offer.card else None)


@get("/v1/wallet/sources", tags=["Payments"])
async def payment_sources(
    customer: Caller,
    sources: Sources,
    wallet: WalletService,
    merchant_id: Annotated[
        str | None, QueryParameter(max_length=64, description="Who is paid: vouchers that may be spent there are listed then.")
    ] = None,
) -> SourcesAnswer:
    """What the customer can pay this merchant from: twenty vouchers, the balance and twenty cards at most."""
    wanted = web.parse_id(merchant_id, merchant_errors.MERCHANT_NOT_FOUND) if merchant_id is not None else None
    found = await sources.offers(customer.principal_id, wanted)
    return SourcesAnswer(wallet.currency, [_answer(offer, wallet.currency) for offer in found])


ROUTES = (payment_sources,)
