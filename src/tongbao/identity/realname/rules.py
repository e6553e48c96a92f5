"""Deciders of real names. What the level is after each of them is worked out in one place, `settle`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Decider, Decision, Declined, Key, View
from tongbao.identity.realname import errors
from tongbao.identity.realname.channels import CHANNELS, Registry
from tongbao.identity.realname.levels import POLICY, denied, level_by_channels, matched, retry_in
from tongbao.identity.realname.types import (
    DOCUMENT_HOLDER,
    GUARDIANSHIP,
    NAME_CHECK,
    NAME_EVENT,
    PHONE_HOLDER,
    REAL_NAME,
    ApproveFaceToFace,
    AskRegistries,
    Check,
    DocumentHolder,
    FollowCalendar,
    ForgetDocument,
    NameEvent,
    PhoneHolder,
    ProposeFaceToFace,
    RealName,
    RecordAnswer,
    StartVerification,
    State,
)
from tongbao.identity.standing import STANDING, Standing, standing_of, with_reason, without_reason
from tongbao.identity.types import PRINCIPAL

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
    """Declines `not_a_customer`, `verification_changed`, `too_many_verification_attempts`, `phone_with_other_document`.

    The very same document again only says which level is wanted. Another version of it (renewed, a name corrected) is checked
    anew while the level stays; another number begins at nothing.
    """
    principal = view.get(PRINCIPAL, command.customer_id)
    if principal is None or principal.audience != "wallet":
        return Declined(errors.NOT_A_CUSTOMER)
    former = view.get(REAL_NAME, command.customer_id)
    if former is not None and former.content_index == command.content_index:
        view.put(REAL_NAME, replace(former, wanted_level=command.wanted_level))
        return Accepted(VerificationStarted(former.attempt))
    known = (former.document_index, former.phone_index) if former else (b"", b"")
    if known != (command.former_document_index, command.former_phone_index):
        return Declined(errors.VERIFICATION_CHANGED)
    acts = _acts(former, now)
    if isinstance(acts, Declined):
        return acts
    is_minor = command.today < command.of_age_on
    if not is_minor and _phone_is_taken(view, command.phone_index, command.document_index):
        return Declined(errors.PHONE_WITH_OTHER_DOCUMENT)
    same_number = former is not None and former.document_index == command.document_index
    if former is not None:
        _let_go(view, former, now)
    carried = former.level if former is not None and same_number else 0
    real = RealName(
        command.customer_id, former.attempt + 1 if former else 1, "STARTED", command.document_kind, command.document,
        command.document_index, command.content_index, command.phone_index, command.wanted_level, carried, carried, 0, None, None,
        False, "", command.expires_on, command.of_age_on if is_minor else None, None, *acts, now, None,
    )  # fmt: skip
    standing = replace(standing_of(view, command.customer_id, now), level=carried)
    if view.get(STANDING, command.customer_id) is None:
        standing = replace(standing, opened_at=principal.created_at)
    if carried == 0:
        standing = replace(standing, expires_on=None, visitor=False, verified_at=None)
    view.put(STANDING, _guarded(view, replace(standing, minor=is_minor)))
    if carried:  # still an account under this document
        real = _claim(view, real)
        view.put(STANDING, _counted_with(view, real, view.need(STANDING, command.customer_id)))
    view.put(REAL_NAME, real)
    _tell(view, real, "started", now, document=command.document)
    return Accepted(VerificationStarted(real.attempt))


def _acts(former: RealName | None, now: datetime) -> tuple[int, datetime] | Declined:
    """One act more, and since when they are counted. Declines `too_many_verification_attempts`."""
    if former is None or former.acts_since + POLICY.acts_window <= now:
        return 1, now
    if former.acts >= POLICY.most_acts:
        return Declined(errors.TOO_MANY_ATTEMPTS, {"until": former.acts_since + POLICY.acts_window})
    return former.acts + 1, former.acts_since


def ask_registries(command: AskRegistries, view: View, now: datetime) -> Decision:
    """Declines `real_name_not_started`, `check_superseded` (another document was given), `channel_not_for_document`,
    `check_settled` (where all of them have confirmed already), `too_many_verification_attempts`."""
    real = view.get(REAL_NAME, command.customer_id)
    if real is None:
        return Declined(errors.REAL_NAME_NOT_STARTED)
    if real.attempt != command.attempt:
        return Declined(errors.CHECK_SUPERSEDED)
    if any(real.document_kind not in CHANNELS[ask.registry].covers for ask in command.asks):
        return Declined(errors.CHANNEL_NOT_FOR_DOCUMENT)
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
    view.put(REAL_NAME, real)
    return Accepted()


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def record_answer(command: RecordAnswer, view: View, now: datetime) -> Decision:
    """Declines `check_superseded`, also where the document was changed meanwhile. An answer that is there already stays: the
    registry that answers twice says nothing new."""
    check = view.get(NAME_CHECK, (command.customer_id, command.registry))
    real = view.get(REAL_NAME, command.customer_id)
    if check is None or real is None or check.check_id != command.check_id or check.attempt != real.attempt:
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


def settle(view: View, real: RealName, now: datetime, today: date, act: str, detail: str = "", by: object = None) -> int:
    """Work the level out again, write it to the name and to the standing, and say what happened.

    A document's holder counts the accounts under it from the first level on. What the checks would give is held back where the
    phone belongs with another document, or where another account under the same document has Class III already.
    """
    checks = _checks(view, real)
    no = denied(checks) and real.approved_by is None  # two who saw the person know better than a file
    own = 0 if no else max(level_by_channels(matched(checks)), real.face_level if real.approved_by is not None else 0)
    level = 0 if no else max(own, real.carried_level)
    held_back = ""
    if level and not real.claimed and real.of_age_on is None and _phone_is_taken(view, real.phone_index, real.document_index):
        level, held_back = 0, errors.PHONE_WITH_OTHER_DOCUMENT.name
    if level and not real.claimed:
        real = _claim(view, real)
    elif not level and real.claimed:
        _let_go(view, real, now)
        real = replace(real, claimed=False)
    if level == 3 and not _take_class_three(view, real):
        level, held_back = 2, errors.CLASS_THREE_ELSEWHERE.name
    if level < 3:
        _leave_class_three(view, real)
    proved = own > 0 and not held_back.startswith("phone")
    state: State = "VERIFIED" if level else "STARTED"
    if any(check.state == "MISMATCHED" for check in checks) and (no or level < real.wanted_level):
        state = "MISMATCHED"
    rose = level > real.level or (proved and real.verified_at is None)
    changed = level != real.level
    carried = 0 if no else real.carried_level
    real = replace(
        real, level=level, carried_level=carried, held_back=held_back, state=state, verified_at=now if rose else real.verified_at
    )
    view.put(REAL_NAME, real)
    standing = replace(standing_of(view, real.customer_id, now), level=level)
    if proved:
        standing = replace(
            standing, verified_at=real.verified_at, expires_on=real.expires_on, visitor=real.document_kind == "passport",
            minor=real.of_age_on is not None and today < real.of_age_on,
        )  # fmt: skip
    if _authority_agrees(checks, real) and (real.expires_on is None or today <= real.expires_on):
        standing = replace(standing, suspended=without_reason(standing.suspended, "document_expired"))
    view.put(STANDING, _guarded(view, _counted_with(view, real, standing)))
    _tell(view, real, act, now, detail=detail, by=by)
    if changed:
        view.emit("real_names", "real_name.level_changed", {"customer_id": real.customer_id, "level": level})
    return level


def _checks(view: View, real: RealName) -> list[Check]:
    """The checks of the document as it is now."""
    found = (view.get(NAME_CHECK, (real.customer_id, registry)) for registry in CHANNELS)
    return [check for check in found if check is not None and check.attempt == real.attempt]


def _authority_agrees(checks: Sequence[Check], real: RealName) -> bool:
    """Whether the document itself was confirmed: by who issued it, or face to face."""
    said = any(check.state == "MATCHED" and CHANNELS[check.registry].authority for check in checks)
    return said or real.approved_by is not None


# ── one person, one document, one phone ─────────────────────────────────────────────────────────────────────────────────


def _phone_is_taken(view: View, phone_index: bytes, document_index: bytes) -> bool:
    """Whether the phone belongs with another document. Source: Yinfa [2016] 261, 7 (phone and document, one to one)."""
    holder = view.get(PHONE_HOLDER, phone_index) if phone_index else None
    return holder is not None and holder.accounts > 0 and holder.document_index != document_index


def _claim(view: View, real: RealName) -> RealName:
    """Count the account under its document, and, unless it is a minor's on their guardian's phone, under its phone."""
    document = view.get(DOCUMENT_HOLDER, real.document_index) or DocumentHolder(real.document_index, 0, None)
    view.put(DOCUMENT_HOLDER, replace(document, accounts=document.accounts + 1, let_go_at=None))
    if real.phone_index and not _phone_is_taken(view, real.phone_index, real.document_index):
        phone = view.get(PHONE_HOLDER, real.phone_index) or PhoneHolder(real.phone_index, real.document_index, 0)
        view.put(PHONE_HOLDER, replace(phone, document_index=real.document_index, accounts=phone.accounts + 1))
    return replace(real, claimed=True)


def _counted_with(view: View, real: RealName, standing: Standing) -> Standing:
    """The standing of an account that is held under a document: the law counts it with the first one under it. One that is held
    under none any more goes on being counted where it was. Source: PBOC announcement 2015 No. 43, Art. 11 and 24 (all payment
    accounts of a customer)."""
    if not real.claimed:
        return standing
    document = view.need(DOCUMENT_HOLDER, real.document_index)
    subject_id = document.subject_id
    if subject_id is None:
        subject_id = standing.subject_id or standing.customer_id
        view.put(DOCUMENT_HOLDER, replace(document, subject_id=subject_id))
    return replace(standing, subject_id=None if subject_id == standing.customer_id else subject_id)


def _let_go(view: View, real: RealName, now: datetime) -> None:
    """The account counts no longer under its document and its phone."""
    if not real.claimed:
        return
    _leave_class_three(view, real)
    document = view.need(DOCUMENT_HOLDER, real.document_index)
    left = document.accounts - 1
    view.put(DOCUMENT_HOLDER, replace(document, accounts=left, let_go_at=None if left else now))
    phone = view.get(PHONE_HOLDER, real.phone_index) if real.phone_index else None
    if phone is not None and phone.document_index == real.document_index and phone.accounts:
        if phone.accounts == 1:
            view.remove(PHONE_HOLDER, real.phone_index)
        else:
            view.put(PHONE_HOLDER, replace(phone, accounts=phone.accounts - 1))


def _take_class_three(view: View, real: RealName) -> bool:
    """Make this the document's one account of Class III; False if another is. Source: Yinfa [2016] 261."""
    document = view.need(DOCUMENT_HOLDER, real.document_index)
    if document.class_three_id not in (None, real.customer_id):
        return False
    view.put(DOCUMENT_HOLDER, replace(document, class_three_id=real.customer_id))
    return True


