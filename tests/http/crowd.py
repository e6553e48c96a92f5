"""Requests that really are under way at once: a connection for each, all opened first, then all written, then all read.

A client with a pool would queue a thousand requests behind its connections, and spend more time on that than the servers
on answering.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import httpx
import msgspec

from tests.http.town import Person, key


class Asked(NamedTuple):
    """One POST: who asks, where, what, under which idempotency key."""

    who: Person
    path: str
    body: Any
    key: str = ""


async def at_once(requests: Sequence[Asked]) -> list[httpx.Response]:
    """The answers, in the order of the requests."""
    lines = await asyncio.gather(*(_connect(asked) for asked in requests))
    for asked, (_, writer) in zip(requests, lines, strict=True):
        writer.write(_message(asked))
    return list(await asyncio.gather(*(_answer(asked, *line) for asked, line in zip(requests, lines, strict=True))))


async def _connect(asked: Asked) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    url = asked.who.client.base_url
    return await asyncio.open_connection(url.host, url.port)


def _message(asked: Asked) -> bytes:
    body, chosen = msgspec.json.encode(asked.body), asked.key or key()
    head = (
        f"POST {asked.path} HTTP/1.1\r\nhost: town\r\nauthorization: Bearer {asked.who.token}\r\nconnection: close\r\n"
        f"x-tongbao-proof: {asked.who.session.proof('POST', asked.path, chosen, body)}\r\n"
        f"idempotency-key: {chosen}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _answer(asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> httpx.Response:
    head, _, content = (await reader.read(-1)).partition(b"\r\n\r\n")
    writer.close()
    status, *fields = head.decode().split("\r\n")
    headers = [(name, value.strip()) for name, _, value in (field.partition(":") for field in fields)]
    request = httpx.Request("POST", asked.who.client.base_url.join(asked.path))
    return httpx.Response(int(status.split()[1]), headers=headers, content=content, request=request)
