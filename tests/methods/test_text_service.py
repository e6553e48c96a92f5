"""Plain phones that dial, over PostgreSQL: every way through the menus, what comes twice or not at all, and who may not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from msgspec.structs import replace

from tests.support.town import NOON, RIGHT, Town
from tongbao.app.asgi import Services, open_services
from tongbao.app.registry import CHECKS, RELATIONS
from tongbao.app.settings import Settings
from tongbao.engine.api import Sealer
from tongbao.engine.verify import verify
from tongbao.identity.service import Caller
from tongbao.kernel.clock import VirtualClock
from tongbao.methods.text.gateway import Dialled, Said
from tongbao.methods.text.menus import Typed
from tongbao.methods.text.screens import fits
from tongbao.methods.text.service import Screen
from tongbao.methods.text.wishes import MOST_A_DAY
from tongbao.wallet.small_payments import SetSmallPayments

PHONE, FRIEND, PASSWORD, PIN = "+8613800000001", "+8613800000002", "correct horse battery", "135790"


class Post:
    """What was sent to whom; `codes` in it."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.sim: datetime | None = None

    async def send(self, reference: str, to: str, text: str) -> str:
        self.sent.append((to, text))
        return "SENT"

    async def sim_since(self, phone: str) -> datetime | None:
        return self.sim

    async def close(self) -> None: ...


class Scene:
    """A customer with a plain phone and 100.00, a friend, and a merchant with a till number."""

    def __init__(self, services: Services, clock: VirtualClock, post: Post) -> None:
        self.services, self.clock, self.post = services, clock, post
        self.town = Town(services.engine, clock, vault=services.vault)
        self.who: Caller
        self.merchant_id: UUID
        self.till = ""
        self._sessions = self._messages = 0

    async def person(self, login: str, name: str, money: int) -> Caller:
        identity = self.services.identity
        await identity.register(self.town.id(), "wallet", login, PASSWORD, name, "en")
        caller = await identity.authenticate((await identity.log_in("wallet", login, PASSWORD, "first")).token, "wallet")
        await identity.set_pin(self.town.id(), caller, PIN, PASSWORD)
        if money:
            giver = await self.town.customer(money)
            gift = self.town.transferring(giver, caller.principal_id, money, RIGHT)
            await self.town.happens(replace(gift, note=b"", payee_note=b""))
        return caller

    async def set_up(self) -> None:
        self.who = await self.person(PHONE, "Achieng Otieno", 10_000)
        await self.person(FRIEND, "Baraka Mwangi", 0)
        self.merchant_id = await self.town.merchant()
        self.till = await self.services.text_phones.open_till(self.merchant_id)
        await self.switch_on()

    async def switch_on(self, language: Any = "en") -> None:
        phones, safety = self.services.text_phones, self.services.safety
        await phones.send_code(self.town.id(), self.who, PHONE)
        await safety.close()
        code = next(word.strip(".,") for word in self.post.sent[-1][1].replace("，", " ").split() if word.strip(".,").isdigit())
        await phones.switch_on(self.town.id(), self.who, PHONE, code, language, PIN)

    async def asks(self, session: str, *typed: str, phone: str = PHONE) -> Screen:
        """One request of the network."""
        shown = await self.services.texts.dial(Dialled(session, "*123#", phone, Typed("*".join(typed))))
        assert fits(shown.text), shown
        return shown

    async def dials(self, *typed: str) -> str:
        """A whole session, screen by screen; the last."""
        self._sessions += 1
        shown = await self.asks(f"session {self._sessions}")
        for depth in range(1, len(typed) + 1):
            assert shown.more, (shown, typed[:depth])
            self.clock.advance(timedelta(seconds=2))
            shown = await self.asks(f"session {self._sessions}", *typed[:depth])
        self.clock.advance(timedelta(seconds=2))
        return str(shown)

    async def writes(self, text: str, message_id: str = "", phone: str = PHONE) -> str:
        """A message of a phone, and what it is answered; "" where nothing is."""
        before = len(self.post.sent)
        self._messages += 1
        self.clock.advance(timedelta(seconds=1))
        await self.services.texts.messages.hear(Said(message_id or f"m{self._messages}", phone, text))
        return self.post.sent[-1][1] if len(self.post.sent) > before else ""

    async def lets_small_sums_go(self) -> None:
        """10.00 at once and 50.00 a day without a PIN."""
        await self.town.happens(
            SetSmallPayments(
                command_id=self.town.id(), customer_id=self.who.principal_id, currency="CNY", per_payment_minor=1_000,
                per_day_minor=5_000, zone="Asia/Shanghai",
                confirmation=replace(self.services.identity.by_pin(self.who, PIN), on_device=True),
            )
        )  # fmt: skip

    async def balance(self) -> int:
        account, _ = await self.services.wallet.balance(self.who.principal_id)
        return account.posted_minor if account else 0


