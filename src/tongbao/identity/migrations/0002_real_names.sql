-- Real names: documents, checks, guardians. Documents are sealed under the key of the person they are about.

create table real_name (
    customer_id    uuid        not null,
    attempt        bigint      not null,
    state          text        not null,
    document_kind  text        not null,
    document       bytea       not null,
    document_index bytea       not null,
    content_index  bytea       not null,
    phone_index    bytea       not null,
    wanted_level   bigint      not null,
    level          bigint      not null,
    carried_level  bigint      not null,
    face_level     bigint      not null,
    verified_by    uuid,
    approved_by    uuid,
    claimed        boolean     not null,
    held_back      text        not null,
    expires_on     date,
    of_age_on      date,
    reminded_on    date,
    acts           bigint      not null,
    acts_since     timestamptz not null,
    started_at     timestamptz not null,
    verified_at    timestamptz,
    told_of_age_on   date        not null,
    number_tells_age boolean     not null,
    proof          bigint      not null,
    carried_proof  bigint      not null,
    phone_proven   boolean     not null,
    phone_claimed  boolean     not null,
    proposed_at    timestamptz,
    seal           bytea       not null,
    constraint real_name_pk primary key (customer_id),
    constraint real_name_state check (state in ('STARTED', 'VERIFIED', 'MISMATCHED', 'FACE_PROPOSED', 'EXPIRED')),
    constraint real_name_levels check (level between 0 and 3 and face_level between 0 and 3),
    constraint real_name_proof check (proof between 0 and 3 and (level < 2 or proof >= 2)),
    constraint real_name_two_operators check (approved_by is null or approved_by <> verified_by)
);
create index real_name_by_state on real_name (state, started_at, customer_id);
create index real_name_by_start on real_name (started_at, customer_id);
create index real_name_by_phone on real_name (phone_index) where phone_claimed;
create index real_name_class_three on real_name (document_index) where level = 3;
create index real_name_by_end on real_name (expires_on) where expires_on is not null;
create index real_name_by_age on real_name (of_age_on) where of_age_on is not null;

-- Another document of who is known already, until it is proven: then its row takes the other's place.
create table next_real_name (
    customer_id    uuid        not null,
    attempt        bigint      not null,
    state          text        not null,
    document_kind  text        not null,
    document       bytea       not null,
    document_index bytea       not null,
    content_index  bytea       not null,
    phone_index    bytea       not null,
    wanted_level   bigint      not null,
    level          bigint      not null,
    carried_level  bigint      not null,
    face_level     bigint      not null,
    verified_by    uuid,
    approved_by    uuid,
    claimed        boolean     not null,
    held_back      text        not null,
    expires_on     date,
    of_age_on      date,
    reminded_on    date,
    acts           bigint      not null,
    acts_since     timestamptz not null,
    started_at     timestamptz not null,
    verified_at    timestamptz,
    told_of_age_on   date        not null,
    number_tells_age boolean     not null,
    proof          bigint      not null,
    carried_proof  bigint      not null,
    phone_proven   boolean     not null,
    phone_claimed  boolean     not null,
    proposed_at    timestamptz,
    seal           bytea       not null,
    constraint next_real_name_pk primary key (customer_id),
    constraint next_real_name_state check (state in ('STARTED', 'VERIFIED', 'MISMATCHED', 'FACE_PROPOSED', 'EXPIRED')),
    constraint next_real_name_levels check (level between 0 and 3 and face_level between 0 and 3),
    constraint next_real_name_proof check (proof between 0 and 3 and (level < 2 or proof >= 2)),
    constraint next_real_name_two_operators check (approved_by is null or approved_by <> verified_by)
);
create index next_real_name_by_state on next_real_name (state, started_at, customer_id);
create index next_real_name_by_start on next_real_name (started_at, customer_id);

create table name_check (
    customer_id        uuid        not null,
    registry           text        not null,
    attempt            bigint      not null,
    check_id           uuid        not null,
    state              text        not null,
    differing          text        not null,
    details            bytea       not null,
    registry_reference text,
    tries              bigint      not null,
    ask_at             timestamptz,
    asked_at           timestamptz not null,
    answered_at        timestamptz,
    seal               bytea       not null,
    constraint name_check_pk primary key (customer_id, registry),
    constraint name_check_state check (state in ('UNKNOWN', 'MATCHED', 'MISMATCHED', 'NO_RECORD', 'ENDED')),
    constraint name_check_asks check ((ask_at is not null) = (state = 'UNKNOWN'))
);
create index name_check_due on name_check (ask_at) where ask_at is not null;

