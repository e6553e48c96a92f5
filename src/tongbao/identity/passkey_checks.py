"""What an authenticator says, checked: that it was asked by us, here, for this, and that it saw its user.

Which page may ask. A passkey belongs to a name (the relying party's id), and the browser writes down which page asked. With a
public address that is https, it and nothing else; without one, pages of this very machine, for a sandbox on a laptop.

Source: W3C Web Authentication Level 3, 7.1 and 7.2.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from webauthn import verify_authentication_response, verify_registration_response
from webauthn.helpers import bytes_to_base64url, parse_authenticator_data, parse_client_data_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorAssertionResponse,
    AuthenticatorAttestationResponse,
    RegistrationCredential,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from tongbao.identity import errors
from tongbao.kernel.errors import Refusal

#: What bytes that are nothing at all make a parser raise.
_NONSENSE = (WebAuthnException, UnsupportedAlgorithm, ValueError, TypeError, LookupError, AttributeError, EOFError)
_LOCAL = re.compile(r"https?://localhost(:[0-9]{1,5})?")


class Assertion(msgspec.Struct, frozen=True):
    """What an authenticator answered to a challenge."""

    credential_id: bytes
    client_data: bytes
    authenticator_data: bytes
    signature: bytes


class Attestation(msgspec.Struct, frozen=True):
    """What an authenticator answered when it made a passkey."""

    credential_id: bytes
    client_data: bytes
    attestation_object: bytes


class RelyingParty:
    """Who asks for passkeys: the name they are made for, and the pages that may ask."""

    def __init__(self, public_url: str) -> None:
        parts = urlsplit(public_url)
        public = parts.scheme == "https" and parts.hostname not in (None, "localhost")
        self.id = str(parts.hostname) if public else "localhost"
        self._origin = f"{parts.scheme}://{parts.netloc}" if public else None

    def origin(self, client_data: bytes) -> str:
        """The page that asked, if it may. Refuses `passkey_wrong`, `passkey_origin`."""
        try:
            asked = parse_client_data_json(client_data).origin
        except _NONSENSE:
            raise Refusal(errors.PASSKEY_WRONG) from None
        if not (asked == self._origin if self._origin else _LOCAL.fullmatch(asked)):
            raise Refusal(errors.PASSKEY_ORIGIN)
        return asked


def challenge_of(client_data: bytes) -> bytes:
    """The challenge that the browser wrote down. Refuses `passkey_wrong`."""
    try:
        return parse_client_data_json(client_data).challenge
    except _NONSENSE:
        raise Refusal(errors.PASSKEY_WRONG) from None


def check_assertion(given: Assertion, public_key: bytes, party: RelyingParty) -> int:
    """The authenticator's counter, if this passkey signed the challenge in it and saw its user. Whether the challenge is ours and
    the counter has grown is looked at elsewhere. Refuses `passkey_origin`, `passkey_unverified`, `passkey_wrong`."""
    origin = party.origin(given.client_data)
    try:
        if not parse_authenticator_data(given.authenticator_data).flags.uv:
            raise Refusal(errors.PASSKEY_UNVERIFIED)
        verified = verify_authentication_response(
            credential=AuthenticationCredential(
                id=_written(given.credential_id),
                raw_id=given.credential_id,
                response=AuthenticatorAssertionResponse(given.client_data, given.authenticator_data, given.signature),
            ),
            expected_challenge=challenge_of(given.client_data),
            expected_rp_id=party.id,
            expected_origin=origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,  # what it was is known where it is decided
            require_user_verification=True,
        )
    except _NONSENSE:
        raise Refusal(errors.PASSKEY_WRONG) from None
    return verified.new_sign_count


def check_attestation(given: Attestation, party: RelyingParty) -> VerifiedRegistration:
    """The passkey that was made. Refuses `passkey_origin`, `passkey_unverified`, `passkey_wrong`."""
    origin = party.origin(given.client_data)
    try:
        verified = verify_registration_response(
            credential=RegistrationCredential(
                id=_written(given.credential_id),
                raw_id=given.credential_id,
                response=AuthenticatorAttestationResponse(given.client_data, given.attestation_object),
            ),
            expected_challenge=challenge_of(given.client_data),
            expected_rp_id=party.id,
            expected_origin=origin,
            require_user_verification=False,  # said apart, by its own name
        )
    except _NONSENSE:
        raise Refusal(errors.PASSKEY_WRONG) from None
    if not verified.user_verified:
        raise Refusal(errors.PASSKEY_UNVERIFIED)
    return verified


def _written(raw: bytes) -> str:
    return bytes_to_base64url(raw)