def _leave_class_three(view: View, real: RealName) -> None:
    document = view.get(DOCUMENT_HOLDER, real.document_index)
    if document is not None and document.class_three_id == real.customer_id:
        view.put(DOCUMENT_HOLDER, replace(document, class_three_id=None))


def forget_name(view: View, customer_id: UUID, document_index: bytes, phone_index: bytes, now: datetime) -> Declined | None:
    """Nobody is known under this name any more: its row, what registries were still to be asked, and who answers for a minor are
    removed, document and phone are let go. What was verified, when and by whom stays in the events, sealed under the person's
    key. Declines `verification_changed`."""
    real = view.get(REAL_NAME, customer_id)
    if (real.document_index, real.phone_index) != (document_index, phone_index) if real else document_index or phone_index:
        return Declined(errors.VERIFICATION_CHANGED)
    if real is not None:
        _let_go(view, real, now)
        view.remove(REAL_NAME, customer_id)
    for registry in CHANNELS:
        check = view.get(NAME_CHECK, (customer_id, registry))
        if check is not None and check.state == "UNKNOWN":
            view.remove(NAME_CHECK, (customer_id, registry))
    view.remove(GUARDIANSHIP, customer_id)
    return None


def forgetting_keys(customer_id: UUID, document_index: bytes, phone_index: bytes) -> list[Key]:
    """The rows `forget_name` needs."""
    return [
        Key(REAL_NAME, customer_id),
        Key(GUARDIANSHIP, customer_id),
        *_check_keys(customer_id),
        *_holder_keys((document_index, phone_index)),
    ]


