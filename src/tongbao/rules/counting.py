"""What a subject has done, window by window: brought to today, added to, given back.

All windows begin and end at local midnights, so nothing but the first act of a day looks at the calendar. Of a rolling window the
sum is kept beside what today came to; the days before stand in `past`, and leave the sum when they leave the window.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from typing import TypeAlias

import msgspec

from tongbao.rules.book import Book
from tongbao.rules.days import period_of
from tongbao.rules.types import OwnCaps, Usage

#: Days before today by slot: (day, what it came to).
Past = dict[int, list[tuple[int, int]]]

Counts: TypeAlias = "array[int]"

_BIG_ENDIAN = sys.byteorder == "big"
_to_past = msgspec.msgpack.Decoder(Past).decode
_from_past = msgspec.msgpack.Encoder().encode
_to_own = msgspec.json.Decoder(OwnCaps).decode
_own: dict[str, OwnCaps] = {}


def own_caps(text: str) -> OwnCaps | None:
    """The caps of a subject's own; None if there are none."""
    if not text:
        return None
    found = _own.get(text)
    if found is None:
        if len(_own) >= 50_000:
            _own.clear()
        found = _own[text] = _to_own(text)
    return found


def counts_of(book: Book, stored: bytes) -> Counts:
    """The counters as they stand in the row, with a 0 at the end for whoever asks for slot -1."""
    counts = array("q", stored.ljust(book.size, b"\x00"))
    if _BIG_ENDIAN:
        counts.byteswap()
    return counts


def brought_to(book: Book, usage: Usage, day: int, opened: int) -> tuple[Counts, bytes]:
    """The counters of a row, and its past, as of a later day."""
    counts = counts_of(book, usage.counts)
    if day <= usage.day:
        return counts, usage.past
    past: Past = _to_past(usage.past) if usage.past else {}
    for number, slot in enumerate(book.slots):
        if number in book.rolling:
            part = book.rolling[number]
            days = past.pop(number, [])
            if counts[part]:
                days.append((usage.day, counts[part]))
            first = day - int(slot.window.partition(":")[2]) + 1
            if days := [each for each in days if each[0] >= first]:
                past[number] = days
            counts[number] = sum(amount for _, amount in days)
            counts[part] = 0
        elif slot.measure in ("amount", "count") and counts[number]:
            window = slot.window
            if period_of(window, usage.day, opened) != period_of(window, day, opened):
                counts[number] = 0
    return counts, _from_past(past) if past else b""


def packed(counts: Counts) -> bytes:
    """The counters as they are stored: without the 0 bytes at their end."""
    if _BIG_ENDIAN:
        counts = counts[:]
        counts.byteswap()
    return counts.tobytes().rstrip(b"\x00")


def counted_text(day: int, amounts: Iterable[int], counts: Iterable[int]) -> str:
    """Where an act was counted, so that it can be given back: the day, the slots of its amount, those of its number."""
    return f"{day};{','.join(map(str, amounts))};{','.join(map(str, counts))}"


def amounts_of(counted: str) -> str:
    """Where the amount of an act was counted, without where its number was."""
    return f"{counted.rpartition(';')[0]};" if counted else ""


def carried(book: Book, into: Usage, carries: Usage, day: int, opened: int, opened_before: int, *, back: bool) -> Usage:
    """A person's row with what another row counted of them too, but for what was counted of the account alone. `back`: into the
    row that the other one once took over, and therefore holds already."""
    counts, packed_past = brought_to(book, into, day, opened)
    more, packed_more = brought_to(book, carries, day, opened_before)
    past: Past = _to_past(packed_past) if packed_past else {}
    past_more: Past = _to_past(packed_more) if packed_more else {}
    for number in range(len(book.slots)):
        if number in book.of_account:
            continue
        if number not in book.rolling:
            counts[number] = max(counts[number], more[number]) if back else counts[number] + more[number]
            continue
        sums = dict(past.get(number, ()))
        for on, amount in past_more.get(number, ()):
            sums[on] = max(sums.get(on, 0), amount) if back else sums.get(on, 0) + amount
        if sums:
            past[number] = sorted(sums.items())
    for number, part in book.rolling.items():
        if number not in book.of_account:
            counts[number] = sum(amount for _, amount in past.get(number, ())) + counts[part]
    return Usage(into.subject_id, max(day, into.day), packed(counts), _from_past(past) if past else b"", into.own)


def given_back(
    book: Book, usage: Usage, counted: str, amount_minor: int, day: int, opened: int, of_account: bool | None = None
) -> Usage:
    """The row without an act that did not come to pass: what lies in windows that are over stays as it is, and so does what was
    counted since a confirmation, for nobody remembers how much of it is left. `of_account`: only what is counted of the account
    alone, or only the rest."""
    then, amounts, numbers = counted.split(";")
    counts, packed_past = brought_to(book, usage, day, opened)
    day = max(day, usage.day)
    past: Past = _to_past(packed_past) if packed_past else {}
    parts = set(book.rolling.values())
    for texts, each in ((amounts, amount_minor), (numbers, 1)):
        for number in map(int, filter(None, texts.split(","))):
            window = book.slots[number].window
            if number in parts or window.startswith("since") or of_account not in (None, number in book.of_account):
                continue
            if number not in book.rolling:
                if period_of(window, int(then), opened) == period_of(window, day, opened):
                    counts[number] = max(0, counts[number] - each)
            elif int(then) == day:
                counts[number] -= each
                counts[book.rolling[number]] -= each
            else:
                past[number] = [(on, sum_ - each if on == int(then) else sum_) for on, sum_ in past.get(number, [])]
                counts[number] = sum(sum_ for _, sum_ in past[number]) + counts[book.rolling[number]]
    return Usage(usage.subject_id, day, packed(counts), _from_past(past) if past else b"", usage.own)
