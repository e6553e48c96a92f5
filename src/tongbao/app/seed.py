"""The demonstration's people, merchants and their last days. Made through the same engine as everything, with its clock turned
back, so that statements and charts have something to show and the audit chain holds all of it."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec

from tongbao.app import runtime
from tongbao.app.asgi import Services, open_services
from tongbao.app.registry import cards_key, messages_key, registries_key
from tongbao.app.settings import Settings
from tongbao.channels.simulated.messages_process import MessagesProcess
from tongbao.channels.simulated.people import DEMO_PEOPLE, DemoPerson
from tongbao.channels.simulated.process import BackOffice, BankProcess, RegistriesProcess
from tongbao.identity.realname.documents import Claim
from tongbao.identity.service import Caller
from tongbao.identity.types import Locale, Principal
from tongbao.kernel.clock import SystemClock, VirtualClock
from tongbao.kernel.ids import named_id
from tongbao.kernel.money import Money
from tongbao.ledger.api import CUSTOMER_WALLET, MERCHANT_BALANCE, PlaceName, account_id
from tongbao.merchants.types import NewStore

PASSWORD = "tongbao-demo"  # noqa: S105 (printed for everybody to use)
PIN = "135790"


class Person(msgspec.Struct, frozen=True):
    """Somebody of the demonstration."""

    login: str
    name: str
    locale: Locale


class Shop(msgspec.Struct, frozen=True):
    """A merchant of the demonstration, its goods with prices in minor units."""

    login: str
    owner: str
    name: str
    city: str
    mcc: str
    fee_ppm: int
    stores: tuple[tuple[str, str], ...]
    goods: tuple[tuple[str, int], ...]
    opens: int
    closes: int


PEOPLE = (
    Person("13800000001", "张小明", "zh"),
    Person("13800000002", "李雨桐", "zh"),
    Person("alice@example.com", "Alice Chen", "en"),
)
#: Whose wallet is frozen: they may log in and receive, and nothing leaves.
LOST = Person("13800000004", "周明远", "zh")
SHOPS = (
    Shop(
        "13900000001", "王掌柜", "山前咖啡", "杭州", "5814", 6_000, (("湖滨店", "杭州"), ("西溪店", "杭州")),
        (("拿铁 · Latte", 2_200), ("美式 · Americano", 1_800), ("可颂 · Croissant", 1_500)), 7, 21,
    ),
    Shop(
        "13900000002", "陈阿姨", "阿姨水果铺", "上海", "5431", 3_800, (("弄堂店", "上海"),),
        (("草莓一盒 · Strawberries", 3_580), ("苹果三斤 · Apples", 2_160), ("西瓜半个 · Half a melon", 1_990)), 8, 22,
    ),
    Shop(
        "shop@example.com", "Mei Lin", "晴天书店 Sunny Books", "北京", "5942", 6_000, (("三里屯店", "北京"),),
        (("小说 · Novel", 4_900), ("明信片 · Postcards", 1_200)), 10, 21,
    ),
)  # fmt: skip
OPERATORS = (
    ("admin@example.com", "运营管理员 Admin", "admin"),
    ("compliance@example.com", "合规 Compliance", "compliance"),
    ("support@example.com", "客服 Support", "support"),
    ("risk@example.com", "风控 Risk", "risk"),
    ("auditor@example.com", "审计 Auditor", "auditor"),
    ("finance@example.com", "财务 Finance", "finance"),
)

_DAYS = 7


def caller(principal: Principal) -> Caller:
    """Somebody as a service sees them after log-in, on the device on which they registered."""
    return Caller(
        principal.principal_id, None, principal.audience, principal.locale, frozenset(principal.roles.split(",")),
        principal.merchant_id, principal.created_at, proven_at=principal.created_at,
    )  # fmt: skip


async def play(settings: Settings, dsn: str, say: Callable[[str], None]) -> None:
    """Fill an empty, migrated database, with a bank in the settings' data directory that runs for as long as that takes."""
    now = SystemClock().now()
    clock = VirtualClock(now - timedelta(days=_DAYS, hours=12))
    keys = runtime.keys(settings)
    bank = await BankProcess.start(settings.data_dir / "bank", key=keys.bank.hex(), cards_key=cards_key(keys))
    office = BackOffice(bank.url, key=bank.key)
    try:
        phones = await MessagesProcess.start(key=messages_key(keys))
        registries = await RegistriesProcess.start(key=registries_key(keys))
        try:
            there = msgspec.structs.replace(
                settings, bank_url=bank.url, cards_url=bank.url, registries_url=registries.url, messages_url=phones.url
            )
            async with open_services(there, dsn, clock) as services:
                await seed(services, phones, office, clock, now, say)
        finally:
            await registries.stop()
            await phones.stop()
    finally:
        await office.close()
        await bank.stop()


