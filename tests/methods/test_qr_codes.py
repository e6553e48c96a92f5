"""Our own codes: what is written is read, what is altered is refused, and a camera can read the picture."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tongbao.kernel.errors import Refusal
from tongbao.methods.qr import tlv
from tongbao.methods.qr.api import (
    CodeSigner,
    DynamicCode,
    Foreign,
    Payee,
    PublicKeys,
    StaticCode,
    dynamic_code,
    read,
    static_code,
)
from tongbao.methods.qr.emvco import build, parse
from tongbao.methods.qr.tlv import Field

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SIGNER = CodeSigner.from_seed(bytes(range(32)), "2026-11")
MERCHANT, STORE, PAYMENT = (UUID(int=0x0193_4567_89AB_7CDE_8123_4567_89AB_CD00 + last) for last in (1, 2, 3))
PAYEE = Payee(merchant_id=MERCHANT, store_id=STORE, name="老王面馆", city="杭州市", store_label="A1", mcc="5812")
STATIC = static_code(PAYEE, "CNY", 1250)


def order(signer: CodeSigner = SIGNER, **changes: Any) -> str:
    given_: dict[str, Any] = {
        "payee": PAYEE,
        "payment_id": PAYMENT,
        "currency": "CNY",
        "amount_minor": 1250,
        "reference": "T20261121-000042",
        "expires_at": NOW + timedelta(minutes=15),
    }
    return dynamic_code(signer, **(given_ | changes))


ORDER = order()


def outcome(text: str, now: datetime = NOW) -> str:
    """The refusal's code, `foreign`, or `accepted`."""
    try:
        return "foreign" if isinstance(read(text, now, SIGNER), Foreign) else "accepted"
    except Refusal as refusal:
        return refusal.code.name


def resealed(text: str) -> str:
    """`text` with the checksum that it should have: a forger knows how to count."""
    return text[:-4] + tlv.checksum(text[:-4])


def test_static_code() -> None:
    assert read(STATIC, NOW, PublicKeys({})) == StaticCode(
        merchant_id=MERCHANT,
        store_id=STORE,
        currency="CNY",
        amount_minor=1250,
        name="老王面馆",
        city="杭州市",
        store_label="A1",
    )
    assert build(parse(STATIC)) == STATIC
    open_amount = read(static_code(Payee(merchant_id=MERCHANT, name="Lao Wang", city="Hangzhou"), "JPY"), NOW, SIGNER)
    assert isinstance(open_amount, StaticCode)
    assert (open_amount.amount_minor, open_amount.store_id, open_amount.currency, open_amount.city) == (
        None,
        None,
        "JPY",
        "Hangzhou",
    )


def test_dynamic_code() -> None:
    assert read(ORDER, NOW, SIGNER) == DynamicCode(
        merchant_id=MERCHANT,
        store_id=STORE,
        payment_id=PAYMENT,
        currency="CNY",
        amount_minor=1250,
        reference="T20261121-000042",
        expires_at=NOW + timedelta(minutes=15),
        key_id="2026-11",
        name="老王面馆",
        city="杭州市",
        store_label="A1",
    )
    assert build(parse(ORDER)) == ORDER


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (timedelta(0), "accepted"),
        (timedelta(seconds=59), "accepted"),
        (timedelta(seconds=59, microseconds=999_999), "accepted"),
        (timedelta(seconds=60), "code_expired"),
        (timedelta(days=400), "code_expired"),
    ],
)
def test_expiry_to_the_second(after: timedelta, expected: str) -> None:
    text = order(expires_at=NOW + timedelta(seconds=60, microseconds=400_000))
    assert outcome(text, NOW + after) == expected


def test_a_forged_code_is_called_forged_even_when_it_is_also_old() -> None:
    assert outcome(resealed(ORDER.replace("540512.50", "540599.50")), NOW + timedelta(days=1)) == "code_signature_invalid"


def test_every_single_character_altered_and_resealed_is_noticed_in_a_dynamic_code() -> None:
    for at in range(len(ORDER) - 4):
        for other in {"0", "1", "9", "A", "z", "-", "市", chr(ord(ORDER[at]) ^ 1)} - {ORDER[at]}:
            altered = resealed(ORDER[:at] + other + ORDER[at + 1 :])
            assert outcome(altered) in ("code_signature_invalid", "code_malformed", "foreign"), (at, other)


def test_every_single_character_dropped_doubled_or_swapped_and_resealed_is_noticed() -> None:
    for at in range(len(ORDER) - 9):
        dropped, doubled = ORDER[:at] + ORDER[at + 1 :], ORDER[:at] + ORDER[at] + ORDER[at:]
        swapped = ORDER[:at] + ORDER[at + 1] + ORDER[at] + ORDER[at + 2 :]
        for altered in {dropped, doubled, swapped} - {ORDER}:
            assert outcome(resealed(altered)) in ("code_signature_invalid", "code_malformed", "foreign"), at


