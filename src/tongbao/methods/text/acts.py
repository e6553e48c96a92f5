"""What a customer does by text, once they typed their PIN: each act is one command, named after the session, and says what came
of it on one screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from tongbao.engine.api import Engine, accepted
from tongbao.identity.realname.service import RealNameService
from tongbao.identity.service import IdentityService
from tongbao.identity.types import SetPin
from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import Money, format_minor, parse
from tongbao.merchants.service import MerchantService
from tongbao.methods.text.menus import What
from tongbao.methods.text.phones import TextPhones
from tongbao.methods.text.screens import fits, screen
from tongbao.methods.text.types import ChangePinByText, Language, Look, PayByText, SendByText, TextPhone, WishCode
from tongbao.methods.text.words import word
from tongbao.payments.service import PaymentService
from tongbao.payments.types import PayMerchant
from tongbao.rules.explain import LimitLine
from tongbao.rules.service import LawService
from tongbao.security.masking import mask_login, mask_name
from tongbao.security.personal import Vault
from tongbao.wallet.errors import PAYEE_NOT_FOUND
from tongbao.wallet.service import WalletService
from tongbao.wallet.statement import NOTE, ShownBill
from tongbao.wallet.transfers import Transferred
from tongbao.wallet.types import Transfer

_BILLS = 5
#: Acts of which the limits that are told are.
_PAYING = frozenset({"payment", "transfer"})
_WINDOWS = ("transaction", "day", "month", "year")


class Wish(NamedTuple):
    """What somebody at a phone wants, and under which command."""

    command_id: UUID
    phone: TextPhone
    what: What
    values: Mapping[str, str]


class TextActs:
    """Does what was asked for by text."""

    def __init__(
        self,
        engine: Engine,
        identity: IdentityService,
        names: RealNameService,
        wallet: WalletService,
        payments: PaymentService,
        merchants: MerchantService,
        law: LawService,
        phones: TextPhones,
        vault: Vault,
    ) -> None:
        self._engine = engine
        self._identity = identity
        self._names = names
        self._wallet = wallet
        self._payments = payments
        self._merchants = merchants
        self._law = law
        self._phones = phones
        self._vault = vault

    async def whom(self, wish: Wish) -> str:
        """Whom an act is for, as its customer may see it before they type their PIN; "" where it is for nobody else. Declines
        `payee_not_found`, `payee_is_payer`, `too_many_lookups`, `till_unknown`."""
        if wish.what == "send":
            payee = await self._wallet.resolve_payee(await self._phones.caller(wish.phone), wish.values["phone"])
            return await self._masked(payee.principal_id, payee.name, payee.login)
        if (number := wish.values.get("till") or wish.values.get("business")) is not None:
            return (await self._merchants.merchant(await self._phones.till(number))).name
        return ""

    async def _masked(self, customer_id: UUID, name: str, login: str) -> str:
        verified = await self._names.verified_name(customer_id)
        return f"{mask_name(verified or name)} {mask_login(login)}"

    async def do(self, wish: Wish, pin: str, code: WishCode | None = None) -> str:
        """Do it; what the screen says then. `code`: of a wish by message, instead of a PIN. Declines what the act declines."""
        language = wish.phone.language
        if wish.what == "send":
            return await self._send(wish, pin)
        if wish.what in ("till", "bill"):
            return await self._pay(wish, pin, code)
        if wish.what == "pin":
            return await self._change_pin(wish, pin)
        await self._looked(wish, pin)
        if wish.what == "balance":
            account, _ = await self._wallet.balance(wish.phone.customer_id)
            posted, held = (account.posted_minor, account.held_minor) if account else (0, 0)
            return screen(word("balance", language, balance=self.shown(posted), available=self.shown(posted - held)))
        if wish.what == "statement":
            return await self._statement(wish.phone.customer_id, language)
        return limits_screen(await self._law.limits(wish.phone.customer_id), language)

    async def _looked(self, wish: Wish, pin: str) -> None:
        who = wish.phone.customer_id
        claim = await self._phones.claim(wish.phone, who, 0, self._wallet.currency, pin)
        command = Look(
            command_id=wish.command_id, phone_index=wish.phone.phone_index, customer_id=who, what=wish.what, confirmation=claim
        )
        accepted(await self._engine.submit(command))

    async def _pay(self, wish: Wish, pin: str, code: WishCode | None) -> str:
        merchant_id = await self._phones.till(wish.values.get("till") or wish.values["business"])
        amount = parse(wish.values["amount"], self._wallet.currency)
        payment_id, number, _ = self._payments.at_once(wish.command_id, merchant_id)
        reference = wish.values.get("reference")
        pay = PayMerchant(
            command_id=wish.command_id, payment_id=payment_id, merchant_id=merchant_id, store_id=None, out_trade_no=number,
            subject=f"缴费 · Bill {reference}" if reference else "拨号付款 · Paid by text",
            payer_id=wish.phone.customer_id, amount_minor=amount.minor, currency=amount.currency, method=self._phones.method.name,
            confirmation=await self._phones.claim(wish.phone, merchant_id, amount.minor, amount.currency, pin),
        )  # fmt: skip
        done = accepted(
            await self._engine.submit(
                PayByText(command_id=wish.command_id, phone_index=wish.phone.phone_index, pay=pay, code=code)
            )
        )
        name = (await self._merchants.merchant(merchant_id)).name
        return await self._done("done_pay", wish.phone, amount, name, done.bill_id)

    async def _send(self, wish: Wish, pin: str) -> str:
        payer_id, amount = wish.phone.customer_id, parse(wish.values["amount"], self._wallet.currency)
        payee = await self._identity.find("wallet", wish.values["phone"])
        if payee is None:
            raise Refusal(PAYEE_NOT_FOUND)
        payee_id = payee.principal_id
        send = Transfer(
            command_id=wish.command_id, payer_id=payer_id, payee_id=payee_id, amount_minor=amount.minor,
            currency=amount.currency, note=b"", payee_note=b"", note_index=self._vault.index(NOTE, ""),
            confirmation=await self._phones.claim(wish.phone, payee_id, amount.minor, amount.currency, pin),
        )  # fmt: skip
        done: Transferred = accepted(
            await self._engine.submit(SendByText(command_id=wish.command_id, phone_index=wish.phone.phone_index, send=send))
        )
        person = await self._identity.person(payee_id)
        name = await self._masked(payee_id, person.name, person.login)
        if done.arrives_at is not None:
            at = self.moment(done.arrives_at)
            return screen(word("done_later", wish.phone.language, amount=self.shown(amount.minor), at=at), name)
        return await self._done("done_send", wish.phone, amount, name, done.bill_id)

    async def _done(self, key: str, phone: TextPhone, amount: Money, name: str, bill_id: UUID) -> str:
        bill = await self._wallet.statement.bill(phone.customer_id, bill_id)
        balance = self.shown(bill.row.balance_minor or 0)
        facts = {"amount": self.shown(amount.minor), "balance": balance, "ref": reference_of(bill_id)}
        return screen(word(key, phone.language, **facts), name)

    async def _change_pin(self, wish: Wish, pin: str) -> str:
        who = wish.phone.customer_id
        change = SetPin(
            command_id=wish.command_id, customer_id=who, mac=self._identity.pin_mac(who, wish.values["new_pin"]),
            confirmation=await self._phones.claim(wish.phone, who, 0, self._wallet.currency, pin),
        )  # fmt: skip
        command = ChangePinByText(command_id=wish.command_id, phone_index=wish.phone.phone_index, change=change)
        accepted(await self._engine.submit(command))
        return word("done_pin", wish.phone.language)

    async def _statement(self, customer_id: UUID, language: Language) -> str:
        bills = (await self._wallet.statement.bills(customer_id, None, None, None, None, None, _BILLS))[:_BILLS]
        if not bills:
            return word("nothing", language)
        _, people = await self._wallet.statement.details([bill.row for bill in bills])
        names = [people[bill.row.counterparty_id].name if bill.row.counterparty_id in people else "" for bill in bills]
        return statement_screen([self._line(bill) for bill in bills], names)

    def _line(self, bill: ShownBill) -> str:
        sign = "-" if bill.row.direction == "out" else "+"
        return f"{bill.row.at.astimezone(self._wallet.zone):%d/%m} {sign}{format_minor(bill.row.amount_minor, bill.row.currency)}"

    async def receipt(self, phone: TextPhone, bill_id: UUID) -> str:
        """What a message says of an act that was done."""
        bill = await self._wallet.statement.bill(phone.customer_id, bill_id)
        _, people = await self._wallet.statement.details([bill.row])
        other = people.get(bill.row.counterparty_id)
        balance = "–" if bill.row.balance_minor is None else self.shown(bill.row.balance_minor)
        facts = {"amount": self.shown(bill.row.amount_minor), "balance": balance, "ref": reference_of(bill_id)}
        text = word("receipt_out", phone.language, at=self.moment(bill.row.at), **facts)
        return text.replace("{name}", other.name if other else "–")

    def shown(self, minor: int) -> str:
        """A sum of the wallet's, with its currency."""
        return f"{self._wallet.currency} {format_minor(minor, self._wallet.currency)}"

    def moment(self, at: datetime) -> str:
        """A moment of the installation's day."""
        return f"{at.astimezone(self._wallet.zone):%d/%m %H:%M}"


