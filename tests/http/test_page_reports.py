"""What browsers report of our pages: both shapes are read, anybody may write, little is kept, nothing is told back."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from tests.http.town import Town, ok, refused

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATH = "/v1/page-reports"


async def reported(town: Town, mark: str) -> list[tuple[str, str, int]]:
    page = ok(await town.support.get("/v1/console/page-reports", limit=100))
    return [(each["directive"], each["blocked"], each["times"]) for each in page["items"] if mark in each["blocked"]]


async def test_a_report_is_kept_once_a_kind_without_what_stands_in_its_query(town: Town) -> None:
    mark = uuid4().hex
    old = {"csp-report": {"document-uri": "https://x/wallet/?token=1", "effective-directive": "script-src",
                          "blocked-uri": f"https://evil.example/{mark}.js?who=ann"}}  # fmt: skip
    new = [{"type": "csp-violation", "body": {"documentURL": "https://x/wallet/", "effectiveDirective": "script-src",
                                              "blockedURL": f"https://evil.example/{mark}.js"}}]  # fmt: skip
    for body, kind in ((old, "application/csp-report"), (new, "application/reports+json")):
        answer = await town.here.post(PATH, content=json.dumps(body), headers={"content-type": kind})
        assert (answer.status_code, answer.content) == (204, b"")
    assert await reported(town, mark) == [("script-src", f"https://evil.example/{mark}.js", 2)]


async def test_nonsense_is_passed_over_and_too_much_of_it_refused(town: Town) -> None:
    before = await town.books.fetchval("select count(*) from page_report")
    for body in ("1", "[]", '{"csp-report": 3}', '[{"body": []}]', "{"):
        answer = await town.here.post(PATH, content=body, headers={"content-type": "application/csp-report"})
        assert answer.status_code == 204, answer.text
    big = await town.here.post(PATH, content="[" + " " * 20_000 + "]", headers={"content-type": "application/json"})
    refused(big, 413, "too_large")
    refused(await town.here.post(PATH, content="x", headers={"content-type": "text/html"}), 415, "unsupported_media_type")
    assert await town.books.fetchval("select count(*) from page_report") == before
