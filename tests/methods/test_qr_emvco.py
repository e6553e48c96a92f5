"""EMVCo merchant-presented codes: the published vectors, the rules as a table, and round trips."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongbao.kernel.errors import Refusal
from tongbao.methods.qr import emvco, tlv
from tongbao.methods.qr.emvco import AdditionalData, LocalName, MerchantCode, Template, Tip, build, parse
from tongbao.methods.qr.tlv import Field

TRANSPORT = (
    "00020101021229300012D156000000000510A93FO3230Q31280012D15600000001030812345678520441115802CN5914BEST TRANSPORT6007BEIJING"
    "64200002ZH0104最佳运输0202北京540523.7253031565502016233030412340603***0708A60086670902ME"
    "91320016A0112233449988770708123456786304A13A"
)
THAI = "00020101021229370016A000000677010111011300660000000005802TH530376454044.226304E469"
KHMER = (
    "00020101021252044131153137210116372101160123456789ABCDE6010Phnom Penh5913Merchant Shop5802KH540510.005303840"
    "622501081234567802090124444446304A0BA"
)

VECTORS = {
    TRANSPORT: MerchantCode(
        initiation="dynamic",
        accounts=(
            Template("29", (Field("00", "D15600000000"), Field("05", "A93FO3230Q"))),
            Template("31", (Field("00", "D15600000001"), Field("03", "12345678"))),
        ),
        mcc="4111",
        currency="CNY",
        amount_minor=2372,
        tip=Tip("asked"),
        country="CN",
        name="BEST TRANSPORT",
        city="BEIJING",
        additional=AdditionalData(store="1234", customer="***", terminal="A6008667", ask="ME"),
        local=LocalName("ZH", "最佳运输", "北京"),
        private=(Template("91", (Field("00", "A011223344998877"), Field("07", "12345678"))),),
        order=("00", "01", "29", "31", "52", "58", "59", "60", "64", "54", "53", "55", "62", "91"),
    ),
    THAI: MerchantCode(
        initiation="dynamic",
        accounts=(Template("29", (Field("00", "A000000677010111"), Field("01", "0066000000000"))),),
        currency="THB",
        amount_minor=422,
        country="TH",
        order=("00", "01", "29", "58", "53", "54"),
    ),
    KHMER: MerchantCode(
        initiation="dynamic",
        networks=(Field("15", "37210116372101160123456789ABCDE"),),
        mcc="4131",
        currency="USD",
        amount_minor=1000,
        country="KH",
        name="Merchant Shop",
        city="Phnom Penh",
        additional=AdditionalData(bill="12345678", mobile="012444444"),
        order=("00", "01", "52", "15", "60", "59", "58", "54", "53", "62"),
    ),
}


@pytest.mark.parametrize("text", VECTORS, ids=["transport", "thai", "khmer"])
def test_published_vector(text: str) -> None:
    code = parse(text)
    assert code == VECTORS[text]
    assert build(code) == text


def test_checksum_check_value() -> None:
    assert tlv.checksum("123456789") == "29B1"


def test_lengths_count_characters_and_the_checksum_counts_bytes() -> None:
    assert "0104最佳运输" in TRANSPORT
    assert tlv.checksum(TRANSPORT[:-4]) == "A13A"


BASE = {
    "00": "01",
    "01": "11",
    "26": "0010io.example0102AB",
    "52": "5411",
    "53": "156",
    "58": "CN",
    "59": "SHOP",
    "60": "BEIJING",
}


def written(changes: dict[str, str | None]) -> str:
    """A well-sealed code of BASE with some fields changed, dropped (None) or added at the end."""
    fields = {tag: value for tag, value in (BASE | changes).items() if value is not None}
    return tlv.seal("".join(f"{tag}{len(value):02d}{value}" for tag, value in fields.items()))


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({}, None),
        # format and initiation
        ({"00": "02"}, "code_malformed"),
        ({"01": "13"}, "code_malformed"),
        ({"01": "1"}, "code_malformed"),
        ({"01": None}, None),
        # somebody is paid
        ({"26": None}, "code_malformed"),
        ({"26": None, "04": "4000123456789012"}, None),
        ({"26": "no template"}, "code_malformed"),
        ({"26": "0102AB"}, "code_malformed"),
        ({"26": "00" + "33" + "x" * 33}, "code_malformed"),
        # category, currency, country
        ({"52": "541"}, "code_malformed"),
        ({"52": "54１1"}, "code_malformed"),
        ({"53": "999"}, "currency_unknown"),
        ({"53": "CNY"}, "code_malformed"),
        ({"58": "cn"}, "code_malformed"),
        # amounts
        ({"54": "12.50"}, None),
        ({"54": "12.5"}, None),
        ({"54": "12"}, None),
        ({"54": "0.00"}, "code_malformed"),
        ({"54": "12.505"}, "code_malformed"),
        ({"54": "012.50"}, "code_malformed"),
        ({"54": "-1"}, "code_malformed"),
        ({"54": "1e3"}, "code_malformed"),
        ({"54": "1.2.3"}, "code_malformed"),
        ({"54": "12345678901.00"}, "code_malformed"),
        ({"54": "1", "53": None}, "code_malformed"),
        ({"54": "100", "53": "392"}, None),
        ({"54": "100.5", "53": "392"}, "code_malformed"),
        # tips
        ({"55": "01"}, None),
        ({"55": "02", "56": "1.00"}, None),
        ({"55": "03", "57": "11.5"}, None),
        ({"55": "02"}, "code_malformed"),
        ({"55": "03"}, "code_malformed"),
        ({"56": "1.00"}, "code_malformed"),
        ({"55": "01", "57": "5"}, "code_malformed"),
        ({"55": "03", "57": "0"}, "code_malformed"),
        ({"55": "03", "57": "00.00"}, "code_malformed"),
        ({"55": "03", "57": "100"}, "code_malformed"),
        ({"55": "04"}, "code_malformed"),
        # names
        ({"59": "S" * 25}, None),
        ({"59": "S" * 26}, "code_malformed"),
        ({"59": "商店"}, "code_malformed"),
        ({"60": "C" * 15}, None),
        ({"60": "C" * 16}, "code_malformed"),
        ({"61": "1" * 11}, "code_malformed"),
        # additional data
        ({"62": "0503***"}, None),
        ({"62": "0526" + "R" * 26}, "code_malformed"),
        ({"62": "0902AA"}, "code_malformed"),
        ({"62": "0903AME"}, None),
        ({"62": "0901X"}, "code_malformed"),
        ({"62": "0501A0501B"}, "code_malformed"),
        ({"62": "0500"}, "code_malformed"),
        ({"62": "05"}, "code_malformed"),
        # language
        ({"64": "0002zh0102商店"}, None),
        ({"64": "0102商店"}, "code_malformed"),
        ({"64": "0002zh"}, "code_malformed"),
        ({"64": "0003zho0102商店"}, "code_malformed"),
        ({"64": "0002zh0126" + "店" * 26}, "code_malformed"),
        ({"64": "0002zh0102商店0216" + "市" * 16}, "code_malformed"),
        # what we do not know is kept, but must be shaped right
        ({"65": "future"}, None),
        ({"80": "0010io.example0502OK"}, None),
        ({"80": "opaque"}, "code_malformed"),
        # control characters, and a checksum in the middle
        ({"65": "a\nb"}, "code_malformed"),
        ({"63": "A13A", "65": "x"}, "code_malformed"),
    ],
)
def test_rules(changes: dict[str, str | None], refused: str | None) -> None:
    text = written(changes)
    if refused is None:
        assert parse(build(parse(text))) == parse(text)
    else:
        with pytest.raises(Refusal) as raised:
            parse(text)
        assert raised.value.code.name == refused


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("", "code_malformed"),
        ("000201", "code_malformed"),
        ("0002016304", "code_malformed"),
        (THAI[:-1], "code_malformed"),
        (THAI[:-4] + "e469", "code_checksum"),
        (THAI[:-4] + "E468", "code_checksum"),
        (THAI.replace("4.22", "9.22"), "code_checksum"),
        (" " + THAI, "code_malformed"),
        (THAI + "\n", "code_malformed"),
        (THAI[6:12] + THAI[:6] + THAI[12:], "code_malformed"),
        (THAI + "x" * 512, "code_too_long"),
        (THAI[:20] + "\ud800" + THAI[21:], "code_malformed"),
    ],
)
def test_whole_code(text: str, refused: str) -> None:
    with pytest.raises(Refusal) as raised:
        parse(text)
    assert raised.value.code.name == refused


def test_the_limit_is_512_characters_to_the_character() -> None:
    plain = written({})
    fillers: dict[str, str | None] = dict.fromkeys(("65", "66", "67"), "x" * 99)
    last = 512 - len(plain) - 3 * 103 - 4 - 4 - 30
    fillers["69"] = "x" * 30
    assert len(written(fillers | {"68": "x" * last})) == 512
    parse(written(fillers | {"68": "x" * last}))
    with pytest.raises(Refusal, match="code_too_long"):
        written(fillers | {"68": "x" * (last + 1)})


@pytest.mark.parametrize(
    "code",
    [
        MerchantCode(accounts=(Template("80", (Field("00", "io.example"),)),)),
        MerchantCode(networks=(Field("04", "1"), Field("04", "2"))),
        MerchantCode(networks=(Field("04", "1"),), amount_minor=100),
        MerchantCode(networks=(Field("04", "1"),), amount_minor=0, currency="CNY"),
        MerchantCode(networks=(Field("04", ""),)),
        MerchantCode(networks=(Field("04", "x" * 100),)),
        MerchantCode(networks=(Field("04", "1"),), name="S" * 26),
        MerchantCode(networks=(Field("04", "1"),), tip=Tip("fixed")),
        MerchantCode(networks=(Field("04", "1"),), order=("04", "00")),
    ],
)
def test_build_refuses_what_parse_would(code: MerchantCode) -> None:
    with pytest.raises(Refusal, match="code_malformed"):
        build(code)


ans = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=25)
anything = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=12)
tips = st.one_of(
    st.just(Tip("asked")),
    st.integers(1, 10**6).map(lambda minor: Tip("fixed", fixed_minor=minor)),
    st.integers(1, 9999).map(lambda share: Tip("percent", percent_hundredths=share)),
)


@st.composite
def merchant_codes(draw: st.DrawFn) -> MerchantCode:
    def templates(first: int, last: int, least: int) -> tuple[Template, ...]:
        tags = sorted(draw(st.sets(st.integers(first, last), min_size=least, max_size=2)))
        return tuple(Template(f"{tag:02d}", (Field("00", "io.example"), Field("07", draw(anything)))) for tag in tags)

    label = st.none() | ans.map(lambda text: text[:9])
    labels = st.builds(AdditionalData, bill=label, store=label, reference=label, purpose=label)
    return MerchantCode(
        initiation=draw(st.sampled_from([None, "static", "dynamic"])),
        networks=tuple(Field(tag, draw(ans)) for tag in sorted(draw(st.sets(st.sampled_from(["02", "15"]))))),
        accounts=templates(26, 51, 1),
        mcc=draw(st.none() | st.from_regex(r"[0-9]{4}", fullmatch=True)),
        currency=(currency := draw(st.none() | st.sampled_from(["CNY", "JPY", "KWD"]))),
        amount_minor=draw(st.none() | st.integers(1, 10**9)) if currency else None,
        tip=draw(st.none() | tips) if currency else None,
        country="CN",
        name=draw(st.none() | ans),
        city=draw(st.none() | ans.map(lambda text: text[:15])),
        additional=draw(st.none() | labels.filter(lambda data: data != AdditionalData())),
        local=draw(st.none() | st.builds(LocalName, st.just("zh"), anything, st.none() | anything)),
        reserved=tuple(Field(tag, draw(anything)) for tag in draw(st.sampled_from([(), ("65",), ("70", "79")]))),
        private=templates(80, 99, 0),
    )


@given(merchant_codes())
def test_round_trip(code: MerchantCode) -> None:
    text = build(code)
    assert parse(text) == code
    assert build(parse(text)) == text


@given(merchant_codes(), st.data())
def test_the_outer_order_is_kept(code: MerchantCode, data: st.DataObject) -> None:
    fields = tlv.unseal(build(code))
    shuffled = (fields[0], *data.draw(st.permutations(fields[1:])))
    text = tlv.seal(tlv.join(shuffled))
    assert build(parse(text)) == text


@given(st.text() | st.from_regex(re.compile(r"000201([0-9]{2}0[1-9].{1,9}){1,5}")))
def test_arbitrary_text_is_refused_and_nothing_worse(text: str) -> None:
    for attempt in (text, text + "6304" + tlv.checksum((text + "6304").encode(errors="replace").decode())):
        try:
            assert parse(emvco.build(parse(attempt))) == parse(attempt)
        except Refusal as refusal:
            assert refusal.code.name in ("code_malformed", "code_checksum", "code_too_long", "currency_unknown")
