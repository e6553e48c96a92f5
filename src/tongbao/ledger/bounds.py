"""What the edge of the ledger refuses before anything is decided: too long, too many, out of range, or naming nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import MAX_AMOUNT_MINOR, places
from tongbao.kernel.texts import plain
from tongbao.ledger import errors
from tongbao.ledger.chart import CHART
from tongbao.ledger.commands import MOST_POSTINGS, DraftJournal, ManyLegs, PlaceName, Posting

MOST_TEXT = 200
LONGEST_HOLD = timedelta(days=366)
MOST_DAYS = 3660

_COLOUR = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
#: Kinds of bulk postings: none that another module's journals bear.
_BULK_KIND = re.compile(r"bulk(\.[a-z0-9_]{1,24})?")


def amount_in_range(minor: int) -> int:
    """Refuses `amount_out_of_range`."""
    if not 1 <= minor <= MAX_AMOUNT_MINOR:
        raise Refusal(errors.AMOUNT_OUT_OF_RANGE, most=MAX_AMOUNT_MINOR)
    return minor


def short_text(text: str) -> str:
    """Refuses `ledger_text_too_long`, `control_characters`."""
    if len(text) > MOST_TEXT:
        raise Refusal(errors.TEXT_TOO_LONG, most=MOST_TEXT)
    return plain(text)


def a_side(debits: bool, credits: bool) -> None:
    """Refuses `freeze_without_side`."""
    if not (debits or credits):
        raise Refusal(errors.NO_SIDE)


def bounded_count(count: int, least: int = 1) -> None:
    """Refuses `no_postings`, `too_many_postings`."""
    if count < least:
        raise Refusal(errors.NO_POSTINGS)
    if count > MOST_POSTINGS:
        raise Refusal(errors.TOO_MANY_POSTINGS, most=MOST_POSTINGS)


def colour_code(code: str) -> None:
    """Refuses `colour_malformed`."""
    if not _COLOUR.fullmatch(code):
        raise Refusal(errors.COLOUR_MALFORMED)


def sound_place(name: PlaceName) -> None:
    """Refuses `currency_unknown`, `colour_malformed`, `place_malformed`."""
    line = CHART.get(name.code)
    currency, mark, colour = name.currency.partition(":")
    places(currency)
    if mark:
        colour_code(colour)
    if line is None or line.owned != (name.owner_id is not None):
        raise Refusal(errors.PLACE_MALFORMED)


def sound_journals(wished: Sequence[DraftJournal]) -> None:
    """Refuses `no_postings`, `too_many_postings`, `ledger_text_too_long`, `amount_out_of_range`, `legs_unbalanced`, and what
    `sound_place` refuses."""
    bounded_count(sum(max(1, len(journal.legs)) for journal in wished))
    for journal in wished:
        short_text(journal.memo)
        sums: dict[str, int] = {}
        for leg in journal.legs:
            sound_place(leg.place)
            amount_in_range(abs(leg.amount_minor))
            sums[leg.place.currency] = sums.get(leg.place.currency, 0) + leg.amount_minor
        if not journal.legs or any(sums.values()):
            raise Refusal(errors.LEGS_UNBALANCED)


def sound_postings(postings: Sequence[Posting | ManyLegs]) -> None:
    """Refuses `no_postings`, `too_many_postings`, `ledger_text_too_long`, `amount_out_of_range`, `place_malformed`
    (a kind that is not one of bulk postings)."""
    bounded_count(sum(1 if isinstance(posting, Posting) else max(1, len(posting.legs)) for posting in postings))
    for posting in postings:
        short_text(posting.memo)
        if not _BULK_KIND.fullmatch(posting.kind):
            raise Refusal(errors.PLACE_MALFORMED)
        if isinstance(posting, Posting):
            amount_in_range(posting.amount_minor)
            continue
        for leg in posting.legs:
            amount_in_range(abs(leg.amount_minor))
