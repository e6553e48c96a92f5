"""Use cases of who stands behind a merchant: record it, ask the registries, and ask again until they know."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
import structlog
from stdnum.cn import uscc

from tongbao.engine.api import Engine, accepted
from tongbao.identity.realname.channels import CHANNELS, Answer, NameChannel, Question, Registry, channels_for
from tongbao.identity.realname.documents import Claim, Document, read
from tongbao.identity.realname.types import NUMBER_FIELD
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import named_id, new_id
from tongbao.kernel.texts import plain
from tongbao.merchants import errors
from tongbao.merchants.entities import (
    BUSINESS,
    LEAST_SHARE_PPM,
    WHOLE_PPM,
    Entity,
    EntityCheck,
    EntityKind,
    EntityPerson,
    NewPerson,
    PersonRole,
    RecordEntity,
    RecordEntityAnswer,
)
from tongbao.merchants.service import QUERIES
from tongbao.security.personal import Vault

_log = structlog.get_logger("tongbao.merchants")

DOCUMENT_FIELD = "merchant_person.document"
_MOST_WAIT_S = 10.0


class Owner(msgspec.Struct, frozen=True):
    """A beneficial owner as told: their document, and their share in millionths."""

    claim: Claim
    share_ppm: int


class Behind(msgspec.Struct, frozen=True):
    """All that is known of who stands behind a merchant. `documents`: None where the person's data was erased."""

    entity: Entity
    people: Sequence[EntityPerson]
    documents: Sequence[Document | None]
    checks: Sequence[EntityCheck]


