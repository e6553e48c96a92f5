"""A till's reader in software: it finds the card, measures how near it is, and asks it to pay."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from tongbao.kernel.errors import Refusal
from tongbao.methods.api import Encounter
from tongbao.methods.nfc.apdu import Apdu, Transmit, answered, pack, unpack
from tongbao.methods.nfc.card import (
    ANSWER,
    COUNTER,
    CRYPTOGRAM_TAG,
    DETAILS,
    ISO,
    NEARNESS,
    OPTIONS,
    OURS,
    RELAY,
    SELECT,
    TOKEN,
)
from tongbao.methods.nfc.errors import TAP_RELAYED, TAP_UNREADABLE
from tongbao.methods.nfc.tap import AID, CRYPTOGRAM, MOST_RELAY_US, Details, Tap

#: How often a slow answer is measured again: a busy phone may be late once, a relay is late each time.
_MEASURED = 5


def read_card(transmit: Transmit, encounter: Encounter, clock_ns: Callable[[], int] = time.perf_counter_ns) -> Tap:
    """Have the card that `transmit` reaches agree to a payment. Refuses `tap_relayed`, `tap_unreadable`."""
    answered(transmit, Apdu(ISO, SELECT, 0x04, 0x00, AID))
    for attempt in range(_MEASURED):
        unpredictable = secrets.token_bytes(NEARNESS)
        began = clock_ns()
        nearness = answered(transmit, Apdu(OURS, RELAY, 0, 0, unpredictable))
        relay_us = (clock_ns() - began) // 1000
        if len(nearness) != NEARNESS:
            raise Refusal(TAP_UNREADABLE)
        if relay_us <= MOST_RELAY_US:
            break
        if attempt == _MEASURED - 1:
            raise Refusal(TAP_RELAYED)
    details = Details.of(encounter, unpredictable, nearness, relay_us)
    said = answered(transmit, Apdu(OURS, OPTIONS, 0, 0, pack((DETAILS, details.encode()))))
    objects = unpack(unpack(said).get(ANSWER, b""))
    token, counter, proof = (objects.get(tag, b"") for tag in (TOKEN, COUNTER, CRYPTOGRAM_TAG))
    if (len(token), len(counter), len(proof)) != (8, 4, CRYPTOGRAM):
        raise Refusal(TAP_UNREADABLE)
    return Tap(int.from_bytes(token, "big"), int.from_bytes(counter, "big"), details, proof)
