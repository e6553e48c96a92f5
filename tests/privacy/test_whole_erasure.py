"""Somebody who used all there is leaves: from then on the database holds neither what they told us nor an index of it.

Two things stay on purpose. Whatever is sealed opens with the retention key alone. And the document's index stays in
`document_holder` for a year, because a limit is a person's, not an account's: who registers again does not begin anew.
"""

from __future__ import annotations

import base64
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import msgspec
import pytest

from tests.identity.test_real_names import FIVE, STILL_A_CHILD, confirmed, starting
from tests.privacy.test_erasure import (
    NAME,
    NOTE,
    PHONE,
    PIN,
    Scene,
    dumped,
    everything_of,
    scene,
    settings,
    spellings,
)
from tests.support.town import CURRENCY, NOON
from tongbao.app.settings import Settings
from tongbao.engine.api import Command
from tongbao.identity.certificates import NAME as CERTIFICATE_NAME
from tongbao.identity.codes import Asking, CodeUse, SendCode
from tongbao.identity.enrolling import EnrolCertificate
from tongbao.identity.enrolment import login_index, name_index
from tongbao.identity.passkeys import NAME as PASSKEY_NAME
from tongbao.identity.passkeys import AddPasskey, passkey_id_of
from tongbao.identity.realname.documents import Document
from tongbao.identity.realname.rules import COUNTED_FOR
from tongbao.identity.realname.types import (
    CONTENT_FIELD,
    DETAILS_FIELD,
    DOCUMENT_FIELD,
    NUMBER_FIELD,
    PHONE_FIELD,
    Ask,
    AskRegistries,
    Details,
    File,
    ProvePhone,
    RecordAnswer,
    RequestGuardian,
    StartVerification,
)
from tongbao.identity.service import LoggedIn
from tongbao.identity.types import PasskeyConfirmation
from tongbao.kernel.clock import VirtualClock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import Money
from tongbao.privacy.erasure import GRACE
from tongbao.privacy.retention import brought_back
from tongbao.security.envelopes import Identity
from tongbao.wallet.types import HOLDER, LinkBankAccount
from tongbao.wallet.types import NUMBER as BANK_NUMBER

__all__ = ["settings"]

NUMBER, CARD, ISSUED = "330106199003077721", "6217000000000099", date(2020, 1, 1)
DOCUMENT = Document("resident_id", NUMBER, NAME, "", date(1990, 3, 7), "F", "CHN", ISSUED, date(2040, 1, 1))
PASSKEY, CERTIFICATE, BANK_CARD = "明月的钥匙", "明月的电脑", "6222020000123456789"
#: What an authenticator and a device made, which nobody else has.
CREDENTIAL, PASSKEY_PUBLIC, CERTIFICATE_PUBLIC, X509 = (
    b"credential of hers",
    b"key of hers",
    b"signing key of hers",
    b"x509 of hers",
)
TOLD = (NAME, PHONE, PHONE.removeprefix("+86"), NOTE, NUMBER, CARD, PASSKEY, CERTIFICATE, BANK_CARD)


class Equipped(NamedTuple):
    """Her, a friend, and a child she answers for; another child who only asks her."""

    hers: LoggedIn
    his: LoggedIn
    child: LoggedIn
    asking: LoggedIn


async def verified(place: Scene, session: LoggedIn) -> None:
    """Her document and her phone, confirmed by five channels, one of which knows her card; a sixth has yet to answer."""
    vault, town, customer_id = place.services.vault, place.town, session.principal.principal_id
    file = msgspec.json.encode(File(DOCUMENT, PHONE)).decode()
    document_index, phone_index = vault.index(NUMBER_FIELD, f"resident_id {NUMBER}"), vault.index(PHONE_FIELD, PHONE)
    given = StartVerification(
        command_id=town.id(), customer_id=customer_id, document_kind="resident_id",
        document=await vault.seal(customer_id, DOCUMENT_FIELD, file), content_index=vault.index(CONTENT_FIELD, file),
        wanted_level=3, expires_on=DOCUMENT.expires_on, of_age_on=DOCUMENT.of_age_on, number_tells_age=True,
        today=place.services.names.today,
        document_index=document_index, phone_index=phone_index,
    )  # fmt: skip
    await town.happens(given)
    code = CodeUse(town.id(), b"right")
    await town.happens(SendCode(command_id=town.id(), code_id=code.code_id, mac=code.mac, asking=Asking(town.id())))
    shown = ProvePhone(
        command_id=town.id(), customer_id=customer_id, document_index=document_index, phone_index=phone_index,
        today=place.services.names.today, code=code,
    )  # fmt: skip
    await town.happens(shown)
    details = await vault.seal(customer_id, DETAILS_FIELD, msgspec.json.encode(Details(CARD)).decode())
    asks = tuple(Ask(registry, town.id(), details if registry == "bank" else b"") for registry in (*FIVE, "education"))
    await town.happens(AskRegistries(command_id=town.id(), customer_id=customer_id, attempt=1, asks=asks))
    for ask in asks[:-1]:
        answer = RecordAnswer(
            command_id=town.id(), customer_id=customer_id, registry=ask.registry, check_id=ask.check_id, state="MATCHED",
            today=place.services.names.today, document_index=document_index, phone_index=phone_index,
        )  # fmt: skip
        level = (await town.happens(answer)).level
    assert level == 3


