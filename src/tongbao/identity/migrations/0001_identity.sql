-- People who log in, their credentials and sessions.

create table principal (
    principal_id    uuid        not null,
    audience        text        not null,
    name            bytea       not null,
    name_index      bytea       not null,
    login           bytea       not null,
    locale          text        not null,
    roles           text        not null,
    merchant_id     uuid,
    password_hash   text        not null,
    created_at      timestamptz not null,
    seal            bytea       not null,
    constraint principal_pk primary key (principal_id),
    constraint principal_audience check (audience in ('wallet', 'merchant', 'console')),
    constraint principal_staff_has_merchant check ((audience = 'merchant') = (merchant_id is not null))
);
create index principal_by_name on principal (audience, name_index, principal_id);

create table login_name (
    audience     text not null,
    login_index  bytea not null,
    principal_id uuid not null,
    seal         bytea not null,
    constraint login_name_pk primary key (audience, login_index)
);

create table pin (
    customer_id  uuid        not null,
    mac          bytea       not null,
    wrong        bigint      not null,
    locked_until timestamptz,
    set_at       timestamptz not null,
    wrong_here   bigint      not null,
    locked_here_until timestamptz,
    wrong_recovering bigint  not null,
    locked_recovering_until timestamptz,
    wrong_text   bigint      not null,
    locked_text_until timestamptz,
    seal         bytea       not null,
    constraint pin_pk primary key (customer_id)
);

create index pin_locked on pin (locked_until) where locked_until is not null;
create index pin_locked_here on pin (locked_here_until) where locked_here_until is not null;
create index pin_locked_recovering on pin (locked_recovering_until) where locked_recovering_until is not null;
create index pin_locked_text on pin (locked_text_until) where locked_text_until is not null;

create table session (
    session_id   uuid        not null,
    principal_id uuid        not null,
    token_hash   bytea       not null,
    device_name  bytea       not null,
    created_at   timestamptz not null,
    expires_at   timestamptz not null,
    ended_at     timestamptz,
    device_id    uuid,
    factors      bigint      not null,
    seal         bytea       not null,
    constraint session_pk primary key (session_id)
);
-- When a session was last used: a note for its owner, not a right. Not the engine's, therefore not sealed.
create table session_seen (
    session_id uuid        not null,
    at         timestamptz not null,
    constraint session_seen_pk primary key (session_id)
);
create unique index session_by_token on session (token_hash);
create index session_by_principal on session (principal_id, session_id);

-- Where people log in. The id is made of a token that only the device has, under a key that is not here.
create table device (
    device_id     uuid        not null,
    principal_id  uuid        not null,
    name          bytea       not null,
    first_seen_at timestamptz not null,
    confirmed_at  timestamptz not null,
    revoked_at    timestamptz,
    proven_at     timestamptz not null,
    seal          bytea       not null,
    constraint device_pk primary key (device_id)
);
create index device_by_principal on device (principal_id, first_seen_at, device_id);

-- Passkeys: what their authenticators call them, the public half of their keys, and how often they say they were used.
create table passkey (
    passkey_id    uuid        not null,
    customer_id   uuid        not null,
    credential_id bytea       not null,
    public_key    bytea       not null,
    counter       bigint      not null,
    name          bytea       not null,
    created_at    timestamptz not null,
    used_at       timestamptz,
    revoked_at    timestamptz,
    seal          bytea       not null,
    constraint passkey_pk primary key (passkey_id)
);
create index passkey_by_customer on passkey (customer_id, created_at, passkey_id);

-- Customers' own signing keys, and the certificates that bind them to their customers.
create table certificate (
    certificate_id uuid        not null,
    customer_id    uuid        not null,
    algorithm      text        not null,
    public_key     bytea       not null,
    x509           bytea       not null,
    name           bytea       not null,
    created_at     timestamptz not null,
    expires_at     timestamptz not null,
    revoked_at     timestamptz,
    seal           bytea       not null,
    constraint certificate_pk primary key (certificate_id),
    constraint certificate_algorithm check (algorithm in ('ed25519', 'sm2'))
);
create index certificate_by_customer on certificate (customer_id, created_at, certificate_id);

-- What customers pay with where they are not logged in. The secrets follow from the numbers, under a key that is not here.
create table instrument (
    number       bigint      not null,
    customer_id  uuid        not null,
    kind         text        not null,
    device_id    uuid,
    name         bytea       not null,
    currency     text        not null,
    most_minor   bigint      not null,
    day_minor    bigint      not null,
    day          date        not null,
    spent_minor  bigint      not null,
    nonce        bigint      not null,
    wrong        bigint      not null,
    created_at   timestamptz not null,
    expires_at   timestamptz not null,
    revoked_at   timestamptz,
    seal         bytea       not null,
    constraint instrument_pk primary key (number),
    constraint instrument_kind check (kind in ('code', 'nfc', 'plate', 'watch', 'vehicle', 'machine', 'voucher', 'text'))
);
create index instrument_by_customer on instrument (customer_id, created_at, number);

-- Authenticator apps: the secret, the last time step whose code was taken, and the recovery codes that are left, as MACs.
create table totp (
    principal_id uuid        not null,
    totp_id      uuid        not null,
    secret       bytea       not null,
    started_at   timestamptz not null,
    confirmed_at timestamptz,
    last_step    bigint      not null,
    recovery     bytea       not null,
    seal         bytea       not null,
    constraint totp_pk primary key (principal_id),
    constraint totp_has_secret check (confirmed_at is null or secret <> '')
);

