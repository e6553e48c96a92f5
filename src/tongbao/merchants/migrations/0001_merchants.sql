-- Merchants, stores, API keys.

create table merchant (
    merchant_id uuid        not null,
    name        text        not null,
    mcc         text        not null,
    city        text        not null,
    country     text        not null,
    currency    text        not null,
    fee_ppm     bigint      not null,
    created_at  timestamptz not null,
    seal        bytea       not null,
    constraint merchant_pk primary key (merchant_id),
    constraint merchant_fee_ppm check (fee_ppm between 0 and 100000)
);
create index merchant_by_name on merchant (name);

create table store (
    store_id    uuid        not null,
    merchant_id uuid        not null,
    name        text        not null,
    city        text        not null,
    created_at  timestamptz not null,
    seal        bytea       not null,
    constraint store_pk primary key (store_id)
);
create index store_by_merchant on store (merchant_id, store_id);

create table api_key (
    key_hash    bytea       not null,
    merchant_id uuid        not null,
    name        text        not null,
    created_at  timestamptz not null,
    seal        bytea       not null,
    constraint api_key_pk primary key (key_hash)
);

-- Which class each column is of (JR/T 0171-2020): what authenticates (C3), what identifies somebody or tells of their finances (C2),
-- what is internal (C1), what is not personal (none). Sealed: encrypted under the person's own key.
comment on table merchant is
    'C1: merchant_id, fee_ppm; none: name, mcc, city, country, currency, created_at, seal';
comment on table store is
    'C1: store_id, merchant_id; none: name, city, created_at, seal';
comment on table api_key is
    'C3: key_hash; C1: name, merchant_id; none: created_at, seal';
