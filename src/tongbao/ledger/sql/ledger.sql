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
select coalesce(m.account_id, j.account_id) as account_id, j.broken_at, coalesce(j.balance_minor, 0) as balance_minor,
       m.account_id is null as unknown
from account_master m full join judged j using (account_id)
where m.account_id is null or j.broken_at is not null
   or coalesce(j.balance_minor, 0) - m.held_minor < m.floor_minor or coalesce(j.balance_minor, 0) > m.ceiling_minor
   or (m.closed_at is not null and coalesce(j.balance_minor, 0) <> 0)
limit $1;

-- name: unbalanced_holds
-- Accounts whose held sum is not what their active holds say. $1 limit.
select a.account_id, a.held_minor, coalesce(h.left_minor, 0)::bigint as holds_minor
from account_master a
left join (
    select account_id, sum(greatest(amount_minor - captured_minor, 0)) as left_minor from hold where state = 'ACTIVE' group by account_id
) h using (account_id)
where a.held_minor is distinct from coalesce(h.left_minor, 0) limit $1;

-- name: captures_unlike_journals
-- Holds of which another amount is noted as captured than the journals of their captures took: of the ledger's own captures, of
-- payments' captures, and of transfers that arrived later, whose memo is the hold. $1 limit.
select h.hold_id, h.captured_minor, coalesce(sum(-e.amount_minor), 0)::bigint as taken_minor
from hold h
left join journal j on j.kind in ('ledger.capture', 'capture', 'transfer') and j.memo = h.hold_id::text
left join entry e on e.journal_id = j.journal_id and e.account_id = h.account_id and e.amount_minor < 0
group by h.hold_id, h.captured_minor
having h.captured_minor <> coalesce(sum(-e.amount_minor), 0)
limit $1;

-- name: captures_without_hold
-- Journals of captures that name no hold: there must be none.
select count(*) from journal j
where (j.kind in ('ledger.capture', 'capture') or j.kind = 'transfer' and j.memo <> '')
  and not exists (select from hold h where h.hold_id::text = j.memo);

-- name: unsound_reversals
-- Journals that reverse something and are not its exact opposite, entry by entry, or reverse nothing that exists, or a reversal,
-- or are not noted as the reversal; and notes of reversals that no journal stands behind. $1 limit.
with paired as (
    select r.journal_id,
           exists (
               select from (select * from entry where journal_id = r.journal_id) mine
               full join (select * from entry where journal_id = r.reverses) other on mine.leg = other.leg
               where mine.account_id is distinct from other.account_id or mine.currency is distinct from other.currency
                  or mine.amount_minor is distinct from -other.amount_minor
           ) as differs,
           not exists (select from journal o where o.journal_id = r.reverses and o.reverses is null) as wrong_original,
           not exists (select from reversal n where n.journal_id = r.reverses and n.reversed_by = r.journal_id) as not_noted
    from journal r where r.reverses is not null
)
select journal_id, case when wrong_original then 'what it reverses is no journal that could be reversed'
                        when not_noted then 'it is not noted as a reversal'
                        else 'it is not the exact opposite of what it reverses' end as problem
from paired where differs or wrong_original or not_noted
union all
select n.journal_id, 'it is noted as reversed, and is not'
from reversal n where not exists (select from journal j where j.journal_id = n.reversed_by and j.reverses = n.journal_id)
limit $1;

-- name: totals_unlike_entries
-- Days, lines and currencies whose running totals are not what the entries of their journals come to. $1 limit.
with summed as (
    select j.value_date as day, a.code, e.currency, sum(greatest(-e.amount_minor, 0))::bigint as debit_minor,
           sum(greatest(e.amount_minor, 0))::bigint as credit_minor, count(*) as entries
    from entry e join journal j using (journal_id) join account_master a using (account_id) group by 1, 2, 3
)
select coalesce(t.day, s.day) as day, coalesce(t.code, s.code) as code, coalesce(t.currency, s.currency) as currency
from ledger_day t full join summed s on s.day = t.day and s.code = t.code and s.currency = t.currency
where (t.debit_minor, t.credit_minor, t.entries) is distinct from (s.debit_minor, s.credit_minor, s.entries)
limit $1;

-- name: unsound_colours
-- Colours whose holders together do not hold what the plain money behind them comes to; accounts of colours that were never
-- defined, or in another currency than the colour's. $1 limit, $2 lines of issue and redemption, $3 line of the funds,
-- $4 codes and $5 the owners of their funds, side by side.
with funds as (
    select f.code, coalesce(sum(a.posted_minor), 0)::bigint as funds_minor
    from unnest($4::text[], $5::uuid[]) as f(code, owner_id)
    left join account a on a.code = $3::text and a.owner_id = f.owner_id group by f.code
), held as (
    select split_part(currency, ':', 2) as code, split_part(currency, ':', 1) as currency,
           coalesce(sum(posted_minor) filter (where code <> all($2::text[])), 0)::bigint as held_minor
    from account where position(':' in currency) > 0 group by 1, 2
)
select coalesce(c.code, h.code) as code,
       case when c.code is null then 'it was never defined'
            when h.currency is distinct from c.currency and h.code is not null then 'it is kept in another currency than its own'
            else 'its holders hold ' || coalesce(h.held_minor, 0) || ', and ' || f.funds_minor || ' stands behind them' end as problem
from colour c join funds f using (code)
full join held h on h.code = c.code
where c.code is null or (h.code is not null and h.currency <> c.currency) or coalesce(h.held_minor, 0) <> f.funds_minor
limit $1;

-- name: colour_codes
-- Every colour's code.
select code from colour order by code;

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
-- What an account took in and gave out by local day, without what was undone and what undid it. $1 account, $2 from and $3 to (exclusive), $4 time zone name.
select (posted_at at time zone $4)::date as day,
       coalesce(sum(amount_minor) filter (where amount_minor > 0), 0)::bigint as in_minor,
       coalesce(-sum(amount_minor) filter (where amount_minor < 0), 0)::bigint as out_minor
from entry e
where account_id = $1 and posted_at >= $2 and posted_at < $3
  and not exists (select from reversal r where r.journal_id = e.journal_id)
  and not exists (select from reversal r where r.reversed_by = e.journal_id)
group by 1 order by 1 desc;

-- name: account_names
-- What every account is, for comparing with what its id says.
select account_id, code, owner_id, currency, floor_minor, ceiling_minor from account;

-- name: hold
-- One hold. $1 hold id.
select hold_id, account_id, amount_minor, agreed_minor, captured_minor, state, expires_at, created_at, ended_at
from hold where hold_id = $1;

-- name: journal_head
-- What a journal is, without its entries. $1 journal id.
select kind, reverses from journal where journal_id = $1;

-- name: legs_of_journal
-- What a journal's entries moved, in leg order. $1 journal id.
select account_id, currency, amount_minor from entry where journal_id = $1 order by leg;