# ── face to face ────────────────────────────────────────────────────────────────────────────────────────────────────────


def propose_face_to_face(command: ProposeFaceToFace, view: View, now: datetime) -> Decision:
    """Declines `real_name_not_started`, `check_superseded` (another document was given meanwhile)."""
    real = view.get(REAL_NAME, command.customer_id)
    if real is None:
        return Declined(errors.REAL_NAME_NOT_STARTED)
    if real.attempt != command.attempt:
        return Declined(errors.CHECK_SUPERSEDED)
    real = replace(real, face_level=command.level, verified_by=command.operator_id, approved_by=None, state="FACE_PROPOSED")
    view.put(REAL_NAME, real)
    _tell(view, real, "face_proposed", now, detail=str(command.level), by=command.operator_id)
    return Accepted(Settled(real.level))


def approve_face_to_face(command: ApproveFaceToFace, view: View, now: datetime) -> Decision:
    """Declines `face_not_proposed`, also where what waits is not what the second operator read; `same_operator`."""
    real = view.get(REAL_NAME, command.customer_id)
    if real is None or real.attempt != command.attempt or real.verified_by is None or real.approved_by is not None:
        return Declined(errors.FACE_NOT_PROPOSED)
    if (real.document_index, real.phone_index) != (command.document_index, command.phone_index):
        return Declined(errors.FACE_NOT_PROPOSED)
    if (real.face_level, real.verified_by) != (command.level, command.verified_by):
        return Declined(errors.FACE_NOT_PROPOSED)
    if real.verified_by == command.operator_id:
        return Declined(errors.SAME_OPERATOR)
    real = replace(real, approved_by=command.operator_id)
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
        _tell(view, real, "of_age", now)
    ends = standing.expires_on
    if (
        ends is not None
        and ends == real.expires_on
        and real.reminded_on is None
        and today >= ends - timedelta(POLICY.remind_days)
    ):
        real = replace(real, reminded_on=today)
        view.emit("real_names", "real_name.document_ends", {"customer_id": real.customer_id, "expires_on": ends})
        _tell(view, real, "reminded", now)
    if ends is not None and today >= ends + timedelta(POLICY.grace_days) and "document_expired" not in standing.suspended:
        real = replace(real, state="EXPIRED")
        standing = replace(standing, suspended=with_reason(standing.suspended, "document_expired"))
        view.emit("real_names", "real_name.document_expired", {"customer_id": real.customer_id, "expires_on": ends})
        _tell(view, real, "expired", now)
    view.put(REAL_NAME, real)
    view.put(STANDING, standing)
    return Accepted()


