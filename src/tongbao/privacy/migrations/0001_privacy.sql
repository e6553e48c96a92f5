-- Consents, reviews, breaches, impact assessments.

-- Every yes and every no, for ever.
create table consent (
    consent_id  uuid        not null,
    customer_id uuid        not null,
    purpose     text        not null,
    version     bigint      not null,
    text_hash   bytea       not null,
    granted     boolean     not null,
    screen      text        not null,
    at          timestamptz not null,
    constraint consent_pk primary key (consent_id)
);
create index consent_by_customer on consent (customer_id, consent_id);

-- What was said last.
create table consent_state (
    customer_id uuid        not null,
    purpose     text        not null,
    version     bigint      not null,
    granted     boolean     not null,
    at          timestamptz not null,
    seal        bytea       not null,
    constraint consent_state_pk primary key (customer_id, purpose)
);

create table breach (
    breach_id  uuid        not null,
    what       text        not null,
    categories text        not null,
    people     bigint      not null,
    risk       text        not null,
    state      text        not null,
    known_at   timestamptz not null,
    opened_at  timestamptz not null,
    opened_by  uuid        not null,
    closed_at  timestamptz,
    closed_by  uuid,
    lesson     text        not null,
    seal       bytea       not null,
    constraint breach_pk primary key (breach_id),
    constraint breach_state check (state in ('OPEN', 'CLOSED')),
    constraint breach_closed_is_whole check ((state = 'CLOSED') = (closed_at is not null and closed_by is not null and lesson <> ''))
);

create table breach_task (
    breach_id uuid        not null,
    clock     text        not null,
    state     text        not null,
    due_at    timestamptz not null,
    done_at   timestamptz,
    done_by   uuid,
    note      text        not null,
    seal      bytea       not null,
    constraint breach_task_pk primary key (breach_id, clock),
    constraint breach_task_state check (state in ('OPEN', 'DONE', 'NOT_NEEDED')),
    constraint breach_task_ended check ((state = 'OPEN') = (done_at is null))
);
create index breach_task_due on breach_task (due_at) where state = 'OPEN';

-- Who was told, and in which words.
create table breach_notice (
    notice_id uuid        not null,
    breach_id uuid        not null,
    clock     text        not null,
    told      text        not null,
    people    bigint      not null,
    words     text        not null,
    sent_at   timestamptz not null,
    sent_by   uuid        not null,
    constraint breach_notice_pk primary key (notice_id)
);
-- What the people whom a breach concerns are told, and how far through them it is.
create table breach_letter (
    breach_id uuid        not null,
    zh        text        not null,
    en        text        not null,
    listed    text        not null,
    state     text        not null,
    told_to   uuid        not null,
    told      bigint      not null,
    begun_at  timestamptz not null,
    begun_by  uuid        not null,
    ended_at  timestamptz,
    seal      bytea       not null,
    constraint breach_letter_pk primary key (breach_id),
    constraint breach_letter_state check (state in ('SENDING', 'SENT')),
    constraint breach_letter_ended check ((ended_at is not null) = (state = 'SENT'))
);

create index breach_notice_by_breach on breach_notice (breach_id, notice_id);

create table assessment (
    assessment_id uuid        not null,
    title         text        not null,
    purpose       text        not null,
    lawful        text        not null,
    effects       text        not null,
    measures      text        not null,
    risk          text        not null,
    state         text        not null,
    review_on     date        not null,
    written_at    timestamptz not null,
    written_by    uuid        not null,
    signed_at     timestamptz,
    signed_by     uuid,
    replaces      uuid,
    keep_until    date        not null,
    seal          bytea       not null,
    constraint assessment_pk primary key (assessment_id),
    constraint assessment_state check (state in ('DRAFT', 'SIGNED', 'SUPERSEDED')),
    constraint assessment_two_people check (signed_by is null or signed_by <> written_by)
);
create index assessment_to_review on assessment (review_on) where state = 'SIGNED';

