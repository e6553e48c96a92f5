"""A customer's standing: how well we know them and whether anything stands in the way of their paying.

One small row, read at every payment and written seldom. It says nothing about who they are: that is in the real name, encrypted.
A customer without a row has level 0: nobody has asked who they are.
"""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

import msgspec

from tongbao.engine.api import Key, Relation, View


class Standing(msgspec.Struct, frozen=True, gc=False):
    """level          real-name level, 0 to 3: by 0, 1, 3 and 5 external channels, or face to face
    verified_at       when the real name was last verified
    expires_on        when the document ends; None: never, or none was shown
    visitor           a foreign visitor, known by a passport
    minor             not of age; changed by a command on the day they are
    suspended         why nothing may be paid, comma-separated ("reported", "document_expired", "dormant", "guardian",
                      "operator")
    cooling_until     a device or a credential was added: until then the limits of a new device hold
    opened_at         when the customer was first known, where a year of limits begins
    reported_at       when a takeover was last reported (`takeover`), recovered from or not
    doubted           the days before each report of the last month, as moments in pairs: not from, but to
    subject_id        whom the law means: the customer who first showed the document that this one showed too, and with whom all
                      that the law counts by person is counted; None: the customer themselves
    """

    customer_id: UUID
    level: int
    verified_at: datetime | None
    expires_on: date | None
    visitor: bool
    minor: bool
    suspended: str
    cooling_until: datetime | None
    opened_at: datetime
    subject_id: UUID | None = None
    reported_at: datetime | None = None
    doubted: str = ""


#: Reasons of a suspension for which nobody comes back: the account is being closed for ever, or was.
CLOSING, CLOSED = "closing", "closed"
#: Somebody else is in the account, as its owner said (`takeover`).
REPORTED = "reported"

STANDING: Relation[Standing] = Relation("standing", Standing, key=("customer_id",), rank=140)


def standing_keys(customer_id: UUID) -> list[Key]:
    """The row `standing_of` needs."""
    return [Key(STANDING, customer_id)]


def standing_of(view: View, customer_id: UUID, now: datetime) -> Standing:
    """The customer's standing; level 0 if there is none yet."""
    return view.get(STANDING, customer_id) or Standing(customer_id, 0, None, None, False, False, "", None, now)


def reasons(suspended: str) -> tuple[str, ...]:
    """The reasons of a suspension, in order."""
    return tuple(filter(None, suspended.split(",")))


def with_reason(suspended: str, reason: str) -> str:
    """The reasons with one more."""
    return ",".join(sorted({*reasons(suspended), reason}))


def without_reason(suspended: str, reason: str) -> str:
    """The reasons with one fewer."""
    return ",".join(one for one in reasons(suspended) if one != reason)
