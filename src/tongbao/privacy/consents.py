"""Consent as a ledger: every yes and every no in the audit chain, and beside it what holds now.

    (never asked) ──GiveConsent──▶ granted ──WithdrawConsent──▶ withdrawn ──GiveConsent──▶ …
                                     └─ a new version of the text: asked again; the old yes no longer counts

Source: PIPL Arts. 14 to 16 (informed, voluntary, explicit; asked again on change; withdrawn as easily as given); GDPR Art. 7.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import msgspec

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, Relation, View
from tongbao.privacy import errors
from tongbao.privacy.purposes import PURPOSES


class Consent(msgspec.Struct, frozen=True, gc=False):
    """A yes or a no, as it was said: to which text, on which screen. `text_hash`: SHA-256 of that text."""

    consent_id: UUID
    customer_id: UUID
    purpose: str
    version: int
    text_hash: bytes
    granted: bool
    screen: str
    at: datetime


class ConsentState(msgspec.Struct, frozen=True, gc=False):
    """What a customer said last of a purpose."""

    customer_id: UUID
    purpose: str
    version: int
    granted: bool
    at: datetime


CONSENT: Relation[Consent] = Relation("consent", Consent, key=("consent_id",), rank=940, append_only=True)
CONSENT_STATE: Relation[ConsentState] = Relation("consent_state", ConsentState, key=("customer_id", "purpose"), rank=600)


class GiveConsent(Command, frozen=True, kw_only=True):
    """Say yes to a version of a purpose's text, on a screen."""

    kind = "privacy.give_consent"
    customer_id: UUID
    purpose: str
    version: int
    screen: str


class WithdrawConsent(Command, frozen=True, kw_only=True):
    """Take a yes back."""

    kind = "privacy.withdraw_consent"
    customer_id: UUID
    purpose: str
    screen: str


def give_consent(command: GiveConsent, view: View, now: datetime) -> Decision:
    """Declines `purpose_unknown`, `consent_not_needed`, `consent_text_changed` (not the text in force). A yes that holds already
    is left as it is."""
    purpose = PURPOSES.get(command.purpose)
    if purpose is None:
        return Declined(errors.PURPOSE_UNKNOWN)
    if purpose.current is None:
        return Declined(errors.CONSENT_NOT_NEEDED, {"because_zh": purpose.basis.zh, "because_en": purpose.basis.en})
    if command.version != purpose.current.version:
        return Declined(errors.CONSENT_TEXT_CHANGED, {"version": purpose.current.version})
    if not consented(view, command.customer_id, command.purpose):
        _note(view, command.customer_id, command.purpose, command.version, True, command.screen, now)
    return Accepted()


def withdraw_consent(command: WithdrawConsent, view: View, now: datetime) -> Decision:
    """Declines `purpose_unknown`, `consent_not_withdrawable` (it rests on contract or law; the detail says which). A no that was
    said already is left as it is."""
    purpose = PURPOSES.get(command.purpose)
    if purpose is None:
        return Declined(errors.PURPOSE_UNKNOWN)
    if not purpose.withdrawable:
        return Declined(errors.CONSENT_NOT_WITHDRAWABLE, {"because_zh": purpose.basis.zh, "because_en": purpose.basis.en})
    withdraw(view, command.customer_id, command.purpose, command.screen, now)
    return Accepted()


def withdraw(view: View, customer_id: UUID, purpose: str, screen: str, now: datetime) -> None:
    """Take a yes back as part of any command; needs the keys of `consent_keys`. Where there is none, nothing happens."""
    state = view.get(CONSENT_STATE, (customer_id, purpose))
    if state is not None and state.granted:
        _note(view, customer_id, purpose, state.version, False, screen, now)


def consent_keys(customer_id: UUID, purposes: Iterable[str]) -> list[Key]:
    """The rows that `consented` and `withdraw` need."""
    return [Key(CONSENT_STATE, (customer_id, purpose)) for purpose in purposes]


def consented(view: View, customer_id: UUID, purpose: str) -> bool:
    """In a decider: does the customer agree now, to the text in force?"""
    return holds(view.get(CONSENT_STATE, (customer_id, purpose)), purpose)


def holds(state: ConsentState | None, purpose: str) -> bool:
    """Whether what was said last is a yes to the text in force."""
    text = PURPOSES[purpose].current
    return state is not None and state.granted and text is not None and state.version == text.version


def _note(view: View, customer_id: UUID, purpose: str, version: int, granted: bool, screen: str, now: datetime) -> None:
    text = next(each for each in PURPOSES[purpose].texts if each.version == version)
    view.put(CONSENT, Consent(view.new_id(), customer_id, purpose, version, text.digest, granted, screen, now))
    view.put(CONSENT_STATE, ConsentState(customer_id, purpose, version, granted, now))
    kind = "consent.granted" if granted else "consent.withdrawn"
    view.emit("privacy", kind, {"customer_id": customer_id, "purpose": purpose})


def _keys(command: GiveConsent | WithdrawConsent) -> list[Key]:
    return consent_keys(command.customer_id, (command.purpose,))


DECIDERS = (
    Decider(GiveConsent, _keys, give_consent),
    Decider(WithdrawConsent, _keys, withdraw_consent),
)
