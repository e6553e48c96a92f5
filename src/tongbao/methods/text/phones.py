"""Use cases of who pays by text: switching a phone on, what its SIM shows, and the short numbers of merchants."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime
from typing import Protocol
from uuid import UUID

import asyncpg
import msgspec
from msgspec.structs import replace
from stdnum import damm

from tongbao.engine.api import Declined, Engine, accepted
from tongbao.identity.evidence import Given
from tongbao.identity.instrument_rules import BindInstrument
from tongbao.identity.instrument_service import Bound, InstrumentService
from tongbao.identity.safety_service import SafetyService
from tongbao.identity.service import Caller, IdentityService
from tongbao.identity.types import ClaimConfirmation
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import named_id
from tongbao.methods.api import Encounter, Held
from tongbao.methods.text import errors
from tongbao.methods.text.menus import TILL_DIGITS, phone_of
from tongbao.methods.text.method import TextStatement
from tongbao.methods.text.types import PHONE, QUERIES, Language, NoteSim, OpenTill, SwitchOn, TextPhone, TextWish
from tongbao.security.keys import Keys, mac
from tongbao.security.masking import mask_login
from tongbao.security.personal import Vault

_TILL_DRAWS = 20


class Sims(Protocol):
    """What the network knows of SIMs; `app/registry.py` plugs an adapter in. It never raises, and always comes back in time."""

    def sim_since(self, phone: str) -> Awaitable[datetime | None]:
        """Since when a phone's SIM is the one it is; None where the network does not say."""
        ...


class KnownPhone(msgspec.Struct, frozen=True):
    """A phone that is switched on, opened to be shown."""

    row: TextPhone
    phone: str


