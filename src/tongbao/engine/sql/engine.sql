-- name: outcomes
-- Stored outcomes of commands. $1 command ids.
select command_id, kind, fingerprint, accepted, outcome, writer, sequence, position, decided_at
from command where command_id = any($1::uuid[]);

-- name: claim_writer_lock
-- Hold a writer number for the life of this connection. $1 writer. True if nobody else has it.
select pg_try_advisory_lock(7041, $1);

-- name: writer_head
-- The last link of a writer's chain. $1 writer.
select sequence, hash from chain_link where writer = $1 order by sequence desc limit 1;

-- name: take_turn
-- Wait until nobody else writes and take the turn, until the transaction ends. $1 writer. True if the last turn was its own.
select take_turn($1);

-- name: wake_listeners
-- Tell other processes that the outbox has news. $1 "writer:sequence".
select pg_notify('tongbao_outbox', $1);

-- name: outbox_of_topics
-- Events of some topics from a place in each writer's chain on, in chain order. $1 topics; $2 writers, $3 sequences and
-- $4 positions of the first event not seen yet (all of them for a writer not named); $5 limit.
select o.writer, o.sequence, o.position, o.topic, o.kind, o.payload, o.at
from outbox o
left join unnest($2::integer[], $3::bigint[], $4::integer[]) as next(writer, sequence, position) on o.writer = next.writer
where o.topic = any($1::text[]) and (o.sequence, o.position) >= (coalesce(next.sequence, 0), coalesce(next.position, 0))
order by o.writer, o.sequence, o.position limit $5;

-- name: chain_heads
-- Every writer with its last link.
select distinct on (writer) writer, sequence, hash, decided_at from chain_link order by writer, sequence desc;

-- name: chain_totals
-- Commands by writer.
select writer, sum(commands)::bigint as commands from chain_link group by writer order by writer;

-- name: links_after
-- Links of a writer in order. $1 writer, $2 after this sequence, $3 limit.
select writer, sequence, previous, root, seals, hash, commands, decided_at from chain_link
where writer = $1 and sequence > $2 order by sequence limit $3;

-- name: records_between
-- Commands of a stretch of a writer's chain, in order. $1 writer, $2 first and $3 last sequence.
select command_id, kind, fingerprint, accepted, outcome, writer, sequence, position, decided_at from command
where writer = $1 and sequence between $2 and $3 order by sequence, position;

-- name: events_between
-- Events of a stretch of a writer's chain, in order. $1 writer, $2 first and $3 last sequence.
select writer, sequence, position, topic, kind, payload, at from outbox
where writer = $1 and sequence between $2 and $3 order by sequence, position;

-- name: commands_without_link
-- Commands that belong to no link: there must be none.
select count(*) from command c where not exists (select from chain_link l where l.writer = c.writer and l.sequence = c.sequence);
