"""What a replay was told: how many payments, which declines, how fast; and what it writes down of it as it goes."""

from __future__ import annotations

import asyncio
import os
from array import array
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

from tongbao.app.replaying.source import Row
from tongbao.engine.api import Declined, Outcome


class Acknowledged:
    """A file of the numbers of acknowledged payments, one a line, for comparison after a crash.

    What was acknowledged in one batch is written at once, in one piece, before anything is sent after it. A payment that is
    answered again after a restart is written again.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._lines: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._write()
        os.close(self._file)

    def add(self, number: str) -> None:
        """Note a payment; it is written when the loop has gone through the answers of its batch."""
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._write)
        self._lines.append(f"{number}\n")

    def _write(self) -> None:
        if self._lines:
            os.write(self._file, "".join(self._lines).encode())
            self._lines = []


class Tally:
    """Counts the outcomes of `payments` rows. Ten bytes or less a payment, so that millions fit.

    accepted[place]  1 if the payment at that place in the file was accepted
    """

    def __init__(self, payments: int, log: Acknowledged | None = None) -> None:
        self._log = log
        self.accepted = bytearray(payments)
        self.answered = self.paid = self.repeated = self.fraud = 0
        self.declines: Counter[str] = Counter()
        self._seconds = array("f")

    def count(self, tag: tuple[int, Row], outcome: Outcome, seconds: float) -> None:
        """One more outcome: of which place and row, and how long after it was sent."""
        place, row = tag
        self.answered += 1
        if outcome.repeated:
            self.repeated += 1
        else:
            self._seconds.append(seconds)
        if isinstance(outcome.decision, Declined):
            self.declines[outcome.decision.code.name] += 1
            return
        self.paid += 1
        self.fraud += row.fraud
        self.accepted[place] = 1
        if self._log is not None:
            self._log.add(row.transaction)

    def milliseconds(self, *percentiles: int) -> list[float]:
        """How long the engine took for what it decided in this run, at each percentile. Empty if it decided nothing."""
        ordered = sorted(self._seconds)
        return [ordered[min(len(ordered) - 1, len(ordered) * each // 100)] * 1000 for each in percentiles] if ordered else []
