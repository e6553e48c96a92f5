"""A breach of personal data and its clocks: what has to be done and who told, by when, and whether it was.

    OPEN ──every task done or found not to apply──▶ CLOSED, with a lesson

The clocks are data (`clocks.toml`); a breach takes its tasks from them when it is opened, so that a later change of the file
changes nothing about breaches that are under way. Source: PIPL Art. 57; GDPR Arts. 33, 34 (33(5): every breach is documented).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from importlib import resources
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, Relation, View
from tongbao.kernel.ids import derived_id
from tongbao.kernel.web import Words
from tongbao.privacy import errors

Risk = Literal["low", "high"]
BreachState = Literal["OPEN", "CLOSED"]
TaskState = Literal["OPEN", "DONE", "NOT_NEEDED"]


class Clock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One task that a breach brings with it, and how long there is for it."""

    id: str
    task: Words
    law: Words
    within_hours: int
    when: Literal["always", "high"]
    tells: Literal["nobody", "authority", "people"]


class _Clocks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    clock: tuple[Clock, ...]


CLOCKS: dict[str, Clock] = {
    clock.id: clock
    for clock in msgspec.toml.decode(
        resources.files("tongbao.privacy").joinpath("clocks.toml").read_text(encoding="utf-8"), type=_Clocks
    ).clock
}


class Breach(msgspec.Struct, frozen=True, gc=False):
    """What happened, when we knew, whose data. `categories`: comma-separated; `people`: how many, as far as is known."""

    breach_id: UUID
    what: str
    categories: str
    people: int
    risk: Risk
    state: BreachState
    known_at: datetime
    opened_at: datetime
    opened_by: UUID
    closed_at: datetime | None
    closed_by: UUID | None
    lesson: str


class BreachTask(msgspec.Struct, frozen=True, gc=False):
    """A task of a breach. `note`: what was done and said, or why it does not apply."""

    breach_id: UUID
    clock: str
    state: TaskState
    due_at: datetime
    done_at: datetime | None
    done_by: UUID | None
    note: str


class BreachNotice(msgspec.Struct, frozen=True, gc=False):
    """That somebody was told: an authority or people, how, how many, and in which words."""

    notice_id: UUID
    breach_id: UUID
    clock: str
    told: str
    people: int
    words: str
    sent_at: datetime
    sent_by: UUID


BREACH: Relation[Breach] = Relation("breach", Breach, key=("breach_id",), rank=620)
BREACH_TASK: Relation[BreachTask] = Relation("breach_task", BreachTask, key=("breach_id", "clock"), rank=622)
BREACH_NOTICE: Relation[BreachNotice] = Relation("breach_notice", BreachNotice, key=("notice_id",), rank=941, append_only=True)


class OpenBreach(Command, frozen=True, kw_only=True):
    """Write down a breach; its clocks run from `known_at`."""

    kind = "privacy.open_breach"
    what: str
    categories: tuple[str, ...]
    people: int
    risk: Risk
    known_at: datetime
    by: UUID


class AssessBreach(Command, frozen=True, kw_only=True):
    """More is known: how many people, how high their risk. A risk that turns out high brings the tasks that go with it."""

    kind = "privacy.assess_breach"
    breach_id: UUID
    people: int
    risk: Risk
    by: UUID


class EndBreachTask(Command, frozen=True, kw_only=True):
    """A task is done, or does not apply. `told`, `words`: who was told and how, where the task is to tell somebody."""

    kind = "privacy.end_breach_task"
    breach_id: UUID
    clock: str
    needed: bool
    note: str
    told: str
    people: int
    by: UUID


class CloseBreach(Command, frozen=True, kw_only=True):
    """Close it, with what was learnt."""

    kind = "privacy.close_breach"
    breach_id: UUID
    lesson: str
    by: UUID


class BreachOpened(msgspec.Struct, frozen=True):
    """Result of `OpenBreach`."""

    breach_id: UUID


