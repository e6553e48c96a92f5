-- name: bank_accounts
-- Linked bank accounts of a customer, newest first. $1 customer, $2 below this id or null, $3 limit.
select bank_account_id, customer_id, bank, number, holder_name, linked_at, unlinked_at from bank_account
where customer_id = $1 and unlinked_at is null and ($2::uuid is null or bank_account_id < $2)
order by bank_account_id desc limit $3;

-- name: bank_accounts_by_id
-- Bank accounts, unlinked ones too. $1 ids.
select bank_account_id, customer_id, bank, number, holder_name, linked_at, unlinked_at from bank_account
where bank_account_id = any($1::uuid[]);

-- name: bank_link
-- A customer's last link, if it is this one. $1 customer, $2 link.
select customer_id, link_id, bank_account_id, bank, number, holder_name, question, attempt, state, wrong, tries, ask_at, day,
       asked, started_at, finished_at
from bank_link where customer_id = $1 and link_id = $2;

-- name: bank_links_due
-- Links whose answer is missing and whose turn has come. $1 now, $2 limit.
select customer_id, link_id, bank_account_id, bank, number, holder_name, question, attempt, state, wrong, tries, ask_at, day,
       asked, started_at, finished_at
from bank_link where ask_at <= $1 order by ask_at limit $2;

-- name: card_binding
-- A customer's last binding, if it is this one. $1 customer, $2 binding.
select customer_id, binding_id, card_id, shown, attempt, state, wrong, tries, ask_at, day, asked, started_at, finished_at
from card_binding where customer_id = $1 and binding_id = $2;

-- name: card_bindings_due
-- Bindings whose answer is missing and whose turn has come. $1 now, $2 limit.
select customer_id, binding_id, card_id, shown, attempt, state, wrong, tries, ask_at, day, asked, started_at, finished_at
from card_binding where ask_at <= $1 order by ask_at limit $2;

-- name: bank_cards
-- Cards of a customer that are bound. $1 customer, $2 below this id or null, $3 limit.
select card_id, customer_id, token, bank, kind, last4, added_at, removed_at, tries, return_at from bank_card
where customer_id = $1 and removed_at is null and ($2::uuid is null or card_id < $2)
order by card_id desc limit $3;

-- name: bank_cards_by_id
-- Cards, removed ones too. $1 ids.
select card_id, customer_id, token, bank, kind, last4, added_at, removed_at, tries, return_at from bank_card
where card_id = any($1::uuid[]);

-- name: bank_cards_due
-- Removed cards that the network has not heard of, and whose turn has come. $1 now, $2 limit.
select card_id, customer_id, token, bank, kind, last4, added_at, removed_at, tries, return_at from bank_card
where return_at <= $1 order by return_at limit $2;

-- name: bank_cards_returning
-- How many of a customer's removed cards the network has not heard of. $1 customer.
select count(*) from bank_card where customer_id = $1 and return_at is not null;

-- name: funding_order
-- In which order a customer's sources are drawn on. $1 customer.
select customer_id, sources from funding_order where customer_id = $1;

-- name: bank_transfer
-- One transfer. $1 id.
select bank_transfer_id, customer_id, bank_account_id, kind, state, amount_minor, currency, attempts, next_attempt_at,
       bank_reference, failure_code, created_at, finished_at, counted
from bank_transfer where bank_transfer_id = $1;

-- name: bank_transfers_by_id
-- Several transfers. $1 ids.
select bank_transfer_id, customer_id, bank_account_id, kind, state, amount_minor, currency, attempts, next_attempt_at,
       bank_reference, failure_code, created_at, finished_at, counted
from bank_transfer where bank_transfer_id = any($1::uuid[]);

-- name: bank_transfers
-- For the console, newest first. $1 state or null, $2 below this id or null, $3 limit.
select bank_transfer_id, customer_id, bank_account_id, kind, state, amount_minor, currency, attempts, next_attempt_at,
       bank_reference, failure_code, created_at, finished_at, counted
from bank_transfer
where ($1::text is null or state = $1) and ($2::uuid is null or bank_transfer_id < $2)
order by bank_transfer_id desc limit $3;

-- name: bank_transfers_due
-- What the janitor must ask about. $1 now, $2 limit.
select bank_transfer_id, customer_id, bank_account_id, kind, state, amount_minor, currency, attempts, next_attempt_at,
       bank_reference, failure_code, created_at, finished_at, counted
from bank_transfer
where state in ('PENDING', 'UNKNOWN') and next_attempt_at <= $1 order by next_attempt_at limit $2;

-- name: withdrawals_in_transit
-- A customer's withdrawals on their way. $1 customer, $2 currency.
select coalesce(sum(amount_minor), 0)::bigint from bank_transfer
where customer_id = $1 and currency = $2 and kind = 'withdrawal' and state in ('PENDING', 'UNKNOWN');

-- name: bills
-- A customer's statement, newest first. $1 customer, $2 from and $3 to (exclusive) or null, $4 kind or null, $5 direction or null,
-- $6 below this id or null, $7 limit.
select customer_id, bill_id, kind, direction, amount_minor, currency, counterparty_kind, counterparty_id, title, note, at,
       balance_minor, journal_id, reference_id, factors
from bill
where customer_id = $1 and ($2::timestamptz is null or at >= $2) and ($3::timestamptz is null or at < $3)
  and ($4::text is null or kind = $4) and ($5::text is null or direction = $5) and ($6::uuid is null or bill_id < $6)
order by bill_id desc limit $7;

-- name: bill
-- One bill of a customer. $1 customer, $2 bill.
select customer_id, bill_id, kind, direction, amount_minor, currency, counterparty_kind, counterparty_id, title, note, at,
       balance_minor, journal_id, reference_id, factors
from bill where customer_id = $1 and bill_id = $2;

-- name: bill_of_reference
-- The bill that a customer's bank transfer made. $1 customer, $2 reference.
select bill_id from bill where customer_id = $1 and reference_id = $2 order by bill_id limit 1;

-- name: delayed_transfers_by_id
-- Several delayed transfers. $1 ids.
select transfer_id, payer_id, payee_id, amount_minor, currency, payee_note, state, arrives_at, hold_id, counted, failure_code, created_at,
       ended_at, journal_id
from delayed_transfer where transfer_id = any($1::uuid[]);

-- name: delayed_transfers
-- A payer's, newest first. $1 payer, $2 state or null, $3 and $4 before this moment and id or null, $5 limit.
select transfer_id, payer_id, payee_id, amount_minor, currency, payee_note, state, arrives_at, hold_id, counted, failure_code, created_at,
       ended_at, journal_id
from delayed_transfer
where payer_id = $1 and ($2::text is null or state = $2)
  and ($3::timestamptz is null or (created_at, transfer_id) < ($3, $4::uuid))
order by created_at desc, transfer_id desc limit $5;

-- name: delayed_transfers_due
-- Those whose time has come. $1 now, $2 limit.
select transfer_id, payer_id, payee_id, amount_minor, currency, payee_note, state, arrives_at, hold_id, counted, failure_code, created_at,
       ended_at, journal_id
from delayed_transfer where state = 'PENDING' and arrives_at <= $1 order by arrives_at limit $2;

-- name: small_payments
-- What goes without a PIN. $1 customer.
select customer_id, currency, per_payment_minor, per_day_minor, zone, day, used_minor, changed_at
from small_payments where customer_id = $1;
