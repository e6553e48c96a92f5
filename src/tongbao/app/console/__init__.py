"""Routes of the operator's console, and the one table of who may use them. A route that is not in the table is not served."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tongbao.app import proofs
from tongbao.app.console import (
    accounts,
    bank_transfers,
    books,
    chain,
    entities,
    exchange,
    journals,
    law,
    operators,
    payments,
    people,
    periods,
    proposals,
    real_names,
    session,
    states,
)
from tongbao.app.console.guarding import Right
from tongbao.app.page_reports import reports as incidents_of_pages
from tongbao.identity import own_http, totp_http
from tongbao.operators.api import Permission, Subject
from tongbao.privacy import console as privacy

_P = Permission

_ACCOUNT = ("account", "account")
_HOLD = ("hold", "hold")
_JOURNAL = ("journal_id", "journal")
_PAYMENT = ("payment_id", "payment")
_PROPOSAL = ("proposal_id", "proposal")
_INCIDENT = ("incident_id", "incident")
_CUSTOMER = ("customer_id", "customer")
_MERCHANT = ("merchant_id", "merchant")
_PERIOD = ("through", "period")
_BREACH = ("breach_id", "breach")
_ASSESSMENT = ("assessment_id", "assessment")
_REVIEW = ("review_id", "review")


def _owners(page: Any) -> Iterable[Subject]:
    return {Subject("account", row.account_id) for row in page.items if row.owner}


def _owner(hold: Any) -> Iterable[Subject]:
    return [Subject("account", hold.account_id)] if hold.owner else ()


def _customers(page: Any) -> Iterable[Subject]:
    return {Subject("customer", row.customer_id) for row in page.items}


def _customer(answer: Any) -> Iterable[Subject]:
    return [Subject("customer", answer.customer_id)]


def _subjects(page: Any) -> Iterable[Subject]:
    return {Subject("customer", row.subject_id) for row in page.items}


def _payers(page: Any) -> Iterable[Subject]:
    return {Subject("customer", row.payer.customer_id) for row in page.items if row.payer}


def _payer(detail: Any) -> Iterable[Subject]:
    return {Subject("customer", detail.payer.customer_id)} if detail.payer else ()


def _legs(journal: Any) -> Iterable[Subject]:
    return {Subject("account", leg.account_id) for leg in journal.entries if leg.owner}


#: By table, the column that says whose or which a proven row is, and the kind of thing that this is.
_PROVEN = {"entry": ("account_id", "account"), "bill": ("customer_id", "customer"), "journal": ("journal_id", "journal")}


def _proven(proof: Any) -> Iterable[Subject]:
    """A proof shows its rows in clear: whoever fetched it has looked at them."""
    for one in proof.rows:
        column, kind = _PROVEN.get(one.table, ("command_id", "command"))
        yield Subject(kind, str(one.row[column]))


def _whose(proposal: Any) -> Iterable[Subject]:
    """What is proposed about a customer or an account is something that was done about them."""
    about = Subject(proposal.subject_kind, proposal.subject_id)
    return [about] if about.kind in ("customer", "account") else ()


def _asked(answer: Any) -> Iterable[Subject]:
    return {Subject("customer", answer.customer_id)} if answer.customer_id else ()


#: Who may do what, and what is written down about it. Logging in is anybody's, and so is accepting an invitation.
RIGHTS: tuple[Right, ...] = (
    Right(route=session.log_out, permission=_P.SELF),
    Right(route=session.me, permission=_P.SELF),
    *(Right(route=route, permission=_P.SELF) for route in (*own_http.routes("console"), *totp_http.routes("console"))),
    Right(route=payments.payments_found, permission=_P.PAYMENTS_READ, shows=_payers),
    Right(route=payments.payment_detail, permission=_P.PAYMENTS_READ, about=_PAYMENT, shows=_payer),
    Right(route=bank_transfers.bank_transfers, permission=_P.PAYMENTS_READ, shows=_customers),
    Right(route=journals.journal, permission=_P.BOOKS_READ, shows=_legs),
    Right(route=accounts.accounts, permission=_P.ACCOUNTS_READ, shows=_owners),
    Right(route=accounts.one_account, permission=_P.ACCOUNTS_READ, about=_ACCOUNT),
    Right(route=accounts.balance, permission=_P.ACCOUNTS_READ, about=_ACCOUNT),
    Right(route=accounts.statement, permission=_P.ACCOUNTS_READ, about=_ACCOUNT),
    Right(route=states.freeze_account, permission=_P.ACCOUNTS_STOP, about=_ACCOUNT),
    Right(route=states.unfreeze_account, permission=_P.ACCOUNTS_RELEASE, about=_ACCOUNT, takes_two="account.unfreeze"),
    Right(route=states.close_account, permission=_P.BOOKS_ACT, about=_ACCOUNT),
    Right(route=states.reopen_account, permission=_P.BOOKS_ACT, about=_ACCOUNT),
    Right(route=states.limit_account, permission=_P.ACCOUNTS_BOUND, about=_ACCOUNT, takes_two="account.bound"),
    Right(route=states.holds, permission=_P.ACCOUNTS_READ, shows=_owners),
    Right(route=states.void_hold, permission=_P.BOOKS_ACT, about=_HOLD, shows=_owner, takes_two="hold.void"),
    Right(route=states.reverse_journal, permission=_P.BOOKS_ACT, about=_JOURNAL, takes_two="journal.reverse"),
    Right(route=books.trial_balance, permission=_P.BOOKS_READ),
    Right(route=books.general_ledger, permission=_P.BOOKS_READ),
    Right(route=books.general_ledger_days, permission=_P.BOOKS_READ),
    Right(route=books.general_ledger_entries, permission=_P.BOOKS_READ, shows=_owners),
    Right(route=periods.periods, permission=_P.BOOKS_READ),
    Right(route=periods.check_period, permission=_P.BOOKS_READ),
    Right(route=periods.close_period, permission=_P.BOOKS_CLOSE),
    Right(route=periods.reopen_period, permission=_P.BOOKS_REOPEN, about=_PERIOD, takes_two="period.reopen"),
    Right(route=exchange.export_beancount, permission=_P.BOOKS_EXPORT, shows=lambda _: [Subject("books", "beancount")]),
    Right(route=exchange.export_table, permission=_P.BOOKS_EXPORT, about=("what", "books")),
    Right(route=exchange.opening_balances, permission=_P.BOOKS_TRY_OPENING),
    Right(route=chain.chain, permission=_P.CHAIN_READ),
    Right(route=chain.verify_chain, permission=_P.CHAIN_VERIFY),
    Right(route=proofs.console_proof, permission=_P.ACCOUNTS_READ, shows=_proven),
    Right(route=people.customers, permission=_P.PEOPLE_READ, shows=_customers),
    Right(route=people.customer_detail, permission=_P.PEOPLE_READ, about=_CUSTOMER),
    Right(route=people.suspend_customer, permission=_P.SUSPEND, about=_CUSTOMER),
    Right(route=real_names.real_names_found, permission=_P.REAL_NAMES_READ, shows=_customers),
    Right(route=real_names.one_real_name, permission=_P.REAL_NAMES_READ, about=_CUSTOMER),
    Right(route=real_names.real_name_history, permission=_P.REAL_NAMES_READ, about=_CUSTOMER),
    Right(route=real_names.verify_face_to_face, permission=_P.REAL_NAMES_VERIFY, about=_CUSTOMER),
    Right(route=real_names.approve_face_to_face, permission=_P.REAL_NAMES_VERIFY, about=_CUSTOMER),
    Right(route=people.merchants_found, permission=_P.MERCHANTS_READ),
    Right(route=people.open_merchant, permission=_P.MERCHANTS_OPEN, shows=lambda made: [Subject("merchant", made.merchant_id)]),
    Right(route=entities.one_entity, permission=_P.MERCHANTS_READ, about=_MERCHANT),
    Right(route=entities.record_entity, permission=_P.MERCHANTS_OPEN, about=_MERCHANT),
    Right(route=entities.check_entity, permission=_P.MERCHANTS_OPEN, about=_MERCHANT),
    Right(route=law.rulebook, permission=_P.RULES_READ),
    Right(route=law.what_if, permission=_P.RULES_READ, shows=_asked),
    Right(route=law.rulebook_versions, permission=_P.RULES_READ),
    Right(route=law.customer_limits, permission=_P.RULES_READ, about=_CUSTOMER),
    Right(route=law.merchant_caps, permission=_P.RULES_READ, about=_MERCHANT),
    Right(route=law.set_merchant_caps, permission=_P.RULES_CHANGE, about=_MERCHANT, takes_two="merchant.caps"),
    Right(route=law.duties, permission=_P.ACTS_READ, shows=_subjects),
    Right(route=operators.keys, permission=_P.KEYS_READ),
    Right(route=operators.operators_found, permission=_P.OPERATORS_READ),
    Right(route=operators.roles, permission=_P.SELF),
    Right(route=operators.acts, permission=_P.ACTS_READ),
    Right(route=proposals.kinds, permission=_P.PROPOSALS),
    Right(route=proposals.waiting, permission=_P.PROPOSALS),
    Right(route=proposals.proposals, permission=_P.PROPOSALS),
    Right(route=proposals.one_proposal, permission=_P.PROPOSALS),
    Right(route=proposals.code, permission=_P.OPERATORS_CHANGE, about=_PROPOSAL),
    Right(
        route=proposals.propose,
        permission=_P.PROPOSALS,
        shows=lambda made: [Subject("proposal", made.proposal_id), *_whose(made)],
    ),
    Right(route=proposals.approve, permission=_P.PROPOSALS, about=_PROPOSAL, shows=_whose),
    Right(route=proposals.reject, permission=_P.PROPOSALS, about=_PROPOSAL, shows=_whose),
    Right(route=proposals.withdraw, permission=_P.PROPOSALS, about=_PROPOSAL, shows=_whose),
    Right(route=incidents_of_pages, permission=_P.INCIDENTS_READ),
    Right(route=proposals.incidents, permission=_P.INCIDENTS_READ),
    Right(route=proposals.review, permission=_P.INCIDENTS_REVIEW, about=_INCIDENT),
    Right(route=privacy.show_register, permission=_P.PRIVACY_READ),
    Right(route=privacy.show_overdue, permission=_P.PRIVACY_READ),
    Right(route=privacy.reviews, permission=_P.PRIVACY_READ, shows=_customers),
    Right(route=privacy.answer_review, permission=_P.PRIVACY_ACT, about=_REVIEW, shows=_customer),
    Right(route=privacy.erasures_found, permission=_P.PRIVACY_READ, shows=_customers),
    Right(route=privacy.breaches, permission=_P.PRIVACY_READ),
    Right(route=privacy.open_breach, permission=_P.PRIVACY_ACT, shows=lambda made: [Subject("breach", made.breach_id)]),
    Right(route=privacy.breach, permission=_P.PRIVACY_READ),
    Right(route=privacy.assess_breach, permission=_P.PRIVACY_ACT, about=_BREACH),
    Right(route=privacy.end_task, permission=_P.PRIVACY_ACT, about=_BREACH),
    Right(route=privacy.close_breach, permission=_P.PRIVACY_ACT, about=_BREACH),
    Right(route=privacy.assessments, permission=_P.PRIVACY_READ),
    Right(
        route=privacy.write_assessment, permission=_P.PRIVACY_ACT, shows=lambda made: [Subject("assessment", made.assessment_id)]
    ),
    Right(route=privacy.assessment, permission=_P.PRIVACY_READ),
    Right(route=privacy.sign_assessment, permission=_P.PRIVACY_ACT, about=_ASSESSMENT),
)

ROUTES = (session.log_in, session.log_in_further, session.welcome, *(right.route for right in RIGHTS))


def permission_of(path: str, method: str) -> Permission | None:
    """What a console route needs; None: nothing, or there is no such route."""
    return _PERMISSIONS.get((path, method.upper()))


_PERMISSIONS = {
    (path.replace(":str", ""), str(method)): right.permission
    for right in RIGHTS
    for path in right.route.paths
    for method in right.route.http_methods
}
