"""Whose code is this? Names the codes of other schemes, so that they are never mistaken for ours.

`recognise` never fails: what nobody claims is `unknown`. A scheme's `key` is exact, its `code` is the coarser word of the HTTP
contract. A payer's code (which a merchant scans) gets another message than a payee's: whoever scanned it can do nothing with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

import msgspec

from tongbao.kernel.errors import Refusal
from tongbao.methods.qr.tlv import CRC_FIELD, Field, split

ContractCode = Literal["alipay", "wechat", "unionpay", "upi", "promptpay", "emvco", "url", "unknown"]
#: The reverse-domain name under which our own fields stand in a code.
OUR_GUID = "io.tongbao"


class Bilingual(msgspec.Struct, frozen=True):
    """One sentence or name, written in both languages."""

    zh: str
    en: str


class Scheme(msgspec.Struct, frozen=True):
    """A family of codes: exact `key`, the contract's `code`, its name, and what the customer can do."""

    key: str
    code: ContractCode
    name: Bilingual
    message: Bilingual


def recognise(text: str) -> Scheme:
    """The scheme that `text`, as scanned or pasted, belongs to. Never raises."""
    text = text.strip()
    for pattern, scheme in _BY_TEXT:
        if pattern.match(text):
            return scheme
    if text.startswith("000201"):
        fields = _fields(text)
        return next((scheme for test, scheme in _BY_FIELDS if test(fields)), EMVCO)
    return UNKNOWN


def guids(fields: tuple[Field, ...]) -> tuple[str, ...]:
    """The unique identifiers in the templates of a code; a template that does not hold fields has none."""
    templates = (field.value for field in fields if "26" <= field.tag <= "51" or field.tag >= "80")
    return tuple(sub.value for value in templates for sub in _subfields(value) if sub.tag == "00")


def _payee(key: str, code: ContractCode, zh: str, en: str, *, app_zh: str | None = None, app_en: str | None = None) -> Scheme:
    message = Bilingual(
        f"这是{zh}的收款码，请打开{app_zh or zh}付款。",  # a name that ends in Latin letters brings its own space
        f"This is {_article(en)} {en} code; open {app_en or en} to pay it.",
    )
    return Scheme(key, code, Bilingual(zh.strip(), en), message)


def _payer(key: str, code: ContractCode, zh: str, en: str) -> Scheme:
    message = Bilingual(
        f"这是{zh}的付款码，只有商家能扫。付款请扫商家的收款码。",
        f"This is someone's {en} payment code, which only a merchant can scan. To pay, scan the merchant's code.",
    )
    return Scheme(key, code, Bilingual(zh, en), message)


def _article(name: str) -> str:
    return "an" if name[0] in "AEIO" else "a"


_BANK_APP = {"app_zh": "支持它的银行 App", "app_en": "a banking app that supports it"}

ALIPAY = _payee("alipay", "alipay", "支付宝", "Alipay")
WECHAT = _payee("wechat", "wechat", "微信支付", "WeChat Pay", app_zh="微信", app_en="WeChat")
UNIONPAY = _payee("unionpay", "unionpay", "银联云闪付", "UnionPay")
UPI = _payee("upi", "upi", "印度 UPI ", "UPI", **_BANK_APP)
PROMPTPAY = _payee("promptpay", "promptpay", "泰国 PromptPay ", "PromptPay", **_BANK_APP)
PAYNOW = _payee("paynow", "emvco", "新加坡 PayNow ", "PayNow", **_BANK_APP)
DUITNOW = _payee("duitnow", "emvco", "马来西亚 DuitNow ", "DuitNow", **_BANK_APP)
QRIS = _payee("qris", "emvco", "印尼 QRIS ", "QRIS", **_BANK_APP)
PIX = _payee("pix", "emvco", "巴西 Pix ", "Pix", **_BANK_APP)
KHQR = _payee("khqr", "emvco", "柬埔寨 KHQR ", "KHQR", **_BANK_APP)
FPS = _payee("fps", "emvco", "香港转数快", "FPS", **_BANK_APP)
VIETQR = _payee("vietqr", "emvco", "越南 VietQR ", "VietQR", **_BANK_APP)
ALIPAY_PAYER = _payer("alipay_payer", "alipay", "支付宝", "Alipay")
WECHAT_PAYER = _payer("wechat_payer", "wechat", "微信支付", "WeChat Pay")
UNIONPAY_PAYER = _payer("unionpay_payer", "unionpay", "银联云闪付", "UnionPay")
EMVCO_PAYER = _payer("emvco_payer", "emvco", "其他钱包", "card or wallet")
TONGBAO = Scheme(
    "tongbao",
    "emvco",
    Bilingual("通宝", "Tongbao"),
    Bilingual("这是通宝的收款码，请用通宝扫一扫付款。", "This is a Tongbao code; scan it with Tongbao to pay it."),
)
EMVCO = Scheme(
    "emvco",
    "emvco",
    Bilingual("其他收款码", "Another payment code"),
    Bilingual(
        "这是其他机构的收款码，请用商家标明的 App 付款。",
        "This payment code belongs to another provider; pay it with an app the merchant names.",
    ),
)
URL = Scheme(
    "url",
    "url",
    Bilingual("网页链接", "Web link"),
    Bilingual("这是一个链接，不是收款码。我们没有打开它。", "This is a web link, not a payment code. We have not opened it."),
)
UNKNOWN = Scheme(
    "unknown",
    "unknown",
    Bilingual("未知的码", "Unknown code"),
    Bilingual(
        "这不是我们认识的收款码。请向商家确认后再扫。",
        "This is not a payment code we know. Check with the merchant and scan again.",
    ),
)

