"""Restricted money: vouchers, subsidies, funds for one purpose or some merchants only.

A colour is part of the currency of accounts and entries ("CNY:canteen-2026"), so the rule that every journal sums to zero in
each currency conserves each colour by itself. What a customer holds in a colour is a claim on plain money that stands in
2401, owned by the colour. One journal moves both at once:

    issue     9101 issued  −x  customer + x   in the colour     source −x  2401 + x     in plain money
    spend     customer     −x  9102     + x   in the colour     2401   −x  merchant + x in plain money
    reclaim   customer     −x  9102     + x   in the colour     2401   −x  target   + x in plain money

So in every colour issued, redeemed and held sum to zero; 2401 is what all holders of the colour have together; and plain
liabilities, 2401 among them, stay equal to the reserve.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from tongbao.engine.api import Accepted, Decider, Decision, Declined, Key, View
from tongbao.kernel.ids import named_id
from tongbao.ledger import errors
from tongbao.ledger.chart import COLOUR_FUNDS, COLOUR_ISSUED, COLOUR_REDEEMED, CUSTOMER_WALLET
from tongbao.ledger.commands import (
    AllowColourAt,
    DefineColour,
    EndColour,
    IssueColour,
    Moved,
    ReclaimColour,
)
from tongbao.ledger.rules import Leg, Place, account_at, account_keys, not_by_hand, place_of, post, require_positive
from tongbao.ledger.types import COLOUR, COLOUR_MERCHANT, Colour, ColourMerchant


def funds_of(code: str, currency: str) -> Place:
    """The plain money behind a colour."""
    return Place(COLOUR_FUNDS, currency, named_id("colour", code))


def holding_of(code: str, currency: str, customer_id: UUID) -> Place:
    """What a customer holds of a colour."""
    return Place(CUSTOMER_WALLET, currency, customer_id, code)


# ── spending ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def spend_keys(payer_id: UUID, currency: str, merchant_id: UUID, colours: Sequence[str]) -> list[Key]:
    """The rows that `spend` and the posting of its legs need, besides the payee's. `colours`: those the payer has, which
    the edge knows from the payer's accounts; one named in vain does no harm."""
    places = [Place(CUSTOMER_WALLET, currency, payer_id)]
    keys: list[Key] = []
    for code in colours:
        keys += [Key(COLOUR, code), Key(COLOUR_MERCHANT, (code, merchant_id))]
        places += [holding_of(code, currency, payer_id), Place(COLOUR_REDEEMED, currency, None, code), funds_of(code, currency)]
    return [*keys, *account_keys(places)]


def spend(
    view: View, now: datetime, payer_id: UUID, currency: str, amount_minor: int, merchant_id: UUID, colours: Sequence[str]
) -> list[Leg] | Declined:
    """The debit side of a payment of `amount_minor`: restricted money first, soonest to expire first, plain money for the rest.

    The legs sum to -amount_minor in plain money and to zero in each colour; the caller adds the payee's credits and posts.
    Colours that may not be spent here now, or are frozen, are passed over. Declines `insufficient_funds` if both together do not
    suffice (detail: available_minor of both).
    """
    require_positive(amount_minor)
    legs: list[Leg] = []
    left = amount_minor
    for colour in _in_order(view, now, currency, merchant_id, colours):
        holding = account_at(view, holding_of(colour.code, currency, payer_id), now)
        part = min(left, holding.debitable_minor)
        if part <= 0 or holding.debit_freeze:  # a closed account has nothing in it
            continue
        legs += _redeeming(colour, payer_id, part)
        left -= part
    plain = Place(CUSTOMER_WALLET, currency, payer_id)
    available = account_at(view, plain, now).debitable_minor
    if left > available:
        return Declined(
            errors.INSUFFICIENT_FUNDS,
            {"available_minor": available + amount_minor - left, "needed_minor": amount_minor},
        )
    if left:
        legs.append(Leg(plain, -left))
    return legs


def may_spend(view: View, now: datetime, code: str, currency: str, merchant_id: UUID) -> Declined | None:
    """Why a colour may not be spent at a merchant now; None if it may.

    Declines `colour_not_found`, `colour_ended`, `colour_expired`, `colour_other_currency`, `colour_not_here`.
    """
    colour = _alive(view, code)
    if isinstance(colour, Declined):
        return colour
    if colour.valid_until <= now:
        return Declined(errors.COLOUR_EXPIRED)
    if colour.currency != currency:
        return Declined(errors.COLOUR_OTHER_CURRENCY)
    if not colour.everywhere:
        here = view.get(COLOUR_MERCHANT, (code, merchant_id))
        if here is None or not here.allowed:
            return Declined(errors.COLOUR_NOT_HERE)
    return None


def _alive(view: View, code: str) -> Colour | Declined:
    """A colour that was defined and not ended. Declines `colour_not_found`, `colour_ended`."""
    colour = view.get(COLOUR, code)
    if colour is None:
        return Declined(errors.COLOUR_NOT_FOUND)
    return Declined(errors.COLOUR_ENDED) if colour.state == "ENDED" else colour


def _in_order(view: View, now: datetime, currency: str, merchant_id: UUID, colours: Sequence[str]) -> list[Colour]:
    usable = [
        view.need(COLOUR, code) for code in dict.fromkeys(colours) if may_spend(view, now, code, currency, merchant_id) is None
    ]
    return sorted(usable, key=lambda colour: (colour.valid_until, colour.code))