async def seed(
    services: Services,
    phones: MessagesProcess,
    office: BackOffice,
    clock: VirtualClock,
    now: datetime,
    say: Callable[[str], None],
) -> None:
    """Make everybody and play a week. `services` runs on `clock`, which stands a week before `now`; `office` is the bank's,
    `phones` show what arrives on them. Run once per database."""
    say("merchants")
    shops: list[tuple[Shop, UUID, tuple[UUID, ...]]] = []
    for shop in SHOPS:
        owner = await services.identity.enrolment(shop.login, PASSWORD, shop.owner, "zh", "owner")
        stores = [NewStore(name, city) for name, city in shop.stores]
        opened = await services.merchants.open(
            _id("shop", shop.login), shop.name, shop.mcc, shop.city, shop.fee_ppm, stores, owner
        )
        shops.append((shop, opened.merchant_id, opened.store_ids))
    say("customers and their bank accounts")
    people = [await _customer(services, phones, office, person, number) for number, person in enumerate(PEOPLE)]
    clock.advance(timedelta(minutes=2))  # a code was sent to that phone just now
    await _plain_phone(services, phones, people[1], PEOPLE[1].login)
    await services.text_phones.open_till(shops[0][1])
    say("a week of payments")
    await _week(services, clock, now, people, shops)
    say("operators")
    *operators, last = OPERATORS
    admin_id, colleague_id, *_ = [await _operator(services, *each) for each in operators]
    lost = await _registered(services, LOST)
    await _pass_on(services, -1, people[0], lost, random.Random(1))
    closed = now.astimezone(services.wallet.zone).date() - timedelta(days=4)
    await keep_books(services, now, admin_id, closed, people[1].principal_id, lost.principal_id, shops[0][1])
    await ask_for_eyes(services, colleague_id, lost.principal_id)
    await _operator(services, *last)  # last of all: that they are there says that all the rest is


async def keep_books(
    services: Services, now: datetime, operator_id: UUID, closed: date, holder_id: UUID, frozen_id: UUID, merchant_id: UUID
) -> None:
    """What operators do, one of each kind: the books closed through a day, money held (and let go) in one wallet, another wallet
    frozen, a merchant's vouchers as restricted money. The holder needs 80.00 and the merchant 30.00. Run once per database."""
    currency = services.wallet.currency
    ledger = services.ledger
    holder, frozen = (PlaceName(CUSTOMER_WALLET.code, currency, owner) for owner in (holder_id, frozen_id))
    await services.books.closing.close(_id("period"), closed, operator_id)
    for what, amount_minor, days in (("deposit", 5_000, 20), ("bicycle", 2_500, 6), ("fitting room", 500, 2)):
        await ledger.hold(_id("place hold", what), _id("hold", what), holder, amount_minor, now + timedelta(days=days))
    await ledger.void(_id("void hold"), _id("hold", "fitting room"))
    note = "手机遗失，客户来电 · phone lost, customer called"
    await ledger.freeze(_id("freeze"), frozen, debits=True, credits=False, reason="lost", note=note, by=operator_id)
    until = now + timedelta(days=180)
    await ledger.define_colour(_id("voucher"), "coffee", currency, "咖啡券", "Coffee voucher", (merchant_id,), until)
    shop = PlaceName(MERCHANT_BALANCE.code, currency, merchant_id)
    await ledger.issue_colour(_id("issue vouchers"), "coffee", shop, holder_id, 3_000)


