"""One-time codes: six digits sent to a phone or an email address, kept as a keyed MAC.

    sent ─right─▶ used
      ├─5 wrong─▶ spent
      └─5 min───▶ expired

A code belongs to whoever asked for it: its ticket, which only they were given, names it together with its purpose and whom it is
for. So nobody spends or replaces a code that somebody else waits for. They are counted where they are asked for, as passwords
are tried (`tries`): by the pair of a target and the device or address that asks, a minute apart and ten a day; and once more for
all that is not known, twenty a day, which is the most that strangers can send anybody. A known device has its own share, so
strangers cannot use up its owner's.

Source: NIST SP 800-63B-4, 3.1.3 (out-of-band) and 3.2.2 (rate limiting).
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, Relation, View
from tongbao.identity import errors
from tongbao.identity.daily import count_keys, count_today, last_at, times_today
from tongbao.kernel.ids import named_id
from tongbao.security.keys import mac

Purpose = Literal["register", "recover", "report", "pin", "phone"]

LIVES = timedelta(minutes=5)
RESEND_AFTER = timedelta(seconds=60)
MOST_TRIES = 5
MOST_A_DAY = 10
MOST_A_DAY_FOR_STRANGERS = 20


class OneTimeCode(msgspec.Struct, frozen=True, gc=False):
    """A code that was sent."""

    code_id: UUID
    mac: bytes
    tries: int
    sent_at: datetime
    used_at: datetime | None


CODE: Relation[OneTimeCode] = Relation("one_time_code", OneTimeCode, key=("code_id",), rank=155, marks=True, removable=True)


class CodeUse(msgspec.Struct, frozen=True):
    """A code as typed, under the installation's key."""

    code_id: UUID
    mac: bytes


class Asking(msgspec.Struct, frozen=True):
    """Where a code is asked for: what counts the target's codes there, and those for everywhere that is not known, if this is
    not."""

    here: UUID
    elsewhere: UUID | None = None


class SendCode(Command, frozen=True, kw_only=True):
    """A code is about to be sent. `mac`: of the code, under the installation's key."""

    kind = "identity.send_code"
    code_id: UUID
    mac: bytes
    asking: Asking

    def hashed(self) -> SendCode:
        return replace(self, mac=b"", asking=_ANYWHERE)  # another code is drawn each time, and whoever repeats may have moved


class UseCode(Command, frozen=True, kw_only=True):
    """Show a code, before something else is asked for."""

    kind = "identity.use_code"
    use: CodeUse

    def hashed(self) -> UseCode:
        return replace(self, use=CodeUse(self.use.code_id, b""))


_ANYWHERE = Asking(UUID(int=0))


def code_id_of(purpose: Purpose, target: bytes, ticket: str) -> UUID:
    """The code for this purpose and target (an index), of whom this ticket was given to."""
    return named_id("one-time code", purpose, target.hex(), ticket)


def asking_on_device(purpose: Purpose, target: bytes, device_id: UUID) -> Asking:
    """From a device that is known, or in a session."""
    return Asking(named_id("codes sent", "device", purpose, target.hex(), str(device_id)))


def asking_from_address(key: bytes, purpose: Purpose, target: bytes, address: str) -> Asking:
    """From anywhere else. The ids tell nothing of the target or the address to who has not the key."""
    here = mac(key, b"codes sent", purpose.encode(), target, address.encode())
    elsewhere = mac(key, b"codes sent anywhere", purpose.encode(), target)
    return Asking(named_id("codes sent", "address", here.hex()), named_id("codes sent", "anywhere", elsewhere.hex()))


def send_code(command: SendCode, view: View, now: datetime) -> Decision:
    """Declines `code_too_soon` (detail: after), `code_too_many`."""
    here, elsewhere = command.asking.here, command.asking.elsewhere
    last = last_at(view, here)
    if last is not None and now < last + RESEND_AFTER:
        return Declined(errors.CODE_TOO_SOON, {"after": last + RESEND_AFTER})
    if times_today(view, here, now) >= MOST_A_DAY:
        return Declined(errors.CODE_TOO_MANY)
    if elsewhere is not None and times_today(view, elsewhere, now) >= MOST_A_DAY_FOR_STRANGERS:
        return Declined(errors.CODE_TOO_MANY)
    for count_id in _counted(command.asking):
        count_today(view, count_id, now)
    view.put(CODE, OneTimeCode(command.code_id, command.mac, 0, now, None))
    return Accepted()


def _counted(asking: Asking) -> tuple[UUID, ...]:
    return (asking.here,) if asking.elsewhere is None else (asking.here, asking.elsewhere)


def use_code(view: View, use: CodeUse, now: datetime) -> Declined | None:
    """Is it the code? A wrong one is counted even though the command is declined. Declines `code_wrong`, whatever is wrong with
    it: whether a code was ever sent is nobody's business."""
    code = view.get(CODE, use.code_id)
    if code is None or code.used_at is not None or code.tries >= MOST_TRIES or now >= code.sent_at + LIVES:
        return Declined(errors.CODE_WRONG)
    if not hmac.compare_digest(code.mac, use.mac):
        view.mark(CODE, replace(code, tries=code.tries + 1))
        return Declined(errors.CODE_WRONG)
    view.put(CODE, replace(code, used_at=now))
    return None


def spend_try(view: View, use: CodeUse) -> None:
    """The code was right and something beside it was not: that counts as a try too."""
    code = view.get(CODE, use.code_id)
    if code is not None:
        view.mark(CODE, replace(code, used_at=None, tries=code.tries + 1))


def show_code(command: UseCode, view: View, now: datetime) -> Decision:
    """Declines `code_wrong`."""
    return use_code(view, command.use, now) or Accepted()


DECIDERS = (
    Decider(SendCode, lambda command: [Key(CODE, command.code_id), *count_keys(_counted(command.asking))], send_code),
    Decider(UseCode, lambda command: [Key(CODE, command.use.code_id)], show_code),
)
