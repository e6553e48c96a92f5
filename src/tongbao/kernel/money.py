"""Money: an integer of minor units and a currency; never a float.

Amounts cross the edge as decimal strings (`parse`, `format_minor`); inside there are only integers named `…_minor`.
Every division says how it rounds (`share_ppm`), and its remainder stays with a named party: the caller subtracts.
"""

from __future__ import annotations

import re

import msgspec

from tongbao.kernel.errors import (
    AMOUNT_MALFORMED,
    AMOUNT_NOT_POSITIVE,
    AMOUNT_PRECISION,
    AMOUNT_TOO_LARGE,
    CURRENCY_UNKNOWN,
    Refusal,
)

#: ISO 4217: alphabetic code -> (numeric code, minor-unit places).
CURRENCIES: dict[str, tuple[str, int]] = {
    "AED": ("784", 2), "AUD": ("036", 2), "BHD": ("048", 3), "BRL": ("986", 2), "CAD": ("124", 2), "CHF": ("756", 2),
    "CNY": ("156", 2), "EUR": ("978", 2), "GBP": ("826", 2), "HKD": ("344", 2), "IDR": ("360", 2), "INR": ("356", 2),
    "JPY": ("392", 0), "KES": ("404", 2), "KHR": ("116", 2), "KRW": ("410", 0), "KWD": ("414", 3), "MOP": ("446", 2),
    "MYR": ("458", 2), "NZD": ("554", 2), "PHP": ("608", 2), "SEK": ("752", 2), "SGD": ("702", 2), "THB": ("764", 2),
    "TWD": ("901", 2), "USD": ("840", 2), "VND": ("704", 0), "ZAR": ("710", 2),
}  # fmt: skip

#: No single amount goes beyond this (1e15 minor units): sums of thousands of them still fit in 64 bits.
MAX_AMOUNT_MINOR = 10**15

_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,17})(?:\.([0-9]{1,6}))?")


class Money(msgspec.Struct, frozen=True, order=False):
    """`minor` units of `currency` (ISO 4217 alphabetic). Adding or comparing across currencies is a bug and raises."""

    minor: int
    currency: str

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + other._same(self), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - other._same(self), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.minor < other._same(self)

    def __str__(self) -> str:
        return format_minor(self.minor, self.currency)

    def _same(self, other: Money) -> int:
        if self.currency != other.currency:
            raise TypeError(f"{self.currency} and {other.currency} do not mix")
        return self.minor


def places(currency: str) -> int:
    """Decimal places of `currency`. Refuses `currency_unknown`."""
    try:
        return CURRENCIES[currency][1]
    except KeyError:
        raise Refusal(CURRENCY_UNKNOWN, currency=currency[:8]) from None


def parse(text: str, currency: str) -> Money:
    """A positive amount from its decimal string.

    Refuses, in this order, `currency_unknown`, `amount_malformed`, `amount_precision`, `amount_too_large`, `amount_not_positive`.
    """
    decimals = places(currency)
    match = _AMOUNT.fullmatch(text)
    if match is None:
        negative = text.startswith("-") and _AMOUNT.fullmatch(text[1:]) is not None
        raise Refusal(AMOUNT_NOT_POSITIVE if negative else AMOUNT_MALFORMED)
    whole, fraction = match[1], match[2] or ""
    if len(fraction) > decimals:
        raise Refusal(AMOUNT_PRECISION, currency=currency, places=decimals)
    minor = int(whole) * 10**decimals + int(fraction.ljust(decimals, "0") or "0")
    if minor > MAX_AMOUNT_MINOR:
        raise Refusal(AMOUNT_TOO_LARGE)
    if minor == 0:
        raise Refusal(AMOUNT_NOT_POSITIVE)
    return Money(minor, currency)


def format_minor(minor: int, currency: str) -> str:
    """The decimal string of an amount: always all of the currency's places, a leading minus when negative. `currency` may carry
    the colour of restricted money ("CNY:canteen"), which has its currency's places."""
    decimals = places(currency.partition(":")[0])
    sign, digits = ("-", -minor) if minor < 0 else ("", minor)
    if decimals == 0:
        return f"{sign}{digits}"
    whole, fraction = divmod(digits, 10**decimals)
    return f"{sign}{whole}.{fraction:0{decimals}d}"


def share_ppm(minor: int, ppm: int) -> int:
    """`ppm` millionths of a non-negative amount, rounded half up. The remainder stays with the payer of the share."""
    return (minor * ppm + 500_000) // 1_000_000