@pytest.mark.parametrize("text", [STATIC, ORDER], ids=["static", "dynamic"])
def test_every_single_misread_character_is_noticed(text: str) -> None:
    for at in range(len(text)):
        for other in {"0", "5", "A", "a", "~", " ", chr(ord(text[at]) ^ 2)} - {text[at]}:
            misread = text[:at] + other + text[at + 1 :]
            assert outcome(misread) in ("code_checksum", "code_malformed", "foreign"), (at, other)


def field_list(text: str) -> list[Field]:
    return list(tlv.unseal(text))


def without(*tags: str) -> str:
    return tlv.seal(tlv.join(field for field in field_list(ORDER) if field.tag not in tags))


def replaced(text: str, tag: str, value: str) -> str:
    return tlv.seal(tlv.join(Field(tag, value) if field.tag == tag else field for field in field_list(text)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (without("81"), "code_signature_invalid"),
        (without("80"), "code_signature_invalid"),
        (without("80", "81"), "code_signature_invalid"),
        (replaced(ORDER, "01", "11"), "code_signature_invalid"),
        (replaced(ORDER, "54", "0.01"), "code_signature_invalid"),
        (replaced(ORDER, "53", "392"), "code_signature_invalid"),
        (replaced(ORDER, "59", "SOMEBODY ELSE"), "code_signature_invalid"),
        (replaced(ORDER, "26", "0010io.other"), "code_signature_invalid"),
        (replaced(STATIC, "01", "12"), "code_signature_invalid"),
        # fields behind the signature, or the signature of another order
        (tlv.seal(ORDER[:-8] + "8202OK"), "code_signature_invalid"),
        (tlv.seal(ORDER[:-8] + "82140010io.tongbao"), "code_signature_invalid"),
        (tlv.seal(ORDER[:-88] + order(amount_minor=1)[-88:-8]), "code_signature_invalid"),
        # a static code that is not whole
        (replaced(STATIC, "26", "0010io.tongbao"), "code_malformed"),
        (replaced(STATIC, "26", "0010io.tongbao0122" + "x" * 22), "code_malformed"),
        (replaced(STATIC, "26", "0010io.tongbao0122" + "!" * 22), "code_malformed"),
        (replaced(STATIC, "26", "0010io.tongbao0103abc"), "code_malformed"),
        (tlv.seal(STATIC[:-8] + "27140010io.tongbao"), "code_malformed"),
        (tlv.seal("".join(STATIC[:-8].split("5303156")).replace("540512.50", "")), "code_malformed"),
        # another party's fields beside ours do no harm
        (tlv.seal(STATIC[:-8] + "27140010io.example"), "accepted"),
        (tlv.seal(STATIC[:-8] + "80140010io.example"), "accepted"),
        ("\n " + ORDER + " ", "accepted"),
    ],
)
def test_forgeries(text: str, expected: str) -> None:
    assert outcome(text) == expected


def test_keys_rotate() -> None:
    new_key = Ed25519PrivateKey.generate()
    old_public = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()
    after = CodeSigner(new_key, "2026-12", {"2026-11": old_public})
    before = CodeSigner.from_seed(bytes(range(32)), "2026-11", {"2026-12": new_key.public_key().public_bytes_raw()})
    for text in (ORDER, order(after)):
        for verifier in (before, after, PublicKeys({"2026-11": old_public, "2026-12": new_key.public_key()})):
            assert isinstance(read(text, NOW, verifier), DynamicCode)
    with pytest.raises(Refusal, match="code_signature_invalid"):
        read(ORDER, NOW, CodeSigner(new_key, "2026-12"))
    with pytest.raises(Refusal, match="code_signature_invalid"):
        read(ORDER, NOW, CodeSigner(new_key, "2026-11"))


@pytest.mark.parametrize("key_id", ["", "too-long-1", "a b", "钥"])
def test_key_id_form(key_id: str) -> None:
    with pytest.raises(ValueError, match="key id"):
        CodeSigner.from_seed(bytes(32), key_id)


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"amount_minor": 0}, "code_malformed"),
        ({"amount_minor": -1}, "code_malformed"),
        ({"amount_minor": 10**12}, "amount_too_large"),
        ({"currency": "XXX"}, "currency_unknown"),
        ({"payee": Payee(merchant_id=MERCHANT, name="S", city="C", mcc="58")}, "code_malformed"),
        ({"payee": Payee(merchant_id=MERCHANT, name="S", city="C", country="China")}, "code_malformed"),
    ],
)
def test_what_cannot_be_written(changes: dict[str, Any], refused: str) -> None:
    with pytest.raises(Refusal) as raised:
        order(**changes)
    assert raised.value.code.name == refused


