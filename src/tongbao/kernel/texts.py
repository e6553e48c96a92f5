"""Words that people write for other people: notes, subjects, reasons, names.

They are shown on pages, printed, exported and read aloud to support. A control character in one makes up lines or hides some, and
a direction override turns `3.00` after it into `00.3`, a character without width makes two names look alike; none of them says
anything that anybody would want to say. Joiners stay (they make emoji and write Persian), and so do the marks of direction.
"""

from __future__ import annotations

import re

from tongbao.kernel.errors import Refusal, refusal

CONTROL_CHARACTERS = refusal(
    "control_characters",
    "文字中不能有换行、控制字符、看不见的字符或改变书写方向的字符。",
    "A text cannot have line breaks, control or invisible characters, or characters that turn the writing round.",
)

#: General categories Cc, Zl and Zp, the embeddings, overrides and isolates of the bidirectional algorithm, and what has no width
#: and joins nothing: soft hyphen, Mongolian vowel separator, zero width space, word joiner, invisible operators, byte order mark.
#: Source: Unicode Standard, 5.8 (line and paragraph separators), 23.1 (control codes), 23.2 (layout controls); UAX #9, 2.
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\xad\u180e\u200b\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")


def is_plain(text: str) -> bool:
    """Whether a text shows all that it says."""
    return text.isprintable() or _HIDDEN.search(text) is None  # the first is quick, and nearly always so


def plain(text: str) -> str:
    """The text itself. Refuses `control_characters`."""
    if not is_plain(text):
        raise Refusal(CONTROL_CHARACTERS)
    return text
