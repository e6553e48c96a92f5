"""The mutator and the trial themselves: what is changed, that a change is noticed, that a survivor is told."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.mutation.judging import explained, judge
from tests.mutation.mutants import mutants
from tests.mutation.running import Test, Trial

RULES = '''\
"""Not changed: 1 < 2."""
MOST = 3


def fits(number: int, most: int = 0) -> bool:
    """Not changed either: 1 < 2."""
    if number < 0:
        return False
    return number <= (most or MOST)


def told(heard: list[str], number: int) -> None:
    if number == 0 and not heard:
        heard.append("none")
    raise ValueError("never changed")


def Decider(keys):
    return keys


KEYS = (Decider(lambda number: [number, -number]),)
'''


def names(text: str) -> list[str]:
    return [each.name for each in mutants("m", Path("m.py"), text)]


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("return a < b", ["a < b → a <= b", "a < b → a >= b"]),
        ("return a == b", ["a == b → a != b"]),
        ("return a is None", ["a is None → a is not None"]),
        ("return a in b", ["a in b → a not in b"]),
        ("return a and b and c", ["a and b and c → a or b or c", "a and b and c → b and c", "a and b and c → a and c",
                                  "a and b and c → a and b"]),
        ("return a or b", ["a or b → a and b", "return a or b → return b", "return a or b → return a"]),
        ("return not a", ["return not a → return a"]),
        ("return -a", ["return -a → return a"]),
        ("return a + b", ["a + b → a - b"]),
        ("return a * b // c", ["a * b // c → a * b * c", "a * b → a // b"]),
        ("return a + 7", ["a + 7 → a - 7", "a + 7 → a + 8", "a + 7 → a + 6"]),
        ("return 1", ["return 1 → return 2"]),
        ("return True", ["return True → return False"]),
        ("return 'x'", ["return 'x' → return 'x~'"]),
        ("return f'x{a}'", ["f'x{a}' → f'x~{a}'"]),
        ("return max(a, b)", ["max(a, b) → min(a, b)"]),
        ("return [a, b]", ["[a, b] → [b]", "[a, b] → [a]"]),
        ("return replace(a, b=c)", ["replace(a, b=c) → replace(a)"]),
        ("return a if b else c", ["a if b else c → a if not b else c"]),
        ("a.put(b)", ["a.put(b) → nothing"]),
        ("raise a", ["raise a → nothing"]),
        ("if a:\n        b()", ["if a → if False", "if a → if not a", "b() → nothing"]),
        ("if a < b:\n        c()", ["if a < b → if False", "a < b → a <= b", "a < b → a >= b", "c() → nothing"]),
        ("if (c := a(b)):\n        return c", ["if (c := a(b)) → if False", "if (c := a(b)) → if not (c := a(b))"]),
        ("for a in b:\n        c(a)", ["c(a) → nothing"]),
        ("match a:\n        case 'x':\n            b()", ["case 'x' → case 'x~'", "b() → nothing"]),
    ],
)  # fmt: skip
def test_every_kind_of_change_is_made(rule: str, changes: list[str]) -> None:
    assert names(f"def f(a, b, c):\n    {rule}\n") == [f"m:f: {each}" for each in changes]


def test_a_change_made_twice_has_two_names_and_a_long_one_is_told_by_what_differs() -> None:
    assert names("def f(a):\n    a(1)\n    a(1)\n")[-1] == "m:f: a(1) → a(2) #2"
    long = ", ".join(f"argument_{number}" for number in range(20))
    assert names(f"def f():\n    return call({long}, 1)\n") == [
        "m:f: …17, argument_18, argument_19, 1) → …17, argument_18, argument_19, 2)"
    ]


def test_names_do_not_depend_on_where_a_rule_stands() -> None:
    rule = "def f(a, b):\n    return a < b\n"
    assert names(rule) == names("\n\n\n" + rule)


@pytest.fixture
def rules(tmp_path: Path) -> Iterator[ModuleType]:
    """A module of rules of our own."""
    path = tmp_path / "rules_of_a_test.py"
    path.write_text(RULES)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[path.stem]


def good_tests(rules: ModuleType) -> list[Test]:
    fits = rules.fits  # held from before, as a table of deciders holds them

    def bounds() -> None:
        assert [fits(number) for number in (-1, 0, 3, 4)] == [False, True, True, False]

    async def agreed() -> None:
        assert fits(4, 4) and not fits(5, 4)

    def words() -> None:
        heard: list[str] = []
        for number, expected in ((1, []), (0, ["none"]), (0, ["none"])):
            with pytest.raises(ValueError, match="never"):
                rules.told(heard, number)
            assert heard == expected

    def keys() -> None:
        assert rules.KEYS[0](2) == [2, -2]

    return [Test("bounds", bounds), Test("agreed", agreed), Test("words", words), Test("keys", keys)]


def survivors(rules: ModuleType, tests: list[Test]) -> list[str]:
    trial = Trial([rules.__name__], tests)
    verdict = judge(trial, trial.mutants(), {}, whole=True)
    assert all(test.failure() is None for test in tests), "a mutant was not taken back"
    return [name.removeprefix(f"{rules.__name__}:") for name in verdict.unexplained]


def test_good_tests_notice_every_mutant(rules: ModuleType) -> None:
    assert survivors(rules, good_tests(rules)) == []


def test_a_test_that_looks_away_is_told_by_the_mutants_it_lets_live(rules: ModuleType) -> None:
    assert survivors(rules, good_tests(rules)[1:]) == [
        "MOST: MOST = 3 → MOST = 4",
        "MOST: MOST = 3 → MOST = 2",
        "fits: if number < 0 → if False",
        "fits: number < 0 → number <= 0",
        "fits: number < 0 → number < 1",
        "fits: return False → return True",
        "fits: number <= (most or MOST) → number <= most",
    ]


def test_a_mutant_that_never_ends_is_noticed(rules: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.mutation.running._LONGEST_S", 0.2)
    ends = Test("ends", lambda: None)
    assert ends.failure() is None

    async def endless() -> None:
        while True:
            pass

    assert Test("endless", endless).failure() is not None


def test_a_test_that_fails_by_itself_is_not_taken_for_one_that_notices(rules: ModuleType) -> None:
    def wrong() -> None:
        assert rules.fits(4)

    with pytest.raises(AssertionError, match="fails without any change"):
        Trial([rules.__name__], [Test("wrong", wrong)])


def test_explanations_out_of_date_are_told(rules: ModuleType) -> None:
    trial = Trial([rules.__name__], good_tests(rules))
    killed = trial.mutants()[0].name
    verdict = judge(trial, trial.mutants(), {killed: "no", "gone": "no"}, whole=True)
    assert verdict.killed_though_explained == [killed] and verdict.unheard_of == ["gone"] and not verdict.well


def test_an_explanation_needs_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "survivors.toml"
    path.write_text('[[survivor]]\nmutant = "a"\nreason = " "\n')
    with pytest.raises(ValueError, match="no reason"):
        explained(path)


def test_no_mutant_of_a_sample_survives_unexplained() -> None:
    """`make mutate` tries them all."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutation", "--sample", "120"],
        cwd=Path(__file__).parents[2], env=None, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "120 mutants" in done.stdout
