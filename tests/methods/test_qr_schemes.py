"""Codes of other schemes are named and never mistaken for ours."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongbao.methods.qr import tlv
from tongbao.methods.qr.api import Foreign, Payee, PublicKeys, read, recognise, static_code
from tongbao.methods.qr.tlv import Field

THAI = "00020101021229370016A000000677010111011300660000000005802TH530376454044.226304E469"
KHMER = (
    "00020101021252044131153137210116372101160123456789ABCDE6010Phnom Penh5913Merchant Shop5802KH540510.005303840"
    "622501081234567802090124444446304A0BA"
)
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def emv(*accounts: tuple[str, str], country: str = "CN", currency: str = "156") -> str:
    fields = [Field("00", "01"), Field("01", "11"), *(Field(*account) for account in accounts)]
    return tlv.seal(tlv.join([*fields, Field("53", currency), Field("58", country), Field("59", "SHOP"), Field("60", "CITY")]))


def guid(name: str) -> str:
    return f"00{len(name):02d}{name}0103123"


@pytest.mark.parametrize(
    ("text", "key", "code"),
    [
        ("https://qr.alipay.com/fkx12345abc", "alipay", "alipay"),
        ("HTTPS://QR.ALIPAY.COM/FKX12345ABC", "alipay", "alipay"),
        ("  https://qr.alipay.com/fkx12345abc\n", "alipay", "alipay"),
        ("alipays://platformapi/startapp?appId=1", "alipay", "alipay"),
        ("281234567890123456", "alipay_payer", "alipay"),
        ("2512345678901234", "alipay_payer", "alipay"),
        ("301234567890123456789012", "alipay_payer", "alipay"),
        ("wxp://f2f0abcdef", "wechat", "wechat"),
        ("weixin://wxpay/bizpayurl?pr=abc", "wechat", "wechat"),
        ("134567890123456789", "wechat_payer", "wechat"),
        ("https://qr.95516.com/00010000/62010000000000", "unionpay", "unionpay"),
        ("6212345678901234567", "unionpay_payer", "unionpay"),
        (KHMER, "unionpay", "unionpay"),
        (emv(("16", "48080009000000")), "unionpay", "unionpay"),
        ("upi://pay?pa=shop@bank&pn=Shop&am=10&cu=INR", "upi", "upi"),
        ("UPI://PAY?pa=shop@bank", "upi", "upi"),
        (emv(("27", guid("A000000524")), country="IN", currency="356"), "upi", "upi"),
        (THAI, "promptpay", "promptpay"),
        (emv(("30", guid("A000000677010112")), country="TH", currency="764"), "promptpay", "promptpay"),
        (emv(("26", guid("SG.PAYNOW")), country="SG", currency="702"), "paynow", "emvco"),
        (emv(("15", "3706"), ("26", guid("SG.PAYNOW")), country="SG", currency="702"), "paynow", "emvco"),
        (emv(("26", guid("A0000006150001")), country="MY", currency="458"), "duitnow", "emvco"),
        (emv(("26", guid("COM.BANK.WWW")), ("51", guid("ID.CO.QRIS.WWW")), country="ID", currency="360"), "qris", "emvco"),
        (emv(("26", guid("br.gov.bcb.pix")), country="BR", currency="986"), "pix", "emvco"),
        (emv(("26", guid("BR.GOV.BCB.PIX")), country="BR", currency="986"), "pix", "emvco"),
        (emv(("29", guid("shop@bank")), country="KH", currency="116"), "khqr", "emvco"),
        (emv(("26", guid("hk.com.hkicl")), country="HK", currency="344"), "fps", "emvco"),
        (emv(("38", guid("A000000727")), country="VN", currency="704"), "vietqr", "emvco"),
        (emv(("29", guid("D15600000000")), ("31", guid("D15600000001"))), "emvco", "emvco"),
        (emv(("05", "5555666677778888")), "emvco", "emvco"),
        (emv(("26", "no template")), "emvco", "emvco"),
        (emv(("38", guid("A005266284662577")), country="LA", currency="418"), "emvco", "emvco"),
        ("hQVDUFYwMWEaTwegAAAAVVVVVw8SNFZ4kBI0WNGRIgESNF8=", "emvco_payer", "emvco"),
        ("https://example.com/pay", "url", "url"),
        ("www.example.com", "url", "url"),
        ("https://qr.alipay.com.example.com/x", "url", "url"),
        ("https://qr.alipay.com:x@example.com/", "url", "url"),
        ("https://qr.alipay.com:443@example.com/", "url", "url"),
        ("https://example.com/?u=https://qr.alipay.com/x", "url", "url"),
        ("https://notqr.95516.com/", "url", "url"),
        ("", "unknown", "unknown"),
        ("hello", "unknown", "unknown"),
        ("6901234567892", "unknown", "unknown"),
        ("13456789012345678", "unknown", "unknown"),
        ("２８１２３４５６７８９０１２３４５６", "unknown", "unknown"),
        ("\ud800", "unknown", "unknown"),
    ],
)
def test_foreign_scheme(text: str, key: str, code: str) -> None:
    scheme = recognise(text)
    assert (scheme.key, scheme.code) == (key, code)
    assert read(text, NOW, PublicKeys({})) == Foreign(scheme)


def test_the_message_says_what_the_customer_can_do() -> None:
    assert recognise("https://qr.alipay.com/x").message.en == "This is an Alipay code; open Alipay to pay it."
    assert recognise("https://qr.alipay.com/x").message.zh == "这是支付宝的收款码，请打开支付宝付款。"
    assert recognise("wxp://f2f0").message.en == "This is a WeChat Pay code; open WeChat to pay it."


def test_our_own_code_is_named_ours() -> None:
    assert recognise(static_code(Payee(merchant_id=UUID(int=1), name="Shop", city="Beijing"), "CNY")).key == "tongbao"


@given(st.text())
def test_any_text_is_named(text: str) -> None:
    for attempt in (text, "000201" + text, "https://" + text):
        scheme = recognise(attempt)
        assert scheme.name.zh and scheme.name.en and scheme.message.zh and scheme.message.en
