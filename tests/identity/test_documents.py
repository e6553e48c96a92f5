"""Documents by their form: a row is a claim, and what is said of it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from tongbao.identity.realname.documents import Claim, birthday, mask_number, read
from tongbao.identity.realname.mrz import check_digit, mrz_of
from tongbao.kernel.errors import Refusal

TODAY = date(2026, 11, 22)

# The specimen of ICAO Doc 9303-4, Appendix B, issued so that it is valid on the day of the test.
MRZ = mrz_of("L898902C3", "ANNA MARIA ERIKSSON", "UTO", date(1974, 8, 12), "F", date(2032, 4, 15))
SPECIMEN = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10"

CITIZEN = Claim(kind="resident_id", number="11010519491231002X", name="张小明", issued_on=date(2000, 1, 5), expires_on=None)
HK_RESIDENT = Claim(
    kind="hkmt_residence", number="810000199408230021", name="陈大文", issued_on=date(2024, 1, 1), expires_on=date(2029, 1, 1)
)
HK_VISITOR = Claim(
    kind="hkm_permit", number="H1234567801", name="李小龙", birth_date=date(1980, 5, 6), sex="M", issued_on=date(2020, 3, 1),
    expires_on=date(2030, 3, 1),
)  # fmt: skip
TAIWAN = replace(HK_VISITOR, kind="taiwan_permit", number="01234567", issued_on=date(2023, 3, 1), expires_on=date(2028, 3, 1))
PASSPORT = Claim(kind="passport", number="L898902C3", mrz=MRZ, expires_on=date(2032, 4, 15))
CARD_2023 = Claim(
    kind="permanent_residence", number="931840198406100141", name_latin="Alice Chen", nationality="USA",
    issued_on=date(2024, 1, 1), expires_on=date(2034, 1, 1),
)  # fmt: skip
CARD_2017 = replace(CARD_2023, number="USA310087062401", birth_date=date(1987, 6, 24), sex="F", issued_on=date(2019, 1, 1),
                    expires_on=date(2029, 1, 1))  # fmt: skip

VALID = [
    (CITIZEN, "11010519491231002X", date(1949, 12, 31), "F", "CHN"),
    (replace(CITIZEN, number="11010519491231002x"), "11010519491231002X", date(1949, 12, 31), "F", "CHN"),
    (HK_RESIDENT, "810000199408230021", date(1994, 8, 23), "F", "CHN"),
    (HK_VISITOR, "H12345678", date(1980, 5, 6), "M", "CHN"),
    (replace(HK_VISITOR, number="M12345678"), "M12345678", date(1980, 5, 6), "M", "CHN"),
    (TAIWAN, "01234567", date(1980, 5, 6), "M", "CHN"),
    (PASSPORT, "L898902C3", date(1974, 8, 12), "F", "UTO"),
    (CARD_2023, "931840198406100141", date(1984, 6, 10), "F", "USA"),
    (CARD_2017, "USA310087062401", date(1987, 6, 24), "F", "USA"),
]


@pytest.mark.parametrize(("claim", "number", "born", "sex", "nationality"), VALID)
def test_a_document_of_the_right_form_is_read(claim: Claim, number: str, born: date, sex: str, nationality: str) -> None:
    document = read(claim, TODAY)
    assert (document.number, document.birth_date, document.sex, document.nationality) == (number, born, sex, nationality)


def wrong(claim: Claim, code: str, **changes: Any) -> Any:
    return pytest.param(replace(claim, **changes), code, id=f"{claim.kind} {code} {changes}"[:90])


INVALID = [
    wrong(CITIZEN, "document_number_form", number="11010519491231002"),
    wrong(CITIZEN, "document_number_form", number="110105491231002"),
    wrong(CITIZEN, "document_number_form", number="1101051949123100２X"),
    wrong(CITIZEN, "document_number_form", number=""),
    wrong(CITIZEN, "document_region", number="990105194912310026"),
    wrong(CITIZEN, "document_check_digit", number="110105194912310021"),
    wrong(CITIZEN, "document_check_digit", number="11010519491231003X"),
    wrong(CITIZEN, "document_birth_date", number="110105194913310021"),
    wrong(CITIZEN, "document_birth_date", birth_date=date(1949, 12, 30)),
    wrong(CITIZEN, "document_sex", sex="M"),
    wrong(CITIZEN, "document_nationality", nationality="USA"),
    wrong(CITIZEN, "chinese_name_form", name=""),
    wrong(CITIZEN, "chinese_name_form", name="Zhang"),
    wrong(CITIZEN, "chinese_name_form", name="明"),
    wrong(CITIZEN, "chinese_name_form", name="张·"),
    wrong(CITIZEN, "latin_name_form", name_latin="Zhang 小明"),
    wrong(CITIZEN, "document_dates", issued_on=date(2027, 1, 1)),
    wrong(CITIZEN, "document_dates", issued_on=date(1949, 1, 1)),
    wrong(CITIZEN, "document_dates", issued_on=date(2020, 1, 1), expires_on=date(2041, 1, 1)),
    wrong(CITIZEN, "document_dates", issued_on=date(2020, 1, 1), expires_on=date(2020, 1, 1)),
    wrong(CITIZEN, "document_long_term", issued_on=date(1995, 12, 30)),
    wrong(CITIZEN, "document_ended", issued_on=date(2006, 11, 21), expires_on=date(2026, 11, 21)),
    wrong(HK_RESIDENT, "document_number_form", number="330106198309100007"),
    wrong(HK_RESIDENT, "document_long_term", expires_on=None),
    wrong(HK_VISITOR, "document_number_form", number="K12345678"),
    wrong(HK_VISITOR, "document_number_form", number="H123456789"),
    wrong(HK_VISITOR, "document_birth_date", birth_date=None),
    wrong(HK_VISITOR, "document_birth_date", birth_date=date(2026, 11, 23)),
    wrong(HK_VISITOR, "document_birth_date", birth_date=date(1890, 1, 1)),
    wrong(HK_VISITOR, "document_sex", sex=None),
    wrong(TAIWAN, "document_number_form", number="0123456789A"),
    wrong(TAIWAN, "document_dates", issued_on=date(2023, 3, 1), expires_on=date(2028, 3, 2)),
    wrong(PASSPORT, "mrz_form", mrz=""),
    wrong(PASSPORT, "mrz_form", mrz=MRZ.replace("P<", "I<", 1)),
    wrong(PASSPORT, "mrz_form", mrz=MRZ[:-1]),
    wrong(PASSPORT, "mrz_check_digit", mrz=MRZ.replace("L898902C3", "L898902C4")),
    wrong(PASSPORT, "mrz_check_digit", mrz=MRZ.replace("7408122F", "7408132F")),
    wrong(PASSPORT, "mrz_check_digit", mrz=MRZ[:-1] + str((int(MRZ[-1]) + 1) % 10)),
    wrong(PASSPORT, "mrz_disagrees", number="L898902C4"),
    wrong(PASSPORT, "mrz_disagrees", expires_on=date(2032, 4, 16)),
    wrong(PASSPORT, "mrz_disagrees", nationality="SWE"),
    wrong(PASSPORT, "document_ended", number="L898902C3", mrz=SPECIMEN, expires_on=None),
    wrong(CARD_2023, "document_check_digit", number="931840198406100142"),
    wrong(CARD_2023, "document_nationality", nationality=""),
    wrong(CARD_2023, "document_nationality", nationality="CHN"),
    wrong(CARD_2023, "latin_name_form", name_latin=""),
    wrong(CARD_2023, "document_dates", expires_on=date(2034, 1, 2)),
    wrong(CARD_2017, "document_nationality", nationality="GBR"),
    wrong(CARD_2017, "document_number_form", number="USA31008706240"),
]


@pytest.mark.parametrize(("claim", "code"), INVALID)
def test_each_way_of_being_wrong_has_its_own_name(claim: Claim, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        read(claim, TODAY)
    assert refused.value.code.name == code


def test_the_specimen_of_the_standard_has_right_check_digits() -> None:
    """ICAO Doc 9303-3, 4.9, example 1; 9303-4, Appendix B: the specimen was valid on that day of 2012."""
    assert check_digit("520727") == "3"
    assert check_digit("AB2134<<<") == "5"
    document = read(Claim(kind="passport", number="L898902C3", mrz=SPECIMEN), date(2010, 1, 1))
    assert (document.name, document.birth_date, document.expires_on) == (
        "ERIKSSON ANNA MARIA", date(1974, 8, 12), date(2012, 4, 15)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "kept"),
    [("张 小明", "张小明"), ("阿卜杜拉•买买提", "阿卜杜拉·买买提"), ("㐀𠀀", "㐀𠀀")],
)
def test_a_name_is_kept_as_registries_write_it(given: str, kept: str) -> None:
    assert read(replace(CITIZEN, name=given), TODAY).name == kept


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("110105194912311234", "110***********1234"),
        ("USA310087062401", "USA********2401"),
        ("H12345678", "H******78"),
        ("01234567", "0*****67"),
    ],
)
def test_a_number_is_shown_with_its_middle_hidden(number: str, masked: str) -> None:
    assert mask_number(number) == masked


@pytest.mark.parametrize(
    ("born", "age", "day"),
    [
        (date(2008, 11, 22), 18, date(2026, 11, 22)),
        (date(2008, 2, 29), 18, date(2026, 3, 1)),
        (date(2008, 2, 29), 20, date(2028, 2, 29)),
    ],
)
def test_nobody_comes_of_age_a_day_early(born: date, age: int, day: date) -> None:
    assert birthday(born, age) == day
