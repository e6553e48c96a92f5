-- name: proposals
-- Newest first. $1 'open' (waiting, or approved and under way), 'ended' or null, $2 proposed by or null, $3 below this id or null,
-- $4 limit, $5 now: what nobody decided in time has ended.
select proposal_id, kind, body, reason, subject_kind, subject_id, proposed_by, proposed_at, expires_at, state, alone, decided_by,
       decided_at, note, outcome, ended_at
from proposal
where ($1::text is null or ($1 = 'open') = (state = 'APPROVED' or (state = 'OPEN' and expires_at > $5)))
  and ($2::uuid is null or proposed_by = $2) and ($3::uuid is null or proposal_id < $3)
order by proposal_id desc limit $4;

-- name: proposal
-- One. $1 id.
select proposal_id, kind, body, reason, subject_kind, subject_id, proposed_by, proposed_at, expires_at, state, alone, decided_by,
       decided_at, note, outcome, ended_at
from proposal where proposal_id = $1;

-- name: proposals_to_run
-- Approved, and their act has not been reported: oldest first. $1 decided before, $2 limit.
select proposal_id, kind, body, reason, subject_kind, subject_id, proposed_by, proposed_at, expires_at, state, alone, decided_by,
       decided_at, note, outcome, ended_at
from proposal where state = 'APPROVED' and decided_at < $1 order by proposal_id limit $2;

-- name: incidents
-- Newest first. $1 true: only those not reviewed, $2 below this id or null, $3 limit.
select incident_id, kind, subject_id, text, opened_by, opened_at, due_at, reviewed_by, reviewed_at, note
from incident where (not $1 or reviewed_at is null) and ($2::uuid is null or incident_id < $2)
order by incident_id desc limit $3;

-- name: incident
-- One. $1 id.
select incident_id, kind, subject_id, text, opened_by, opened_at, due_at, reviewed_by, reviewed_at, note
from incident where incident_id = $1;

-- name: unreviewed
-- Whether there is one of this kind about this already that nobody has looked at. $1 kind, $2 subject.
select exists (select from incident where reviewed_at is null and kind = $1 and subject_id = $2);

-- name: waiting
-- How much waits for somebody, $2 (null: for anybody), who does not decide what they proposed themselves. $1 now.
select (select count(*) from proposal where state = 'OPEN' and expires_at > $1 and proposed_by is distinct from $2) as proposals,
       (select count(*) from incident where reviewed_at is null) as incidents,
       (select count(*) from incident where reviewed_at is null and due_at < $1) as overdue;

-- name: acts
-- Newest first. $1 operator or null, $2 subjects or null, $3 act or null, $4 true: only changes, $5 from or null, $6 to or null (as
-- ids), $7 below this id or null, $8 limit.
select act_id, at, operator_id, session_id, act, changing, subject_kind, subject_id, reason, outcome
from operator_act
where ($1::uuid is null or operator_id = $1) and ($2::text[] is null or subject_id = any($2)) and ($3::text is null or act = $3)
  and (not $4 or changing) and ($5::uuid is null or act_id >= $5) and ($6::uuid is null or act_id < $6)
  and ($7::uuid is null or act_id < $7)
order by act_id desc limit $8;

-- name: invitations
-- The last invitation of each of these. $1 operators.
select operator_id, name, link_hash, code_mac, tries, issued_at, expires_at, accepted_at
from operator_invitation where operator_id = any($1::uuid[]);

-- name: invitation_by_name
-- One that can still be accepted. $1 the command that issued it, $2 now.
select operator_id, name, link_hash, code_mac, tries, issued_at, expires_at, accepted_at
from operator_invitation where name = $1 and accepted_at is null and expires_at > $2 and tries < 5;

-- name: suspension
-- One customer's. $1 customer.
select customer_id, why, text, suspended_by, suspended_at, until, ended_at, ended_by, approved_by, ended_text
from suspension where customer_id = $1;

-- name: suspensions_over
-- In force beyond their time. $1 now, $2 limit.
select customer_id, suspended_at from suspension where ended_at is null and until <= $1 order by until limit $2;

-- name: note_report
-- One more of a kind, if there is room. $1 digest, $2 directive, $3 page, $4 blocked, $5 source, $6 now, $7 most rows.
insert into page_report (digest, directive, page, blocked, source, times, first_at, last_at)
select $1, $2, $3, $4, $5, 1, $6, $6
where exists (select from page_report where digest = $1) or (select count(*) from page_report) < $7
on conflict (digest) do update set times = page_report.times + 1, last_at = excluded.last_at;

-- name: page_reports
-- Latest first. $1, $2 below this place or null, $3 limit.
select digest, directive, page, blocked, source, times, first_at, last_at
from page_report where ($1::timestamptz is null or (last_at, digest) < ($1, $2::bytea))
order by last_at desc, digest desc limit $3;
