"""Use cases of real names: give a document, ask the registries, and ask again until they know.

Each question is three steps: record the wish (`AskRegistries`), ask outside any batch, record the answer (`RecordAnswer`).
Whoever dies between them leaves a row that the janitor finds (`settle_due`).
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Protocol, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
import structlog
from stdnum import luhn

from tongbao.engine.api import Engine, accepted
from tongbao.identity.codes import CodeUse
from tongbao.identity.evidence import Given
from tongbao.identity.realname import errors
from tongbao.identity.realname.channels import CHANNELS, Answer, NameChannel, Question, Registry, channels_for
from tongbao.identity.realname.documents import Claim, read
from tongbao.identity.realname.levels import LEVELS, POLICY, Allowance, AllowancesOf, denied, matched, possessed
from tongbao.identity.realname.rules import COUNTED_FOR, Settled, VerificationStarted
from tongbao.identity.realname.types import (
    CONTENT_FIELD,
    DETAILS_FIELD,
    DOCUMENT_FIELD,
    NUMBER_FIELD,
    PHONE_FIELD,
    ApproveFaceToFace,
    Ask,
    AskRegistries,
    Check,
    Details,
    DocumentHolder,
    EndWaiting,
    FallBack,
    File,
    FollowCalendar,
    ForgetDocument,
    NameEvent,
    ProposeFaceToFace,
    ProvePhone,
    RealName,
    RecordAnswer,
    StartVerification,
    State,
)
from tongbao.identity.rules import normal_login
from tongbao.identity.service import Caller, IdentityService, own_act
from tongbao.identity.standing import Standing
from tongbao.identity.types import Confirmation
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import named_id, new_id
from tongbao.kernel.rounds import do_each
from tongbao.kernel.sql import Queries
from tongbao.security.personal import Vault

_log = structlog.get_logger("tongbao.identity")

QUERIES = Queries("tongbao.identity.realname")

#: A channel that does not keep its deadline does not keep us.
_MOST_WAIT_S = 10.0


class Status(msgspec.Struct, frozen=True):
    """All that is known of a customer's name, by the document that was given last. `file` is None before one was given, and once
    the person was erased. `in_force`: where that one is yet to be proven, the document whose name and level hold until then."""

    standing: Standing
    real: RealName | None
    file: File | None
    checks: Sequence[Check]
    in_force: tuple[RealName, File | None] | None = None


class PhoneCodes(Protocol):
    """Sends codes to phones and knows them again; `app/asgi.py` plugs it in."""

    async def send_phone_code(self, command_id: UUID, caller: Caller, phone: str) -> None:
        """Declines `code_too_soon`, `code_too_many`."""
        ...

    def phone_code(self, caller: Caller, phone: str, code: str) -> CodeUse:
        """A code as typed: right for the phone it was sent to, and no other."""
        ...


class RealNameService:
    """Who customers are. Reads through a pool, changes through the engine, asks through a channel."""

    def __init__(
        self,
        engine: Engine,
        pool: asyncpg.Pool,
        identity: IdentityService,
        vault: Vault,
        channel: NameChannel,
        codes: PhoneCodes,
        clock: Clock,
        *,
        zone: ZoneInfo,
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._identity = identity
        self._vault = vault
        self._channel = channel
        self._codes = codes
        self._clock = clock
        self._zone = zone
        #: What the rules allow by level; nothing is told where nobody says.
        self.allowances: AllowancesOf = _nothing_said

    @property
    def today(self) -> date:
        """The day it is where the wallet is."""
        return self._clock.now().astimezone(self._zone).date()

    # ── giving a document ───────────────────────────────────────────────────────────────────────────────────────────────

    async def start(
        self,
        command_id: UUID,
        caller: Caller,
        claim: Claim,
        wanted_level: int,
        phone: str = "",
        card: str = "",
        given: Given | None = None,
    ) -> Status:
        """Give a document and ask as many registries as the wanted level (1 to 3) takes. `phone`: the log-in's, unless said.

        `given`: by which a customer confirms that one that was verified is replaced. Refuses what `documents.read` does,
        `phone_form`, `card_form`, what `IdentityService.confirmation` does; declines what `start_verification` does. The answer
        tells what was found; silence of a registry is a state of its check, never an error.
        """
        document = read(claim, self.today)
        person = await self._identity.person(caller.principal_id)
        phone = normal_phone(phone) if phone else (person.login if person.login.startswith("+") else "")
        card = _card(card)
        file = msgspec.json.encode(File(document, phone)).decode()
        former = await self.real_name(caller.principal_id)
        command = StartVerification(
            command_id=command_id, customer_id=caller.principal_id, document_kind=document.kind,
            document=await self._vault.seal(caller.principal_id, DOCUMENT_FIELD, file),
            document_index=self._vault.index(NUMBER_FIELD, f"{document.kind} {document.number}"),
            content_index=self._vault.index(CONTENT_FIELD, file),
            phone_index=self._vault.index(PHONE_FIELD, phone) if phone else b"",
            wanted_level=wanted_level, expires_on=document.expires_on, of_age_on=document.of_age_on,
            number_tells_age=document.tells_age, today=self.today,
            former_document_index=former.document_index if former else b"",
            former_phone_index=former.phone_index if former else b"",
            confirmation=await self._agreed(command_id, caller, given), proven_at=caller.proven_at,
        )  # fmt: skip
        started = cast(VerificationStarted, accepted(await self._engine.submit(command)))
        await self._raise_level(command_id, caller.principal_id, started.attempt, card)
        return await self.status(caller.principal_id)

    async def _agreed(self, command_id: UUID, caller: Caller, given: Given | None) -> Confirmation | None:
        if given is None:
            return None
        return await self._identity.confirmation(caller, given, command_id, own_act("real_name", caller))

    # ── the phone ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def send_phone_code(self, command_id: UUID, caller: Caller) -> None:
        """Send a code to the phone that was given with the document. Refuses `phone_form` where none was; declines
        `real_name_not_started`, `code_too_soon`, `code_too_many`."""
        await self._codes.send_phone_code(command_id, caller, await self._phone_of(caller.principal_id))

    async def prove_phone(self, command_id: UUID, caller: Caller, code: str, card: str = "") -> Status:
        """Show the code, and go on to the level that was wanted. Refuses `phone_form`, `card_form`; declines what `prove_phone`
        of the rules does."""
        customer_id, card = caller.principal_id, _card(card)
        real, phone = await self._need(customer_id), await self._phone_of(customer_id)
        command = ProvePhone(
            command_id=command_id, customer_id=customer_id, document_index=real.document_index, phone_index=real.phone_index,
            today=self.today, code=self._codes.phone_code(caller, phone, code),
        )  # fmt: skip
        accepted(await self._engine.submit(command))
        await self._raise_level(command_id, customer_id, real.attempt, card)
        return await self.status(customer_id)

    async def _phone_of(self, customer_id: UUID) -> str:
        status = await self.status(customer_id)
        if status.real is None or status.file is None:
            raise Refusal(errors.REAL_NAME_NOT_STARTED)
        return normal_phone(status.file.phone)

    async def _raise_level(self, command_id: UUID, customer_id: UUID, attempt: int, card: str) -> None:
        """Ask as many registries as are missing to the wanted level, and others in the place of those that did not confirm, while
        there are any: no more than it takes, for each learns that the person is asked after. Beyond the first level nobody is
        asked before the phone is proven."""
        for turn in range(len(CHANNELS)):
            status = await self.status(customer_id)
            real = status.real
            if real is None or status.file is None or real.attempt != attempt or real.level >= real.wanted_level:
                return
            current = [check for check in status.checks if check.attempt == attempt]
            if denied(current):
                return
            goal = real.wanted_level if real.phone_proven else 1
            missing = LEVELS[goal].channels - matched(current)
            if goal > 1 and not possessed(current):
                missing = max(missing, 1)
            told = {"phone": status.file.phone if real.phone_proven else "", "card": card}
            ready = [
                name
                for name in channels_for(real.document_kind)
                if name not in {check.registry for check in current} and all(told[need] for need in CHANNELS[name].needs)
            ]
            if goal > 1 and not possessed(current):  # what is held before what is known; the authority stays first
                ready.sort(key=lambda name: (not CHANNELS[name].authority, "phone" not in CHANNELS[name].needs))
            if missing <= 0 or not ready:
                return
            await self._ask(named_id("ask", str(command_id), str(turn)), real, ready[:missing], card)

    async def _ask(self, command_id: UUID, real: RealName, registries: Sequence[Registry], card: str) -> None:
        details = msgspec.json.encode(Details(card)).decode()
        asks = [
            Ask(
                registry, named_id("name check", str(command_id), registry),
                await self._vault.seal(real.customer_id, DETAILS_FIELD, details) if "card" in CHANNELS[registry].needs else b"",
            )
            for registry in registries
        ]  # fmt: skip
        command = AskRegistries(command_id=command_id, customer_id=real.customer_id, attempt=real.attempt, asks=tuple(asks))
        accepted(await self._engine.submit(command))
        wanted = {ask.check_id for ask in asks}
        checks = [check for check in await self.checks(real.customer_id) if check.check_id in wanted]
        await asyncio.gather(*(self._ask_and_record(real, check) for check in checks if check.state == "UNKNOWN"))

    async def retry(self, command_id: UUID, caller: Caller, registry: str, card: str = "") -> Status:
        """Ask one registry again, or for the first time. Refuses `card_form`; declines `channel_unknown`,
        `real_name_not_started`, `channel_needs_more`, and what `ask_registries` does."""
        if registry not in CHANNELS:
            raise Refusal(errors.CHANNEL_UNKNOWN)
        status = await self.status(caller.principal_id)
        if status.real is None or status.file is None:
            raise Refusal(errors.REAL_NAME_NOT_STARTED)
        if "phone" in CHANNELS[registry].needs and not status.real.phone_proven:
            raise Refusal(errors.PHONE_NOT_PROVEN)
        told = {"phone": status.file.phone, "card": _card(card)}
        needs = [need for need in CHANNELS[registry].needs if not told[need]]
        if needs:
            raise Refusal(errors.CHANNEL_NEEDS, needs=", ".join(needs))
        await self._ask(command_id, status.real, [registry], told["card"])
        return await self.status(caller.principal_id)

    # ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _ask_and_record(self, real: RealName, check: Check) -> None:
        question = await self._question(real, check)
        answer = Answer("UNKNOWN")
        if question is not None:
            try:
                async with asyncio.timeout(_MOST_WAIT_S):
                    answer = await self._channel.ask(question)
            except TimeoutError:
                _log.warning("registry_kept_us_waiting", registry=check.registry)
        command = RecordAnswer(
            command_id=new_id(self._clock.now()), customer_id=real.customer_id, document_index=real.document_index,
            phone_index=real.phone_index, today=self.today, registry=check.registry, check_id=check.check_id, state=answer.state,
            differing=answer.differing, registry_reference=answer.registry_reference,
        )  # fmt: skip
        await self._engine.submit(command)  # declined only where a newer check has taken its place

    async def _question(self, real: RealName, check: Check) -> Question | None:
        """The question of a check, the same whenever it is asked; None once the person was erased."""
        file = await self._file(real)
        if file is None:
            return None
        details = Details()
        if check.details:
            opened = await self._vault.open(real.customer_id, DETAILS_FIELD, check.details)
            details = msgspec.json.decode(opened, type=Details) if opened else details
        facts, document = CHANNELS[check.registry], file.document
        return Question(
            reference=str(check.check_id), registry=check.registry, kind=document.kind, number=document.number,
            name=document.name, phone=file.phone if "phone" in facts.needs else "",
            card=details.card if "card" in facts.needs else "",
            birth_date=str(document.birth_date) if facts.authority else "",
            expires_on=str(document.expires_on or "never") if facts.authority else "",
        )  # fmt: skip

    async def settle_due(self, limit: int = 100) -> int:
        """The janitor: ask again for every answer that is missing and due, under the same reference."""
        rows = await self._pool.fetch(QUERIES["checks_due"], self._clock.now(), limit)
        due = [Check(*row) for row in rows]
        return await do_each("name_checks", due, self._settle_one, lambda check: check.check_id)

    async def _settle_one(self, check: Check) -> None:
        for real in (await self._waiting(check.customer_id), await self.real_name(check.customer_id)):
            if real is not None and real.attempt == check.attempt:
                await self._ask_and_record(real, check)

    async def follow_calendar(self, limit: int = 500) -> int:
        """What the day asks for: reminders, documents that ended, minors who come of age."""
        today = self.today
        soon, ended = today + timedelta(POLICY.remind_days), today - timedelta(POLICY.grace_days)
        rows = await self._pool.fetch(QUERIES["calendar_due"], today, soon, ended, limit)
        for row in rows:
            command = FollowCalendar(command_id=new_id(self._clock.now()), customer_id=row["customer_id"], today=today)
            accepted(await self._engine.submit(command))
        return len(rows)

    async def forget_documents(self, limit: int = 100) -> int:
        """Forget documents under which nobody has been known for as long as any limit counts; how many."""
        rows = await self._pool.fetch(QUERIES["documents_to_forget"], self._clock.now() - COUNTED_FOR, limit)
        for row in rows:
            command = ForgetDocument(command_id=new_id(self._clock.now()), document_index=row["document_index"])
            await self._engine.submit(command)  # declined only where somebody has come again meanwhile
        return len(rows)

    async def fall_back(self, limit: int = 100) -> int:
        """Whose phone or account of Class III somebody took over by a better proof."""
        return await self._resettle(await self._pool.fetch(QUERIES["displaced"], limit), FallBack)

    async def end_waiting(self, limit: int = 100) -> int:
        """Wait no longer for registries, nor for a second operator, that said nothing in all the time we wait."""
        since = self._clock.now() - POLICY.patience
        return await self._resettle(await self._pool.fetch(QUERIES["waited_for"], since, limit), EndWaiting)

    async def _resettle(self, rows: Sequence[asyncpg.Record], kind: type[FallBack] | type[EndWaiting]) -> int:
        for row in rows:
            command = kind(
                command_id=new_id(self._clock.now()), customer_id=row["customer_id"], document_index=row["document_index"],
                phone_index=row["phone_index"], today=self.today,
            )  # fmt: skip
            await self._engine.submit(command)  # declined only where another document was given meanwhile
        return len(rows)

    # ── face to face ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def propose_face_to_face(self, command_id: UUID, operator: Caller, customer_id: UUID, level: int) -> Status:
        """An operator saw the person and the document. Refuses `face_level`; declines `real_name_not_started`."""
        if level not in (2, 3):
            raise Refusal(errors.FACE_LEVEL)
        real = await self._need(customer_id)
        command = ProposeFaceToFace(
            command_id=command_id, customer_id=customer_id, attempt=real.attempt, level=level, operator_id=operator.principal_id
        )
        accepted(await self._engine.submit(command))
        return await self.status(customer_id)

    async def approve_face_to_face(
        self, command_id: UUID, operator: Caller, customer_id: UUID, level: int, verified_by: UUID
    ) -> int:
        """A second operator agrees to the proposal they read, of `level` by `verified_by`; the level then. Declines
        `real_name_not_started`, `face_not_proposed`, `same_operator`."""
        real = await self._need(customer_id)
        command = ApproveFaceToFace(
            command_id=command_id, customer_id=customer_id, document_index=real.document_index, phone_index=real.phone_index,
            today=self.today, attempt=real.attempt, level=level, verified_by=verified_by, operator_id=operator.principal_id,
        )  # fmt: skip
        return cast(Settled, accepted(await self._engine.submit(command))).level

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def status(self, customer_id: UUID) -> Status:
        """All that is known of a customer's name."""
        real, waiting = await self.real_name(customer_id), await self._waiting(customer_id)
        given = waiting or real
        file = await self._file(given) if given else None
        in_force = (real, await self._file(real)) if real and waiting else None
        checks = await self.checks(customer_id) if given else ()
        return Status(await self.standing(customer_id), given, file, checks, in_force)

    async def verified(self, customer_id: UUID) -> tuple[RealName, File] | None:
        """The document by whose name a customer is known; None where there is none, or the person was erased."""
        real = await self.real_name(customer_id)
        file = await self._file(real) if real else None
        return (real, file) if real and file else None

    async def verified_name(self, customer_id: UUID) -> str:
        """The name on a customer's document; empty where none was verified."""
        known = await self.verified(customer_id)
        return known[1].document.name if known is not None and known[0].level else ""

    async def standing(self, customer_id: UUID) -> Standing:
        """The customer's standing; level 0 if there is none yet."""
        row = await self._pool.fetchrow(QUERIES["standing"], customer_id)
        if row is None:
            return Standing(customer_id, 0, None, None, False, False, "", None, self._clock.now())
        return Standing(*row)

    async def real_name(self, customer_id: UUID) -> RealName | None:
        """The row of the document in force, if one was given."""
        row = await self._pool.fetchrow(QUERIES["real_name"], customer_id)
        return RealName(*row) if row else None

    async def _waiting(self, customer_id: UUID) -> RealName | None:
        row = await self._pool.fetchrow(QUERIES["next_real_name"], customer_id)
        return RealName(*row) if row else None

    async def checks(self, customer_id: UUID) -> list[Check]:
        """Every channel's last check."""
        return [Check(*row) for row in await self._pool.fetch(QUERIES["checks"], customer_id)]

    async def accounts_under(self, real: RealName) -> DocumentHolder:
        """How many accounts are held under the document."""
        row = await self._pool.fetchrow(QUERIES["holder"], real.document_index)
        return DocumentHolder(*row) if row else DocumentHolder(real.document_index, 0, None)

    async def real_names(
        self, state: State | None, before: tuple[datetime, UUID] | None, limit: int
    ) -> list[tuple[RealName, File | None]]:
        """For the console, those who gave a document last first; `limit` + 1 at most. `before`: when it was given, and whose."""
        at, customer_id = before or (None, None)
        found = await self._pool.fetch(QUERIES["real_names"], state, at, customer_id, limit + 1)
        rows = [RealName(*row) for row in found]
        opened = await self._vault.open_many([(row.customer_id, DOCUMENT_FIELD, row.document) for row in rows])
        return [(row, _decoded(text)) for row, text in zip(rows, opened, strict=True)]

    async def history(self, customer_id: UUID, before: UUID | None, limit: int) -> list[tuple[NameEvent, File | None]]:
        """What happened to a name, newest first; `limit` + 1 at most."""
        rows = [NameEvent(*row) for row in await self._pool.fetch(QUERIES["history"], customer_id, before, limit + 1)]
        opened = await self._vault.open_many([(row.customer_id, DOCUMENT_FIELD, row.document) for row in rows])
        return [(row, _decoded(text)) for row, text in zip(rows, opened, strict=True)]

    async def _need(self, customer_id: UUID) -> RealName:
        """The document that was given last."""
        real = await self._waiting(customer_id) or await self.real_name(customer_id)
        if real is None:
            raise Refusal(errors.REAL_NAME_NOT_STARTED)
        return real

    async def _file(self, real: RealName) -> File | None:
        return _decoded(await self._vault.open(real.customer_id, DOCUMENT_FIELD, real.document))


async def _nothing_said() -> Mapping[int, Sequence[Allowance]]:
    return {}


def _decoded(text: str) -> File | None:
    return msgspec.json.decode(text, type=File) if text else None


def normal_phone(text: str) -> str:
    """E.164. Refuses `phone_form`."""
    try:
        normal = normal_login(text)
    except Refusal:
        raise Refusal(errors.PHONE_FORM) from None
    if not normal.startswith("+"):
        raise Refusal(errors.PHONE_FORM)
    return normal


def _card(text: str) -> str:
    """The digits of a card's number, or nothing. Refuses `card_form`. Source: ISO/IEC 7812-1, Annex B (check digit)."""
    digits = unicodedata.normalize("NFKC", text).replace(" ", "")
    if digits and not (12 <= len(digits) <= 19 and digits.isascii() and digits.isdigit() and luhn.is_valid(digits)):
        raise Refusal(errors.CARD_FORM)
    return digits
