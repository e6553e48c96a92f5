"""What passkeys and signing keys leave behind, and how strongly they confirm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import gmssl_pyx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from tests.identity.test_ladder import adding, enrolling
from tests.support.leavings import rows
from tests.support.town import NOON, RIGHT, Town, town
from tongbao.engine.api import MemoryStore
from tongbao.identity.alerts import ALERT
from tongbao.identity.authority import Authority, normal_key, signed
from tongbao.identity.certificates import CERTIFICATE, LIVES
from tongbao.identity.factors import INHERENCE, KNOWLEDGE, POSSESSION, SIGNATURE, strength
from tongbao.identity.passkeys import PASSKEY
from tongbao.identity.standing import STANDING
from tongbao.identity.types import CertificateConfirmation, PasskeyConfirmation
from tongbao.kernel.errors import Refusal
from tongbao.wallet.types import BILL

LATER = timedelta(seconds=7)


async def test_a_passkey_confirms_by_two_factors_and_keeps_its_count() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer, payee = await place.customer(500), await place.customer()
        added = adding(place, customer)
        await place.happens(added)
        place.clock.advance(LATER)
        await place.happens(place.transferring(customer, payee, 30, PasskeyConfirmation(added.passkey_id, 8)))
    (passkey,) = rows(store, PASSKEY)
    assert (passkey.counter, passkey.created_at, passkey.used_at) == (8, NOON, NOON + LATER)
    factors = {each.direction: each.factors for each in rows(store, BILL)[-2:]}["out"]
    assert factors == POSSESSION | INHERENCE and strength(factors) == "medium"
    assert rows(store, STANDING)[0].cooling_until == NOON + timedelta(days=1)
    assert [each.kind for each in rows(store, ALERT)] == ["passkey_added"]


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [(0, 0, "ok"), (0, 1, "ok"), (5, 6, "ok"), (5, 5, "passkey_cloned"), (5, 4, "passkey_cloned"), (5, 0, "passkey_cloned")],
)
async def test_a_count_only_grows(before: int, now: int, said: str) -> None:
    async with town() as place:
        customer = await place.customer(500)
        added = replace(adding(place, customer), counter=before)
        await place.happens(added)
        confirmation = PasskeyConfirmation(added.passkey_id, now)
        assert await place.says(place.transferring(customer, await place.customer(), 30, confirmation)) == said


async def test_a_passkey_needs_no_pin() -> None:
    async with town() as place:
        customer = await place.customer(pin=False)
        added = adding(place, customer)
        await place.happens(added)
        wish = place.transferring(customer, await place.customer(), 1, PasskeyConfirmation(added.passkey_id, 8))
        assert await place.says(wish) == "insufficient_funds"


async def test_a_signature_with_the_pin_is_strong() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer, certificate = await enrolled_customer(place, 500)
        confirmation = CertificateConfirmation(certificate, RIGHT.mac)
        await place.happens(place.transferring(customer, await place.customer(), 30, confirmation))
    factors = {each.direction: each.factors for each in rows(store, BILL)[-2:]}["out"]
    assert factors == KNOWLEDGE | POSSESSION | SIGNATURE and strength(factors) == "strong"
    (row,) = rows(store, CERTIFICATE)
    assert (row.created_at, row.expires_at, row.revoked_at) == (NOON, NOON + LIVES, None)
    assert [each.kind for each in rows(store, ALERT)] == ["passkey_added", "certificate_added"]


async def enrolled_customer(place: Town, minor: int) -> tuple[UUID, UUID]:
    """A customer with a signing key."""
    wish = await enrolling(place, minor)
    await place.happens(wish)
    return wish.customer_id, wish.certificate_id


KEY, CUSTOMER, CERTIFICATE_ID = b"k" * 32, UUID(int=5), UUID(int=(1 << 127) + 9)
BEGINS = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_an_issued_certificate_is_the_authoritys_and_names_nobody() -> None:
    key = Ed25519PrivateKey.generate()
    authority = Authority(KEY)
    issued = x509.load_der_x509_certificate(
        authority.issue(CERTIFICATE_ID, CUSTOMER, key.public_key().public_bytes_raw(), BEGINS, BEGINS + LIVES)
    )
    own = x509.load_der_x509_certificate(authority.own())
    issued.verify_directly_issued_by(own)
    own.verify_directly_issued_by(own)
    assert issued.serial_number == CERTIFICATE_ID.int and issued.public_key() == key.public_key()
    assert [each.value for each in issued.subject] == [str(CUSTOMER)]
    assert not issued.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert own.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert Authority(KEY).own() == authority.own() != Authority(b"j" * 32).own()


def test_signatures_of_both_kinds_hold_for_their_text_and_key_only() -> None:
    ed = Ed25519PrivateKey.generate()
    sm2_public, sm2_private = gmssl_pyx.sm2_key_generate()
    for algorithm, public, signature in (
        ("ed25519", ed.public_key().public_bytes_raw(), ed.sign("付款\n".encode())),
        ("sm2", sm2_public, gmssl_pyx.sm2_sign(sm2_private, sm2_public, "付款\n".encode())),
    ):
        other = (
            gmssl_pyx.sm2_key_generate()[0]
            if algorithm == "sm2"
            else Ed25519PrivateKey.generate().public_key().public_bytes_raw()
        )
        assert signed(algorithm, public, "付款\n", signature)  # type: ignore[arg-type]
        for key, text, given in (
            (public, "付款", signature), (other, "付款\n", signature), (public, "付款\n", b""), (public, "付款\n", bytes(64)),
            (public, "付款\n", signature[:-1] + bytes([signature[-1] ^ 1])),
        ):  # fmt: skip
            assert not signed(algorithm, key, text, given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("algorithm", "raw"),
    [("ed25519", b""), ("ed25519", bytes(31)), ("sm2", b""), ("sm2", bytes(64)), ("sm2", b"\x04" + bytes(64))],
)
def test_what_is_no_key_is_refused(algorithm: str, raw: bytes) -> None:
    with pytest.raises(Refusal, match=r"^public_key_format$"):
        normal_key(algorithm, raw)  # type: ignore[arg-type]