async def equipped(place: Scene) -> Equipped:
    """Everything a person can have here."""
    services, town = place.services, place.town
    hers, his = await place.customer(NAME, PHONE, 20_000), await place.customer("李雨桐", "+8613700000001")
    her_id = hers.principal.principal_id
    await verified(place, hers)
    made = AddPasskey(
        command_id=town.id(), passkey_id=passkey_id_of(CREDENTIAL), customer_id=her_id, credential_id=CREDENTIAL,
        public_key=PASSKEY_PUBLIC, counter=0, proven_at=town.clock.now(),
        name=await services.vault.seal(her_id, PASSKEY_NAME, PASSKEY),
    )  # fmt: skip
    await town.happens(made)
    await town.happens(await enrolling(place, her_id))
    linked = LinkBankAccount(
        command_id=town.id(), customer_id=her_id, bank_account_id=town.id(), bank="simbank", holder_index=b"",
        number=await services.vault.seal(her_id, BANK_NUMBER, BANK_CARD),
        holder_name=await services.vault.seal(her_id, HOLDER, NAME),
    )  # fmt: skip
    await town.happens(linked)
    children = []
    for number in ("1", "2"):
        child = await place.customer("小孩", f"+861370000010{number}")
        child_id = child.principal.principal_id
        await town.happens(starting(child_id, town, f"child {number}", of_age_on=STILL_A_CHILD))
        await confirmed(town, child_id, ("police",), f"child {number}")
        await town.happens(RequestGuardian(command_id=town.id(), minor_id=child_id, guardian_id=her_id))
        children.append(child)
    guardian = await place.caller(hers)
    await services.guardians.agree(town.id(), guardian, children[0].principal.principal_id, None, 5_000, CURRENCY, PIN)
    amount = Money(10_000, CURRENCY)
    await services.wallet.transfer(town.id(), guardian, his.principal.principal_id, amount, NOTE, PIN, "next_day")
    await place.send(hers, his, 10_000, NOTE)
    return Equipped(hers, his, *children)


