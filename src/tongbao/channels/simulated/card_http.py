"""The simulated card network's routes. Under /v1/cards every request is signed and every answer is (see `channels.signing`), with
a key of the network's own; /admin/cards takes the same key as a bearer token.

    POST   /v1/cards/bindings            is this card that person's? sends its holder a code; idempotent by reference
    POST   /v1/cards/bindings/{reference}/confirm   the code: a token;  GET /v1/cards/bindings/{reference}  what became of it
    POST   /v1/cards/unbind              {token}: it pays no more
    POST   /v1/cards/debits, /v1/cards/refunds      idempotent by reference; 409 for another body
    GET    /v1/cards/operations/{reference}         what became of one; 404 when never heard of
    POST   /admin/cards                  a `card_rules.Card` -> 201;  GET /admin/cards/{number} -> {card, available_minor}
    POST   /admin/cards/{number}/close, /admin/cards/{number}/reopen
    POST   /admin/card-faults            a `faults.Fault` -> {id}, 201;  DELETE clears
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
from litestar import Response, delete, get, post
from litestar.handlers import HTTPRouteHandler

from tongbao.channels.card_wire import BindingReport, CardReport, Token, Unbound
from tongbao.channels.cards import CardBinding, CardDebit, CardRefund
from tongbao.channels.simulated.books import Malformed, ReferenceConflict
from tongbao.channels.simulated.card_books import CardBooks
from tongbao.channels.simulated.card_rules import Card, belongs
from tongbao.channels.simulated.door import AnyRequest, Door
from tongbao.channels.simulated.faults import Fault, FaultPlan
from tongbao.channels.simulated.links import LinkConflict, Links
from tongbao.channels.simulated.spoiling import Answer, decoded, spoil, submitting
from tongbao.channels.wire import LinkCode, LinkReport, Problem
from tongbao.kernel.clock import Clock, SystemClock

T = TypeVar("T")

CARD_TEXT: Final = (
    "【银行卡】验证码 {code}，用于绑定您的银行卡，5 分钟内有效，请勿告诉他人。Your code to bind your card, good for 5 minutes."
)
_MOST_REMEMBERED = 10_000


class CardState(msgspec.Struct, frozen=True):
    """A card, and what it has left."""

    card: Card
    available_minor: int


class Network(Door):
    """One card network at work: its books and their thread, its faults, and its half of the signatures."""

    def __init__(self, books: CardBooks, plan: FaultPlan, *, key: str, clock: Clock | None = None) -> None:
        super().__init__(key, clock or SystemClock())
        self.plan = plan
        self.codes = Links(CARD_TEXT)
        self._asked: OrderedDict[UUID, CardBinding] = OrderedDict()
        self._books = books
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="cards")

    async def books(self, work: Callable[[CardBooks], T]) -> T:
        """Do `work` on the books, one after another, away from the event loop (each commit waits for the disk)."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._books)

    async def start(self, binding: CardBinding) -> BindingReport:
        """Is it theirs? If so a code goes out. Raises `LinkConflict`."""
        now = self.now()
        agrees = belongs(binding, await self.books(lambda books: books.card(binding.number)), now)
        said = self.codes.start(str(binding.reference), binding, binding.phone, agrees, now)
        if said.status == "CODE_SENT":  # without what is printed on the card: it was compared, and is not kept
            self._asked[binding.reference] = msgspec.structs.replace(binding, expiry="", cvn2="")
            if len(self._asked) > _MOST_REMEMBERED:
                self._asked.popitem(last=False)
        return await self._report(binding.reference, said)

    async def confirm(self, reference: UUID, code: str) -> BindingReport:
        """The code as the holder typed it; with the right one the card is bound."""
        return await self._report(reference, self.codes.confirm(str(reference), code, self.now()))

    async def binding(self, reference: UUID) -> BindingReport:
        """What became of it."""
        return await self._report(reference, self.codes.report(str(reference), self.now()))

    async def _report(self, reference: UUID, said: LinkReport) -> BindingReport:
        # What ended well is in the books, and outlives the program.
        bound = await self.books(lambda books: books.bound(reference))
        if bound is not None:
            return bound
        asked = self._asked.get(reference)
        if said.status == "LINKED":
            if asked is None:
                return BindingReport(reference, "ENDED")
            return await self.books(lambda books: books.give_token(asked))
        return BindingReport(reference, said.status)

    def now(self) -> datetime:
        """The network's time, in UTC."""
        return self._clock.now()

    def close(self) -> None:
        """Let the work in hand finish, then close the books; what has not arrived yet never will."""
        self.forget_late()
        self._thread.shutdown(wait=True)
        self._books.close()


