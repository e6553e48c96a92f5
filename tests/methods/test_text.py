"""Paying by text: the method's conformance, the menus as a table, what fits a screen, the gateway's door, the deciders."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from tests.identity.instrument_situations import binding
from tests.methods.conformance import CASES
from tests.methods.rigs import rig
from tests.privacy.test_ladder import beginning, completing, requesting, suspended
from tests.support.ladder import Row, answer, declines_of, ladder, said_in
from tests.support.leavings import rows
from tests.support.town import CURRENCY, NOON, RIGHT, WRONG, Town, mac_of, sealed, town
from tongbao.engine.api import Command, MemoryStore
from tongbao.identity.codes import Asking, CodeUse, SendCode
from tongbao.identity.instruments import INSTRUMENT
from tongbao.identity.standing import STANDING
from tongbao.identity.takeover import ReportTakeover
from tongbao.identity.types import PIN, ClaimConfirmation, PinConfirmation, SetPin
from tongbao.kernel.errors import Refusal
from tongbao.methods.text import errors, words
from tongbao.methods.text.gateway import Gateway, dialled, said, signature
from tongbao.methods.text.menus import CHOICES, FORMS, Local, Typed, stand_after
from tongbao.methods.text.method import TextStatement
from tongbao.methods.text.phones import till_number
from tongbao.methods.text.rules import MOST_DIALS_A_DAY, SIM_RESTS
from tongbao.methods.text.screens import fits, screen
from tongbao.methods.text.types import (
    LANGUAGES,
    TEXT_PHONE,
    TEXT_SESSION,
    ChangePinByText,
    Hear,
    Look,
    MakeWish,
    NoteSim,
    OpenTill,
    PayByText,
    SendByText,
    Speak,
    Step,
    SwitchOn,
    TakeWish,
    WishCode,
)
from tongbao.methods.text.wishes import MOST_A_DAY, MOST_WRONG_A_DAY, read
from tongbao.privacy.erasure import GRACE
from tongbao.wallet.small_payments import SetSmallPayments

ROWS, says = ladder()
PHONE, NUMBER, CODE = b"phone index 0001", 77, b"c" * 32
HERE = Local("KES", "KE")
TILL = till_number(b"k" * 32, UUID(int=7), 0)


@pytest.mark.parametrize("name", CASES)
async def test_what_a_network_says_of_a_sim_conforms(name: str) -> None:
    async with rig("text", TextStatement) as made:
        await CASES[name](made)


# ── menus ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

PAY = f"2*{TILL}*25.50"


@pytest.mark.parametrize(
    ("text", "what", "values", "asked", "bad", "pin", "over"),
    [
        ("", None, {}, None, "", None, False),
        ("x", None, {}, None, "bad_choice", None, False),
        ("x*4", "balance", {}, None, "", None, False),
        ("4*12345", "balance", {}, None, "bad_pin", None, False),
        ("4*12345*135790", "balance", {}, None, "", "135790", False),
        ("4*135790*1", "balance", {}, None, "", "135790", True),
        ("4*0", None, {}, None, "", None, False),
        ("2", "till", {}, "till", "", None, False),
        ("2*1234567", "till", {}, "till", "bad_till", None, False),
        (PAY, "till", {"till": TILL, "amount": "25.50"}, None, "", None, False),
        (f"{PAY}*0", "till", {"till": TILL}, "amount", "", None, False),
        (f"{PAY}*0*0*0", None, {}, None, "", None, False),
        (f"{PAY}*00", None, {}, None, "", None, False),
        (f"2*{TILL}*25.555", "till", {"till": TILL}, "amount", "bad_amount", None, False),
        (f"2*{TILL}*-1", "till", {"till": TILL}, "amount", "bad_amount", None, False),
        (f"{PAY}*135790", "till", {"till": TILL, "amount": "25.50"}, None, "", "135790", False),
        (f"3*{TILL}*ACC 17*25", "bill", {"business": TILL, "reference": "ACC 17", "amount": "25.00"}, None, "", None, False),
        (f"3*{TILL}*缴费", "bill", {"business": TILL}, "reference", "bad_reference", None, False),
        ("1*0722000001*10", "send", {"phone": "+254722000001", "amount": "10.00"}, None, "", None, False),
        ("1*254722000001*10", "send", {"phone": "+254722000001", "amount": "10.00"}, None, "", None, False),
        ("1*somebody@example.com", "send", {}, "phone", "bad_phone", None, False),
        ("7*123456", "pin", {}, "new_pin", "bad_pin_choice", None, False),
        ("7*246813*246814", "pin", {"new_pin": "246813"}, "new_pin_again", "bad_pin_again", None, False),
        ("8*3", "language", {"language": "sw"}, None, "", None, False),
        ("8*4", "language", {}, "language", "bad_choice", None, False),
        ("8*3*1", "language", {"language": "sw"}, None, "", None, True),
        ("*".join(["x"] * 41), None, {}, None, "bad_choice", None, True),
    ],
)  # fmt: skip
def test_where_a_session_stands_follows_from_what_was_typed(
    text: str, what: str | None, values: dict[str, str], asked: str | None, bad: str, pin: str | None, over: bool
) -> None:
    stand = stand_after(Typed(text), HERE)
    found = (stand.what, stand.values, stand.field and stand.field.name, stand.bad, stand.typed_pin, stand.over)
    assert found == (what, values, asked, bad, pin, over)


def test_nothing_that_prints_what_was_typed_shows_it() -> None:
    request = dialled(b"sessionId=s&serviceCode=%2A123%23&phoneNumber=%2B254722000001&text=5%2A135790")
    assert request.typed.parts == ("5", "135790")
    assert "135790" not in f"{request} {request!r} {request.typed} {request.typed!r}"


# ── screens ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

FACTS = {
    "amount": "KES 250,000.00", "balance": "KES 499,999.99", "available": "KES 499,999.99", "ref": "0123456789AB",
    "reference": "A" * 20, "at": "22/11 14:05", "until": "25/11 14:05", "left": "250000.00", "attempts_left": 4,
    "window": "This month",
}  # fmt: skip


#: Messages, which may be longer than a screen.
MESSAGES = {"receipt_out", "wish", "wish_dial", "wish_over", "stopped", "pin_in_message", "sms_help"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_screen_fits_with_the_longest_name_and_sum_and_keeps_both(language: Any) -> None:
    for key, each in {**words.WORDS.screen, **words.WORDS.decline}.items():
        if key in MESSAGES:
            continue
        text = getattr(each, language).format_map(words._Filled(FACTS))
        shown = screen(text, "欧阳若兰的小店" * 6)
        assert fits(shown), (key, shown)
        for fact in ("amount", "balance"):
            assert ("{" + fact + "}" in getattr(each, language)) <= (str(FACTS[fact]) in shown), (key, shown)
        assert "{" not in shown


def test_every_question_of_the_menus_has_its_words() -> None:
    named = {"home", "bad_choice", "bad_pin"} | {form.confirm for form in FORMS.values() if form.confirm}
    for form in FORMS.values():
        named |= {f"ask_{field.name}" for field in form.fields} | {field.bad for field in form.fields}
    assert named <= set(words.WORDS.screen)
    assert set(CHOICES.values()) == set(FORMS)


@pytest.mark.parametrize(
    ("text", "does"),
    [
        ("a" * 182, True), ("a" * 183, False), ("a" * 180 + "€", True), ("a" * 181 + "€", False), ("通" * 70, True),
        ("通" + "a" * 70, False),
    ],
)  # fmt: skip
def test_a_screen_has_182_characters_or_70(text: str, does: bool) -> None:
    assert fits(text) is does


def test_a_mistyped_till_number_is_caught() -> None:
    for at in range(len(TILL)):
        other = "1" if TILL[at] != "1" else "2"
        assert stand_after(Typed(f"2*{TILL[:at]}{other}{TILL[at + 1 :]}"), HERE).bad == "bad_till"


# ── the gateway's door ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("address", "late", "key", "path", "body", "code"),
    [
        ("10.0.0.7", 0, b"key", "/v1/text/ussd", b"a=1", None),
        ("10.0.0.7", 299, b"key", "/v1/text/ussd", b"a=1", None),
        ("10.0.0.7", 301, b"key", "/v1/text/ussd", b"a=1", "gateway_signature"),
        ("10.0.0.7", -301, b"key", "/v1/text/ussd", b"a=1", "gateway_signature"),
        ("10.0.1.7", 0, b"key", "/v1/text/ussd", b"a=1", "gateway_unknown"),
        ("nowhere", 0, b"key", "/v1/text/ussd", b"a=1", "gateway_unknown"),
        ("10.0.0.7", 0, b"yek", "/v1/text/ussd", b"a=1", "gateway_signature"),
        ("10.0.0.7", 0, b"key", "/v1/text/sms", b"a=1", "gateway_signature"),
        ("10.0.0.7", 0, b"key", "/v1/text/ussd", b"a=2", "gateway_signature"),
    ],
)
def test_only_the_gateway_is_believed(address: str, late: int, key: bytes, path: str, body: bytes, code: str | None) -> None:
    gateway = Gateway(b"key", "10.0.0.0/24, ::1")
    signed = signature(key, "1000", "/v1/text/ussd", b"a=1")
    try:
        gateway.check(address, "1000", signed, path, body, 1000.0 + late)
        found = None
    except Refusal as refusal:
        found = refusal.code.name
    assert found == code


@pytest.mark.parametrize(
    "body",
    [
        b"sessionId=s&text=1", b"phoneNumber=254722000001", b"sessionId=s&phoneNumber=ann@example.com",
        b"sessionId=s&phoneNumber=12", b"sessionId=s&phoneNumber=254722000001&text=" + b"1" * 601,
        b"sessionId=s&sessionId=t&phoneNumber=254722000001", b"\xff",
        b"&".join(b"%d=1" % each for each in range(30)),
    ],
)  # fmt: skip
def test_a_form_that_lacks_something_or_has_too_much_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        dialled(body)
    assert refused.value.code is errors.GATEWAY_FORM


def test_a_message_is_read() -> None:
    assert said(b"id=m1&from=254722000001&to=123&text=PAY+1+2") == ("m1", "+254722000001", "PAY 1 2")


@pytest.mark.parametrize(
    ("text", "order", "typed"),
    [
        ("PAY 1234567 25.00", "wish", "2*1234567*25.00"), (" pay  1234567 25 ", "wish", "2*1234567*25"),
        ("SEND 254722000001 10", "wish", "1*254722000001*10"), ("BILL 1234567 ACC17 4", "wish", "3*1234567*ACC17*4"),
        ("BAL", "wish", "4"), ("MINI", "wish", "5"), ("LIMITS", "wish", "6"),
        ("PAY 1234567 25 135790", "pin_in_message", ""), ("BAL 135790", "pin_in_message", ""),
        ("STOP", "stop", ""), ("stop it", "stop", ""), ("OK 123456", "code", ""), ("OK 12345", "help", ""),
        ("123456", "pin_in_message", ""), ("hello 135790", "pin_in_message", ""),
        ("BILL 1234567 50 135790", "pin_in_message", ""), ("BILL 00 4 135790", "pin_in_message", ""),
        ("PAY 135790", "pin_in_message", ""),
        ("BILL 1234567 50 135790.00", "wish", "3*1234567*50*135790.00"), ("BILL 1234567 0 50", "help", ""),
        ("PAY 1234567 00", "help", ""), ("SEND 0 50", "help", ""), ("PAY 1234567 135790", "wish", "2*1234567*135790"),
        ("PAY 1234567", "help", ""), ("PAY 1*5*135790 1", "help", ""), ("", "help", ""), ("hello", "help", ""),
        ("PIN 1", "help", ""),
    ],
)  # fmt: skip
def test_messages_are_understood(text: str, order: str, typed: str) -> None:
    found = read(text)
    assert (found.order, found.typed) == (order, typed)


# ── deciders ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def switching(place: Town, minor: int = 10_000, number: int = NUMBER, code: bytes = CODE, **other: Any) -> SwitchOn:
    """A customer who was sent a code."""
    customer = await place.customer(minor)
    use = CodeUse(place.id(), code)
    await place.happens(SendCode(command_id=place.id(), code_id=use.code_id, mac=CODE, asking=Asking(place.id())))
    bind = replace(binding(place, customer, number), of="text")
    wish = SwitchOn(
        command_id=bind.command_id, bind=bind, phone_index=PHONE, phone=sealed("phone"), language="en", code=use, sim_since=None
    )
    return replace(wish, **other)


async def switched(place: Town, minor: int = 10_000) -> UUID:
    """A customer whose phone pays by text."""
    wish = await switching(place, minor)
    await place.happens(wish)
    return wish.bind.customer_id


def showing(pin: PinConfirmation | None = RIGHT, nonce: int = 1, number: int = NUMBER) -> ClaimConfirmation:
    return ClaimConfirmation(number, nonce, None, pin.mac if pin else b"")


async def paying(place: Town, customer: UUID, minor: int = 1000, **other: Any) -> PayByText:
    wish = {"confirmation": showing(), "method": "text"} | other
    pay = place.paying_at_once(await place.merchant(), f"text-{place.id().hex[:8]}", customer, minor, **wish)
    return PayByText(command_id=pay.command_id, phone_index=PHONE, pay=pay)


def looking(place: Town, customer: UUID, pin: PinConfirmation | None = RIGHT, nonce: int = 1) -> Look:
    return Look(command_id=place.id(), phone_index=PHONE, customer_id=customer, what="balance", confirmation=showing(pin, nonce))


def dialling(place: Town, session: bytes = b"s", depth: int = 0) -> Step:
    return Step(command_id=place.id(), phone_index=PHONE, session=session, depth=depth)


@says("ok")
async def switching_on_with_the_code_and_the_pin(place: Town) -> Command:
    return await switching(place)


@says("code_wrong")
async def switching_on_with_a_wrong_code(place: Town) -> Command:
    return await switching(place, code=b"w" * 32)


@says("wrong_pin")
async def switching_on_with_a_wrong_pin(place: Town) -> Command:
    wish = await switching(place)
    return replace(wish, bind=replace(wish.bind, confirmation=WRONG))


@says("confirmation_needed")
async def switching_on_without_a_pin(place: Town) -> Command:
    wish = await switching(place)
    return replace(wish, bind=replace(wish.bind, confirmation=None))


@says("ok")
async def paying_by_text(place: Town) -> Command:
    return await paying(place, await switched(place))


@says("text_off")
async def paying_from_a_phone_that_is_not_switched_on(place: Town) -> Command:
    return replace(await paying(place, await switched(place)), phone_index=b"another")


@says("text_off")
async def paying_for_another_customer(place: Town) -> Command:
    await switched(place)
    return await paying(place, await place.customer(1000))


@says("payer_must_confirm")
async def paying_by_text_without_the_sim(place: Town) -> Command:
    return await paying(place, await switched(place), confirmation=RIGHT)


@says("payer_must_confirm")
async def paying_without_a_pin_where_none_was_waived(place: Town) -> Command:
    return await paying(place, await switched(place), confirmation=showing(None))


@says("wrong_pin")
async def paying_with_a_wrong_pin(place: Town) -> Command:
    return await paying(place, await switched(place), confirmation=showing(WRONG))


@says("account_suspended")
async def looking_after_a_takeover_was_reported(place: Town) -> Command:
    customer = await switched(place)
    await place.happens(ReportTakeover(command_id=place.id(), customer_id=customer, session_ids=()))
    return looking(place, customer)


@says("text_rests")
async def paying_with_a_sim_that_was_exchanged(place: Town) -> Command:
    customer = await switched(place)
    place.clock.advance(timedelta(days=30))
    await place.happens(NoteSim(command_id=place.id(), phone_index=PHONE, customer_id=customer, sim_since=place.clock.now()))
    place.clock.advance(SIM_RESTS - timedelta(seconds=1))
    return await paying(place, customer)


@says("text_rests")
async def paying_with_a_sim_of_which_the_network_tells_late(place: Town) -> Command:
    customer = await switched(place)
    place.clock.advance(timedelta(days=30))
    since = place.clock.now() - SIM_RESTS
    await place.happens(NoteSim(command_id=place.id(), phone_index=PHONE, customer_id=customer, sim_since=since))
    place.clock.advance(SIM_RESTS - timedelta(seconds=1))
    return await paying(place, customer)


@says("ok")
async def paying_three_days_after_a_sim_was_exchanged(place: Town) -> Command:
    customer = await switched(place)
    place.clock.advance(timedelta(days=30))
    await place.happens(NoteSim(command_id=place.id(), phone_index=PHONE, customer_id=customer, sim_since=place.clock.now()))
    place.clock.advance(SIM_RESTS)
    return await paying(place, customer)


@says("ok")
async def paying_with_the_sim_that_was_switched_on(place: Town) -> Command:
    customer = await switched(place)
    await place.happens(NoteSim(command_id=place.id(), phone_index=PHONE, customer_id=customer, sim_since=NOON))
    return await paying(place, customer)


@says("text_off")
async def hearing_of_the_sim_of_a_phone_that_is_off(place: Town) -> Command:
    return NoteSim(command_id=place.id(), phone_index=PHONE, customer_id=place.id(), sim_since=NOON)


@says("ok")
async def sending_by_text(place: Town) -> Command:
    send = place.transferring(await switched(place), await place.customer(), 500, showing())
    return SendByText(command_id=send.command_id, phone_index=PHONE, send=send)


@says("payer_must_confirm")
async def sending_without_a_pin(place: Town) -> Command:
    send = place.transferring(await switched(place), await place.customer(), 500, showing(None))
    return SendByText(command_id=send.command_id, phone_index=PHONE, send=send)


@says("instrument_cap")
async def sending_more_than_the_phone_may(place: Town) -> Command:
    wish = await switching(place)
    await place.happens(replace(wish, bind=replace(wish.bind, most_minor=499)))
    send = place.transferring(wish.bind.customer_id, await place.customer(), 500, showing())
    return SendByText(command_id=send.command_id, phone_index=PHONE, send=send)


@says("text_off")
async def speaking_to_a_phone_that_is_off(place: Town) -> Command:
    return Speak(command_id=place.id(), phone_index=PHONE, customer_id=place.id(), language="sw")


@says("ok")
async def dialling_again_while_a_session_lives(place: Town) -> Command:
    await place.happens(dialling(place))
    return dialling(place, b"t")


@says("text_session_over")
async def going_on_with_a_session_after_another_was_begun(place: Town) -> Command:
    await place.happens(dialling(place))
    await place.happens(dialling(place, b"t"))
    return dialling(place, b"s", 1)


@says("text_session_over")
async def a_session_that_begins_in_the_middle(place: Town) -> Command:
    return dialling(place, depth=3)


@says("text_session_over")
async def a_session_in_which_nothing_was_typed_for_long(place: Town) -> Command:
    await place.happens(dialling(place))
    place.clock.advance(timedelta(seconds=90))
    return dialling(place, depth=1)


@says("ok")
async def a_session_a_moment_before_that(place: Town) -> Command:
    await place.happens(dialling(place))
    place.clock.advance(timedelta(seconds=89))
    return dialling(place, depth=1)


@says("text_session_over")
async def a_session_longer_than_the_network_keeps_one(place: Town) -> Command:
    await place.happens(dialling(place))
    for depth in (1, 2):
        place.clock.advance(timedelta(seconds=80))
        await place.happens(dialling(place, depth=depth))
    place.clock.advance(timedelta(seconds=20))
    return dialling(place, depth=3)


@says("text_too_often")
async def dialling_all_day(place: Town) -> Command:
    for each in range(MOST_DIALS_A_DAY):
        await place.happens(dialling(place, each.to_bytes(2, "big")))
    return dialling(place, b"last")


async def wishing(place: Town, customer: UUID) -> MakeWish:
    return MakeWish(command_id=place.id(), phone_index=PHONE, customer_id=customer, wish=sealed("2*1*1"), mac=CODE)


async def wished(place: Town, per_payment_minor: int = 5_000) -> tuple[UUID, MakeWish]:
    """A customer who asked for something by message, and lets 50.00 go without a PIN."""
    customer = await switched(place)
    if per_payment_minor:
        await place.happens(
            SetSmallPayments(
                command_id=place.id(), customer_id=customer, currency=CURRENCY, per_payment_minor=per_payment_minor,
                per_day_minor=per_payment_minor, zone="Asia/Shanghai", confirmation=replace(RIGHT, on_device=True),
            )
        )  # fmt: skip
    wish = await wishing(place, customer)
    await place.happens(wish)
    return customer, wish


async def answering(place: Town, customer: UUID, wish: MakeWish, mac: bytes = CODE, nonce: int = 1) -> PayByText:
    pay = await paying(place, customer, confirmation=showing(None, nonce))
    return replace(pay, code=WishCode(wish.command_id, mac))


@says("ok")
async def a_small_sum_by_message_and_its_code(place: Town) -> Command:
    return await answering(place, *await wished(place))


@says("payer_must_confirm")
async def a_sum_by_message_of_who_wants_a_pin(place: Town) -> Command:
    return await answering(place, *await wished(place, 0))


@says("text_code_wrong")
async def a_wrong_code_of_a_wish(place: Town) -> Command:
    return await answering(place, *await wished(place), mac=b"w" * 32)


@says("text_wish_over")
async def the_code_of_a_wish_that_was_guessed_at(place: Town) -> Command:
    customer, wish = await wished(place)
    for nonce in range(1, 6):
        assert await place.says(await answering(place, customer, wish, b"w" * 32, nonce)) == "text_code_wrong"
    return await answering(place, customer, wish, nonce=9)


async def guessing_all_day(place: Town) -> tuple[UUID, MakeWish]:
    """A wish after as many wrong codes of others as a day takes."""
    customer, wish = await wished(place)
    for nonce in range(1, MOST_WRONG_A_DAY + 1):
        assert await place.says(await answering(place, customer, wish, b"w" * 32, nonce)) == "text_code_wrong"
        if nonce % 4 == 0:
            wish = await wishing(place, customer)
            await place.happens(wish)
    return customer, wish


@says("payer_must_confirm")
async def the_code_of_a_wish_on_a_day_of_guesses(place: Town) -> Command:
    return await answering(place, *await guessing_all_day(place), nonce=99)


@says("ok")
async def the_code_of_a_wish_on_the_day_after(place: Town) -> Command:
    customer, _ = await guessing_all_day(place)
    place.clock.advance(timedelta(days=1))
    wish = await wishing(place, customer)
    await place.happens(wish)
    return await answering(place, customer, wish, nonce=99)


@says("text_wish_over")
async def the_code_of_a_wish_that_was_done(place: Town) -> Command:
    customer, wish = await wished(place)
    await place.happens(await answering(place, customer, wish))
    return await answering(place, customer, wish, nonce=2)


@says("text_wish_over")
async def the_code_of_a_wish_after_its_time(place: Town) -> Command:
    customer, wish = await wished(place)
    place.clock.advance(timedelta(minutes=5))
    return await answering(place, customer, wish)


@says("text_wish_over")
async def the_code_of_a_wish_that_a_session_took(place: Town) -> Command:
    customer, wish = await wished(place)
    await place.happens(TakeWish(command_id=place.id(), phone_index=PHONE, wish_id=wish.command_id, session=b"s"))
    return await answering(place, customer, wish)


@says("text_wish_over")
async def a_wish_that_two_sessions_take(place: Town) -> Command:
    _, wish = await wished(place)
    await place.happens(TakeWish(command_id=place.id(), phone_index=PHONE, wish_id=wish.command_id, session=b"s"))
    return TakeWish(command_id=place.id(), phone_index=PHONE, wish_id=wish.command_id, session=b"t")


@says("text_wish_over")
async def the_code_of_a_wish_after_another(place: Town) -> Command:
    customer, wish = await wished(place)
    await place.happens(await wishing(place, customer))
    return await answering(place, customer, wish)


@says("text_too_often")
async def writing_all_day(place: Town) -> Command:
    for _ in range(MOST_A_DAY):
        await place.happens(Hear(command_id=place.id(), phone_index=PHONE))
    return Hear(command_id=place.id(), phone_index=PHONE)


@says("text_off")
async def wishing_from_a_phone_that_is_off(place: Town) -> Command:
    return await wishing(place, place.id())


@says("ok")
async def a_merchant_that_has_the_number_already(place: Town) -> Command:
    merchant = await place.merchant()
    await place.happens(OpenTill(command_id=place.id(), till_number=1_234_567, merchant_id=merchant))
    return OpenTill(command_id=place.id(), till_number=1_234_567, merchant_id=merchant)


@says("till_number_taken")
async def a_number_that_another_merchant_has(place: Town) -> Command:
    await place.happens(OpenTill(command_id=place.id(), till_number=1_234_567, merchant_id=await place.merchant()))
    return OpenTill(command_id=place.id(), till_number=1_234_567, merchant_id=await place.merchant())


@says("merchant_not_found")
async def a_number_for_nobody(place: Town) -> Command:
    return OpenTill(command_id=place.id(), till_number=1_234_567, merchant_id=place.id())


@pytest.mark.parametrize("row", ROWS, ids=repr)
async def test_ladder(row: Row) -> None:
    assert await answer(row) == row.says


def test_every_decline_of_ours_has_its_situation() -> None:
    assert declines_of(errors) - said_in(ROWS) == {"till_unknown"}, "found outside a decision"


# ── what they leave ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def there(check: Callable[[Town, MemoryStore, UUID], Awaitable[None]]) -> None:
    store = MemoryStore()
    async with town(store) as place:
        await check(place, store, await switched(place))


async def test_wrong_pins_of_a_phone_lock_the_phone_and_nothing_else() -> None:
    async def check(place: Town, store: MemoryStore, customer: UUID) -> None:
        said = [await place.says(looking(place, customer, WRONG, nonce)) for nonce in range(1, 7)]
        assert said == ["wrong_pin"] * 4 + ["pin_locked"] * 2
        (pin,) = rows(store, PIN)
        assert (pin.wrong_text, pin.wrong, pin.wrong_here, pin.wrong_recovering) == (5, 0, 0, 0)
        assert pin.locked_text_until == NOON + timedelta(hours=24)
        merchant = await place.merchant()
        assert await place.says(place.paying_at_once(merchant, "in the wallet", customer)) == "ok"

    await there(check)


async def test_a_phone_that_changes_hands_pays_for_its_last_owner_only() -> None:
    async def check(place: Town, store: MemoryStore, before: UUID) -> None:
        wish = await switching(place, number=NUMBER + 1)
        await place.happens(wish)
        (phone,) = rows(store, TEXT_PHONE)
        assert (phone.customer_id, phone.number) == (wish.bind.customer_id, NUMBER + 1)
        assert {each.number for each in rows(store, INSTRUMENT) if each.revoked_at is None} == {NUMBER + 1}
        assert await place.says(looking(place, before)) == "text_off"

    await there(check)


async def test_a_new_phone_and_a_new_sim_cool_for_a_day() -> None:
    async def check(place: Town, store: MemoryStore, customer: UUID) -> None:
        (standing,) = rows(store, STANDING)
        assert standing.cooling_until == NOON + timedelta(hours=24)
        place.clock.advance(timedelta(days=30))
        await place.happens(NoteSim(command_id=place.id(), phone_index=PHONE, customer_id=customer, sim_since=place.clock.now()))
        (standing,) = rows(store, STANDING)
        assert standing.cooling_until == place.clock.now() + timedelta(hours=24)

    await there(check)


async def test_a_pin_is_replaced_with_the_one_before() -> None:
    async def check(place: Town, store: MemoryStore, customer: UUID) -> None:
        def changing(pin: PinConfirmation, nonce: int) -> ChangePinByText:
            change = SetPin(command_id=place.id(), customer_id=customer, mac=mac_of("new"), confirmation=showing(pin, nonce))
            return ChangePinByText(command_id=change.command_id, phone_index=PHONE, change=change)

        assert await place.says(changing(WRONG, 1)) == "wrong_pin"
        assert await place.says(changing(RIGHT, 2)) == "ok"
        assert await place.says(looking(place, customer, RIGHT, 3)) == "wrong_pin"
        assert await place.says(looking(place, customer, PinConfirmation(mac_of("new")), 4)) == "ok"

    await there(check)


async def test_an_erasure_forgets_the_phone_and_nobody_elses() -> None:
    store = MemoryStore()
    async with town(store) as place:
        wish = await switching(place, 0)
        await place.happens(wish)
        await place.happens(dialling(place))
        await place.happens(completing(place, await suspended(place), text_phones=(PHONE,)))
        assert (len(rows(store, TEXT_PHONE)), len(rows(store, TEXT_SESSION))) == (1, 1), "somebody else's erasure"
        customer = wish.bind.customer_id
        await place.happens(requesting(place, customer))
        place.clock.advance(GRACE)
        await place.happens(beginning(place, customer))
        await place.happens(completing(place, customer, text_phones=(PHONE,)))
        assert (rows(store, TEXT_PHONE), rows(store, TEXT_SESSION)) == ([], [])
