"""Clients that do many things at once, keep a record of what they saw, and ask again about what they did not hear.

Whether a refused operation may have happened is believed as the answer's `money_moved` says it: false means never, null means
that nobody knows yet. Believing it is the test of it.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from itertools import count
from typing import Any, NamedTuple

import httpx

from tests.http.town import PIN, Person
from tests.linearizability.history import Answer, Call, Operation
from tests.linearizability.model import OK, Balance, Look, Order, Pay, Refund, Transfer

#: So many of a client's operations may be in doubt at once: each of them doubles what the checker has to consider.
_MOST_IN_DOUBT = 2
#: What a client with little patience waits: some of its answers come in time, some do not.
_IMPATIENT_S = (0.002, 0.05)
_PATIENT_S = 20.0

Send = Callable[[int, str], Awaitable[httpx.Response]]


class Broken(AssertionError):
    """An answer that no operation may have, whatever came before."""


class Silence(Exception):
    """No answer, or one that says that nobody knows yet."""


class NeverHappened(Exception):
    """The answer says that nothing was done, and that it may be tried again."""


class Record:
    """The history as it grows."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        #: What the histories were full of, so that a test can see that it tested something.
        self.silences = self.repeats = 0
        self.refusals: Counter[str] = Counter()
        self._moments = count(1)

    def moment(self) -> int:
        return next(self._moments)

    def add(self, client: str, call: Call, called: int, answer: Answer | None) -> None:
        returned = None if answer is None else self.moment()
        self.operations.append(Operation(client, call, called, returned, answer))


class Quarter(NamedTuple):
    """People, a shop and its orders who have to do with each other and with nobody else. Each has a session at every server."""

    people: Mapping[str, Person]
    shops: Mapping[str, Person]
    orders: Sequence[Order]
    payment_ids: Mapping[str, str]

    def everybody(self) -> list[str]:
        return [*self.people, *self.shops]


class _Doubt(NamedTuple):
    call: Call
    called: int
    key: str
    send: Send


