"""Use cases of payments that draw on several sources.

A card's part is three steps: the wish (a command), the network (outside any batch), its answer (a command). Whoever dies between
them leaves a row that the janitor finds: `settle_due` asks the network, under the same reference, until it knows.

    asked_at ── ASK_FOR ──────┬── ARRIVES_WITHIN ──────┬──▶
       may be sent (again)    │ sent no more; only asked│ what the network has never heard of did not happen
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol, cast
from uuid import UUID

import asyncpg
import msgspec
import structlog

from tongbao.channels.cards import ARRIVES_WITHIN, CardAnswer, CardDebit, CardNetwork, CardRefund
from tongbao.channels.errors import CARD_DECLINES
from tongbao.engine.api import Engine, accepted
from tongbao.identity.acts import Act
from tongbao.identity.evidence import Given
from tongbao.identity.service import Caller, IdentityService
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import named_id
from tongbao.kernel.money import Money
from tongbao.kernel.rounds import do_each
from tongbao.merchants.service import MerchantService
from tongbao.payments import errors
from tongbao.payments.funded import PaidInParts, check_parts
from tongbao.payments.funding_types import CardRequest, Funding, Part, PayInParts, SettleCardDebit, SettleCardRefund, card_part
from tongbao.payments.service import QUERIES, PaymentService
from tongbao.payments.types import Payment
from tongbao.wallet import errors as wallet_errors

_log = structlog.get_logger("tongbao.funding")

#: How long after the wish a debit may still be sent, and sent again.
ASK_FOR = timedelta(minutes=1)
#: How much later than it was begun a sending may leave us.
_LEAVES_WITHIN = timedelta(seconds=30)
_LONGEST_RETRY_S = 300


class CardOnFile(msgspec.Struct, frozen=True):
    """A customer's card as it can be debited. `token`: never to be written anywhere."""

    card_id: UUID
    token: str


class CardsOnFile(Protocol):
    """Whose cards we know; `app/registry.py` plugs the wallet's in."""

    async def card(self, customer_id: UUID, card_id: UUID) -> CardOnFile | None:
        """One card of this customer that has not been removed."""
        ...


