"""What a reader and a card say to each other: commands, answers, and the data objects in them.

    80 A8 00 00 2C 83 2A …00     CLA INS P1 P2 Lc data Le
    77 2A … 90 00                data SW1 SW2

Short lengths only: nothing here is above 255 bytes. Source: ISO/IEC 7816-4:2020, 5.1 to 5.3 (commands and answers), 5.6 (status
words); ISO/IEC 8825-1, 8.1 (data objects).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tongbao.kernel.errors import Refusal
from tongbao.methods.nfc.errors import TAP_UNREADABLE

#: Sends one command and gives its answer: over the air, over a socket, or by a call.
Transmit = Callable[[bytes], bytes]

#: The largest data of a short command or answer.
MOST_DATA = 255

OK = 0x9000
WRONG_LENGTH = 0x6700
NOT_NOW = 0x6985
WRONG_DATA = 0x6A80
NOT_HERE = 0x6A82
WRONG_PARAMETERS = 0x6A86
WRONG_INSTRUCTION = 0x6D00
WRONG_CLASS = 0x6E00


class Apdu(msgspec.Struct, frozen=True):
    """A command: class, instruction, two parameters, data."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""

    def encode(self) -> bytes:
        """As it is sent, asking for as much as there is to answer."""
        head = bytes((self.cla, self.ins, self.p1, self.p2))
        return head + (bytes((len(self.data),)) + self.data if self.data else b"") + b"\x00"

    @classmethod
    def decode(cls, sent: bytes) -> Apdu | None:
        """None where the lengths do not agree."""
        if not 4 <= len(sent) <= MOST_DATA + 6:
            return None
        head, rest = sent[:4], sent[4:]
        if len(rest) <= 1:
            return cls(head[0], head[1], head[2], head[3])
        length, data = rest[0], rest[1:]
        if not length or len(data) not in (length, length + 1):
            return None
        return cls(head[0], head[1], head[2], head[3], data[:length])


def answer(status: int, data: bytes = b"") -> bytes:
    """An answer, whole."""
    return data + status.to_bytes(2, "big")


def answered(transmit: Transmit, command: Apdu) -> bytes:
    """The data that a card answers. Refuses `tap_unreadable` with its status word if that is not 9000."""
    said = transmit(command.encode())
    status = int.from_bytes(said[-2:], "big")
    if len(said) < 2 or status != OK:
        raise Refusal(TAP_UNREADABLE, status=f"{status:04X}")
    return said[:-2]


def pack(*objects: tuple[int, bytes]) -> bytes:
    """Data objects, one after the other."""
    return b"".join(_tag(tag) + _length(len(value)) + value for tag, value in objects)


def unpack(data: bytes) -> dict[int, bytes]:
    """The data objects of `data`, by their tags. Refuses `tap_unreadable`: cut short, or one twice."""
    objects: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        size = 2 if data[at] & 0x1F == 0x1F else 1
        tag, at = int.from_bytes(data[at : at + size], "big"), at + size
        length = data[at : at + 1]
        if length == b"\x81":
            at, length = at + 1, data[at + 1 : at + 2]
        elif length > b"\x81":
            raise Refusal(TAP_UNREADABLE)
        value = data[at + 1 : at + 1 + length[0]] if length else b""
        if not length or len(value) != length[0] or tag in objects:
            raise Refusal(TAP_UNREADABLE)
        objects[tag] = value
        at += 1 + len(value)
    return objects


def _tag(tag: int) -> bytes:
    return tag.to_bytes(2 if tag > 0xFF else 1, "big")


def _length(length: int) -> bytes:
    return bytes((length,)) if length < 0x80 else bytes((0x81, length))
