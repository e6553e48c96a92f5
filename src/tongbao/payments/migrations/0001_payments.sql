-- Orders with what became of them, and refunds.

create table payment (
    payment_id         uuid        not null,
    merchant_id        uuid        not null,
    store_id           uuid,
    out_trade_no       text        not null,
    subject            text        not null,
    amount_minor       bigint      not null,
    agreed_minor       bigint      not null,
    currency           text        not null,
    fee_minor          bigint      not null,
    state              text        not null,
    method             text        not null,
    payer_id           uuid,
    paid_minor         bigint      not null,
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
    constraint payment_state check (state in ('CREATED', 'UNKNOWN', 'AUTHORISED', 'PAID', 'CLOSED', 'EXPIRED', 'VOIDED', 'REVERSED')),
    constraint payment_amount check (amount_minor > 0 and fee_minor between 0 and greatest(amount_minor, paid_minor)),
    constraint payment_agreed check (agreed_minor = 0 or agreed_minor >= amount_minor),
    constraint payment_paid check (paid_minor between 0 and greatest(amount_minor, agreed_minor)),
    constraint payment_refunded check (refunded_minor between 0 and paid_minor and fee_returned_minor between 0 and fee_minor),
    constraint payment_factors check (factors between 0 and 15 and (factors > 0 or method = 'agreement')),
    -- What each state has: somebody who agreed; money that moved; all of it; an end.
    constraint payment_agreed_to check (
        (state in ('UNKNOWN', 'AUTHORISED', 'PAID', 'VOIDED', 'REVERSED')) = (payer_id is not null and factors is not null)),
    constraint payment_moved check ((paid_minor > 0) = (journal_id is not null and bill_id is not null)),
    constraint payment_taken check (
        (paid_minor > 0) = (paid_at is not null) and (paid_minor > 0 or state not in ('PAID', 'REVERSED'))
        and (paid_minor = 0 or state in ('AUTHORISED', 'PAID', 'REVERSED'))),
    constraint payment_ended check ((state in ('CLOSED', 'EXPIRED', 'VOIDED', 'REVERSED')) = (closed_at is not null))
) with (fillfactor = 85);
create index payment_by_merchant on payment (merchant_id, created_at, payment_id);
create index payment_to_expire on payment (expires_at) where state in ('CREATED', 'AUTHORISED');
-- The id is made of merchant and number already; this holds even if the installation's key for ids were changed.
create unique index payment_by_out_trade_no on payment (out_trade_no, merchant_id);
create index payment_by_time on payment (created_at, payment_id);

-- No row goes a way that `payments/lifecycle.py` does not know: the list is its `transitions_sql`.
create function refuse_transition() returns trigger language plpgsql as $$
begin
    raise exception 'a payment that is % does not become %', old.state, new.state using errcode = 'TB004';
end
$$;
create trigger payment_takes_known_steps before update on payment for each row
    when (old.state <> new.state and (old.state, new.state) not in (
        ('CREATED', 'UNKNOWN'),
        ('CREATED', 'AUTHORISED'),
        ('CREATED', 'PAID'),
        ('CREATED', 'CLOSED'),
        ('CREATED', 'EXPIRED'),
        ('CREATED', 'VOIDED'),
        ('CREATED', 'REVERSED'),
        ('UNKNOWN', 'CREATED'),
        ('UNKNOWN', 'AUTHORISED'),
        ('UNKNOWN', 'PAID'),
        ('UNKNOWN', 'CLOSED'),
        ('UNKNOWN', 'EXPIRED'),
        ('UNKNOWN', 'VOIDED'),
        ('UNKNOWN', 'REVERSED'),
        ('AUTHORISED', 'PAID'),
        ('AUTHORISED', 'VOIDED'),
        ('AUTHORISED', 'REVERSED'),
        ('PAID', 'REVERSED')))
    execute function refuse_transition();

-- Orders that wait for the word of the one payer who showed a till who they are.
create table payment_ask (
    payment_id  uuid        not null,
    customer_id uuid        not null,
    method      text        not null,
    at          timestamptz not null,
    refused_at  timestamptz,
    seal        bytea       not null,
    constraint payment_ask_pk primary key (payment_id)
);
create index payment_ask_by_customer on payment_ask (customer_id, at);

create table authorisation (
    payment_id         uuid        not null,
    agreed_minor       bigint      not null,
    currency           text        not null,
    capture_within_s   bigint      not null,
    payer_id           uuid,
    captured_minor     bigint      not null,
    fee_minor          bigint      not null,
    captures           bigint      not null,
    counted            text        not null,
    authorised_at      timestamptz,
    ended_at           timestamptz,
    trusted_at         timestamptz,
    seal               bytea       not null,
    constraint authorisation_pk primary key (payment_id),
    constraint authorisation_captured check (
        captured_minor between 0 and agreed_minor and fee_minor between 0 and agreed_minor and (captures > 0) = (captured_minor > 0)),
    constraint authorisation_agreed check ((payer_id is null) = (authorised_at is null))
);
create index authorisation_by_payer on authorisation (payer_id, authorised_at);

