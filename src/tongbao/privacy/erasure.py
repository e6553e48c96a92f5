"""Closing an account for ever, with what the law has us keep.

    ──RequestErasure──▶ REQUESTED ──BeginErasure, 7 days later──▶ CLOSING ──CompleteErasure──▶ DONE ──ForgetErased──▶ FORGOTTEN
                          │    ▲                                    │                                  10 years later
                          │    └──────────PostponeErasure───────────┘ something stands in the way
                          └──CancelErasure──▶ WITHDRAWN

Two steps, because what stands in the way is looked up outside a decider: `BeginErasure` suspends the customer, so that nothing
new begins; then, if still nothing is under way, `CompleteErasure` does all of it in one commit. The person's key leaves the
running system: sealed to a public key whose other half is elsewhere, it waits for whoever the law lets ask, and is destroyed
when the law no longer asks. The rows stay where they are, so the books stay balanced and the chain whole; they just open for
nobody.

Source: PIPL Art. 47 (deletion; where a legal period still runs, storage and protection only); AML Law Art. 34 and Order [2025]
No. 11 Art. 44 (ten years); GDPR Arts. 17(1), 17(3)(b).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, Relation, View, keys_of
from tongbao.identity.certificates import CERTIFICATE
from tongbao.identity.devices import DEVICE
from tongbao.identity.passkeys import PASSKEY
from tongbao.identity.realname.rules import forget_name, forgetting_keys
from tongbao.identity.realname.types import GUARDIANSHIP
from tongbao.identity.rules import confirm, confirmation_keys
from tongbao.identity.standing import CLOSED, CLOSING, STANDING, Standing, standing_keys, standing_of, with_reason, without_reason
from tongbao.identity.totp import TOTP
from tongbao.identity.types import LOGIN, PIN, PRINCIPAL, SESSION, UNSAID, Confirmation
from tongbao.ledger.accounts import close_account
from tongbao.ledger.api import ACCOUNT, PlaceName, account_at, place_of
from tongbao.ledger.commands import CloseAccount
from tongbao.methods.text.types import TEXT_PHONE, TEXT_SESSION, TEXT_WISH
from tongbao.payments.agreements import end_for_erasure
from tongbao.payments.agreements_types import AGREEMENT
from tongbao.privacy import errors
from tongbao.privacy.consents import consent_keys, withdraw
from tongbao.privacy.purposes import ASKED, CATALOGUE
from tongbao.security.people import PERSON_KEY
from tongbao.wallet.card_binding import CARD_BINDING
from tongbao.wallet.cards import BALANCE, FUNDING_ORDER, funding_order, funding_order_keys
from tongbao.wallet.links import BANK_LINK
from tongbao.wallet.small_payments import SMALL_PAYMENTS
from tongbao.wallet.types import BANK_ACCOUNT

ErasureState = Literal["REQUESTED", "CLOSING", "DONE", "FORGOTTEN", "WITHDRAWN"]

#: How long one may change one's mind.
GRACE = timedelta(days=7)
#: When it is tried again after something stood in the way.
AGAIN = timedelta(days=1)
#: The longest that any law here has us keep anything, in days.
KEPT = timedelta(days=max(each.kept.years * 366 + each.kept.months * 31 for each in CATALOGUE.purposes))


class Erasure(msgspec.Struct, frozen=True, gc=False):
    """How far an erasure has come. `blocked`: what stood in the way last, comma-separated. `sealed`: the person's key, sealed to
    the retention key `sealed_to` (its fingerprint), while `retained_until` has not come."""

    customer_id: UUID
    state: ErasureState
    requested_at: datetime
    due_at: datetime
    blocked: str
    done_at: datetime | None
    retained_until: datetime | None
    sealed_to: str
    sealed: bytes


ERASURE: Relation[Erasure] = Relation("erasure", Erasure, key=("customer_id",), rank=640)


class RequestErasure(Command, frozen=True, kw_only=True):
    """The customer wants to be forgotten, and confirms it."""

    kind = "privacy.request_erasure"
    customer_id: UUID
    confirmation: Confirmation

    def hashed(self) -> RequestErasure:
        return msgspec.structs.replace(self, confirmation=UNSAID)


class CancelErasure(Command, frozen=True, kw_only=True):
    """They changed their mind."""

    kind = "privacy.cancel_erasure"
    customer_id: UUID


class BeginErasure(Command, frozen=True, kw_only=True):
    """Its time has come and nothing stands in the way: let nothing new begin."""

    kind = "privacy.begin_erasure"
    customer_id: UUID


class PostponeErasure(Command, frozen=True, kw_only=True):
    """Something stands in the way: try again tomorrow."""

    kind = "privacy.postpone_erasure"
    customer_id: UUID
    blocked: tuple[str, ...]


class CompleteErasure(Command, frozen=True, kw_only=True):
    """Do it: accounts closed, credentials and sessions ended, the log-in freed, the name let go, consents withdrawn, the key
    sealed away. `wards`: minors for whom they answered, or were asked to."""

    kind = "privacy.complete_erasure"
    customer_id: UUID
    accounts: tuple[PlaceName, ...]
    login_index: bytes
    sessions: tuple[UUID, ...]
    devices: tuple[UUID, ...]
    bank_accounts: tuple[UUID, ...]
    passkeys: tuple[UUID, ...]
    certificates: tuple[UUID, ...]
    agreements: tuple[UUID, ...]
    wards: tuple[UUID, ...]
    document_index: bytes
    phone_index: bytes
    sealed_to: str
    sealed: bytes
    text_phones: tuple[bytes, ...] = ()

    def hashed(self) -> CompleteErasure:
        return msgspec.structs.replace(self, sealed=b"")


class ForgetLate(Command, frozen=True, kw_only=True):
    """End sessions and remove passkeys and certificates of somebody erased: what was under way may have made one."""

    kind = "privacy.forget_late"
    customer_id: UUID
    sessions: tuple[UUID, ...]
    passkeys: tuple[UUID, ...]
    certificates: tuple[UUID, ...]


class ForgetErased(Command, frozen=True, kw_only=True):
    """The law no longer asks: destroy the sealed key."""

    kind = "privacy.forget_erased"
    customer_id: UUID


def request_erasure(command: RequestErasure, view: View, now: datetime) -> Decision:
    """Declines `erasure_requested` (already), and what `confirm` declines. What stands in the way was looked at before; it is
    looked at again when the time comes."""
    known = view.get(ERASURE, command.customer_id)
    if known is not None and known.state != "WITHDRAWN":
        return Declined(errors.ERASURE_REQUESTED)
    confirmed = confirm(view, command.customer_id, command.confirmation, now)
    if isinstance(confirmed, Declined):
        return confirmed
    view.put(ERASURE, Erasure(command.customer_id, "REQUESTED", now, now + GRACE, "", None, None, "", b""))
    _tell(view, command.customer_id, "erasure.requested", now + GRACE)
    return Accepted()


def cancel_erasure(command: CancelErasure, view: View, now: datetime) -> Decision:
    """Declines `erasure_not_requested`."""
    known = view.get(ERASURE, command.customer_id)
    if known is None or known.state not in ("REQUESTED", "CLOSING"):
        return Declined(errors.ERASURE_NOT_REQUESTED)
    view.put(ERASURE, replace(known, state="WITHDRAWN", blocked=""))
    _lift(view, command.customer_id, now)
    _tell(view, command.customer_id, "erasure.cancelled", now)
    return Accepted()


def begin_erasure(command: BeginErasure, view: View, now: datetime) -> Decision:
    """Declines `erasure_not_requested`, also before its time."""
    known = view.get(ERASURE, command.customer_id)
    if known is None or known.state != "REQUESTED" or now < known.due_at:
        return Declined(errors.ERASURE_NOT_REQUESTED)
    standing = standing_of(view, command.customer_id, now)
    view.put(STANDING, replace(standing, suspended=with_reason(standing.suspended, CLOSING)))
    view.put(ERASURE, replace(known, state="CLOSING"))
    return Accepted()


def postpone_erasure(command: PostponeErasure, view: View, now: datetime) -> Decision:
    """Declines `erasure_not_requested`. The customer is told what stands in the way."""
    known = view.get(ERASURE, command.customer_id)
    if known is None or known.state not in ("REQUESTED", "CLOSING"):
        return Declined(errors.ERASURE_NOT_REQUESTED)
    view.put(ERASURE, replace(known, state="REQUESTED", due_at=now + AGAIN, blocked=",".join(command.blocked)))
    _lift(view, command.customer_id, now)
    _tell(view, command.customer_id, "erasure.postponed", now + AGAIN)
    return Accepted()


def complete_erasure(command: CompleteErasure, view: View, now: datetime) -> Decision:
    """Declines `erasure_not_requested`, `erasure_obstructed` (money arrived meanwhile, an account was frozen, or a minor is
    answered for), `verification_changed`: whatever is there decides, not what was looked up before."""
    customer_id = command.customer_id
    known = view.get(ERASURE, customer_id)
    if known is None or known.state != "CLOSING":
        return Declined(errors.ERASURE_NOT_REQUESTED)
    for name in command.accounts:
        if obstacle := _close(view, command, name, now):
            return obstacle
    if refusal := forget_name(view, customer_id, command.document_index, command.phone_index, now):
        return refusal
    for minor_id in command.wards:
        guardianship = view.get(GUARDIANSHIP, minor_id)
        if guardianship is None or guardianship.guardian_id != customer_id:
            continue
        if guardianship.state == "AGREED":
            return Declined(errors.ERASURE_OBSTRUCTED, {"obstacles": "guardianship"})
        view.remove(GUARDIANSHIP, minor_id)
    login = view.get(LOGIN, ("wallet", command.login_index))
    if login is not None and login.principal_id == customer_id:
        view.remove(LOGIN, ("wallet", command.login_index))
    principal = view.need(PRINCIPAL, customer_id)
    view.put(PRINCIPAL, replace(principal, name_index=b"", password_hash="", roles=""))
    pin = view.get(PIN, customer_id)
    if pin is not None:
        view.put(PIN, replace(pin, mac=b""))
    view.remove(TOTP, customer_id)
    view.remove(BANK_LINK, customer_id)
    view.remove(CARD_BINDING, customer_id)
    if funding_order(view, customer_id) != (BALANCE,):  # a card was bound meanwhile: it is given back first
        return Declined(errors.ERASURE_OBSTRUCTED, {"obstacles": "card"})
    view.remove(FUNDING_ORDER, customer_id)
    view.remove(SMALL_PAYMENTS, customer_id)
    _end(view, customer_id, command.sessions, now)
    _remove(view, customer_id, command.passkeys, command.certificates)
    for device_id in command.devices:
        device = view.need(DEVICE, device_id)
        if device.principal_id == customer_id and device.revoked_at is None:
            view.put(DEVICE, replace(device, revoked_at=now))
    for bank_account_id in command.bank_accounts:
        account = view.need(BANK_ACCOUNT, bank_account_id)
        if account.customer_id == customer_id and account.unlinked_at is None:
            view.put(BANK_ACCOUNT, replace(account, unlinked_at=now))
    for phone_index in command.text_phones:
        phone = view.get(TEXT_PHONE, phone_index)
        if phone is not None and phone.customer_id == customer_id:
            view.remove(TEXT_PHONE, phone_index)
            view.remove(TEXT_SESSION, phone_index)
            view.remove(TEXT_WISH, phone_index)
    for agreement_id in command.agreements:
        end_for_erasure(view, customer_id, agreement_id, now)
    for purpose in ASKED:
        withdraw(view, customer_id, purpose, "erasure", now)
    key = view.need(PERSON_KEY, customer_id)
    view.put(PERSON_KEY, replace(key, wrapped=b"", shredded_at=now))
    view.emit("people", "person.shredded", {"person_id": customer_id})
    standing = standing_of(view, customer_id, now)
    suspended = with_reason(without_reason(standing.suspended, CLOSING), CLOSED)
    view.put(STANDING, Standing(customer_id, 0, None, None, False, False, suspended, None, standing.opened_at))
    view.put(
        ERASURE,
        replace(
            known, state="DONE", blocked="", done_at=now, retained_until=now + KEPT, sealed_to=command.sealed_to,
            sealed=command.sealed,
        ),
    )  # fmt: skip
    view.emit("privacy", "erasure.done", {"customer_id": customer_id})
    return Accepted()


def forget_late(command: ForgetLate, view: View, now: datetime) -> Decision:
    """Declines `erasure_not_requested`."""
    known = view.get(ERASURE, command.customer_id)
    if known is None or known.state not in ("DONE", "FORGOTTEN"):
        return Declined(errors.ERASURE_NOT_REQUESTED)
    _end(view, command.customer_id, command.sessions, now)
    _remove(view, command.customer_id, command.passkeys, command.certificates)
    return Accepted()


def forget_erased(command: ForgetErased, view: View, now: datetime) -> Decision:
    """Declines `erasure_retained` before its time, `erasure_not_requested` if there is nothing to forget."""
    known = view.get(ERASURE, command.customer_id)
    if known is None or known.state != "DONE" or known.retained_until is None:
        return Declined(errors.ERASURE_NOT_REQUESTED)
    if now < known.retained_until:
        return Declined(errors.ERASURE_RETAINED, {"until": known.retained_until})
    view.put(ERASURE, replace(known, state="FORGOTTEN", sealed=b""))
    view.emit("privacy", "erasure.forgotten", {"customer_id": command.customer_id})
    return Accepted()


def _close(view: View, command: CompleteErasure, name: PlaceName, now: datetime) -> Declined | None:
    """Close an account, opening it first if it never was: what arrives later must find it closed."""
    place = place_of(name)
    account = view.get(ACCOUNT, place.account_id)
    if account is not None and account.closed_at is not None:
        return None
    if account is None:
        view.put(ACCOUNT, account_at(view, place, now))
    close = CloseAccount(
        command_id=command.command_id, code=name.code, currency=name.currency, owner_id=name.owner_id, note="erasure"
    )
    closed = close_account(close, view, now)
    return Declined(errors.ERASURE_OBSTRUCTED, {"obstacles": closed.code.name}) if isinstance(closed, Declined) else None


def _end(view: View, customer_id: UUID, sessions: Iterable[UUID], now: datetime) -> None:
    for session_id in sessions:
        session = view.need(SESSION, session_id)
        if session.principal_id == customer_id and session.ended_at is None:
            view.put(SESSION, replace(session, ended_at=now))
            view.emit("sessions", "session.ended", {"session_id": session_id})


def _remove(view: View, customer_id: UUID, passkeys: Iterable[UUID], certificates: Iterable[UUID]) -> None:
    for passkey_id in passkeys:
        passkey = view.get(PASSKEY, passkey_id)
        if passkey is not None and passkey.customer_id == customer_id:
            view.remove(PASSKEY, passkey_id)
    for certificate_id in certificates:
        certificate = view.get(CERTIFICATE, certificate_id)
        if certificate is not None and certificate.customer_id == customer_id:
            view.remove(CERTIFICATE, certificate_id)


def _lift(view: View, customer_id: UUID, now: datetime) -> None:
    standing = standing_of(view, customer_id, now)
    if CLOSING in standing.suspended.split(","):
        view.put(STANDING, replace(standing, suspended=without_reason(standing.suspended, CLOSING)))


def _tell(view: View, customer_id: UUID, kind: str, due_at: datetime) -> None:
    view.emit(f"customer:{customer_id}", kind, {"due_at": due_at})


def _keys(command: CancelErasure | BeginErasure | PostponeErasure) -> list[Key]:
    return [Key(ERASURE, command.customer_id), *standing_keys(command.customer_id)]


def _complete_keys(command: CompleteErasure) -> list[Key]:
    customer_id = command.customer_id
    return [
        Key(ERASURE, customer_id), *standing_keys(customer_id), *funding_order_keys(customer_id),
        Key(PRINCIPAL, customer_id), Key(PIN, customer_id),
        Key(TOTP, customer_id), Key(BANK_LINK, customer_id), Key(CARD_BINDING, customer_id), Key(SMALL_PAYMENTS, customer_id),
        Key(PERSON_KEY, customer_id), *consent_keys(customer_id, ASKED),
        *keys_of(ACCOUNT, [place_of(name).account_id for name in command.accounts]),
        Key(LOGIN, ("wallet", command.login_index)),
        *forgetting_keys(customer_id, command.document_index, command.phone_index),
        *keys_of(AGREEMENT, command.agreements), *keys_of(GUARDIANSHIP, command.wards), *_kept_with(command),
        *keys_of(SESSION, command.sessions), *keys_of(DEVICE, command.devices), *keys_of(BANK_ACCOUNT, command.bank_accounts),
        *keys_of(TEXT_PHONE, command.text_phones), *keys_of(TEXT_SESSION, command.text_phones),
        *keys_of(TEXT_WISH, command.text_phones),
    ]  # fmt: skip


def _kept_with(command: CompleteErasure | ForgetLate) -> list[Key]:
    return [*keys_of(PASSKEY, command.passkeys), *keys_of(CERTIFICATE, command.certificates)]


DECIDERS = (
    Decider(
        RequestErasure,
        lambda command: [
            Key(ERASURE, command.customer_id),
            *confirmation_keys(command.customer_id, command.confirmation),
        ],
        request_erasure,
    ),
    Decider(CancelErasure, _keys, cancel_erasure),
    Decider(BeginErasure, _keys, begin_erasure),
    Decider(PostponeErasure, _keys, postpone_erasure),
    Decider(CompleteErasure, _complete_keys, complete_erasure),
    Decider(
        ForgetLate,
        lambda command: [Key(ERASURE, command.customer_id), *keys_of(SESSION, command.sessions), *_kept_with(command)],
        forget_late,
    ),
    Decider(ForgetErased, lambda command: [Key(ERASURE, command.customer_id)], forget_erased),
)
