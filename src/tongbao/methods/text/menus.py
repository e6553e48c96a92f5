"""The menus, as data, and where a session stands in them after everything that was typed.

The network sends with each request all that was typed since the code was dialled, so where a session stands follows from that
alone: a request that comes twice shows the same screen, and the act at its end is one command with one id.

    home ─1─▶ phone ─▶ amount ─▶ whom, how much: PIN ─▶ done
      └─4─▶ PIN ─▶ balance                               0 one back, 00 home

The PIN is the last thing typed: what comes after it finds the session over.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from stdnum import damm

from tongbao.identity.rules import check_pin_choice, normal_login
from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import parse
from tongbao.methods.text.types import LANGUAGES

What = Literal["send", "till", "bill", "balance", "statement", "limits", "pin", "language"]

BACK, HOME = "0", "00"
#: More than any way through the menus takes; a session that has more is over.
MOST_TYPED = 40
TILL_DIGITS = 7

#: Calling codes of the countries whose numbers are typed with a trunk zero. Source: ITU-T E.164, list of country codes.
_CALLING = {"KE": "254", "TZ": "255", "UG": "256", "RW": "250", "GH": "233", "NG": "234", "ZA": "27", "IN": "91", "GB": "44"}


class Hidden(str):
    """A text that may be a PIN: nothing that prints what holds it shows it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'…'"


class Typed:
    """What was typed, of which the last part may be a PIN: nothing that prints it shows it."""

    __slots__ = ("parts",)

    def __init__(self, text: str) -> None:
        self.parts = tuple(Hidden(part.strip()) for part in text.split("*")) if text else ()

    def after(self, before: str) -> Typed:
        """The same, after what was asked for by message."""
        both = Typed(before)
        both.parts += self.parts
        return both

    def __repr__(self) -> str:
        return f"<{len(self.parts)} typed>"

    __str__ = __repr__


class Local(NamedTuple):
    """What typed things are read by: the currency of the wallet and the country of the installation."""

    currency: str
    country: str


class Field(NamedTuple):
    """One thing to type. `read`: its normal form; refuses, or raises ValueError. `so_far`: what was read before it."""

    name: str
    bad: str
    read: Callable[[str, Local, dict[str, str]], str]


class Form(NamedTuple):
    """What an act takes, and how its last screen asks for the PIN; "": it takes none."""

    fields: tuple[Field, ...]
    confirm: str


class Stand(NamedTuple):
    """Where a session stands. `what`: None at home. `field`: what is to be typed; None: the PIN, or nothing where `typed_pin` is
    there or the form takes none. `bad`: what was wrong with the last thing typed. `over`: more was typed than there is."""

    what: What | None
    values: dict[str, str]
    field: Field | None = None
    bad: str = ""
    typed_pin: str | None = None
    over: bool = False


def is_pin(typed: Typed) -> bool:
    """Whether the last thing typed has the form of a PIN."""
    return bool(typed.parts) and re.fullmatch(r"[0-9]{6}", typed.parts[-1], re.ASCII) is not None


def phone_of(text: str, country: str) -> str:
    """A phone as people type it, in E.164. Refuses `login_format`."""
    digits = re.sub(r"[ ()-]", "", text)
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    calling = _CALLING.get(country)
    if calling and digits.startswith("0"):
        digits = f"+{calling}{digits[1:]}"
    elif calling and digits.startswith(calling):
        digits = f"+{digits}"
    if "@" in digits:
        raise ValueError("an address is no phone")
    return normal_login(digits)


def _phone(text: str, local: Local, _: dict[str, str]) -> str:
    return phone_of(text, local.country)


def _till(text: str, _: Local, __: dict[str, str]) -> str:
    if not re.fullmatch(rf"[0-9]{{{TILL_DIGITS}}}", text, re.ASCII) or not damm.is_valid(text):
        raise ValueError("mistyped")
    return text


def _reference(text: str, _: Local, __: dict[str, str]) -> str:
    if not re.fullmatch(r"[A-Za-z0-9/. -]{1,20}", text):
        raise ValueError("letters and digits")
    return text


def _amount(text: str, local: Local, _: dict[str, str]) -> str:
    return str(parse(text, local.currency))


def _new_pin(text: str, _: Local, __: dict[str, str]) -> str:
    check_pin_choice(text)
    return text


def _same_pin(text: str, _: Local, so_far: dict[str, str]) -> str:
    if text != so_far["new_pin"]:
        raise ValueError("differs")
    return text


def _language(text: str, _: Local, __: dict[str, str]) -> str:
    return dict(zip("123", LANGUAGES, strict=True))[text]


_PHONE, _TILL = Field("phone", "bad_phone", _phone), Field("till", "bad_till", _till)
_BUSINESS, _REFERENCE = Field("business", "bad_till", _till), Field("reference", "bad_reference", _reference)
_AMOUNT = Field("amount", "bad_amount", _amount)
_PINS = Field("new_pin", "bad_pin_choice", _new_pin), Field("new_pin_again", "bad_pin_again", _same_pin)

CHOICES: Final[dict[str, What]] = {
    "1": "send", "2": "till", "3": "bill", "4": "balance", "5": "statement", "6": "limits", "7": "pin", "8": "language",
}  # fmt: skip
FORMS: Final[dict[What, Form]] = {
    "send": Form((_PHONE, _AMOUNT), "confirm_send"),
    "till": Form((_TILL, _AMOUNT), "confirm_till"),
    "bill": Form((_BUSINESS, _REFERENCE, _AMOUNT), "confirm_bill"),
    "balance": Form((), "confirm_look"),
    "statement": Form((), "confirm_look"),
    "limits": Form((), "confirm_look"),
    "pin": Form(_PINS, "confirm_pin"),
    "language": Form((Field("language", "bad_choice", _language),), ""),
}  # fmt: skip


def stand_after(typed: Typed, local: Local) -> Stand:
    """Where a session stands after everything that was typed."""
    stand = Stand(None, {})
    for part in typed.parts[:MOST_TYPED]:
        if _is_done(stand):
            return stand._replace(over=True)
        stand = _after(stand, part, local)
    return stand._replace(over=True) if len(typed.parts) > MOST_TYPED else stand


def _is_done(stand: Stand) -> bool:
    """Nothing more is asked for."""
    if stand.what is None or stand.field is not None:
        return False
    return stand.typed_pin is not None or not FORMS[stand.what].confirm


def _after(stand: Stand, part: str, local: Local) -> Stand:
    if stand.what is None:
        what = CHOICES.get(part)
        return Stand(None, {}, bad="" if part == HOME else "bad_choice") if what is None else _at(what, {}, 0)
    fields = FORMS[stand.what].fields
    at = len(fields) if stand.field is None else fields.index(stand.field)
    if part == HOME or (part == BACK and at == 0):
        return Stand(None, {})
    if part == BACK:
        return _at(stand.what, stand.values, at - 1)
    if stand.field is None:
        good = re.fullmatch(r"[0-9]{6}", part, re.ASCII)
        return stand._replace(typed_pin=part, bad="") if good else stand._replace(bad="bad_pin")
    try:
        read = stand.field.read(part, local, stand.values)
    except (Refusal, ValueError, KeyError):
        return stand._replace(bad=stand.field.bad)
    return _at(stand.what, {**stand.values, stand.field.name: read}, at + 1)


def _at(what: What, values: dict[str, str], at: int) -> Stand:
    fields = FORMS[what].fields
    kept = {each.name: values[each.name] for each in fields[:at]}
    return Stand(what, kept, fields[at] if at < len(fields) else None)
