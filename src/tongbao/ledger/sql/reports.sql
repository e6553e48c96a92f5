-- Reports. Those of whole books read `ledger_day` alone; those of one account probe its entries by version; none scans entries.

-- name: book
-- The book's own row, if it has one yet.
select zone, closed_through from book where name = 'main';

-- name: balance_before
-- What an account stood at just before a moment, and by which entry. $1 account, $2 moment (exclusive).
select found.version, coalesce(e.balance_minor, 0)::bigint as balance_minor
from version_before($1, $2) as found(version)
left join entry e on e.account_id = $1 and e.version = found.version;

-- name: displaced
-- What must be added to an account's balance at the end of a day to make it the balance by value date: what was posted later for
-- that day or before, less what was posted by then for a later day. Looks only at journals posted across that midnight, and from
-- each for the account's entries; `offset 0` because a planner that expects many of them would rather read all entries there are.
-- $1 account, $2 day, $3 the end of that day.
select coalesce(sum(case when j.value_date <= $2 then e.amount_minor else -e.amount_minor end), 0)::bigint
from (select distinct day from ledger_day) d
cross join lateral (
    select late.journal_id, late.value_date from journal late
    where d.day <= $2 and late.value_date = d.day and late.posted_at >= $3
    union all
    select early.journal_id, early.value_date from journal early
    where d.day > $2 and early.value_date = d.day and early.posted_at < $3
) j
cross join lateral (
    select amount_minor from entry where journal_id = j.journal_id and account_id = $1 offset 0
) e;

-- name: statement_down
-- Entries of an account, newest first. $1 account, $2 first and $3 last version (inclusive), $4 limit.
select e.version, e.journal_id, j.kind, j.memo, e.posted_at, j.value_date, e.amount_minor, e.balance_minor
from entry e join journal j using (journal_id)
where e.account_id = $1 and e.version between $2 and $3
order by e.version desc limit $4;

-- name: statement_up
-- The same, oldest first.
select e.version, e.journal_id, j.kind, j.memo, e.posted_at, j.value_date, e.amount_minor, e.balance_minor
from entry e join journal j using (journal_id)
where e.account_id = $1 and e.version between $2 and $3
order by e.version limit $4;

-- name: versions_between
-- The versions of an account's entries posted in [$2, $3): from the first to the last. $1 account.
select version_before($1, $2) + 1 as first, version_before($1, $3) as last;

-- name: general_ledger
-- Every line of the chart in every currency: what it stood at before a period and what moved in it. $1 first and $2 last day.
-- The sums are numeric: what many days turned over need not fit into 64 bits.
select code, currency,
       coalesce(sum(credit_minor - debit_minor) filter (where day < $1), 0) as opening_minor,
       coalesce(sum(debit_minor) filter (where day >= $1), 0) as debit_minor,
       coalesce(sum(credit_minor) filter (where day >= $1), 0) as credit_minor,
       coalesce(sum(entries) filter (where day >= $1), 0) as entries
from ledger_day where day <= $2
group by code, currency order by currency, code;

-- name: line_days
-- One line by day, newest first, with the balance after each. $1 code, $2 currency, $3 first and $4 last day, $5 limit.
select day, debit_minor, credit_minor, entries, balance_minor from (
    select day, debit_minor, credit_minor, entries,
           sum(credit_minor - debit_minor) over (order by day) as balance_minor
    from ledger_day where code = $1 and currency = $2 and day <= $4
) walked
where day >= $3 order by day desc limit $5;

-- name: day_of_line
-- What a day brought to a line with many accounts, in the order of posting. $1 code, $2 currency, $3 day, after $4 moment,
-- $5 journal and $6 leg, $7 limit.
select j.journal_id, j.kind, j.memo, j.posted_at, j.value_date, e.account_id, a.owner_id, e.amount_minor, e.leg as place
from journal j join entry e on e.journal_id = j.journal_id join account_master a on a.account_id = e.account_id
where j.value_date = $3 and j.posted_at >= $4 and (j.posted_at, j.journal_id, e.leg) > ($4, $5, $6)
  and a.code = $1 and a.currency = $2
order by j.posted_at, j.journal_id, e.leg limit $7;

-- name: day_of_account
-- The same for a line that is one account: those posted on other days for this one, and of its own entries of the day those that
-- count for it. $1 account, $2 day, $3 and $4 its first and last version of that day, $5 when the day begins and $6 ends,
-- after $7 moment and $8 version, $9 limit. `offset 0` as above: a page looks into as many journals as it shows, not into a day's.
select j.journal_id, j.kind, j.memo, e.posted_at, j.value_date, e.account_id, null::uuid as owner_id, e.amount_minor,
       e.version as place
