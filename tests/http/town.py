"""A small town over the running product: people, shops, operators, and what tests need to look behind the counter."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, TypeVar, overload
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec

from tests.support.ageing import age
from tongbao.app.answers import ErrorAnswer, ErrorBody
from tongbao.app.asgi import open_services
from tongbao.app.stack import Stack
from tongbao.channels.api import DEMO_CARDS, Card
from tongbao.channels.simulated.people import DEMO_PEOPLE
from tongbao.engine.api import Sealer
from tongbao.identity.binding import BoundSession
from tongbao.identity.http import SessionAnswer
from tongbao.kernel.ids import named_id
from tongbao.merchants.http import StaffSessionAnswer
from tongbao.methods.qr.api import CodeSigner
from tongbao.methods.qr.tlv import CRC_FIELD, CRC_HEAD, checksum
from tongbao.security.keys import Keys

T = TypeVar("T")

PASSWORD = "correct horse battery"
PIN = "135790"
WRONG_PIN = "135791"

#: Tables of rights and of what people are known by: a row of them that changes has another seal.
_RIGHTS = (
    "device", "passkey", "certificate", "instrument", "totp",
    "guardianship", "delayed_transfer", "bank_account", "real_name", "review",
    "consent_state", "store", "api_key", "merchant_entity", "agreement", "debit", "small_payments",
)  # fmt: skip
_SEALS = "select md5(string_agg(encode(seal, 'hex'), ',' order by seal)) from {}"

_NAME = re.compile(r"\$([a-z_]+)")


def key() -> str:
    """A fresh idempotency key, as a client makes one for each attempt of its user."""
    return uuid4().hex


class Person:
    """Somebody with a session: `await ann.post("/v1/wallet/transfers", {...})`."""

    def __init__(self, client: httpx.AsyncClient, session: BoundSession, **facts: str) -> None:
        self.client = client
        self.session = session
        self.facts = facts

    @property
    def token(self) -> str:
        assert self.session.token is not None
        return self.session.token

    def __getattr__(self, name: str) -> str:
        try:
            return self.facts[name]
        except KeyError:
            raise AttributeError(name) from None

    async def get(self, path: str, **query: str | int) -> httpx.Response:
        return await self.client.get(path, params=query or None, auth=self.session)

    async def delete(self, path: str) -> httpx.Response:
        return await self.client.delete(path, auth=self.session)

    async def post(self, path: str, body: Any = None, *, key: str | None = None) -> httpx.Response:
        headers = {"idempotency-key": key or uuid4().hex}
        return await self.client.post(path, json=body if body is not None else {}, headers=headers, auth=self.session)

    async def put(self, path: str, body: Any = None, *, key: str | None = None) -> httpx.Response:
        headers = {"idempotency-key": key or uuid4().hex}
        return await self.client.put(path, json=body if body is not None else {}, headers=headers, auth=self.session)

    def elsewhere(self, client: httpx.AsyncClient) -> Person:
        """The same person asking another process."""
        return Person(client, self.session, **self.facts)


class Town:
    """The running product with one server process on each of two ports, and everybody in it.

    ann    a customer with a PIN, a bank account and 1,000.00; ben another with his own; cat has neither PIN nor money
    shop   a merchant with a store; mart another
    admin, finance, support   operators; boss, another admin, approves what takes two
    names  what `$name` stands for in a table of requests
    """

    def __init__(self, stack: Stack, here: httpx.AsyncClient, there: httpx.AsyncClient, books: asyncpg.Connection) -> None:
        self.stack = stack
        self.here = here
        self.there = there
        self.books = books
        self.keys = Keys.open(stack.settings.data_dir / "keys.json")
        self.signer = CodeSigner.from_seed(self.keys.code, "k1")
        self.names: dict[str, str] = {}
        self.ann: Person
        self.ben: Person
        self.cat: Person
        self.shop: Person
        self.mart: Person
        self.admin: Person
        self.finance: Person
        self.support: Person
        self.boss: Person
        self._numbers = iter(range(10_000))

    async def settle(self) -> None:
        """Bring everybody to town."""
        async with open_services(self.stack.settings, self.stack.dsn) as services:
            for name, role in (("admin", "admin"), ("finance", "finance"), ("support", "support"), ("boss", "admin")):
                command_id = named_id("operator", name)
                await services.identity.register(command_id, "console", f"{name}@tongbao.test", PASSWORD, name, "en", roles=role)
        self.admin, self.finance, self.support = [await self._operator(role) for role in ("admin", "finance", "support")]
        self.boss = await self._operator("boss")
        self.shop, self.mart = await self.merchant("山前咖啡"), await self.merchant("Mart")
        self.ann = await self.customer("张小明", bank=0, funds="1000.00")
        self.ben = await self.customer("李雨桐", bank=1, funds="100.00")
        await self.bound(self.ann, DEMO_CARDS[0])
        self.cat = await self.customer("Cat", pin=False)

    async def agreed(self, kind: str, body: dict[str, Any], who: Person | None = None) -> dict[str, Any]:
        """What came of an act that two operators agreed on: the proposal as it ended."""
        wish = {"kind": kind, "body": body, "reason": "as the test asks"}
        proposed = ok(await (who or self.finance).post("/v1/console/proposals", wish), status=201)
        return ok(await self.boss.post(f"/v1/console/proposals/{proposed['proposal_id']}/approve"))

    async def _operator(self, role: str) -> Person:
        answer = await self.here.post("/v1/console/login", json={"login": f"{role}@tongbao.test", "password": PASSWORD})
        return Person(self.here, session_of(answer))

    async def operator(self, role: str) -> Person:
        """An operator of one role, who is nobody else's."""
        login = f"{uuid4().hex}@tongbao.test"
        async with open_services(self.stack.settings, self.stack.dsn) as services:
            await services.identity.register(uuid4(), "console", login, PASSWORD, role, "en", roles=role)
        answer = await self.here.post("/v1/console/login", json={"login": login, "password": PASSWORD})
        return Person(self.here, session_of(answer))

    def login(self) -> str:
        """A phone number that nobody has yet."""
        return f"137{next(self._numbers):08d}"

    async def customer(self, name: str, *, pin: bool = True, bank: int | None = None, funds: str = "") -> Person:
        """Register; set a PIN; be known as the holder of the bank's `bank`-th account and link it; top up."""
        login = self.login()
        body = {"login": login, "password": PASSWORD, "name": name, "device_name": "first"}
        answer = await self.here.post("/v1/wallet/register", json=body, headers={"idempotency-key": key()})
        session = ok(answer, SessionAnswer, 201)
        person = Person(
            self.here, session_of(answer), login=login, customer_id=session.customer.customer_id, session_id=session.session_id
        )
        if pin:
            assert (await person.post("/v1/wallet/pin", {"pin": PIN, "password": PASSWORD})).status_code == 204
        if bank is not None:
            await self.known(person, bank)
            person.facts["bank_account_id"] = (await self.linked(person, bank))["bank_account_id"]
        if funds:
            body = {"bank_account_id": person.bank_account_id, "amount": funds, "currency": "CNY", "pin": PIN}
            transfer = ok(await person.post("/v1/wallet/topups", body), status=201)
            assert transfer["state"] == "SUCCEEDED"
            person.facts["bank_transfer_id"] = transfer["bank_transfer_id"]
        return person

    async def known(self, person: Person, bank: int) -> None:
        """Their real name to the first level: that of the holder of the bank's `bank`-th account."""
        papers = DEMO_PEOPLE[bank]
        wish = {"document": msgspec.to_builtins(papers.claim()), "wanted_level": 1}
        assert ok(await person.post("/v1/wallet/real-name", wish))["level"] == 1

    async def linked(self, person: Person, bank: int) -> dict[str, Any]:
        """Link the bank's `bank`-th account, whose holder they are known to be, by the code that the bank sends."""
        papers = DEMO_PEOPLE[bank]
        wish = {"bank": "simbank", "account_number": papers.card, "phone": papers.phone, "pin": PIN}
        asked = ok(await person.post("/v1/wallet/bank-accounts", wish), status=201)
        assert asked["state"] == "SENT", asked
        code = {"code": await self.stack.back_office.code_sent(papers.phone)}
        done = ok(await person.post(f"/v1/wallet/bank-links/{asked['link_id']}/confirm", code))
        assert done["state"] == "LINKED", done
        person.facts["bank_link_id"] = done["link_id"]
        account: dict[str, Any] = done["bank_account"]
        return account

    async def bound(self, person: Person, card: Card) -> dict[str, Any]:
        """Bind a card, whose holder they are known to be, by the code that its issuer sends."""
        wish = {"number": card.number, "phone": f"+86{card.phone}", "expiry": card.expiry, "cvn2": card.cvn2, "pin": PIN}
        asked = ok(await person.post("/v1/wallet/cards", wish), status=201)
        assert asked["state"] == "SENT", asked
        code = {"code": await self.stack.back_office.code_sent(f"+86{card.phone}")}
        done = ok(await person.post(f"/v1/wallet/card-bindings/{asked['binding_id']}/confirm", code))
        assert done["state"] == "BOUND", done
        person.facts["card_binding_id"], person.facts["card_id"] = done["binding_id"], done["card"]["card_id"]
        bound: dict[str, Any] = done["card"]
        return bound

    async def gift(self, person: Person, amount: str) -> None:
        """Money from ann's bank account through ann's wallet."""
        body = {"bank_account_id": self.ann.bank_account_id, "amount": amount, "currency": "CNY", "pin": PIN}
        assert ok(await self.ann.post("/v1/wallet/topups", body), status=201)["state"] == "SUCCEEDED"
        ok(
            await self.ann.post(
                "/v1/wallet/transfers", {"payee_id": person.customer_id, "amount": amount, "currency": "CNY", "pin": PIN}
            ),
            status=201,
        )

    async def merchant(self, name: str, fee_ppm: int = 6000) -> Person:
        """Take a merchant on and log its owner in."""
        login = self.login()
        body = {
            "name": name, "mcc": "5814", "city": "杭州", "fee_ppm": fee_ppm, "stores": [{"name": "湖滨店", "city": "杭州"}],
            "owner": {"login": login, "name": "王掌柜", "password": PASSWORD},
        }  # fmt: skip
        ok(await self.admin.post("/v1/console/merchants", body), status=201)
        answer = await self.here.post("/v1/merchant/login", json={"login": login, "password": PASSWORD})
        session = ok(answer, StaffSessionAnswer)
        staff = session.staff
        return Person(
            self.here, session_of(answer), login=login, merchant_id=staff.merchant.merchant_id, store_id=staff.stores[0].store_id
        )

    async def order(self, merchant: Person, amount: str = "12.50", **more: Any) -> dict[str, Any]:
        """An unpaid order."""
        body = {"amount": amount, "currency": "CNY", "subject": "拿铁 · Latte", **more}
        return ok(await merchant.post("/v1/merchant/orders", body), status=201)

    async def pay(self, payer: Person, order: Mapping[str, Any]) -> dict[str, Any]:
        """Confirm an order as the payer sees it."""
        body = {"amount": order["amount"], "currency": order["currency"], "pin": PIN}
        return ok(await payer.post(f"/v1/wallet/payments/{order['payment_id']}/confirm", body))

    async def expire(self, payment_id: str) -> None:
        """Turn an order's clock on."""
        await age(self.stack.dsn, Sealer(self.keys.seal), UUID(payment_id))

    async def moved(self) -> tuple[Any, ...]:
        """What only changes when money, orders or rights do: every balance, how many rows there are of what matters, the seals of
        rights."""
        return tuple(
            await self.books.fetchrow(
                """
                select (select count(*) from journal), (select count(*) from entry), (select count(*) from hold),
                       (select count(*) from refund), (select count(*) from bill), (select count(*) from bank_transfer),
                       (select count(*) from bank_account), (select count(*) from principal), (select count(*) from merchant),
                       (select count(*) from session where ended_at is null), (select count(*) from payment),
                       (select md5(string_agg(account_id || ':' || posted_minor || ':' || held_minor, ',' order by account_id))
                        from account),
                       (select md5(string_agg(payment_id || ':' || coalesce(payer_id::text, '') || ':' || refunded_minor, ','
                                              order by payment_id)) from payment)
                """
            )
        ) + tuple([await self.books.fetchval(_SEALS.format(table)) for table in _RIGHTS])

    def filled(self, value: Any) -> Any:
        """`value` with every `$name` in its texts replaced."""
        if isinstance(value, str):
            return _NAME.sub(lambda found: self.names.get(found[1], found[0]), value)
        if isinstance(value, Mapping):
            return {name: self.filled(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.filled(each) for each in value]
        return value


def session_of(answer: httpx.Response) -> BoundSession:
    """The session that a log-in or a registration answered."""
    assert answer.status_code in (200, 201), answer.text
    opened = answer.json()
    return BoundSession(opened["token"], opened["binding"])


@overload
def ok(answer: httpx.Response, *, status: int = 200) -> dict[str, Any]: ...
@overload
def ok(answer: httpx.Response, kind: type[T], status: int = 200) -> T: ...
def ok(answer: httpx.Response, kind: type[Any] = dict, status: int = 200) -> Any:
    """The answer, decoded as `kind`, if its status is the expected one."""
    assert answer.status_code == status, f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}"
    assert answer.headers["content-type"].startswith("application/json")
    return msgspec.json.decode(answer.content, type=kind)


def refused(answer: httpx.Response, status: int, code: str) -> ErrorBody:
    """The error, if it is the expected one and is told as every error must be."""
    said = f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:600]}"
    assert answer.headers.get("content-type", "").startswith("application/json"), said
    error = msgspec.json.decode(answer.content, type=ErrorAnswer).error
    assert (answer.status_code, error.code) == (status, code), said
    assert set(error.messages) == {"zh", "en"} and all(error.messages.values()), said
    assert error.message in error.messages.values(), said
    assert "{" not in error.messages["zh"] + error.messages["en"], said
    assert error.family in ("decline", "refusal"), said
    assert error.money_moved is False, said
    assert error.request_id, said
    return error


def resealed(code: str, old: str, new: str) -> str:
    """An EMVCo code with one text replaced by another of the same length and its checksum put right, as a forger would."""
    assert old in code and len(old) == len(new)
    body = code[:-CRC_FIELD].replace(old, new, 1) + CRC_HEAD
    return body + checksum(body)


async def until(look: Any, seconds: float = 5.0) -> None:
    """Wait until `await look()` is true. Fails when that takes longer than `seconds`."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await look():
        assert asyncio.get_running_loop().time() < deadline, f"not within {seconds} s"
        await asyncio.sleep(0.02)
