"""Linking a bank account: whose it is, the bank says; that it is theirs, they show by a code that the bank sent them.

    ASKED ─▶ SENT ─code─▶ CHECKING ─▶ LINKED
      │       ↑ └──────┐      │
      │       └── wrong code ─┤           SENT again, until too many were wrong
      └─▶ REFUSED      └─▶ ENDED ◀┘       too late, too many, or the name changed meanwhile

ASKED and CHECKING wait for the bank; where it says nothing, the worker asks until it knows. A customer has one link under way: a
new one takes its place, and what the bank says of the former is heard no more.

Nobody links but who is known by their real name, under that very name, within a few tries a day, confirmed as a payment is.

Source: Yinjianfa [2014] 10, Arts. 3 and 4 (the first link: verified by the platform and, by two factors, by the bank).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final, Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, Relation, View
from tongbao.identity.alerts import tell
from tongbao.identity.realname.types import REAL_NAME
from tongbao.identity.rules import confirm, confirmation_keys
from tongbao.identity.standing import standing_keys, standing_of
from tongbao.identity.types import UNSAID, Confirmation
from tongbao.wallet import errors
from tongbao.wallet.types import BANK_ACCOUNT, BankAccount, BankLinkAnswer

LinkState = Literal["ASKED", "SENT", "CHECKING", "LINKED", "REFUSED", "ENDED"]

#: How long a code may be typed after the link was asked for: as long as banks keep theirs, and a little for the way.
LIVES: Final = timedelta(minutes=6)
#: How often a customer may ask in a day (UTC): each time the bank tells whether four facts belong together.
MOST_A_DAY: Final = 5
MOST_WRONG: Final = 3
#: How long the one who asked has the bank to itself before the worker takes over.
FIRST_ANSWER: Final = timedelta(seconds=10)
#: A code was handed over and the bank never said whether it was right: given up after this.
GIVEN_UP_AFTER: Final = timedelta(days=1)

QUESTION_FIELD = "bank_link.question"


class Question(msgspec.Struct, frozen=True):
    """What is sealed in `BankLink.question`: what the bank is asked besides number and name. `phone`: E.164."""

    document_number: str
    phone: str


class BankLink(msgspec.Struct, frozen=True, gc=False):
    """A customer's last link. Number, holder and `question` (a `Question`) are sealed.

    attempt   of the real name that the holder's name was taken from
    wrong     codes that were wrong;  tries  how often the bank did not answer
    asked     how many links were asked for on `day` (UTC)
    """

    customer_id: UUID
    link_id: UUID
    bank_account_id: UUID
    bank: str
    number: bytes
    holder_name: bytes
    question: bytes
    attempt: int
    state: LinkState
    wrong: int
    tries: int
    ask_at: datetime | None
    day: date
    asked: int
    started_at: datetime
    finished_at: datetime | None

    @property
    def expires_at(self) -> datetime:
        """Until when the code may be typed."""
        return self.started_at + LIVES


BANK_LINK: Relation[BankLink] = Relation("bank_link", BankLink, key=("customer_id",), rank=305, removable=True)


class StartBankLink(Command, frozen=True, kw_only=True):
    """The bank is about to be asked. `link_id` is the reference that it knows the link by; `attempt`, which document the name and
    its number were read from; the indexes stand for number and phone where two askings are compared."""

    kind = "wallet.start_bank_link"
    customer_id: UUID
    link_id: UUID
    bank_account_id: UUID
    bank: str
    number: bytes
    holder_name: bytes
    question: bytes
    phone_index: bytes
    attempt: int
    confirmation: Confirmation

    def hashed(self) -> StartBankLink:
        return replace(self, number=b"", holder_name=b"", question=b"", confirmation=UNSAID)


class TryBankCode(Command, frozen=True, kw_only=True):
    """A code was typed and is about to be shown to the bank. It is in no command and no row."""

    kind = "wallet.try_bank_code"
    customer_id: UUID
    link_id: UUID


class RecordBankLink(Command, frozen=True, kw_only=True):
    """What the bank said of a link. UNKNOWN: it did not; `retry_in_s` until it is asked again. `bank_account_id` repeats the
    link's, so that its row is known."""

    kind = "wallet.record_bank_link"
    customer_id: UUID
    link_id: UUID
    bank_account_id: UUID
    state: BankLinkAnswer
    retry_in_s: int = 0


