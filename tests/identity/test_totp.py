"""Authenticator apps on a real PostgreSQL: set up, log in, once each, lock, recovery codes; and what they leave behind."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec.structs import replace

from tests.identity.safety_situations import recovering
from tests.identity.test_ladder import opening
from tests.identity.totp_situations import FIRST, OTHER, SPARE, confirming, renewing, shown, starting, with_app
from tests.support.leavings import rows
from tests.support.town import NOON, Town, town
from tongbao.app.asgi import Services, open_services
from tongbao.app.settings import Settings
from tongbao.engine.api import MemoryStore
from tongbao.identity.alerts import ALERT
from tongbao.identity.factors import KNOWLEDGE, POSSESSION
from tongbao.identity.recovery import Recover
from tongbao.identity.service import Caller, LoggedIn
from tongbao.identity.standing import STANDING
from tongbao.identity.takeover import ReportTakeover
from tongbao.identity.totp import TOTP, Totp
from tongbao.identity.totp_codes import AROUND, RECOVERY_CODES, STEP_S, code_of, step_at
from tongbao.identity.totp_rules import ConfirmTotp
from tongbao.identity.types import SESSION
from tongbao.kernel.clock import VirtualClock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import new_id
from tongbao.operators.invitations import ResetAccess

LOGIN, PASSWORD = "+8613912345678", "correct horse battery"
STEP = timedelta(seconds=STEP_S)


class Scene:
    """One customer with an authenticator app, and the app."""

    def __init__(self, services: Services, clock: VirtualClock) -> None:
        self.services = services
        self.clock = clock
        self.town = Town(services.engine, clock, vault=services.vault)
        self.session: LoggedIn
        self.secret = b""
        self.recovery: tuple[str, ...] = ()

    async def caller(self) -> Caller:
        return await self.services.identity.authenticate(self.session.token, "wallet")

    def code(self, late: int = 0) -> str:
        """What the app shows; `late`: so many steps from now."""
        return code_of(self.secret, step_at(self.clock.now()) + late)

    async def set_up(self) -> None:
        """Register, log in, set up the app."""
        identity = self.services.identity
        await identity.register(self.town.id(), "wallet", LOGIN, PASSWORD, "张小明", "zh")
        self.session = await identity.log_in("wallet", LOGIN, PASSWORD, "phone")
        shown = await self.services.apps.start(self.town.id(), await self.caller(), PASSWORD)
        self.secret = base64.b32decode(shown.secret)
        assert parse_qs(urlsplit(shown.address).query)["secret"] == [shown.secret]
        self.recovery = await self.services.apps.confirm(self.town.id(), await self.caller(), self.code())
        self.clock.advance(STEP)

    async def password(self, password: str = PASSWORD) -> str:
        """The challenge that the password is answered with."""
        with pytest.raises(Refusal) as refused:
            await self.services.identity.log_in("wallet", LOGIN, password, "phone")
        assert refused.value.code.name == "second_factor_needed"
        return str(refused.value.detail["challenge"])

    async def enters(self, code: str, challenge: str | None = None) -> str:
        """What the second step says."""
        challenge = challenge or await self.password()
        try:
            await self.services.apps.log_in("wallet", challenge, code, "phone")
        except Refusal as refused:
            return refused.code.name
        return "ok"


@asynccontextmanager
async def scene(database: str, folder: Path) -> AsyncIterator[Scene]:
    settings = Settings(data_dir=folder, database_url=database, argon2_time=1, argon2_memory_kib=1024)
    clock = VirtualClock(NOON)
    async with open_services(settings, database, clock) as services:
        there = Scene(services, clock)
        await there.set_up()
        yield there


async def test_the_password_alone_opens_no_session_and_the_code_does_once(database: str, tmp_path: Path) -> None:
    async with scene(database, tmp_path) as place:
        who, identity = (await place.caller()).principal_id, place.services.identity
        before = len(await identity.sessions(who, None, 10))
        challenge = await place.password()
        assert len(await identity.sessions(who, None, 10)) == before
        code = place.code()
        assert await place.enters(code, challenge) == "ok"
        assert await place.enters(code, challenge) == "totp_used"
        assert await place.enters(code) == "totp_used"
        place.clock.advance(STEP)
        assert await place.enters(place.code(), challenge) == "ok", "one challenge, another code"
        latest = (await identity.logins(who, None, 10))[0]
        assert (latest.factors, latest.live) == (KNOWLEDGE | POSSESSION, True)


@pytest.mark.parametrize(
    ("late", "says"),
    [(-AROUND - 1, "totp_wrong"), (-AROUND, "totp_used"), (0, "ok"), (AROUND, "ok"), (AROUND + 1, "totp_wrong")],
)
async def test_the_clock_may_be_one_step_off(database: str, tmp_path: Path, late: int, says: str) -> None:
    """The step before was the one that confirmed the app."""
    async with scene(database, tmp_path) as place:
        assert await place.enters(place.code(late)) == says


async def test_ten_wrong_codes_lock_codes_and_not_the_password(database: str, tmp_path: Path) -> None:
    async with scene(database, tmp_path) as place:
        challenge = await place.password()
        wrong = f"{(int(place.code()) + 1) % 10**6:06d}"
        assert wrong not in {place.code(late) for late in (-1, 0, 1)}
        said = [await place.enters(wrong, challenge) for _ in range(11)]
        assert said == ["totp_wrong"] * 9 + ["totp_locked"] * 2
        assert await place.enters(place.code()) == "totp_locked"
        place.clock.advance(timedelta(minutes=15))
        assert await place.enters(place.code()) == "ok"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-2] + ("AA" if text[-2:] != "AA" else "BB"),
        lambda text: "A" * 22 + text[22:],
        lambda text: text[:20],
        lambda text: "",
        lambda text: "*",
    ],
)
async def test_a_challenge_is_made_here_and_for_one(database: str, tmp_path: Path, spoil: Callable[[str], str]) -> None:
    async with scene(database, tmp_path) as place:
        challenge = spoil(await place.password())
        with pytest.raises(Refusal, match="challenge_wrong"):
            await place.services.apps.log_in("wallet", challenge, place.code(), "phone")


async def test_a_challenge_is_good_for_five_minutes_one_audience_and_that_password(database: str, tmp_path: Path) -> None:
    async with scene(database, tmp_path) as place:
        challenge = await place.password()
        with pytest.raises(Refusal, match="challenge_wrong"):
            await place.services.apps.log_in("console", challenge, place.code(), "phone")
        command_id, caller = place.town.id(), await place.caller()
        await place.services.safety.change_password(command_id, caller, PASSWORD, "another few words", place.code())
        place.clock.advance(STEP)
        assert await place.enters(place.code(), challenge) == "challenge_wrong"
        challenge = await place.password("another few words")
        place.clock.advance(timedelta(minutes=5, seconds=1))
        assert await place.enters(place.code(), challenge) == "challenge_expired"


async def test_a_recovery_code_lets_in_once_is_told_and_a_new_set_voids_the_old(database: str, tmp_path: Path) -> None:
    async with scene(database, tmp_path) as place:
        apps, who = place.services.apps, (await place.caller()).principal_id
        assert len(set(place.recovery)) == RECOVERY_CODES
        first, second, third = place.recovery[:3]
        assert await place.enters(first.lower().replace("-", " ")) == "ok"
        assert await place.enters(first) == "totp_wrong"
        assert (await apps.state(who)).recovery_codes_left == RECOVERY_CODES - 1
        renewed = await apps.renew_codes(place.town.id(), await place.caller(), PASSWORD, second)
        assert await place.enters(third) == "totp_wrong"
        assert await place.enters(renewed[0]) == "ok"
        told = [each.kind for each in await place.services.devices.alerts(who, None, 20)]
        expected = ["totp_added", "recovery_code_used", "recovery_code_used", "recovery_codes_renewed", "recovery_code_used"]
        assert [kind for kind in reversed(told) if kind != "device_added"] == expected


async def test_what_was_shown_once_is_shown_again_only_to_the_same_request(database: str, tmp_path: Path) -> None:
    async with scene(database, tmp_path) as place:
        apps, caller = place.services.apps, await place.caller()
        await apps.remove(place.town.id(), caller, PASSWORD, place.code())
        place.clock.advance(STEP)
        began, confirmed = new_id(place.clock.now()), new_id(place.clock.now())
        first = await apps.start(began, caller, PASSWORD)
        assert await apps.start(began, caller, PASSWORD) == first
        again = await apps.start(new_id(place.clock.now()), caller, PASSWORD)
        assert again.secret != first.secret
        place.secret = base64.b32decode(again.secret)
        codes = await apps.confirm(confirmed, caller, place.code())
        assert await apps.confirm(confirmed, caller, place.code()) == codes
        for spent in (began, new_id(place.clock.now())):
            with pytest.raises(Refusal, match="totp_set"):
                await apps.start(spent, caller, PASSWORD)


async def test_nothing_of_the_secret_or_the_codes_is_in_the_database(database: str, tmp_path: Path) -> None:
    async with scene(database, tmp_path) as place:
        found = await place.services.pool.fetch("select t::text as row from totp t union all select c::text from command c")
        text = "".join(row["row"] for row in found)
    assert place.secret.hex() not in text and base64.b32encode(place.secret).decode() not in text
    assert not any(code in text or code.replace("-", "") in text for code in place.recovery)


async def test_the_session_that_confirmed_an_app_has_shown_it(database: str, tmp_path: Path) -> None:
    async with scene(database, tmp_path) as place:
        assert (await place.caller()).factors == KNOWLEDGE | POSSESSION


async def test_an_app_leaves_its_row_its_alert_and_a_days_lower_limits() -> None:
    store = MemoryStore()
    async with town(store) as place:
        app = starting(place, await place.customer())
        await place.happens(app)
        waiting = Totp(app.principal_id, app.totp_id, app.secret, NOON, None, 0, b"")
        assert rows(store, TOTP) == [waiting]
        wish = confirming(place, app)
        await place.happens(wish)
        on = replace(waiting, confirmed_at=NOON, last_step=FIRST, recovery=SPARE + OTHER)
        assert rows(store, TOTP) == [on]
        assert [each.kind for each in rows(store, ALERT)] == ["totp_added"]
        assert [each.cooling_until for each in rows(store, STANDING)] == [NOON + timedelta(days=1)]
        await place.happens(renewing(place, app, shown(app, FIRST + 1)))
        assert rows(store, TOTP) == [replace(on, last_step=FIRST + 1, recovery=OTHER)]


async def test_an_operators_app_has_nothing_to_do_with_limits() -> None:
    store = MemoryStore()
    async with town(store) as place:
        app = starting(place, await place.registered("boss@example.com", "console"))
        await place.happens(app)
        await place.happens(confirming(place, app))
    assert rows(store, STANDING) == []


async def test_another_ones_session_gains_nothing_from_ones_code() -> None:
    store = MemoryStore()
    async with town(store) as place:
        theirs = await place.happens(opening(place, await place.customer()))
        app = starting(place, await place.customer())
        await place.happens(app)
        wish: ConfirmTotp = replace(confirming(place, app), session_id=theirs.session_id)
        await place.happens(wish)
    assert [each.factors for each in rows(store, SESSION)] == [KNOWLEDGE]


async def test_who_was_in_a_reported_account_leaves_no_app_in_it() -> None:
    store = MemoryStore()
    async with town(store) as place:
        app = await with_app(place)
        await place.happens(ReportTakeover(command_id=place.id(), customer_id=app.principal_id, session_ids=()))
        wish: Recover = await recovering(place, app.principal_id)
        await place.happens(wish)
    assert [(each.secret, each.confirmed_at, each.recovery) for each in rows(store, TOTP)] == [(b"", None, b"")]
    assert [each.kind for each in rows(store, ALERT)] == ["totp_added", "takeover_reported", "totp_removed", "recovered"]


async def test_two_operators_who_let_a_third_back_in_take_the_lost_app_away() -> None:
    store = MemoryStore()
    async with town(store) as place:
        app = starting(place, await place.registered("boss@example.com", "console"))
        await place.happens(app)
        await place.happens(confirming(place, app))
        who = app.principal_id
        await place.happens(ResetAccess(command_id=place.id(), operator_id=who, link_hash=b"link", code_mac=b"code", sessions=()))
    assert [(each.secret, each.confirmed_at) for each in rows(store, TOTP)] == [(b"", None)]
