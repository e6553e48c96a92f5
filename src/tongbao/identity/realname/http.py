"""Routes of real names for customers: the level and what is missing, giving a document, guardians."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, cast
from uuid import UUID

import msgspec
from litestar import delete, get, post
from litestar.params import PathParameter

from tongbao.identity.evidence import Given
from tongbao.identity.realname import errors
from tongbao.identity.realname.channels import CHANNELS, Need, Registry, channels_for
from tongbao.identity.realname.documents import Claim, DocumentKind, Sex, mask_number
from tongbao.identity.realname.guardian_service import GuardianService
from tongbao.identity.realname.levels import LEVELS, Allowance, LevelFacts, matched
from tongbao.identity.realname.service import RealNameService, Status
from tongbao.identity.realname.types import CheckState, File, Guardianship, GuardianshipState, State
from tongbao.identity.service import Caller, IdentityService, command_id_for
from tongbao.identity.standing import reasons
from tongbao.identity.wire import ConfirmedBody
from tongbao.kernel import web
from tongbao.kernel.errors import CURRENCY_UNSUPPORTED, Code, Refusal, lookup
from tongbao.kernel.money import format_minor, parse
from tongbao.security.masking import mask_login, mask_name

PathId = Annotated[str, PathParameter(max_length=64)]
Text = Annotated[str, msgspec.Meta(max_length=200)]


class DocumentBody(web.Request, frozen=True, kw_only=True):
    """A document as its bearer tells it. 18-digit numbers and a passport's machine-readable zone say birth date, sex and more
    themselves: what is left out is taken from there, what is given must agree. `expires_on` null: valid without end."""

    kind: DocumentKind
    number: Annotated[str, msgspec.Meta(max_length=40)]
    name: Text = ""
    name_latin: Text = ""
    birth_date: date | None = None
    sex: Sex | None = None
    nationality: Annotated[str, msgspec.Meta(max_length=3)] = ""
    issued_on: date | None = None
    expires_on: date | None = None
    mrz: Annotated[str, msgspec.Meta(max_length=100)] = ""

    def claim(self) -> Claim:
        """The same as the rules know it."""
        return Claim(**{name: getattr(self, name) for name in Claim.__struct_fields__})


class StartBody(ConfirmedBody, frozen=True, kw_only=True):
    """A document, the level it is to give, and what some channels need besides: a phone (the log-in's unless said), a card.
    Levels 2 and 3 wait until the phone is proven. To replace a document that was verified: also the PIN, or a `confirmation` (the
    act `real_name` towards the customer themselves)."""

    document: DocumentBody
    wanted_level: Annotated[int, msgspec.Meta(ge=1, le=3)] = 2
    phone: Annotated[str, msgspec.Meta(max_length=32)] = ""
    card_number: Annotated[str, msgspec.Meta(max_length=32)] = ""

    def replaces(self) -> Given | None:
        """What was given for replacing a document. Refuses `confirmation_format`, `encoding_wrong`."""
        return self.given() if self.pin is not None or self.confirmation is not None else None


class PhoneBody(web.Request, frozen=True, kw_only=True):
    """The code that was sent to the phone, and the bank card by which the bank may be asked."""

    code: Annotated[str, msgspec.Meta(max_length=16)]
    card_number: Annotated[str, msgspec.Meta(max_length=32)] = ""


class RetryBody(web.Request, frozen=True, kw_only=True):
    """What the channel needs besides the document."""

    card_number: Annotated[str, msgspec.Meta(max_length=32)] = ""


class DocumentAnswer(msgspec.Struct, frozen=True):
    """The document, masked. Its name and number are empty once the person's data was erased."""

    kind: DocumentKind
    name_masked: str
    number_masked: str
    phone_masked: str
    expires_on: date | None


class NameCheckAnswer(msgspec.Struct, frozen=True):
    """One channel. `state` is null where it was not asked; `differing` names what it knows otherwise."""

    channel: Registry
    name: web.Words
    needs: Sequence[Need]
    state: CheckState | None
    differing: Sequence[str]
    asked_at: datetime | None
    answered_at: datetime | None


class MissingAnswer(msgspec.Struct, frozen=True):
    """What the next level takes: so many channels more, of these that have not confirmed; or face to face."""

    level: int
    channels: int
    of: Sequence[Registry]
    face_to_face: bool


class GuardianAnswer(msgspec.Struct, frozen=True):
    """Who answers for a minor, or is asked to."""

    name_masked: str
    state: GuardianshipState
    single: str | None
    daily: str | None
    currency: str


class HeldBackAnswer(msgspec.Struct, frozen=True):
    """Why the level is lower than the checks would give."""

    code: str
    message: web.Words


class LevelAnswer(LevelFacts, frozen=True):
    """What a level takes and gives, and how much of it by the rules in force; none where they say nothing of it."""

    allowances: Sequence[Allowance]


class RealNameAnswer(msgspec.Struct, frozen=True):
    """How well we know the customer. `level` 0 to 3 (I, II, III of the law); limits in money are `GET /v1/wallet/limits`.
    `wanted_level`: the one that was asked for with the document. `in_force`: where another document is yet to be proven, of which
    `document` and `checks` tell, the one whose name and level hold until then."""

    level: int
    wanted_level: int | None
    state: State | None
    document: DocumentAnswer | None
    phone_proven: bool
    checks: list[NameCheckAnswer]
    missing: MissingAnswer | None
    held_back: HeldBackAnswer | None
    suspended: list[str]
    minor: bool
    visitor: bool
    guardian: GuardianAnswer | None
    verified_at: datetime | None
    levels: Sequence[LevelAnswer]
    in_force: DocumentAnswer | None


class GuardianBody(web.Request, frozen=True, kw_only=True):
    """The phone or email by which the guardian logs in."""

    login: Annotated[str, msgspec.Meta(max_length=254)]


class AgreeBody(ConfirmedBody, frozen=True, kw_only=True):
    """Consent, with what the minor may pay at most: in one payment, in a day. Null: as the law allows. Confirmed by PIN or in
    another way."""

    currency: Annotated[str, msgspec.Meta(max_length=8)]
    single: Annotated[str, msgspec.Meta(max_length=32)] | None = None
    daily: Annotated[str, msgspec.Meta(max_length=32)] | None = None


class WardAnswer(msgspec.Struct, frozen=True):
    """A minor for whom the caller answers, or is asked to."""

    minor_id: str
    name_masked: str
    state: GuardianshipState
    single: str | None
    daily: str | None
    currency: str
    level: int
    suspended: list[str]
    requested_at: datetime
    agreed_at: datetime | None


def document_answer(kind: str, file: File | None, expires_on: date | None) -> DocumentAnswer:
    """A document as anybody may see it who may see that there is one."""
    known = cast(DocumentKind, kind)
    if file is None:
        return DocumentAnswer(known, "", "", "", expires_on)
    document = file.document
    phone = mask_login(file.phone) if file.phone else ""
    return DocumentAnswer(known, mask_name(document.name), mask_number(document.number), phone, expires_on)


def in_force_answer(status: Status) -> DocumentAnswer | None:
    """The document whose name and level hold while another is yet to be proven."""
    if status.in_force is None:
        return None
    real, file = status.in_force
    return document_answer(real.document_kind, file, real.expires_on)


def check_answers(status: Status) -> list[NameCheckAnswer]:
    """Every channel that knows the document's bearers, asked or not."""
    if status.real is None:
        return []
    asked = {check.registry: check for check in status.checks if check.attempt == status.real.attempt}
    lines = []
    for name in channels_for(status.real.document_kind):
        facts, check = CHANNELS[name], asked.get(name)
        lines.append(
            NameCheckAnswer(
                name, web.Words(facts.zh, facts.en), facts.needs, check.state if check else None,
                check.differing.split(",") if check and check.differing else [], check.asked_at if check else None,
                check.answered_at if check else None,
            )
        )  # fmt: skip
    return lines


def missing(status: Status) -> MissingAnswer | None:
    """What the next level takes; None at the highest."""
    level = status.real.level if status.in_force is not None and status.real is not None else status.standing.level
    if level >= 3:
        return None
    following = LEVELS[level + 1]
    current = [check for check in status.checks if status.real and check.attempt == status.real.attempt]
    confirmed = {check.registry for check in current if check.state == "MATCHED"}
    left = [name for name in channels_for(status.real.document_kind) if name not in confirmed] if status.real else []
    return MissingAnswer(following.level, max(0, following.channels - matched(current)), left, following.face_to_face)


def held_back(code: str) -> HeldBackAnswer | None:
    """The code that a name's row keeps, with its messages."""
    if not code:
        return None
    known: Code = lookup(code)
    return HeldBackAnswer(known.name, web.Words(known.message("zh"), known.message("en")))


async def _answer(
    status: Status, names: RealNameService, guardians: GuardianService, identity: IdentityService, currency: str
) -> RealNameAnswer:
    real, standing = status.real, status.standing
    allowed = await names.allowances()
    levels = [
        LevelAnswer(each.level, each.channels, each.face_to_face, each.gives, allowed.get(each.level, ())) for each in LEVELS
    ]
    guardian = None
    if standing.minor and (found := await guardians.of_minor(standing.customer_id)) is not None:
        name = mask_name((await identity.person(found.guardian_id)).name)
        guardian = GuardianAnswer(name, found.state, *_caps(found, currency), currency)
    return RealNameAnswer(
        standing.level, real.wanted_level if real else None, real.state if real else None,
        document_answer(real.document_kind, status.file, real.expires_on) if real else None,
        real.phone_proven if real else False, check_answers(status), missing(status),
        held_back(real.held_back if real else ""), list(reasons(standing.suspended)),
        standing.minor, standing.visitor, guardian, real.verified_at if real else None, levels, in_force_answer(status),
    )  # fmt: skip


def _caps(found: Guardianship, currency: str) -> tuple[str | None, str | None]:
    single, daily = (
        None if minor is None else format_minor(minor, currency) for minor in (found.single_minor, found.daily_minor)
    )
    return single, daily


@get("/v1/wallet/real-name", tags=["Real name"])
async def real_name(
    customer: Caller, names: RealNameService, guardians: GuardianService, identity: IdentityService, own_currency: str
) -> RealNameAnswer:
    """How well we know the customer, channel by channel, and what the next level takes."""
    return await _answer(await names.status(customer.principal_id), names, guardians, identity, own_currency)


@post("/v1/wallet/real-name", tags=["Real name"], status_code=200)
async def start(
    customer: Caller,
    data: StartBody,
    names: RealNameService,
    guardians: GuardianService,
    identity: IdentityService,
    own_currency: str,
    key: web.IdempotencyKey,
) -> RealNameAnswer:
    """Give a document, or raise the level: as many channels are asked as the wanted level takes. One that does not answer is
    `UNKNOWN` and is asked again by itself; the level rises when it does. Replacing one that was verified is confirmed as a
    payment is."""
    status = await names.start(
        command_id_for(customer, key), customer, data.document.claim(), data.wanted_level, data.phone, data.card_number,
        data.replaces(),
    )  # fmt: skip
    return await _answer(status, names, guardians, identity, own_currency)


@post("/v1/wallet/real-name/phone/code", tags=["Real name"], status_code=204)
async def phone_code(customer: Caller, names: RealNameService, key: web.IdempotencyKey) -> None:
    """Send a code to the phone that was given with the document: beyond level 1 it has to be shown that it is held."""
    await names.send_phone_code(command_id_for(customer, key), customer)


@post("/v1/wallet/real-name/phone", tags=["Real name"], status_code=200)
async def prove_phone(
    customer: Caller,
    data: PhoneBody,
    names: RealNameService,
    guardians: GuardianService,
    identity: IdentityService,
    own_currency: str,
    key: web.IdempotencyKey,
) -> RealNameAnswer:
    """Show the code; the channels that the wanted level takes are asked then."""
    status = await names.prove_phone(command_id_for(customer, key), customer, data.code, data.card_number)
    return await _answer(status, names, guardians, identity, own_currency)


@post("/v1/wallet/real-name/checks/{channel:str}", tags=["Real name"], status_code=200)
async def retry(
    customer: Caller,
    channel: PathId,
    data: RetryBody,
    names: RealNameService,
    guardians: GuardianService,
    identity: IdentityService,
    own_currency: str,
    key: web.IdempotencyKey,
) -> RealNameAnswer:
    """Ask one channel, again or for the first time, about the document that was given."""
    status = await names.retry(command_id_for(customer, key), customer, channel, data.card_number)
    return await _answer(status, names, guardians, identity, own_currency)


@post("/v1/wallet/real-name/guardian", tags=["Real name"], status_code=200)
async def request_guardian(
    customer: Caller,
    data: GuardianBody,
    names: RealNameService,
    guardians: GuardianService,
    identity: IdentityService,
    own_currency: str,
    key: web.IdempotencyKey,
) -> RealNameAnswer:
    """A minor says who answers for them; the guardian agrees in their own wallet."""
    await guardians.request(command_id_for(customer, key), customer, data.login)
    return await _answer(await names.status(customer.principal_id), names, guardians, identity, own_currency)


async def _ward(found: Guardianship, names: RealNameService, identity: IdentityService, currency: str) -> WardAnswer:
    standing = await names.standing(found.minor_id)
    name = mask_name((await identity.person(found.minor_id)).name)
    return WardAnswer(
        str(found.minor_id), name, found.state, *_caps(found, currency), currency, standing.level,
        list(reasons(standing.suspended)), found.requested_at, found.agreed_at,
    )  # fmt: skip


@get("/v1/wallet/guardianships", tags=["Real name"])
async def guardianships(
    customer: Caller,
    names: RealNameService,
    guardians: GuardianService,
    identity: IdentityService,
    own_currency: str,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
) -> web.Page[WardAnswer]:
    """The minors for whom the customer answers, or is asked to."""
    found = await guardians.of_guardian(customer.principal_id, web.decode_cursor(cursor, UUID), limit)
    rows, following = web.page(found, limit, lambda row: row.minor_id)
    return web.Page([await _ward(row, names, identity, own_currency) for row in rows], following)


@post("/v1/wallet/guardianships/{minor_id:str}/agree", tags=["Real name"], status_code=200)
async def agree(
    customer: Caller,
    minor_id: PathId,
    data: AgreeBody,
    names: RealNameService,
    guardians: GuardianService,
    identity: IdentityService,
    own_currency: str,
    key: web.IdempotencyKey,
) -> WardAnswer:
    """Agree that a minor pays with this wallet, within caps; or change the caps. Confirmed as the guardian's payments are."""
    if data.currency != own_currency:
        raise Refusal(CURRENCY_UNSUPPORTED, currency=data.currency, supported=own_currency)
    single, daily = (parse(cap, data.currency).minor if cap is not None else None for cap in (data.single, data.daily))
    known = web.parse_id(minor_id, errors.GUARDIANSHIP_UNKNOWN)
    agreed = await guardians.agree(command_id_for(customer, key), customer, known, single, daily, own_currency, data.given())
    return await _ward(agreed, names, identity, own_currency)


@delete("/v1/wallet/guardianships/{minor_id:str}", tags=["Real name"], status_code=204)
async def end(customer: Caller, minor_id: PathId, guardians: GuardianService) -> None:
    """Take the consent back, or say no: the minor may not pay until another guardian agrees."""
    await guardians.end(customer.principal_id, web.parse_id(minor_id, errors.GUARDIANSHIP_UNKNOWN))


ROUTES = (real_name, start, phone_code, prove_phone, retry, request_guardian, guardianships, agree, end)
