"""`tongbao books`, as it is typed: what it prints, for people in two languages and for programs, and how it exits."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from beancount import loader
from click.testing import CliRunner, Result

from tongbao.app.commands.books import command

GOOD = "code,owner_id,currency,debit,credit\n1001,,CNY,100.00,\n4001,,CNY,,100.00\n"


@pytest.fixture
def books(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run it over a fresh database."""
    monkeypatch.setenv("TONGBAO_DATABASE_URL", database)
    monkeypatch.setenv("TONGBAO_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.csv").write_text(GOOD, encoding="utf-8")
    (tmp_path / "bad.csv").write_text(GOOD.replace("4001", "4444"), encoding="utf-8")

    def run(*words: str, exits: int = 0) -> Result:
        result = CliRunner().invoke(command, words)
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
    assert [(row["date"], row["balance"]) for row in days] == [(_yesterday(), "100.00")]
    books("export", "accounts", "-o", "accounts.csv", "--bom")
    line = (tmp_path / "accounts.csv").read_text(encoding="utf-8-sig").splitlines()[1]
    entries = json.loads(books("--json", "statement", line.split(",")[0]).stdout)
    assert [row["kind"] for row in entries] == ["ledger.opening"]
    books("export", "beancount", "-o", "books.beancount")
    assert loader.load_file(str(tmp_path / "books.beancount"))[1] == []
    books("close", "2999-01-01", "--check", exits=1)
    closed = json.loads(books("--json", "close", _yesterday()).stdout)
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


def test_without_a_database_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TONGBAO_DATABASE_URL", raising=False)
    monkeypatch.setenv("TONGBAO_DATA_DIR", str(tmp_path))
    result = CliRunner().invoke(command, ["trial-balance"])
    assert result.exit_code == 1 and "there is no database" in result.stderr


def _yesterday() -> str:
    return str((datetime.now(ZoneInfo("Asia/Shanghai")) - timedelta(days=1)).date())