async def test_nothing_of_somebody_who_used_all_there_is_stays_outside_the_envelope(settings: Settings, tmp_path: Path) -> None:
    clock = VirtualClock(NOON)
    async with scene(settings, clock) as place:
        services, everybody = place.services, await equipped(place)
        her_id = everybody.hers.principal.principal_id
        index, vault = {}, services.vault
        index["login"], index["name"] = login_index(vault, PHONE), name_index(vault, NAME)
        index["phone"] = vault.index(PHONE_FIELD, PHONE)
        index["content"] = vault.index(CONTENT_FIELD, msgspec.json.encode(File(DOCUMENT, PHONE)).decode())
        index["bank account"] = vault.index(BANK_NUMBER, BANK_CARD)
        index |= {"credential": CREDENTIAL, "passkey": PASSKEY_PUBLIC, "certificate": CERTIFICATE_PUBLIC, "x509": X509}
        document = vault.index(NUMBER_FIELD, f"resident_id {NUMBER}")

        # What stands in the way is said in words, one after the other, and goes as she clears it away.
        obstacles = {each.kind for each in (await services.erasures.state(her_id)).obstacles}
        assert obstacles == {"balance", "hold", "delayed_transfer", "guardianship"}
        his_obstacles = {each.kind for each in (await services.erasures.state(everybody.his.principal.principal_id)).obstacles}
        assert his_obstacles == {"balance", "delayed_transfer"}
        with pytest.raises(Refusal, match="erasure_obstructed"):
            await place.ask(everybody.hers)
        before = await dumped(settings.database_url)
        shown = {name for name, value in index.items() if stands_in(value, before)}
        assert shown == index.keys() - {"bank account"}, "the test must look for what is there"
        clock.advance(timedelta(days=1, seconds=1))
        assert await services.wallet.delayed.deliver_due() == 1
        await services.guardians.end(her_id, everybody.child.principal.principal_id)
        assert (await services.erasures.state(her_id)).obstacles == []

        await place.ask(everybody.hers)
        clock.advance(GRACE)
        assert await services.erasures.erase_due() == 1
        assert await place.state(everybody.hers) == "DONE"
        assert await services.names.settle_due() == 0, "no registry is asked about her any more"
        assert (await services.audit.verify()).ok
        kept = await dumped(settings.database_url)

        assert [name for name, value in index.items() if stands_in(value, kept)] == []
        assert [each for each in TOLD for spelt in spellings(each) if spelt in kept] == []
        told = [line.split(b"\t") for line in kept.splitlines() if document.hex().encode() in line]
        assert len(told) == 1, "the index of the document is in no other table"
        holder = await services.pool.fetchrow("select * from document_holder where document_index = $1", document)
        assert (holder["accounts"], holder["class_three_id"]) == (0, None)
        standing = await services.names.standing(her_id)
        assert (standing.level, standing.expires_on, standing.visitor, standing.minor) == (0, None, False, False)
        assert await services.guardians.of_minor(everybody.asking.principal.principal_id) is None

        # Somebody else may have the phone, and the same person may come again: as somebody who is not known yet.
        again = await place.customer(NAME, PHONE)
        await verified(place, again)

    key = Identity.parse((tmp_path / "safe" / "retention.key").read_text())
    async with scene(settings, clock) as place:
        erasure = (await place.services.erasures.state(her_id)).erasure
        assert erasure is not None
        place.services.vault.adopt(her_id, brought_back(key, her_id, erasure.sealed))
        data = await everything_of(place.services, her_id)
        known = msgspec.json.decode(data["real_name_events"][0]["document"], type=File)
        assert (known.document, known.phone) == (DOCUMENT, PHONE)
        said = {each["detail"] for each in data["real_name_events"] if each["act"] == "checked"}
        assert said == {f"{registry}:MATCHED" for registry in FIVE}
        assert (data["bank_accounts"][0]["number"], data["bank_accounts"][0]["holder_name"]) == (BANK_CARD, NAME)
        assert (data["passkeys"], data["certificates"], data["wards"], data["guardian"]) == ([], [], [], [])


async def test_a_document_is_recognised_for_as_long_as_a_limit_counts_and_then_forgotten(settings: Settings) -> None:
    clock = VirtualClock(NOON)
    async with scene(settings, clock) as place:
        services, hers = place.services, await place.customer(NAME, PHONE)
        await verified(place, hers)
        await place.ask(hers)
        clock.advance(GRACE)
        assert await services.erasures.erase_due() == 1
        again = await place.customer(NAME, PHONE)
        await verified(place, again)
        standing = await services.names.standing(again.principal.principal_id)
        assert standing.subject_id == hers.principal.principal_id, "she is counted where she was counted before"
        clock.advance(COUNTED_FOR)
        assert await services.names.forget_documents() == 0, "somebody is known by it"
        await place.ask(again)
        clock.advance(GRACE)
        assert await services.erasures.erase_due() == 1
        clock.advance(COUNTED_FOR - timedelta(seconds=1))
        assert await services.names.forget_documents() == 0
        clock.advance(timedelta(seconds=1))
        assert await services.names.forget_documents() == 1
        assert not stands_in(services.vault.index(NUMBER_FIELD, f"resident_id {NUMBER}"), await dumped(settings.database_url))
        assert (await services.audit.verify()).ok


async def enrolling(place: Scene, customer_id: UUID) -> Command:
    """A signing key, vouched for by the PIN and the passkey."""
    services, town = place.services, place.town
    mac = await services.pool.fetchval("select mac from pin where customer_id = $1", customer_id)
    return EnrolCertificate(
        command_id=town.id(), certificate_id=town.id(), customer_id=customer_id, algorithm="ed25519",
        public_key=CERTIFICATE_PUBLIC, x509=X509, name=await services.vault.seal(customer_id, CERTIFICATE_NAME, CERTIFICATE),
        lives=timedelta(days=700), pin_mac=mac, passkey=PasskeyConfirmation(passkey_id_of(CREDENTIAL), 0),
    )  # fmt: skip


def stands_in(value: bytes, dump: bytes) -> bool:
    """Whether bytes stand in a dump: as a bytea or as an id."""
    spelt = [value.hex().encode(), base64.b64encode(value)]
    return any(each in dump for each in ([*spelt, str(UUID(bytes=value)).encode()] if len(value) == 16 else spelt))
