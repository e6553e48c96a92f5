"""How sure we are that it is the customer: the factors of a confirmation, and the strength that follows from them.

A factor is something only the customer knows, has or is; two count as two only if they are of different kinds, so that the
break of one says nothing about the other. Kept with every payment as one small number.

    weak      fewer than two kinds
    medium    two kinds or more
    strong    two kinds or more, one of them a certificate or an electronic signature

Source: PBOC announcement 2015 No. 43, Arts. 22 and 24; Yinfa [2017] 296, Art. 12 (levels A, B and C of barcodes).
"""

from __future__ import annotations

from typing import Final, Literal

Strength = Literal["weak", "medium", "strong"]

#: A sum of the constants below. A plain number, for it is made and compared at every payment.
Factors = int

KNOWLEDGE: Final[Factors] = 1
POSSESSION: Final[Factors] = 2
INHERENCE: Final[Factors] = 4
#: Not a kind of its own: the possession was shown by a certificate or an electronic signature over this very act.
SIGNATURE: Final[Factors] = 8

_KINDS = KNOWLEDGE | POSSESSION | INHERENCE
#: By factors, all sixteen of them.
_STRENGTHS: tuple[Strength, ...] = tuple(
    "weak" if (factors & _KINDS).bit_count() < 2 else "strong" if factors & SIGNATURE else "medium" for factors in range(16)
)


#: What the kinds are called on the wire, in the order of their numbers.
Kind = Literal["knowledge", "possession", "inherence", "signature"]
_NAMES: tuple[Kind, ...] = ("knowledge", "possession", "inherence", "signature")
_NAMED: tuple[tuple[Kind, ...], ...] = tuple(
    tuple(name for number, name in enumerate(_NAMES) if factors >> number & 1) for factors in range(16)
)


def kinds(factors: Factors) -> tuple[Kind, ...]:
    """The names of these factors."""
    return _NAMED[factors]


def strength(factors: Factors) -> Strength:
    """The strength that these factors have together."""
    return _STRENGTHS[factors]
