-- Linked bank accounts, transfers to and from them, and every customer's statement.

create table bank_account (
    bank_account_id uuid        not null,
    customer_id     uuid        not null,
    bank            text        not null,
    number          bytea       not null,
    holder_name     bytea       not null,
    linked_at       timestamptz not null,
    unlinked_at     timestamptz,
    seal            bytea       not null,
    constraint bank_account_pk primary key (bank_account_id)
);
create index bank_account_by_customer on bank_account (customer_id, bank_account_id);

-- The last link a customer asked for, and how far it has come.
create table bank_link (
    customer_id     uuid        not null,
    link_id         uuid        not null,
    bank_account_id uuid        not null,
    bank            text        not null,
    number          bytea       not null,
    holder_name     bytea       not null,
    question        bytea       not null,
    attempt         bigint      not null,
    state           text        not null,
    wrong           bigint      not null,
    tries           bigint      not null,
    ask_at          timestamptz,
    day             date        not null,
    asked           bigint      not null,
    started_at      timestamptz not null,
    finished_at     timestamptz,
    seal            bytea       not null,
    constraint bank_link_pk primary key (customer_id),
    constraint bank_link_state check (state in ('ASKED', 'SENT', 'CHECKING', 'LINKED', 'REFUSED', 'ENDED')),
    constraint bank_link_asks check ((ask_at is not null) = (state in ('ASKED', 'CHECKING'))),
    constraint bank_link_ended check ((finished_at is not null) = (state in ('LINKED', 'REFUSED', 'ENDED')))
);
create index bank_link_due on bank_link (ask_at) where ask_at is not null;

-- Cards: what their network told of them, never their number. Who removed one pays with it no more; `return_at`: when the network is
-- next told.
create table bank_card (
    card_id     uuid        not null,
    customer_id uuid        not null,
    token       bytea       not null,
    bank        text        not null,
    kind        text        not null,
    last4       text        not null,
    added_at    timestamptz not null,
    removed_at  timestamptz,
    tries       bigint      not null,
    return_at   timestamptz,
    seal        bytea       not null,
    constraint bank_card_pk primary key (card_id),
    constraint bank_card_kind check (kind in ('debit', 'credit')),
    constraint bank_card_last4 check (last4 ~ '^[0-9]{4}$'),
    constraint bank_card_returns check (return_at is null or removed_at is not null)
);
create index bank_card_by_customer on bank_card (customer_id, card_id);
create index bank_card_due on bank_card (return_at) where return_at is not null;

-- The last binding a customer asked for, and how far it has come.
create table card_binding (
    customer_id uuid        not null,
    binding_id  uuid        not null,
    card_id     uuid        not null,
    shown       bytea       not null,
    attempt     bigint      not null,
    state       text        not null,
    wrong       bigint      not null,
    tries       bigint      not null,
    ask_at      timestamptz,
    day         date        not null,
    asked       bigint      not null,
    started_at  timestamptz not null,
    finished_at timestamptz,
    seal        bytea       not null,
    constraint card_binding_pk primary key (customer_id),
    constraint card_binding_state check (state in ('ASKED', 'SENT', 'CHECKING', 'BOUND', 'REFUSED', 'ENDED')),
    constraint card_binding_asks check ((ask_at is not null) = (state in ('ASKED', 'CHECKING'))),
    constraint card_binding_ended check ((finished_at is not null) = (state in ('BOUND', 'REFUSED', 'ENDED')))
);
create index card_binding_due on card_binding (ask_at) where ask_at is not null;

create table funding_order (
    customer_id uuid  not null,
    sources     text  not null,
    seal        bytea not null,
    constraint funding_order_pk primary key (customer_id)
);

create table bank_transfer (
    bank_transfer_id uuid        not null,
    customer_id      uuid        not null,
    bank_account_id  uuid        not null,
    kind             text        not null,
    state            text        not null,
    amount_minor     bigint      not null,
    currency         text        not null,
    attempts         bigint      not null,
    next_attempt_at  timestamptz,
    bank_reference   text,
    failure_code     text,
    created_at       timestamptz not null,
    finished_at      timestamptz,
    counted          text        not null,
    seal             bytea       not null,
    constraint bank_transfer_pk primary key (bank_transfer_id),
    constraint bank_transfer_kind check (kind in ('topup', 'withdrawal')),
    constraint bank_transfer_state check (state in ('PENDING', 'UNKNOWN', 'SUCCEEDED', 'FAILED')),
    constraint bank_transfer_amount check (amount_minor > 0),
    constraint bank_transfer_ended check ((finished_at is not null) = (state in ('SUCCEEDED', 'FAILED')))
);
create index bank_transfer_due on bank_transfer (next_attempt_at) where state in ('PENDING', 'UNKNOWN');
create index bank_transfer_by_customer on bank_transfer (customer_id, bank_transfer_id);

