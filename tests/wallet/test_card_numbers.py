"""What a card's number says by itself, as tables."""

from __future__ import annotations

import pytest

from tongbao.channels.api import DEMO_CARDS
from tongbao.wallet.card_numbers import can_be_card, issuers, prefixes, recognised


@pytest.mark.parametrize(
    ("typed", "bank", "kind", "lengths"),
    [
        ("6214 83", "CMB", "debit", (16,)), ("621700", "CCB", "debit", (19,)), ("622848", "ABC", "debit", (19,)),
        ("622576", "CMB", "credit", (16,)), ("370246", "ICBC", "credit", (15,)), ("622202", "ICBC", "debit", (19,)),
        ("62", "UNIONPAY", "unknown", (16, 17, 18, 19)), ("629999", "UNIONPAY", "unknown", (16, 17, 18, 19)),
        ("4", "VISA", "unknown", (16,)), ("436742", "CCB", "debit", (19,)), ("51", "MASTERCARD", "unknown", (16,)),
        ("2720", "MASTERCARD", "unknown", (16,)), ("378282", "AMEX", "credit", (15,)), ("3530", "JCB", "unknown", (16,)),
    ],
)  # fmt: skip
def test_the_longest_prefix_says_whose_card_it_is(typed: str, bank: str, kind: str, lengths: tuple[int, ...]) -> None:
    found = recognised(typed.replace(" ", ""))
    assert found is not None
    assert (found.bank, found.kind, found.lengths) == (bank, kind, lengths)


@pytest.mark.parametrize("typed", ["", "6", "9", "2721", "2220", "3527", "3590", "50"])
def test_what_the_table_does_not_know_is_not_guessed(typed: str) -> None:
    assert recognised(typed) is None


@pytest.mark.parametrize(
    ("number", "can_be"),
    [
        ("4111111111111111", True), ("371449635398431", True), ("6217000000000000012", True),
        ("4111111111111112", False), ("6217000000000000013", False), ("42", False), ("41111111111", False),
        ("00000000000000000000", False), ("4111 1111 1111 1111", False), ("４１１１１１１１１１１１１１１１", False), ("", False),
    ],
)  # fmt: skip
def test_a_number_is_twelve_to_nineteen_digits_of_which_the_last_checks_the_others(number: str, can_be: bool) -> None:
    assert can_be_card(number) is can_be


def test_the_file_gives_each_prefix_to_one_issuer_and_names_every_issuer_in_both_languages() -> None:
    assert len(prefixes()) > 400
    assert all(prefix.isdigit() and 1 <= len(prefix) <= 8 for prefix in prefixes())
    assert all(12 <= length <= 19 for row in prefixes().values() for length in row.lengths)
    assert all(issuer.zh and issuer.en for issuer in issuers().values())


def test_the_demonstrations_cards_are_recognised_as_what_their_network_says_they_are() -> None:
    for card in DEMO_CARDS:
        found = recognised(card.number)
        assert found is not None and can_be_card(card.number)
        assert (found.bank, found.kind, len(card.number) in found.lengths) == (card.bank, card.kind, True)
