-- name: payments
-- Several payments. $1 ids.
select payment_id, merchant_id, store_id, out_trade_no, subject, amount_minor, agreed_minor, currency, fee_minor, state, method,
       payer_id, paid_minor, refunded_minor, fee_returned_minor, refunds, created_at, expires_at, paid_at, closed_at, journal_id,
       bill_id, factors
from payment where payment_id = any($1::uuid[]);

-- name: payment_states
-- What bills show of several payments. $1 ids.
select payment_id, state, paid_minor, refunded_minor from payment where payment_id = any($1::uuid[]);

-- name: refunds_of
-- Refunds of several payments. $1 ids.
select refund_id, payment_id, out_refund_no, amount_minor, currency, fee_returned_minor, reason, at, journal_id, state
from refund where payment_id = any($1::uuid[]) order by at, refund_id;

-- name: refund
-- One refund. $1 id.
select refund_id, payment_id, out_refund_no, amount_minor, currency, fee_returned_minor, reason, at, journal_id, state
from refund where refund_id = $1;

-- name: orders
-- A merchant's orders, newest first. $1 merchant, $2 state or null, $3 out_trade_no prefix or null, $4 from and $5 to or null,
-- $6 and $7 place (created_at, payment_id) or null, $8 limit, $9 now.
select payment_id, merchant_id, store_id, out_trade_no, subject, amount_minor, agreed_minor, currency, fee_minor, state, method,
       payer_id, paid_minor, refunded_minor, fee_returned_minor, refunds, created_at, expires_at, paid_at, closed_at, journal_id,
       bill_id, factors
from payment
where merchant_id = $1
  and ($2::text is null or (case when expires_at > $9 then state
             when state = 'CREATED' then 'EXPIRED'
             when state = 'AUTHORISED' then case when paid_minor > 0 then 'PAID' else 'VOIDED' end
             else state end) = $2)
  and ($3::text is null or out_trade_no like $3 || '%' or subject like '%' || $3 || '%')
  and ($4::timestamptz is null or created_at >= $4) and ($5::timestamptz is null or created_at < $5)
  and ($6::timestamptz is null or (created_at, payment_id) < ($6, $7::uuid))
order by created_at desc, payment_id desc limit $8;

-- name: find_payments
-- For the console, newest first. $1 state or null, $2 payment id or null, $3 out_trade_no or null, $4 payers (by their
-- bills and authorisations) or null, $5 merchants or null, $6 from and $7 to or null, $8 and $9 place or null, $10 limit, $11 now.
select payment_id, merchant_id, store_id, out_trade_no, subject, amount_minor, agreed_minor, currency, fee_minor, state, method,
       payer_id, paid_minor, refunded_minor, fee_returned_minor, refunds, created_at, expires_at, paid_at, closed_at, journal_id,
       bill_id, factors
from payment
where ($1::text is null or (case when expires_at > $11 then state
             when state = 'CREATED' then 'EXPIRED'
             when state = 'AUTHORISED' then case when paid_minor > 0 then 'PAID' else 'VOIDED' end
             else state end) = $1)
  and ($2::uuid is null or payment_id = $2) and ($3::text is null or out_trade_no = $3)
  and ($4::uuid[] is null
       or payment_id in (select reference_id from bill where customer_id = any($4) and kind = 'payment'
                         union all select payment_id from authorisation where payer_id = any($4)))
  and ($5::uuid[] is null or merchant_id = any($5))
  and ($6::timestamptz is null or created_at >= $6) and ($7::timestamptz is null or created_at < $7)
  and ($8::timestamptz is null or (created_at, payment_id) < ($8, $9::uuid))
order by created_at desc, payment_id desc limit $10;

-- name: orders_to_expire
-- Unpaid orders and open authorisations whose time is over. $1 now, $2 limit.
select payment_id, state, payer_id, currency from payment
where state in ('CREATED', 'AUTHORISED') and expires_at <= $1 order by expires_at limit $2;

-- name: paid_by_hour
-- What a merchant was paid on a day by local hour. $1 merchant, $2 from, $3 to, $4 time zone.
select extract(hour from paid_at at time zone $4)::integer as hour, count(*) as count,
       sum(paid_minor)::bigint as amount_minor, sum(fee_minor)::bigint as fee_minor
from payment
where merchant_id = $1 and state = 'PAID' and paid_at >= $2 and paid_at < $3 and created_at >= $2 - interval '31 days'
group by 1 order by 1;

