"""What the back office does: accounts frozen, bounded and closed, journals posted and reversed, restricted money."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from tongbao.engine.api import Command
from tongbao.kernel.ids import named_id
from tongbao.ledger.chart import CHART, account_id
from tongbao.ledger.commands import (
    AccountLeg,
    CloseAccount,
    DefineColour,
    DraftJournal,
    DraftLeg,
    EndColour,
    FreezeAccount,
    IssueColour,
    ManyLegs,
    MoveUpTo,
    OpenAccounts,
    PlaceName,
    PostBulk,
    Posting,
    PostLinked,
    ReclaimColour,
    ReopenAccount,
    ReversedLeg,
    ReverseJournal,
    SetLimits,
    UnfreezeAccount,
)
from tongbao.ledger.types import ENTRY, JOURNAL
from tongbao.simulation.actions import Wishes, action
from tongbao.simulation.rulebook import COLOUR_FUNDS, FEES, MERCHANT, WALLET, Account, Where
from tongbao.simulation.town import CURRENCY, Person, Town

_REASONS: Any = ("court", "fraud", "aml")


def _owned(me: Person, town: Town) -> PlaceName:
    """A customer's or a merchant's account."""
    if town.shops and town.chance.random() < 0.3:
        return PlaceName(MERCHANT, CURRENCY, town.chance.choice(town.shops).merchant_id)
    return PlaceName(WALLET, CURRENCY, town.someone(me).customer_id)


def _any(me: Person, town: Town) -> PlaceName:
    if town.colours and town.chance.random() < 0.05:
        return PlaceName(COLOUR_FUNDS, CURRENCY, named_id("colour", town.colours[0]))
    return PlaceName(FEES, CURRENCY) if town.chance.random() < 0.2 else _owned(me, town)


def _id(name: PlaceName) -> Any:
    return account_id(CHART[name.code], name.currency, name.owner_id)


def _value_date(town: Town) -> date | None:
    if town.chance.random() < 0.6:
        return None
    return town.now().date() - timedelta(days=town.chance.choice((-1, 0, 1, 5, 30, 40)))


# ── accounts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@action(3)
def opens_accounts(me: Person, town: Town) -> Wishes:
    places = {_any(me, town): None for _ in range(3)}
    return [OpenAccounts(command_id=town.id(), places=tuple(places))]


@action(4)
def freezes_an_account(me: Person, town: Town) -> Wishes:
    place, chance = _owned(me, town), town.chance
    debits = chance.random() < 0.6
    return [
        FreezeAccount(
            command_id=town.id(), code=place.code, currency=place.currency, owner_id=place.owner_id, debits=debits,
            credits=not debits or chance.random() < 0.4, reason=chance.choice(_REASONS),
        )
    ]  # fmt: skip


@action(6)
def lifts_a_freeze(me: Person, town: Town) -> Wishes:
    place = _owned(me, town)
    return [_unfreezing(town, place, reason) for reason in _REASONS]


def _unfreezing(town: Town, place: PlaceName, reason: Any) -> Command:
    return UnfreezeAccount(
        command_id=town.id(), code=place.code, currency=place.currency, owner_id=place.owner_id, debits=True, credits=True,
        reason=reason,
    )  # fmt: skip


@action(2)
def closes_an_account(me: Person, town: Town) -> Wishes:
    place = _owned(me, town)
    return [CloseAccount(command_id=town.id(), code=place.code, currency=place.currency, owner_id=place.owner_id)]


@action(4)
def reopens_an_account(me: Person, town: Town) -> Wishes:
    place = _owned(me, town)
    return [ReopenAccount(command_id=town.id(), code=place.code, currency=place.currency, owner_id=place.owner_id)]


@action(3)
def bounds_an_account(me: Person, town: Town) -> Wishes:
    place, chance = _owned(me, town), town.chance
    return [
        SetLimits(
            command_id=town.id(), code=place.code, currency=place.currency, owner_id=place.owner_id,
            floor_minor=chance.choice((None, -1, 0, 0, 0, 100)), ceiling_minor=chance.choice((None, None, -1, 5_000, 20_000)),
        )
    ]  # fmt: skip


def amends(town: Town, place: Where, account: Account) -> Iterator[Command]:
    """What makes an account one that money can come to again."""
    code, currency, owner = place
    name = PlaceName(code, currency, owner)
    for reason in sorted(account.debit_freeze | account.credit_freeze):
        yield _unfreezing(town, name, reason)
    if account.closed:
        yield ReopenAccount(command_id=town.id(), code=code, currency=currency, owner_id=owner)
    if account.ceiling is not None:
        yield SetLimits(
            command_id=town.id(), code=code, currency=currency, owner_id=owner, floor_minor=account.floor, ceiling_minor=None
        )


# ── journals ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@action(5)
def posts_linked_journals(me: Person, town: Town) -> Wishes:
    drafts = []
    for _ in range(town.chance.randint(1, 3)):
        source, target, amount = _any(me, town), _any(me, town), town.amount()
        legs = (DraftLeg(source, -amount), DraftLeg(target, amount))
        drafts.append(DraftJournal(legs, "更正", _value_date(town)))
    return [PostLinked(command_id=town.id(), journals=tuple(drafts))]


@action(4)
def moves_what_there_is(me: Person, town: Town) -> Wishes:
    source, target = _any(me, town), _any(me, town)
    if source == target:
        return None
    return [MoveUpTo(command_id=town.id(), source=source, target=target, amount_minor=town.amount() * 10)]


@action(4)
def reverses_a_journal(me: Person, town: Town) -> Wishes:
    journal_id = town.one_of(town.journals)
    if journal_id is None:
        return None
    journal = next(row for row in town.rows(JOURNAL) if row.journal_id == journal_id)
    entries = sorted((row for row in town.rows(ENTRY) if row.journal_id == journal_id), key=lambda row: row.leg)
    legs = tuple(ReversedLeg(row.account_id, row.currency, row.amount_minor) for row in entries)
    return [
        ReverseJournal(
            command_id=town.id(), journal_id=journal_id, legs=legs, reverses=journal.reverses, reason="录入错误",
            value_date=_value_date(town),
        )
        for _ in range(town.chance.choice((1, 2)))
    ]  # fmt: skip


@action(6)
def posts_in_bulk(me: Person, town: Town) -> Wishes:
    chance = town.chance
    postings: list[Posting | ManyLegs] = []
    for _ in range(chance.randint(1, 8)):
        linked, day = chance.random() < 0.3, _value_date(town)
        if chance.random() < 0.2:
            amount, more = town.amount(), chance.choice((0, 0, 0, 1))
            places = (_any(me, town), _any(me, town), _any(me, town))
            amounts = (-amount - 1, amount, 1 + more)
            legs = tuple(AccountLeg(_id(place), each) for place, each in zip(places, amounts, strict=True))
            postings.append(ManyLegs(legs, "", linked, day))
        else:
            source, target = _any(me, town), _any(me, town)
            at_most = chance.random() < 0.3
            postings.append(Posting(_id(source), _id(target), town.amount(), "", linked, at_most, day))
    return [PostBulk(command_id=town.id(), postings=tuple(postings))]


# ── restricted money ────────────────────────────────────────────────────────────────────────────────────────────────────


@action(2)
def defines_a_colour(me: Person, town: Town) -> Wishes:
    lasts = timedelta(hours=town.chance.choice((-1, 1, 100)))
    return [
        DefineColour(
            command_id=town.id(), code=f"c{town.chance.randint(1, 5)}", currency=CURRENCY, title_zh="餐补", title_en="Meals",
            merchants=None, valid_until=town.now() + lasts,
        )
    ]  # fmt: skip


@action(5)
def issues_a_colour(me: Person, town: Town) -> Wishes:
    code = town.one_of(town.colours)
    if code is None or me.customer_id is None:
        return None
    return [
        IssueColour(
            command_id=town.id(), code=code, source=_any(me, town), customer_id=me.customer_id, amount_minor=town.amount()
        )
    ]


@action(1)
def ends_a_colour(me: Person, town: Town) -> Wishes:
    code = town.one_of(town.colours)
    return [EndColour(command_id=town.id(), code=code)] if code else None


@action(2)
def takes_a_colour_back(me: Person, town: Town) -> Wishes:
    code = town.one_of(town.colours)
    if code is None or me.customer_id is None:
        return None
    return [
        ReclaimColour(
            command_id=town.id(), code=code, target=_any(me, town), customer_id=town.someone(me).customer_id or me.customer_id
        )
    ]
