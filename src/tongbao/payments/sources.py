"""What a customer can pay from: what there is of it, in their own order, and by what name it goes on receipts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from tongbao.kernel.clock import Clock
from tongbao.payments.funding_types import MOST_PARTS, Part, SourceName
from tongbao.payments.service import QUERIES
from tongbao.wallet.card_service import CardService
from tongbao.wallet.cards import BALANCE, MOST_CARDS, Card
from tongbao.wallet.service import WalletService

#: Of vouchers that fit; more are not offered at once.
_MOST_VOUCHERS = 20
#: Beside the balance and a card.
_VOUCHERS_IN_A_PAYMENT = MOST_PARTS - 2


class Titles(msgspec.Struct, frozen=True):
    """What something is called, in both languages."""

    zh: str
    en: str


class Offer(msgspec.Struct, frozen=True):
    """A source that may be drawn on. `available_minor`: what is in it; None of a card, which is its bank's to know. `titles` and
    `until`: of a voucher. `card`: of a card."""

    source: SourceName
    which: str
    available_minor: int | None
    titles: Titles | None = None
    until: datetime | None = None
    card: Card | None = None


class Known(msgspec.Struct, frozen=True):
    """Names of cards, removed ones too, by id, and of vouchers by code."""

    cards: Mapping[str, Card]
    vouchers: Mapping[str, Titles]


def chosen_by_default(offers: Sequence[Offer], amount_minor: int) -> list[Offer]:
    """What is drawn on where the payer says nothing: vouchers that fit, the soonest to end first, and what comes first in their
    own order until the amount is there; a card pays whatever is left."""
    chosen: list[Offer] = []
    left = amount_minor
    vouchers = [each for each in offers if each.source == "voucher"][:_VOUCHERS_IN_A_PAYMENT]
    for offer in [*vouchers, *(each for each in offers if each.source != "voucher")]:
        if left <= 0:
            break
        if offer.available_minor is None or offer.available_minor > 0:
            chosen.append(offer)
            left -= left if offer.available_minor is None else offer.available_minor
    return chosen


def parts_of(chosen: Sequence[Offer], amount_minor: int) -> tuple[Part, ...]:
    """What each gives: vouchers, then the balance, and a card the rest. Empty where they do not come to the amount."""
    rank = {"voucher": 0, "balance": 1, "card": 2}
    parts: list[Part] = []
    left = amount_minor
    for offer in sorted(chosen, key=lambda each: rank[each.source]):
        gives = left if offer.available_minor is None else min(left, offer.available_minor)
        if gives > 0:
            parts.append(Part(offer.source, gives, offer.which))
            left -= gives
    return tuple(parts) if not left else ()


class Sources:
    """Looks up what a customer can pay from."""

    def __init__(self, pool: asyncpg.Pool, wallet: WalletService, clock: Clock) -> None:
        self._pool = pool
        self._wallet = wallet
        self._clock = clock

    @property
    def _cards(self) -> CardService:
        return self._wallet.cards

    async def card_first(self, customer_id: UUID) -> bool:
        """Whether a customer chose to pay by card before the balance."""
        return (await self._cards.funding_order(customer_id))[0] != BALANCE

    async def offers(self, customer_id: UUID, merchant_id: UUID | None = None) -> list[Offer]:
        """Vouchers that may be spent at this merchant (none where nobody is named), then the customer's other sources in their
        own order."""
        currency = self._wallet.currency
        found: list[Offer] = []
        if merchant_id is not None:
            now = self._clock.now()
            rows = await self._pool.fetch(QUERIES["vouchers_of"], customer_id, merchant_id, currency, now, _MOST_VOUCHERS)
            found = [Offer("voucher", code, minor, Titles(zh, en), until) for code, zh, en, until, minor in rows]
        account, _ = await self._wallet.balance(customer_id)
        # Of a frozen one as well: that it is frozen is said by what pays, and no card steps in for it unseen.
        available = 0 if account is None else max(0, account.available_minor)
        cards = {str(card.card_id): card for card in await self._cards.cards(customer_id, None, MOST_CARDS)}
        for source in await self._cards.funding_order(customer_id):
            if source == BALANCE:
                found.append(Offer("balance", "", available))
            elif source in cards:
                found.append(Offer("card", source, None, card=cards[source]))
        return found

    async def known(self, parts: Iterable[Part]) -> Known:
        """By what names these go."""
        cards = {UUID(part.which) for part in parts if part.source == "card"}
        codes = {part.which for part in parts if part.source == "voucher"}
        found = await self._cards.cards_by_id(list(cards)) if cards else {}
        rows = await self._pool.fetch(QUERIES["voucher_titles"], list(codes)) if codes else []
        return Known({str(card_id): card for card_id, card in found.items()}, {code: Titles(zh, en) for code, zh, en in rows})
