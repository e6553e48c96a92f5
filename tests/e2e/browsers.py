"""Windows onto the product that watch themselves: what the page complains of, what the policy stops, whom it calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, expect

Language = Literal["zh", "en"]

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox", "--disable-background-networking", "--disable-quic", "--no-first-run", "--disable-component-update",
    "--disable-sync",
)  # fmt: skip
PHONE, COUNTER = (390, 844), (1280, 800)
_LOCALES = {"zh": "zh-CN", "en": "en-US"}
_TELL_VIOLATIONS = """
document.addEventListener('securitypolicyviolation', (event) =>
  console.error(`policy violated: ${event.violatedDirective} by ${event.blockedURI} at ${event.sourceFile}`))
"""

expect.set_options(timeout=10_000)


@contextmanager
def chromium(playwright: Playwright, *arguments: str) -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, *arguments])
    try:
        yield browser
    finally:
        browser.close()


class Windows:
    """Opens windows of one test, each with cookies and storage of its own, and remembers whatever is wrong in any of them."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self._url = url
        self._numbered = url.replace("localhost", "127.0.0.1")
        self._contexts: list[BrowserContext] = []
        self.troubles: list[str] = []

    def open(self, path: str, language: Language, size: tuple[int, int]) -> Page:
        """A new person's window at this page of the product."""
        width, height = size
        context = self._browser.new_context(
            base_url=self._url, locale=_LOCALES[language], timezone_id="Asia/Shanghai",
            viewport={"width": width, "height": height}, reduced_motion="reduce", color_scheme="light",
        )  # fmt: skip
        self._contexts.append(context)
        context.add_init_script(_TELL_VIOLATIONS)
        context.on("request", lambda request: self._called(request.url))
        context.on("console", self._heard)
        context.on("weberror", lambda error: self.troubles.append(f"exception: {error.error}"))
        page = context.new_page()
        page.goto(path)
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()

    def _called(self, url: str) -> None:
        if not url.startswith((f"{self._url}/", f"{self._numbered}/", "data:", "blob:")):
            self.troubles.append(f"request to another host: {url}")

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        # The browser notes every refusal of the API, and every request made without a network; the pages show them.
        where = urlsplit(message.location.get("url", "")).path
        if message.text.startswith("Failed to load resource") and where.startswith("/v1/"):
            return
        self.troubles.append(f"console {message.type}: {message.text} ({where})")
