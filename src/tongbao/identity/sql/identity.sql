-- name: principal_by_login
-- Who logs in by this name. $1 audience, $2 index of the login.
select p.principal_id, p.audience, p.name, p.name_index, p.login, p.locale, p.roles, p.merchant_id, p.password_hash,
       p.wrong_passwords, p.locked_until, p.created_at
from login_name l join principal p using (principal_id) where l.audience = $1 and l.login_index = $2;

-- name: principals
-- Several principals. $1 ids.
select principal_id, audience, name, name_index, login, locale, roles, merchant_id, password_hash, wrong_passwords, locked_until,
       created_at
from principal where principal_id = any($1::uuid[]);

-- name: search_principals
-- Newest first. $1 audience, $2 id or null, $3 index of the login or null, $4 of the name or null, $5 below this id or null, $6 limit.
select principal_id, audience, name, name_index, login, locale, roles, merchant_id, password_hash, wrong_passwords, locked_until,
       created_at
from principal
where audience = $1 and ($2::uuid is null or principal_id = $2)
  and ($3::bytea is null or principal_id = (select l.principal_id from login_name l where l.audience = $1 and l.login_index = $3))
  and ($4::bytea is null or name_index = $4) and ($5::uuid is null or principal_id < $5)
order by principal_id desc limit $6;

-- name: sessions_by_token
-- Live sessions and their principals. $1 SHA-256 of the tokens, $2 audience, $3 now.
select s.token_hash, s.session_id, p.principal_id, p.audience, p.locale, p.roles, p.merchant_id, p.created_at
from session s join principal p using (principal_id)
where s.token_hash = any($1::bytea[]) and p.audience = $2 and s.ended_at is null and s.expires_at > $3;

-- name: sessions
-- Live sessions of a principal, newest first. $1 principal, $2 now, $3 below this id or null, $4 limit.
select session_id, device_name, created_at, coalesce(seen.at, created_at) as last_seen_at
from session left join session_seen seen using (session_id)
where principal_id = $1 and ended_at is null and expires_at > $2 and ($3::uuid is null or session_id < $3)
order by session_id desc limit $4;

-- name: session_is_live
-- $1 session, $2 now.
select exists (select from session where session_id = $1 and ended_at is null and expires_at > $2);

-- name: touch_sessions
-- When sessions were last used: a note for their owners, not a right, so it does not go through the engine. $1 sessions, $2 now.
insert into session_seen (session_id, at)
select distinct id, $2::timestamptz from unnest($1::uuid[]) as id order by id
on conflict (session_id) do update set at = excluded.at;

-- name: has_pin
-- $1 customer.
select exists (select from pin where customer_id = $1);
