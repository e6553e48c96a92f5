-- name: vouchers_of
-- Restricted money of a customer's that may be spent at a merchant now, the soonest to end first: the same that `may_spend` says.
-- $1 customer, $2 merchant, $3 currency, $4 now, $5 limit.
select c.code, c.title_zh, c.title_en, c.valid_until, (a.posted_minor - a.held_minor)::bigint as available_minor
from account a join colour c on a.currency = c.currency || ':' || c.code
where a.owner_id = $1 and a.code = '2001' and c.currency = $3 and c.state = 'ACTIVE' and c.valid_until > $4
  and a.debit_freeze = '' and a.posted_minor > a.held_minor
  and (c.everywhere or exists (select from colour_merchant m where m.code = c.code and m.merchant_id = $2 and m.allowed))
order by c.valid_until, c.code limit $5;

-- name: voucher_titles
-- What colours are called. $1 codes.
select code, title_zh, title_en from colour where code = any($1::text[]);

-- name: card_refunds_of
-- What of a payment went back to a card, or is on its way there, and what its owner's wallet was given instead. $1 payment.
select request_id, refund_id, amount_minor, state, asked_at, finished_at, debit_id
from card_request where payment_id = $1 and kind = 'refund' order by asked_at, request_id limit 100;
