"""The security checklist says something of every number, and its evidence exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "security" / "asvs.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines() if re.match(r"\| \d", line)]

#: How many requirements of levels 1 and 2 each section of ASVS 5.0.0 has, where every section is answered number by number.
SECTIONS = {
    "1.1": 2, "1.2": 9, "1.3": 11, "1.4": 3, "1.5": 2, "2.1": 3, "2.2": 3, "2.3": 4, "2.4": 1, "3.2": 2, "3.3": 4, "3.4": 6,
    "3.5": 5, "3.7": 2, "4.1": 3, "4.2": 1, "4.3": 2, "4.4": 4, "5.1": 1, "5.2": 3, "5.3": 2, "5.4": 3, "6.1": 3, "6.2": 12,
    "6.3": 4, "6.4": 4, "6.5": 5, "6.6": 3, "6.8": 4, "7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 2, "7.6": 2, "8.1": 2,
    "8.2": 3, "8.3": 1, "8.4": 1, "9.1": 3, "9.2": 4, "11.1": 2, "11.2": 3, "11.3": 3, "11.4": 4, "11.5": 1, "11.6": 1,
    "12.1": 3, "12.2": 2, "12.3": 4, "13.1": 1, "13.2": 5, "13.3": 2, "13.4": 5, "14.1": 2, "14.2": 4, "14.3": 3, "15.1": 3,
    "15.2": 3, "15.3": 7, "16.1": 1, "16.2": 5, "16.3": 4, "16.4": 3, "16.5": 3,
}  # fmt: skip


def test_every_requirement_of_levels_one_and_two_has_its_line() -> None:
    numbers = [number.strip() for row in ROWS for number in row[0].split(",") if "–" not in number]
    assert len(numbers) == len(set(numbers))
    counted = {section: sum(number.startswith(f"{section}.") for number in numbers) for section in SECTIONS}
    assert counted == SECTIONS
    assert sum(counted.values()) == len(numbers)


def test_every_line_has_a_state_and_what_is_held_has_evidence_that_exists() -> None:
    for number, _, state, evidence in ROWS:
        assert state in ("yes", "partly", "no", "run", "n.a."), number
        for path in re.findall(r"`((?:src|tests|docs|tools|web)/[^`]*|[a-z]+\.(?:toml|lock))`", evidence):
            assert (ROOT / path).exists(), (number, path)
    shown = [row for row in ROWS if row[2] == "yes"]
    assert sum("`" in row[3] for row in shown) >= len(shown) - 4
