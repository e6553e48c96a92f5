-- What two operators agree on, what each of them did, and what another is to look at.

create table proposal (
    proposal_id  uuid        not null,
    kind         text        not null,
    body         bytea       not null,
    reason       text        not null,
    subject_kind text        not null,
    subject_id   text        not null,
    proposed_by  uuid        not null,
    proposed_at  timestamptz not null,
    expires_at   timestamptz not null,
    state        text        not null,
    alone        boolean     not null,
    decided_by   uuid,
    decided_at   timestamptz,
    note         text        not null,
    outcome      text        not null,
    ended_at     timestamptz,
    seal         bytea       not null,
    constraint proposal_pk primary key (proposal_id),
    constraint proposal_state check (state in ('OPEN', 'APPROVED', 'REJECTED', 'WITHDRAWN', 'DONE', 'FAILED')),
    constraint proposal_is_decided check ((state = 'OPEN') = (decided_by is null) and (decided_by is null) = (decided_at is null)),
    -- Only a broken glass and a withdrawal have one pair of eyes.
    constraint proposal_by_two check (alone or state in ('OPEN', 'WITHDRAWN') or decided_by <> proposed_by)
);
create index proposal_by_state on proposal (state, proposal_id);

create table incident (
    incident_id uuid        not null,
    kind        text        not null,
    subject_id  text        not null,
    text        text        not null,
    opened_by   uuid        not null,
    opened_at   timestamptz not null,
    due_at      timestamptz not null,
    reviewed_by uuid,
    reviewed_at timestamptz,
    note        text        not null,
    seal        bytea       not null,
    constraint incident_pk primary key (incident_id),
    constraint incident_by_another check (reviewed_by <> opened_by)
);
create index incident_to_review on incident (due_at) where reviewed_at is null;

-- How an operator gets in for the first time, or again: what the two halves of an invitation are compared with.
create table operator_invitation (
    operator_id uuid        not null,
    name        uuid        not null,
    link_hash   bytea       not null,
    code_mac    bytea       not null,
    tries       bigint      not null,
    issued_at   timestamptz not null,
    expires_at  timestamptz not null,
    accepted_at timestamptz,
    seal        bytea       not null,
    constraint operator_invitation_pk primary key (operator_id)
);
create index operator_invitation_by_name on operator_invitation (name);

-- A customer from whose wallet an operator lets nothing be paid: the suspension in force, or the last that was.
create table suspension (
    customer_id  uuid        not null,
    why          text        not null,
    text         text        not null,
    suspended_by uuid        not null,
    suspended_at timestamptz not null,
    until        timestamptz,
    ended_at     timestamptz,
    ended_by     uuid,
    approved_by  uuid,
    ended_text   text        not null,
    seal         bytea       not null,
    constraint suspension_pk primary key (customer_id),
    -- It ends by itself, or by two.
    constraint suspension_lifted_by_two check ((ended_by is null) = (approved_by is null) and ended_by <> approved_by)
);
create index suspension_until on suspension (until) where ended_at is null;

-- What browsers say they were kept from running: a note, written by anybody, one row a kind and bounded in number. Not the engine's,
-- therefore not sealed.
create table page_report (
    digest    bytea       not null,
    directive text        not null,
    page      text        not null,
    blocked   text        not null,
    source    text        not null,
    times     bigint      not null,
    first_at  timestamptz not null,
    last_at   timestamptz not null,
    constraint page_report_pk primary key (digest)
);
create index page_report_by_time on page_report (last_at, digest);

create table operator_act (
    act_id       uuid        not null,
    at           timestamptz not null,
    operator_id  uuid        not null,
    session_id   uuid,
    act          text        not null,
    changing     boolean     not null,
    subject_kind text        not null,
    subject_id   text        not null,
    reason       text        not null,
    outcome      text        not null,
    constraint operator_act_pk primary key (act_id)
);
create index operator_act_by_subject on operator_act (subject_id, act_id);
create index operator_act_by_operator on operator_act (operator_id, act_id);
create trigger operator_act_is_append_only before update or delete or truncate on operator_act
    for each statement execute function refuse_change();

-- Which class each column is of (JR/T 0171-2020): what authenticates (C3), what identifies somebody or tells of their finances (C2),
-- what is internal (C1), what is not personal (none).
comment on table proposal is
    'C2: body; C1: proposal_id, reason, subject_kind, subject_id, proposed_by, decided_by, note, outcome; none: kind, proposed_at,
     expires_at, state, alone, decided_at, ended_at, seal';
comment on table incident is
    'C1: incident_id, subject_id, text, opened_by, reviewed_by, note; none: kind, opened_at, due_at, reviewed_at, seal';
comment on table operator_invitation is
    'C3: link_hash, code_mac; C1: operator_id, name; none: tries, issued_at, expires_at, accepted_at, seal';
comment on table suspension is
    'C1: customer_id, why, text, suspended_by, ended_by, approved_by, ended_text; none: suspended_at, until, ended_at, seal';
comment on table page_report is
    'C1: page, blocked, source; none: digest, directive, times, first_at, last_at';
comment on table operator_act is
    'C1: act_id, operator_id, session_id, subject_kind, subject_id, reason, outcome; none: at, act, changing';
