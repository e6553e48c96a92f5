"""Checks of the project itself: what a remark in review came up with twice becomes a line here.

Run by `make check`. Prints every finding, and exits 1 if there is one.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = {".py", ".md", ".sql", ".toml", ".ts", ".vue", ".css", ".html", ".json", ".yml", ".lock", ".in", ""}

#: (what must not stand in the project, why)
FORBIDDEN = (
    (re.compile(r"https?://[^\s\"']*(registry\.npmjs|pypi\.org/simple|files\.pythonhosted)"), "names a package registry's host"),
    (re.compile(r"/(root|home)/[a-z]+/|/work/"), "names a path of somebody's machine"),
    (re.compile(r"\bfloat\(.*(amount|minor|balance)"), "money is never a float"),
)


def tracked() -> list[Path]:
    """Files under version control."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name]


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    findings = []
    for path in tracked():
        if path.suffix not in TEXT or not path.is_file() or path == Path(__file__).resolve():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for pattern, why in FORBIDDEN:
                if pattern.search(line):
                    findings.append(f"{path.relative_to(ROOT)}:{number}: {why}: {line.strip()[:120]}")
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
