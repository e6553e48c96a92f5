-- Accounts, journals, entries, holds. The database keeps the two rules that matter most by itself:
-- a journal's entries sum to zero in each currency, and what was posted is never changed.

-- What is fixed about an account, and what changes rarely. Its balance is not here: it is in its last entry.
create table account_master (
    account_id    uuid        not null,
    code          text        not null,
    owner_id      uuid,
    currency      text        not null,
    held_minor    bigint      not null,
    floor_minor   bigint,
    ceiling_minor bigint,
    opened_at     timestamptz not null,
    debit_freeze  text        not null,
    credit_freeze text        not null,
    closed_at     timestamptz,
    seal          bytea       not null,
    constraint account_pk primary key (account_id),
    constraint account_held_not_negative check (held_minor >= 0),
    constraint account_floor_below_ceiling check (floor_minor <= ceiling_minor),
    constraint account_closed_holds_nothing check (closed_at is null or held_minor = 0)
) with (fillfactor = 90);
create index account_by_owner on account_master (owner_id) where owner_id is not null;

create table journal (
    journal_id uuid        not null,
    command_id uuid        not null,
    kind       text        not null,
    memo       text        not null,
    posted_at  timestamptz not null,
    value_date date        not null,
    reverses   uuid,
    constraint journal_pk primary key (journal_id),
    constraint journal_reverses_another check (reverses <> journal_id)
);
create unique index journal_reversed_once on journal (reverses) where reverses is not null;
-- Their ids begin with their moment, so the primary key is an index by time too.

create table entry (
    account_id    uuid        not null,
    version       bigint      not null,
    journal_id    uuid        not null,
    leg           bigint      not null,
    currency      text        not null,
    amount_minor  bigint      not null,
    balance_minor bigint      not null,
    posted_at     timestamptz not null,
    constraint entry_pk primary key (account_id, version),
    constraint entry_moves_something check (amount_minor <> 0)
);
create index entry_by_journal on entry (journal_id);

-- An account as it stands: one look into its entries.
create view account as
select m.account_id, m.code, m.owner_id, m.currency, coalesce(last.balance_minor, 0) as posted_minor, m.held_minor,
       m.floor_minor, m.ceiling_minor, coalesce(last.version, 0) as version, m.opened_at, m.debit_freeze, m.credit_freeze,
       m.closed_at, m.seal
from account_master m
left join lateral (
    select e.balance_minor, e.version from entry e where e.account_id = m.account_id order by e.version desc limit 1
) last on true;

create table hold (
    hold_id        uuid        not null,
    account_id     uuid        not null,
    amount_minor   bigint      not null,
    agreed_minor   bigint      not null,
    captured_minor bigint      not null,
    state          text        not null,
    expires_at     timestamptz not null,
    created_at     timestamptz not null,
    ended_at       timestamptz,
    seal           bytea       not null,
    constraint hold_pk primary key (hold_id),
    constraint hold_state check (state in ('ACTIVE', 'CAPTURED', 'VOIDED', 'EXPIRED')),
    constraint hold_within_agreed check (captured_minor between 0 and agreed_minor),
    constraint hold_agreed_covers_amount check (amount_minor > 0 and agreed_minor >= amount_minor),
    constraint hold_ended_when_not_active check ((state = 'ACTIVE') = (ended_at is null))
);
create index hold_to_expire on hold (expires_at) where state = 'ACTIVE';
create index hold_by_account on hold (account_id, created_at);

create table reversal (
    journal_id  uuid        not null,
    reversed_by uuid        not null,
    reason      text        not null,
    reversed_at timestamptz not null,
    seal        bytea       not null,
    constraint reversal_pk primary key (journal_id),
    constraint reversal_by_one_journal unique (reversed_by),
    constraint reversal_by_another check (reversed_by <> journal_id)
);

create table book (
    name            text   not null,
    zone            text   not null,
    closed_through  date,
    backdating_days bigint not null,
    forward_days    bigint not null,
    seal            bytea  not null,
    constraint book_pk primary key (name),
    constraint book_is_one check (name = 'main'),
    constraint book_days check (backdating_days >= 0 and forward_days >= 0)
);

create table colour (
    code        text        not null,
    currency    text        not null,
    title_zh    text        not null,
    title_en    text        not null,
    everywhere  boolean     not null,
    valid_until timestamptz not null,
    state       text        not null,
    defined_at  timestamptz not null,
    ended_at    timestamptz,
    seal        bytea       not null,
    constraint colour_pk primary key (code),
    constraint colour_code check (code ~ '^[a-z0-9][a-z0-9-]{0,31}$'),
    constraint colour_currency check (currency ~ '^[A-Z]{3}$'),
    constraint colour_state check (state in ('ACTIVE', 'ENDED') and (state = 'ENDED') = (ended_at is not null))
);