-- name: refunded_on
-- What a merchant gave back on a day. $1 merchant, $2 from, $3 to.
select count(*) as count, coalesce(sum(r.amount_minor), 0)::bigint as amount_minor,
       coalesce(sum(r.fee_returned_minor), 0)::bigint as fee_minor
from refund r join payment p using (payment_id) where p.merchant_id = $1 and r.at >= $2 and r.at < $3;

-- name: payments_unlike_refunds
-- Payments that do not say what their refunds come to. $1 limit.
select p.payment_id, p.refunded_minor, p.refunds, coalesce(r.found_minor, 0)::bigint as found_minor, coalesce(r.found, 0) as found
from payment p
left join (
    select payment_id, sum(amount_minor) as found_minor, sum(fee_returned_minor) as fee_minor, count(*) as found
    from refund group by payment_id
) r using (payment_id)
where (p.refunded_minor, p.fee_returned_minor, p.refunds)
      is distinct from (coalesce(r.found_minor, 0)::bigint, coalesce(r.fee_minor, 0)::bigint, coalesce(r.found, 0)::integer)
   or (p.paid_minor > 0 and p.fee_returned_minor <> div(p.fee_minor::numeric * p.refunded_minor, p.paid_minor))
limit $1;

-- name: payments_unlike_captures
-- Payments of which another amount or fee is noted as taken than their captures come to. $1 limit.
select p.payment_id, p.paid_minor, coalesce(c.found_minor, 0)::bigint as found_minor
from payment p
left join authorisation a using (payment_id)
left join (
    select payment_id, sum(amount_minor) as found_minor, sum(fee_minor) as fee_minor, count(*) as found from capture group by payment_id
) c using (payment_id)
where (p.agreed_minor > 0) <> (a.payment_id is not null)
   or (p.agreed_minor = 0 and c.payment_id is not null)
   or (p.agreed_minor > 0 and (p.paid_minor, a.captured_minor, a.captures)
       is distinct from (coalesce(c.found_minor, 0)::bigint, coalesce(c.found_minor, 0)::bigint, coalesce(c.found, 0)))
   or (p.agreed_minor > 0 and (p.fee_minor, p.fee_minor)
       is distinct from (coalesce(c.fee_minor, a.fee_minor)::bigint,
                         case when p.paid_minor > 0 then div(a.fee_minor::numeric * p.paid_minor, p.amount_minor) else a.fee_minor end))
limit $1;

-- name: fees_unlike_journals
-- Payments, captures and refunds whose journal takes, or gives back, another fee than they say. $1 limit.
select f.journal_id, f.fee_minor from (
    select journal_id, fee_minor from payment where agreed_minor = 0 and paid_minor > 0
    union all select journal_id, fee_minor from capture
    union all select journal_id, -fee_returned_minor from refund
) f
where f.fee_minor <> (select coalesce(sum(e.amount_minor), 0) from entry e join account a using (account_id)
                      where e.journal_id = f.journal_id and a.code = '4001')
limit $1;

-- name: payments_unlike_journals
-- Payments and captures whose journal does not take the amount from the payer. $1 limit.
select p.payment_id, p.paid_minor from payment p
where p.agreed_minor = 0 and p.paid_minor > 0
  and not exists (select from funding f where f.payment_id = p.payment_id and f.state = 'TAKEN') and not exists (
    select from entry e join account a using (account_id)
    where e.journal_id = p.journal_id and e.amount_minor = -p.paid_minor and e.currency = p.currency and a.owner_id = p.payer_id
)
union all
select p.payment_id, c.amount_minor from capture c join payment p using (payment_id)
where not exists (
    select from entry e join account a using (account_id)
    where e.journal_id = c.journal_id and e.amount_minor = -c.amount_minor and e.currency = p.currency and a.owner_id = p.payer_id
) limit $1;

-- name: reversed_unlike_journals
-- Payments that are undone, or not, otherwise than their journals say. $1 limit.
select p.payment_id from payment p left join reversal r using (journal_id)
where p.journal_id is not null and (p.state = 'REVERSED') <> (r.journal_id is not null) limit $1;

-- name: refunds_unlike_journals
-- Refunds whose journal does not give the amount to the one who paid. $1 limit.
select r.refund_id, r.amount_minor from refund r join payment p using (payment_id)
where not exists (select from funding f where f.payment_id = p.payment_id and f.state = 'TAKEN') and not exists (
    select from entry e join account a using (account_id)
    where e.journal_id = r.journal_id and e.amount_minor = r.amount_minor and e.currency = r.currency and a.owner_id = p.payer_id
)
union all
select r.refund_id, r.amount_minor from refund r join payment p using (payment_id)
where exists (select from funding f where f.payment_id = p.payment_id and f.state = 'TAKEN') and r.amount_minor <> (
    select coalesce(sum(e.amount_minor), 0) from entry e join account a using (account_id)
    where e.journal_id = r.journal_id and e.currency = r.currency
      and (a.owner_id = p.payer_id and a.code = '2001' or a.code in ('2302', '2401'))
) limit $1;

