"""A fresh, migrated database for each run over PostgreSQL."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from tongbao.app.registry import MIGRATIONS
from tongbao.kernel.migrations import migrate
from tongbao.kernel.postgres import EmbeddedPostgres, create_database, drop_database
from tongbao.simulation.real import Postgres

_TEMPLATE = "simulation_template"
_numbers = itertools.count(1)


class Databases:
    """A server of its own in `directory`. What a worker is handed of it is only where it is."""

    def __init__(self, directory: Path) -> None:
        self._server = EmbeddedPostgres(directory / "postgres", durable=False)
        self.dsn = ""

    def __enter__(self) -> Databases:
        self.dsn = self._server.start()
        asyncio.run(migrate(create_database(self.dsn, _TEMPLATE), MIGRATIONS))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.stop()

    def __getstate__(self) -> str:
        return self.dsn

    def __setstate__(self, dsn: str) -> None:
        self.dsn = dsn

    @contextmanager
    def tables(self) -> Iterator[Postgres]:
        """The tables of a new database, which is dropped afterwards."""
        with fresh_tables(self.dsn, _TEMPLATE) as tables:
            yield tables


@contextmanager
def fresh_tables(dsn: str, template: str) -> Iterator[Postgres]:
    """The same on any server that has a migrated template."""
    name = f"simulation_{os.getpid()}_{next(_numbers)}"
    tables = Postgres(create_database(dsn, name, template))
    try:
        yield tables
    finally:
        tables.close()
        drop_database(dsn, name)
