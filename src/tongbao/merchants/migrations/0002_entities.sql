-- Who stands behind a merchant: the business, its legal person and beneficial owners, and what registries said of them.

create table merchant_entity (
    merchant_id uuid        not null,
    attempt     bigint      not null,
    kind        text        not null,
    legal_name  text        not null,
    credit_code text        not null,
    people      bigint      not null,
    state       text        not null,
    recorded_by uuid        not null,
    recorded_at timestamptz not null,
    verified_at timestamptz,
    seal        bytea       not null,
    constraint merchant_entity_pk primary key (merchant_id),
    constraint merchant_entity_kind check (kind in ('company', 'sole_trader', 'micro')),
    constraint merchant_entity_code check ((credit_code = '') = (kind = 'micro')),
    constraint merchant_entity_state check (state in ('STARTED', 'VERIFIED', 'MISMATCHED'))
);
create index merchant_entity_by_code on merchant_entity (credit_code) where credit_code <> '';

create table merchant_person (
    merchant_id    uuid   not null,
    attempt        bigint not null,
    place          bigint not null,
    person_id      uuid   not null,
    role           text   not null,
    share_ppm      bigint not null,
    document_kind  text   not null,
    document       bytea  not null,
    document_index bytea  not null,
    seal           bytea  not null,
    constraint merchant_person_pk primary key (merchant_id, attempt, place),
    constraint merchant_person_role check (role in ('legal_person', 'owner')),
    constraint merchant_person_share check (share_ppm between 0 and 1000000)
);
create index merchant_person_by_document on merchant_person (document_index);

create table entity_check (
    merchant_id        uuid        not null,
    attempt            bigint      not null,
    place              bigint      not null,
    registry           text        not null,
    check_id           uuid        not null,
    state              text        not null,
    differing          text        not null,
    registry_reference text,
    tries              bigint      not null,
    ask_at             timestamptz,
    answered_at        timestamptz,
    seal               bytea       not null,
    constraint entity_check_pk primary key (merchant_id, attempt, place),
    constraint entity_check_state check (state in ('UNKNOWN', 'MATCHED', 'MISMATCHED', 'NO_RECORD')),
    constraint entity_check_asks check ((ask_at is not null) = (state = 'UNKNOWN'))
);
create index entity_check_due on entity_check (ask_at) where ask_at is not null;

comment on table merchant_entity is
    'C1: merchant_id, legal_name, credit_code, recorded_by; none: attempt, kind, people, state, recorded_at, verified_at, seal';
comment on table merchant_person is
    'C2 sealed: document; C2: document_index; C1: merchant_id, person_id, document_kind, role, share_ppm;
     none: attempt, place, seal';
comment on table entity_check is
    'C1: merchant_id, check_id, registry, registry_reference, differing;
     none: attempt, place, state, tries, ask_at, answered_at, seal';