class TextPhones:
    """Phones that pay by text."""

    def __init__(
        self,
        engine: Engine,
        pool: asyncpg.Pool,
        identity: IdentityService,
        instruments: InstrumentService,
        safety: SafetyService,
        sims: Sims,
        keys: Keys,
        vault: Vault,
        clock: Clock,
        *,
        country: str,
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._identity = identity
        self._instruments = instruments
        self._safety = safety
        self._sims = sims
        self._key = keys.instrument
        self._vault = vault
        self._clock = clock
        self.country = country
        self.method = TextStatement(instruments)

    # ── in the wallet ───────────────────────────────────────────────────────────────────────────────────────────────

    def normal(self, phone: str) -> str:
        """A phone as its owner types it, in E.164. Refuses `text_phone_format`."""
        try:
            return phone_of(phone, self.country)
        except (Refusal, ValueError):
            raise Refusal(errors.TEXT_PHONE_FORMAT) from None

    async def send_code(self, command_id: UUID, caller: Caller, phone: str) -> None:
        """Send a phone the code by which its owner shows that they hold it. Refuses `text_phone_format`; declines
        `code_too_soon`, `code_too_many`."""
        await self._safety.send_phone_code(command_id, caller, self.normal(phone))

    async def switch_on(self, command_id: UUID, caller: Caller, phone: str, code: str, language: Language, given: Given) -> Bound:
        """Let a phone pay by text. Refuses `text_phone_format`; declines `code_wrong`, and as `bind_instrument`."""
        phone = self.normal(phone)
        use, since = self._safety.phone_code(caller, phone, code), await self._sims.sim_since(phone)
        sealed = await self._vault.seal(caller.principal_id, PHONE, phone)

        def switching(bind: BindInstrument) -> SwitchOn:
            return SwitchOn(
                command_id=bind.command_id, bind=bind, phone_index=self.index(phone), phone=sealed, language=language, code=use,
                sim_since=since,
            )  # fmt: skip

        return await self._instruments.bind(
            command_id, caller, "text", mask_login(phone), 0, 0, given, here=False, within=switching
        )

    # ── a phone that dials or writes ────────────────────────────────────────────────────────────────────────────────

    def index(self, phone: str) -> bytes:
        """By what a phone is found."""
        return self._vault.index(PHONE, phone)

    async def known(self, phone: str) -> TextPhone | None:
        """The phone that dials or writes, if it is switched on."""
        row = await self._pool.fetchrow(QUERIES["text_phone"], self.index(phone))
        if row is None or not await self._instruments.pays(row["number"]):
            return None
        return TextPhone(*row)

    async def of_number(self, number: int) -> KnownPhone | None:
        """The phone of an instrument, whether it pays still or not."""
        row = await self._pool.fetchrow(QUERIES["text_phone_of_number"], number)
        return None if row is None else await self._opened(TextPhone(*row))

    async def of_customer(self, customer_id: UUID) -> list[KnownPhone]:
        """A customer's phones that pay."""
        rows = [TextPhone(*row) for row in await self._pool.fetch(QUERIES["text_phone_of_customer"], customer_id)]
        return [await self._opened(row) for row in rows if await self._instruments.pays(row.number)]

    async def _opened(self, row: TextPhone) -> KnownPhone:
        return KnownPhone(row, await self._vault.open(row.customer_id, PHONE, row.phone))

    async def look_at_sim(self, row: TextPhone, phone: str) -> TextPhone:
        """Ask the network since when this is the phone's SIM, and write down what is news. What it does not say is not."""
        since = await self._sims.sim_since(phone)
        if since is None or since <= (row.sim_since or row.switched_on_at):
            return row
        command_id = named_id("text sim", row.phone_index.hex(), since.isoformat())
        command = NoteSim(command_id=command_id, phone_index=row.phone_index, customer_id=row.customer_id, sim_since=since)
        accepted(await self._engine.submit(command))
        return TextPhone(*await self._pool.fetchrow(QUERIES["text_phone"], row.phone_index))

    async def claim(self, row: TextPhone, payee_id: UUID, amount_minor: int, currency: str, pin: str = "") -> ClaimConfirmation:
        """What the SIM of a phone shows for one payee and one sum, and that its owner knows the PIN, where they typed it."""
        encounter = Encounter(payee_id, amount_minor, currency, self._clock.now())
        held = Held(row.number, self._instruments.secret(row.number, "text"))
        claim = await self.method.verify(self.method.present(held, encounter), encounter)
        return replace(claim.confirmation, mac=self._identity.pin_mac(row.customer_id, pin) if pin else b"")

    async def wish(self, row: TextPhone) -> TextWish | None:
        """What this phone's owner asked for last by message, whatever became of it."""
        found = await self._pool.fetchrow(QUERIES["text_wish"], row.phone_index)
        return TextWish(*found) if found is not None and found["customer_id"] == row.customer_id else None

    async def caller(self, row: TextPhone) -> Caller:
        """Who a phone's owner is, to services that ask who is asking."""
        principal = await self._identity.need(row.customer_id)
        return Caller(row.customer_id, None, "wallet", principal.locale, frozenset(), None, principal.created_at)

    # ── short numbers of merchants ──────────────────────────────────────────────────────────────────────────────────

    async def till(self, number: str) -> UUID:
        """Whose a till number is. Declines `till_unknown`."""
        merchant_id: UUID | None = await self._pool.fetchval(QUERIES["till"], int(number))
        if merchant_id is None:
            raise Refusal(errors.TILL_UNKNOWN)
        return merchant_id

    async def open_till(self, merchant_id: UUID) -> str:
        """A merchant's short number: the one it has, or its first. Declines `merchant_not_found`."""
        known = await self._pool.fetchval(QUERIES["till_of_merchant"], merchant_id)
        if known is not None:
            return f"{known:0{TILL_DIGITS}d}"
        for attempt in range(_TILL_DRAWS):
            number = till_number(self._key, merchant_id, attempt)
            command_id = named_id("text till", str(merchant_id), str(attempt))
            outcome = await self._engine.submit(OpenTill(command_id=command_id, till_number=int(number), merchant_id=merchant_id))
            if not (isinstance(outcome.decision, Declined) and outcome.decision.code is errors.TILL_NUMBER_TAKEN):
                break
        accepted(outcome)
        return number


def till_number(key: bytes, merchant_id: UUID, attempt: int) -> str:
    """Seven digits, the last of which catches a mistyped or two exchanged ones (Damm). The first is never 0."""
    drawn = mac(key, b"till number", merchant_id.bytes, bytes([attempt]))
    body = str(10 ** (TILL_DIGITS - 2) + int.from_bytes(drawn[:8], "big") % (9 * 10 ** (TILL_DIGITS - 2)))
    return body + damm.calc_check_digit(body)
