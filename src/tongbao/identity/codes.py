"""One-time codes: six digits sent to a phone or an email address, kept as a keyed MAC.

    none ─send─▶ sent ─right─▶ used
                  ├─5 wrong─▶ spent
                  └─5 min───▶ expired       the next one may be sent a minute after the last, ten a day

There is one code at a time for a purpose and whom it is for: a new one replaces the last.

Source: NIST SP 800-63B-4, 3.1.3 (out-of-band) and 3.2.2 (rate limiting).
"""

from __future__ import annotations

import hmac
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, Relation, View
from tongbao.identity import errors
from tongbao.kernel.ids import named_id

Purpose = Literal["register", "recover", "pin"]

LIVES = timedelta(minutes=5)
RESEND_AFTER = timedelta(seconds=60)
MOST_TRIES = 5
MOST_A_DAY = 10


class OneTimeCode(msgspec.Struct, frozen=True, gc=False):
    """The last code for a purpose and a target. `day` and `sent`: how many were sent on that day (UTC)."""

    code_id: UUID
    mac: bytes
    tries: int
    sent_at: datetime
    used_at: datetime | None
    day: date
    sent: int


CODE: Relation[OneTimeCode] = Relation("one_time_code", OneTimeCode, key=("code_id",), rank=155, marks=True)


class CodeUse(msgspec.Struct, frozen=True):
    """A code as typed, under the installation's key."""

    code_id: UUID
    mac: bytes


class SendCode(Command, frozen=True, kw_only=True):
    """A code is about to be sent. `mac`: of the code, under the installation's key."""

    kind = "identity.send_code"
    code_id: UUID
    mac: bytes

    def hashed(self) -> SendCode:
        return replace(self, mac=b"")  # another is drawn each time


class UseCode(Command, frozen=True, kw_only=True):
    """Show a code, before something else is asked for."""

    kind = "identity.use_code"
    use: CodeUse

    def hashed(self) -> UseCode:
        return replace(self, use=CodeUse(self.use.code_id, b""))


def code_id_of(purpose: Purpose, target: bytes) -> UUID:
    """The code for this purpose and target: a login's index."""
    return named_id("one-time code", purpose, target.hex())


def send_code(command: SendCode, view: View, now: datetime) -> Decision:
    """Declines `code_too_soon` (detail: after), `code_too_many`."""
    last, today = view.get(CODE, command.code_id), now.date()
    sent = last.sent if last is not None and last.day == today else 0
    if last is not None and now < last.sent_at + RESEND_AFTER:
        return Declined(errors.CODE_TOO_SOON, {"after": last.sent_at + RESEND_AFTER})
    if sent >= MOST_A_DAY:
        return Declined(errors.CODE_TOO_MANY)
    view.put(CODE, OneTimeCode(command.code_id, command.mac, 0, now, None, today, sent + 1))
    return Accepted()


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
    Decider(SendCode, lambda command: [Key(CODE, command.code_id)], send_code),
    Decider(UseCode, lambda command: [Key(CODE, command.use.code_id)], show_code),
)
