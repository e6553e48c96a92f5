"""EMVCo merchant-presented codes, typed: `parse` and `build` are each other's inverse for canonical codes.

Canonical is: ids ascending inside a template, amounts with all of the currency's places, percentages without idle zeros. The
order of the outermost fields is free in the standard and kept (`order`). What the standard calls mandatory but whole countries
leave out (category, name, city) may be missing; what is present must be well formed. One table of rules serves both directions.

Source: EMV QRCPS Merchant-Presented Mode 1.1, tables 3.1 to 3.8 and clause 4.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from tongbao.kernel import money
from tongbao.kernel.errors import AMOUNT_TOO_LARGE, CURRENCY_UNKNOWN, Refusal
from tongbao.methods.qr.errors import CODE_MALFORMED
from tongbao.methods.qr.tlv import Field, join, seal, split, unseal

Initiation = Literal["static", "dynamic"]
TipKind = Literal["asked", "fixed", "percent"]


class Template(msgspec.Struct, frozen=True):
    """A field made of fields whose sub-00 names the party that defines the others (ids 26–51 and 80–99)."""

    tag: str
    fields: tuple[Field, ...]

    def get(self, tag: str) -> str | None:
        """The value of one sub-field."""
        return next((field.value for field in self.fields if field.tag == tag), None)

    @property
    def guid(self) -> str:
        """The globally unique identifier: an AID, a UUID or a reverse domain name."""
        return self.get("00") or ""


class Tip(msgspec.Struct, frozen=True):
    """What the payer adds: asked in the app, a fixed amount, or hundredths of a percent (1150 is 11.5 %)."""

    kind: TipKind
    fixed_minor: int | None = None
    percent_hundredths: int | None = None


class AdditionalData(msgspec.Struct, frozen=True):
    """Template 62. A value of `***` asks the payer for it; `ask` names consumer data wanted: A address, M mobile, E email."""

    bill: str | None = None
    mobile: str | None = None
    store: str | None = None
    loyalty: str | None = None
    reference: str | None = None
    customer: str | None = None
    terminal: str | None = None
    purpose: str | None = None
    ask: str | None = None
    others: tuple[Field, ...] = ()


class LocalName(msgspec.Struct, frozen=True):
    """Template 64: the merchant's name and city in its own language (ISO 639, two letters as written)."""

    language: str
    name: str
    city: str | None = None
    others: tuple[Field, ...] = ()


class MerchantCode(msgspec.Struct, frozen=True, kw_only=True):
    """A whole code. `currency` is alphabetic; `networks` are ids 02–25, `accounts` 26–51, `private` 80–99, `reserved` 65–79.

    `order` lists the outermost ids as they were met, and is empty when they ascend; what it does not name is appended ascending.
    """

    initiation: Initiation | None = None
    networks: tuple[Field, ...] = ()
    accounts: tuple[Template, ...] = ()
    mcc: str | None = None
    currency: str | None = None
    amount_minor: int | None = None
    tip: Tip | None = None
    country: str | None = None
    name: str | None = None
    city: str | None = None
    postcode: str | None = None
    additional: AdditionalData | None = None
    local: LocalName | None = None
    reserved: tuple[Field, ...] = ()
    private: tuple[Template, ...] = ()
    order: tuple[str, ...] = ()


def parse(text: str) -> MerchantCode:
    """Read a code. Refuses `code_too_long`, `code_malformed`, `code_checksum`, `currency_unknown` (no such minor units here)."""
    fields = unseal(text)
    _check(fields)
    has = {field.tag: field.value for field in fields}
    currency = _currency(has["53"]) if "53" in has else None
    order = tuple(has)
    return MerchantCode(
        initiation=_INITIATION[has["01"]] if "01" in has else None,
        networks=tuple(field for field in fields if "02" <= field.tag <= "25"),
        accounts=tuple(Template(field.tag, split(field.value)) for field in fields if "26" <= field.tag <= "51"),
        mcc=has.get("52"),
        currency=currency,
        amount_minor=_amount("54", has["54"], currency) if "54" in has else None,
        tip=_tip(has, currency),
        country=has.get("58"),
        name=has.get("59"),
        city=has.get("60"),
        postcode=has.get("61"),
        additional=_additional(has["62"]) if "62" in has else None,
        local=_local(has["64"]) if "64" in has else None,
        reserved=tuple(field for field in fields if "65" <= field.tag <= "79"),
        private=tuple(Template(field.tag, split(field.value)) for field in fields if field.tag >= "80"),
        order=() if order == tuple(sorted(order)) else order,
    )


