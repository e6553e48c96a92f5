"""Rows and commands of paying by text."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal, get_args
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Command, Relation
from tongbao.identity.codes import CodeUse
from tongbao.identity.instrument_rules import BindInstrument
from tongbao.identity.types import UNSAID, Confirmation, SetPin
from tongbao.kernel.sql import Queries
from tongbao.payments.types import PayMerchant
from tongbao.wallet.types import Transfer

QUERIES = Queries("tongbao.methods.text")

Language = Literal["zh", "en", "sw"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

#: Where the vault puts a phone.
PHONE = "text_phone.phone"
#: Where it puts a wish.
WISH_FIELD = "text_wish.wish"
#: The kind of message that a receipt is.
RECEIPT = "text_receipt"


class TextPhone(msgspec.Struct, frozen=True, gc=False):
    """A phone that pays by text. `number`: the instrument that its SIM is, which has the caps and is revoked; `phone`: sealed.
    `sim_since`: since when the network knows this SIM, as far as it said; `waits_until`: a SIM was exchanged, nothing is paid
    before."""

    phone_index: bytes
    customer_id: UUID
    number: int
    phone: bytes
    language: Language
    switched_on_at: datetime
    sim_since: datetime | None
    waits_until: datetime | None


class TextSession(msgspec.Struct, frozen=True, gc=False):
    """The last session of a phone: one at a time. `session`: a digest of what the network calls it; `dials` of the UTC day
    `day`."""

    phone_index: bytes
    session: bytes
    began_at: datetime
    seen_at: datetime
    day: date
    dials: int


class Till(msgspec.Struct, frozen=True, gc=False):
    """A merchant's short number, which is never given to another."""

    till_number: int
    merchant_id: UUID
    opened_at: datetime


class TextWish(msgspec.Struct, frozen=True, gc=False):
    """What a phone asked for by message. `wish`: as it would be typed into the menus, sealed; `mac`: of its code; `session`: that
    of the session that took it; `wrong_today`: wrong codes of this phone for this wish and those before it of its UTC day."""

    phone_index: bytes
    wish_id: UUID
    customer_id: UUID
    wish: bytes
    mac: bytes
    made_at: datetime
    wrong: int
    wrong_today: int
    session: bytes
    done: bool


TEXT_PHONE: Relation[TextPhone] = Relation("text_phone", TextPhone, key=("phone_index",), rank=450, removable=True)
TEXT_SESSION: Relation[TextSession] = Relation("text_session", TextSession, key=("phone_index",), rank=452, removable=True)
TILL: Relation[Till] = Relation("text_till", Till, key=("till_number",), rank=454)


TEXT_WISH: Relation[TextWish] = Relation("text_wish", TextWish, key=("phone_index",), rank=456, marks=True, removable=True)


class WishCode(msgspec.Struct, frozen=True):
    """The code of a wish, as it was answered."""

    wish_id: UUID
    mac: bytes


class SwitchOn(Command, frozen=True, kw_only=True):
    """Let a phone pay by text, which its owner showed to hold by a code that was sent there. Whoever had that number before has
    it no more. `sim_since`: what the network says of the SIM."""

    kind = "text.switch_on"
    bind: BindInstrument
    phone_index: bytes
    phone: bytes
    language: Language
    code: CodeUse
    sim_since: datetime | None

    def hashed(self) -> SwitchOn:
        return replace(self, bind=self.bind.hashed(), phone=b"", code=CodeUse(self.code.code_id, b""), sim_since=None)


class Step(Command, frozen=True, kw_only=True):
    """A phone is at this depth of a session: so many answers were given. What they are is not said: one is a PIN."""

    kind = "text.step"
    phone_index: bytes
    session: bytes
    depth: int


class NoteSim(Command, frozen=True, kw_only=True):
    """The network says since when it knows the SIM of a phone."""

    kind = "text.note_sim"
    phone_index: bytes
    customer_id: UUID
    sim_since: datetime


class Speak(Command, frozen=True, kw_only=True):
    """Talk to a phone in another language."""

    kind = "text.speak"
    phone_index: bytes
    customer_id: UUID
    language: Language


class PayByText(Command, frozen=True, kw_only=True):
    """Pay a merchant by text. `code`: of the wish that was made by message, where it is answered without a PIN."""

    kind = "text.pay"
    phone_index: bytes
    pay: PayMerchant
    code: WishCode | None = None

    def hashed(self) -> PayByText:
        return replace(self, pay=self.pay.hashed())


class SendByText(Command, frozen=True, kw_only=True):
    """Send money to another customer by text."""

    kind = "text.send"
    phone_index: bytes
    send: Transfer

    def hashed(self) -> SendByText:
        return replace(self, send=self.send.hashed())


class ChangePinByText(Command, frozen=True, kw_only=True):
    """Replace the PIN by text, with the one that is replaced."""

    kind = "text.change_pin"
    phone_index: bytes
    change: SetPin

    def hashed(self) -> ChangePinByText:
        return replace(self, change=self.change.hashed())


class Look(Command, frozen=True, kw_only=True):
    """Show a customer what is theirs, after their PIN. `what` is asked for."""

    kind = "text.look"
    phone_index: bytes
    customer_id: UUID
    what: str
    confirmation: Confirmation

    def hashed(self) -> Look:
        return replace(self, confirmation=UNSAID)


class OpenTill(Command, frozen=True, kw_only=True):
    """Give a merchant a short number."""

    kind = "text.open_till"
    till_number: int
    merchant_id: UUID


class Hear(Command, frozen=True, kw_only=True):
    """A message came from a phone; it will be answered."""

    kind = "text.hear"
    phone_index: bytes


class MakeWish(Command, frozen=True, kw_only=True):
    """A phone asks for something by message."""

    kind = "text.make_wish"
    phone_index: bytes
    customer_id: UUID
    wish: bytes
    mac: bytes

    def hashed(self) -> MakeWish:
        return replace(self, wish=b"")  # sealed anew each time; the message's id stands for it


class TakeWish(Command, frozen=True, kw_only=True):
    """A session asks for the PIN that a wish waits for."""

    kind = "text.take_wish"
    phone_index: bytes
    wish_id: UUID
    session: bytes
