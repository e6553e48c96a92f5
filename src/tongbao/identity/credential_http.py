"""Routes of passkeys and signing keys.

A passkey is made and used through the browser's own dialogue: the options of these routes go into `navigator.credentials`, with
every text of base64url decoded, and what it answers comes back the same way.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.params import PathParameter

from tongbao.identity import errors
from tongbao.identity.acts import Act, ActKind
from tongbao.identity.certificates import Algorithm
from tongbao.identity.credential_service import TIMEOUT_MS, CredentialService, NamedCertificate
from tongbao.identity.http import DeviceToken, SessionAnswer, answer, device_name
from tongbao.identity.passkey_checks import Attestation
from tongbao.identity.service import Caller, IdentityService, command_id_for
from tongbao.identity.wire import Encoded, PasskeyBody, Pin, decoded, encoded
from tongbao.kernel import web
from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import parse

PathId = Annotated[str, PathParameter(max_length=64)]
Name = Annotated[str, msgspec.Meta(max_length=200)]
Text = Annotated[str, msgspec.Meta(max_length=200)]
#: COSE: EdDSA, ES256, RS256, in the order in which we like them.
_ALGORITHMS = (-8, -7, -257)


class ActBody(web.Request, frozen=True, kw_only=True):
    """What is to be confirmed. `request_key`: the Idempotency-Key of the act. `counterparty_id`: the order, the merchant
    of a printed code, the customer or the bank account; of a guardian's consent the minor, with the cap of one payment as amount
    and that of a day as `detail`, empty where there is none; of a bank account to be linked the customer, with its number as
    `detail`; of a copy, an erasure or own limits the customer, without a sum, and what each limit becomes as `detail`
    ("daily_amount=500.00,daily_count=", by name)."""

    request_key: Annotated[str, msgspec.Meta(max_length=64)]
    act: ActKind
    counterparty_id: Text
    currency: Text = ""
    amount: Text = ""
    detail: Annotated[str, msgspec.Meta(max_length=2400, pattern=r"^[0-9A-Za-z_.,=-]*$")] = ""


class ActChallenge(msgspec.Struct, frozen=True):
    """`challenge` is for a passkey, `text` for a certificate to sign, to the byte. Good for five minutes, and for this only."""

    challenge: str
    text: str
    rp_id: str
    timeout_ms: int
    user_verification: Literal["required"] = "required"


class PasskeyOptions(msgspec.Struct, frozen=True):
    """What `navigator.credentials.create` needs to make a passkey: one that is found without a name and verifies its user."""

    challenge: str
    rp_id: str
    rp_name: str
    user_id: str
    user_name: str
    algorithms: tuple[int, ...]
    exclude_credentials: list[str]
    timeout_ms: int
    resident_key: Literal["required"] = "required"
    user_verification: Literal["required"] = "required"
    attestation: Literal["none"] = "none"


class AddPasskeyBody(web.Request, frozen=True, kw_only=True):
    """What the browser answered, and what vouches for it: the password, and on a device that is new to the customer the PIN."""

    name: Name
    password: Annotated[str, msgspec.Meta(max_length=1024)]
    pin: Pin | None = None
    credential_id: Encoded
    client_data: Encoded
    attestation_object: Encoded


class PasskeyLine(msgspec.Struct, frozen=True):
    """A passkey of the customer's."""

    passkey_id: str
    name: str
    created_at: datetime
    used_at: datetime | None = None


class PasskeyMade(msgspec.Struct, frozen=True):
    """A passkey was added."""

    passkey_id: str


class LoginOptions(msgspec.Struct, frozen=True):
    """What `navigator.credentials.get` needs for a log-in without a name."""

    challenge: str
    rp_id: str
    timeout_ms: int
    user_verification: Literal["required"] = "required"


class PasskeyLoginBody(web.Request, frozen=True, kw_only=True):
    """What the browser answered, and which device this is."""

    passkey: PasskeyBody
    device_name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    device_token: DeviceToken = ""


