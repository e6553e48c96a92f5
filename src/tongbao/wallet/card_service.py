"""Use cases of bank cards.

Every question to the network is three steps: record the wish (a command), ask outside any batch, record the answer (a command).
Whoever dies between them leaves a row that the worker finds: `settle_due` inquires about bindings without an answer,
`give_back_due` tells the network of cards that were removed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import cast
from uuid import UUID

import asyncpg
import msgspec
import structlog

from tongbao.engine.api import Declined, Engine, Outcome, accepted
from tongbao.identity.acts import Act
from tongbao.identity.evidence import Given
from tongbao.identity.realname.service import RealNameService, normal_phone
from tongbao.identity.realname.types import PHONE_FIELD
from tongbao.identity.service import Caller, IdentityService
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import named_id, new_id
from tongbao.kernel.rounds import do_each
from tongbao.security.masking import mask_login
from tongbao.security.personal import Vault
from tongbao.wallet import errors
from tongbao.wallet.card_binding import (
    SHOWN_FIELD,
    BindingEnded,
    CardBinding,
    RecordCardBinding,
    Shown,
    StartCardBinding,
    TryCardCode,
)
from tongbao.wallet.card_numbers import can_be_card
from tongbao.wallet.cards import (
    CARD_COLUMN,
    BindingAnswer,
    Card,
    CardQuestion,
    Cards,
    FundingOrder,
    OrderFunding,
    RecordCardReturn,
    RemoveCard,
    sources_of,
)
from tongbao.wallet.types import QUERIES

_log = structlog.get_logger("tongbao.wallet")
_LONGEST_RETRY_S = 300
#: A network that does not keep its deadline does not keep us.
_MOST_WAIT_S = 10.0
_UNKNOWN = BindingAnswer("UNKNOWN")


class ShownBinding(msgspec.Struct, frozen=True):
    """A binding, opened for its owner."""

    row: CardBinding
    shown: Shown


class TypedCard(msgspec.Struct, frozen=True):
    """A card as its holder typed it. It is passed on to the network and kept nowhere."""

    number: str
    phone: str = ""
    expiry: str = ""
    cvn2: str = ""

    def checked(self) -> TypedCard:
        """Without spaces and strokes. Refuses `card_number_format`, `card_expiry_format`, `card_cvn2_format`."""
        number, expiry = self.number.replace(" ", ""), self.expiry.replace("/", "").replace(" ", "")
        if not can_be_card(number):
            raise Refusal(errors.CARD_NUMBER_FORMAT)
        if expiry and not (_digits(expiry) and len(expiry) == 4 and 1 <= int(expiry[:2]) <= 12):
            raise Refusal(errors.CARD_EXPIRY_FORMAT)
        if self.cvn2 and not (_digits(self.cvn2) and len(self.cvn2) in (3, 4)):
            raise Refusal(errors.CARD_CVN2_FORMAT)
        return TypedCard(number, self.phone, expiry, self.cvn2)


class CardService:
    """Whose card is whose, and which is drawn on first."""

    def __init__(
        self,
        engine: Engine,
        pool: asyncpg.Pool,
        identity: IdentityService,
        names: RealNameService,
        vault: Vault,
        cards: Cards,
        clock: Clock,
        currency: str,
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._identity = identity
        self._names = names
        self._vault = vault
        self._cards = cards
        self._clock = clock
        self._currency = currency

    # ── binding ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def start(self, command_id: UUID, caller: Caller, typed: TypedCard, given: Given) -> ShownBinding:
        """Ask the network whether the card is the customer's, under their verified name. `phone`: the one left with the issuer,
        that of the real name or the log-in unless said. Refuses what `TypedCard.checked` does, `phone_form`; declines what
        `start_card_binding` does. The network's own no is the binding's state, the same whatever is different."""
        card = typed.checked()
        customer_id = caller.principal_id
        known = await self._names.verified(customer_id)
        if known is None:
            raise Refusal(errors.BANK_LINK_NEEDS_NAME)
        real, file = known
        person = await self._identity.person(customer_id)
        phone = normal_phone(card.phone or file.phone or person.login)
        document = file.document
        index = self._vault.index("bank_card.number", card.number)
        shown = msgspec.json.encode(Shown(card.number[-4:], mask_login(phone))).decode()
        act = Act("link_bank", customer_id, 0, self._currency, card.number)
        command = StartCardBinding(
            command_id=command_id, customer_id=customer_id, binding_id=named_id("card binding", str(command_id)),
            card_id=named_id("bank card", str(customer_id), index.hex()),
            shown=await self._vault.seal(customer_id, SHOWN_FIELD, shown), phone_index=self._vault.index(PHONE_FIELD, phone),
            attempt=real.attempt, confirmation=await self._identity.confirmation(caller, given, command_id, act),
        )  # fmt: skip
        outcome = await self._engine.submit(command)
        accepted(outcome)
        if not outcome.repeated:
            row = (await self.binding(customer_id, command.binding_id)).row
            question = CardQuestion(
                command.binding_id, card.number, document.name, document.number, phone, card.expiry, card.cvn2
            )
            await asyncio.shield(self._ask(row, self._cards.start_binding(question)))
        return await self.binding(customer_id, command.binding_id)

    async def confirm(self, command_id: UUID, customer_id: UUID, binding_id: UUID, code: str) -> ShownBinding:
        """Show the network the code that was sent. A wrong one is told by what is left of the tries. Declines what
        `try_card_code` does."""
        outcome = await self._engine.submit(TryCardCode(command_id=command_id, customer_id=customer_id, binding_id=binding_id))
        accepted(outcome)
        if not outcome.repeated:
            row = (await self.binding(customer_id, binding_id)).row
            await asyncio.shield(self._ask(row, self._cards.confirm_binding(binding_id, code.strip())))
        return await self.binding(customer_id, binding_id)

    async def binding(self, customer_id: UUID, binding_id: UUID) -> ShownBinding:
        """A customer's last binding. Declines `card_binding_unknown`."""
        row = await self._pool.fetchrow(QUERIES["card_binding"], customer_id, binding_id)
        if row is None:
            raise Refusal(errors.CARD_BINDING_UNKNOWN)
        binding = CardBinding(*row)
        text = await self._vault.open(customer_id, SHOWN_FIELD, binding.shown)
        return ShownBinding(binding, msgspec.json.decode(text, type=Shown) if text else Shown("", ""))

    async def settle_due(self, limit: int = 50) -> int:
        """The worker's round: inquire about every binding whose answer is missing. Answers how many were looked at."""
        rows = await self._pool.fetch(QUERIES["card_bindings_due"], self._clock.now(), limit)
        due = [CardBinding(*row) for row in rows]
        return await do_each("card_bindings", due, self._settle_one, lambda binding: binding.binding_id)

    async def _settle_one(self, row: CardBinding) -> None:
        await self._ask(row, self._cards.inquire_binding(row.binding_id))

    async def _ask(self, row: CardBinding, asking: Awaitable[BindingAnswer]) -> None:
        """Hear the network out, within our patience, and write down what it said; a token that is not kept is given back."""
        answer = _UNKNOWN
        try:
            async with asyncio.timeout(_MOST_WAIT_S):
                answer = await asking
        except TimeoutError:
            _log.warning("card_network_kept_us_waiting", binding=str(row.binding_id))
        outcome = await self._record(row, answer)
        kept = not isinstance(outcome.decision, Declined) and cast(BindingEnded, accepted(outcome)).kept
        if answer.state == "BOUND" and not kept:  # another binding took its place, or their name changed
            await self._told(answer.token)

    async def _record(self, row: CardBinding, answer: BindingAnswer) -> Outcome:
        token = await self._vault.seal(row.customer_id, CARD_COLUMN, answer.token)
        return await self._engine.submit(
            RecordCardBinding(
                command_id=new_id(self._clock.now()), customer_id=row.customer_id, binding_id=row.binding_id,
                card_id=row.card_id, state=answer.state, token=token, bank=answer.bank, card_kind=answer.kind,
                last4=answer.last4,
                retry_in_s=min(_LONGEST_RETRY_S, 2 ** min(row.tries + 1, 10)) if answer.state == "UNKNOWN" else 0,
            )
        )  # fmt: skip

    # ── cards ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def cards(self, customer_id: UUID, before: UUID | None, limit: int) -> list[Card]:
        """Cards that are bound; `limit` + 1 at most."""
        return [Card(*row) for row in await self._pool.fetch(QUERIES["bank_cards"], customer_id, before, limit + 1)]

    async def cards_by_id(self, ids: Sequence[UUID]) -> dict[UUID, Card]:
        """Cards by id, removed ones too."""
        rows = await self._pool.fetch(QUERIES["bank_cards_by_id"], list(ids))
        return {row["card_id"]: Card(*row) for row in rows}

    async def token(self, card: Card) -> str:
        """By what the network knows a card; nothing of one whose token it has back, or whose owner was erased."""
        return await self._vault.open(card.customer_id, CARD_COLUMN, card.token)

    async def remove(self, customer_id: UUID, card_id: UUID) -> None:
        """Pay with a card no more, and tell the network. Declines `card_unknown`."""
        command = RemoveCard(command_id=new_id(self._clock.now()), customer_id=customer_id, card_id=card_id)
        accepted(await self._engine.submit(command))
        await asyncio.shield(self._give_back((await self.cards_by_id([card_id]))[card_id]))

    async def remove_all(self, customer_id: UUID) -> None:
        """Before its customer is erased, while the tokens can be opened."""
        for row in await self._pool.fetch(QUERIES["bank_cards"], customer_id, None, 100):
            await self.remove(customer_id, row["card_id"])

    async def returning(self, customer_id: UUID) -> int:
        """How many of a customer's removed cards the network has not heard of yet."""
        return int(await self._pool.fetchval(QUERIES["bank_cards_returning"], customer_id))

    async def give_back_due(self, limit: int = 50) -> int:
        """The worker's round: tell the network of every removed card that it has not heard of. Answers how many."""
        rows = await self._pool.fetch(QUERIES["bank_cards_due"], self._clock.now(), limit)
        return await do_each("bank_cards", [Card(*row) for row in rows], self._give_back, lambda card: card.card_id)

    async def _give_back(self, card: Card) -> None:
        if card.return_at is None:
            return
        token = await self.token(card)
        heard = not token or await self._told(token)  # nothing to be opened: its owner was erased
        retry_in_s = 0 if heard else min(_LONGEST_RETRY_S, 2 ** min(card.tries + 1, 10))
        command = RecordCardReturn(command_id=new_id(self._clock.now()), card_id=card.card_id, heard=heard, retry_in_s=retry_in_s)
        accepted(await self._engine.submit(command))

    async def _told(self, token: str) -> bool:
        try:
            async with asyncio.timeout(_MOST_WAIT_S):
                return await self._cards.unbind(token)
        except TimeoutError:
            return False

    # ── the order of sources ────────────────────────────────────────────────────────────────────────────────────────

    async def funding_order(self, customer_id: UUID) -> tuple[str, ...]:
        """A customer's sources, the first to be drawn on first."""
        row = await self._pool.fetchrow(QUERIES["funding_order"], customer_id)
        return sources_of(FundingOrder(*row) if row else None)

    async def order(self, command_id: UUID, customer_id: UUID, sources: Sequence[str]) -> tuple[str, ...]:
        """Another order. Declines `funding_order_wrong`."""
        command = OrderFunding(command_id=command_id, customer_id=customer_id, sources=tuple(sources))
        accepted(await self._engine.submit(command))
        return await self.funding_order(customer_id)


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
