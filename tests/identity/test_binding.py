"""What proves a device, and what does not."""

from __future__ import annotations

import hashlib
import hmac
from uuid import UUID

import httpx
import pytest

from tongbao.identity.binding import BoundSession, binding_of, proof, proves, read, written

SECRET = bytes(range(32))
NOW = 1_800_000_000
GOOD = ("POST", "/v1/wallet/transfers", "key-12345")
BODY = b'{"amount":"1.00"}'


def test_a_proof_is_the_hmac_that_the_document_describes() -> None:
    digest = hashlib.sha256(BODY).hexdigest().encode()
    message = b"POST\n/v1/wallet/transfers?a=b\n1800000000\nkey-12345\n" + digest
    expected = hmac.new(SECRET, message, hashlib.sha256).hexdigest()
    assert proof(SECRET, "POST", "/v1/wallet/transfers?a=b", NOW, "key-12345", BODY) == f"1800000000.{expected}"


@pytest.mark.parametrize(
    ("name", "method", "target", "key", "body", "secret", "now_s", "holds"),
    [
        ("the request itself", *GOOD, BODY, SECRET, NOW, True),
        ("five minutes later", *GOOD, BODY, SECRET, NOW + 300, True),
        ("five minutes earlier", *GOOD, BODY, SECRET, NOW - 300, True),
        ("later than that", *GOOD, BODY, SECRET, NOW + 301, False),
        ("earlier than that", *GOOD, BODY, SECRET, NOW - 301, False),
        ("another method", "DELETE", *GOOD[1:], BODY, SECRET, NOW, False),
        ("another path", "POST", "/v1/wallet/transfers/", "key-12345", BODY, SECRET, NOW, False),
        ("a query", "POST", "/v1/wallet/transfers?a=b", "key-12345", BODY, SECRET, NOW, False),
        ("another key", "POST", "/v1/wallet/transfers", "key-12346", BODY, SECRET, NOW, False),
        ("no key", "POST", "/v1/wallet/transfers", "", BODY, SECRET, NOW, False),
        ("another body", *GOOD, BODY.replace(b"1", b"9"), SECRET, NOW, False),
        ("no body", *GOOD, b"", SECRET, NOW, False),
        ("another session's secret", *GOOD, BODY, bytes(32), NOW, False),
    ],
)
def test_a_proof_holds_for(
    name: str, method: str, target: str, key: str, body: bytes, secret: bytes, now_s: float, holds: bool
) -> None:
    given = proof(SECRET, *GOOD[:2], NOW, GOOD[2], BODY)
    assert proves(given, secret, method, target, now_s, key, body) is holds


@pytest.mark.parametrize(
    "given", ["", ".", "1800000000", "1800000000.", "x.y", "-1.00", "１８.00", "1" * 5000 + ".00", "1800000000.é", "٣.00"]
)
def test_what_is_no_proof_at_all_holds_for_nothing(given: str) -> None:
    assert not proves(given, SECRET, *GOOD[:2], NOW, GOOD[2], BODY)


def test_seconds_written_another_way_need_a_proof_of_their_own() -> None:
    good = proof(SECRET, *GOOD[:2], NOW, GOOD[2], BODY)
    assert not proves(f"0{good}", SECRET, *GOOD[:2], NOW, GOOD[2], BODY)


def test_secrets_of_two_sessions_or_two_installations_differ() -> None:
    one, other = UUID(int=1), UUID(int=2)
    assert len({binding_of(key, session) for key in (b"a" * 32, b"b" * 32) for session in (one, other)}) == 4


def test_the_written_secret_reads_back() -> None:
    assert read(written(SECRET)) == SECRET and len(written(SECRET)) == 43


def test_a_python_client_shows_a_proof_where_something_changes_and_only_there() -> None:
    session = BoundSession("token", written(SECRET))
    for method, shown in (("GET", False), ("HEAD", False), ("POST", True), ("DELETE", True), ("PUT", True)):
        request = httpx.Request(method, "http://x/v1/wallet/a%20b?q=1", headers={"idempotency-key": "key-12345"}, content=BODY)
        (sent,) = session.auth_flow(request)
        assert sent.headers["authorization"] == "Bearer token"
        assert ("x-tongbao-proof" in sent.headers) is shown
        if shown:
            given = sent.headers["x-tongbao-proof"]
            seconds = int(given.partition(".")[0])
            assert proves(given, SECRET, method, "/v1/wallet/a%20b?q=1", seconds, "key-12345", BODY)
