"""What travels between `HttpRegistries` and the registries, in their words, and how it reads in ours."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from tongbao.identity.realname.channels import Answer


class CheckReport(msgspec.Struct, frozen=True):
    """A registry's view of one question. `differing` names fields of the question, or is "void"."""

    reference: str
    registry: str
    result: Literal["SAME", "DIFFERENT", "NO_RECORD", "PROCESSING"]
    differing: tuple[str, ...]
    serial: str
    at: datetime


#: What a registry may call different; anything else makes the answer unreadable.
DIFFERING = frozenset({"name", "number", "phone", "card", "legal_person", "birth_date", "expires_on", "void"})


def read_report(report: CheckReport) -> Answer:
    """What a report says, in our words. "Processing" is not known yet."""
    match report.result:
        case "SAME":
            return Answer("MATCHED", (), report.serial, report.at)
        case "DIFFERENT":
            return Answer("MISMATCHED", report.differing, report.serial, report.at)
        case "NO_RECORD":
            return Answer("NO_RECORD", (), report.serial, report.at)
        case _:
            return Answer("UNKNOWN", (), report.serial)
