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