create table colour_merchant (
    code        text    not null,
    merchant_id uuid    not null,
    allowed     boolean not null,
    seal        bytea   not null,
    constraint colour_merchant_pk primary key (code, merchant_id)
);

-- Running totals: what each line of the chart was debited and credited, by value date.
create table ledger_day (
    day          date   not null,
    code         text   not null,
    currency     text   not null,
    debit_minor  bigint not null,
    credit_minor bigint not null,
    entries      bigint not null,
    seal         bytea  not null,
    constraint ledger_day_pk primary key (day, code, currency),
    constraint ledger_day_not_negative check (debit_minor >= 0 and credit_minor >= 0 and entries >= 0)
);

create function refuse_unbalanced() returns trigger language plpgsql as $$
declare
    guilty uuid;
begin
    select journal_id into guilty from added group by journal_id, currency having sum(amount_minor) <> 0 limit 1;
    if guilty is not null then
        raise exception 'journal % does not balance', guilty using errcode = 'TB002';
    end if;
    return null;
end
$$;
create trigger entry_balances after insert on entry
    referencing new table as added for each statement execute function refuse_unbalanced();

create trigger entry_is_append_only before update or delete or truncate on entry
    for each statement execute function refuse_change();
create trigger journal_is_append_only before update or delete or truncate on journal
    for each statement execute function refuse_change();

-- ── reading and closing the books ────────────────────────────────────────────────────────────────────────────────────────

-- The journals of a day, and those posted on another day than they count for. A batch's journals share their moment, so the
-- index keeps one key for many of them.
create index journal_by_value_date on journal (value_date, posted_at);

-- The version of the last entry of an account before a moment, 0 if there is none: by halving, since versions and moments
-- grow together. Some twenty probes of one index for a million entries.
create function version_before(of_account uuid, moment timestamptz) returns bigint language plpgsql stable as $$
declare
    low    bigint := 0;
    high   bigint;
    middle bigint;
    at     timestamptz;
begin
    select version, posted_at into high, at from entry where account_id = of_account order by version desc limit 1;
    if high is null or at < moment then
        return coalesce(high, 0);
    end if;
    high := high - 1;
    while low < high loop
        middle := (low + high + 1) / 2;
        select posted_at into at from entry where account_id = of_account and version = middle;
        if at < moment then
            low := middle;
        else
            high := middle - 1;
        end if;
    end loop;
    return low;
end
$$;

-- A closed period: its books were shut through that day, and its income and expenses carried into retained earnings.
create table period (
    through     date        not null,
    state       text        not null,
    after       date,
    closed_at   timestamptz not null,
    closed_by   uuid        not null,
    journal_id  uuid,
    carried_at  timestamptz,
    reopened_at timestamptz,
    reopened_by uuid,
    reason      text        not null,
    seal        bytea       not null,
    constraint period_pk primary key (through),
    constraint period_state check (state in ('CLOSED', 'CARRIED', 'REOPENED')),
    constraint period_in_order check (after is null or after < through)
);

-- Which class each column is of (JR/T 0171-2020): what authenticates (C3), what identifies somebody or tells of their finances (C2),
-- what is internal (C1), what is not personal (none). Sealed: encrypted under the person's own key.
comment on table account_master is
    'C2: held_minor, floor_minor, ceiling_minor, debit_freeze, credit_freeze; C1: account_id, owner_id; none: code, currency,
     opened_at, closed_at, seal';
comment on table journal is
    'C1: journal_id, command_id, memo, reverses; none: kind, posted_at, value_date';
comment on table entry is
    'C2: amount_minor, balance_minor; C1: account_id, journal_id; none: version, leg, currency, posted_at';
comment on table hold is
    'C2: amount_minor, agreed_minor, captured_minor; C1: hold_id, account_id; none: state, expires_at, created_at, ended_at,
     seal';
comment on table reversal is
    'C1: journal_id, reason, reversed_by; none: reversed_at, seal';
comment on table book is
    'none: name, zone, closed_through, backdating_days, forward_days, seal';
comment on table colour is
    'none: code, currency, title_zh, title_en, everywhere, valid_until, state, defined_at, ended_at, seal';
comment on table colour_merchant is
    'C1: merchant_id; none: code, allowed, seal';
comment on table ledger_day is
    'none: day, code, currency, debit_minor, credit_minor, entries, seal';
comment on table period is
    'C1: reason, closed_by, reopened_by, journal_id; none: through, state, after, closed_at, carried_at, reopened_at, seal';
