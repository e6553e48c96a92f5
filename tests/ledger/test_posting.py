"""What a posting leaves behind, whole rows, and what can never be one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from uuid import UUID

import pytest
from msgspec.structs import replace

from tests.support.town import NOON
from tongbao.engine.api import Command, Declined, Key, View
from tongbao.engine.types import Left
from tongbao.kernel.errors import InvariantBroken
from tongbao.kernel.ids import RowIds
from tongbao.ledger.book import BOOK_KEY
from tongbao.ledger.chart import CHART, CUSTOMER_WALLET, RESERVE
from tongbao.ledger.rules import Leg, Place, post
from tongbao.ledger.types import ACCOUNT, ENTRY, JOURNAL, LEDGER_DAY, Account, Entry, Journal

OWNER = UUID(int=7, version=4)
COMMAND = UUID(int=8, version=4)
TODAY = NOON.date()
WALLET, BANK = Place(CUSTOMER_WALLET, "CNY", OWNER), Place(RESERVE, "CNY")
CANTEEN, BOOKS = Place(CUSTOMER_WALLET, "CNY", OWNER, "canteen"), Place(CUSTOMER_WALLET, "CNY", OWNER, "books")
DOLLARS = Place(RESERVE, "USD")


class Asked(Command, frozen=True, kw_only=True):
    kind = "test.asked"


def account(place: Place, posted: int = 0, version: int = 0) -> Account:
    return Account(
        place.account_id, place.line.code, place.owner_id, place.money, posted, 0, CHART[place.line.code].floor_minor, None,
        version, NOON,
    )  # fmt: skip


def posted(legs: Sequence[Leg], *known: Account) -> Left | Declined:
    """What the legs leave where these accounts are known, and no others."""
    rows = {Key(ACCOUNT, leg.place.account_id): None for leg in legs} | {Key(ACCOUNT, each.account_id): each for each in known}
    view = View({**rows, BOOK_KEY: None}, RowIds(NOON, 1, 1))
    journal = post(view, Asked(command_id=COMMAND), NOON, "test", legs, "午饭")
    return journal if isinstance(journal, Declined) else view.changes(accepted=True)


def left_by(legs: Sequence[Leg], *known: Account) -> Left:
    left = posted(legs, *known)
    assert not isinstance(left, Declined), left
    return left


@pytest.mark.parametrize(
    ("legs", "says"),
    [
        ([], "legs do not balance: {}"),
        ([(BANK, -5)], "legs do not balance: {'CNY': -5}"),
        ([(BANK, -5), (WALLET, 4)], "legs do not balance: {'CNY': -1}"),
        ([(BANK, -5), (WALLET, 6)], "legs do not balance: {'CNY': 1}"),
        ([(BANK, 5), (WALLET, 5)], "legs do not balance: {'CNY': 10}"),
        ([(BANK, -5), (WALLET, 3), (WALLET, 3)], "legs do not balance: {'CNY': 1}"),
        ([(DOLLARS, -5), (WALLET, 5)], "legs do not balance: {'USD': -5, 'CNY': 5}"),
        ([(CANTEEN, -5), (WALLET, 5)], "legs do not balance: {'CNY:canteen': -5, 'CNY': 5}"),
        ([(CANTEEN, -5), (BOOKS, 5)], "legs do not balance: {'CNY:canteen': -5, 'CNY:books': 5}"),
        ([(BANK, -5), (WALLET, 5), (DOLLARS, 1)], "legs do not balance: {'CNY': 0, 'USD': 1}"),
        ([(BANK, 0), (WALLET, 0)], "a leg moves nothing"),
        ([(BANK, -5), (WALLET, 5), (WALLET, 0)], "a leg moves nothing"),
    ],
)
def test_a_journal_that_does_not_balance_in_each_currency_and_colour_is_a_bug(legs: list[tuple[Place, int]], says: str) -> None:
    with pytest.raises(InvariantBroken, match=re.escape(says)):
        posted([Leg(place, amount) for place, amount in legs], account(BANK, 99), account(WALLET, 99), account(CANTEEN, 99))


def test_a_posting_leaves_one_journal_and_an_entry_a_leg_each_with_the_balance_after_it() -> None:
    left = left_by([Leg(BANK, -6), Leg(WALLET, 5), Leg(WALLET, 1)], account(BANK, -100, version=4))
    (journal,) = left.appended[JOURNAL]
    assert journal == Journal(journal.journal_id, COMMAND, "test", "午饭", NOON, TODAY)
    assert left.appended[ENTRY] == [
        Entry(BANK.account_id, 5, journal.journal_id, 0, "CNY", -6, -106, NOON),
        Entry(WALLET.account_id, 1, journal.journal_id, 1, "CNY", 5, 5, NOON),
        Entry(WALLET.account_id, 2, journal.journal_id, 2, "CNY", 1, 6, NOON),
    ]


def test_a_posting_writes_the_accounts_that_it_opens_and_of_the_others_none() -> None:
    left = left_by([Leg(BANK, -5), Leg(WALLET, 5)], account(BANK, -100, version=4))
    opened = account(WALLET, 5, version=1)
    assert left.written == {(ACCOUNT, WALLET.account_id): opened}
    assert left.now == left.written | {(ACCOUNT, BANK.account_id): account(BANK, -105, version=5)}


def test_an_account_that_a_journal_opens_is_written_although_all_its_entries_are_there() -> None:
    left = left_by([Leg(BANK, -5), Leg(BANK, 5)])
    assert left.written == {(ACCOUNT, BANK.account_id): account(BANK, 0, version=2)}


def test_a_single_cent_counts_on_the_side_where_it_was_entered() -> None:
    left = left_by([Leg(BANK, -1), Leg(WALLET, 1)])
    assert left.tallies == [
        (LEDGER_DAY, (TODAY, "1001", "CNY"), (1, 0, 1)),
        (LEDGER_DAY, (TODAY, "2001", "CNY"), (0, 1, 1)),
    ]


def test_a_payer_is_told_what_is_available_and_what_would_be_needed() -> None:
    poor = replace(account(WALLET, 100, version=1), held_minor=30, floor_minor=20)
    declined = posted([Leg(WALLET, -51), Leg(BANK, 51)], poor)
    assert isinstance(declined, Declined)
    assert (declined.code.name, declined.detail) == ("insufficient_funds", {"available_minor": 50, "needed_minor": 51})


def test_places_are_equal_if_their_accounts_are_and_equal_to_nothing_else() -> None:
    assert Place(CUSTOMER_WALLET, "CNY", OWNER) == WALLET and Place(CUSTOMER_WALLET, "CNY", OWNER) is not WALLET
    assert WALLET not in (CANTEEN, BANK, WALLET.account_id, "2001")


def test_a_place_is_told_by_its_line_money_and_owner() -> None:
    assert (repr(BANK), repr(CANTEEN)) == ("<1001 CNY>", f"<2001 CNY:canteen of {OWNER}>")
