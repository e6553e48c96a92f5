-- Orders with what became of them, and refunds.

create table payment (
    payment_id         uuid        not null,
    merchant_id        uuid        not null,
    store_id           uuid,
    out_trade_no       text        not null,
    subject            text        not null,
    amount_minor       bigint      not null,
    currency           text        not null,
    fee_minor          bigint      not null,
    state              text        not null,
    method             text        not null,
    payer_id           uuid,
    refunded_minor     bigint      not null,
    fee_returned_minor bigint      not null,
    refunds            bigint      not null,
    created_at         timestamptz not null,
    expires_at         timestamptz not null,
    paid_at            timestamptz,
    closed_at          timestamptz,
    journal_id         uuid,
    bill_id            uuid,
    factors            bigint,
    seal               bytea       not null,
    constraint payment_pk primary key (payment_id),
    constraint payment_state check (state in ('CREATED', 'PAID', 'CLOSED', 'EXPIRED')),
    constraint payment_amount check (amount_minor > 0 and fee_minor between 0 and amount_minor),
    constraint payment_refunded check (refunded_minor between 0 and amount_minor and fee_returned_minor between 0 and fee_minor),
    constraint payment_paid_is_whole check (
        (state = 'PAID') = (payer_id is not null and paid_at is not null and journal_id is not null and bill_id is not null
                              and factors is not null)),
    constraint payment_factors check (factors between 1 and 15)
) with (fillfactor = 85);
create index payment_by_merchant on payment (merchant_id, created_at, payment_id);
create index payment_to_expire on payment (expires_at) where state = 'CREATED';
-- The id is made of merchant and number already; this holds even if the installation's key for ids were changed.
create unique index payment_by_out_trade_no on payment (out_trade_no, merchant_id);
create index payment_by_time on payment (created_at, payment_id);

create table refund (
    refund_id          uuid        not null,
    payment_id         uuid        not null,
    out_refund_no      text        not null,
    amount_minor       bigint      not null,
    currency           text        not null,
    fee_returned_minor bigint      not null,
    reason             text        not null,
    at                 timestamptz not null,
    journal_id         uuid        not null,
    seal               bytea       not null,
    constraint refund_pk primary key (refund_id),
    constraint refund_amount check (amount_minor > 0)
);
create index refund_by_payment on refund (payment_id, at);

-- Which class each column is of (JR/T 0171-2020): what authenticates (C3), what identifies somebody or tells of their finances (C2),
-- what is internal (C1), what is not personal (none). Sealed: encrypted under the person's own key.
comment on table payment is
    'C2: subject, amount_minor, fee_minor, fee_returned_minor, refunded_minor; C1: payment_id, merchant_id, store_id,
     payer_id, out_trade_no, journal_id, bill_id, method; none: currency, state, refunds, created_at, expires_at, paid_at,
     closed_at, factors, seal';
comment on table refund is
    'C2: amount_minor, fee_returned_minor; C1: refund_id, payment_id, out_refund_no, reason, journal_id; none: currency, at,
     seal';
