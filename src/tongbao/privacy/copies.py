"""A copy of everything that is held about somebody, as one JSON file that machines can read and people can take elsewhere.

The file is written as it is read, a page at a time. That it was asked for is a command of the customer's, confirmed anew: whoever
finds a phone unlocked does not find a life in it. Source: PIPL Art. 45; GDPR Arts. 15(3), 20 ("structured, commonly used and
machine-readable").
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, Relation, View
from tongbao.identity.rules import confirm, confirmation_keys
from tongbao.identity.types import UNSAID, Confirmation
from tongbao.privacy.holdings import PersonalData
from tongbao.privacy.purposes import CATEGORIES

FORMAT = "tongbao-portable-copy/1"
SCHEMA_ID = "/v1/schemas/portable-copy.json"
_PIECE = 64 * 1024


class CopyTaken(msgspec.Struct, frozen=True, gc=False):
    """That a customer asked for a copy, and through which session."""

    copy_id: UUID
    customer_id: UUID
    session_id: UUID | None
    at: datetime


COPY: Relation[CopyTaken] = Relation("copy_taken", CopyTaken, key=("copy_id",), rank=942, append_only=True)


class TakeCopy(Command, frozen=True, kw_only=True):
    """Ask for a copy, confirmed by the customer."""

    kind = "privacy.take_copy"
    customer_id: UUID
    session_id: UUID | None
    confirmation: Confirmation

    def hashed(self) -> TakeCopy:
        return msgspec.structs.replace(self, confirmation=UNSAID)


def take_copy(command: TakeCopy, view: View, now: datetime) -> Decision:
    """Declines what `confirm` declines."""
    confirmed = confirm(view, command.customer_id, command.confirmation, now)
    if isinstance(confirmed, Declined):
        return confirmed
    view.put(COPY, CopyTaken(view.new_id(), command.customer_id, command.session_id, now))
    view.emit(f"customer:{command.customer_id}", "copy.taken", {"at": now})
    return Accepted()


async def written(parts: Sequence[PersonalData], customer_id: UUID, now: datetime) -> AsyncGenerator[bytes, None]:
    """The file, in pieces of some 64 KiB."""
    head = {"format": FORMAT, "$schema": SCHEMA_ID, "made_at": now, "customer_id": str(customer_id)}
    buffer = bytearray(msgspec.json.encode(head)[:-1] + b',"data":{')
    encoder = msgspec.json.Encoder()
    for number, part in enumerate(parts):
        buffer += (b"," if number else b"") + encoder.encode(part.name) + b":["
        first = True
        async for item in part.export(customer_id):
            if not first:
                buffer += b","
            first = False
            buffer += encoder.encode(item)
            if len(buffer) >= _PIECE:
                yield bytes(buffer)
                buffer.clear()
        buffer += b"]"
    yield bytes(buffer + b"}}\n")


def schema(parts: Sequence[PersonalData]) -> dict[str, Any]:
    """The JSON Schema of the file. Source: JSON Schema 2020-12."""
    shapes, components = msgspec.json.schema_components([part.item for part in parts], ref_template="#/$defs/{name}")
    data = {
        part.name: {
            "description": f"{CATEGORIES[part.category].name.zh} · {CATEGORIES[part.category].name.en}",
            "type": "array",
            "items": shape,
        }
        for part, shape in zip(parts, shapes, strict=True)
    }
    for component in components.values():
        component["additionalProperties"] = False
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "通宝个人信息副本 · Tongbao portable copy",
        "description": "Everything that is held about one customer. Amounts are decimal texts, times RFC 3339 in UTC.",
        "type": "object",
        "required": ["format", "made_at", "customer_id", "data"],
        "additionalProperties": False,
        "properties": {
            "$schema": {"type": "string"},
            "format": {"const": FORMAT},
            "made_at": {"type": "string", "format": "date-time"},
            "customer_id": {"type": "string", "format": "uuid"},
            "data": {
                "type": "object",
                "required": [part.name for part in parts],
                "additionalProperties": False,
                "properties": data,
            },
        },
        "$defs": components,
    }


DECIDERS = (
    Decider(
        TakeCopy,
        lambda command: _keys(command),
        take_copy,
    ),
)


def _keys(command: TakeCopy) -> list[Key]:
    return confirmation_keys(command.customer_id, command.confirmation)