@asynccontextmanager
async def scene(database: str, folder: Path) -> AsyncIterator[Scene]:
    settings = Settings(data_dir=folder, database_url=database, argon2_time=1, argon2_memory_kib=1024)
    clock, post = VirtualClock(NOON), Post()
    async with open_services(settings, database, clock) as services:
        services.safety._channel = cast(Any, post)
        services.text_phones._sims = post
        services.texts.messages._channel = post
        there = Scene(services, clock, post)
        await there.set_up()
        yield there
        async with services.pool.acquire() as connection:
            assert (await verify(connection, RELATIONS, Sealer(services.ring.keys.seal), CHECKS)).problem is None


async def test_every_way_through_the_menus(database: str, tmp_path: Path) -> None:
    async with scene(database, tmp_path) as place:
        assert (await place.dials()).startswith("CON Tongbao\n1 Send money")
        assert await place.dials("4", PIN) == "END Balance CNY 100.00, available CNY 100.00"
        assert await place.dials("2", place.till, "25.5") == "CON Pay CNY 25.50 to 面馆\nEnter PIN\n0 Back"
        paid = await place.dials("2", place.till, "25.5", PIN)
        assert paid.startswith("END Paid CNY 25.50 to 面馆. Balance CNY 74.50. Ref ")
        assert await place.dials("1", FRIEND, "10") == "CON Send CNY 10.00 to Baraka M*** 138****0002\nEnter PIN\n0 Back"
        assert (await place.dials("1", FRIEND, "10", PIN)).startswith(
            "END Sent CNY 10.00 to Baraka M*** 138****0002. Balance CNY 64.50"
        )
        assert "for account AB 12" in await place.dials("3", place.till, "AB 12", "4")
        assert "Balance CNY 60.50" in await place.dials("3", place.till, "AB 12", "4", PIN)
        (bill,) = (await place.services.wallet.statement.bills(place.who.principal_id, None, None, None, None, None, 1))[:1]
        assert (bill.row.title, bill.row.factors, bill.row.amount_minor) == ("缴费 · Bill AB 12", 3, 400)
        shown = await place.dials("5", PIN)
        assert [line.split(" ")[1] for line in shown.removeprefix("END ").splitlines()] == [
            "-4.00",
            "-10.00",
            "-25.50",
            "+100.00",
        ]
        assert await place.dials("6", PIN) == "END No limits."
        await place.services.law.adopt_shipped("cn,house")
        assert await place.dials("6", PIN) == "END Today: 500.00 left", "as a phone that was switched on just now"
        assert await place.dials("7", "246813", "246813", PIN) == "END Your PIN was changed."
        assert await place.dials("4", PIN) == "END Wrong PIN. 4 tries left. No money moved."
        assert await place.dials("8", "3") == "END Tayari. Piga tena."
        assert await place.dials("4", "246813") == "END Salio CNY 60.50, linalotumika CNY 60.50"
        await place.services.safety.send_due()
        receipts = [text for to, text in place.post.sent if to == PHONE and ("Ref " in text or "Kumb. " in text)]
        assert len(receipts) == 3 and all("STOP" in text for text in receipts)
        assert not any(PIN in text or "246813" in text for _, text in place.post.sent)


async def test_what_comes_twice_changes_nothing_twice(database: str, tmp_path: Path) -> None:
    async with scene(database, tmp_path) as place:
        typed = ("2", place.till, "10", PIN)
        for depth in range(len(typed)):
            await place.asks("one", *typed[:depth])
        first = await place.asks("one", *typed)
        assert await place.asks("one", *typed) == first and await place.balance() == 9_000, "an answer was lost"
        assert (await place.asks("one", *typed[:3])).more, "an older request that comes late"
        wrong = await place.asks("one", *typed[:3], "999998")
        assert wrong == first and await place.balance() == 9_000, "another PIN under the same session is not tried"
        assert str(await place.asks("one", *typed, "1")) == "END This session is over. Please dial again."
        other = await place.asks("one", "2", place.till, "11", PIN)
        assert not other.more and await place.balance() == 9_000, "nor is another sum"
        place.clock.advance(timedelta(minutes=5))
        assert "over" in str(await place.asks("one", *typed)) and await place.balance() == 9_000


async def test_a_session_is_over_with_its_time_or_with_another(database: str, tmp_path: Path) -> None:
    async with scene(database, tmp_path) as place:
        await place.asks("one")
        await place.asks("one", "4")
        await place.asks("two")
        assert "over" in str(await place.asks("one", "4", PIN))
        assert (await place.asks("two", "4")).more
        place.clock.advance(timedelta(seconds=91))
        assert "over" in str(await place.asks("two", "4", PIN))
        assert "over" in str(await place.asks("three", "4", PIN)), "nothing begins in its middle"


