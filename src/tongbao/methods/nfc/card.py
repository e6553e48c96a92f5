"""A card in software: what a phone's secure element or a plastic card does, answer by answer.

    idle ─SELECT─▶ chosen ─RELAY RESISTANCE─▶ near ─PROCESSING OPTIONS─▶ idle

One tap for each SELECT, and only after the reader measured how near the card is. The counter goes up before the cryptogram is
made, so that pulling the card away gives a tap that is lost, never one that is made twice.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from tongbao.kernel.errors import Refusal
from tongbao.methods.nfc import apdu
from tongbao.methods.nfc.apdu import Apdu, answer, pack
from tongbao.methods.nfc.tap import AID, LABEL, Details, cryptogram

#: Data objects. Source: EMV Book 3, Annex A.
DF_NAME, LABEL_TAG, FCI, FCI_OF, TOKEN, COUNTER, CRYPTOGRAM_TAG, ANSWER, DETAILS = (
    0x84, 0x50, 0x6F, 0xA5, 0x5A, 0x9F36, 0x9F26, 0x77, 0x83,
)  # fmt: skip

SELECT, RELAY, OPTIONS = 0xA4, 0xEA, 0xA8
ISO, OURS = 0x00, 0x80
#: Bytes that go there and back to measure how near a card is.
NEARNESS = 4


class SoftwareCard:
    """`count` adds one to the counter, keeps it, and gives it: it is asked before each cryptogram."""

    def __init__(self, number: int, secret: bytes, count: Callable[[], int]) -> None:
        self._number = number
        self._secret = secret
        self._count = count
        self._chosen = False
        self._asked: tuple[bytes, bytes] | None = None

    def transmit(self, sent: bytes) -> bytes:
        """The answer to one command. Whatever is sent, it answers."""
        command = Apdu.decode(sent)
        if command is None:
            return answer(apdu.WRONG_LENGTH)
        if command.cla not in (ISO, OURS):
            return answer(apdu.WRONG_CLASS)
        act = {(ISO, SELECT): self._select, (OURS, RELAY): self._near, (OURS, OPTIONS): self._pay}.get((command.cla, command.ins))
        return act(command) if act is not None else answer(apdu.WRONG_INSTRUCTION)

    def _select(self, command: Apdu) -> bytes:
        self._chosen, self._asked = False, None
        if (command.p1, command.p2) != (0x04, 0x00):
            return answer(apdu.WRONG_PARAMETERS)
        if command.data != AID:
            return answer(apdu.NOT_HERE)
        self._chosen = True
        return answer(apdu.OK, pack((FCI, pack((DF_NAME, AID), (FCI_OF, pack((LABEL_TAG, LABEL)))))))

    def _near(self, command: Apdu) -> bytes:
        if not self._chosen:
            return answer(apdu.NOT_NOW)
        if len(command.data) != NEARNESS:
            return answer(apdu.WRONG_LENGTH)
        nearness = secrets.token_bytes(NEARNESS)
        # Both: whoever asked beforehand, to have an answer ready, did not know what the reader would ask.
        self._asked = command.data, nearness
        return answer(apdu.OK, nearness)

    def _pay(self, command: Apdu) -> bytes:
        asked, self._chosen, self._asked = self._asked, False, None
        if asked is None:
            return answer(apdu.NOT_NOW)
        try:
            said = apdu.unpack(command.data).get(DETAILS, b"")
            details = Details.decode(said)
        except Refusal:
            return answer(apdu.WRONG_DATA)
        if (details.unpredictable, details.nearness) != asked:
            return answer(apdu.NOT_NOW)
        counter = self._count()
        proof = cryptogram(self._secret, self._number, counter, said)
        objects = pack((TOKEN, self._number.to_bytes(8, "big")), (COUNTER, counter.to_bytes(4, "big")), (CRYPTOGRAM_TAG, proof))
        return answer(apdu.OK, pack((ANSWER, objects)))
