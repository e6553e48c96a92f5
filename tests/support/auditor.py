"""An auditor who keeps books of his own, from the rules alone: plain dictionaries and arithmetic, nothing of the product's.

He is told each command in the order in which it was decided, says what the answer must be, and afterwards compares his
balances with the rows that are stored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple
from uuid import UUID

from tongbao.engine.api import Command
from tongbao.identity.types import pin_of
from tongbao.ledger.api import Account, CaptureHold, Entry, Hold, Journal, PlaceHold, VoidHold
from tongbao.payments.types import CloseOrder, CreateOrder, PayMerchant, PayOrder, RefundPayment
from tongbao.wallet.types import SettleBankTransfer, StartBankTransfer, Transfer

#: (line of the chart, currency, owner)
Where = tuple[str, str, UUID | None]

RESERVE, WALLET, MERCHANT, TRANSIT, FEES = "1001", "2001", "2101", "2301", "4001"


class Shop(NamedTuple):
    """A merchant's terms. It takes no other currency than its own."""

    currency: str
    fee_ppm: int


@dataclass
class _Hold:
    place: Where
    left: int
    expires_at: datetime
    active: bool = True


@dataclass
class _Order:
    terms: tuple[Any, ...]
    merchant: UUID
    amount: int
    currency: str
    fee: int
    expires_at: datetime
    payer: UUID | None = None
    closed: bool = False
    refunded: int = 0


@dataclass
class _BankTransfer:
    customer: UUID
    kind: str
    amount: int
    currency: str
    ended: str = ""


@dataclass
class _Pin:
    mac: bytes
    wrong: int = 0
    locked_until: datetime | None = None


