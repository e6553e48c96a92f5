"""The ASGI application: routes, dependencies, errors, headers, the built front ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import argon2
import asyncpg
import msgspec
import structlog
from litestar import Litestar, MediaType, Request, get
from litestar.datastructures import ResponseHeader, State
from litestar.exceptions import HTTPException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Contact, License

from tongbao import __version__
from tongbao.app import console, merchant_portal, page_reports, proofs, runtime
from tongbao.app.admission import Admission
from tongbao.app.answers import HEADERS, answer_error, answer_http_exception, answer_refusal, check_request
from tongbao.app.audit import Audit
from tongbao.app.books import Books
from tongbao.app.console.kinds import KINDS
from tongbao.app.contacts import contacts, contacts_of
from tongbao.app.frontends import frontends
from tongbao.app.injection import CallerOf, with_services
from tongbao.app.inventory import PageWatch
from tongbao.app.limits import RateLimits
from tongbao.app.page_reports import PageReports
from tongbao.app.personal import personal_data
from tongbao.app.protocol import MOST_BODY_BYTES, BoundedProtocol, server_protocol
from tongbao.app.quick import QuickRoute, QuickRoutes
from tongbao.app.registry import (
    CLASSES,
    UNDONE_ELSEWHERE,
    BankAdapter,
    CardsAdapter,
    CardsOnFile,
    cards_returning,
    counterparties,
    methods,
    open_bank,
    open_cards,
    open_messages,
    open_registries,
    text_gateway,
)  # fmt: skip
from tongbao.app.schema import document
from tongbao.app.settings import Settings
from tongbao.channels.api import CardNetwork
from tongbao.engine.api import Engine
from tongbao.engine.listener import OutboxListener
from tongbao.engine.types import OutboxRow
from tongbao.identity import credential_http, instrument_http, own_http, safety_http, totp_http
from tongbao.identity import http as identity_http
from tongbao.identity.credential_service import CredentialService
from tongbao.identity.device_service import DeviceService
from tongbao.identity.instrument_service import InstrumentService
from tongbao.identity.passkey_checks import RelyingParty
from tongbao.identity.realname import http as realname_http
from tongbao.identity.realname.channels import NameChannel
from tongbao.identity.realname.guardian_service import GuardianService
from tongbao.identity.realname.service import RealNameService
from tongbao.identity.safety_service import SafetyService
from tongbao.identity.service import IdentityService
from tongbao.identity.totp_service import TotpService
from tongbao.kernel.clock import Clock, SystemClock
from tongbao.kernel.database import open_pool
from tongbao.kernel.errors import UNAVAILABLE, Refusal
from tongbao.ledger.service import LedgerService
from tongbao.merchants import http as merchants_http
from tongbao.merchants.entity_service import EntityService
from tongbao.merchants.service import MerchantService
from tongbao.methods import http as methods_http
from tongbao.methods.qr import http as qr_http
from tongbao.methods.qr.api import CodeSigner
from tongbao.methods.text import http as text_http
from tongbao.methods.text import receipts
from tongbao.methods.text.acts import TextActs
from tongbao.methods.text.messages import TextMessages
from tongbao.methods.text.phones import TextPhones
from tongbao.methods.text.service import TextService
from tongbao.operators import invitations
from tongbao.operators.api import Invitations, OperatorService, Suspensions
from tongbao.payments import agreements_http, agreements_payer_http, sources_http
from tongbao.payments import http as payments_http
from tongbao.payments.agreements import MESSAGE_KIND as AGREEMENT_MESSAGES
from tongbao.payments.agreements_service import AgreementService
from tongbao.payments.cards import Cards
from tongbao.payments.claim_service import ClaimService
from tongbao.payments.funding_service import FundedPayments
from tongbao.payments.service import PaymentService
from tongbao.payments.sources import Sources
from tongbao.privacy import copy_http, letters
from tongbao.privacy import http as privacy_http
from tongbao.privacy.data import PrivacyData
from tongbao.privacy.erasures import ErasureService
from tongbao.privacy.obstacles import obstacles_in
from tongbao.privacy.office import PrivacyOffice
from tongbao.privacy.service import PrivacyService
from tongbao.rules import http as law_http
from tongbao.rules.service import LawService
from tongbao.security.classes import sealed
from tongbao.security.keyring import KeyRing
from tongbao.security.personal import Vault
from tongbao.wallet import http as wallet_http
from tongbao.wallet.service import WalletService

_log = structlog.get_logger("tongbao.app")


class Services:
    """Everything a request may need, made once a process."""

    def __init__(
        self,
        settings: Settings,
        ring: KeyRing,
        dsn: str,
        pool: asyncpg.Pool,
        engine: Engine,
        bank: BankAdapter,
        card_network: CardNetwork,
        registries: NameChannel,
        clock: Clock,
    ) -> None:
        keys = ring.keys
        zone = ZoneInfo(settings.time_zone)
        hasher = argon2.PasswordHasher(time_cost=settings.argon2_time, memory_cost=settings.argon2_memory_kib, parallelism=1)
        self.settings = settings
        self.secure_cookies = settings.secure_cookies
        self.clock = clock
        self.pool = pool
        self.engine = engine
        self.bank = bank
        self.card_network = card_network
        self.ring = ring
        self.vault = Vault.over(pool, ring, sealed(CLASSES, "C3"))
        party = RelyingParty(settings.public_url)
        self.identity = IdentityService(
            engine, pool, keys, self.vault, clock, hasher, party, secure_cookies=settings.secure_cookies
        )
        self.credentials = CredentialService(engine, pool, self.identity, keys, self.vault, clock)
        self.devices = DeviceService(engine, pool, self.identity, self.vault, clock)
        self.apps = TotpService(engine, pool, self.identity, keys, self.vault, clock)
        self.second_factor_rule = settings.operators_second_factor
        self.guardians = GuardianService(engine, pool, self.identity, clock)
        self.own_currency = settings.currency
        self.messages = open_messages(settings, keys)
        self.safety = SafetyService(
            engine, pool, self.identity, self.devices, self.messages, keys, self.vault, clock,
            codes_asked=settings.registration_codes,
        )  # fmt: skip
        self.names = RealNameService(engine, pool, self.identity, self.vault, registries, self.safety, clock, zone=zone)
        self.merchants = MerchantService(
            engine, pool, self.identity, keys, clock, currency=settings.currency, country=settings.country
        )
        self.entities = EntityService(engine, pool, self.vault, registries, clock, zone=zone)
        self.payments = PaymentService(
            engine, pool, self.identity, self.merchants, keys, self.vault, clock, currency=settings.currency, zone=zone
        )
        self.wallet = WalletService(
            engine, pool, self.identity, self.names, self.vault, bank, CardsAdapter(card_network), clock,
            currency=settings.currency, zone=zone,
            states={"payment": self.payments.bill_states},
            counterparties=counterparties(self.identity, self.merchants, lambda ids: self.wallet.bank_accounts_by_id(ids)),
        )  # fmt: skip
        self.agreements = AgreementService(
            engine, pool, self.identity, self.merchants, keys, clock, currency=settings.currency, zone=zone,
            base_url=settings.public_url or f"http://{settings.host}:{settings.port}",
        )  # fmt: skip
        self.safety.texts[AGREEMENT_MESSAGES] = self.agreements.text
        self.law = LawService(engine, pool, clock, currency=settings.currency, zone=zone)
        self.names.allowances = self.law.allowances
        self.instruments = InstrumentService(engine, pool, self.identity, keys, self.vault, clock, currency=settings.currency)
        self.methods = methods(self.instruments)
        self.text_gateway = text_gateway(settings, keys)
        self.text_code = settings.text_code
        self.text_phones = TextPhones(
            engine, pool, self.identity, self.instruments, self.safety, self.messages, keys, self.vault, clock,
            country=settings.country,
        )  # fmt: skip
        acts = TextActs(
            engine, self.identity, self.names, self.wallet, self.payments, self.merchants, self.law, self.text_phones, self.vault,
        )  # fmt: skip
        hearing = TextMessages(
            engine, self.text_phones, acts, self.messages, keys, self.vault, clock, currency=settings.currency,
            service_code=settings.text_code,
        )  # fmt: skip
        self.texts = TextService(
            engine, self.text_phones, acts, hearing, clock, currency=settings.currency,
            language="zh" if settings.country == "CN" else "en",
        )  # fmt: skip
        receipts.told_by(self.safety, self.text_phones, acts)
        self.funded = FundedPayments(
            engine, pool, self.identity, self.merchants, self.payments, card_network, CardsOnFile(self.wallet.cards), clock
        )
        self.sources = Sources(pool, self.wallet, clock)
        self.claims = ClaimService(engine, pool, self.payments, self.funded, self.sources, clock)
        self.cards = Cards(self.payments, self.merchants, self.identity, self.sources, clock)
        self.signer = CodeSigner.from_seed(keys.code, "k1")
        self.audit = Audit(dsn, keys, settings, clock)
        self.books = Books(engine, pool, self.audit, clock)
        self.ledger = LedgerService(engine, pool, clock, undone_elsewhere=UNDONE_ELSEWHERE)
        self.operators = OperatorService(
            engine, pool, self.identity, clock, self.vault, KINDS, lambda: self, four_eyes=settings.four_eyes
        )
        self.suspensions = Suspensions(engine, pool, clock)
        self.invitations = Invitations(
            engine, pool, self.identity, keys, self.vault, clock, settings.public_url or f"http://{settings.host}:{settings.port}"
        )
        self.safety.texts[invitations.MESSAGE_KIND] = self.invitations.text
        self.contact_lines = contacts_of(settings)
        self.page_reports = PageReports(pool, clock)
        self.page_watch = PageWatch(f"http://{settings.host}:{settings.port}", settings.watch_pages_every_s)
        self.privacy = PrivacyService(engine, pool, self.vault, clock)
        self.office = PrivacyOffice(engine, pool, self.vault, self.privacy, clock, settings.privacy_contact, CLASSES)
        self.safety.texts[letters.MESSAGE_KIND] = self.office.letters.text
        self.privacy_data = PrivacyData(
            engine, pool, self.vault, clock, personal_data(pool, self.vault, self.wallet.statement), self.identity.forget_person
        )
        self.erasures = ErasureService(
            engine, pool, self.vault, runtime.retention_key(settings), clock, currency=settings.currency,
            login_index_of=self.identity.login_index_of, let_go=self.wallet.cards.remove_all,
            obstacles=(obstacles_in(pool, self.identity.login_index_of), cards_returning(self.wallet.cards)),
        )  # fmt: skip
        self.listener = OutboxListener(dsn)
        self.listener.watch("sessions", self._session_ended)
        self.listener.watch("names", self._name_corrected)
        self.listener.watch("people", lambda row: self.identity.forget_person(self.vault.told(row)))

    def _session_ended(self, row: OutboxRow) -> None:
        self.identity.forget_session(msgspec.json.decode(row.payload, type=_SessionEnded).session_id)

    def _name_corrected(self, row: OutboxRow) -> None:
        self.identity.forget_person(msgspec.json.decode(row.payload, type=_NameCorrected).principal_id)


class _NameCorrected(msgspec.Struct):
    principal_id: UUID


class _SessionEnded(msgspec.Struct):
    session_id: UUID


@asynccontextmanager
async def open_services(settings: Settings, dsn: str, clock: Clock | None = None) -> AsyncIterator[Services]:
    """Services over a database that is up and migrated, with their background tasks."""
    clock = clock or SystemClock()
    ring = runtime.ring(settings)
    keys = ring.keys
    pool = await open_pool(dsn)
    bank = open_bank(settings, keys)
    card_network = open_cards(settings, keys)
    registries = open_registries(settings, keys)
    try:
        async with runtime.open_engine(dsn, keys, clock) as engine:
            services = Services(settings, ring, dsn, pool, engine, bank, card_network, registries, clock)
            listening = asyncio.create_task(services.listener.run(), name="listener")
            try:
                yield services
            finally:
                listening.cancel()
                with suppress(asyncio.CancelledError):
                    await listening
                await services.safety.close()
                await services.messages.close()
                await services.books.close()
                await services.audit.close()
    finally:
        await registries.close()
        await card_network.close()
        await bank.close()
        await pool.close()


class HealthAnswer(msgspec.Struct, frozen=True):
    """The server is up and its database answers."""

    status: str
    database: str
    version: str


@get("/health", tags=["Operation"], security=[])
async def health(pool: asyncpg.Pool) -> HealthAnswer:
    """Is the server up, and does its database answer? 503 if not."""
    try:
        await pool.fetchval("select 1", timeout=2)
    except Exception as failure:
        raise Refusal(UNAVAILABLE) from failure
    return HealthAnswer("ok", "ok", __version__)


@get("/v1/openapi.json", tags=["Operation"], sync_to_thread=True)
def openapi(request: Request[Any, Any, State]) -> dict[str, Any]:
    """This document."""
    return _document(request.app)


@cache
def _document(app: Litestar) -> dict[str, Any]:
    return document(app)


@get("/v1/ping", tags=["Operation"], media_type=MediaType.TEXT, sync_to_thread=False, security=[])
def ping() -> str:
    """Does nothing: what a benchmark of the server itself calls."""
    return "pong"


ROUTES = (
    health, openapi, ping, *identity_http.ROUTES, *own_http.routes("wallet"), *totp_http.routes("wallet"),
    totp_http.log_in_further, *credential_http.ROUTES, *safety_http.ROUTES,
    *realname_http.ROUTES, *wallet_http.ROUTES, *merchants_http.ROUTES, *payments_http.ROUTES, *sources_http.ROUTES,
    *agreements_http.ROUTES,
    *agreements_payer_http.ROUTES, *qr_http.ROUTES,
    *instrument_http.ROUTES, *methods_http.ROUTES, *text_http.ROUTES,
    *privacy_http.ROUTES, *copy_http.ROUTES, *law_http.ROUTES, *console.ROUTES,
    *merchant_portal.ROUTES, *proofs.ROUTES, page_reports.report, contacts,
)  # fmt: skip

#: What a shop and its customers do all day, answered past the framework.
QUICK = (payments_http.create_order, payments_http.confirm, qr_http.pay_static, methods_http.pay_shown)

#: Parameters of route handlers that are attributes of `Services`.
PARTS = frozenset(
    {
        "contact_lines",
        "identity",
        "devices",
        "apps",
        "second_factor_rule",
        "safety",
        "credentials",
        "names",
        "guardians",
        "entities",
        "own_currency",
        "merchants",
        "payments",
        "agreements",
        "funded",
        "sources",
        "wallet",
        "privacy",
        "office",
        "privacy_data",
        "erasures",
        "cards",
        "claims",
        "instruments",
        "methods",
        "text_gateway",
        "text_phones",
        "text_code",
        "texts",
        "signer",
        "books",
        "audit",
        "law",
        "ledger",
        "listener",
        "operators",
        "ring",
        "invitations",
        "suspensions",
        "page_reports",
        "clock",
        "pool",
        "secure_cookies",
    }
)

#: Parameters of route handlers that are the caller, and how each is known.
CALLERS: dict[str, CallerOf] = {
    "customer": lambda request, services: identity_http.customer(request, services.identity),
    "operator": lambda request, services: identity_http.operator(request, services.identity),
    "person": lambda request, services: identity_http.person(request, services.identity),
    "staff": lambda request, services: merchants_http.staff(request, services.identity, services.merchants),
}

#: What stands before a route: the permission it needs, and the record of it.
GUARDS = {right.route: right.guard for right in console.RIGHTS}


def protocol(app: Litestar, settings: Settings) -> type[BoundedProtocol]:
    """How a server that serves `app` speaks: the short way to the busiest handlers, and a door that closes in time."""
    routes = [QuickRoute(route, PARTS, CALLERS) for route in QUICK]
    admission = Admission(lambda: app.state.services.engine, settings.most_wait_s)
    return server_protocol(QuickRoutes(routes, lambda: app.state.services), admission, app.state.limits)


def application(settings: Settings, dsn: str | None = None) -> Litestar:
    """The application. Without a `dsn` it opens the database of the settings when it starts."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        url = dsn or await runtime.open_database(settings)
        async with open_services(settings, url) as services:
            await services.law.adopt_shipped(settings.rules)
            app.state.services = services
            _log.info("ready", writer=services.engine.head.writer if services.engine.head else None)
            yield

    return Litestar(
        route_handlers=[*(with_services(route, PARTS, CALLERS, GUARDS.get(route)) for route in ROUTES), *frontends()],
        lifespan=[lifespan],
        state=State({"limits": RateLimits(settings)}),
        exception_handlers={Refusal: answer_refusal, HTTPException: answer_http_exception, Exception: answer_error},
        before_request=check_request,
        response_headers=[ResponseHeader(name=name, value=value) for name, value in HEADERS.items()],
        request_max_body_size=MOST_BODY_BYTES,
        openapi_config=OpenAPIConfig(
            title="Tongbao 通宝",
            version=__version__,
            description=(
                "The native API. Amounts are decimal strings beside their currency. Every acting POST takes an "
                "`Idempotency-Key`. Errors carry a stable code, messages in Chinese and English, and whether money moved."
            ),
            license=License(name="Apache-2.0", identifier="Apache-2.0"),
            contact=Contact(name="Tongbao"),
            path="/v1/openapi",  # the framework's own rendering; ours is /v1/openapi.json
            render_plugins=[],
            use_handler_docstrings=True,
        ),
        logging_config=None,
        debug=False,
    )
