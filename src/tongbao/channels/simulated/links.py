"""Who may pay us from an account: the simulated bank's own rules, shared by the program and by `MemoryBank`.

    the four agree ──→ CODE_SENT ─right code─→ LINKED
    they do not ─────→ REFUSED       ├─ wrong ──→ WRONG_CODE (CODE_SENT still), ENDED with the third
                                     └─ 5 min ──→ ENDED

The four: number, holder's name, number of the holder's document, phone that the holder left with the bank. A code is sent to
that phone, never to one that is only asked about. Whether the number, the name, the document or the phone is another, the bank
says the same: REFUSED. Nothing here outlives the program: a link is the platform's to remember.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict, deque
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import msgspec

from tongbao.channels.simulated.rules import Account, same_name
from tongbao.channels.types import LinkRequest
from tongbao.channels.wire import LinkReport, LinkStatus

LIVES: Final = timedelta(minutes=5)
MOST_WRONG: Final = 3
_MOST_REMEMBERED = 100_000
_MOST_SENT = 1_000
LINK_TEXT: Final = (
    "【通宝模拟银行】验证码 {code}，用于绑定您的银行账户，5 分钟内有效。Your code to link your account, good for 5 minutes."
)


class LinkConflict(Exception):
    """The reference stands for another question."""


class ShortMessage(msgspec.Struct, frozen=True):
    """A message as it arrived on a phone (E.164)."""

    to: str
    text: str
    at: datetime


class _Link(msgspec.Struct):
    asked: bytes
    status: LinkStatus
    code: str
    ends_at: datetime
    wrong: int = 0


class Links:
    """Every link that was asked for, and the messages that were sent for them. Not shared between threads."""

    def __init__(self, text: str = LINK_TEXT) -> None:
        self.outbox: deque[ShortMessage] = deque(maxlen=_MOST_SENT)
        self._text = text
        self._links: OrderedDict[str, _Link] = OrderedDict()

    def start(self, reference: str, question: object, phone: str, agrees: bool, now: datetime) -> LinkReport:
        """If what was asked `agrees`, a code goes out to the phone, once a reference. Raises `LinkConflict`."""
        asked = sha256(msgspec.json.encode(question)).digest()  # compared only: nothing of it is kept
        known = self._links.get(reference)
        if known is not None and known.asked != asked:
            raise LinkConflict
        if known is None:
            code = f"{secrets.randbelow(10**6):06d}"
            known = _Link(asked, "CODE_SENT" if agrees else "REFUSED", code, now + LIVES)
            self._links[reference] = known
            if len(self._links) > _MOST_REMEMBERED:
                self._links.popitem(last=False)
            if agrees:
                self.outbox.appendleft(ShortMessage(phone, self._text.format(code=code), now))
        return self._report(reference, known, now)

    def confirm(self, reference: str, code: str, now: datetime) -> LinkReport:
        """The code as the holder typed it."""
        link = self._links.get(reference)
        if link is None:
            return LinkReport(reference, "ENDED")
        if self._status(link, now) != "CODE_SENT":
            return self._report(reference, link, now)
        if hmac.compare_digest(link.code.encode(), code.encode()):
            link.status = "LINKED"
            return self._report(reference, link, now)
        link.wrong += 1
        if link.wrong >= MOST_WRONG:
            link.status = "ENDED"
            return self._report(reference, link, now)
        return LinkReport(reference, "WRONG_CODE")

    def report(self, reference: str, now: datetime) -> LinkReport:
        """What became of it; a reference never heard of has ended."""
        link = self._links.get(reference)
        return LinkReport(reference, "ENDED") if link is None else self._report(reference, link, now)

    def sent(self, to: str = "") -> list[ShortMessage]:
        """Messages, the latest first."""
        return [each for each in self.outbox if to in ("", each.to)]

    def _report(self, reference: str, link: _Link, now: datetime) -> LinkReport:
        return LinkReport(reference, self._status(link, now))

    def _status(self, link: _Link, now: datetime) -> LinkStatus:
        return "ENDED" if link.status == "CODE_SENT" and now >= link.ends_at else link.status


def belongs(request: LinkRequest, account: Account | None) -> bool:
    """Whether it is an open account, and this person's. An account opened without a document (in a test) has none to compare."""
    return (
        account is not None
        and account.state == "open"
        and same_name(account.holder_name, request.holder_name)
        and account.document_number in ("", request.document_number)
        and account.phone.removeprefix("+86") == request.phone.removeprefix("+86")
    )
