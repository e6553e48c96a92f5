"""What every way to pay is: it establishes who authorises what, and never moves money.

A method turns what was shown (digits, a recording, an exchange with a card) into a `Claim`. The claim names the instrument and a
nonce that it never shows again; whether the instrument still pays, whether the nonce is new and whether the law and the
customer's own settings allow the sum is decided where the money moves, in the same commit (`identity.instruments`,
`payments.claimed`). A method is pure but for looking up whose a number is: it can be tried without a database.

    present   the payer's side: what their phone, card or watch shows
    verify    our side: who showed it, and by which factors

`tests/methods/conformance.py` is what each of them passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

import msgspec

from tongbao.identity.factors import Factors
from tongbao.identity.instruments import InstrumentKind
from tongbao.identity.types import ClaimConfirmation

#: By which way something was paid, as the rules and the books name it.
MethodName = Literal["qr_payer", "nfc", "sound", "plate", "watch", "vehicle", "machine", "voucher", "text"]


class Capabilities(msgspec.Struct, frozen=True):
    """What a method can do. `offline_payer`: the payer's side needs no network; `offline_payee`: nor does the till's.
    `binds_merchant`, `binds_amount`: what is shown is good for one merchant, for one sum only. `lives_s`: how long it is taken.
    `factors`: the most that it shows by itself."""

    instrument: InstrumentKind
    offline_payer: bool
    offline_payee: bool
    binds_merchant: bool
    binds_amount: bool
    lives_s: int
    factors: Factors


class Encounter(msgspec.Struct, frozen=True):
    """A payer and a till meet: who is to be paid how much (minor units), and when by our clock."""

    merchant_id: UUID
    amount_minor: int
    currency: str
    at: datetime


class Held(msgspec.Struct, frozen=True):
    """What lives on the payer's side: an instrument's number, its secret, and how often it showed itself within this moment."""

    number: int
    secret: bytes
    uses: int = 0


class Claim(msgspec.Struct, frozen=True):
    """Somebody authorises a payment: `payer_id`, shown by `confirmation`."""

    payer_id: UUID
    method: MethodName
    confirmation: ClaimConfirmation


class Owner(Protocol):
    """Whose an instrument is: what never changes of it."""

    @property
    def customer_id(self) -> UUID: ...

    @property
    def device_id(self) -> UUID | None: ...


class InstrumentBook(Protocol):
    """What a method may know of instruments (`identity.instrument_service`)."""

    def secret(self, number: int, kind: InstrumentKind) -> bytes:
        """What only the instrument and we have, of every number, whether somebody has it or not."""
        ...

    async def owner(self, number: int) -> Owner | None:
        """Whose a number is; None where nobody has it."""
        ...

    async def missed(self, number: int, merchant_id: UUID) -> None:
        """A till of this merchant was shown a proof for this number that does not hold."""
        ...


class PaymentMethod(Protocol):
    """A way to pay that shows something to a till."""

    @property
    def name(self) -> MethodName: ...

    @property
    def capabilities(self) -> Capabilities: ...

    def recognises(self, shown: str) -> bool:
        """Is this of the method, whether it holds or not? Cheap: a till asks every method."""
        ...

    def present(self, held: Held, encounter: Encounter) -> str:
        """What the payer's side shows here and now."""
        ...

    async def verify(self, shown: str, encounter: Encounter) -> Claim:
        """Who authorises this. Refuses what `recognises` would not take, what does not hold, and what is too early or too late,
        each with a code of its own."""
        ...


class Methods:
    """Every way to pay that a till can read: one box."""

    def __init__(self, methods: tuple[PaymentMethod, ...]) -> None:
        self._methods = methods

    def of(self, shown: str) -> PaymentMethod | None:
        """Whose this is; None where nobody knows it."""
        return next((method for method in self._methods if method.recognises(shown)), None)

    def __iter__(self) -> Iterator[PaymentMethod]:
        return iter(self._methods)
