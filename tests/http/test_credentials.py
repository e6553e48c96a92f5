"""Passkeys and signing keys from end to end: made, used to log in and to pay, refused where anything is not as it was shown."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import gmssl_pyx
import httpx
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.http.names import family
from tests.http.town import PASSWORD, PIN, Person, Town, key, ok, refused, session_of
from tests.support.authenticator import HERE, Authenticator, on_the_wire, read, written
from tongbao.app.asgi import open_services
from tongbao.identity.passkey_checks import Assertion, Attestation
from tongbao.identity.service import Caller
from tongbao.identity.types import Audience
from tongbao.kernel.errors import Refusal

pytestmark = pytest.mark.asyncio(loop_scope="session")

TRANSFERS = "/v1/wallet/transfers"


async def added(person: Person, authenticator: Authenticator, pin: str | None = None, **wrong: Any) -> httpx.Response:
    """Make a passkey and add it."""
    options = ok(await person.post("/v1/wallet/passkeys/options"))
    made = on_the_wire(authenticator.made(read(options["challenge"]), **wrong))
    return await person.post("/v1/wallet/passkeys", {"name": "手机", "password": PASSWORD, "pin": pin, **made})


async def enrolled(person: Person, authenticator: Authenticator) -> dict[str, Any]:
    """A signing key of somebody who has a passkey and the PIN."""
    key = Ed25519PrivateKey.generate()
    keyed = {"algorithm": "ed25519", "public_key": written(key.public_key().public_bytes_raw())}
    options = ok(await person.post("/v1/wallet/certificates/options", keyed))
    passkey = {"kind": "passkey", **on_the_wire(authenticator.answers(read(options["challenge"])))}
    signature = written(key.sign(options["text"].encode()))
    wish = {**keyed, "name": "电脑", "signature": signature, "pin": PIN, "passkey": passkey}
    return ok(await person.post("/v1/wallet/certificates", wish), status=201)


async def asked(person: Person, body: dict[str, str], again: str) -> dict[str, Any]:
    """The challenge of a transfer."""
    act = {"request_key": again, "act": "transfer", "counterparty_id": body["payee_id"]}
    return ok(await person.post("/v1/wallet/acts/challenge", {**act, "amount": body["amount"], "currency": body["currency"]}))


@pytest_asyncio.fixture(loop_scope="session")
async def zoe(town: Town) -> tuple[Person, Authenticator]:
    """A customer with 5.00 and a passkey."""
    person, authenticator = await town.customer("Zoe"), Authenticator()
    await town.gift(person, "5.00")
    ok(await added(person, authenticator), status=201)
    return person, authenticator


async def test_a_transfer_by_passkey_is_for_this_amount_under_this_key_only(
    town: Town, zoe: tuple[Person, Authenticator]
) -> None:
    person, phone = zoe
    body = {"payee_id": town.ben.customer_id, "amount": "1.00", "currency": "CNY"}
    again = key()
    challenge = read((await asked(person, body, again))["challenge"])

    def by(answer: dict[str, bytes]) -> dict[str, Any]:
        return {**body, "confirmation": {"kind": "passkey", **on_the_wire(answer)}}

    wrong: list[tuple[dict[str, Any], str, int, str]] = [
        ({**by(phone.answers(challenge)), "amount": "1.01"}, key(), 401, "challenge_wrong"),
        (by(phone.answers(challenge)), key(), 401, "challenge_wrong"),
        ({**by(phone.answers(challenge)), "payee_id": town.cat.customer_id}, key(), 401, "challenge_wrong"),
        (by(phone.answers(challenge, verified=False)), key(), 401, "passkey_unverified"),
        (by(phone.answers(challenge, origin="https://tongbao.evil.example")), key(), 403, "passkey_origin"),
        (by(phone.answers(challenge, forged=True)), key(), 401, "passkey_wrong"),
        (by(Authenticator().answers(challenge)), key(), 403, "passkey_unknown"),
        ({**by(phone.answers(challenge)), "pin": PIN}, key(), 400, "confirmation_format"),
        (body, key(), 400, "confirmation_format"),
    ]
    for sent, under, status, code in wrong:
        refused(await person.post(TRANSFERS, sent, key=under), status, code)
    elsewhere = await town.here.post("/v1/wallet/login", json={"login": person.login, "password": PASSWORD})
    other_session = Person(town.here, session_of(elsewhere))
    refused(await other_session.post(TRANSFERS, by(phone.answers(challenge)), key=again), 401, "challenge_wrong")

    answer = phone.answers(challenge)
    bill = ok(await person.post(TRANSFERS, by(answer), key=again), status=201)
    assert (bill["factors"], bill["strength"]) == (["possession", "inherence"], "medium")
    assert ok(await person.post(TRANSFERS, by(answer), key=again), status=201)["bill_id"] == bill["bill_id"]
    refused(await person.post(TRANSFERS, by(answer), key=key()), 401, "challenge_wrong")
    assert ok(await person.get("/v1/wallet/balance"))["balance"] == "4.00"

    phone.counter -= 3  # a copy of it was used meanwhile, or this is the copy
    once = key()
    copied = by(phone.answers(read((await asked(person, body, once))["challenge"])))
    refused(await person.post(TRANSFERS, copied, key=once), 403, "passkey_cloned")


async def test_orders_and_printed_codes_are_paid_by_passkey(town: Town, zoe: tuple[Person, Authenticator]) -> None:
    person, phone = zoe
    order = await town.order(town.shop, "1.00")
    code = ok(await town.shop.get(f"/v1/merchant/stores/{town.shop.store_id}/code"))["text"]
    money = {"amount": "1.00", "currency": "CNY"}
    for act, counterparty, path, body, status in (
        ("pay_order", order["payment_id"], f"/v1/wallet/payments/{order['payment_id']}/confirm", money, 200),
        ("pay_merchant", town.shop.merchant_id, "/v1/wallet/payments", {**money, "code": code}, 201),
    ):
        once = key()
        wish = {"request_key": once, "act": act, "counterparty_id": counterparty, **money}
        challenge = read(ok(await person.post("/v1/wallet/acts/challenge", wish))["challenge"])
        confirmation = {"kind": "passkey", **on_the_wire(phone.answers(challenge))}
        paid = ok(await person.post(path, {**body, "confirmation": confirmation}, key=once), status=status)
        assert paid["state"] == "PAID"


async def test_a_guardian_agrees_by_passkey_to_these_caps_and_no_others(town: Town) -> None:
    parent, child = await family(town)
    phone, once = Authenticator(), key()
    ok(await added(parent, phone), status=201)
    path, body = f"/v1/wallet/guardianships/{child.customer_id}/agree", {"currency": "CNY", "single": "50.00", "daily": "80.00"}
    wish = {"request_key": once, "act": "agree_guardian", "counterparty_id": child.customer_id, "currency": "CNY"}
    asked = ok(await parent.post("/v1/wallet/acts/challenge", {**wish, "amount": "50.00", "detail": "80.00"}))
    confirmation = {"kind": "passkey", **on_the_wire(phone.answers(read(asked["challenge"])))}
    for other in ({"single": "500.00"}, {"daily": "800.00"}, {"daily": None}):
        refused(await parent.post(path, {**body, **other, "confirmation": confirmation}, key=once), 401, "challenge_wrong")
    agreed = ok(await parent.post(path, {**body, "confirmation": confirmation}, key=once))
    assert (agreed["single"], agreed["daily"]) == ("50.00", "80.00")


async def test_logging_in_by_passkey_names_nobody_and_opens_one_session(town: Town, zoe: tuple[Person, Authenticator]) -> None:
    person, phone = zoe
    options = ok(await town.here.post("/v1/wallet/login/passkey/options"))
    answer = {"passkey": {"kind": "passkey", **on_the_wire(phone.answers(read(options["challenge"])))}}
    entered = await town.here.post("/v1/wallet/login/passkey", json=answer)
    me = Person(town.here, session_of(entered))
    assert ok(await me.get("/v1/wallet/me"))["customer_id"] == person.customer_id
    refused(await town.here.post("/v1/wallet/login/passkey", json=answer), 401, "challenge_used")
    refused(await town.there.post("/v1/wallet/login/passkey", json=answer), 401, "challenge_used")

    listed = ok(await person.get("/v1/wallet/passkeys"))["items"]
    assert [(each["name"], each["used_at"] is not None) for each in listed] == [("手机", True)]
    removal = f"/v1/wallet/passkeys/{listed[0]['passkey_id']}"
    refused(await town.ben.delete(removal), 403, "passkey_unknown")
    assert (await person.delete(removal)).status_code == 204
    options = ok(await town.here.post("/v1/wallet/login/passkey/options"))
    answer = {"passkey": {"kind": "passkey", **on_the_wire(phone.answers(read(options["challenge"])))}}
    refused(await town.here.post("/v1/wallet/login/passkey", json=answer), 403, "passkey_revoked")


async def test_a_passkey_is_added_in_its_own_session_once_and_with_the_password(town: Town) -> None:
    person, authenticator = await town.customer("Yan"), Authenticator()
    refused(await added(person, Authenticator(), verified=False), 401, "passkey_unverified")
    refused(await added(person, Authenticator(), origin="https://evil.example"), 403, "passkey_origin")
    options = ok(await person.post("/v1/wallet/passkeys/options"))
    made = on_the_wire(authenticator.made(read(options["challenge"]), origin=HERE))
    body = {"name": "key", "password": PASSWORD, **made}
    refused(await town.ben.post("/v1/wallet/passkeys", body), 401, "challenge_wrong")
    refused(await person.post("/v1/wallet/passkeys", {**body, "password": "wrong password"}), 401, "wrong_credentials")
    refused(await person.post("/v1/wallet/passkeys", {**body, "client_data": "!"}), 400, "encoding_wrong")
    ok(await person.post("/v1/wallet/passkeys", body), status=201)
    refused(await person.post("/v1/wallet/passkeys", body), 409, "passkey_known")


@pytest.mark.parametrize("algorithm", ["ed25519", "sm2"])
async def test_a_signature_over_the_act_pays_strongly(town: Town, zoe: tuple[Person, Authenticator], algorithm: str) -> None:
    person, phone = zoe
    ed, (sm2_public, sm2_private) = Ed25519PrivateKey.generate(), gmssl_pyx.sm2_key_generate()
    public = ed.public_key().public_bytes_raw() if algorithm == "ed25519" else sm2_public

    def signs(text: str) -> str:
        raw = text.encode()
        return written(ed.sign(raw) if algorithm == "ed25519" else gmssl_pyx.sm2_sign(sm2_private, sm2_public, raw))

    keyed = {"algorithm": algorithm, "public_key": written(public)}
    options = ok(await person.post("/v1/wallet/certificates/options", keyed))
    passkey = {"kind": "passkey", **on_the_wire(phone.answers(read(options["challenge"])))}
    wish = {**keyed, "name": "电脑", "signature": signs(options["text"]), "pin": PIN, "passkey": passkey}
    refused(await person.post("/v1/wallet/certificates", {**wish, "signature": signs("another text")}), 401, "signature_wrong")
    certificate = ok(await person.post("/v1/wallet/certificates", wish), status=201)
    assert (certificate["name"], certificate["public_key"]) == ("电脑", written(public))
    if algorithm == "ed25519":
        own = x509.load_der_x509_certificate(read(ok(await town.here.get("/v1/certificate-authority"))["x509"]))
        x509.load_der_x509_certificate(read(certificate["x509"])).verify_directly_issued_by(own)
    else:
        assert certificate["x509"] is None

    body = {"payee_id": town.ben.customer_id, "amount": "1.00", "currency": "CNY"}
    once = key()
    text = (await asked(person, body, once))["text"]
    assert "amount 1.00 CNY\n" in text and f"to {town.ben.customer_id}\n" in text
    mine = {"kind": "certificate", "certificate_id": certificate["certificate_id"], "pin": PIN}
    signed = {**body, "confirmation": {**mine, "signature": signs(text)}}
    refused(await person.post(TRANSFERS, {**signed, "amount": "2.00"}, key=once), 401, "signature_wrong")
    refused(await person.post(TRANSFERS, signed, key=key()), 401, "signature_wrong")
    bill = ok(await person.post(TRANSFERS, signed, key=once), status=201)
    assert (bill["factors"], bill["strength"]) == (["knowledge", "possession", "signature"], "strong")

    revocation = f"/v1/wallet/certificates/{certificate['certificate_id']}"
    refused(await town.ben.delete(revocation), 403, "certificate_unknown")
    assert (await person.delete(revocation)).status_code == 204
    assert ok(await person.get("/v1/wallet/certificates"))["items"] == []
    once = key()
    late = {**body, "confirmation": {**mine, "signature": signs((await asked(person, body, once))["text"])}}
    refused(await person.post(TRANSFERS, late, key=once), 403, "certificate_revoked")


async def test_a_passkey_opens_no_session_but_where_its_owner_logs_in(town: Town) -> None:
    operator, owner = Authenticator(), Authenticator()
    ida = await town.customer("Ida")
    ok(await added(ida, owner), status=201)
    async with open_services(town.stack.settings, town.stack.dsn) as services:
        now = services.clock.now()
        login = f"{uuid4().hex}@tongbao.test"
        made, _ = await services.identity.register(uuid4(), "console", login, PASSWORD, "Op", "en", roles="admin")
        caller = Caller(made, uuid4(), "console", "en", frozenset({"admin"}), None, now, None, proven_at=now)
        attested = Attestation(**operator.made(services.credentials.passkey_challenge(caller)))
        await services.credentials.add_passkey(uuid4(), caller, PASSWORD, "key", attested)
        audiences: list[tuple[Authenticator, Audience]] = [(operator, "wallet"), (owner, "console"), (owner, "merchant")]
        for authenticator, audience in audiences:
            answer = Assertion(**authenticator.answers(services.credentials.login_challenge()))
            with pytest.raises(Refusal, match="passkey_unknown"):
                await services.credentials.log_in(audience, answer, "phone", "")
    options = ok(await town.here.post("/v1/wallet/login/passkey/options"))
    shown = {"passkey": {"kind": "passkey", **on_the_wire(operator.answers(read(options["challenge"])))}}
    refused(await town.here.post("/v1/wallet/login/passkey", json=shown), 403, "passkey_unknown")
