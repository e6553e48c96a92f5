"""The inventory of what browsers run: what was changed, taken away or slipped in is noticed, on disk and as it is served."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from tongbao.app import frontends, inventory
from tongbao.app.inventory import PageWatch, differences, digest

PAGE, SCRIPT = b"<!doctype html>", b"export {}"


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small build with its inventory."""
    told: dict[str, dict[str, str]] = {}
    for app in frontends.NAMES:
        (tmp_path / app / "assets").mkdir(parents=True)
        (tmp_path / app / "index.html").write_bytes(PAGE)
        (tmp_path / app / "assets" / "main.js").write_bytes(SCRIPT)
        (tmp_path / app / "icon.png").write_bytes(b"\x89PNG")
        told[app] = {"index.html": digest(PAGE), "assets/main.js": digest(SCRIPT)}
    (tmp_path / "inventory.json").write_text(json.dumps(told))
    monkeypatch.setattr(frontends, "built", lambda: tmp_path)
    return tmp_path


def test_what_was_built_has_no_differences(build: Path) -> None:
    assert differences(build) == []


def test_a_changed_a_missing_and_a_strange_file_are_named(build: Path) -> None:
    (build / "wallet" / "assets" / "main.js").write_bytes(SCRIPT + b";fetch('//evil.example')")
    (build / "merchant" / "index.html").unlink()
    (build / "console" / "assets" / "skimmer.js").write_bytes(b"steal()")
    (build / "console" / "icon.png").write_bytes(b"another picture")  # nothing a browser would run
    assert differences(build) == ["console/assets/skimmer.js", "merchant/index.html", "wallet/assets/main.js"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"wallet": 1}'])
def test_without_a_readable_inventory_that_is_the_difference(build: Path, text: str) -> None:
    (build / "inventory.json").write_text(text)
    assert differences(build) == ["inventory.json"]


def serving(files: dict[str, bytes], headers: dict[str, str], status: int = 200) -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, content=files.get(request.url.path, b""), headers=headers)

    return httpx.MockTransport(answer)


def served() -> dict[str, bytes]:
    return {
        path: content
        for app in frontends.NAMES
        for path, content in ((f"/{app}/index.html", PAGE), (f"/{app}/assets/main.js", SCRIPT))
    }


HEADERS = frontends.SECURITY_HEADERS


async def test_what_is_served_as_it_was_built_is_passed_over(build: Path) -> None:
    assert await PageWatch("http://x", 60, transport=serving(served(), HEADERS)).look() == []


async def test_what_is_served_otherwise_is_named_though_files_and_inventory_were_changed_together(build: Path) -> None:
    changed = {**served(), "/wallet/assets/main.js": b"steal()"}
    watch = PageWatch("http://x", 60, transport=serving(changed, HEADERS))
    told = json.loads((build / "inventory.json").read_text())
    told["wallet"]["assets/main.js"] = digest(b"steal()")
    (build / "inventory.json").write_text(json.dumps(told))
    assert await watch.look() == ["wallet/assets/main.js"]


async def test_a_page_without_its_policy_is_named(build: Path) -> None:
    bare = {name: value for name, value in HEADERS.items() if name != "Content-Security-Policy"}
    assert len(await PageWatch("http://x", 60, transport=serving(served(), bare)).look()) == 6


async def test_a_server_that_is_away_says_nothing_of_its_pages(build: Path) -> None:
    assert await PageWatch("http://x", 60, transport=serving({}, {}, 503)).look() == []


def test_it_looks_when_it_is_time_and_never_if_told_so(build: Path) -> None:
    now = [0.0]
    watch = PageWatch("http://x", 60, lambda: now[0])
    looks = []
    for moment in (0.0, 59.0, 60.0, 61.0):
        now[0] = moment
        looks.append(watch.is_due())
    assert looks == [True, False, True, False]
    assert not PageWatch("http://x", 0).is_due()


def test_the_build_is_what_its_inventory_says_and_its_pages_bind_their_scripts() -> None:
    root = frontends.built()
    if root is None:
        pytest.skip("the front ends are not built")
    assert differences(root) == []
    told = inventory.read(root)
    assert told is not None and set(told) == set(frontends.NAMES)
    for app in frontends.NAMES:
        page = (root / app / "index.html").read_text()
        tags = [tag for tag in page.split("<") if tag.startswith(("script", "link")) and (".js" in tag or ".css" in tag)]
        assert tags and all('integrity="sha384-' in tag for tag in tags), app