create table delayed_transfer (
    transfer_id  uuid        not null,
    payer_id     uuid        not null,
    payee_id     uuid        not null,
    amount_minor bigint      not null,
    currency     text        not null,
    payee_note   bytea       not null,
    state        text        not null,
    arrives_at   timestamptz not null,
    hold_id      uuid        not null,
    counted      text        not null,
    failure_code text,
    created_at   timestamptz not null,
    ended_at     timestamptz,
    journal_id   uuid,
    seal         bytea       not null,
    constraint delayed_transfer_pk primary key (transfer_id),
    constraint delayed_transfer_state check (state in ('PENDING', 'SUCCEEDED', 'CANCELLED', 'FAILED')),
    constraint delayed_transfer_amount check (amount_minor > 0),
    constraint delayed_transfer_ended check ((ended_at is null) = (state = 'PENDING')),
    constraint delayed_transfer_posted check ((journal_id is not null) = (state = 'SUCCEEDED'))
);
create index delayed_transfer_due on delayed_transfer (arrives_at) where state = 'PENDING';
create index delayed_transfer_to_payee on delayed_transfer (payee_id) where state = 'PENDING';
create index delayed_transfer_by_payer on delayed_transfer (payer_id, created_at, transfer_id);

-- What a customer lets go without a PIN, and what went so on the last day on which anything did.
create table small_payments (
    customer_id       uuid        not null,
    currency          text        not null,
    per_payment_minor bigint      not null,
    per_day_minor     bigint      not null,
    zone              text        not null,
    day               bigint      not null,
    used_minor        bigint      not null,
    changed_at        timestamptz not null,
    seal              bytea       not null,
    constraint small_payments_pk primary key (customer_id),
    constraint small_payments_caps check (
        per_payment_minor between 0 and per_day_minor and (per_payment_minor > 0) = (per_day_minor > 0) and used_minor >= 0)
);

create table bill (
    customer_id       uuid        not null,
    bill_id           uuid        not null,
    kind              text        not null,
    direction         text        not null,
    amount_minor      bigint      not null,
    currency          text        not null,
    counterparty_kind text        not null,
    counterparty_id   uuid        not null,
    title             text        not null,
    note              bytea       not null,
    at                timestamptz not null,
    balance_minor     bigint,
    journal_id        uuid,
    reference_id      uuid,
    factors           bigint      not null,
    constraint bill_pk primary key (customer_id, bill_id),
    constraint bill_kind check (kind in ('payment', 'refund', 'reversal', 'topup', 'withdrawal', 'transfer')),
    constraint bill_direction check (direction in ('in', 'out')),
    constraint bill_amount check (amount_minor > 0),
    constraint bill_factors check (factors between 0 and 15)
);
-- In the order in which they were written, for whoever goes through all of them batch by batch.
create index bill_by_batch on bill using brin (bill_id) with (pages_per_range = 16);

-- Which class each column is of (JR/T 0171-2020): what authenticates (C3), what identifies somebody or tells of their finances (C2),
-- what is internal (C1), what is not personal (none). Sealed: encrypted under the person's own key.
comment on table bank_account is
    'C2 sealed: number, holder_name; C2: bank; C1: bank_account_id, customer_id; none: linked_at, unlinked_at, seal';
comment on table bank_link is
    'C2 sealed: number, holder_name, question; C2: bank; C1: customer_id, link_id, bank_account_id; none: attempt, state, wrong,
     tries, ask_at, day, asked, started_at, finished_at, seal';
comment on table bank_card is
    'C2 sealed: token; C2: bank, last4; C1: card_id, customer_id; none: kind, added_at, removed_at, tries, return_at, seal';
comment on table card_binding is
    'C2 sealed: shown; C1: customer_id, binding_id, card_id; none: attempt, state, wrong, tries, ask_at, day, asked, started_at,
     finished_at, seal';
comment on table funding_order is
    'C1: customer_id, sources; none: seal';
comment on table bank_transfer is
    'C2: amount_minor, bank_reference, failure_code; C1: bank_transfer_id, customer_id, bank_account_id; none: kind, state,
     currency, attempts, next_attempt_at, created_at, finished_at, counted, seal';
comment on table delayed_transfer is
    'C2 sealed: payee_note; C2: amount_minor, failure_code; C1: transfer_id, payer_id, payee_id, hold_id, journal_id; none: currency,
     state, arrives_at, counted, created_at, ended_at, seal';
comment on table small_payments is
    'C2: per_payment_minor, per_day_minor, used_minor; C1: customer_id; none: currency, zone, day, changed_at, seal';
comment on table bill is
    'C2 sealed: note; C2: amount_minor, balance_minor, title; C1: customer_id, bill_id, counterparty_id, journal_id,
     reference_id; none: kind, direction, currency, counterparty_kind, at, factors';
