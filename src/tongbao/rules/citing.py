"""Whose a limit is, told plainly: a law's article, the house's rule, or what the customer chose themselves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from tongbao.rules.book import Book
from tongbao.rules.pack import Rule
from tongbao.rules.types import OwnCaps

Whose = Literal["law", "house", "own"]


class Cited(NamedTuple):
    """Where a limit comes from, in both languages."""

    whose: Whose
    citation: str
    citation_zh: str


def cited(book: Book, rule: Rule, own: OwnCaps | None, now: datetime, *, minor: bool) -> Cited:
    """What a rule is cited by to a subject with these caps. A law that leaves a sum to what was agreed is cited by its article,
    whoever chose the sum; our own rule about what may be chosen says who did."""
    caps: Mapping[str, int] = {} if own is None else book.caps_now(own, now, minor=minor)
    ours = book.owner[rule.id] == "house"
    chosen = rule.agreed is not None and rule.agreed in caps
    whose: Whose = "own" if chosen else "house" if ours else "law"
    if rule.agreed is None or not ours or rule.scope == "merchant":
        return Cited(whose, rule.citation, rule.citation_zh)
    if not chosen:
        return Cited(whose, "the usual limit, which you may change", "通用限额，您可自行调整")
    if minor and own is not None and own.guardian.get(rule.agreed) == caps[rule.agreed]:
        return Cited(whose, "the limit your guardian set", "监护人设置的限额")
    return Cited(whose, "your own limit", "您自己设置的限额")
