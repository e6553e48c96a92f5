"""Messages to people's phones and addresses: the adapter to a provider over HTTP.

Source for the shape: what providers of short messages have in common (an id of the sender's, a destination, a text, a receipt).
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Literal

import httpx
import msgspec

Delivery = Literal["SENT", "FAILED", "UNKNOWN"]


class MessageRequest(msgspec.Struct, frozen=True):
    """One message. `reference`: the sender's name for it; the same one again is the same message. `to`: E.164 or an address."""

    reference: str
    to: str
    text: str


class Sim(msgspec.Struct, frozen=True):
    """What a network says of a phone: since when its SIM is the one it is; None where it does not know."""

    since: datetime | None


class HttpMessages:
    """A provider that speaks JSON over HTTP, with a key: ours is `simulated.messages`."""

    def __init__(self, url: str, *, key: str, timeout_s: float = 3.0) -> None:
        self._timeout_s = timeout_s
        headers = {"authorization": f"Bearer {key}"}
        self._client = httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=timeout_s)

    async def send(self, reference: str, to: str, text: str) -> Delivery:
        """Whether the provider took it. Silence is UNKNOWN, never FAILED."""
        message = MessageRequest(reference, to, text)
        try:
            async with asyncio.timeout(self._timeout_s):  # all of it; the client's own is for each step
                answer = await self._client.post("/v1/messages", json=msgspec.to_builtins(message))
        except (httpx.HTTPError, TimeoutError):
            return "UNKNOWN"
        if answer.status_code in (200, 201):
            return "SENT"
        return "FAILED" if answer.status_code in (400, 422) else "UNKNOWN"

    async def sim_since(self, phone: str) -> datetime | None:
        """Since when a phone's SIM is the one it is; None where the network does not say, or not in time."""
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._client.get("/v1/sims", params={"phone": phone})
            since = msgspec.json.decode(answer.content, type=Sim).since if answer.status_code == 200 else None
        except (httpx.HTTPError, TimeoutError, msgspec.MsgspecError):
            return None
        return since if since is not None and since.tzinfo is not None else None

    async def close(self) -> None:
        await self._client.aclose()
