"""Wishes about accounts, journals and restricted money, as short as a row of a table wants them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from tests.support.town import CURRENCY, Town
from tongbao.ledger import commands as wishes
from tongbao.ledger.commands import AccountLeg, DraftJournal, DraftLeg, ManyLegs, PlaceName, Posting
from tongbao.ledger.rules import place_of


def wallet(owner: UUID, currency: str = CURRENCY) -> PlaceName:
    """A customer's account."""
    return PlaceName("2001", currency, owner)


def shop(owner: UUID, currency: str = CURRENCY) -> PlaceName:
    """A merchant's account."""
    return PlaceName("2101", currency, owner)


def reserve(currency: str = CURRENCY) -> PlaceName:
    """The bank's side."""
    return PlaceName("1001", currency)


def id_of(name: PlaceName) -> UUID:
    """The account at a place."""
    return place_of(name).account_id


def _at(name: PlaceName) -> dict[str, Any]:
    return {"code": name.code, "currency": name.currency, "owner_id": name.owner_id}


def freezing(
    town: Town, name: PlaceName, *, debits: bool = False, credits: bool = False, reason: Any = "court"
) -> wishes.FreezeAccount:
    return wishes.FreezeAccount(command_id=town.id(), **_at(name), debits=debits, credits=credits, reason=reason)


def unfreezing(
    town: Town, name: PlaceName, *, debits: bool = False, credits: bool = False, reason: Any = "court"
) -> wishes.UnfreezeAccount:
    return wishes.UnfreezeAccount(command_id=town.id(), **_at(name), debits=debits, credits=credits, reason=reason)


def ending(town: Town, name: PlaceName) -> wishes.CloseAccount:
    return wishes.CloseAccount(command_id=town.id(), **_at(name))


def reopening(town: Town, name: PlaceName) -> wishes.ReopenAccount:
    return wishes.ReopenAccount(command_id=town.id(), **_at(name))


def bounding(town: Town, name: PlaceName, floor: int | None = 0, ceiling: int | None = None) -> wishes.SetLimits:
    return wishes.SetLimits(command_id=town.id(), **_at(name), floor_minor=floor, ceiling_minor=ceiling)


def opening(town: Town, *names: PlaceName) -> wishes.OpenAccounts:
    return wishes.OpenAccounts(command_id=town.id(), places=names)


def journal(*legs: tuple[PlaceName, int], value_date: date | None = None) -> DraftJournal:
    return DraftJournal(tuple(DraftLeg(name, amount) for name, amount in legs), "手工", value_date)


def posting(town: Town, *journals: DraftJournal) -> wishes.PostLinked:
    return wishes.PostLinked(command_id=town.id(), journals=journals)


def funding(town: Town, name: PlaceName, minor: int, value_date: date | None = None) -> wishes.PostLinked:
    """Money from the bank into an account."""
    return posting(town, journal((reserve(name.currency), -minor), (name, minor), value_date=value_date))


def moving(town: Town, source: PlaceName, target: PlaceName, most: int) -> wishes.MoveUpTo:
    return wishes.MoveUpTo(command_id=town.id(), source=source, target=target, amount_minor=most)


def pair(source: PlaceName, target: PlaceName, minor: int, **other: Any) -> Posting:
    return Posting(id_of(source), id_of(target), minor, **other)


def legs(*several: tuple[PlaceName, int], **other: Any) -> ManyLegs:
    return ManyLegs(tuple(AccountLeg(id_of(name), amount) for name, amount in several), **other)


def bulk(town: Town, postings: Sequence[Posting | ManyLegs]) -> wishes.PostBulk:
    return wishes.PostBulk(command_id=town.id(), postings=tuple(postings))


def reversing(
    town: Town, journal_id: UUID, entries: Sequence[tuple[PlaceName, int]], *, reverses: UUID | None = None,
    value_date: date | None = None,
) -> wishes.ReverseJournal:  # fmt: skip
    """As the edge sends it: with the original's entries."""
    original = tuple(wishes.ReversedLeg(id_of(name), name.currency, amount) for name, amount in entries)
    return wishes.ReverseJournal(
        command_id=town.id(), journal_id=journal_id, legs=original, reverses=reverses, reason="记错", value_date=value_date
    )


def colour(
    town: Town,
    code: str,
    merchants: Sequence[UUID] | None = None,
    lasts: timedelta = timedelta(days=30),
    currency: str = CURRENCY,
) -> wishes.DefineColour:
    return wishes.DefineColour(
        command_id=town.id(), code=code, currency=currency, title_zh="餐补", title_en="Canteen",
        merchants=None if merchants is None else tuple(merchants), valid_until=town.clock.now() + lasts,
    )  # fmt: skip


def issuing(town: Town, code: str, source: PlaceName, customer: UUID, minor: int) -> wishes.IssueColour:
    return wishes.IssueColour(command_id=town.id(), code=code, source=source, customer_id=customer, amount_minor=minor)


def reclaiming(town: Town, code: str, target: PlaceName, customer: UUID) -> wishes.ReclaimColour:
    return wishes.ReclaimColour(command_id=town.id(), code=code, target=target, customer_id=customer)
