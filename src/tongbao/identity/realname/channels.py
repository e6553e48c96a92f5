"""What we ask of those who know people, and what they may answer.

ask ──→ MATCHED      everything told is as they know it: final
    ├─→ MISMATCHED   they know the document, and something told is different: final, `differing` says what
    ├─→ NO_RECORD    they know nothing of this document: final, and says nothing against the person
    └─→ UNKNOWN      everything else: no answer, half an answer, "we are looking" ── ask again under the same reference

Source: PBOC announcement 2015 No. 43, Art. 11 (external channels: government databases, commercial banks' systems, others).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal, Protocol

import msgspec

from tongbao.identity.realname.documents import DocumentKind

Registry = Literal["police", "immigration", "bank", "mobile", "social_insurance", "tax", "education", "vehicles", "business"]
AnswerState = Literal["MATCHED", "MISMATCHED", "NO_RECORD", "UNKNOWN"]
Need = Literal["phone", "card"]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Is it so? `reference` is ours, kept before the first attempt, and binds to this very question for ever.

    kind          of the document; "credit_code" when a business is asked after
    number, name  of the person; of a business its unified social credit code and its name
    phone         E.164, where the channel needs it;  card  the bank card's number, where it does
    legal_person  the name of a business's legal representative
    birth_date, expires_on  of the document, as ISO 8601, asked of who issues it; expires_on "never" for one without an end
    """

    reference: str
    registry: Registry
    kind: DocumentKind | Literal["credit_code"]
    number: str
    name: str
    phone: str = ""
    card: str = ""
    legal_person: str = ""
    birth_date: str = ""
    expires_on: str = ""


class Answer(msgspec.Struct, frozen=True):
    """What is known. `differing`: names of the fields of the question that are different, "void" for a document that was
    cancelled. `at`: when the registry answered, in UTC."""

    state: AnswerState
    differing: tuple[str, ...] = ()
    registry_reference: str | None = None
    at: datetime | None = None


class NameChannel(Protocol):
    """Those who know people: registries, banks, mobile operators.

    It may: open and pool connections, sign, verify, time out, and say that it does not know.

    It must never:
    - touch our database: the caller commits the intent before, and records the answer after;
    - raise for a no, nor for silence, and never take longer than its deadline;
    - answer MATCHED or MISMATCHED without proof: an unparsable or unverified answer, or one to another question, is UNKNOWN;
    - keep what it was asked beyond the exchange, nor write any of it to a log.

    Implementations are safe to call from many tasks at once and pass `tests/channels/test_registries_conformance.py`.
    """

    async def ask(self, question: Question) -> Answer:
        """Ask, or ask again: idempotent by `reference` on the registry's side. Refuses `registry_reference_conflict` when the
        reference stands for another question, which is a bug of the caller."""
        ...

    async def close(self) -> None:
        """Let go of connections. The channel is not used afterwards."""
        ...


class ChannelFacts(msgspec.Struct, frozen=True):
    """What a channel is called, whom it knows, and what it must be told besides number and name.

    `authority`: the one that issues the document. What it says is different is not who they say they are.
    """

    zh: str
    en: str
    covers: frozenset[str]
    needs: tuple[Need, ...] = ()
    authority: bool = False


_EVERYBODY: Final = frozenset({"resident_id", "hkmt_residence", "hkm_permit", "taiwan_permit", "passport", "permanent_residence"})
_RESIDENTS: Final = frozenset({"resident_id", "hkmt_residence"})

#: The channels of a person's name, in the order in which they are asked.
CHANNELS: dict[Registry, ChannelFacts] = {
    "police": ChannelFacts("公安人口信息", "Police population register", _RESIDENTS, authority=True),
    "immigration": ChannelFacts("出入境管理", "Immigration administration", _EVERYBODY - _RESIDENTS, authority=True),
    "bank": ChannelFacts("银行卡四要素", "Bank: name, document, card, phone", _EVERYBODY, ("card", "phone")),
    "mobile": ChannelFacts("手机运营商三要素", "Mobile operator: name, document, phone", _EVERYBODY, ("phone",)),
    "social_insurance": ChannelFacts("社会保险", "Social insurance", _EVERYBODY),
    "tax": ChannelFacts("税务", "Tax administration", _EVERYBODY),
    "education": ChannelFacts("学历学籍", "Education records", _RESIDENTS),
    "vehicles": ChannelFacts("机动车与驾驶证", "Vehicles and driving licences", _EVERYBODY),
}


def channels_for(kind: str) -> list[Registry]:
    """The channels that know bearers of this kind of document, the authority first."""
    return [name for name, facts in CHANNELS.items() if kind in facts.covers]
