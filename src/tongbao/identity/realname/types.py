"""Rows and commands of real names.

    STARTED ──→ VERIFIED ──→ EXPIRED          the document ended and its grace is over; a valid one verified lifts that
       │  ↘︎      ↗︎
       │   FACE_PROPOSED                       one operator saw the person, a second one has yet to approve
       └──→ MISMATCHED                         somebody who knows the person says that something is different

Another document of who is known already waits beside the one in force (`NEXT_NAME`), whose name and level hold until it is proven
as well as that, or as was wanted of it; then it takes its place. What a registry denies never does.

The state is for lists and letters; what may be done follows from the level alone, which is in `standing` too.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

import msgspec

from tongbao.engine.api import Command, Relation
from tongbao.identity.codes import CodeUse
from tongbao.identity.realname.channels import AnswerState, Registry
from tongbao.identity.realname.documents import Document
from tongbao.identity.types import UNSAID, Confirmation

#: An answer, or ENDED: none came in all the time we wait.
CheckState = Literal["MATCHED", "MISMATCHED", "NO_RECORD", "UNKNOWN", "ENDED"]
State = Literal["STARTED", "VERIFIED", "MISMATCHED", "FACE_PROPOSED", "EXPIRED"]
GuardianshipState = Literal["REQUESTED", "AGREED", "ENDED"]

#: The columns of personal data, as the vault knows them.
DOCUMENT_FIELD = "real_name.document"
DETAILS_FIELD = "name_check.details"
NUMBER_FIELD = "real_name.number"
CONTENT_FIELD = "real_name.content"
PHONE_FIELD = "real_name.phone"


class File(msgspec.Struct, frozen=True):
    """What is sealed in `RealName.document`. `phone`: E.164 or empty."""

    document: Document
    phone: str


class Details(msgspec.Struct, frozen=True):
    """What is sealed in `Check.details` until the answer is there. `card`: the bank card's number."""

    card: str = ""


class RealName(msgspec.Struct, frozen=True, gc=False):
    """What is known of a customer's name now.

    attempt         grows whenever another document, or another version of it, is given
    document        a sealed `File`; document_index, phone_index: by what its number and its phone are found; content_index: by
                    what it is seen that the very same is given again
    carried_level   the level reached before, with the same document number; it counts until the authority says otherwise
    face_level      what an operator (`verified_by`) proposed, and a second one (`approved_by`) approved
    claimed         whether this account counts under the document;  phone_claimed  and under the phone
    held_back       why the level is lower than the checks would give: an error's code, or ""
    of_age_on       of a minor, when that ends; None for everybody of age. Who was a minor stays one until then, whatever is given
                    later, unless they are seen face to face;  told_of_age_on  by the document as it was given
    number_tells_age   whether the document's number carries the birth date; else the level waits for who issued it
    proof           how well the person is proven (`levels.NOTHING` to `FACE`);  carried_proof  as `carried_level`
    phone_proven    a code sent to the phone was shown
    proposed_at     when what was seen face to face began to wait for a second operator
    acts            how often a document was given or a registry asked since `acts_since`
    """

    customer_id: UUID
    attempt: int
    state: State
    document_kind: str
    document: bytes
    document_index: bytes
    content_index: bytes
    phone_index: bytes
    wanted_level: int
    level: int
    carried_level: int
    face_level: int
    verified_by: UUID | None
    approved_by: UUID | None
    claimed: bool
    held_back: str
    expires_on: date | None
    of_age_on: date | None
    reminded_on: date | None
    acts: int
    acts_since: datetime
    started_at: datetime
    verified_at: datetime | None
    told_of_age_on: date
    number_tells_age: bool
    proof: int
    carried_proof: int
    phone_proven: bool
    phone_claimed: bool
    proposed_at: datetime | None


