"""What people do. An action is a function from somebody and the town to the commands they send, all at once.

To add one: write it here, under `@action(weight)`. It may answer None when there is nothing to do it with. The rule by which
its commands are judged goes into `rulebook.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from msgspec.structs import replace

from tongbao.engine.api import Command
from tongbao.identity.types import PinConfirmation, SetPin
from tongbao.kernel.ids import named_id
from tongbao.ledger.commands import CaptureHold, PlaceHold, VoidHold
from tongbao.payments.types import CloseOrder, CreateOrder, PayMerchant, PayOrder, RefundPayment, payment_id_of
from tongbao.simulation.town import CURRENCY, Person, Town
from tongbao.wallet.types import SettleBankTransfer, StartBankTransfer, Transfer, UnlinkBankAccount

Wishes = Sequence[Command] | None
Act = Callable[[Person, Town], Wishes]


class Action(NamedTuple):
    """`weight`: how often it is chosen, by the honest and by thieves."""

    act: Act
    weight: int
    thieves: int


ACTIONS: list[Action] = []

_WRONG = PinConfirmation(b"wrong")


def action(weight: int, *, thieves: int | None = None) -> Callable[[Act], Act]:
    """Add a function to the table."""

    def add(act: Act) -> Act:
        ACTIONS.append(Action(act, weight, weight if thieves is None else thieves))
        return act

    return add


def _confirms(me: Person, town: Town) -> PinConfirmation:
    return _WRONG if town.chance.random() < 0.05 else me.pin


def _transfer(payer: Person, payee: Person, amount: int, town: Town, pin: PinConfirmation) -> Transfer:
    assert payer.customer_id is not None
    assert payee.customer_id is not None
    return Transfer(
        command_id=town.id(), payer_id=payer.customer_id, payee_id=payee.customer_id, amount_minor=amount, currency=CURRENCY,
        note="午饭".encode(), payee_note="午饭".encode(), note_index=b"", confirmation=pin,
    )  # fmt: skip


def _bank(me: Person, town: Town, kind: Any, amount: int) -> Wishes:
    if not me.cards or me.customer_id is None:
        return None
    return [
        StartBankTransfer(
            command_id=town.id(), customer_id=me.customer_id, bank_account_id=town.chance.choice(me.cards), transfer_kind=kind,
            amount_minor=amount, currency=CURRENCY, confirmation=_confirms(me, town),
        )
    ]  # fmt: skip


# ── people ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@action(10)
def tops_up(me: Person, town: Town) -> Wishes:
    return _bank(me, town, "topup", town.amount() * town.chance.choice((1, 1, 100)))


@action(5)
def withdraws(me: Person, town: Town) -> Wishes:
    return _bank(me, town, "withdrawal", town.amount())


@action(12)
def sends_money(me: Person, town: Town) -> Wishes:
    return [_transfer(me, town.someone(me), town.amount(), town, _confirms(me, town))]


@action(6)
def spends_the_same_money_many_times_at_once(me: Person, town: Town) -> Wishes:
    amount = town.amount()
    return [_transfer(me, town.someone(me), amount, town, me.pin) for _ in range(town.chance.randint(2, 6))]


@action(1)
def changes_the_pin(me: Person, town: Town) -> Wishes:
    # To the same one: two that change it at once, each to another, would not know which is theirs.
    return [SetPin(command_id=town.id(), customer_id=me.customer_id, mac=me.mac, confirmation=me.pin)] if me.customer_id else None


@action(1)
def unlinks_a_card(me: Person, town: Town) -> Wishes:
    if len(me.cards) < 2 or me.customer_id is None:
        return None
    command_id, card, here = town.id(), me.cards.pop(), town.now()
    return [UnlinkBankAccount(command_id=command_id, customer_id=me.customer_id, bank_account_id=card, proven_at=here)]


# ── shops ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


@action(10)
def orders(me: Person, town: Town) -> Wishes:
    if not town.shops:
        return None
    shop, number = town.chance.choice(town.shops), f"T{town.number()}"
    return [
        CreateOrder(
            command_id=town.id(), payment_id=payment_id_of(shop.merchant_id, number, b""), merchant_id=shop.merchant_id,
            store_id=None, out_trade_no=number, subject="牛肉面", amount_minor=town.amount(),
            currency=CURRENCY, expires_in_s=town.chance.choice((30, 300, 86_400)),
        )
    ]  # fmt: skip


def _pays(me: Person, town: Town, order: CreateOrder, amount: int) -> PayOrder:
    assert me.customer_id is not None
    return PayOrder(
        command_id=town.id(), payment_id=order.payment_id, merchant_id=order.merchant_id, payer_id=me.customer_id,
        amount_minor=amount, currency=order.currency, method="qr", confirmation=_confirms(me, town),
    )  # fmt: skip


@action(12)
def pays(me: Person, town: Town) -> Wishes:
    order = town.one_of(town.orders)
    return [_pays(me, town, order, order.amount_minor)] if order else None


@action(5)
def pays_while_others_do(me: Person, town: Town) -> Wishes:
    order = town.one_of(town.orders)
    return [_pays(who, town, order, order.amount_minor) for who in (me, me, town.someone(me))] if order else None


@action(8)
def pays_at_once(me: Person, town: Town) -> Wishes:
    if not town.shops or me.customer_id is None:
        return None
    shop, number = town.chance.choice(town.shops), f"T{town.number()}"
    return [
        PayMerchant(
            command_id=town.id(), payment_id=payment_id_of(shop.merchant_id, number, b""), merchant_id=shop.merchant_id,
            store_id=None, out_trade_no=number, subject="豆浆", payer_id=me.customer_id, amount_minor=town.amount(),
            currency=CURRENCY, method="static_code", confirmation=_confirms(me, town),
        )
    ]  # fmt: skip


@action(2)
def closes_an_order(me: Person, town: Town) -> Wishes:
    order = town.one_of(town.orders)
    return [CloseOrder(command_id=town.id(), payment_id=order.payment_id, merchant_id=order.merchant_id)] if order else None


@action(8)
def refunds(me: Person, town: Town) -> Wishes:
    paid = town.one_of(town.paid)
    if paid is None:
        return None
    amounts = (paid.amount_minor, max(1, paid.amount_minor // 3), town.amount())
    return [
        RefundPayment(
            command_id=town.id(), payment_id=paid.payment_id, merchant_id=paid.merchant_id, payer_id=paid.payer_id,
            currency=paid.currency, out_refund_no=f"R{town.chance.randint(1, 4)}", amount_minor=town.chance.choice(amounts),
            reason="太咸", note="太咸".encode(),
        )
        for _ in range(town.chance.choice((1, 1, 3)))
    ]  # fmt: skip


# ── holds ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


@action(8)
def sets_money_aside(me: Person, town: Town) -> Wishes:
    lasts, amount = timedelta(seconds=town.chance.choice((1, 3600, 86_400, 604_800))), town.amount()
    return [
        PlaceHold(
            command_id=town.id(), hold_id=named_id("hold", str(town.number())), code="2001", currency=CURRENCY,
            owner_id=me.customer_id, amount_minor=amount, expires_at=town.now() + lasts,
            agreed_minor=amount + 50 if town.chance.random() < 0.3 else None,
        )
    ]  # fmt: skip


@action(10)
def captures(me: Person, town: Town) -> Wishes:
    hold = town.one_of(town.holds)
    if hold is None or not town.shops:
        return None
    chance = town.chance
    held = hold.amount_minor
    amounts = (held, held + 1, held + 50, max(1, held // 2), max(1, held - 1))
    return [
        CaptureHold(
            command_id=town.id(), hold_id=hold.hold_id, code=hold.code, currency=hold.currency, owner_id=hold.owner_id,
            to_code="2101", to_owner_id=chance.choice(town.shops).merchant_id, amount_minor=chance.choice(amounts),
            final=chance.random() < 0.5,
        )
        for _ in range(chance.choice((1, 1, 2)))
    ]  # fmt: skip


@action(3)
def voids(me: Person, town: Town) -> Wishes:
    hold = town.one_of(town.holds)
    if hold is None:
        return None
    return [
        VoidHold(
            command_id=town.id(), hold_id=hold.hold_id, code=hold.code, currency=hold.currency, owner_id=hold.owner_id
        )
    ]  # fmt: skip


# ── the same again ──────────────────────────────────────────────────────────────────────────────────────────────────────


@action(8)
def says_again_what_was_said(me: Person, town: Town) -> Wishes:
    said = town.one_of(town.said)
    return [said] * town.chance.choice((1, 2)) if said else None


@action(3, thieves=12)
def uses_an_id_for_another_wish(me: Person, town: Town) -> Wishes:
    said: Any = town.one_of(town.said)
    if said is None or not hasattr(said, "amount_minor"):
        return None
    return [replace(said, amount_minor=said.amount_minor + 1)]


# ── thieves ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@action(0, thieves=12)
def guesses_a_pin(me: Person, town: Town) -> Wishes:
    victim = town.someone(me)
    if victim.customer_id is None or me.customer_id is None:
        return None
    return [_transfer(victim, me, town.amount(), town, _WRONG) for _ in range(town.chance.choice((1, 2, 6)))]


@action(0, thieves=8)
def withdraws_to_a_strange_card(me: Person, town: Town) -> Wishes:
    victim = town.someone(me)
    if not victim.cards or me.customer_id is None:
        return None
    return [
        StartBankTransfer(
            command_id=town.id(), customer_id=me.customer_id, bank_account_id=victim.cards[0], transfer_kind="withdrawal",
            amount_minor=town.amount(), currency=CURRENCY, confirmation=me.pin,
        )
    ]  # fmt: skip


@action(4, thieves=8)
def hears_from_the_bank_what_is_known(me: Person, town: Town) -> Wishes:
    """A notice under an id of its own says again what the bank has said; `truth` is put in when it is known (see `people.py`)."""
    started = town.one_of(town.transfers)
    if started is None:
        return None
    wish = started.command
    return [
        SettleBankTransfer(
            command_id=town.id(), bank_transfer_id=started.bank_transfer_id, customer_id=wish.customer_id,
            currency=wish.currency, state="UNKNOWN", retry_in_s=1,
        )
    ]  # fmt: skip
