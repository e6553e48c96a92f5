"""Signatures: what the standards' own examples say, what OpenSSL says, and that nothing else passes."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tongbao.security.signatures import (
    ALGORITHMS,
    SM2_USER_ID,
    Algorithm,
    PemError,
    Signer,
    generate,
    load_signer,
    load_verifier,
)
from tongbao.security.sm2_keys import private_pem, public_pem

MESSAGE = "通宝 message".encode()
KEYS: dict[Algorithm, Signer] = {algorithm: generate(algorithm) for algorithm in ALGORITHMS}
each = pytest.mark.parametrize("algorithm", ALGORITHMS)


@each
def test_a_signature_is_of_its_key_its_message_and_its_algorithm_only(algorithm: Algorithm) -> None:
    signer = KEYS[algorithm]
    verifier = load_verifier(signer.public_pem(), algorithm)
    signature = signer.sign(MESSAGE)
    assert verifier.verify(MESSAGE, signature) and verifier.algorithm == signer.algorithm == algorithm
    assert not verifier.verify(MESSAGE + b" ", signature)
    assert not verifier.verify(b"", signature)
    assert not load_verifier(generate(algorithm).public_pem(), algorithm).verify(MESSAGE, signature)
    for place in (0, len(signature) // 2, len(signature) - 1):
        altered = bytearray(signature)
        altered[place] ^= 1
        assert not verifier.verify(MESSAGE, bytes(altered))


@each
@pytest.mark.parametrize("signature", [b"", b"\x00", b"\x30\x00", bytes(64), bytes(256), b"\xff" * 5_000], ids=len)
def test_what_is_no_signature_is_a_no_and_no_error(algorithm: Algorithm, signature: bytes) -> None:
    assert not load_verifier(KEYS[algorithm].public_pem(), algorithm).verify(MESSAGE, signature)


@each
def test_keys_come_back_from_their_texts(algorithm: Algorithm) -> None:
    signer = KEYS[algorithm]
    again = load_signer(signer.private_pem(), algorithm)
    assert again.public_pem() == signer.public_pem() and again.private_pem() == signer.private_pem()
    assert load_verifier(signer.public_pem(), algorithm).public_pem() == signer.public_pem()
    assert load_verifier(signer.public_pem(), algorithm).verify(MESSAGE, again.sign(MESSAGE))


@each
def test_a_key_of_another_kind_is_refused(algorithm: Algorithm) -> None:
    for other in ALGORITHMS:
        if other.startswith("RSA") != algorithm.startswith("RSA") or not other.startswith("RSA"):
            if other == algorithm:
                continue
            with pytest.raises(PemError):
                load_verifier(KEYS[other].public_pem(), algorithm)
            with pytest.raises(PemError):
                load_signer(KEYS[other].private_pem(), algorithm)
    for text in ("", "no key", KEYS[algorithm].public_pem()[:-40], KEYS[algorithm].private_pem()):
        with pytest.raises(PemError):
            load_verifier(text, algorithm)
    with pytest.raises(PemError):
        load_signer(KEYS[algorithm].public_pem(), algorithm)


def test_an_rsa_signature_passes_with_its_own_padding_only() -> None:
    pem = KEYS["RSA-SHA256"].private_pem()
    for one, other in (("RSA-SHA256", "RSA-PSS-SHA256"), ("RSA-PSS-SHA256", "RSA-SHA256")):
        signer = load_signer(pem, one)  # type: ignore[arg-type]
        assert not load_verifier(signer.public_pem(), other).verify(MESSAGE, signer.sign(MESSAGE))  # type: ignore[arg-type]


def test_an_rsa_key_that_is_too_short_is_refused() -> None:
    key = rsa.generate_private_key(65_537, 1024)  # noqa: S505 (that is what is tested)
    with pytest.raises(PemError, match="2048"):
        load_signer(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(), "RSA-SHA256")
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    with pytest.raises(PemError, match="2048"):
        load_verifier(public, "RSA-PSS-SHA256")


# ── the standards' own examples ─────────────────────────────────────────────────────────────────────────────────────────


def _pem(kind: str, der: str) -> str:
    return f"-----BEGIN {kind}-----\n{base64.b64encode(bytes.fromhex(der)).decode()}\n-----END {kind}-----\n"


def test_ed25519_signs_as_the_standard_s_example() -> None:
    """Source: RFC 8032, 7.1, test 1."""
    seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    signer = load_signer(_pem("PRIVATE KEY", "302e020100300506032b657004220420" + seed), "Ed25519")
    public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert signer.public_pem() == _pem("PUBLIC KEY", "302a300506032b6570032100" + public)
    assert signer.sign(b"").hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )


SM2_SCALAR = bytes.fromhex("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8")
SM2_POINT = bytes.fromhex(
    "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
)


def test_sm2_verifies_the_standard_s_example_under_the_default_user_only() -> None:
    """Source: GB/T 32918.5-2017, annex A.2."""
    r = 0xF5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3
    s = 0xB1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA
    signature = encode_dss_signature(r, s)
    pem = public_pem(SM2_POINT)
    assert load_verifier(pem, "SM2-SM3").verify(b"message digest", signature)
    assert not load_verifier(pem, "SM2-SM3", user_id=b"ALICE123@YAHOO.COM").verify(b"message digest", signature)
    assert not load_verifier(pem, "SM2-SM3").verify(b"message digesT", signature)
    signer = load_signer(private_pem(SM2_SCALAR, SM2_POINT), "SM2-SM3", user_id=b"ALICE123@YAHOO.COM")
    assert load_verifier(pem, "SM2-SM3", user_id=b"ALICE123@YAHOO.COM").verify(MESSAGE, signer.sign(MESSAGE))
    assert SM2_USER_ID == b"1234567812345678"


def test_what_is_no_point_or_no_number_of_the_curve_is_no_key() -> None:
    with pytest.raises(PemError, match="no point"):
        load_verifier(public_pem(SM2_POINT[:-1] + bytes([SM2_POINT[-1] ^ 1])), "SM2-SM3")
    for scalar in (bytes(32), b"\xff" * 32):
        with pytest.raises(PemError, match="out of range"):
            load_signer(private_pem(scalar, SM2_POINT), "SM2-SM3")
    p256 = ec.generate_private_key(ec.SECP256R1()).public_key()
    with pytest.raises(PemError, match="no public key of SM2"):
        load_verifier(p256.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(), "SM2-SM3")


# ── OpenSSL ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

#: How `openssl pkeyutl -rawin` is told to sign. ML-DSA came with 3.5, which not every Debian has.
OPENSSL: dict[Algorithm, list[str]] = {
    "RSA-PSS-SHA256": ["-digest", "sha256", "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest"],
    "RSA-SHA256": ["-digest", "sha256"],
    "SM2-SM3": ["-digest", "sm3", "-pkeyopt", "distid:1234567812345678"],
    "Ed25519": [],
    "ML-DSA-65": [],
}


def _openssl(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *arguments], capture_output=True, check=False)


@each
def test_openssl_and_we_accept_each_other_s_keys_and_signatures(algorithm: Algorithm, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl")
    if algorithm == "ML-DSA-65" and b"ML-DSA-65" not in _openssl("list", "-signature-algorithms").stdout:
        pytest.skip("this openssl does not know ML-DSA: 3.5 does")
    signer = KEYS[algorithm]
    private, public, message, signature = (tmp_path / name for name in ("private", "public", "message", "signature"))
    private.write_text(signer.private_pem())
    public.write_text(signer.public_pem())
    message.write_bytes(MESSAGE)
    said = _openssl("pkey", "-in", str(private), "-pubout")
    assert said.stdout.decode() == signer.public_pem(), said.stderr
    common = ["-rawin", "-in", str(message), *OPENSSL[algorithm]]
    said = _openssl("pkeyutl", "-sign", "-inkey", str(private), "-out", str(signature), *common)
    assert said.returncode == 0, said.stderr
    verifier = load_verifier(signer.public_pem(), algorithm)
    assert verifier.verify(MESSAGE, signature.read_bytes())
    signature.write_bytes(signer.sign(MESSAGE))
    check = ["pkeyutl", "-verify", "-pubin", "-inkey", str(public), "-sigfile", str(signature), *common]
    said = _openssl(*check)
    assert said.returncode == 0 and b"Success" in said.stdout, said.stderr
    message.write_bytes(MESSAGE + b" ")
    assert _openssl(*check).returncode != 0
    theirs = {"SM2-SM3": ["EC", "-pkeyopt", "ec_paramgen_curve:SM2"], "Ed25519": ["ED25519"], "ML-DSA-65": ["ML-DSA-65"]}
    made = _openssl("genpkey", "-algorithm", *theirs.get(algorithm, ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"])).stdout.decode()
    foreign = load_signer(made, algorithm)
    assert load_verifier(foreign.public_pem(), algorithm).verify(MESSAGE, foreign.sign(MESSAGE))
