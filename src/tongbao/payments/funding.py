"""What a payment can draw on: one class a source, one line in `SOURCES`.

A source takes its part inside the decider, with all others or not at all. Where one of them is outside (a card), the order is:

    hold      the inside parts are held, what is outside is asked for, and the payment is UNKNOWN
    take      the answer is yes: the holds end, and the parts are the debit side of one journal
    free      the answer is no: the holds end, and nothing has moved

There is at most one source from outside in a payment: two of them cannot be all or nothing, for either may say no after the other
said yes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, Protocol
from uuid import UUID

from tongbao.engine.api import Command, Declined, Key, View
from tongbao.kernel.ids import named_id
from tongbao.ledger.api import (
    ACCOUNT,
    CARD_RECEIVABLE,
    CARD_REFUNDS,
    COLOUR,
    COLOUR_MERCHANT,
    COLOUR_REDEEMED,
    CUSTOMER_WALLET,
    HOLD,
    Leg,
    Place,
    PlaceHold,
    VoidHold,
    funds_of,
    holding_of,
    may_spend,
)
from tongbao.ledger.holds import place_hold, void_hold
from tongbao.payments.funding_types import Part, SourceName
from tongbao.wallet.rules import wallet_of

#: How long a part stays held at most, should the network not be heard of again. Far beyond any answer; the janitor asks all
#: along.
HELD_FOR = timedelta(days=30)


@lru_cache(maxsize=256)
def receivable_in(currency: str) -> Place:
    """What the network of cards owes us."""
    return Place(CARD_RECEIVABLE, currency)


@lru_cache(maxsize=256)
def card_refunds_in(currency: str) -> Place:
    """What is on its way back to cards."""
    return Place(CARD_REFUNDS, currency)


class Draw:
    """A part together with whose it is: what a source is asked about."""

    __slots__ = ("cause_id", "currency", "merchant_id", "part", "payer_id")

    def __init__(self, part: Part, payer_id: UUID, merchant_id: UUID, currency: str, cause_id: UUID) -> None:
        self.part = part
        self.payer_id = payer_id
        self.merchant_id = merchant_id
        self.currency = currency
        self.cause_id = cause_id

    @property
    def hold_id(self) -> UUID:
        """Under which the part is held while a card is asked: this attempt's, and this source's."""
        return named_id("funding hold", str(self.cause_id), self.part.source, self.part.which)


class FundingSource(Protocol):
    """One source. It must never do I/O, look at a clock, or move money itself: it names rows and gives legs.

    Legs sum to minus the amount in plain money and to zero in every colour; `given_back` likewise with plus.
    """

    name: SourceName
    #: Asked for outside the decider, before anything moves.
    outside: bool
    #: Refunds fill the lowest first.
    refund_order: int

    def places(self, draw: Draw) -> list[Place]:
        """Accounts that its legs touch, either way."""
        ...

    def keys(self, draw: Draw) -> list[Key]:
        """Rows that it reads besides those accounts."""
        ...

    def refusal(self, view: View, draw: Draw, now: datetime) -> Declined | None:
        """Why it may not be drawn on for this payment; None if it may. Funds are not looked at here."""
        ...

    def held_at(self, draw: Draw) -> Place | None:
        """Where its part is held while a card is asked; None: nothing of it is ours to hold."""
        ...

    def legs(self, draw: Draw, amount_minor: int) -> list[Leg]:
        """The debit side of a payment of so much."""
        ...

    def given_back(self, draw: Draw, amount_minor: int) -> list[Leg]:
        """The credit side of a refund of so much."""
        ...


class Balance:
    """The wallet's own money."""

    name: SourceName = "balance"
    outside = False
    refund_order = 2

    def places(self, draw: Draw) -> list[Place]:
        return [wallet_of(draw.payer_id, draw.currency)]

    def keys(self, draw: Draw) -> list[Key]:
        return []

    def refusal(self, view: View, draw: Draw, now: datetime) -> Declined | None:
        return None

    def held_at(self, draw: Draw) -> Place | None:
        return wallet_of(draw.payer_id, draw.currency)

    def legs(self, draw: Draw, amount_minor: int) -> list[Leg]:
        return [Leg(wallet_of(draw.payer_id, draw.currency), -amount_minor)]

    def given_back(self, draw: Draw, amount_minor: int) -> list[Leg]:
        return [Leg(wallet_of(draw.payer_id, draw.currency), amount_minor)]


class Card:
    """A bank card: its network owes us what it took. What goes back is on its way until the network says that it arrived.

    Whose card it is was established by the edge, and does not change; that it still pays is the network's to say.
    """

    name: SourceName = "card"
    outside = True
    refund_order = 1

    def places(self, draw: Draw) -> list[Place]:
        return [receivable_in(draw.currency), card_refunds_in(draw.currency)]

    def keys(self, draw: Draw) -> list[Key]:
        return []

    def refusal(self, view: View, draw: Draw, now: datetime) -> Declined | None:
        return None

    def held_at(self, draw: Draw) -> Place | None:
        return None

    def legs(self, draw: Draw, amount_minor: int) -> list[Leg]:
        return [Leg(receivable_in(draw.currency), -amount_minor)]

    def given_back(self, draw: Draw, amount_minor: int) -> list[Leg]:
        return [Leg(card_refunds_in(draw.currency), amount_minor)]