-- A person is to look at what was decided. Wish and answer are encrypted under the customer's key.
create table review (
    review_id   uuid        not null,
    customer_id uuid        not null,
    command_id  uuid        not null,
    decision    text        not null,
    declined    text        not null,
    decided_at  timestamptz not null,
    wish        bytea       not null,
    state       text        not null,
    asked_at    timestamptz not null,
    due_at      timestamptz not null,
    answered_at timestamptz,
    answered_by uuid,
    upheld      boolean,
    answer      bytea,
    seal        bytea       not null,
    constraint review_pk primary key (review_id),
    constraint review_state check (state in ('OPEN', 'ANSWERED')),
    constraint review_answered_is_whole check (
        (state = 'ANSWERED') = (answered_at is not null and answered_by is not null and upheld is not null and answer is not null))
);
create index review_by_customer on review (customer_id, review_id);
create index review_open on review (due_at) where state = 'OPEN';

create table privacy_choice (
    customer_id uuid        not null,
    explain     boolean     not null,
    changed_at  timestamptz not null,
    seal        bytea       not null,
    constraint privacy_choice_pk primary key (customer_id)
);

-- That somebody asked for a copy of everything.
create table copy_taken (
    copy_id     uuid        not null,
    customer_id uuid        not null,
    session_id  uuid,
    at          timestamptz not null,
    constraint copy_taken_pk primary key (copy_id)
);
create index copy_taken_by_customer on copy_taken (customer_id, copy_id);

-- Both values are encrypted as the corrected column is.
create table correction (
    correction_id uuid        not null,
    customer_id   uuid        not null,
    field         text        not null,
    former        bytea       not null,
    corrected     bytea       not null,
    at            timestamptz not null,
    constraint correction_pk primary key (correction_id)
);
create index correction_by_customer on correction (customer_id, correction_id);

-- Accounts closed for ever. `sealed`: the person's key for whoever the law lets ask, empty once it no longer asks.
create table erasure (
    customer_id    uuid        not null,
    state          text        not null,
    requested_at   timestamptz not null,
    due_at         timestamptz not null,
    blocked        text        not null,
    done_at        timestamptz,
    retained_until timestamptz,
    sealed_to      text        not null,
    sealed         bytea       not null,
    seal           bytea       not null,
    constraint erasure_pk primary key (customer_id),
    constraint erasure_state check (state in ('REQUESTED', 'CLOSING', 'DONE', 'FORGOTTEN', 'WITHDRAWN')),
    constraint erasure_done_is_whole check (
        (state in ('DONE', 'FORGOTTEN')) = (done_at is not null and retained_until is not null)),
    constraint erasure_key_only_while_retained check ((state = 'DONE') = (sealed <> ''))
);
create index erasure_due on erasure (due_at) where state in ('REQUESTED', 'CLOSING');
create index erasure_to_forget on erasure (retained_until) where state = 'DONE';
create index erasure_done on erasure (done_at) where state = 'DONE';

-- Which class each column is of (JR/T 0171-2020), as in identity.
comment on table consent is
    'C1: consent_id, customer_id, purpose, granted; none: version, text_hash, screen, at';
comment on table consent_state is
    'C1: customer_id, purpose, granted; none: version, at, seal';
comment on table breach is
    'C1: breach_id, what, categories, people, opened_by, closed_by, lesson; none: risk, state, known_at, opened_at, closed_at, seal';
comment on table breach_task is
    'C1: breach_id, done_by, note; none: clock, state, due_at, done_at, seal';
comment on table breach_letter is
    'C1: breach_id, zh, en, listed, told_to, begun_by; none: state, told, begun_at, ended_at, seal';
comment on table breach_notice is
    'C1: notice_id, breach_id, told, people, words, sent_by; none: clock, sent_at';
comment on table assessment is
    'C1: assessment_id, title, purpose, lawful, effects, measures, written_by, signed_by, replaces; none: risk, state, review_on,
     written_at, signed_at, keep_until, seal';
comment on table review is
    'C2 sealed: wish, answer; C1: review_id, customer_id, command_id, decision, declined, answered_by; none: decided_at, state,
     asked_at, due_at, answered_at, upheld, seal';
comment on table privacy_choice is
    'C1: customer_id; none: explain, changed_at, seal';
comment on table copy_taken is
    'C1: copy_id, customer_id, session_id; none: at';
comment on table correction is
    'C2 sealed: former, corrected; C1: correction_id, customer_id, field; none: at';
comment on table erasure is
    'C3: sealed; C1: customer_id, blocked; none: state, requested_at, due_at, done_at, retained_until, sealed_to, seal';
