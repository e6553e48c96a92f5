-- name: erasure
-- $1 customer.
select customer_id, state, requested_at, due_at, blocked, done_at, retained_until, sealed_to, sealed
from erasure where customer_id = $1;

-- name: erasures_due
-- Whose time has come, or whose closing was broken off. $1 now, $2 limit.
select customer_id, state, requested_at, due_at, blocked, done_at, retained_until, sealed_to, sealed
from erasure where state in ('REQUESTED', 'CLOSING') and due_at <= $1 order by due_at limit $2;

-- name: erasures_to_forget
-- What the law no longer has us keep. $1 now, $2 limit.
select customer_id from erasure where state = 'DONE' and retained_until <= $1 order by retained_until limit $2;

-- name: erasures
-- For the office, newest first. $1 state or null, $2 below this requested_at or null, $3 and this customer, $4 limit.
select customer_id, state, requested_at, due_at, blocked, done_at, retained_until, sealed_to, sealed
from erasure
where ($1::text is null or state = $1) and ($2::timestamptz is null or (requested_at, customer_id) < ($2, $3::uuid))
order by requested_at desc, customer_id desc limit $4;

-- name: retained_here
-- How many sealed keys could be opened with what is on this machine. $1 fingerprint of the key kept here.
select count(*) from erasure where state = 'DONE' and sealed_to = $1;

-- name: money_of
-- Accounts of a customer that are not empty or not free. $1 customer.
select code, currency, posted_minor, held_minor, debit_freeze, credit_freeze from account
where owner_id = $1 and closed_at is null;

-- name: unfinished_transfers
-- To and from the bank, and what a card was asked for. $1 customer.
select (select count(*) from bank_transfer where customer_id = $1 and state in ('PENDING', 'UNKNOWN'))
     + (select count(*) from card_request where payer_id = $1 and state = 'ASKED');

-- name: open_reviews
-- $1 customer.
select count(*) from review where customer_id = $1 and state = 'OPEN';

-- name: merchants_of_login
-- Owners of merchants who log in by this phone or email. $1 index of the log-in.
select count(*) from login_name l join principal p using (principal_id)
where l.audience = 'merchant' and l.login_index = $1 and 'owner' = any(string_to_array(p.roles, ','));

-- name: live_sessions
-- Not ended yet. $1 customer, $2 limit.
select session_id from session where principal_id = $1 and ended_at is null order by session_id limit $2;

-- name: late_of_erased
-- Sessions opened, passkeys and certificates made while their customer was being erased. $1 erased since, $2 limit.
select e.customer_id, 'sessions' as what, s.session_id as id from erasure e join session s on s.principal_id = e.customer_id
where e.state = 'DONE' and e.done_at >= $1 and s.ended_at is null
union all
select e.customer_id, 'passkeys', p.passkey_id from erasure e join passkey p using (customer_id)
where e.state = 'DONE' and e.done_at >= $1
union all
select e.customer_id, 'certificates', c.certificate_id from erasure e join certificate c using (customer_id)
where e.state = 'DONE' and e.done_at >= $1
limit $2;

-- name: passkeys_of
-- Also revoked ones. $1 customer, $2 limit.
select passkey_id from passkey where customer_id = $1 order by passkey_id limit $2;

-- name: certificates_of
-- Also revoked and expired ones. $1 customer, $2 limit.
select certificate_id from certificate where customer_id = $1 order by certificate_id limit $2;

-- name: text_phones_of
-- Also those that were switched off. $1 customer, $2 limit.
select phone_index from text_phone where customer_id = $1 order by phone_index limit $2;

-- name: wards_of
-- Minors for whom somebody answers, answered or is asked to. $1 guardian, $2 limit.
select minor_id from guardianship where guardian_id = $1 order by minor_id limit $2;

-- name: wards_answered_for
-- $1 guardian.
select count(*) from guardianship where guardian_id = $1 and state = 'AGREED';

-- name: open_authorisations_of
-- How many a customer agreed to of which something may yet be taken, though it need not be held. $1 customer.
select count(*) from authorisation where payer_id = $1 and ended_at is null;

-- name: delayed_transfers_of
-- On their way from or to somebody. $1 customer.
select count(*) filter (where payer_id = $1) as leaving, count(*) filter (where payee_id = $1) as coming
from delayed_transfer where state = 'PENDING' and (payer_id = $1 or payee_id = $1);

-- name: name_indexes
-- By what a customer's document and phone are found. $1 customer.
select document_index, phone_index from real_name where customer_id = $1;

-- name: linked_bank_accounts
-- $1 customer, $2 limit.
select bank_account_id from bank_account where customer_id = $1 and unlinked_at is null order by bank_account_id limit $2;

-- name: known_devices
-- Not revoked yet. $1 customer, $2 limit.
select device_id from device where principal_id = $1 and revoked_at is null order by device_id limit $2;

-- name: agreements_in_force
-- By which somebody lets a merchant debit them. $1 customer, $2 limit.
select agreement_id from agreement where payer_id = $1 and state in ('ACTIVE', 'PAUSED') order by agreement_id limit $2;
