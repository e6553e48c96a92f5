-- name: person_keys
-- The wrapped keys of several people. $1 ids.
select person_id, wrapped from person_key where person_id = any($1::uuid[]);

-- name: person_keys_by_version
-- Keys that an older version than these wrapped. $1 newest version of C2, $2 of C3, $3 limit.
select person_id, wrapped from person_key
where shredded_at is null and (c2_version < $1 or c3_version < $2) order by person_id limit $3;

-- name: person_keys_of_version
-- How many keys a version of a class still wraps. $1 version of C2 or null, $2 version of C3 or null.
select count(*) from person_key where shredded_at is null and (c2_version = $1 or c3_version = $2);
