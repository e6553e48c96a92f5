"""A person looks at what a machine decided: reviews of declines, and whether a customer wants decisions explained.

    OPEN ──AnswerReview──▶ ANSWERED (upheld or not)

What the customer writes and what they are answered are their personal data and kept encrypted under their own key.
Source: PIPL Art. 24 (explanation and refusal of decisions made by automated means alone); GDPR Art. 22(3); Anti-Telecom and
Online Fraud Law Art. 32 (reasons, appeal, timely release).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, Relation, View
from tongbao.kernel.ids import derived_id
from tongbao.privacy import errors

ReviewState = Literal["OPEN", "ANSWERED"]
#: How long an answer may take. The law says "in time"; a month is GDPR's most (Art. 12(3)), and we halve it.
ANSWER_WITHIN = timedelta(days=15)


class Review(msgspec.Struct, frozen=True, gc=False):
    """A customer asks for a human. `decision`: the kind of command; `declined`: the code of the no; `wish` and `answer`
    encrypted. `upheld`: whether the no stays, once it is answered."""

    review_id: UUID
    customer_id: UUID
    command_id: UUID
    decision: str
    declined: str
    decided_at: datetime
    wish: bytes
    state: ReviewState
    asked_at: datetime
    due_at: datetime
    answered_at: datetime | None
    answered_by: UUID | None
    upheld: bool | None
    answer: bytes | None


class PrivacyChoice(msgspec.Struct, frozen=True, gc=False):
    """`explain`: tell me, without my asking, how a decision about me came about."""

    customer_id: UUID
    explain: bool
    changed_at: datetime


REVIEW: Relation[Review] = Relation("review", Review, key=("review_id",), rank=610)
CHOICE: Relation[PrivacyChoice] = Relation("privacy_choice", PrivacyChoice, key=("customer_id",), rank=612)


class AskReview(Command, frozen=True, kw_only=True):
    """Ask for a person to look at a decline. `review_id` follows from the declined command, so that each is asked about once."""

    kind = "privacy.ask_review"
    review_id: UUID
    customer_id: UUID
    declined_id: UUID
    decision: str
    declined: str
    decided_at: datetime
    wish: bytes

    def hashed(self) -> AskReview:
        """Without the wish, which is encrypted anew each time."""
        return msgspec.structs.replace(self, wish=b"")


class AnswerReview(Command, frozen=True, kw_only=True):
    """A person's answer. `upheld`: the decision stays."""

    kind = "privacy.answer_review"
    review_id: UUID
    upheld: bool
    answer: bytes
    by: UUID

    def hashed(self) -> AnswerReview:
        return msgspec.structs.replace(self, answer=b"")


class ChooseExplanations(Command, frozen=True, kw_only=True):
    """Whether decisions are to be explained without being asked."""

    kind = "privacy.choose_explanations"
    customer_id: UUID
    explain: bool


def ask_review(command: AskReview, view: View, now: datetime) -> Decision:
    """Declines `review_exists`."""
    if view.get(REVIEW, command.review_id) is not None:
        return Declined(errors.REVIEW_EXISTS)
    view.put(
        REVIEW,
        Review(
            command.review_id, command.customer_id, command.declined_id, command.decision, command.declined, command.decided_at,
            command.wish, "OPEN", now, now + ANSWER_WITHIN, None, None, None, None,
        ),
    )  # fmt: skip
    return Accepted()


def answer_review(command: AnswerReview, view: View, now: datetime) -> Decision:
    """Declines `review_not_found`, `review_answered`. The customer is told that there is an answer."""
    review = view.get(REVIEW, command.review_id)
    if review is None:
        return Declined(errors.REVIEW_NOT_FOUND)
    if review.state != "OPEN":
        return Declined(errors.REVIEW_ANSWERED)
    view.put(
        REVIEW,
        replace(review, state="ANSWERED", answered_at=now, answered_by=command.by, upheld=command.upheld, answer=command.answer),
    )
    view.emit(f"customer:{review.customer_id}", "review.answered", {"review_id": review.review_id})
    return Accepted()


def choose_explanations(command: ChooseExplanations, view: View, now: datetime) -> Decision:
    """Always accepted."""
    view.put(CHOICE, PrivacyChoice(command.customer_id, command.explain, now))
    return Accepted()


def review_id_of(declined_id: UUID, asked_at: datetime) -> UUID:
    """The review of a declined command; `asked_at` is when it was declined, so that reviews sort by time."""
    return derived_id(asked_at, declined_id, b"review")


DECIDERS = (
    Decider(AskReview, lambda command: [Key(REVIEW, command.review_id)], ask_review),
    Decider(AnswerReview, lambda command: [Key(REVIEW, command.review_id)], answer_review),
    Decider(ChooseExplanations, lambda command: [Key(CHOICE, command.customer_id)], choose_explanations),
)
