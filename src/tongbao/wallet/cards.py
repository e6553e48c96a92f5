"""Bank cards that a customer bound, and the order in which they are drawn on.

A card is what its network told us of it: whose bank, which kind, the last four digits, and a token that stands for the number
between the network and us. The number itself is passed on while the card is bound (see `card_binding`) and kept nowhere.

    bound ─▶ removed, its token to be given back ─▶ given back

Who removes a card pays with it no more, from that commit on; the network is told outside of it, again and again until it has
heard. The order of sources always names the balance and every card that is bound, so it is also how many there are.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal, Protocol
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, Relation, View
from tongbao.wallet import errors

CardKind = Literal["debit", "credit"]
BindingSaid = Literal["CODE_SENT", "WRONG_CODE", "BOUND", "REFUSED", "ENDED", "UNKNOWN"]

#: How many cards a customer may have bound at once.
MOST_CARDS: Final = 20
#: The source that is not a card.
BALANCE: Final = "balance"
CARD_COLUMN: Final = "bank_card.token"
#: How long whoever removed a card has the network to itself before the worker takes over.
FIRST_ANSWER: Final = timedelta(seconds=10)


class Card(msgspec.Struct, frozen=True, gc=False):
    """A bank card of a customer's. `token` is sealed. `return_at`: when the network is next told that the token is given back,
    `tries` how often it did not answer; null while the card is bound, and once it has heard.

    Its id is made of its customer and a keyed hash of its number, so a card bound again is the same card, with another token.
    """

    card_id: UUID
    customer_id: UUID
    token: bytes
    bank: str
    kind: CardKind
    last4: str
    added_at: datetime
    removed_at: datetime | None
    tries: int
    return_at: datetime | None


class FundingOrder(msgspec.Struct, frozen=True, gc=False):
    """In which order a customer's sources are drawn on: `balance` and the ids of cards, comma-separated, the first first."""

    customer_id: UUID
    sources: str


CARD: Relation[Card] = Relation("bank_card", Card, key=("card_id",), rank=301)
FUNDING_ORDER: Relation[FundingOrder] = Relation("funding_order", FundingOrder, key=("customer_id",), rank=302, removable=True)


class RemoveCard(Command, frozen=True, kw_only=True):
    """A customer pays with a card no more."""

    kind = "wallet.remove_card"
    customer_id: UUID
    card_id: UUID


class RecordCardReturn(Command, frozen=True, kw_only=True):
    """Whether the network has heard that a token is given back; if not, `retry_in_s` until it is told again."""

    kind = "wallet.record_card_return"
    card_id: UUID
    heard: bool
    retry_in_s: int = 0


class OrderFunding(Command, frozen=True, kw_only=True):
    """A customer's order of sources. What is bound and not named comes after, in the order it had."""

    kind = "wallet.order_funding"
    customer_id: UUID
    sources: tuple[str, ...]


class CardQuestion(msgspec.Struct, frozen=True):
    """The elements by which a network knows whose a card is, under the binding's reference. `phone`: E.164; `expiry`: MMYY."""

    reference: UUID
    number: str
    holder_name: str
    document_number: str
    phone: str
    expiry: str
    cvn2: str


class BindingAnswer(msgspec.Struct, frozen=True):
    """What the network said of a binding; with BOUND, as what."""

    state: BindingSaid
    token: str = ""
    bank: str = ""
    kind: CardKind = "debit"
    last4: str = ""


class Cards(Protocol):
    """The card network as the wallet needs it; `app/registry.py` plugs a channel in.

    It never raises for the network's no or silence, and always comes back within its own time-out.
    """

    async def start_binding(self, question: CardQuestion) -> BindingAnswer:
        """Ask whether a card is this person's; if so its issuer sends its holder a code, once a reference."""
        ...

    async def confirm_binding(self, reference: UUID, code: str) -> BindingAnswer:
        """Show the code. After UNKNOWN it is not shown again: inquire."""
        ...

    async def inquire_binding(self, reference: UUID) -> BindingAnswer:
        """Ask what became of a binding."""
        ...

    async def unbind(self, token: str) -> bool:
        """Give a token back. False: no certain answer."""
        ...


def funding_order(view: View, customer_id: UUID) -> tuple[str, ...]:
    """A customer's sources, the first to be drawn on first. Needs the row of `funding_order_keys`."""
    return sources_of(view.get(FUNDING_ORDER, customer_id))


def sources_of(order: FundingOrder | None) -> tuple[str, ...]:
    """The sources of a row; of nobody's, the balance."""
    return tuple(order.sources.split(",")) if order is not None else (BALANCE,)


def funding_order_keys(customer_id: UUID) -> list[Key]:
    """The row that `funding_order` needs."""
    return [Key(FUNDING_ORDER, customer_id)]


def put_sources(view: View, customer_id: UUID, sources: tuple[str, ...]) -> None:
    """The order from now on."""
    view.put(FUNDING_ORDER, FundingOrder(customer_id, ",".join(sources)))


def card_of(view: View, customer_id: UUID, card_id: UUID) -> Card | None:
    """A customer's card, while it is bound."""
    card = view.get(CARD, card_id)
    return card if card is not None and card.customer_id == customer_id and card.removed_at is None else None


def remove_card(command: RemoveCard, view: View, now: datetime) -> Decision:
    """Declines `card_unknown`. What was paid with it can still be given back to it."""
    card = card_of(view, command.customer_id, command.card_id)
    if card is None:
        return Declined(errors.CARD_UNKNOWN)
    view.put(CARD, replace(card, removed_at=now, tries=0, return_at=now + FIRST_ANSWER))
    left = tuple(each for each in funding_order(view, command.customer_id) if each != str(command.card_id))
    put_sources(view, command.customer_id, left)
    return Accepted()


def record_card_return(command: RecordCardReturn, view: View, now: datetime) -> Decision:
    """Never declines; what the network has heard stays heard."""
    card = view.need(CARD, command.card_id)
    if card.return_at is None:
        return Accepted()
    if command.heard:
        view.put(CARD, replace(card, token=b"", return_at=None))
    else:
        view.put(CARD, replace(card, tries=card.tries + 1, return_at=now + timedelta(seconds=command.retry_in_s)))
    return Accepted()


def order_funding(command: OrderFunding, view: View, now: datetime) -> Decision:
    """Declines `funding_order_wrong`: a source twice, or one that is not the customer's."""
    known = funding_order(view, command.customer_id)
    wished = command.sources
    if len(set(wished)) != len(wished) or not set(wished) <= set(known):
        return Declined(errors.FUNDING_ORDER_WRONG)
    put_sources(view, command.customer_id, (*wished, *(each for each in known if each not in wished)))
    return Accepted()


DECIDERS = (
    Decider(RemoveCard, lambda command: [Key(CARD, command.card_id), *funding_order_keys(command.customer_id)], remove_card),
    Decider(RecordCardReturn, lambda command: [Key(CARD, command.card_id)], record_card_return),
    Decider(OrderFunding, lambda command: funding_order_keys(command.customer_id), order_funding),
)
