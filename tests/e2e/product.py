"""The running product as the browser tests use it: they are plain functions, so what waits lives in a thread of its own."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from stdnum import luhn
from stdnum.cn.ric import calc_check_digit

from tests.support.ageing import age
from tongbao.app.asgi import Services, open_services
from tongbao.app.seed import ask_for_eyes, caller, keep_books, known_as, link, verify
from tongbao.app.settings import Settings
from tongbao.app.stack import Stack, free_port, running
from tongbao.channels.api import Card, CardKind, Fault, Match
from tongbao.channels.simulated.people import DEMO_PEOPLE
from tongbao.engine.api import Sealer, accepted
from tongbao.identity.realname.documents import Claim
from tongbao.identity.service import Caller
from tongbao.kernel.clock import SystemClock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import new_id
from tongbao.kernel.money import Money
from tongbao.ledger.api import CUSTOMER_WALLET, MERCHANT_BALANCE, PlaceName
from tongbao.merchants.types import NewStore
from tongbao.methods.api import Encounter
from tongbao.methods.qr.api import Payee, dynamic_code, static_code
from tongbao.payments.agreements_service import Terms, Wish
from tongbao.security.keys import Keys
from tongbao.wallet.card_service import TypedCard
from tongbao.wallet.types import HOLDER, NUMBER, LinkBankAccount

T = TypeVar("T")

PASSWORD = "a few plain words"
#: Whom every simulated registry knows, under any well-formed number.
SANDBOX_NAME = "测试员"
PIN, WRONG_PIN = "135790", "246802"
SHOP, STORE, SECOND_STORE = "烟火面馆 Noodles", "湖滨店", "西溪店"


#: What the shop asks to be allowed.
MEMBERSHIP = Terms(
    purpose="面馆会员月费", scene="membership", debit=Money(3_000, "CNY"), day=Money(6_000, "CNY"), debits_a_day=5,
    debits_a_month=10, period="any", first_debit_on=None, ends_on=None, notice_hours=0, attempts=3, retry_hours=24,
    sign_within_s=86_400,
)  # fmt: skip


class Person(msgspec.Struct, frozen=True):
    """Somebody with an account at the bank and an identity card; `who` once they are a customer."""

    login: str
    name: str
    bank_number: str
    phone: str
    document: str
    who: Caller | None = None


class Order(msgspec.Struct, frozen=True):
    """An order as its code shows it."""

    out_trade_no: str
    text: str


class Product:
    """The stack, its services in this process, and what was made there before a test begins."""

    def __init__(self, loop: asyncio.AbstractEventLoop, stack: Stack, services: Services) -> None:
        self._loop = loop
        self._stack = stack
        self._services = services
        self._clock = SystemClock()
        self._people = 0
        self._orders = 0
        self._cards = 500_000_000
        self.url = stack.url.replace("127.0.0.1", "localhost")  # passkeys are made for a name
        self.operator_login = "operator@example.com"
        self.colleague_login = "colleague@example.com"
        self.owner_login = "13911110001"
        self.colleague_id: UUID
        self.merchant_id: UUID
        self.store_ids: tuple[UUID, ...]

    async def found(self) -> None:
        """The two operators and the shop that every test uses."""
        identity, merchants = self._services.identity, self._services.merchants
        for login, name in ((self.operator_login, "运营 Operator"), (self.colleague_login, "同事 Colleague")):
            self.colleague_id, _ = await identity.register(self._id(), "console", login, PASSWORD, name, "zh", roles="admin")
        owner = await identity.enrolment(self.owner_login, PASSWORD, "王掌柜", "zh", "owner")
        stores = [NewStore(STORE, "杭州"), NewStore(SECOND_STORE, "杭州")]
        opened = await merchants.open(self._id(), SHOP, "5812", "杭州", 6_000, stores, owner)
        self.merchant_id, self.store_ids = opened.merchant_id, tuple(opened.store_ids)

    def stranger(self, name: str, *, email: bool = False) -> Person:
        """Somebody whom only the bank knows, by the document they would give."""
        self._people += 1
        phone = f"137{self._people:08}"
        document, office = _document(self._people), self._stack.back_office
        account = self._run(office.open_account(SANDBOX_NAME, phone, 1_000_000, document_number=document))
        login = f"guest{self._people}@example.com" if email else phone
        return Person(login, name, account.number, phone, document)

    def customer(self, name: str, amount_minor: int = 10_000, *, verified: bool = True) -> Person:
        """Somebody registered, with PIN, bank account and this much in the wallet; of class III, or `verified` by nobody."""
        return self._run(self._customer(self.stranger(name), amount_minor, verified))

    def operator(self, login: str) -> str:
        """One more operator, whom nobody else uses."""
        command_id = self._id()
        self._run(self._services.identity.register(command_id, "console", login, PASSWORD, "第三位 Third", "zh", roles="support"))
        return login

    def order(self, amount_minor: int, subject: str = "牛肉面 · Beef noodles", *, late: bool = False) -> Order:
        """An order of the shop's, good for fifteen minutes, or `late`: its time is over."""
        self._orders += 1
        return self._run(self._order(f"E2E-{self._orders}", amount_minor, subject, late))

    def agreement(self) -> tuple[str, str]:
        """An agreement that the shop asks for: its number, and the link that its code shows."""
        asked = self._run(self._services.agreements.ask(self._id(), self.merchant_id, None, MEMBERSHIP))
        return asked.out_agreement_no, self._services.agreements.link(asked)

    def debit(self, out_agreement_no: str, amount_minor: int, *, notice: bool = False) -> str:
        """The shop takes money under an agreement, or has its payer told that it will: how the debit stands, or why not."""
        agreements, amount = self._services.agreements, Money(amount_minor, "CNY")
        wish = Wish(out_trade_no=None, subject="十一月会员费", amount=amount)
        do = agreements.notice if notice else agreements.debit
        try:
            return self._run(do(self._id(), self.merchant_id, out_agreement_no, wish)).state
        except Refusal as refusal:
            return refusal.code.name

    def store_code(self) -> str:
        """The text of the first store's printed code."""
        return static_code(self._payee(), "CNY", None)

    def pay(self, person: Person, amount_minor: int, *, refund_minor: int) -> None:
        """A payment to the shop, done, and part of it given back."""
        self._run(self._pay(person, Money(amount_minor, "CNY"), Money(refund_minor, "CNY")))

    def till(self, shown: str, amount_minor: int) -> str:
        """The shop's till reads what a payer shows; the order's state."""
        return self._run(self._till(shown, Money(amount_minor, "CNY")))

    def send(self, payer: Person, payee: Person, amount_minor: int, note: str) -> None:
        """A transfer, done."""
        assert payer.who is not None and payee.who is not None
        money = Money(amount_minor, "CNY")
        self._run(self._services.wallet.transfer(self._id(), payer.who, payee.who.principal_id, money, note, PIN))

    def lose_next_answer(self, person: Person) -> None:
        """The bank does what it is next asked for this person, says nothing, and stumbles when first asked about it."""
        number = person.bank_number
        for fault in (
            Fault("lost_answer", match=Match(account_number=number, operation="submit")),
            Fault("server_error_before", match=Match(account_number=number, operation="inquire")),
        ):
            self._run(self._stack.back_office.add_fault(fault))

    def refuse_next_card(self, amount_minor: int) -> None:
        """The card network says no to the next debit of so much: there is not enough on the card."""
        self._run(self._stack.cards_office.add_fault(Fault("refuse", match=Match(amount_minor=amount_minor), code="NSF")))

    def lose_next_card(self, amount_minor: int) -> None:
        """The card network debits so much and says nothing."""
        self._run(
            self._stack.cards_office.add_fault(Fault("lost_answer", match=Match(amount_minor=amount_minor, operation="submit")))
        )

    def busy_books(self) -> None:
        """Held, frozen and restricted money, a closed period and an anchor, so that no page of the console is empty. Once."""
        holder, frozen = self.customer("持有人", 30_000), self.customer("周明远")
        self.pay(holder, 5_000, refund_minor=1_000)
        self._run(self._keep_books(holder, frozen))

    def give_document(self, person: Person, number: int, wanted_level: int = 1) -> None:
        """The customer gives the document of the `number`-th person whom the registries know, and reaches this level."""
        assert person.who is not None
        self._run(verify(self._services, self._stack.messages, person.who, DEMO_PEOPLE[number], wanted_level))

    def card(self, person: Person, kind: CardKind, prefix: str = "621483") -> Card:
        """A card of this person's, at another bank; `prefix` says which."""
        self._cards += 1
        number = f"{prefix}{self._cards:09}"
        number += luhn.calc_check_digit(number)
        card = Card(number, "CMB", kind, SANDBOX_NAME, person.document, person.phone, "1129", "321", 1_000_000)
        self._run(self._stack.cards_office.open_card(card))
        return card

    def bind(self, person: Person, kind: CardKind = "debit", prefix: str = "621483") -> str:
        """A card of this person's, bound to their wallet; its last four digits."""
        card = self.card(person, kind, prefix)
        self._run(self._bind(person, card))
        return card.number[-4:]

    def voucher(self, person: Person, code: str, amount_minor: int) -> None:
        """Restricted money of this person's, to be spent in the shop only."""
        self._run(self._voucher(person, code, amount_minor))

    def bank_code(self, person: Person) -> str:
        """The code that the bank sent last to the phone it knows."""
        return self._run(self._stack.back_office.code_sent(f"+86{person.phone}"))

    def phone_code(self, person: Person) -> str:
        """The code that was sent last to the phone that they gave."""
        return self._run(self._stack.messages.code_sent(f"+86{person.phone}"))

    def code_sent(self, person: Person, after: int = 0) -> str:
        """The one-time code that was sent to this person last, once more than `after` messages with one were."""
        to = person.login if "@" in person.login else f"+86{person.login}"
        return self._run(self._stack.messages.code_sent(to, after, 30))

    def invitation(self, login: str) -> str:
        """The link that was sent to somebody who is taken on at the console, as a path."""
        return self._run(self._invitation(login))

    def freeze(self, person: Person) -> None:
        """An operator freezes the wallet: nothing leaves."""
        self._run(self._freeze(person))

    async def _keep_books(self, holder: Person, frozen: Person) -> None:
        assert holder.who is not None and frozen.who is not None
        operator_id, now = new_id(self._clock.now()), self._clock.now()
        closed = now.astimezone(self._services.wallet.zone).date() - timedelta(days=2)
        people = holder.who.principal_id, frozen.who.principal_id
        await keep_books(self._services, now, operator_id, closed, *people, self.merchant_id)
        await ask_for_eyes(self._services, self.colleague_id, frozen.who.principal_id)
        await self._services.audit.anchor()

    async def _invitation(self, login: str) -> str:
        async with asyncio.timeout(30):
            while True:
                for each in await self._stack.messages.outbox(login):
                    if found := re.search(r"/console/welcome#\S+", each.text):
                        return found[0]
                await asyncio.sleep(0.2)

    async def _freeze(self, person: Person) -> None:
        assert person.who is not None
        wallet = PlaceName(CUSTOMER_WALLET.code, self._services.wallet.currency, person.who.principal_id)
        await self._services.ledger.freeze(self._id(), wallet, debits=True, credits=False, reason="fraud")

    async def _customer(self, person: Person, amount_minor: int, verified: bool) -> Person:
        identity, wallet = self._services.identity, self._services.wallet
        principal_id, _ = await identity.register(self._id(), "wallet", person.login, PASSWORD, person.name, "zh")
        who = caller(await identity.need(principal_id))
        await identity.set_pin(self._id(), who, PIN, PASSWORD)
        if verified:
            claim = Claim(kind="resident_id", number=person.document, name=SANDBOX_NAME, expires_on=date(2035, 1, 1))
            phone, card = f"+86{person.phone}", person.bank_number
            assert await known_as(self._services, self._stack.messages, who, claim, phone, card, 3) == 3
            account_id = await link(self._services, self._stack.back_office, who, person.bank_number, PIN)
        else:
            account_id = await self._taken_over(person, who.principal_id)
        await wallet.start_bank_transfer(self._id(), who, "topup", account_id, Money(amount_minor, "CNY"), PIN)
        return msgspec.structs.replace(person, who=who)

    async def _taken_over(self, person: Person, customer_id: UUID) -> UUID:
        """The bank account of somebody whom we do not know, verified elsewhere."""
        vault, bank_account_id = self._services.vault, self._id()
        command = LinkBankAccount(
            command_id=self._id(), customer_id=customer_id, bank_account_id=bank_account_id, bank="simbank",
            number=await vault.seal(customer_id, NUMBER, person.bank_number),
            holder_name=await vault.seal(customer_id, HOLDER, SANDBOX_NAME), holder_index=vault.index(HOLDER, SANDBOX_NAME),
        )  # fmt: skip
        accepted(await self._services.engine.submit(command))
        return bank_account_id

    async def _bind(self, person: Person, card: Card) -> None:
        assert person.who is not None
        cards = self._services.wallet.cards
        typed = TypedCard(card.number, f"+86{card.phone}", card.expiry, card.cvn2)
        asked = await cards.start(self._id(), person.who, typed, PIN)
        code = await self._stack.back_office.code_sent(f"+86{card.phone}")
        done = await cards.confirm(self._id(), person.who.principal_id, asked.row.binding_id, code)
        assert done.row.state == "BOUND", done.row

    async def _voucher(self, person: Person, code: str, amount_minor: int) -> None:
        assert person.who is not None
        ledger, until = self._services.ledger, self._clock.now() + timedelta(days=30)
        await ledger.define_colour(self._id(), code, "CNY", "面券", "Noodle coupon", (self.merchant_id,), until)
        shop = PlaceName(MERCHANT_BALANCE.code, "CNY", self.merchant_id)
        await ledger.issue_colour(self._id(), code, shop, person.who.principal_id, amount_minor)

    async def _pay(self, person: Person, amount: Money, back: Money) -> None:
        assert person.who is not None
        payments = self._services.payments
        made = await payments.pay_merchant(self._id(), person.who, self.merchant_id, self.store_ids[0], amount, PIN)
        await payments.refund(self._id(), self.merchant_id, made.out_trade_no, None, back, "少了一份 · one short")

    async def _till(self, shown: str, amount: Money) -> str:
        method, meets = self._services.methods.of(shown), Encounter(self.merchant_id, amount.minor, "CNY", self._clock.now())
        assert method is not None
        claim = await method.verify(shown, meets)
        payment = await self._services.claims.pay(
            self._id(), self.merchant_id, self.store_ids[0], None, "牛肉面", amount, claim.payer_id, claim.method,
            claim.confirmation,
        )  # fmt: skip
        return payment.state

    async def _order(self, number: str, amount_minor: int, subject: str, late: bool) -> Order:
        money = Money(amount_minor, "CNY")
        async with open_services(self._stack.settings, self._stack.dsn, self._clock) as services:
            order = await services.payments.create_order(
                self._id(), self.merchant_id, self.store_ids[0], number, subject, money, 900
            )
            if late:
                keys = Keys.open(self._stack.settings.data_dir / "keys.json")
                await age(self._stack.dsn, Sealer(keys.seal), order.payment_id)
                order = await services.payments.payment(order.payment_id)
            text = dynamic_code(
                services.signer, self._payee(), payment_id=order.payment_id, currency=order.currency,
                amount_minor=order.amount_minor, reference=order.out_trade_no, expires_at=order.expires_at,
            )  # fmt: skip
        return Order(order.out_trade_no, text)

    def _payee(self) -> Payee:
        return Payee(merchant_id=self.merchant_id, store_id=self.store_ids[0], name=SHOP, city="杭州", mcc="5812", country="CN")

    def _id(self) -> UUID:
        return new_id(self._clock.now())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)


