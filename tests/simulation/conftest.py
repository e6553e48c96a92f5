"""Runs of the simulator: quiet, for trouble is what they are made of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from tests.support.quiet import quiet


@pytest.fixture(autouse=True)
def no_news() -> Iterator[None]:
    """What the engine logs of injected trouble is no news here."""
    before = structlog.get_config()
    quiet()
    yield
    structlog.configure(**before)
