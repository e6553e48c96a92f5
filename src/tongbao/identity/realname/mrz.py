"""The machine-readable zone of a passport: two lines of 44 characters, five check digits.

    P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<
    L898902C36UTO7408122F1204159ZE184226B<<<<<10

Source: ICAO Doc 9303-3, 4.9 (check digits: weights 7, 3, 1, modulo 10) and Doc 9303-4, 4.2.2 (positions).
"""

from __future__ import annotations

import re
from datetime import date
from typing import Literal

import msgspec

from tongbao.identity.realname import errors
from tongbao.kernel.errors import Refusal

_FIRST = re.compile(r"P[A-Z<][A-Z<]{3}[A-Z<]{39}")
_SECOND = re.compile(r"[A-Z0-9<]{9}[0-9][A-Z<]{3}[0-9]{6}[0-9][MFX<][0-9]{6}[0-9][A-Z0-9<]{14}[0-9<][0-9]")
_VALUES = {letter: value for value, letter in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")} | {"<": 0}

#: What is checked: its name, where it stands in the second line, where its check digit is.
_CHECKED: tuple[tuple[str, tuple[tuple[int, int], ...], int], ...] = (
    ("number", ((0, 9),), 9),
    ("birth_date", ((13, 19),), 19),
    ("expires_on", ((21, 27),), 27),
    ("optional", ((28, 42),), 42),
    ("composite", ((0, 10), (13, 20), (21, 43)), 43),
)
#: Codes of nationality that are shorter than three letters, as people write them.
_SHORT = {"D": "DEU"}


class Passport(msgspec.Struct, frozen=True):
    """What the zone says. `name`: surname, then given names, in Latin capitals."""

    number: str
    name: str
    nationality: str
    birth_date: date
    sex: Literal["M", "F", "X"]
    expires_on: date


def check_digit(text: str) -> str:
    """The check digit of a field, fillers counting as nought."""
    return str(sum(_VALUES[letter] * (7, 3, 1)[place % 3] for place, letter in enumerate(text)) % 10)


def read_passport(mrz: str, today: date) -> Passport:
    """The passport of two lines. Refuses `mrz_form`, `mrz_check_digit`."""
    lines = mrz.upper().split()
    if len(lines) != 2 or not _FIRST.fullmatch(lines[0]) or not _SECOND.fullmatch(lines[1]):
        raise Refusal(errors.MRZ_FORM)
    first, second = lines
    for part, spans, at in _CHECKED:
        expected = check_digit("".join(second[start:end] for start, end in spans))
        # No optional data: its check digit may be a filler.
        blank = part == "optional" and second[at] == "<" and not second[28:42].strip("<")
        if second[at] != expected and not blank:
            raise Refusal(errors.MRZ_CHECK_DIGIT, part=part)
    try:
        born = _date(second[13:19], 2000 if int(second[13:15]) <= today.year % 100 else 1900)
        expires_on = _date(second[21:27], 2000)
    except ValueError:
        raise Refusal(errors.MRZ_FORM) from None
    surname, _, given = first[5:].partition("<<")
    name = " ".join(f"{surname} {given}".replace("<", " ").split())
    if not name:
        raise Refusal(errors.MRZ_FORM)
    nationality = second[10:13].strip("<")
    sex: Literal["M", "F", "X"] = "M" if second[20] == "M" else "F" if second[20] == "F" else "X"
    return Passport(second[:9].strip("<"), name, _SHORT.get(nationality, nationality), born, sex, expires_on)


def mrz_of(number: str, name: str, nationality: str, born: date, sex: str, expires_on: date) -> str:
    """The two lines of a passport of these facts; `name`: given names, then the surname."""
    given, _, surname = name.rpartition(" ")
    first = f"P<{nationality}{surname}<<{given.replace(' ', '<')}".ljust(44, "<")[:44]
    parts = [number.ljust(9, "<"), f"{born:%y%m%d}", f"{expires_on:%y%m%d}", "<" * 14]
    checked = [part + check_digit(part) for part in parts]
    second = checked[0] + nationality + checked[1] + sex + checked[2] + checked[3]
    return f"{first}\n{second}{check_digit(second[0:10] + second[13:20] + second[21:43])}"


def _date(digits: str, century: int) -> date:
    return date(century + int(digits[:2]), int(digits[2:4]), int(digits[4:6]))
