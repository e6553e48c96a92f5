"""A card network of the tests' own: it does what it is told, and knows what it did."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from tongbao.channels.cards import BindingAnswer, CardAnswer, CardBinding, CardDebit, CardRefund, CardRefusal, CardState


class ScriptedCards:
    """`CardNetwork` for debits and refunds. `says`: what it answers to what it had not seen before; `loses`: whether the next
    answer is lost on its way; `drops`: whether the next request is. `sent`: called before a request is looked at."""

    def __init__(self) -> None:
        self.says: CardState = "SUCCEEDED"
        self.loses = False
        self.drops = False
        self.silent = False
        self.known: dict[UUID, CardDebit | CardRefund] = {}
        self.did: dict[UUID, CardAnswer] = {}
        self.seen: list[str] = []
        self.sent: Callable[[], Awaitable[None]] | None = None
        self.answered: Callable[[], Awaitable[None]] | None = None

    async def debit(self, debit: CardDebit) -> CardAnswer:
        return await self._take("debit", debit)

    async def refund(self, refund: CardRefund) -> CardAnswer:
        return await self._take("refund", refund)

    async def _take(self, name: str, request: CardDebit | CardRefund) -> CardAnswer:
        self.seen.append(name)
        if self.sent is not None:
            await self.sent()
        if self.silent or self.drops:
            self.drops = False
            return CardAnswer("UNKNOWN")
        if request.reference not in self.known:
            self.known[request.reference] = request
            refusal: CardRefusal | None = "insufficient" if self.says == "REFUSED" else None
            self.did[request.reference] = CardAnswer(self.says, f"N{len(self.known)}", refusal)
        assert self.known[request.reference] == request, "one reference for two requests"
        if self.answered is not None:
            await self.answered()
        return self._say(request.reference)

    async def inquire(self, reference: UUID) -> CardAnswer:
        self.seen.append("inquire")
        return CardAnswer("UNKNOWN") if self.silent else self._say(reference)

    def _say(self, reference: UUID) -> CardAnswer:
        if self.loses:
            self.loses = False
            return CardAnswer("UNKNOWN")
        return self.did.get(reference, CardAnswer("NOT_FOUND"))

    def taken_minor(self) -> int:
        """What cards have paid, less what they were given back."""
        return sum(
            request.amount_minor if isinstance(request, CardDebit) else -request.amount_minor
            for reference, request in self.known.items()
            if self.did[reference].state == "SUCCEEDED"
        )

    async def start_binding(self, binding: CardBinding) -> BindingAnswer:
        raise NotImplementedError

    async def confirm_binding(self, reference: UUID, code: str) -> BindingAnswer:
        raise NotImplementedError

    async def inquire_binding(self, reference: UUID) -> BindingAnswer:
        raise NotImplementedError

    async def unbind(self, token: str) -> bool:
        raise NotImplementedError

    async def close(self) -> None:
        """Nothing to let go of."""
