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
-- Wait until nobody else writes and take the turn, until the transaction ends. $1 writer. `mine` if the last turn was its own;
-- otherwise with the moment of the last batch.
select mine, moment from take_turn($1);

-- name: last_moment
-- The moment of the last batch of all writers; null before the first.
select max(decided_at) from chain_link;

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

-- name: links_by_time
-- Links in the order of their time. $1 moment, $2 writer, $3 sequence: after these; $4 limit.
select writer, sequence, previous, root, seals, seal, hash, commands, decided_at from chain_link
where (decided_at, writer, sequence) > ($1, $2, $3) order by decided_at, writer, sequence limit $4;

-- name: one_link
-- $1 writer, $2 sequence.
select writer, sequence, previous, root, seals, seal, hash, commands, decided_at from chain_link
where writer = $1 and sequence = $2;

-- name: table_columns
-- What a table is: its columns in their order. $1 table.
select attname::text as name, format_type(atttypid, atttypmod) as type, attnotnull as not_null
from pg_attribute where attrelid = to_regclass($1) and attnum > 0 and not attisdropped order by attnum;

-- name: link_places
-- Every link's place and how many commands it has.
select writer, sequence, commands from chain_link;

-- name: newest_point
-- The last verified point.
select at, point, seal from verified_point order by at desc limit 1;

-- name: keep_point
-- $1 when, $2 the point, $3 its seal.
insert into verified_point (at, point, seal) values ($1, $2, $3);

-- name: forget_points
-- Points up to a moment. $1 moment.
delete from verified_point where at <= $1;

-- name: newest_anchor
-- The last anchor.
select number, statement, encode(signature, 'hex') as signature from anchor order by number desc limit 1;

-- name: anchors_after
-- Anchors in order. $1 after this number, $2 limit.
select number, statement, encode(signature, 'hex') as signature from anchor where number > $1 order by number limit $2;

-- name: one_anchor
-- $1 number.
select number, statement, encode(signature, 'hex') as signature from anchor where number = $1;

-- name: keep_anchor
-- $1 number, $2 statement, $3 signature.
insert into anchor (number, statement, signature) values ($1, $2, $3);

-- name: links_of_writer
-- Links of a writer in order. $1 writer, $2 after this sequence, $3 up to this one.
select writer, sequence, previous, root, seals, seal, hash, commands, decided_at from chain_link
where writer = $1 and sequence > $2 and sequence <= $3 order by sequence;