class Auditor:
    """`pins`: each customer's MAC; `cards`: whose a bank account is; `shops`: each merchant's currency and fee."""

    def __init__(self, pins: dict[UUID, bytes], cards: dict[UUID, UUID], shops: dict[UUID, Shop]) -> None:
        self.balances: defaultdict[Where, int] = defaultdict(int)
        self._pins = {customer: _Pin(mac) for customer, mac in pins.items()}
        self._cards = cards
        self._shops = shops
        self._holds: dict[UUID, _Hold] = {}
        self._orders: dict[UUID, _Order] = {}
        self._refunds: dict[tuple[UUID, str], tuple[Any, ...]] = {}
        self._bank_transfers: dict[UUID, _BankTransfer] = {}
        self._told: dict[UUID, tuple[Command, str]] = {}

    def expect(self, command: Command, now: datetime) -> str:
        """What must be answered to `command`, decided at `now` after all told before: "ok", a decline's or refusal's code."""
        known = self._told.get(command.command_id)
        if known is not None:
            return known[1] if known[0] == command else "idempotency_conflict"
        code = self._judge(command, now)
        self._told[command.command_id] = (command, code)
        return code

    def learn(self, command: StartBankTransfer, bank_transfer_id: UUID) -> None:
        """The name that a bank transfer was given."""
        self._bank_transfers.setdefault(
            bank_transfer_id, _BankTransfer(command.customer_id, command.transfer_kind, command.amount_minor, command.currency)
        )

    # ── the rules ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _judge(self, command: Command, now: datetime) -> str:
        match command:
            case Transfer():
                return self._transfer(command, now)
            case StartBankTransfer():
                return self._start(command, now)
            case SettleBankTransfer():
                return self._settle(command)
            case CreateOrder():
                return self._create(command, now)
            case PayOrder() | PayMerchant():
                return self._pay(command, now)
            case CloseOrder():
                return self._close(command, now)
            case RefundPayment():
                return self._refund(command, now)
            case PlaceHold():
                return self._hold(command, now)
            case CaptureHold():
                return self._capture(command, now)
            case VoidHold():
                return self._void(command)
            case _:
                raise AssertionError(f"the auditor knows no {command.kind}")

    def _available(self, place: Where) -> int:
        return self.balances[place] - self.held(place)

    def held(self, place: Where) -> int:
        """What active holds set aside at a place."""
        return sum(hold.left for hold in self._holds.values() if hold.active and hold.place == place)

    def _move(self, amount: int, source: Where, target: Where) -> None:
        self.balances[source] -= amount
        self.balances[target] += amount

    def _confirmed(self, customer: UUID, mac: bytes, now: datetime) -> str:
        """ "ok" or the decline. What a right PIN resets is kept only if the command happens: see `_agreed`."""
        pin = self._pins[customer]
        if pin.locked_until is not None and now < pin.locked_until:
            return "pin_locked"
        if mac == pin.mac:
            return "ok"
        if pin.locked_until is not None:
            pin.wrong, pin.locked_until = 0, None
        pin.wrong += 1
        if pin.wrong == 5:
            pin.locked_until = now + timedelta(hours=24)
            return "pin_locked"
        return "wrong_pin"

    def _agreed(self, customer: UUID) -> None:
        self._pins[customer].wrong, self._pins[customer].locked_until = 0, None

    def _spend(self, payer: UUID, mac: bytes, amount: int, currency: str, now: datetime) -> str:
        said = self._confirmed(payer, mac, now)
        if said != "ok":
            return said
        if amount > self._available((WALLET, currency, payer)):
            return "insufficient_funds"
        self._agreed(payer)
        return "ok"

    def _transfer(self, command: Transfer, now: datetime) -> str:
        if command.payer_id == command.payee_id:
            return "payee_is_payer"
        said = self._spend(command.payer_id, pin_of(command.confirmation), command.amount_minor, command.currency, now)
        if said == "ok":
            self._move(
                command.amount_minor, (WALLET, command.currency, command.payer_id), (WALLET, command.currency, command.payee_id)
            )
        return said

    def _start(self, command: StartBankTransfer, now: datetime) -> str:
        if self._cards.get(command.bank_account_id) != command.customer_id:
            return "bank_account_unknown"
        if command.transfer_kind == "topup":
            said = self._confirmed(command.customer_id, pin_of(command.confirmation), now)
            if said == "ok":
                self._agreed(command.customer_id)
            return said
        said = self._spend(command.customer_id, pin_of(command.confirmation), command.amount_minor, command.currency, now)
        if said == "ok":
            self._move(command.amount_minor, (WALLET, command.currency, command.customer_id), (TRANSIT, command.currency, None))
        return said

    def _settle(self, command: SettleBankTransfer) -> str:
        found = self._bank_transfers.get(command.bank_transfer_id)
        if found is None or (found.customer, found.currency) != (command.customer_id, command.currency):
            return "bank_transfer_unknown"
        if found.ended:
            return "ok" if command.state in ("UNKNOWN", found.ended) else "bank_transfer_settled"
        if command.state == "UNKNOWN":
            return "ok"
        found.ended = command.state
        wallet: Where = (WALLET, found.currency, found.customer)
        transit: Where = (TRANSIT, found.currency, None)
        reserve: Where = (RESERVE, found.currency, None)
        if found.kind == "topup" and command.state == "SUCCEEDED":
            self._move(found.amount, reserve, wallet)
        if found.kind == "withdrawal":
            self._move(found.amount, transit, reserve if command.state == "SUCCEEDED" else wallet)
        return "ok"

    def _new_order(self, command: CreateOrder | PayMerchant, expires_at: datetime) -> _Order:
        exact = Decimal(command.amount_minor) * self._shops[command.merchant_id].fee_ppm / 10**6
        fee = int(exact.quantize(Decimal(1), ROUND_HALF_UP))
        terms = (command.store_id, command.subject, command.amount_minor, command.currency)
        return _Order(terms, command.merchant_id, command.amount_minor, command.currency, fee, expires_at)

    def _create(self, command: CreateOrder, now: datetime) -> str:
        if command.currency != self._shops[command.merchant_id].currency:
            return "currency_mismatch"
        name = _order_name(command)
        order = self._new_order(command, now + timedelta(seconds=command.expires_in_s))
        if name in self._orders:
            return "ok" if self._orders[name].terms == order.terms else "out_trade_no_used"
        self._orders[name] = order
        return "ok"

    def _pay(self, command: PayOrder | PayMerchant, now: datetime) -> str:
        if isinstance(command, PayMerchant):
            if command.currency != self._shops[command.merchant_id].currency:
                return "currency_mismatch"
            name = _order_name(command)
            if name in self._orders:
                return "out_trade_no_used"
            order = self._new_order(command, now)
        else:
            name = command.payment_id
            found = self._orders.get(name)
            if found is None or found.merchant != command.merchant_id:
                return "payment_not_found"
            if ended := _ended(found, now):
                return ended
            if (found.amount, found.currency) != (command.amount_minor, command.currency):
                return "amount_mismatch"
            order = found
        said = self._spend(command.payer_id, pin_of(command.confirmation), order.amount, order.currency, now)
        if said == "ok":
            order.payer = command.payer_id
            self._orders[name] = order
            wallet: Where = (WALLET, order.currency, command.payer_id)
            self._move(order.amount - order.fee, wallet, (MERCHANT, order.currency, order.merchant))
            self._move(order.fee, wallet, (FEES, order.currency, None))
        return said

    def _close(self, command: CloseOrder, now: datetime) -> str:
        order = self._orders.get(command.payment_id)
        if order is None or order.merchant != command.merchant_id:
            return "payment_not_found"
        if ended := _ended(order, now):
            return ended
        order.closed = True
        return "ok"

    def _refund(self, command: RefundPayment, now: datetime) -> str:
        order = self._orders.get(command.payment_id)
        if order is None or order.merchant != command.merchant_id:
            return "payment_not_found"
        name = (command.payment_id, command.out_refund_no)
        terms = (command.amount_minor, command.currency, command.reason)
        if name in self._refunds:
            return "ok" if self._refunds[name] == terms else "out_refund_no_used"
        if order.payer is None:
            return _ended(order, now) or "order_not_paid"
        if order.payer != command.payer_id or order.currency != command.currency:
            return "order_not_paid"
        if command.amount_minor > order.amount - order.refunded:
            return "refund_exceeds_paid"
        # The fee comes back in proportion to all that was refunded so far, rounded down.
        before = order.fee * order.refunded // order.amount
        after = order.fee * (order.refunded + command.amount_minor) // order.amount
        merchant: Where = (MERCHANT, order.currency, order.merchant)
        if command.amount_minor - (after - before) > self._available(merchant):
            return "merchant_funds_insufficient"
        self._refunds[name] = terms
        order.refunded += command.amount_minor
        wallet: Where = (WALLET, order.currency, order.payer)
        self._move(command.amount_minor - (after - before), merchant, wallet)
        self._move(after - before, (FEES, order.currency, None), wallet)
        return "ok"

    def _hold(self, command: PlaceHold, now: datetime) -> str:
        if command.hold_id in self._holds:
            return "hold_exists"
        if command.expires_at <= now:
            return "hold_expired"
        place: Where = (command.code, command.currency, command.owner_id)
        if command.amount_minor > self._available(place):
            return "insufficient_funds"
        self._holds[command.hold_id] = _Hold(place, command.amount_minor, command.expires_at)
        return "ok"

    def _active(self, command: CaptureHold | VoidHold) -> _Hold | str:
        hold = self._holds.get(command.hold_id)
        if hold is None or hold.place != (command.code, command.currency, command.owner_id):
            return "hold_not_found"
        return hold if hold.active else "hold_ended"

    def _capture(self, command: CaptureHold, now: datetime) -> str:
        hold = self._active(command)
        if isinstance(hold, str):
            return hold
        if hold.expires_at <= now:
            return "hold_expired"
        if command.amount_minor > hold.left:
            return "capture_exceeds_hold"
        hold.left -= command.amount_minor
        hold.active = not command.final and hold.left > 0
        self._move(command.amount_minor, hold.place, (command.to_code, command.currency, command.to_owner_id))
        return "ok"

    def _void(self, command: VoidHold) -> str:
        hold = self._active(command)
        if isinstance(hold, str):
            return hold
        hold.active = False
        return "ok"

    # ── the audit ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def audit(
        self, accounts: Sequence[Account], journals: Sequence[Journal], entries: Sequence[Entry], holds: Sequence[Hold]
    ) -> None:
        """Compare the stored rows with these books, and with what must hold of any books."""
        stored: dict[Where, Account] = {(row.code, row.currency, row.owner_id): row for row in accounts}
        assert len(stored) == len(accounts), "two accounts at one place"
        for place in stored.keys() | self.balances.keys():
            account = stored.get(place)
            assert (account.posted_minor if account else 0) == self.balances[place], place
            assert (account.held_minor if account else 0) == self.held(place), place
        for (code, _, _), account in stored.items():
            assert account.held_minor >= 0
            if code != RESERVE:
                assert account.posted_minor - account.held_minor >= 0, "an account below its floor"
        self._audit_entries(stored, journals, entries)
        self._audit_holds(holds)
        for currency in {currency for _, currency, _ in self.balances}:
            owed = sum(row.posted_minor for row in accounts if row.currency == currency and row.code != RESERVE)
            kept = sum(row.posted_minor for row in accounts if row.currency == currency and row.code == RESERVE)
            assert owed == -kept, f"{currency}: the reserve does not cover wallets, merchants, transit and fees"

    def _audit_entries(self, stored: dict[Where, Account], journals: Sequence[Journal], entries: Sequence[Entry]) -> None:
        by_account: defaultdict[UUID, list[Entry]] = defaultdict(list)
        sums: defaultdict[tuple[UUID, str], int] = defaultdict(int)
        for entry in entries:
            by_account[entry.account_id].append(entry)
            sums[entry.journal_id, entry.currency] += entry.amount_minor
            assert entry.amount_minor != 0
        assert not any(sums.values()), "a journal does not balance"
        assert {journal for journal, _ in sums} == {journal.journal_id for journal in journals}
        assert {journal.command_id for journal in journals} <= {
            command_id for command_id, (_, code) in self._told.items() if code == "ok"
        }, "a command that did not happen moved money"
        for account in stored.values():
            balance = 0
            mine = sorted(by_account.pop(account.account_id, []), key=lambda entry: entry.version)
            assert [entry.version for entry in mine] == list(range(1, account.version + 1))
            for entry in mine:
                balance += entry.amount_minor
                assert (entry.balance_minor, entry.currency) == (balance, account.currency)
            assert balance == account.posted_minor
        assert not by_account, "entries of no account"

    def _audit_holds(self, holds: Sequence[Hold]) -> None:
        assert {hold.hold_id for hold in holds} == self._holds.keys()
        for hold in holds:
            known = self._holds[hold.hold_id]
            assert (hold.state == "ACTIVE") == known.active == (hold.ended_at is None)
            assert hold.amount_minor - hold.captured_minor == known.left


def _order_name(command: CreateOrder | PayMerchant) -> UUID:
    return command.payment_id


def _ended(order: _Order, now: datetime) -> str:
    if order.payer is not None:
        return "order_paid"
    if order.closed:
        return "order_closed"
    return "order_expired" if now >= order.expires_at else ""
