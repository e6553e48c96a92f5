"""Taps: the exchange between a card and a reader, and the conformance of the method."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from threading import Thread
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.methods.conformance import AMOUNT, CASES, Rig
from tests.methods.rigs import rig
from tongbao.kernel.errors import Refusal
from tongbao.methods.api import Encounter
from tongbao.methods.nfc import apdu
from tongbao.methods.nfc.apdu import Apdu, answered, pack, unpack
from tongbao.methods.nfc.card import DETAILS, DF_NAME, FCI, ISO, OPTIONS, OURS, RELAY, SELECT, SoftwareCard
from tongbao.methods.nfc.method import TappedToken
from tongbao.methods.nfc.reader import read_card
from tongbao.methods.nfc.sockets import card_at, serve_card
from tongbao.methods.nfc.tap import AID, MOST_RELAY_US, Details, Tap, cryptogram

NUMBER, SECRET = 123_456_789_012_345, b"s" * 32
AT = Encounter(UUID(int=7), AMOUNT, "CNY", datetime(2026, 11, 22, 12, 0, tzinfo=UTC))
PAYING = Details.of(AT, b"\x01\x02\x03\x04", b"\x05\x06\x07\x08", 900)


class Hand:
    """A card and what it was asked. `slow_us`: how long each answer takes, by the clock that it shows the reader."""

    def __init__(self, *slow_us: int) -> None:
        self.counter, self.now_ns = 0, 0
        self.asked: list[int] = []
        self._slow_us = list(slow_us)
        self._card = SoftwareCard(NUMBER, SECRET, self._count)

    def transmit(self, command: bytes) -> bytes:
        self.asked.append(command[1])
        if command[1] == RELAY and self._slow_us:
            self.now_ns += self._slow_us.pop(0) * 1000
        return self._card.transmit(command)

    def clock(self) -> int:
        return self.now_ns

    def _count(self) -> int:
        self.counter += 1
        return self.counter


@pytest.mark.parametrize("name", CASES)
async def test_taps_conform(name: str) -> None:
    async with rig("nfc", TappedToken) as made:
        await CASES[name](made)


def test_a_reader_reads_a_card_and_the_cryptogram_is_over_all_of_it() -> None:
    hand = Hand(700)
    tap = read_card(hand.transmit, AT, hand.clock)
    assert hand.asked == [SELECT, RELAY, OPTIONS]
    assert (tap.number, tap.counter, tap.details.relay_us) == (NUMBER, 1, 700)
    assert tap.details.is_for(AT)
    assert tap.cryptogram == cryptogram(SECRET, NUMBER, 1, tap.details.encode())
    assert Tap.read(tap.shown()) == tap
    assert read_card(hand.transmit, AT).counter == 2


@pytest.mark.parametrize(
    ("slow_us", "says"),
    [
        ([MOST_RELAY_US], "ok"),
        ([MOST_RELAY_US + 1] * 4, "ok"),  # a busy phone: near at the fifth
        ([MOST_RELAY_US + 1] * 5, "tap_relayed"),
        ([400_000] * 5, "tap_relayed"),
    ],
)
def test_a_card_that_is_always_late_is_behind_a_relay(slow_us: list[int], says: str) -> None:
    hand = Hand(*slow_us)
    try:
        read_card(hand.transmit, AT, hand.clock)
        said = "ok"
    except Refusal as refusal:
        said = refusal.code.name
    assert (said, hand.counter) == (says, 1 if says == "ok" else 0)


def test_an_answer_that_was_fetched_beforehand_fits_no_question() -> None:
    """A fake card at the till, and an accomplice beside the true one who asked it before: quick, and found out."""
    victim = Hand()
    answered(victim.transmit, Apdu(ISO, SELECT, 4, 0, AID))
    fetched = victim.transmit(Apdu(OURS, RELAY, 0, 0, b"\0\0\0\0").encode())

    def fake(command: bytes) -> bytes:
        return {SELECT: apdu.answer(apdu.OK), RELAY: fetched}.get(command[1]) or victim.transmit(command)

    with pytest.raises(Refusal) as refused:
        read_card(fake, AT)
    assert (refused.value.code.name, refused.value.detail) == ("tap_unreadable", {"status": f"{apdu.NOT_NOW:04X}"})
    assert victim.counter == 0


def test_a_number_that_no_token_has_is_read_as_none() -> None:
    with pytest.raises(Refusal) as refused:
        Tap.read(Tap(10**15, 1, PAYING, bytes(8)).shown())
    assert refused.value.code.name == "tap_unreadable"
    assert Tap.read(Tap(10**15 - 1, 1, PAYING, bytes(8)).shown()).number == 10**15 - 1


async def test_a_reader_that_looks_away_from_a_relay_is_not_believed() -> None:
    async with rig("nfc", TappedToken) as made:
        tap = Tap.read(made.shown())
        late = replace(tap.details, relay_us=MOST_RELAY_US + 1)
        assert await made.pays(_proved(made, tap, late).shown()) == "tap_relayed"
        # Less than was measured is not what the card agreed to.
        assert await made.pays(replace(tap, details=replace(tap.details, relay_us=0)).shown()) == "tap_wrong"
        assert await made.pays(tap.shown()) == "ok"


async def test_a_counter_that_went_back_does_not_pay() -> None:
    async with rig("nfc", TappedToken) as made:
        assert await made.pays(made.shown(uses=4)) == "ok"
        assert await made.pays(made.shown(uses=3)) == "instrument_used"
        assert await made.pays(made.shown(uses=5)) == "ok"


async def test_a_merchants_mistake_does_not_end_a_customers_card() -> None:
    async with rig("nfc", TappedToken) as made:
        for _ in range(12):
            assert await made.pays(made.shown(), merchant=1) == "tap_elsewhere"
        assert await made.pays(made.shown()) == "ok"


async def test_ten_forged_taps_end_the_token() -> None:
    async with rig("nfc", TappedToken) as made:
        right = Tap.read(made.shown())
        for _ in range(10):
            assert await made.pays(replace(right, cryptogram=bytes(8)).shown()) == "tap_wrong"
        assert await made.pays(right.shown()) == "instrument_revoked"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x00\xa4\x04", apdu.WRONG_LENGTH),
        (bytes((0, SELECT, 4, 0, 9)) + AID[:-1], apdu.WRONG_LENGTH),
        (Apdu(0x90, SELECT, 4, 0, AID).encode(), apdu.WRONG_CLASS),
        (Apdu(OURS, 0xCA, 0, 0).encode(), apdu.WRONG_INSTRUCTION),
        (Apdu(ISO, RELAY, 0, 0, b"1234").encode(), apdu.WRONG_INSTRUCTION),
        (Apdu(ISO, SELECT, 0, 0, AID).encode(), apdu.WRONG_PARAMETERS),
        (Apdu(ISO, SELECT, 4, 0, b"2PAY.SYS.DDF01").encode(), apdu.NOT_HERE),
        (Apdu(OURS, RELAY, 0, 0, b"1234").encode(), apdu.NOT_NOW),
        (Apdu(OURS, OPTIONS, 0, 0, pack((DETAILS, PAYING.encode()))).encode(), apdu.NOT_NOW),
    ],
)
def test_a_card_that_was_not_chosen_says_why_it_does_not_answer(sent: bytes, status: int) -> None:
    hand = Hand()
    assert hand.transmit(sent) == status.to_bytes(2, "big")
    assert hand.counter == 0


@pytest.mark.parametrize(
    ("near", "data", "status"),
    [
        (b"123", b"", apdu.WRONG_LENGTH),
        (None, pack((DETAILS, PAYING.encode())), apdu.NOT_NOW),  # never measured
        (b"1234", pack((DETAILS, PAYING.encode())), apdu.NOT_NOW),  # measured, but neither so nor with this card
        (b"1234", pack((DETAILS, PAYING.encode()[:-1])), apdu.WRONG_DATA),
        (b"1234", pack((DETAILS, PAYING.encode().replace(b"CNY", b"XXZ"))), apdu.WRONG_DATA),
        (b"1234", PAYING.encode(), apdu.WRONG_DATA),
    ],
)
def test_a_card_makes_no_cryptogram_but_for_a_reader_that_measured_it(near: bytes | None, data: bytes, status: int) -> None:
    hand = Hand()
    answered(hand.transmit, Apdu(ISO, SELECT, 4, 0, AID))
    said = b""
    if near is not None:
        said = hand.transmit(Apdu(OURS, RELAY, 0, 0, near).encode())
    if data:
        said = hand.transmit(Apdu(OURS, OPTIONS, 0, 0, data).encode())
    assert (said, hand.counter) == (status.to_bytes(2, "big"), 0)


def test_one_choice_is_one_tap() -> None:
    hand = Hand()
    chosen = unpack(unpack(answered(hand.transmit, Apdu(ISO, SELECT, 4, 0, AID)))[FCI])
    assert chosen[DF_NAME] == AID
    nearness = answered(hand.transmit, Apdu(OURS, RELAY, 0, 0, b"1234"))
    pay = Apdu(OURS, OPTIONS, 0, 0, pack((DETAILS, replace(PAYING, unpredictable=b"1234", nearness=nearness).encode())))
    assert answered(hand.transmit, pay)
    assert hand.transmit(pay.encode()) == apdu.NOT_NOW.to_bytes(2, "big")


@given(st.lists(st.binary(max_size=80), max_size=6))
def test_whatever_is_sent_a_card_answers_with_a_status(commands: list[bytes]) -> None:
    card = SoftwareCard(NUMBER, SECRET, lambda: 1)
    for sent in [Apdu(ISO, SELECT, 4, 0, AID).encode(), *commands]:
        assert len(card.transmit(sent)) >= 2


@given(st.dictionaries(st.sampled_from([0x50, 0x5A, 0x84, 0x9F26, 0x9F36]), st.binary(max_size=140), max_size=3))
def test_data_objects_come_back_as_they_were_packed(objects: dict[int, bytes]) -> None:
    assert unpack(pack(*objects.items())) == objects


@given(st.binary(max_size=40))
def test_bytes_that_are_no_data_objects_are_refused(data: bytes) -> None:
    try:
        found = unpack(data)
    except Refusal as refusal:
        assert refusal.code.name == "tap_unreadable"
    else:
        assert sum(map(len, found.values())) < max(len(data), 1)


@pytest.mark.parametrize(
    "said",
    [
        b"", b"\x90", b"\x6a\x82", apdu.answer(apdu.OK), apdu.answer(apdu.OK, b"\x77\x03\x5a\x01"),
        apdu.answer(apdu.OK, pack((0x77, pack((0x5A, b"12345678"), (0x9F36, b"1234"), (0x9F26, b"short"))))),
    ],
)  # fmt: skip
def test_a_reader_refuses_what_is_no_answer(said: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        read_card(lambda _: said, AT)
    assert refused.value.code.name == "tap_unreadable"


def test_a_reader_refuses_a_card_that_answers_with_half_a_tap() -> None:
    hand = Hand()

    def cut(command: bytes) -> bytes:
        said = hand.transmit(command)
        return said if command[1] != OPTIONS else said[:10] + said[-2:]

    with pytest.raises(Refusal) as refused:
        read_card(cut, AT)
    assert refused.value.code.name == "tap_unreadable"


def test_a_card_behind_a_socket_is_read_and_one_that_is_not_there_is_not() -> None:
    hand = Hand()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        serving = Thread(target=serve_card, args=(listener, lambda: hand.transmit), daemon=True)
        serving.start()
        with card_at("127.0.0.1", port) as transmit:
            assert read_card(transmit, AT).number == NUMBER
        with socket.create_connection(("127.0.0.1", port)) as rude:
            rude.sendall(b"\xff\xff")  # longer than anything there is: the card hangs up, and is there for the next
            assert rude.recv(1) == b""
        with card_at("127.0.0.1", port) as transmit:
            assert read_card(transmit, AT).counter == 2
        listener.shutdown(socket.SHUT_RDWR)
    serving.join(5)
    assert not serving.is_alive()
    with pytest.raises(Refusal), card_at("127.0.0.1", port):
        pass


def _proved(made: Rig, tap: Tap, details: Details) -> Tap:
    """The tap that this card would have made over these details."""
    return replace(tap, details=details, cryptogram=cryptogram(made.held.secret, tap.number, tap.counter, details.encode()))