#: The host is really over: neither `qr.alipay.com.example` nor `qr.alipay.com:x@example` is Alipay's.
_HOST_ENDS = r"(?::[0-9]+)?(?:[/?#]|$)"
#: First match wins. Payer codes are digits only: 18 for WeChat Pay, 16 to 24 for Alipay, 19 for UnionPay.
_BY_TEXT: tuple[tuple[re.Pattern[str], Scheme], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.ASCII), scheme)
    for pattern, scheme in (
        (rf"(https?://)?(qr|ur|ds|render|mobilecodec)\.alipay\.com{_HOST_ENDS}|alipays?://|alipayqr://", ALIPAY),
        (rf"wxp://|weixin://|(https?://)?(payapp\.weixin\.qq|wx\.tenpay)\.com{_HOST_ENDS}", WECHAT),
        (rf"(https?://)?qr\.95516\.com{_HOST_ENDS}|upwallet://|uppaywallet://", UNIONPAY),
        (r"upi://", UPI),
        (r"hQVDUFY", EMVCO_PAYER),
        (r"1[0-5][0-9]{16}$", WECHAT_PAYER),
        (r"(2[5-9]|30)[0-9]{14,22}$", ALIPAY_PAYER),
        (r"62[0-9]{17}$", UNIONPAY_PAYER),
        (r"[a-z][a-z0-9+.-]*://\S+$|www\.\S+$", URL),
    )
)


def _named(*names: str) -> Callable[[tuple[Field, ...]], bool]:
    wanted = tuple(name.casefold() for name in names)
    return lambda fields: any(guid.casefold().startswith(wanted) for guid in guids(fields))


def _is_khqr(fields: tuple[Field, ...]) -> bool:
    """KHQR names no scheme: ids 29 and 30 hold a Bakong account, written name@bank."""
    accounts = guids(tuple(field for field in fields if field.tag in ("29", "30")))
    return any("@" in account for account in accounts)


def _is_unionpay(fields: tuple[Field, ...]) -> bool:
    """Ids 15 and 16 are UnionPay's; national schemes often carry one too and are named first."""
    return any(field.tag in ("15", "16") for field in fields)


_BY_FIELDS: tuple[tuple[Callable[[tuple[Field, ...]], bool], Scheme], ...] = (
    (lambda fields: OUR_GUID in guids(fields), TONGBAO),
    (_named("A00000067701011"), PROMPTPAY),
    (_named("SG.PAYNOW"), PAYNOW),
    (_named("A0000006150001"), DUITNOW),
    (_named("ID.CO.QRIS"), QRIS),
    (_named("br.gov.bcb.pix"), PIX),
    (_named("hk.com.hkicl"), FPS),
    (_named("A000000727"), VIETQR),
    (_named("A000000524"), UPI),
    (_is_khqr, KHQR),
    (_is_unionpay, UNIONPAY),
)


def _fields(text: str) -> tuple[Field, ...]:
    """The outer fields, leniently: another scheme's code is named even if its checksum or its last field is odd."""
    return _subfields(text[:-CRC_FIELD] if text[-CRC_FIELD:-4] == "6304" else text)


def _subfields(text: str) -> tuple[Field, ...]:
    try:
        return split(text)
    except Refusal:
        return ()
