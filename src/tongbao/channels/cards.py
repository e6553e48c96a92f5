"""What we say to a network of bank cards and what it may answer.

binding   start_binding ─→ CODE_SENT ─ confirm_binding ─→ BOUND   a token: all that we ever keep of the number
                       └─→ REFUSED                    └─→ WRONG_CODE, ENDED
money     debit, refund ─→ SUCCEEDED | REFUSED   final
                       └─→ UNKNOWN ─ inquire ─→ any of the three, or NOT_FOUND

NOT_FOUND is not a no: a request may still be on its way. It is one once `ARRIVES_WITHIN` has passed since the request was *last*
sent, because the network takes none that is older (see `signing`): until then ask again, or send the same again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal, Protocol
from uuid import UUID

import msgspec

from tongbao.channels.signing import MAX_SKEW_S

CardKind = Literal["debit", "credit"]
BindingState = Literal["CODE_SENT", "WRONG_CODE", "BOUND", "REFUSED", "ENDED", "UNKNOWN"]
CardState = Literal["SUCCEEDED", "REFUSED", "NOT_FOUND", "UNKNOWN"]
#: card_closed: closed, expired, lost, or its token was given back.  refused: every other reason; the holder asks their bank.
CardRefusal = Literal["insufficient", "limit", "card_closed", "risk", "refused"]

#: After this, since it was last sent, a request that the network has not seen will never be seen: the network refuses what was
#: signed more than `MAX_SKEW_S` ago, by a clock that may be as far behind ours.
ARRIVES_WITHIN: Final = timedelta(seconds=2 * MAX_SKEW_S)


class CardBinding(msgspec.Struct, frozen=True):
    """Whether a card is this person's, by the four elements that issuers compare; of a credit card also what is printed on it.
    `phone`: E.164, as the holder left it with the issuer. `expiry`: MMYY as on the card. The number and `cvn2` are passed on and
    kept nowhere.

    Source: Yinjianfa [2014] 10, Arts. 3 and 4 (who links an account is verified by its bank too, by two factors);
    PCI DSS 4.0, 3.3.1.2 (the card's verification code is not stored after authorisation).
    """

    reference: UUID
    number: str
    holder_name: str
    document_number: str
    phone: str
    expiry: str = ""
    cvn2: str = ""


class BoundCard(msgspec.Struct, frozen=True):
    """A card as we know it afterwards. `token` stands for the number between this network and us, and is of no use to others."""

    token: str
    bank: str
    kind: CardKind
    last4: str


class BindingAnswer(msgspec.Struct, frozen=True):
    """What is known of a binding. `card` is set exactly when BOUND.

    CODE_SENT   all of it agrees, and the issuer has sent the holder a code;  WRONG_CODE  the same, and the code shown was another
    BOUND       the code was right: final
    REFUSED     something is different, or the card is not one that can be bound; which, the network does not say: final
    ENDED       too late, too many wrong codes, or never heard of: final
    UNKNOWN     no certain answer: inquire
    """

    state: BindingState
    card: BoundCard | None = None


class CardDebit(msgspec.Struct, frozen=True):
    """Take money from a card, to be settled to us by the network. `reference` is ours, made and stored before the first attempt;
    it binds to this very body for ever. `merchant_name`: what the holder reads on the statement of the card."""

    reference: UUID
    token: str
    amount_minor: int
    currency: str
    merchant_name: str


class CardRefund(msgspec.Struct, frozen=True):
    """Give back to the card what `debit_reference` took, all of it or a part; in the debit's currency. Refunds never add up to
    more than the debit: the network refuses what would."""

    reference: UUID
    debit_reference: UUID
    amount_minor: int


class CardAnswer(msgspec.Struct, frozen=True):
    """What is known of a debit or a refund. `refusal` is set exactly when REFUSED; `at` is when the network decided, in UTC.
    NOT_FOUND answers inquiries only."""

    state: CardState
    network_reference: str | None = None
    refusal: CardRefusal | None = None
    at: datetime | None = None


class CardNetwork(Protocol):
    """A network that reaches the issuers of cards.

    It may: open and pool connections, sign, verify, time out, and say that it does not know.

    It must never:
    - touch our database: the caller commits the intent before, and records the answer after;
    - raise for a no, nor for silence: those are REFUSED and UNKNOWN;
    - answer REFUSED without proof: a time-out, a reset connection, a 5xx, an unparsable or unverified answer is UNKNOWN;
    - repeat a request by itself, nor change any field of it;
    - write a number, an expiry, a verification code or a token into a log.

    Debits, refunds and bindings share one space of references. Implementations are safe to call from many tasks at once, end
    every call in a time of their own, and pass `tests/channels/test_cards_conformance.py`.
    """

    async def start_binding(self, binding: CardBinding) -> BindingAnswer:
        """Ask whether a card is this person's; if so its issuer sends them a code. Idempotent by `reference`: asked again no
        second code goes out. Refuses `card_reference_conflict`."""
        ...

    async def confirm_binding(self, reference: UUID, code: str) -> BindingAnswer:
        """Show the code that its holder typed. Each wrong one counts, so it is never shown again by itself: after UNKNOWN,
        inquire."""
        ...

    async def inquire_binding(self, reference: UUID) -> BindingAnswer:
        """Ask what became of a binding. Changes nothing."""
        ...

    async def unbind(self, token: str) -> bool:
        """Give a token back: it pays no more; refunds of what it paid still arrive. True once the network has said so, also of
        one given back before or never given out; False when there was no certain answer: ask again."""
        ...

    async def debit(self, debit: CardDebit) -> CardAnswer:
        """Take the money. Idempotent by `reference`, so it may be called again after UNKNOWN. Refuses `card_reference_conflict`
        when the network knows the reference for another body: a bug of the caller, which says nothing about the earlier one."""
        ...

    async def refund(self, refund: CardRefund) -> CardAnswer:
        """Give money back. Idempotent as `debit` is. Refuses `card_reference_conflict`. REFUSED, finally, of a debit that the
        network does not know as succeeded, and of more than is left of it: refund only what is known to have been taken."""
        ...

    async def inquire(self, reference: UUID) -> CardAnswer:
        """Ask what became of a debit or a refund. Moves nothing."""
        ...

    async def close(self) -> None:
        """Let go of connections. The network is not used afterwards."""
        ...
