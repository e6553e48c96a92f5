"""The acts that take two operators, by name. A module that has one adds its line to the list of its field."""

from __future__ import annotations

from tongbao.app.console import kinds_books, kinds_people, kinds_rules
from tongbao.operators.api import Kind

KINDS: dict[str, Kind] = {kind.name: kind for kind in (*kinds_books.KINDS, *kinds_people.KINDS, *kinds_rules.KINDS)}
