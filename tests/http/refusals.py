"""Requests that must be refused, as a table: who asks what, and which status and code answer it.

`$name` in a row stands for something of the town (see `test_bad_input.stage`). Rows are grouped by what is wrong with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from tests.http.town import PASSWORD, PIN, WRONG_PIN


class Row(NamedTuple):
    """One request and its refusal. `raw` replaces the JSON of `body`; `headers` are added, and removed where None."""

    name: str
    who: str
    request: str
    body: Any
    status: int
    code: str
    headers: Mapping[str, str | None] = {}
    raw: bytes | None = None


def row(
    name: str, who: str, request: str, body: Any, status: int, code: str, headers: Mapping[str, str | None] | None = None,
    raw: bytes | None = None, bug: str = "",
) -> Any:  # fmt: skip
    """A row; `bug` says why it does not pass yet."""
    marks = [pytest.mark.xfail(strict=True, reason=bug)] if bug else []
    return pytest.param(Row(name, who, request, body, status, code, headers or {}, raw), id=name, marks=marks)


def without(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {each: value for each, value in body.items() if each != name}


ORDERS = "POST /v1/merchant/orders"
TRANSFERS = "POST /v1/wallet/transfers"
CONFIRM = "POST /v1/wallet/payments/$order/confirm"
REFUNDS = "POST /v1/merchant/orders/$paid_number/refunds"
TOPUPS = "POST /v1/wallet/topups"
WITHDRAWALS = "POST /v1/wallet/withdrawals"
SCAN = "POST /v1/wallet/scan"
STATIC = "POST /v1/wallet/payments"
REGISTER = "POST /v1/wallet/register"
MERCHANTS = "POST /v1/console/merchants"

ORDER = {"amount": "12.50", "currency": "CNY", "subject": "拿铁"}
SEND = {"payee_id": "$ben", "amount": "1.00", "currency": "CNY", "pin": PIN}
YES = {"amount": "12.50", "currency": "CNY", "pin": PIN}
BACK = {"amount": "1.00", "currency": "CNY"}
BANK = {"bank_account_id": "$bank_account", "amount": "1.00", "currency": "CNY", "pin": PIN}
CARDS = "POST /v1/wallet/cards"
CARD = {"number": "6214830000000009", "pin": PIN}
ORDER_FUNDING = "PUT /v1/wallet/funding-order"
LINK = {"bank": "simbank", "account_number": "6222020000000007", "pin": PIN}
NEWCOMER = {"login": "13612345678", "password": PASSWORD, "name": "Nobody"}
SHOP: dict[str, Any] = {
    "name": "New", "mcc": "5814", "city": "杭州", "fee_ppm": 6000, "stores": [{"name": "One", "city": "杭州"}],
    "owner": {"login": "13612345679", "name": "Owner", "password": PASSWORD},
}  # fmt: skip

BODIES = [
    row("not JSON", "shop", ORDERS, None, 400, "malformed_json", raw=b"{amount: 1}"),
    row("half a JSON", "shop", ORDERS, None, 400, "malformed_json", raw=b'{"amount": "12.50", '),
    row("no body", "shop", ORDERS, None, 400, "malformed_json", raw=b""),
    row("bytes that are not UTF-8", "shop", ORDERS, None, 400, "malformed_json", raw=b'{"subject": "\xff\xfe"}'),
    row("half a surrogate pair", "shop", ORDERS, None, 400, "malformed_json", raw=b'{"subject": "\\ud800"}'),
    row("a list", "shop", ORDERS, [ORDER], 400, "invalid_request"),
    row("null", "shop", ORDERS, None, 400, "invalid_request", raw=b"null"),
    row("nested deeper than anybody needs", "shop", ORDERS, None, 400, "malformed_json", raw=b"[" * 30_000),
    row("another content type", "shop", ORDERS, ORDER, 415, "unsupported_media_type", {"content-type": "text/plain"}),
    row("a form", "shop", ORDERS, None, 415, "unsupported_media_type",
        {"content-type": "application/x-www-form-urlencoded"}, raw=b"amount=12.50&currency=CNY&subject=x"),
    row("more than 64 KiB", "shop", ORDERS, {**ORDER, "subject": "x" * 70_000}, 413, "too_large"),
    row("an unknown field", "shop", ORDERS, {**ORDER, "fee": "0.00"}, 400, "unknown_field"),
    row("an unknown field within", "admin", MERCHANTS, {**SHOP, "owner": {**SHOP["owner"], "role": "x"}},
        400, "unknown_field"),
    row("a field is missing", "shop", ORDERS, without(ORDER, "currency"), 400, "invalid_request"),
    row("an amount as a number", "shop", ORDERS, {**ORDER, "amount": 12.5}, 400, "invalid_request"),
    row("an amount as a whole number", "ann", TRANSFERS, {**SEND, "amount": 1}, 400, "invalid_request"),
    row("an amount that is null", "ann", TRANSFERS, {**SEND, "amount": None}, 400, "invalid_request"),
    row("a PIN as a number", "ann", TRANSFERS, {**SEND, "pin": 135790}, 400, "invalid_request"),
    row("an expiry as text", "shop", ORDERS, {**ORDER, "expires_in_s": "soon"}, 400, "invalid_request"),
    row("an expiry beyond 64 bits", "shop", ORDERS, {**ORDER, "expires_in_s": 10**30}, 400, "expiry_range"),
    row("an expiry with an exponent", "shop", ORDERS, None, 400, "invalid_request",
        raw=b'{"amount":"1","currency":"CNY","subject":"x","expires_in_s":1e999}'),
    row("an expiry too short", "shop", ORDERS, {**ORDER, "expires_in_s": 29}, 400, "expiry_range"),
    row("an expiry below zero", "shop", ORDERS, {**ORDER, "expires_in_s": -1}, 400, "expiry_range"),
    row("a fee beyond 64 bits", "admin", MERCHANTS, {**SHOP, "fee_ppm": 10**30}, 400, "fee_out_of_range"),
    row("a locale we do not have", "", REGISTER, {**NEWCOMER, "locale": "fr"}, 400, "invalid_request"),
    row("a text beyond its limit", "ann", TRANSFERS, {**SEND, "note": "x" * 401}, 400, "invalid_request"),
]  # fmt: skip

_AMOUNTS = {
    "negative": ("-1.00", "amount_not_positive"),
    "zero": ("0.00", "amount_not_positive"),
    "zero without places": ("0", "amount_not_positive"),
    "three places": ("1.001", "amount_precision"),
    "three places, the last zero": ("1.000", "amount_precision"),
    "an exponent": ("1e2", "amount_malformed"),
    "full-width digits": ("１２.５０", "amount_malformed"),
    "Arabic digits": ("١٢", "amount_malformed"),
    "a plus sign": ("+1.00", "amount_malformed"),
    "a comma": ("1,000.00", "amount_malformed"),
    "a space": (" 1.00", "amount_malformed"),
    "a newline at the end": ("1.00\n", "amount_malformed"),
    "a leading zero": ("01.00", "amount_malformed"),
    "no whole part": (".50", "amount_malformed"),
    "no places after the point": ("1.", "amount_malformed"),
    "hexadecimal": ("0x10", "amount_malformed"),
    "NaN": ("NaN", "amount_malformed"),
    "infinity": ("Infinity", "amount_malformed"),
    "empty": ("", "amount_malformed"),
    "NUL": ("1.00\0", "invalid_request"),
    "a cent above the most": ("10000000000000.01", "amount_too_large"),
    "eighteen digits": ("999999999999999999", "amount_too_large"),
    "two hundred digits": ("9" * 200, "amount_malformed"),
}
AMOUNTS = [
    row(f"{name}: {text[:24]!r} in {what}", who, request, {**body, "amount": text}, 400, code)
    for name, (text, code) in _AMOUNTS.items()
    for what, who, request, body in (("an order", "shop", ORDERS, ORDER), ("a transfer", "ann", TRANSFERS, SEND))
] + [
    row(f"-1.00 in {request}", who, request, {**body, "amount": "-1.00"}, 400, "amount_not_positive")
    for who, request, body in (
        ("ann", CONFIRM, YES), ("shop", REFUNDS, BACK), ("ann", TOPUPS, BANK), ("ann", WITHDRAWALS, BANK),
        ("ann", STATIC, {"code": "$static", **YES}),
    )
]  # fmt: skip

CURRENCIES = [
    row(f"{currency!r} in {request}", who, request, {**body, "currency": currency}, 400, code)
    for who, request, body in (
        ("shop", ORDERS, {**ORDER, "amount": "5"}), ("ann", TRANSFERS, {**SEND, "amount": "5"}),
        ("ann", TOPUPS, {**BANK, "amount": "5"}),
        ("ann", WITHDRAWALS, {**BANK, "amount": "5"}), ("shop", REFUNDS, {**BACK, "amount": "5"}),
        ("ann", STATIC, {"code": "$static", **YES, "amount": "5"}),
    )
    for currency, code in (
        ("USD", "currency_unsupported"), ("JPY", "currency_unsupported"), ("XXX", "currency_unknown"),
        ("cny", "currency_unknown"),
        ("ＣＮＹ", "currency_unknown"), ("", "currency_unknown"), ("CNY\0", "invalid_request"),
    )
]  # fmt: skip

KEYS = [
    row(f"{name} key for {request}", who, request, body, 400, "idempotency_key_missing", {"idempotency-key": text})
    for name, text in {
        "no": None, "an empty": "", "a short": "abcdefg", "a long": "x" * 65, "a spaced": "abcd efgh", "a dotted": "abcd.efgh",
        "a key with two parts as": "abcdefgh,ijklmnop",
    }.items()
    for who, request, body in (("ann", TRANSFERS, SEND), ("shop", ORDERS, ORDER))
] + [
    row(f"no key for {request}", who, request, body, 400, "idempotency_key_missing", {"idempotency-key": None})
    for who, request, body in (
        ("", REGISTER, NEWCOMER), ("ann", "POST /v1/wallet/pin", {"pin": PIN, "password": PASSWORD}),
        ("ann", "POST /v1/wallet/bank-accounts", LINK), ("ann", TOPUPS, BANK), ("ann", WITHDRAWALS, BANK), ("ann", CONFIRM, YES),
        ("ann", STATIC, {"code": "$static", **YES}), ("shop", "POST /v1/merchant/orders/$number/close", None),
        ("shop", REFUNDS, BACK), ("admin", MERCHANTS, SHOP), ("admin", "POST /v1/console/chain/verify", None),
    )
]  # fmt: skip

CODES = [
    row("an expired code", "ann", SCAN, {"text": "$code_expired"}, 410, "code_expired"),
    row("a code signed by somebody else", "ann", SCAN, {"text": "$code_stranger"}, 400, "code_signature_invalid"),
    row("another amount, the checksum put right", "ann", SCAN, {"text": "$code_amount"}, 400, "code_signature_invalid"),
    row("another merchant, the checksum put right", "ann", SCAN, {"text": "$code_merchant"}, 400, "code_signature_invalid"),
    row("one character misread", "ann", SCAN, {"text": "$code_misread"}, 400, "code_checksum"),
    row("half a code", "ann", SCAN, {"text": "$code_half"}, 400, "code_malformed"),
    row("a code beyond its length", "ann", SCAN, {"text": "000201" + "9" * 600}, 400, "code_too_long"),
    row("a text beyond any code", "ann", SCAN, {"text": "x" * 2049}, 400, "invalid_request"),
    row("a true code for an order that does not exist", "ann", SCAN, {"text": "$code_nowhere"}, 404, "payment_not_found"),
    row("a true code for another amount than its order's", "ann", SCAN, {"text": "$code_other_amount"},
        409, "amount_mismatch"),
    row("a true code of an order somebody else has paid", "cat", SCAN, {"text": "$code_paid"}, 404, "payment_not_found"),
    row("a static code of no merchant", "ann", SCAN, {"text": "$static_nobody"}, 404, "merchant_not_found"),
    row("a static code with another merchant's store", "ann", SCAN, {"text": "$static_mixed"}, 404, "store_not_found"),
    row("an order's code is not paid as a static one", "ann", STATIC, {"code": "$code", **YES}, 400, "code_not_static"),
    row("a foreign code is not paid", "ann", STATIC, {"code": "https://qr.alipay.com/x", **YES}, 400, "code_not_static"),
    row("nothing is not paid", "ann", STATIC, {"code": "", **YES}, 400, "code_not_static"),
    row("NUL is not paid", "ann", STATIC, {"code": "\0", **YES}, 400, "invalid_request"),
    row("a fixed amount is not another", "ann", STATIC, {"code": "$static_fixed", **YES}, 409, "amount_mismatch"),
    row("pay no merchant", "ann", STATIC, {"code": "$static_nobody", **YES}, 404, "merchant_not_found"),
    row("pay another merchant's store", "ann", STATIC, {"code": "$static_mixed", **YES}, 404, "store_not_found"),
    row("a static amount below zero", "shop", "GET /v1/merchant/stores/$store/code?amount=-1", None,
        400, "amount_not_positive"),
]  # fmt: skip

STRANGERS = [
    row("another merchant's order", "mart", "GET /v1/merchant/orders/$number", None, 404, "payment_not_found"),
    row("another merchant's order's code", "mart", "GET /v1/merchant/orders/$number/code", None, 404, "payment_not_found"),
    row("close another merchant's order", "mart", "POST /v1/merchant/orders/$number/close", None, 404, "payment_not_found"),
    row("refund another merchant's payment", "mart", REFUNDS, BACK, 404, "payment_not_found"),
    row("another merchant's store's code", "mart", "GET /v1/merchant/stores/$store/code", None, 404, "store_not_found"),
    row("an order for another merchant's store", "mart", ORDERS, {**ORDER, "store_id": "$store"}, 404, "store_not_found"),
    row("somebody else's payment", "ben", "GET /v1/wallet/payments/$paid", None, 404, "payment_not_found"),
    row("pay somebody else's paid order", "ben", "POST /v1/wallet/payments/$paid/confirm", YES, 409, "order_paid"),
    row("somebody else's bill", "ben", "GET /v1/wallet/bills/$bill", None, 404, "bill_not_found"),
    row("somebody else's bank transfer", "ben", "GET /v1/wallet/bank-transfers/$bank_transfer", None,
        404, "bank_transfer_unknown"),
    row("top up from somebody else's bank account", "ben", TOPUPS, BANK, 404, "bank_account_unknown"),
    row("withdraw to somebody else's bank account", "ben", WITHDRAWALS, BANK, 404, "bank_account_unknown"),
    row("unlink somebody else's bank account", "ben", "DELETE /v1/wallet/bank-accounts/$bank_account", None, 404,
        "bank_account_unknown"),
    row("a code for somebody else's link", "ben", "POST /v1/wallet/bank-links/$bank_link/confirm", {"code": "123456"}, 404,
        "bank_link_unknown"),
    row("unbind somebody else's card", "ben", "DELETE /v1/wallet/cards/$card", None, 404, "card_unknown"),
    row("a code for somebody else's card", "ben", "POST /v1/wallet/card-bindings/$card_binding/confirm", {"code": "123456"}, 404,
        "card_binding_unknown"),
    row("end somebody else's session", "ben", "DELETE /v1/wallet/sessions/$session", None, 404, "session_not_found"),
    row("a merchant as payee", "ann", TRANSFERS, {**SEND, "payee_id": "$merchant"}, 404, "payee_not_found"),
    row("nobody as payee", "ann", TRANSFERS, {**SEND, "payee_id": str(uuid4())}, 404, "payee_not_found"),
    row("oneself as payee", "ann", TRANSFERS, {**SEND, "payee_id": "$ann"}, 422, "payee_is_payer"),
    row("resolve oneself", "ann", "POST /v1/wallet/payees/resolve", {"login": "$ann_login"}, 422, "payee_is_payer"),
    row("resolve a merchant's owner", "ann", "POST /v1/wallet/payees/resolve", {"login": "$shop_login"},
        404, "payee_not_found"),
    row("resolve nobody", "ann", "POST /v1/wallet/payees/resolve", {"login": "a@b.example"}, 404, "payee_not_found"),
]  # fmt: skip

RULES = [
    row("another amount than the order's", "ann", CONFIRM, {**YES, "amount": "12.49"}, 409, "amount_mismatch"),
    row("another currency than the order's", "ann", CONFIRM, {**YES, "currency": "USD"}, 409, "amount_mismatch"),
    row("a paid order again", "ann", "POST /v1/wallet/payments/$paid/confirm", YES, 409, "order_paid"),
    row("a closed order", "ann", "POST /v1/wallet/payments/$closed/confirm", YES, 409, "order_closed"),
    row("an expired order", "ann", "POST /v1/wallet/payments/$expired/confirm", YES, 409, "order_expired"),
    row("close a paid order", "shop", "POST /v1/merchant/orders/$paid_number/close", None, 409, "order_paid"),
    row("close a closed order", "shop", "POST /v1/merchant/orders/$closed_number/close", None, 409, "order_closed"),
    row("close an expired order", "shop", "POST /v1/merchant/orders/$expired_number/close", None, 409, "order_expired"),
    row("the code of a paid order", "shop", "GET /v1/merchant/orders/$paid_number/code", None, 409, "order_paid"),
    row("the code of a closed order", "shop", "GET /v1/merchant/orders/$closed_number/code", None, 409, "order_closed"),
    row("the code of an expired order", "shop", "GET /v1/merchant/orders/$expired_number/code", None, 409, "order_expired"),
    row("an order number used for another amount", "shop", ORDERS,
        {**ORDER, "amount": "1.00", "out_trade_no": "$number"}, 409,
        "out_trade_no_used"),
    row("refund an unpaid order", "shop", "POST /v1/merchant/orders/$number/refunds", BACK, 409, "order_not_paid"),
    row("refund a cent too much", "shop", REFUNDS, {**BACK, "amount": "10.01"}, 422, "refund_exceeds_paid"),
    row("a refund number used for another amount", "shop", REFUNDS, {**BACK, "out_refund_no": "$refund_number"}, 409,
        "out_refund_no_used"),
    row("more money than there is, to a merchant", "ben", "POST /v1/wallet/payments/$dear/confirm",
        {**YES, "amount": "5000.00"}, 422,
        "insufficient_funds"),
    row("more money than there is, to a friend", "ben", TRANSFERS, {**SEND, "payee_id": "$ann", "amount": "5000.00"}, 422,
        "insufficient_funds"),
    row("more money than there is, to the bank", "ann", WITHDRAWALS, {**BANK, "amount": "50000.00"},
        422, "insufficient_funds"),
    row("more money than there is, by static code", "ben", STATIC, {"code": "$static", **YES, "amount": "5000.00"}, 422,
        "insufficient_funds"),
    row("no PIN yet", "cat", CONFIRM, YES, 409, "pin_not_set"),
    row("a PIN of five digits", "ann", CONFIRM, {**YES, "pin": "13579"}, 400, "pin_format"),
    row("a PIN of full-width digits", "ann", CONFIRM, {**YES, "pin": "１３５７９０"}, 400, "pin_format"),
    row("choose a PIN in a row", "cat", "POST /v1/wallet/pin", {"pin": "123456", "password": PASSWORD},
        400, "pin_too_simple"),
    row("choose a PIN of letters", "cat", "POST /v1/wallet/pin", {"pin": "abcdef", "password": PASSWORD}, 400, "pin_format"),
    row("choose a PIN without the password", "cat", "POST /v1/wallet/pin", {"pin": PIN, "password": "guess"}, 401,
        "wrong_credentials"),
    row("a login that is taken", "", REGISTER, {**NEWCOMER, "login": "$ann_login"}, 409, "login_taken"),
    row("a login that is taken, spelt otherwise", "", REGISTER, {**NEWCOMER, "login": "+86 $ann_login"}, 409, "login_taken"),
    row("a login that is none", "", REGISTER, {**NEWCOMER, "login": "nobody"}, 400, "login_format"),
    row("a login of full-width digits", "", REGISTER, {**NEWCOMER, "login": "１３６１２３４５６７８"}, 400, "login_format"),
    row("a login with NUL", "", REGISTER, {**NEWCOMER, "login": "a\0@b.example"}, 400, "invalid_request"),
    row("a common password", "", REGISTER, {**NEWCOMER, "password": "Password1"}, 400, "password_common"),
    row("a short password", "", REGISTER, {**NEWCOMER, "password": "1234567"}, 400, "password_too_short"),
    row("a long password", "", REGISTER, {**NEWCOMER, "password": "x" * 129}, 400, "password_too_long"),
    row("no name", "", REGISTER, {**NEWCOMER, "name": " "}, 400, "name_format"),
    row("a name with control characters", "", REGISTER, {**NEWCOMER, "name": "A\u0007B"}, 400, "control_characters"),
    row("a name with NUL", "", REGISTER, {**NEWCOMER, "name": "A\0B"}, 400, "invalid_request"),
    row("a name that turns the writing round", "", REGISTER, {**NEWCOMER, "name": "A\u202eB"}, 400, "control_characters"),
    row("the wrong password", "", "POST /v1/wallet/login", {"login": "$ann_login", "password": "guess guess"},
        401, "wrong_credentials"),
    row("a stranger's password", "", "POST /v1/wallet/login", {"login": "13612345678", "password": PASSWORD},
        401, "wrong_credentials"),
    row("a customer at the cashier", "", "POST /v1/merchant/login", {"login": "$ann_login", "password": PASSWORD}, 401,
        "wrong_credentials"),
    row("a bank account of letters", "ann", "POST /v1/wallet/bank-accounts", {**LINK, "account_number": "six"}, 400,
        "bank_account_format"),
    row("a bank account by who is not known", "cat", "POST /v1/wallet/bank-accounts", LINK, 422, "bank_link_needs_name"),
    row("a bank account with a phone that is none", "ann", "POST /v1/wallet/bank-accounts", {**LINK, "phone": "12"}, 422,
        "phone_form"),
    row("a bank account with a wrong PIN", "ann", "POST /v1/wallet/bank-accounts", {**LINK, "account_number": "6222020000000015",
        "pin": "864209"}, 403, "wrong_pin"),
    row("a bank account that nobody confirms", "ann", "POST /v1/wallet/bank-accounts", {**LINK, "pin": None}, 400,
        "confirmation_format"),
    row("a bank we do not know", "ann", "POST /v1/wallet/bank-accounts", {**LINK, "bank": "x"}, 400, "bank_unsupported"),
    row("a bank account linked already", "ann", "POST /v1/wallet/bank-accounts", LINK, 409, "bank_account_linked"),
    row("a card whose number has another check digit", "ann", CARDS, {**CARD, "number": "6214830000000008"}, 400,
        "card_number_format"),
    row("a card of letters", "ann", CARDS, {**CARD, "number": "six"}, 400, "card_number_format"),
    row("a card that expires in a thirteenth month", "ann", CARDS, {**CARD, "expiry": "13/29"}, 400, "card_expiry_format"),
    row("a card with a code of letters", "ann", CARDS, {**CARD, "cvn2": "abc"}, 400, "card_cvn2_format"),
    row("a card by who is not known", "cat", CARDS, CARD, 422, "bank_link_needs_name"),
    row("a card with a wrong PIN", "ann", CARDS, {**CARD, "number": "6217000000000000012", "pin": "864209"}, 403, "wrong_pin"),
    row("a card that nobody confirms", "ann", CARDS, {**CARD, "pin": None}, 400, "confirmation_format"),
    row("a card bound already", "ann", CARDS, CARD, 409, "card_bound"),
    row("an order with a source that is none", "ann", ORDER_FUNDING, {"sources": ["points"]}, 422, "funding_order_wrong"),
    row("an order with somebody else's card", "ben", ORDER_FUNDING, {"sources": ["$card"]}, 422, "funding_order_wrong"),
    row("an order of more than there can be", "ann", ORDER_FUNDING, {"sources": ["balance"] * 22}, 400, "invalid_request"),
    row("a merchant with the fee above a tenth", "admin", MERCHANTS, {**SHOP, "fee_ppm": 100_001}, 400, "fee_out_of_range"),
    row("a merchant with the fee below zero", "admin", MERCHANTS, {**SHOP, "fee_ppm": -1}, 400, "fee_out_of_range"),
    row("a merchant without stores", "admin", MERCHANTS, {**SHOP, "stores": []}, 400, "stores_count"),
    row("a merchant whose trade is letters", "admin", MERCHANTS, {**SHOP, "mcc": "food"}, 400, "mcc_format"),
    row("a merchant whose owner is known", "admin", MERCHANTS,
        {**SHOP, "owner": {**SHOP["owner"], "login": "$shop_login"}}, 409,
        "login_taken"),
]  # fmt: skip

TEXTS = [
    *(
        row(f"{what} in {where}", who, asked, body, 400, "control_characters")
        for what, sign in (("a new line", "\n"), ("a C1 control", "\u0085"), ("an override", "\u202e"), ("an isolate", "\u2066"))
        for where, who, asked, body in (
            ("a subject", "shop", ORDERS, {**ORDER, "subject": f"a{sign}b"}),
            ("a note", "ann", TRANSFERS, {**SEND, "note": f"a{sign}b"}),
            ("a reason", "shop", REFUNDS, {**BACK, "reason": f"a{sign}b"}),
            ("a name", "", REGISTER, {**NEWCOMER, "name": f"a{sign}b"}),
            ("the name of a device", "", REGISTER, {**NEWCOMER, "device_name": f"a{sign}b"}),
            ("a merchant's name", "admin", MERCHANTS, {**SHOP, "name": f"a{sign}b"}),
            ("a store's city", "admin", MERCHANTS, {**SHOP, "stores": [{"name": "One", "city": f"a{sign}b"}]}),
            ("the owner's name", "admin", MERCHANTS, {**SHOP, "owner": {**SHOP["owner"], "name": f"a{sign}b"}}),
        )
    ),
    row("NUL in a subject", "shop", ORDERS, {**ORDER, "subject": "a\0b"}, 400, "invalid_request"),
    row("a bell in a subject", "shop", ORDERS, {**ORDER, "subject": "a\u0007b"}, 400, "control_characters"),
    row("a subject beyond 127", "shop", ORDERS, {**ORDER, "subject": "字" * 128}, 400, "subject_format"),
    row("an empty subject", "shop", ORDERS, {**ORDER, "subject": "  "}, 400, "subject_format"),
    row("SQL in an order number", "shop", ORDERS, {**ORDER, "out_trade_no": "x'; drop table payment; --"},
        400, "out_trade_no_format"),
    row("NUL in an order number", "shop", ORDERS, {**ORDER, "out_trade_no": "a\0"}, 400, "invalid_request"),
    row("a newline after an order number", "shop", ORDERS, {**ORDER, "out_trade_no": "abc\n"}, 400, "out_trade_no_format"),
    row("NUL in a note", "ann", TRANSFERS, {**SEND, "note": "a\0b"}, 400, "invalid_request"),
    row("a note beyond 100", "ann", TRANSFERS, {**SEND, "note": "字" * 101}, 400, "note_too_long"),
    row("NUL in a reason", "shop", REFUNDS, {**BACK, "reason": "a\0b"}, 400, "invalid_request"),
    row("a reason beyond 80", "shop", REFUNDS, {**BACK, "reason": "字" * 81}, 400, "reason_too_long"),
    row("NUL in a refund number", "shop", REFUNDS, {**BACK, "out_refund_no": "a\0"}, 400, "invalid_request"),
    row("NUL in a device's name", "", REGISTER, {**NEWCOMER, "device_name": "a\0b"}, 400, "invalid_request"),
    row("NUL in a device's name at log-in", "", "POST /v1/wallet/login",
        {"login": "$ann_login", "password": PASSWORD, "device_name": "a\0b"}, 400, "invalid_request"),
    row("NUL in a merchant's name", "admin", MERCHANTS, {**SHOP, "name": "a\0b"}, 400, "invalid_request"),
    row("NUL in a city", "admin", MERCHANTS, {**SHOP, "city": "a\0b"}, 400, "invalid_request"),
    row("NUL in a store's name", "admin", MERCHANTS, {**SHOP, "stores": [{"name": "\0", "city": "x"}]},
        400, "invalid_request"),
    row("NUL in an owner's name", "admin", MERCHANTS, {**SHOP, "owner": {**SHOP["owner"], "name": "a\0"}},
        400, "invalid_request"),
    row("NUL in a search for orders", "shop", "GET /v1/merchant/orders?q=a%00b", None, 400, "invalid_request"),
    row("NUL in a search for payments", "support", "GET /v1/console/payments?q=a%00b", None, 400, "invalid_request"),
    *(row(f"NUL in the path of {path}", "admin", f"GET /v1/console/{path}/%00", None, 400, "invalid_request")
      for path in ("customers", "accounts", "payments")),
    row("NUL in the path of a hold", "admin", "POST /v1/console/holds/%00/void", {"reason": "why"}, 400, "invalid_request"),
    row("a line break in a path", "admin", "GET /v1/console/customers/a%0Ab", None, 400, "invalid_request"),
    row("NUL in a search for customers", "support", "GET /v1/console/customers?q=a%00b", None, 400, "invalid_request"),
    row("NUL in a search for merchants", "support", "GET /v1/console/merchants?q=a%00b", None, 400, "invalid_request"),
    row("NUL in a chart line", "support", "GET /v1/console/accounts?code=a%00b", None, 400, "invalid_request"),
    row("NUL in a path", "shop", "GET /v1/merchant/orders/a%00b", None, 400, "invalid_request"),
    row("bytes that are not UTF-8 in a search", "shop", "GET /v1/merchant/orders?q=%ff%fe", None,
        400, "invalid_request", bug="a query that is not UTF-8 is read with replacement characters"),
]  # fmt: skip

_LISTS = {
    "ann": ("/v1/wallet/bills", "/v1/wallet/sessions", "/v1/wallet/bank-accounts"),
    "shop": ("/v1/merchant/orders",),
    "finance": (
        "/v1/console/payments", "/v1/console/accounts", "/v1/console/accounts/$account/statement", "/v1/console/customers",
        "/v1/console/merchants", "/v1/console/bank-transfers",
    ),
}  # fmt: skip
_HUGE = "cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"
_EARLY = "cursor=WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIiwiMDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwIl0"
LISTS = [
    row(f"{query} of {path}", who, f"GET {path}?{query}", None, 400, code)
    for who, paths in _LISTS.items()
    for path in paths
    for query, code in {
        "cursor=garbage": "invalid_cursor", "cursor=%F0%9F%92%A9": "invalid_cursor", "cursor=a%00b": "invalid_request",
        # Base 64 of texts that are JSON, but no place: {}, and a number beyond any version.
        "cursor=e30": "invalid_cursor", _HUGE: "invalid_cursor",
        # ["0001-01-01T00:00:00+14:00","00000000-0000-0000-0000-000000000000"]: before the first moment that PostgreSQL takes.
        _EARLY: "invalid_cursor",
        f"cursor={'x' * 201}": "invalid_request", "limit=0": "invalid_request", "limit=101": "invalid_request",
        "limit=-1": "invalid_request", "limit=ten": "invalid_request", f"limit={10**30}": "invalid_request",
    }.items()
] + [
    row(f"{query} of {path}", who, f"GET {path}?{query}", None, 400, code)
    for who, path in (
        ("ann", "/v1/wallet/bills"), ("shop", "/v1/merchant/orders"), ("finance", "/v1/console/payments"),
        ("finance", "/v1/console/accounts/$account/statement"),
    )
    for query, code in {
        "from=yesterday": "invalid_date", "from=2026-13-01": "invalid_date", "from=2026-02-30": "invalid_date",
        "to=9999-12-31": "invalid_date", "from=0001-01-01": "invalid_date", "from=2026-02-02&to=2026-02-01": "invalid_date",
        "from=2026-W01-1": "invalid_date", "from=20260101": "invalid_date", "from=２０２６-01-01": "invalid_date",
        "from=2026-01-01T00:00": "invalid_request",
    }.items()
] + [
    row("a summary of no day", "shop", "GET /v1/merchant/summary?date=today", None, 400, "invalid_date"),
    row("a summary of the last day", "shop", "GET /v1/merchant/summary?date=9999-12-31", None, 400, "invalid_date"),
    row("bills of a kind we do not have", "ann", "GET /v1/wallet/bills?kind=gift", None, 400, "invalid_request"),
    row("bills in a direction we do not have", "ann", "GET /v1/wallet/bills?direction=up", None, 400, "invalid_request"),
    row("orders in a state we do not have", "shop", "GET /v1/merchant/orders?state=paid", None, 400, "invalid_request"),
    row("a ledger without its days", "finance", "GET /v1/console/general-ledger", None, 400, "invalid_request"),
    row("a ledger of a line without a currency", "finance",
        "GET /v1/console/general-ledger/entries?code=2001&currency=XX&date=2026-01-01", None, 400, "currency_unknown"),
    row("a statement in no order", "finance", "GET /v1/console/accounts/$account/statement?order=random", None, 400,
        "invalid_request"),
    row("an export of something else", "finance", "GET /v1/console/exports/passwords", None, 400, "invalid_request"),
    row("an export backwards", "finance", "GET /v1/console/exports/entries?from=2026-02-02&to=2026-02-01", None, 400,
        "invalid_date"),
    row("a freeze for no reason we know", "finance", "POST /v1/console/accounts/$account/freeze",
        {"debits": True, "credits": False, "reason": "mood"}, 400, "invalid_request"),
    row("a period through no day", "finance", "POST /v1/console/periods", {"through": "2026-02-30"}, 400, "invalid_date"),
    row("opening balances of no day", "finance", "POST /v1/console/opening-balances",
        {"content": "x", "value_date": "soon"}, 400, "invalid_date"),
    row("a trial balance of no day", "finance", "GET /v1/console/trial-balance?date=now", None, 400, "invalid_date"),
    row("a trial balance of a moment", "finance", "GET /v1/console/trial-balance?date=2026-01-01T00:00", None, 400,
        "invalid_request"),
    row("a trial balance before time", "finance", "GET /v1/console/trial-balance?date=0001-01-01", None, 400, "invalid_date"),
]  # fmt: skip

PATHS = [
    row(f"{text[:20]!r} as {request}", who, request.replace("*", text), body, 404, code)
    for text in ("garbage", "1", "%F0%9F%92%A9", "%27%20or%201%3D1", "00000000-0000-0000-0000-000000000000", "x" * 64)
    for who, request, body, code in (
        ("ann", "GET /v1/wallet/payments/*", None, "payment_not_found"),
        ("ann", "POST /v1/wallet/payments/*/confirm", YES, "payment_not_found"),
        ("ann", "GET /v1/wallet/bills/*", None, "bill_not_found"),
        ("ann", "GET /v1/wallet/bank-transfers/*", None, "bank_transfer_unknown"),
        ("ann", "DELETE /v1/wallet/cards/*", None, "card_unknown"),
        ("ann", "GET /v1/wallet/card-bindings/*", None, "card_binding_unknown"),
        ("ann", "DELETE /v1/wallet/bank-accounts/*", None, "bank_account_unknown"),
        ("ann", "DELETE /v1/wallet/sessions/*", None, "session_not_found"),
        ("shop", "GET /v1/merchant/orders/*", None, "payment_not_found"),
        ("shop", "POST /v1/merchant/orders/*/close", None, "payment_not_found"),
        ("shop", "POST /v1/merchant/orders/*/refunds", BACK, "payment_not_found"),
        ("shop", "GET /v1/merchant/stores/*/code", None, "store_not_found"),
        ("finance", "GET /v1/console/payments/*", None, "payment_not_found"),
        ("finance", "GET /v1/console/journals/*", None, "journal_not_found"),
        ("finance", "GET /v1/console/accounts/*", None, "account_not_found"),
        ("finance", "GET /v1/console/accounts/*/statement", None, "account_not_found"),
        ("finance", "GET /v1/console/accounts/*/balance?date=2026-01-01", None, "account_not_found"),
        ("finance", "POST /v1/console/accounts/*/freeze", {"debits": True, "credits": True, "reason": "aml"},
            "account_not_found"),
        ("finance", "POST /v1/console/accounts/*/close", {}, "account_not_found"),
    )
] + [
    row("a path beyond its length", "ann", f"GET /v1/wallet/bills/{'x' * 65}", None, 400, "invalid_request"),
    row("nothing here", "ann", "GET /v1/wallet/nothing", None, 404, "not_found"),
    row("nothing here either", "", "GET /v2", None, 404, "not_found"),
    row("another method", "ann", "PUT /v1/wallet/balance", None, 405, "method_not_allowed"),
    row("delete all orders", "shop", "DELETE /v1/merchant/orders", None, 405, "method_not_allowed"),
]  # fmt: skip

_SOMEBODY = {"wallet": "/v1/wallet/balance", "merchant": "/v1/merchant/balance", "console": "/v1/console/me"}
RIGHTS = [
    row(f"nobody at {path}", "", f"GET {path}", None, 401, "unauthenticated") for path in _SOMEBODY.values()
] + [
    row(f"{who} at {path}", who, f"GET {path}", None, 401, "unauthenticated")
    for audience, path in _SOMEBODY.items()
    for who, own in (("ann", "wallet"), ("shop", "merchant"), ("admin", "console"))
    if own != audience
] + [
    row(f"{name} as a token", "", "GET /v1/wallet/balance", None, 401, "unauthenticated", {"authorization": text})
    for name, text in {
        "nothing": "Bearer", "a guess": "Bearer guess", "another scheme": "Basic YTpi", "a key that is none": "Bearer sk_none",
        "SQL": "Bearer ' or 1=1 --",
    }.items()
] + [
    row("a merchant's key that is none", "", "GET /v1/merchant/balance", None, 401, "unauthenticated",
        {"authorization": "Bearer sk_x"}),
    row("nobody sends money", "", TRANSFERS, SEND, 401, "unauthenticated"),
    row("a cookie without the app's header", "", TRANSFERS, SEND, 403, "csrf", {"cookie": "tongbao_session=$ann_token"}),
    row("a cookie of another audience", "", "GET /v1/merchant/balance", None, 401, "unauthenticated",
        {"cookie": "tongbao_session=$ann_token"}),
    row("a cookie that is none, with the header", "", TRANSFERS, SEND, 401, "unauthenticated",
        {"cookie": "tongbao_session=guess", "x-tongbao-app": "1"}),
    row("log out by cookie without the header", "", "POST /v1/wallet/logout", None, 403, "csrf",
        {"cookie": "tongbao_session=$ann_token"}),
    row("finance takes a merchant on", "finance", MERCHANTS, SHOP, 403, "forbidden"),
    row("support takes a merchant on", "support", MERCHANTS, SHOP, 403, "forbidden"),
    row("support verifies the chain", "support", "POST /v1/console/chain/verify", None, 403, "forbidden"),
    row("a wrong PIN", "dan", CONFIRM, {**YES, "pin": WRONG_PIN}, 403, "wrong_pin"),
]  # fmt: skip

ROWS = [
    *BODIES, *AMOUNTS, *CURRENCIES, *KEYS, *CODES, *STRANGERS, *RULES, *TEXTS, *LISTS, *PATHS, *RIGHTS,
]  # fmt: skip
