"""The log is not what these tests are about."""

from __future__ import annotations

from tests.support.quiet import quiet

quiet()
