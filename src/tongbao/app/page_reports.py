"""What browsers report they were kept from running on our pages. Anybody can write such a report, so it is believed to be a
hint and no more: cut to size, one row a kind, at most so many kinds, at most so many a minute.

Source: W3C Content Security Policy Level 3, 5 (reporting); PCI DSS 4.0.1, 11.6.1.
"""

from __future__ import annotations

import hashlib
import time
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import msgspec
from litestar import Request, get, post

from tongbao.app.limits import Buckets, Policy
from tongbao.identity.service import Caller
from tongbao.kernel import web
from tongbao.kernel.clock import Clock
from tongbao.operators.service import QUERIES

_MOST_BYTES = 16 * 1024
_MOST_IN_ONE = 5
_MOST_KINDS = 2000
_MOST_TEXT = 200


class PageReport(msgspec.Struct, frozen=True):
    """What was kept from running: by which directive, on which page, from where. Addresses are without their query."""

    directive: str
    page: str
    blocked: str
    source: str


class ReportLine(msgspec.Struct, frozen=True):
    """A kind of report, and how often it came."""

    directive: str
    page: str
    blocked: str
    source: str
    times: int
    first_at: datetime
    last_at: datetime


class PageReports:
    """Reports of one server process on their way to the database."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._room = Buckets(Policy("page-reports", 1.0, 30))

    async def note(self, body: bytes) -> int:
        """Write down what fits; how many that was."""
        noted = 0
        for each in read(body):
            if self._room.wait_s("", time.monotonic()):
                break
            fields = (each.directive, each.page, each.blocked, each.source)
            kind = hashlib.sha256("\0".join(fields).encode()).digest()[:16]
            await self._pool.execute(QUERIES["note_report"], kind, *fields, self._clock.now(), _MOST_KINDS)
            noted += 1
        return noted

    async def latest(self, place: tuple[datetime, str] | None, limit: int) -> list[tuple[bytes, ReportLine]]:
        """Latest first, `limit` + 1 at most, each with its digest."""
        before = (place[0], bytes.fromhex(place[1])) if place else (None, None)
        rows = await self._pool.fetch(QUERIES["page_reports"], *before, limit + 1)
        return [(row[0], ReportLine(*tuple(row)[1:])) for row in rows]


def read(body: bytes) -> list[PageReport]:
    """Reports in either of the two shapes that browsers send; nothing from what is neither."""
    try:
        told = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return []
    reports = told if isinstance(told, list) else [told]
    found = []
    for each in reports[:_MOST_IN_ONE]:
        inner = (each.get("csp-report") or each.get("body")) if isinstance(each, dict) else None
        if isinstance(inner, dict):
            found.append(
                PageReport(
                    _text(inner, "effective-directive", "effectiveDirective", "violated-directive"),
                    _address(_text(inner, "document-uri", "documentURL")),
                    _address(_text(inner, "blocked-uri", "blockedURL")),
                    _address(_text(inner, "source-file", "sourceFile")),
                )
            )
    return found


def _text(inner: dict[str, Any], *names: str) -> str:
    value = next((inner[name] for name in names if isinstance(inner.get(name), str)), "")
    return "".join(letter for letter in value[:2000] if letter.isprintable())[:_MOST_TEXT]


def _address(text: str) -> str:
    """Without query and fragment, where people's data stand."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return "–"
    return f"{parts.scheme}://{parts.netloc}{parts.path}" if parts.netloc else parts.scheme or parts.path


@post("/v1/page-reports", tags=["Operation"], status_code=204, security=[], request_max_body_size=_MOST_BYTES)
async def report(request: Request[Any, Any, Any], page_reports: PageReports) -> None:
    """Where browsers tell what the pages' policy kept from running. Always 204: the sender learns nothing."""
    await page_reports.note(await request.body())


@get("/v1/console/page-reports", tags=["Console"])
async def reports(
    operator: Caller, page_reports: PageReports, limit: web.Limit = 20, cursor: web.Cursor = None
) -> web.Page[ReportLine]:
    """What browsers were kept from running on our pages, latest first. Anybody can send such a report."""
    found = await page_reports.latest(web.decode_cursor(cursor, tuple[datetime, str]), limit)
    rows, following = web.page(found, limit, lambda row: (row[1].last_at, row[0].hex()))
    return web.Page([line for _, line in rows], following)
