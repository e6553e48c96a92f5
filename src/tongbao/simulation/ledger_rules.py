"""More of the rulebook: what operators and other modules may do with accounts, journals and restricted money."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tongbao.kernel.ids import named_id
from tongbao.ledger.commands import (
    CloseAccount,
    DefineColour,
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
    ReverseJournal,
    SetLimits,
    UnfreezeAccount,
)
from tongbao.simulation.rulebook import (
    BOTTOMLESS,
    COLOUR_FUNDS,
    COLOUR_ISSUED,
    COLOUR_REDEEMED,
    NOT_BY_HAND,
    OWNED,
    RULES,
    WALLET,
    Colour,
    Move,
    Rulebook,
    Where,
)


def _place(command: Any) -> Where:
    return command.code, command.currency, command.owner_id


def _named(name: PlaceName) -> Where:
    return name.code, name.currency, name.owner_id


# ── accounts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _open(books: Rulebook, command: OpenAccounts, now: datetime, result: Any) -> str:
    for name in command.places:
        books.open(_named(name))
    return "ok"


def _freeze(books: Rulebook, command: FreezeAccount, now: datetime, result: Any) -> str:
    account = books.account(_place(command))
    if account.closed:
        return "account_closed"
    news_debit = command.debits and command.reason not in account.debit_freeze
    news_credit = command.credits and command.reason not in account.credit_freeze
    if not (news_debit or news_credit):
        return "freeze_exists"
    account = books.open(_place(command))
    if command.debits:
        account.debit_freeze = account.debit_freeze | {command.reason}
    if command.credits:
        account.credit_freeze = account.credit_freeze | {command.reason}
    return "ok"


def _unfreeze(books: Rulebook, command: UnfreezeAccount, now: datetime, result: Any) -> str:
    account = books.accounts.get(_place(command))
    if account is None:
        return "account_not_found"
    lifts_debit = command.debits and command.reason in account.debit_freeze
    lifts_credit = command.credits and command.reason in account.credit_freeze
    if not (lifts_debit or lifts_credit):
        return "freeze_not_found"
    if command.debits:
        account.debit_freeze = account.debit_freeze - {command.reason}
    if command.credits:
        account.credit_freeze = account.credit_freeze - {command.reason}
    return "ok"


def _close(books: Rulebook, command: CloseAccount, now: datetime, result: Any) -> str:
    place = _place(command)
    if command.code not in OWNED:
        return "account_not_closable"
    account = books.accounts.get(place)
    if account is None:
        return "account_not_found"
    for stands, code in (
        (account.closed, "account_closed"), (account.debit_freeze, "account_frozen_debit"),
        (account.credit_freeze, "account_frozen_credit"), (books.held[place], "account_has_holds"),
        (books.balances[place], "account_not_empty"),
    ):  # fmt: skip
        if stands:
            return code
    account.closed = True
    return "ok"


def _reopen(books: Rulebook, command: ReopenAccount, now: datetime, result: Any) -> str:
    account = books.accounts.get(_place(command))
    if account is None:
        return "account_not_found"
    if not account.closed:
        return "account_open"
    account.closed = False
    return "ok"


def _limits(books: Rulebook, command: SetLimits, now: datetime, result: Any) -> str:
    place, floor, ceiling = _place(command), command.floor_minor, command.ceiling_minor
    if books.account(place).closed:
        return "account_closed"
    if command.code not in BOTTOMLESS and (floor is None or floor < 0):
        return "floor_not_allowed"
    if ceiling is not None and (command.code not in OWNED or ceiling < 0):
        return "ceiling_not_allowed"
    if floor is not None and books.balances[place] - books.held[place] < floor:
        return "floor_above_balance"
    if ceiling is not None and books.balances[place] > ceiling:
        return "ceiling_below_balance"
    account = books.open(place)
    account.floor, account.ceiling = floor, ceiling
    return "ok"


# ── journals ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _post_linked(books: Rulebook, command: PostLinked, now: datetime, result: Any) -> str:
    every: list[Move] = []
    days = []
    if any(leg.place.code in NOT_BY_HAND for draft in command.journals for leg in draft.legs):
        return "line_not_by_hand"
    for draft in command.journals:
        day = books.day(now, draft.value_date)
        if isinstance(day, str):
            return day
        legs = [(_named(leg.place), leg.amount_minor) for leg in draft.legs]
        if refused := books.refusal(*every, *legs):
            return refused
        every += legs
        days.append((day, legs))
    for day, legs in days:
        books.post(command, now, *legs, day=day)
    return "ok"


def _move_up_to(books: Rulebook, command: MoveUpTo, now: datetime, result: Any) -> str:
    source, target = _named(command.source), _named(command.target)
    if source[0] in NOT_BY_HAND or target[0] in NOT_BY_HAND:
        return "line_not_by_hand"
    giving, taking = books.account(source), books.account(target)
    for stands, code in (
        (giving.closed, "account_closed"), (giving.debit_freeze, "account_frozen_debit"), (taking.closed, "account_closed"),
        (taking.credit_freeze, "account_frozen_credit"),
    ):  # fmt: skip
        if stands:
            return code
    amount = min(command.amount_minor, books.debitable(source), books.creditable(target))
    if amount <= 0:
        return "nothing_to_move"
    day = books.day(now, command.value_date)
    if isinstance(day, str):
        return day
    books.post(command, now, (source, -amount), (target, amount), day=day)
    return "ok"


def _reverse(books: Rulebook, command: ReverseJournal, now: datetime, result: Any) -> str:
    if command.reverses is not None:
        return "journal_is_reversal"
    if command.journal_id in books.reversed:
        return "journal_reversed"
    day = books.day(now, command.value_date)
    if isinstance(day, str):
        return day
    legs = [(books.by_id[leg.account_id], -leg.amount_minor) for leg in command.legs]
    if refused := books.refusal(*legs):
        return refused
    books.reversed.add(command.journal_id)
    books.post(command, now, *legs, day=day)
    return "ok"


def _bulk(books: Rulebook, command: PostBulk, now: datetime, result: Any) -> str:
    declined: list[dict[str, Any]] = []
    chain: list[int] = []
    posted = 0
    for index, posting in enumerate(command.postings):
        chain.append(index)
        if posting.linked:
            continue
        guilty, code, count = _chain(books, command, [command.postings[each] for each in chain], now)
        posted += count
        if code:
            for place, each in enumerate(chain):
                declined.append({"index": each, "code": code if place == guilty else "linked_posting_declined"})
        chain = []
    declined += [{"index": each, "code": "linked_chain_open"} for each in chain]
    said = (result.get("posted"), result.get("declined"))
    return "ok" if said == (posted, declined) else f"ok, with {posted} posted and {declined} declined"


def _chain(books: Rulebook, command: PostBulk, postings: Sequence[Posting | ManyLegs], now: datetime) -> tuple[int, str, int]:
    """All of a chain or none: which is guilty of what, or how many were posted."""
    every: list[Move] = []
    drafts = []
    for number, posting in enumerate(postings):
        found = _bulk_legs(books, posting, now, every)
        if isinstance(found, str):
            return number, found, 0
        day, legs = found
        if refused := books.refusal(*every, *legs, by_hand=True):
            return number, refused, 0
        every += legs
        drafts.append((day, legs))
    for day, legs in drafts:
        books.post(command, now, *legs, day=day)
    return 0, "", len(drafts)


def _bulk_legs(books: Rulebook, posting: Posting | ManyLegs, now: datetime, before: Sequence[Move]) -> Any:
    """The day and legs of a posting, upon what its chain moved before it; or why there are none."""
    if isinstance(posting, ManyLegs):
        if any(leg.account_id not in books.by_id for leg in posting.legs):
            return "account_not_found"
        legs = [(books.by_id[leg.account_id], leg.amount_minor) for leg in posting.legs]
        amounts = [amount for _, amount in legs]
        if not legs or 0 in amounts or sum(amounts) != 0:
            return "legs_unbalanced"
        day = books.day(now, posting.value_date)
        return day if isinstance(day, str) else (day, legs)
    debit, credit = books.by_id.get(posting.debit_account_id), books.by_id.get(posting.credit_account_id)
    if debit is None or credit is None:
        return "account_not_found"
    if debit == credit:
        return "same_account"
    if debit[1] != credit[1]:
        return "account_currencies_differ"
    day = books.day(now, posting.value_date)
    if isinstance(day, str):
        return day
    amount = posting.amount_minor
    if posting.at_most:
        if standing := _standing(books, [(debit, -amount), (credit, amount)]):
            return standing
        gone = sum(moved for place, moved in before if place == debit)
        come = sum(moved for place, moved in before if place == credit)
        amount = min(amount, books.debitable(debit) + gone, books.creditable(credit) - come)
        if amount <= 0:
            return "nothing_to_move"
    return day, [(debit, -amount), (credit, amount)]


def _standing(books: Rulebook, legs: Sequence[Move]) -> str:
    """What is said of an account whatever the amount."""
    for place, amount in legs:
        account = books.account(place)
        if place[0] in NOT_BY_HAND:
            return "line_not_by_hand"
        if account.closed:
            return "account_closed"
        if account.debit_freeze if amount < 0 else account.credit_freeze:
            return "account_frozen_debit" if amount < 0 else "account_frozen_credit"
    return ""


# ── restricted money ────────────────────────────────────────────────────────────────────────────────────────────────────


def _define_colour(books: Rulebook, command: DefineColour, now: datetime, result: Any) -> str:
    if command.code in books.colours:
        return "colour_exists"
    if command.valid_until <= now:
        return "colour_expired"
    books.colours[command.code] = Colour(command.currency, command.valid_until)
    return "ok"


def _end_colour(books: Rulebook, command: EndColour, now: datetime, result: Any) -> str:
    colour = books.colours.get(command.code)
    if colour is None:
        return "colour_not_found"
    if colour.ended:
        return "colour_ended"
    colour.ended = True
    return "ok"


def _funds(code: str, currency: str) -> Where:
    return COLOUR_FUNDS, currency, named_id("colour", code)


def _issue(books: Rulebook, command: IssueColour, now: datetime, result: Any) -> str:
    if command.source.code in NOT_BY_HAND:
        return "line_not_by_hand"
    colour = books.colours.get(command.code)
    if colour is None:
        return "colour_not_found"
    if colour.ended:
        return "colour_ended"
    if colour.valid_until <= now:
        return "colour_expired"
    money, amount = f"{colour.currency}:{command.code}", command.amount_minor
    legs: tuple[Move, ...] = (
        (_named(command.source), -amount), (_funds(command.code, colour.currency), amount),
        ((COLOUR_ISSUED, money, None), -amount), ((WALLET, money, command.customer_id), amount),
    )  # fmt: skip
    if refused := books.refusal(*legs):
        return refused
    books.post(command, now, *legs)
    return "ok"


def _reclaim(books: Rulebook, command: ReclaimColour, now: datetime, result: Any) -> str:
    if command.target.code in NOT_BY_HAND:
        return "line_not_by_hand"
    colour = books.colours.get(command.code)
    if colour is None:
        return "colour_not_found"
    if not colour.ended and colour.valid_until > now:
        return "colour_still_valid"
    money = f"{colour.currency}:{command.code}"
    holding: Where = (WALLET, money, command.customer_id)
    amount = books.debitable(holding)
    if amount <= 0:
        return "nothing_to_move"
    legs: tuple[Move, ...] = (
        (holding, -amount), ((COLOUR_REDEEMED, money, None), amount), (_funds(command.code, colour.currency), -amount),
        (_named(command.target), amount),
    )  # fmt: skip
    if refused := books.refusal(*legs):
        return refused
    books.post(command, now, *legs)
    return "ok"


RULES.update(
    {
        OpenAccounts: _open,
        FreezeAccount: _freeze,
        UnfreezeAccount: _unfreeze,
        CloseAccount: _close,
        ReopenAccount: _reopen,
        SetLimits: _limits,
        PostLinked: _post_linked,
        MoveUpTo: _move_up_to,
        ReverseJournal: _reverse,
        PostBulk: _bulk,
        DefineColour: _define_colour,
        EndColour: _end_colour,
        IssueColour: _issue,
        ReclaimColour: _reclaim,
    }
)
