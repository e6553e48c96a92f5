"""The simulated card network's own books, in SQLite: every change in one durable transaction.

A debit is written down together with its decision, so a killed network has either both or neither. One connection, used from one
thread at a time: `card_http` gives it a thread of its own.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from tongbao.channels.card_wire import BindingReport, CardOperation, CardReport
from tongbao.channels.cards import CardBinding, CardDebit, CardRefund
from tongbao.channels.simulated.books import Malformed, Processing, ReferenceConflict
from tongbao.channels.simulated.card_rules import DEMO_CARDS, Card, judge_debit, judge_refund, malformed
from tongbao.channels.wire import BankCode
from tongbao.kernel.clock import Clock, SystemClock
from tongbao.kernel.sql import Queries

_SQL = Queries("tongbao.channels.simulated")


class CardBooks:
    """Opens (and on the first start fills) the books in `directory`."""

    def __init__(self, directory: Path, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._db = sqlite3.connect(directory / "cards.sqlite", isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")
        self._db.execute("pragma foreign_keys = on")
        self._db.executescript(_SQL["card_schema"] + ";")
        with self._transaction():
            if self._number("card_count") == 0:
                for card in DEMO_CARDS:
                    self._run("card_open", **msgspec.structs.asdict(card))

    def close(self) -> None:
        self._db.close()

    # --- cards and tokens --------------------------------------------------------------------------------------------

    def card(self, number: str) -> Card | None:
        """A card, as it was opened."""
        with self._transaction():
            return _card(self._one("card_by_number", number=number))

    def available_minor(self, number: str) -> int:
        """What a card has left."""
        with self._transaction():
            card = _card(self._one("card_by_number", number=number))
            return 0 if card is None else self._available(card)

    def open_card(self, card: Card) -> None:
        """A new card. Raises `Malformed` where the number is taken."""
        with self._transaction():
            if self._one("card_by_number", number=card.number) is not None:
                raise Malformed
            self._run("card_open", **msgspec.structs.asdict(card))

    def set_card_open(self, number: str, is_open: bool) -> Card | None:
        """Close a card or open it again; None when there is no such card."""
        with self._transaction():
            self._run("card_set_state", number=number, state="open" if is_open else "closed")
            return _card(self._one("card_by_number", number=number))

    def give_token(self, binding: CardBinding) -> BindingReport:
        """The card is bound: its token, the same whenever asked again."""
        with self._transaction():
            if self._one("token_of_reference", reference=str(binding.reference)) is None:
                self._run(
                    "token_give", token=f"ct_{secrets.token_hex(16)}", reference=str(binding.reference), number=binding.number
                )
            bound = self._bound(binding.reference)
            assert bound is not None
            return bound

    def bound(self, reference: UUID) -> BindingReport | None:
        """What a binding ended in, if it ended well."""
        with self._transaction():
            return self._bound(reference)

    def end_token(self, token: str) -> None:
        """The token pays no more."""
        with self._transaction() as now:
            self._run("token_end", token=token, at=_text(now))

    # --- money -------------------------------------------------------------------------------------------------------

    def submit(
        self, request: CardDebit | CardRefund, *, refuse: BankCode | None = None, processing: Processing | None = None
    ) -> CardReport:
        """Decide a debit or a refund, or answer what was decided before. Raises `ReferenceConflict`, `Malformed`.

        `refuse` and `processing` are faults: they bear on a reference that the network has not seen before.
        """
        with self._transaction() as now:
            body = msgspec.json.encode(request).decode()
            known = self._one("operation_by_reference", reference=str(request.reference))
            if known is not None:
                if known["body"] != body:
                    raise ReferenceConflict
                return _report(known)
            if malformed(request):
                raise Malformed
            code = refuse or self._judge(request, now)
            number, debit = self._concerns(request)
            row: dict[str, Any] = {"due_at": None, "planned_code": None, "code": code, "status": "FAIL" if code else "SUCCESS"}
            if code is None and processing is not None:
                row["status"], row["planned_code"] = "PROCESSING", processing.code
                row["due_at"] = _text(now + timedelta(milliseconds=processing.wait_ms))
            self._run(
                "operation_record", reference=str(request.reference), kind=_kind(request), body=body, number=number,
                debit_seq=debit["seq"] if debit else None, amount_minor=request.amount_minor,
                currency=request.currency if isinstance(request, CardDebit) else (debit["currency"] if debit else ""),
                at=_text(now), **row,
            )  # fmt: skip
            return _report(self._known(request.reference))

    def operation(self, reference: UUID) -> CardReport | None:
        """What the network knows of a reference."""
        with self._transaction():
            known = self._one("operation_by_reference", reference=str(reference))
            return None if known is None else _report(known)

    def audit(self) -> list[str]:
        """Every way in which the books do not add up; empty when they do."""
        names = ("cards with less than nothing", "debits with more given back than taken", "refunds of nothing")
        counts = self._one("card_audit")
        assert counts is not None
        return [f"{count} {name}" for name, count in zip(names, counts, strict=True) if count]

    # --- inside a transaction ----------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[datetime]:
        """One durable transaction, in which everything whose hour has come is decided first."""
        self._db.execute("begin immediate")
        try:
            now = self._clock.now()
            for due in self._db.execute(_SQL["operations_due"], {"now": _text(now)}).fetchall():
                code = due["planned_code"] or self._judge(_request(due), now)
                self._run("operation_decide", seq=due["seq"], status="FAIL" if code else "SUCCESS", code=code, at=_text(now))
            yield now
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def _judge(self, request: CardDebit | CardRefund, now: datetime) -> BankCode | None:
        if isinstance(request, CardDebit):
            card = _card(self._one("card_of_token", token=request.token))
            return judge_debit(request, card, self._available(card) if card else 0, now)
        _, debit = self._concerns(request)
        took = debit["amount_minor"] if debit is not None and debit["status"] == "SUCCESS" else 0
        given = self._number("operation_refunded", debit_seq=debit["seq"]) if debit is not None else 0
        return judge_refund(request.amount_minor, took - given)

    def _concerns(self, request: CardDebit | CardRefund) -> tuple[str | None, sqlite3.Row | None]:
        """The number of the card, and of a refund the debit."""
        if isinstance(request, CardDebit):
            card = self._one("card_of_token", token=request.token)
            return (card["number"] if card else None), None
        debit = self._one("operation_by_reference", reference=str(request.debit_reference))
        if debit is None or debit["kind"] != "debit":
            return None, None
        return debit["number"], debit

    def _available(self, card: Card) -> int:
        return card.available_minor - self._number("card_moved", number=card.number)

    def _bound(self, reference: UUID) -> BindingReport | None:
        row = self._one("token_of_reference", reference=str(reference))
        card = _card(self._one("card_by_number", number=row["number"])) if row else None
        return BindingReport(reference, "BOUND", card.bound(row["token"])) if row and card else None

    def _known(self, reference: UUID) -> sqlite3.Row:
        row = self._one("operation_by_reference", reference=str(reference))
        assert row is not None
        return row

    def _run(self, query: str, **values: Any) -> None:
        self._db.execute(_SQL[query], values)

    def _number(self, query: str, **values: Any) -> int:
        row = self._one(query, **values)
        assert row is not None
        return int(row[0])

    def _one(self, query: str, **values: Any) -> sqlite3.Row | None:
        # Read to the end: a statement left half-stepped would keep the transaction from committing.
        rows: list[sqlite3.Row] = self._db.execute(_SQL[query], values).fetchall()
        return rows[0] if rows else None


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _kind(request: CardDebit | CardRefund) -> CardOperation:
    return "debit" if isinstance(request, CardDebit) else "refund"


def _card(row: sqlite3.Row | None) -> Card | None:
    return None if row is None else msgspec.convert(dict(row) | {"suspicious": bool(row["suspicious"])}, Card)


def _request(row: sqlite3.Row) -> CardDebit | CardRefund:
    shape: type[CardDebit | CardRefund] = CardDebit if row["kind"] == "debit" else CardRefund
    return msgspec.json.decode(row["body"], type=shape)


def _report(row: sqlite3.Row) -> CardReport:
    return CardReport(
        reference=UUID(row["reference"]), kind=row["kind"], amount_minor=row["amount_minor"], currency=row["currency"],
        status=row["status"], code=row["code"], serial=f"CN{row['seq']:012d}", at=datetime.fromisoformat(row["at"]),
    )  # fmt: skip
