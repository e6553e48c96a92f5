-- name: payments
-- Several payments. $1 ids.
select payment_id, merchant_id, store_id, out_trade_no, subject, amount_minor, currency, fee_minor, state, method, payer_id,
       refunded_minor, fee_returned_minor, refunds, created_at, expires_at, paid_at, closed_at, journal_id, bill_id
from payment where payment_id = any($1::uuid[]);

-- name: payment_states
-- What bills show of several payments. $1 ids.
select payment_id, state, amount_minor, refunded_minor from payment where payment_id = any($1::uuid[]);

-- name: refunds_of
-- Refunds of several payments. $1 ids.
select refund_id, payment_id, out_refund_no, amount_minor, currency, fee_returned_minor, reason, at, journal_id
from refund where payment_id = any($1::uuid[]) order by at, refund_id;

-- name: refund
-- One refund. $1 id.
select refund_id, payment_id, out_refund_no, amount_minor, currency, fee_returned_minor, reason, at, journal_id
from refund where refund_id = $1;

-- name: orders
-- A merchant's orders, newest first. $1 merchant, $2 state or null, $3 out_trade_no prefix or null, $4 from and $5 to or null,
-- $6 and $7 place (created_at, payment_id) or null, $8 limit, $9 now.
select payment_id, merchant_id, store_id, out_trade_no, subject, amount_minor, currency, fee_minor, state, method, payer_id,
       refunded_minor, fee_returned_minor, refunds, created_at, expires_at, paid_at, closed_at, journal_id, bill_id
from payment
where merchant_id = $1
  and ($2::text is null or (case when state = 'CREATED' and expires_at <= $9 then 'EXPIRED' else state end) = $2)
  and ($3::text is null or out_trade_no like $3 || '%' or subject like '%' || $3 || '%')
  and ($4::timestamptz is null or created_at >= $4) and ($5::timestamptz is null or created_at < $5)
  and ($6::timestamptz is null or (created_at, payment_id) < ($6, $7::uuid))
order by created_at desc, payment_id desc limit $8;

-- name: find_payments
-- For the console, newest first. $1 state or null, $2 payment id or null, $3 out_trade_no or null, $4 payers or null,
-- $5 merchants or null, $6 from and $7 to or null, $8 and $9 place or null, $10 limit, $11 now.
select payment_id, merchant_id, store_id, out_trade_no, subject, amount_minor, currency, fee_minor, state, method, payer_id,
       refunded_minor, fee_returned_minor, refunds, created_at, expires_at, paid_at, closed_at, journal_id, bill_id
from payment
where ($1::text is null or (case when state = 'CREATED' and expires_at <= $11 then 'EXPIRED' else state end) = $1)
  and ($2::uuid is null or payment_id = $2) and ($3::text is null or out_trade_no = $3)
  and ($4::uuid[] is null or payer_id = any($4)) and ($5::uuid[] is null or merchant_id = any($5))
  and ($6::timestamptz is null or created_at >= $6) and ($7::timestamptz is null or created_at < $7)
  and ($8::timestamptz is null or (created_at, payment_id) < ($8, $9::uuid))
order by created_at desc, payment_id desc limit $10;

-- name: orders_to_expire
-- Unpaid orders whose time is over. $1 now, $2 limit.
select payment_id from payment where state = 'CREATED' and expires_at <= $1 order by expires_at limit $2;

-- name: paid_by_hour
-- What a merchant was paid on a day by local hour. $1 merchant, $2 from, $3 to, $4 time zone.
select extract(hour from paid_at at time zone $4)::integer as hour, count(*) as count,
       sum(amount_minor)::bigint as amount_minor, sum(fee_minor)::bigint as fee_minor
from payment
where merchant_id = $1 and state = 'PAID' and paid_at >= $2 and paid_at < $3 and created_at >= $2 - interval '1 day'
group by 1 order by 1;

-- name: refunded_on
-- What a merchant gave back on a day. $1 merchant, $2 from, $3 to.
select count(*) as count, coalesce(sum(r.amount_minor), 0)::bigint as amount_minor,
       coalesce(sum(r.fee_returned_minor), 0)::bigint as fee_minor
from refund r join payment p using (payment_id) where p.merchant_id = $1 and r.at >= $2 and r.at < $3;
