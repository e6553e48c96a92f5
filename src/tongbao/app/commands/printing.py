"""Where tables of the command line are printed."""

from __future__ import annotations

import sys

from rich.console import Console

#: Wider than any table: what goes into a pipe or a file is for another program, or for searching, and is never cut.
_UNCUT = 10_000


def console() -> Console:
    """The terminal in its own width; anything else without a bound."""
    return Console() if sys.stdout.isatty() else Console(width=_UNCUT)