async def test_a_phone_that_is_not_switched_on_learns_nothing(database: str, tmp_path: Path) -> None:
    async with scene(database, tmp_path) as place:
        strangers = [
            await place.asks("s", *typed, phone=each) for each in (FRIEND, "+254722000001") for typed in ((), ("4", PIN))
        ]
        assert {str(each) for each in strangers} == {"END 此号码未开通，请在钱包中开通"}
        (phone,) = await place.services.text_phones.of_customer(place.who.principal_id)
        await place.services.instruments.revoke(place.who, phone.row.number)
        assert str(await place.asks("mine")) == "END 此号码未开通，请在钱包中开通"
        assert await place.services.text_phones.of_customer(place.who.principal_id) == []


async def test_a_sim_that_was_exchanged_rests_and_its_owner_is_told(database: str, tmp_path: Path) -> None:
    async with scene(database, tmp_path) as place:
        place.clock.advance(timedelta(days=10))
        place.post.sim = place.clock.now() - timedelta(hours=1)
        assert (await place.dials()).startswith("END Your SIM is new: this rests until ")
        place.post.sim = None  # the network says nothing any more: what it said is remembered
        assert (await place.dials()).startswith("END Your SIM is new")
        alerts = await place.services.pool.fetchval("select count(*) from alert where kind = 'sim_changed'")
        assert alerts == 1
        place.clock.advance(timedelta(hours=72))
        assert (await place.dials("4", PIN)).startswith("END Balance")


async def test_a_takeover_that_is_reported_ends_it(database: str, tmp_path: Path) -> None:
    async with scene(database, tmp_path) as place:
        await place.services.safety.report_takeover(place.town.id(), place.who)
        assert await place.dials("4", PIN) == "END Your account is suspended."
        assert await place.dials("2", place.till, "1", PIN) == "END Your account is suspended."
        assert await place.balance() == 10_000


async def test_a_message_waits_for_its_senders_word(database: str, tmp_path: Path) -> None:
    async with scene(database, tmp_path) as place:
        writes = place.writes
        await place.lets_small_sums_go()
        asked = await writes(f"PAY {place.till} 9", "twice")
        code = asked.partition("reply OK ")[2][:6]
        assert "pay CNY 9.00 to 面馆" in asked and await writes(f"PAY {place.till} 9", "twice") == asked
        assert await writes("OK 000000") == "That is not the code. No money moved."
        assert await writes(f"OK {code}", "yes") == "", "the receipt says it"
        assert await place.balance() == 9_100
        assert await writes(f"OK {code}", "yes") == "", "nor is it denied when its message comes again"
        assert "nothing waits" in await writes("OK 000000") and await place.balance() == 9_100
        code = (await writes(f"PAY {place.till} 20")).partition("reply OK ")[2][:6]
        assert "confirm with your PIN" in await writes(f"OK {code}") and await place.balance() == 9_100
        assert await writes(f"OK {code}", "yes") == "", "a word for the wish before is no guess at this one"
        assert await place.dials() == "CON Pay CNY 20.00 to 面馆\nEnter PIN\n0 Back"
        assert (await place.dials()).startswith("CON Tongbao"), "one session takes a wish"
        await writes(f"SEND {FRIEND} 30")
        assert (await place.dials(PIN)).startswith("END Sent CNY 30.00 to Baraka M***") and await place.balance() == 6_100
        await writes("BAL")
        assert await place.dials(PIN) == "END Balance CNY 61.00, available CNY 61.00"
        assert "never write your PIN" in await writes(f"PAY {place.till} 1 {PIN}")
        assert await writes("BAL", phone="+254722000001") == "", "strangers are answered nothing"
        assert "is off for this phone" in await writes("STOP")
        assert not (await place.asks("after")).more and await writes("BAL") == ""


async def test_a_sim_that_was_exchanged_rests_by_message_too_and_stop_is_heard_after_all_others(
    database: str, tmp_path: Path
) -> None:
    async with scene(database, tmp_path) as place:
        await place.lets_small_sums_go()
        place.clock.advance(timedelta(days=10))
        code = (await place.writes(f"PAY {place.till} 9")).partition("reply OK ")[2][:6]
        place.post.sim = place.clock.now() - timedelta(days=5)  # nobody dialled since
        assert (await place.writes(f"OK {code}")).startswith("Your SIM is new: this rests until ")
        place.post.sim = None
        assert (await place.writes(f"PAY {place.till} 9")).startswith("Your SIM is new") and await place.balance() == 10_000
        answers = [await place.writes("hello") for _ in range(MOST_A_DAY)]
        assert sum(map(bool, answers)) == MOST_A_DAY - 3
        assert "is off for this phone" in await place.writes("STOP")
        assert not (await place.asks("after")).more


@pytest.mark.parametrize("pin", [PIN, "999998"])
async def test_what_breaks_is_told_as_unknown_and_no_log_has_the_pin(
    database: str, tmp_path: Path, pin: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async with scene(database, tmp_path) as place:

        async def broken(*_: Any) -> str:
            raise RuntimeError("a bug")

        monkeypatch.setattr(place.services.text_phones, "claim", broken)
        assert "do not know yet" in await place.dials("2", place.till, "1", pin)
        monkeypatch.undo()
    out, err = capfd.readouterr()
    assert pin not in out + err
