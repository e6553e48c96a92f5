"""Our own codes: the static one on a shop's wall, the dynamic one for a single order.

    id   static                          dynamic
    01   11                              12
    26   00 io.tongbao  01 merchant  02 store (optional)                     ids are 22 characters of base64url
    54   only when fixed                 the order's amount
    62   03 store label                  03 store label, 05 reference (the tail of the merchant's order number)
    64   name and city in their own script, when they are not plain ASCII
    80   –                               00 io.tongbao  01 payment  02 expiry (unix seconds, base 36)  03 key id
    81   –                               00 io.tongbao  01 Ed25519 signature, 80 characters of base 85
    63   checksum                        checksum

Two templates, because a template ends at 99 characters; base 85, because 86 characters of base64 beside the identifier would not
fit in 99 and 80 do, and because it leaves no spare bits to alter. The signature covers every character of the code before it,
and only the checksum follows it. A static code is paper: it cannot be proved, so whoever pays it sees whom they pay first.
"""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from tongbao.kernel.errors import Refusal
from tongbao.methods.qr import emvco
from tongbao.methods.qr.errors import CODE_EXPIRED, CODE_MALFORMED, CODE_SIGNATURE_INVALID
from tongbao.methods.qr.names import MAX_CITY, MAX_NAME, latin_city, latin_name, local_form
from tongbao.methods.qr.schemes import OUR_GUID, Scheme, guids, recognise
from tongbao.methods.qr.signing import SIGNATURE_LENGTH, CodeSigner, CodeVerifier
from tongbao.methods.qr.tlv import CRC_FIELD, Field, join, seal, split, unseal

_ACCOUNT, _PAYMENT, _SIGNATURE = "26", "80", "81"
_GUID = Field("00", OUR_GUID)
_BASE36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_EXPIRY = re.compile(r"[1-9A-Z][0-9A-Z]{0,6}")


