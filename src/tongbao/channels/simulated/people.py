"""Whom the simulated registries know. Everything here is fixed, so that guides and tests may quote it.

The hundred holders of the simulated bank's ordinary accounts (see `demo`), each with a document; those with a Chinese name are
residents, the others foreigners who live here, but every ninth visits with a passport. Every registry keeps a file of its own:

    police, immigration   everybody whose document it issues       education   two residents of three
    bank, mobile          everybody                                vehicles    every second one
    social_insurance, tax everybody but visitors                   business    three companies and their legal persons

The first residents, and the foreigner that guides speak of:

    330106198309100007   张小明        330106198401250075   李雨桐        931840198406100141   Alice Chen
"""

from __future__ import annotations

from datetime import date

import msgspec
from stdnum.cn import uscc

from tongbao.channels.simulated.demo import DEMO_ACCOUNTS, account_number, born_on, eighteen, is_visitor
from tongbao.identity.realname.channels import Registry
from tongbao.identity.realname.documents import Claim, DocumentKind
from tongbao.identity.realname.mrz import mrz_of


class Known(msgspec.Struct, frozen=True):
    """One line of a registry's file. `legal_person`: of a business. `birth_date`, `expires_on`: as in a `Question`, in the files
    of who issues documents. `void`: the document was cancelled."""

    number: str
    name: str
    phone: str = ""
    cards: tuple[str, ...] = ()
    legal_person: str = ""
    void: bool = False
    birth_date: str = ""
    expires_on: str = ""


class DemoPerson(msgspec.Struct, frozen=True):
    """Somebody with a document, as they would fill it in. `mrz` of a passport."""

    kind: DocumentKind
    number: str
    name: str
    phone: str
    card: str
    born: date
    nationality: str
    mrz: str = ""
    expires_on: date = date(2035, 6, 30)
    issued_on: date = date(2025, 7, 1)

    def claim(self) -> Claim:
        """The document as its bearer fills it in."""
        foreign = self.name.isascii()
        return Claim(
            kind=self.kind, number=self.number, name="" if foreign else self.name, name_latin=self.name if foreign else "",
            nationality=self.nationality, issued_on=self.issued_on, expires_on=self.expires_on, mrz=self.mrz,
        )  # fmt: skip


class DemoCompany(msgspec.Struct, frozen=True):
    """A company, and who answers for it."""

    credit_code: str
    name: str
    legal_person: DemoPerson


def _person(index: int) -> DemoPerson:
    account, born = DEMO_ACCOUNTS[index], born_on(index)
    phone, number, name = f"+86{account.phone}", account.document_number, account.holder_name
    if not name.isascii():
        return DemoPerson("resident_id", number, name, phone, account.number, born, "CHN")
    name = name.upper()
    if is_visitor(index, account.holder_name):
        mrz = mrz_of(number, name, "USA", born, "F", date(2035, 6, 30))
        return DemoPerson("passport", number, name, phone, account.number, born, "USA", mrz)
    return DemoPerson("permanent_residence", number, name, phone, account.number, born, "USA")


#: By the index of their bank account.
DEMO_PEOPLE: tuple[DemoPerson, ...] = tuple(_person(index) for index in range(len(DEMO_ACCOUNTS)))
#: Not of age: under 18 until 2031, known to the police, the bank and the mobile operator.
DEMO_CHILD = DemoPerson(
    "resident_id", eighteen("330106", date(2013, 5, 20), 22), "张乐乐", "+8613800000901", account_number("9", 10),
    date(2013, 5, 20), "CHN",
    expires_on=date(2029, 6, 30), issued_on=date(2024, 7, 1),
)  # fmt: skip
#: Whose document was cancelled.
DEMO_VOID = DemoPerson(
    "resident_id",
    eighteen("330106", date(1988, 8, 8), 888),
    "吴作废",
    "+8613800000902",
    "6222029000000115",
    date(1988, 8, 8),
    "CHN",
)


def _company(index: int, name: str) -> DemoCompany:
    body = f"91330106MA2{index:06d}"
    return DemoCompany(body + uscc.calc_check_digit(body), name, DEMO_PEOPLE[index])


DEMO_COMPANIES: tuple[DemoCompany, ...] = (
    _company(3, "杭州山前咖啡有限公司"), _company(4, "上海阿姨水果有限公司"), _company(6, "北京晴天书店有限公司"),
)  # fmt: skip

Files = dict[Registry, dict[str, Known]]


def demo_files() -> Files:
    """Every registry's file: by number, what it knows."""
    files: Files = {
        "police": {}, "immigration": {}, "bank": {}, "mobile": {}, "social_insurance": {}, "tax": {}, "education": {},
        "vehicles": {}, "business": {},
    }  # fmt: skip
    for index, person in enumerate((*DEMO_PEOPLE, DEMO_CHILD, DEMO_VOID)):
        known = Known(person.number, person.name, void=person is DEMO_VOID)
        resident = person.kind == "resident_id"
        issued = msgspec.structs.replace(known, birth_date=str(person.born), expires_on=str(person.expires_on))
        files["police" if resident else "immigration"][person.number] = issued
        files["bank"][person.number] = msgspec.structs.replace(known, phone=person.phone, cards=(person.card,))
        files["mobile"][person.number] = msgspec.structs.replace(known, phone=person.phone)
        if person is DEMO_CHILD:
            continue
        if person.kind != "passport":
            files["social_insurance"][person.number] = files["tax"][person.number] = known
        if resident and index % 3 != 1:
            files["education"][person.number] = known
        if index % 2 == 0:
            files["vehicles"][person.number] = known
    for company in DEMO_COMPANIES:
        files["business"][company.credit_code] = Known(company.credit_code, company.name, legal_person=company.legal_person.name)
    return files
