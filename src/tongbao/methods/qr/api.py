"""What the rest of the platform may use of merchant-presented codes."""

from tongbao.methods.qr.codes import DynamicCode, Foreign, Payee, StaticCode, dynamic_code, read, static_code
from tongbao.methods.qr.emvco import MerchantCode, build, parse
from tongbao.methods.qr.errors import CODE_CHECKSUM, CODE_EXPIRED, CODE_MALFORMED, CODE_SIGNATURE_INVALID, CODE_TOO_LONG
from tongbao.methods.qr.picture import svg
from tongbao.methods.qr.schemes import Bilingual, Scheme, recognise
from tongbao.methods.qr.signing import CodeSigner, CodeVerifier, PublicKeys

__all__ = [
    "CODE_CHECKSUM",
    "CODE_EXPIRED",
    "CODE_MALFORMED",
    "CODE_SIGNATURE_INVALID",
    "CODE_TOO_LONG",
    "Bilingual",
    "CodeSigner",
    "CodeVerifier",
    "DynamicCode",
    "Foreign",
    "MerchantCode",
    "Payee",
    "PublicKeys",
    "Scheme",
    "StaticCode",
    "build",
    "dynamic_code",
    "parse",
    "read",
    "recognise",
    "static_code",
    "svg",
]