async def ask_for_eyes(services: Services, operator_id: UUID, frozen_id: UUID) -> None:
    """What one operator leaves for another: a proposal about the frozen wallet, a broken glass, a breach whose clocks run and an
    assessment to be signed. Run once per database."""
    account = str(account_id(CUSTOMER_WALLET, services.wallet.currency, frozen_id))
    why = "手机已找回，经电话核实 · the phone was found, checked by phone"
    thaw = {"account_id": account, "debits": True, "credits": False, "freeze_reason": "lost"}
    await services.operators.propose(_id("propose"), operator_id, "account.unfreeze", thaw, why)
    why = "客户深夜来电，疑似遭诈骗，无同事在线 · called at night, a fraud is suspected, nobody else was there"
    bound = {"account_id": account, "ceiling": "5000.00"}
    await services.operators.propose(_id("break the glass"), operator_id, "account.bound", bound, why, alone=True)
    known_at = services.office.now() - timedelta(hours=2)
    what = "一台备份硬盘在运输途中遗失，盘上的数据已加密。\nA backup disk was lost on its way; what is on it is encrypted."
    await services.office.open_breach(_id("breach"), what, ["identity", "bank"], 1_280, "low", known_at, operator_id)
    await services.office.write_assessment(
        _id("assessment"), "按购物习惯推荐优惠 · Offers by shopping habits", "personalised",
        "单独同意，可随时关闭。\nWith a consent of its own, to be withdrawn at any time.",
        "可能推断出生活习惯。\nHabits of life could be inferred.",
        "只用类目，不用明细，三个月后删除。\nKinds of shops only, deleted after three months.",
        "medium", known_at.date() + timedelta(days=365), None, operator_id,
    )  # fmt: skip


async def _operator(services: Services, login: str, name: str, role: str) -> UUID:
    made = await services.identity.register(_id("operator", login), "console", login, PASSWORD, name, "zh", roles=role)
    return made[0]


def _id(*parts: str) -> UUID:
    return named_id("demonstration", *parts)


async def _registered(services: Services, person: Person) -> Caller:
    principal_id, _ = await services.identity.register(
        _id("person", person.login), "wallet", person.login, PASSWORD, person.name, person.locale
    )
    who = caller(await services.identity.need(principal_id))
    await services.identity.set_pin(_id("pin", person.login), who, PIN, PASSWORD)
    return who


async def _customer(services: Services, phones: MessagesProcess, office: BackOffice, person: Person, number: int) -> Caller:
    who = await _registered(services, person)
    await verify(services, phones, who, DEMO_PEOPLE[number])
    bank_account_id = await link(services, office, who, DEMO_PEOPLE[number].card, PIN)
    await services.wallet.start_bank_transfer(
        _id("top-up", person.login), who, "topup", bank_account_id, Money(200_000, "CNY"), PIN
    )
    return who


async def _plain_phone(services: Services, phones: MessagesProcess, who: Caller, login: str) -> None:
    """Their phone pays by text: `tongbao phone` dials from it."""
    to = services.text_phones.normal(login)
    before = sum(bool(re.search(r"\b\d{6}\b", each.text)) for each in await phones.outbox(to))
    await services.text_phones.send_code(_id("text code", login), who, login)
    code = await phones.code_sent(to, before)
    await services.text_phones.switch_on(_id("text", login), who, login, code, who.locale, PIN)