def _guarded(view: View, standing: Standing) -> Standing:
    """The standing with "guardian" among its reasons exactly while a minor has nobody who agreed.

    Source: Civil Code, Art. 19 (acts of minors need their guardian's consent); PIPL, Art. 31 (under 14).
    """
    guardianship = view.get(GUARDIANSHIP, standing.customer_id)
    agreed = guardianship is not None and guardianship.state == "AGREED"
    change = with_reason if standing.minor and not agreed else without_reason
    return replace(standing, suspended=change(standing.suspended, "guardian"))


def _tell(
    view: View, real: RealName, act: str, now: datetime, *, detail: str = "", document: bytes = b"", by: object = None
) -> None:
    view.append(
        NAME_EVENT,
        (
            NameEvent(
                view.new_id(), real.customer_id, real.attempt, act, detail, real.document_kind, document, real.level,
                by, now,  # type: ignore[arg-type]
            ),
        ),
    )  # fmt: skip


# ── which rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _person_keys(customer_id: object) -> list[Key]:
    return [Key(REAL_NAME, customer_id), Key(STANDING, customer_id), Key(GUARDIANSHIP, customer_id)]


def _holder_keys(*held: tuple[bytes, bytes]) -> list[Key]:
    documents = {Key(DOCUMENT_HOLDER, document) for document, _ in held if document}
    return [*documents, *{Key(PHONE_HOLDER, phone) for _, phone in held if phone}]


def _check_keys(customer_id: object, registries: Sequence[Registry] = tuple(CHANNELS)) -> list[Key]:
    return [Key(NAME_CHECK, (customer_id, registry)) for registry in registries]


def _start_keys(command: StartVerification) -> list[Key]:
    now, before = (command.document_index, command.phone_index), (command.former_document_index, command.former_phone_index)
    return [Key(PRINCIPAL, command.customer_id), *_person_keys(command.customer_id), *_holder_keys(now, before)]


def _settling_keys(command: RecordAnswer | ApproveFaceToFace) -> list[Key]:
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
            *_check_keys(command.customer_id, [ask.registry for ask in command.asks]),
        ],
        ask_registries,
    ),
    Decider(RecordAnswer, _settling_keys, record_answer, Settled),
    Decider(ProposeFaceToFace, lambda command: [Key(REAL_NAME, command.customer_id)], propose_face_to_face, Settled),
    Decider(ApproveFaceToFace, _settling_keys, approve_face_to_face, Settled),
    Decider(FollowCalendar, lambda command: _person_keys(command.customer_id), follow_calendar),
)
#: About nobody's account.
FORGETTING = (Decider(ForgetDocument, lambda command: [Key(DOCUMENT_HOLDER, command.document_index)], forget_document),)
