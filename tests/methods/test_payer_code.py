"""The payer's code: its digits, and the conformance of the method."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.methods.conformance import CASES
from tests.methods.rigs import rig
from tongbao.methods.code.digits import (
    LENGTH,
    STEP_S,
    check_digit_holds,
    nonce_of,
    nonce_shown,
    payer_code,
    proof,
    step_at,
)
from tongbao.methods.code.method import PayerCode

VECTORS = json.loads((Path(__file__).parent / "payer_codes.json").read_text())


@pytest.mark.parametrize("name", CASES)
async def test_payers_codes_conform(name: str) -> None:
    async with rig("code", PayerCode) as made:
        await CASES[name](made)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["code"])
def test_the_wallet_and_we_make_the_same_digits(vector: dict[str, str | int]) -> None:
    secret = bytes.fromhex(str(vector["held"]))
    nonce = nonce_of(int(vector["unix"]) // STEP_S, int(vector["uses"]))
    assert payer_code(int(vector["number"]), secret, nonce) == vector["code"]


def test_every_mistyped_and_every_swapped_digit_is_caught() -> None:
    code = payer_code(4_512_369, b"s" * 32, 7)
    assert len(code) == LENGTH and check_digit_holds(code)
    for at in range(LENGTH):
        for digit in "0123456789":
            assert check_digit_holds(code[:at] + digit + code[at + 1 :]) is (digit == code[at])
    for at in range(LENGTH - 1):
        swapped = code[:at] + code[at + 1] + code[at] + code[at + 2 :]
        assert check_digit_holds(swapped) is (code[at] == code[at + 1])


def test_twelve_nonces_are_taken_and_no_thirteenth() -> None:
    secret, step = b"s" * 32, 1_000
    taken = [nonce for nonce in range((step - 3) * 4, (step + 4) * 4) if nonce_shown(secret, proof(secret, nonce), step) == nonce]
    assert taken == list(range(999 * 4, 1002 * 4))


def test_uses_beyond_the_last_stay_the_last() -> None:
    assert [nonce_of(10, uses) for uses in range(6)] == [40, 41, 42, 43, 43, 43]


async def test_a_phone_whose_number_was_seen_cannot_be_paid_from_by_guessing() -> None:
    async with rig("code", PayerCode) as made:
        right = made.shown()
        for guess in range(10):
            body = f"{right[:11]}{(int(right[11:19]) + 1 + guess) % 10**8:08d}"
            wrong = next(body + str(digit) for digit in range(10) if check_digit_holds(body + str(digit)))
            assert await made.pays(wrong) == "payer_code_wrong"
        assert await made.pays(right) == "instrument_revoked"


async def test_a_number_that_nobody_has_is_answered_as_a_wrong_code() -> None:
    async with rig("code", PayerCode) as made:
        other = payer_code(made.held.number + 1, made.held.secret, nonce_of(step_at(made.place.clock.now()), 0))
        assert await made.pays(other) == "payer_code_wrong"
        made.place.clock.advance(timedelta(seconds=1))
        assert await made.pays(made.shown()) == "ok"


def test_only_digits_of_ours_are_recognised() -> None:
    method = PayerCode(None)  # type: ignore[arg-type]
    code = payer_code(1, b"s" * 32, 1)
    assert method.recognises(code)
    for other in ("", code[:-1], code + "0", "88" + code[2:], "８" + code[1:], "87" + "a" * 18, "28763443825664394"):
        assert not method.recognises(other)
