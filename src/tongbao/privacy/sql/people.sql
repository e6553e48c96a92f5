-- name: consent_states
-- What a customer said last of each purpose. $1 customer.
select customer_id, purpose, version, granted, at from consent_state where customer_id = $1;

-- name: consent_state
-- $1 customer, $2 purpose.
select customer_id, purpose, version, granted, at from consent_state where customer_id = $1 and purpose = $2;

-- name: consents
-- Everything a customer ever said, newest first. $1 customer, $2 below this id or null, $3 limit.
select consent_id, customer_id, purpose, version, text_hash, granted, screen, at
from consent where customer_id = $1 and ($2::uuid is null or consent_id < $2) order by consent_id desc limit $3;

-- name: choice
-- $1 customer.
select customer_id, explain, changed_at from privacy_choice where customer_id = $1;

-- name: declined_command
-- What was declined under this id. $1 command.
select command_id, kind, outcome, decided_at from command where command_id = $1 and not accepted;

-- name: reviews
-- Newest first. $1 customer or null, $2 state or null, $3 below this id or null, $4 limit.
select review_id, customer_id, command_id, decision, declined, decided_at, wish, state, asked_at, due_at, answered_at, answered_by,
       upheld, answer
from review
where ($1::uuid is null or customer_id = $1) and ($2::text is null or state = $2) and ($3::uuid is null or review_id < $3)
order by review_id desc limit $4;

-- name: review
-- $1 review.
select review_id, customer_id, command_id, decision, declined, decided_at, wish, state, asked_at, due_at, answered_at, answered_by,
       upheld, answer
from review where review_id = $1;

-- name: corrections
-- Newest first. $1 customer, $2 below this id or null, $3 limit.
select correction_id, customer_id, field, former, corrected, at
from correction where customer_id = $1 and ($2::uuid is null or correction_id < $2) order by correction_id desc limit $3;
