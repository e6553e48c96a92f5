"""The simulated bank's routes. Under /v1 every request is signed and every answer is (see `channels.signing`); /admin takes the
same key as a bearer token, and is how tests and the sandbox open accounts and order faults.

    POST   /v1/transfers                 debit or credit, idempotent by reference; 409 for another body
    GET    /v1/transfers/{reference}     what became of it; 404 when never heard of
    POST   /v1/links                     is this account that person's? sends its holder a code; idempotent by reference
    POST   /v1/links/{reference}/confirm the code;  GET /v1/links/{reference}  what became of it
    GET    /v1/accounts/{number}         the account, with its balance
    GET    /v1/reserve?currency=CNY      our reserve account
    GET    /v1/statement?date=YYYY-MM-DD our reserve account's movements on a UTC day, one JSON object a line
    GET    /health
    POST   /admin/accounts               {holder_name, phone, balance_minor, currency?, document_number?} -> the account, 201
    GET    /admin/outbox?to=…            the codes that were sent to phones, the latest first
    POST   /admin/accounts/{number}/close, /admin/accounts/{number}/reopen
    POST   /admin/faults                 a `faults.Fault` -> {id}, 201;  GET lists what is left, DELETE clears
    GET    /admin/audit                  {"problems": []} as long as the books add up

The card network's routes, under /v1/cards and /admin/cards, are in `card_http`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from typing import Any, TypeVar

import msgspec
from litestar import Litestar, Response, delete, get, post

from tongbao.channels.simulated.books import Books, Malformed, ReferenceConflict
from tongbao.channels.simulated.card_http import Network, card_routes
from tongbao.channels.simulated.door import AnyRequest, Door
from tongbao.channels.simulated.faults import Fault, FaultPlan
from tongbao.channels.simulated.links import LinkConflict, Links, ShortMessage, belongs
from tongbao.channels.simulated.spoiling import Answer, decoded, linking, spoil, submitting
from tongbao.channels.types import BankRequest, LinkRequest
from tongbao.channels.wire import LinkCode, Problem, ReserveReport
from tongbao.kernel.clock import Clock, SystemClock
from tongbao.kernel.money import CURRENCIES, MAX_AMOUNT_MINOR

T = TypeVar("T")


class NewAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    holder_name: str
    phone: str
    balance_minor: int = 0
    currency: str = "CNY"
    document_number: str = ""


class Bank(Door):
    """One bank at work: its books and their thread, its faults, and its half of the signatures."""

    def __init__(self, books: Books, plan: FaultPlan, *, key: str, clock: Clock | None = None) -> None:
        super().__init__(key, clock or SystemClock())
        self.plan = plan
        self.links = Links()
        self._books = books
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="books")

    async def books(self, work: Callable[[Books], T]) -> T:
        """Do `work` on the books, one after another, away from the event loop (each commit waits for the disk)."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._books)

    def now(self) -> datetime:
        """The bank's time, in UTC."""
        return self._clock.now()

    def close(self) -> None:
        """Let the work in hand finish, then close the books; what has not arrived yet never will."""
        self.forget_late()
        self._thread.shutdown(wait=True)
        self._books.close()


