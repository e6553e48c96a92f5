"""Telling the people whom a breach concerns: one letter a breach, one message a person, a batch at a time.

    SENDING ─a batch of people, in the order of their ids─▶ SENDING ─nobody is left─▶ SENT

Each batch begins behind the last person of the one before (`told_to`), in the same commit as the messages it makes: whoever is
killed between two batches goes on where it stopped, and nobody is written to twice. The worker sends the messages, paced as all
are.

Source: PIPL Art. 57 (what is told: what kinds of data, why, what harm may come of it, what was done and what one can do, whom to
ask); GDPR Art. 34.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, Relation, View
from tongbao.identity.alerts import write
from tongbao.kernel.ids import named_id
from tongbao.privacy import errors
from tongbao.privacy.breaches import BREACH

LetterState = Literal["SENDING", "SENT"]

MESSAGE_KIND = "breach_letter"
NOBODY = UUID(int=0)
MOST_LISTED = 2_000
LEAST_TEXT, MOST_TEXT = 20, 1_000


class Letter(msgspec.Struct, frozen=True, gc=False):
    """What people are told of a breach, in both languages. `listed`: whom, their ids with commas between, in order; empty: every
    customer there was when the breach was known. `told`: how many messages were made so far."""

    breach_id: UUID
    zh: str
    en: str
    listed: str
    state: LetterState
    told_to: UUID
    told: int
    begun_at: datetime
    begun_by: UUID
    ended_at: datetime | None


LETTER: Relation[Letter] = Relation("breach_letter", Letter, key=("breach_id",), rank=624)


class WriteLetter(Command, frozen=True, kw_only=True):
    """Begin to tell people of a breach."""

    kind = "privacy.write_letter"
    breach_id: UUID
    zh: str
    en: str
    listed: tuple[UUID, ...]
    by: UUID


class TellPeople(Command, frozen=True, kw_only=True):
    """Write to the next people, in the order of their ids, behind `told_to`; none: nobody is left."""

    kind = "privacy.tell_people"
    breach_id: UUID
    told_to: UUID
    people: tuple[UUID, ...]


def write_letter(command: WriteLetter, view: View, now: datetime) -> Decision:
    """Declines `breach_not_found`, `breach_closed`, `letter_written`."""
    breach = view.get(BREACH, command.breach_id)
    if breach is None:
        return Declined(errors.BREACH_NOT_FOUND)
    if breach.state != "OPEN":
        return Declined(errors.BREACH_CLOSED)
    if view.get(LETTER, command.breach_id) is not None:
        return Declined(errors.LETTER_WRITTEN)
    listed = ",".join(str(each) for each in sorted(set(command.listed)))
    view.put(LETTER, Letter(command.breach_id, command.zh, command.en, listed, "SENDING", NOBODY, 0, now, command.by, None))
    return Accepted()


def tell_people(command: TellPeople, view: View, now: datetime) -> Decision:
    """Never declines; a batch that another process told already is left alone."""
    letter = view.get(LETTER, command.breach_id)
    if letter is None or letter.state != "SENDING" or letter.told_to != command.told_to:
        return Accepted()
    facts = {"breach_id": str(command.breach_id)}
    for person in command.people:
        write(view, person, MESSAGE_KIND, facts, now, named_id("breach letter", str(command.breach_id), str(person)))
    if command.people:
        view.put(LETTER, replace(letter, told_to=command.people[-1], told=letter.told + len(command.people)))
    else:
        view.put(LETTER, replace(letter, state="SENT", ended_at=now))
    return Accepted()


DECIDERS = (
    Decider(WriteLetter, lambda command: [Key(BREACH, command.breach_id), Key(LETTER, command.breach_id)], write_letter),
    Decider(TellPeople, lambda command: [Key(LETTER, command.breach_id)], tell_people),
)