-- Under which document how many accounts are held, which of them is the one of Class III, proven how well, and with whom all of them
-- are counted.
create table document_holder (
    document_index    bytea   not null,
    accounts          bigint  not null,
    class_three_id    uuid,
    subject_id        uuid,
    let_go_at         timestamptz,
    class_three_proof bigint  not null,
    taken_over        boolean not null,
    seal              bytea   not null,
    constraint document_holder_pk primary key (document_index),
    constraint document_holder_accounts check (accounts >= 0),
    constraint document_holder_let_go check ((let_go_at is not null) = (accounts = 0))
);
create index document_holder_let_go on document_holder (let_go_at) where let_go_at is not null;

create index document_holder_taken_over on document_holder (document_index) where taken_over;

-- One phone, one document, proven how well.
create table phone_holder (
    phone_index    bytea   not null,
    document_index bytea   not null,
    accounts       bigint  not null,
    proof          bigint  not null,
    taken_over     boolean not null,
    seal           bytea   not null,
    constraint phone_holder_pk primary key (phone_index),
    constraint phone_holder_accounts check (accounts >= 0)
);

create index phone_holder_taken_over on phone_holder (phone_index) where taken_over;

create table guardianship (
    minor_id        uuid        not null,
    guardian_id     uuid        not null,
    state           text        not null,
    consent         text        not null,
    single_minor    bigint,
    daily_minor     bigint,
    requested_at    timestamptz not null,
    agreed_at       timestamptz,
    ended_at        timestamptz,
    seal            bytea       not null,
    constraint guardianship_pk primary key (minor_id),
    constraint guardianship_state check (state in ('REQUESTED', 'AGREED', 'ENDED')),
    constraint guardianship_caps check (coalesce(single_minor, 1) > 0 and coalesce(daily_minor, 1) > 0)
);
create index guardianship_by_guardian on guardianship (guardian_id, minor_id);

-- What happened to a customer's name, in order: documents as they were given, answers, who verified.
create table real_name_event (
    event_id      uuid        not null,
    customer_id   uuid        not null,
    attempt       bigint      not null,
    act           text        not null,
    detail        text        not null,
    document_kind text        not null,
    document      bytea       not null,
    level         bigint      not null,
    by            uuid,
    at            timestamptz not null,
    constraint real_name_event_pk primary key (event_id)
);
create index real_name_event_by_customer on real_name_event (customer_id, event_id);

comment on table real_name is
    'C2 sealed: document; C2: document_index, content_index, phone_index, expires_on, of_age_on,
     told_of_age_on; C1: customer_id, document_kind,
     verified_by, approved_by, level, wanted_level, carried_level, face_level, held_back;
     none: attempt, state, claimed, reminded_on, acts, acts_since, started_at, verified_at, number_tells_age, proof,
     carried_proof, phone_proven, phone_claimed, proposed_at, seal';
comment on table next_real_name is
    'C2 sealed: document; C2: document_index, content_index, phone_index, expires_on, of_age_on,
     told_of_age_on; C1: customer_id, document_kind,
     verified_by, approved_by, level, wanted_level, carried_level, face_level, held_back;
     none: attempt, state, claimed, reminded_on, acts, acts_since, started_at, verified_at, number_tells_age, proof,
     carried_proof, phone_proven, phone_claimed, proposed_at, seal';
comment on table name_check is
    'C2 sealed: details; C1: customer_id, registry, check_id, registry_reference, differing;
     none: attempt, state, tries, ask_at, asked_at, answered_at, seal';
comment on table document_holder is
    'C2: document_index; C1: class_three_id, subject_id; none: accounts, let_go_at, class_three_proof, taken_over, seal';
comment on table phone_holder is
    'C2: phone_index, document_index; none: accounts, proof, taken_over, seal';
comment on table guardianship is
    'C1: minor_id, guardian_id, single_minor, daily_minor; none: state, consent, requested_at, agreed_at, ended_at, seal';
comment on table real_name_event is
    'C2 sealed: document; C1: customer_id, event_id, by, detail, document_kind, level; none: attempt, act, at';
