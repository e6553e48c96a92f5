"""The door for a mobile network's gateway: who may send, how a request is signed, and what its form says.

The form is the one that aggregators have in common: sessionId, serviceCode, phoneNumber and text for a session, from, to, text
and id for a message, as application/x-www-form-urlencoded. They sign nothing by themselves; where ours is asked, a proxy of the
operator's beside the aggregator signs, and only its addresses are listened to.

    X-Text-Timestamp: 1764000000
    X-Text-Signature: hex of HMAC-SHA-256(key, timestamp \\n path \\n hex of SHA-256(body))

A request that is sent again within five minutes is taken again: it changes nothing twice, whoever sends it.
Source: the callbacks of Africa's Talking (USSD, two-way SMS); RFC 2104.
"""

from __future__ import annotations

import hmac
import ipaddress
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import parse_qsl

from tongbao.identity.rules import normal_login
from tongbao.kernel.errors import Refusal
from tongbao.methods.text.errors import GATEWAY_FORM, GATEWAY_SIGNATURE, GATEWAY_UNKNOWN
from tongbao.methods.text.menus import Typed

TIMESTAMP, SIGNATURE = "x-text-timestamp", "x-text-signature"
USSD_PATH, SMS_PATH = "/v1/text/ussd", "/v1/text/sms"
MOST_BYTES = 4096
_SKEW_S = 300
_MOST_TEXT = 600


class Dialled(NamedTuple):
    """A request of a session."""

    session_id: str
    service_code: str
    phone: str
    typed: Typed


class Said(NamedTuple):
    """A message from a phone."""

    message_id: str
    phone: str
    text: str


def signature(key: bytes, timestamp: str, path: str, body: bytes) -> str:
    """What a request is signed with."""
    return hmac.new(key, f"{timestamp}\n{path}\n{sha256(body).hexdigest()}".encode(), sha256).hexdigest()


class Gateway:
    """Knows the networks' gateway. `addresses`: from where it may send, separated by commas; raises SystemExit if one is none."""

    def __init__(self, key: bytes, addresses: str) -> None:
        self._key = key
        try:
            self._networks = [ipaddress.ip_network(each.strip(), strict=False) for each in addresses.split(",") if each.strip()]
        except ValueError as error:
            raise SystemExit(f"TONGBAO_TEXT_ADDRESSES: {error}") from None

    def check(self, address: str, timestamp: str, given: str, path: str, body: bytes, now_s: float) -> None:
        """Refuses `gateway_unknown`, `gateway_signature`."""
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            raise Refusal(GATEWAY_UNKNOWN) from None
        if not any(found in network for network in self._networks):
            raise Refusal(GATEWAY_UNKNOWN)
        in_time = timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12 and abs(int(timestamp) - now_s) <= _SKEW_S
        right = hmac.compare_digest(given.encode(), signature(self._key, timestamp, path, body).encode())
        if not right or not in_time:
            raise Refusal(GATEWAY_SIGNATURE)


def dialled(body: bytes) -> Dialled:
    """Refuses `gateway_form`."""
    form = _form(body)
    session_id, phone = form.get("sessionId", ""), form.get("phoneNumber", "")
    return Dialled(_short(session_id), form.get("serviceCode", "")[:40], _phone(phone), Typed(form.get("text", "")))


def said(body: bytes) -> Said:
    """Refuses `gateway_form`."""
    form = _form(body)
    return Said(_short(form.get("id", "")), _phone(form.get("from", "")), form.get("text", ""))


def _form(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20)
    except ValueError:  # not UTF-8, or too many
        raise Refusal(GATEWAY_FORM) from None
    form = dict(pairs)
    if len(form) != len(pairs) or len(form.get("text", "")) > _MOST_TEXT:
        raise Refusal(GATEWAY_FORM)
    return form


def _short(name: str) -> str:
    if not 1 <= len(name) <= 100:
        raise Refusal(GATEWAY_FORM)
    return name


def _phone(text: str) -> str:
    """In E.164, as networks send it, with or without the plus."""
    try:
        if "@" in text:
            raise Refusal(GATEWAY_FORM)
        return normal_login(text.strip() if text.strip().startswith("+") else f"+{text.strip()}")
    except Refusal:
        raise Refusal(GATEWAY_FORM) from None
