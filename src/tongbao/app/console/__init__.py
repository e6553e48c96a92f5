"""Routes of the operator's console. Reading needs any role; creating needs `admin`."""

from tongbao.app.console import bank_transfers, books, chain, journals, payments, people, session

ROUTES = (
    *session.ROUTES, *payments.ROUTES, *journals.ROUTES, *books.ROUTES, *chain.ROUTES, *bank_transfers.ROUTES, *people.ROUTES,
)  # fmt: skip
