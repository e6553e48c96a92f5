-- The engine's own tables: outcomes, the audit chain, the outbox.

create table command (
    command_id  uuid        not null,
    kind        text        not null,
    fingerprint bytea       not null,
    accepted    boolean     not null,
    outcome     text        not null,
    writer      bigint      not null,
    sequence    bigint      not null,
    position    bigint      not null,
    decided_at  timestamptz not null,
    constraint command_pk primary key (command_id)
);
-- Batches follow each other on the disk, so this tiny index finds one; nothing is written for each command.
create index command_in_chain_order on command using brin (sequence) with (pages_per_range = 16);

create table chain_link (
    writer     bigint      not null,
    sequence   bigint      not null,
    previous   bytea       not null,
    root       bytea       not null,
    seals      text        not null,
    seal       bytea       not null,
    hash       bytea       not null,
    commands   bigint      not null,
    decided_at timestamptz not null,
    constraint chain_link_pk primary key (writer, sequence)
);
create index chain_link_by_time on chain_link (decided_at, writer, sequence);

create table outbox (
    writer   bigint      not null,
    sequence bigint      not null,
    position bigint      not null,
    topic    text        not null,
    kind     text        not null,
    payload  text        not null,
    at       timestamptz not null,
    constraint outbox_pk primary key (writer, sequence, position)
);
create index outbox_by_topic on outbox (topic, at);

-- Signed ends of the chain; the same statements stand in a file outside the database, and are published.
create table anchor (
    number    bigint not null,
    statement text   not null,
    signature bytea  not null,
    constraint anchor_pk primary key (number)
);

-- How far a verification found everything right. Sealed with the installation's key; one that does not fit is not used.
create table verified_point (
    at    timestamptz not null,
    point text        not null,
    seal  bytea       not null,
    constraint verified_point_pk primary key (at)
);

-- Whose turn it is. Engines write one at a time: a batch locks this row until it commits, and finds here whose turn the last
-- one was. Set `writer` to 0 by hand, and every engine reads afresh what it has in memory.
create table engine_turn (
    only_row boolean not null default true,
    writer   bigint  not null,
    constraint engine_turn_pk primary key (only_row),
    constraint engine_turn_has_one_row check (only_row)
);
insert into engine_turn (writer) values (0);

create function take_turn(writing bigint, out mine boolean, out moment timestamptz) language plpgsql as $$
declare
    last bigint;
begin
    select writer into strict last from engine_turn for update;
    mine := last is not distinct from writing;
    if not mine then
        update engine_turn set writer = writing;
        select max(decided_at) into moment from chain_link;
    end if;
end
$$;

-- The same for an engine that has decided ahead, which is of use only if the last turn was its own.
create function keep_turn(writing bigint) returns void language plpgsql as $$
declare
    last bigint;
begin
    select writer into strict last from engine_turn for update;
    if last is distinct from writing then
        raise exception 'the last turn was of writer %', last using errcode = 'TB003';
    end if;
end
$$;

-- What was written stays as it was written.
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'TB001';
end
$$;
create trigger command_is_append_only before update or delete or truncate on command
    for each statement execute function refuse_change();
create trigger chain_link_is_append_only before update or delete or truncate on chain_link
    for each statement execute function refuse_change();
create trigger anchor_is_append_only before update or delete or truncate on anchor
    for each statement execute function refuse_change();

-- Which class each column is of (JR/T 0171-2020): what authenticates (C3), what identifies somebody or tells of their finances (C2),
-- what is internal (C1), what is not personal (none). Sealed: encrypted under the person's own key.
comment on table command is
    'C1: command_id, outcome; none: kind, fingerprint, accepted, writer, sequence, position, decided_at';
comment on table chain_link is
    'none: writer, sequence, previous, root, seals, seal, hash, commands, decided_at';
comment on table outbox is
    'C1: topic, payload; none: writer, sequence, position, kind, at';
comment on table anchor is
    'none: number, statement, signature';
comment on table verified_point is
    'none: at, point, seal';
comment on table engine_turn is
    'none: only_row, writer';
comment on table schema_migration is
    'none: applied_at, name, number, package, sha256';
