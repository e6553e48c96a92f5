"""The retention key: what is kept only because the law says so is in an envelope for its public half; the private one is
elsewhere.

It is an ordinary recipient of `security.envelopes` (`tongbao keys identity` makes one). The person's id is inside the envelope
with their keys, so that one put in another's place is found out.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from uuid import UUID

from tongbao.security.envelopes import EnvelopeError, Identity, OpeningReader, Recipient, SealingWriter
from tongbao.security.master import write_first

_KEYS = 64


def sealed_away(recipient: Recipient, person_id: UUID, keys: bytes) -> bytes:
    """A person's keys, for whoever has the private half."""
    target = BytesIO()
    writer = SealingWriter(target, recipient)
    writer.write(person_id.bytes + keys)
    writer.close()
    return target.getvalue()


def brought_back(identity: Identity, person_id: UUID, sealed: bytes) -> bytes:
    """The keys of this person. Raises EnvelopeError if they are for another identity, another person's, or were altered."""
    found = OpeningReader(BytesIO(sealed), identity).read(16 + _KEYS + 1)
    if len(found) != 16 + _KEYS or found[:16] != person_id.bytes:
        raise EnvelopeError("these are somebody else's keys")
    return found[16:]


def fingerprint(recipient: Recipient) -> str:
    """Which retention key something was sealed to."""
    return recipient.name.hex()


def pair_in(folder: Path) -> Recipient:
    """A pair in `folder`, made on first use: `retention.key`, readable by its owner only, and `retention.pub`. The private one
    may be carried away. Safe when several processes start at once: the first one's is everybody's."""
    private, public = folder / "retention.key", folder / "retention.pub"
    if not public.exists():
        write_first(private, Identity.fresh().secret_text().encode() + b"\n")
        write_first(public, f"{Identity.parse(private.read_text()).recipient}\n".encode())
    return Recipient.parse(public.read_text())
