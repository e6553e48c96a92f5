"""What browsers and their like ask of the pages: GET and HEAD alike, the icon that is asked for unasked, one charset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from tongbao.app import frontends
from tongbao.app.answers import answer_refusal
from tongbao.kernel.errors import Refusal


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient[Litestar]]:
    for name in frontends.NAMES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text(f"<!doctype html><title>{name}</title>", encoding="utf-8")
        (tmp_path / name / "main.js").write_text("0", encoding="utf-8")
    (tmp_path / "wallet" / "icon-192.png").write_bytes(b"an icon")
    monkeypatch.setattr(frontends, "built", lambda: tmp_path)
    with TestClient(Litestar(frontends.frontends(), exception_handlers={Refusal: answer_refusal})) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/", 200, "text/html; charset=utf-8"),
        ("/wallet/", 200, "text/html; charset=utf-8"),
        ("/wallet/bills/of/nobody", 200, "text/html; charset=utf-8"),
        ("/console", 200, "text/html; charset=utf-8"),
        ("/merchant/main.js", 200, "text/javascript; charset=utf-8"),
        ("/wallet/nothing.js", 404, "application/json"),
        ("/favicon.ico", 200, "image/png"),
    ],
)
def test_a_page_is_told_about_as_it_is_given_and_says_its_kind_once(
    browser: TestClient[Litestar], path: str, status: int, kind: str
) -> None:
    given, told = browser.get(path), browser.head(path)
    assert (
        (given.status_code, given.headers["content-type"]) == (told.status_code, told.headers["content-type"]) == (status, kind)
    )
    assert told.content == b"" and given.content
    assert told.headers["content-length"] == str(len(given.content))
    if status == 200:
        policy = given.headers.get("content-security-policy")
        assert policy == told.headers.get("content-security-policy") == frontends.CONTENT_SECURITY_POLICY
