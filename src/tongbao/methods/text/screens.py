"""What fits on the screen of a plain phone: 182 characters of the network's own alphabet, or 70 of any other.

Source: 3GPP TS 23.038, 5 (a USSD string has 160 octets: 182 characters of 7 bits; 16 bits each of UCS2, of which we send as many
as a message of 140 octets has) and 6.2.1 (the default alphabet and its extension, whose characters count twice).
"""

from __future__ import annotations

MOST_SEPTETS = 182
MOST_UCS2 = 70
_DEFAULT = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("^{}\\[~]|€\f")


def fits(text: str) -> bool:
    """Whether a text is one screen."""
    if all(letter in _DEFAULT or letter in _EXTENSION for letter in text):
        return len(text) + sum(letter in _EXTENSION for letter in text) <= MOST_SEPTETS
    return len(text.encode("utf-16-be")) // 2 <= MOST_UCS2


def screen(template: str, name: str = "") -> str:
    """A text of one screen: a `{name}` in it is cut to what there is room for, for a sum and what is asked are not; then what is
    too long ends in two dots."""
    text = template.replace("{name}", name)
    while not fits(text) and len(name) > 4:
        name = name[:-1]
        text = template.replace("{name}", name + "..")
    while not fits(text):
        text = text[:-3] + ".."
    return text
