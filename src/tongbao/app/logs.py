"""Structured logs: one event a line, to standard error."""

from __future__ import annotations

import io
import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import ExcInfo

from tongbao.app.registry import CLASSES
from tongbao.security.classes import Mask

#: PostgreSQL's errors quote the row or key that was wrong, the driver's the argument: somebody's phone, password hash or account.
_ROWS = re.compile(
    r"\n?(?:DETAIL|CONTEXT|HINT):[^\n]*|(?<=invalid input for query argument )[^\n]*|(?<=input syntax for type )[^\n]*"
    r"|(?<=invalid UUID )[^\n]*"
)


def _without_rows(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = _ROWS.sub("", value)
    return event


class _Masked:
    """Hides what is called like a column of class C2 or C3 (`security.classes`), wherever in an event it stands."""

    def __init__(self) -> None:
        self._mask = Mask(CLASSES)

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for name, value in event.items():
            event[name] = self._mask.shown(name, value)
        return event


def _plain_trace(out: TextIO, exc_info: ExcInfo) -> None:
    text = io.StringIO()
    structlog.dev.plain_traceback(text, exc_info)
    out.write(_ROWS.sub("", text.getvalue()))


def configure(*, as_json: bool, level: int = logging.INFO) -> None:
    """Send every log line of ours, and of the libraries, through structlog."""
    # Plain traces only: the rich ones print local variables, and those hold PINs, passwords and tokens.
    pretty = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_plain_trace)
    renderer = structlog.processors.JSONRenderer() if as_json else pretty
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _Masked(),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([structlog.processors.format_exc_info] if as_json else []),
            _without_rows,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s %(levelname)s %(message)s")