class Check(msgspec.Struct, frozen=True, gc=False):
    """What one registry was asked about a customer last, and what it said. `check_id` is the reference it knows."""

    customer_id: UUID
    registry: Registry
    attempt: int
    check_id: UUID
    state: CheckState
    differing: str
    details: bytes
    registry_reference: str | None
    tries: int
    ask_at: datetime | None
    asked_at: datetime
    answered_at: datetime | None


class DocumentHolder(msgspec.Struct, frozen=True, gc=False):
    """How many accounts are held under a document, and which is its one account of Class III, proven how well. `taken_over`: it
    was another's once, who was proven less well. `subject_id`: the customer who showed it first, with whom all of them are
    counted (`Standing.subject_id`); it stays when they are erased, so that nobody begins anew by registering again.
    `let_go_at`: since when no account is held under it."""

    document_index: bytes
    accounts: int
    class_three_id: UUID | None
    subject_id: UUID | None = None
    let_go_at: datetime | None = None
    class_three_proof: int = 0
    taken_over: bool = False


class PhoneHolder(msgspec.Struct, frozen=True, gc=False):
    """The one document that a phone belongs with, how many accounts proved so, and how well. `taken_over`: it belonged with
    another once, proven less well."""

    phone_index: bytes
    document_index: bytes
    accounts: int
    proof: int
    taken_over: bool


class Guardianship(msgspec.Struct, frozen=True, gc=False):
    """Who answers for a minor. Caps in minor units of the wallet's currency; None: none. `consent`: which text was agreed to."""

    minor_id: UUID
    guardian_id: UUID
    state: GuardianshipState
    consent: str
    single_minor: int | None
    daily_minor: int | None
    requested_at: datetime
    agreed_at: datetime | None
    ended_at: datetime | None


class NameEvent(msgspec.Struct, frozen=True, gc=False):
    """Something that happened to a name. `document`: as it was given, sealed, where one was; `by`: the operator or guardian."""

    event_id: UUID
    customer_id: UUID
    attempt: int
    act: str
    detail: str
    document_kind: str
    document: bytes
    level: int
    by: UUID | None
    at: datetime


REAL_NAME: Relation[RealName] = Relation("real_name", RealName, key=("customer_id",), rank=142, removable=True)
NEXT_NAME: Relation[RealName] = Relation("next_real_name", RealName, key=("customer_id",), rank=148, removable=True)
NAME_CHECK: Relation[Check] = Relation("name_check", Check, key=("customer_id", "registry"), rank=143, removable=True)
DOCUMENT_HOLDER: Relation[DocumentHolder] = Relation(
    "document_holder", DocumentHolder, key=("document_index",), rank=144, removable=True
)
PHONE_HOLDER: Relation[PhoneHolder] = Relation("phone_holder", PhoneHolder, key=("phone_index",), rank=145, removable=True)
GUARDIANSHIP: Relation[Guardianship] = Relation("guardianship", Guardianship, key=("minor_id",), rank=146, removable=True)
NAME_EVENT: Relation[NameEvent] = Relation("real_name_event", NameEvent, key=("event_id",), rank=147, append_only=True)


class StartVerification(Command, frozen=True, kw_only=True):
    """Give a document, or another version of one. `former_…`: indexes of what was given before, empty if nothing.
    `confirmation`: of who replaces one that was verified; `proven_at`: of the session's device."""

    kind = "identity.start_verification"
    customer_id: UUID
    document_kind: str
    document: bytes
    document_index: bytes
    content_index: bytes
    phone_index: bytes
    wanted_level: int
    expires_on: date | None
    of_age_on: date
    number_tells_age: bool
    today: date
    former_document_index: bytes = b""
    former_phone_index: bytes = b""
    confirmation: Confirmation | None = None
    proven_at: datetime | None = None

    def hashed(self) -> StartVerification:
        """Without what is sealed anew each time (the indexes stand for it), what was there before, and what proved the wish."""
        return msgspec.structs.replace(
            self,
            document=b"",
            former_document_index=b"",
            former_phone_index=b"",
            today=self.of_age_on,
            confirmation=None,
            proven_at=None,
        )


