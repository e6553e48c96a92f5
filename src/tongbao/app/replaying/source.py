"""The file of a replay: checked as a whole before anything is done, then read a stretch at a time.

Parquet or CSV, with exactly the columns `transaction_id, at, customer_id, terminal_id, amount_minor, is_fraud,
fraud_scenario`. Payments are made in the order of the file. Times without a zone are UTC.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click

from tongbao.kernel.money import MAX_AMOUNT_MINOR

_INTEGER = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_NAME = (*_INTEGER, "UBIGINT", "VARCHAR")
#: Column -> the types that it may have.
_COLUMNS: dict[str, tuple[str, ...]] = {
    "transaction_id": _NAME,
    "at": ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"),
    "customer_id": _NAME,
    "terminal_id": _NAME,
    "amount_minor": _INTEGER,
    "is_fraud": (*_INTEGER, "BOOLEAN"),
    "fraud_scenario": _INTEGER,
}
#: One customer in so many is left short of money, so that payments are declined as they are in life.
ONE_SHORT_IN = 32


class Row(NamedTuple):
    """One payment of the file. `at_us`: microseconds since 1970."""

    transaction: str
    at_us: int
    customer: str
    terminal: str
    amount_minor: int
    fraud: bool


def is_short(customer: str) -> bool:
    """Whether this customer is left short: the first byte of the SHA-256 of the name is a multiple of `ONE_SHORT_IN`."""
    return hashlib.sha256(customer.encode()).digest()[0] % ONE_SHORT_IN == 0


class Source:
    """The first `limit` payments of a file (None: all). Raises click.ClickException, saying what is wrong with the file.

    name       what the file's content comes to; every identifier of its replay is derived from it
    payments   how many there are to make
    left_out   how many of the file are of nothing (amount 0): the edge refuses those, so they never become a command
    """

    def __init__(self, path: Path, *, limit: int | None = None) -> None:
        try:
            import duckdb
        except ModuleNotFoundError:
            raise click.ClickException("replay reads its file with DuckDB: install the extra, `tongbao[replay]`") from None
        self._connection = duckdb.connect(config={"memory_limit": "512MB", "threads": 2})
        try:
            read = self._connection.read_csv if path.suffix.lower() == ".csv" else self._connection.read_parquet
            read(str(path)).create_view("given")
            self._check()
        except duckdb.Error as error:
            raise click.ClickException(f"{path.name} cannot be read: {str(error).splitlines()[0]}") from None
        with path.open("rb") as content:
            self.name = hashlib.file_digest(content, "sha256").hexdigest()[:16]
        limited = "" if limit is None else f" limit {limit:d}"
        self._connection.execute(
            'create view payment as select transaction_id::varchar as transaction, epoch_us("at") as at_us,'  # noqa: S608 (a number)
            " customer_id::varchar as customer, terminal_id::varchar as terminal, amount_minor::bigint as amount_minor,"
            " is_fraud::boolean as fraud from given where amount_minor > 0" + limited
        )
        self.payments: int = self._one("select count(*) from payment")
        self.left_out: int = self._one("select count(*) from given where amount_minor = 0")

    def chunks(self, size: int) -> Iterator[list[Row]]:
        """All payments in order, at most `size` at a time."""
        cursor = self._connection.cursor()
        result = cursor.execute("from payment")
        while rows := result.fetchmany(size):
            yield [Row(*row) for row in rows]

    def funds(self) -> dict[str, int]:
        """What each customer who pays is given, in minor units, in order of name.

        Exactly what all of the customer's payments in the file need, whatever the limit, so that a replay can be continued
        with a greater one; only the largest one's worth for those who are left short.
        """
        everyone = self._connection.execute(
            "select customer_id::varchar, sum(amount_minor)::bigint, max(amount_minor)::bigint from given"
            " where customer_id::varchar in (select customer from payment) group by 1 order by 1"
        ).fetchall()
        return {customer: largest if is_short(customer) else total for customer, total, largest in everyone}

    def terminals(self) -> list[str]:
        """Every terminal that is paid, in order of name."""
        rows = self._connection.execute("select distinct terminal from payment order by 1").fetchall()
        return [terminal for (terminal,) in rows]

    def _check(self) -> None:
        found = {name: str(kind) for name, kind, *_ in self._connection.execute("describe given").fetchall()}
        if missing := [name for name in _COLUMNS if name not in found]:
            raise click.ClickException(f"the file has no column {', '.join(missing)}")
        if unknown := [name for name in found if name not in _COLUMNS]:
            raise click.ClickException(f"the file has a column that is not known: {', '.join(unknown)}")
        for name, kinds in _COLUMNS.items():
            if found[name] not in kinds:
                raise click.ClickException(f"column {name} holds {found[name]}, not {kinds[-1]} or the like")
        empty = " or ".join(f'"{name}" is null' for name in _COLUMNS)
        if self._one(f"select count(*) from given where {empty}"):  # noqa: S608 (our own names)
            raise click.ClickException("the file has empty fields")
        self._refuse_amounts("amount_minor < 0", "are below zero")
        self._refuse_amounts(f"amount_minor > {MAX_AMOUNT_MINOR}", "are larger than can be handled")
        if self._one("select count(*) - count(distinct transaction_id) from given"):
            raise click.ClickException("a transaction_id appears more than once")

    def _refuse_amounts(self, which: str, what: str) -> None:
        guilty = self._connection.execute(f"select count(*), min(transaction_id) from given where {which}").fetchone()  # noqa: S608 (our own)
        assert guilty is not None
        if guilty[0]:
            raise click.ClickException(f"{guilty[0]:,} amounts {what} (transaction {guilty[1]} for one)")

    def _one(self, sql: str) -> Any:
        row = self._connection.execute(sql).fetchone()
        assert row is not None
        return row[0]
