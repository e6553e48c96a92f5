-- name: payments_of
-- What a customer paid, through the bills. $1 customer, $2 above this bill or null, $3 limit.
select b.bill_id, p.payment_id, p.merchant_id, p.store_id, p.out_trade_no, p.subject, p.amount_minor, p.refunded_minor, p.currency,
       p.state, p.method, p.created_at, p.paid_at
from bill b join payment p on p.payment_id = b.reference_id and p.bill_id = b.bill_id
where b.customer_id = $1 and b.kind = 'payment' and ($2::uuid is null or b.bill_id > $2) order by b.bill_id limit $3;
