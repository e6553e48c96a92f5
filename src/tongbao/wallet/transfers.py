"""Deciders of transfers between customers, those that arrive at once and those that arrive later.

A transfer that arrives later is held in the payer's wallet. It is the payer's choice, or a rule's: whichever is longer.

Source: the payer chooses between real-time, ordinary and next-day arrival, and may cancel until then (Yinfa [2016] 261, 8).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, View
from tongbao.identity.alerts import tell_of_large
from tongbao.identity.factors import KNOWLEDGE, Factors
from tongbao.identity.instruments import spend_instrument
from tongbao.identity.rules import confirm, confirmation_keys
from tongbao.identity.standing import STANDING
from tongbao.identity.types import ClaimConfirmation
from tongbao.kernel.ids import named_id
from tongbao.ledger.api import (
    CUSTOMER_WALLET,
    HOLD,
    Journal,
    Leg,
    PlaceHold,
    VoidHold,
    account_at,
    account_keys,
    post,
    require_positive,
)
from tongbao.ledger.holds import place_hold, void_hold
from tongbao.rules.api import Act, assess, give_back, law_keys, weigh
from tongbao.rules.errors import ACCOUNT_SUSPENDED
from tongbao.wallet import errors
from tongbao.wallet.rules import wallet_of
from tongbao.wallet.types import (
    BILL,
    CUSTOMER,
    DELAYED_TRANSFER,
    Arrival,
    Bill,
    CancelTransfer,
    DelayedState,
    DelayedTransfer,
    DeliverTransfer,
    Direction,
    Transfer,
)

#: Hours until a transfer arrives.
ARRIVES_AFTER: Final[dict[Arrival, int]] = {"now": 0, "ordinary": 2, "next_day": 24}
#: How long the money stays held beyond that, should nobody deliver it.
HELD_BEYOND = timedelta(days=30)


class Transferred(msgspec.Struct, frozen=True):
    """Result of `Transfer`: the payer's bill; and the journal, or the transfer that is to arrive."""

    bill_id: UUID
    journal_id: UUID | None
    transfer_id: UUID | None = None
    arrives_at: datetime | None = None


def delayed_id(command_id: UUID) -> UUID:
    """The one transfer, and its hold, that a command can bring into being."""
    return named_id("delayed transfer", str(command_id))


class Delivered(msgspec.Struct, frozen=True):
    """Result of `DeliverTransfer` and `CancelTransfer`: how the transfer stands."""

    state: DelayedState


def transfer(command: Transfer, view: View, now: datetime) -> Decision:
    """Declines `payee_is_payer`, `payee_not_found`, what `confirm` and `weigh` decline, `payee_cannot_receive`,
    `insufficient_funds`; of a claim also `payer_must_confirm`, `instrument_cap`. Both sides get a bill, the
    payee when the money arrives."""
    require_positive(command.amount_minor)
    if command.payee_id == command.payer_id:
        return Declined(errors.PAYEE_IS_PAYER)
    payee = view.get(CUSTOMER, command.payee_id)
    if payee is None or payee.audience != "wallet":
        return Declined(errors.PAYEE_NOT_FOUND)
    factors = confirm(view, command.payer_id, command.confirmation, now)
    if isinstance(factors, Declined):
        return factors
    if isinstance(command.confirmation, ClaimConfirmation):
        refused = _by_claim(command.confirmation, factors, command, view, now)
        if refused is not None:
            return refused
    wallet = wallet_of(command.payer_id, command.currency)
    act = Act("transfer", command.amount_minor, command.currency, factors, wallet.account_id)
    weighed = weigh(view, now, command.payer_id, act)
    if isinstance(weighed, Declined):
        return weighed
    if hours := max(ARRIVES_AFTER[command.arrival], weighed.delay_hours):
        return _delayed(command, view, now, factors, now + timedelta(hours=hours), weighed.counted)
    if refused := _receiving(command.payee_id, command.amount_minor, command.currency, view, now):
        return refused
    journal = _posted(command, view, now, command.payer_id, command.payee_id, command.amount_minor, command.currency, "")
    if isinstance(journal, Declined):
        return journal
    bill_id = view.new_id()
    # By customer: the chain order of the two bills.
    for mine in sorted((command.payer_id, command.payee_id)):
        out = mine == command.payer_id
        other = command.payee_id if out else command.payer_id
        note = command.note if out else command.payee_note
        _bill(
            view, now, bill_id, mine, "out" if out else "in", other, command.amount_minor, command.currency, note, journal, None,
            factors if out else 0,
        )  # fmt: skip
    tell_of_large(view, command.payer_id, command.amount_minor, bill_id, now)
    view.emit(f"customer:{command.payee_id}", "transfer.received", {"bill_id": bill_id})
    return Accepted(Transferred(bill_id, journal.journal_id))


