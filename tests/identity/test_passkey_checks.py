"""What an authenticator may say, and what is refused of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from tests.support.authenticator import HERE, Authenticator
from tongbao.identity.acts import Act, act_text, challenge, check_challenge
from tongbao.identity.passkey_checks import Assertion, Attestation, RelyingParty, check_assertion, check_attestation
from tongbao.kernel.errors import Refusal

KEY, NOW = b"k" * 32, datetime(2026, 3, 1, 12, tzinfo=UTC)
SANDBOX = RelyingParty("")
CHALLENGE = b"c" * 38


def public_key(key: Authenticator) -> bytes:
    return check_attestation(Attestation(**key.made(CHALLENGE)), SANDBOX).credential_public_key


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, ""),
        ({"verified": False}, "passkey_unverified"),
        ({"origin": "https://localhost.example"}, "passkey_origin"),
        ({"origin": "http://localhost.example:8080"}, "passkey_origin"),
        ({"origin": "http://localhost:8080@evil.example"}, "passkey_origin"),
        ({"origin": "https://tongbao.evil.example"}, "passkey_origin"),
        ({"forged": True}, "passkey_wrong"),
        ({"kind": "webauthn.create"}, "passkey_wrong"),
    ],
)
def test_an_answer(given: dict[str, Any], code: str) -> None:
    key = Authenticator()
    known = public_key(key)
    answer = Assertion(**key.answers(CHALLENGE, **given))
    if not code:
        assert check_assertion(answer, known, SANDBOX) == key.counter == 2
        return
    with pytest.raises(Refusal, match=f"^{code}$"):
        check_assertion(answer, known, SANDBOX)


def test_an_answer_for_another_party_or_with_anything_changed_is_wrong() -> None:
    key = Authenticator()
    known, answer = public_key(key), key.answers(CHALLENGE)
    elsewhere = Authenticator(rp_id="evil.example")
    cases: list[tuple[bytes, dict[str, bytes]]] = [(public_key_of(elsewhere), elsewhere.answers(CHALLENGE))]
    cases += [(known, {**answer, name: flipped(raw)}) for name, raw in answer.items() if name != "credential_id"]
    cases += [(known, {**answer, name: b""}) for name in answer if name != "credential_id"]
    cases += [
        (b"", answer),
        (b"\xa0", answer),
        (known, {**answer, "client_data": b"[]"}),
        (known, {**answer, "client_data": b"1"}),
    ]
    for stored, given in cases:
        with pytest.raises(Refusal, match=r"^passkey_(wrong|unverified)$"):
            check_assertion(Assertion(**given), stored, SANDBOX)


def public_key_of(key: Authenticator) -> bytes:
    """Of a passkey that another party would have taken."""
    made = key.made(CHALLENGE, origin="https://evil.example")
    return check_attestation(Attestation(**made), RelyingParty("https://evil.example")).credential_public_key


def flipped(raw: bytes) -> bytes:
    return raw[:-1] + bytes([raw[-1] ^ 1])


@pytest.mark.parametrize(
    ("public_url", "rp_id", "origin", "allowed"),
    [
        ("", "localhost", HERE, True),
        ("", "localhost", "http://localhost", True),
        ("", "localhost", "https://localhost:8443", True),
        ("", "localhost", "http://127.0.0.1:8080", False),
        ("http://192.168.1.7:8080", "localhost", HERE, True),
        ("https://pay.example", "pay.example", "https://pay.example", True),
        ("https://pay.example/", "pay.example", "https://pay.example", True),
        ("https://pay.example", "pay.example", "http://pay.example", False),
        ("https://pay.example", "pay.example", "https://pay.example:8443", False),
        ("https://pay.example", "pay.example", "https://pay.example.evil.example", False),
        ("https://pay.example", "pay.example", HERE, False),
    ],
)
def test_the_pages_that_may_ask(public_url: str, rp_id: str, origin: str, allowed: bool) -> None:
    party, key = RelyingParty(public_url), Authenticator(rp_id=rp_id)
    assert party.id == rp_id
    made = Attestation(**key.made(CHALLENGE, origin=origin))
    if allowed:
        assert check_attestation(made, party).credential_id == key.credential_id
        return
    with pytest.raises(Refusal, match=r"^passkey_origin$"):
        check_attestation(made, party)


def test_a_passkey_that_did_not_verify_its_user_is_not_taken() -> None:
    with pytest.raises(Refusal, match=r"^passkey_unverified$"):
        check_attestation(Attestation(**Authenticator().made(CHALLENGE, verified=False)), SANDBOX)


CUSTOMER, SESSION, COMMAND, PAYEE = (UUID(int=number) for number in range(1, 5))
ACT = Act("transfer", PAYEE, 1250, "CNY")
GOOD = act_text(CUSTOMER, SESSION, COMMAND, ACT)


def test_an_act_is_written_out_for_who_signs_it() -> None:
    assert (
        f"Tongbao act 1\ncustomer {CUSTOMER}\nsession {SESSION}\nrequest {COMMAND}\nact transfer\nto {PAYEE}\namount 12.50 CNY\n"
    ) == GOOD


def other(act: Act = ACT, customer: UUID = CUSTOMER, session: UUID = SESSION, command: UUID = COMMAND) -> str:
    """The act but for one thing."""
    return act_text(customer, session, command, act)


@pytest.mark.parametrize(
    ("name", "purpose", "text", "after", "code"),
    [
        ("the act itself", "act", GOOD, 0, ""),
        ("after five minutes", "act", GOOD, 300, ""),
        ("later than that", "act", GOOD, 301, "challenge_expired"),
        ("before it was made", "act", GOOD, -1, "challenge_expired"),
        ("another purpose", "log in", GOOD, 0, "challenge_wrong"),
        ("another amount", "act", other(replace(ACT, amount_minor=1251)), 0, "challenge_wrong"),
        ("another currency", "act", other(replace(ACT, currency="USD")), 0, "challenge_wrong"),
        ("another payee", "act", other(replace(ACT, counterparty_id=SESSION)), 0, "challenge_wrong"),
        ("another act", "act", other(replace(ACT, kind="withdrawal")), 0, "challenge_wrong"),
        ("another key", "act", other(command=PAYEE), 0, "challenge_wrong"),
        ("another session", "act", other(session=PAYEE), 0, "challenge_wrong"),
        ("another customer", "act", other(customer=PAYEE), 0, "challenge_wrong"),
    ],
)
def test_a_challenge_is_good_for(name: str, purpose: str, text: str, after: int, code: str) -> None:
    made = challenge(KEY, "act", GOOD, NOW)
    if not code:
        check_challenge(made, KEY, purpose, text, NOW + timedelta(seconds=after))
        return
    with pytest.raises(Refusal, match=f"^{code}$"):
        check_challenge(made, KEY, purpose, text, NOW + timedelta(seconds=after))


@pytest.mark.parametrize("given", [b"", b"x", b"\xff" * 38, b"\x00" * 38, b"\xff" * 37, b"\xff" * 39])
def test_what_is_no_challenge_is_wrong(given: bytes) -> None:
    with pytest.raises(Refusal, match=r"^challenge_wrong$"):
        check_challenge(given, KEY, "act", GOOD, NOW)
