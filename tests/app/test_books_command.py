"""`tongbao books`, as it is typed: what it prints, for people in two languages and for programs, and how it exits."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from beancount import loader
from click.testing import CliRunner, Result

from tongbao.app.commands.books import command
from tongbao.security.keys import Keys

GOOD = "code,owner_id,currency,debit,credit\n1001,,CNY,100.00,\n4001,,CNY,,100.00\n"


@pytest.fixture
def books(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run it over a fresh database."""
    monkeypatch.setenv("TONGBAO_DATABASE_URL", database)
    monkeypatch.setenv("TONGBAO_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Keys.open(tmp_path / "keys.json")
    (tmp_path / "good.csv").write_text(GOOD, encoding="utf-8")
    (tmp_path / "other.csv").write_text(GOOD.replace("100.00", "7.00"), encoding="utf-8")
    (tmp_path / "bad.csv").write_text(GOOD.replace("4001", "4444"), encoding="utf-8")

    def run(*words: str, exits: int = 0, typed: str | None = None) -> Result:
        result = CliRunner().invoke(command, words, input=typed)
        assert result.exit_code == exits, (words, result.output, result.exception)
        return result

    return run


def test_balances_are_tried_posted_read_exported_and_closed(books: Any, tmp_path: Path) -> None:
    day, later = "2026-01-15", "2026-01-31"
    bad = books("import", "bad.csv", "--date", day, "--post", exits=1)
    assert "bad.csv:3: the chart has no line 4444" in bad.stderr
    declined = books("--lang", "zh", "import", "good.csv", "--date", "2020-01-01", "--post", exits=1)
    assert "[backdated_too_far]" in declined.stderr
    assert json.loads(books("--json", "trial-balance").stdout) == []
    books("import", "good.csv", "--date", _yesterday())
    assert json.loads(books("--json", "trial-balance").stdout) == []
    books("import", "good.csv", "--date", _yesterday(), "--post")
    assert "(posted before)" in books("import", "good.csv", "--date", _yesterday(), "--post").stdout
    trial = json.loads(books("--json", "trial-balance").stdout)
    assert trial == [
        {
            "currency": "CNY", "balanced": True,
            "rows": [
                {"code": "1001", "debit": "100.00", "credit": "0.00"},
                {"code": "4001", "debit": "0.00", "credit": "100.00"},
            ],
        }
    ]  # fmt: skip
    for words in (("trial-balance",), ("ledger", "--from", day, "--to", _yesterday())):
        assert "手续费收入" in books("--lang", "zh", *words).stdout
        assert "Fee income" in books(*words).stdout
    days = json.loads(books("--json", "ledger", "--from", day, "--to", _yesterday(), "--code", "4001").stdout)
    assert days == [{"date": _yesterday(), "debit": "0.00", "credit": "100.00", "balance": "100.00", "entries": 1}]
    books("export", "accounts", "-o", "accounts.csv", "--bom")
    line = (tmp_path / "accounts.csv").read_text(encoding="utf-8-sig").splitlines()[1]
    entries = json.loads(books("--json", "statement", line.split(",")[0]).stdout)
    assert [(row["kind"], row["version"], row["amount"]) for row in entries] in (
        [("ledger.opening", 1, "100.00")], [("ledger.opening", 1, "-100.00")],
    )  # fmt: skip
    assert "reason" in books("export", "entries", "--whole", "x", exits=2).stderr
    books("export", "entries", "-o", "whole.csv", "--whole", "the yearly audit")
    books("export", "beancount", "-o", "books.beancount")
    assert loader.load_file(str(tmp_path / "books.beancount"))[1] == []
    books("close", "2999-01-01", "--check", exits=1)
    closed = json.loads(books("--json", "close", _yesterday(), "--yes").stdout)
    assert (closed["through"], closed["state"]) == (_yesterday(), "CARRIED")
    assert "[period_not_closed]" in books("reopen", later, "--reason", "x", exits=1).stderr
    assert json.loads(books("--json", "reopen", _yesterday(), "--reason", "late").stdout)["state"] == "REOPENED"


def test_what_cannot_be_is_said_in_one_sentence(books: Any, tmp_path: Path) -> None:
    (tmp_path / "picture.csv").write_bytes(b"\xff\xd8\xff")
    assert "is not a text in UTF-8" in books("import", "picture.csv", "--date", _yesterday(), exits=1).stderr
    assert "No such file" in books("export", "entries", "-o", str(tmp_path / "nowhere" / "x.csv"), exits=1).stderr
    assert "--to lies before --from" in books("ledger", "--from", "2026-03-02", "--to", "2026-03-01", exits=2).stderr
    assert "没有任何分录" in books("--lang", "zh", "trial-balance", "--date", "1999-01-01").stderr
    assert "Nothing speaks against it" in books("close", "2020-01-01", "--check").stderr


def test_the_general_ledger_has_its_balances_on_their_sides_and_a_total_that_balances(books: Any) -> None:
    books("import", "good.csv", "--date", _yesterday(), "--post")
    asked = ("ledger", "--from", _yesterday(), "--to", _today())
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in books(*asked).stdout.splitlines() if "│" in line]
    assert cells == [
        ["1001", "Customer reserve at bank", "", "", "100.00", "", "100.00", "", "1"],
        ["4001", "Fee income", "", "", "", "100.00", "", "100.00", "1"],
        ["Total", "", "0.00", "0.00", "100.00", "100.00", "100.00", "100.00", "2"],
    ]
    rows = json.loads(books(*asked, "--json").stdout)
    assert [(row["opening"], row["debit"], row["credit"], row["closing"], row["entries"]) for row in rows] == [
        ("0.00", "100.00", "0.00", "-100.00", 1), ("0.00", "0.00", "100.00", "100.00", 1),
    ]  # fmt: skip
    for code, side in (("1001", "借"), ("4001", "贷")):
        lines = books(*asked, "--code", code, "--lang", "zh").stdout.splitlines()
        assert [side in line and "100.00" in line for line in lines if _yesterday() in line] == [True]
        assert any("合计" in line and line.count("100.00") == 1 and line.count("0.00") == 2 for line in lines)