class Ask(msgspec.Struct, frozen=True):
    """One registry to be asked. `details`: sealed `Details`, empty if it needs none."""

    registry: Registry
    check_id: UUID
    details: bytes = b""


class AskRegistries(Command, frozen=True, kw_only=True):
    """Write down that registries are about to be asked."""

    kind = "identity.ask_registries"
    customer_id: UUID
    attempt: int
    asks: tuple[Ask, ...]

    def hashed(self) -> AskRegistries:
        asks = tuple(msgspec.structs.replace(ask, details=b"") for ask in self.asks)
        return msgspec.structs.replace(self, asks=asks)


class _Settling(Command, frozen=True, kw_only=True):
    """A command after which the level is worked out again: it names what the level depends on, besides the customer."""

    kind = ""
    customer_id: UUID
    document_index: bytes
    phone_index: bytes
    today: date


class RecordAnswer(_Settling, frozen=True, kw_only=True):
    """Write down what a registry said, or that it said nothing."""

    kind = "identity.record_answer"
    registry: Registry
    check_id: UUID
    state: AnswerState
    differing: tuple[str, ...] = ()
    registry_reference: str | None = None


class ProvePhone(_Settling, frozen=True, kw_only=True):
    """Show the code that was sent to the phone."""

    kind = "identity.prove_phone"
    code: CodeUse

    def hashed(self) -> ProvePhone:
        return msgspec.structs.replace(self, code=CodeUse(self.code.code_id, b""), today=date.min)


class FallBack(_Settling, frozen=True, kw_only=True):
    """Somebody proved better whose the phone or the document is: see what is left."""

    kind = "identity.fall_back"


class EndWaiting(_Settling, frozen=True, kw_only=True):
    """Wait no longer for answers, and for a second operator, that have not come in all the time we wait."""

    kind = "identity.end_waiting"


class ProposeFaceToFace(Command, frozen=True, kw_only=True):
    """An operator saw the person and the document. `attempt`: of which document."""

    kind = "identity.propose_face_to_face"
    customer_id: UUID
    attempt: int
    level: int
    operator_id: UUID


class ApproveFaceToFace(_Settling, frozen=True, kw_only=True):
    """A second operator agrees with the first. `level`, `verified_by`: of the proposal that was read, which another one may have
    replaced since."""

    kind = "identity.approve_face_to_face"
    attempt: int
    level: int
    verified_by: UUID
    operator_id: UUID


class FollowCalendar(Command, frozen=True, kw_only=True):
    """Do what the day asks: remind of a document that ends, suspend for one that ended, and let who comes of age be of age."""

    kind = "identity.follow_calendar"
    customer_id: UUID
    today: date


class ForgetDocument(Command, frozen=True, kw_only=True):
    """Nobody has been known by this document for so long that no limit counts it any more: forget its index."""

    kind = "identity.forget_document"
    document_index: bytes


class RequestGuardian(Command, frozen=True, kw_only=True):
    """A minor says who answers for them."""

    kind = "identity.request_guardian"
    minor_id: UUID
    guardian_id: UUID


class AgreeGuardianship(Command, frozen=True, kw_only=True):
    """A guardian agrees that a minor uses the wallet, within caps; or changes the caps later."""

    kind = "identity.agree_guardianship"
    minor_id: UUID
    guardian_id: UUID
    consent: str
    single_minor: int | None
    daily_minor: int | None
    confirmation: Confirmation

    def hashed(self) -> AgreeGuardianship:
        return msgspec.structs.replace(self, confirmation=UNSAID)


class EndGuardianship(Command, frozen=True, kw_only=True):
    """A guardian takes their consent back, or says no."""

    kind = "identity.end_guardianship"
    minor_id: UUID
    guardian_id: UUID
