"""Deciders of the wallet and the bank. Transfers between customers: `transfers.py`."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Decider, Decision, Declined, Key, View
from tongbao.identity.alerts import tell
from tongbao.identity.devices import counts, unproven
from tongbao.identity.rules import confirm, confirmation_keys
from tongbao.kernel.errors import InvariantBroken
from tongbao.kernel.ids import derived_id
from tongbao.ledger import errors as ledger_errors
from tongbao.ledger.api import (
    CUSTOMER_WALLET,
    RESERVE,
    WITHDRAWALS_IN_TRANSIT,
    Journal,
    Leg,
    Place,
    account_at,
    account_keys,
    post,
    require_positive,
)
from tongbao.rules.api import Act, give_back, law_keys, weigh
from tongbao.wallet import errors
from tongbao.wallet.types import (
    BANK_ACCOUNT,
    BANK_TRANSFER,
    BILL,
    BankAccount,
    BankTransfer,
    Bill,
    LinkBankAccount,
    SettleBankTransfer,
    StartBankTransfer,
    UnlinkBankAccount,
)

#: How long the one who started a transfer has the bank to itself before the janitor takes over.
FIRST_ANSWER = timedelta(seconds=10)
#: How long money waits that the wallet cannot take now.
UNCREDITABLE = timedelta(hours=1)


class BankTransferStarted(msgspec.Struct, frozen=True):
    """Result of `StartBankTransfer`."""

    bank_transfer_id: UUID


@lru_cache(maxsize=100_000)
def wallet_of(customer_id: UUID, currency: str) -> Place:
    """Where a customer's balance is kept."""
    return Place(CUSTOMER_WALLET, currency, customer_id)


def link_bank_account(command: LinkBankAccount, view: View, now: datetime) -> Decision:
    """Declines `bank_account_linked`. Linking again after unlinking revives the link."""
    known = view.get(BANK_ACCOUNT, command.bank_account_id)
    if known is not None and known.unlinked_at is None:
        return Declined(errors.BANK_ACCOUNT_LINKED)
    view.put(
        BANK_ACCOUNT,
        BankAccount(command.bank_account_id, command.customer_id, command.bank, command.number, command.holder_name, now, None),
    )
    return Accepted()


def unlink_bank_account(command: UnlinkBankAccount, view: View, now: datetime) -> Decision:
    """Declines `bank_account_unknown`, `device_unproven`. The customer is told."""
    account = _linked(view, command.bank_account_id, command.customer_id)
    if account is None:
        return Declined(errors.BANK_ACCOUNT_UNKNOWN)
    if not counts(command.proven_at, now):
        return unproven(command.proven_at)
    view.put(BANK_ACCOUNT, replace(account, unlinked_at=now))
    tell(view, command.customer_id, "bank_unlinked", {}, now)
    return Accepted()


def _linked(view: View, bank_account_id: UUID, customer_id: UUID) -> BankAccount | None:
    account = view.get(BANK_ACCOUNT, bank_account_id)
    return account if account is not None and account.customer_id == customer_id and account.unlinked_at is None else None


def start_bank_transfer(command: StartBankTransfer, view: View, now: datetime) -> Decision:
    """Declines `bank_account_unknown`, what `confirm` and `weigh` decline, `insufficient_funds`."""
    require_positive(command.amount_minor)
    if _linked(view, command.bank_account_id, command.customer_id) is None:
        return Declined(errors.BANK_ACCOUNT_UNKNOWN)
    factors = confirm(view, command.customer_id, command.confirmation, now)
    if isinstance(factors, Declined):
        return factors
    journal: Journal | None = None
    wallet = wallet_of(command.customer_id, command.currency)
    act = Act(
        command.transfer_kind, command.amount_minor, command.currency, factors, wallet.account_id,
        funding_id=command.bank_account_id,
    )  # fmt: skip
    weighed = weigh(view, now, command.customer_id, act)
    if isinstance(weighed, Declined):
        return weighed
    if command.transfer_kind == "withdrawal":
        legs = [Leg(wallet, -command.amount_minor), Leg(Place(WITHDRAWALS_IN_TRANSIT, command.currency), command.amount_minor)]
        posted = post(view, command, now, "withdrawal.start", legs)
        if isinstance(posted, Declined):
            return posted
        journal = posted
    transfer_id = derived_id(now, command.command_id, b"bank transfer")
    view.put(
        BANK_TRANSFER,
        BankTransfer(
            transfer_id, command.customer_id, command.bank_account_id, command.transfer_kind, "PENDING", command.amount_minor,
            command.currency, 0, now + FIRST_ANSWER, None, None, now, None, weighed.counted,
        ),
    )  # fmt: skip
    view.put(
        BILL,
        Bill(
            command.customer_id, view.new_id(), command.transfer_kind,
            "in" if command.transfer_kind == "topup" else "out", command.amount_minor, command.currency, "bank",
            command.bank_account_id, "", b"", now, account_at(view, wallet, now).posted_minor if journal else None,
            journal.journal_id if journal else None, transfer_id, factors,
        ),
    )  # fmt: skip
    return Accepted(BankTransferStarted(transfer_id))


