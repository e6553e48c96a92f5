"""Impact assessments: what a kind of processing may do to people, and what is done against that, signed off by a second person.

    DRAFT ──SignAssessment (somebody else)──▶ SIGNED ──WriteAssessment with `replaces`──▶ SUPERSEDED

Nothing is ever deleted here, so the three years that the law asks for are kept; `keep_until` says when they are over.
Source: PIPL Arts. 55 (when), 56 (what it says; kept for three years at least); GDPR Art. 35.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, Relation, View
from tongbao.kernel.ids import derived_id
from tongbao.privacy import errors

AssessmentState = Literal["DRAFT", "SIGNED", "SUPERSEDED"]
AssessmentRisk = Literal["low", "medium", "high"]
KEPT_YEARS = 3


class Assessment(msgspec.Struct, frozen=True, gc=False):
    """One version. `lawful`: whether purpose and means are lawful, proper and needed; `effects`: on people's rights, and the
    risks; `measures`: whether the protection fits the risk. `review_on`: when it is to be looked at again."""

    assessment_id: UUID
    title: str
    purpose: str
    lawful: str
    effects: str
    measures: str
    risk: AssessmentRisk
    state: AssessmentState
    review_on: date
    written_at: datetime
    written_by: UUID
    signed_at: datetime | None
    signed_by: UUID | None
    replaces: UUID | None
    keep_until: date


ASSESSMENT: Relation[Assessment] = Relation("assessment", Assessment, key=("assessment_id",), rank=630)


class WriteAssessment(Command, frozen=True, kw_only=True):
    """A new assessment, or a new version of the one it `replaces`."""

    kind = "privacy.write_assessment"
    title: str
    purpose: str
    lawful: str
    effects: str
    measures: str
    risk: AssessmentRisk
    review_on: date
    by: UUID
    replaces: UUID | None = None


class SignAssessment(Command, frozen=True, kw_only=True):
    """Sign it off."""

    kind = "privacy.sign_assessment"
    assessment_id: UUID
    by: UUID


class AssessmentWritten(msgspec.Struct, frozen=True):
    """Result of `WriteAssessment`."""

    assessment_id: UUID


def write_assessment(command: WriteAssessment, view: View, now: datetime) -> Decision:
    """Declines `assessment_not_found`, `assessment_superseded` (what it replaces has been replaced)."""
    if command.replaces is not None:
        old = view.get(ASSESSMENT, command.replaces)
        if old is None:
            return Declined(errors.ASSESSMENT_NOT_FOUND)
        if old.state == "SUPERSEDED":
            return Declined(errors.ASSESSMENT_SUPERSEDED)
        view.put(ASSESSMENT, replace(old, state="SUPERSEDED", keep_until=_years_on(now.date(), KEPT_YEARS)))
    assessment_id = derived_id(now, command.command_id, b"assessment")
    view.put(
        ASSESSMENT,
        Assessment(
            assessment_id, command.title, command.purpose, command.lawful, command.effects, command.measures, command.risk,
            "DRAFT", command.review_on, now, command.by, None, None, command.replaces, _years_on(now.date(), KEPT_YEARS),
        ),
    )  # fmt: skip
    return Accepted(AssessmentWritten(assessment_id))


def sign_assessment(command: SignAssessment, view: View, now: datetime) -> Decision:
    """Declines `assessment_not_found`, `assessment_signed`, `assessment_superseded`, `second_person_needed`."""
    assessment = view.get(ASSESSMENT, command.assessment_id)
    if assessment is None:
        return Declined(errors.ASSESSMENT_NOT_FOUND)
    if assessment.state == "SUPERSEDED":
        return Declined(errors.ASSESSMENT_SUPERSEDED)
    if assessment.state == "SIGNED":
        return Declined(errors.ASSESSMENT_SIGNED)
    if assessment.written_by == command.by:
        return Declined(errors.SECOND_PERSON_NEEDED)
    view.put(ASSESSMENT, replace(assessment, state="SIGNED", signed_at=now, signed_by=command.by))
    return Accepted()


def _years_on(day: date, years: int) -> date:
    """The same day years later; the 29th of February has none in most years, and counts as the 1st of March."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def _write_keys(command: WriteAssessment) -> list[Key]:
    return [Key(ASSESSMENT, command.replaces)] if command.replaces else []


DECIDERS = (
    Decider(WriteAssessment, _write_keys, write_assessment, AssessmentWritten),
    Decider(SignAssessment, lambda command: [Key(ASSESSMENT, command.assessment_id)], sign_assessment),
)
