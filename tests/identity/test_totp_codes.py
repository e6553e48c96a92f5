"""The codes of authenticator apps, against the standard's own figures, and how people type them."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from tongbao.identity.totp_codes import (
    RECOVERY_CODES,
    RECOVERY_MAC_BYTES,
    address_of,
    code_of,
    recovery_codes,
    recovery_mac,
    recovery_macs,
    step_at,
    step_of,
    typed_code,
    typed_recovery_code,
    typed_secret,
    without,
)

#: RFC 6238, appendix B; of RFC 4226, appendix D, the same.
SECRET = b"12345678901234567890"


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1_111_111_109, "07081804"),
        (1_111_111_111, "14050471"),
        (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"),
        (20_000_000_000, "65353130"),
    ],
)
def test_the_vectors_of_rfc_6238_appendix_b(seconds: int, code: str) -> None:
    assert code_of(SECRET, step_at(moment(seconds)), 8) == code


@pytest.mark.parametrize(
    ("count", "code"),
    list(enumerate(["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"])),
)
def test_the_vectors_of_rfc_4226_appendix_d(count: int, code: str) -> None:
    assert code_of(SECRET, count) == code


@pytest.mark.parametrize(("late", "found"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_is_known_one_step_either_side(late: int, found: bool) -> None:
    now, step = moment(1_111_111_111), step_at(moment(1_111_111_111))
    assert step_of(SECRET, code_of(SECRET, step + late), now) == (step + late if found else 0)


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("123456", "123456"),
        (" 123 456 ", "123456"),
        ("123-456", "123456"),
        ("12345", None),
        ("1234567", None),
        ("１２３４５６", None),
        ("12345a", None),
        ("", None),
    ],
)
def test_six_digits_however_they_are_spaced(typed: str, read: str | None) -> None:
    assert typed_code(typed) == read


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("ABCD-2345-WXYZ", "ABCD2345WXYZ"),
        ("abcd 2345 wxyz", "ABCD2345WXYZ"),
        ("oil0-2345-wxyz", "01102345WXYZ"),
        ("UBCD-2345-WXYZ", None),  # no U: it is taken for V
        ("ABCD-2345", None),
        ("", None),
    ],
)
def test_letters_that_are_taken_for_others_are_read_as_those(typed: str, read: str | None) -> None:
    assert typed_recovery_code(typed) == read


def test_what_the_picture_says() -> None:
    found = urlsplit(address_of(SECRET, "张@example.com"))
    assert (found.scheme, found.netloc, found.path) == ("otpauth", "totp", "/Tongbao%3A%E5%BC%A0%40example.com")
    assert parse_qs(found.query) == {
        "secret": ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"], "issuer": ["Tongbao"], "algorithm": ["SHA1"], "digits": ["6"],
        "period": ["30"],
    }  # fmt: skip
    assert typed_secret(SECRET) == "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def test_a_set_of_recovery_codes_is_told_again_and_is_nobody_elses() -> None:
    codes = recovery_codes(b"key", b"seed")
    assert len(set(codes)) == RECOVERY_CODES
    assert all(typed_recovery_code(code) == code.replace("-", "") for code in codes)
    assert recovery_codes(b"key", b"seed") == codes
    assert not set(codes) & set(recovery_codes(b"key", b"another")) and not set(codes) & set(recovery_codes(b"other", b"seed"))


def test_a_recovery_code_is_spent_once_and_only_by_whose_it_is() -> None:
    codes = recovery_codes(b"key", b"seed")
    macs = recovery_macs(b"pepper", b"owner", codes)
    third = recovery_mac(b"pepper", b"owner", codes[2].replace("-", ""))
    left = without(macs, third)
    assert left is not None and len(left) == (RECOVERY_CODES - 1) * RECOVERY_MAC_BYTES
    assert without(left, third) is None
    assert without(macs, recovery_mac(b"pepper", b"other", codes[2].replace("-", ""))) is None
    assert without(b"", third) is None
