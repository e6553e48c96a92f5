"""Structured logs: one event a line, to standard error."""

from __future__ import annotations

import logging
import sys

import structlog


def configure(*, as_json: bool, level: int = logging.INFO) -> None:
    """Send every log line of ours, and of the libraries, through structlog."""
    # Plain traces only: the rich ones print local variables, and those hold PINs, passwords and tokens.
    pretty = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    renderer = structlog.processors.JSONRenderer() if as_json else pretty
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([structlog.processors.format_exc_info] if as_json else []),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s %(levelname)s %(message)s")
