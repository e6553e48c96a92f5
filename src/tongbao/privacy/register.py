"""The register of processing: made from the purposes and from the schema itself, so that it cannot fall behind either.

Source: GDPR Art. 30; PIPL Arts. 51, 55, 56; GB/T 35273-2020, 11.3.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from tongbao.kernel.web import Words
from tongbao.privacy.purposes import CATALOGUE, CATEGORIES, Ground, Purpose, Since
from tongbao.security.classes import Columns

#: What is done for security, in general words (GDPR 30(1)(g)).
MEASURES = Words(
    "个人数据逐人加密，密钥分级保管；每一行有完整性封印，全部变更进入审计链；操作员按最小权限，查看即留痕；密码与支付密码仅存不可逆校验值。",
    "Personal data is encrypted under a key for each person, keys are kept by class; each row is sealed and every change is in "
    "the audit chain; operators have the least privilege and each look is recorded; of passwords and PINs only verifiers are "
    "kept.",
)  # fmt: skip
PEOPLE = Words("个人用户；商户员工；平台操作员", "Customers; merchants' staff; operators")
ABROAD = Words(
    "仅在您单独同意（用途“abroad”）后，向您付款的境外商户提供。",
    "Only with a separate consent (purpose `abroad`), to the merchant abroad whom the person pays.",
)


_PERSONAL = ("C2", "C3")
#: Columns that say whose a row is: opaque, and personal all the same.
NAMES_A_PERSON = frozenset({"customer_id", "principal_id", "payer_id", "payee_id", "owner_id", "person_id", "operator_id"})


class Column(msgspec.Struct, frozen=True):
    """A column of personal data. `class_`: C1 to C3 as in JR/T 0171-2020."""

    column: str
    class_: str = msgspec.field(name="class")


class RegisterCategory(msgspec.Struct, frozen=True):
    """A kind of data, and where it is."""

    category: str
    name: Words
    columns: list[Column]


class Retention(msgspec.Struct, frozen=True):
    """How long data is kept: so many months since something, by a law."""

    months: int
    since: Since
    law: Words


class RegisterLine(msgspec.Struct, frozen=True, kw_only=True):
    """One purpose as the register shows it."""

    purpose: str
    name: Words
    ground: Ground
    basis: Words
    sensitive: bool
    separate_consent: Words | None
    categories: list[str]
    recipients: Words
    retention: Retention
    text_version: int | None


class Register(msgspec.Struct, frozen=True, kw_only=True):
    """The whole register. `unassigned`: columns classed personal that no category names; there should be none."""

    made_at: datetime
    controller: str
    people: Words
    abroad: Words
    measures: Words
    categories: list[RegisterCategory]
    purposes: list[RegisterLine]
    unassigned: list[Column]


def register(columns: Columns, controller: str, now: datetime) -> Register:
    """The register as of now. `columns`: the class of each, as the schema says it."""
    by_table: dict[str, list[Column]] = {}
    for name, column in columns.items():
        if column.kind in _PERSONAL or name.partition(".")[2] in NAMES_A_PERSON:
            by_table.setdefault(name.partition(".")[0], []).append(Column(name, column.kind))
    named = {table for category in CATALOGUE.categories for table in category.tables}
    return Register(
        made_at=now,
        controller=controller,
        people=PEOPLE,
        abroad=ABROAD,
        measures=MEASURES,
        categories=[
            RegisterCategory(each.id, each.name, [column for table in each.tables for column in by_table.get(table, [])])
            for each in CATEGORIES.values()
        ],
        purposes=[_line(purpose) for purpose in CATALOGUE.purposes],
        unassigned=[column for table, columns in by_table.items() if table not in named for column in columns],
    )


def _line(purpose: Purpose) -> RegisterLine:
    kept = purpose.kept
    return RegisterLine(
        purpose=purpose.id,
        name=purpose.name,
        ground=purpose.ground,
        basis=purpose.basis,
        sensitive=purpose.sensitive,
        separate_consent=purpose.separate,
        categories=list(purpose.categories),
        recipients=purpose.recipients,
        retention=Retention(kept.years * 12 + kept.months, kept.since, kept.law),
        text_version=purpose.current.version if purpose.current else None,
    )
