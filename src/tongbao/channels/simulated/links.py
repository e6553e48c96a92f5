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
from typing import Final

import msgspec

from tongbao.channels.simulated.rules import Account, same_name
from tongbao.channels.types import LinkRequest
from tongbao.channels.wire import LinkReport, LinkStatus

LIVES: Final = timedelta(minutes=5)
MOST_WRONG: Final = 3
_MOST_REMEMBERED = 100_000
_MOST_SENT = 1_000
_TEXT = "【通宝模拟银行】验证码 {code}，用于绑定您的银行账户，5 分钟内有效。Your code to link your account, good for 5 minutes."


class LinkConflict(Exception):
    """The reference stands for another question."""


class ShortMessage(msgspec.Struct, frozen=True):
    """A message as it arrived on a phone (E.164)."""

    to: str
    text: str
    at: datetime


class _Link(msgspec.Struct):
    request: LinkRequest
    status: LinkStatus
    code: str
    ends_at: datetime
    wrong: int = 0


class Links:
    """Every link that was asked for, and the messages that were sent for them. Not shared between threads."""

    def __init__(self) -> None:
        self.outbox: deque[ShortMessage] = deque(maxlen=_MOST_SENT)
        self._links: OrderedDict[str, _Link] = OrderedDict()

    def start(self, request: LinkRequest, account: Account | None, now: datetime) -> LinkReport:
        """Do the four belong together? If so a code goes out, once a reference. Raises `LinkConflict`."""
        known = self._links.get(request.reference)
        if known is not None and known.request != request:
            raise LinkConflict
        if known is None:
            agrees = account is not None and belongs(request, account)
            code = f"{secrets.randbelow(10**6):06d}"
            known = _Link(request, "CODE_SENT" if agrees else "REFUSED", code, now + LIVES)
            self._links[request.reference] = known
            if len(self._links) > _MOST_REMEMBERED:
                self._links.popitem(last=False)
            if agrees:
                self.outbox.appendleft(ShortMessage(request.phone, _TEXT.format(code=code), now))
        return self._report(request.reference, known, now)

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


def belongs(request: LinkRequest, account: Account) -> bool:
    """Whether an open account is this person's. An account opened without a document (in a test) has none to compare."""
    return (
        account.state == "open"
        and same_name(account.holder_name, request.holder_name)
        and account.document_number in ("", request.document_number)
        and account.phone.removeprefix("+86") == request.phone.removeprefix("+86")
    )
