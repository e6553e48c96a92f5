"""The state of an account: opened, frozen on one side or both, bounded, closed, opened again.

Every change but an opening tells the topic "ledger" what was done, by whom and why; the event is in the audit chain.
"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from tongbao.engine.api import Accepted, Decider, Decision, Declined, Key, View
from tongbao.ledger import errors
from tongbao.ledger.chart import CHART
from tongbao.ledger.commands import (
    AccountChanged,
    AccountsOpened,
    CloseAccount,
    FreezeAccount,
    OpenAccounts,
    PlaceName,
    ReopenAccount,
    SetLimits,
    UnfreezeAccount,
)
from tongbao.ledger.rules import Place, account_at, place_of
from tongbao.ledger.types import ACCOUNT, Account

_AtPlace = FreezeAccount | UnfreezeAccount | CloseAccount | ReopenAccount | SetLimits


def _place(command: _AtPlace) -> Place:
    return place_of(PlaceName(command.code, command.currency, command.owner_id))


def open_accounts(command: OpenAccounts, view: View, now: datetime) -> Decision:
    """Opens with the floor of the chart's line. An account that exists is left as it is, closed or not."""
    opened = 0
    for name in command.places:
        place = place_of(name)
        if view.get(ACCOUNT, place.account_id) is None:
            view.put(ACCOUNT, account_at(view, place, now))
            opened += 1
    return Accepted(AccountsOpened(opened, len(command.places) - opened))


def freeze_account(command: FreezeAccount, view: View, now: datetime) -> Decision:
    """Declines `account_closed`, `freeze_exists` (nothing new on any side named). An account that was never opened is opened, so
    that what arrives later finds it frozen. Source: 止付 and 只收不付 as banks do them (PBOC 2016 No. 261, Art. 1 and 2)."""
    account = account_at(view, _place(command), now)
    if account.closed_at is not None:
        return Declined(errors.ACCOUNT_CLOSED)
    debit = _with(account.debit_freeze, command.reason) if command.debits else account.debit_freeze
    credit = _with(account.credit_freeze, command.reason) if command.credits else account.credit_freeze
    if (debit, credit) == (account.debit_freeze, account.credit_freeze):
        return Declined(errors.FREEZE_EXISTS)
    return _changed(view, command, "account.frozen", replace(account, debit_freeze=debit, credit_freeze=credit), command.reason)


def unfreeze_account(command: UnfreezeAccount, view: View, now: datetime) -> Decision:
    """Declines `account_not_found`, `freeze_not_found` (no side named is frozen for this reason)."""
    account = view.get(ACCOUNT, _place(command).account_id)
    if account is None:
        return Declined(errors.ACCOUNT_NOT_FOUND)
    debit = _without(account.debit_freeze, command.reason) if command.debits else account.debit_freeze
    credit = _without(account.credit_freeze, command.reason) if command.credits else account.credit_freeze
    if (debit, credit) == (account.debit_freeze, account.credit_freeze):
        return Declined(errors.FREEZE_NOT_FOUND)
    return _changed(view, command, "account.unfrozen", replace(account, debit_freeze=debit, credit_freeze=credit), command.reason)


def close_account(command: CloseAccount, view: View, now: datetime) -> Decision:
    """Declines `account_not_closable` (the institution's own), `account_not_found`, `account_closed`, `account_frozen_debit`,
    `account_frozen_credit`, `account_has_holds`, `account_not_empty`."""
    if not CHART[command.code].owned:
        return Declined(errors.ACCOUNT_NOT_CLOSABLE)
    account = view.get(ACCOUNT, _place(command).account_id)
    if account is None:
        return Declined(errors.ACCOUNT_NOT_FOUND)
    if account.closed_at is not None:
        return Declined(errors.ACCOUNT_CLOSED)
    if account.debit_freeze:
        return Declined(errors.DEBITS_FROZEN)
    if account.credit_freeze:
        return Declined(errors.CREDITS_FROZEN)
    if account.held_minor:
        return Declined(errors.ACCOUNT_HAS_HOLDS, {"held_minor": account.held_minor})
    if account.posted_minor:
        return Declined(errors.ACCOUNT_NOT_EMPTY, {"posted_minor": account.posted_minor})
    return _changed(view, command, "account.closed", replace(account, closed_at=now))


def reopen_account(command: ReopenAccount, view: View, now: datetime) -> Decision:
    """Declines `account_not_found`, `account_open`."""
    account = view.get(ACCOUNT, _place(command).account_id)
    if account is None:
        return Declined(errors.ACCOUNT_NOT_FOUND)
    if account.closed_at is None:
        return Declined(errors.ACCOUNT_OPEN)
    return _changed(view, command, "account.reopened", replace(account, closed_at=None))


def set_limits(command: SetLimits, view: View, now: datetime) -> Decision:
    """Declines `account_closed`, `floor_not_allowed`, `ceiling_not_allowed`, `floor_above_balance`, `ceiling_below_balance`: an
    account keeps within its bounds at every moment, also the one in which they are set."""
    line = CHART[command.code]
    account = account_at(view, _place(command), now)
    if account.closed_at is not None:
        return Declined(errors.ACCOUNT_CLOSED)
    if not line.allows_floor(command.floor_minor):
        return Declined(errors.FLOOR_NOT_ALLOWED)
    if not line.allows_ceiling(command.ceiling_minor):
        return Declined(errors.CEILING_NOT_ALLOWED)
    bounded = replace(account, floor_minor=command.floor_minor, ceiling_minor=command.ceiling_minor)
    if bounded.debitable_minor < 0:
        return Declined(errors.FLOOR_ABOVE_BALANCE)
    if bounded.creditable_minor < 0:
        return Declined(errors.CEILING_BELOW_BALANCE)
    return _changed(view, command, "account.bounded", bounded)


def _changed(view: View, command: _AtPlace, kind: str, account: Account, reason: str = "") -> Decision:
    view.put(ACCOUNT, account)
    view.emit(
        "ledger",
        kind,
        {
            "account_id": account.account_id, "debit_freeze": account.debit_freeze, "credit_freeze": account.credit_freeze,
            "floor_minor": account.floor_minor, "ceiling_minor": account.ceiling_minor, "reason": reason, "note": command.note,
            "by": command.by,
        },
    )  # fmt: skip
    return Accepted(AccountChanged(account.account_id))


def _with(reasons: str, reason: str) -> str:
    return ",".join(sorted({*filter(None, reasons.split(",")), reason}))


def _without(reasons: str, reason: str) -> str:
    return ",".join(each for each in reasons.split(",") if each != reason)


def _key(command: _AtPlace) -> list[Key]:
    return [Key(ACCOUNT, _place(command).account_id)]


def _open_keys(command: OpenAccounts) -> list[Key]:
    return [Key(ACCOUNT, place_of(name).account_id) for name in command.places]


DECIDERS = (
    Decider(OpenAccounts, _open_keys, open_accounts, AccountsOpened),
    Decider(FreezeAccount, _key, freeze_account, AccountChanged),
    Decider(UnfreezeAccount, _key, unfreeze_account, AccountChanged),
    Decider(CloseAccount, _key, close_account, AccountChanged),
    Decider(ReopenAccount, _key, reopen_account, AccountChanged),
    Decider(SetLimits, _key, set_limits, AccountChanged),
)
