"""The simulated bank's own books: double entry in SQLite, every change in one durable transaction.

A transfer is written down together with the money it moves, so a killed bank has either both or neither. One connection,
used from one thread at a time: `http` gives it a thread of its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from tongbao.channels.simulated.demo import DEMO_CLOSED, DEMO_EMPTY, account_number, demo_accounts
from tongbao.channels.simulated.rules import DEFAULT_LIMIT_MINOR, Account, judge, malformed
from tongbao.channels.types import BankRequest, StatementLine
from tongbao.channels.wire import BankCode, TransferReport
from tongbao.kernel.clock import Clock, SystemClock
from tongbao.kernel.sql import Queries

_SQL = Queries("tongbao.channels.simulated")


class Malformed(Exception):
    """The request is not one the bank would write down."""


class ReferenceConflict(Exception):
    """The reference is known for another body."""


class Processing(msgspec.Struct, frozen=True):
    """Ask that a new transfer be decided only after `wait_ms`; with `code`, that it then fails for that reason."""

    wait_ms: int
    code: BankCode | None = None


class Books:
    """Opens (and on the first start fills) the books in `directory`."""

    def __init__(
        self, directory: Path, *, seed: int = 0, limit_minor: int = DEFAULT_LIMIT_MINOR, clock: Clock | None = None
    ) -> None:
        self._clock = clock or SystemClock()
        self._limit_minor = limit_minor
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._db = sqlite3.connect(directory / "bank.sqlite", isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")
        self._db.execute("pragma foreign_keys = on")
        self._db.executescript(_SQL["schema"] + ";")
        self._open_demonstration_accounts(seed)

    def close(self) -> None:
        self._db.close()

    # --- transfers ---------------------------------------------------------------------------------------------------

    def submit(
        self, request: BankRequest, *, refuse: BankCode | None = None, processing: Processing | None = None
    ) -> TransferReport:
        """Decide a transfer and move its money, or answer what was decided before. Raises `ReferenceConflict`, `Malformed`.

        `refuse` and `processing` are faults: they bear on a reference that the bank has not seen before.
        """
        with self._transaction() as now:
            known = self._one("transfer_by_reference", reference=request.reference)
            if known is not None:
                if _request(known) != request:
                    raise ReferenceConflict
                return _report(known)
            if malformed(request):
                raise Malformed
            code = refuse or self._judge(request)
            if code is None and processing is not None:
                due = now + timedelta(milliseconds=processing.wait_ms)
                self._record(request, now, status="PROCESSING", due_at=_text(due), planned_code=processing.code)
            elif code is not None:
                self._record(request, now, status="FAIL", code=code)
            else:
                self._move(request, self._record(request, now, status="SUCCESS"), now)
            return _report(self._known(request.reference))

    def transfer(self, reference: str) -> TransferReport | None:
        """What the bank knows of a reference."""
        with self._transaction():
            known = self._one("transfer_by_reference", reference=reference)
            return None if known is None else _report(known)

    # --- accounts ----------------------------------------------------------------------------------------------------

    def account(self, number: str) -> Account | None:
        """A customer's account, with the balance of this moment."""
        with self._transaction():
            return self._account(number)

    def reserve_minor(self, currency: str) -> int:
        """The balance of our reserve account in that currency."""
        with self._transaction():
            return self._reserve_minor(currency)

    def open_account(
        self, holder_name: str, phone: str, balance_minor: int, currency: str = "CNY", document_number: str = ""
    ) -> Account:
        """Open a customer's account under the next free number, with a first balance from the bank's capital."""
        with self._transaction() as now:
            (opened,) = self._known_row("account_count", prefix="6222025")
            number = account_number("5", opened)
            account = Account(number, holder_name, phone, currency, balance_minor, document_number=document_number)
            self._open(account, now)
            return account

    def set_account_open(self, number: str, is_open: bool) -> Account | None:
        """Close an account or open it again; None when there is no such account."""
        with self._transaction():
            self._db.execute(_SQL["account_set_state"], {"number": number, "state": "open" if is_open else "closed"})
            return self._account(number)

    # --- what the bank shows -----------------------------------------------------------------------------------------

    def statement(self, day: date) -> list[StatementLine]:
        """The movements of our reserve accounts on a UTC day."""
        since = datetime(day.year, day.month, day.day, tzinfo=UTC)
        with self._transaction():
            rows = self._db.execute(
                _SQL["statement"], {"since": _text(since), "until": _text(since + timedelta(days=1))}
            ).fetchall()
        return [
            StatementLine(
                at=datetime.fromisoformat(row["at"]),
                bank_reference=_serial(row["seq"]),
                reference=row["reference"],
                kind=row["kind"],
                account_number=row["account_number"],
                amount_minor=row["amount_minor"],
                currency=row["currency"],
                reserve_balance_minor=row["balance_after_minor"],
            )
            for row in rows
        ]

    def audit(self) -> list[str]:
        """Every way in which the books do not add up; empty when they do."""
        names = ("unbalanced journals", "balances unlike their entries", "successes without money", "money without success")
        return [f"{count} {name}" for name, count in zip(names, self._known_row("audit"), strict=True) if count]

    # --- inside a transaction ----------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[datetime]:
        """One durable transaction, in which every transfer whose hour has come is decided first."""
        self._db.execute("begin immediate")
        try:
            now = self._clock.now()
            for due in self._db.execute(_SQL["transfers_due"], {"now": _text(now)}).fetchall():
                self._decide(due, now)
            yield now
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def _decide(self, due: sqlite3.Row, now: datetime) -> None:
        request = _request(due)
        code = due["planned_code"] or self._judge(request)
        status = "SUCCESS" if code is None else "FAIL"
        self._db.execute(_SQL["transfer_decide"], {"seq": due["seq"], "status": status, "code": code, "at": _text(now)})
        if code is None:
            self._move(request, due["seq"], now)

    def _judge(self, request: BankRequest) -> BankCode | None:
        reserve = self._reserve_minor(request.currency)
        return judge(request, self._account(request.account_number), reserve_minor=reserve, limit_minor=self._limit_minor)

    def _record(
        self,
        request: BankRequest,
        now: datetime,
        *,
        status: str,
        code: str | None = None,
        due_at: str | None = None,
        planned_code: str | None = None,
    ) -> int:
        row = {"status": status, "code": code, "due_at": due_at, "planned_code": planned_code, "at": _text(now)}
        (seq,) = self._known_row("transfer_record", **msgspec.structs.asdict(request), **row)
        return int(seq)

    def _move(self, request: BankRequest, seq: int, now: datetime) -> None:
        reserve = self._own_account("RESERVE", request.currency)
        away, towards = (request.account_number, reserve) if request.kind == "debit" else (reserve, request.account_number)
        self._post(away, towards, request.amount_minor, now, memo=request.kind, transfer_seq=seq)

    def _post(
        self, away: str, towards: str, amount_minor: int, now: datetime, *, memo: str, transfer_seq: int | None = None
    ) -> None:
        """The only place where money moves: two entries that sum to zero."""
        (journal,) = self._known_row("journal_open", transfer_seq=transfer_seq, memo=memo, at=_text(now))
        for number, signed in ((away, -amount_minor), (towards, amount_minor)):
            (after,) = self._known_row("account_move", number=number, amount_minor=signed)
            self._db.execute(
                _SQL["entry_write"],
                {"journal_id": journal, "account_number": number, "amount_minor": signed, "balance_after_minor": after},
            )

    def _own_account(self, kind: str, currency: str) -> str:
        number = f"{kind}-{currency}"
        row = {"number": number, "kind": kind.lower(), "holder_name": kind, "phone": "", "currency": currency, "state": "open"}
        row["document_number"] = ""
        self._db.execute(_SQL["account_open"], row)
        return number

    def _open(self, account: Account, now: datetime) -> None:
        row = msgspec.structs.asdict(account) | {"kind": "customer"}
        del row["balance_minor"]
        self._db.execute(_SQL["account_open"], row)
        if account.balance_minor:
            self._post(self._own_account("CAPITAL", account.currency), account.number, account.balance_minor, now, memo="opening")

    def _open_demonstration_accounts(self, seed: int) -> None:
        with self._transaction() as now:
            (known,) = self._known_row("account_count", prefix="")
            if known == 0:
                for account in (*demo_accounts(seed), DEMO_EMPTY, DEMO_CLOSED):
                    self._open(account, now)

    def _account(self, number: str) -> Account | None:
        row = self._one("account_by_number", number=number)
        return None if row is None else Account(**dict(row))

    def _reserve_minor(self, currency: str) -> int:
        row = self._one("balance_by_number", number=f"RESERVE-{currency}")
        return 0 if row is None else int(row["balance_minor"])

    def _known(self, reference: str) -> sqlite3.Row:
        return self._known_row("transfer_by_reference", reference=reference)

    def _one(self, query: str, **values: Any) -> sqlite3.Row | None:
        # Read to the end: a statement left half-stepped would keep the transaction from committing.
        rows: list[sqlite3.Row] = self._db.execute(_SQL[query], values).fetchall()
        return rows[0] if rows else None

    def _known_row(self, query: str, **values: Any) -> sqlite3.Row:
        row = self._one(query, **values)
        if row is None:
            raise LookupError(query)
        return row


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _serial(seq: int) -> str:
    return f"SB{seq:012d}"


def _request(row: sqlite3.Row) -> BankRequest:
    return BankRequest(**{field: row[field] for field in BankRequest.__struct_fields__})


def _report(row: sqlite3.Row) -> TransferReport:
    return TransferReport(
        reference=row["reference"],
        kind=row["kind"],
        account_number=row["account_number"],
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        status=row["status"],
        code=row["code"],
        serial=_serial(row["seq"]),
        at=datetime.fromisoformat(row["at"]),
    )