-- name: journals_without_payment
-- Journals of payments, captures and refunds that nothing names. $1 limit.
select j.journal_id from journal j
where (j.kind = 'payment' and not exists (select from payment p where p.paid_minor > 0 and p.journal_id = j.journal_id))
   or (j.kind = 'capture' and not exists (select from capture c where c.journal_id = j.journal_id))
   or (j.kind = 'refund' and not exists (select from refund r where r.journal_id = j.journal_id))
   or (j.kind = 'payment.reversed' and not exists (select from payment p where p.state = 'REVERSED' and p.journal_id = j.reverses))
limit $1;

-- name: authorisation
-- What an order asks its payer to agree to. $1 payment.
select payment_id, agreed_minor, currency, capture_within_s, payer_id, captured_minor, fee_minor, captures, counted, authorised_at,
       ended_at, trusted_at
from authorisation where payment_id = $1;

-- name: captures_of
-- Captures of several payments. $1 ids.
select capture_id, payment_id, out_capture_no, amount_minor, currency, fee_minor, last, at, journal_id
from capture where payment_id = any($1::uuid[]) order by at, capture_id;

-- name: authorised_by
-- What a customer has agreed to and was not taken yet, newest first. $1 customer, $2 now, $3 and $4 place (of the order) or null,
-- $5 limit.
select p.payment_id, p.merchant_id, p.store_id, p.out_trade_no, p.subject, p.amount_minor, p.agreed_minor, p.currency, p.fee_minor,
       p.state, p.method, p.payer_id, p.paid_minor, p.refunded_minor, p.fee_returned_minor, p.refunds, p.created_at, p.expires_at,
       p.paid_at, p.closed_at, p.journal_id, p.bill_id, p.factors
from authorisation a join payment p using (payment_id)
where a.payer_id = $1 and a.ended_at is null and p.expires_at > $2
  and ($3::timestamptz is null or (p.created_at, p.payment_id) < ($3, $4::uuid))
order by p.created_at desc, p.payment_id desc limit $5;

-- name: asked
-- Orders that wait for a customer's word, the latest first. $1 customer, $2 now, $3 asked since.
select p.payment_id, p.merchant_id, p.store_id, p.out_trade_no, p.subject, p.amount_minor, p.agreed_minor, p.currency, p.fee_minor,
       p.state, p.method, p.payer_id, p.paid_minor, p.refunded_minor, p.fee_returned_minor, p.refunds, p.created_at, p.expires_at,
       p.paid_at, p.closed_at, p.journal_id, p.bill_id, p.factors
from payment_ask a join payment p using (payment_id)
where a.customer_id = $1 and a.at > $3 and p.state = 'CREATED' and p.expires_at > $2
order by a.at desc, p.payment_id desc limit 10;

-- name: paid_by_claim
-- What a customer paid at tills by what they showed, the latest first, among their last fifty bills. $1 customer, $2 since.
select p.payment_id, p.merchant_id, p.store_id, p.out_trade_no, p.subject, p.amount_minor, p.agreed_minor, p.currency, p.fee_minor,
       p.state, p.method, p.payer_id, p.paid_minor, p.refunded_minor, p.fee_returned_minor, p.refunds, p.created_at, p.expires_at,
       p.paid_at, p.closed_at, p.journal_id, p.bill_id, p.factors
from (select bill_id, reference_id, kind, at from bill where customer_id = $1 order by bill_id desc limit 50) b
join payment p on p.payment_id = b.reference_id
where b.at > $2 and b.kind = 'payment' and p.method not in ('qr_static', 'qr_dynamic', 'order')
order by b.bill_id desc limit 10;