def _redeeming(colour: Colour, customer_id: UUID, amount: int) -> list[Leg]:
    code, currency = colour.code, colour.currency
    return [
        Leg(holding_of(code, currency, customer_id), -amount),
        Leg(Place(COLOUR_REDEEMED, currency, None, code), amount),
        Leg(funds_of(code, currency), -amount),
    ]


# ── the life of a colour ────────────────────────────────────────────────────────────────────────────────────────────────


def define_colour(command: DefineColour, view: View, now: datetime) -> Decision:
    """Declines `colour_exists`, `colour_expired` (its validity would be over already)."""
    if view.get(COLOUR, command.code) is not None:
        return Declined(errors.COLOUR_EXISTS)
    if command.valid_until <= now:
        return Declined(errors.COLOUR_EXPIRED)
    everywhere = command.merchants is None
    view.put(
        COLOUR,
        Colour(
            command.code,
            command.currency,
            command.title_zh,
            command.title_en,
            everywhere,
            command.valid_until,
            "ACTIVE",
            now,
            None,
        ),
    )
    for merchant_id in dict.fromkeys(command.merchants or ()):
        view.put(COLOUR_MERCHANT, ColourMerchant(command.code, merchant_id, True))
    return Accepted()


def allow_colour_at(command: AllowColourAt, view: View, now: datetime) -> Decision:
    """Declines `colour_not_found`, `colour_ended`."""
    colour = _alive(view, command.code)
    if isinstance(colour, Declined):
        return colour
    view.put(COLOUR_MERCHANT, ColourMerchant(command.code, command.merchant_id, command.allowed))
    return Accepted()


def end_colour(command: EndColour, view: View, now: datetime) -> Decision:
    """Declines `colour_not_found`, `colour_ended`."""
    colour = _alive(view, command.code)
    if isinstance(colour, Declined):
        return colour
    view.put(COLOUR, replace(colour, state="ENDED", ended_at=now))
    return Accepted()


def issue_colour(command: IssueColour, view: View, now: datetime) -> Decision:
    """Declines `line_not_by_hand` (the money behind one colour cannot back another), `colour_not_found`, `colour_ended`,
    `colour_expired`, `colour_other_currency`, and what `post` declines."""
    require_positive(command.amount_minor)
    if (refused := not_by_hand((place_of(command.source),))) is not None:
        return refused
    colour = _alive(view, command.code)
    if isinstance(colour, Declined):
        return colour
    if colour.valid_until <= now:
        return Declined(errors.COLOUR_EXPIRED)
    if colour.currency != command.source.currency:
        return Declined(errors.COLOUR_OTHER_CURRENCY)
    code, currency, amount = colour.code, colour.currency, command.amount_minor
    legs = [
        Leg(place_of(command.source), -amount),
        Leg(funds_of(code, currency), amount),
        Leg(Place(COLOUR_ISSUED, currency, None, code), -amount),
        Leg(holding_of(code, currency, command.customer_id), amount),
    ]
    journal = post(view, command, now, command.kind, legs, code)
    return journal if isinstance(journal, Declined) else Accepted(Moved(journal.journal_id, amount))


def reclaim_colour(command: ReclaimColour, view: View, now: datetime) -> Decision:
    """Takes all that is available. Declines `line_not_by_hand`, `colour_not_found`, `colour_still_valid`,
    `colour_other_currency`, `nothing_to_move`, and what `post` declines."""
    if (refused := not_by_hand((place_of(command.target),))) is not None:
        return refused
    colour = view.get(COLOUR, command.code)
    if colour is None:
        return Declined(errors.COLOUR_NOT_FOUND)
    if colour.state == "ACTIVE" and colour.valid_until > now:
        return Declined(errors.COLOUR_VALID)
    if colour.currency != command.target.currency:
        return Declined(errors.COLOUR_OTHER_CURRENCY)
    amount = account_at(view, holding_of(colour.code, colour.currency, command.customer_id), now).debitable_minor
    if amount <= 0:
        return Declined(errors.NOTHING_TO_MOVE)
    legs = [*_redeeming(colour, command.customer_id, amount), Leg(place_of(command.target), amount)]
    journal = post(view, command, now, command.kind, legs, colour.code)
    return journal if isinstance(journal, Declined) else Accepted(Moved(journal.journal_id, amount))


def _define_keys(command: DefineColour) -> list[Key]:
    return [Key(COLOUR, command.code), *(Key(COLOUR_MERCHANT, (command.code, each)) for each in command.merchants or ())]


def _issue_keys(command: IssueColour) -> list[Key]:
    code, currency = command.code, command.source.currency
    places = [
        place_of(command.source), funds_of(code, currency), Place(COLOUR_ISSUED, currency, None, code),
        holding_of(code, currency, command.customer_id),
    ]  # fmt: skip
    return [Key(COLOUR, code), *account_keys(places)]


def _reclaim_keys(command: ReclaimColour) -> list[Key]:
    code, currency = command.code, command.target.currency
    places = [
        place_of(command.target), funds_of(code, currency), Place(COLOUR_REDEEMED, currency, None, code),
        holding_of(code, currency, command.customer_id),
    ]  # fmt: skip
    return [Key(COLOUR, code), *account_keys(places)]


DECIDERS = (
    Decider(DefineColour, _define_keys, define_colour),
    Decider(
        AllowColourAt,
        lambda command: [Key(COLOUR, command.code), Key(COLOUR_MERCHANT, (command.code, command.merchant_id))],
        allow_colour_at,
    ),
    Decider(EndColour, lambda command: [Key(COLOUR, command.code)], end_colour),
    Decider(IssueColour, _issue_keys, issue_colour, Moved),
    Decider(ReclaimColour, _reclaim_keys, reclaim_colour, Moved),
)
