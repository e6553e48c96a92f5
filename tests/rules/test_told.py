"""What rules are called, and which of them have nothing to say to anybody."""

from __future__ import annotations

import ast
import random
from datetime import date
from pathlib import Path
from typing import get_args

import pytest

import tongbao
from tests.rules.court import NOON
from tongbao.identity.realname.levels import LEVELS
from tongbao.rules.book import Check, _in_short, book_of
from tongbao.rules.explain import allowances_of, idle_rules, limits_of
from tongbao.rules.pack import Rule, merged, merged_text, named_packs, read_pack, shipped
from tongbao.rules.persons import Known
from tongbao.rules.rules import rulebook_row
from tongbao.rules.types import ACTS_DONE
from tongbao.rules.whatif import somebody
from tongbao.wallet.types import BankTransferKind

RULES = {rule.id: rule for name in shipped() for pack in named_packs(name) for rule in pack.rules}


@pytest.mark.parametrize(
    ("rule", "cited"),
    [
        ("cn.account.class1", "中国人民银行公告〔2015〕第43号第11条第(1)项"),
        ("cn.account.wealth", "中国人民银行公告〔2015〕第43号第11条第(1)至(3)项"),
        ("cn.data.rights", "个人信息保护法第15、24、45至47条"),
        ("cn.data.breach", "个人信息保护法第57条；中国人民银行数据安全管理办法"),
        ("cn.micro.day", "银发〔2017〕296号 小微商户"),
        ("house.own.day", "与客户的约定 2"),
    ],
)
def test_a_rule_is_cited_in_chinese(rule: str, cited: str) -> None:
    assert RULES[rule].citation_zh == cited


def test_no_rule_that_ships_is_cited_in_english_to_who_reads_chinese() -> None:
    plain = [rule.id for rule in RULES.values() if not any("\u4e00" <= letter <= "\u9fff" for letter in rule.citation_zh)]
    english = [rule.id for rule in RULES.values() if "Art" in rule.citation_zh]
    assert (plain, english) == ([], [])


def test_a_law_without_a_chinese_name_is_cited_as_it_is() -> None:
    text = """
pack = "test"
title = { zh = "试", en = "Test" }
[[rule]]
id = "test.one"
name = { zh = "试", en = "Test" }
law = "Statutes of Laputa"
article = "Art. 1"
effective_from = 2020-01-01
verified = true
action = "refuse"
metric = "amount"
window = { kind = "day" }
limit = { CNY = "1" }
"""
    (rule,) = read_pack(text, "test").rules
    assert rule.citation_zh == "Statutes of Laputa Art. 1"


def test_rules_about_what_the_product_does_not_do_are_named() -> None:
    row = rulebook_row(
        merged_text(merged(named_packs("cn,house"), "CNY", "Asia/Shanghai")), None, by_hand=True, by="", reason="", now=NOON
    )
    idle = {rule.id for rule in idle_rules(book_of(row), date(2026, 3, 11).toordinal())}
    assert {"cn.quick.institution", "cn.micro.day", "cn.micro.month", "cn.account.wealth"} <= idle
    assert not {"cn.barcode.bank", "cn.account.class2", "cn.auth.medium", "house.own.day", "house.level0"} & idle


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_customer_is_told_what_limits_them_and_not_what_is_reported(level: int) -> None:
    row = rulebook_row(
        merged_text(merged(named_packs("cn,house"), "CNY", "Asia/Shanghai")), None, by_hand=True, by="", reason="", now=NOON
    )
    book, known = book_of(row), Known(somebody(level, NOON), None)
    theirs, ours = (limits_of(book, "customer", known, NOON, for_staff=for_staff) for for_staff in (False, True))
    reported = {line.rule_id for line in ours if line.action == "report"}
    assert {"cn.aml.large.person.debit", "cn.aml.large.cash.credit"} <= reported
    idle = {rule.id for rule in idle_rules(book, NOON.date().toordinal())}
    told = [line.rule_id for line in theirs]
    assert not (reported | idle) & set(told) and {line.action for line in theirs} <= {"refuse", "challenge", "delay"}
    assert {"cn.auth.medium", "house.own.day", f"cn.account.class{level}"} <= set(told)
    caps = [line.cap for line in theirs if line.cap]
    assert len(caps) == len(set(caps)), "what the customer agreed on is told once"


