-- name: real_name
-- $1 customer.
select customer_id, attempt, state, document_kind, document, document_index, content_index, phone_index, wanted_level, level,
       carried_level, face_level, verified_by, approved_by, claimed, held_back, expires_on, of_age_on, reminded_on, acts,
       acts_since, started_at, verified_at, told_of_age_on, number_tells_age, proof, carried_proof, phone_proven, phone_claimed,
       proposed_at
from real_name where customer_id = $1;

-- name: next_real_name
-- What waits beside it. $1 customer.
select customer_id, attempt, state, document_kind, document, document_index, content_index, phone_index, wanted_level, level,
       carried_level, face_level, verified_by, approved_by, claimed, held_back, expires_on, of_age_on, reminded_on, acts,
       acts_since, started_at, verified_at, told_of_age_on, number_tells_age, proof, carried_proof, phone_proven, phone_claimed,
       proposed_at
from next_real_name where customer_id = $1;

-- name: real_names
-- By state, those in force and those that wait, the latest documents first. $1 state or null, $2 and $3 before this moment and customer or null, $4 limit.
select customer_id, attempt, state, document_kind, document, document_index, content_index, phone_index, wanted_level, level,
       carried_level, face_level, verified_by, approved_by, claimed, held_back, expires_on, of_age_on, reminded_on, acts,
       acts_since, started_at, verified_at, told_of_age_on, number_tells_age, proof, carried_proof, phone_proven, phone_claimed,
       proposed_at
from (
    (select * from real_name
     where ($1::text is null or state = $1) and ($2::timestamptz is null or (started_at, customer_id) < ($2, $3::uuid))
     order by started_at desc, customer_id desc limit $4)
    union all
    (select * from next_real_name
     where ($1::text is null or state = $1) and ($2::timestamptz is null or (started_at, customer_id) < ($2, $3::uuid))
     order by started_at desc, customer_id desc limit $4)
) given
order by started_at desc, customer_id desc limit $4;

-- name: checks
-- $1 customer.
select customer_id, registry, attempt, check_id, state, differing, details, registry_reference, tries, ask_at, asked_at,
       answered_at
from name_check where customer_id = $1;

-- name: checks_due
-- Checks without an answer whose turn has come. $1 now, $2 limit.
select c.customer_id, c.registry, c.attempt, c.check_id, c.state, c.differing, c.details, c.registry_reference, c.tries, c.ask_at,
       c.asked_at, c.answered_at
from name_check c
where c.ask_at <= $1 and (exists (select from real_name r where r.customer_id = c.customer_id and r.attempt = c.attempt)
    or exists (select from next_real_name n where n.customer_id = c.customer_id and n.attempt = c.attempt)) order by c.ask_at limit $2;

-- name: standing
-- $1 customer.
select customer_id, level, verified_at, expires_on, visitor, minor, suspended, cooling_until, opened_at, subject_id,
       reported_at, doubted
from standing where customer_id = $1;

-- name: holder
-- $1 document index.
select document_index, accounts, class_three_id, subject_id, let_go_at, class_three_proof, taken_over from document_holder
where document_index = $1;

-- name: documents_to_forget
-- Under which no account has been held since then. $1 moment, $2 limit.
select document_index from document_holder where let_go_at <= $1 order by let_go_at limit $2;

-- name: calendar_due
-- Whom the day asks something for. $1 today, $2 documents that end up to this day are reminded of, $3 those that ended up to this
-- day suspend, $4 limit.
select customer_id from real_name where of_age_on <= $1
union
select r.customer_id from real_name r join standing s using (customer_id)
where r.expires_on <= $2 and s.expires_on = r.expires_on
  and (r.reminded_on is null or (r.expires_on <= $3 and position('document_expired' in s.suspended) = 0))
limit $4;

-- name: displaced
-- Who keeps what somebody else has taken over, by a better proof. $1 limit.
select r.customer_id, r.document_index, r.phone_index from phone_holder p
join real_name r on r.phone_index = p.phone_index and r.phone_claimed and r.document_index <> p.document_index
where p.taken_over
union
select r.customer_id, r.document_index, r.phone_index from document_holder d
join real_name r on r.document_index = d.document_index and r.level = 3 and r.customer_id is distinct from d.class_three_id
where d.taken_over
limit $1;

-- name: waited_for
-- Whom nobody has answered for, or approved, since this moment. $1 moment, $2 limit.
select r.customer_id, r.document_index, r.phone_index
from name_check c join real_name r on r.customer_id = c.customer_id and r.attempt = c.attempt
where c.ask_at is not null and c.asked_at <= $1
union
select n.customer_id, n.document_index, n.phone_index
from name_check c join next_real_name n on n.customer_id = c.customer_id and n.attempt = c.attempt
where c.ask_at is not null and c.asked_at <= $1
union
select customer_id, document_index, phone_index from real_name where state = 'FACE_PROPOSED' and proposed_at <= $1
union
select customer_id, document_index, phone_index from next_real_name where state = 'FACE_PROPOSED' and proposed_at <= $1
limit $2;

-- name: history
-- What happened to a name, newest first. $1 customer, $2 below this id or null, $3 limit.
select event_id, customer_id, attempt, act, detail, document_kind, document, level, by, at
from real_name_event where customer_id = $1 and ($2::uuid is null or event_id < $2) order by event_id desc limit $3;

-- name: guardianship
-- $1 minor.
select minor_id, guardian_id, state, consent, single_minor, daily_minor, requested_at, agreed_at, ended_at
from guardianship where minor_id = $1;

-- name: guardianships
-- For whom somebody answers, or is asked to. $1 guardian, $2 below this minor or null, $3 limit.
select minor_id, guardian_id, state, consent, single_minor, daily_minor, requested_at, agreed_at, ended_at
from guardianship where guardian_id = $1 and state <> 'ENDED' and ($2::uuid is null or minor_id < $2)
order by minor_id desc limit $3;
