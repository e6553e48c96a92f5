"""The class of every column, as the schema itself says it: one comment on each table names each of its columns once.

    comment on table bank_account is 'C1: bank_account_id, customer_id; C2: bank; C2 sealed: number, holder_name; none: seal'

It is read from the migrations, not from a database: what a program masks must not hang on who may write to the database.
Source: JR/T 0171-2020, 4.2 and appendix A.
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, cast
from uuid import UUID

from tongbao.kernel.migrations import load

Class = Literal["C3", "C2", "C1", "none"]

_COMMENT = re.compile(r"^comment on table (?:public\.)?([a-z_0-9]+) is\s+'([^']*)'\s*;", re.MULTILINE)
_PART = re.compile(r"(C3|C2|C1|none)( sealed)?: ([a-z0-9_]+(?:,\s+[a-z0-9_]+)*)")

#: What requests and settings call what authenticates, besides the columns.
_SECRETS: Final = frozenset(
    {"password", "pin", "token", "secret", "proof", "binding", "authorization", "cookie", "master_key", "bank_key"}
)
#: What requests call what identifies somebody, besides the columns.
_IDENTIFIES: Final = frozenset({"phone", "email", "account_number", "id_number", "document_number", "birth_date", "address"})


class Column(NamedTuple):
    """`sealed`: encrypted under the key of the person it is about."""

    kind: Class
    sealed: bool


#: By "table.column".
Columns = Mapping[str, Column]


def parse(table: str, comment: str) -> dict[str, Column]:
    """The columns of one comment. Raises ValueError for one that says something else, or names a column twice."""
    found: dict[str, Column] = {}
    for part in comment.split(";"):
        match = _PART.fullmatch(" ".join(part.split()))
        if match is None:
            raise ValueError(f"{table}: {part.strip()!r} names no columns of a class")
        for name in match[3].split(","):
            if f"{table}.{name.strip()}" in found:
                raise ValueError(f"{table}.{name.strip()} is named twice")
            found[f"{table}.{name.strip()}"] = Column(cast(Class, match[1]), match[2] is not None)
    return found


def read(packages: Sequence[str]) -> Columns:
    """What the migrations of these packages say; a later comment on a table takes the place of an earlier."""
    by_table: dict[str, dict[str, Column]] = {}
    for migration in load(packages):
        for table, comment in _COMMENT.findall(migration.sql):
            by_table[table] = parse(table, comment)
    return {name: column for columns in by_table.values() for name, column in columns.items()}


def sealed(columns: Columns, kind: Class) -> frozenset[str]:
    """The sealed columns of a class, as "table.column"."""
    return frozenset(name for name, column in columns.items() if column.sealed and column.kind == kind)


class Disclosure:
    """How a file that leaves the installation shows what it is made of, by the classes of the columns.

    none   as it is
    C1     an id of somebody's or of something of theirs becomes another one, the same throughout the file and of no use outside;
           a text that people wrote becomes "…"
    C2     figures stay, for by then they are tied to nobody; texts become "…"
    C3     never, whoever asks

    `whole`: C1 and C2 as they are, for who has the permission and said why.
    """

    def __init__(self, columns: Columns, *, whole: bool) -> None:
        self._columns = columns
        self._whole = whole
        self._key = os.urandom(32)

    def shown(self, column: str, value: Any) -> Any:
        """A value of "table.column". Raises ValueError for a column of class C3, KeyError for one that no table has."""
        kind = self._columns[column].kind
        if kind == "C3":
            raise ValueError(f"{column} authenticates somebody: it is in no file")
        if self._whole or kind == "none":
            return value
        if isinstance(value, UUID):
            return UUID(bytes=hmac.digest(self._key, value.bytes, "sha256")[:16], version=4)
        return "…" if isinstance(value, str) and value else value


class Mask:
    """Hides values by what they are called: whatever has the name of a column of class C2 or C3 in any table, and what requests
    call the same. A value of C2 shows that it is there, one of C3 not even how many there are."""

    def __init__(self, columns: Columns) -> None:
        kinds: dict[str, str] = {}
        for kind in ("C2", "C3"):
            kinds |= dict.fromkeys((name.partition(".")[2] for name, column in columns.items() if column.kind == kind), kind)
        self._kinds = kinds | dict.fromkeys(_IDENTIFIES, "C2") | dict.fromkeys(_SECRETS, "C3")

    def hides(self, name: str) -> bool:
        """Whether what is called so is hidden."""
        return name in self._kinds

    def shown(self, name: str, value: Any) -> Any:
        """The value, or what stands for it; whatever lies in a mapping or a list is looked at too."""
        if name in self._kinds:
            return value if value is None else f"<{self._kinds[name]}>"
        if isinstance(value, Mapping):
            return {key: self.shown(str(key), each) for key, each in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.shown("", each) for each in value]
        return value
