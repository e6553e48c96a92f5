"""What is in an envelope comes out for its recipient, whole and as it was; anything else is refused and named."""

from __future__ import annotations

import io
import os

import pytest

from tongbao.security.envelopes import HEAD, EnvelopeError, Identity, OpeningReader, Recipient, SealingWriter

ANN = Identity(bytes(range(32)), bytes(range(64)))
CHUNK = 65_536
SEALED = CHUNK + 16


def sealed(content: bytes, pieces: int = 1, recipient: Recipient = ANN.recipient) -> bytes:
    target = io.BytesIO()
    writer = SealingWriter(target, recipient)
    step = max(1, len(content) // pieces)
    for start in range(0, len(content), step):
        writer.write(content[start : start + step])
    writer.close()
    return target.getvalue()


def opened(envelope: bytes, identity: Identity = ANN, size: int = 1 << 30) -> bytes:
    reader = OpeningReader(io.BytesIO(envelope), identity)
    found = bytearray()
    while piece := reader.read(size):
        found += piece
    return bytes(found)


@pytest.mark.parametrize("length", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7])
@pytest.mark.parametrize("pieces", [1, 7])
def test_what_goes_in_comes_out_however_it_is_cut(length: int, pieces: int) -> None:
    content = os.urandom(length)
    envelope = sealed(content, pieces)
    assert opened(envelope) == opened(envelope, size=1_000) == content
    assert len(envelope) == HEAD + length + 16 * max(1, -(-length // CHUNK))


def test_only_its_recipient_opens_it() -> None:
    envelope = sealed(b"text")
    with pytest.raises(EnvelopeError, match="is for recipient"):
        opened(envelope, Identity.fresh())


def test_each_of_the_two_keys_is_needed() -> None:
    """Somebody who broke one of the two problems, and has the other identity's half, has nothing."""
    envelope = sealed(b"text")
    other = Identity(bytes(32), bytes(64))
    for identity in (Identity(bytes(range(32)), bytes(64)), Identity(bytes(32), bytes(range(64)))):
        identity.recipient = ANN.recipient  # as a forger would say
        with pytest.raises(EnvelopeError, match="chunk 0"):
            opened(envelope, identity)
    assert other.recipient.name != ANN.recipient.name


@pytest.mark.parametrize("place", [0, 8, 16, 47, 48, HEAD - 1, HEAD, HEAD + SEALED - 1, HEAD + SEALED, HEAD + 2 * SEALED + 5])
def test_every_altered_byte_is_noticed(place: int) -> None:
    envelope = bytearray(sealed(os.urandom(2 * CHUNK + 100)))
    envelope[place] ^= 1
    with pytest.raises(EnvelopeError):
        opened(bytes(envelope))


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (0, "no envelope"),
        (HEAD - 1, "cut short in its head"),
        (HEAD, "cut short"),
        (HEAD + 10, "cut short"),
        (HEAD + SEALED, "cut short"),
        (HEAD + 2 * SEALED, "cut short"),
        (HEAD + 2 * SEALED + 115, "cut short"),
    ],
)
def test_a_stream_that_was_cut_short_is_refused_also_between_chunks(left: int, said: str) -> None:
    envelope = sealed(bytes(2 * CHUNK + 100))
    assert len(envelope) == HEAD + 2 * SEALED + 116
    with pytest.raises(EnvelopeError, match=said):
        opened(envelope[:left])


def test_chunks_in_another_order_left_out_repeated_or_added_are_refused() -> None:
    envelope = sealed(os.urandom(3 * CHUNK))
    head, chunks = envelope[:HEAD], [envelope[HEAD + n * SEALED : HEAD + (n + 1) * SEALED] for n in range(3)]
    for order in ((1, 0, 2), (0, 2), (0, 0, 1, 2), (0, 1, 2, 2), (2,), (0, 1)):
        with pytest.raises(EnvelopeError):
            opened(head + b"".join(chunks[n] for n in order))
    other = sealed(os.urandom(3 * CHUNK))
    with pytest.raises(EnvelopeError, match="chunk 1"):
        opened(head + chunks[0] + other[HEAD + SEALED :])


def test_what_comes_before_an_alteration_is_given_and_nothing_after() -> None:
    content = os.urandom(3 * CHUNK)
    envelope = bytearray(sealed(content))
    envelope[HEAD + SEALED + 5] ^= 1
    reader = OpeningReader(io.BytesIO(bytes(envelope)), ANN)
    assert reader.read(CHUNK) == content[:CHUNK]
    with pytest.raises(EnvelopeError, match="altered in chunk 1"):
        reader.read(1)


def test_keys_are_texts_that_come_back_as_they_were() -> None:
    assert Recipient.parse(str(ANN.recipient) + "\n").bytes == ANN.recipient.bytes
    assert Identity.parse(ANN.secret_text()).recipient.bytes == ANN.recipient.bytes
    for text in ("", "tongbao-recipient-1:", str(ANN.recipient)[:-4], ANN.secret_text(), "tongbao-recipient-1:!!!!"):
        with pytest.raises(EnvelopeError):
            Recipient.parse(text)
    with pytest.raises(EnvelopeError):
        Identity.parse(str(ANN.recipient))


def test_the_same_content_never_looks_the_same_twice() -> None:
    one, other = sealed(b"text"), sealed(b"text")
    assert one[16:] != other[16:] and one[:16] == other[:16]
