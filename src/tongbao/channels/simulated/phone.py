"""A plain phone and the network it is in, as a program talks to them: it dials, shows screens, types, and fails on demand.

    fault   duplicate   every request arrives twice, and the second answer is shown
            lose        the answer is lost, and the network asks again
            delay       the request arrives so many seconds later

The network sends with each request all that was typed since the code was dialled, as aggregators do, and signs it. It makes no
answer of its own: one that is neither CON nor END ends the session, as a network does that is answered nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import msgspec

FaultKind = Literal["duplicate", "lose", "delay"]
#: Headers for (path, body), as the operator's gateway signs.
Signing = Callable[[str, bytes], dict[str, str]]

USSD_PATH, SMS_PATH = "/v1/text/ussd", "/v1/text/sms"


class Shown(msgspec.Struct, frozen=True):
    """A screen; `more`: the phone waits for something to be typed."""

    text: str
    more: bool


class PlainPhone:
    """One phone. Sessions are its own: `dial`, then `type` until nothing more is asked."""

    def __init__(self, client: httpx.AsyncClient, number: str, sign: Signing, service_code: str = "*123#") -> None:
        self.number = number
        self._client = client
        self._sign = sign
        self._service_code = service_code
        self.session_id = ""
        self.typed: list[str] = []
        self.faults: list[tuple[FaultKind, float]] = []

    async def dial(self, *typed: str) -> Shown:
        """Begin a session, and type on; the last screen."""
        self.session_id, self.typed = f"SIM_{uuid4().hex}", []
        shown = await self._ask()
        for each in typed:
            shown = await self.type(each)
        return shown

    async def type(self, text: str) -> Shown:
        """One answer to what the screen asks."""
        self.typed.append(text)
        return await self._ask()

    async def again(self) -> Shown:
        """The network sends the last request once more."""
        return await self._ask()

    async def write(self, text: str) -> None:
        """Send a short message to the service."""
        body = {"from": self.number, "to": self._service_code, "text": text, "id": uuid4().hex, "date": ""}
        (await self._send(SMS_PATH, urlencode(body).encode())).raise_for_status()

    async def _ask(self) -> Shown:
        form = {
            "sessionId": self.session_id, "serviceCode": self._service_code, "phoneNumber": self.number,
            "networkCode": "99999", "text": "*".join(self.typed),
        }  # fmt: skip
        body = urlencode(form).encode()
        fault, wait_s = self.faults.pop(0) if self.faults else (None, 0.0)
        await asyncio.sleep(wait_s)
        answer = await self._send(USSD_PATH, body)
        if fault in ("duplicate", "lose"):
            answer = await self._send(USSD_PATH, body)
        head, _, text = answer.text.partition(" ")
        if answer.status_code != 200 or head not in ("CON", "END"):
            return Shown(f"Connection problem or invalid code. ({answer.status_code})", False)
        return Shown(text, head == "CON")

    async def _send(self, path: str, body: bytes) -> httpx.Response:
        headers = {"content-type": "application/x-www-form-urlencoded", **self._sign(path, body)}
        return await self._client.post(path, content=body, headers=headers)
