"""How personal data is shown to others: 张*明, 138****5678, a***e@example.com."""

from __future__ import annotations


def mask_name(name: str) -> str:
    """A name with its middle hidden; a two-character Chinese name hides its last, a Latin one everything but initials' words."""
    if not name:
        return ""
    if name.isascii():
        words = name.split()
        return " ".join([words[0], *(f"{word[0]}***" for word in words[1:])]) if len(words) > 1 else f"{name[0]}***"
    if len(name) == 1:
        return "*"
    if len(name) == 2:
        return f"{name[0]}*"
    return f"{name[0]}{'*' * (len(name) - 2)}{name[-1]}"


def mask_login(login: str) -> str:
    """A phone with its middle hidden, four digits at least, or an address with its local part hidden."""
    local, at, domain = login.partition("@")
    if at:
        return f"{local[0]}***{local[-1]}@{domain}" if len(local) > 2 else f"{local[0]}***@{domain}"
    plus, digits = ("", login.removeprefix("+86")) if login.startswith("+861") else ("+", login.removeprefix("+"))
    head = max(0, min(3, (len(digits) - 4) // 2))
    tail = max(0, min(4, len(digits) - 4 - head))
    return f"{plus}{digits[:head]}****{digits[len(digits) - tail :]}"


def mask_card(number: str) -> str:
    """First four and last four digits, as banks print them."""
    return f"{number[:4]} **** {number[-4:]}" if len(number) >= 12 else f"**** {number[-4:]}"
