"""A pack: the rules of one jurisdiction, or of the house, as a TOML file; and several of them merged into one rulebook.

A rule says to which acts it applies (`when`), what it sums up (`metric`, over a `window`, of those acts that it `counts`, for
each subject of its `scope`), how far that may go (`limit`), and what happens beyond (`action`). Amounts are decimal strings by
currency, alternatives of each other: the one in the book's currency counts, or the first that `conversion` can bring into it.

    refuse      the act is declined
    challenge   it is declined, and told what would do: a stronger confirmation or a higher real-name level
    delay       it happens later
    report      it happens, and a duty is written down for the compliance staff
    cover       it happens, and a loss is the institution's
    exempt      up to the limit, the rules in `exempts` say nothing
    suspend     not of an act: whoever does nothing for so long is suspended
    uphold      not of an act: held by how the product is made, where `upheld_by` says
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec.structs import replace

from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import parse, places

Action = Literal["refuse", "challenge", "delay", "report", "cover", "exempt", "suspend", "uphold"]
Metric = Literal["amount", "count", "balance", "rate", "inactivity"]
Side = Literal["debit", "credit", "both"]
Scope = Literal["customer", "account", "funding_source", "document", "merchant"]
WindowKind = Literal["transaction", "day", "month", "year", "lifetime", "rolling", "consecutive_days", "since_confirmation"]
Anchor = Literal["calendar", "anniversary", "fiscal", "rolling"]
Unit = Literal["working_days", "calendar_days", "hours", "months", "years"]
Kind = Literal[
    "payment", "transfer", "withdrawal", "topup", "receive", "quick_payment", "cash_in", "cash_out", "card_receipt", "wealth"
]
StrengthName = Literal["weak", "medium", "strong"]

#: Acts by which money leaves the subject; all others bring some.
DEBITS: frozenset[str] = frozenset({"payment", "transfer", "withdrawal", "quick_payment", "cash_out", "wealth"})
#: Actions upon an act that goes too far, the most severe first.
SEVERITY: tuple[Action, ...] = ("refuse", "challenge", "delay", "report", "cover")

Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
Code = Annotated[str, msgspec.Meta(pattern="^[a-z0-9]+([._-][a-z0-9]+)*$", max_length=80)]


class PackError(ValueError):
    """A pack that cannot be: says which file, which rule and which field."""


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same in both languages."""

    zh: str
    en: str


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Over what a rule sums up. `days`: of rolling and consecutive_days. `anchor`: when a year begins, a fiscal one in
    `begins_month`. `strength`: of since_confirmation, what ends the stretch. Days are local days of the book's time zone."""

    kind: WindowKind
    days: Annotated[int, msgspec.Meta(ge=1, le=400)] | None = None
    anchor: Anchor = "calendar"
    begins_month: Annotated[int, msgspec.Meta(ge=1, le=12)] = 1
    strength: Literal["medium", "strong"] = "medium"


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which acts: every field that is given must hold. `flags` must all be set, none of `without`."""

    kinds: tuple[Kind, ...] = ()
    methods: tuple[Code, ...] = ()
    strengths: tuple[StrengthName, ...] = ()
    levels: tuple[Annotated[int, msgspec.Meta(ge=0, le=3)], ...] = ()
    tiers: tuple[Code, ...] = ()
    flags: tuple[Code, ...] = ()
    without: tuple[Code, ...] = ()
    visitor: bool | None = None
    minor: bool | None = None
    cooling: bool | None = None


class Deadline(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """By when something has to be done."""

    value: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    unit: Unit


class Multiplier(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A limit that grows with a parameter of the house: thousandths by the parameter's value, 1000 for any other value."""

    parameter: Code
    permille: dict[str, Annotated[int, msgspec.Meta(ge=1, le=100_000)]]


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One row of a law.

    `citation_zh`: law and article as they are cited in Chinese, by the file's `sources`. `limit` (amounts by currency) or `most`
    (a number), or `agreed` (a cap of the subject's own by that name, or else the house's default for it). `verified`: somebody
    read the text itself. `precedence`: of two rules of one action, the higher one speaks.
    """

    id: Code
    name: Named
    law: str
    article: str
    effective_from: date
    effective_to: date | None = None
    status: Literal["draft", "in_force"] = "in_force"
    verified: bool
    action: Action
    metric: Metric | None = None
    side: Side = "debit"
    scope: Scope = "customer"
    window: Window | None = None
    limit: dict[str, str] | None = None
    most: Count | None = None
    agreed: Code | None = None
    multiplier: Multiplier | None = None
    comparison: Literal[">", ">="] = ">"
    when: Condition = Condition()
    counts: Condition = Condition()
    challenge: Literal["strength", "level"] | None = None
    delay_hours: Annotated[int, msgspec.Meta(ge=1, le=720)] | None = None
    exempts: tuple[Code, ...] = ()
    parameter: Code | None = None
    at_most: Count | None = None
    deadline: Deadline | None = None
    precedence: int = 0
    upheld_by: str = ""
    note: str = ""
    citation_zh: str = ""

    @property
    def citation(self) -> str:
        """Law and article, as a person cites them."""
        return f"{self.law} {self.article}".strip()


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What stands before the rules of a file.

    `owner`: whose rules these are. `sources`: what the laws, and words of articles, are called in Chinese. `holidays` and
    `workdays`: days off on weekdays, and weekends worked. `conversion`: for "USD/CNY" how many of the second one of the first is
    taken for, a decimal or a fraction. `parameters`: what rules ask of the house. `defaults`: caps for whoever has not agreed
    another, amounts by currency or a number.
    """

    pack: Code
    title: Named
    owner: Literal["law", "house"] = "law"
    sources: dict[str, str] = {}
    holidays: tuple[date, ...] = ()
    workdays: tuple[date, ...] = ()
    conversion: dict[str, str] = {}
    parameters: dict[str, str | int] = {}
    defaults: dict[str, dict[str, str] | int] = {}


