"""What a customer is told about their own account: each alert is kept, and sent as a message by the worker.

An alert is told in the same commit as what it is about, so none is lost and none is made up. Sending it is another matter: a
message waits in its row until the channel has taken it.

    PENDING ─▶ SENT | FAILED               the channel answered
    PENDING ─▶ UNKNOWN ─▶ SENT | FAILED    it did not, and was asked again under the same reference
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from tongbao.engine.api import Relation, View

AlertKind = Literal[
    "device_added", "device_revoked", "passkey_added", "passkey_revoked", "certificate_added", "certificate_revoked",
    "totp_added", "totp_removed", "password_changed", "pin_changed", "pin_locked", "recovered", "takeover_reported",
    "large_payment",
]  # fmt: skip
MessageState = Literal["PENDING", "UNKNOWN", "SENT", "FAILED"]

#: A payment or transfer from which on its payer is told apart, in minor units of whatever currency it is in.
LARGE_MINOR = 100_000


class Alert(msgspec.Struct, frozen=True, gc=False):
    """Something a customer should know. `facts`: a JSON object of texts, nothing in it that says who anybody is."""

    customer_id: UUID
    alert_id: UUID
    kind: AlertKind
    facts: str
    at: datetime


class Message(msgspec.Struct, frozen=True, gc=False):
    """A message to a customer, to wherever they can be reached when it is sent."""

    message_id: UUID
    customer_id: UUID
    kind: str
    facts: str
    state: MessageState
    attempts: int
    next_attempt_at: datetime | None
    created_at: datetime
    finished_at: datetime | None


ALERT: Relation[Alert] = Relation(
    "alert", Alert, key=("customer_id", "alert_id"), rank=980, append_only=True, chain_order=("alert_id", "customer_id")
)
MESSAGE: Relation[Message] = Relation("message", Message, key=("message_id",), rank=160)


def tell(view: View, customer_id: UUID, kind: AlertKind, facts: Mapping[str, str], now: datetime) -> None:
    """Tell a customer, as part of any command that is accepted."""
    alert_id, text = view.new_id(), msgspec.json.encode(facts).decode()
    view.put(ALERT, Alert(customer_id, alert_id, kind, text, now))
    view.put(MESSAGE, Message(alert_id, customer_id, kind, text, "PENDING", 0, now, now, None))
    view.emit(f"customer:{customer_id}", f"alert.{kind}", {"alert_id": alert_id})