class FundedPayments:
    """Payments by parts, and what is asked of the network of cards for them."""

    def __init__(
        self,
        engine: Engine,
        pool: asyncpg.Pool,
        identity: IdentityService,
        merchants: MerchantService,
        payments: PaymentService,
        network: CardNetwork,
        on_file: CardsOnFile,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._identity = identity
        self._merchants = merchants
        self._payments = payments
        self._network = network
        self._on_file = on_file
        self._clock = clock
        self._asking: set[asyncio.Task[None]] = set()

    # ── the payer's side ────────────────────────────────────────────────────────────────────────────────────────────

    async def pay_order(
        self, command_id: UUID, payer: Caller, payment_id: UUID, amount: Money, parts: Sequence[Part], given: Given
    ) -> Payment:
        """Pay an order from these parts: PAID, or UNKNOWN where the network did not answer in time. Refuses `parts_format`,
        `card_unknown`, `card_given_back`, `card_not_reached`; declines `card_…`, `payment_not_found`, `order_…`,
        `amount_mismatch`, `parts_not_authorised`, `pin_…`, what the rules decline, `insufficient_funds`."""
        order = await self._payments.payment(payment_id)
        if amount.currency != order.currency:
            raise Refusal(errors.AMOUNT_MISMATCH)
        await self._check(payer, parts, amount)
        act = Act("pay_order", payment_id, amount.minor, amount.currency)
        return await self._pay(
            PayInParts(
                command_id=command_id, payment_id=payment_id, merchant_id=order.merchant_id, payer_id=payer.principal_id,
                amount_minor=amount.minor, currency=amount.currency, method="qr_dynamic", parts=tuple(parts),
                confirmation=await self._identity.confirmation(payer, given, command_id, act),
            )
        )  # fmt: skip

    async def pay_merchant(
        self,
        command_id: UUID,
        payer: Caller,
        merchant_id: UUID,
        store_id: UUID | None,
        amount: Money,
        parts: Sequence[Part],
        given: Given,
    ) -> Payment:
        """Pay a static code from these parts. As `pay_order`; declines also `merchant_not_found`, `store_not_found`."""
        self._payments.own_currency(amount)
        if store_id is not None:
            await self._merchants.store(store_id, merchant_id)
        await self._check(payer, parts, amount)
        payment_id, number, subject = self._payments.at_once(command_id, merchant_id)
        act = Act("pay_merchant", merchant_id, amount.minor, amount.currency)
        return await self._pay(
            PayInParts(
                command_id=command_id, payment_id=payment_id, merchant_id=merchant_id, store_id=store_id, out_trade_no=number,
                subject=subject, payer_id=payer.principal_id, amount_minor=amount.minor, currency=amount.currency,
                method="qr_static", parts=tuple(parts),
                confirmation=await self._identity.confirmation(payer, given, command_id, act),
            )
        )  # fmt: skip

    async def pay_claim(self, command: PayInParts) -> Payment:
        """Pay by what was shown at a till, from parts that are known to be the payer's own. As `pay_merchant`."""
        return await self._pay(command)

    async def _check(self, payer: Caller, parts: Sequence[Part], amount: Money) -> None:
        if not check_parts(parts, amount.minor):
            raise Refusal(errors.PARTS_FORMAT)
        card = card_part(parts)
        if card is not None and await self._card(payer.principal_id, card.which) is None:
            raise Refusal(wallet_errors.CARD_UNKNOWN)

    async def _card(self, customer_id: UUID, card_id: str) -> CardOnFile | None:
        try:
            return await self._on_file.card(customer_id, UUID(card_id))
        except ValueError:
            return None

    async def _pay(self, command: PayInParts) -> Payment:
        outcome = await self._engine.submit(command)
        done = cast(PaidInParts, accepted(outcome))
        if done.debit_id is None:
            return await self._payments.payment(done.payment_id)
        if not outcome.repeated:
            # Shielded: a customer who hangs up does not take the network's answer with them.
            task = asyncio.create_task(self._ask(await self.request(done.debit_id), command.parts))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
            await asyncio.shield(task)
        return await self._outcome(await self.request(done.debit_id))

    async def _outcome(self, request: CardRequest) -> Payment:
        """What became of the payment for which a card was asked. Refuses why the card did not pay, or could not be used."""
        if request.state == "REFUSED":
            raise Refusal(CARD_DECLINES.get(request.reason, errors.CARD_NOT_REACHED))
        payment = await self._payments.payment(request.payment_id)
        if request.state == "SUCCEEDED" and payment.payer_id != request.payer_id:
            raise Refusal(errors.CARD_GIVEN_BACK)
        return payment

    async def told(self, debit_id: UUID, payer_id: UUID) -> Payment | None:
        """As it was told before, where this debit of the payer's was asked for already. Refuses as `pay_claim` did."""
        row = await self._pool.fetchrow(QUERIES["card_request"], debit_id)
        request = None if row is None else CardRequest(*row)
        return None if request is None or request.payer_id != payer_id else await self._outcome(request)

    async def request(self, request_id: UUID) -> CardRequest:
        """What the network was asked for. Declines `payment_not_found`."""
        row = await self._pool.fetchrow(QUERIES["card_request"], request_id)
        if row is None:
            raise Refusal(errors.PAYMENT_NOT_FOUND)
        return CardRequest(*row)

    # ── the network ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def settle_due(self, limit: int = 50) -> int:
        """The janitor's round: ask the network about everything that is due. Answers how many were looked at."""
        rows = await self._pool.fetch(QUERIES["card_requests_due"], self._clock.now(), limit)
        due = [CardRequest(*row) for row in rows]
        return await do_each("card_requests", due, self._settle_one, lambda request: request.request_id)

    async def _settle_one(self, request: CardRequest) -> None:
        rows = await self._pool.fetch(QUERIES["parts_of_attempt"], request.payment_id, request.request_id)
        parts = tuple(Funding(*row).part for row in rows) if request.kind == "debit" else ()
        answer = await self._network.inquire(request.request_id)
        if answer.state == "NOT_FOUND":
            answer = await self._sent_again(request)
        await self._record(request, parts, answer)

    async def _ask(self, request: CardRequest, parts: tuple[Part, ...]) -> None:
        await self._record(request, parts, await self._send(request))

    async def _sent_again(self, request: CardRequest) -> CardAnswer:
        """Of what the network has not heard: it is sent again while it may be, under its own reference, which the network takes
        once; and a debit that can arrive no more did not happen."""
        if request.kind == "debit" and self._clock.now() >= request.asked_at + ASK_FOR:
            over = request.asked_at + ASK_FOR + _LEAVES_WITHIN + ARRIVES_WITHIN
            return CardAnswer("NOT_FOUND" if self._clock.now() >= over else "UNKNOWN")
        return await self._send(request)

    async def _send(self, request: CardRequest) -> CardAnswer:
        try:
            if request.kind == "refund":
                assert request.debit_id is not None
                return await self._network.refund(CardRefund(request.request_id, request.debit_id, request.amount_minor))
            card = await self._on_file.card(request.payer_id, request.card_id)
            if card is None:
                return CardAnswer("UNKNOWN")  # removed meanwhile: what was sent before may have arrived all the same
            names = await self._merchants.several([request.merchant_id])
            if self._clock.now() >= request.asked_at + ASK_FOR:
                return CardAnswer("UNKNOWN")
            return await self._network.debit(
                CardDebit(request.request_id, card.token, request.amount_minor, request.currency, names[request.merchant_id].name)
            )
        except Refusal as refusal:
            # The network knows the reference for something else: a bug of ours, and no answer to what was asked.
            _log.error("card_request_refused", request_id=str(request.request_id), code=refusal.code.name)
            return CardAnswer("UNKNOWN")

    async def _record(self, request: CardRequest, parts: tuple[Part, ...], answer: CardAnswer) -> None:
        """NOT_FOUND comes here only of a debit that can arrive no more."""
        state, reason = answer.state, str(answer.refusal or "")
        if answer.state == "NOT_FOUND":
            state, reason = "REFUSED", "never_arrived"
        retry_in_s = min(_LONGEST_RETRY_S, 2 ** min(request.attempts + 1, 10)) if state == "UNKNOWN" else 0
        # With the attempt: an answer whose money had to wait must be heard again, not just be told what became of it then.
        said = named_id("card answer", str(request.request_id), str(request.attempts), state, reason)
        facts = {
            "command_id": said, "request_id": request.request_id, "payment_id": request.payment_id,
            "merchant_id": request.merchant_id, "payer_id": request.payer_id, "currency": request.currency, "state": state,
            "reason": reason, "network_reference": answer.network_reference, "retry_in_s": retry_in_s,
        }  # fmt: skip
        command: SettleCardDebit | SettleCardRefund
        if request.kind == "debit":
            command = msgspec.convert(facts | {"parts": parts}, SettleCardDebit)
        else:
            command = msgspec.convert(facts | {"refund_id": request.refund_id}, SettleCardRefund)
        accepted(await self._engine.submit(command))
