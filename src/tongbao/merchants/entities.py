"""Who stands behind a merchant: rows, commands and deciders.

A company or a sole trader has a unified social credit code and is asked after at the registry of businesses; its legal person and
every beneficial owner (a quarter of it or more) are asked after as people are. A micro-merchant is one person with a document.

    STARTED ──→ VERIFIED       everybody was confirmed
        └─────→ MISMATCHED     somebody was not: recorded anew, it starts anew

Source: Order [2025] 11, Arts. 16, 17 (due diligence of merchants); Order [2024] 3 (beneficial owners: 25 %); GB 32100-2015 (the
credit code); Yinfa [2017] 296 (micro-merchants by their document).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, Relation, View
from tongbao.identity.realname.channels import AnswerState, Registry
from tongbao.identity.realname.errors import CHECK_SUPERSEDED
from tongbao.identity.realname.levels import retry_in
from tongbao.merchants import errors
from tongbao.merchants.types import MERCHANT_TERMS
from tongbao.security.people import make_person

EntityKind = Literal["company", "sole_trader", "micro"]
EntityState = Literal["STARTED", "VERIFIED", "MISMATCHED"]
PersonRole = Literal["legal_person", "owner"]

#: What makes an owner a beneficial one.
LEAST_SHARE_PPM: Final = 250_000
WHOLE_PPM: Final = 1_000_000
#: The legal person, and as many owners of a quarter as there can be.
MOST_PEOPLE: Final = 5
#: The place of the business itself among what is checked; people come after it, from 1.
BUSINESS: Final = 0

_JANITOR_AFTER = timedelta(seconds=30)


class Entity(msgspec.Struct, frozen=True, gc=False):
    """The business behind a merchant as it was recorded last. `people`: how many stand behind it; `credit_code`: none of a
    micro-merchant."""

    merchant_id: UUID
    attempt: int
    kind: EntityKind
    legal_name: str
    credit_code: str
    people: int
    state: EntityState
    recorded_by: UUID
    recorded_at: datetime
    verified_at: datetime | None


class EntityPerson(msgspec.Struct, frozen=True, gc=False):
    """Somebody behind a merchant. `document`: a `Document` sealed under the keys of `person_id`; `place` counts from 1."""

    merchant_id: UUID
    attempt: int
    place: int
    person_id: UUID
    role: PersonRole
    share_ppm: int
    document_kind: str
    document: bytes
    document_index: bytes


class EntityCheck(msgspec.Struct, frozen=True, gc=False):
    """What a registry said of the business (place 0) or of a person."""

    merchant_id: UUID
    attempt: int
    place: int
    registry: Registry
    check_id: UUID
    state: AnswerState
    differing: str
    registry_reference: str | None
    tries: int
    ask_at: datetime | None
    answered_at: datetime | None


ENTITY: Relation[Entity] = Relation("merchant_entity", Entity, key=("merchant_id",), rank=230)
ENTITY_PERSON: Relation[EntityPerson] = Relation(
    "merchant_person", EntityPerson, key=("merchant_id", "attempt", "place"), rank=240
)
ENTITY_CHECK: Relation[EntityCheck] = Relation("entity_check", EntityCheck, key=("merchant_id", "attempt", "place"), rank=250)


class NewPerson(msgspec.Struct, frozen=True):
    """Somebody behind a merchant, about to be recorded: with fresh keys of their own."""

    person_id: UUID
    person_key: bytes
    role: PersonRole
    share_ppm: int
    document_kind: str
    document: bytes
    document_index: bytes
    registry: Registry
    check_id: UUID

    def hashed(self) -> NewPerson:
        """Without what is made anew each time."""
        return replace(self, person_id=UUID(int=0), person_key=b"", document=b"")


class RecordEntity(Command, frozen=True, kw_only=True):
    """Say who stands behind a merchant, and that registries are about to be asked. `business_check_id`: none of a
    micro-merchant."""

    kind = "merchants.record_entity"
    merchant_id: UUID
    entity_kind: EntityKind
    legal_name: str
    credit_code: str
    people: tuple[NewPerson, ...]
    business_check_id: UUID | None
    operator_id: UUID

    def hashed(self) -> RecordEntity:
        return replace(self, people=tuple(person.hashed() for person in self.people))


class RecordEntityAnswer(Command, frozen=True, kw_only=True):
    """Write down what a registry said, or that it said nothing."""

    kind = "merchants.record_entity_answer"
    merchant_id: UUID
    attempt: int
    place: int
    check_id: UUID
    state: AnswerState
    differing: tuple[str, ...] = ()
    registry_reference: str | None = None


class EntityRecorded(msgspec.Struct, frozen=True):
    """Result of both."""

    attempt: int
    state: EntityState


def record_entity(command: RecordEntity, view: View, now: datetime) -> Decision:
    """Declines `merchant_not_found`."""
    if view.get(MERCHANT_TERMS, command.merchant_id) is None:
        return Declined(errors.MERCHANT_NOT_FOUND)
    former = view.get(ENTITY, command.merchant_id)
    attempt = former.attempt + 1 if former else 1

    def ask(place: int, registry: Registry, check_id: UUID) -> None:
        view.put(
            ENTITY_CHECK,
            EntityCheck(
                command.merchant_id, attempt, place, registry, check_id, "UNKNOWN", "", None, 0, now + _JANITOR_AFTER, None
            ),
        )

    if command.business_check_id is not None:
        ask(BUSINESS, "business", command.business_check_id)
    for place, person in enumerate(command.people, 1):
        make_person(view, person.person_id, person.person_key)
        view.put(
            ENTITY_PERSON,
            EntityPerson(
                command.merchant_id, attempt, place, person.person_id, person.role, person.share_ppm, person.document_kind,
                person.document, person.document_index,
            ),
        )  # fmt: skip
        ask(place, person.registry, person.check_id)
    view.put(
        ENTITY,
        Entity(
            command.merchant_id, attempt, command.entity_kind, command.legal_name, command.credit_code, len(command.people),
            "STARTED", command.operator_id, now, None,
        ),
    )  # fmt: skip
    return Accepted(EntityRecorded(attempt, "STARTED"))


def record_entity_answer(command: RecordEntityAnswer, view: View, now: datetime) -> Decision:
    """Declines `check_superseded`. An answer that is there already stays."""
    entity = view.get(ENTITY, command.merchant_id)
    check = view.get(ENTITY_CHECK, (command.merchant_id, command.attempt, command.place))
    if entity is None or check is None or entity.attempt != command.attempt or check.check_id != command.check_id:
        return Declined(CHECK_SUPERSEDED)
    if check.state != "UNKNOWN":
        return Accepted(EntityRecorded(entity.attempt, entity.state))
    if command.state == "UNKNOWN":
        view.put(ENTITY_CHECK, replace(check, tries=check.tries + 1, ask_at=now + retry_in(check.tries)))
        return Accepted(EntityRecorded(entity.attempt, entity.state))
    view.put(
        ENTITY_CHECK,
        replace(
            check, state=command.state, differing=",".join(command.differing), registry_reference=command.registry_reference,
            ask_at=None, answered_at=now,
        ),
    )  # fmt: skip
    found = (view.get(ENTITY_CHECK, (command.merchant_id, entity.attempt, place)) for place in range(MOST_PEOPLE + 1))
    states = {each.state for each in found if each is not None}
    state: EntityState = "STARTED"
    if states & {"MISMATCHED", "NO_RECORD"}:
        state = "MISMATCHED"
    elif states == {"MATCHED"}:
        state = "VERIFIED"
    view.put(ENTITY, replace(entity, state=state, verified_at=now if state == "VERIFIED" else None))
    return Accepted(EntityRecorded(entity.attempt, state))


DECIDERS = (
    Decider(
        RecordEntity,
        lambda command: [Key(MERCHANT_TERMS, command.merchant_id), Key(ENTITY, command.merchant_id)],
        record_entity,
        EntityRecorded,
    ),
    Decider(
        RecordEntityAnswer,
        lambda command: [
            Key(ENTITY, command.merchant_id),
            *(Key(ENTITY_CHECK, (command.merchant_id, command.attempt, place)) for place in range(MOST_PEOPLE + 1)),
        ],
        record_entity_answer,
        EntityRecorded,
    ),
)