def _document(number: int) -> str:
    """An identity card's number of one's own, none of those that order a fault."""
    born = date(1980, 1, 1) + timedelta(days=number)
    digits = f"330106{born:%Y%m%d}100"
    return digits + calc_check_digit(f"{digits}0")


@contextmanager
def product_running(data_dir: Path, dsn: str, **choices: Any) -> Iterator[Product]:
    """The whole product over an empty, migrated database, under the rules that ship and settings of its own. Password hashes are
    cheap here: their cost is not what is tested."""
    settings = Settings(data_dir=data_dir, database_url=dsn, port=free_port(), argon2_time=1, argon2_memory_kib=1024, **choices)
    ready: Future[Product] = Future()
    stopping = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_hold(settings, ready, stopping)), name="the product")
    thread.start()
    try:
        yield ready.result(120)
    finally:
        stopping.set()
        thread.join(60)


async def _hold(settings: Settings, ready: Future[Product], stopping: threading.Event) -> None:
    try:
        async with (
            running(settings, magic_amounts=False, log=settings.data_dir / "product.log") as stack,
            open_services(stack.settings, stack.dsn) as services,
        ):
            product = Product(asyncio.get_running_loop(), stack, services)
            await product.found()
            ready.set_result(product)
            await asyncio.to_thread(stopping.wait)
    except BaseException as failure:
        if ready.done():
            raise
        ready.set_exception(failure)
