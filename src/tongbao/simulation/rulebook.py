"""The rules of the platform, as an auditor knows them: plain dictionaries and arithmetic, nothing of the product's but the
shapes of its commands. Whoever changes a rule of the product changes it here too, from the rule and not from the code.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

import msgspec

from tongbao.engine.api import Command
from tongbao.identity.types import Register, SetPin
from tongbao.ledger.commands import CaptureHold, ExpireHolds, PlaceHold, VoidHold
from tongbao.merchants.types import OpenMerchant
from tongbao.payments.types import CloseOrder, CreateOrder, ExpireOrder, PayMerchant, PayOrder, RefundPayment
from tongbao.wallet.types import LinkBankAccount, SettleBankTransfer, StartBankTransfer, Transfer, UnlinkBankAccount

#: (line of the chart, currency, owner)
Where = tuple[str, str, UUID | None]

RESERVE, WALLET, MERCHANT, TRANSIT, FEES = "1001", "2001", "2101", "2301", "4001"

MOST_WRONG_PINS, PIN_LOCK = 5, timedelta(hours=3)
MOST_REFUNDS = 50


class Pin(msgspec.Struct):
    mac: bytes
    wrong: int = 0
    locked_until: datetime | None = None


class Hold(msgspec.Struct):
    place: Where
    amount: int
    expires_at: datetime
    captured: int = 0
    state: str = "ACTIVE"


class Order(msgspec.Struct):
    terms: tuple[Any, ...]
    merchant: UUID
    amount: int
    currency: str
    fee: int
    expires_at: datetime
    state: str = "CREATED"
    payer: UUID | None = None
    refunded: int = 0
    fee_returned: int = 0
    refunds: int = 0


class BankMove(msgspec.Struct):
    customer: UUID
    kind: str
    amount: int
    currency: str
    state: str = "PENDING"


class Rulebook:
    """`judge` says what must be answered to a command, and keeps the books accordingly."""

    def __init__(self) -> None:
        self.balances: defaultdict[Where, int] = defaultdict(int)
        self.held: defaultdict[Where, int] = defaultdict(int)
        self.versions: defaultdict[Where, int] = defaultdict(int)
        self.journals: Counter[UUID] = Counter()
        self.logins: dict[tuple[str, str], UUID] = {}
        self.people: dict[UUID, str] = {}
        self.pins: dict[UUID, Pin] = {}
        self.shops: dict[UUID, tuple[str, int]] = {}
        self.cards: dict[UUID, tuple[UUID, bool]] = {}
        self.holds: dict[UUID, Hold] = {}
        self.orders: dict[UUID, Order] = {}
        self.refunds: dict[tuple[UUID, str], tuple[Any, ...]] = {}
        self.transfers: dict[UUID, BankMove] = {}
        self.bills: Counter[tuple[Any, ...]] = Counter()

    def judge(self, command: Command, now: datetime, outcome: dict[str, Any]) -> str:
        """ "ok" or the code of the decline, `command` being decided at `now` after all judged before. `outcome` is only asked
        for names that the product gave."""
        result = outcome.get("result") or {}
        return _RULES[type(command)](self, command, now, result)

    # ── money ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _post(self, command: Command, *legs: tuple[Where, int]) -> None:
        assert sum(amount for _, amount in legs) == 0
        self.journals[command.command_id] += 1
        for place, amount in legs:
            if amount:
                self.balances[place] += amount
                self.versions[place] += 1

    def _available(self, place: Where) -> int:
        return self.balances[place] - self.held[place]

    def _bill(self, customer: UUID, kind: str, direction: str, amount: int, currency: str, *, moved: bool = True) -> None:
        left = self.balances[WALLET, currency, customer] if moved else None
        self.bills[customer, kind, direction, amount, currency, left] += 1

    # ── people ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _register(self, command: Register, now: datetime, result: Any) -> str:
        name = (command.audience, command.login)
        if name in self.logins:
            return "login_taken"
        person = UUID(result["principal_id"]) if result else command.command_id
        assert person not in self.people, "two people have one name"
        self.logins[name] = person
        self.people[person] = command.audience
        return "ok"

    def _set_pin(self, command: SetPin, now: datetime, result: Any) -> str:
        if command.customer_id not in self.people:
            return "principal_not_found"
        self.pins[command.customer_id] = Pin(command.mac)
        return "ok"

    def _confirmed(self, customer: UUID, mac: bytes, now: datetime) -> str:
        """What a right PIN resets is kept only if the command happens: see `_agreed`."""
        pin = self.pins.get(customer)
        if pin is None:
            return "pin_not_set"
        if pin.locked_until is not None and now < pin.locked_until:
            return "pin_locked"
        if mac == pin.mac:
            return "ok"
        if pin.locked_until is not None:
            pin.wrong, pin.locked_until = 0, None
        pin.wrong += 1
        if pin.wrong == MOST_WRONG_PINS:
            pin.locked_until = now + PIN_LOCK
            return "pin_locked"
        return "wrong_pin"

    def _agreed(self, customer: UUID) -> None:
        self.pins[customer].wrong, self.pins[customer].locked_until = 0, None

    def _spend(self, payer: UUID, mac: bytes, amount: int, currency: str, now: datetime) -> str:
        said = self._confirmed(payer, mac, now)
        if said != "ok":
            return said
        if amount > self._available((WALLET, currency, payer)):
            return "insufficient_funds"
        self._agreed(payer)
        return "ok"

    def _transfer(self, command: Transfer, now: datetime, result: Any) -> str:
        if command.payer_id == command.payee_id:
            return "payee_is_payer"
        if self.people.get(command.payee_id) != "wallet":
            return "payee_not_found"
        amount, currency = command.amount_minor, command.currency
        said = self._spend(command.payer_id, command.confirmation.mac, amount, currency, now)
        if said == "ok":
            self._post(command, ((WALLET, currency, command.payer_id), -amount), ((WALLET, currency, command.payee_id), amount))
            self._bill(command.payer_id, "transfer", "out", amount, currency)
            self._bill(command.payee_id, "transfer", "in", amount, currency)
        return said

    # ── the bank ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _link(self, command: LinkBankAccount, now: datetime, result: Any) -> str:
        if self.cards.get(command.bank_account_id, (None, False))[1]:
            return "bank_account_linked"
        self.cards[command.bank_account_id] = (command.customer_id, True)
        return "ok"

    def _unlink(self, command: UnlinkBankAccount, now: datetime, result: Any) -> str:
        if self.cards.get(command.bank_account_id) != (command.customer_id, True):
            return "bank_account_unknown"
        self.cards[command.bank_account_id] = (command.customer_id, False)
        return "ok"

    def _start(self, command: StartBankTransfer, now: datetime, result: Any) -> str:
        customer, amount, currency, kind = command.customer_id, command.amount_minor, command.currency, command.transfer_kind
        if self.cards.get(command.bank_account_id) != (customer, True):
            return "bank_account_unknown"
        if kind == "topup":
            said = self._confirmed(customer, command.confirmation.mac, now)
            if said == "ok":
                self._agreed(customer)
        else:
            said = self._spend(customer, command.confirmation.mac, amount, currency, now)
            if said == "ok":
                self._post(command, ((WALLET, currency, customer), -amount), ((TRANSIT, currency, None), amount))
        if said == "ok":
            self._bill(customer, kind, "in" if kind == "topup" else "out", amount, currency, moved=kind != "topup")
            if result:
                name = UUID(result["bank_transfer_id"])
                assert name not in self.transfers, "two bank transfers have one name"
                self.transfers[name] = BankMove(customer, kind, amount, currency)
        return said

    def _settle(self, command: SettleBankTransfer, now: datetime, result: Any) -> str:
        found = self.transfers.get(command.bank_transfer_id)
        if found is None or (found.customer, found.currency) != (command.customer_id, command.currency):
            return "bank_transfer_unknown"
        if found.state in ("SUCCEEDED", "FAILED"):
            return "ok" if command.state in ("UNKNOWN", found.state) else "bank_transfer_settled"
        found.state = command.state
        wallet: Where = (WALLET, found.currency, found.customer)
        transit: Where = (TRANSIT, found.currency, None)
        reserve: Where = (RESERVE, found.currency, None)
        if command.state == "SUCCEEDED" and found.kind == "topup":
            self._post(command, (reserve, -found.amount), (wallet, found.amount))
        if command.state != "UNKNOWN" and found.kind == "withdrawal":
            self._post(command, (transit, -found.amount), (reserve if command.state == "SUCCEEDED" else wallet, found.amount))
        return "ok"

    # ── payments ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _open_shop(self, command: OpenMerchant, now: datetime, result: Any) -> str:
        if result:
            self.shops[UUID(result["merchant_id"])] = (command.currency, command.fee_ppm)
        return "ok"

    def _new_order(self, command: CreateOrder | PayMerchant, expires_at: datetime) -> Order:
        exact = Decimal(command.amount_minor) * self.shops[command.merchant_id][1] / 10**6
        fee = int(exact.quantize(Decimal(1), ROUND_HALF_UP))
        terms = (command.store_id, command.subject, command.amount_minor, command.currency)
        return Order(terms, command.merchant_id, command.amount_minor, command.currency, fee, expires_at)

    def _create(self, command: CreateOrder, now: datetime, result: Any) -> str:
        if command.merchant_id not in self.shops:
            return "merchant_not_found"
        if command.currency != self.shops[command.merchant_id][0]:
            return "currency_mismatch"
        order = self._new_order(command, now + timedelta(seconds=command.expires_in_s))
        known = self.orders.get(command.payment_id)
        if known is not None:
            return "ok" if known.terms == order.terms else "out_trade_no_used"
        self.orders[command.payment_id] = order
        return "ok"

    def _pay(self, command: PayOrder | PayMerchant, now: datetime, result: Any) -> str:
        name = command.payment_id
        if isinstance(command, PayMerchant):
            if command.merchant_id not in self.shops:
                return "merchant_not_found"
            if command.currency != self.shops[command.merchant_id][0]:
                return "currency_mismatch"
            if name in self.orders:
                return "out_trade_no_used"
            order = self._new_order(command, now)
        else:
            found = self.orders.get(name)
            if found is None or found.merchant != command.merchant_id:
                return "payment_not_found"
            if ended := _ended(found, now):
                return ended
            if (found.amount, found.currency) != (command.amount_minor, command.currency):
                return "amount_mismatch"
            order = found
        payer, amount, currency = command.payer_id, order.amount, order.currency
        said = self._spend(payer, command.confirmation.mac, amount, currency, now)
        if said == "ok":
            order.payer, order.state = payer, "PAID"
            self.orders[name] = order
            self._post(
                command, ((WALLET, currency, payer), -amount), ((MERCHANT, currency, order.merchant), amount - order.fee),
                ((FEES, currency, None), order.fee),
            )  # fmt: skip
            self._bill(payer, "payment", "out", amount, currency)
        return said

    def _close(self, command: CloseOrder, now: datetime, result: Any) -> str:
        order = self.orders.get(command.payment_id)
        if order is None or order.merchant != command.merchant_id:
            return "payment_not_found"
        if ended := _ended(order, now):
            return ended
        order.state = "CLOSED"
        return "ok"

    def _expire(self, command: ExpireOrder, now: datetime, result: Any) -> str:
        order = self.orders.get(command.payment_id)
        if order is not None and order.state == "CREATED" and now >= order.expires_at:
            order.state = "EXPIRED"
        return "ok"

    def _refund(self, command: RefundPayment, now: datetime, result: Any) -> str:
        order = self.orders.get(command.payment_id)
        if order is None or order.merchant != command.merchant_id:
            return "payment_not_found"
        name = (command.payment_id, command.out_refund_no)
        amount, currency = command.amount_minor, order.currency
        terms = (amount, command.currency, command.reason)
        if name in self.refunds:
            return "ok" if self.refunds[name] == terms else "out_refund_no_used"
        if order.payer is None or order.payer != command.payer_id or currency != command.currency:
            return "order_not_paid"
        if amount > order.amount - order.refunded:
            return "refund_exceeds_paid"
        if order.refunds == MOST_REFUNDS:
            return "too_many_refunds"
        # The fee comes back in proportion to all that was refunded so far, rounded down.
        fee = order.fee * (order.refunded + amount) // order.amount - order.fee_returned
        merchant: Where = (MERCHANT, currency, order.merchant)
        if amount - fee > self._available(merchant):
            return "merchant_funds_insufficient"
        self.refunds[name] = terms
        order.refunded, order.fee_returned, order.refunds = order.refunded + amount, order.fee_returned + fee, order.refunds + 1
        self._post(
            command, ((WALLET, currency, order.payer), amount), (merchant, fee - amount), ((FEES, currency, None), -fee)
        )
        self._bill(order.payer, "refund", "in", amount, currency)
        return "ok"

    # ── holds ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _place_hold(self, command: PlaceHold, now: datetime, result: Any) -> str:
        if command.hold_id in self.holds:
            return "hold_exists"
        if command.expires_at <= now:
            return "hold_expired"
        place: Where = (command.code, command.currency, command.owner_id)
        if command.amount_minor > self._available(place):
            return "insufficient_funds"
        self.holds[command.hold_id] = Hold(place, command.amount_minor, command.expires_at)
        self.held[place] += command.amount_minor
        return "ok"

    def _active(self, command: CaptureHold | VoidHold) -> Hold | str:
        hold = self.holds.get(command.hold_id)
        if hold is None or hold.place != (command.code, command.currency, command.owner_id):
            return "hold_not_found"
        return hold if hold.state == "ACTIVE" else "hold_ended"

    def _capture(self, command: CaptureHold, now: datetime, result: Any) -> str:
        hold = self._active(command)
        if isinstance(hold, str):
            return hold
        if hold.expires_at <= now:
            return "hold_expired"
        left = hold.amount - hold.captured
        amount = command.amount_minor
        if amount > left:
            return "capture_exceeds_hold"
        hold.captured += amount
        self.held[hold.place] -= left if command.final else amount
        if command.final or hold.captured == hold.amount:
            hold.state = "CAPTURED"
        self._post(command, (hold.place, -amount), ((command.to_code, command.currency, command.to_owner_id), amount))
        return "ok"

    def _void(self, command: VoidHold, now: datetime, result: Any) -> str:
        hold = self._active(command)
        if isinstance(hold, str):
            return hold
        hold.state = "EXPIRED" if hold.expires_at <= now else "VOIDED"
        self.held[hold.place] -= hold.amount - hold.captured
        return "ok"


    def _expire_holds(self, command: ExpireHolds, now: datetime, result: Any) -> str:
        for named in command.holds:
            hold = self.holds.get(named.hold_id)
            if hold is not None and hold.state == "ACTIVE" and hold.expires_at <= now:
                hold.state = "EXPIRED"
                self.held[hold.place] -= hold.amount - hold.captured
        return "ok"


def _ended(order: Order, now: datetime) -> str:
    if order.state == "PAID":
        return "order_paid"
    if order.state == "CLOSED":
        return "order_closed"
    return "order_expired" if order.state == "EXPIRED" or now >= order.expires_at else ""


_RULES: dict[type[Command], Callable[[Rulebook, Any, datetime, Any], str]] = {
    Register: Rulebook._register,
    SetPin: Rulebook._set_pin,
    Transfer: Rulebook._transfer,
    LinkBankAccount: Rulebook._link,
    UnlinkBankAccount: Rulebook._unlink,
    StartBankTransfer: Rulebook._start,
    SettleBankTransfer: Rulebook._settle,
    OpenMerchant: Rulebook._open_shop,
    CreateOrder: Rulebook._create,
    PayOrder: Rulebook._pay,
    PayMerchant: Rulebook._pay,
    CloseOrder: Rulebook._close,
    ExpireOrder: Rulebook._expire,
    RefundPayment: Rulebook._refund,
    PlaceHold: Rulebook._place_hold,
    CaptureHold: Rulebook._capture,
    VoidHold: Rulebook._void,
    ExpireHolds: Rulebook._expire_holds,
}