class CertificateOptionsBody(web.Request, frozen=True, kw_only=True):
    """The public half of a key that was made on the device: 32 bytes of Ed25519, or 64 of SM2."""

    algorithm: Algorithm
    public_key: Encoded


class CertificateOptions(msgspec.Struct, frozen=True):
    """`text` is what the key signs to be enrolled; `challenge`, what a passkey answers for it."""

    text: str
    challenge: str
    rp_id: str
    timeout_ms: int


class EnrolBody(web.Request, frozen=True, kw_only=True):
    """A key that signed its own enrolment, vouched for by the PIN and a passkey."""

    algorithm: Algorithm
    public_key: Encoded
    name: Name
    signature: Encoded
    pin: Pin
    passkey: PasskeyBody


class CertificateLine(msgspec.Struct, frozen=True):
    """A signing key of the customer's. `x509`: base64url of the DER certificate; null for SM2, whose key we keep as it is."""

    certificate_id: str
    name: str
    algorithm: Algorithm
    public_key: str
    x509: str | None
    created_at: datetime
    expires_at: datetime


class AuthorityAnswer(msgspec.Struct, frozen=True):
    """The certificate of our own authority: base64url of the DER."""

    x509: str


@post("/v1/wallet/acts/challenge", tags=["Identity"], status_code=200)
async def act_challenge(customer: Caller, credentials: CredentialService, data: ActBody) -> ActChallenge:
    """Before confirming by passkey or certificate: a challenge for exactly this act, under exactly this key."""
    if not re.fullmatch(web.KEY_PATTERN, data.request_key):
        raise Refusal(web.KEY_MISSING)
    amount_minor = parse(data.amount, data.currency).minor if data.amount else 0
    counterparty_id = web.parse_id(data.counterparty_id, errors.CHALLENGE_WRONG)
    act = Act(data.act, counterparty_id, amount_minor, data.currency, data.detail)
    text, challenge = credentials.act_challenge(customer, command_id_for(customer, data.request_key), act)
    return ActChallenge(encoded(challenge), text, credentials.party.id, TIMEOUT_MS)


@post("/v1/wallet/passkeys/options", tags=["Identity"], status_code=200)
async def passkey_options(customer: Caller, credentials: CredentialService, identity: IdentityService) -> PasskeyOptions:
    """What the browser needs to make a passkey for this customer."""
    person = await identity.person(customer.principal_id)
    known = await credentials.passkeys(customer.principal_id, None, 100)
    return PasskeyOptions(
        encoded(credentials.passkey_challenge(customer)), credentials.party.id, "Tongbao 通宝",
        encoded(customer.principal_id.bytes), person.login, _ALGORITHMS,
        [encoded(each.passkey.credential_id) for each in known], TIMEOUT_MS,
    )  # fmt: skip


@post("/v1/wallet/passkeys", tags=["Identity"], status_code=201)
async def add_passkey(
    customer: Caller, credentials: CredentialService, data: AddPasskeyBody, key: web.IdempotencyKey
) -> PasskeyMade:
    """Add a passkey. The customer is told of it, and for a day the limits of a new device hold."""
    given = Attestation(*map(decoded, (data.credential_id, data.client_data, data.attestation_object)))
    made = await credentials.add_passkey(command_id_for(customer, key), customer, data.password, data.name, given, data.pin)
    return PasskeyMade(str(made))


@get("/v1/wallet/passkeys", tags=["Identity"])
async def passkeys(
    customer: Caller, credentials: CredentialService, limit: web.Limit = 20, cursor: web.Cursor = None
) -> web.Page[PasskeyLine]:
    """The customer's passkeys, the latest first."""
    place = web.decode_cursor(cursor, tuple[datetime, UUID])
    rows, following = web.page(
        await credentials.passkeys(customer.principal_id, place, limit),
        limit,
        lambda row: (row.passkey.created_at, row.passkey.passkey_id),
    )
    lines = [PasskeyLine(str(row.passkey.passkey_id), row.name, row.passkey.created_at, row.passkey.used_at) for row in rows]
    return web.Page(lines, following)


