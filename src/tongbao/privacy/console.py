"""Routes of the privacy officer's desk: reviews, breaches, impact assessments, the register."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import PathParameter, QueryParameter

from tongbao.identity.service import Caller, command_id_for
from tongbao.kernel import web
from tongbao.kernel.texts import plain
from tongbao.privacy import errors
from tongbao.privacy.assessments import Assessment, AssessmentRisk, AssessmentState
from tongbao.privacy.breaches import CLOCKS, Breach, BreachState, Risk, TaskState
from tongbao.privacy.erasure import ErasureState
from tongbao.privacy.erasures import ErasureService
from tongbao.privacy.letter_service import LetterProgress
from tongbao.privacy.letters import LetterState
from tongbao.privacy.office import BreachDetail, Overdue, PrivacyOffice
from tongbao.privacy.register import Register
from tongbao.privacy.reviews import ReviewState
from tongbao.privacy.service import OpenedReview, PrivacyService

PathId = Annotated[str, PathParameter(max_length=64)]
Paragraphs = Annotated[str, msgspec.Meta(max_length=8000)]
People = Annotated[int, msgspec.Meta(ge=0, le=10_000_000_000)]
#: A day in a body: `2026-01-31`.
Day = date


class ConsoleReview(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's wish for a human. `overdue`: nobody has answered in time."""

    review_id: str
    customer_id: str
    decision: str
    declined: str
    command_id: str
    decided_at: datetime
    wish: str
    state: ReviewState
    asked_at: datetime
    due_at: datetime
    overdue: bool
    answered_at: datetime | None
    answered_by: str | None
    upheld: bool | None
    answer: str | None


class AnswerBody(web.Request, frozen=True, kw_only=True):
    """The answer to a customer. `upheld`: the decision stays."""

    upheld: bool
    answer: Annotated[str, msgspec.Meta(max_length=2000)]


class BreachTaskAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A task with its clock. `tells`: whom it is to tell, if anybody."""

    clock: str
    task: web.Words
    law: web.Words
    tells: Literal["nobody", "authority", "people"]
    state: TaskState
    due_at: datetime
    overdue: bool
    done_at: datetime | None
    done_by: str | None
    note: str


class NoticeAnswer(msgspec.Struct, frozen=True):
    """That somebody was told."""

    clock: str
    told: str
    people: int
    words: str
    sent_at: datetime
    sent_by: str


class BreachLine(msgspec.Struct, frozen=True, kw_only=True):
    """A breach of personal data."""

    breach_id: str
    what: str
    categories: list[str]
    people: int
    risk: Risk
    state: BreachState
    known_at: datetime
    opened_at: datetime
    opened_by: str
    closed_at: datetime | None
    closed_by: str | None
    lesson: str


class LetterAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the people concerned are told, and how far it is: `told` messages were made, of which the channel took `sent` and
    refused `failed`; `waiting` are on their way. `listed`: how many were named; null: every customer there was when it
    was known."""

    zh: str
    en: str
    listed: int | None
    state: LetterState
    told: int
    sent: int
    failed: int
    waiting: int
    begun_at: datetime
    begun_by: str
    ended_at: datetime | None


class BreachAnswer(BreachLine, frozen=True, kw_only=True):
    """A breach with its tasks, the most urgent first, who was told, and the letter to the people concerned (propose
    `breach.letter`)."""

    tasks: list[BreachTaskAnswer]
    notices: list[NoticeAnswer]
    letter: LetterAnswer | None


class BreachBody(web.Request, frozen=True, kw_only=True):
    """A breach. `what` happened, without naming anybody; whose data, by category; how many people, as far as is known."""

    what: Paragraphs
    categories: Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(min_length=1, max_length=50)]
    people: People
    risk: Risk
    known_at: datetime


class AssessBreachBody(web.Request, frozen=True, kw_only=True):
    """What is known now."""

    people: People
    risk: Risk


class TaskBody(web.Request, frozen=True, kw_only=True):
    """A task's end. `needed` false: it does not apply, and `note` says why. `told` and `people`: who was told, and how many."""

    note: Paragraphs
    needed: bool = True
    told: Annotated[str, msgspec.Meta(max_length=200)] = ""
    people: People = 0


class LessonBody(web.Request, frozen=True, kw_only=True):
    """What was learnt."""

    lesson: Paragraphs


