-- Accounts, journals, entries, holds. The database keeps the two rules that matter most by itself:
-- a journal's entries sum to zero in each currency, and what was posted is never changed.

create table account (
    account_id   uuid        not null,
    code         text        not null,
    owner_id     uuid,
    currency     text        not null,
    posted_minor bigint      not null,
    held_minor   bigint      not null,
    floor_minor  bigint,
    version      bigint      not null,
    opened_at    timestamptz not null,
    seal         bytea       not null,
    constraint account_pk primary key (account_id),
    constraint account_held_not_negative check (held_minor >= 0),
    constraint account_above_floor check (floor_minor is null or posted_minor - held_minor >= floor_minor)
) with (fillfactor = 80);
create index account_by_owner on account (owner_id) where owner_id is not null;

create table journal (
    journal_id uuid        not null,
    command_id uuid        not null,
    kind       text        not null,
    memo       text        not null,
    posted_at  timestamptz not null,
    constraint journal_pk primary key (journal_id)
);
-- Journals of one batch share its moment: in the order in which they arrive, unlike their commands' ids.
create index journal_by_time on journal (posted_at);

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

create table hold (
    hold_id        uuid        not null,
    account_id     uuid        not null,
    amount_minor   bigint      not null,
    captured_minor bigint      not null,
    state          text        not null,
    expires_at     timestamptz not null,
    created_at     timestamptz not null,
    ended_at       timestamptz,
    seal           bytea       not null,
    constraint hold_pk primary key (hold_id),
    constraint hold_state check (state in ('ACTIVE', 'CAPTURED', 'VOIDED', 'EXPIRED')),
    constraint hold_within_amount check (captured_minor between 0 and amount_minor and amount_minor > 0)
);
create index hold_to_expire on hold (expires_at) where state = 'ACTIVE';

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
