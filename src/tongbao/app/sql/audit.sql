-- name: entries_to_prove
-- Entries of a journal in leg order. $1 journal, $2 only those of accounts of this owner (or null), $3 limit.
select e.account_id, e.version from entry e join account_master a using (account_id)
where e.journal_id = $1 and ($2::uuid is null or a.owner_id = $2) order by e.leg limit $3;

-- name: owner_of_bill
-- Whose a bill is. $1 bill.
select customer_id from bill where bill_id = $1;
