"""What the engine says of the bugs that tests provoke is no news."""

from __future__ import annotations

import logging

import structlog


def quiet() -> None:
    """Let only critical log events through, in this process."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