class AssessmentBody(web.Request, frozen=True, kw_only=True):
    """An impact assessment. `lawful`: whether purpose and means are lawful, proper and needed; `effects`: on people, and the
    risks; `measures`: whether the protection fits them. `replaces`: the version before."""

    title: Annotated[str, msgspec.Meta(max_length=200)]
    purpose: Annotated[str, msgspec.Meta(max_length=64)]
    lawful: Paragraphs
    effects: Paragraphs
    measures: Paragraphs
    risk: AssessmentRisk
    review_on: Day
    replaces: Annotated[str, msgspec.Meta(max_length=64)] | None = None


class AssessmentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An impact assessment. `overdue`: it is to be looked at again."""

    assessment_id: str
    title: str
    purpose: str
    lawful: str
    effects: str
    measures: str
    risk: AssessmentRisk
    state: AssessmentState
    review_on: date
    overdue: bool
    written_at: datetime
    written_by: str
    signed_at: datetime | None
    signed_by: str | None
    replaces: str | None
    keep_until: date


class ConsoleErasure(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is leaving, or has left. `blocked`: what stood in the way last. `retained_until`: until then what the law
    has us keep waits under the retention key `sealed_to`."""

    customer_id: str
    state: ErasureState
    requested_at: datetime
    due_at: datetime
    blocked: list[str]
    done_at: datetime | None
    retained_until: datetime | None
    sealed_to: str


def _review(opened: OpenedReview, now: datetime) -> ConsoleReview:
    review = opened.review
    return ConsoleReview(
        review_id=str(review.review_id), customer_id=str(review.customer_id), decision=review.decision, declined=review.declined,
        command_id=str(review.command_id), decided_at=review.decided_at, wish=opened.wish, state=review.state,
        asked_at=review.asked_at, due_at=review.due_at, overdue=review.state == "OPEN" and now > review.due_at,
        answered_at=review.answered_at, answered_by=str(review.answered_by) if review.answered_by else None,
        upheld=review.upheld, answer=opened.answer,
    )  # fmt: skip


def _line(breach: Breach) -> BreachLine:
    return BreachLine(
        breach_id=str(breach.breach_id), what=breach.what, categories=list(filter(None, breach.categories.split(","))),
        people=breach.people, risk=breach.risk, state=breach.state, known_at=breach.known_at, opened_at=breach.opened_at,
        opened_by=str(breach.opened_by), closed_at=breach.closed_at,
        closed_by=str(breach.closed_by) if breach.closed_by else None, lesson=breach.lesson,
    )  # fmt: skip


def _breach(found: BreachDetail, now: datetime) -> BreachAnswer:
    tasks = [
        BreachTaskAnswer(
            clock=task.clock, task=CLOCKS[task.clock].task, law=CLOCKS[task.clock].law, tells=CLOCKS[task.clock].tells,
            state=task.state, due_at=task.due_at, overdue=task.state == "OPEN" and now > task.due_at, done_at=task.done_at,
            done_by=str(task.done_by) if task.done_by else None, note=task.note,
        )
        for task in found.tasks
    ]  # fmt: skip
    notices = [
        NoticeAnswer(each.clock, each.told, each.people, each.words, each.sent_at, str(each.sent_by)) for each in found.notices
    ]
    letter = _letter(found.letter) if found.letter else None
    return BreachAnswer(**msgspec.structs.asdict(_line(found.breach)), tasks=tasks, notices=notices, letter=letter)


def _letter(found: LetterProgress) -> LetterAnswer:
    letter = found.letter
    return LetterAnswer(
        zh=letter.zh, en=letter.en, listed=len(letter.listed.split(",")) if letter.listed else None, state=letter.state,
        told=letter.told, sent=found.sent, failed=found.failed, waiting=found.waiting, begun_at=letter.begun_at,
        begun_by=str(letter.begun_by), ended_at=letter.ended_at,
    )  # fmt: skip


def _assessment(row: Assessment, today: date) -> AssessmentAnswer:
    return AssessmentAnswer(
        assessment_id=str(row.assessment_id), title=row.title, purpose=row.purpose, lawful=row.lawful, effects=row.effects,
        measures=row.measures, risk=row.risk, state=row.state, review_on=row.review_on,
        overdue=row.state == "SIGNED" and row.review_on < today, written_at=row.written_at, written_by=str(row.written_by),
        signed_at=row.signed_at, signed_by=str(row.signed_by) if row.signed_by else None,
        replaces=str(row.replaces) if row.replaces else None, keep_until=row.keep_until,
    )  # fmt: skip


