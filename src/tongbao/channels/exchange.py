"""One signed exchange with somebody outside: a request sent once, an answer verified, one deadline for the whole of it."""

from __future__ import annotations

import asyncio
import os
from typing import TypeVar

import httpx
import msgspec

from tongbao.channels import signing
from tongbao.kernel.clock import Clock

T = TypeVar("T")


class NoCertainAnswer(Exception):
    """The exchange ended without an answer that is provably the other side's."""


class SignedExchange:
    """Connections to one other side, and the key shared with it (see `signing`).

    `timeout_s` bounds a whole exchange, connecting and reading included; an answer of more than `max_answer_bytes` is not
    read to its end. A request is sent exactly once, and no redirect is followed.
    """

    def __init__(
        self, base_url: str, *, key: str, timeout_s: float, max_answer_bytes: int, max_connections: int, clock: Clock
    ) -> None:
        self._key = signing.key_bytes(key)
        self._timeout_s = timeout_s
        self._max_answer_bytes = max_answer_bytes
        self._clock = clock
        self._client = httpx.AsyncClient(
            base_url=base_url.rstrip("/"),
            timeout=None,  # noqa: S113 (the deadline is `send`'s: httpx's would start again with every chunk)
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=max_connections, max_keepalive_connections=max_connections),
            headers={"accept": "application/json", "accept-encoding": "identity"},
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def send(
        self, method: str, target: str, body: bytes = b"", *, limit: int | None = None, timeout_s: float | None = None
    ) -> tuple[int, bytes]:
        """Send once; the status below 500 and the body of an answer whose signature holds. Raises `NoCertainAnswer`."""
        request = self._client.build_request(method, target, content=body)
        timestamp, nonce = str(int(self._clock.now().timestamp())), os.urandom(16).hex()
        request.headers[signing.TIMESTAMP_HEADER] = timestamp
        request.headers[signing.NONCE_HEADER] = nonce
        request.headers[signing.SIGNATURE_HEADER] = signing.sign_request(
            self._key, method=method, target=request.url.raw_path.decode("ascii"), timestamp=timestamp, nonce=nonce, body=body
        )
        if body:
            request.headers["content-type"] = "application/json"
        try:
            async with asyncio.timeout(self._timeout_s if timeout_s is None else timeout_s):
                response = await self._client.send(request, stream=True)
                try:
                    answer = await _read_bounded(response, limit or self._max_answer_bytes)
                finally:
                    await response.aclose()
        except (httpx.HTTPError, httpx.StreamError, TimeoutError, OSError) as error:
            raise NoCertainAnswer(type(error).__name__) from error
        if response.status_code >= 500:
            raise NoCertainAnswer(f"status {response.status_code}")
        self._verify(response, nonce, answer)
        return response.status_code, answer

    def _verify(self, response: httpx.Response, nonce: str, body: bytes) -> None:
        timestamp = response.headers.get(signing.TIMESTAMP_HEADER, "")
        claimed = response.headers.get(signing.SIGNATURE_HEADER, "")
        expected = signing.sign_answer(self._key, status=response.status_code, timestamp=timestamp, nonce=nonce, body=body)
        if not signing.same(claimed, expected):
            raise NoCertainAnswer(f"unverified answer, status {response.status_code}")
        if not signing.fresh(timestamp, self._clock.now().timestamp()):
            raise NoCertainAnswer("the answer's timestamp is too far from our clock")


async def _read_bounded(response: httpx.Response, limit: int) -> bytes:
    chunks = bytearray()
    async for chunk in response.aiter_raw():
        chunks += chunk
        if len(chunks) > limit:
            raise NoCertainAnswer(f"an answer of more than {limit} bytes")
    return bytes(chunks)


def decode(body: bytes, shape: type[T]) -> T:
    """The answer as `shape`. Raises `NoCertainAnswer`."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NoCertainAnswer("unparsable answer") from error