def test_language_and_json_may_stand_before_the_report_or_behind_it(books: Any) -> None:
    books("import", "good.csv", "--date", _yesterday(), "--post")
    assert books("trial-balance", "--lang", "zh").stdout == books("--lang", "zh", "trial-balance").stdout
    assert "手续费收入" in books("--lang", "en", "trial-balance", "--lang", "zh").stdout
    assert books("trial-balance", "--json").stdout == books("--json", "trial-balance").stdout
    assert "[period_not_closed]" in (refused := books("reopen", _today(), "--reason", "x", "--lang", "zh", exits=1)).stderr
    assert "不是最近关闭的账期" in refused.stderr


def test_closing_asks_first_and_without_a_yes_changes_nothing(books: Any) -> None:
    books("import", "good.csv", "--date", _yesterday(), "--post")
    for typed in ("n\n", "\n", ""):
        asked = books("close", _yesterday(), exits=1, typed=typed)
        assert f"Close the books through {_yesterday()}?" in asked.stderr
    assert "Nothing speaks against it" in books("close", _yesterday(), "--check").stderr
    done = books("close", _yesterday(), "--lang", "zh", typed="y\n")
    assert "关账至" in done.stderr and "已关账" in done.stdout and "CARRIED" not in done.stdout
    assert "已重新打开" in books("reopen", _yesterday(), "--reason", "迟到", "--lang", "zh").stdout
    assert json.loads(books("close", _yesterday(), "--yes", "--json").stdout)["state"] == "CARRIED"


def test_a_dry_run_says_what_the_posting_would_and_the_file_can_be_posted_when_that_is_mended(books: Any) -> None:
    books("import", "good.csv", "--date", _yesterday(), "--post")
    books("close", _yesterday(), "--yes")
    other = ("import", "other.csv", "--date", _yesterday())
    tried = books(*other, "--lang", "zh", exits=1)
    assert "other.csv: " in tried.stderr and "已关账" in tried.stderr and "--post" not in tried.stderr
    assert len(json.loads(books(*other, "--json", exits=1).stdout)["findings"]) == 1
    assert "[period_closed]" in books(*other, "--post", exits=1).stderr
    books("reopen", _yesterday(), "--reason", "opening balances")
    assert "--post posts it" in books(*other).stderr
    assert json.loads(books(*other, "--post", "--json").stdout)["repeated"] is False


def test_over_a_database_whose_keys_are_elsewhere_it_makes_none_and_says_where_they_belong(
    books: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setenv("TONGBAO_DATA_DIR", str(elsewhere))
    for words in (("trial-balance",), ("import", "good.csv", "--date", _yesterday(), "--post")):
        said = books(*words, exits=2).stderr
        assert str(elsewhere / "keys.json") in said and "TONGBAO_DATA_DIR" in said
    assert not elsewhere.exists()


def test_without_a_database_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TONGBAO_DATABASE_URL", raising=False)
    monkeypatch.setenv("TONGBAO_DATA_DIR", str(tmp_path))
    result = CliRunner().invoke(command, ["trial-balance"])
    assert result.exit_code == 2 and "there is no database" in result.stderr, "as of `verify`"


def _today() -> str:
    return str(datetime.now(ZoneInfo("Asia/Shanghai")).date())


def _yesterday() -> str:
    return str((datetime.now(ZoneInfo("Asia/Shanghai")) - timedelta(days=1)).date())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["trial-balance", "--date", "x", "--lang", "zh"], "参数 '--date' 的值不正确，日期须写作 YYYY-MM-DD"),
        (["--lang=zh", "bogus"], "没有命令 bogus"),
        (["ledger", "--lang", "zh", "--from", "2026-02-01", "--to", "2026-01-01"], "--to 早于 --from"),
        (["--lang", "zh", "ledger", "--fron", "2026-02-01"], "没有选项 --fron"),
        (["--lang", "zh", "close"], "缺少参数"),
        (["--lang", "zh", "trial-balance", "more"], "多余的参数：more"),
        (["--lang", "zh", "ledger", "--code", "9"], "错误：会计科目表没有 9"),
        (["ledger", "--code", "9"], "Error: the chart has no line 9"),
        (["trial-balance", "--date", "x"], "Error: Invalid value for '--date'"),
    ],
)
def test_what_is_wrong_with_the_words_is_said_in_the_language_that_they_ask_for(words: list[str], says: str) -> None:
    result = CliRunner().invoke(command, words)
    assert result.exit_code in (1, 2) and says in result.stderr, result.stderr
    assert ("Usage" in result.stderr) <= ("--lang" not in " ".join(words)), "nothing in English"


def test_a_table_in_a_pipe_is_not_cut() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "tongbao", "rules", "list", "--pack", "house"], capture_output=True, text=True, check=True
    ).stdout
    (line,) = [each for each in said.splitlines() if each.startswith("house.own.count")]
    assert line.rstrip().endswith("Your own number of payments, transfers and withdrawals for a day") and "…" not in said
