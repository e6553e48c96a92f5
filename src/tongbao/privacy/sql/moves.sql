-- name: payments_of
-- What a customer paid, through the bills. $1 customer, $2 above this bill or null, $3 limit.
select b.bill_id, p.payment_id, p.merchant_id, p.store_id, p.out_trade_no, p.subject, p.amount_minor, p.agreed_minor,
       p.paid_minor, p.refunded_minor, p.currency, p.state, p.method, p.created_at, p.paid_at
from bill b join payment p on p.payment_id = b.reference_id and p.bill_id = b.bill_id
where b.customer_id = $1 and b.kind = 'payment' and ($2::uuid is null or b.bill_id > $2) order by b.bill_id limit $3;

-- name: untaken_of
-- What a customer authorised and nobody took, in the order in which they did. $1 customer, $2 and $3 place or null, $4 limit.
select a.authorised_at, p.payment_id, p.merchant_id, p.store_id, p.out_trade_no, p.subject, p.amount_minor, p.agreed_minor,
       p.paid_minor, p.refunded_minor, p.currency, p.state, p.method, p.created_at, p.paid_at
from authorisation a join payment p using (payment_id)
where a.payer_id = $1 and p.paid_minor = 0
  and ($2::timestamptz is null or (a.authorised_at, a.payment_id) > ($2, $3::uuid))
order by a.authorised_at, a.payment_id limit $4;
