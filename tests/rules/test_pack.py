"""Packs that cannot be: each is refused with the file, the rule and the field named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tongbao.rules.book import Book, slots_of
from tongbao.rules.pack import PackError, merged, merged_text, minor_in, named_packs, read_merged, read_pack, shipped

HEAD = 'pack = "x"\ntitle = { zh = "试", en = "Test" }\n'
RULE = {
    "id": '"x.day"', "name": '{ zh = "试", en = "Test" }', "law": '"Law"', "article": '"1"', "effective_from": "2020-01-01",
    "verified": "true", "action": '"refuse"', "metric": '"amount"', "window": '{ kind = "day" }', "limit": '{ CNY = "1.00" }',
}  # fmt: skip


def pack(*changes: dict[str, str | None]) -> str:
    """A pack of one rule for each change of the plain one; None leaves a field out."""
    rules = [{name: value for name, value in {**RULE, **change}.items() if value is not None} for change in changes]
    return HEAD + "".join("[[rule]]\n" + "".join(f"{name} = {value}\n" for name, value in rule.items()) for rule in rules)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"window": '{ kind = "daily" }'}, "rule x.day: window.kind"),
        ({"window": '{ kind = "day", hours = 3 }'}, "rule x.day: window"),
        ({"window": '{ kind = "rolling" }'}, "rule x.day: window.days"),
        ({"window": '{ kind = "day", days = 3 }'}, "rule x.day: window.days"),
        ({"window": None}, "rule x.day: window"),
        ({"law": None}, "rule x.day: Object missing required field `law`"),
        ({"id": None}, "rule number 1, which has no id"),
        ({"limit": '{ CNY = "1.001" }'}, "CNY = '1.001'"),
        ({"limit": '{ XXX = "1" }'}, "XXX = '1'"),
        ({"limit": '{ CNY = 5 }'}, "rule x.day: limit"),
        ({"limit": None}, "rule x.day: limit: exactly one of"),
        ({"most": "3"}, "rule x.day: limit: exactly one of"),
        ({"metric": '"count"'}, "rule x.day: limit: amounts by currency"),
        ({"metric": '"balance"'}, "rule x.day: window: a balance"),
        ({"action": '"challenge"'}, "rule x.day: challenge"),
        ({"challenge": '"level"'}, "rule x.day: challenge"),
        ({"action": '"delay"'}, "rule x.day: delay_hours"),
        ({"action": '"uphold"'}, "rule x.day: upheld_by"),
        ({"action": '"suspend"'}, "rule x.day: metric: a suspension"),
        ({"action": '"exempt"'}, "rule x.day: metric: an exemption"),
        ({"effective_to": "2019-12-31"}, "rule x.day: effective_to"),
        ({"effective_from": '"soon"'}, "rule x.day: effective_from"),
        ({"when": "{ levels = [4] }"}, "rule x.day: when.levels[0]"),
        ({"amount": '"1.00"'}, "rule x.day: Object contains unknown field `amount`"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named(change: dict[str, str | None], says: str) -> None:
    with pytest.raises(PackError) as refused:
        read_pack(pack(change), "my.toml")
    assert str(refused.value).startswith("my.toml: ") and says in str(refused.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("pack = ", "my.toml: "),
        ('title = { zh = "a", en = "b" }', "the head of the file: Object missing required field `pack`"),
        (HEAD + "[conversion]\nUSD = '7'", "conversion: USD"),
        (HEAD + "[conversion]\n'USD/CNY' = 'seven'", "conversion: USD/CNY"),
        (HEAD + "[defaults]\ndaily = { CNY = '1.005' }", "defaults: CNY"),
        (pack({}, {}), "rule x.day: the id is used twice"),
    ],
)
def test_what_cannot_be_of_the_whole_file_is_named(text: str, says: str) -> None:
    with pytest.raises(PackError) as refused:
        read_pack(text, "my.toml")
    assert says in str(refused.value)


def test_two_packs_may_not_have_one_id_and_none_may_exempt_what_is_not_there() -> None:
    one = read_pack(pack({}), "one")
    with pytest.raises(PackError, match=r"x\.day: two packs"):
        merged([one, one], "CNY", "Asia/Shanghai")
    exempting = {
        "id": '"x.free"', "action": '"exempt"', "metric": '"rate"', "window": None, "parameter": '"fraud"', "at_most": "1",
        "exempts": '["x.nothing"]',
    }  # fmt: skip
    with pytest.raises(PackError, match=r"x\.free: exempts: there is no rule x\.nothing"):
        merged([read_pack(pack(exempting), "two")], "CNY", "Asia/Shanghai")


def test_a_pack_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="cannot be read"):
        named_packs(str(tmp_path / "nowhere.toml"))
    (tmp_path / "mine.toml").write_text(pack({}), encoding="utf-8")
    assert [each.header.pack for each in named_packs(f"none, {tmp_path / 'mine.toml'}")] == ["x"]


def test_every_pack_that_ships_comes_back_from_its_text_and_every_counter_has_its_place() -> None:
    every = merged(named_packs(",".join(shipped())), "CNY", "Asia/Shanghai")
    text = merged_text(every)
    assert read_merged(text) == every and merged_text(read_merged(text)) == text
    names = slots_of(every)
    assert len(set(names)) == len(names) > 30
    assert [slot.name for slot in Book(text, names).slots] == names


@pytest.mark.parametrize(
    ("limit", "currency", "minor"),
    [
        ({"CNY": "5.00", "USD": "1.00"}, "CNY", 500),
        ({"USD": "5000"}, "CNY", 3_500_000),
        ({"JPY": "101"}, "CNY", 488),  # 4.8884 yuan, rounded down
        ({"CNY": "1.00"}, "JPY", 20),  # 20.66 yen
        ({"EUR": "1.00"}, "CNY", None),
        ({"USD": "0"}, "CNY", 0),
    ],
)
def test_an_amount_in_another_currency_is_converted_exactly_and_rounded_down(
    limit: dict[str, str], currency: str, minor: int | None
) -> None:
    assert minor_in(limit, currency, {"USD/CNY": "7", "JPY/CNY": "0.0484", "CNY/JPY": "62/3"}) == minor
