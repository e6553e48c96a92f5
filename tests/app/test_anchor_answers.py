"""What the console tells of an anchor."""

from __future__ import annotations

import msgspec

from tongbao.app.console.chain import AnchoredAnswer, ChainAnchorAnswer, anchor_answer
from tongbao.engine.anchors import AnchorKey, End, Statement

KEY = AnchorKey(bytes(range(32)))
AT = "2026-01-02T03:04:05.000006+00:00"
SAID = Statement(7, AT, "0" * 64, [End(1, 5, 9, "aa", "bb"), End(2, 4, 3, "cc", "dd")], "ee", KEY.id)


def test_an_anchor_tells_its_time_and_the_writers_with_news() -> None:
    anchor = KEY.sign(SAID)
    answer = anchor_answer(anchor, KEY.public_key)
    assert (answer.number, answer.signed, answer.signature) == (7, True, anchor.signature)
    assert answer.at is not None and answer.at.isoformat() == AT
    assert answer.writers == [AnchoredAnswer(1, 5, 9, "bb")]


def test_nothing_of_an_altered_anchor_is_told() -> None:
    anchor = KEY.sign(SAID)
    for altered in (anchor.statement.replace("bb", "bc"), "{"):
        answer = anchor_answer(msgspec.structs.replace(anchor, statement=altered), KEY.public_key)
        assert answer == ChainAnchorAnswer(7, False, None, [], anchor.signature)
