"""The grammar under every merchant-presented code: id, length, value, and a checksum at the end.

    00 02 01 | 53 03 156 | … | 63 04 A13A
    id len value              CRC-16 of all that precedes it, "6304" included

A length counts characters of the value, while the checksum runs over the UTF-8 bytes: a Chinese name of four characters has
length 04. Source: EMV QRCPS Merchant-Presented Mode 1.1, clauses 3.1 to 3.3 and 4.7.3; and the vectors in the tests.
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from collections.abc import Iterable

import msgspec

from tongbao.kernel.errors import Refusal
from tongbao.methods.qr.errors import CODE_CHECKSUM, CODE_MALFORMED, CODE_TOO_LONG

#: Characters of a whole code, and of one value.
MAX_CODE = 512
MAX_VALUE = 99
#: The last field: its id, its length and four hexadecimal digits.
CRC_HEAD = "6304"
CRC_FIELD = len(CRC_HEAD) + 4

_HEAD = re.compile(r"([0-9]{2})([0-9]{2})")
_TAG = re.compile(r"[0-9]{2}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Field(msgspec.Struct, frozen=True):
    """One data object: its two-digit id and its value, 1 to 99 characters."""

    tag: str
    value: str


def split(text: str) -> tuple[Field, ...]:
    """The fields of a code's body or of a template, in order. Refuses `code_malformed`: bad head, short value, id twice."""
    fields: dict[str, Field] = {}
    at = 0
    while at < len(text):
        head = _HEAD.match(text, at)
        if head is None:
            raise Refusal(CODE_MALFORMED, at=at)
        tag, length = head[1], int(head[2])
        value = text[head.end() : head.end() + length]
        if length == 0 or len(value) != length or tag in fields:
            raise Refusal(CODE_MALFORMED, field=tag)
        fields[tag] = Field(tag, value)
        at = head.end() + length
    return tuple(fields.values())


def join(fields: Iterable[Field]) -> str:
    """The text of `fields`, in the order given. Refuses `code_malformed` when a value is empty or beyond 99 characters."""
    parts = []
    for field in fields:
        if not _TAG.fullmatch(field.tag) or not 1 <= len(field.value) <= MAX_VALUE or _UNPRINTABLE.search(field.value):
            raise Refusal(CODE_MALFORMED, field=field.tag)
        parts.append(f"{field.tag}{len(field.value):02d}{field.value}")
    return "".join(parts)


def seal(body: str) -> str:
    """`body` with its checksum field. Refuses `code_too_long` beyond 512 characters."""
    if len(body) + CRC_FIELD > MAX_CODE:
        raise Refusal(CODE_TOO_LONG, limit=MAX_CODE)
    return body + CRC_HEAD + checksum(body + CRC_HEAD)


def unseal(text: str) -> tuple[Field, ...]:
    """The fields of a whole code without its checksum field, which is verified.

    Refuses, in this order, `code_too_long`, `code_malformed` (characters, both ends), `code_checksum`, `code_malformed`.
    """
    if len(text) > MAX_CODE:
        raise Refusal(CODE_TOO_LONG, limit=MAX_CODE)
    if not text.startswith("000201") or text[-CRC_FIELD:-4] != CRC_HEAD or _UNPRINTABLE.search(text):
        raise Refusal(CODE_MALFORMED)
    if checksum(text[:-4]) != text[-4:]:
        raise Refusal(CODE_CHECKSUM)
    fields = split(text[:-CRC_FIELD])
    if any(field.tag == "63" for field in fields):
        raise Refusal(CODE_MALFORMED, field="63")
    return fields


def checksum(text: str) -> str:
    """CRC-16/CCITT-FALSE over the UTF-8 bytes, as four upper-case hexadecimal digits. Source: ISO/IEC 13239, start value FFFF."""
    return f"{crc_hqx(text.encode(errors='surrogatepass'), 0xFFFF):04X}"