def open_breach(command: OpenBreach, view: View, now: datetime) -> Decision:
    """Always accepted; fields were checked at the edge."""
    breach_id = derived_id(now, command.command_id, b"breach")
    breach = Breach(
        breach_id, command.what, ",".join(command.categories), command.people, command.risk, "OPEN", command.known_at, now,
        command.by, None, None, "",
    )  # fmt: skip
    view.put(BREACH, breach)
    for clock in CLOCKS.values():
        if clock.when == "always" or command.risk == "high":
            _begin(view, breach, clock)
    view.emit("privacy", "breach.opened", {"breach_id": breach_id})
    return Accepted(BreachOpened(breach_id))


def _begin(view: View, breach: Breach, clock: Clock) -> None:
    due_at = breach.known_at + timedelta(hours=clock.within_hours)
    view.put(BREACH_TASK, BreachTask(breach.breach_id, clock.id, "OPEN", due_at, None, None, ""))


def assess_breach(command: AssessBreach, view: View, now: datetime) -> Decision:
    """Declines `breach_not_found`, `breach_closed`. Tasks that were begun stay, even if the risk turns out low."""
    breach = _open(view, command.breach_id)
    if isinstance(breach, Declined):
        return breach
    view.put(BREACH, replace(breach, people=command.people, risk=command.risk))
    for clock in CLOCKS.values():
        begun = view.get(BREACH_TASK, (command.breach_id, clock.id)) is not None
        if clock.when == "high" and command.risk == "high" and not begun:
            _begin(view, breach, clock)
    return Accepted()


def end_breach_task(command: EndBreachTask, view: View, now: datetime) -> Decision:
    """Declines `breach_not_found`, `breach_closed`, `breach_task_not_found`, `breach_task_done`."""
    breach = _open(view, command.breach_id)
    if isinstance(breach, Declined):
        return breach
    task = view.get(BREACH_TASK, (command.breach_id, command.clock))
    if task is None:
        return Declined(errors.BREACH_TASK_NOT_FOUND)
    if task.state != "OPEN":
        return Declined(errors.BREACH_TASK_DONE)
    state: TaskState = "DONE" if command.needed else "NOT_NEEDED"
    view.put(BREACH_TASK, replace(task, state=state, done_at=now, done_by=command.by, note=command.note))
    if command.needed and CLOCKS[task.clock].tells != "nobody":
        view.put(
            BREACH_NOTICE,
            BreachNotice(
                view.new_id(), breach.breach_id, task.clock, command.told, command.people, command.note, now, command.by
            ),
        )
    return Accepted()


def close_breach(command: CloseBreach, view: View, now: datetime) -> Decision:
    """Declines `breach_not_found`, `breach_closed`, `breach_tasks_open` (detail: how many)."""
    breach = _open(view, command.breach_id)
    if isinstance(breach, Declined):
        return breach
    tasks = [view.get(BREACH_TASK, (command.breach_id, clock)) for clock in CLOCKS]
    if left := sum(1 for task in tasks if task is not None and task.state == "OPEN"):
        return Declined(errors.BREACH_TASKS_OPEN, {"open": left})
    view.put(BREACH, replace(breach, state="CLOSED", closed_at=now, closed_by=command.by, lesson=command.lesson))
    view.emit("privacy", "breach.closed", {"breach_id": breach.breach_id})
    return Accepted()


def _open(view: View, breach_id: UUID) -> Breach | Declined:
    breach = view.get(BREACH, breach_id)
    if breach is None:
        return Declined(errors.BREACH_NOT_FOUND)
    return breach if breach.state == "OPEN" else Declined(errors.BREACH_CLOSED)


def _keys(command: AssessBreach | CloseBreach) -> list[Key]:
    return [Key(BREACH, command.breach_id), *(Key(BREACH_TASK, (command.breach_id, clock)) for clock in CLOCKS)]


def _task_keys(command: EndBreachTask) -> list[Key]:
    return [Key(BREACH, command.breach_id), Key(BREACH_TASK, (command.breach_id, command.clock))]


DECIDERS = (
    Decider(OpenBreach, lambda command: [], open_breach, BreachOpened),
    Decider(AssessBreach, _keys, assess_breach),
    Decider(EndBreachTask, _task_keys, end_breach_task),
    Decider(CloseBreach, _keys, close_breach),
)
