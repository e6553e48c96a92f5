-- name: breaches
-- Newest first. $1 state or null, $2 below this id or null, $3 limit.
select breach_id, what, categories, people, risk, state, known_at, opened_at, opened_by, closed_at, closed_by, lesson
from breach where ($1::text is null or state = $1) and ($2::uuid is null or breach_id < $2) order by breach_id desc limit $3;

-- name: breach
-- $1 breach.
select breach_id, what, categories, people, risk, state, known_at, opened_at, opened_by, closed_at, closed_by, lesson
from breach where breach_id = $1;

-- name: breach_tasks
-- A breach's tasks, the most urgent first. $1 breach.
select breach_id, clock, state, due_at, done_at, done_by, note from breach_task where breach_id = $1 order by due_at, clock;

-- name: breach_notices
-- Who was told of a breach. One for each task at most. $1 breach.
select notice_id, breach_id, clock, told, people, words, sent_at, sent_by from breach_notice where breach_id = $1 order by notice_id;

-- name: overdue
-- What is late, counted: tasks of breaches, reviews without an answer, assessments to be looked at again or never signed.
-- $1 now, $2 today.
select (select count(*) from breach_task where state = 'OPEN' and due_at < $1) as breach_tasks,
       (select count(*) from review where state = 'OPEN' and due_at < $1) as reviews,
       (select count(*) from assessment where state = 'SIGNED' and review_on < $2) as assessments;

-- name: assessments
-- Newest first. $1 state or null, $2 due on or before or null, $3 below this id or null, $4 limit.
select assessment_id, title, purpose, lawful, effects, measures, risk, state, review_on, written_at, written_by, signed_at,
       signed_by, replaces, keep_until
from assessment
where ($1::text is null or state = $1) and ($2::date is null or (state = 'SIGNED' and review_on <= $2))
  and ($3::uuid is null or assessment_id < $3)
order by assessment_id desc limit $4;

-- name: assessment
-- $1 assessment.
select assessment_id, title, purpose, lawful, effects, measures, risk, state, review_on, written_at, written_by, signed_at,
       signed_by, replaces, keep_until
from assessment where assessment_id = $1;

-- name: breach_letter
-- What people are told of a breach. $1 breach.
select breach_id, zh, en, listed, state, told_to, told, begun_at, begun_by, ended_at from breach_letter where breach_id = $1;

-- name: letters_under_way
-- Letters that are not through.
select breach_id, zh, en, listed, state, told_to, told, begun_at, begun_by, ended_at from breach_letter
where state = 'SENDING' order by breach_id limit 10;

-- name: people_of_breach
-- Customers there were when a breach was known, by id. $1 breach, $2 behind this one, $3 limit.
select principal_id from principal
where audience = 'wallet' and password_hash <> '' and principal_id > $2
  and created_at <= (select known_at from breach where breach_id = $1)
order by principal_id limit $3;

-- name: customers_among
-- How many of these are customers. $1 ids.
select count(*) from principal where audience = 'wallet' and principal_id = any($1::uuid[]);

-- name: letter_messages
-- What became of a letter's messages, counted by state. $1 facts.
select state, count(*) from message where kind = 'breach_letter' and facts = $1 group by state;
