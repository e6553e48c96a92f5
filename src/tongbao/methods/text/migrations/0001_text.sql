-- Phones that pay by text, their sessions, and the short numbers of merchants.

create table text_phone (
    phone_index    bytea       not null,
    customer_id    uuid        not null,
    number         bigint      not null,
    phone          bytea       not null,
    language       text        not null,
    switched_on_at timestamptz not null,
    sim_since      timestamptz,
    waits_until    timestamptz,
    seal           bytea       not null,
    constraint text_phone_pk primary key (phone_index),
    constraint text_phone_language check (language in ('zh', 'en', 'sw'))
);
create index text_phone_by_number on text_phone (number);
create index text_phone_by_customer on text_phone (customer_id);

-- The last session of each phone. What was typed is nowhere.
create table text_session (
    phone_index bytea       not null,
    session     bytea       not null,
    began_at    timestamptz not null,
    seen_at     timestamptz not null,
    day         date        not null,
    dials       bigint      not null,
    seal        bytea       not null,
    constraint text_session_pk primary key (phone_index)
);

-- What a phone asked for by message, until its owner says yes.
create table text_wish (
    phone_index bytea       not null,
    wish_id     uuid        not null,
    customer_id uuid        not null,
    wish        bytea       not null,
    mac         bytea       not null,
    made_at     timestamptz not null,
    wrong       bigint      not null,
    wrong_today bigint      not null,
    session     bytea       not null,
    done        boolean     not null,
    seal        bytea       not null,
    constraint text_wish_pk primary key (phone_index)
);

create table text_till (
    till_number bigint      not null,
    merchant_id uuid        not null,
    opened_at   timestamptz not null,
    seal        bytea       not null,
    constraint text_till_pk primary key (till_number)
);
create index text_till_by_merchant on text_till (merchant_id);

-- Which class each column is of (JR/T 0171-2020): what authenticates (C3), what identifies somebody or tells of their finances (C2),
-- what is internal (C1), what is not personal (none). Sealed: encrypted under the person's own key.
comment on table text_phone is
    'C2: phone_index; C2 sealed: phone; C1: customer_id, number; none: language, switched_on_at, sim_since, waits_until, seal';
comment on table text_session is
    'C2: phone_index; C1: session, dials; none: began_at, seen_at, day, seal';
comment on table text_wish is
    'C3: mac; C2: phone_index; C2 sealed: wish; C1: wish_id, customer_id, session; none: made_at, wrong, wrong_today, done, seal';
comment on table text_till is
    'C1: merchant_id; none: till_number, opened_at, seal';
