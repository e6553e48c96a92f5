"""Use cases of payments by claims: a till was shown something, and a method said who authorises what by it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import asyncpg
import msgspec

from tongbao.engine.api import Declined, Engine, accepted
from tongbao.identity import errors as identity_errors
from tongbao.identity.types import ClaimConfirmation
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import named_id
from tongbao.kernel.money import Money
from tongbao.ledger import errors as ledger_errors
from tongbao.payments.asks import AskPayer, RefuseAsk
from tongbao.payments.funding_service import FundedPayments
from tongbao.payments.funding_types import PayInParts, card_part, debit_id_of
from tongbao.payments.rules import paid, unpaid
from tongbao.payments.service import QUERIES, PaymentService
from tongbao.payments.sources import Sources, chosen_by_default, parts_of
from tongbao.payments.types import CreateOrder, Payment, PayMerchant
from tongbao.rules import errors as law_errors
from tongbao.wallet import errors as wallet_errors

#: What a payer can mend by confirming in their wallet.
_ASKED_FOR = frozenset({wallet_errors.PAYER_MUST_CONFIRM, law_errors.STRONGER_CONFIRMATION, identity_errors.INSTRUMENT_CAP})

#: How long a payer at a till has to answer.
ASKED_FOR_S = 180
#: How long back a payer's phone is told what became of what it showed.
SHOWN_FOR = timedelta(minutes=5)


class AtTill(msgspec.Struct, frozen=True):
    """What happened at tills lately: `asked`, orders that wait for this payer's word; `waiting`, those whose card is being asked;
    `paid`, those that were paid."""

    asked: list[Payment]
    waiting: list[Payment]
    paid: list[Payment]


class ClaimService:
    """Pays by claims, and asks the payer where a claim alone may not."""

    def __init__(
        self, engine: Engine, pool: asyncpg.Pool, payments: PaymentService, funded: FundedPayments, sources: Sources, clock: Clock
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._payments = payments
        self._funded = funded
        self._sources = sources
        self._clock = clock

    async def pay(
        self,
        command_id: UUID,
        merchant_id: UUID,
        store_id: UUID | None,
        out_trade_no: str | None,
        subject: str,
        amount: Money,
        payer_id: UUID,
        method: str,
        claim: ClaimConfirmation,
    ) -> Payment:
        """Pay at a till, from what comes first in the payer's own order; where the balance is not enough, a card of theirs pays
        the rest, and it may be UNKNOWN. Where the claim alone may not, the order is CREATED and its payer asked to confirm it
        within three minutes. Refuses `out_trade_no_format`, `control_characters`, `subject_format`, `currency_unsupported`;
        declines `store_not_found`, `merchant_not_found`, `out_trade_no_used`, `instrument_…`, `insufficient_funds`, `card_…`,
        what the law says."""
        order = await self._payments.order_of(
            command_id, merchant_id, store_id, out_trade_no, subject, amount, ASKED_FOR_S, prefix="C"
        )
        command = PayMerchant(
            command_id=command_id, payment_id=order.payment_id, merchant_id=merchant_id, store_id=store_id,
            out_trade_no=order.out_trade_no, subject=order.subject, payer_id=payer_id, amount_minor=amount.minor,
            currency=amount.currency, method=method, confirmation=claim,
        )  # fmt: skip
        if await self._sources.card_first(payer_id):
            by_card = await self._by_parts(order, payer_id, method, claim)
            if by_card is not None:
                return by_card
        outcome = await self._engine.submit(command)
        if isinstance(outcome.decision, Declined) and outcome.decision.code is ledger_errors.INSUFFICIENT_FUNDS:
            by_card = await self._by_parts(order, payer_id, method, claim)
            if by_card is not None:
                return by_card
        if isinstance(outcome.decision, Declined) and outcome.decision.code in _ASKED_FOR:
            return await self._ask(order, payer_id, method, claim)
        done = accepted(outcome)
        if outcome.repeated:
            return await self._payments.payment(order.payment_id)
        return paid(command, unpaid(command, done.fee_minor, outcome.decided_at), done, outcome.decided_at)

    async def _by_parts(self, order: CreateOrder, payer_id: UUID, method: str, claim: ClaimConfirmation) -> Payment | None:
        """From the payer's sources in their order, but for vouchers, which are spent only where their owner sees it. None where
        no card of theirs would pay."""
        command_id = named_id("command", "parts", str(order.command_id))
        # What was asked for is answered again, whatever the sources have come to since.
        if (told := await self._funded.told(debit_id_of(command_id), payer_id)) is not None:
            return told
        offers = await self._sources.offers(payer_id)
        parts = parts_of(chosen_by_default(offers, order.amount_minor), order.amount_minor)
        if card_part(parts) is None:
            return None
        wish = PayInParts(
            command_id=command_id, payment_id=order.payment_id, merchant_id=order.merchant_id, store_id=order.store_id,
            out_trade_no=order.out_trade_no, subject=order.subject, payer_id=payer_id, amount_minor=order.amount_minor,
            currency=order.currency, method=method, parts=parts, confirmation=claim,
        )  # fmt: skip
        try:
            return await self._funded.pay_claim(wish)
        except Refusal as refusal:
            if refusal.code not in _ASKED_FOR:
                raise
            return await self._ask(order, payer_id, method, claim)

    async def _ask(self, order: CreateOrder, payer_id: UUID, method: str, claim: ClaimConfirmation) -> Payment:
        ask_id = named_id("command", "ask", str(order.command_id))
        command = AskPayer(command_id=ask_id, order=order, payer_id=payer_id, method=method, confirmation=claim)
        accepted(await self._engine.submit(command))
        return await self._payments.payment(order.payment_id)

    async def refuse(self, command_id: UUID, customer_id: UUID, payment_id: UUID) -> None:
        """The payer says no. Declines `payment_not_found`, `order_…`."""
        accepted(await self._engine.submit(RefuseAsk(command_id=command_id, payment_id=payment_id, customer_id=customer_id)))

    async def at_till(self, customer_id: UUID) -> AtTill:
        """What happened at tills in the last five minutes, ten of each at most."""
        now = self._clock.now()
        asked = await self._pool.fetch(QUERIES["asked"], customer_id, now, now - SHOWN_FOR)
        paid = await self._pool.fetch(QUERIES["paid_by_claim"], customer_id, now - SHOWN_FOR)
        waiting = await self._pool.fetch(QUERIES["waiting_for_card"], customer_id, now - SHOWN_FOR)
        return AtTill(*([Payment(*row) for row in rows] for rows in (asked, waiting, paid)))
