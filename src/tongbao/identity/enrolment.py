"""Somebody about to be made a principal: their own keys, and what is known of them sealed under these."""

from __future__ import annotations

import unicodedata
from uuid import UUID

from tongbao.identity.types import Enrolment, Locale
from tongbao.security.personal import Vault

LOGIN = "principal.login"
NAME = "principal.name"
DEVICE = "session.device_name"


async def sealed(
    vault: Vault, principal_id: UUID, login: str, name: str, locale: Locale, password_hash: str, roles: str = ""
) -> Enrolment:
    """Login and name in their normal form, under new keys. `principal_id`: a fresh one (`new_id`), used for nobody before."""
    person_key = await vault.new_person(principal_id)
    return Enrolment(
        principal_id, person_key,
        login_index(vault, login), await vault.seal(principal_id, LOGIN, login),
        name_index(vault, name), await vault.seal(principal_id, NAME, name),
        locale, password_hash, roles,
    )  # fmt: skip


def login_index(vault: Vault, login: str) -> bytes:
    """By what somebody is found who logs in."""
    return vault.index(LOGIN, login)


def name_index(vault: Vault, name: str) -> bytes:
    """By what somebody is found whose whole name is known, however it is spaced and whichever letters are capitals."""
    return vault.index(NAME, " ".join(unicodedata.normalize("NFKC", name).casefold().split()))
