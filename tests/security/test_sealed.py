"""A sealed value opens with its key, in its place, as it was: and in no other way."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tongbao.kernel.errors import InvariantBroken
from tongbao.security.sealed import CIPHERS, OVERHEAD, Box, place_of, version_of

KEY = bytes(range(32))
PLACE = place_of(b"bill.note", b"ann")


@pytest.mark.parametrize("cipher", CIPHERS.values(), ids=list(CIPHERS))
@pytest.mark.parametrize("text", [b"", b"a", "张小明".encode(), bytes(10_000)], ids=["nothing", "a byte", "a name", "much"])
def test_what_is_sealed_opens_as_it_was(cipher: int, text: bytes) -> None:
    value = Box(KEY, 513).seal(text, PLACE, cipher)
    assert Box(KEY, 513).open(value, PLACE) == text
    assert (value[0], version_of(value), len(value)) == (cipher, 513, len(text) + OVERHEAD)


@pytest.mark.parametrize("cipher", CIPHERS.values(), ids=list(CIPHERS))
def test_every_single_bit_of_a_value_counts(cipher: int) -> None:
    value = Box(KEY, 1).seal("备注".encode(), PLACE, cipher)
    for bit in range(len(value) * 8):
        altered = bytearray(value)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(InvariantBroken):
            Box(KEY, 1).open(bytes(altered), PLACE)


@pytest.mark.parametrize("cipher", CIPHERS.values(), ids=list(CIPHERS))
@pytest.mark.parametrize(
    ("key", "place"),
    [
        (bytes(32), PLACE),
        (KEY, place_of(b"bill.note", b"ben")),
        (KEY, place_of(b"principal.name", b"ann")),
        (KEY, place_of(b"bill.notea", b"nn")),
        (KEY, b""),
    ],
    ids=["another key", "another person", "another column", "parts cut elsewhere", "nowhere"],
)
def test_a_value_opens_nowhere_else(cipher: int, key: bytes, place: bytes) -> None:
    value = Box(KEY, 1).seal(b"text", PLACE, cipher)
    with pytest.raises(InvariantBroken):
        Box(key, 1).open(value, place)


@pytest.mark.parametrize("length", [0, 1, OVERHEAD - 1])
def test_what_is_too_short_is_no_sealed_value(length: int) -> None:
    value = Box(KEY, 1).seal(b"text", PLACE)[:length]
    with pytest.raises(InvariantBroken):
        Box(KEY, 1).open(value, PLACE)
    with pytest.raises(InvariantBroken):
        version_of(value)


def test_the_same_text_never_looks_the_same_twice() -> None:
    assert len({Box(KEY, 1).seal(b"text", PLACE) for _ in range(100)}) == 100


def test_sm4_in_gcm_is_the_one_of_the_standard() -> None:
    """Source: RFC 8998, A.1 (SM4-GCM test vector)."""
    key, nonce = bytes.fromhex("0123456789abcdeffedcba9876543210"), bytes.fromhex("00001234567800000000abcd")
    plain = bytes.fromhex("aa" * 8 + "bb" * 8 + "cc" * 8 + "dd" * 8 + "ee" * 8 + "ff" * 8 + "ee" * 8 + "aa" * 8)
    encryptor = Cipher(algorithms.SM4(key), modes.GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2"))
    sealed = encryptor.update(plain) + encryptor.finalize()
    assert sealed[:16].hex() == "17f399f08c67d5ee19d0dc9969c4bb7d"
    assert encryptor.tag.hex() == "83de3541e4c2b58177e065a9bf7b62ec"
