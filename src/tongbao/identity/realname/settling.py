"""Working the level out: what a person is known by, what they hold, and whose a document and a phone are among several claimants.

    NAME        somebody who knows people agrees with number and name: facts, that others may know too
    POSSESSION  the mobile operator or a bank agrees, and a code that was sent to that phone was shown
    FACE        two operators saw the person and the document

By facts alone nobody gets beyond the first level, and nobody keeps a phone or a document's one account of Class III from others:
these are somebody's from POSSESSION on. Whoever proves better takes them over; the former holder falls back and is told. As good
a proof that comes later changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from msgspec.structs import replace

from tongbao.engine.api import View
from tongbao.identity.alerts import tell
from tongbao.identity.realname import errors
from tongbao.identity.realname.channels import CHANNELS
from tongbao.identity.realname.levels import FACE, NAME, NOTHING, POSSESSION, denied, level_by_channels, matched, possessed
from tongbao.identity.realname.types import (
    DOCUMENT_HOLDER,
    GUARDIANSHIP,
    NAME_CHECK,
    NAME_EVENT,
    NEXT_NAME,
    PHONE_HOLDER,
    REAL_NAME,
    Check,
    DocumentHolder,
    NameEvent,
    PhoneHolder,
    RealName,
    State,
)
from tongbao.identity.standing import STANDING, Standing, standing_of, with_reason, without_reason


def settle(view: View, real: RealName, now: datetime, today: date, act: str, detail: str = "", by: UUID | None = None) -> int:
    """Work the level out again, write it to the name and to the standing, and say what happened.

    A document's holder counts the accounts under it from the first level on. What the checks would give is held back where
    nothing was proven but facts, where the phone is somebody else's, or where another account under the document has Class III
    already. Whose level falls is told. A document that waits beside the one in force takes its place once it gives that one's
    level, or the level that is wanted of it.
    """
    checks = checks_of(view, real)
    no = denied(checks) and real.approved_by is None  # two who saw the person know better than a file
    real, held_back = _with_proof(view, real, checks, no)
    channels = level_by_channels(matched(checks)) if _age_is_certain(real, checks) and not no else 0
    if real.proof < POSSESSION:
        channels = min(channels, 1)
    own = max(channels, real.face_level if real.approved_by is not None else 0)
    level = 0 if no else max(own, real.carried_level)
    if level == 1 < real.wanted_level and real.proof < POSSESSION:
        held_back = held_back or errors.POSSESSION_NOT_PROVEN.name
    if level == 3 and _class_three_is_elsewhere(view, real):
        level, held_back = 2, errors.CLASS_THREE_ELSEWHERE.name
    before, former = real.level, _in_force_beside(view, real)
    if former is not None:
        if level < max(1, min(former.level, real.wanted_level)):
            return _go_on_waiting(view, real, former, level, held_back, now, act, detail, by)
        _replace(view, former, now)
        before = former.level
    real = claim(view, real) if level else let_go(view, real, now)
    if level == 3:
        _take_class_three(view, real)
    else:
        _leave_class_three(view, real)
    state: State = "VERIFIED" if level else "STARTED"
    if any(check.state == "MISMATCHED" for check in checks) and (no or level < real.wanted_level):
        state = "MISMATCHED"
    rose = level > real.level or (own > 0 and real.verified_at is None)
    real = replace(
        real, level=level, carried_level=0 if no else real.carried_level, held_back=held_back, state=state,
        verified_at=now if rose else real.verified_at,
    )  # fmt: skip
    view.put(REAL_NAME, real)
    standing = replace(standing_of(view, real.customer_id, now), level=level)
    if own:
        standing = replace(
            standing, verified_at=real.verified_at, expires_on=real.expires_on, visitor=real.document_kind == "passport",
            minor=real.of_age_on is not None and today < real.of_age_on,
        )  # fmt: skip
    if authority_agrees(checks, real) and (real.expires_on is None or today <= real.expires_on):
        standing = replace(standing, suspended=without_reason(standing.suspended, "document_expired"))
    view.put(STANDING, guarded(view, counted_with(view, real, standing)))
    note(view, real, act, now, detail=detail, by=by)
    if level != before:
        view.emit("real_names", "real_name.level_changed", {"customer_id": real.customer_id, "level": level})
    if level < before:
        tell(view, real.customer_id, "level_fell", {"level": str(level)}, now)
    return level


def _in_force_beside(view: View, real: RealName) -> RealName | None:
    """The document in force, of one that waits to take its place."""
    waiting = view.get(NEXT_NAME, real.customer_id)
    return view.get(REAL_NAME, real.customer_id) if waiting is not None and waiting.attempt == real.attempt else None


def _go_on_waiting(
    view: View,
    real: RealName,
    former: RealName,
    level: int,
    held_back: str,
    now: datetime,
    act: str,
    detail: str,
    by: UUID | None,
) -> int:
    """Nothing that anybody may do changes; what it would give is written down."""
    denied_by_some = any(check.state == "MISMATCHED" for check in checks_of(view, real))
    state: State = "MISMATCHED" if denied_by_some else "VERIFIED" if level else "STARTED"
    real = replace(real, level=level, held_back=held_back, state=state)
    view.put(NEXT_NAME, real)
    note(view, real, act, now, detail=detail, by=by)
    return former.level


def _replace(view: View, former: RealName, now: datetime) -> None:
    """The document in force makes room."""
    view.follow(DOCUMENT_HOLDER, former.document_index)
    if former.phone_index:
        view.follow(PHONE_HOLDER, former.phone_index)
    former = let_go(view, former, now)
    view.remove(NEXT_NAME, former.customer_id)
    note(view, former, "replaced", now)


def _with_proof(view: View, real: RealName, checks: Sequence[Check], no: bool) -> tuple[RealName, str]:
    """The name with how well it is proven now, and why that is not better than it is. A phone that is somebody else's by as good
    a proof, or that was taken over by a better one, proves nothing."""
    proof = NOTHING
    if real.approved_by is not None:
        proof = FACE
    elif not no and real.phone_proven and possessed(checks):
        proof = POSSESSION
    elif not no and matched(checks):
        proof = NAME
    carried = NOTHING if no else real.carried_proof
    proof = max(proof, carried)
    if not phone_is_taken(view, real, proof):
        return replace(real, proof=proof, carried_proof=carried), ""
    real = replace(real, phone_proven=False)
    if proof == FACE:
        return replace(real, proof=proof, carried_proof=carried), ""
    real = replace(real, proof=min(proof, NAME), carried_proof=min(carried, NAME), carried_level=min(real.carried_level, 1))
    return real, errors.PHONE_WITH_OTHER_DOCUMENT.name


def _age_is_certain(real: RealName, checks: Sequence[Check]) -> bool:
    """Whether the birth date is more than told: in the number itself, confirmed by who issued the document, or seen on it."""
    return real.number_tells_age or authority_agrees(checks, real)


def checks_of(view: View, real: RealName) -> list[Check]:
    """The checks of the document as it is now."""
    found = (view.get(NAME_CHECK, (real.customer_id, registry)) for registry in CHANNELS)
    return [check for check in found if check is not None and check.attempt == real.attempt]


def authority_agrees(checks: Sequence[Check], real: RealName) -> bool:
    """Whether the document itself was confirmed: by who issued it, or face to face."""
    said = any(check.state == "MATCHED" and CHANNELS[check.registry].authority for check in checks)
    return said or real.approved_by is not None


# ── one person, one document, one phone ─────────────────────────────────────────────────────────────────────────────────


def phone_is_taken(view: View, real: RealName, proof: int) -> bool:
    """Whether the phone is another document's, held there by as good a proof as this one. A minor may be on their guardian's.
    Source: Yinfa [2016] 261, 7 (phone and document, one to one)."""
    holder = view.get(PHONE_HOLDER, real.phone_index) if real.phone_index and real.of_age_on is None else None
    if holder is None or holder.document_index == real.document_index:
        return False
    former = _in_force_beside(view, real)  # which makes room for this one, and takes its phone along
    own = former is not None and former.phone_claimed and former.phone_index == real.phone_index
    return holder.accounts > int(own) and holder.proof >= proof


def claim(view: View, real: RealName) -> RealName:
    """Count the account under its document, and, once it is proven, under its phone, which it takes over where it must."""
    if not real.claimed:
        document = view.get(DOCUMENT_HOLDER, real.document_index) or DocumentHolder(real.document_index, 0, None)
        view.put(DOCUMENT_HOLDER, replace(document, accounts=document.accounts + 1, let_go_at=None))
        real = replace(real, claimed=True)
    held = real.proof >= POSSESSION and real.phone_proven  # who was seen at a counter has not shown that they hold a phone
    holder = view.get(PHONE_HOLDER, real.phone_index) if real.phone_index else None
    others = holder is not None and holder.accounts > 0 and holder.document_index != real.document_index
    if not real.phone_index or not held or (others and (real.of_age_on is not None or phone_is_taken(view, real, real.proof))):
        return _let_phone_go(view, real)
    if holder is None or others or not holder.accounts:
        holder = PhoneHolder(real.phone_index, real.document_index, 0, real.proof, others)
    accounts = holder.accounts + (0 if real.phone_claimed and not others else 1)
    view.put(PHONE_HOLDER, replace(holder, accounts=accounts, proof=max(holder.proof, real.proof)))
    return replace(real, phone_claimed=True)


def counted_with(view: View, real: RealName, standing: Standing) -> Standing:
    """The standing of an account that is held under a document: the law counts it with the first one under it. One that is held
    under none any more goes on being counted where it was. Who has shown no more than to know a name and a number is counted by
    themselves, for they would see, and could use up, what the document's owner may: until there is possession, what the law says
    of one account holds them. Source: PBOC announcement 2015 No. 43, Art. 11 and 24 (all payment accounts of a customer)."""
    if not real.claimed or real.proof < POSSESSION:
        return standing
    document = view.need(DOCUMENT_HOLDER, real.document_index)
    subject_id = document.subject_id
    if subject_id is None:
        subject_id = standing.subject_id or standing.customer_id
        view.put(DOCUMENT_HOLDER, replace(document, subject_id=subject_id))
    return replace(standing, subject_id=None if subject_id == standing.customer_id else subject_id)


def let_go(view: View, real: RealName, now: datetime) -> RealName:
    """The account counts no longer under its document and its phone."""
    real = _let_phone_go(view, real)
    if not real.claimed:
        return real
    _leave_class_three(view, real)
    document = view.need(DOCUMENT_HOLDER, real.document_index)
    left = document.accounts - 1
    view.put(DOCUMENT_HOLDER, replace(document, accounts=left, let_go_at=None if left else now))
    return replace(real, claimed=False)


def _let_phone_go(view: View, real: RealName) -> RealName:
    if not real.phone_claimed:
        return real
    phone = view.get(PHONE_HOLDER, real.phone_index)
    if phone is not None and phone.document_index == real.document_index:
        if phone.accounts > 1:
            view.put(PHONE_HOLDER, replace(phone, accounts=phone.accounts - 1))
        else:
            view.remove(PHONE_HOLDER, real.phone_index)
    return replace(real, phone_claimed=False)


def _class_three_is_elsewhere(view: View, real: RealName) -> bool:
    """Whether the document's one account of Class III is another, as well proven. Source: Yinfa [2016] 261."""
    document = view.get(DOCUMENT_HOLDER, real.document_index)
    if document is None or document.class_three_id in (None, real.customer_id):
        return False
    return document.class_three_proof >= real.proof