class Payee(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a code pays, as shown to the payer. `latin_*` overrides our ASCII spelling; `mcc` is ISO 18245, `country` ISO 3166."""

    merchant_id: UUID
    name: str
    city: str
    store_id: UUID | None = None
    store_label: str | None = None
    mcc: str = "5999"
    country: str = "CN"
    language: str = "zh"
    latin_name: str | None = None
    latin_city: str | None = None


class StaticCode(msgspec.Struct, frozen=True, kw_only=True):
    """A shop's code. Without `amount_minor` the payer types it. Names are as printed and unproved: show the looked-up ones."""

    merchant_id: UUID
    store_id: UUID | None
    currency: str
    amount_minor: int | None
    name: str
    city: str
    store_label: str | None


class DynamicCode(msgspec.Struct, frozen=True, kw_only=True):
    """One order's code, its signature verified and its hour not passed."""

    merchant_id: UUID
    store_id: UUID | None
    payment_id: UUID
    currency: str
    amount_minor: int
    reference: str
    expires_at: datetime
    key_id: str
    name: str
    city: str
    store_label: str | None


class Foreign(msgspec.Struct, frozen=True):
    """Not one of ours: the scheme says whose, and what the customer can do."""

    scheme: Scheme


def static_code(payee: Payee, currency: str, amount_minor: int | None = None) -> str:
    """The text of a shop's code. Refuses `currency_unknown`, `amount_too_large`, `code_malformed` (amount, mcc, country)."""
    return emvco.build(_merchant_code(payee, "static", currency, amount_minor, None, ()))


def dynamic_code(
    signer: CodeSigner,
    payee: Payee,
    *,
    payment_id: UUID,
    currency: str,
    amount_minor: int,
    reference: str,
    expires_at: datetime,
) -> str:
    """The signed text of one order's code, good until `expires_at` (cut to the second). Refuses like `static_code`.

    `reference` is what the merchant searches by; its last 25 printable ASCII characters are carried, to be read by people.
    """
    data = (_GUID, Field("01", pack(payment_id)), Field("02", _base36(int(expires_at.timestamp()))), Field("03", signer.key_id))
    payment = emvco.Template(_PAYMENT, data)
    code = _merchant_code(payee, "dynamic", currency, amount_minor, reference, (payment,))
    body = emvco.body(code)
    head = f"{_SIGNATURE}{len(join([_GUID])) + 4 + SIGNATURE_LENGTH:02d}{join([_GUID])}01{SIGNATURE_LENGTH:02d}"
    return seal(body + head + signer.sign(body + head))


def read(text: str, now: datetime, verifier: CodeVerifier) -> StaticCode | DynamicCode | Foreign:
    """What a scanned or pasted text asks for. White space around it is ignored.

    Refuses, in this order, `code_too_long`, `code_malformed`, `code_checksum` (both for any code of the EMVCo family),
    `code_signature_invalid` and `code_expired`. Never raises anything else, whatever the text.
    """
    text = text.strip()
    if not text.startswith("000201"):
        return Foreign(recognise(text))
    if OUR_GUID not in guids(fields := unseal(text)):
        return Foreign(recognise(text))
    # Another party may use ids 80 and up in a code that also pays through us; only our own make it a signed one.
    dynamic = Field("01", "12") in fields or OUR_GUID in guids(tuple(field for field in fields if field.tag >= "80"))
    if dynamic:
        _verify(text, fields, verifier)
    code = emvco.parse(text)
    return _dynamic(code, now) if dynamic else _static(code)


def pack(value: UUID) -> str:
    """A UUID in 22 characters of base64url."""
    return base64.urlsafe_b64encode(value.bytes).decode().rstrip("=")


def unpack(text: str | None, field: str) -> UUID:
    """The UUID of `pack`. Refuses `code_malformed`, also for a text that `pack` would have written otherwise."""
    if text is not None and re.fullmatch(r"[A-Za-z0-9_-]{22}", text):
        value = UUID(bytes=base64.urlsafe_b64decode(text + "=="))
        if pack(value) == text:
            return value
    raise Refusal(CODE_MALFORMED, field=field)


def _merchant_code(
    payee: Payee,
    initiation: emvco.Initiation,
    currency: str,
    amount_minor: int | None,
    reference: str | None,
    private: tuple[emvco.Template, ...],
) -> emvco.MerchantCode:
    store = (Field("02", pack(payee.store_id)),) if payee.store_id is not None else ()
    name, city = local_form(payee.name, MAX_NAME), local_form(payee.city, MAX_CITY)
    label, short = _ans(payee.store_label, last=False), _ans(reference, last=True)
    return emvco.MerchantCode(
        initiation=initiation,
        accounts=(emvco.Template(_ACCOUNT, (_GUID, Field("01", pack(payee.merchant_id)), *store)),),
        mcc=payee.mcc,
        currency=currency,
        amount_minor=amount_minor,
        country=payee.country,
        name=latin_name(payee.latin_name or payee.name),
        city=latin_city(payee.latin_city or payee.city, payee.country),
        additional=emvco.AdditionalData(store=label, reference=short) if label or short else None,
        # Template 64 must name the merchant, so a Latin name goes with a city in another script.
        local=emvco.LocalName(payee.language, name or latin_name(payee.name), city) if name or city else None,
        private=private,
    )


def _ans(text: str | None, *, last: bool) -> str | None:
    kept = re.sub(r"[^\x20-\x7e]+", "", text or "").strip()
    return (kept[-25:] if last else kept[:25]).strip() or None


def _verify(text: str, fields: tuple[Field, ...], verifier: CodeVerifier) -> None:
    """The signature over the text as it came, not over what we made of it. Refuses `code_signature_invalid`."""
    last = emvco.Template(_SIGNATURE, _inner(fields[-1]))
    payment = next((emvco.Template(field.tag, _inner(field)) for field in fields if field.tag == _PAYMENT), None)
    signature = text[-CRC_FIELD - SIGNATURE_LENGTH : -CRC_FIELD]
    shaped = fields[-1].tag == _SIGNATURE and last.fields == (_GUID, Field("01", signature))
    if not shaped or payment is None or payment.guid != OUR_GUID:
        raise Refusal(CODE_SIGNATURE_INVALID)
    if not verifier.verify(payment.get("03") or "", text[: -CRC_FIELD - SIGNATURE_LENGTH], signature):
        raise Refusal(CODE_SIGNATURE_INVALID)


def _inner(field: Field) -> tuple[Field, ...]:
    try:
        return split(field.value)
    except Refusal:
        raise Refusal(CODE_SIGNATURE_INVALID) from None


def _static(code: emvco.MerchantCode) -> StaticCode:
    account = _account(code)
    if code.initiation != "static" or code.currency is None:
        raise Refusal(CODE_MALFORMED, field="01" if code.currency else "53")
    store = account.get("02")
    return StaticCode(
        merchant_id=unpack(account.get("01"), "26-01"),
        store_id=unpack(store, "26-02") if store is not None else None,
        currency=code.currency,
        amount_minor=code.amount_minor,
        name=code.local.name if code.local else code.name or "",
        city=(code.local.city if code.local else None) or code.city or "",
        store_label=code.additional.store if code.additional else None,
    )


def _dynamic(code: emvco.MerchantCode, now: datetime) -> DynamicCode:
    account = _account(code)
    payment = next(template for template in code.private if template.tag == _PAYMENT)
    expiry = payment.get("02") or ""
    if code.initiation != "dynamic" or code.currency is None or code.amount_minor is None or not _EXPIRY.fullmatch(expiry):
        raise Refusal(CODE_MALFORMED, field=_PAYMENT)
    expires_at = datetime.fromtimestamp(int(expiry, 36), UTC)
    if now >= expires_at:
        raise Refusal(CODE_EXPIRED, expired_at=expires_at.isoformat())
    store = account.get("02")
    return DynamicCode(
        merchant_id=unpack(account.get("01"), "26-01"),
        store_id=unpack(store, "26-02") if store is not None else None,
        payment_id=unpack(payment.get("01"), "80-01"),
        currency=code.currency,
        amount_minor=code.amount_minor,
        reference=(code.additional.reference if code.additional else None) or "",
        expires_at=expires_at,
        key_id=payment.get("03") or "",
        name=code.local.name if code.local else code.name or "",
        city=(code.local.city if code.local else None) or code.city or "",
        store_label=code.additional.store if code.additional else None,
    )


def _account(code: emvco.MerchantCode) -> emvco.Template:
    """Our account in a code that may hold several schemes'; two of ours leave open who is paid. Refuses `code_malformed`."""
    ours = [template for template in code.accounts if template.guid == OUR_GUID]
    if len(ours) != 1:
        raise Refusal(CODE_MALFORMED, field=_ACCOUNT)
    return ours[0]


def _base36(number: int) -> str:
    digits = ""
    while number > 0:
        number, digit = divmod(number, 36)
        digits = _BASE36[digit] + digits
    return digits