create table capture (
    capture_id         uuid        not null,
    payment_id         uuid        not null,
    out_capture_no     text        not null,
    amount_minor       bigint      not null,
    currency           text        not null,
    fee_minor          bigint      not null,
    last               boolean     not null,
    at                 timestamptz not null,
    journal_id         uuid        not null,
    seal               bytea       not null,
    constraint capture_pk primary key (capture_id),
    constraint capture_amount check (amount_minor > 0 and fee_minor between 0 and amount_minor)
);
create index capture_by_payment on capture (payment_id, at);

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
    state              text        not null,
    seal               bytea       not null,
    constraint refund_pk primary key (refund_id),
    constraint refund_amount check (amount_minor > 0),
    constraint refund_state check (state in ('PENDING', 'SUCCEEDED'))
);
create index refund_by_payment on refund (payment_id, at);

create table funding (
    payment_id         uuid        not null,
    number             bigint      not null,
    parts              bigint      not null,
    attempt_id         uuid        not null,
    source             text        not null,
    which              text        not null,
    amount_minor       bigint      not null,
    currency           text        not null,
    refunded_minor     bigint      not null,
    state              text        not null,
    seal               bytea       not null,
    constraint funding_pk primary key (payment_id, number),
    constraint funding_number check (number between 1 and 5 and parts between 1 and 5),
    constraint funding_source check (source in ('balance', 'card', 'voucher') and (source = 'balance') = (which = '')),
    constraint funding_state check (state in ('HELD', 'TAKEN', 'FREED')),
    constraint funding_amount check (amount_minor > 0 and refunded_minor between 0 and amount_minor),
    constraint funding_refunded check (refunded_minor = 0 or state = 'TAKEN')
);

create table card_request (
    request_id         uuid        not null,
    kind               text        not null,
    payment_id         uuid        not null,
    payer_id           uuid        not null,
    merchant_id        uuid        not null,
    card_id            uuid        not null,
    debit_id           uuid,
    refund_id          uuid,
    amount_minor       bigint      not null,
    currency           text        not null,
    state              text        not null,
    reason             text        not null,
    counted            text        not null,
    counted_card       text        not null,
    attempts           bigint      not null,
    next_attempt_at    timestamptz,
    network_reference  text,
    asked_at           timestamptz not null,
    finished_at        timestamptz,
    instrument         bigint,
    seal               bytea       not null,
    constraint card_request_pk primary key (request_id),
    constraint card_request_kind check (kind in ('debit', 'refund') and (kind = 'refund') = (debit_id is not null)),
    constraint card_request_state check (state in ('ASKED', 'SUCCEEDED', 'REFUSED')),
    constraint card_request_amount check (amount_minor > 0),
    constraint card_request_ended check ((state = 'ASKED') = (finished_at is null) and (state <> 'ASKED' or next_attempt_at is not null))
);
create index card_request_by_payment on card_request (payment_id);
create index card_request_by_payer on card_request (payer_id, asked_at);
create index card_request_due on card_request (next_attempt_at) where next_attempt_at is not null;

-- Which class each column is of (JR/T 0171-2020): what authenticates (C3), what identifies somebody or tells of their finances (C2),
-- what is internal (C1), what is not personal (none). Sealed: encrypted under the person's own key.
comment on table payment is
    'C2: subject, amount_minor, agreed_minor, paid_minor, fee_minor, fee_returned_minor, refunded_minor; C1: payment_id, merchant_id, store_id,
     payer_id, out_trade_no, journal_id, bill_id, method; none: currency, state, refunds, created_at, expires_at, paid_at,
     closed_at, factors, seal';
comment on table refund is
    'C2: amount_minor, fee_returned_minor; C1: refund_id, payment_id, out_refund_no, reason, journal_id; none: currency, at,
     state, seal';
comment on table payment_ask is
    'C1: payment_id, customer_id; none: method, at, refused_at, seal';
comment on table funding is
    'C2: amount_minor, refunded_minor, source; C1: payment_id, attempt_id, which; none: number, parts, currency, state, seal';
comment on table card_request is
    'C2: amount_minor; C1: reason, request_id, payment_id, payer_id, merchant_id, card_id, debit_id, refund_id, counted,
     counted_card, network_reference, instrument; none: kind, currency, state, attempts, next_attempt_at, asked_at, finished_at, seal';
comment on table authorisation is
    'C2: agreed_minor, captured_minor, fee_minor; C1: payment_id, payer_id, counted; none: currency, capture_within_s, captures,
     authorised_at, ended_at, trusted_at, seal';
comment on table capture is
    'C2: amount_minor, fee_minor; C1: capture_id, payment_id, out_capture_no, journal_id; none: currency, last, at, seal';
