"""What a customer agrees to, written out: the one text that a passkey's challenge is made of and that a certificate signs.

    Tongbao act 1
    customer 0198…
    session 0198…
    request 8f3a…
    act transfer
    to 0198…
    amount 12.50 CNY

The request is the command's id, made of the customer and the Idempotency-Key: so what was agreed to under one key cannot be used
under another, nor for another amount, another payee, from another session. Used again with the same key it is answered what came
of it the first time. A certificate's owner reads what they sign.

Source: PSD2 RTS (EU) 2018/389, Art. 5 (dynamic linking), for the idea.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec

from tongbao.identity import errors
from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import format_minor
from tongbao.security.keys import mac

ActKind = Literal[
    "pay_order", "pay_merchant", "transfer", "topup", "withdrawal", "agree_guardian", "link_bank",
    "take_copy", "request_erasure", "own_limits", "set_pin", "small_payments", "sign_agreement", "change_agreement",
    "bind_instrument", "cap_instrument", "real_name",
]  # fmt: skip
#: Acts of a customer's own about which no sum is said.
WITHOUT_SUM = frozenset[ActKind](
    ("take_copy", "request_erasure", "own_limits", "set_pin", "small_payments", "bind_instrument", "cap_instrument", "real_name")
)

#: How long a challenge may be answered.
CHALLENGE_LIVES = timedelta(minutes=5)
_SECONDS = 6


class Act(msgspec.Struct, frozen=True, gc=False):
    """A wish to move money, as its customer sees it. `counterparty_id`: the order that is paid, the merchant, the customer or the
    bank account.

    Two acts move none. A guardian's consent is towards the minor, its amount the cap of one payment and its `detail` that of a
    day, both 0.00 or empty where there is none. A bank account to be linked has no id yet: it is the customer's own act, of 0.00,
    and its `detail` the account's number.

    Of another PIN, another document, a copy, an erasure, own limits, small payments and instruments no sum is said at all: they
    are the customer's own acts. The `detail` of limits is what each becomes (`limits_detail`), that of an instrument its kind or
    number and its two caps in minor units ("code,0,50000"). Of an agreement to be debited the counterparty is the agreement, the
    amount the most of one debit, and the `detail` the other caps in the same way as limits.
    """

    kind: ActKind
    counterparty_id: UUID
    amount_minor: int
    currency: str
    detail: str = ""


def limits_detail(wishes: Mapping[str, str | int | None]) -> str:
    """Limits of one's own as an act names them: "daily_amount=500.00,daily_count=", by name; empty: none."""
    return ",".join(f"{name}={'' if wish is None else wish}" for name, wish in sorted(wishes.items()))


def act_text(customer_id: UUID, session_id: UUID, command_id: UUID, act: Act) -> str:
    """The act, written out."""
    of = "" if act.kind in WITHOUT_SUM else f"amount {format_minor(act.amount_minor, act.currency)} {act.currency}\n"
    return (
        f"Tongbao act 1\ncustomer {customer_id}\nsession {session_id}\nrequest {command_id}\nact {act.kind}\n"
        f"to {act.counterparty_id}\n{of}" + (f"detail {act.detail}\n" if act.detail else "")
    )


def challenge(key: bytes, purpose: str, text: str, now: datetime) -> bytes:
    """A challenge for exactly this, that nobody has to remember: the second it was made in, and a MAC over that and the text."""
    seconds = int(now.timestamp()).to_bytes(_SECONDS, "big")
    return seconds + _mac(key, purpose, seconds, text)


def check_challenge(given: bytes, key: bytes, purpose: str, text: str, now: datetime) -> None:
    """Refuses `challenge_wrong` (it was made for something else), `challenge_expired`."""
    seconds = given[:_SECONDS]
    if not hmac.compare_digest(given[_SECONDS:], _mac(key, purpose, seconds, text)):
        raise Refusal(errors.CHALLENGE_WRONG)
    age_s = int(now.timestamp()) - int.from_bytes(seconds, "big")
    if not 0 <= age_s <= CHALLENGE_LIVES.total_seconds():
        raise Refusal(errors.CHALLENGE_EXPIRED)


def _mac(key: bytes, purpose: str, seconds: bytes, text: str) -> bytes:
    return mac(key, b"challenge", purpose.encode(), seconds, text.encode())