def test_each_level_is_told_its_sums_from_the_packs_and_promised_nothing_that_there_is_not() -> None:
    row = rulebook_row(
        merged_text(merged(named_packs("cn,house"), "CNY", "Asia/Shanghai")), None, by_hand=True, by="", reason="", now=NOON
    )
    book = book_of(row)
    told = {level: [(one.rule_id, one.limit, one.window) for one in allowances_of(book, level, NOON)] for level in range(4)}
    assert told == {
        0: [("house.level0", "0.00", "transaction")],
        1: [("cn.account.class1", "1000.00", "lifetime")],
        2: [("cn.account.class2", "100000.00", "year:calendar")],
        3: [("cn.account.class3", "200000.00", "year:calendar")],
    }
    lines = limits_of(book, "customer", Known(somebody(3, NOON), None), NOON)
    assert all(set(line.applies_to.kinds) <= ACTS_DONE for line in lines)
    said = [word for facts in LEVELS for word in (facts.gives.zh, facts.gives.en)]
    assert not [word for word in said if "理财" in word or "wealth" in word]


def test_the_acts_that_the_product_does_are_those_that_its_deciders_name() -> None:
    root = Path(tongbao.__file__).parent
    named: set[str] = set()
    for file in (*root.glob("payments/*.py"), *root.glob("wallet/*.py")):
        tree = ast.parse(file.read_text())
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "tongbao.rules.api"]
        ours = any(each.name == "Act" for node in imports for each in node.names)
        for node in ast.walk(tree) if ours else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Act":
                kind = node.args[0]
                named |= {str(kind.value)} if isinstance(kind, ast.Constant) else set(get_args(BankTransferKind))
    assert named == ACTS_DONE


def _check(slot: int, step: int, most: int) -> Check:
    rule = next(iter(RULES.values()))
    assert isinstance(rule, Rule)
    return Check(slot, step, most, -1, rule)


def test_counting_at_once_says_what_counting_one_by_one_says() -> None:
    choose = random.Random(7)
    said = {True: 0, False: 0}
    for _ in range(3_000):
        slots = choose.randint(1, 6)
        amounts = {slot for slot in range(slots) if choose.random() < 0.6}
        numbers = {slot for slot in range(slots) if slot not in amounts and choose.random() < 0.5}
        near = choose.choice([10, 1_000, 2**62, 2**63 - 1])
        checks = [_check(slot, 0 if slot in amounts else 1, choose.randint(max(1, near - 9), near)) for slot in amounts | numbers]
        checks += [_check(-1, 0, choose.randint(1, near))] * choose.randint(0, 1)
        before = [min(2**63 - 1, max(0, choose.choice([0, near, near // 2, near - 3]))) for _ in range(choose.randint(0, slots))]
        amount = choose.choice([1, 2, near // 2 or 1, near])
        enter = _in_short(checks, amounts, numbers, slots)
        assert enter is not None
        stored = b"".join(each.to_bytes(8, "little") for each in before)
        full = before + [0] * (slots - len(before))
        after = [each + (amount if slot in amounts else slot in numbers) for slot, each in enumerate(full)]
        fits = max(after) < 2**63 and all((amount if check.slot < 0 else after[check.slot]) <= check.most for check in checks)
        entered = enter(stored, amount)
        assert (entered is not None) == fits, (checks, before, amount)
        said[fits] += 1
        if entered is not None:
            values = [int.from_bytes(entered[at : at + 8], "little") for at in range(0, len(entered), 8)]
            assert values + [0] * (slots - len(values)) == after
    assert min(said.values()) > 300
