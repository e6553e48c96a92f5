-- Agreements to be debited, and what is taken under them.

create table agreement (
    agreement_id       uuid        not null,
    merchant_id        uuid        not null,
    out_agreement_no   text        not null,
    purpose            text        not null,
    scene              text        not null,
    currency           text        not null,
    asked_debit_minor  bigint      not null,
    asked_day_minor    bigint      not null,
    asked_day_count    bigint      not null,
    asked_month_count  bigint      not null,
    debit_minor        bigint      not null,
    day_minor          bigint      not null,
    day_count          bigint      not null,
    month_count        bigint      not null,
    period             text        not null,
    first_debit_on     date        not null,
    notice_hours       bigint      not null,
    attempts           bigint      not null,
    retry_hours        bigint      not null,
    zone               text        not null,
    state              text        not null,
    payer_id           uuid,
    factors            bigint,
    created_at         timestamptz not null,
    expires_at         timestamptz not null,
    ends_at            timestamptz not null,
    signed_at          timestamptz,
    ended_at           timestamptz,
    ended_by           text        not null,
    end_reason         text        not null,
    day                bigint      not null,
    day_used_minor     bigint      not null,
    day_used_count     bigint      not null,
    month              bigint      not null,
    month_used_count   bigint      not null,
    last_period        bigint      not null,
    debits             bigint      not null,
    last_debit_at      timestamptz,
    seal               bytea       not null,
    constraint agreement_pk primary key (agreement_id),
    constraint agreement_state check (state in ('ASKED', 'ACTIVE', 'PAUSED', 'ENDED', 'EXPIRED')),
    constraint agreement_caps check (
        debit_minor between 1 and asked_debit_minor and day_minor between debit_minor and asked_day_minor
        and day_count between 1 and asked_day_count and month_count between 1 and asked_month_count),
    constraint agreement_counts check (day_used_minor >= 0 and day_used_count >= 0 and month_used_count >= 0 and debits >= 0),
    constraint agreement_signed check (
        (payer_id is null) = (signed_at is null) and (payer_id is null) = (factors is null)
        and (payer_id is not null or state in ('ASKED', 'ENDED', 'EXPIRED')) and (payer_id is null or state <> 'ASKED')),
    constraint agreement_ended check (
        (ended_at is not null) = (state in ('ENDED', 'EXPIRED')) and (ended_by <> '') = (state = 'ENDED')
        and ended_by in ('', 'payer', 'merchant', 'erasure'))
) with (fillfactor = 85);
create index agreement_by_merchant on agreement (merchant_id, created_at, agreement_id);
create index agreement_by_payer on agreement (payer_id, signed_at, agreement_id);
create index agreement_to_expire on agreement (expires_at) where state in ('ASKED', 'ACTIVE', 'PAUSED');

-- No row goes a way that `payments/agreements_lifecycle.py` does not know: the list is its `transitions_sql`.
create function refuse_agreement_step() returns trigger language plpgsql as $$
begin
    raise exception 'an agreement that is % does not become %', old.state, new.state using errcode = 'TB005';
end
$$;
create trigger agreement_takes_known_steps before update on agreement for each row
    when (old.state <> new.state and (old.state, new.state) not in (
        ('ASKED', 'ACTIVE'),
        ('ASKED', 'PAUSED'),
        ('ASKED', 'ENDED'),
        ('ASKED', 'EXPIRED'),
        ('ACTIVE', 'PAUSED'),
        ('ACTIVE', 'ENDED'),
        ('ACTIVE', 'EXPIRED'),
        ('PAUSED', 'ACTIVE'),
        ('PAUSED', 'ENDED'),
        ('PAUSED', 'EXPIRED')))
    execute function refuse_agreement_step();

create table debit (
    payment_id      uuid        not null,
    agreement_id    uuid        not null,
    merchant_id     uuid        not null,
    payer_id        uuid        not null,
    out_trade_no    text        not null,
    subject         text        not null,
    amount_minor    bigint      not null,
    currency        text        not null,
    state           text        not null,
    attempts        bigint      not null,
    asked_at        timestamptz not null,
    noticed_at      timestamptz,
    due_at          timestamptz not null,
    next_attempt_at timestamptz,
    ended_at        timestamptz,
    failure_code    text,
    seal            bytea       not null,
    constraint debit_pk primary key (payment_id),
    constraint debit_state check (state in ('NOTICED', 'WAITING', 'TAKEN', 'STOPPED', 'FAILED')),
    constraint debit_amount check (amount_minor > 0 and attempts >= 0),
    constraint debit_waits check ((next_attempt_at is not null) = (state = 'WAITING')),
    constraint debit_ended check ((ended_at is not null) = (state in ('TAKEN', 'STOPPED', 'FAILED')))
);
create index debit_by_agreement on debit (agreement_id, asked_at, payment_id);
create index debit_by_payer on debit (payer_id, payment_id);
create index debit_due on debit (next_attempt_at) where state = 'WAITING';

-- Which class each column is of (JR/T 0171-2020): what authenticates (C3), what identifies somebody or tells of their finances (C2),
-- what is internal (C1), what is not personal (none).
comment on table agreement is
    'C2: purpose, scene, asked_debit_minor, asked_day_minor, debit_minor, day_minor, day_used_minor; C1: agreement_id, merchant_id,
     out_agreement_no, payer_id, end_reason; none: currency, asked_day_count, asked_month_count, day_count, month_count, period,
     first_debit_on, notice_hours, attempts, retry_hours, zone, state, factors, created_at, expires_at, ends_at, signed_at,
     ended_at, ended_by, day, day_used_count, month, month_used_count, last_period, debits, last_debit_at, seal';
comment on table debit is
    'C2: subject, amount_minor; C1: payment_id, agreement_id, merchant_id, payer_id, out_trade_no; none: currency, state, attempts,
     asked_at, noticed_at, due_at, next_attempt_at, ended_at, failure_code, seal';
