"""The scan for secrets finds what was planted, and nothing in the project."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


secrets = _tool("check_secrets")
dependencies = _tool("check_dependencies")

#: Put together here, so that no secret stands in this file either.
PLANTED = [
    ("-----BEGIN EC PRIVATE" + " KEY-----", "a private key"),
    ("-----BEGIN PRIVATE" + " KEY-----", "a private key"),
    ("key = 'AKIA" + "IOSFODNN7EXAMPLE'", "a cloud access key"),
    ("ghp_" + "a1B2" * 9, "a token of a code host"),
    ("sk_live" + "_4eC39HqLyjWDarjtT1zdp7dc", "a payment platform's live key"),
    ("postgresql://app:" + "hunter22@db.example/x", "a password in an address"),
    ("api_key = '" + "q8Zr4Tn0Vx2Lm7Kp9Wd3Hs6Yb1Jc5" + "'", "a long random string called a secret"),
    ('"client_secret": "' + "q8Zr4Tn0Vx2Lm7Kp9Wd3Hs6Yb1Jc5" + '"', "a long random string called a secret"),
]

HARMLESS = [
    "password = 'correct horse battery'",
    "token = session.token",
    "secret_name = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'",
    "postgresql://{user}:{password}@{host}/x",
    "digest = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'",
]


@pytest.mark.parametrize(("line", "what"), PLANTED)
def test_a_planted_secret_is_found(tmp_path: Path, line: str, what: str) -> None:
    (tmp_path / "config.py").write_text(f"# nothing here\n{line}\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    assert secrets.scan(tmp_path) == [], "what is not under version control is not looked at"
    subprocess.run(["git", "add", "config.py"], cwd=tmp_path, check=True)
    found = secrets.scan(tmp_path)
    assert found == [f"config.py:2: {what}"]
    (tmp_path / "config.py").write_text(f"# nothing here\n{line}  # not a secret\n")
    assert secrets.scan(tmp_path) == []


@pytest.mark.parametrize("line", HARMLESS)
def test_what_is_no_secret_is_passed_over(line: str) -> None:
    assert list(secrets.findings("x", line)) == []


def test_the_project_has_none() -> None:
    assert secrets.scan(ROOT) == []


def test_no_strong_copyleft_is_shipped() -> None:
    assert len(dependencies._shipped()) > 10
    assert dependencies.licences() == []


LICENCES = [
    ("GPL-3.0-only", True), ("AGPL-3.0", True), ("GNU General Public License v2", True), ("LGPL-3.0", False), ("MIT", False),
]  # fmt: skip


@pytest.mark.parametrize(("text", "strong"), LICENCES)
def test_which_licences_are_strong(text: str, strong: bool) -> None:
    assert (dependencies._STRONG.search(text) is not None) is strong
