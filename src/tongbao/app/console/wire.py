"""What the console's routes share: how a search, a path and a span of days are written."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated
from uuid import UUID

import msgspec
from litestar.params import PathParameter, QueryParameter

from tongbao.kernel import web
from tongbao.kernel.errors import Refusal
from tongbao.ledger.api import CHART

#: An id in a body.
Id = Annotated[str, msgspec.Meta(max_length=64)]
PathId = Annotated[str, PathParameter(max_length=64)]
Search = Annotated[str, QueryParameter(name="q", max_length=128)]
FirstDay = Annotated[str | None, QueryParameter(name="from", max_length=10)]
LastDay = Annotated[str | None, QueryParameter(name="to", max_length=10)]
Code = Annotated[str, QueryParameter(max_length=8)]
#: An account's currency, with its colour where it has one: "CNY", "CNY:canteen-2026".
CurrencyText = Annotated[str, QueryParameter(max_length=40)]

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class PersonName(msgspec.Struct, frozen=True):
    """An operator, by name."""

    operator_id: str
    name: str


def chart_name(code: str) -> web.Words:
    """What a line of the chart is called."""
    line = CHART[code]
    return web.Words(line.zh, line.en)


def day(text: str) -> date:
    """A day such as 2026-01-31. Refuses `invalid_date`."""
    try:
        found = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None or not 2000 <= found.year <= 2999:
        raise Refusal(web.INVALID_DATE)
    return found


def subject_id(text: str) -> str:
    """An id as we write it, so that what is about the same thing says the same."""
    try:
        return str(UUID(text))
    except ValueError:
        return text
