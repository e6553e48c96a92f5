-- The rules in force, what each subject has done under them, and what they oblige us to do.

create table rulebook (
    name       text        not null,
    version    bigint      not null,
    text       text        not null,
    digest     bytea       not null,
    slots      text        not null,
    by_hand    boolean     not null,
    adopted_by text        not null,
    reason     text        not null,
    adopted_at timestamptz not null,
    seal       bytea       not null,
    constraint rulebook_pk primary key (name),
    constraint rulebook_digest check (length(digest) = 32)
);

create table rulebook_version (
    version_id uuid        not null,
    version    bigint      not null,
    text       text        not null,
    digest     bytea       not null,
    by_hand    boolean     not null,
    adopted_by text        not null,
    reason     text        not null,
    adopted_at timestamptz not null,
    constraint rulebook_version_pk primary key (version_id)
);

-- Written with every payment: room on each page, so that a new version lands beside the old one and no index is touched.
create table usage (
    subject_id uuid   not null,
    day        bigint not null,
    counts     bytea  not null,
    past       bytea  not null,
    own        text   not null,
    seal       bytea  not null,
    constraint usage_pk primary key (subject_id)
) with (fillfactor = 70);

create table duty (
    duty_id      uuid        not null,
    rule_id      text        not null,
    subject_id   uuid        not null,
    kind         text        not null,
    amount_minor bigint      not null,
    total_minor  bigint      not null,
    currency     text        not null,
    at           timestamptz not null,
    due_at       timestamptz,
    constraint duty_pk primary key (duty_id)
);
create index duty_by_subject on duty (subject_id, duty_id);

comment on table rulebook is
    'none: name, version, text, digest, slots, by_hand, reason, adopted_at, seal; C1: adopted_by';
comment on table rulebook_version is
    'none: version_id, version, text, digest, by_hand, reason, adopted_at; C1: adopted_by';
comment on table usage is
    'C2: counts, past, own; C1: subject_id; none: day, seal';
comment on table duty is
    'C2: amount_minor, total_minor; C1: duty_id, subject_id; none: rule_id, kind, currency, at, due_at';
