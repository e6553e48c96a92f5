"""What recovery, a reported takeover and telling people leave behind."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from tests.identity.instrument_situations import binding
from tests.identity.safety_situations import choosing, recovering, reporting, with_device
from tests.identity.test_ladder import adding, opening
from tests.support.leavings import rows
from tests.support.town import NOON, RIGHT, town
from tongbao.engine.api import Declined, MemoryStore
from tongbao.identity.alerts import ALERT, LARGE_MINOR, MESSAGE, Message, RaiseAlert, RecordMessage
from tongbao.identity.codes import CODE, Asking, CodeUse, SendCode
from tongbao.identity.devices import DEVICE
from tongbao.identity.message_texts import alert_text, code_text
from tongbao.identity.recovery import RECENT, Recover, Recovered
from tongbao.identity.standing import STANDING
from tongbao.identity.takeover import ReportTakeover
from tongbao.identity.types import PRINCIPAL, SESSION, ClaimConfirmation, PasskeyConfirmation

LATER = timedelta(seconds=7)


async def test_recovery_ends_every_session_lifts_the_report_alone_cools_for_a_day_and_tells() -> None:
    store = MemoryStore()
    async with town(store) as place:
        report = await reporting(place)
        customer = report.customer_id
        await with_device(place, customer)
        await with_device(place, await place.customer())
        await place.happens(report)
        (standing,) = rows(store, STANDING)
        assert (standing.customer_id, standing.suspended) == (customer, "reported")
        ours, theirs = rows(store, SESSION)
        place.clock.advance(LATER)
        wish = replace(await recovering(place, customer), session_ids=(ours.session_id, theirs.session_id))
        await place.happens(wish)
    at = NOON + LATER
    assert {each.principal_id: each.ended_at for each in rows(store, SESSION)} == {customer: at, theirs.principal_id: None}
    (standing,) = rows(store, STANDING)
    assert (standing.suspended, standing.cooling_until) == ("", at + timedelta(days=1))
    (who,) = [each for each in rows(store, PRINCIPAL) if each.principal_id == customer]
    assert who.password_hash == "argon2 of another"
    assert [each.kind for each in rows(store, ALERT)] == ["takeover_reported", "recovered"]
    assert rows(store, CODE)[0].used_at == at


async def test_a_report_ends_the_sessions_it_names_and_no_strangers() -> None:
    store = MemoryStore()
    async with town(store) as place:
        report = await reporting(place)
        await with_device(place, report.customer_id)
        await with_device(place, await place.customer())
        await place.happens(replace(report, session_ids=tuple(each.session_id for each in rows(store, SESSION))))
    ended = {each.principal_id == report.customer_id: each.ended_at for each in rows(store, SESSION)}
    assert ended == {True: NOON, False: None}


@pytest.mark.parametrize("due", [None, NOON + LATER])
async def test_a_device_that_does_not_count_yet_is_told_when_it_will(due: datetime | None) -> None:
    async with town() as place:
        decision = (await place.submit(choosing(place, await place.customer(pin=False), due))).decision
    assert isinstance(decision, Declined) and decision.detail == ({"after": f"{due:%FT%TZ}"} if due else {})


async def test_a_declined_recovery_changes_nothing_but_the_tries() -> None:
    store = MemoryStore()
    async with town(store) as place:
        wish = replace(await recovering(place), pin_mac=None)
        before = rows(store, PRINCIPAL)
        assert await place.says(wish) == "recovery_needs_more"
    assert rows(store, PRINCIPAL) == before and rows(store, ALERT) == []
    assert [(each.tries, each.used_at) for each in rows(store, CODE)] == [(1, None)]


@pytest.mark.parametrize(("minor", "told"), [(LARGE_MINOR - 1, []), (LARGE_MINOR, ["large_payment"])])
async def test_whoever_pays_or_sends_much_is_told(minor: int, told: list[str]) -> None:
    for arrival in ("now", "next_day"):
        store = MemoryStore()
        async with town(store) as place:
            payer, payee = await place.customer(minor), await place.customer()
            await place.happens(place.transferring(payer, payee, minor, arrival=arrival))
        assert [(each.kind, each.customer_id) for each in rows(store, ALERT)] == [(kind, payer) for kind in told]
    store = MemoryStore()
    async with town(store) as place:
        payer, merchant = await place.customer(minor), await place.merchant()
        await place.happens(place.paying_at_once(merchant, "1", payer, minor))
    assert [(each.kind, each.customer_id) for each in rows(store, ALERT)] == [(kind, payer) for kind in told]


async def test_a_message_waits_until_the_channel_has_answered_and_stays_as_it_ended() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await place.customer()
        await place.happens(RaiseAlert(command_id=place.id(), customer_id=customer, alert="pin_locked"))
        (message,) = rows(store, MESSAGE)
        told = Message(message.message_id, customer, "pin_locked", "{}", "PENDING", 0, NOON, NOON, None)
        assert message == told
        place.clock.advance(LATER)
        silence = RecordMessage(command_id=place.id(), message_id=message.message_id, state="UNKNOWN", retry_in_s=4)
        await place.happens(silence)
        at = NOON + LATER
        again = replace(told, state="UNKNOWN", attempts=1, next_attempt_at=at + timedelta(seconds=4))
        assert rows(store, MESSAGE) == [again]
        await place.happens(RecordMessage(command_id=place.id(), message_id=message.message_id, state="SENT"))
        sent = replace(again, state="SENT", attempts=2, next_attempt_at=None, finished_at=at)
        assert rows(store, MESSAGE) == [sent]
        await place.happens(RecordMessage(command_id=place.id(), message_id=message.message_id, state="FAILED"))
        assert rows(store, MESSAGE) == [sent]


def test_a_message_is_in_the_customers_language_and_says_what_to_do() -> None:
    assert code_text("recover", "271828", "zh") == "【通宝】验证码 271828，用于找回密码，5 分钟内有效。任何人索要均为诈骗。"
    assert code_text("register", "271828", "en").startswith("Tongbao: 271828 is your code to register, good for 5 minutes.")
    assert alert_text("pin_locked", "zh").endswith("如非本人操作，请立即在钱包中报告。")
    assert "is locked. If it was not you" in alert_text("pin_locked", "en")


async def test_recovery_trusts_no_device_any_more_but_the_one_it_was_made_on() -> None:
    store = MemoryStore()
    async with town(store) as place:
        wish = await recovering(place)
        mine = (await with_device(place, wish.customer_id)).device_id
        thiefs = (await with_device(place, wish.customer_id, is_first=False)).device_id
        strangers = (await with_device(place, await place.customer())).device_id
        every = tuple(each.device_id for each in rows(store, DEVICE))
        await place.happens(replace(wish, pin_mac=None, device_id=mine, device_ids=every))
        revoked = {each.device_id: each.revoked_at for each in rows(store, DEVICE)}
        assert revoked == {mine: None, thiefs: NOON, strangers: None}
        again = replace(opening(place, wish.customer_id, b"again"), device_id=thiefs)
        assert await place.says(again) == "device_revoked"


@pytest.mark.parametrize(("age", "drop_all", "kept"), [
    (RECENT, False, False), (RECENT + LATER, False, True), (RECENT + LATER, True, False),
])  # fmt: skip
async def test_recovery_drops_what_was_added_lately_or_all_of_it_and_says_which(
    age: timedelta, drop_all: bool, kept: bool
) -> None:
    async with town() as place:
        customer, payee = await place.customer(100), await place.customer()
        added, another = adding(place, customer), adding(place, payee)
        await place.happens(added)
        await place.happens(another)
        place.clock.advance(age)
        wish = replace(await recovering(place, customer), passkey_ids=(added.passkey_id, another.passkey_id), drop_all=drop_all)
        left = await place.happens(wish)
        assert left == Recovered(() if kept else (added.passkey_id,), (added.passkey_id,) if kept else ())
        paying = place.transferring(customer, payee, 1, PasskeyConfirmation(added.passkey_id, 8))
        assert await place.says(paying) == ("ok" if kept else "passkey_revoked")
        assert await place.says(replace(opening(place, payee), passkey=PasskeyConfirmation(another.passkey_id, 8))) == "ok"


@pytest.mark.parametrize(("age", "drop_all", "says"), [
    (RECENT, False, "instrument_revoked"), (RECENT + LATER, False, "ok"), (RECENT + LATER, True, "instrument_revoked"),
])  # fmt: skip
async def test_recovery_ends_what_pays_without_a_device_as_it_ends_passkeys(age: timedelta, drop_all: bool, says: str) -> None:
    async with town() as place:
        customer, other = await place.customer(100), await place.customer(100)
        phone, theirs = replace(binding(place, customer, 7), of="text"), replace(binding(place, other, 8), of="text")
        await place.happens(phone)
        await place.happens(theirs)
        place.clock.advance(age)
        await place.happens(replace(await recovering(place, customer), instruments=(7, 8), drop_all=drop_all))
        for wish, said in ((phone, says), (theirs, "ok")):
            claim = ClaimConfirmation(wish.number, 1, None, RIGHT.mac)
            assert await place.says(place.transferring(wish.customer_id, await place.customer(), 1, claim)) == said


@pytest.mark.parametrize(("reported", "says"), [(True, "passkey_revoked"), (False, "ok")])
async def test_who_was_in_a_reported_account_comes_back_by_no_passkey_they_left(reported: bool, says: str) -> None:
    async with town() as place:
        customer, payee, code = await place.customer(100), await place.customer(), place.id()
        left, another = adding(place, customer), adding(place, payee)
        await place.happens(left)
        await place.happens(another)
        place.clock.advance(RECENT + LATER)
        if reported:
            await place.happens(ReportTakeover(command_id=place.id(), customer_id=customer, session_ids=()))
        await place.happens(SendCode(command_id=place.id(), code_id=code, mac=b"code", asking=Asking(place.id())))
        wish = Recover(
            command_id=place.id(), customer_id=customer, code=CodeUse(code, b"code"), device_id=None, pin_mac=RIGHT.mac,
            password_hash="new", session_ids=(), passkey_ids=(left.passkey_id, another.passkey_id),
        )  # fmt: skip
        await place.happens(wish)
        assert await place.says(place.transferring(customer, payee, 1, PasskeyConfirmation(left.passkey_id, 8))) == says
        assert await place.says(replace(opening(place, customer), passkey=PasskeyConfirmation(left.passkey_id, 9))) == says
        assert await place.says(replace(opening(place, payee), passkey=PasskeyConfirmation(another.passkey_id, 8))) == "ok"
