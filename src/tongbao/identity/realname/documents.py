"""Documents by which people are known, checked by their form alone: whether they exist is the registries' to say.

    kind                   number                                             who
    resident_id            18: region, birth date, order (odd: male), check   citizens
    hkmt_residence         the same, region 81, 82 or 83                      who is of Hong Kong, Macau or Taiwan and lives here
    hkm_permit             H or M and 8 digits (2 more count the issues)      residents of Hong Kong and Macau who visit
    taiwan_permit          8 digits                                           residents of Taiwan who visit
    passport               as in its machine-readable zone, which is asked for   foreign visitors
    permanent_residence    18, beginning with 9; or 3 letters and 12 digits   foreigners who live here

Source: GB 11643-1999 (the 18 digits, check by ISO 7064 MOD 11-2); Resident Identity Card Law, Art. 5 (terms); Ministry of Public
Security, 2010-03-10 (numbers of permits of Hong Kong and Macau residents); National Immigration Administration, rules for the
2023 permanent residence card, 2 and 3; ICAO Doc 9303-3, 4.9 (check digits) and 9303-4, 4.2 (passports).
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final, Literal, NamedTuple

import msgspec
from stdnum import numdb
from stdnum.cn import ric

from tongbao.identity.realname import errors
from tongbao.identity.realname.mrz import Passport, read_passport
from tongbao.kernel.errors import Refusal

DocumentKind = Literal["resident_id", "hkmt_residence", "hkm_permit", "taiwan_permit", "passport", "permanent_residence"]
Sex = Literal["M", "F", "X"]

OF_AGE: Final = 18
#: An identity card issued from this age on has no end.
_LONG_TERM_AGE: Final = 46
_OLDEST_YEARS: Final = 130
#: Numbers of so many digits carry birth date and sex.
_WITH_BIRTH_DATE: Final = 18

#: Kind -> the longest term in years it is issued for.
_LONGEST_TERM: dict[str, int] = {
    "resident_id": 20, "hkmt_residence": 5, "hkm_permit": 10, "taiwan_permit": 5, "passport": 10, "permanent_residence": 10,
}  # fmt: skip


class _Form(NamedTuple):
    """How a number looks: its pattern, and what to say where it does not."""

    pattern: re.Pattern[str]
    zh: str
    en: str


_FORMS: dict[str, _Form] = {
    "resident_id": _Form(re.compile(r"[0-9]{17}[0-9X]"), "18 位公民身份号码", "18 digits, the last perhaps an X"),
    "hkmt_residence": _Form(
        re.compile(r"8[123]0000[0-9]{11}[0-9X]"), "以 81、82 或 83 开头的 18 位号码", "18 digits that begin with 81, 82 or 83"
    ),
    "hkm_permit": _Form(re.compile(r"[HM][0-9]{8}(?:[0-9]{2})?"), "H 或 M 加 8 位数字", "H or M and 8 digits"),
    "taiwan_permit": _Form(re.compile(r"[0-9]{8}"), "8 位数字", "8 digits"),
    "passport": _Form(re.compile(r"[A-Z0-9]{5,9}"), "5 至 9 位字母或数字", "5 to 9 letters or digits"),
    "permanent_residence": _Form(
        re.compile(r"9[0-9]{16}[0-9X]|[A-Z]{3}[0-9]{12}"),
        "以 9 开头的 18 位或旧版 15 位号码",
        "18 digits that begin with 9, or 3 letters and 12 digits",
    ),
}

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff\u3007"
_CHINESE_NAME = re.compile(rf"[{_HAN}]+(?:·[{_HAN}]+)*")
_LATIN_NAME = re.compile(r"[A-Z]+(?:['.-]?[ ]?[A-Z]+)*\.?")
_DOTS = str.maketrans("•・．‧∙⋅", "······")
#: Kinds whose bearers have a name in Chinese.
_CHINESE: frozenset[str] = frozenset({"resident_id", "hkmt_residence", "hkm_permit", "taiwan_permit"})


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A document as its bearer tells it. What its number or machine-readable zone says need not be said again, and must agree.

    expires_on  None: it has no end
    """

    kind: DocumentKind
    number: str
    name: str = ""
    name_latin: str = ""
    birth_date: date | None = None
    sex: Sex | None = None
    nationality: str = ""
    issued_on: date | None = None
    expires_on: date | None = None
    mrz: str = ""


class Document(msgspec.Struct, frozen=True):
    """A document whose form is right. `number` is without issue counts: it stays the same person's. `name` is the one the
    registries know: in Chinese where the document has one, else in Latin capitals."""

    kind: DocumentKind
    number: str
    name: str
    name_latin: str
    birth_date: date
    sex: Sex
    nationality: str
    issued_on: date | None
    expires_on: date | None

    @property
    def of_age_on(self) -> date:
        """The day on which the bearer comes of age. Source: Civil Code, Art. 17."""
        return birthday(self.birth_date, OF_AGE)

    @property
    def tells_age(self) -> bool:
        """Whether the number itself carries the birth date."""
        return len(self.number) == _WITH_BIRTH_DATE


def birthday(born: date, age: int) -> date:
    """The day on which somebody reaches an age; born on 29 February, on 1 March of other years."""
    try:
        return born.replace(year=born.year + age)
    except ValueError:
        return date(born.year + age, 3, 1)