@pytest.mark.parametrize(
    ("name", "city", "latin_name", "latin_city", "local_name", "local_city"),
    [
        ("Lao Wang Noodles", "Hangzhou", "Lao Wang Noodles", "Hangzhou", None, None),
        ("老王面馆", "杭州市", "TONGBAO MERCHANT", "HANGZHOU", "老王面馆", "杭州市"),
        ("Luckin 瑞幸咖啡", "北京", "Luckin", "BEIJING", "Luckin 瑞幸咖啡", "北京"),
        ("Café Zoë", "Zürich", "Cafe Zoe", "Zurich", "Café Zoë", "Zürich"),
        ("Smørrebrød", "Łódź", "Smorrebrod", "Lodz", "Smørrebrød", "Łódź"),
        ("店" * 40, "市" * 40, "TONGBAO MERCHANT", "CN", "店" * 25, "市" * 15),
        ("A" * 40, "B" * 40, "A" * 25, "B" * 15, None, None),
        ("Plain", "某镇", "Plain", "CN", "Plain", "某镇"),
        ("（总店）", "x", "TONGBAO MERCHANT", "x", "（总店）", None),
        ("ＡＢＣ　便利店", "Ａ", "ABC", "A", "ＡＢＣ 便利店", "Ａ"),
        ("🍜", "🏙", "TONGBAO MERCHANT", "CN", "🍜", "🏙"),
        ("  a\n\tb  ", " c ", "a b", "c", None, None),
        ("shop\u202egnp.exe", "\u200bX", "shopgnp.exe", "X", None, None),
        ("", "", "TONGBAO MERCHANT", "CN", None, None),
    ],
)
def test_names(name: str, city: str, latin_name: str, latin_city: str, local_name: str | None, local_city: str | None) -> None:
    code = parse(static_code(Payee(merchant_id=MERCHANT, name=name, city=city), "CNY"))
    assert (code.name, code.city) == (latin_name, latin_city)
    assert (code.local.name if code.local else None, code.local.city if code.local else None) == (local_name, local_city)


def test_a_given_spelling_is_used() -> None:
    payee = Payee(merchant_id=MERCHANT, name="老王面馆", city="义乌", latin_name="LAO WANG MIAN GUAN", latin_city="YIWU")
    code = parse(static_code(payee, "CNY"))
    assert (code.name, code.city) == ("LAO WANG MIAN GUAN", "YIWU")


@settings(max_examples=60)
@given(st.text(), st.text(), st.text(), st.text(), st.uuids(), st.integers(1, 10**11))
def test_any_names_fit_and_come_back(
    name: str, city: str, label: str, reference: str, payment_id: UUID, amount_minor: int
) -> None:
    payee = Payee(merchant_id=MERCHANT, store_id=STORE, name=name, city=city, store_label=label)
    text = order(payee=payee, reference=reference, payment_id=payment_id, amount_minor=amount_minor)
    assert len(text) <= 512
    assert build(parse(text)) == text
    code = read(text, NOW, SIGNER)
    assert isinstance(code, DynamicCode)
    assert (code.payment_id, code.amount_minor) == (payment_id, amount_minor)


def test_the_longest_code_fits() -> None:
    label, latin = "L" * 99, "N" * 99
    payee = Payee(
        merchant_id=MERCHANT,
        store_id=STORE,
        name="店" * 99,
        city="市" * 99,
        store_label=label,
        latin_name=latin,
        latin_city=latin,
    )
    signer = CodeSigner.from_seed(bytes(32), "12345678")
    far = datetime(4000, 1, 1, tzinfo=UTC)
    text = order(signer, payee=payee, reference="R" * 64, amount_minor=999_999_999_999, expires_at=far)
    assert len(text) <= 512
    assert isinstance(read(text, NOW, signer), DynamicCode)


whole_text = st.text(st.characters())
ours_by_name = whole_text.map(lambda tail: resealed("00020126140010io.tongbao" + tail + "63040000"))


@example("000201\udc9963040000")
@example(resealed("00020126140010io.tongbao\ud80063040000"))
@given(whole_text | st.text(st.characters(categories=("Cs", "Nd"))) | whole_text.map("000201".__add__) | ours_by_name)
def test_any_text_is_foreign_or_refused(text: str) -> None:
    assert outcome(text) in ("foreign", "code_malformed", "code_checksum", "code_too_long", "code_signature_invalid")


@settings(max_examples=150)
@given(st.data())
def test_any_damage_and_reseal_of_a_dynamic_code_is_noticed(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(ORDER) - 9))
    end = data.draw(st.integers(start, len(ORDER) - 8))
    patch = data.draw(st.text(max_size=20))
    damaged = ORDER[:start] + patch + ORDER[end:]
    if damaged.strip() != ORDER:
        assert outcome(resealed(damaged)) in ("code_signature_invalid", "code_malformed", "code_checksum", "foreign")
