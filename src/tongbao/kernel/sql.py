"""Named SQL: queries live in `.sql` files beside the module that owns their tables.

A file holds queries, each under a line `-- name: the_name`, followed by comments that say what it is for:

    -- name: account_by_id
    -- One account, without a lock. $1 account_id.
    select … ;
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources

_NAME = re.compile(r"^-- name: ([a-z][a-z0-9_]*)\s*$", re.MULTILINE)


class Queries(Mapping[str, str]):
    """The queries of one package, by name: `queries["account_by_id"]`. A missing name raises KeyError at once."""

    def __init__(self, package: str) -> None:
        self._texts: dict[str, str] = {}
        for entry in sorted(resources.files(package).joinpath("sql").iterdir(), key=lambda item: item.name):
            if not entry.name.endswith(".sql"):
                continue
            parts = _NAME.split(entry.read_text(encoding="utf-8"))
            for name, text in zip(parts[1::2], parts[2::2], strict=True):
                if name in self._texts:
                    raise ValueError(f"{package}: query {name} is written twice")
                self._texts[name] = text.strip().rstrip(";")

    def __getitem__(self, name: str) -> str:
        return self._texts[name]

    def __iter__(self) -> object:  # type: ignore[override]
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)
