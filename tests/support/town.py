"""A town: customers with PINs, bank accounts and balances, merchants with orders. Everything is done by commands."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec

from tongbao.app.registry import DECIDERS
from tongbao.engine.api import Accepted, Command, Decider, Declined, Engine, Limits, MemoryStore, Outcome, Store
from tongbao.identity.enrolment import sealed as really_sealed
from tongbao.identity.types import Confirmation, Enrolment, PinConfirmation, Register, SetPin
from tongbao.kernel.clock import VirtualClock
from tongbao.ledger.api import CaptureHold, PlaceHold, VoidHold
from tongbao.merchants.types import NewStore, OpenMerchant
from tongbao.payments.funding_types import Part, PayInParts, SettleCardDebit, SettleCardRefund, debit_id_of, giving_back_id_of
from tongbao.payments.types import (
    AuthoriseOrder,
    CapturePayment,
    CloseOrder,
    CreateOrder,
    LapseAuthorisation,
    PayMerchant,
    PayOrder,
    RefundPayment,
    ReversePayment,
    TrustAuthorisation,
    VoidPayment,
    payment_id_of,
)
from tongbao.rules.pack import merged, merged_text, named_packs, read_pack
from tongbao.rules.types import AdoptRules
from tongbao.security.people import WRAPPED
from tongbao.security.personal import Vault
from tongbao.wallet.types import (
    Arrival,
    CancelTransfer,
    DeliverTransfer,
    LinkBankAccount,
    SettleBankTransfer,
    StartBankTransfer,
    Transfer,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CURRENCY = "CNY"


def mac_of(pin: str) -> bytes:
    """Stands for the keyed MAC of a PIN: deciders only compare it."""
    return sha256(pin.encode()).digest()


def sealed(text: str) -> bytes:
    """Stands for a text sealed for somebody: deciders only pass it on."""
    return b"sealed: " + text.encode()


def enrolled(principal_id: UUID, login: str, roles: str = "") -> Enrolment:
    """Somebody called 张小明 who logs in by this."""
    return Enrolment(
        principal_id, b"\x01\x00\x01".ljust(WRAPPED, b"k") * 2, b"index: " + login.encode(), sealed(login), b"index: name",
        sealed("张小明"), "zh", "argon2", roles,
    )  # fmt: skip


RIGHT = PinConfirmation(mac_of("right"))
WRONG = PinConfirmation(mac_of("wrong"))
#: When the device of who uses the one on which they registered was proven.
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def order_id(merchant: UUID, out_trade_no: str) -> UUID:
    """What an order is called in an installation whose key for ids is empty."""
    return payment_id_of(merchant, out_trade_no, b"")


class Town:
    """Builds commands and people. Ids come from a seed, so that a run can be told again. With a vault what is known of people is
    really sealed, for those who open it."""

    def __init__(self, engine: Engine, clock: VirtualClock, seed: int = 1, vault: Vault | None = None) -> None:
        self.engine = engine
        self.clock = clock
        self._vault = vault
        self._random = random.Random(seed)

    def id(self) -> UUID:
        """A fresh identifier."""
        return UUID(int=self._random.getrandbits(128), version=4)

    async def submit(self, command: Command) -> Outcome:
        return await self.engine.submit(command)

    async def happens(self, command: Command) -> Any:
        """The result of a command that must be accepted."""
        outcome = await self.engine.submit(command)
        assert isinstance(outcome.decision, Accepted), outcome
        return outcome.decision.result

    async def says(self, command: Command) -> str:
        """ "ok" or the code of the decline."""
        decision = (await self.engine.submit(command)).decision
        return decision.code.name if isinstance(decision, Declined) else "ok"

    # ── people and shops ────────────────────────────────────────────────────────────────────────────────────────────────

    def registering(self, login: str, audience: str = "wallet", merchant_id: UUID | None = None) -> Register:
        return Register(command_id=self.id(), audience=audience, who=enrolled(self.id(), login), merchant_id=merchant_id)

    async def registered(self, login: str, audience: str = "wallet", merchant_id: UUID | None = None) -> UUID:
        """Somebody who logs in."""
        wish = self.registering(login, audience, merchant_id)
        if self._vault is not None:
            who = await really_sealed(self._vault, wish.who.principal_id, login, "张小明", "zh", "argon2")
            wish = msgspec.structs.replace(wish, who=who)
        principal_id: UUID = (await self.happens(wish)).principal_id
        return principal_id

    async def customer(self, minor: int = 0, *, pin: bool = True) -> UUID:
        """A customer with a PIN (`RIGHT`) and a balance."""
        customer_id = await self.registered(f"+86138{self._random.randrange(10**8):08}")
        if pin or minor:
            await self.happens(SetPin(command_id=self.id(), customer_id=customer_id, mac=RIGHT.mac, proven_at=LONG_AGO))
        if minor:
            bank_account = await self.bank_account(customer_id)
            started = await self.happens(self.starting(customer_id, bank_account, minor))
            await self.happens(self.settling(customer_id, started.bank_transfer_id))
        return customer_id

    async def adopt(self, packs: str, text: str = "") -> None:
        """Put packs in force, by name, and one more by its text."""
        every = [*named_packs(packs), *([read_pack(text, "test")] if text else [])]
        rules = merged_text(merged(every, CURRENCY, "Asia/Shanghai"))
        await self.happens(AdoptRules(command_id=self.id(), text=rules, by_hand=True, adopted_by="test", reason="test"))

    async def bank_account(self, customer_id: UUID) -> UUID:
        """A linked bank account."""
        bank_account_id = self.id()
        await self.happens(
            LinkBankAccount(
                command_id=self.id(), customer_id=customer_id, bank_account_id=bank_account_id, bank="ICBC",
                number=sealed("6222020000000000"), holder_name=sealed("张小明"), holder_index=b"",
            )
        )  # fmt: skip
        return bank_account_id

    async def merchant(self, fee_ppm: int = 6000, currency: str = CURRENCY) -> UUID:
        """A merchant with one store."""
        opened = await self.happens(
            OpenMerchant(
                command_id=self.id(), name="面馆", mcc="5812", city="上海", country="CN", currency=currency, fee_ppm=fee_ppm,
                stores=(NewStore("一店", "上海"),),
            )
        )  # fmt: skip
        merchant_id: UUID = opened.merchant_id
        return merchant_id

    # ── wishes ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def starting(
        self, customer_id: UUID, bank_account_id: UUID, minor: int, kind: Any = "topup", confirmation: PinConfirmation = RIGHT
    ) -> StartBankTransfer:
        return StartBankTransfer(
            command_id=self.id(), customer_id=customer_id, bank_account_id=bank_account_id, transfer_kind=kind,
            amount_minor=minor, currency=CURRENCY, confirmation=confirmation,
        )  # fmt: skip

    def settling(
        self, customer_id: UUID, transfer_id: UUID, state: Any = "SUCCEEDED", currency: str = CURRENCY
    ) -> SettleBankTransfer:
        return SettleBankTransfer(
            command_id=self.id(), bank_transfer_id=transfer_id, customer_id=customer_id, currency=currency, state=state
        )

    def transferring(
        self, payer: UUID, payee: UUID, minor: int, confirmation: Confirmation = RIGHT, arrival: Arrival = "now"
    ) -> Transfer:
        return Transfer(
            command_id=self.id(), payer_id=payer, payee_id=payee, amount_minor=minor, currency=CURRENCY,
            note=sealed("payer: 午饭"), payee_note=sealed("payee: 午饭"), note_index=b"", confirmation=confirmation,
            arrival=arrival,
        )  # fmt: skip

    def cancelling(self, payer: UUID, transfer_id: UUID) -> CancelTransfer:
        return CancelTransfer(command_id=self.id(), transfer_id=transfer_id, payer_id=payer, currency=CURRENCY)

    def delivering(self, transfer_id: UUID, payer: UUID, payee: UUID) -> DeliverTransfer:
        return DeliverTransfer(command_id=self.id(), transfer_id=transfer_id, payer_id=payer, payee_id=payee, currency=CURRENCY)

    def ordering(self, merchant: UUID, out_trade_no: str, minor: int = 1000, **other: Any) -> CreateOrder:
        wish: dict[str, Any] = {"store_id": None, "subject": "牛肉面", "currency": CURRENCY, "expires_in_s": 300} | other
        return CreateOrder(
            command_id=self.id(),
            payment_id=order_id(merchant, out_trade_no),
            merchant_id=merchant,
            out_trade_no=out_trade_no,
            amount_minor=minor,
            **wish,
        )

    def paying(self, merchant: UUID, out_trade_no: str, payer: UUID, minor: int = 1000, **other: Any) -> PayOrder:
        wish: dict[str, Any] = {"currency": CURRENCY, "method": "qr", "confirmation": RIGHT} | other
        return PayOrder(
            command_id=self.id(), payment_id=order_id(merchant, out_trade_no), merchant_id=merchant, payer_id=payer,
            amount_minor=minor, **wish,
        )  # fmt: skip

    def paying_at_once(self, merchant: UUID, out_trade_no: str, payer: UUID, minor: int = 1000, **other: Any) -> PayMerchant:
        wish: dict[str, Any] = {
            "store_id": None, "subject": "牛肉面", "currency": CURRENCY, "method": "static_code", "confirmation": RIGHT
        } | other  # fmt: skip
        return PayMerchant(
            command_id=self.id(),
            payment_id=order_id(merchant, out_trade_no),
            merchant_id=merchant,
            out_trade_no=out_trade_no,
            payer_id=payer,
            amount_minor=minor,
            **wish,
        )

    def paying_in_parts(
        self, merchant: UUID, out_trade_no: str, payer: UUID, parts: Sequence[Part], *, at_once: bool = False, **other: Any
    ) -> PayInParts:
        wish: dict[str, Any] = {"currency": CURRENCY, "method": "qr", "confirmation": RIGHT} | other
        if at_once:
            wish |= {"out_trade_no": out_trade_no, "subject": "牛肉面"}
        return PayInParts(
            command_id=self.id(), payment_id=order_id(merchant, out_trade_no), merchant_id=merchant, payer_id=payer,
            amount_minor=sum(part.amount_minor for part in parts), parts=tuple(parts), **wish,
        )  # fmt: skip

    def hearing(self, asked: PayInParts, state: Any = "SUCCEEDED", **other: Any) -> SettleCardDebit:
        """The network's answer to the debit that this wish asked for."""
        return SettleCardDebit(
            command_id=self.id(), request_id=debit_id_of(asked.command_id), payment_id=asked.payment_id,
            merchant_id=asked.merchant_id, payer_id=asked.payer_id, currency=asked.currency, state=state,
            parts=asked.parts, **other,
        )  # fmt: skip

    def hearing_back(
        self, asked: PayInParts, cause: UUID, refund_id: UUID | None, state: Any = "SUCCEEDED", **other: Any
    ) -> SettleCardRefund:
        """The network's answer to what is given back for a cause."""
        return SettleCardRefund(
            command_id=self.id(), request_id=giving_back_id_of(cause), payment_id=asked.payment_id,
            merchant_id=asked.merchant_id, payer_id=asked.payer_id, currency=asked.currency, state=state, refund_id=refund_id,
            **other,
        )  # fmt: skip

    def closing(self, merchant: UUID, out_trade_no: str) -> CloseOrder:
        return CloseOrder(command_id=self.id(), payment_id=order_id(merchant, out_trade_no), merchant_id=merchant)

    def refunding(
        self, merchant: UUID, out_trade_no: str, payer: UUID, refund_no: str, minor: int, **other: Any
    ) -> RefundPayment:
        wish: dict[str, Any] = {"currency": CURRENCY, "reason": "太咸", "note": sealed("太咸")} | other
        return RefundPayment(
            command_id=self.id(), payment_id=order_id(merchant, out_trade_no), merchant_id=merchant, payer_id=payer,
            out_refund_no=refund_no, amount_minor=minor, **wish,
        )  # fmt: skip

    def authorising(self, merchant: UUID, out_trade_no: str, payer: UUID, minor: int = 1150, **other: Any) -> AuthoriseOrder:
        wish: dict[str, Any] = {"currency": CURRENCY, "method": "qr", "confirmation": RIGHT} | other
        return AuthoriseOrder(
            command_id=self.id(), payment_id=order_id(merchant, out_trade_no), merchant_id=merchant, payer_id=payer,
            amount_minor=minor, **wish,
        )  # fmt: skip

    def taking(
        self, merchant: UUID, out_trade_no: str, payer: UUID, capture_no: str, minor: int, *, last: bool = False
    ) -> CapturePayment:
        return CapturePayment(
            command_id=self.id(), payment_id=order_id(merchant, out_trade_no), merchant_id=merchant, payer_id=payer,
            currency=CURRENCY, out_capture_no=capture_no, amount_minor=minor, last=last,
        )  # fmt: skip

    def giving_up(self, merchant: UUID, out_trade_no: str, payer: UUID) -> VoidPayment:
        return VoidPayment(
            command_id=self.id(), payment_id=order_id(merchant, out_trade_no), merchant_id=merchant, payer_id=payer,
            currency=CURRENCY,
        )  # fmt: skip

    def lapsing(self, merchant: UUID, out_trade_no: str, payer: UUID) -> LapseAuthorisation:
        return LapseAuthorisation(
            command_id=self.id(), payment_id=order_id(merchant, out_trade_no), payer_id=payer, currency=CURRENCY
        )

    def trusting(self, merchant: UUID, out_trade_no: str) -> TrustAuthorisation:
        return TrustAuthorisation(command_id=self.id(), payment_id=order_id(merchant, out_trade_no))

    def undoing(
        self, merchant: UUID, out_trade_no: str, payer: UUID, journal_id: UUID, parts: tuple[Part, ...] = ()
    ) -> ReversePayment:
        return ReversePayment(
            command_id=self.id(), payment_id=order_id(merchant, out_trade_no), merchant_id=merchant, payer_id=payer,
            currency=CURRENCY, journal_id=journal_id, parts=parts,
        )  # fmt: skip

    def holding(
        self, owner: UUID, hold_id: UUID, minor: int, lasts: timedelta = timedelta(hours=1), code: str = "2001"
    ) -> PlaceHold:
        return PlaceHold(
            command_id=self.id(), hold_id=hold_id, code=code, currency=CURRENCY, owner_id=owner, amount_minor=minor,
            expires_at=self.clock.now() + lasts,
        )  # fmt: skip

    def capturing(
        self, owner: UUID, hold_id: UUID, merchant: UUID, minor: int, *, final: bool = True, currency: str = CURRENCY
    ) -> CaptureHold:
        return CaptureHold(
            command_id=self.id(), hold_id=hold_id, code="2001", currency=currency, owner_id=owner, to_code="2101",
            to_owner_id=merchant, amount_minor=minor, final=final,
        )  # fmt: skip

    def voiding(self, owner: UUID, hold_id: UUID) -> VoidHold:
        return VoidHold(command_id=self.id(), hold_id=hold_id, code="2001", currency=CURRENCY, owner_id=owner)


@asynccontextmanager
async def town(store: Store | None = None, seed: int = 1, more: Sequence[Decider[Any]] = ()) -> AsyncIterator[Town]:
    """A town over `store`, in memory by default, at noon; `more` is decided besides what the product decides."""
    clock = VirtualClock(NOON)
    async with Engine(store or MemoryStore(), [*DECIDERS, *more], clock, Limits(patience_s=5)) as engine:
        yield Town(engine, clock, seed)
