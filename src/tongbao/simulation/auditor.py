"""An auditor who hears everything and believes nothing.

He keeps books of his own (`rulebook.py`), is told of every commit in the order in which it became durable, and of every
answer at the moment it leaves a process. What he holds the product to:

- what was decided is what the rules say, upon everything committed before and nothing else;
- an outcome that anybody is told is stored, exactly as told; a second decision of one command does not exist;
- `unavailable` and `overloaded` are said of what did not happen;
- the rows are what his books say: balances, versions, running balances, holds, payments, refunds, bills, bank transfers, PINs;
- nothing is in them that he does not know of: no journal too many, no row of a command that was declined;
- the reserve is what is owed; when all is quiet, the bank's books say the same, transfer by transfer;
- every writer's chain is whole.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from tongbao.channels.memory import MemoryBank
from tongbao.engine.api import Accepted, Command, Declined, Outcome
from tongbao.engine.types import Link, Record
from tongbao.identity.types import PIN
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import named_id
from tongbao.ledger.types import ACCOUNT, ENTRY, HOLD, JOURNAL, LEDGER_DAY, REVERSAL
from tongbao.payments.types import PAYMENT, REFUND
from tongbao.simulation import ledger_rules as _and_more_rules  # noqa: F401 they enter themselves into the rulebook
from tongbao.simulation.rulebook import COLOUR_FUNDS, RESERVE, WALLET, Rulebook, Where
from tongbao.simulation.tables import Tables
from tongbao.wallet.types import BANK_TRANSFER, BILL

_NOT_DONE = frozenset({"unavailable", "overloaded"})
_MAYBE_DONE = "timed_out"
_OTHER_BODY = "idempotency_conflict"


class Violation(Exception):
    """A rule does not hold."""


class Auditor:
    """See the top of this file."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self.books = Rulebook()
        self.violation: str | None = None
        self.decided = 0
        self.answers = 0
        self.told = 0
        self.repeats = 0
        self.accepted: Counter[str] = Counter()
        self.declined: Counter[str] = Counter()
        self._bodies: dict[UUID, list[Command]] = {}
        self._deliveries: Counter[UUID] = Counter()
        self._records: dict[UUID, Record] = {}
        self._batches: Counter[tuple[int, int]] = Counter()
        self._fresh: set[UUID] = set()
        self._undone: dict[UUID, str] = {}

    def must(self, holds: bool, rule: str, *about: object) -> None:
        """Note the first rule that does not hold."""
        if not holds:
            self.violation = self.violation or f"{rule}: {' '.join(map(str, about))}"
            self._stop()
            raise Violation(self.violation)

    # ── what he hears ───────────────────────────────────────────────────────────────────────────────────────────────────

    def sent(self, command: Command) -> None:
        """Somebody wishes this, perhaps again."""
        bodies = self._bodies.setdefault(command.command_id, [])
        if command not in bodies:
            bodies.append(command)

    def delivered(self, command: Command) -> None:
        """The wish reached an engine."""
        self._deliveries[command.command_id] += 1

    def recorded(self, command_id: UUID) -> Record | None:
        """What was decided of a command, if anything was."""
        return self._records.get(command_id)

    def committed(self, record: Record) -> None:
        """An outcome has become durable."""
        self.decided += 1
        command_id = record.command_id
        self.must(command_id not in self._records, "a command is decided once", command_id)
        self._records[command_id] = record
        place = (record.writer, record.sequence)
        self.must(record.position == self._batches[place], "a batch's outcomes are numbered from 0", record)
        self._batches[place] += 1
        command = self._body(record)
        outcome = msgspec.json.decode(record.outcome)
        expected = self.books.judge(command, record.decided_at, outcome)
        said = "ok" if record.accepted else outcome["code"]
        self.must(said == expected, f"the rules say {expected}, the product {said}", command, record.decided_at)
        (self.accepted if record.accepted else self.declined)[f"{command.kind} {said}" if said != "ok" else command.kind] += 1

    def _body(self, record: Record) -> Command:
        matching = [body for body in self._bodies.get(record.command_id, ()) if body.fingerprint() == record.fingerprint]
        self.must(len(matching) == 1, "what is decided was wished, and wishes that differ have different fingerprints", record)
        self.must(matching[0].kind == record.kind, "an outcome is of its command's kind", record)
        return matching[0]

    def answered(self, command: Command, answer: Outcome | Refusal) -> None:
        """A process tells somebody this."""
        self.answers += 1
        record = self._records.get(command.command_id)
        if isinstance(answer, Outcome):
            self.told += 1
            self._told(command, answer, record)
            return
        code = answer.code.name
        if code == _OTHER_BODY:
            differs = record is not None and record.fingerprint != command.fingerprint()
            self.must(differs, "a conflict is said of an id that was used for another wish", command)
        elif code in _NOT_DONE:
            alone = self._deliveries[command.command_id] == 1
            self.must(not (alone and record is not None), f"{code} is said of what did not happen", command)
            self._undone[command.command_id] = code
        else:
            self.must(code == _MAYBE_DONE, "no other refusal exists", code, command)

    def _told(self, command: Command, outcome: Outcome, record: Record | None) -> None:
        if record is None:
            self.must(False, "what is answered is stored", command, outcome)
            return
        self.must(record.fingerprint == command.fingerprint(), "an answer is to the wish that was made", command, outcome)
        stored = msgspec.json.decode(record.outcome)
        decision = outcome.decision
        if isinstance(decision, Declined):
            said: Any = {"code": decision.code.name, "detail": decision.detail}
        else:
            said = {"result": decision.result}
        said = msgspec.json.decode(msgspec.json.encode(said))
        self.must(
            isinstance(decision, Accepted) == record.accepted and said == stored, "an answer is what is stored", said, stored
        )
        self.must(outcome.decided_at == record.decided_at, "an answer is as old as its decision", command, outcome)
        if outcome.repeated:
            self.repeats += 1
        else:
            self.must(command.command_id not in self._fresh, "a command happens for one caller, all others repeat it", command)
            self._fresh.add(command.command_id)

    def broken(self, command: Command, error: BaseException) -> None:
        """A process says that there is a bug."""
        self.must(False, "no bug shows", repr(error), command)

    # ── what he reads ───────────────────────────────────────────────────────────────────────────────────────────────────

    def audit(self, tables: Tables) -> None:
        """Compare every row with the books."""
        totals = tables.rows(LEDGER_DAY)
        days = {(row.day, row.code, row.currency): [row.debit_minor, row.credit_minor, row.entries] for row in totals}
        self.must(days == self.books.days, "a day's totals are its entries'")
        undone = {row.journal_id for row in tables.rows(REVERSAL)}
        self.must(undone == self.books.reversed, "the reversals are those that were done")
        self._audit_accounts(tables.rows(ACCOUNT), tables.rows(JOURNAL), tables.rows(ENTRY))
        self._audit_holds(tables.rows(HOLD))
        self._audit_payments(tables.rows(PAYMENT), tables.rows(REFUND), tables.rows(BILL))
        self._audit_transfers(tables.rows(BANK_TRANSFER))
        self._audit_pins(tables.rows(PIN))
        self._audit_chain(tables.links())
        for command_id, code in self._undone.items():
            if self._deliveries[command_id] == 1:
                self.must(command_id not in self._records, f"{code} is said of what did not happen", command_id)

    def _audit_accounts(self, accounts: Sequence[Any], journals: Sequence[Any], entries: Sequence[Any]) -> None:
        books = self.books
        stored: dict[Where, Any] = {(row.code, row.currency, row.owner_id): row for row in accounts}
        self.must(len(stored) == len(accounts), "a place has one account")
        strange = stored.keys() ^ books.accounts.keys()
        self.must(not strange, "the accounts are those that were opened", strange)
        sums: dict[str, int] = defaultdict(int)
        for place, row in stored.items():
            self.must(
                row.posted_minor == books.balances[place], "a balance is what was posted", place, row, books.balances[place]
            )
            self.must(row.held_minor == books.held[place], "what is held is what its holds say", place, row, books.held[place])
            self.must(row.version == books.versions[place], "a version counts the entries", place, row, books.versions[place])
            mine = books.accounts[place]
            bounds = (row.floor_minor, row.ceiling_minor, row.closed_at is not None) == (mine.floor, mine.ceiling, mine.closed)
            self.must(bounds, "an account's bounds are those that were set", row, mine)
            frozen = (row.debit_freeze, row.credit_freeze) == (_reasons(mine.debit_freeze), _reasons(mine.credit_freeze))
            self.must(frozen, "an account is frozen for the reasons that stand", row, mine)
            if mine.floor is not None:
                self.must(row.posted_minor - row.held_minor >= mine.floor, "nobody spends what is not there", row)
            sums[row.currency] += row.posted_minor
        self.must(not any(sums.values()), "the reserve is what is owed, in each currency", dict(sums))
        self._audit_entries(stored, journals, entries)
        self._audit_colours()

    def _audit_colours(self) -> None:
        """Behind all that people hold of a colour stands as much plain money, and each colour sums to zero by itself."""
        balances = self.books.balances
        for code, colour in self.books.colours.items():
            money = f"{colour.currency}:{code}"
            in_colour = [(place, amount) for place, amount in balances.items() if place[1] == money]
            held = sum(amount for place, amount in in_colour if place[0] == WALLET)
            funds = balances[COLOUR_FUNDS, colour.currency, named_id("colour", code)]
            self.must(held == funds, "restricted money is backed by as much plain money", code, held, funds)
            self.must(not sum(amount for _, amount in in_colour), "a colour sums to zero", code)

    def _audit_entries(self, stored: dict[Where, Any], journals: Sequence[Any], entries: Sequence[Any]) -> None:
        by_account: dict[UUID, list[Any]] = defaultdict(list)
        sums: dict[tuple[UUID, str], int] = defaultdict(int)
        for entry in entries:
            by_account[entry.account_id].append(entry)
            sums[entry.journal_id, entry.currency] += entry.amount_minor
        self.must(not any(sums.values()), "a journal's entries sum to zero in each currency")
        names = {row.journal_id for row in journals}
        self.must(len(names) == len(journals), "a journal has its own name")
        self.must({journal for journal, _ in sums} == names, "every journal has entries, every entry a journal")
        written = Counter(row.command_id for row in journals)
        self.must(written == self.books.journals, "each command wrote the journals that it should", written - self.books.journals)
        for row in journals:
            self.must(row.posted_at == self._records[row.command_id].decided_at, "a journal is as old as its decision", row)
        for account in stored.values():
            balance, version = 0, 0
            before: Any = None
            for entry in sorted(by_account.get(account.account_id, ()), key=_version):
                balance += entry.amount_minor
                version += 1
                fits = (entry.version, entry.balance_minor, entry.currency) == (version, balance, account.currency)
                self.must(fits, "an entry tells the balance after it", entry, version, balance)
                self.must(before is None or before <= entry.posted_at, "time does not go back in an account", entry, before)
                before = entry.posted_at
            self.must((balance, version) == (account.posted_minor, account.version), "entries add up to the balance", account)

    def _audit_holds(self, holds: Sequence[Any]) -> None:
        known = self.books.holds
        self.must({row.hold_id for row in holds} == known.keys(), "the holds are those that were placed")
        for row in holds:
            mine = known[row.hold_id]
            same = (row.state, row.captured_minor, row.agreed_minor) == (mine.state, mine.captured, mine.agreed)
            self.must(same and (row.ended_at is None) == (row.state == "ACTIVE"), "a hold is what was done to it", row, mine)

    def _audit_payments(self, payments: Sequence[Any], refunds: Sequence[Any], bills: Sequence[Any]) -> None:
        known = self.books.orders
        self.must({row.payment_id for row in payments} == known.keys(), "the orders are those that were made")
        for row in payments:
            mine = known[row.payment_id]
            begun = (row.state, row.payer_id, row.amount_minor, row.fee_minor) == (mine.state, mine.payer, mine.amount, mine.fee)
            given = (row.refunded_minor, row.fee_returned_minor, row.refunds) == (mine.refunded, mine.fee_returned, mine.refunds)
            self.must(begun and given, "an order is what was done to it", row, mine)
        returned = {(row.payment_id, row.out_refund_no): row.amount_minor for row in refunds}
        expected_refunds = {name: terms[0] for name, terms in self.books.refunds.items()}
        self.must(len(returned) == len(refunds) and returned == expected_refunds, "the refunds are those that were given")
        lines = Counter(
            (row.customer_id, row.kind, row.direction, row.amount_minor, row.currency, row.balance_minor) for row in bills
        )
        self.must(lines == self.books.bills, "bills say what happened, and what was left", lines - self.books.bills)

    def _audit_transfers(self, transfers: Sequence[Any]) -> None:
        known = self.books.transfers
        self.must({row.bank_transfer_id for row in transfers} == known.keys(), "the bank transfers are those that were started")
        for row in transfers:
            mine = known[row.bank_transfer_id]
            same = (row.state, row.amount_minor, row.kind) == (mine.state, mine.amount, mine.kind)
            self.must(same, "a bank transfer is what was heard of it", row, mine)

    def _audit_pins(self, pins: Sequence[Any]) -> None:
        stored = {row.customer_id: (row.mac, row.wrong, row.locked_until) for row in pins}
        expected = {customer: (pin.mac, pin.wrong, pin.locked_until) for customer, pin in self.books.pins.items()}
        self.must(stored == expected, "a PIN's count is of the wrong ones in a row")

    def _audit_chain(self, links: Sequence[Link]) -> None:
        by_writer: dict[int, list[Link]] = defaultdict(list)
        for link in links:
            by_writer[link.writer].append(link)
        for writer, mine in by_writer.items():
            previous = bytes(32)
            for number, link in enumerate(sorted(mine, key=_sequence), 1):
                self.must(link.sequence == number, "a chain has no gap", f"writer {writer}", link.sequence, number)
                self.must(link.previous == previous, "a link names the one before", f"writer {writer}", number)
                self.must(
                    link.commands == self._batches[writer, number], "a link counts its commands", f"writer {writer}", number
                )
                self.must(len(link.hash) == 32 and link.hash != previous, "a link has a hash of its own", number)
                previous = link.hash
        self.must(sum(link.commands for link in links) == self.decided, "every outcome is in the chain")

    async def audit_bank(self, bank: MemoryBank) -> None:
        """When all is quiet: the bank's books against ours, transfer by transfer."""
        moved: dict[str, tuple[str, int]] = {}
        for days in {row.at.date() for row in bank._moved}:
            for line in await bank.statement(days):
                self.must(line.reference not in moved, "the bank moves money once for a reference", line)
                moved[line.reference] = (line.kind, line.amount_minor)
        ours = {
            str(name): ("debit" if row.kind == "topup" else "credit", row.amount)
            for name, row in self.books.transfers.items()
            if row.state == "SUCCEEDED"
        }
        self.must(moved == ours, "the bank moved what we say it did, and nothing else", set(moved.items()) ^ set(ours.items()))
        open_ones = [row for row in self.books.transfers.values() if row.state not in ("SUCCEEDED", "FAILED")]
        self.must(not open_ones, "in the end every bank transfer is known", open_ones)
        for place, balance in self.books.balances.items():
            if place[0] == RESERVE:
                held = await bank.reserve_balance(place[1])
                self.must(balance == -held, "the reserve is what the bank says", place, balance, held)


def _reasons(reasons: set[str]) -> str:
    return ",".join(sorted(reasons))


def _version(entry: Any) -> int:
    return int(entry.version)


def _sequence(link: Link) -> int:
    return link.sequence
