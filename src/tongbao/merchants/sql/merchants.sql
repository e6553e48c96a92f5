-- name: merchants
-- Several merchants. $1 ids.
select merchant_id, name, mcc, city, country, currency, fee_ppm, created_at from merchant where merchant_id = any($1::uuid[]);

-- name: search_merchants
-- Newest first. $1 id or null, $2 name prefix or null, $3 below this id or null, $4 limit.
select merchant_id, name, mcc, city, country, currency, fee_ppm, created_at from merchant
where ($1::uuid is null or merchant_id = $1) and ($2::text is null or name like $2 || '%')
  and ($3::uuid is null or merchant_id < $3)
order by merchant_id desc limit $4;

-- name: stores
-- Stores of a merchant, oldest first. $1 merchant.
select store_id, merchant_id, name, city, created_at from store where merchant_id = $1 order by store_id limit 100;

-- name: stores_by_id
-- Several stores. $1 ids.
select store_id, merchant_id, name, city, created_at from store where store_id = any($1::uuid[]);

-- name: api_keys
-- Whose keys these are. $1 SHA-256 of each key.
select key_hash, merchant_id, name, created_at from api_key where key_hash = any($1::bytea[]);