@get("/v1/console/privacy/register", tags=["Privacy office"])
async def show_register(operator: Caller, office: PrivacyOffice) -> Register:
    """The register of processing: every purpose with its ground, data, recipients and retention, and every column that holds
    personal data, from the database itself."""
    return office.register()


@get("/v1/console/privacy/overdue", tags=["Privacy office"])
async def show_overdue(operator: Caller, office: PrivacyOffice) -> Overdue:
    """How much is late: tasks of breaches, reviews without an answer, assessments to be looked at again."""
    return await office.overdue()


@get("/v1/console/privacy/reviews", tags=["Privacy office"])
async def reviews(
    operator: Caller,
    office: PrivacyOffice,
    privacy: PrivacyService,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    in_state: Annotated[ReviewState | None, QueryParameter(name="state")] = None,
) -> web.Page[ConsoleReview]:
    """Customers who want a person to look at a decision, newest first."""
    found = await privacy.reviews(None, in_state, web.decode_cursor(cursor, UUID), limit)
    rows, following = web.page(found, limit, lambda row: row.review.review_id)
    return web.Page([_review(row, office.now()) for row in rows], following)


@post("/v1/console/privacy/reviews/{review_id:str}/answer", tags=["Privacy office"], status_code=200)
async def answer_review(
    operator: Caller, office: PrivacyOffice, privacy: PrivacyService, review_id: PathId, data: AnswerBody, key: web.IdempotencyKey
) -> ConsoleReview:
    """Answer a customer, who is told. An answer is given once."""
    wanted = web.parse_id(review_id, errors.REVIEW_NOT_FOUND)
    await office.answer_review(command_id_for(operator, key), wanted, data.upheld, data.answer, operator.principal_id)
    return _review(await privacy.review(wanted), office.now())


@get("/v1/console/privacy/erasures", tags=["Privacy office"])
async def erasures_found(
    operator: Caller,
    erasures: ErasureService,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    in_state: Annotated[ErasureState | None, QueryParameter(name="state")] = None,
) -> web.Page[ConsoleErasure]:
    """Accounts that are being closed for ever, or were, newest first."""
    before = web.decode_cursor(cursor, tuple[datetime, UUID])
    found = await erasures.erasures(in_state, before, limit)
    rows, following = web.page(found, limit, lambda row: (row.requested_at, row.customer_id))
    lines = [
        ConsoleErasure(
            customer_id=str(row.customer_id), state=row.state, requested_at=row.requested_at, due_at=row.due_at,
            blocked=list(filter(None, row.blocked.split(","))), done_at=row.done_at, retained_until=row.retained_until,
            sealed_to=row.sealed_to,
        )
        for row in rows
    ]  # fmt: skip
    return web.Page(lines, following)


@get("/v1/console/privacy/breaches", tags=["Privacy office"])
async def breaches(
    operator: Caller,
    office: PrivacyOffice,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    in_state: Annotated[BreachState | None, QueryParameter(name="state")] = None,
) -> web.Page[BreachLine]:
    """Breaches of personal data, newest first."""
    found = await office.breaches(in_state, web.decode_cursor(cursor, UUID), limit)
    rows, following = web.page(found, limit, lambda row: row.breach_id)
    return web.Page([_line(row) for row in rows], following)


@post("/v1/console/privacy/breaches", tags=["Privacy office"], status_code=201)
async def open_breach(operator: Caller, office: PrivacyOffice, data: BreachBody, key: web.IdempotencyKey) -> BreachAnswer:
    """Write down a breach. Its clocks run from `known_at`: who is to be told, and by when."""
    found = await office.open_breach(
        command_id_for(operator, key), data.what, data.categories, data.people, data.risk, data.known_at, operator.principal_id
    )
    return _breach(found, office.now())


@get("/v1/console/privacy/breaches/{breach_id:str}", tags=["Privacy office"])
async def breach(operator: Caller, office: PrivacyOffice, breach_id: PathId) -> BreachAnswer:
    """One breach with its tasks and who was told."""
    return _breach(await office.breach(web.parse_id(breach_id, errors.BREACH_NOT_FOUND)), office.now())


