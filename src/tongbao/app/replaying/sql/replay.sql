-- name: paid
-- The payments among these ids, as far as they are paid. $1 payment ids.
select payment_id, out_trade_no, payer_id, amount_minor from payment where payment_id = any($1::uuid[]) and state = 'PAID';