@delete("/v1/wallet/passkeys/{passkey_id:str}", tags=["Identity"], status_code=204)
async def revoke_passkey(customer: Caller, credentials: CredentialService, passkey_id: PathId) -> None:
    """Trust a passkey no more."""
    await credentials.revoke_passkey(customer, web.parse_id(passkey_id, errors.PASSKEY_UNKNOWN))


@post("/v1/wallet/login/passkey/options", tags=["Identity"], status_code=200)
async def login_options(credentials: CredentialService) -> LoginOptions:
    """A challenge for logging in by passkey; nobody is named, and nothing is stored."""
    return LoginOptions(encoded(credentials.login_challenge()), credentials.party.id, TIMEOUT_MS)


@post("/v1/wallet/login/passkey", tags=["Identity"], status_code=200)
async def log_in_by_passkey(
    request: Request[Any, Any, Any],
    data: PasskeyLoginBody,
    credentials: CredentialService,
    identity: IdentityService,
    secure_cookies: bool,
) -> Response[SessionAnswer]:
    """Log in by passkey. Each challenge opens one session."""
    name = device_name(data.device_name, request)
    logged_in = await credentials.log_in("wallet", data.passkey.assertion(), name, data.device_token)
    return await answer(logged_in, identity, secure_cookies, 200)


@post("/v1/wallet/certificates/options", tags=["Identity"], status_code=200)
async def certificate_options(
    customer: Caller, credentials: CredentialService, data: CertificateOptionsBody
) -> CertificateOptions:
    """What a key and a passkey sign so that the key may be enrolled."""
    text = credentials.enrolment_text(customer, data.algorithm, decoded(data.public_key))
    challenge = credentials.evidence.challenge("certificate", text)
    return CertificateOptions(text, encoded(challenge), credentials.party.id, TIMEOUT_MS)


@post("/v1/wallet/certificates", tags=["Identity"], status_code=201)
async def enrol(customer: Caller, credentials: CredentialService, data: EnrolBody, key: web.IdempotencyKey) -> CertificateLine:
    """Enrol a signing key. Payments that it signs, with the PIN, are confirmed strongly."""
    made = await credentials.enrol(
        command_id_for(customer, key), customer, data.algorithm, decoded(data.public_key), data.name, decoded(data.signature),
        data.pin, data.passkey.assertion(),
    )  # fmt: skip
    return _line(await credentials.certificate(customer.principal_id, made))


@get("/v1/wallet/certificates", tags=["Identity"])
async def certificates(
    customer: Caller, credentials: CredentialService, limit: web.Limit = 20, cursor: web.Cursor = None
) -> web.Page[CertificateLine]:
    """The customer's signing keys, the latest first."""
    place = web.decode_cursor(cursor, tuple[datetime, UUID])
    rows, following = web.page(
        await credentials.certificates(customer.principal_id, place, limit),
        limit,
        lambda row: (row.certificate.created_at, row.certificate.certificate_id),
    )
    return web.Page([_line(row) for row in rows], following)


@delete("/v1/wallet/certificates/{certificate_id:str}", tags=["Identity"], status_code=204)
async def revoke_certificate(customer: Caller, credentials: CredentialService, certificate_id: PathId) -> None:
    """Trust a signing key no more."""
    await credentials.revoke_certificate(customer, web.parse_id(certificate_id, errors.CERTIFICATE_UNKNOWN))


@get("/v1/certificate-authority", tags=["Identity"], security=[])
async def authority(credentials: CredentialService) -> AuthorityAnswer:
    """The certificate of the authority that issues customers' certificates."""
    return AuthorityAnswer(encoded(credentials.authority.own()))


def _line(row: NamedCertificate) -> CertificateLine:
    found = row.certificate
    return CertificateLine(
        str(found.certificate_id), row.name, found.algorithm, encoded(found.public_key), encoded(found.x509) or None,
        found.created_at, found.expires_at,
    )  # fmt: skip


ROUTES = (
    act_challenge, passkey_options, add_passkey, passkeys, revoke_passkey, login_options, log_in_by_passkey, certificate_options,
    enrol, certificates, revoke_certificate, authority,
)  # fmt: skip
