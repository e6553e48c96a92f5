"""What others see of a name, a login and a card number, case by case."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tongbao.security.masking import mask_card, mask_login, mask_name

NAMES = {
    "": "",
    "张": "*",
    "张明": "张*",
    "张小明": "张*明",
    "欧阳小明": "欧**明",
    "José": "J**é",
    "Ann": "A***",
    "A": "A***",
    "Ann Lee": "Ann L***",
    "Ann van der Lee": "Ann v*** d*** L***",
    "  Ann   Lee ": "Ann L***",
}

LOGINS = {
    "+8613812345678": "138****5678",
    "+85291234567": "+852****4567",
    "+442071838750": "+442****8750",
    "alice@example.com": "a***e@example.com",
    "ann@example.com": "a***n@example.com",
    "al@example.com": "a***@example.com",
    "a@example.com": "a***@example.com",
}

CARDS = {
    "6222020000001234": "6222 **** 1234",
    "6222020000000001234": "6222 **** 1234",
    "622202001234": "6222 **** 1234",
    "62220201234": "**** 1234",
    "12345678": "**** 5678",
}


@pytest.mark.parametrize(("name", "shown"), NAMES.items(), ids=repr)
def test_a_name(name: str, shown: str) -> None:
    assert mask_name(name) == shown


@pytest.mark.parametrize(("login", "shown"), LOGINS.items(), ids=repr)
def test_a_login(login: str, shown: str) -> None:
    assert mask_login(login) == shown


@pytest.mark.parametrize(("number", "shown"), CARDS.items(), ids=repr)
def test_a_card(number: str, shown: str) -> None:
    assert mask_card(number) == shown


@given(st.text(max_size=30))
def test_any_name_can_be_shown(name: str) -> None:
    """Whatever somebody is called, the page with the name must come up."""
    shown = mask_name(name)
    assert not name.strip() or "*" in shown


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_of_any_phone_four_digits_at_least_stay_hidden(login: str) -> None:
    shown = mask_login(login)
    told = sum(character.isdigit() for character in shown)
    assert len(login) - 1 - told >= 4
