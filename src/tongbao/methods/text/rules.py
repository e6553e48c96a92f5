"""Deciders of paying by text. Money is moved by the deciders that always move it, in the commit in which the phone is looked at
and the receipt is written.

    off ─switch on─▶ on ─the SIM is new─▶ rests ─three days─▶ on
                      └─revoke─▶ off      (its instrument: in the wallet, by STOP, or with a reported takeover)
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, View
from tongbao.identity.alerts import tell, write
from tongbao.identity.codes import CODE, spend_try, use_code
from tongbao.identity.devices import cool
from tongbao.identity.factors import KNOWLEDGE
from tongbao.identity.instrument_rules import bind_instrument
from tongbao.identity.instruments import INSTRUMENT, revoke
from tongbao.identity.rules import confirm, confirmation_keys, set_pin
from tongbao.identity.standing import REPORTED, STANDING, reasons, standing_keys, standing_of
from tongbao.identity.types import PIN, PRINCIPAL, ClaimConfirmation, Confirmation
from tongbao.merchants.errors import MERCHANT_NOT_FOUND
from tongbao.merchants.types import MERCHANT_TERMS
from tongbao.methods.text import errors
from tongbao.methods.text.types import (
    RECEIPT,
    TEXT_PHONE,
    TEXT_SESSION,
    TEXT_WISH,
    TILL,
    ChangePinByText,
    Look,
    NoteSim,
    OpenTill,
    PayByText,
    SendByText,
    Speak,
    Step,
    SwitchOn,
    TextPhone,
    TextSession,
    Till,
)
from tongbao.methods.text.wishes import use_wish
from tongbao.payments.rules import Paid, pay_keys, pay_merchant
from tongbao.rules.errors import ACCOUNT_SUSPENDED
from tongbao.wallet.errors import PAYER_MUST_CONFIRM
from tongbao.wallet.transfers import Transferred, transfer, transfer_keys

#: A session lives as long as the network keeps it, and less where nothing is typed.
SESSION_LIVES = timedelta(seconds=180)
SESSION_IDLES = timedelta(seconds=90)
MOST_DIALS_A_DAY = 200
#: How long nothing is paid with a SIM that was exchanged: who lost theirs has that long to say so.
SIM_RESTS = timedelta(hours=72)


def switch_on(command: SwitchOn, view: View, now: datetime) -> Decision:
    """Declines `code_wrong`, and what `bind_instrument` does. For a day the limits of a new device hold."""
    who = command.bind.customer_id
    if refused := use_code(view, command.code, now):
        return refused
    before = view.get(TEXT_PHONE, command.phone_index)
    done = bind_instrument(command.bind, view, now)
    if isinstance(done, Declined):
        spend_try(view, command.code)
        return done
    if before is not None:
        instrument = view.follow(INSTRUMENT, before.number)
        if instrument is not None:
            revoke(view, instrument, now)
    cool(view, who, now)
    view.put(
        TEXT_PHONE,
        TextPhone(
            command.phone_index, who, command.bind.number, command.phone, command.language, now, command.sim_since, None
        ),
    )  # fmt: skip
    return Accepted()


def step(command: Step, view: View, now: datetime) -> Decision:
    """Declines `text_session_over`: another was begun, or its time is over; nothing is resumed. `text_too_often`."""
    last = view.get(TEXT_SESSION, command.phone_index)
    if last is not None and last.session == command.session:
        if now >= last.began_at + SESSION_LIVES or now >= last.seen_at + SESSION_IDLES:
            return Declined(errors.TEXT_SESSION_OVER)
        view.put(TEXT_SESSION, replace(last, seen_at=now))
        return Accepted()
    if command.depth:
        return Declined(errors.TEXT_SESSION_OVER)
    dials = 1 + (last.dials if last is not None and last.day == now.date() else 0)
    if dials > MOST_DIALS_A_DAY:
        return Declined(errors.TEXT_TOO_OFTEN)
    view.put(TEXT_SESSION, TextSession(command.phone_index, command.session, now, now, now.date(), dials))
    return Accepted()


def note_sim(command: NoteSim, view: View, now: datetime) -> Decision:
    """A SIM that is newer than the one that was switched on, or than the last that was known, makes the phone rest; and for a
    day the limits of a new device hold. Declines `text_off`."""
    phone = view.get(TEXT_PHONE, command.phone_index)
    if phone is None or phone.customer_id != command.customer_id:
        return Declined(errors.TEXT_OFF)
    if command.sim_since <= (phone.sim_since or phone.switched_on_at):
        return Accepted()
    # From now, not from when it was exchanged: its owner is told now, and has that long to say so.
    rests = replace(phone, sim_since=command.sim_since, waits_until=now + SIM_RESTS)
    view.put(TEXT_PHONE, rests)
    cool(view, phone.customer_id, now)
    tell(view, phone.customer_id, "sim_changed", {}, now)
    return Accepted()


def allowed(view: View, phone_index: bytes, customer_id: UUID, confirmation: Confirmation, now: datetime) -> Declined | None:
    """Whether a phone may do anything for this customer by what its SIM showed. Declines `text_off`, `account_suspended` after
    “it wasn't me”, `text_rests` (detail: until), `payer_must_confirm` of a confirmation that is not the SIM's."""
    if not isinstance(confirmation, ClaimConfirmation):
        return Declined(PAYER_MUST_CONFIRM)
    phone = view.get(TEXT_PHONE, phone_index)
    if phone is None or (phone.customer_id, phone.number) != (customer_id, confirmation.number):
        return Declined(errors.TEXT_OFF)
    if REPORTED in (why := reasons(standing_of(view, customer_id, now).suspended)):
        return Declined(ACCOUNT_SUSPENDED, {"reasons": list(why)})
    if phone.waits_until is not None and now < phone.waits_until:
        return Declined(errors.TEXT_RESTS, {"until": phone.waits_until})
    return None


def speak(command: Speak, view: View, now: datetime) -> Decision:
    """Declines `text_off`."""
    phone = view.get(TEXT_PHONE, command.phone_index)
    if phone is None or phone.customer_id != command.customer_id:
        return Declined(errors.TEXT_OFF)
    view.put(TEXT_PHONE, replace(phone, language=command.language))
    return Accepted()


def pay_by_text(command: PayByText, view: View, now: datetime) -> Decision:
    """Declines as `allowed`, `use_wish` and `pay_merchant`."""
    pay = command.pay
    if refused := allowed(view, command.phone_index, pay.payer_id, pay.confirmation, now):
        return refused
    if command.code is not None and (refused := use_wish(view, command.phone_index, command.code, now)):
        return refused
    done = pay_merchant(pay, view, now)
    if isinstance(done, Accepted):
        receipt(view, command.phone_index, done.result.bill_id, now)
    return done


def send_by_text(command: SendByText, view: View, now: datetime) -> Decision:
    """Declines as `allowed` and `transfer`."""
    send = command.send
    if refused := allowed(view, command.phone_index, send.payer_id, send.confirmation, now):
        return refused
    done = transfer(send, view, now)
    if isinstance(done, Accepted):
        receipt(view, command.phone_index, done.result.bill_id, now)
    return done


def receipt(view: View, phone_index: bytes, bill_id: UUID, now: datetime) -> None:
    """A message to the phone that did it."""
    phone = view.need(TEXT_PHONE, phone_index)
    write(view, phone.customer_id, RECEIPT, {"bill_id": str(bill_id), "number": str(phone.number)}, now)


def change_pin(command: ChangePinByText, view: View, now: datetime) -> Decision:
    """Declines as `allowed` and `set_pin`."""
    change = command.change
    if change.confirmation is None:
        return Declined(PAYER_MUST_CONFIRM)
    return allowed(view, command.phone_index, change.customer_id, change.confirmation, now) or set_pin(change, view, now)


def look(command: Look, view: View, now: datetime) -> Decision:
    """Declines as `allowed` and `confirm`."""
    if refused := allowed(view, command.phone_index, command.customer_id, command.confirmation, now):
        return refused
    factors = confirm(view, command.customer_id, command.confirmation, now)
    if isinstance(factors, Declined):
        return factors
    return Accepted() if factors & KNOWLEDGE else Declined(PAYER_MUST_CONFIRM)


def open_till(command: OpenTill, view: View, now: datetime) -> Decision:
    """Declines `merchant_not_found`, `till_number_taken` (draw the next). A merchant that has this number already keeps it."""
    if view.get(MERCHANT_TERMS, command.merchant_id) is None:
        return Declined(MERCHANT_NOT_FOUND)
    till = view.get(TILL, command.till_number)
    if till is not None:
        return Accepted() if till.merchant_id == command.merchant_id else Declined(errors.TILL_NUMBER_TAKEN)
    view.put(TILL, Till(command.till_number, command.merchant_id, now))
    return Accepted()


def _phone_key(command: Command) -> list[Key]:
    return [Key(TEXT_PHONE, command.phone_index)]  # type: ignore[attr-defined]


def _switch_keys(command: SwitchOn) -> list[Key]:
    bind, who = command.bind, command.bind.customer_id
    agreed = confirmation_keys(who, bind.confirmation) if bind.confirmation is not None else []
    return [*_phone_key(command), Key(INSTRUMENT, bind.number), Key(STANDING, who), Key(CODE, command.code.code_id), *agreed]


def _change_keys(command: ChangePinByText) -> list[Key]:
    change = command.change
    who = change.customer_id
    agreed = confirmation_keys(who, change.confirmation) if change.confirmation is not None else []
    return [*_phone_key(command), Key(PRINCIPAL, who), Key(PIN, who), Key(STANDING, who), *agreed]


DECIDERS = (
    Decider(SwitchOn, _switch_keys, switch_on),
    Decider(Step, lambda command: [Key(TEXT_SESSION, command.phone_index)], step),
    Decider(NoteSim, lambda command: [*_phone_key(command), Key(STANDING, command.customer_id)], note_sim),
    Decider(Speak, _phone_key, speak),
    Decider(
        PayByText,
        lambda command: [
            *_phone_key(command), *([Key(TEXT_WISH, command.phone_index)] if command.code else []), *pay_keys(command.pay)
        ],
        pay_by_text,
        Paid,
    ),
    Decider(SendByText, lambda command: [*_phone_key(command), *transfer_keys(command.send)], send_by_text, Transferred),
    Decider(ChangePinByText, _change_keys, change_pin),
    Decider(
        Look,
        lambda command: [
            *_phone_key(command), *standing_keys(command.customer_id),
            *confirmation_keys(command.customer_id, command.confirmation),
        ],
        look,
    ),
    Decider(
        OpenTill, lambda command: [Key(MERCHANT_TERMS, command.merchant_id), Key(TILL, command.till_number)], open_till
    ),
)  # fmt: skip
