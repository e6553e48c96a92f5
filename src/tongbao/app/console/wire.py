"""What the console's routes share: who may read, and how a search, a path and a span of days are written."""

from __future__ import annotations

from typing import Annotated, Literal

from litestar.params import PathParameter, QueryParameter

from tongbao.kernel import web
from tongbao.ledger.api import CHART

Role = Literal["support", "finance", "admin"]

PathId = Annotated[str, PathParameter(max_length=64)]
Search = Annotated[str, QueryParameter(name="q", max_length=128)]
FirstDay = Annotated[str | None, QueryParameter(name="from", max_length=10)]
LastDay = Annotated[str | None, QueryParameter(name="to", max_length=10)]

#: Every role may read.
READERS: tuple[Role, ...] = ("support", "finance", "admin")


def chart_name(code: str) -> web.Words:
    """What a line of the chart is called."""
    line = CHART[code]
    return web.Words(line.zh, line.en)