def build(code: MerchantCode) -> str:
    """Write a code with its checksum. Refuses what `parse` would, and `amount_too_large` beyond the standard's 13 characters."""
    return seal(body(code))


def body(code: MerchantCode) -> str:
    """The text of a code up to, and without, its checksum field: what a signer completes. Refuses like `build`."""
    fields = {field.tag: field for field in _fields(code)}
    order = [tag for tag in code.order if tag in fields] + sorted(tag for tag in fields if tag not in code.order)
    if order[0] != "00":
        raise Refusal(CODE_MALFORMED, field="00")
    ordered = tuple(fields[tag] for tag in order)
    text = join(ordered)
    _check(ordered)
    return text


# Rules. `ans` is printable ASCII; `s` is any text (control characters are refused below, in tlv).
_ANS = r"[\x20-\x7e]"
_LABELS = {
    "bill": "01",
    "mobile": "02",
    "store": "03",
    "loyalty": "04",
    "reference": "05",
    "customer": "06",
    "terminal": "07",
    "purpose": "08",
}
_RULES = {
    tag: re.compile(pattern, re.DOTALL)
    for tag, pattern in {
        "00": r"01",
        "01": r"1[12]",
        "52": r"[0-9]{4}",
        "53": r"[0-9]{3}",
        "54": r"[0-9.]{1,13}",
        "55": r"0[123]",
        "56": r"[0-9.]{1,13}",
        "57": r"(?!0?0(?:\.0{1,2})?$)[0-9]{1,2}(?:\.[0-9]{1,2})?",
        "58": r"[A-Z]{2}",
        "59": _ANS + r"{1,25}",
        "60": _ANS + r"{1,15}",
        "61": _ANS + r"{1,10}",
    }.items()
}
_NETWORK_RULE = re.compile(_ANS + r"{1,99}")
_GUID_RULE = re.compile(_ANS + r"{1,32}")
_LABEL_RULE = re.compile(_ANS + r"{1,25}")
_ASK_RULE = re.compile(r"(?!.*(.).*\1)[AME]{1,3}")
_LOCAL_RULES = {"00": re.compile(r"[A-Za-z]{2}"), "01": re.compile(r".{1,25}"), "02": re.compile(r".{1,15}")}
_INITIATION: dict[str, Initiation] = {"11": "static", "12": "dynamic"}
_TIP_CODES: dict[TipKind, str] = {"asked": "01", "fixed": "02", "percent": "03"}
_NUMERIC = {numeric: alphabetic for alphabetic, (numeric, _) in money.CURRENCIES.items()}


def _check(fields: tuple[Field, ...]) -> None:
    has = {field.tag: field.value for field in fields}
    if fields[0].tag != "00" or not any("02" <= tag <= "51" for tag in has):
        raise Refusal(CODE_MALFORMED, field="02")
    for tag, value in has.items():
        if tag in _RULES:
            _require(_RULES[tag], value, tag)
        elif tag <= "25":
            _require(_NETWORK_RULE, value, tag)
        elif tag <= "51" or tag >= "80":
            inner = {field.tag: field.value for field in split(value)}
            _require(_GUID_RULE, inner.get("00", ""), f"{tag}-00")
        elif tag == "62":
            for field in split(value):
                if "01" <= field.tag <= "09":
                    _require(_ASK_RULE if field.tag == "09" else _LABEL_RULE, field.value, f"62-{field.tag}")
        elif tag == "64":
            inner = {field.tag: field.value for field in split(value)}
            for sub, rule in _LOCAL_RULES.items():
                if sub in inner or sub != "02":
                    _require(rule, inner.get(sub, ""), f"64-{sub}")
    if ("56" in has) != (has.get("55") == "02") or ("57" in has) != (has.get("55") == "03"):
        raise Refusal(CODE_MALFORMED, field="55")
    if "53" not in has and ("54" in has or "56" in has):
        raise Refusal(CODE_MALFORMED, field="53")


def _require(rule: re.Pattern[str], value: str, field: str) -> None:
    if rule.fullmatch(value) is None:
        raise Refusal(CODE_MALFORMED, field=field)


