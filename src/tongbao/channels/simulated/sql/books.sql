-- name: schema
-- The bank's books. Money is integer minor units; times are ISO 8601 in UTC to the microsecond, so they sort as text.
create table if not exists accounts (
    number          text primary key,
    kind            text not null check (kind in ('customer', 'reserve', 'capital')),
    holder_name     text not null,
    phone           text not null,
    document_number text not null,
    currency        text not null,
    balance_minor   integer not null,
    state           text not null default 'open' check (state in ('open', 'closed')),
    -- Only the bank's own capital, from which first balances come, may go below zero.
    constraint balance_not_negative check (kind = 'capital' or balance_minor >= 0)
) strict;

create table if not exists transfers (
    seq            integer primary key,
    reference      text not null unique,
    kind           text not null check (kind in ('debit', 'credit')),
    account_number text not null,
    holder_name    text not null,
    amount_minor   integer not null check (amount_minor > 0),
    currency       text not null,
    status         text not null check (status in ('SUCCESS', 'FAIL', 'PROCESSING')),
    code           text,
    due_at         text,
    planned_code   text,
    at             text not null,
    constraint code_says_why check ((status = 'FAIL') = (code is not null)),
    constraint processing_is_due check ((status = 'PROCESSING') = (due_at is not null))
) strict;

create index if not exists transfers_due on transfers (due_at) where status = 'PROCESSING';

create table if not exists journals (
    id           integer primary key,
    transfer_seq integer unique references transfers (seq),
    memo         text not null,
    at           text not null
) strict;

create index if not exists journals_at on journals (at);

create table if not exists entries (
    journal_id          integer not null references journals (id),
    account_number      text not null references accounts (number),
    amount_minor        integer not null check (amount_minor <> 0),
    balance_after_minor integer not null,
    primary key (journal_id, account_number)
) strict, without rowid;

create index if not exists entries_account on entries (account_number, journal_id);

create trigger if not exists entries_never_change before update on entries begin select raise(abort, 'entries never change'); end;
create trigger if not exists entries_never_vanish before delete on entries begin select raise(abort, 'entries never vanish'); end;

-- name: account_by_number
-- One account of a customer. :number.
select number, holder_name, phone, currency, balance_minor, state, document_number from accounts where number = :number and kind = 'customer';

-- name: balance_by_number
-- The balance of any account. :number.
select balance_minor from accounts where number = :number;

-- name: account_open
-- Open an account with nothing on it; does nothing when the number is taken. :number :kind :holder_name :phone :document_number
-- :currency :state.
insert into accounts (number, kind, holder_name, phone, document_number, currency, balance_minor, state)
values (:number, :kind, :holder_name, :phone, :document_number, :currency, 0, :state)
on conflict (number) do nothing;

-- name: account_set_state
-- Close an account, or open it again. :number :state.
update accounts set state = :state where number = :number and kind = 'customer';

-- name: account_count
-- How many accounts customers hold whose number begins so. :prefix.
select count(*) from accounts where kind = 'customer' and number like :prefix || '%';

-- name: transfer_by_reference
-- One transfer. :reference.
select seq, reference, kind, account_number, holder_name, amount_minor, currency, status, code, due_at, planned_code, at
from transfers where reference = :reference;

-- name: transfers_due
-- Transfers still in processing whose hour has come, in order. :now.
select seq, reference, kind, account_number, holder_name, amount_minor, currency, status, code, due_at, planned_code, at
from transfers where status = 'PROCESSING' and due_at <= :now order by due_at, seq;

-- name: transfer_record
-- Write down a new transfer; answers its sequence number.
insert into transfers (reference, kind, account_number, holder_name, amount_minor, currency, status, code, due_at, planned_code, at)
values (:reference, :kind, :account_number, :holder_name, :amount_minor, :currency, :status, :code, :due_at, :planned_code, :at)
returning seq;

-- name: transfer_decide
-- End the processing of a transfer. :seq :status :code :at.
update transfers set status = :status, code = :code, due_at = null, at = :at where seq = :seq and status = 'PROCESSING';

-- name: journal_open
-- A new journal. :transfer_seq (null for a first balance) :memo :at.
insert into journals (transfer_seq, memo, at) values (:transfer_seq, :memo, :at) returning id;

-- name: account_move
-- Change a balance by :amount_minor (negative takes away); answers the balance after. :number.
update accounts set balance_minor = balance_minor + :amount_minor where number = :number returning balance_minor;

-- name: entry_write
-- One leg. :journal_id :account_number :amount_minor :balance_after_minor.
insert into entries values (:journal_id, :account_number, :amount_minor, :balance_after_minor);

-- name: statement
-- Movements of the reserve accounts from :since up to but without :until.
select j.at, t.seq, t.reference, t.kind, t.account_number, t.amount_minor, t.currency, e.balance_after_minor
from journals j
join transfers t on t.seq = j.transfer_seq
join entries e on e.journal_id = j.id
join accounts a on a.number = e.account_number and a.kind = 'reserve'
where j.at >= :since and j.at < :until
order by j.id;

-- name: audit
-- What must all be zero: journals that do not balance, accounts whose entries do not add up to their balance, transfers
-- that succeeded without a journal, and journals of transfers that did not succeed.
select
    (select count(*) from (select 1 from entries group by journal_id having sum(amount_minor) <> 0 or count(*) <> 2)),
    (select count(*) from accounts a
      where balance_minor <> coalesce((select sum(e.amount_minor) from entries e where e.account_number = a.number), 0)),
    (select count(*) from transfers t where status = 'SUCCESS' and not exists (select 1 from journals j where j.transfer_seq = t.seq)),
    (select count(*) from journals j join transfers t on t.seq = j.transfer_seq where t.status <> 'SUCCESS');
