"""Chromium's virtual authenticator: a phone's own sensor, as far as a page can tell.

Source: W3C Web Authentication Level 3, section 11 (automation); Chrome DevTools Protocol, domain WebAuthn.
"""

from __future__ import annotations

from playwright.sync_api import Page


class Authenticator:
    """One built-in authenticator of a window. `verifies`: whether it finds the finger or face to be the right one."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)
        self._session.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
            "isUserVerified": True, "automaticPresenceSimulation": True,
        }  # fmt: skip
        self._id = self._session.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]

    def verifies(self, right: bool) -> None:
        """From now on the person is found to be the right one, or not."""
        self._session.send("WebAuthn.setUserVerified", {"authenticatorId": self._id, "isUserVerified": right})

    def counter(self) -> int:
        """How often its one passkey has signed."""
        (credential,) = self._session.send("WebAuthn.getCredentials", {"authenticatorId": self._id})["credentials"]
        return int(credential["signCount"])
