"""How to reach whoever runs this, for anybody: who cannot log in needs it most.

Source: Personal Information Protection Law, Art. 17 (who handles personal data says how they are reached).
"""

from __future__ import annotations

import msgspec
from litestar import get

from tongbao.app.settings import Settings


class ContactsAnswer(msgspec.Struct, frozen=True):
    """`support`: customer care, where complaints go too; `privacy`: who answers for personal data. Empty where the operator has
    not said."""

    support: str
    privacy: str


def contacts_of(settings: Settings) -> ContactsAnswer:
    """What the settings say."""
    return ContactsAnswer(settings.support_contact, settings.privacy_contact)


@get("/v1/wallet/contacts", tags=["Wallet"])
async def contacts(contact_lines: ContactsAnswer) -> ContactsAnswer:
    """How to reach whoever runs this. No session is needed."""
    return contact_lines
