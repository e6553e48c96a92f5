"""What customers do about their data: consents, choices, and reviews of what a machine decided."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from tongbao.engine.api import Engine, accepted
from tongbao.identity.service import Caller, command_id_for
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Code, Refusal, lookup
from tongbao.privacy import errors
from tongbao.privacy.consents import Consent, ConsentState, GiveConsent, WithdrawConsent, holds
from tongbao.privacy.reviews import AskReview, ChooseExplanations, PrivacyChoice, Review, review_id_of
from tongbao.privacy.types import QUERIES, Sealing, paragraphs

WISH, ANSWER = "review.wish", "review.answer"


class DeclinedAct(msgspec.Struct, frozen=True):
    """A request of a customer's that was declined: the kind of act, the code, and what the rule looked at."""

    command_id: UUID
    decision: str
    code: Code
    detail: dict[str, Any]
    decided_at: datetime


class OpenedReview(msgspec.Struct, frozen=True):
    """A review with its texts in clear."""

    review: Review
    wish: str
    answer: str | None


class PrivacyService:
    """A customer's rights. Reads through a pool, changes through the engine."""

    def __init__(self, engine: Engine, pool: asyncpg.Pool, vault: Sealing, clock: Clock) -> None:
        self._engine = engine
        self._pool = pool
        self._vault = vault
        self._clock = clock

    # ── consent ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def consents(self, customer_id: UUID) -> dict[str, ConsentState]:
        """What the customer said last, by purpose."""
        rows = await self._pool.fetch(QUERIES["consent_states"], customer_id)
        return {row["purpose"]: ConsentState(*row) for row in rows}

    async def has_consent(self, customer_id: UUID, purpose: str) -> bool:
        """Whether the customer agrees now, to the text in force. For deciders there is `consents.consented`."""
        row = await self._pool.fetchrow(QUERIES["consent_state"], customer_id, purpose)
        return holds(ConsentState(*row) if row else None, purpose)

    async def say(
        self, command_id: UUID, customer_id: UUID, purpose: str, version: int, granted: bool, screen: str
    ) -> ConsentState | None:
        """Give or withdraw a consent; what holds now. Declines as the deciders do."""
        command = (
            GiveConsent(command_id=command_id, customer_id=customer_id, purpose=purpose, version=version, screen=screen)
            if granted
            else WithdrawConsent(command_id=command_id, customer_id=customer_id, purpose=purpose, screen=screen)
        )
        accepted(await self._engine.submit(command))
        row = await self._pool.fetchrow(QUERIES["consent_state"], customer_id, purpose)
        return ConsentState(*row) if row else None

    async def consent_history(self, customer_id: UUID, before: UUID | None, limit: int) -> list[Consent]:
        """Everything the customer ever said, newest first; `limit` + 1 at most."""
        return [Consent(*row) for row in await self._pool.fetch(QUERIES["consents"], customer_id, before, limit + 1)]

    # ── decisions and reviews ───────────────────────────────────────────────────────────────────────────────────────

    async def wants_explanations(self, customer_id: UUID) -> bool:
        """Whether the customer wants decisions explained without asking."""
        row = await self._pool.fetchrow(QUERIES["choice"], customer_id)
        return row is not None and PrivacyChoice(*row).explain

    async def choose_explanations(self, command_id: UUID, customer_id: UUID, explain: bool) -> None:
        """Say so, or take it back."""
        accepted(await self._engine.submit(ChooseExplanations(command_id=command_id, customer_id=customer_id, explain=explain)))

    async def declined(self, caller: Caller, key: str) -> DeclinedAct:
        """What was declined of the request that the caller sent with this Idempotency-Key: the key is theirs, so nobody else's
        request can be named. Declines `decision_not_found`."""
        row = await self._pool.fetchrow(QUERIES["declined_command"], command_id_for(caller, key))
        if row is None:
            raise Refusal(errors.DECISION_NOT_FOUND)
        said = msgspec.json.decode(row["outcome"], type=_StoredDecline)
        return DeclinedAct(row["command_id"], row["kind"], lookup(said.code), said.detail, row["decided_at"])

    async def ask_review(self, command_id: UUID, caller: Caller, key: str, wish: str) -> OpenedReview:
        """Ask for a person to look at a decline. Refuses `text_missing`; declines `decision_not_found`, `review_exists`."""
        found = await self.declined(caller, key)
        review_id = review_id_of(found.command_id, found.decided_at)
        accepted(
            await self._engine.submit(
                AskReview(
                    command_id=command_id, review_id=review_id, customer_id=caller.principal_id, declined_id=found.command_id,
                    decision=found.decision, declined=found.code.name, decided_at=found.decided_at,
                    wish=await self._vault.seal(caller.principal_id, WISH, paragraphs(wish, "wish")),
                )
            )
        )  # fmt: skip
        return await self.review(review_id, caller.principal_id)

    async def reviews(self, customer_id: UUID | None, state: str | None, before: UUID | None, limit: int) -> list[OpenedReview]:
        """Reviews, newest first, of a customer or of all; `limit` + 1 at most."""
        rows = await self._pool.fetch(QUERIES["reviews"], customer_id, state, before, limit + 1)
        return [await self._opened(Review(*row)) for row in rows]

    async def review(self, review_id: UUID, customer_id: UUID | None = None) -> OpenedReview:
        """One review, of this customer if one is given. Declines `review_not_found`, also for somebody else's."""
        row = await self._pool.fetchrow(QUERIES["review"], review_id)
        if row is None or (customer_id is not None and row["customer_id"] != customer_id):
            raise Refusal(errors.REVIEW_NOT_FOUND)
        return await self._opened(Review(*row))

    async def _opened(self, review: Review) -> OpenedReview:
        wish = await self._vault.open(review.customer_id, WISH, review.wish)
        answer = await self._vault.open(review.customer_id, ANSWER, review.answer) if review.answer is not None else None
        return OpenedReview(review, wish, answer)


class _StoredDecline(msgspec.Struct):
    code: str
    detail: dict[str, Any] = {}
