"""Wishes by message: “PAY 1234567 25.00” waits five minutes for its sender's word, by a dialled PIN or by the code that it is
answered with. One a phone; the next takes its place.

    made ─dialled─▶ taken by that session (its PIN decides)
      ├─code─▶ done                            only what its customer lets go without a PIN
      └─5 min, 5 wrong codes, another─▶ over   after 10 wrong codes in a day no code is taken until the next: they dial

"""

from __future__ import annotations

import hmac
import re
from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

from msgspec.structs import replace

from tongbao.engine.api import Accepted, Decider, Decision, Declined, Key, View
from tongbao.identity.daily import count_keys, count_today, times_today
from tongbao.kernel.ids import named_id
from tongbao.methods.text import errors
from tongbao.methods.text.menus import BACK, CHOICES, HOME, What
from tongbao.methods.text.types import TEXT_PHONE, TEXT_WISH, Hear, MakeWish, TakeWish, TextWish, WishCode
from tongbao.wallet.errors import PAYER_MUST_CONFIRM

LIVES = timedelta(minutes=5)
MOST_WRONG = 5
#: Of all wishes of a phone, in a UTC day: who writes in its name guesses no oftener, however many wishes they make.
MOST_WRONG_A_DAY = 10
MOST_A_DAY = 50

Order = Literal["wish", "code", "stop", "help", "pin_in_message"]


class Read(NamedTuple):
    """A message as it is understood. `typed`: as it would be typed into the menus; `code`: that of a wish."""

    order: Order
    typed: str = ""
    code: str = ""


_WORDS: dict[str, What] = {
    "SEND": "send", "PAY": "till", "BILL": "bill", "BAL": "balance", "MINI": "statement", "LIMITS": "limits", "PIN": "pin",
}  # fmt: skip
#: How many things follow each word.
_FOLLOW: dict[What, int] = {"send": 2, "till": 2, "bill": 3, "balance": 0, "statement": 0, "limits": 0, "pin": 0}
_NUMBERS = {what: number for number, what in CHOICES.items()}


def read(text: str) -> Read:
    """What a message asks for. Six digits at the end of what is no command are taken for a PIN that should not be there; so are
    those of a bill whose account looks like a sum, which is a payment with a PIN behind it (a sum of six digits is written with
    its cents). What leads the menus back is no part of a wish."""
    parts = text.strip().split()
    word = parts[0].upper() if parts else ""
    if word == "STOP":
        return Read("stop")
    if word == "OK" and len(parts) == 2 and re.fullmatch(r"[0-9]{6}", parts[1], re.ASCII):
        return Read("code", code=parts[1])
    what = _WORDS.get(word)
    pin_last = bool(parts) and re.fullmatch(r"[0-9]{6}", parts[-1], re.ASCII) is not None
    if what is None or len(parts) - 1 != _FOLLOW[what] or any("*" in part or part in (BACK, HOME) for part in parts):
        return Read("pin_in_message" if pin_last else "help")
    if what == "bill" and pin_last and re.fullmatch(r"[0-9]{1,5}([.][0-9]{1,2})?", parts[2], re.ASCII):
        return Read("pin_in_message")
    return Read("wish", "*".join((_NUMBERS[what], *parts[1:])))


def hear(command: Hear, view: View, now: datetime) -> Decision:
    """Declines `text_too_often`: whoever writes in another's name has us send them so many messages a day, and no more."""
    count_id = heard_of(command.phone_index)
    if times_today(view, count_id, now) >= MOST_A_DAY:
        return Declined(errors.TEXT_TOO_OFTEN)
    count_today(view, count_id, now)
    return Accepted()


def heard_of(phone_index: bytes) -> UUID:
    """What counts the messages of a phone."""
    return named_id("text messages", phone_index.hex())


def make_wish(command: MakeWish, view: View, now: datetime) -> Decision:
    """Declines `text_off`."""
    phone = view.get(TEXT_PHONE, command.phone_index)
    if phone is None or phone.customer_id != command.customer_id:
        return Declined(errors.TEXT_OFF)
    before = view.get(TEXT_WISH, command.phone_index)
    wrong_today = before.wrong_today if before is not None and before.made_at.date() == now.date() else 0
    wish = TextWish(
        command.phone_index, command.command_id, command.customer_id, command.wish, command.mac, now, 0, wrong_today, b"", False
    )  # fmt: skip
    view.put(TEXT_WISH, wish)
    return Accepted()


def take_wish(command: TakeWish, view: View, now: datetime) -> Decision:
    """Declines `text_wish_over`."""
    wish = view.get(TEXT_WISH, command.phone_index)
    if wish is None or wish.wish_id != command.wish_id or not is_open(wish, now):
        return Declined(errors.TEXT_WISH_OVER)
    view.put(TEXT_WISH, replace(wish, session=command.session))
    return Accepted()


def is_open(wish: TextWish, now: datetime) -> bool:
    """Whether it waits still, for any session and for its code."""
    return not wish.done and not wish.session and wish.wrong < MOST_WRONG and now < wish.made_at + LIVES


def use_wish(view: View, phone_index: bytes, code: WishCode, now: datetime) -> Declined | None:
    """Is it the code of the wish that waits? A wrong one is counted though the command is declined. Declines `text_wish_over`,
    `text_code_wrong`, `payer_must_confirm` where this day's codes are used up: a session and its PIN do still."""
    wish = view.get(TEXT_WISH, phone_index)
    if wish is None or wish.wish_id != code.wish_id or not is_open(wish, now):
        return Declined(errors.TEXT_WISH_OVER)
    if wish.wrong_today >= MOST_WRONG_A_DAY:
        return Declined(PAYER_MUST_CONFIRM)
    if not hmac.compare_digest(wish.mac, code.mac):
        view.mark(TEXT_WISH, replace(wish, wrong=wish.wrong + 1, wrong_today=wish.wrong_today + 1))
        return Declined(errors.TEXT_CODE_WRONG)
    view.put(TEXT_WISH, replace(wish, done=True))
    return None


DECIDERS = (
    Decider(
        MakeWish, lambda command: [Key(TEXT_PHONE, command.phone_index), Key(TEXT_WISH, command.phone_index)], make_wish
    ),
    Decider(Hear, lambda command: count_keys((heard_of(command.phone_index),)), hear),
    Decider(TakeWish, lambda command: [Key(TEXT_WISH, command.phone_index)], take_wish),
)  # fmt: skip
