-- The engine's own tables: outcomes, the audit chain, the outbox.

create table command (
    command_id  uuid        not null,
    kind        text        not null,
    fingerprint bytea       not null,
    accepted    boolean     not null,
    outcome     text        not null,
    writer      integer     not null,
    sequence    bigint      not null,
    position    integer     not null,
    decided_at  timestamptz not null,
    constraint command_pk primary key (command_id)
);
create index command_in_chain_order on command (writer, sequence, position);

create table chain_link (
    writer     integer     not null,
    sequence   bigint      not null,
    previous   bytea       not null,
    root       bytea       not null,
    hash       bytea       not null,
    commands   integer     not null,
    decided_at timestamptz not null,
    constraint chain_link_pk primary key (writer, sequence)
);

create table outbox (
    writer   integer     not null,
    sequence bigint      not null,
    position integer     not null,
    topic    text        not null,
    kind     text        not null,
    payload  text        not null,
    at       timestamptz not null,
    constraint outbox_pk primary key (writer, sequence, position)
);
create index outbox_by_topic on outbox (topic, at);

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
