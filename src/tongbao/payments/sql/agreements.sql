-- name: agreement
-- One agreement. $1 id.
select agreement_id, merchant_id, out_agreement_no, purpose, scene, currency, asked_debit_minor, asked_day_minor,
       asked_day_count, asked_month_count, debit_minor, day_minor, day_count, month_count, period, first_debit_on,
       notice_hours, attempts, retry_hours, zone, state, payer_id, factors, created_at, expires_at, ends_at, signed_at,
       ended_at, ended_by, end_reason, day, day_used_minor, day_used_count, month, month_used_count, last_period, debits,
       last_debit_at
from agreement where agreement_id = $1;

-- name: agreements_of_merchant
-- A merchant's, newest first. $1 merchant, $2 state or null, $3 and $4 place (created_at, agreement_id) or null, $5 limit, $6 now.
select agreement_id, merchant_id, out_agreement_no, purpose, scene, currency, asked_debit_minor, asked_day_minor,
       asked_day_count, asked_month_count, debit_minor, day_minor, day_count, month_count, period, first_debit_on,
       notice_hours, attempts, retry_hours, zone, state, payer_id, factors, created_at, expires_at, ends_at, signed_at,
       ended_at, ended_by, end_reason, day, day_used_minor, day_used_count, month, month_used_count, last_period, debits,
       last_debit_at
from agreement
where merchant_id = $1
  and ($2::text is null or (case when expires_at <= $6 and state in ('ASKED', 'ACTIVE', 'PAUSED') then 'EXPIRED' else state end) = $2)
  and ($3::timestamptz is null or (created_at, agreement_id) < ($3, $4::uuid))
order by created_at desc, agreement_id desc limit $5;

-- name: agreements_of_payer
-- What a customer signed, newest first. $1 payer, $2 and $3 place (signed_at, agreement_id) or null, $4 limit.
select agreement_id, merchant_id, out_agreement_no, purpose, scene, currency, asked_debit_minor, asked_day_minor,
       asked_day_count, asked_month_count, debit_minor, day_minor, day_count, month_count, period, first_debit_on,
       notice_hours, attempts, retry_hours, zone, state, payer_id, factors, created_at, expires_at, ends_at, signed_at,
       ended_at, ended_by, end_reason, day, day_used_minor, day_used_count, month, month_used_count, last_period, debits,
       last_debit_at
from agreement
where payer_id = $1 and ($2::timestamptz is null or (signed_at, agreement_id) < ($2, $3::uuid))
order by signed_at desc, agreement_id desc limit $4;

-- name: agreements_to_expire
-- Those whose time is over. $1 now, $2 limit.
select agreement_id from agreement
where state in ('ASKED', 'ACTIVE', 'PAUSED') and expires_at <= $1 order by expires_at limit $2;

-- name: debit
-- One debit. $1 payment id.
select payment_id, agreement_id, merchant_id, payer_id, out_trade_no, subject, amount_minor, currency, state, attempts,
       asked_at, noticed_at, due_at, next_attempt_at, ended_at, failure_code
from debit where payment_id = $1;

-- name: debits_of
-- Under an agreement, newest first. $1 agreement, $2 and $3 place (asked_at, payment_id) or null, $4 limit.
select payment_id, agreement_id, merchant_id, payer_id, out_trade_no, subject, amount_minor, currency, state, attempts,
       asked_at, noticed_at, due_at, next_attempt_at, ended_at, failure_code
from debit
where agreement_id = $1 and ($2::timestamptz is null or (asked_at, payment_id) < ($2, $3::uuid))
order by asked_at desc, payment_id desc limit $4;

-- name: debits_ahead
-- What is told or waited for under several agreements, the soonest of each. $1 agreements.
select distinct on (agreement_id)
       payment_id, agreement_id, merchant_id, payer_id, out_trade_no, subject, amount_minor, currency, state, attempts,
       asked_at, noticed_at, due_at, next_attempt_at, ended_at, failure_code
from debit
where agreement_id = any($1::uuid[]) and state in ('NOTICED', 'WAITING')
order by agreement_id, coalesce(next_attempt_at, due_at);

-- name: debits_due
-- What is to be tried again. $1 now, $2 limit.
select payment_id, agreement_id, merchant_id, payer_id, out_trade_no, subject, amount_minor, currency, state, attempts,
       asked_at, noticed_at, due_at, next_attempt_at, ended_at, failure_code
from debit where state = 'WAITING' and next_attempt_at <= $1 order by next_attempt_at limit $2;

-- name: agreements_unlike_debits
-- Agreements that note another number of debits than were taken under them. $1 limit.
select a.agreement_id, a.debits, coalesce(d.found, 0) as found from agreement a
left join (select agreement_id, count(*) as found from debit where state = 'TAKEN' group by agreement_id) d using (agreement_id)
where a.debits <> coalesce(d.found, 0) limit $1;

-- name: debits_unlike_payments
-- Debits that were taken and whose payment says otherwise, and payments under no debit. $1 limit.
select d.payment_id from debit d left join payment p using (payment_id)
where d.state = 'TAKEN'
  and (p.payment_id is null or p.paid_minor <> d.amount_minor or (p.payer_id, p.merchant_id, p.method)
       is distinct from (d.payer_id, d.merchant_id, 'agreement'))
union all
select p.payment_id from payment p left join debit d using (payment_id)
where p.method = 'agreement' and d.state is distinct from 'TAKEN'
limit $1;
