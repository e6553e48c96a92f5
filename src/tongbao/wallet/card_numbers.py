"""What a card's number says by itself: whether it can be one, and who issued it.

Source: ISO/IEC 7812-1 (structure of the number; Annex B: the check digit). The prefixes are in `card_prefixes.toml`, which says
where they come from; they are a help while typing and decide nothing.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Literal

import msgspec
from stdnum import luhn

PrefixKind = Literal["debit", "credit", "unknown"]

_SHORTEST, _LONGEST = 12, 19
_LONGEST_PREFIX = 8


class Issuer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A section of the file: a bank, or a scheme where no bank is known."""

    zh: str
    en: str
    debit: dict[str, str] = {}
    credit: dict[str, str] = {}
    unknown: dict[str, str] = {}


class Prefix(msgspec.Struct, frozen=True):
    """A row of the table. `lengths`: how many digits such a card's whole number has."""

    prefix: str
    bank: str
    kind: PrefixKind
    lengths: tuple[int, ...]


@cache
def issuers() -> dict[str, Issuer]:
    """Every bank and scheme of the file, by its code."""
    text = resources.files("tongbao.wallet").joinpath("card_prefixes.toml").read_bytes()
    return msgspec.toml.decode(text, type=dict[str, Issuer])


@cache
def prefixes() -> dict[str, Prefix]:
    """The table, by prefix. Raises ValueError where the file gives one prefix to two."""
    table: dict[str, Prefix] = {}
    for bank, issuer in issuers().items():
        for kind, groups in _kinds(issuer).items():
            for lengths, listed in groups.items():
                digits = tuple(int(length) for length in lengths.split())
                for prefix in listed.split():
                    if prefix in table:
                        raise ValueError(f"card prefix {prefix} is given to {table[prefix].bank} and {bank}")
                    table[prefix] = Prefix(prefix, bank, kind, digits)
    return table


def recognised(number: str) -> Prefix | None:
    """Whose card begins like this: the longest prefix that does. None where the table does not know."""
    table = prefixes()
    return next((table[number[:n]] for n in range(min(len(number), _LONGEST_PREFIX), 0, -1) if number[:n] in table), None)


def can_be_card(number: str) -> bool:
    """Whether digits can be a card's number: their count, and the check digit."""
    return _SHORTEST <= len(number) <= _LONGEST and number.isascii() and number.isdigit() and luhn.is_valid(number)


def _kinds(issuer: Issuer) -> dict[PrefixKind, dict[str, str]]:
    return {"debit": issuer.debit, "credit": issuer.credit, "unknown": issuer.unknown}
