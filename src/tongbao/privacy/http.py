"""Routes of a customer's rights: consents, decisions explained and reviewed by a person."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import PathParameter, QueryParameter

from tongbao.identity.service import Caller, command_id_for
from tongbao.kernel import web
from tongbao.kernel.texts import plain
from tongbao.privacy import errors
from tongbao.privacy.consents import ConsentState, holds
from tongbao.privacy.purposes import CATALOGUE, CATEGORIES, PURPOSES, Ground, Purpose, Since
from tongbao.privacy.reviews import ReviewState
from tongbao.privacy.service import OpenedReview, PrivacyService

PathId = Annotated[str, PathParameter(max_length=64)]
PathKey = Annotated[str, PathParameter(min_length=8, max_length=64, description="The Idempotency-Key of the request.")]
State = Literal["not_asked", "granted", "withdrawn", "asked_again"]


class TextAnswer(msgspec.Struct, frozen=True):
    """What one agrees to. Agreeing names its version."""

    version: int
    zh: str
    en: str


class KeptAnswer(msgspec.Struct, frozen=True):
    """How long data is kept: so many months since something (0: not beyond it), by a law."""

    months: int
    since: Since
    law: web.Words


class PurposeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A purpose for which data is used, and what the customer said of it. `state` is null where nobody is asked, because it rests
    on contract or law; `asked_again`: the text has changed since they agreed, and the old yes no longer counts. `separate`: why
    it is agreed to by itself. `stops`: what ends with the consent."""

    purpose: str
    name: web.Words
    ground: Ground
    basis: web.Words
    withdrawable: bool
    sensitive: bool
    separate: web.Words | None
    stops: web.Words | None
    categories: list[web.Words]
    recipients: web.Words
    kept: KeptAnswer
    text: TextAnswer | None
    state: State | None
    said_at: datetime | None


class PurposesAnswer(msgspec.Struct, frozen=True):
    """Every purpose there is."""

    items: list[PurposeAnswer]


class ConsentBody(web.Request, frozen=True, kw_only=True):
    """A yes to a version of a purpose's text, or a no. `screen`: where it was said, such as "settings/privacy"."""

    purpose: Annotated[str, msgspec.Meta(max_length=64)]
    granted: bool
    version: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    screen: Annotated[str, msgspec.Meta(max_length=80)] = ""


class ConsentLine(msgspec.Struct, frozen=True):
    """Something the customer said. `text_sha256`: of the text in both languages, a line break between them."""

    consent_id: str
    purpose: str
    name: web.Words
    version: int
    text_sha256: str
    granted: bool
    screen: str
    at: datetime


class ChoicesAnswer(msgspec.Struct, frozen=True):
    """`explain_decisions`: show me how a decision about me came about, without my asking."""

    explain_decisions: bool


class ChoicesBody(web.Request, frozen=True, kw_only=True):
    """What the customer wants."""

    explain_decisions: bool


class DecisionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A decision that was made about the customer by rules alone: which act, which no, and what the rule looked at (limits, what
    was used, citations). A person can be asked to look at it."""

    decision: str
    code: str
    message: web.Words
    detail: dict[str, Any]
    decided_at: datetime
    automated: bool
    reviewable: bool


class AskReviewBody(web.Request, frozen=True, kw_only=True):
    """`request`: the Idempotency-Key of the request that was declined. `wish`: what the customer has to say."""

    request: Annotated[str, msgspec.Meta(min_length=8, max_length=64)]
    wish: Annotated[str, msgspec.Meta(max_length=2000)]


class ReviewAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A review. `upheld`: the decision stays; null while nobody has answered. An answer is due by `due_at`."""

    review_id: str
    decision: str
    declined: str
    decided_at: datetime
    wish: str
    state: ReviewState
    asked_at: datetime
    due_at: datetime
    answered_at: datetime | None
    upheld: bool | None
    answer: str | None


def purpose_answer(purpose: Purpose, state: ConsentState | None) -> PurposeAnswer:
    """A purpose and what was said of it."""
    text, kept = purpose.current, purpose.kept
    said: State | None = None
    if text is not None:
        said = "not_asked" if state is None else "withdrawn" if not state.granted else "asked_again"
        said = "granted" if holds(state, purpose.id) else said
    return PurposeAnswer(
        purpose=purpose.id, name=purpose.name, ground=purpose.ground, basis=purpose.basis, withdrawable=purpose.withdrawable,
        sensitive=purpose.sensitive, separate=purpose.separate, stops=purpose.stops,
        categories=[CATEGORIES[each].name for each in purpose.categories], recipients=purpose.recipients,
        kept=KeptAnswer(kept.years * 12 + kept.months, kept.since, kept.law),
        text=TextAnswer(text.version, text.zh, text.en) if text else None, state=said, said_at=state.at if state else None,
    )  # fmt: skip


