"""Bugs put in on purpose are found, and nothing is found where there is none."""

from __future__ import annotations

import pytest

from tongbao.simulation.planted import BUGS, Bug, find
from tongbao.simulation.run import run

#: All five show within these, and so they must be found within a thousand.
_MOST = 40


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug: Bug) -> None:
    found = find(bug, _MOST)
    assert found.seed is not None, f"{bug.what}: not found in {_MOST} seeds"
    assert run(found.seed).violation is None, "the seed must be innocent of anything but the bug"
