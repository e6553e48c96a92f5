-- name: principal_by_login
-- Who logs in by this name. $1 audience, $2 index of the login.
select p.principal_id, p.audience, p.name, p.name_index, p.login, p.locale, p.roles, p.merchant_id, p.password_hash,
       p.created_at
from login_name l join principal p using (principal_id) where l.audience = $1 and l.login_index = $2;

-- name: principals
-- Several principals. $1 ids.
select principal_id, audience, name, name_index, login, locale, roles, merchant_id, password_hash, created_at
from principal where principal_id = any($1::uuid[]);

-- name: search_principals
-- Newest first. $1 audience, $2 id or null, $3 index of the login or null, $4 of the name or null, $5 below this id or null, $6 limit.
select principal_id, audience, name, name_index, login, locale, roles, merchant_id, password_hash, created_at
from principal
where audience = $1 and ($2::uuid is null or principal_id = $2)
  and ($3::bytea is null or principal_id = (select l.principal_id from login_name l where l.audience = $1 and l.login_index = $3))
  and ($4::bytea is null or name_index = $4) and ($5::uuid is null or principal_id < $5)
order by principal_id desc limit $6;

-- name: sessions_by_token
-- Live sessions and their principals. $1 SHA-256 of the tokens, $2 audience, $3 now.
select s.token_hash, s.session_id, p.principal_id, p.audience, p.locale, p.roles, p.merchant_id, p.created_at,
       s.device_id, s.factors, d.proven_at
from session s join principal p using (principal_id) left join device d on d.device_id = s.device_id
where s.token_hash = any($1::bytea[]) and p.audience = $2 and s.ended_at is null and s.expires_at > $3
  and d.revoked_at is null;

-- name: sessions
-- Live sessions of a principal, newest first. $1 principal, $2 now, $3 below this id or null, $4 limit.
select session_id, device_name, created_at, coalesce(seen.at, created_at) as last_seen_at
from session left join session_seen seen using (session_id)
where principal_id = $1 and ended_at is null and expires_at > $2 and ($3::uuid is null or session_id < $3)
order by session_id desc limit $4;

-- name: logins
-- When a principal logged in, newest first. $1 principal, $2 below this id or null, $3 limit.
select session_id, device_name, created_at, ended_at, expires_at, factors from session
where principal_id = $1 and ($2::uuid is null or session_id < $2) order by session_id desc limit $3;

-- name: totp
-- Somebody's authenticator app. $1 principal.
select principal_id, totp_id, secret, started_at, confirmed_at, last_step, recovery from totp where principal_id = $1;

-- name: second_factors
-- Who of several has a second factor to log in with. $1 principals.
select principal_id from totp where principal_id = any($1::uuid[]) and confirmed_at is not null
union select customer_id from passkey where customer_id = any($1::uuid[]) and revoked_at is null;

-- name: operators_without_second_factor
-- Operators with a role and neither an app nor a passkey, the first ones first.
select p.principal_id, p.login from principal p
where p.audience = 'console' and p.roles <> '' and p.password_hash <> ''
  and not exists (select from totp t where t.principal_id = p.principal_id and t.confirmed_at is not null)
  and not exists (select from passkey k where k.customer_id = p.principal_id and k.revoked_at is null)
order by p.principal_id;

-- name: session_is_live
-- $1 session, $2 now.
select exists (select from session where session_id = $1 and ended_at is null and expires_at > $2);

-- name: live_sessions
-- A principal's live sessions, on one device if one is named. $1 principal, $2 device or null, $3 now, $4 limit, $5 whether those
-- on devices that are proven are left out.
select session_id from session s
where principal_id = $1 and ($2::uuid is null or device_id = $2) and ended_at is null and expires_at > $3
    and not ($5 and exists (select from device d where d.device_id = s.device_id and d.revoked_at is null and d.proven_at <= $3))
order by session_id desc limit $4;

-- name: device_of_session
-- Where a session is. $1 session.
select device_id from session where session_id = $1;

-- name: has_device
-- Whether a principal was ever seen on a device. $1 principal.
select exists (select from device where principal_id = $1);

-- name: tries_waiting
-- Until when guessing has to wait, if it has. $1 ids, $2 now.
select max(waits_until) from login_tries where tries_id = any($1::uuid[]) and waits_until > $2;

-- name: device
-- One device. $1 id.
select device_id, principal_id, name, first_seen_at, confirmed_at, revoked_at, proven_at from device where device_id = $1;

-- name: doors
-- How many live sessions and trusted devices a principal has. $1 principal, $2 now.
select (select count(*) from session where principal_id = $1 and ended_at is null and expires_at > $2) as sessions,
       (select count(*) from device where principal_id = $1 and revoked_at is null) as devices;

-- name: device_ids
-- A principal's trusted devices. $1 principal, $2 limit.
select device_id from device where principal_id = $1 and revoked_at is null order by first_seen_at desc, device_id desc limit $2;

