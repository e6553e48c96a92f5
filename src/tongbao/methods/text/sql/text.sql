-- name: text_phone
-- A phone that pays by text. $1 index of the phone.
select phone_index, customer_id, number, phone, language, switched_on_at, sim_since, waits_until from text_phone
where phone_index = $1;

-- name: text_phone_of_number
-- The phone of an instrument. $1 its number.
select phone_index, customer_id, number, phone, language, switched_on_at, sim_since, waits_until from text_phone
where number = $1 limit 1;

-- name: text_phone_of_customer
-- A customer's phones, the latest first. $1 customer.
select phone_index, customer_id, number, phone, language, switched_on_at, sim_since, waits_until from text_phone
where customer_id = $1 order by switched_on_at desc limit 20;

-- name: text_wish
-- What a phone asked for last by message. $1 index of the phone.
select phone_index, wish_id, customer_id, wish, mac, made_at, wrong, wrong_today, session, done from text_wish where phone_index = $1;

-- name: till
-- Whose a till number is. $1 the number.
select merchant_id from text_till where till_number = $1;

-- name: till_of_merchant
-- A merchant's own number. $1 merchant.
select till_number from text_till where merchant_id = $1 order by opened_at limit 1;
