"""What personal data is for: purposes, what they rest on, how long data is kept, and the texts people agree to.

All of it stands in `purposes.toml`, which the consent pages, the register of processing and the deciders read alike.
Source: PIPL Arts. 13 to 17, 23, 29, 39; GDPR Arts. 6, 7, 13, 30.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from importlib import resources
from typing import Literal

import msgspec

from tongbao.kernel.web import Words

Ground = Literal["contract", "law", "consent"]
Since = Literal["collection", "transaction", "relation_end", "withdrawal"]


class ConsentText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person agrees to. Never changed once it was shown."""

    version: int
    zh: str
    en: str

    @property
    def digest(self) -> bytes:
        """SHA-256 of the text in both languages: what the consent row keeps as evidence."""
        return sha256(f"{self.zh}\n{self.en}".encode()).digest()


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long: years and months since something, by a law."""

    since: Since
    law: Words
    years: int = 0
    months: int = 0


class Category(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of personal data, and the tables that hold it."""

    id: str
    name: Words
    tables: tuple[str, ...]


class Purpose(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"texts": "text"}):
    """One purpose. `separate`: why it is agreed to by itself. `stops`: what ends with the consent."""

    id: str
    name: Words
    ground: Ground
    basis: Words
    categories: tuple[str, ...]
    recipients: Words
    kept: Kept
    sensitive: bool = False
    separate: Words | None = None
    stops: Words | None = None
    texts: tuple[ConsentText, ...] = ()

    @property
    def withdrawable(self) -> bool:
        """Only what rests on consent ends with it."""
        return self.ground == "consent"

    @property
    def current(self) -> ConsentText | None:
        """The text in force; None where nobody has to agree."""
        return self.texts[-1] if self.texts else None


class Catalogue(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"categories": "category", "purposes": "purpose"}
):
    """Everything in the file."""

    categories: tuple[Category, ...]
    purposes: tuple[Purpose, ...]


def read(text: str) -> Catalogue:
    """The catalogue in a file. Raises ValueError naming purpose and field."""
    catalogue = msgspec.toml.decode(text, type=Catalogue)
    known = {category.id for category in catalogue.categories}
    names = [purpose.id for purpose in catalogue.purposes]
    if len(set(names)) != len(names):
        raise ValueError("a purpose is listed twice")
    for purpose in catalogue.purposes:
        if strange := set(purpose.categories) - known:
            raise ValueError(f"{purpose.id}: categories {sorted(strange)} do not exist")
        if [each.version for each in purpose.texts] != list(range(1, len(purpose.texts) + 1)):
            raise ValueError(f"{purpose.id}: versions of the text count from 1 without a gap")
        if purpose.withdrawable != bool(purpose.texts):
            raise ValueError(f"{purpose.id}: a text is there if and only if the ground is consent")
        if purpose.withdrawable != (purpose.stops is not None):
            raise ValueError(f"{purpose.id}: what stops is said if and only if the ground is consent")
        if purpose.separate is not None and not purpose.withdrawable:
            raise ValueError(f"{purpose.id}: only a consent can be separate")
    return catalogue


CATALOGUE = read(resources.files("tongbao.privacy").joinpath("purposes.toml").read_text(encoding="utf-8"))
PURPOSES: Mapping[str, Purpose] = {purpose.id: purpose for purpose in CATALOGUE.purposes}
CATEGORIES: Mapping[str, Category] = {category.id: category for category in CATALOGUE.categories}
#: Purposes that people are asked about, in the order in which they are shown.
ASKED: tuple[str, ...] = tuple(purpose.id for purpose in CATALOGUE.purposes if purpose.withdrawable)
