"""Opening balances from another system: a CSV, or the balances of a Beancount file; checked whole, then posted as one journal.

CSV: a header, then `code,owner_id,currency,debit,credit`, in any order and with other columns ignored; `colour` may be one.
Beancount: every `balance` directive on an account named as our own export names it; other directives are passed over.
The command's id is made of the file, the day, and how often that was declined before: so the same file cannot be brought in
twice, and what was declined can be tried again when the books have been put right.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from datetime import date, datetime
from hashlib import sha256
from typing import Literal
from uuid import UUID

import msgspec

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, View
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import named_id
from tongbao.kernel.money import CURRENCIES, format_minor, parse
from tongbao.ledger import errors
from tongbao.ledger.chart import CHART
from tongbao.ledger.commands import PlaceName
from tongbao.ledger.exchange.names import account_named, commodity
from tongbao.ledger.rules import Leg, account_keys, place_of, post
from tongbao.ledger.types import ACCOUNT

#: One journal takes so many; a larger file is to be divided by the currency or the line of the chart.
MOST_LINES = 10_000
_MOST_FINDINGS = 100

Format = Literal["csv", "beancount"]

_BALANCE = re.compile(
    r"^\d{4}-\d{2}-\d{2}\s+balance\s+(\S+)\s+(-?[0-9][0-9,]*(?:\.[0-9]+)?)\s*(?:~\s*\S+\s*)?\s([A-Z][A-Z0-9'._-]*)"
)
_COLOUR = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class OpeningLine(msgspec.Struct, frozen=True):
    """One account's balance, credit positive. `number` is the line of the file."""

    number: int
    code: str
    owner_id: UUID | None
    currency: str
    amount_minor: int


class Finding(msgspec.Struct, frozen=True):
    """What is wrong with a line of the file; line 0 is the whole of it."""

    number: int
    zh: str
    en: str


class Opening(msgspec.Struct, frozen=True):
    """A file as it was read. Nothing is posted while there is a finding."""

    file_hash: str
    lines: list[OpeningLine]
    findings: list[Finding]


class PostOpening(Command, frozen=True, kw_only=True):
    """Post opening balances as one journal of a day."""

    kind = "ledger.opening"
    value_date: date
    file_hash: str
    lines: tuple[OpeningLine, ...]


class Opened(msgspec.Struct, frozen=True):
    """Result of `PostOpening`."""

    journal_id: UUID


def opening_command(opening: Opening, value_date: date, declined: int = 0) -> PostOpening:
    """The command that posts a file without findings; the same for the same file and day, until it was declined once more."""
    tried = (str(declined),) if declined else ()
    command_id = named_id("opening balances", opening.file_hash, value_date.isoformat(), *tried)
    return PostOpening(command_id=command_id, value_date=value_date, file_hash=opening.file_hash, lines=tuple(opening.lines))


def _legs(command: PostOpening) -> list[Leg]:
    return [Leg(place_of(PlaceName(line.code, line.currency, line.owner_id)), line.amount_minor) for line in command.lines]


def _keys(command: PostOpening) -> list[Key]:
    return account_keys(leg.place for leg in _legs(command))


def post_opening(command: PostOpening, view: View, now: datetime) -> Decision:
    """Declines `opening_account_used` for an owner's account that has entries (so the same balances do not come twice, however
    the file was written), and what `post` declines: a closed period, a day too far back, a frozen account, a balance beyond
    its bounds."""
    for leg in _legs(command):
        known = view.get(ACCOUNT, leg.place.account_id)
        if leg.place.line.owned and known is not None and known.version > 0:
            return Declined(errors.OPENING_ACCOUNT_USED)
    journal = post(view, command, now, command.kind, _legs(command), command.file_hash[:16], value_date=command.value_date)
    return journal if isinstance(journal, Declined) else Accepted(Opened(journal.journal_id))


DECIDERS = (Decider(PostOpening, _keys, post_opening, Opened),)


# ── reading a file ──────────────────────────────────────────────────────────────────────────────────────────────────────


def read(content: str, format: Format) -> Opening:
    """Read a file and look at every line of it. Never raises for what a file may hold: each fault is a finding."""
    faults = _Faults()
    lines = list((_csv if format == "csv" else _beancount)(content.removeprefix("\ufeff"), faults))
    _judge(lines, faults)
    return Opening(sha256(content.encode()).hexdigest(), lines, faults.found)


class _Faults:
    """Findings as they are made; so many at most, for who gets a thousand wrong lines has made one mistake."""

    def __init__(self) -> None:
        self.found: list[Finding] = []

    def say(self, number: int, zh: str, en: str) -> None:
        if len(self.found) < _MOST_FINDINGS:
            self.found.append(Finding(number, zh, en))