def read(claim: Claim, today: date) -> Document:
    """The document that a claim describes. Refuses, in this order: `document_number_form`, `document_region`,
    `document_check_digit`, `mrz_…`, `document_birth_date`, `document_sex`, `document_nationality`, `chinese_name_form`,
    `latin_name_form`, `document_dates`, `document_long_term`, `document_ended`."""
    number = claim.number.strip().replace(" ", "").upper()
    form = _FORMS[claim.kind]
    if form.pattern.fullmatch(number) is None:
        raise Refusal(errors.DOCUMENT_NUMBER_FORM, expected_zh=form.zh, expected_en=form.en)
    passport = read_passport(claim.mrz, today) if claim.kind == "passport" else None
    if passport is not None:
        claim = _as_in_passport(claim, number, passport)
    if len(number) == _WITH_BIRTH_DATE:
        claim = _as_in_number(claim, number)
    born, sex = claim.birth_date, claim.sex
    if born is None or not birthday(born, 0) <= today < birthday(born, _OLDEST_YEARS):
        raise Refusal(errors.DOCUMENT_BIRTH_DATE)
    if sex is None:
        raise Refusal(errors.DOCUMENT_SEX)
    nationality = _nationality(claim, number)
    name, name_latin = _names(claim)
    _check_dates(claim, born, today)
    if claim.kind == "hkm_permit":
        number = number[:9]
    return Document(claim.kind, number, name, name_latin, born, sex, nationality, claim.issued_on, claim.expires_on)


def mask_number(number: str) -> str:
    """110***********1234; of a short number the first and the last two."""
    head, tail = (3, 4) if len(number) >= 12 else (1, 2)
    return number[:head] + "*" * (len(number) - head - tail) + number[-tail:]


def _as_in_number(claim: Claim, number: str) -> Claim:
    """The claim with the birth date and the sex that 18 digits say. Refuses where it said otherwise."""
    # A province, not a county: counties are renamed and joined every year, and a list of them is always behind.
    if claim.kind == "resident_id" and not numdb.get("cn/loc").info(number[:2])[0][1]:
        raise Refusal(errors.DOCUMENT_REGION)
    if ric.calc_check_digit(number) != number[-1]:
        raise Refusal(errors.DOCUMENT_CHECK_DIGIT)
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        raise Refusal(errors.DOCUMENT_BIRTH_DATE) from None
    if claim.birth_date not in (None, born):
        raise Refusal(errors.DOCUMENT_BIRTH_DATE)
    sex: Sex = "M" if int(number[16]) % 2 else "F"
    if claim.sex not in (None, sex):
        raise Refusal(errors.DOCUMENT_SEX)
    return msgspec.structs.replace(claim, birth_date=born, sex=sex)


def _as_in_passport(claim: Claim, number: str, passport: Passport) -> Claim:
    """The claim filled from the machine-readable zone. Refuses `mrz_disagrees` where it said otherwise."""
    said = {
        "number": number, "birth_date": claim.birth_date, "sex": claim.sex, "nationality": claim.nationality.upper() or None,
        "expires_on": claim.expires_on,
    }  # fmt: skip
    for part, value in said.items():
        if value is not None and value != getattr(passport, part):
            raise Refusal(errors.MRZ_DISAGREES, part=part)
    return msgspec.structs.replace(
        claim, birth_date=passport.birth_date, sex=passport.sex, nationality=passport.nationality,
        expires_on=passport.expires_on, name_latin=claim.name_latin or passport.name,
    )  # fmt: skip


def _nationality(claim: Claim, number: str) -> str:
    """The nationality, three letters. Refuses `document_nationality`."""
    given = claim.nationality.strip().upper()
    if claim.kind in _CHINESE:
        if given not in ("", "CHN"):
            raise Refusal(errors.DOCUMENT_NATIONALITY)
        return "CHN"
    if not re.fullmatch(r"[A-Z]{3}", given) or given == "CHN" or (len(number) == 15 and number[:3] != given):
        raise Refusal(errors.DOCUMENT_NATIONALITY)
    return given


def _names(claim: Claim) -> tuple[str, str]:
    """The name the registries know, and the Latin one if there is one. Refuses `chinese_name_form`, `latin_name_form`."""
    chinese = "".join(claim.name.split()).translate(_DOTS)
    latin = " ".join(claim.name_latin.upper().replace("’", "'").replace(",", " ").split())
    if latin and (_LATIN_NAME.fullmatch(latin) is None or len(latin) > 60):
        raise Refusal(errors.LATIN_NAME_FORM)
    if claim.kind in _CHINESE:
        if _CHINESE_NAME.fullmatch(chinese) is None or not 2 <= len(chinese) <= 50:
            raise Refusal(errors.CHINESE_NAME_FORM)
        return chinese, latin
    if not latin:
        raise Refusal(errors.LATIN_NAME_FORM)
    return latin, latin


def _check_dates(claim: Claim, born: date, today: date) -> None:
    """Refuses `document_dates`, `document_long_term`, `document_ended`."""
    issued, expires = claim.issued_on, claim.expires_on
    if issued is not None and not born <= issued <= today:
        raise Refusal(errors.DOCUMENT_DATES)
    if expires is None:
        issued_at_46 = birthday(born, _LONG_TERM_AGE) <= (issued or today)
        if claim.kind != "resident_id" or not issued_at_46:
            raise Refusal(errors.DOCUMENT_LONG_TERM)
        return
    begins = issued or today  # without a day of issue: one issued today could not last longer
    if not born < expires or expires > birthday(begins, _LONGEST_TERM[claim.kind]) or (issued is not None and issued >= expires):
        raise Refusal(errors.DOCUMENT_DATES)
    if expires < today:
        raise Refusal(errors.DOCUMENT_ENDED, expired_on=expires)
