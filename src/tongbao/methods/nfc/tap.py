"""A tap: what the reader says of the payment, what the card answers, and how it travels to us.

    reader  SELECT            ─▶ the card names itself
            RELAY RESISTANCE  ─▶ four bytes there and four back, against the clock
            PROCESSING OPTIONS ─▶ merchant, sum, moment and an unpredictable number; a counter and a cryptogram over all of it

The token's number is not an account's. The counter is the claim's nonce, so no tap is taken twice nor out of order; the
cryptogram covers everything that is sent, the measured time as well, so nothing of it can be changed on the way.

Source: EMV Book 2, 8.1 (what a cryptogram covers) and Annex A1; EMV Contactless Book C-2, 3.10 (relay resistance); EMV Payment
Tokenisation Framework 2.3, 3.1 (a token in place of the account's number).
"""

from __future__ import annotations

import hmac
import re
import struct
from datetime import datetime
from hashlib import sha256
from uuid import UUID

import msgspec

from tongbao.identity.instruments import DIGITS
from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import CURRENCIES
from tongbao.methods.api import Encounter
from tongbao.methods.nfc.errors import TAP_UNREADABLE

#: Proprietary application identifier (first nibble F: unregistered), "TONGBAO" 1. Source: ISO/IEC 7816-5, 7.
AID = bytes.fromhex("F0") + b"TONGBAO" + b"\x01"
LABEL = "通宝 Tongbao".encode()

#: Answers within this time are from close by. A relay over a network adds its way twice; a card needs one or two thousandths.
MOST_RELAY_US = 20_000
#: A tap is taken so long after its moment, and a reader's clock may be so much ahead.
LIVES_S = 60
AHEAD_S = 20

CRYPTOGRAM = 8
_SHOWN = "tap1"
_DETAILS = struct.Struct(">16sQ3sQI4sI")
_TAP = struct.Struct(f">QI{CRYPTOGRAM}s")
_TAP_TEXT = re.compile(_SHOWN + f"[0-9a-f]{{{2 * (_TAP.size + _DETAILS.size)}}}")


class Details(msgspec.Struct, frozen=True):
    """What the reader says of the payment. `at`: Unix seconds. `unpredictable`: four bytes nobody could foresee. `nearness`: the
    four that the card gave back, and `relay_us` how long they took, in millionths of a second."""

    merchant_id: UUID
    amount_minor: int
    currency: str
    at: int
    unpredictable: bytes
    nearness: bytes
    relay_us: int

    @classmethod
    def of(cls, encounter: Encounter, unpredictable: bytes, nearness: bytes, relay_us: int) -> Details:
        at = int(encounter.at.timestamp())
        return cls(encounter.merchant_id, encounter.amount_minor, encounter.currency, at, unpredictable, nearness, relay_us)

    def encode(self) -> bytes:
        currency = self.currency.encode()
        return _DETAILS.pack(
            self.merchant_id.bytes, self.amount_minor, currency, self.at, int.from_bytes(self.unpredictable, "big"),
            self.nearness, self.relay_us,
        )  # fmt: skip

    @classmethod
    def decode(cls, data: bytes) -> Details:
        """Refuses `tap_unreadable`: another length, a currency that there is not."""
        if len(data) != _DETAILS.size:
            raise Refusal(TAP_UNREADABLE)
        merchant, amount, currency, at, unpredictable, nearness, relay_us = _DETAILS.unpack(data)
        code = currency.decode("ascii", "replace")
        if code not in CURRENCIES:
            raise Refusal(TAP_UNREADABLE)
        return cls(UUID(bytes=merchant), amount, code, at, unpredictable.to_bytes(4, "big"), nearness, relay_us)

    def is_for(self, encounter: Encounter) -> bool:
        """Was it made for this merchant and this sum?"""
        return (self.merchant_id, self.amount_minor, self.currency) == (
            encounter.merchant_id, encounter.amount_minor, encounter.currency,
        )  # fmt: skip

    def in_time(self, now: datetime) -> bool:
        return -AHEAD_S <= int(now.timestamp()) - self.at <= LIVES_S


class Tap(msgspec.Struct, frozen=True):
    """A whole tap: the token's number, how often it was tapped, the details, and what proves them."""

    number: int
    counter: int
    details: Details
    cryptogram: bytes

    def shown(self) -> str:
        """As a reader hands it to the till."""
        return _SHOWN + (_TAP.pack(self.number, self.counter, self.cryptogram) + self.details.encode()).hex()

    @classmethod
    def read(cls, shown: str) -> Tap:
        """Refuses `tap_unreadable`."""
        if not is_tap(shown):
            raise Refusal(TAP_UNREADABLE)
        data = bytes.fromhex(shown[len(_SHOWN) :])
        number, counter, proof = _TAP.unpack(data[: _TAP.size])
        if number >= 10 ** DIGITS["nfc"]:
            raise Refusal(TAP_UNREADABLE)
        return cls(number, counter, Details.decode(data[_TAP.size :]), proof)


def is_tap(shown: str) -> bool:
    """Does it look like a tap? Lower-case digits only: one tap is written in one way."""
    return _TAP_TEXT.fullmatch(shown) is not None


def cryptogram(secret: bytes, number: int, counter: int, details: bytes) -> bytes:
    """What shows that the secret was there, at this count, for these details."""
    return hmac.digest(secret, b"tap" + struct.pack(">QI", number, counter) + details, sha256)[:CRYPTOGRAM]