class Client:
    """Does `steps` random things, one after another, at whichever server comes to hand."""

    def __init__(self, name: str, quarter: Quarter, servers: Sequence[httpx.AsyncClient], record: Record, seed: str) -> None:
        self._name = name
        self._quarter = quarter
        self._servers = servers
        self._record = record
        self._random = random.Random(seed)
        self._doubts: list[_Doubt] = []

    async def run(self, steps: int, pause_s: float) -> None:
        for _ in range(steps):
            await asyncio.sleep(self._random.expovariate(1 / pause_s))
            if self._doubts and (len(self._doubts) >= _MOST_IN_DOUBT or self._random.random() < 0.4):
                await self._ask_again(self._doubts.pop(0))
            else:
                await self._do_something()

    async def settle(self) -> None:
        """Ask about everything that is still in doubt, until it is known; one in eight stays unknown for ever."""
        while self._doubts:
            doubt = self._doubts.pop(0)
            if self._random.random() < 1 / 8:
                self._record.add(self._name, doubt.call, doubt.called, None)
            else:
                await self._ask_again(doubt, patient=True)

    # ── what clients do ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def _do_something(self) -> None:
        chance, quarter = self._random, self._quarter
        order = chance.choice(quarter.orders)
        what = chance.choices(("transfer", "pay", "refund", "balance", "statement", "look"), (30, 15, 12, 20, 12, 11))[0]
        if what == "transfer":
            payer, payee = chance.sample(list(quarter.people), 2)
            await self._write(Transfer(payer, payee, chance.choice((1, 7, 50, 300, 900, 1500))))
        elif what == "pay":
            await self._write(Pay(order, chance.choice(list(quarter.people))))
        elif what == "refund":
            await self._write(Refund(order, chance.randrange(1, order.minor + 1), tuple(quarter.people)))
        elif what == "balance":
            await self._read(Balance(chance.choice(quarter.everybody())))
        elif what == "statement":
            await self._read(Balance(chance.choice(list(quarter.people)), "statement"))
        else:
            await self._read(Look(order))

    async def _read(self, call: Balance | Look) -> None:
        called = self._record.moment()
        try:
            answer = await self._ask(lambda server, key: self._looking(call, server), "", self._patience())
        except (Silence, NeverHappened):
            return  # a read without an answer says nothing
        self._record.add(self._name, call, called, read_answer(call, answer))

    async def _write(self, call: Transfer | Pay | Refund) -> None:
        key = f"{self._random.getrandbits(128):032x}"
        called = self._record.moment()
        send: Send = lambda server, key: self._acting(call, key, server)  # noqa: E731
        try:
            answer = await self._ask(send, key, self._patience())
        except Silence:
            self._doubts.append(_Doubt(call, called, key, send))
        except NeverHappened:
            pass  # believed, and left out: if it happened all the same, what comes after cannot be explained
        else:
            self._record.add(self._name, call, called, write_answer(call, answer))
            if self._random.random() < 0.1:
                await self._repeat(call, key, send, write_answer(call, answer))

    async def _ask_again(self, doubt: _Doubt, patient: bool = False) -> None:
        """The first answer ends the doubt. A refusal does not: what was sent before may be on its way still."""
        attempts = 0
        while True:
            attempts += 1
            self._record.repeats += 1
            try:
                answer = await self._ask(doubt.send, doubt.key, _PATIENT_S if patient else self._patience())
            except (Silence, NeverHappened):
                if not patient:
                    self._doubts.append(doubt)
                    return
                if attempts > 60:
                    raise Broken(f"{doubt.call}: no answer after {attempts} repeats") from None
                await asyncio.sleep(0.5)
                continue
            self._record.add(self._name, doubt.call, doubt.called, write_answer(doubt.call, answer))
            return

    async def _repeat(self, call: Call, key: str, send: Send, first: Answer) -> None:
        """What was decided is answered again, to the letter. (What a refund is refused before any decision is not recorded.)"""
        if first.code == "order_not_paid":
            return
        try:
            again = write_answer(call, await self._ask(send, key, _PATIENT_S))
        except (Silence, NeverHappened):
            return
        self._record.repeats += 1
        if again != first:
            raise Broken(f"{call} was answered {first}, and, repeated, {again}")

    def _patience(self) -> float:
        return self._random.uniform(*_IMPATIENT_S) if self._random.random() < 0.15 else _PATIENT_S

    # ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _ask(self, send: Send, key: str, patience_s: float) -> httpx.Response:
        """Raises Silence or NeverHappened for anything but a definite answer, Broken for what is none at all."""
        try:
            answer = await asyncio.wait_for(send(self._random.randrange(len(self._servers)), key), patience_s)
        except (TimeoutError, httpx.TransportError):
            self._record.silences += 1
            raise Silence from None
        if answer.status_code < 400:
            return answer
        error = answer.json()["error"]
        if error["family"] == "decline":
            return answer
        if error["money_moved"] is None:
            self._record.silences += 1
            raise Silence
        if error["retryable"] or error["family"] == "broken":
            self._record.refusals[error["code"]] += 1
            raise NeverHappened
        raise Broken(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}")

    async def _acting(self, call: Transfer | Pay | Refund, key: str, server: int) -> httpx.Response:
        quarter, http = self._quarter, self._servers[server]
        match call:
            case Transfer():
                payer, payee = quarter.people[call.payer], quarter.people[call.payee]
                body = {"payee_id": payee.customer_id, "amount": major(call.minor), "currency": "CNY", "pin": PIN}
                return await payer.elsewhere(http).post("/v1/wallet/transfers", body, key=key)
            case Pay():
                payer = quarter.people[call.payer]
                body = {"amount": major(call.order.minor), "currency": "CNY", "pin": PIN}
                path = f"/v1/wallet/payments/{quarter.payment_ids[call.order.number]}/confirm"
                return await payer.elsewhere(http).post(path, body, key=key)
            case Refund():
                shop = quarter.shops[call.order.merchant]
                body = {"amount": major(call.minor), "currency": "CNY"}
                return await shop.elsewhere(http).post(f"/v1/merchant/orders/{call.order.number}/refunds", body, key=key)

    async def _looking(self, call: Balance | Look, server: int) -> httpx.Response:
        quarter, http = self._quarter, self._servers[server]
        match call:
            case Look():
                return await quarter.shops[call.order.merchant].elsewhere(http).get(f"/v1/merchant/orders/{call.order.number}")
            case Balance(account=account) if account in quarter.shops:
                return await quarter.shops[account].elsewhere(http).get("/v1/merchant/balance")
            case Balance(account=account, source="overview"):
                return await quarter.people[account].elsewhere(http).get("/v1/wallet/balance")
            case _:
                return await quarter.people[call.account].elsewhere(http).get("/v1/wallet/bills", limit=100)


def read_answer(call: Balance | Look, answer: httpx.Response) -> Answer:
    """What a read told. A statement's lines are added up from the very first one."""
    if answer.status_code != 200:
        return Answer(answer.json()["error"]["code"])
    told = answer.json()
    if isinstance(call, Look):
        return Answer(told["state"], minor(told["refunded"]))
    if call.source == "overview":
        return Answer(OK, minor(told["balance"]))
    if told["next_cursor"] is not None:
        raise Broken("the statement is longer than a page, so it cannot be read at one moment")
    return Answer(OK, sum(minor(bill["amount"]) * (1 if bill["direction"] == "in" else -1) for bill in told["items"]))


def write_answer(call: Call, answer: httpx.Response) -> Answer:
    """What an act was answered, with the figure that tells the state it met."""
    told: dict[str, Any] = answer.json()
    if answer.status_code < 400:
        return Answer(OK, minor(told["balance_after"]) if isinstance(call, Transfer) else None)
    detail = told["error"]["detail"]
    return Answer(told["error"]["code"], detail.get("available_minor", detail.get("left_minor")))


def minor(text: str) -> int:
    return int(Decimal(text) * 100)


def major(amount_minor: int) -> str:
    return f"{amount_minor // 100}.{amount_minor % 100:02}"
