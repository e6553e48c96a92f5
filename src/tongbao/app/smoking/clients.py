"""The story's actors as clients: a browser with its cookie, a cashier with a token, and an ear on the event stream."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any
from uuid import uuid4

import httpx

from tongbao.identity.binding import BoundSession


class Difference(Exception):
    """The product said something else than it should have. The text names what, the expected and the found."""


def same(what: str, found: object, expected: object) -> None:
    """Raises Difference unless they are equal."""
    if found != expected:
        raise Difference(f"{what}: expected {expected!r}, found {found!r}")


class Client:
    """One client of one audience ("wallet", "merchant", "console"). Wallets keep the cookie, as a browser; others the token."""

    def __init__(self, url: str, audience: str) -> None:
        self._audience = audience
        self._http = httpx.AsyncClient(
            base_url=f"{url}/v1/{audience}",
            headers={"x-tongbao-app": "1", "accept-language": "en"},
            trust_env=False,
            timeout=20.0,
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def enter(self, path: str, body: dict[str, Any], expect: int = 200) -> Any:
        """Log in or register, and stay logged in."""
        session = await self.post(path, body, expect=expect)
        if self._audience != "wallet":
            self._http.cookies.clear()
        self._http.auth = BoundSession(None if self._audience == "wallet" else session["token"], session["binding"])
        return session

    async def get(self, path: str, **query: str | int) -> Any:
        """A 200 answer's JSON."""
        return _answer(await self._http.get(path, params=query), 200)

    async def post(self, path: str, body: dict[str, Any] | None = None, *, key: str | None = None, expect: int = 201) -> Any:
        """The JSON of an answer with status `expect`. Without a `key` this is an attempt of its own."""
        headers = {"idempotency-key": key or new_key()}
        return _answer(await self._http.post(path, json=body or {}, headers=headers), expect)

    def listen(self) -> Ear:
        """Open the event stream."""
        return Ear(self._http)


class Ear:
    """What the event stream has said so far. Use as an async context manager; it is open once inside."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._heard: list[tuple[str, dict[str, Any]]] = []
        self._news = asyncio.Condition()
        self._open = asyncio.Event()

    async def __aenter__(self) -> Ear:
        self._task = asyncio.create_task(self._listen(), name="event stream")
        try:
            async with asyncio.timeout(10):
                await self._open.wait()
        except TimeoutError:
            await self.__aexit__()
            raise Difference("event stream: it did not open within 10 s") from None
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError, httpx.HTTPError, ValueError):
            await self._task

    async def hear(self, kind: str, payment_id: str, timeout_s: float = 10.0) -> dict[str, Any]:
        """The event of this kind about this payment, already heard or within the time. Raises Difference."""

        def found() -> list[dict[str, Any]]:
            return [data for heard, data in self._heard if heard == kind and data["payment_id"] == payment_id]

        try:
            async with asyncio.timeout(timeout_s), self._news:
                await self._news.wait_for(lambda: bool(found()))
        except TimeoutError:
            kinds = ", ".join(heard for heard, _ in self._heard) or "nothing"
            ended = ", and it ended" if self._task.done() else ""
            raise Difference(f"event stream: no {kind} within {timeout_s:.0f} s; heard {kinds}{ended}") from None
        return found()[0]

    def count(self, kind: str) -> int:
        """How many events of this kind were heard."""
        return sum(heard == kind for heard, _ in self._heard)

    async def _listen(self) -> None:
        kind, data = "", ""
        async with self._http.stream("GET", "events", timeout=httpx.Timeout(10.0, read=60.0)) as stream:
            same("event stream", stream.status_code, 200)
            async for line in stream.aiter_lines():
                self._open.set()
                name, _, value = line.partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    data += value
                elif not line:  # a blank line ends an event; those without a kind are the stream's own signs of life
                    if kind:
                        async with self._news:
                            self._heard.append((kind, json.loads(data)))
                            self._news.notify_all()
                    kind, data = "", ""


def new_key() -> str:
    """An idempotency key, one for each attempt."""
    return str(uuid4())


def _answer(response: httpx.Response, expect: int) -> Any:
    body = response.json() if response.content else None
    if response.status_code != expect:
        code = body.get("error", {}).get("code") if isinstance(body, dict) else None
        asked = f"{response.request.method} {response.request.url.path}"
        raise Difference(f"{asked}: expected status {expect}, found {response.status_code} {code or ''}".rstrip())
    return body