def _take_class_three(view: View, real: RealName) -> None:
    """Make this the document's one account of Class III; another's was proven less well."""
    document = view.need(DOCUMENT_HOLDER, real.document_index)
    taken_over = document.taken_over or document.class_three_id not in (None, real.customer_id)
    view.put(
        DOCUMENT_HOLDER,
        replace(document, class_three_id=real.customer_id, class_three_proof=real.proof, taken_over=taken_over),
    )


def _leave_class_three(view: View, real: RealName) -> None:
    document = view.get(DOCUMENT_HOLDER, real.document_index)
    if document is not None and document.class_three_id == real.customer_id:
        view.put(DOCUMENT_HOLDER, replace(document, class_three_id=None, class_three_proof=NOTHING))


# ── what follows ────────────────────────────────────────────────────────────────────────────────────────────────────────


def guarded(view: View, standing: Standing) -> Standing:
    """The standing with "guardian" among its reasons exactly while a minor has nobody who agreed.

    Source: Civil Code, Art. 19 (acts of minors need their guardian's consent); PIPL, Art. 31 (under 14).
    """
    guardianship = view.get(GUARDIANSHIP, standing.customer_id)
    agreed = guardianship is not None and guardianship.state == "AGREED"
    change = with_reason if standing.minor and not agreed else without_reason
    return replace(standing, suspended=change(standing.suspended, "guardian"))


def note(
    view: View, real: RealName, act: str, now: datetime, *, detail: str = "", document: bytes = b"", by: UUID | None = None
) -> None:
    """Write down what happened to a name."""
    event = NameEvent(
        view.new_id(), real.customer_id, real.attempt, act, detail, real.document_kind, document, real.level, by, now
    )
    view.append(NAME_EVENT, (event,))