@post("/v1/console/privacy/breaches/{breach_id:str}/assess", tags=["Privacy office"], status_code=200)
async def assess_breach(
    operator: Caller, office: PrivacyOffice, breach_id: PathId, data: AssessBreachBody, key: web.IdempotencyKey
) -> BreachAnswer:
    """More is known: how many people, how high their risk. A risk that turns out high brings its tasks with it."""
    wanted = web.parse_id(breach_id, errors.BREACH_NOT_FOUND)
    found = await office.assess_breach(command_id_for(operator, key), wanted, data.people, data.risk, operator.principal_id)
    return _breach(found, office.now())


@post("/v1/console/privacy/breaches/{breach_id:str}/tasks/{task_name:str}", tags=["Privacy office"], status_code=200)
async def end_task(
    operator: Caller, office: PrivacyOffice, breach_id: PathId, task_name: PathId, data: TaskBody, key: web.IdempotencyKey
) -> BreachAnswer:
    """A task is done, with what was done and who was told; or it does not apply, with the reason."""
    found = await office.end_breach_task(
        command_id_for(operator, key), web.parse_id(breach_id, errors.BREACH_NOT_FOUND), task_name, data.needed, data.note,
        plain(data.told), data.people, operator.principal_id,
    )  # fmt: skip
    return _breach(found, office.now())


@post("/v1/console/privacy/breaches/{breach_id:str}/close", tags=["Privacy office"], status_code=200)
async def close_breach(
    operator: Caller, office: PrivacyOffice, breach_id: PathId, data: LessonBody, key: web.IdempotencyKey
) -> BreachAnswer:
    """Close a breach whose tasks are all done, with what was learnt."""
    wanted = web.parse_id(breach_id, errors.BREACH_NOT_FOUND)
    found = await office.close_breach(command_id_for(operator, key), wanted, data.lesson, operator.principal_id)
    return _breach(found, office.now())


@get("/v1/console/privacy/assessments", tags=["Privacy office"])
async def assessments(
    operator: Caller,
    office: PrivacyOffice,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    in_state: Annotated[AssessmentState | None, QueryParameter(name="state")] = None,
    due: Annotated[bool, QueryParameter(description="Only those that are to be looked at again.")] = False,
) -> web.Page[AssessmentAnswer]:
    """Impact assessments, newest first."""
    today = office.now().date()
    found = await office.assessments(in_state, today if due else None, web.decode_cursor(cursor, UUID), limit)
    rows, following = web.page(found, limit, lambda row: row.assessment_id)
    return web.Page([_assessment(row, today) for row in rows], following)


@post("/v1/console/privacy/assessments", tags=["Privacy office"], status_code=201)
async def write_assessment(
    operator: Caller, office: PrivacyOffice, data: AssessmentBody, key: web.IdempotencyKey
) -> AssessmentAnswer:
    """Write an impact assessment, or a new version of one. Somebody else signs it off."""
    replaces = web.parse_id(data.replaces, errors.ASSESSMENT_NOT_FOUND) if data.replaces else None
    written = await office.write_assessment(
        command_id_for(operator, key), data.title, data.purpose, data.lawful, data.effects, data.measures, data.risk,
        data.review_on, replaces, operator.principal_id,
    )  # fmt: skip
    return _assessment(written, office.now().date())


@get("/v1/console/privacy/assessments/{assessment_id:str}", tags=["Privacy office"])
async def assessment(operator: Caller, office: PrivacyOffice, assessment_id: PathId) -> AssessmentAnswer:
    """One impact assessment."""
    found = await office.assessment(web.parse_id(assessment_id, errors.ASSESSMENT_NOT_FOUND))
    return _assessment(found, office.now().date())


@post("/v1/console/privacy/assessments/{assessment_id:str}/sign", tags=["Privacy office"], status_code=200)
async def sign_assessment(
    operator: Caller, office: PrivacyOffice, assessment_id: PathId, key: web.IdempotencyKey
) -> AssessmentAnswer:
    """Sign an impact assessment off. Nobody signs what they wrote."""
    wanted = web.parse_id(assessment_id, errors.ASSESSMENT_NOT_FOUND)
    signed = await office.sign_assessment(command_id_for(operator, key), wanted, operator.principal_id)
    return _assessment(signed, office.now().date())