def create_app(bank: Bank, network: Network) -> Litestar:
    """The ASGI application of one bank and one card network. Closing the application closes the books."""
    only_with_key = bank.only_with_key

    @post("/v1/transfers", status_code=200)
    async def submit(request: AnyRequest) -> Answer:
        body = await bank.authenticate(request)
        try:
            wanted = msgspec.json.decode(body, type=BankRequest)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return bank.answer(request, 400, Problem("malformed"))
        fault = bank.plan.next("submit", wanted.reference, wanted.account_number, wanted.amount_minor)
        try:
            return await submitting(bank, request, fault, lambda **how: bank.books(lambda books: books.submit(wanted, **how)))
        except ReferenceConflict:
            return bank.answer(request, 409, Problem("reference_conflict"))
        except Malformed:
            return bank.answer(request, 400, Problem("malformed"))

    @get("/v1/transfers/{reference:str}")
    async def inquire(request: AnyRequest, reference: str) -> Answer:
        await bank.authenticate(request)
        known = await bank.books(lambda books: books.transfer(reference))
        facts = (known.account_number, known.amount_minor) if known else (None, None)
        fault = bank.plan.next("inquire", reference, *facts)
        answer = bank.answer(request, 200, known) if known else bank.answer(request, 404, Problem("no_such_transfer"))
        return await spoil(bank, request, fault, answer)

    @post("/v1/links", status_code=200)
    async def start_link(request: AnyRequest) -> Answer:
        wanted = decoded(await bank.authenticate(request), LinkRequest)
        if wanted is None:
            return bank.answer(request, 400, Problem("malformed"))
        account = await bank.books(lambda books: books.account(wanted.account_number))
        try:
            reference, agrees = wanted.reference, belongs(wanted, account)
            start = lambda: bank.links.start(reference, wanted, wanted.phone, agrees, bank.now())  # noqa: E731
            return await linking(bank, request, bank.plan, reference, start, wanted.account_number)
        except LinkConflict:
            return bank.answer(request, 409, Problem("reference_conflict"))

    @post("/v1/links/{reference:str}/confirm", status_code=200)
    async def confirm_link(request: AnyRequest, reference: str) -> Answer:
        given = decoded(await bank.authenticate(request), LinkCode)
        if given is None:
            return bank.answer(request, 400, Problem("malformed"))
        return await linking(bank, request, bank.plan, reference, lambda: bank.links.confirm(reference, given.code, bank.now()))

    @get("/v1/links/{reference:str}")
    async def inquire_link(request: AnyRequest, reference: str) -> Answer:
        await bank.authenticate(request)
        return await linking(bank, request, bank.plan, reference, lambda: bank.links.report(reference, bank.now()))

    @get("/v1/accounts/{number:str}")
    async def account(request: AnyRequest, number: str) -> Answer:
        await bank.authenticate(request)
        found = await bank.books(lambda books: books.account(number))
        return bank.answer(request, 200, found) if found else bank.answer(request, 404, Problem("no_such_account"))

    @get("/v1/reserve")
    async def reserve(request: AnyRequest) -> Answer:
        await bank.authenticate(request)
        currency = request.query_params.get("currency", "")
        if currency not in CURRENCIES:
            return bank.answer(request, 400, Problem("malformed"))
        balance = await bank.books(lambda books: books.reserve_minor(currency))
        return bank.answer(request, 200, ReserveReport(currency, balance))

    @get("/v1/statement")
    async def statement(request: AnyRequest) -> Answer:
        await bank.authenticate(request)
        try:
            day = date.fromisoformat(request.query_params.get("date", ""))
            lines = await bank.books(lambda books: books.statement(day))
        except (ValueError, OverflowError):
            return bank.answer(request, 400, Problem("malformed"))
        return bank.answer(request, 200, msgspec.json.Encoder().encode_lines(lines))

    @get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @post("/admin/accounts")
    async def open_account(request: AnyRequest) -> Response[Any]:
        only_with_key(request)
        wanted = decoded(await request.body(), NewAccount)
        if wanted is None or not wanted.holder_name.strip() or wanted.currency not in CURRENCIES:
            return Response(Problem("malformed"), status_code=400)
        if not 0 <= wanted.balance_minor <= MAX_AMOUNT_MINOR:
            return Response(Problem("malformed"), status_code=400)
        values = (wanted.holder_name, wanted.phone, wanted.balance_minor, wanted.currency, wanted.document_number)
        return Response(await bank.books(lambda books: books.open_account(*values)), status_code=201)

    @post("/admin/accounts/{number:str}/{act:str}", status_code=200)
    async def set_account(request: AnyRequest, number: str, act: str) -> Response[Any]:
        only_with_key(request)
        if act not in ("close", "reopen"):
            return Response(Problem("malformed"), status_code=400)
        changed = await bank.books(lambda books: books.set_account_open(number, act == "reopen"))
        return Response(changed or Problem("no_such_account"), status_code=200 if changed else 404)

    @get("/admin/outbox")
    async def outbox(request: AnyRequest, to: str = "") -> list[ShortMessage]:
        only_with_key(request)
        return sorted(bank.links.sent(to) + network.codes.sent(to), key=lambda message: message.at, reverse=True)

    @post("/admin/faults")
    async def add_fault(request: AnyRequest) -> Response[Any]:
        only_with_key(request)
        fault = decoded(await request.body(), Fault)
        if fault is None:
            return Response(Problem("malformed"), status_code=400)
        return Response({"id": bank.plan.add(fault)}, status_code=201)

    @get("/admin/faults")
    async def list_faults(request: AnyRequest) -> Response[Any]:
        only_with_key(request)
        planned = bank.plan.planned().items()
        return Response([{"id": number} | msgspec.to_builtins(fault) for number, fault in planned])

    @delete("/admin/faults")
    async def clear_faults(request: AnyRequest) -> None:
        only_with_key(request)
        bank.plan.clear()

    @get("/admin/audit")
    async def audit(request: AnyRequest) -> dict[str, list[str]]:
        only_with_key(request)
        return {"problems": await bank.books(lambda books: books.audit()) + await network.books(lambda books: books.audit())}

    async def close() -> None:
        bank.close()
        network.close()

    return Litestar(
        route_handlers=[
            submit, inquire, start_link, confirm_link, inquire_link, account, reserve, statement, health,
            open_account, outbox, set_account, add_fault, list_faults, clear_faults, audit, *card_routes(network),
        ],
        on_shutdown=[close],
        request_max_body_size=64 * 1024,
        openapi_config=None,
        logging_config=None,
    )  # fmt: skip
