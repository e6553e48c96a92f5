-- name: rulebook
-- The rules in force.
select name, version, text, digest, slots, by_hand, adopted_by, reason, adopted_at from rulebook where name = 'current';

-- name: usage
-- What subjects have done. $1 subjects.
select subject_id, day, counts, past, own from usage where subject_id = any($1::uuid[]);

-- name: standing
-- How well a customer is known. $1 customer.
select customer_id, level, verified_at, expires_on, visitor, minor, suspended, cooling_until, opened_at, subject_id,
       reported_at, doubted
from standing where customer_id = $1;

-- name: rulebook_versions
-- Everything that was ever adopted, newest first, without the texts. $1 below this id or null, $2 limit.
select version_id, version, digest, by_hand, adopted_by, reason, adopted_at from rulebook_version
where $1::uuid is null or version_id < $1 order by version_id desc limit $2;

-- name: duties
-- What acts oblige the staff to, newest first. $1 subject or null, $2 below this id or null, $3 limit.
select duty_id, rule_id, subject_id, kind, amount_minor, total_minor, currency, at, due_at from duty
where ($1::uuid is null or subject_id = $1) and ($2::uuid is null or duty_id < $2)
order by duty_id desc limit $3;

-- name: never_active
-- Customers who were known before $1 and have not used their wallet since; $2 their wallets' line, $3 currency, $4 limit.
select p.principal_id as customer_id from principal p
left join standing s on s.customer_id = p.principal_id
where p.audience = 'wallet' and p.created_at <= $1
  and greatest(coalesce(s.opened_at, p.created_at), s.verified_at) <= $1
  and not (coalesce(s.suspended, '') like '%dormant%')
  and not exists (
      select from account_master a where a.owner_id = p.principal_id and a.code = $2 and a.currency = $3
  )
order by p.created_at limit $4;
