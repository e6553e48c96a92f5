"""A card and a reader that are two programs: commands and answers over a TCP connection in place of the air.

Each is two bytes of length, the highest first, and its bytes, as virtual card readers have it (vsmartcard's vpcd).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tongbao.kernel.errors import Refusal
from tongbao.methods.nfc.apdu import Transmit
from tongbao.methods.nfc.errors import TAP_UNREADABLE

#: Nothing that is said is longer.
_MOST = 512
#: A reader waits so long for one answer, a card for the next command.
READER_WAITS_S = 3.0
CARD_WAITS_S = 10.0


@contextmanager
def card_at(host: str, port: int) -> Iterator[Transmit]:
    """Commands to the card that listens there. Refuses `tap_unreadable` when it is not there or says nothing in time."""
    try:
        with socket.create_connection((host, port), timeout=READER_WAITS_S) as line:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def transmit(command: bytes) -> bytes:
                _send(line, command)
                said = _receive(line)
                if said is None:
                    raise Refusal(TAP_UNREADABLE)
                return said

            yield transmit
    except OSError:
        raise Refusal(TAP_UNREADABLE) from None


def serve_card(listener: socket.socket, fresh: Callable[[], Transmit], *, delay_s: float = 0.0) -> None:
    """Answer readers, one after the other, until the listener is closed. `fresh`: the card as it is when a field reaches it.
    `delay_s`: how much further away it is than it says, as behind a relay."""
    while True:
        try:
            line, _ = listener.accept()
        except OSError:
            return
        with line:
            line.settimeout(CARD_WAITS_S)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            transmit = fresh()
            try:
                while (command := _receive(line)) is not None:
                    time.sleep(delay_s)
                    _send(line, transmit(command))
            except OSError:
                continue  # pulled away; the next reader finds it as new


def _send(line: socket.socket, said: bytes) -> None:
    line.sendall(len(said).to_bytes(2, "big") + said)


def _receive(line: socket.socket) -> bytes | None:
    """None when the other side went, or says more than there can be."""
    head = _exactly(line, 2)
    length = int.from_bytes(head, "big")
    return _exactly(line, length) or None if head and length <= _MOST else None


def _exactly(line: socket.socket, length: int) -> bytes:
    """So many bytes, or none."""
    got = b""
    while len(got) < length:
        more = line.recv(length - len(got))
        if not more:
            return b""
        got += more
    return got