async def link(services: Services, office: BackOffice, who: Caller, number: str, pin: str) -> UUID:
    """Their bank account, by the code that the bank sends to their phone. Raises RuntimeError where the bank does not agree."""
    links, wish = services.wallet.links, _id("bank account", str(who.principal_id), number)
    asked = await links.start(wish, who, "simbank", number, pin)
    if asked.row.state != "SENT":
        raise RuntimeError(f"the bank says {asked.row.state}")
    code = await office.code_sent(asked.told.phone)
    done = await links.confirm(_id("code", str(asked.row.link_id)), who.principal_id, asked.row.link_id, code)
    if done.row.state != "LINKED":
        raise RuntimeError(f"the bank says {done.row.state}")
    return done.row.bank_account_id


async def verify(services: Services, phones: MessagesProcess, who: Caller, person: DemoPerson, wanted_level: int = 3) -> None:
    """Their real name, through the channels that know them. Raises RuntimeError where these do not give the level."""
    level = await known_as(services, phones, who, person.claim(), person.phone, person.card, wanted_level)
    if level < wanted_level:
        raise RuntimeError(f"{person.name} has level {level}, not {wanted_level}")


async def known_as(
    services: Services, phones: MessagesProcess, who: Caller, claim: Claim, phone: str, card: str, wanted_level: int
) -> int:
    """Give a document and, where the level takes it, prove the phone by the code that is sent to it; the level then."""
    names, wish = services.names, _id("real name", str(who.principal_id))
    known = await names.start(wish, who, claim, wanted_level, phone, card)
    if wanted_level > 1 and known.real is not None and not known.real.phone_proven:
        await names.send_phone_code(_id("phone code", str(who.principal_id)), who)
        code = await phones.code_sent(phone)
        known = await names.prove_phone(_id("phone", str(who.principal_id)), who, code, card)
    return known.standing.level


async def _week(
    services: Services,
    clock: VirtualClock,
    now: datetime,
    people: list[Caller],
    shops: list[tuple[Shop, UUID, tuple[UUID, ...]]],
) -> None:
    dice = random.Random(20260101)
    zone = services.wallet.zone
    moments: list[datetime] = []
    for day in range(_DAYS, -1, -1):
        for _ in range(dice.randint(9, 13)):
            local = (now - timedelta(days=day)).astimezone(zone)
            moments.append(local.replace(hour=dice.randint(7, 21), minute=dice.randint(0, 59), second=dice.randint(0, 59)))
    for number, at in enumerate(sorted(moments)):
        if not clock.now() < at <= now:
            continue
        clock.advance(at - clock.now())
        who = dice.choice(people)
        open_now = [each for each in shops if each[0].opens <= at.hour < each[0].closes]
        if number % 9 == 4:
            await _pass_on(services, number, who, dice.choice([other for other in people if other is not who]), dice)
        elif open_now:
            await _buy(services, number, who, *dice.choice(open_now), dice)


async def _buy(
    services: Services, number: int, who: Caller, shop: Shop, merchant_id: UUID, stores: tuple[UUID, ...], dice: random.Random
) -> None:
    subject, price = dice.choice(shop.goods)
    amount = Money(price, "CNY")
    order = await services.payments.create_order(
        _id("order", str(number)), merchant_id, dice.choice(stores), None, subject, amount, 900
    )
    await services.payments.pay_order(_id("pay", str(number)), who, order.payment_id, amount, PIN)
    if number % 13 == 6:
        part = Money(price if number % 2 else price // 2, "CNY")
        await services.payments.refund(
            _id("refund", str(number)), merchant_id, order.out_trade_no, None, part, "顾客退货 · Returned"
        )


async def _pass_on(services: Services, number: int, who: Caller, friend: Caller, dice: random.Random) -> None:
    amount = Money(dice.choice((500, 1_250, 2_000, 3_300)), "CNY")
    note = dice.choice(("饭钱 · Dinner", "电影票 · Movie", "打车 · Taxi", "谢谢 · Thanks"))
    await services.wallet.transfer(_id("transfer", str(number)), who, friend.principal_id, amount, note, PIN)
