"""What is held about customers, for a copy of it: one explicit line a table, and for every other table with personal columns
why it is in no copy. A test keeps both complete."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, cast

import asyncpg

from tongbao.identity.alerts import ALERT
from tongbao.identity.certificates import CERTIFICATE
from tongbao.identity.certificates import NAME as CERTIFICATE_NAME
from tongbao.identity.devices import DEVICE as DEVICES
from tongbao.identity.devices import NAME as DEVICE_NAME
from tongbao.identity.enrolment import DEVICE, LOGIN, NAME
from tongbao.identity.instruments import INSTRUMENT
from tongbao.identity.instruments import NAME as INSTRUMENT_NAME
from tongbao.identity.passkeys import NAME as PASSKEY_NAME
from tongbao.identity.passkeys import PASSKEY
from tongbao.identity.realname.types import (
    DETAILS_FIELD,
    DOCUMENT_FIELD,
    GUARDIANSHIP,
    NAME_CHECK,
    NAME_EVENT,
    NEXT_NAME,
    REAL_NAME,
)
from tongbao.identity.standing import STANDING
from tongbao.identity.types import PIN, PRINCIPAL, SESSION
from tongbao.ledger.types import ACCOUNT
from tongbao.methods.text.types import PHONE as TEXT_PHONE_FIELD
from tongbao.methods.text.types import TEXT_PHONE
from tongbao.payments.agreements_types import AGREEMENT, DEBIT
from tongbao.payments.asks import ASK
from tongbao.payments.funding_types import CARD_REQUEST
from tongbao.payments.types import AUTHORISATION
from tongbao.privacy.consents import CONSENT
from tongbao.privacy.copies import COPY, schema
from tongbao.privacy.corrections import CORRECTION
from tongbao.privacy.erasure import ERASURE
from tongbao.privacy.holdings import Held, PersonalData
from tongbao.privacy.moves import Bills, Payments
from tongbao.privacy.reviews import CHOICE, REVIEW
from tongbao.privacy.service import ANSWER, WISH
from tongbao.security.personal import Vault
from tongbao.wallet.card_binding import CARD_BINDING, SHOWN_FIELD
from tongbao.wallet.cards import CARD, CARD_COLUMN, FUNDING_ORDER
from tongbao.wallet.links import BANK_LINK, QUESTION_FIELD
from tongbao.wallet.small_payments import SMALL_PAYMENTS
from tongbao.wallet.statement import Statement
from tongbao.wallet.types import BANK_ACCOUNT, BANK_TRANSFER, HOLDER, NUMBER

_VERIFIER = "only compares what you type; says nothing by itself and would help whoever guesses"
_INDEX = "a keyed index of what the copy shows in clear"
_YOURS = "the copy is yours"
_OPERATOR = "an operator's id: another person's"

#: Tables with personal columns that no copy shows, and why.
ELSEWHERE: Mapping[str, str] = {
    "login_name": "an index of the log-in, which `profile` shows",
    "session_seen": "when a session was last used is forgotten with it; `sessions` shows the rest",
    "consent_state": "the last line of `consents`",
    "breach_letter": "what people were told of a breach, the same for all whom it concerns",
    "message": "which alerts and letters were sent you, and whether the channel took them",
    "login_tries": "wrong passwords in a row, by a key that is not here",
    "daily_count": "how often something was done on a day, by a key that is not here",
    "totp": "the secret is in your app, and would help whoever has it; that there is one, since when: /v1/wallet/totp",
    "one_time_code": "six digits that were good for five minutes, as a MAC",
    "operator_invitation": "how an operator gets in: hashes that were good for three days",
    "suspension": "`standing` says that an operator did; why may be what the law keeps secret (Anti-Money Laundering Law)",
    "operator_act": "who looked at you: /v1/wallet/privacy/accesses",
    "proposal": "what operators propose to each other, sealed for them",
    "person_key": "the key that opens the rest",
    "entry": "every entry of a wallet is in a bill",
    "hold": "the sum is in `balances`",
    "refund": "every refund is in a bill",
    "funding": "what a payment drew on: /v1/wallet/payments/{id}; what of it a card paid is in `card_requests`",
    "capture": "every capture is in a bill",
    "document_holder": "an index, and how many accounts there are under it",
    "phone_holder": "an index, and how many accounts there are under it",
    "merchant_entity": "a business; who stands behind one asks the merchant or us, with the document",
    "merchant_person": "who stands behind a business and has no account: asks us, with the document",
    "entity_check": "what a registry said of a business and of who stands behind it",
    "text_session": "when a phone was last dialled from, and how often that day; what was typed is kept nowhere",
    "text_wish": "what you asked for by message, for five minutes; what came of it is in a bill",
    "text_till": "a merchant's number",
    "delayed_transfer": "every transfer is in a bill, with when it arrives",
    "usage": "what it counts is in the bills; the limits and how much of them is used: /v1/wallet/limits",
    "duty": "what is reported to the authorities, which whoever it is about must not be told (Anti-Money Laundering Law)",
    "api_key": "a merchant's server, not a person",
}


def personal_data(pool: asyncpg.Pool, vault: Vault, statement: Statement) -> tuple[PersonalData, ...]:
    """The parts of a copy, in its order."""
    return (
        Held("profile", "identity", PRINCIPAL, "principal_id", pool, vault, opened={"name": NAME, "login": LOGIN},
             left_out={"name_index": _INDEX, "password_hash": _VERIFIER, "audience": _YOURS, "roles": _YOURS,
                       "merchant_id": _YOURS}),
        Held("corrections", "identity", CORRECTION, "customer_id", pool, vault,
             opened={"former": NAME, "corrected": NAME}, left_out={"customer_id": _YOURS}),
        Held("pin", "credentials", PIN, "customer_id", pool, vault, left_out={"customer_id": _YOURS, "mac": _VERIFIER}),
        Held("sessions", "credentials", SESSION, "principal_id", pool, vault, opened={"device_name": DEVICE},
             left_out={"principal_id": _YOURS, "token_hash": _VERIFIER}),
        Held("devices", "credentials", DEVICES, "principal_id", pool, vault, opened={"name": DEVICE_NAME},
             left_out={"principal_id": _YOURS}),
        Held("passkeys", "credentials", PASSKEY, "customer_id", pool, vault, opened={"name": PASSKEY_NAME},
             left_out={"customer_id": _YOURS, "credential_id": _VERIFIER, "public_key": _VERIFIER}),
        Held("certificates", "credentials", CERTIFICATE, "customer_id", pool, vault, opened={"name": CERTIFICATE_NAME},
             left_out={"customer_id": _YOURS, "public_key": _VERIFIER, "x509": _VERIFIER}),
        Held("instruments", "credentials", INSTRUMENT, "customer_id", pool, vault, opened={"name": INSTRUMENT_NAME},
             left_out={"customer_id": _YOURS}),
        Held("text_phones", "credentials", TEXT_PHONE, "customer_id", pool, vault, opened={"phone": TEXT_PHONE_FIELD},
             left_out={"customer_id": _YOURS, "phone_index": _INDEX}),
        Held("alerts", "alerts", ALERT, "customer_id", pool, vault, left_out={"customer_id": _YOURS}),
        Held("standing", "standing", STANDING, "customer_id", pool, vault,
             left_out={"customer_id": _YOURS, "subject_id": "whether you have an account besides: which one, you know"}),
        Held("real_name", "standing", REAL_NAME, "customer_id", pool, vault, opened={"document": DOCUMENT_FIELD},
             left_out={"customer_id": _YOURS, "document_index": _INDEX, "phone_index": _INDEX, "content_index": _INDEX,
                       "verified_by": _OPERATOR, "approved_by": _OPERATOR}),
        Held("next_real_name", "standing", NEXT_NAME, "customer_id", pool, vault,
             opened={"document": DOCUMENT_FIELD},
             left_out={"customer_id": _YOURS, "document_index": _INDEX, "phone_index": _INDEX, "content_index": _INDEX,
                       "verified_by": _OPERATOR, "approved_by": _OPERATOR}),
        Held("name_checks", "standing", NAME_CHECK, "customer_id", pool, vault, opened={"details": DETAILS_FIELD},
             left_out={"customer_id": _YOURS}),
        Held("real_name_events", "standing", NAME_EVENT, "customer_id", pool, vault, opened={"document": DOCUMENT_FIELD},
             left_out={"customer_id": _YOURS, "by": _OPERATOR}),
        Held("guardian", "standing", GUARDIANSHIP, "minor_id", pool, vault,
             left_out={"minor_id": _YOURS, "guardian_id": "your guardian's id: another person's"}),
        Held("wards", "standing", GUARDIANSHIP, "guardian_id", pool, vault,
             left_out={"guardian_id": _YOURS, "minor_id": "the minor's id: another person's"}),
        Held("bank_accounts", "bank", BANK_ACCOUNT, "customer_id", pool, vault,
             opened={"number": NUMBER, "holder_name": HOLDER}, left_out={"customer_id": _YOURS}),
        Held("bank_link", "bank", BANK_LINK, "customer_id", pool, vault,
             opened={"number": NUMBER, "holder_name": HOLDER, "question": QUESTION_FIELD}, left_out={"customer_id": _YOURS}),
        Held("bank_cards", "bank", CARD, "customer_id", pool, vault, opened={"token": CARD_COLUMN},
             left_out={"customer_id": _YOURS}),
        Held("card_binding", "bank", CARD_BINDING, "customer_id", pool, vault, opened={"shown": SHOWN_FIELD},
             left_out={"customer_id": _YOURS}),
        Held("funding_order", "bank", FUNDING_ORDER, "customer_id", pool, vault, left_out={"customer_id": _YOURS}),
        Held("bank_transfers", "bank", BANK_TRANSFER, "customer_id", pool, vault,
             left_out={"customer_id": _YOURS, "counted": "which limits counted it: /v1/wallet/limits"}),
        Held("balances", "money", ACCOUNT, "owner_id", pool, vault, left_out={"owner_id": _YOURS}),
        Held("small_payments", "money", SMALL_PAYMENTS, "customer_id", pool, vault, left_out={"customer_id": _YOURS}),
        Bills(statement),
        Payments(pool),
        Held(
            "authorisations", "money", AUTHORISATION, "payer_id", pool, vault,
            left_out={"payer_id": _YOURS, "fee_minor": "the merchant's", "counted": "which limits counted it: /v1/wallet/limits"},
        ),
        Held("asked_at_tills", "money", ASK, "customer_id", pool, vault, left_out={"customer_id": _YOURS}),
        Held("card_requests", "money", CARD_REQUEST, "payer_id", pool, vault,
             left_out={"payer_id": _YOURS, "counted": "which limits counted it: /v1/wallet/limits",
                       "counted_card": "which limits counted it: /v1/wallet/limits",
                       "instrument": "whose caps counted it: `instruments`"}),
        Held(
            "agreements", "money", AGREEMENT, "payer_id", pool, vault,
            left_out={"payer_id": _YOURS, **dict.fromkeys(("day", "month", "last_period", "zone"), "which day counts as one")},
        ),
        Held(
            "debits", "money", DEBIT, "payer_id", pool, vault,
            left_out={"payer_id": _YOURS, "merchant_id": "the agreement's, which `agreements` shows"},
        ),
        Held("consents", "privacy", CONSENT, "customer_id", pool, vault,
             left_out={"customer_id": _YOURS, "text_hash": "the version says which text it was"}),
        Held("choices", "privacy", CHOICE, "customer_id", pool, vault, left_out={"customer_id": _YOURS}),
        Held("reviews", "privacy", REVIEW, "customer_id", pool, vault, opened={"wish": WISH, "answer": ANSWER},
             left_out={"customer_id": _YOURS, "answered_by": _OPERATOR}),
        Held("copies", "privacy", COPY, "customer_id", pool, vault, left_out={"customer_id": _YOURS}),
        Held("erasures", "privacy", ERASURE, "customer_id", pool, vault,
             left_out={"customer_id": _YOURS, "sealed": "the key that opens the rest"}),
    )  # fmt: skip


def published() -> dict[str, Any]:
    """The JSON Schema of a copy, without anything to read from."""
    nothing = cast(Any, None)
    return schema(personal_data(nothing, nothing, nothing))


if __name__ == "__main__":
    json.dump(published(), sys.stdout, ensure_ascii=False, indent=1)
    sys.stdout.write("\n")
