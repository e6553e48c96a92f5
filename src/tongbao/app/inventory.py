"""The inventory of what browsers run: every script, style and page that was built, with its digest, and whether the files still
are what was built and the server serves just that.

    web/scripts/inventory.mjs writes it; `tongbao doctor` compares the files; the worker compares what is served (`PageWatch`)

The worker keeps the inventory it started with: who changes files and inventory together is noticed as well.

Source: PCI DSS 4.0.1, 6.4.3 and 11.6.1 (tampering with payment pages is detected).
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import msgspec
import structlog

from tongbao.app import frontends

_log = structlog.get_logger("tongbao.app")

FILE = "inventory.json"
#: What a browser runs; pictures and fonts are bound by the policy alone.
RUNS = (".js", ".css", ".html")
#: Headers without which a page is not what we serve.
_HEADERS = ("content-security-policy", "x-content-type-options")
_MOST_BYTES = 8 * 1024 * 1024
_PATIENCE_S = 10.0

#: Front end -> file -> "sha384-…".
Inventory = Mapping[str, Mapping[str, str]]


def digest(content: bytes) -> str:
    """As Subresource Integrity writes it."""
    return "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()


def read(root: Path) -> Inventory | None:
    """The inventory of a build; None if it has none or it cannot be read."""
    try:
        found: Inventory = msgspec.json.decode((root / FILE).read_bytes(), type=dict[str, dict[str, str]])
    except (OSError, msgspec.MsgspecError):
        return None
    return found


def differences(root: Path) -> list[str]:
    """What of a build is not as it was built: changed, missing, or there and not in the inventory."""
    inventory = read(root)
    if inventory is None:
        return [FILE]
    found = []
    for app in frontends.NAMES:
        known = dict(inventory.get(app, {}))
        for file in sorted((root / app).rglob("*")):
            name = file.relative_to(root / app).as_posix()
            if file.suffix in RUNS and file.is_file() and known.pop(name, None) != digest(file.read_bytes()):
                found.append(f"{app}/{name}")
        found += [f"{app}/{name}" for name in known]
    return sorted(found)


class PageWatch:
    """Compares what a server serves with the inventory of the build this process started with."""

    def __init__(
        self,
        url: str,
        every_s: int,
        clock: Callable[[], float] = time.monotonic,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = url
        self._every_s = every_s
        self._clock = clock
        self._due_at = clock()
        self._transport = transport
        root = frontends.built()
        self._inventory = read(root) if root is not None else None

    def is_due(self) -> bool:
        """Whether it is time to look, which it then is not again for a while."""
        if not self._every_s or self._inventory is None or self._clock() < self._due_at:
            return False
        self._due_at = self._clock() + self._every_s
        return True

    async def look(self) -> list[str]:
        """Paths that are not served as they were built. A server that does not answer has nothing said of it."""
        found: list[str] = []
        async with httpx.AsyncClient(
            base_url=self._url, timeout=_PATIENCE_S, trust_env=False, transport=self._transport
        ) as client:
            for app, files in (self._inventory or {}).items():
                for name, known in files.items():
                    try:
                        served = await client.get(f"/{app}/{name}")
                    except httpx.HTTPError as failure:
                        _log.info("pages_not_looked_at", reason=type(failure).__name__)
                        return found
                    if served.status_code in (429, 502, 503, 504):
                        continue
                    same = served.status_code == 200 and digest(served.content[:_MOST_BYTES]) == known
                    if not same or any(header not in served.headers for header in _HEADERS):
                        found.append(f"{app}/{name}")
        return found