class Voucher:
    """Restricted money of one colour, where that colour may be spent. It goes back as what it was."""

    name: SourceName = "voucher"
    outside = False
    refund_order = 3

    def places(self, draw: Draw) -> list[Place]:
        colour, currency = draw.part.which, draw.currency
        return [
            holding_of(colour, currency, draw.payer_id), Place(COLOUR_REDEEMED, currency, None, colour),
            funds_of(colour, currency),
        ]  # fmt: skip

    def keys(self, draw: Draw) -> list[Key]:
        return [Key(COLOUR, draw.part.which), Key(COLOUR_MERCHANT, (draw.part.which, draw.merchant_id))]

    def refusal(self, view: View, draw: Draw, now: datetime) -> Declined | None:
        return may_spend(view, now, draw.part.which, draw.currency, draw.merchant_id)

    def held_at(self, draw: Draw) -> Place | None:
        return holding_of(draw.part.which, draw.currency, draw.payer_id)

    def legs(self, draw: Draw, amount_minor: int) -> list[Leg]:
        holding, redeemed, funds = self.places(draw)
        return [Leg(holding, -amount_minor), Leg(redeemed, amount_minor), Leg(funds, -amount_minor)]

    def given_back(self, draw: Draw, amount_minor: int) -> list[Leg]:
        return [Leg(leg.place, -leg.amount_minor) for leg in self.legs(draw, amount_minor)]


#: What can be drawn on, one line each.
SOURCES: Final[Mapping[SourceName, FundingSource]] = {
    source.name: source for source in (Balance(), Card(), Voucher())
}  # fmt: skip


def drawn(parts: Sequence[Part], payer_id: UUID, merchant_id: UUID, currency: str, cause_id: UUID) -> list[Draw]:
    """The parts of an attempt (`cause_id`: its debit) with whose they are."""
    return [Draw(part, payer_id, merchant_id, currency, cause_id) for part in parts]


def source_of(draw: Draw) -> FundingSource:
    """What a part draws on."""
    return SOURCES[draw.part.source]


def source_keys(draws: Sequence[Draw], *, holds: bool) -> list[Key]:
    """The rows that drawing on these needs: accounts, what their sources read, and their holds where there are such."""
    keys: list[Key] = []
    for draw in draws:
        source = source_of(draw)
        keys += source.keys(draw)
        keys += [Key(ACCOUNT, place.account_id) for place in source.places(draw)]
        if holds and source.held_at(draw) is not None:
            keys.append(Key(HOLD, draw.hold_id))
    return keys


def refusal_of(view: View, draws: Sequence[Draw], now: datetime) -> Declined | None:
    """The first reason why one of them may not be drawn on."""
    return next((found for draw in draws if (found := source_of(draw).refusal(view, draw, now)) is not None), None)


def hold_all(view: View, command: Command, draws: Sequence[Draw], now: datetime) -> Declined | None:
    """Hold what is ours to hold. Declines what `place_hold` does."""
    for draw in draws:
        place = source_of(draw).held_at(draw)
        if place is None:
            continue
        held = place_hold(
            PlaceHold(
                command_id=command.command_id, hold_id=draw.hold_id, code=CUSTOMER_WALLET.code, currency=place.money,
                owner_id=draw.payer_id, amount_minor=draw.part.amount_minor, expires_at=now + HELD_FOR,
            ), view, now,
        )  # fmt: skip
        if isinstance(held, Declined):
            return held
    return None


def free_all(view: View, command: Command, draws: Sequence[Draw], now: datetime) -> None:
    """End the holds: what they held is the payer's to spend again, or to be posted right after. One that somebody ended already
    is none of ours."""
    for draw in draws:
        place = source_of(draw).held_at(draw)
        if place is not None:
            void_hold(
                VoidHold(
                    command_id=command.command_id, hold_id=draw.hold_id, code=CUSTOMER_WALLET.code, currency=place.money,
                    owner_id=draw.payer_id,
                ), view, now,
            )  # fmt: skip


def refund_shares(parts: Sequence[tuple[Part, int]], amount_minor: int) -> list[int]:
    """How much of a refund goes back to each part, given with what was refunded of it so far: to cards first, then to the
    balance, then to vouchers, to each at most what it gave.

    Source: refunds go to the account that was debited (PBOC announcement 2015 No. 43, Art. 15); in which order they go to several
    is ours: what the payer could spend anywhere comes back before what they could not.
    """
    shares = [0] * len(parts)
    left = amount_minor
    for index in sorted(range(len(parts)), key=lambda each: (SOURCES[parts[each][0].source].refund_order, each)):
        part, refunded = parts[index]
        shares[index] = min(left, part.amount_minor - refunded)
        left -= shares[index]
    return shares