def card_routes(network: Network) -> list[HTTPRouteHandler]:
    """The routes of one card network."""

    async def binding(request: AnyRequest, reference: UUID | None, work: Callable[[], Any]) -> Answer:
        if reference is None:
            return network.answer(request, 400, Problem("malformed"))
        fault = network.plan.next("link", str(reference))
        if fault and fault.kind in ("timeout_before", "server_error_before"):
            return await spoil(network, request, fault, None)
        try:
            return await spoil(network, request, fault, network.answer(request, 200, await work()))
        except LinkConflict:
            return network.answer(request, 409, Problem("reference_conflict"))

    @post("/v1/cards/bindings", status_code=200)
    async def start_binding(request: AnyRequest) -> Answer:
        wanted = decoded(await network.authenticate(request), CardBinding)
        return await binding(request, wanted.reference if wanted else None, lambda: wanted and network.start(wanted))

    @post("/v1/cards/bindings/{reference:uuid}/confirm", status_code=200)
    async def confirm_binding(request: AnyRequest, reference: UUID) -> Answer:
        given = decoded(await network.authenticate(request), LinkCode)
        return await binding(request, reference if given else None, lambda: given and network.confirm(reference, given.code))

    @get("/v1/cards/bindings/{reference:uuid}")
    async def inquire_binding(request: AnyRequest, reference: UUID) -> Answer:
        await network.authenticate(request)
        return await binding(request, reference, lambda: network.binding(reference))

    @post("/v1/cards/unbind", status_code=200)
    async def unbind(request: AnyRequest) -> Answer:
        given = decoded(await network.authenticate(request), Token)
        if given is None:
            return network.answer(request, 400, Problem("malformed"))
        fault = network.plan.next("link", given.token)
        if fault and fault.kind in ("timeout_before", "server_error_before"):
            return await spoil(network, request, fault, None)
        await network.books(lambda books: books.end_token(given.token))
        return await spoil(network, request, fault, network.answer(request, 200, Unbound()))

    async def submit(request: AnyRequest, wanted: CardDebit | CardRefund | None) -> Answer:
        if wanted is None:
            return network.answer(request, 400, Problem("malformed"))
        fault = network.plan.next("submit", str(wanted.reference), None, wanted.amount_minor)
        body = wanted

        async def deliver(**how: Any) -> CardReport:
            return await network.books(lambda books: books.submit(body, **how))

        try:
            return await submitting(network, request, fault, deliver)
        except ReferenceConflict:
            return network.answer(request, 409, Problem("reference_conflict"))
        except Malformed:
            return network.answer(request, 400, Problem("malformed"))

    @post("/v1/cards/debits", status_code=200)
    async def debit(request: AnyRequest) -> Answer:
        return await submit(request, decoded(await network.authenticate(request), CardDebit))

    @post("/v1/cards/refunds", status_code=200)
    async def refund(request: AnyRequest) -> Answer:
        return await submit(request, decoded(await network.authenticate(request), CardRefund))

    @get("/v1/cards/operations/{reference:uuid}")
    async def inquire(request: AnyRequest, reference: UUID) -> Answer:
        await network.authenticate(request)
        known = await network.books(lambda books: books.operation(reference))
        fault = network.plan.next("inquire", str(reference), None, known.amount_minor if known else None)
        answer = network.answer(request, 200, known) if known else network.answer(request, 404, Problem("no_such_operation"))
        return await spoil(network, request, fault, answer)

    @post("/admin/cards")
    async def open_card(request: AnyRequest) -> Response[Any]:
        network.only_with_key(request)
        card = decoded(await request.body(), Card)
        if card is None or len(card.expiry) != 4 or not card.expiry.isdigit() or card.available_minor < 0:
            return Response(Problem("malformed"), status_code=400)
        try:
            await network.books(lambda books: books.open_card(card))
        except Malformed:
            return Response(Problem("malformed"), status_code=400)
        return Response(card, status_code=201)

    @get("/admin/cards/{number:str}")
    async def show_card(request: AnyRequest, number: str) -> Response[Any]:
        network.only_with_key(request)
        card = await network.books(lambda books: books.card(number))
        if card is None:
            return Response(Problem("no_such_card"), status_code=404)
        return Response(CardState(card, await network.books(lambda books: books.available_minor(number))))

    @post("/admin/cards/{number:str}/{act:str}", status_code=200)
    async def set_card(request: AnyRequest, number: str, act: str) -> Response[Any]:
        network.only_with_key(request)
        if act not in ("close", "reopen"):
            return Response(Problem("malformed"), status_code=400)
        changed = await network.books(lambda books: books.set_card_open(number, act == "reopen"))
        return Response(changed or Problem("no_such_card"), status_code=200 if changed else 404)

    @post("/admin/card-faults")
    async def add_fault(request: AnyRequest) -> Response[Any]:
        network.only_with_key(request)
        fault = decoded(await request.body(), Fault)
        if fault is None:
            return Response(Problem("malformed"), status_code=400)
        return Response({"id": network.plan.add(fault)}, status_code=201)

    @delete("/admin/card-faults")
    async def clear_faults(request: AnyRequest) -> None:
        network.only_with_key(request)
        network.plan.clear()

    return [
        start_binding, confirm_binding, inquire_binding, unbind, debit, refund, inquire, open_card, show_card, set_card,
        add_fault, clear_faults,
    ]  # fmt: skip