-- One-time codes that were sent; the id is made of the target's index and of a ticket that only who asked has.
create table one_time_code (
    code_id uuid        not null,
    mac     bytea       not null,
    tries   bigint      not null,
    sent_at timestamptz not null,
    used_at timestamptz,
    seal    bytea       not null,
    constraint one_time_code_pk primary key (code_id)
);
create index one_time_code_by_time on one_time_code (sent_at);

-- How often something was done on a day; what is counted is named under a key that is not here.
create table daily_count (
    count_id uuid        not null,
    day      date        not null,
    times    bigint      not null,
    last_at  timestamptz not null,
    seal     bytea       not null,
    constraint daily_count_pk primary key (count_id)
);
create index daily_count_by_time on daily_count (last_at);

-- Wrong passwords in a row; the id is made of a device, or of a log-in and an address under a key that is not here.
create table login_tries (
    tries_id    uuid        not null,
    wrong       bigint      not null,
    last_at     timestamptz not null,
    waits_until timestamptz,
    seal        bytea       not null,
    constraint login_tries_pk primary key (tries_id)
);
create index login_tries_by_time on login_tries (last_at);

-- What customers were told about their own accounts, and the messages by which they were. Facts name nobody.
create table alert (
    customer_id uuid        not null,
    alert_id    uuid        not null,
    kind        text        not null,
    facts       text        not null,
    at          timestamptz not null,
    constraint alert_pk primary key (customer_id, alert_id)
);
create index alert_by_batch on alert using brin (alert_id) with (pages_per_range = 16);

create table message (
    message_id      uuid        not null,
    customer_id     uuid        not null,
    kind            text        not null,
    facts           text        not null,
    state           text        not null,
    attempts        bigint      not null,
    next_attempt_at timestamptz,
    created_at      timestamptz not null,
    finished_at     timestamptz,
    seal            bytea       not null,
    constraint message_pk primary key (message_id),
    constraint message_state check (state in ('PENDING', 'UNKNOWN', 'SENT', 'FAILED')),
    constraint message_ended check ((finished_at is not null) = (state in ('SENT', 'FAILED')))
);
-- How far a letter to many people is.
create index message_of_breach on message (facts, state) where kind = 'breach_letter';
create index message_due on message (next_attempt_at) where state in ('PENDING', 'UNKNOWN');

-- How well a customer is known and what stands in the way of their paying. Nothing here says who they are.
create table standing (
    customer_id   uuid        not null,
    level         bigint      not null,
    verified_at   timestamptz,
    expires_on    date,
    visitor       boolean     not null,
    minor         boolean     not null,
    suspended     text        not null,
    cooling_until timestamptz,
    opened_at     timestamptz not null,
    subject_id    uuid,
    reported_at   timestamptz,
    doubted       text        not null,
    seal          bytea       not null,
    constraint standing_pk primary key (customer_id),
    constraint standing_level check (level between 0 and 3),
    constraint standing_subject check (subject_id <> customer_id)
);

-- Which class each column is of (JR/T 0171-2020): what authenticates (C3), what identifies somebody or tells of their finances (C2),
-- what is internal (C1), what is not personal (none). Sealed: encrypted under the person's own key.
comment on table principal is
    'C3: password_hash; C2 sealed: name, login; C2: name_index; C1: principal_id, merchant_id, roles; none: audience, locale,
     created_at, seal';
comment on table login_name is
    'C2: login_index; C1: principal_id; none: audience, seal';
comment on table pin is
    'C3: mac; C1: customer_id; none: wrong, locked_until, set_at, wrong_here, locked_here_until, wrong_recovering,
     locked_recovering_until, wrong_text, locked_text_until, seal';
comment on table session is
    'C3: token_hash; C2 sealed: device_name; C1: session_id, principal_id, device_id; none: created_at, expires_at, ended_at, factors,
     seal';
comment on table device is
    'C2 sealed: name; C1: device_id, principal_id; none: first_seen_at, confirmed_at, revoked_at, proven_at, seal';
comment on table passkey is
    'C2 sealed: name; C1: passkey_id, customer_id, credential_id, public_key; none: counter, created_at, used_at, revoked_at, seal';
comment on table certificate is
    'C2 sealed: name; C1: certificate_id, customer_id, public_key, x509; none: algorithm, created_at, expires_at, revoked_at, seal';
comment on table instrument is
    'C2 sealed: name; C1: number, customer_id, device_id; none: kind, currency, most_minor, day_minor, day, spent_minor, nonce, wrong,
     created_at, expires_at, revoked_at, seal';
comment on table totp is
    'C3 sealed: secret; C3: recovery; C1: principal_id, totp_id; none: started_at, confirmed_at, last_step, seal';
comment on table one_time_code is
    'C3: mac; C2: code_id; none: tries, sent_at, used_at, seal';
comment on table daily_count is
    'C1: count_id; none: day, times, last_at, seal';
comment on table login_tries is
    'C1: tries_id; none: wrong, last_at, waits_until, seal';
comment on table alert is
    'C1: customer_id, alert_id, facts; none: kind, at';
comment on table message is
    'C1: message_id, customer_id, facts; none: kind, state, attempts, next_attempt_at, created_at, finished_at, seal';
comment on table session_seen is
    'C1: session_id; none: at';
comment on table standing is
    'C2: expires_on, visitor, minor; C1: customer_id, level, suspended, subject_id;
     none: verified_at, cooling_until, opened_at, reported_at, doubted, seal';