-- name: funding_unlike_payments
-- Payments that drew on several sources, and do not say what their parts say: one that waits holds them all, one that was paid
-- took them all. $1 limit.
select p.payment_id, p.state, p.amount_minor from payment p
left join (
    select payment_id, sum(amount_minor) filter (where state <> 'FREED') as amount_minor, sum(refunded_minor) as refunded_minor,
           count(*) filter (where state = 'HELD') as held, count(*) filter (where state = 'TAKEN') as taken,
           max(parts) filter (where number = 1 and state <> 'FREED') as parts
    from funding group by payment_id
) f using (payment_id)
where (p.state = 'UNKNOWN' and (f.amount_minor, f.held, f.taken) is distinct from (p.amount_minor::numeric, f.parts, 0::bigint))
   or (p.state in ('PAID', 'REVERSED') and f.parts is not null
       and (f.amount_minor, f.held, f.taken, f.refunded_minor) is distinct from (p.paid_minor::numeric, 0::bigint, f.parts,
            (case when p.state = 'REVERSED' then p.paid_minor else p.refunded_minor end)::numeric))
   or (p.state not in ('UNKNOWN', 'PAID', 'REVERSED') and f.parts is not null)
limit $1;

-- name: parts_unlike_journals
-- Parts that were taken and that their payment's journal does not take from their source. $1 limit.
select f.payment_id, f.number, f.amount_minor from funding f join payment p using (payment_id)
where f.state = 'TAKEN' and not exists (
    select from entry e join account a using (account_id)
    where e.journal_id = p.journal_id and e.amount_minor = -f.amount_minor
      and case f.source when 'card' then a.code = '1101' and e.currency = f.currency
               else a.code = '2001' and a.owner_id = p.payer_id
                    and e.currency = f.currency || case f.source when 'voucher' then ':' || f.which else '' end end
) limit $1;

-- name: card_requests_unlike_parts
-- Parts of cards without the debit that paid them, payments that wait for no debit, and more or less on its way back to a card
-- than was refunded of it. $1 limit.
select p.payment_id from payment p
where (p.state = 'UNKNOWN') <> exists (
    select from card_request c where c.payment_id = p.payment_id and c.kind = 'debit' and c.state = 'ASKED')
union all
select f.payment_id from funding f left join card_request c on c.request_id = f.attempt_id
where f.source = 'card' and f.state = 'TAKEN' and (
    (c.state, c.amount_minor, c.card_id::text) is distinct from ('SUCCEEDED'::text, f.amount_minor, f.which)
    or f.refunded_minor <> (select coalesce(sum(r.amount_minor), 0) from card_request r
                            where r.kind = 'refund' and r.debit_id = c.request_id))
limit $1;

-- name: refunds_unlike_card_requests
-- Refunds that are pending, or not, otherwise than what the network was asked for says. $1 limit.
select r.refund_id from refund r
where (r.state = 'PENDING') <> exists (select from card_request c where c.refund_id = r.refund_id and c.state = 'ASKED')
limit $1;

-- name: on_their_way_to_cards
-- What the books say is on its way to cards where the network was asked for something else, by currency. $1 limit.
select currency, coalesce(booked.minor, 0)::bigint as booked_minor, coalesce(asked.minor, 0)::bigint as asked_minor
from (select currency, sum(posted_minor) as minor from account where code = '2302' group by currency) booked
full join (select currency, sum(amount_minor) as minor from card_request where kind = 'refund' and state = 'ASKED' group by currency)
     asked using (currency)
where coalesce(booked.minor, 0) <> coalesce(asked.minor, 0) limit $1;

-- name: parts_of
-- What several payments drew on, or are about to. $1 ids.
select payment_id, number, parts, attempt_id, source, which, amount_minor, currency, refunded_minor, state
from funding where payment_id = any($1::uuid[]) and state <> 'FREED' order by payment_id, number;

-- name: parts_of_attempt
-- What an attempt drew on. $1 payment, $2 attempt.
select payment_id, number, parts, attempt_id, source, which, amount_minor, currency, refunded_minor, state
from funding where payment_id = $1 and attempt_id = $2 order by number;

-- name: card_request
-- One. $1 id.
select request_id, kind, payment_id, payer_id, merchant_id, card_id, debit_id, refund_id, amount_minor, currency, state, reason,
       counted, counted_card, attempts, next_attempt_at, network_reference, asked_at, finished_at,
       instrument
from card_request where request_id = $1;

-- name: card_requests_due
-- What the network is to be asked about. $1 now, $2 limit.
select request_id, kind, payment_id, payer_id, merchant_id, card_id, debit_id, refund_id, amount_minor, currency, state, reason,
       counted, counted_card, attempts, next_attempt_at, network_reference, asked_at, finished_at,
       instrument
from card_request where next_attempt_at <= $1 order by next_attempt_at limit $2;

-- name: last_debit_of
-- What became of a payer's last debit for a payment. $1 payment, $2 payer.
select state, reason from card_request
where payment_id = $1 and payer_id = $2 and kind = 'debit' order by asked_at desc limit 1;