-- name: devices
-- A principal's trusted devices, the latest first. $1 principal, $2 and $3 place (first_seen_at, device_id) or null, $4 limit.
select device_id, principal_id, name, first_seen_at, confirmed_at, revoked_at, proven_at from device
where principal_id = $1 and revoked_at is null and ($2::timestamptz is null or (first_seen_at, device_id) < ($2, $3::uuid))
order by first_seen_at desc, device_id desc limit $4;

-- name: passkey
-- One passkey. $1 id.
select passkey_id, customer_id, credential_id, public_key, counter, name, created_at, used_at, revoked_at
from passkey where passkey_id = $1;

-- name: passkeys
-- A customer's passkeys, the latest first. $1 customer, $2 and $3 place (created_at, passkey_id) or null, $4 limit.
select passkey_id, customer_id, credential_id, public_key, counter, name, created_at, used_at, revoked_at from passkey
where customer_id = $1 and revoked_at is null and ($2::timestamptz is null or (created_at, passkey_id) < ($2, $3::uuid))
order by created_at desc, passkey_id desc limit $4;

-- name: certificate
-- One signing key. $1 id.
select certificate_id, customer_id, algorithm, public_key, x509, name, created_at, expires_at, revoked_at
from certificate where certificate_id = $1;

-- name: certificates
-- A customer's signing keys, the latest first. $1 customer, $2 and $3 place (created_at, certificate_id) or null, $4 limit.
select certificate_id, customer_id, algorithm, public_key, x509, name, created_at, expires_at, revoked_at from certificate
where customer_id = $1 and revoked_at is null and ($2::timestamptz is null or (created_at, certificate_id) < ($2, $3::uuid))
order by created_at desc, certificate_id desc limit $4;

-- name: credentials_by_id
-- Passkeys and signing keys, the latest first, revoked or not. $1 ids, $2 limit.
select 'passkey' as kind, name, created_at from passkey where passkey_id = any($1::uuid[])
union all
select 'certificate', name, created_at from certificate where certificate_id = any($1::uuid[])
order by created_at desc limit $2;

-- name: messages_due
-- Messages that wait to be sent. $1 now, $2 limit.
select message_id, customer_id, kind, facts, state, attempts, next_attempt_at, created_at, finished_at
from message where state in ('PENDING', 'UNKNOWN') and next_attempt_at <= $1 order by next_attempt_at limit $2;

-- name: old_codes
-- One-time codes sent before a moment. $1 moment, $2 limit.
select code_id from one_time_code where sent_at <= $1 order by sent_at limit $2;

-- name: old_counts
-- Counts of a day that grew last before a moment. $1 moment, $2 limit.
select count_id from daily_count where last_at <= $1 order by last_at limit $2;

-- name: old_tries
-- Wrong passwords of which the last was before a moment. $1 moment, $2 limit.
select tries_id from login_tries where last_at <= $1 order by last_at limit $2;

-- name: pins_locked_untold
-- Whose PIN is locked and who was not told of it. $1 now, $2 how long a lock lasts on devices that are proven, $3 and elsewhere,
-- $4 limit.
select customer_id, locked_until from (
    select customer_id, locked_here_until, $2::interval from pin where locked_here_until > $1
    union all select customer_id, locked_until, $3 from pin where locked_until > $1
    union all select customer_id, locked_recovering_until, $3 from pin where locked_recovering_until > $1
    union all select customer_id, locked_text_until, $3 from pin where locked_text_until > $1
) p (customer_id, locked_until, lasts) where not exists (
    select from alert a where a.customer_id = p.customer_id and a.kind = 'pin_locked' and a.at > p.locked_until - lasts
) order by locked_until limit $4;

-- name: alerts
-- What a customer was told, newest first. $1 customer, $2 below this id or null, $3 limit.
select customer_id, alert_id, kind, facts, at from alert
where customer_id = $1 and ($2::uuid is null or alert_id < $2) order by alert_id desc limit $3;

-- name: touch_sessions
-- When sessions were last used: a note for their owners, not a right, so it does not go through the engine. $1 sessions, $2 now.
insert into session_seen (session_id, at)
select distinct id, $2::timestamptz from unnest($1::uuid[]) as id order by id
on conflict (session_id) do update set at = excluded.at;

-- name: has_pin
-- $1 customer.
select exists (select from pin where customer_id = $1);

-- name: instruments
-- A customer's instruments that still pay, the latest first. $1 customer, $2 now, $3 and $4 place (created_at, number) or null,
-- $5 limit.
select number, kind, name, device_id, currency, most_minor, day_minor, day, spent_minor, created_at, expires_at from instrument
where customer_id = $1 and revoked_at is null and expires_at > $2
    and ($3::timestamptz is null or (created_at, number) < ($3, $4::bigint))
order by created_at desc, number desc limit $5;

-- name: instrument_owner
-- Whose a number is. $1 number.
select customer_id, device_id from instrument where number = $1;

-- name: instrument_pays
-- $1 number, $2 now.
select exists (select from instrument where number = $1 and revoked_at is null and expires_at > $2);
