"""The rules of the platform, as an auditor knows them: plain dictionaries and arithmetic, nothing of the product's but the
shapes of its commands. Whoever changes a rule of the product changes it here too, from the rule and not from the code.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

import msgspec

from tongbao.engine.api import Command
from tongbao.identity.types import Register, SetPin, pin_of
from tongbao.ledger.chart import CHART, account_id
from tongbao.ledger.commands import CaptureHold, ExpireHolds, PlaceHold, VoidHold
from tongbao.merchants.types import OpenMerchant
from tongbao.payments.types import CloseOrder, CreateOrder, ExpireOrder, PayMerchant, PayOrder, RefundPayment
from tongbao.wallet.types import LinkBankAccount, SettleBankTransfer, StartBankTransfer, Transfer, UnlinkBankAccount

#: (line of the chart, currency, owner)
Where = tuple[str, str, UUID | None]
#: A place, and what is credited (> 0) or debited (< 0) to it.
Move = tuple[Where, int]

RESERVE, WALLET, MERCHANT, TRANSIT, FEES = "1001", "2001", "2101", "2301", "4001"
COLOUR_FUNDS, COLOUR_ISSUED, COLOUR_REDEEMED = "2401", "9101", "9102"

#: Lines whose accounts may fall below zero, and lines whose accounts belong to somebody.
BOTTOMLESS = frozenset({RESERVE, FEES, "3001", "3901", COLOUR_ISSUED})
OWNED = frozenset({WALLET, MERCHANT, COLOUR_FUNDS})
#: Lines to which nobody posts but the rules of restricted money.
NOT_BY_HAND = frozenset({COLOUR_FUNDS, COLOUR_ISSUED, COLOUR_REDEEMED})

#: No balance goes beyond this on either side.
LARGEST = 2**62
#: The book's days are Shanghai's, which knows no summer time; so far back a value date may lie, and no day ahead.
ZONE, BACKDATING = timedelta(hours=8), timedelta(days=31)

MOST_WRONG_PINS, PIN_LOCK = 5, timedelta(hours=24)
MOST_REFUNDS = 50


class Pin(msgspec.Struct):
    mac: bytes
    wrong: int = 0
    locked_until: datetime | None = None


class Account(msgspec.Struct):
    floor: int | None
    ceiling: int | None = None
    debit_freeze: set[str] = set()
    credit_freeze: set[str] = set()
    closed: bool = False


class Hold(msgspec.Struct):
    place: Where
    amount: int
    agreed: int
    expires_at: datetime
    captured: int = 0
    state: str = "ACTIVE"

    @property
    def left(self) -> int:
        """What it still sets aside."""
        return max(0, self.amount - self.captured) if self.state == "ACTIVE" else 0


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


class Colour(msgspec.Struct):
    currency: str
    valid_until: datetime
    ended: bool = False


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
        self.accounts: dict[Where, Account] = {}
        self.by_id: dict[UUID, Where] = {}
        self.journals: Counter[UUID] = Counter()
        self.days: defaultdict[tuple[date, str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        self.reversed: set[UUID] = set()
        self.colours: dict[str, Colour] = {}
        self.logins: dict[tuple[str, bytes], UUID] = {}
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
        return RULES[type(command)](self, command, now, result)

    # ── money ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    def open(self, place: Where) -> Account:
        """The account at a place, which is opened if it is not there."""
        found = self.accounts.get(place)
        if found is None:
            found = self.accounts[place] = self.account(place)
            self.by_id[account_id(CHART[place[0]], place[1], place[2])] = place
        return found

    def account(self, place: Where) -> Account:
        """The account at a place, as it is or as it would be opened."""
        return self.accounts.get(place) or Account(None if place[0] in BOTTOMLESS else 0)

    def debitable(self, place: Where) -> int:
        """What could leave a place, were it not frozen."""
        floor = self.account(place).floor
        return self.balances[place] - self.held[place] - (-LARGEST if floor is None else floor)

    def creditable(self, place: Where) -> int:
        """What could arrive at a place, were it not frozen."""
        ceiling = self.account(place).ceiling
        return (LARGEST if ceiling is None else ceiling) - self.balances[place]

    def refusal(self, *legs: Move, by_hand: bool = False) -> str:
        """Why these legs cannot be posted one after the other; "" if they can."""
        moved: defaultdict[Where, int] = defaultdict(int)
        for place, amount in legs:
            account = self.account(place)
            if by_hand and place[0] in NOT_BY_HAND:
                return "line_not_by_hand"
            if account.closed:
                return "account_closed"
            if amount < 0 and account.debit_freeze:
                return "account_frozen_debit"
            if amount > 0 and account.credit_freeze:
                return "account_frozen_credit"
            moved[place] += amount
            if amount < 0 and self.debitable(place) + moved[place] < 0:
                return "insufficient_funds"
            if amount > 0 and self.creditable(place) - moved[place] < 0:
                return "balance_ceiling"
        return ""

    def day(self, now: datetime, wished: date | None) -> date | str:
        """To which day what is posted now counts, or why it cannot."""
        today = (now + ZONE).date()
        day = wished or today
        if day > today:
            return "value_date_ahead"
        return "backdated_too_far" if today - day > BACKDATING else day

    def post(self, command: Command, now: datetime, *legs: Move, day: date | None = None) -> None:
        """A journal that nothing stands against."""
        sums: defaultdict[str, int] = defaultdict(int)
        for place, amount in legs:
            sums[place[1]] += amount
        assert not any(sums.values()), legs
        self.journals[command.command_id] += 1
        for place, amount in legs:
            if amount:
                self.open(place)
                self.balances[place] += amount
                self.versions[place] += 1
                total = self.days[day or (now + ZONE).date(), place[0], place[1]]
                total[0 if amount < 0 else 1] += abs(amount)
                total[2] += 1

    def _bill(self, customer: UUID, kind: str, direction: str, amount: int, currency: str, *, moved: bool = True) -> None:
        left = self.balances[WALLET, currency, customer] if moved else None
        self.bills[customer, kind, direction, amount, currency, left] += 1

    # ── people ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _register(self, command: Register, now: datetime, result: Any) -> str:
        name = (command.audience, command.who.login_index)
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
        if command.customer_id in self.pins:
            if command.confirmation is None:
                return "old_pin_needed"
            said = self._confirmed(command.customer_id, pin_of(command.confirmation), now)
            if said != "ok":
                return said
        elif command.proven_at is None:
            return "device_unproven"
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

    def _spend(self, command: Any, payer: UUID, now: datetime, *legs: Move) -> str:
        """Money leaves a customer's wallet, if the customer agrees and nothing stands against it."""
        legs = tuple(leg for leg in legs if leg[1])
        said = self._confirmed(payer, pin_of(command.confirmation), now)
        if said != "ok":
            return said
        if refused := self.refusal(*legs):
            return refused
        self._agreed(payer)
        self.post(command, now, *legs)
        return "ok"

    def _transfer(self, command: Transfer, now: datetime, result: Any) -> str:
        payer, payee, amount, currency = command.payer_id, command.payee_id, command.amount_minor, command.currency
        if payer == payee:
            return "payee_is_payer"
        if self.people.get(payee) != "wallet":
            return "payee_not_found"
        said = self._spend(command, payer, now, ((WALLET, currency, payer), -amount), ((WALLET, currency, payee), amount))
        if said == "ok":
            self._bill(payer, "transfer", "out", amount, currency)
            self._bill(payee, "transfer", "in", amount, currency)
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
            said = self._confirmed(customer, pin_of(command.confirmation), now)
            if said == "ok":
                self._agreed(customer)
        else:
            said = self._spend(
                command, customer, now, ((WALLET, currency, customer), -amount), ((TRANSIT, currency, None), amount)
            )
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
        wallet: Where = (WALLET, found.currency, found.customer)
        transit: Where = (TRANSIT, found.currency, None)
        reserve: Where = (RESERVE, found.currency, None)
        legs: tuple[Move, ...] = ()
        if command.state == "SUCCEEDED" and found.kind == "topup":
            legs = ((reserve, -found.amount), (wallet, found.amount))
        if command.state != "UNKNOWN" and found.kind == "withdrawal":
            legs = ((transit, -found.amount), (reserve if command.state == "SUCCEEDED" else wallet, found.amount))
        if legs and self.refusal(*legs):
            # What the wallet cannot take waits, and is asked for again.
            found.state = "UNKNOWN"
            return "ok"
        found.state = command.state
        if legs:
            self.post(command, now, *legs)
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
        said = self._spend(
            command, payer, now, ((WALLET, currency, payer), -amount), ((MERCHANT, currency, order.merchant), amount - order.fee),
            ((FEES, currency, None), order.fee),
        )  # fmt: skip
        if said == "ok":
            order.payer, order.state = payer, "PAID"
            self.orders[name] = order
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
        if order.payer is None:
            return _ended(order, now) or "order_not_paid"
        if order.payer != command.payer_id or currency != command.currency:
            return "order_not_paid"
        if amount > order.amount - order.refunded:
            return "refund_exceeds_paid"
        if order.refunds == MOST_REFUNDS:
            return "too_many_refunds"
        # The fee comes back in proportion to all that was refunded so far, rounded down.
        fee = order.fee * (order.refunded + amount) // order.amount - order.fee_returned
        every: tuple[Move, ...] = (
            ((WALLET, currency, order.payer), amount), ((MERCHANT, currency, order.merchant), fee - amount),
            ((FEES, currency, None), -fee),
        )  # fmt: skip
        legs = tuple(leg for leg in every if leg[1])
        if refused := self.refusal(*legs):
            return "merchant_funds_insufficient" if refused == "insufficient_funds" else refused
        self.refunds[name] = terms
        order.refunded, order.fee_returned, order.refunds = order.refunded + amount, order.fee_returned + fee, order.refunds + 1
        self.post(command, now, *legs)
        self._bill(order.payer, "refund", "in", amount, currency)
        return "ok"

    # ── holds ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _place_hold(self, command: PlaceHold, now: datetime, result: Any) -> str:
        if command.code in NOT_BY_HAND:
            return "line_not_by_hand"
        if command.hold_id in self.holds:
            return "hold_exists"
        if command.expires_at <= now:
            return "hold_expired"
        place: Where = (command.code, command.currency, command.owner_id)
        if refused := self.refusal((place, -command.amount_minor)):
            return refused
        self.open(place)
        agreed = command.agreed_minor or command.amount_minor
        self.holds[command.hold_id] = Hold(place, command.amount_minor, agreed, command.expires_at)
        self.held[place] += command.amount_minor
        return "ok"

    def _active(self, command: CaptureHold | VoidHold) -> Hold | str:
        hold = self.holds.get(command.hold_id)
        if hold is None or hold.place != (command.code, command.currency, command.owner_id):
            return "hold_not_found"
        return hold if hold.state == "ACTIVE" else "hold_ended"

    def _capture(self, command: CaptureHold, now: datetime, result: Any) -> str:
        if command.to_code in NOT_BY_HAND:
            return "line_not_by_hand"
        hold = self._active(command)
        if isinstance(hold, str):
            return hold
        if hold.expires_at <= now:
            return "hold_expired"
        amount, most = command.amount_minor, hold.agreed - hold.captured
        if amount > most:
            return "capture_exceeds_agreed" if hold.agreed > hold.amount else "capture_exceeds_hold"
        target: Where = (command.to_code, command.currency, command.to_owner_id)
        before = hold.left, hold.captured
        hold.captured += amount
        hold.state = "CAPTURED" if command.final or amount == most else "ACTIVE"
        self.held[hold.place] += hold.left - before[0]
        if refused := self.refusal((hold.place, -amount), (target, amount)):
            self.held[hold.place] -= hold.left - before[0]
            hold.captured, hold.state = before[1], "ACTIVE"
            return refused
        self.post(command, now, (hold.place, -amount), (target, amount))
        return "ok"

    def _end(self, hold: Hold, state: str) -> None:
        self.held[hold.place] -= hold.left
        hold.state = state

    def _void(self, command: VoidHold, now: datetime, result: Any) -> str:
        hold = self._active(command)
        if isinstance(hold, str):
            return hold
        self._end(hold, "EXPIRED" if hold.expires_at <= now else "VOIDED")
        return "ok"

    def _expire_holds(self, command: ExpireHolds, now: datetime, result: Any) -> str:
        for named in command.holds:
            hold = self.holds.get(named.hold_id)
            if hold is not None and hold.state == "ACTIVE" and hold.expires_at <= now:
                self._end(hold, "EXPIRED")
        return "ok"


def _ended(order: Order, now: datetime) -> str:
    if order.state == "PAID":
        return "order_paid"
    if order.state == "CLOSED":
        return "order_closed"
    return "order_expired" if order.state == "EXPIRED" or now >= order.expires_at else ""


RULES: dict[type[Command], Callable[[Rulebook, Any, datetime, Any], str]] = {
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
