"""Routes of the operator's console. Reading needs any role; creating needs `admin`."""

from tongbao.app.console import (
    accounts,
    bank_transfers,
    books,
    chain,
    exchange,
    journals,
    payments,
    people,
    periods,
    session,
    states,
)

ROUTES = (
    *session.ROUTES, *payments.ROUTES, *journals.ROUTES, *accounts.ROUTES, *states.ROUTES, *books.ROUTES, *periods.ROUTES,
    *exchange.ROUTES, *chain.ROUTES, *bank_transfers.ROUTES, *people.ROUTES,
)  # fmt: skip