def _csv(content: str, faults: _Faults) -> Iterable[OpeningLine]:
    reader = csv.DictReader(io.StringIO(content, newline=""), strict=True)
    try:
        columns = reader.fieldnames or ()
        missing = [name for name in ("code", "currency", "debit", "credit") if name not in columns]
        if missing:
            faults.say(1, f"缺少列：{', '.join(missing)}", f"columns are missing: {', '.join(missing)}")
            return
        for row in reader:
            number = reader.line_num
            cells = {name: (value or "").strip() for name, value in row.items() if isinstance(value, str) or value is None}
            if not any(cells.values()):
                continue
            line = _csv_line(number, cells, faults)
            if line is not None:
                yield line
    except csv.Error as error:
        faults.say(reader.line_num, f"不是有效的 CSV：{error}", f"not valid CSV: {error}")


def _csv_line(number: int, cells: dict[str, str], faults: _Faults) -> OpeningLine | None:
    currency = cells["currency"]
    if currency not in CURRENCIES:
        faults.say(number, f"币种不支持：{currency[:16]}", f"unknown currency: {currency[:16]}")
        return None
    colour = cells.get("colour", "")
    if colour and not _COLOUR.fullmatch(colour):
        faults.say(number, f"专款名称无效：{colour[:40]}", f"not a colour's name: {colour[:40]}")
        return None
    debit, credit = cells["debit"], cells["credit"]
    if bool(debit) == bool(credit):
        faults.say(number, "借方与贷方须且只须填一项", "one of debit and credit must be given, and only one")
        return None
    minor = _minor(number, debit or credit, currency, faults)
    text = f"{currency}:{colour}" if colour else currency
    return (
        None
        if minor is None
        else _line(number, cells["code"], cells.get("owner_id", ""), text, minor if credit else -minor, faults)
    )


def _line(number: int, code: str, owner: str, currency: str, amount_minor: int, faults: _Faults) -> OpeningLine | None:
    line = CHART.get(code)
    if line is None:
        faults.say(number, f"科目不存在：{code[:16]}", f"the chart has no line {code[:16]}")
        return None
    if line.owned != bool(owner):
        faults.say(
            number,
            f"科目 {code} {'须有' if line.owned else '没有'}所有者",
            f"line {code} {'needs' if line.owned else 'has no'} owner",
        )
        return None
    try:
        owner_id = UUID(owner) if owner else None
    except ValueError:
        faults.say(number, f"所有者编号无效：{owner[:40]}", f"not an owner's id: {owner[:40]}")
        return None
    return OpeningLine(number, code, owner_id, currency, amount_minor)


def _minor(number: int, amount: str, currency: str, faults: _Faults) -> int | None:
    try:
        return parse(amount, currency).minor
    except Refusal as refusal:
        said = refusal.code
        faults.say(
            number,
            f"金额 {amount[:24]}：{said.message('zh', refusal.detail)}",
            f"{amount[:24]}: {said.message('en', refusal.detail)}",
        )
        return None


def _beancount(content: str, faults: _Faults) -> Iterable[OpeningLine]:
    spelled: dict[str, str] = {commodity(currency): currency for currency in CURRENCIES}
    for number, text in enumerate(content.splitlines(), 1):
        if not re.match(r"\d{4}-\d{2}-\d{2}\s+balance\b", text):
            continue
        match = _BALANCE.match(text)
        if match is None:
            faults.say(number, "看不懂的 balance 行", "a balance that cannot be read")
            continue
        name, amount, currency = match[1], match[2].replace(",", ""), match[3]
        account = account_named(name)
        if account is None:
            faults.say(number, f"账户名称不对应任何科目：{name[:60]}", f"no line of the chart is named {name[:60]}")
        elif currency not in spelled:
            faults.say(number, f"币种不支持：{currency[:24]}", f"unknown currency: {currency[:24]}")
        elif re.fullmatch(r"-?0+(\.0+)?", amount):
            continue
        else:
            minor = _minor(number, amount.removeprefix("-"), spelled[currency], faults)
            if minor is not None:
                sign = 1 if amount.startswith("-") else -1
                yield OpeningLine(number, account[0].code, account[1], spelled[currency], sign * minor)


def _judge(lines: list[OpeningLine], faults: _Faults) -> None:
    """What can only be said of all lines together."""
    if not lines and not faults.found:
        faults.say(0, "文件中没有余额", "there are no balances in the file")
    if len(lines) > MOST_LINES:
        faults.say(0, f"最多 {MOST_LINES} 行，请拆分文件", f"at most {MOST_LINES} lines: please divide the file")
    first: dict[tuple[str, UUID | None, str], int] = {}
    sums: dict[str, int] = {}
    for line in lines:
        if not CHART[line.code].by_hand:
            code = line.code
            faults.say(
                line.number, f"科目 {code} 只由专用资金规则入账", f"only the rules of restricted money post to line {code}"
            )
        place = (line.code, line.owner_id, line.currency)
        if place in first:
            faults.say(line.number, f"与第 {first[place]} 行是同一账户", f"the same account as in line {first[place]}")
        first.setdefault(place, line.number)
        sums[line.currency] = sums.get(line.currency, 0) + line.amount_minor
    if not faults.found:
        for currency, total in sums.items():
            if total:
                faults.say(
                    0,
                    f"{currency} 借贷不平，差额 {_shown(total, currency)}",
                    f"{currency} is out of balance by {_shown(total, currency)}",
                )


def _shown(minor: int, currency: str) -> str:
    return format_minor(minor, currency)
