-- name: entity
-- $1 merchant.
select merchant_id, attempt, kind, legal_name, credit_code, people, state, recorded_by, recorded_at, verified_at
from merchant_entity where merchant_id = $1;

-- name: entity_people
-- In order. $1 merchant, $2 attempt.
select merchant_id, attempt, place, person_id, role, share_ppm, document_kind, document, document_index
from merchant_person where merchant_id = $1 and attempt = $2 order by place;

-- name: entity_checks
-- $1 merchant, $2 attempt.
select merchant_id, attempt, place, registry, check_id, state, differing, registry_reference, tries, ask_at, answered_at
from entity_check where merchant_id = $1 and attempt = $2 order by place;

-- name: entity_checks_due
-- Checks without an answer whose turn has come. $1 now, $2 limit.
select c.merchant_id, c.attempt, c.place, c.registry, c.check_id, c.state, c.differing, c.registry_reference, c.tries, c.ask_at,
       c.answered_at
from entity_check c join merchant_entity e using (merchant_id, attempt)
where c.ask_at <= $1 order by c.ask_at limit $2;
