"""What a customer is told about their own account: each alert is kept, and sent as a message by the worker.

An alert is told in the same commit as what it is about, so none is lost and none is made up. Sending it is another matter: a
message waits in its row until the channel has taken it.

    PENDING ─▶ SENT | FAILED               the channel answered
    PENDING ─▶ UNKNOWN ─▶ SENT | FAILED    it did not, and was asked again under the same reference
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, Protocol
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Key, Relation, View

AlertKind = Literal[
    "device_added", "device_revoked", "passkey_added", "passkey_revoked", "certificate_added", "certificate_revoked",
    "totp_added", "totp_removed", "recovery_code_used", "recovery_codes_renewed", "password_changed", "pin_changed",
    "pin_locked", "recovered", "takeover_reported", "large_payment", "bank_linked", "card_bound", "level_fell",
    "verification_ended", "small_payments_raised", "instrument_added", "instrument_revoked", "sim_changed",
    "document_replaced", "name_changed", "bank_unlinked",
    "agreement_signed", "agreement_ended",
]  # fmt: skip
MessageState = Literal["PENDING", "UNKNOWN", "SENT", "FAILED"]
Delivery = Literal["SENT", "FAILED", "UNKNOWN"]

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


class MessageChannel(Protocol):
    """Takes messages; `app/registry.py` plugs a provider in. It never raises for a provider's no or silence, and always comes
    back within its own time-out. Sending the same reference again is safe."""

    async def send(self, reference: str, to: str, text: str) -> Delivery:
        """Whether the provider took it. `to`: E.164 or an address. Silence is UNKNOWN, never FAILED."""
        ...


ALERT: Relation[Alert] = Relation(
    "alert", Alert, key=("customer_id", "alert_id"), rank=980, append_only=True, chain_order=("alert_id", "customer_id")
)
MESSAGE: Relation[Message] = Relation("message", Message, key=("message_id",), rank=160)


class RaiseAlert(Command, frozen=True, kw_only=True):
    """Tell a customer of something that no accepted command of theirs said."""

    kind = "identity.raise_alert"
    customer_id: UUID
    alert: AlertKind


class RecordMessage(Command, frozen=True, kw_only=True):
    """What the channel said of a message. UNKNOWN: it did not; `retry_in_s` until it is asked again."""

    kind = "identity.record_message"
    message_id: UUID
    state: Delivery
    retry_in_s: int = 0


def tell(view: View, customer_id: UUID, kind: AlertKind, facts: Mapping[str, str], now: datetime) -> None:
    """Tell a customer, as part of any command that is accepted."""
    alert_id, text = view.new_id(), msgspec.json.encode(facts).decode()
    view.put(ALERT, Alert(customer_id, alert_id, kind, text, now))
    view.put(MESSAGE, Message(alert_id, customer_id, kind, text, "PENDING", 0, now, now, None))
    view.emit(f"customer:{customer_id}", f"alert.{kind}", {"alert_id": alert_id})


def write(
    view: View, person_id: UUID, kind: str, facts: Mapping[str, str], now: datetime, message_id: UUID | None = None
) -> None:
    """A message and no alert, as part of any command that is accepted. Whoever has messages of a kind of their own says what
    stands in them (`SafetyService.texts`)."""
    text = msgspec.json.encode(facts).decode()
    message_id = message_id or view.new_id()
    view.put(MESSAGE, Message(message_id, person_id, kind, text, "PENDING", 0, now, now, None))


def tell_of_large(
    view: View, payer_id: UUID, amount_minor: int, its_id: UUID, now: datetime, of: Literal["bill_id", "payment_id"] = "bill_id"
) -> None:
    """Tell a payer of what they paid or sent, or agreed to, if it is much: its bill, or where there is none yet, its payment."""
    if amount_minor >= LARGE_MINOR:
        tell(view, payer_id, "large_payment", {of: str(its_id)}, now)


def raise_alert(command: RaiseAlert, view: View, now: datetime) -> Decision:
    """Never declines."""
    tell(view, command.customer_id, command.alert, {}, now)
    return Accepted()


def record_message(command: RecordMessage, view: View, now: datetime) -> Decision:
    """Never declines; what has ended stays as it is."""
    message = view.need(MESSAGE, command.message_id)
    if message.state in ("SENT", "FAILED"):
        return Accepted()
    attempts, due = message.attempts + 1, now + timedelta(seconds=command.retry_in_s)
    ended = command.state != "UNKNOWN"
    view.put(
        MESSAGE,
        replace(
            message, state=command.state, attempts=attempts, next_attempt_at=None if ended else due,
            finished_at=now if ended else None,
        ),
    )  # fmt: skip
    return Accepted()


DECIDERS = (
    Decider(RaiseAlert, lambda command: [], raise_alert),
    Decider(RecordMessage, lambda command: [Key(MESSAGE, command.message_id)], record_message),
)