class Pack(msgspec.Struct, frozen=True):
    """One file."""

    header: Header
    rules: tuple[Rule, ...]


class Merged(msgspec.Struct, frozen=True):
    """The packs in force together, for one currency and time zone: the text of a rulebook is this as JSON."""

    packs: tuple[Pack, ...]
    currency: str
    zone: str


_ARTICLE = re.compile(r"(?:(.+), )?Arts?\. (.+)")
_PLACE = re.compile(r" - at `\$\.?(.*?)`$")


def read_pack(text: str, source: str) -> Pack:
    """The pack in a TOML text. Raises PackError, naming `source`, the rule and the field."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PackError(f"{source}: {error}") from None
    tables = found.pop("rule", [])
    header = _converted(found, Header, f"{source}: the head of the file")
    rules: list[Rule] = []
    for number, table in enumerate(tables if isinstance(tables, list) else [], 1):
        called = table.get("id") if isinstance(table, dict) else None
        where = f"{source}: rule {called or f'number {number}, which has no id'}"
        rule = _converted(table, Rule, where)
        if problem := _problem(rule):
            raise PackError(f"{where}: {problem}")
        if any(rule.id == other.id for other in rules):
            raise PackError(f"{where}: the id is used twice")
        rules.append(replace(rule, citation_zh=rule.citation_zh or _in_chinese(rule, header.sources)))
    for currency, defaults in ((name, value) for value in header.defaults.values() if isinstance(value, dict) for name in value):
        _amount({currency: defaults[currency]}, f"{source}: defaults")
    for pair, rate in header.conversion.items():
        if not re.fullmatch(r"[A-Z]{3}/[A-Z]{3}", pair) or not re.fullmatch(r"[0-9]+(\.[0-9]+|/[1-9][0-9]*)?", rate):
            raise PackError(f"{source}: conversion: {pair} = {rate} is not of the form USD/CNY = 7.1")
    return Pack(header, tuple(rules))


def _converted(table: Any, kind: Any, where: str) -> Any:
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        said = str(error)
        place = _PLACE.search(said)
        field = f"{place[1]}: " if place else ""
        raise PackError(f"{where}: {field}{_PLACE.sub('', said)}") from None


def _in_chinese(rule: Rule, sources: Mapping[str, str]) -> str:
    """Law and article as they are cited in Chinese; as they stand where `sources` does not know the law."""
    if rule.law not in sources:
        return rule.citation
    said = "；".join(_article(part, sources) for part in rule.article.split("; "))
    return sources[rule.law] + said if said.startswith(("第", "（")) else f"{sources[rule.law]} {said}"


def _article(text: str, sources: Mapping[str, str]) -> str:
    found = _ARTICLE.fullmatch(text)
    if found is None:
        return sources.get(text, text)
    law, numbers = found[1], found[2].replace(", ", "、").replace("–", "至")
    item = re.fullmatch(r"(\d+)\((.+)\)", numbers)
    said = f"第{item[1]}条第({item[2]})项" if item else f"第{numbers}条"
    return f"{sources.get(law, law)}{said}" if law else said


def _problem(rule: Rule) -> str | None:
    """What contradicts itself in a rule, field first."""
    if rule.effective_to is not None and rule.effective_to < rule.effective_from:
        return "effective_to: before effective_from"
    if rule.action == "uphold":
        return None if rule.upheld_by else "upheld_by: says where the rule is held"
    if rule.action == "suspend":
        fits = rule.metric == "inactivity" and rule.deadline is not None and rule.deadline.unit in ("months", "calendar_days")
        return None if fits else "metric: a suspension is for inactivity, with a deadline in months or calendar_days"
    if rule.metric is None or rule.metric == "inactivity":
        return "metric: what is measured?"
    given = [each is not None for each in (rule.limit, rule.most, rule.agreed)]
    if sum(given) != 1:
        return "limit: exactly one of limit, most and agreed"
    if (rule.most is not None and rule.metric not in ("count",)) or (rule.limit is not None and rule.metric == "count"):
        return "limit: amounts by currency are for sums and balances, most is for counts"
    if rule.limit is not None:
        try:
            _amount(rule.limit, "limit")
        except PackError as error:
            return str(error)
    if rule.action == "exempt":
        fits = rule.metric == "rate" and rule.parameter is not None and rule.at_most is not None
        return None if fits and rule.exempts else "metric: an exemption has metric rate, parameter, at_most and exempts"
    if rule.metric == "rate":
        return "metric: a rate is for exemptions"
    if rule.window is None:
        return "window: over what is it summed up?"
    if (rule.window.kind in ("rolling", "consecutive_days")) != (rule.window.days is not None):
        return "window.days: for rolling and consecutive_days, and only there"
    if rule.metric == "balance" and rule.window.kind not in ("transaction", "consecutive_days"):
        return "window: a balance is of one transaction or of consecutive_days"
    if rule.window.kind == "consecutive_days" and rule.metric != "balance":
        return "window: consecutive_days is for balances"
    if (rule.action == "challenge") != (rule.challenge is not None):
        return "challenge: strength or level, for action challenge and only there"
    if (rule.action == "delay") != (rule.delay_hours is not None):
        return "delay_hours: for action delay and only there"
    return None


def _amount(limit: Mapping[str, str], field: str) -> None:
    for currency, text in limit.items():
        try:
            if text != "0":
                parse(text, currency)
        except Refusal as refusal:
            raise PackError(f"{field}: {currency} = {text!r}: {refusal.code.message('en', refusal.detail)}") from None


def read_file(path: Path) -> Pack:
    """The pack in a file. Raises PackError."""
    try:
        return read_pack(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise PackError(f"{path}: cannot be read: {error}") from None


def shipped() -> tuple[str, ...]:
    """Names of the packs that ship."""
    found = resources.files("tongbao.rules.packs").iterdir()
    return tuple(sorted(item.name.removesuffix(".toml") for item in found if item.name.endswith(".toml")))


def named_packs(names: str) -> tuple[Pack, ...]:
    """The packs of a comma-separated setting: names that ship, or paths of files. "none": none. Raises PackError."""
    packs = []
    for name in filter(None, (part.strip() for part in names.split(","))):
        if name == "none":
            continue
        if name in shipped():
            text = resources.files("tongbao.rules.packs").joinpath(f"{name}.toml").read_text(encoding="utf-8")
            packs.append(read_pack(text, f"{name}.toml"))
        else:
            packs.append(read_file(Path(name).expanduser()))
    return tuple(packs)


def merged(packs: Iterable[Pack], currency: str, zone: str) -> Merged:
    """Packs as one rulebook. Raises PackError where an id is used twice, or a rule exempts one that does not exist."""
    packs = tuple(packs)
    ids: set[str] = set()
    for rule in (rule for pack in packs for rule in pack.rules):
        if rule.id in ids:
            raise PackError(f"{rule.id}: two packs have a rule of this id")
        ids.add(rule.id)
    for rule in (rule for pack in packs for rule in pack.rules):
        if unknown := [id for id in rule.exempts if id not in ids]:
            raise PackError(f"{rule.id}: exempts: there is no rule {unknown[0]}")
    return Merged(packs, currency, zone)


def merged_text(book: Merged) -> str:
    """The text of a rulebook: the same packs give the same text."""
    return msgspec.json.Encoder(order="deterministic").encode(book).decode()


def read_merged(text: str) -> Merged:
    """A rulebook from its text."""
    return msgspec.json.decode(text, type=Merged)


def minor_in(limit: Mapping[str, str], currency: str, conversion: Mapping[str, str]) -> int | None:
    """An amount given by currency, in minor units of `currency`; converted, rounded down, where it is not given in it; None where
    it cannot be."""
    if currency in limit:
        return _minor(limit[currency], currency)
    for other, text in limit.items():
        rate = conversion.get(f"{other}/{currency}")
        if rate is not None:
            # In major units of both, for their places may differ.
            exact = Fraction(_minor(text, other), 10 ** places(other)) * Fraction(rate) * 10 ** places(currency)
            return int(exact)
    return None


def _minor(text: str, currency: str) -> int:
    return 0 if text == "0" else parse(text, currency).minor


def conversions(packs: Sequence[Pack]) -> dict[str, str]:
    """Of all packs; a later one's goes before an earlier one's."""
    return {pair: rate for pack in packs for pair, rate in pack.header.conversion.items()}