def settle_bank_transfer(command: SettleBankTransfer, view: View, now: datetime) -> Decision:
    """Apply the bank's answer once. Hearing the same answer again changes nothing; a contradicting one is declined as
    `bank_transfer_settled`, and told to the operators. Nothing else can end a bank transfer. What failed is given back to the
    customer's limits too. Money that the wallet cannot take
    (frozen, closed, at its ceiling) waits: the transfer stays UNKNOWN and is asked for again."""
    transfer = view.get(BANK_TRANSFER, command.bank_transfer_id)
    if transfer is None or transfer.customer_id != command.customer_id or transfer.currency != command.currency:
        return Declined(errors.BANK_TRANSFER_UNKNOWN)
    if transfer.state in ("SUCCEEDED", "FAILED"):
        if command.state in (transfer.state, "UNKNOWN"):
            return Accepted()
        return Declined(errors.BANK_TRANSFER_SETTLED, {"state": transfer.state, "bank_says": command.state})
    if command.state == "UNKNOWN":
        due = now + timedelta(seconds=command.retry_in_s)
        view.put(BANK_TRANSFER, replace(transfer, state="UNKNOWN", attempts=transfer.attempts + 1, next_attempt_at=due))
        return Accepted()
    legs = _settling_legs(transfer, command.state)
    if legs:
        posted = post(view, command, now, f"{transfer.kind}.{command.state.lower()}", legs)
        if isinstance(posted, Declined) and posted.code is ledger_errors.INSUFFICIENT_FUNDS:
            raise InvariantBroken("money in transit was not there")
        if isinstance(posted, Declined):
            # The wallet is frozen or closed, or at its ceiling: the money waits where it is, and the bank is asked again.
            due = now + UNCREDITABLE
            view.put(BANK_TRANSFER, replace(transfer, state="UNKNOWN", attempts=transfer.attempts + 1, next_attempt_at=due))
            return Accepted()
    if command.state == "FAILED":
        give_back(view, now, transfer.customer_id, transfer.counted, transfer.amount_minor, transfer.bank_account_id)
    view.put(
        BANK_TRANSFER,
        replace(
            transfer, state=command.state, attempts=transfer.attempts + 1, next_attempt_at=None,
            bank_reference=command.bank_reference, failure_code=command.failure_code, finished_at=now,
        ),
    )  # fmt: skip
    view.emit(
        f"customer:{transfer.customer_id}",
        f"{transfer.kind}.{command.state.lower()}",
        {"bank_transfer_id": transfer.bank_transfer_id},
    )
    return Accepted()


def _settling_legs(transfer: BankTransfer, state: str) -> list[Leg]:
    wallet = wallet_of(transfer.customer_id, transfer.currency)
    reserve = Place(RESERVE, transfer.currency)
    transit = Place(WITHDRAWALS_IN_TRANSIT, transfer.currency)
    amount = transfer.amount_minor
    match transfer.kind, state:
        case "topup", "SUCCEEDED":
            return [Leg(reserve, -amount), Leg(wallet, amount)]
        case "withdrawal", "SUCCEEDED":
            return [Leg(transit, -amount), Leg(reserve, amount)]
        case "withdrawal", "FAILED":
            return [Leg(transit, -amount), Leg(wallet, amount)]
        case _:
            return []


def _start_keys(command: StartBankTransfer) -> list[Key]:
    places = [wallet_of(command.customer_id, command.currency)]
    if command.transfer_kind == "withdrawal":
        places.append(Place(WITHDRAWALS_IN_TRANSIT, command.currency))
    agreed = confirmation_keys(command.customer_id, command.confirmation)
    law = law_keys(command.customer_id, command.bank_account_id)
    return [Key(BANK_ACCOUNT, command.bank_account_id), *agreed, *law, *account_keys(places)]


def _settle_keys(command: SettleBankTransfer) -> list[Key]:
    places = [
        wallet_of(command.customer_id, command.currency),
        Place(RESERVE, command.currency),
        Place(WITHDRAWALS_IN_TRANSIT, command.currency),
    ]
    return [Key(BANK_TRANSFER, command.bank_transfer_id), *law_keys(command.customer_id), *account_keys(places)]


DECIDERS = (
    Decider(LinkBankAccount, lambda command: [Key(BANK_ACCOUNT, command.bank_account_id)], link_bank_account),
    Decider(UnlinkBankAccount, lambda command: [Key(BANK_ACCOUNT, command.bank_account_id)], unlink_bank_account),
    Decider(StartBankTransfer, _start_keys, start_bank_transfer, BankTransferStarted),
    Decider(SettleBankTransfer, _settle_keys, settle_bank_transfer),
)
