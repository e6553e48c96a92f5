"""Deciders of the rules: adopting a rulebook, caps of one's own, a merchant's caps, suspending who never does anything."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from hashlib import sha256
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Decider, Decision, Declined, Key, View
from tongbao.identity.factors import strength
from tongbao.identity.realname.guardians import agree_guardianship, agreeing_keys
from tongbao.identity.realname.types import AgreeGuardianship
from tongbao.identity.rules import confirm, confirmation_keys
from tongbao.identity.standing import STANDING, reasons, standing_keys, standing_of, with_reason
from tongbao.identity.types import PRINCIPAL
from tongbao.ledger.api import ACCOUNT, CUSTOMER_WALLET, Place
from tongbao.rules import errors
from tongbao.rules.book import Book, book_of, grown, slots_of
from tongbao.rules.counting import amounts_of, given_back, own_caps
from tongbao.rules.days import months_after
from tongbao.rules.pack import Rule, read_merged
from tongbao.rules.types import (
    CURRENT,
    RULEBOOK,
    RULEBOOK_VERSION,
    USAGE,
    AdoptRules,
    OwnCaps,
    Rulebook,
    RulebookVersion,
    SetCaps,
    SetOwnLimits,
    SuspendDormant,
    Usage,
)

#: How long a raised cap waits that was not confirmed strongly.
RAISED_AFTER = timedelta(hours=24)
#: Why a customer is suspended who never did anything.
DORMANT = "dormant"


class Adopted(msgspec.Struct, frozen=True):
    """Result of `AdoptRules`: the version in force, and whether it is new."""

    version: int
    changed: bool


class CapsSet(msgspec.Struct, frozen=True):
    """Result of `SetOwnLimits` and `SetCaps`: what holds now, and from when what was raised."""

    caps: dict[str, int]
    coming: dict[str, int] | None
    coming_from: datetime | None


class Suspended(msgspec.Struct, frozen=True):
    """Result of `SuspendDormant`."""

    suspended: bool


def rulebook_row(text: str, before: Rulebook | None, *, by_hand: bool, by: str, reason: str, now: datetime) -> Rulebook:
    """The row of a rulebook that follows another one: the counters of both, each where it was."""
    slots = grown(before.slots.split("\n") if before is not None and before.slots else (), slots_of(read_merged(text)))
    version = 1 if before is None else before.version + 1
    return Rulebook(CURRENT, version, text, sha256(text.encode()).digest(), "\n".join(slots), by_hand, by, reason, now)


def adopt_rules(command: AdoptRules, view: View, now: datetime) -> Decision:
    """Declines `rules_outdated`, if another version is in force than the one this was made upon. A server that starts changes
    nothing that somebody adopted by hand."""
    before = view.get(RULEBOOK, CURRENT)
    version = 0 if before is None else before.version
    if command.after_version is not None and command.after_version != version:
        return Declined(errors.RULES_OUTDATED, {"version": version})
    if before is not None and (before.text == command.text or (before.by_hand and not command.by_hand)):
        return Accepted(Adopted(version, False))
    row = rulebook_row(command.text, before, by_hand=command.by_hand, by=command.adopted_by, reason=command.reason, now=now)
    view.put(RULEBOOK, row)
    view.put(
        RULEBOOK_VERSION,
        RulebookVersion(
            view.new_id(), row.version, row.text, row.digest, row.by_hand, row.adopted_by, row.reason, row.adopted_at
        ),
    )
    view.emit("rules", "rules.adopted", {"version": row.version, "digest": row.digest.hex(), "by": row.adopted_by})
    return Accepted(Adopted(row.version, True))


def set_own_limits(command: SetOwnLimits, view: View, now: datetime) -> Decision:
    """Declines `limits_not_in_force`, `limit_unknown`, and where a cap is raised `stronger_confirmation_needed` (below medium)
    and what `confirm` declines. Lowering holds at once; raising at once if confirmed strongly, after a day otherwise."""
    row = view.get(RULEBOOK, CURRENT)
    if row is None:
        return Declined(errors.LIMITS_NOT_IN_FORCE)
    book = book_of(row)
    if unknown := [name for name in command.caps if name not in book.caps]:
        return Declined(errors.LIMIT_UNKNOWN, {"limit": unknown[0]})
    usage = view.get(USAGE, command.customer_id)
    own = settled(own_caps(usage.own) if usage is not None else None, now)
    lowered, raised = _changes(command.caps, own.caps, book.defaults)
    at_once = False
    if raised:
        factors = None if command.confirmation is None else confirm(view, command.customer_id, command.confirmation, now)
        if isinstance(factors, Declined):
            return factors
        if factors is None or strength(factors) == "weak":
            return Declined(
                errors.STRONGER_CONFIRMATION, {"strength": "medium", "name_zh": "提高限额", "name_en": "raising a limit"}
            )
        at_once = strength(factors) == "strong"
    caps = _with(own.caps, lowered | raised if at_once else lowered)
    coming = _with(own.coming if own.coming is not None else own.caps, lowered | raised)
    begins = now + RAISED_AFTER if raised and not at_once else own.coming_from
    changed = OwnCaps(caps, guardian=own.guardian) if coming == caps else OwnCaps(caps, coming, begins, own.guardian)
    view.put(USAGE, _with_own(usage, command.customer_id, book.today(now).day, changed))
    view.emit(f"customer:{command.customer_id}", "limits.changed", {"caps": caps, "coming_from": changed.coming_from})
    return Accepted(CapsSet(changed.caps, changed.coming, changed.coming_from))


def settled(own: OwnCaps | None, now: datetime) -> OwnCaps:
    """Caps as they are now: what was to come and has come is what holds."""
    if own is None:
        return OwnCaps({})
    if own.coming is not None and own.coming_from is not None and now >= own.coming_from:
        return OwnCaps(own.coming, guardian=own.guardian)
    return own


def agree_within_caps(command: AgreeGuardianship, view: View, now: datetime) -> Decision:
    """A guardian agrees, within caps that count from then on (`OwnCaps.guardian`). Declines what `agree_guardianship` does."""
    decision = agree_guardianship(command, view, now)
    if isinstance(decision, Declined):
        return decision
    row, usage = view.get(RULEBOOK, CURRENT), view.get(USAGE, command.minor_id)
    own = own_caps(usage.own) if usage is not None else None
    wished = {"per_payment": command.single_minor, "daily_amount": command.daily_minor}
    caps = {name: most for name, most in wished.items() if most is not None}
    if caps or (own is not None and own.guardian):
        today = 1 if row is None else book_of(row).today(now).day
        view.put(USAGE, _with_own(usage, command.minor_id, today, replace(own or OwnCaps({}), guardian=caps)))
    return decision


def _changes(
    wished: Mapping[str, int | None], caps: Mapping[str, int], defaults: Mapping[str, int]
) -> tuple[dict[str, int | None], dict[str, int | None]]:
    """What is lowered (or stays), and what is raised."""
    lowered: dict[str, int | None] = {}
    raised: dict[str, int | None] = {}
    for name, value in wished.items():
        now = caps.get(name, defaults.get(name))
        then = defaults.get(name) if value is None else value
        higher = now is not None and (then is None or then > now)
        (raised if higher else lowered)[name] = value
    return lowered, raised


def _with(caps: Mapping[str, int], changes: Mapping[str, int | None]) -> dict[str, int]:
    every = {**caps, **changes}
    return {name: value for name, value in sorted(every.items()) if value is not None}


def _with_own(usage: Usage | None, subject_id: UUID, day: int, own: OwnCaps) -> Usage:
    text = msgspec.json.encode(own).decode() if own.caps or own.coming or own.guardian else ""
    return Usage(subject_id, day, b"", b"", text) if usage is None else replace(usage, own=text)


def set_caps(command: SetCaps, view: View, now: datetime) -> Decision:
    """Declines `limits_not_in_force`, `limit_unknown`."""
    row = view.get(RULEBOOK, CURRENT)
    if row is None:
        return Declined(errors.LIMITS_NOT_IN_FORCE)
    book = book_of(row)
    if unknown := [name for name in command.caps if f"merchant.{name}" not in book.caps]:
        return Declined(errors.LIMIT_UNKNOWN, {"limit": unknown[0]})
    usage = view.get(USAGE, command.subject_id)
    own = settled(own_caps(usage.own) if usage is not None else None, now)
    changed = OwnCaps(_with(own.caps, command.caps))
    view.put(USAGE, _with_own(usage, command.subject_id, book.today(now).day, changed))
    # Not among the merchant's orders, which its tills listen to.
    view.emit(f"caps:{command.subject_id}", "caps.changed", {"caps": changed.caps, "by": command.by, "reason": command.reason})
    return Accepted(CapsSet(changed.caps, None, None))


def dormancy(book: Book, day: int) -> Rule | None:
    """The rule by which those are suspended who never do anything: the strictest one in force, None if there is none."""
    found = [rule for rule in book.in_force(day) if rule.action == "suspend"]
    return max(found, key=lambda rule: idle_before(rule, day), default=None)


def idle_before(rule: Rule, today: int) -> int:
    """Whoever is known since this day or before, and has done nothing, is suspended by the rule."""
    assert rule.deadline is not None
    if rule.deadline.unit == "months":
        return months_after(date.fromordinal(today), -rule.deadline.value).toordinal()
    return today - rule.deadline.value


def suspend_dormant(command: SuspendDormant, view: View, now: datetime) -> Decision:
    """Suspend a customer whose wallet was never used since it was opened, or since the customer was verified anew. Does nothing
    where that is not, or no longer, so. Source: Yinfa [2016] 261, 6."""
    row, principal = view.get(RULEBOOK, CURRENT), view.get(PRINCIPAL, command.customer_id)
    if row is None or principal is None:
        return Accepted(Suspended(False))
    book = book_of(row)
    today = book.today(now).day
    rule = dormancy(book, today)
    standing = standing_of(view, command.customer_id, principal.created_at)
    account = view.get(ACCOUNT, _wallet(command).account_id)
    since = standing.opened_at if standing.verified_at is None else max(standing.opened_at, standing.verified_at)
    used = account is not None and account.version > 0
    if rule is None or used or DORMANT in reasons(standing.suspended) or book.opening(since) > idle_before(rule, today):
        return Accepted(Suspended(False))
    view.put(STANDING, replace(standing, suspended=with_reason(standing.suspended, DORMANT)))
    view.emit(f"customer:{command.customer_id}", "account.suspended", {"reason": DORMANT, "rule_id": rule.id})
    return Accepted(Suspended(True))


def _wallet(command: SuspendDormant) -> Place:
    return Place(CUSTOMER_WALLET, command.currency, command.customer_id)


def give_back(
    view: View, now: datetime, customer_id: UUID, counted: str, amount_minor: int, funding_id: UUID | None = None,
    merchant_id: UUID | None = None, *, number: bool = True, merchant_minor: int | None = None,
) -> None:  # fmt: skip
    """Take an act that did not come to pass out of the counters of the customer, of the person they are, of the bank account and
    of the merchant; `counted` is what `weigh` said of it. Not `number`: part of it did come to pass, so it stays one in the
    numbers of acts. `merchant_minor`: what the merchant was to receive, where that was more (`Act`). Needs the rows of
    `law_keys`."""
    row, standing = view.get(RULEBOOK, CURRENT), view.get(STANDING, customer_id)
    if not counted or row is None:
        return
    if not number:
        counted = "|".join(map(amounts_of, counted.split("|")))
    book = book_of(row)
    counted, by_source, by_merchant = (*counted.split("|"), "", "")[:3]
    received = amount_minor if merchant_minor is None else merchant_minor
    for subject_id, by_another, minor in ((funding_id, by_source, amount_minor), (merchant_id, by_merchant, received)):
        if by_another and subject_id is not None:
            _give_back(view, now, book, view.follow(USAGE, subject_id), by_another, minor, None, None)
    if not counted:
        return
    opened = None if standing is None else standing.opened_at
    if standing is None or standing.subject_id is None:
        _give_back(view, now, book, view.get(USAGE, customer_id), counted, amount_minor, opened, None)
        return
    first = view.follow(STANDING, standing.subject_id)
    of_person = view.follow(USAGE, standing.subject_id)
    _give_back(view, now, book, view.get(USAGE, customer_id), counted, amount_minor, opened, True)
    opened = None if first is None else first.opened_at
    _give_back(view, now, book, of_person, counted, amount_minor, opened, False)


def _give_back(
    view: View,
    now: datetime,
    book: Book,
    usage: Usage | None,
    counted: str,
    amount_minor: int,
    opened: datetime | None,
    of_account: bool | None,
) -> None:
    if usage is not None:
        day = book.today(now).day
        view.put(USAGE, given_back(book, usage, counted, amount_minor, day, book.opening(opened), of_account))


def _own_keys(command: SetOwnLimits) -> list[Key]:
    keys = [Key(RULEBOOK, CURRENT), Key(USAGE, command.customer_id)]
    if command.confirmation is not None:
        keys += confirmation_keys(command.customer_id, command.confirmation)
    return keys


def _dormant_keys(command: SuspendDormant) -> list[Key]:
    return [
        Key(RULEBOOK, CURRENT),
        Key(PRINCIPAL, command.customer_id),
        Key(ACCOUNT, _wallet(command).account_id),
        *standing_keys(command.customer_id),
    ]


DECIDERS = (
    Decider(AdoptRules, lambda command: [Key(RULEBOOK, CURRENT)], adopt_rules, Adopted),
    Decider(SetOwnLimits, _own_keys, set_own_limits, CapsSet),
    Decider(SetCaps, lambda command: [Key(RULEBOOK, CURRENT), Key(USAGE, command.subject_id)], set_caps, CapsSet),
    Decider(
        AgreeGuardianship,
        lambda command: [*agreeing_keys(command), Key(RULEBOOK, CURRENT), Key(USAGE, command.minor_id)],
        agree_within_caps,
    ),
    Decider(SuspendDormant, _dormant_keys, suspend_dormant, Suspended),
)
