"""What a text that people read may hold."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from tongbao.kernel.errors import Refusal
from tongbao.kernel.texts import CONTROL_CHARACTERS, is_plain, plain

#: Bidirectional classes of the characters that embed, override or isolate, and of those that end it.
_TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
#: Without width, and joining nothing.
_UNSEEN = set("\u00ad\u180e\u200b\u2060\u2061\u2062\u2063\u2064\ufeff")


def test_refused_are_controls_line_separators_what_is_unseen_and_what_turns_the_writing_round_and_no_others() -> None:
    refused = {sign for sign in map(chr, range(sys.maxunicode + 1)) if not is_plain(f"a{sign}b")}
    assert (
        refused
        == {
            sign
            for sign in map(chr, range(sys.maxunicode + 1))
            if unicodedata.category(sign) in ("Cc", "Zl", "Zp") or unicodedata.bidirectional(sign) in _TURNING
        }
        | _UNSEEN
    )
    assert len(refused) == 65 + 2 + 9 + 9


@pytest.mark.parametrize("text", ["", "饭钱 🍜", "👩\u200d👧 lunch", "شكرا", "a\u200fb", "全角\u3000空格", "naïve “quotes”"])
def test_ordinary_writing_is_itself(text: str) -> None:
    assert plain(text) == text


def test_the_refusal_has_a_stable_code_and_both_languages() -> None:
    with pytest.raises(Refusal) as refused:
        plain("note\nfake line")
    assert refused.value.code is CONTROL_CHARACTERS
    assert (CONTROL_CHARACTERS.name, CONTROL_CHARACTERS.status) == ("control_characters", 400)
    assert "换行" in CONTROL_CHARACTERS.zh and "line breaks" in CONTROL_CHARACTERS.en
