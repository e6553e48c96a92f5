-- name: card_schema
-- The card network's books. Money is integer minor units; times are ISO 8601 in UTC to the microsecond, so they sort as text.
-- What a card has left is not written down: it is what it was opened with, less its debits, plus its refunds.
create table if not exists cards (
    number          text primary key,
    bank            text not null,
    kind            text not null check (kind in ('debit', 'credit')),
    holder_name     text not null,
    document_number text not null,
    phone           text not null,
    expiry          text not null,
    cvn2            text not null,
    available_minor integer not null check (available_minor >= 0),
    currency        text not null,
    state           text not null check (state in ('open', 'closed')),
    suspicious      integer not null check (suspicious in (0, 1))
) strict;

create table if not exists tokens (
    token     text primary key,
    reference text not null unique,
    number    text not null references cards (number),
    ended_at  text
) strict;

create table if not exists operations (
    seq          integer primary key,
    reference    text not null unique,
    kind         text not null check (kind in ('debit', 'refund')),
    body         text not null,
    number       text,
    debit_seq    integer references operations (seq),
    amount_minor integer not null check (amount_minor > 0),
    currency     text not null,
    status       text not null check (status in ('SUCCESS', 'FAIL', 'PROCESSING')),
    code         text,
    due_at       text,
    planned_code text,
    at           text not null,
    constraint code_says_why check ((status = 'FAIL') = (code is not null)),
    constraint processing_is_due check ((status = 'PROCESSING') = (due_at is not null)),
    constraint success_names_its_card check (status <> 'SUCCESS' or number is not null),
    constraint refund_names_its_debit check (status <> 'SUCCESS' or (kind = 'refund') = (debit_seq is not null))
) strict;

create index if not exists operations_due on operations (due_at) where status = 'PROCESSING';
create index if not exists operations_by_card on operations (number) where status = 'SUCCESS';
create index if not exists operations_by_debit on operations (debit_seq) where status = 'SUCCESS';

create trigger if not exists operations_stay before update on operations when old.status <> 'PROCESSING'
begin select raise(abort, 'what is decided stays decided'); end;
create trigger if not exists operations_never_vanish before delete on operations
begin select raise(abort, 'operations never vanish'); end;

-- name: card_count
-- How many cards there are.
select count(*) from cards;

-- name: card_open
-- A new card.
insert into cards values (:number, :bank, :kind, :holder_name, :document_number, :phone, :expiry, :cvn2, :available_minor, :currency,
                          :state, :suspicious);

-- name: card_by_number
-- One card. :number.
select * from cards where number = :number;

-- name: card_of_token
-- The card that a token pays with. :token.
select cards.* from cards join tokens using (number) where token = :token and ended_at is null;

-- name: card_set_state
-- Close a card, or open it again. :number :state.
update cards set state = :state where number = :number;

-- name: card_moved
-- What a card's debits took and its refunds gave back, together. :number.
select coalesce(sum(case kind when 'debit' then amount_minor else -amount_minor end), 0)
from operations where number = :number and status = 'SUCCESS';

-- name: token_give
-- A new token. :token :reference :number.
insert into tokens (token, reference, number) values (:token, :reference, :number);

-- name: token_of_reference
-- The token that a binding ended in, with its card's. :reference.
select token, number from tokens where reference = :reference;

-- name: token_end
-- A token pays no more. :token :at.
update tokens set ended_at = :at where token = :token and ended_at is null;

-- name: operation_by_reference
-- One debit or refund. :reference.
select * from operations where reference = :reference;

-- name: operations_due
-- Those still in processing whose hour has come, in order. :now.
select * from operations where status = 'PROCESSING' and due_at <= :now order by due_at, seq;

-- name: operation_record
-- Write down a new debit or refund.
insert into operations (reference, kind, body, number, debit_seq, amount_minor, currency, status, code, due_at, planned_code, at)
values (:reference, :kind, :body, :number, :debit_seq, :amount_minor, :currency, :status, :code, :due_at, :planned_code, :at);

-- name: operation_decide
-- End the processing of one. :seq :status :code :at.
update operations set status = :status, code = :code, due_at = null, at = :at where seq = :seq;

-- name: operation_refunded
-- What was given back of a debit. :debit_seq.
select coalesce(sum(amount_minor), 0) from operations where debit_seq = :debit_seq and status = 'SUCCESS';

-- name: card_audit
-- What must all be zero: cards with less than nothing left, debits that more was given back of than they took, refunds of what did
-- not succeed.
select
    (select count(*) from cards c where available_minor < (
        select coalesce(sum(case kind when 'debit' then amount_minor else -amount_minor end), 0)
        from operations o where o.number = c.number and status = 'SUCCESS')),
    (select count(*) from operations d where kind = 'debit' and status = 'SUCCESS' and amount_minor < (
        select coalesce(sum(amount_minor), 0) from operations r where r.debit_seq = d.seq and r.status = 'SUCCESS')),
    (select count(*) from operations r join operations d on d.seq = r.debit_seq
      where r.status = 'SUCCESS' and (d.status <> 'SUCCESS' or d.kind <> 'debit'));
