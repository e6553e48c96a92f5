"""Closing an account for ever on a real PostgreSQL: from then on nobody reads who it was, and everything else goes on."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace

from tests.channels.bank_rigs import code_in
from tests.channels.card_rigs import binding_of, debit_of
from tests.privacy.test_ladder import asking
from tests.support.town import CURRENCY, NOON, Town
from tests.wallet.test_cards import binding, hearing
from tests.wallet.test_links import checked
from tongbao.app.asgi import Services, open_services
from tongbao.app.registry import FORMER_CUSTOMER, CardsAdapter
from tongbao.app.settings import Settings
from tongbao.channels.api import DEMO_CARDS, MemoryCards
from tongbao.engine.api import Accepted
from tongbao.identity.service import Caller, LoggedIn
from tongbao.identity.types import OpenSession, PinConfirmation
from tongbao.kernel.clock import VirtualClock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import Money
from tongbao.kernel.postgres.binaries import binary
from tongbao.ledger.commands import FreezeAccount
from tongbao.merchants.types import NewStore
from tongbao.privacy import erasures
from tongbao.privacy.consents import GiveConsent, WithdrawConsent
from tongbao.privacy.erasure import AGAIN, GRACE, KEPT
from tongbao.privacy.holdings import PAGE, Held
from tongbao.privacy.retention import brought_back, fingerprint, pair_in
from tongbao.security.envelopes import Identity
from tongbao.wallet.cards import CARD_COLUMN

NAME, PHONE, PASSWORD, PIN, NOTE, DEVICE = (
    "欧阳明月",
    "+8613912345678",
    "correct horse battery",
    "135790",
    "还你买房的钱",
    "明月的手机",
)
#: No two scenes make the same ids.
_SEEDS = count(1)
#: What must be nowhere once she has left.
HERS = (NAME, PHONE, PHONE.removeprefix("+86"), NOTE, DEVICE, "别再打扰我")


class Scene:
    """Services over a database, at a clock that can be turned; money comes and goes by commands."""

    def __init__(self, services: Services, clock: VirtualClock) -> None:
        self.services = services
        self.clock = clock
        self.town = Town(services.engine, clock, seed=next(_SEEDS), vault=services.vault)

    async def customer(self, name: str, phone: str, minor: int = 0) -> LoggedIn:
        """Somebody logged in, with a PIN and so much money."""
        identity = self.services.identity
        customer_id, _ = await identity.register(self.town.id(), "wallet", phone, PASSWORD, name, "zh")
        session = await identity.log_in("wallet", phone, PASSWORD, DEVICE)
        await identity.set_pin(self.town.id(), await self.caller(session), PIN, PASSWORD)
        if minor:
            giver = await self.town.customer(minor)
            gift = self.town.transferring(giver, customer_id, minor)
            await self.town.happens(msgspec.structs.replace(gift, note=b"", payee_note=b""))
        return session

    async def caller(self, session: LoggedIn) -> Caller:
        return await self.services.identity.authenticate(session.token, "wallet")

    async def send(self, payer: LoggedIn, payee: LoggedIn, minor: int, note: str = "") -> None:
        caller = await self.caller(payer)
        amount = Money(minor, CURRENCY)
        await self.services.wallet.transfer(self.town.id(), caller, payee.principal.principal_id, amount, note, PIN)

    async def ask(self, session: LoggedIn) -> None:
        caller = await self.caller(session)
        confirmation = self.services.identity.by_pin(caller, PIN)
        await self.services.erasures.request(self.town.id(), caller.principal_id, confirmation)

    async def state(self, session: LoggedIn) -> str:
        found = (await self.services.erasures.state(session.principal.principal_id)).erasure
        return found.state if found else ""


@asynccontextmanager
async def scene(settings: Settings, clock: VirtualClock) -> AsyncIterator[Scene]:
    async with open_services(settings, settings.database_url, clock) as services:
        yield Scene(services, clock)


@pytest.fixture
def settings(database: str, tmp_path: Path) -> Settings:
    safe = tmp_path / "safe"
    safe.mkdir()
    pair_in(safe)
    public = safe / "retention.pub"
    return Settings(
        data_dir=tmp_path / "data", database_url=database, argon2_time=1, argon2_memory_kib=1024, retention_key=str(public)
    )


async def dumped(dsn: str) -> bytes:
    """Everything in the database, as pg_dump writes it: in clear, and with what it shows as hexadecimal turned back."""
    dump = await asyncio.create_subprocess_exec(
        str(binary("pg_dump")), "--dbname", dsn, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, said = await dump.communicate()
    assert dump.returncode == 0, said
    return out


def spellings(text: str) -> list[bytes]:
    """A text as it might stand in a dump."""
    plain = text.encode()
    return [plain, plain.hex().encode(), plain.hex().upper().encode(), base64.b64encode(plain).rstrip(b"=")[:-1]]


async def everything_of(services: Services, customer_id: UUID) -> dict[str, Any]:
    pieces = [piece async for piece in services.privacy_data.file(customer_id)]
    data: dict[str, Any] = msgspec.json.decode(b"".join(pieces))["data"]
    return data


async def test_from_then_on_nobody_reads_who_it_was(settings: Settings, tmp_path: Path) -> None:
    clock = VirtualClock(NOON)
    async with scene(settings, clock) as place:
        services = place.services
        hers, his = await place.customer(NAME, PHONE, 10_000), await place.customer("李雨桐", "+8613700000001", 0)
        her_id, his_id = hers.principal.principal_id, his.principal.principal_id
        caller = await place.caller(hers)
        await services.privacy.say(place.town.id(), her_id, "messages", 1, True, "settings")
        await services.privacy_data.correct(place.town.id(), her_id, "name", "别再打扰我", NOON)
        await services.privacy_data.correct(place.town.id(), her_id, "name", NAME, NOON)
        await place.send(hers, his, 10_000, NOTE)

        await place.ask(hers)
        clock.advance(GRACE - timedelta(seconds=1))
        assert await services.erasures.erase_due() == 0
        assert caller == await place.caller(hers)  # she may still change her mind
        clock.advance(timedelta(seconds=1))
        assert await services.erasures.erase_due() == 1
        assert await place.state(hers) == "DONE"

        # Her session, her password and her phone are hers no more.
        services.identity.forget_session(hers.session_id)
        with pytest.raises(Refusal, match="unauthenticated"):
            await place.caller(hers)
        with pytest.raises(Refusal, match="wrong_credentials"):
            await services.identity.log_in("wallet", PHONE, PASSWORD, "x")
        assert (await services.audit.verify()).ok
        kept = await dumped(settings.database_url)

    async with scene(settings, clock) as place:  # a process that never knew her
        services = place.services
        told = msgspec.json.encode(await everything_of(services, her_id)).decode()
        assert [each for each in HERS if each in told] == []
        person = (await services.identity.several([her_id]))[her_id]
        assert (person.name, person.login) == ("", "")
        with pytest.raises(Refusal, match="person_gone"):
            await services.vault.keys_of(her_id)
        bills = await services.wallet.statement.bills(his_id, None, None, None, None, None, 10)
        _, others = await services.wallet.statement.details([each.row for each in bills])
        assert others[her_id] == FORMER_CUSTOMER
        assert [each.note for each in bills] == [NOTE]  # his copy of what she wrote to him is his
        assert {each.granted for each in (await services.privacy.consents(her_id)).values()} == {False}
        assert await place.town.says(place.town.transferring(await place.town.customer(100), her_id, 1)) == "account_closed"

        # The phone is free, for somebody who is somebody else.
        again = await place.customer("新人", PHONE)
        assert again.principal.principal_id != her_id

    found = [each for each in (*HERS, "李雨桐") for spelt in spellings(each) if spelt in kept]
    assert found == []

    # What the law has us keep opens with the key from the safe, and with no other.
    key = Identity.parse((tmp_path / "safe" / "retention.key").read_text())
    async with scene(settings, clock) as place:
        services = place.services
        erasure = (await services.erasures.state(her_id)).erasure
        assert erasure is not None and erasure.sealed_to == fingerprint(key.recipient)
        with pytest.raises(ValueError, match="is for recipient"):
            brought_back(Identity.fresh(), her_id, erasure.sealed)
        with pytest.raises(ValueError, match="somebody else"):
            brought_back(key, his_id, erasure.sealed)
        services.vault.adopt(her_id, brought_back(key, her_id, erasure.sealed))
        data = await everything_of(services, her_id)
        assert (data["profile"][0]["name"], data["profile"][0]["login"]) == (NAME, PHONE)
        assert data["bills"][0]["note"] == NOTE

        clock.advance(KEPT - timedelta(seconds=1))
        assert await services.erasures.forget_due() == 0
        clock.advance(timedelta(seconds=1))
        assert await services.erasures.forget_due() == 1
        erasure = (await services.erasures.state(her_id)).erasure
        assert erasure is not None and (erasure.state, erasure.sealed) == ("FORGOTTEN", b"")
        assert (await services.audit.verify()).ok


async def test_money_that_comes_in_time_stops_it_and_lifts_the_suspension(settings: Settings) -> None:
    clock = VirtualClock(NOON)
    async with scene(settings, clock) as place:
        services = place.services
        hers, his = await place.customer(NAME, PHONE), await place.customer("李雨桐", "+8613700000001", 500)
        her_id = hers.principal.principal_id
        await place.ask(hers)
        await place.send(his, hers, 500)
        clock.advance(GRACE)
        assert await services.erasures.erase_due() == 1
        found = await services.erasures.state(her_id)
        assert found.erasure is not None
        assert (found.erasure.state, found.erasure.blocked, found.erasure.due_at) == ("REQUESTED", "balance", clock.now() + AGAIN)
        assert await services.pool.fetchval("select suspended from standing where customer_id = $1", her_id) in (None, "")
        await place.send(hers, his, 500)  # she can still pay
        clock.advance(AGAIN)
        await services.erasures.erase_due()
        assert await place.state(hers) == "DONE"


@pytest.mark.parametrize("kind", ["balance", "hold", "frozen", "bank_transfer", "review", "merchant"])
async def test_what_stands_in_the_way_is_said(settings: Settings, kind: str) -> None:
    async with scene(settings, VirtualClock(NOON)) as place:
        services, town = place.services, place.town
        hers = await place.customer(NAME, PHONE)
        her_id = hers.principal.principal_id
        assert (await services.erasures.state(her_id)).obstacles == []
        if kind in ("balance", "hold"):
            await town.happens(town.transferring(await town.customer(100), her_id, 100))
        if kind == "hold":
            await town.happens(town.holding(her_id, town.id(), 40))
        if kind == "frozen":
            await town.happens(
                FreezeAccount(
                    command_id=town.id(),
                    code="2001",
                    currency=CURRENCY,
                    owner_id=her_id,
                    debits=True,
                    credits=False,
                    reason="court",
                )
            )
        if kind == "bank_transfer":
            pin = PinConfirmation(services.identity.pin_mac(her_id, PIN))
            account = await town.bank_account(her_id)
            await town.happens(town.starting(her_id, account, 100, confirmation=pin))
        if kind == "review":
            await town.happens(asking(town, her_id, town.id()))
        if kind == "merchant":
            owner = await services.identity.enrolment(PHONE, PASSWORD, "掌柜", "zh", "owner")
            await services.merchants.open(town.id(), "面馆", "5812", "上海", 6000, [NewStore("一店", "上海")], owner)
        kinds = {each.kind for each in (await services.erasures.state(her_id)).obstacles}
        assert kinds == ({"hold", "balance"} if kind == "hold" else {kind})
        with pytest.raises(Refusal, match="erasure_obstructed"):
            await place.ask(hers)


async def test_before_somebody_is_erased_their_cards_network_has_heard_that_their_tokens_are_given_back(
    settings: Settings,
) -> None:
    """While nobody answers there, the erasure waits: afterwards nothing could open the token."""
    clock = VirtualClock(NOON)
    async with scene(settings, clock) as place:
        services, town, network = place.services, place.town, MemoryCards(clock)
        hers = await place.customer(NAME, PHONE)
        her_id, card = hers.principal.principal_id, town.id()
        question = binding_of(DEMO_CARDS[0])
        await network.start_binding(question)
        code = code_in(network.codes.sent()[0].text)
        bound = (await network.confirm_binding(question.reference, code)).card
        assert bound is not None
        await checked(town, her_id)
        pin = PinConfirmation(services.identity.pin_mac(her_id, PIN))
        asked = binding(town, her_id, card_id=card, shown=b"", confirmation=pin)
        await town.happens(asked)
        token = await services.vault.seal(her_id, CARD_COLUMN, bound.token)
        await town.happens(replace(hearing(town, asked, "BOUND"), token=token))
        await place.ask(hers)
        clock.advance(GRACE)
        assert await services.erasures.erase_due() == 1
        assert (await place.state(hers), [each.kind for each in await services.erasures.obstacles(her_id)]) == (
            "REQUESTED", ["card"],
        )  # fmt: skip
        assert await services.wallet.cards.cards(her_id, None, 10) == [], "it pays no more in the meantime"

        vars(services.wallet.cards)["_cards"] = CardsAdapter(network)
        clock.advance(AGAIN)
        assert await services.wallet.cards.give_back_due() == 1
        assert await services.erasures.erase_due() == 1
        assert await place.state(hers) == "DONE"
        assert (await network.debit(debit_of(bound.token))).refusal == "card_closed"
        assert (await services.audit.verify()).ok


async def test_an_account_closed_for_ever_takes_no_session(settings: Settings) -> None:
    """Somebody whose password was found right just before is too late."""
    clock = VirtualClock(NOON)
    async with scene(settings, clock) as place:
        hers = await place.customer(NAME, PHONE)
        await place.ask(hers)
        clock.advance(GRACE)
        await place.services.erasures.erase_due()
        late = OpenSession(
            command_id=place.town.id(), principal_id=hers.principal.principal_id, token_hash=b"t" * 32, device_name=b"",
            lifetime_s=3600,
        )  # fmt: skip
        assert await place.town.says(late) == "wrong_credentials"


async def test_sessions_too_many_for_one_command_end_with_the_next_rounds(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualClock(NOON)
    monkeypatch.setattr(erasures, "_MOST", 1)
    async with scene(settings, clock) as place:
        services = place.services
        hers = await place.customer(NAME, PHONE)
        await services.identity.log_in("wallet", PHONE, PASSWORD, "another")
        await services.identity.log_in("wallet", PHONE, PASSWORD, "a third")
        await place.ask(hers)
        clock.advance(GRACE)
        await services.erasures.erase_due()

        async def live() -> int:
            count: int = await services.pool.fetchval(
                "select count(*) from session where principal_id = $1 and ended_at is null", hers.principal.principal_id
            )
            return count

        assert await live() == 1  # one ended with the account, one right after it
        assert [await services.erasures.forget_late() for _ in range(2)] == [1, 0]
        assert await live() == 0


async def test_a_copy_goes_over_many_pages_and_holds_one_at_a_time(settings: Settings) -> None:
    clock = VirtualClock(NOON)
    async with scene(settings, clock) as place:
        services, town = place.services, place.town
        hers = await place.customer(NAME, PHONE)
        her_id = hers.principal.principal_id
        for number in range(PAGE + 1):
            yes = GiveConsent(command_id=town.id(), customer_id=her_id, purpose="messages", version=1, screen=str(number))
            no = WithdrawConsent(command_id=town.id(), customer_id=her_id, purpose="messages", screen=str(number))
            both = [services.engine.enqueue(each) for each in (yes, no)]
            assert [isinstance((await each).decision, Accepted) for each in both] == [True, True]
        part = next(each for each in services.privacy_data.parts if each.name == "consents")
        assert isinstance(part, Held)
        assert len(await services.pool.fetch(part.sql, her_id, None)) == PAGE
        told = [msgspec.to_builtins(each) async for each in part.export(her_id)]
        assert [each["granted"] for each in told] == [True, False] * (PAGE + 1)
        assert len({each["consent_id"] for each in told}) == 2 * PAGE + 2
