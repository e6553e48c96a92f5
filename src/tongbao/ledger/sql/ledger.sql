-- name: account
-- One account, without a lock. $1 account id.
select account_id, code, owner_id, currency, posted_minor, held_minor, floor_minor, ceiling_minor, version, opened_at,
       debit_freeze, credit_freeze, closed_at
from account where account_id = $1;

-- name: accounts
-- Accounts, for browsing. $1 code or null, $2 owner or null, $3 after this id or null, $4 limit.
select account_id, code, owner_id, currency, posted_minor, held_minor, floor_minor, ceiling_minor, version, opened_at,
       debit_freeze, credit_freeze, closed_at
from account
where ($1::text is null or code = $1) and ($2::uuid is null or owner_id = $2) and ($3::uuid is null or account_id > $3)
order by account_id limit $4;

-- name: statement
-- Entries of an account, newest first. $1 account, $2 below this version (or null), $3 from and $4 to (exclusive) or null, $5 limit.
select e.account_id, e.version, e.journal_id, e.leg, e.currency, e.amount_minor, e.balance_minor, e.posted_at, j.kind, j.memo
from entry e join journal j using (journal_id)
where e.account_id = $1 and ($2::bigint is null or e.version < $2)
  and ($3::timestamptz is null or e.posted_at >= $3) and ($4::timestamptz is null or e.posted_at < $4)
order by e.version desc limit $5;

-- name: journal
-- One journal with the place of its command in the chain. $1 journal id.
select j.journal_id, j.command_id, j.kind, j.memo, j.posted_at, j.value_date, j.reverses, r.reversed_by, c.writer, c.sequence
from journal j left join command c using (command_id) left join reversal r using (journal_id) where j.journal_id = $1;

-- name: journal_entries
-- Entries of a journal in leg order, with what their accounts are. $1 journal id.
select e.account_id, a.code, a.owner_id, e.currency, e.amount_minor, e.balance_minor, e.version
from entry e join account a using (account_id) where e.journal_id = $1 order by e.leg;

-- name: trial_balance
-- Posted sums by chart line and currency, now.
select code, currency, count(*) as accounts, sum(posted_minor)::bigint as posted_minor
from account group by code, currency order by currency, code;

-- name: trial_balance_at
-- Posted sums by chart line and currency as of a moment: each account's last entry up to it. $1 moment (inclusive).
select a.code, a.currency, count(*) as accounts, sum(last.balance_minor)::bigint as posted_minor
from account a
cross join lateral (
    select e.balance_minor from entry e
    where e.account_id = a.account_id and e.posted_at <= $1 order by e.version desc limit 1
) last
group by a.code, a.currency order by a.currency, a.code;

-- name: unsound_accounts
-- Accounts whose entries do not follow from each other (versions without a gap, running balances), that have entries but no
-- master, or whose balance is beyond their bounds. $1 limit.
with walked as (
    select account_id, version, amount_minor, balance_minor,
           lag(balance_minor, 1, 0) over w as before_minor, row_number() over w as nth
    from entry window w as (partition by account_id order by version)
), judged as (
    select account_id, min(version) filter (where balance_minor <> before_minor + amount_minor or version <> nth) as broken_at,
           max(version) as version, (array_agg(balance_minor order by version desc))[1] as balance_minor
    from walked group by account_id
)
select coalesce(m.account_id, j.account_id) as account_id, j.broken_at, j.balance_minor, m.account_id is null as unknown,
       m.floor_minor, m.ceiling_minor, m.held_minor, m.closed_at
from account_master m full join judged j using (account_id)
where m.account_id is null or j.broken_at is not null
   or j.balance_minor - m.held_minor < m.floor_minor or j.balance_minor > m.ceiling_minor
   or (m.closed_at is not null and j.balance_minor <> 0)
limit $1;

-- name: unbalanced_holds
-- Accounts whose held sum is not what their active holds say. $1 limit.
select a.account_id, a.held_minor, coalesce(h.left_minor, 0)::bigint as holds_minor
from account_master a
left join (
    select account_id, sum(greatest(amount_minor - captured_minor, 0)) as left_minor from hold where state = 'ACTIVE' group by account_id
) h using (account_id)
where a.held_minor is distinct from coalesce(h.left_minor, 0) limit $1;

-- name: orphan_journals
-- Journals that no command wrote: there must be none.
select count(*) from journal j where not exists (select from command c where c.command_id = j.command_id);

-- name: orphan_entries
-- Entries that belong to no journal: there must be none.
select count(*) from entry e where not exists (select from journal j where j.journal_id = e.journal_id);

-- name: expired_holds
-- Active holds past their time. $1 now, $2 limit.
select hold_id, account_id from hold where state = 'ACTIVE' and expires_at <= $1 order by expires_at limit $2;

-- name: daily_totals
-- What an account took in and gave out by local day. $1 account, $2 from and $3 to (exclusive), $4 time zone name.
select (posted_at at time zone $4)::date as day,
       coalesce(sum(amount_minor) filter (where amount_minor > 0), 0)::bigint as in_minor,
       coalesce(-sum(amount_minor) filter (where amount_minor < 0), 0)::bigint as out_minor
from entry where account_id = $1 and posted_at >= $2 and posted_at < $3 group by 1 order by 1 desc;

-- name: account_names
-- What every account is, for comparing with what its id says.
select account_id, code, owner_id, currency, floor_minor, ceiling_minor from account;

-- name: hold
-- One hold. $1 hold id.
select hold_id, account_id, amount_minor, agreed_minor, captured_minor, state, expires_at, created_at, ended_at
from hold where hold_id = $1;

-- name: holds
-- Holds of an account, newest first. $1 account or null, $2 state or null, $3 before this moment or null, $4 limit.
select hold_id, account_id, amount_minor, agreed_minor, captured_minor, state, expires_at, created_at, ended_at
from hold
where ($1::uuid is null or account_id = $1) and ($2::text is null or state = $2) and ($3::timestamptz is null or created_at < $3)
order by created_at desc, hold_id desc limit $4;

-- name: journal_head
-- What a journal is, without its entries. $1 journal id.
select kind, reverses from journal where journal_id = $1;

-- name: legs_of_journal
-- What a journal's entries moved, in leg order. $1 journal id.
select account_id, currency, amount_minor from entry where journal_id = $1 order by leg;