def start_bank_link(command: StartBankLink, view: View, now: datetime) -> Decision:
    """Declines `bank_link_needs_name`, `bank_account_linked`, `bank_link_too_many`, what `confirm` declines."""
    real = view.get(REAL_NAME, command.customer_id)
    if real is None or real.attempt != command.attempt or standing_of(view, command.customer_id, now).level < 1:
        return Declined(errors.BANK_LINK_NEEDS_NAME)
    account = view.get(BANK_ACCOUNT, command.bank_account_id)
    if account is not None and account.unlinked_at is None:
        return Declined(errors.BANK_ACCOUNT_LINKED)
    last, today = view.get(BANK_LINK, command.customer_id), now.date()
    asked = last.asked if last is not None and last.day == today else 0
    if asked >= MOST_A_DAY:
        return Declined(errors.BANK_LINK_TOO_MANY)
    factors = confirm(view, command.customer_id, command.confirmation, now)
    if isinstance(factors, Declined):
        return factors
    view.put(
        BANK_LINK,
        BankLink(
            command.customer_id, command.link_id, command.bank_account_id, command.bank, command.number, command.holder_name,
            command.question, command.attempt, "ASKED", 0, 0, now + FIRST_ANSWER, today, asked + 1, now, None,
        ),
    )  # fmt: skip
    return Accepted()


def try_bank_code(command: TryBankCode, view: View, now: datetime) -> Decision:
    """Declines `bank_link_unknown`, `bank_link_waits` (for the bank), `bank_link_ended`."""
    link = view.get(BANK_LINK, command.customer_id)
    if link is None or link.link_id != command.link_id:
        return Declined(errors.BANK_LINK_UNKNOWN)
    if link.state in ("ASKED", "CHECKING"):
        return Declined(errors.BANK_LINK_WAITS)
    if link.state != "SENT" or now >= link.expires_at:
        return Declined(errors.BANK_LINK_ENDED)
    view.put(BANK_LINK, replace(link, state="CHECKING", tries=0, ask_at=now + FIRST_ANSWER))
    return Accepted()


def record_bank_link(command: RecordBankLink, view: View, now: datetime) -> Decision:
    """Declines `bank_link_unknown`, also of a link that another took the place of. What has ended stays as it is."""
    link = view.get(BANK_LINK, command.customer_id)
    if link is None or (link.link_id, link.bank_account_id) != (command.link_id, command.bank_account_id):
        return Declined(errors.BANK_LINK_UNKNOWN)
    if link.state in ("LINKED", "REFUSED", "ENDED"):
        return Accepted()
    match command.state:
        case "UNKNOWN":
            link = _unanswered(link, command, now)
        case "CODE_SENT":
            link = replace(link, state="SENT", ask_at=None)
        case "WRONG_CODE" if link.wrong + 1 < MOST_WRONG:
            link = replace(link, state="SENT", wrong=link.wrong + 1, ask_at=None)
        case "WRONG_CODE":
            link = replace(link, state="ENDED", wrong=link.wrong + 1, ask_at=None, finished_at=now)
        case "REFUSED":
            link = replace(link, state="REFUSED", ask_at=None, finished_at=now)
        case "LINKED" if _still_theirs(view, link, now):
            link = replace(link, state="LINKED", ask_at=None, finished_at=now)
            put_bank_account(view, link, now)
        case _:
            link = replace(link, state="ENDED", ask_at=None, finished_at=now)
    view.put(BANK_LINK, link)
    return Accepted()


def _unanswered(link: BankLink, command: RecordBankLink, now: datetime) -> BankLink:
    """Nothing is waited for beyond the time of the code, or of the bank's word about it."""
    if link.state == "SENT":
        return link
    patience = LIVES if link.state == "ASKED" else GIVEN_UP_AFTER
    if now >= link.started_at + patience:
        return replace(link, state="ENDED", ask_at=None, finished_at=now)
    return replace(link, tries=link.tries + 1, ask_at=now + timedelta(seconds=command.retry_in_s))


def _still_theirs(view: View, link: BankLink, now: datetime) -> bool:
    """Whether the name that the bank agreed to is the customer's verified name still."""
    real = view.get(REAL_NAME, link.customer_id)
    return real is not None and real.attempt == link.attempt and standing_of(view, link.customer_id, now).level >= 1


def put_bank_account(view: View, link: BankLink, now: datetime) -> None:
    """The account is linked, and its owner told."""
    view.put(
        BANK_ACCOUNT,
        BankAccount(link.bank_account_id, link.customer_id, link.bank, link.number, link.holder_name, now, None),
    )
    tell(view, link.customer_id, "bank_linked", {}, now)


def _start_keys(command: StartBankLink) -> list[Key]:
    who = command.customer_id
    keys = [Key(BANK_LINK, who), Key(BANK_ACCOUNT, command.bank_account_id), Key(REAL_NAME, who), *standing_keys(who)]
    return [*keys, *confirmation_keys(who, command.confirmation)]


def _record_keys(command: RecordBankLink) -> list[Key]:
    who = command.customer_id
    return [Key(BANK_LINK, who), Key(BANK_ACCOUNT, command.bank_account_id), Key(REAL_NAME, who), *standing_keys(who)]


DECIDERS = (
    Decider(StartBankLink, _start_keys, start_bank_link),
    Decider(TryBankCode, lambda command: [Key(BANK_LINK, command.customer_id)], try_bank_code),
    Decider(RecordBankLink, _record_keys, record_bank_link),
)
