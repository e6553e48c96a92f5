"""Rows and commands of agreements to be debited. What may become of one is in `agreements_lifecycle`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from tongbao.engine.api import Command, Relation
from tongbao.identity.types import UNSAID, Confirmation
from tongbao.kernel.ids import named_id
from tongbao.payments.agreements_lifecycle import AgreementState

#: What is debited for.
Scene = Literal["membership", "utility", "transport", "insurance", "rent", "education", "loan", "other"]
#: How often: as it is used, or at most once in each week, month or year since the first debit.
Period = Literal["any", "week", "month", "year"]
#: Who ended it: its payer, its merchant, or the closing of the payer's account.
EndedBy = Literal["", "payer", "merchant", "erasure"]
#:  NOTICED   the payer was told; it may be taken from `due_at` on
#:  WAITING   the payer's money was not enough: tried again at `next_attempt_at`
#:  TAKEN     the payment of this id has its money
#:  STOPPED   the payer stopped it
#:  FAILED    it was declined for the last time; `failure_code` says why
DebitState = Literal["NOTICED", "WAITING", "TAKEN", "STOPPED", "FAILED"]

#: States of a debit of which something may still come.
OPEN: Final = ("NOTICED", "WAITING")


class Caps(msgspec.Struct, frozen=True):
    """The most that may be taken: of one debit, of a local day, and how many a day and a month. Minor units and numbers."""

    debit_minor: int
    day_minor: int
    day_count: int
    month_count: int

    def within(self, other: Caps) -> bool:
        """Whether none of them is above the other's."""
        mine, theirs = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        return all(one <= most for one, most in zip(mine, theirs, strict=True))

    def are_caps(self) -> bool:
        """Whether they are something: all above zero, and a day not below a debit."""
        return min(msgspec.structs.astuple(self)) > 0 and self.day_minor >= self.debit_minor


class Agreement(msgspec.Struct, frozen=True, gc=False):
    """What a payer lets a merchant take, and what was taken under it.

    asked_…        the caps that the merchant asked for; the four names after them: those that hold, the payer's, never above
    period         see `Period`; counted from `first_debit_on`, before which nothing is taken
    notice_hours   a debit is told so long before; 0: it need not be
    attempts       how often a debit is tried, `retry_hours` apart, where the payer's money is not enough
    zone           where its days begin and end
    expires_at     until when it can be signed; once it is, `ends_at`
    factors        by which its payer was shown to agree
    day …          the local day, month and period of the last debit, as ordinals, and what was taken in the day and month so far
    """

    agreement_id: UUID
    merchant_id: UUID
    out_agreement_no: str
    purpose: str
    scene: Scene
    currency: str
    asked_debit_minor: int
    asked_day_minor: int
    asked_day_count: int
    asked_month_count: int
    debit_minor: int
    day_minor: int
    day_count: int
    month_count: int
    period: Period
    first_debit_on: date
    notice_hours: int
    attempts: int
    retry_hours: int
    zone: str
    state: AgreementState
    payer_id: UUID | None
    factors: int | None
    created_at: datetime
    expires_at: datetime
    ends_at: datetime
    signed_at: datetime | None
    ended_at: datetime | None
    ended_by: EndedBy
    end_reason: str
    day: int
    day_used_minor: int
    day_used_count: int
    month: int
    month_used_count: int
    last_period: int
    debits: int
    last_debit_at: datetime | None

    @property
    def asked(self) -> Caps:
        """What the merchant asked for."""
        return Caps(self.asked_debit_minor, self.asked_day_minor, self.asked_day_count, self.asked_month_count)

    @property
    def caps(self) -> Caps:
        """What holds."""
        return Caps(self.debit_minor, self.day_minor, self.day_count, self.month_count)

    def state_at(self, now: datetime) -> AgreementState:
        """The state as of `now`: past its time it is EXPIRED, though nobody wrote it down yet."""
        return "EXPIRED" if now >= self.expires_at and self.state in ("ASKED", "ACTIVE", "PAUSED") else self.state

    def local(self, now: datetime) -> date:
        """The local day of a moment."""
        return now.astimezone(ZoneInfo(self.zone)).date()


class Debit(msgspec.Struct, frozen=True, gc=False):
    """What a merchant takes, or means to take, under an agreement. Its id is its payment's, which exists once it is TAKEN.

    `due_at`: from when it may be taken; `noticed_at`: when the payer was told of it before; `attempts`: how often it was tried.
    """

    payment_id: UUID
    agreement_id: UUID
    merchant_id: UUID
    payer_id: UUID
    out_trade_no: str
    subject: str
    amount_minor: int
    currency: str
    state: DebitState
    attempts: int
    asked_at: datetime
    noticed_at: datetime | None
    due_at: datetime
    next_attempt_at: datetime | None
    ended_at: datetime | None
    failure_code: str | None


