"""How a customer's yes is written in a request: by PIN, by passkey, or by a certificate's signature."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

import msgspec

from tongbao.identity import errors
from tongbao.identity.evidence import Given, PinAndCode, Signature
from tongbao.identity.passkey_checks import Assertion
from tongbao.kernel import web
from tongbao.kernel.errors import Refusal

Pin = Annotated[str, msgspec.Meta(max_length=200, description="The payment PIN: six digits.")]
TotpCode = Annotated[str, msgspec.Meta(max_length=32, description="Six digits of the customer's authenticator app.")]
#: Bytes in base64url, without padding.
Encoded = Annotated[str, msgspec.Meta(max_length=8192, description="base64url, without padding")]


def decoded(text: str) -> bytes:
    """The bytes of a base64url text. Refuses `encoding_wrong`."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Refusal(errors.ENCODING_WRONG) from None


def encoded(raw: bytes) -> str:
    """Bytes as base64url without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class PasskeyBody(web.Request, frozen=True, kw_only=True, tag_field="kind", tag="passkey"):
    """What `navigator.credentials.get` answered to the challenge of this act (`POST /v1/wallet/acts/challenge`)."""

    credential_id: Encoded
    client_data: Encoded
    authenticator_data: Encoded
    signature: Encoded

    def assertion(self) -> Assertion:
        """Refuses `encoding_wrong`."""
        return Assertion(*map(decoded, (self.credential_id, self.client_data, self.authenticator_data, self.signature)))


class CertificateBody(web.Request, frozen=True, kw_only=True, tag_field="kind", tag="certificate"):
    """A signature over the act's text (`POST /v1/wallet/acts/challenge` says it) with an enrolled key, and the PIN."""

    certificate_id: Annotated[str, msgspec.Meta(max_length=64)]
    signature: Encoded
    pin: Pin


class ConfirmedBody(web.Request, frozen=True, kw_only=True):
    """Base of the bodies of acts: exactly one of `pin` and `confirmation`. `totp` beside `pin` makes two factors of it."""

    pin: Pin | None = None
    totp: TotpCode | None = None
    confirmation: PasskeyBody | CertificateBody | None = None

    def given(self) -> Given:
        """Refuses `confirmation_format`, `encoding_wrong`."""
        if self.confirmation is None and self.pin is not None:
            return self.pin if self.totp is None else PinAndCode(self.pin, self.totp)
        if self.confirmation is None or self.pin is not None or self.totp is not None:
            raise Refusal(errors.CONFIRMATION_FORMAT)
        if isinstance(self.confirmation, PasskeyBody):
            return self.confirmation.assertion()
        certificate_id = web.parse_id(self.confirmation.certificate_id, errors.CERTIFICATE_UNKNOWN)
        return Signature(certificate_id, decoded(self.confirmation.signature), self.confirmation.pin)