def review_answer(opened: OpenedReview) -> ReviewAnswer:
    """A review as its customer sees it."""
    review = opened.review
    return ReviewAnswer(
        review_id=str(review.review_id), decision=review.decision, declined=review.declined, decided_at=review.decided_at,
        wish=opened.wish, state=review.state, asked_at=review.asked_at, due_at=review.due_at, answered_at=review.answered_at,
        upheld=review.upheld, answer=opened.answer,
    )  # fmt: skip


@get("/v1/wallet/privacy/purposes", tags=["Privacy"])
async def purposes(customer: Caller, privacy: PrivacyService) -> PurposesAnswer:
    """What the customer's data is used for: on which ground, for how long, who receives it, and what they have agreed to."""
    said = await privacy.consents(customer.principal_id)
    return PurposesAnswer([purpose_answer(purpose, said.get(purpose.id)) for purpose in CATALOGUE.purposes])


@post("/v1/wallet/privacy/consents", tags=["Privacy"], status_code=200)
async def say_consent(customer: Caller, data: ConsentBody, privacy: PrivacyService, key: web.IdempotencyKey) -> PurposeAnswer:
    """Agree to a purpose, or withdraw. Agreeing names the version of the text that was shown; withdrawing needs nothing but this,
    and what rests on contract or law answers why it cannot be withdrawn."""
    state = await privacy.say(
        command_id_for(customer, key), customer.principal_id, data.purpose, data.version, data.granted, plain(data.screen)
    )
    return purpose_answer(PURPOSES[data.purpose], state)


@get("/v1/wallet/privacy/consents", tags=["Privacy"])
async def consent_history(
    customer: Caller, privacy: PrivacyService, limit: web.Limit = 20, cursor: web.Cursor = None
) -> web.Page[ConsentLine]:
    """Everything the customer ever agreed to or withdrew, newest first."""
    before = web.decode_cursor(cursor, UUID)
    found = await privacy.consent_history(customer.principal_id, before, limit)
    rows, following = web.page(found, limit, lambda row: row.consent_id)
    lines = [
        ConsentLine(
            str(row.consent_id), row.purpose, PURPOSES[row.purpose].name, row.version, row.text_hash.hex(), row.granted,
            row.screen, row.at,
        )
        for row in rows
    ]  # fmt: skip
    return web.Page(lines, following)


@get("/v1/wallet/privacy/choices", tags=["Privacy"])
async def choices(customer: Caller, privacy: PrivacyService) -> ChoicesAnswer:
    """What the customer wants of decisions made about them."""
    return ChoicesAnswer(await privacy.wants_explanations(customer.principal_id))


@post("/v1/wallet/privacy/choices", tags=["Privacy"], status_code=200)
async def choose(customer: Caller, data: ChoicesBody, privacy: PrivacyService, key: web.IdempotencyKey) -> ChoicesAnswer:
    """Say whether decisions are to be explained without being asked."""
    await privacy.choose_explanations(command_id_for(customer, key), customer.principal_id, data.explain_decisions)
    return ChoicesAnswer(await privacy.wants_explanations(customer.principal_id))


@get("/v1/wallet/privacy/decisions/{request_key:str}", tags=["Privacy"])
async def decision(customer: Caller, privacy: PrivacyService, request_key: PathKey) -> DecisionAnswer:
    """Why a request of the customer's was declined: the rule's code and words, and what it looked at. The request is named by the
    Idempotency-Key it was sent with."""
    found = await privacy.declined(customer, request_key)
    message = web.Words(found.code.message("zh", found.detail), found.code.message("en", found.detail))
    return DecisionAnswer(
        decision=found.decision, code=found.code.name, message=message, detail=found.detail, decided_at=found.decided_at,
        automated=True, reviewable=True,
    )  # fmt: skip


@post("/v1/wallet/privacy/reviews", tags=["Privacy"], status_code=201)
async def ask_review(customer: Caller, data: AskReviewBody, privacy: PrivacyService, key: web.IdempotencyKey) -> ReviewAnswer:
    """Ask for a person to look at a decline. Each can be asked about once; an answer is due within fifteen days."""
    return review_answer(await privacy.ask_review(command_id_for(customer, key), customer, data.request, data.wish))


@get("/v1/wallet/privacy/reviews", tags=["Privacy"])
async def reviews(
    customer: Caller,
    privacy: PrivacyService,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    in_state: Annotated[ReviewState | None, QueryParameter(name="state")] = None,
) -> web.Page[ReviewAnswer]:
    """The customer's reviews, newest first."""
    found = await privacy.reviews(customer.principal_id, in_state, web.decode_cursor(cursor, UUID), limit)
    rows, following = web.page(found, limit, lambda row: row.review.review_id)
    return web.Page([review_answer(row) for row in rows], following)


@get("/v1/wallet/privacy/reviews/{review_id:str}", tags=["Privacy"])
async def review(customer: Caller, privacy: PrivacyService, review_id: PathId) -> ReviewAnswer:
    """One review."""
    wanted = web.parse_id(review_id, errors.REVIEW_NOT_FOUND)
    return review_answer(await privacy.review(wanted, customer.principal_id))


ROUTES = (purposes, say_consent, consent_history, choices, choose, decision, ask_review, reviews, review)