class EntityService:
    """Who stands behind merchants. Asks the same registries as are asked about customers."""

    def __init__(
        self, engine: Engine, pool: asyncpg.Pool, vault: Vault, channel: NameChannel, clock: Clock, *, zone: ZoneInfo
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._vault = vault
        self._channel = channel
        self._clock = clock
        self._zone = zone

    @property
    def today(self) -> date:
        """The day it is where the merchants are."""
        return self._clock.now().astimezone(self._zone).date()

    async def record(
        self,
        command_id: UUID,
        operator_id: UUID,
        merchant_id: UUID,
        kind: EntityKind,
        legal_name: str,
        credit_code: str,
        legal_person: Claim,
        owners: Sequence[Owner],
    ) -> Behind:
        """Record who stands behind a merchant, and ask the registries. Refuses `credit_code_form`, `credit_code_check_digit`,
        `credit_code_of_micro`, `legal_name_format`, `owner_share`, `owner_twice`, `control_characters`, and what
        `documents.read` does; declines `merchant_not_found`. Silence of a registry is a state of its check, never an error."""
        code = _credit_code(kind, credit_code)
        name = plain(legal_name.strip())
        if not 1 <= len(name) <= 100:
            raise Refusal(errors.LEGAL_NAME_FORMAT)
        if any(not LEAST_SHARE_PPM <= owner.share_ppm <= WHOLE_PPM for owner in owners) or (
            sum(owner.share_ppm for owner in owners) > WHOLE_PPM
        ):
            raise Refusal(errors.OWNER_SHARE)
        first = await self._person(command_id, 1, "legal_person", legal_person, 0)
        others = [
            await self._person(command_id, place, "owner", owner.claim, owner.share_ppm) for place, owner in enumerate(owners, 2)
        ]
        if len({person.document_index for person in others}) < len(others):
            raise Refusal(errors.OWNER_TWICE)
        command = RecordEntity(
            command_id=command_id, merchant_id=merchant_id, entity_kind=kind, legal_name=name, credit_code=code,
            people=(first, *others), operator_id=operator_id,
            business_check_id=named_id("entity check", str(command_id), str(BUSINESS)) if code else None,
        )  # fmt: skip
        accepted(await self._engine.submit(command))
        behind = await self.need(merchant_id)
        await self._ask_all(behind, [check for check in behind.checks if check.state == "UNKNOWN"])
        return await self.need(merchant_id)

    async def _person(self, command_id: UUID, place: int, role: PersonRole, claim: Claim, share_ppm: int) -> NewPerson:
        document = read(claim, self.today)
        person_id = new_id(self._clock.now())
        person_key = await self._vault.new_person(person_id)
        sealed = await self._vault.seal(person_id, DOCUMENT_FIELD, msgspec.json.encode(document).decode())
        index = self._vault.index(NUMBER_FIELD, f"{document.kind} {document.number}")
        check_id = named_id("entity check", str(command_id), str(place))
        return NewPerson(
            person_id, person_key, role, share_ppm, document.kind, sealed, index, _authority(document.kind), check_id
        )

    async def ask_again(self, merchant_id: UUID) -> Behind:
        """Ask now for every answer that is missing. Declines `entity_not_recorded`."""
        behind = await self.need(merchant_id)
        await self._ask_all(behind, [check for check in behind.checks if check.state == "UNKNOWN"])
        return await self.need(merchant_id)

    async def settle_due(self, limit: int = 100) -> int:
        """The janitor: ask again for every answer that is missing and due, under the same reference."""
        rows = await self._pool.fetch(QUERIES["entity_checks_due"], self._clock.now(), limit)
        due = [EntityCheck(*row) for row in rows]
        for merchant_id in {check.merchant_id for check in due}:
            behind = await self.find(merchant_id)
            if behind is not None:
                await self._ask_all(behind, [check for check in due if check.merchant_id == merchant_id])
        return len(due)

    async def _ask_all(self, behind: Behind, checks: Sequence[EntityCheck]) -> None:
        await asyncio.gather(*(self._ask(behind, check) for check in checks))

    async def _ask(self, behind: Behind, check: EntityCheck) -> None:
        question = _question(behind, check)
        answer = Answer("UNKNOWN")
        if question is not None:
            try:
                async with asyncio.timeout(_MOST_WAIT_S):
                    answer = await self._channel.ask(question)
            except TimeoutError:
                _log.warning("registry_kept_us_waiting", registry=check.registry)
        command = RecordEntityAnswer(
            command_id=new_id(self._clock.now()), merchant_id=check.merchant_id, attempt=check.attempt, place=check.place,
            check_id=check.check_id, state=answer.state, differing=answer.differing,
            registry_reference=answer.registry_reference,
        )  # fmt: skip
        await self._engine.submit(command)  # declined only where it was recorded anew meanwhile

    async def find(self, merchant_id: UUID) -> Behind | None:
        """Who stands behind a merchant, if it was recorded."""
        row = await self._pool.fetchrow(QUERIES["entity"], merchant_id)
        if row is None:
            return None
        entity = Entity(*row)
        people = [EntityPerson(*row) for row in await self._pool.fetch(QUERIES["entity_people"], merchant_id, entity.attempt)]
        checks = [EntityCheck(*row) for row in await self._pool.fetch(QUERIES["entity_checks"], merchant_id, entity.attempt)]
        opened = await self._vault.open_many([(person.person_id, DOCUMENT_FIELD, person.document) for person in people])
        documents = [msgspec.json.decode(text, type=Document) if text else None for text in opened]
        return Behind(entity, people, documents, checks)

    async def need(self, merchant_id: UUID) -> Behind:
        """As `find`. Declines `entity_not_recorded`."""
        behind = await self.find(merchant_id)
        if behind is None:
            raise Refusal(errors.ENTITY_NOT_RECORDED)
        return behind


def _question(behind: Behind, check: EntityCheck) -> Question | None:
    """The question of a check, the same whenever it is asked; None once the person's data was erased."""
    document = behind.documents[max(check.place, 1) - 1]
    if document is None:
        return None
    reference = str(check.check_id)
    if check.place == BUSINESS:
        return Question(
            reference=reference, registry="business", kind="credit_code", number=behind.entity.credit_code,
            name=behind.entity.legal_name, legal_person=document.name,
        )  # fmt: skip
    return Question(reference=reference, registry=check.registry, kind=document.kind, number=document.number, name=document.name)


def _authority(kind: str) -> Registry:
    """Who issues this kind of document."""
    return next(registry for registry in channels_for(kind) if CHANNELS[registry].authority)


def _credit_code(kind: EntityKind, text: str) -> str:
    """The code in its normal form, none of a micro-merchant. Refuses `credit_code_…`. Source: GB 32100-2015."""
    if kind == "micro":
        if text:
            raise Refusal(errors.CREDIT_CODE_OF_MICRO)
        return ""
    code = uscc.compact(text)
    try:
        return uscc.validate(code)
    except uscc.InvalidChecksum:
        raise Refusal(errors.CREDIT_CODE_CHECK_DIGIT) from None
    except uscc.ValidationError:
        raise Refusal(errors.CREDIT_CODE_FORM) from None
