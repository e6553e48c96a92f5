"""What those who hold data owe: breaches with their clocks, impact assessments, answers to reviews, the register."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import cast
from uuid import UUID

import asyncpg
import msgspec

from tongbao.engine.api import Engine, accepted
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.privacy import errors
from tongbao.privacy.assessments import (
    Assessment,
    AssessmentRisk,
    AssessmentWritten,
    SignAssessment,
    WriteAssessment,
)
from tongbao.privacy.breaches import (
    AssessBreach,
    Breach,
    BreachNotice,
    BreachOpened,
    BreachTask,
    CloseBreach,
    EndBreachTask,
    OpenBreach,
    Risk,
)
from tongbao.privacy.letter_service import LetterProgress, Letters
from tongbao.privacy.purposes import CATEGORIES, PURPOSES
from tongbao.privacy.register import Register, register
from tongbao.privacy.reviews import AnswerReview
from tongbao.privacy.service import ANSWER, PrivacyService
from tongbao.privacy.types import QUERIES, Sealing, paragraphs
from tongbao.security.classes import Columns

_LONGEST_AGO = timedelta(days=3653)


class BreachDetail(msgspec.Struct, frozen=True):
    """A breach with its tasks, who was told, and the letter to the people it concerns, if one was written."""

    breach: Breach
    tasks: list[BreachTask]
    notices: list[BreachNotice]
    letter: LetterProgress | None


class Overdue(msgspec.Struct, frozen=True):
    """How much is late, by kind."""

    breach_tasks: int
    reviews: int
    assessments: int

    @property
    def any(self) -> bool:
        return bool(self.breach_tasks or self.reviews or self.assessments)


async def overdue(connection: asyncpg.Connection | asyncpg.Pool, now: datetime) -> Overdue:
    """What is late as of now."""
    return Overdue(*await connection.fetchrow(QUERIES["overdue"], now, now.date()))


class PrivacyOffice:
    """The privacy officer's desk. Reads through a pool, changes through the engine."""

    def __init__(
        self,
        engine: Engine,
        pool: asyncpg.Pool,
        vault: Sealing,
        people: PrivacyService,
        clock: Clock,
        controller: str,
        columns: Columns,
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._vault = vault
        self._people = people
        self._clock = clock
        self._controller = controller
        self._columns = columns
        self.letters = Letters(engine, pool)

    def now(self) -> datetime:
        """The present moment, by which things are late."""
        return self._clock.now()

    def register(self) -> Register:
        """The register of processing as of now."""
        return register(self._columns, self._controller, self._clock.now())

    async def overdue(self) -> Overdue:
        """What is late."""
        return await overdue(self._pool, self._clock.now())

    # ── reviews ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def answer_review(self, command_id: UUID, review_id: UUID, upheld: bool, answer: str, by: UUID) -> None:
        """Answer a customer. Refuses `text_missing`; declines `review_not_found`, `review_answered`."""
        review = (await self._people.review(review_id)).review
        sealed = await self._vault.seal(review.customer_id, ANSWER, paragraphs(answer, "answer"))
        accepted(
            await self._engine.submit(
                AnswerReview(command_id=command_id, review_id=review_id, upheld=upheld, answer=sealed, by=by)
            )
        )

    # ── breaches ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def open_breach(
        self, command_id: UUID, what: str, categories: Sequence[str], people: int, risk: Risk, known_at: datetime, by: UUID
    ) -> BreachDetail:
        """Write a breach down; its clocks run from `known_at`. Refuses `category_unknown`, `breach_known_later`,
        `text_missing`."""
        now = self._clock.now()
        if known_at.tzinfo is None or not now - _LONGEST_AGO <= known_at <= now:
            raise Refusal(errors.BREACH_KNOWN_LATER)
        for category in categories:
            if category not in CATEGORIES:
                raise Refusal(errors.CATEGORY_UNKNOWN, category=category)
        command = OpenBreach(
            command_id=command_id, what=paragraphs(what, "what"), categories=tuple(sorted(set(categories))), people=people,
            risk=risk, known_at=known_at, by=by,
        )  # fmt: skip
        opened = cast(BreachOpened, accepted(await self._engine.submit(command)))
        return await self.breach(opened.breach_id)

    async def assess_breach(self, command_id: UUID, breach_id: UUID, people: int, risk: Risk, by: UUID) -> BreachDetail:
        """More is known. Declines `breach_not_found`, `breach_closed`."""
        command = AssessBreach(command_id=command_id, breach_id=breach_id, people=people, risk=risk, by=by)
        accepted(await self._engine.submit(command))
        return await self.breach(breach_id)

    async def end_breach_task(
        self, command_id: UUID, breach_id: UUID, clock: str, needed: bool, note: str, told: str, people: int, by: UUID
    ) -> BreachDetail:
        """A task is done, or found not to apply. Refuses `text_missing` (a note always says what was done, or why it does not
        apply); declines `breach_not_found`, `breach_closed`, `breach_task_not_found`, `breach_task_done`."""
        command = EndBreachTask(
            command_id=command_id, breach_id=breach_id, clock=clock, needed=needed, note=paragraphs(note, "note"),
            told=told.strip(), people=people, by=by,
        )  # fmt: skip
        accepted(await self._engine.submit(command))
        return await self.breach(breach_id)

    async def close_breach(self, command_id: UUID, breach_id: UUID, lesson: str, by: UUID) -> BreachDetail:
        """Close it, with what was learnt. Refuses `text_missing`; declines `breach_tasks_open` and as above."""
        command = CloseBreach(command_id=command_id, breach_id=breach_id, lesson=paragraphs(lesson, "lesson"), by=by)
        accepted(await self._engine.submit(command))
        return await self.breach(breach_id)

    async def breaches(self, state: str | None, before: UUID | None, limit: int) -> list[Breach]:
        """Newest first; `limit` + 1 at most."""
        return [Breach(*row) for row in await self._pool.fetch(QUERIES["breaches"], state, before, limit + 1)]

    async def breach(self, breach_id: UUID) -> BreachDetail:
        """One breach with its tasks. Declines `breach_not_found`."""
        row = await self._pool.fetchrow(QUERIES["breach"], breach_id)
        if row is None:
            raise Refusal(errors.BREACH_NOT_FOUND)
        tasks = await self._pool.fetch(QUERIES["breach_tasks"], breach_id)
        notices = await self._pool.fetch(QUERIES["breach_notices"], breach_id)
        return BreachDetail(
            Breach(*row), [BreachTask(*each) for each in tasks], [BreachNotice(*each) for each in notices],
            await self.letters.progress(breach_id),
        )  # fmt: skip

    # ── impact assessments ──────────────────────────────────────────────────────────────────────────────────────────

    async def write_assessment(
        self, command_id: UUID, title: str, purpose: str, lawful: str, effects: str, measures: str, risk: AssessmentRisk,
        review_on: date, replaces: UUID | None, by: UUID,
    ) -> Assessment:  # fmt: skip
        """A new assessment, or a new version of one. Refuses `text_missing`; declines `purpose_unknown`, `assessment_not_found`,
        `assessment_superseded`."""
        if purpose not in PURPOSES:
            raise Refusal(errors.PURPOSE_UNKNOWN)
        command = WriteAssessment(
            command_id=command_id, title=paragraphs(title, "title"), purpose=purpose, lawful=paragraphs(lawful, "lawful"),
            effects=paragraphs(effects, "effects"), measures=paragraphs(measures, "measures"), risk=risk, review_on=review_on,
            by=by, replaces=replaces,
        )  # fmt: skip
        written = cast(AssessmentWritten, accepted(await self._engine.submit(command)))
        return await self.assessment(written.assessment_id)

    async def sign_assessment(self, command_id: UUID, assessment_id: UUID, by: UUID) -> Assessment:
        """Sign it off. Declines `second_person_needed`, `assessment_signed`, `assessment_superseded`, `assessment_not_found`."""
        accepted(await self._engine.submit(SignAssessment(command_id=command_id, assessment_id=assessment_id, by=by)))
        return await self.assessment(assessment_id)

    async def assessments(self, state: str | None, due_by: date | None, before: UUID | None, limit: int) -> list[Assessment]:
        """Newest first; `limit` + 1 at most. `due_by`: signed ones that are to be looked at again by then."""
        rows = await self._pool.fetch(QUERIES["assessments"], state, due_by, before, limit + 1)
        return [Assessment(*row) for row in rows]

    async def assessment(self, assessment_id: UUID) -> Assessment:
        """One assessment. Declines `assessment_not_found`."""
        row = await self._pool.fetchrow(QUERIES["assessment"], assessment_id)
        if row is None:
            raise Refusal(errors.ASSESSMENT_NOT_FOUND)
        return Assessment(*row)
