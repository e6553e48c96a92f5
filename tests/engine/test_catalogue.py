"""Every code in the catalogue speaks both languages and says the same in both."""

from __future__ import annotations

import importlib
import pkgutil
import re
from string import Formatter

import pytest

import tongbao
from tongbao.kernel.errors import INTERNAL_ERROR, Code, catalogue, decline, lookup

for _module in pkgutil.walk_packages(tongbao.__path__, "tongbao."):
    if _module.name.endswith(".errors"):
        importlib.import_module(_module.name)

CODES = list(catalogue())


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_every_family_is_there() -> None:
    assert {code.family for code in CODES} == {"decline", "refusal", "broken"} and len(CODES) > 50


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
def test_a_code_says_the_same_in_both_languages(code: Code) -> None:
    assert code.zh.strip() == code.zh != "" and code.en.strip() == code.en != ""
    assert re.search("[\u4e00-\u9fff]", code.zh) and not re.search("[\u4e00-\u9fff]", code.en)
    # What is itself in a language is named after it. A decoder's complaint is only ever in English, and tells where; in Chinese
    # it is only told where.
    shared = [
        {re.sub("_(zh|en)$", "", name) for name in _placeholders(text)} - {"problem", "where"} for text in (code.zh, code.en)
    ]
    assert shared[0] == shared[1]
    assert all(not name.endswith("_en") for name in _placeholders(code.zh))
    assert all(not name.endswith("_zh") for name in _placeholders(code.en))
    assert "" not in _placeholders(code.en), "a placeholder has a name"
    for language in ("zh", "en"):
        said = _placeholders(code.zh if language == "zh" else code.en)
        filled = code.message(language, dict.fromkeys(said, "§"))
        assert "{" not in filled and ("§" in filled) == bool(said)
        assert "{" not in code.message(language), "without its detail a message still reads"


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
def test_a_code_is_a_stable_name_with_a_fitting_status(code: Code) -> None:
    assert re.fullmatch("[a-z][a-z0-9]*(_[a-z0-9]+)*", code.name)
    assert (code.status == 500) == (code.family == "broken")
    assert 400 <= code.status < 600
    assert code.family == "refusal" or not code.retryable, "a decline stays the answer for ever: repeating it cures nothing"
    assert code.retryable == (code.status in (429, 503, 504))
    assert lookup(code.name) is code


def test_an_unknown_code_reads_as_an_internal_error() -> None:
    assert lookup("never_declared") is INTERNAL_ERROR


def test_a_code_is_declared_once() -> None:
    with pytest.raises(AssertionError, match="declared twice"):
        decline("insufficient_funds", "余额不足。", "The balance is not enough.")