def _by_claim(claim: ClaimConfirmation, factors: Factors, command: Transfer, view: View, now: datetime) -> Declined | None:
    """Whoever sends money to a person shows that they know something, whatever the sum, and keeps to their instrument's caps."""
    if not factors & KNOWLEDGE:
        return Declined(errors.PAYER_MUST_CONFIRM)
    return spend_instrument(view, claim.number, command.amount_minor, command.currency, now)


def _receiving(payee_id: UUID, amount_minor: int, currency: str, view: View, now: datetime) -> Declined | None:
    """`payee_cannot_receive` if the payee's own limits forbid; which ones is not the payer's to know."""
    act = Act("receive", amount_minor, currency, 0, wallet_of(payee_id, currency).account_id)
    return Declined(errors.PAYEE_CANNOT_RECEIVE) if assess(view, now, payee_id, act) is not None else None


def _posted(
    command: Command, view: View, now: datetime, payer_id: UUID, payee_id: UUID, amount_minor: int, currency: str, memo: str
) -> Journal | Declined:
    legs = [Leg(wallet_of(payer_id, currency), -amount_minor), Leg(wallet_of(payee_id, currency), amount_minor)]
    return post(view, command, now, "transfer", legs, memo)


def _bill(
    view: View,
    now: datetime,
    bill_id: UUID,
    mine: UUID,
    direction: Direction,
    other: UUID,
    amount_minor: int,
    currency: str,
    note: bytes,
    journal: Journal | None,
    transfer_id: UUID | None,
    factors: Factors,
) -> None:
    balance = None if journal is None else account_at(view, wallet_of(mine, currency), now).posted_minor
    journal_id = None if journal is None else journal.journal_id
    view.put(
        BILL,
        Bill(
            mine, bill_id, "transfer", direction, amount_minor, currency, "customer", other, "", note, now, balance, journal_id,
            transfer_id, factors,
        ),
    )  # fmt: skip


def _delayed(command: Transfer, view: View, now: datetime, factors: Factors, arrives_at: datetime, counted: str) -> Decision:
    transfer_id = delayed_id(command.command_id)
    held = place_hold(
        PlaceHold(
            command_id=command.command_id, hold_id=transfer_id, code=CUSTOMER_WALLET.code, currency=command.currency,
            owner_id=command.payer_id, amount_minor=command.amount_minor, expires_at=arrives_at + HELD_BEYOND,
        ), view, now,
    )  # fmt: skip
    if isinstance(held, Declined):
        return held
    view.put(
        DELAYED_TRANSFER,
        DelayedTransfer(
            transfer_id, command.payer_id, command.payee_id, command.amount_minor, command.currency, command.payee_note,
            "PENDING", arrives_at, transfer_id, counted, None, now, None, None,
        ),
    )  # fmt: skip
    bill_id = view.new_id()
    _bill(
        view, now, bill_id, command.payer_id, "out", command.payee_id, command.amount_minor, command.currency, command.note, None,
        transfer_id, factors,
    )  # fmt: skip
    tell_of_large(view, command.payer_id, command.amount_minor, bill_id, now)
    return Accepted(Transferred(bill_id, None, transfer_id, arrives_at))


def cancel_transfer(command: CancelTransfer, view: View, now: datetime) -> Decision:
    """Declines `transfer_not_found` (also somebody else's), `transfer_ended` (its time has come counts as arrived). Cancelling
    twice is as cancelling once."""
    found = view.get(DELAYED_TRANSFER, command.transfer_id)
    if found is None or found.payer_id != command.payer_id or found.currency != command.currency:
        return Declined(errors.TRANSFER_NOT_FOUND)
    if found.state == "CANCELLED":
        return Accepted(Delivered("CANCELLED"))
    if found.state != "PENDING" or now >= found.arrives_at:
        return Declined(errors.TRANSFER_ENDED, {"state": found.state})
    _release(command, view, now, found)
    _ended(view, now, found, "CANCELLED", None)
    return Accepted(Delivered("CANCELLED"))


def deliver_transfer(command: DeliverTransfer, view: View, now: datetime) -> Decision:
    """Let a transfer arrive whose time has come; nothing happens before, or twice. One that cannot arrive ends as FAILED: the
    payer was suspended meanwhile, the payee may not receive, a wallet is frozen, the hold is gone."""
    found = view.get(DELAYED_TRANSFER, command.transfer_id)
    if found is None or (found.payer_id, found.payee_id, found.currency) != (
        command.payer_id,
        command.payee_id,
        command.currency,
    ):
        return Declined(errors.TRANSFER_NOT_FOUND)
    if found.state != "PENDING" or now < found.arrives_at:
        return Accepted(Delivered(found.state))
    why = _release(command, view, now, found) or _arrived(command, view, now, found)
    if why is not None:
        _ended(view, now, found, "FAILED", why.code.name)
        return Accepted(Delivered("FAILED"))
    return Accepted(Delivered("SUCCEEDED"))