AGREEMENT: Relation[Agreement] = Relation("agreement", Agreement, key=("agreement_id",), rank=470)
DEBIT: Relation[Debit] = Relation("debit", Debit, key=("payment_id",), rank=480)


def agreement_id_of(merchant_id: UUID, out_agreement_no: str, secret: bytes) -> UUID:
    """The one agreement a merchant's number can mean. `secret`: as for `payment_id_of`."""
    return named_id("agreement", secret.hex(), str(merchant_id), out_agreement_no)


class AskAgreement(Command, frozen=True, kw_only=True):
    """A merchant asks a customer, whoever it will be, to be allowed to debit them. `agreement_id` is `agreement_id_of` merchant
    and number."""

    kind = "payments.ask_agreement"
    agreement_id: UUID
    merchant_id: UUID
    out_agreement_no: str
    purpose: str
    scene: Scene
    currency: str
    caps: Caps
    period: Period
    first_debit_on: date
    notice_hours: int
    attempts: int
    retry_hours: int
    zone: str
    sign_within_s: int
    ends_at: datetime


class SignAgreement(Command, frozen=True, kw_only=True):
    """A customer agrees, to these caps. They repeat what the customer saw, or are lower."""

    kind = "payments.sign_agreement"
    agreement_id: UUID
    payer_id: UUID
    caps: Caps
    confirmation: Confirmation

    def hashed(self) -> SignAgreement:
        return msgspec.structs.replace(self, confirmation=UNSAID)


class ChangeAgreement(Command, frozen=True, kw_only=True):
    """The payer chooses other caps, never above what was asked for. Only raising one is confirmed."""

    kind = "payments.change_agreement"
    agreement_id: UUID
    payer_id: UUID
    caps: Caps
    confirmation: Confirmation | None = None

    def hashed(self) -> ChangeAgreement:
        return self if self.confirmation is None else msgspec.structs.replace(self, confirmation=UNSAID)


class PauseAgreement(Command, frozen=True, kw_only=True):
    """The payer lets nothing be taken for the time being."""

    kind = "payments.pause_agreement"
    agreement_id: UUID
    payer_id: UUID


class ResumeAgreement(Command, frozen=True, kw_only=True):
    """The payer lets it go on."""

    kind = "payments.resume_agreement"
    agreement_id: UUID
    payer_id: UUID


class RevokeAgreement(Command, frozen=True, kw_only=True):
    """The payer ends it, for ever."""

    kind = "payments.revoke_agreement"
    agreement_id: UUID
    payer_id: UUID


class EndAgreement(Command, frozen=True, kw_only=True):
    """The merchant ends it, signed or not."""

    kind = "payments.end_agreement"
    agreement_id: UUID
    merchant_id: UUID
    reason: str


class ExpireAgreement(Command, frozen=True, kw_only=True):
    """Write down that its time is over."""

    kind = "payments.expire_agreement"
    agreement_id: UUID


class NoticeDebit(Command, frozen=True, kw_only=True):
    """The merchant says what it will take; the payer is told. `payment_id` is `payment_id_of` merchant and number. `payer_id`
    repeats the agreement's."""

    kind = "payments.notice_debit"
    agreement_id: UUID
    payment_id: UUID
    merchant_id: UUID
    payer_id: UUID
    out_trade_no: str
    subject: str
    amount_minor: int
    currency: str


class TakeDebit(Command, frozen=True, kw_only=True):
    """The merchant takes money under an agreement. Fields as those of `NoticeDebit`. `attempt`: above 1 where the worker tries
    again what was not enough before."""

    kind = "payments.take_debit"
    agreement_id: UUID
    payment_id: UUID
    merchant_id: UUID
    payer_id: UUID
    out_trade_no: str
    subject: str
    amount_minor: int
    currency: str
    attempt: int = 1


class RecordDeclinedDebit(Command, frozen=True, kw_only=True):
    """A debit was declined with this code; `attempt` says which time. A lack of money is waited for as the agreement says."""

    kind = "payments.record_declined_debit"
    agreement_id: UUID
    payment_id: UUID
    merchant_id: UUID
    payer_id: UUID
    out_trade_no: str
    subject: str
    amount_minor: int
    currency: str
    attempt: int
    code: str


class StopDebit(Command, frozen=True, kw_only=True):
    """The payer does not want this one taken."""

    kind = "payments.stop_debit"
    payment_id: UUID
    payer_id: UUID