def reference_of(bill_id: UUID) -> str:
    """What a customer reads to support: when, to the millisecond, as the bill's id begins."""
    return bill_id.hex[:12].upper()


def statement_screen(lines: Sequence[str], names: Sequence[str]) -> str:
    """The latest first, each with whom; the names give way, then the eldest lines."""
    for room in range(20, -1, -1):
        text = "\n".join(f"{line} {name[:room]}".rstrip() for line, name in zip(lines, names, strict=True))
        if fits(text):
            return text
    return statement_screen(lines[:-1], names[:-1])


def limits_screen(limits: Sequence[LimitLine], language: Language) -> str:
    """What is left of the tightest limit of each window that holds for paying or sending."""
    least: dict[str, Decimal] = {}
    for line in limits:
        window = line.window.partition(":")[0]
        kinds = line.applies_to.kinds
        if line.metric != "amount" or line.action != "refuse" or window not in _WINDOWS or (kinds and not _PAYING & set(kinds)):
            continue
        left = Decimal(line.left if line.left is not None else line.limit)
        least[window] = min(left, least.get(window, left))
    if not least:
        return word("no_limits", language)
    told = (word("limit", language, window=word(each, language), left=f"{least[each]}") for each in _WINDOWS if each in least)
    return screen("\n".join(told))