def _arrived(command: DeliverTransfer, view: View, now: datetime, found: DelayedTransfer) -> Declined | None:
    """The money moves; or why it cannot, and then nothing of it stays."""
    standing = view.get(STANDING, found.payer_id)
    if standing is not None and standing.suspended:
        return Declined(ACCOUNT_SUSPENDED)
    act = Act("receive", found.amount_minor, found.currency, 0, wallet_of(found.payee_id, found.currency).account_id)
    received = weigh(view, now, found.payee_id, act)
    if isinstance(received, Declined):
        return Declined(errors.PAYEE_CANNOT_RECEIVE)
    memo = str(found.hold_id)
    journal = _posted(command, view, now, found.payer_id, found.payee_id, found.amount_minor, found.currency, memo)
    if isinstance(journal, Declined):
        give_back(view, now, found.payee_id, received.counted, found.amount_minor)
        return journal
    hold = view.need(HOLD, found.hold_id)
    view.put(HOLD, replace(hold, state="CAPTURED", captured_minor=found.amount_minor))
    view.put(DELAYED_TRANSFER, replace(found, state="SUCCEEDED", ended_at=now, journal_id=journal.journal_id))
    bill_id = view.new_id()
    _bill(
        view, now, bill_id, found.payee_id, "in", found.payer_id, found.amount_minor, found.currency, found.payee_note, journal,
        found.transfer_id, 0,
    )  # fmt: skip
    view.emit(f"customer:{found.payee_id}", "transfer.received", {"bill_id": bill_id})
    view.emit(f"customer:{found.payer_id}", "transfer.arrived", {"transfer_id": found.transfer_id})
    return None


def _ended(
    view: View, now: datetime, found: DelayedTransfer, state: Literal["CANCELLED", "FAILED"], failure_code: str | None
) -> None:
    """It will not arrive: what it counted is given back."""
    give_back(view, now, found.payer_id, found.counted, found.amount_minor)
    view.put(DELAYED_TRANSFER, replace(found, state=state, ended_at=now, failure_code=failure_code))
    told = {"transfer_id": found.transfer_id, "failure_code": failure_code}
    view.emit(f"customer:{found.payer_id}", f"transfer.{state.lower()}", told)


def _release(command: CancelTransfer | DeliverTransfer, view: View, now: datetime, found: DelayedTransfer) -> Declined | None:
    """The money is the payer's to spend again; why not, if the hold has ended otherwise."""
    freed = void_hold(
        VoidHold(
            command_id=command.command_id, hold_id=found.hold_id, code=CUSTOMER_WALLET.code, currency=found.currency,
            owner_id=found.payer_id,
        ), view, now,
    )  # fmt: skip
    return freed if isinstance(freed, Declined) else None


def _money_keys(payer_id: UUID, payee_id: UUID, currency: str) -> list[Key]:
    return [
        *law_keys(payer_id),
        *law_keys(payee_id)[1:],  # the rulebook is named already
        *account_keys([wallet_of(payer_id, currency), wallet_of(payee_id, currency)]),
    ]


def transfer_keys(command: Transfer) -> list[Key]:
    agreed = confirmation_keys(command.payer_id, command.confirmation)
    money = _money_keys(command.payer_id, command.payee_id, command.currency)
    # Whether it is delayed, and has a hold of its own, is only known when the rules have been asked.
    return [Key(CUSTOMER, command.payee_id), *agreed, *money, Key(HOLD, delayed_id(command.command_id))]


def _cancel_keys(command: CancelTransfer) -> list[Key]:
    places = [wallet_of(command.payer_id, command.currency)]
    own = [Key(DELAYED_TRANSFER, command.transfer_id), Key(HOLD, command.transfer_id)]
    return [*own, *law_keys(command.payer_id), *account_keys(places)]


def _deliver_keys(command: DeliverTransfer) -> list[Key]:
    own = [Key(DELAYED_TRANSFER, command.transfer_id), Key(HOLD, command.transfer_id)]
    return [*own, *_money_keys(command.payer_id, command.payee_id, command.currency)]


DECIDERS = (
    Decider(Transfer, transfer_keys, transfer, Transferred),
    Decider(CancelTransfer, _cancel_keys, cancel_transfer, Delivered),
    Decider(DeliverTransfer, _deliver_keys, deliver_transfer, Delivered),
)
