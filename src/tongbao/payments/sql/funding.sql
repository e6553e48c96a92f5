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

-- name: waiting_for_card
-- A customer's payments of which their card is being asked, the latest first. $1 customer, $2 asked since.
select p.payment_id, p.merchant_id, p.store_id, p.out_trade_no, p.subject, p.amount_minor, p.agreed_minor, p.currency, p.fee_minor,
       p.state, p.method, p.payer_id, p.paid_minor, p.refunded_minor, p.fee_returned_minor, p.refunds, p.created_at, p.expires_at,
       p.paid_at, p.closed_at, p.journal_id, p.bill_id, p.factors
from card_request c join payment p using (payment_id)
where c.payer_id = $1 and c.asked_at > $2 and c.kind = 'debit' and c.state = 'ASKED' and p.state = 'UNKNOWN'
order by c.asked_at desc, p.payment_id desc limit 10;
