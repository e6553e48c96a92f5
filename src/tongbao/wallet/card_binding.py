"""Binding a bank card: whose it is, its issuer says; that it is theirs, they show by a code that the issuer sent them.

    ASKED ─▶ SENT ─code─▶ CHECKING ─▶ BOUND
      │       ↑ └──────┐      │
      │       └── wrong code ─┤           SENT again, until too many were wrong
      └─▶ REFUSED      └─▶ ENDED ◀┘       too late, too many, never arrived, or the name changed meanwhile

ASKED and CHECKING wait for the network; where it says nothing, the worker inquires until it knows. It never asks a second time:
number, expiry and verification code are on their way to the network once, and in no row and no command. A customer has one
binding under way: a new one takes its place, and what the network says of the former is heard no more.

Nobody binds but who is known by their real name, under that very name, within a few tries a day, confirmed as a payment is.

Source: Yinjianfa [2014] 10, Arts. 3 and 4 (the first link: verified by the platform and, by two factors, by the bank);
PCI DSS 4.0, 3.3.1.2 (the card's verification code is not stored).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final, Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, Relation, View
from tongbao.identity.alerts import tell
from tongbao.identity.realname.types import REAL_NAME
from tongbao.identity.rules import confirm, confirmation_keys
from tongbao.identity.standing import standing_keys, standing_of
from tongbao.identity.types import UNSAID, Confirmation
from tongbao.wallet import errors
from tongbao.wallet.cards import (
    CARD,
    FIRST_ANSWER,
    MOST_CARDS,
    BindingSaid,
    Card,
    CardKind,
    funding_order,
    funding_order_keys,
    put_sources,
)
from tongbao.wallet.links import GIVEN_UP_AFTER, LIVES, MOST_A_DAY, MOST_WRONG

BindingState = Literal["ASKED", "SENT", "CHECKING", "BOUND", "REFUSED", "ENDED"]

SHOWN_FIELD: Final = "card_binding.shown"


class Shown(msgspec.Struct, frozen=True):
    """What is sealed in `CardBinding.shown`: as much of what was typed as its owner is shown again. `phone`: masked."""

    last4: str
    phone: str


class CardBinding(msgspec.Struct, frozen=True, gc=False):
    """A customer's last binding. `shown` (a `Shown`) is sealed.

    attempt   of the real name that the holder's name was taken from
    wrong     codes that were wrong;  tries  how often the network did not answer
    asked     how many bindings were asked for on `day` (UTC)
    """

    customer_id: UUID
    binding_id: UUID
    card_id: UUID
    shown: bytes
    attempt: int
    state: BindingState
    wrong: int
    tries: int
    ask_at: datetime | None
    day: date
    asked: int
    started_at: datetime
    finished_at: datetime | None

    @property
    def expires_at(self) -> datetime:
        """Until when the code may be typed."""
        return self.started_at + LIVES


CARD_BINDING: Relation[CardBinding] = Relation("card_binding", CardBinding, key=("customer_id",), rank=306, removable=True)


class StartCardBinding(Command, frozen=True, kw_only=True):
    """The network is about to be asked. `binding_id` is the reference that it knows the binding by, `card_id` stands for the
    number; `attempt`, which document the name and its number were read from; the index stands for the phone where two askings
    are compared."""

    kind = "wallet.start_card_binding"
    customer_id: UUID
    binding_id: UUID
    card_id: UUID
    shown: bytes
    phone_index: bytes
    attempt: int
    confirmation: Confirmation

    def hashed(self) -> StartCardBinding:
        return replace(self, shown=b"", confirmation=UNSAID)


class TryCardCode(Command, frozen=True, kw_only=True):
    """A code was typed and is about to be shown to the network. It is in no command and no row."""

    kind = "wallet.try_card_code"
    customer_id: UUID
    binding_id: UUID


class RecordCardBinding(Command, frozen=True, kw_only=True):
    """What the network said of a binding. UNKNOWN: nothing; `retry_in_s` until it is asked again. With BOUND: the card, its token
    sealed. `card_id` repeats the binding's, so that its row is known."""

    kind = "wallet.record_card_binding"
    customer_id: UUID
    binding_id: UUID
    card_id: UUID
    state: BindingSaid
    token: bytes = b""
    bank: str = ""
    card_kind: CardKind = "debit"
    last4: str = ""
    retry_in_s: int = 0

    def hashed(self) -> RecordCardBinding:
        return replace(self, token=b"")


class BindingEnded(msgspec.Struct, frozen=True):
    """Result of `RecordCardBinding`: whether the token it brought is kept."""

    kept: bool


