"""Deciders of real names. What the level is after each of them is worked out in one place, `settling.settle`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Decider, Decision, Declined, Key, View
from tongbao.identity.alerts import tell
from tongbao.identity.codes import CODE, use_code
from tongbao.identity.devices import counts
from tongbao.identity.realname import errors
from tongbao.identity.realname.channels import CHANNELS, Registry
from tongbao.identity.realname.levels import NOTHING, POLICY, POSSESSION, retry_in
from tongbao.identity.realname.settling import checks_of, claim, counted_with, guarded, let_go, note, phone_is_taken, settle
from tongbao.identity.realname.types import (
    DOCUMENT_HOLDER,
    GUARDIANSHIP,
    NAME_CHECK,
    NEXT_NAME,
    PHONE_HOLDER,
    REAL_NAME,
    ApproveFaceToFace,
    AskRegistries,
    Check,
    EndWaiting,
    FallBack,
    FollowCalendar,
    ForgetDocument,
    ProposeFaceToFace,
    ProvePhone,
    RealName,
    RecordAnswer,
    StartVerification,
)
from tongbao.identity.rules import confirm, confirmation_keys
from tongbao.identity.standing import STANDING, standing_of, with_reason, without_reason
from tongbao.identity.types import PIN, PRINCIPAL

#: The longest that a limit of a person counts: a leap year. Until then somebody who registers again is recognised.
COUNTED_FOR = timedelta(days=366)
#: How long after the intent the janitor asks by itself: whoever wrote it down asks at once.
_JANITOR_AFTER = timedelta(seconds=30)


class VerificationStarted(msgspec.Struct, frozen=True):
    """Result of `StartVerification`."""

    attempt: int


class Settled(msgspec.Struct, frozen=True):
    """Result of what may change the level: what it is now."""

    level: int


# ── starting ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def start_verification(command: StartVerification, view: View, now: datetime) -> Decision:
    """Declines `not_a_customer`, `verification_changed`, `too_many_verification_attempts`; where another was verified,
    `name_confirmation_needed` or what `confirm` does: whose account it is changes by no session alone, be it a stranger's who
    knows the password or on a phone that was left unlocked. The customer is told.

    The very same document again only says which level is wanted, and needs that confirmation too where it is less than was wanted
    of one that waits. Another version of it (renewed, a name corrected) is checked anew while the level stays. Another number
    begins at nothing, and where one was verified it waits beside that one until it is proven (`settle`); giving the one in force
    again gives the other up.
    """
    principal = view.get(PRINCIPAL, command.customer_id)
    if principal is None or principal.audience != "wallet":
        return Declined(errors.NOT_A_CUSTOMER)
    former, waiting = view.get(REAL_NAME, command.customer_id), view.get(NEXT_NAME, command.customer_id)
    given = waiting or former
    if given is not None and given.content_index == command.content_index:
        lower = waiting is not None and command.wanted_level < waiting.wanted_level
        if lower and (refused := _vouched(command, view, now)):
            return refused
        view.put(NEXT_NAME if waiting else REAL_NAME, replace(given, wanted_level=command.wanted_level))
        return Accepted(VerificationStarted(given.attempt))
    if former is not None and waiting is not None and former.content_index == command.content_index:
        return Accepted(VerificationStarted(_kept(former, waiting, command.wanted_level, view, now)))
    known = (former.document_index, former.phone_index) if former else (b"", b"")
    if known != (command.former_document_index, command.former_phone_index):
        return Declined(errors.VERIFICATION_CHANGED)
    if former is not None and former.level and (refused := _vouched(command, view, now)):
        return refused
    acts = _acts(given, now)
    if isinstance(acts, Declined):
        return acts
    beside = former is not None and former.level > 0 and former.document_index != command.document_index
    if former is not None and former.level:
        tell(view, command.customer_id, "document_replaced", {}, now)
    if former is not None and not beside:
        let_go(view, former, now)
    carried, proof, proven = _carried(former, command)
    of_age_on = max(filter(None, (command.of_age_on, former.of_age_on if former else None)))
    is_minor = command.today < of_age_on
    real = RealName(
        command.customer_id, given.attempt + 1 if given else 1, "STARTED", command.document_kind, command.document,
        command.document_index, command.content_index, command.phone_index, command.wanted_level, carried, carried, 0, None, None,
        False, "", command.expires_on, of_age_on if is_minor else None, None, *acts, now, None, command.of_age_on,
        command.number_tells_age, proof, proof, proven, False, None,
    )  # fmt: skip
    if former is not None and beside:
        # Its checks are asked anew about the other one: what they gave is kept.
        view.put(REAL_NAME, replace(former, carried_level=former.level, carried_proof=former.proof))
        view.put(NEXT_NAME, real)
        note(view, real, "started", now, document=command.document)
        return Accepted(VerificationStarted(real.attempt))
    if waiting is not None:
        view.remove(NEXT_NAME, command.customer_id)
    standing = replace(standing_of(view, command.customer_id, now), level=carried)
    if view.get(STANDING, command.customer_id) is None:
        standing = replace(standing, opened_at=principal.created_at)
    if carried == 0:
        standing = replace(standing, expires_on=None, visitor=False, verified_at=None)
    view.put(STANDING, guarded(view, replace(standing, minor=is_minor)))
    if carried:  # still an account under this document
        real = claim(view, real)
        view.put(STANDING, counted_with(view, real, view.need(STANDING, command.customer_id)))
    view.put(REAL_NAME, real)
    note(view, real, "started", now, document=command.document)
    return Accepted(VerificationStarted(real.attempt))


def _kept(former: RealName, waiting: RealName, wanted_level: int, view: View, now: datetime) -> int:
    """The document in force stays, the one that waited is given up; the attempt. What was asked about either counts no more."""
    kept = replace(
        former, attempt=waiting.attempt + 1, wanted_level=wanted_level, acts=waiting.acts, acts_since=waiting.acts_since
    )
    view.remove(NEXT_NAME, former.customer_id)
    view.put(REAL_NAME, kept)
    note(view, kept, "kept", now)
    return kept.attempt


def _given(view: View, customer_id: UUID, attempt: int) -> RealName | None:
    """The document of this attempt: the one in force, or the one that waits beside it."""
    found = (view.get(relation, customer_id) for relation in (NEXT_NAME, REAL_NAME))
    return next((real for real in found if real is not None and real.attempt == attempt), None)


def _named(view: View, command: ProvePhone | FallBack | EndWaiting) -> RealName | None:
    """The document with this number and phone: the one in force, or the one that waits beside it."""
    said = (command.document_index, command.phone_index)
    found = (view.get(relation, command.customer_id) for relation in (NEXT_NAME, REAL_NAME))
    return next((real for real in found if real is not None and (real.document_index, real.phone_index) == said), None)


def _keep(view: View, real: RealName) -> None:
    """The changed row, where it stands."""
    waiting = view.get(NEXT_NAME, real.customer_id)
    view.put(NEXT_NAME if waiting is not None and waiting.attempt == real.attempt else REAL_NAME, real)


def _vouched(command: StartVerification, view: View, now: datetime) -> Declined | None:
    """Is it the customer who replaces what was verified? By the PIN, a passkey or a certificate; on a proven device of who has no
    PIN yet, by that."""
    if command.confirmation is not None:
        agreed = confirm(view, command.customer_id, command.confirmation, now)
        return agreed if isinstance(agreed, Declined) else None
    if view.get(PIN, command.customer_id) is None and counts(command.proven_at, now):
        return None
    return Declined(errors.NAME_CONFIRMATION_NEEDED)


def _carried(former: RealName | None, command: StartVerification) -> tuple[int, int, bool]:
    """What of a former document counts on: level and proof with the same number, that it was proven with the same phone."""
    if former is None:
        return 0, NOTHING, False
    same_number = former.document_index == command.document_index
    level, proof = (former.level, former.proof) if same_number else (0, NOTHING)
    return level, proof, former.phone_proven and former.phone_index == command.phone_index


def _acts(former: RealName | None, now: datetime) -> tuple[int, datetime] | Declined:
    """One act more, and since when they are counted. Declines `too_many_verification_attempts`."""
    if former is None or former.acts_since + POLICY.acts_window <= now:
        return 1, now
    if former.acts >= POLICY.most_acts:
        return Declined(errors.TOO_MANY_ATTEMPTS, {"until": former.acts_since + POLICY.acts_window})
    return former.acts + 1, former.acts_since


def ask_registries(command: AskRegistries, view: View, now: datetime) -> Decision:
    """Declines `real_name_not_started`, `check_superseded` (another document was given), `channel_not_for_document`,
    `phone_not_proven` (of one that is asked after it), `check_settled` (where all of them have confirmed already),
    `too_many_verification_attempts`."""
    real = view.get(NEXT_NAME, command.customer_id) or view.get(REAL_NAME, command.customer_id)
    if real is None:
        return Declined(errors.REAL_NAME_NOT_STARTED)
    if real.attempt != command.attempt:
        return Declined(errors.CHECK_SUPERSEDED)
    if any(real.document_kind not in CHANNELS[ask.registry].covers for ask in command.asks):
        return Declined(errors.CHANNEL_NOT_FOR_DOCUMENT)
    if not real.phone_proven and any("phone" in CHANNELS[ask.registry].needs for ask in command.asks):
        return Declined(errors.PHONE_NOT_PROVEN)
    asked = 0
    for ask in command.asks:
        known = view.get(NAME_CHECK, (command.customer_id, ask.registry))
        if known is not None and known.attempt == real.attempt and known.state == "MATCHED":
            continue
        acts = _acts(real, now)
        if isinstance(acts, Declined):
            return acts
        real = replace(real, acts=acts[0], acts_since=acts[1])
        asked += 1
        view.put(
            NAME_CHECK,
            Check(
                command.customer_id, ask.registry, real.attempt, ask.check_id, "UNKNOWN", "", ask.details, None, 0,
                now + _JANITOR_AFTER, now, None,
            ),
        )  # fmt: skip
    if not asked:
        return Declined(errors.CHECK_SETTLED)
    _keep(view, real)
    return Accepted()


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def record_answer(command: RecordAnswer, view: View, now: datetime) -> Decision:
    """Declines `check_superseded`, also where the document was changed meanwhile. An answer that is there already stays: the
    registry that answers twice says nothing new."""
    check = view.get(NAME_CHECK, (command.customer_id, command.registry))
    real = _given(view, command.customer_id, check.attempt) if check is not None else None
    if check is None or real is None or check.check_id != command.check_id:
        return Declined(errors.CHECK_SUPERSEDED)
    if check.state != "UNKNOWN":
        return Accepted(Settled(real.level))
    if command.state == "UNKNOWN":
        view.put(NAME_CHECK, replace(check, tries=check.tries + 1, ask_at=now + retry_in(check.tries)))
        return Accepted(Settled(real.level))
    answered = replace(
        check, state=command.state, differing=",".join(command.differing), registry_reference=command.registry_reference,
        details=b"", ask_at=None, answered_at=now,
    )  # fmt: skip
    view.put(NAME_CHECK, answered)
    said = f"{command.registry}:{command.state}" + (f":{answered.differing}" if answered.differing else "")
    return Accepted(Settled(settle(view, real, now, command.today, "checked", said)))


def prove_phone(command: ProvePhone, view: View, now: datetime) -> Decision:
    """Declines `real_name_not_started`, `verification_changed`, `code_wrong`, `phone_with_other_document` (where it is another's
    by as good a proof as a code)."""
    if view.get(REAL_NAME, command.customer_id) is None:
        return Declined(errors.REAL_NAME_NOT_STARTED)
    real = _named(view, command)
    if real is None:
        return Declined(errors.VERIFICATION_CHANGED)
    if refused := use_code(view, command.code, now):
        return refused
    if phone_is_taken(view, real, max(real.proof, POSSESSION)):
        return Declined(errors.PHONE_WITH_OTHER_DOCUMENT)
    return Accepted(Settled(settle(view, replace(real, phone_proven=True), now, command.today, "phone_proven")))


def fall_back(command: FallBack, view: View, now: datetime) -> Decision:
    """Declines `verification_changed`. Does nothing where nothing was taken over."""
    real = _named(view, command)
    if real is None:
        return Declined(errors.VERIFICATION_CHANGED)
    return Accepted(Settled(settle(view, real, now, command.today, "fell_back")))


def end_waiting(command: EndWaiting, view: View, now: datetime) -> Decision:
    """Declines `verification_changed`. Does nothing where nothing has waited long enough. The customer is told what ended."""
    real = _named(view, command)
    if real is None:
        return Declined(errors.VERIFICATION_CHANGED)
    ended = []
    for check in checks_of(view, real):
        if check.state == "UNKNOWN" and check.asked_at + POLICY.patience <= now:
            view.put(NAME_CHECK, replace(check, state="ENDED", details=b"", ask_at=None, answered_at=now))
            ended.append(str(check.registry))
    if real.proposed_at is not None and real.proposed_at + POLICY.patience <= now:
        real = replace(real, face_level=0, verified_by=None, proposed_at=None)
        ended.append("face_to_face")
    if not ended:
        return Accepted(Settled(real.level))
    level = settle(view, real, now, command.today, "ended", ",".join(ended))
    tell(view, command.customer_id, "verification_ended", {}, now)
    return Accepted(Settled(level))


def forget_name(view: View, customer_id: UUID, document_index: bytes, phone_index: bytes, now: datetime) -> Declined | None:
    """Nobody is known under this name any more: its row, what registries were still to be asked, and who answers for a minor are
    removed, document and phone are let go. What was verified, when and by whom stays in the events, sealed under the person's
    key. Declines `verification_changed`."""
    real = view.get(REAL_NAME, customer_id)
    if (real.document_index, real.phone_index) != (document_index, phone_index) if real else document_index or phone_index:
        return Declined(errors.VERIFICATION_CHANGED)
    if real is not None:
        let_go(view, real, now)
        view.remove(REAL_NAME, customer_id)
    for registry in CHANNELS:
        check = view.get(NAME_CHECK, (customer_id, registry))
        if check is not None and check.state == "UNKNOWN":
            view.remove(NAME_CHECK, (customer_id, registry))
    view.remove(NEXT_NAME, customer_id)
    view.remove(GUARDIANSHIP, customer_id)
    return None


def forgetting_keys(customer_id: UUID, document_index: bytes, phone_index: bytes) -> list[Key]:
    """The rows `forget_name` needs."""
    return [
        *(Key(relation, customer_id) for relation in (REAL_NAME, NEXT_NAME, GUARDIANSHIP)),
        *_check_keys(customer_id),
        *_holder_keys((document_index, phone_index)),
    ]


# ── face to face ────────────────────────────────────────────────────────────────────────────────────────────────────────


def propose_face_to_face(command: ProposeFaceToFace, view: View, now: datetime) -> Decision:
    """Declines `real_name_not_started`, `check_superseded` (another document was given meanwhile)."""
    real = view.get(NEXT_NAME, command.customer_id) or view.get(REAL_NAME, command.customer_id)
    if real is None:
        return Declined(errors.REAL_NAME_NOT_STARTED)
    if real.attempt != command.attempt:
        return Declined(errors.CHECK_SUPERSEDED)
    real = replace(
        real,
        face_level=command.level,
        verified_by=command.operator_id,
        approved_by=None,
        state="FACE_PROPOSED",
        proposed_at=now,
    )
    _keep(view, real)
    note(view, real, "face_proposed", now, detail=str(command.level), by=command.operator_id)
    return Accepted(Settled(real.level))


def approve_face_to_face(command: ApproveFaceToFace, view: View, now: datetime) -> Decision:
    """Declines `face_not_proposed`, also where what waits is not what the second operator read; `same_operator`."""
    real = view.get(NEXT_NAME, command.customer_id) or view.get(REAL_NAME, command.customer_id)
    if real is None or real.attempt != command.attempt or real.verified_by is None or real.approved_by is not None:
        return Declined(errors.FACE_NOT_PROPOSED)
    if (real.document_index, real.phone_index) != (command.document_index, command.phone_index):
        return Declined(errors.FACE_NOT_PROPOSED)
    if (real.face_level, real.verified_by) != (command.level, command.verified_by):
        return Declined(errors.FACE_NOT_PROPOSED)
    if real.verified_by == command.operator_id:
        return Declined(errors.SAME_OPERATOR)
    # Two saw the birth date on the document: it counts as it stands there.
    of_age_on = real.told_of_age_on if command.today < real.told_of_age_on else None
    real = replace(real, approved_by=command.operator_id, of_age_on=of_age_on, proposed_at=None)
    return Accepted(Settled(settle(view, real, now, command.today, "face_approved", by=command.operator_id)))


# ── the calendar ────────────────────────────────────────────────────────────────────────────────────────────────────────


def follow_calendar(command: FollowCalendar, view: View, now: datetime) -> Decision:
    """Declines `real_name_not_started`. Does nothing on a day that asks for nothing.

    Source: Order [2007] 2, Art. 19 (documents that ended: renewed within a reasonable time, else business is suspended);
    Civil Code, Art. 17 (of age).
    """
    real = view.get(REAL_NAME, command.customer_id)
    if real is None:
        return Declined(errors.REAL_NAME_NOT_STARTED)
    today, standing = command.today, standing_of(view, command.customer_id, now)
    if real.of_age_on is not None and real.of_age_on <= today:
        real = replace(real, of_age_on=None)
        standing = replace(standing, minor=False, suspended=without_reason(standing.suspended, "guardian"))
        guardianship = view.get(GUARDIANSHIP, command.customer_id)
        if guardianship is not None and guardianship.state != "ENDED":
            view.put(GUARDIANSHIP, replace(guardianship, state="ENDED", ended_at=now))
        note(view, real, "of_age", now)
    ends = standing.expires_on
    if (
        ends is not None
        and ends == real.expires_on
        and real.reminded_on is None
        and today >= ends - timedelta(POLICY.remind_days)
    ):
        real = replace(real, reminded_on=today)
        view.emit("real_names", "real_name.document_ends", {"customer_id": real.customer_id, "expires_on": ends})
        note(view, real, "reminded", now)
    if ends is not None and today >= ends + timedelta(POLICY.grace_days) and "document_expired" not in standing.suspended:
        real = replace(real, state="EXPIRED")
        standing = replace(standing, suspended=with_reason(standing.suspended, "document_expired"))
        view.emit("real_names", "real_name.document_expired", {"customer_id": real.customer_id, "expires_on": ends})
        note(view, real, "expired", now)
    view.put(REAL_NAME, real)
    view.put(STANDING, standing)
    return Accepted()


# ── which rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _person_keys(customer_id: object) -> list[Key]:
    return [Key(relation, customer_id) for relation in (REAL_NAME, NEXT_NAME, STANDING, GUARDIANSHIP)]


def _holder_keys(*held: tuple[bytes, bytes]) -> list[Key]:
    documents = {Key(DOCUMENT_HOLDER, document) for document, _ in held if document}
    return [*documents, *{Key(PHONE_HOLDER, phone) for _, phone in held if phone}]


def _check_keys(customer_id: object, registries: Sequence[Registry] = tuple(CHANNELS)) -> list[Key]:
    return [Key(NAME_CHECK, (customer_id, registry)) for registry in registries]


def _start_keys(command: StartVerification) -> list[Key]:
    now, before = (command.document_index, command.phone_index), (command.former_document_index, command.former_phone_index)
    who, confirmation = command.customer_id, command.confirmation
    agreed = {Key(PIN, who), *(confirmation_keys(who, confirmation) if confirmation is not None else ())}
    return [Key(PRINCIPAL, who), *_person_keys(who), *_holder_keys(now, before), *agreed]


def _settling_keys(command: RecordAnswer | ApproveFaceToFace | ProvePhone | FallBack | EndWaiting) -> list[Key]:
    return [
        *_person_keys(command.customer_id),
        *_check_keys(command.customer_id),
        *_holder_keys((command.document_index, command.phone_index)),
    ]


def forget_document(command: ForgetDocument, view: View, now: datetime) -> Decision:
    """Declines `document_still_counts`: an account is held under it, or was within the longest time that a limit counts."""
    document = view.get(DOCUMENT_HOLDER, command.document_index)
    if document is None or document.let_go_at is None or now < document.let_go_at + COUNTED_FOR:
        return Declined(errors.DOCUMENT_STILL_COUNTS)
    view.remove(DOCUMENT_HOLDER, command.document_index)
    return Accepted()


DECIDERS = (
    Decider(StartVerification, _start_keys, start_verification, VerificationStarted),
    Decider(
        AskRegistries,
        lambda command: [
            Key(REAL_NAME, command.customer_id),
            Key(NEXT_NAME, command.customer_id),
            *_check_keys(command.customer_id, [ask.registry for ask in command.asks]),
        ],
        ask_registries,
    ),
    Decider(RecordAnswer, _settling_keys, record_answer, Settled),
    Decider(
        ProposeFaceToFace,
        lambda command: [Key(REAL_NAME, command.customer_id), Key(NEXT_NAME, command.customer_id)],
        propose_face_to_face,
        Settled,
    ),
    Decider(ApproveFaceToFace, _settling_keys, approve_face_to_face, Settled),
    Decider(ProvePhone, lambda command: [*_settling_keys(command), Key(CODE, command.code.code_id)], prove_phone, Settled),
    Decider(FallBack, _settling_keys, fall_back, Settled),
    Decider(EndWaiting, _settling_keys, end_waiting, Settled),
    Decider(FollowCalendar, lambda command: _person_keys(command.customer_id), follow_calendar),
)
#: About nobody's account.
FORGETTING = (Decider(ForgetDocument, lambda command: [Key(DOCUMENT_HOLDER, command.document_index)], forget_document),)
