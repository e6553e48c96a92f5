"""Journals that an operator or another module wishes: several that all post or none do, a movement of what there is, and the
undoing of a journal by its exact opposite."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from tongbao.engine.api import Accepted, Decider, Decision, Declined, Key, View
from tongbao.kernel.errors import InvariantBroken
from tongbao.ledger import errors
from tongbao.ledger.book import BOOK_KEY
from tongbao.ledger.commands import (
    DraftJournal,
    Moved,
    MoveUpTo,
    PlaceName,
    Posted,
    PostLinked,
    Reversed,
    ReverseJournal,
)
from tongbao.ledger.rules import (
    Draft,
    Leg,
    account_at,
    account_keys,
    most_movable,
    not_by_hand,
    place_of,
    post,
    post_linked,
    refusal_of,
    require_positive,
)
from tongbao.ledger.types import ACCOUNT, REVERSAL, Reversal


def draft_of(kind: str, wished: DraftJournal) -> Draft:
    """The draft of a command's journal."""
    return Draft(kind, [Leg(place_of(leg.place), leg.amount_minor) for leg in wished.legs], wished.memo, wished.value_date)


def post_journals(command: PostLinked, view: View, now: datetime) -> Decision:
    """Declines `line_not_by_hand`, and what `post` declines, for the first journal that cannot be posted."""
    drafts = [draft_of(command.kind, wished) for wished in command.journals]
    if (refused := not_by_hand(leg.place for draft in drafts for leg in draft.legs)) is not None:
        return refused
    journals = post_linked(view, command, now, drafts)
    if isinstance(journals, Declined):
        return journals
    ids = tuple(journal.journal_id for journal in journals)
    view.emit("ledger", "journals.posted", {"first": ids[0], "count": len(ids), "by": command.by})
    return Accepted(Posted(ids))


def move_up_to(command: MoveUpTo, view: View, now: datetime) -> Decision:
    """Declines `line_not_by_hand`, `nothing_to_move` (the source has nothing available, or the target no room), and what `post`
    declines."""
    require_positive(command.amount_minor)
    source, target = place_of(command.source), place_of(command.target)
    if (refused := not_by_hand((source, target))) is not None:
        return refused
    giving, taking = account_at(view, source, now), account_at(view, target, now)
    for account, wished in ((giving, -command.amount_minor), (taking, command.amount_minor)):
        # Closed or frozen says more than "nothing". Where an account stands already, no bound is passed.
        if (refused := refusal_of(account, wished, account.posted_minor)) is not None:
            return refused
    amount = most_movable(giving, taking, command.amount_minor)
    if amount == 0:
        return Declined(errors.NOTHING_TO_MOVE)
    legs = [Leg(source, -amount), Leg(target, amount)]
    journal = post(view, command, now, command.kind, legs, command.memo, value_date=command.value_date)
    return journal if isinstance(journal, Declined) else Accepted(Moved(journal.journal_id, amount))


def reverse_journal(command: ReverseJournal, view: View, now: datetime) -> Decision:
    """Declines `journal_not_found`, `journal_is_reversal`, `journal_reversed` (detail: reversed_by), and what `post` declines:
    `insufficient_funds` where the money is not there any more, freezes, closed accounts, periods.

    The row of REVERSAL, whose key is the original, makes it once. That the legs are the original's is the edge's word here,
    and `check_ledger` compares every reversal with its original.
    """
    if not command.legs:
        return Declined(errors.JOURNAL_NOT_FOUND)
    if command.reverses is not None:
        return Declined(errors.JOURNAL_IS_REVERSAL)
    known = view.get(REVERSAL, command.journal_id)
    if known is not None:
        return Declined(errors.JOURNAL_REVERSED, {"reversed_by": known.reversed_by})
    legs = []
    for leg in command.legs:
        account = view.need(ACCOUNT, leg.account_id)
        if account.currency != leg.currency:
            raise InvariantBroken(f"an entry in {leg.currency} on an account in {account.currency}")
        legs.append(Leg(place_of(PlaceName(account.code, account.currency, account.owner_id)), -leg.amount_minor))
    journal = post(
        view, command, now, command.kind, legs, command.reason, value_date=command.value_date, reverses=command.journal_id
    )
    if isinstance(journal, Declined):
        return journal
    view.put(REVERSAL, Reversal(command.journal_id, journal.journal_id, command.reason, now))
    told = {"journal_id": command.journal_id, "reversed_by": journal.journal_id, "reason": command.reason, "by": command.by}
    view.emit("ledger", "journal.reversed", told)
    return Accepted(Reversed(journal.journal_id))


def _post_keys(command: PostLinked) -> list[Key]:
    places = {place_of(leg.place) for journal in command.journals for leg in journal.legs}
    return account_keys(places)


def _move_keys(command: MoveUpTo) -> list[Key]:
    return account_keys([place_of(command.source), place_of(command.target)])


def _reverse_keys(command: ReverseJournal) -> list[Key]:
    accounts: set[UUID] = {leg.account_id for leg in command.legs}
    return [Key(REVERSAL, command.journal_id), *(Key(ACCOUNT, each) for each in accounts), BOOK_KEY]


DECIDERS = (
    Decider(PostLinked, _post_keys, post_journals, Posted),
    Decider(MoveUpTo, _move_keys, move_up_to, Moved),
    Decider(ReverseJournal, _reverse_keys, reverse_journal, Reversed),
)