def start_card_binding(command: StartCardBinding, view: View, now: datetime) -> Decision:
    """Declines `bank_link_needs_name`, `card_bound`, `card_leaving`, `cards_too_many`, `card_binding_too_many`, what `confirm`
    declines."""
    who = command.customer_id
    if not _still_theirs(view, who, command.attempt, now):
        return Declined(errors.BANK_LINK_NEEDS_NAME)
    card = view.get(CARD, command.card_id)
    if card is not None and card.removed_at is None:
        return Declined(errors.CARD_BOUND)
    if card is not None and card.return_at is not None:
        return Declined(errors.CARD_LEAVING)
    if len(funding_order(view, who)) > MOST_CARDS:
        return Declined(errors.CARDS_TOO_MANY, {"most": MOST_CARDS})
    last, today = view.get(CARD_BINDING, who), now.date()
    asked = last.asked if last is not None and last.day == today else 0
    if asked >= MOST_A_DAY:
        return Declined(errors.CARD_BINDING_TOO_MANY)
    factors = confirm(view, who, command.confirmation, now)
    if isinstance(factors, Declined):
        return factors
    view.put(
        CARD_BINDING,
        CardBinding(
            who, command.binding_id, command.card_id, command.shown, command.attempt, "ASKED", 0, 0, now + FIRST_ANSWER, today,
            asked + 1, now, None,
        ),
    )  # fmt: skip
    return Accepted()


def try_card_code(command: TryCardCode, view: View, now: datetime) -> Decision:
    """Declines `card_binding_unknown`, `card_binding_waits` (for the network), `card_binding_ended`."""
    binding = view.get(CARD_BINDING, command.customer_id)
    if binding is None or binding.binding_id != command.binding_id:
        return Declined(errors.CARD_BINDING_UNKNOWN)
    if binding.state in ("ASKED", "CHECKING"):
        return Declined(errors.CARD_BINDING_WAITS)
    if binding.state != "SENT" or now >= binding.expires_at:
        return Declined(errors.CARD_BINDING_ENDED)
    view.put(CARD_BINDING, replace(binding, state="CHECKING", tries=0, ask_at=now + FIRST_ANSWER))
    return Accepted()


def record_card_binding(command: RecordCardBinding, view: View, now: datetime) -> Decision:
    """Declines `card_binding_unknown`, also of a binding that another took the place of. What has ended stays as it is."""
    binding = view.get(CARD_BINDING, command.customer_id)
    if binding is None or (binding.binding_id, binding.card_id) != (command.binding_id, command.card_id):
        return Declined(errors.CARD_BINDING_UNKNOWN)
    if binding.state in ("BOUND", "REFUSED", "ENDED"):
        return Accepted(BindingEnded(kept=binding.state == "BOUND"))
    kept = False
    match command.state:
        case "UNKNOWN":
            binding = _unanswered(binding, command, now)
        case "CODE_SENT":
            binding = replace(binding, state="SENT", ask_at=None)
        case "WRONG_CODE" if binding.wrong + 1 < MOST_WRONG:
            binding = replace(binding, state="SENT", wrong=binding.wrong + 1, ask_at=None)
        case "WRONG_CODE":
            binding = replace(binding, state="ENDED", wrong=binding.wrong + 1, ask_at=None, finished_at=now)
        case "REFUSED":
            binding = replace(binding, state="REFUSED", ask_at=None, finished_at=now)
        case "BOUND" if _still_theirs(view, binding.customer_id, binding.attempt, now):
            binding, kept = replace(binding, state="BOUND", ask_at=None, finished_at=now), True
            _put_card(view, command, now)
        case _:
            binding = replace(binding, state="ENDED", ask_at=None, finished_at=now)
    view.put(CARD_BINDING, binding)
    return Accepted(BindingEnded(kept=kept))


def _unanswered(binding: CardBinding, command: RecordCardBinding, now: datetime) -> CardBinding:
    """Nothing is waited for beyond the time of the code, or of the network's word about it."""
    if binding.state == "SENT":
        return binding
    patience = LIVES if binding.state == "ASKED" else GIVEN_UP_AFTER
    if now >= binding.started_at + patience:
        return replace(binding, state="ENDED", ask_at=None, finished_at=now)
    return replace(binding, tries=binding.tries + 1, ask_at=now + timedelta(seconds=command.retry_in_s))


def _still_theirs(view: View, customer_id: UUID, attempt: int, now: datetime) -> bool:
    """Whether the name that is compared is the customer's verified name, still."""
    real = view.get(REAL_NAME, customer_id)
    return real is not None and real.attempt == attempt and standing_of(view, customer_id, now).level >= 1


def _put_card(view: View, command: RecordCardBinding, now: datetime) -> None:
    """The card is bound, is drawn on after what was there before, and its owner is told."""
    card = Card(
        command.card_id, command.customer_id, command.token, command.bank, command.card_kind, command.last4, now, None, 0, None
    )
    view.put(CARD, card)
    put_sources(view, command.customer_id, (*funding_order(view, command.customer_id), str(command.card_id)))
    tell(view, command.customer_id, "card_bound", {}, now)


def _start_keys(command: StartCardBinding) -> list[Key]:
    return [*_record_keys(command), *confirmation_keys(command.customer_id, command.confirmation)]


def _record_keys(command: StartCardBinding | RecordCardBinding) -> list[Key]:
    who = command.customer_id
    keys = [Key(CARD_BINDING, who), Key(CARD, command.card_id), Key(REAL_NAME, who)]
    return [*keys, *funding_order_keys(who), *standing_keys(who)]


DECIDERS = (
    Decider(StartCardBinding, _start_keys, start_card_binding),
    Decider(TryCardCode, lambda command: [Key(CARD_BINDING, command.customer_id)], try_card_code),
    Decider(RecordCardBinding, _record_keys, record_card_binding, BindingEnded),
)