def _currency(numeric: str) -> str:
    if numeric not in _NUMERIC:
        raise Refusal(CURRENCY_UNKNOWN, currency=numeric)
    return _NUMERIC[numeric]


def _amount(tag: str, text: str, currency: str | None) -> int:
    try:
        return money.parse(text, currency or "").minor
    except Refusal as refusal:
        # The payer typed no amount, so it is the code that is wrong and not their input.
        raise Refusal(CODE_MALFORMED, field=tag, reason=refusal.code.name) from None


def _tip(has: dict[str, str], currency: str | None) -> Tip | None:
    match has.get("55"):
        case "01":
            return Tip("asked")
        case "02":
            return Tip("fixed", fixed_minor=_amount("56", has["56"], currency))
        case "03":
            whole, _, fraction = has["57"].partition(".")
            return Tip("percent", percent_hundredths=int(whole) * 100 + int(fraction.ljust(2, "0")))
    return None


def _additional(value: str) -> AdditionalData:
    inner = {field.tag: field.value for field in split(value)}
    others = tuple(Field(tag, text) for tag, text in inner.items() if not "01" <= tag <= "09")
    return AdditionalData(**{name: inner.get(tag) for name, tag in _LABELS.items()}, ask=inner.get("09"), others=others)


def _local(value: str) -> LocalName:
    inner = {field.tag: field.value for field in split(value)}
    others = tuple(Field(tag, text) for tag, text in inner.items() if tag > "02")
    return LocalName(inner["00"], inner["01"], inner.get("02"), others)


def _fields(code: MerchantCode) -> list[Field]:
    simple = {"52": code.mcc, "58": code.country, "59": code.name, "60": code.city, "61": code.postcode}
    fields = [Field("00", "01"), *code.networks, *code.reserved]
    fields += [Field(tag, value) for tag, value in simple.items() if value is not None]
    fields += [Field(template.tag, join(template.fields)) for template in (*code.accounts, *code.private)]
    if code.initiation is not None:
        fields.append(Field("01", "11" if code.initiation == "static" else "12"))
    if code.currency is not None:
        money.places(code.currency)
        fields.append(Field("53", money.CURRENCIES[code.currency][0]))
    if code.amount_minor is not None:
        fields.append(_amount_field("54", code.amount_minor, code.currency))
    if code.tip is not None:
        fields += _tip_fields(code.tip, code.currency)
    if code.additional is not None:
        labels = [(tag, getattr(code.additional, name)) for name, tag in (*_LABELS.items(), ("ask", "09"))]
        inner = [Field(tag, value) for tag, value in labels if value is not None] + list(code.additional.others)
        fields.append(Field("62", join(sorted(inner, key=lambda field: field.tag))))
    if code.local is not None:
        city = [Field("02", code.local.city)] if code.local.city is not None else []
        fields.append(
            Field("64", join([Field("00", code.local.language), Field("01", code.local.name), *city, *code.local.others]))
        )
    tags = [field.tag for field in fields]
    if len(set(tags)) != len(tags) or not _homes_hold(code):
        raise Refusal(CODE_MALFORMED)
    return fields


def _homes_hold(code: MerchantCode) -> bool:
    homes = [
        ("02", "25", [field.tag for field in code.networks]),
        ("26", "51", [template.tag for template in code.accounts]),
        ("65", "79", [field.tag for field in code.reserved]),
        ("80", "99", [template.tag for template in code.private]),
    ]
    return all(re.fullmatch("[0-9]{2}", tag) and first <= tag <= last for first, last, tags in homes for tag in tags)


def _amount_field(tag: str, minor: int, currency: str | None) -> Field:
    if currency is None or minor <= 0:
        raise Refusal(CODE_MALFORMED, field=tag)
    text = money.format_minor(minor, currency)
    if len(text) > 13:
        raise Refusal(AMOUNT_TOO_LARGE)
    return Field(tag, text)


def _tip_fields(tip: Tip, currency: str | None) -> list[Field]:
    fields = [Field("55", _TIP_CODES[tip.kind])]
    if tip.fixed_minor is not None:
        fields.append(_amount_field("56", tip.fixed_minor, currency))
    if tip.percent_hundredths is not None:
        whole, hundredths = divmod(tip.percent_hundredths, 100)
        fields.append(Field("57", f"{whole}.{hundredths:02d}".rstrip("0").rstrip(".")))
    return fields