from (
    (
        select o.account_id, o.version, o.journal_id, o.posted_at, o.amount_minor
        from (
            select journal_id from journal where value_date = $2 and posted_at < $5
            union all
            select journal_id from journal where value_date = $2 and posted_at >= $6
        ) moved
        cross join lateral (select * from entry where journal_id = moved.journal_id and account_id = $1 offset 0) o
        where (o.posted_at, o.version) > ($7::timestamptz, $8::bigint)
        order by o.posted_at, o.version limit $9
    )
    union all
    (
        select o.account_id, o.version, o.journal_id, o.posted_at, o.amount_minor
        from entry o
        cross join lateral (select from journal where journal_id = o.journal_id and value_date = $2 offset 0) same
        where o.account_id = $1 and o.version between greatest($3::bigint, case when $7 >= $5 then $8 + 1 else 0 end) and $4
        order by o.version limit $9
    )
) e join journal j on j.journal_id = e.journal_id
order by e.posted_at, e.version limit $9;

-- name: days
-- The first and the last day the books have anything for, and how many entries.
select min(day) as first, max(day) as last, coalesce(sum(entries), 0)::bigint as entries from ledger_day;

-- name: periods
-- Periods, newest first. $1 before this day or null, $2 limit.
select through, state, after, closed_at, closed_by, journal_id, carried_at, reopened_at, reopened_by, reason
from period where through < coalesce($1, 'infinity'::date) order by through desc limit $2;

-- name: holds_open
-- Holds that are active, by currency: how many, and how much is left of them.
select a.currency, count(*) as holds, sum(greatest(0, h.amount_minor - h.captured_minor))::bigint as left_minor
from hold h join account_master a using (account_id) where h.state = 'ACTIVE' group by a.currency order by a.currency;

-- name: holds_active
-- Active holds, soonest to expire first. After $1 moment and $2 hold, $3 limit.
select h.hold_id, h.account_id, a.code, a.owner_id, a.currency, h.amount_minor, h.agreed_minor, h.captured_minor, h.state,
       h.expires_at, h.created_at, h.ended_at
from hold h join account_master a using (account_id)
where h.state = 'ACTIVE' and h.expires_at >= $1 and (h.expires_at, h.hold_id) > ($1, $2)
order by h.expires_at, h.hold_id limit $3;

-- name: holds_of_account
-- Every hold of an account, newest first. $1 account, before $2 moment and $3 hold, $4 limit.
select h.hold_id, h.account_id, a.code, a.owner_id, a.currency, h.amount_minor, h.agreed_minor, h.captured_minor, h.state,
       h.expires_at, h.created_at, h.ended_at
from hold h join account_master a using (account_id)
where h.account_id = $1 and h.created_at <= $2 and (h.created_at, h.hold_id) < ($2, $3)
order by h.created_at desc, h.hold_id desc limit $4;

-- name: hold_shown
-- One hold. $1 hold id.
select h.hold_id, h.account_id, a.code, a.owner_id, a.currency, h.amount_minor, h.agreed_minor, h.captured_minor, h.state,
       h.expires_at, h.created_at, h.ended_at
from hold h join account_master a using (account_id) where h.hold_id = $1;

-- name: export_journals
-- Journals in the order of value dates. From $1 day, beyond it $2 moment and $3 journal, through $4 day, $5 limit.
select journal_id, command_id, kind, memo, posted_at, value_date, reverses from journal
where (value_date, posted_at, journal_id) > ($1, $2, $3) and value_date <= $4
order by value_date, posted_at, journal_id limit $5;

-- name: export_entries
-- The entries of some journals. $1 journal ids.
select e.journal_id, e.leg, e.account_id, a.code, a.owner_id, e.currency, e.amount_minor, e.balance_minor, e.version
from entry e join account_master a using (account_id) where e.journal_id = any($1::uuid[]);

-- name: export_house_accounts
-- The institution's own accounts.
select account_id, code, owner_id, currency, posted_minor, held_minor, floor_minor, ceiling_minor, version, opened_at,
       debit_freeze, credit_freeze, closed_at
from account where owner_id is null order by code, currency;

-- name: export_owned_accounts
-- Accounts of owners, those of one owner together. After $1 owner, $2 code and $3 currency, $4 limit.
select account_id, code, owner_id, currency, posted_minor, held_minor, floor_minor, ceiling_minor, version, opened_at,
       debit_freeze, credit_freeze, closed_at
from account where owner_id is not null and (owner_id, code, currency) > ($1, $2, $3)
order by owner_id, code, currency limit $4;

-- name: export_holds
-- Active holds with what their accounts are. After $1 hold, $2 limit.
select h.hold_id, h.account_id, a.code, a.owner_id, a.currency, h.amount_minor, h.agreed_minor, h.captured_minor, h.state,
       h.expires_at, h.created_at, h.ended_at
from hold h join account_master a using (account_id)
where h.state = 'ACTIVE' and h.hold_id > $1 order by h.hold_id limit $2;

-- name: export_colours
-- Every colour.
select code, currency, title_zh, title_en from colour order by code;

-- name: account_span
-- How many accounts there are, and when the first and the last of them were opened.
select count(*) as accounts, min(opened_at) as first, max(opened_at) as last from account_master;

-- name: earlier_balances
-- Balances of accounts, for comparing with what is about to be brought in. $1 account ids.
select account_id, version, posted_minor from account where account_id = any($1::uuid[]) and version > 0;

-- name: period
-- One period. $1 its last day.
select through, state, after, closed_at, closed_by, journal_id, carried_at, reopened_at, reopened_by, reason
from period where through = $1;
