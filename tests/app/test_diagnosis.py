"""What `tongbao doctor` finds, check by check: each row is a fault, what it is called and how bad it is."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from tongbao.app import frontends, runtime, seed
from tongbao.app.asgi import Services, open_services
from tongbao.app.backup import remember
from tongbao.app.commands.doctor import effective, examine
from tongbao.app.diagnosis import (
    Finding,
    backup_findings,
    database_findings,
    file_findings,
    key_findings,
    settings_findings,
    worst,
)
from tongbao.app.settings import Secret, Settings
from tongbao.identity.totp_codes import code_of, step_at
from tongbao.kernel.clock import VirtualClock
from tongbao.operators.api import MACHINE
from tongbao.rules.pack import named_packs

SAFE: dict[str, Any] = {
    "secure_cookies": True, "trusted_proxies": "127.0.0.1", "anchor_file": "/elsewhere/anchors", "public_url": "https://pay.example",
    "master_key_file": "/elsewhere/master.key", "registration_codes": True,
    "operators_second_factor": "required",
}  # fmt: skip

FAULTS = [
    ({"secure_cookies": False, "host": "0.0.0.0"}, "broken", "network", "without TLS"),  # noqa: S104
    ({"secure_cookies": False}, "note", "cookies", "plain HTTP"),
    ({"public_url": "http://pay.example"}, "broken", "network", "not HTTPS"),
    ({"public_url": "http://192.168.1.5:8080", "secure_cookies": False}, "note", "network", "not HTTPS"),
    ({"trusted_proxies": ""}, "note", "rate limits", "TONGBAO_TRUSTED_PROXIES"),
    ({"four_eyes": False}, "broken", "four eyes", "one operator alone"),
    ({"four_eyes": False, "secure_cookies": False}, "note", "four eyes", "one operator alone"),
    ({"operators_second_factor": "warn"}, "note", "second factor", "password alone"),
    ({"registration_codes": False}, "broken", "codes", "need not hold the phone"),
    ({"registration_codes": False, "secure_cookies": False}, "note", "codes", "need not hold the phone"),
    ({"master_key": Secret("00" * 32)}, "note", "master key", "environment"),
    ({"master_key_file": ""}, "note", "master key", "beside the keys"),
    ({"argon2_time": 1}, "broken", "passwords", "cheaply"),
    ({"verify_hour": -1}, "note", "audit chain", "not anchored or not verified"),
    ({"anchor_file": ""}, "note", "anchors", "elsewhere"),
]


def test_safe_settings_have_nothing_said_of_them() -> None:
    assert settings_findings(Settings(**SAFE)) == []


@pytest.mark.parametrize(("fault", "level", "subject", "text"), FAULTS)
def test_what_settings_say(fault: dict[str, Any], level: str, subject: str, text: str) -> None:
    found = settings_findings(Settings(**{**SAFE, **fault}))
    assert [each for each in found if (each.level, each.subject) == (level, subject) and text in each.text], found


def test_files_that_others_can_read_or_change_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frontends, "built", lambda: None)
    folder = tmp_path / "data"
    settings = Settings(data_dir=folder)
    runtime.keys(settings)  # makes the folder too, of which there is nothing to say
    assert [(each.level, each.subject) for each in file_findings(settings)] == [("note", "front ends")]
    folder.chmod(0o755)
    (folder / "keys.json").chmod(0o640)
    (folder / "master.key").chmod(0o604)
    (folder / "anchors.jsonl").touch()
    (folder / "anchors.jsonl").chmod(0o666)
    assert {(each.level, each.subject) for each in file_findings(settings)} == {
        ("note", "data"), ("broken", "keys"), ("broken", "master key"), ("broken", "anchors"), ("note", "front ends"),
    }  # fmt: skip


def test_pages_that_are_not_as_they_were_built_are_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frontends, "built", lambda: tmp_path)
    (tmp_path / "inventory.json").write_text('{"wallet": {"main.js": "sha384-x"}}')
    (found,) = [each for each in file_findings(Settings(data_dir=tmp_path)) if each.subject == "front ends"]
    assert found.level == "broken" and "wallet/main.js" in found.text


def test_keys_older_than_a_year_are_named(tmp_path: Path) -> None:
    ring = runtime.ring(Settings(data_dir=tmp_path))
    assert key_findings(ring, datetime.now(UTC)) == []
    (found,) = key_findings(ring, datetime.now(UTC) + timedelta(days=366))
    assert found.level == "note" and "session" in found.text


async def test_a_database_says_what_is_unsafe_in_it(database: str, tmp_path: Path) -> None:
    settings = Settings(**{**SAFE, "data_dir": tmp_path, "database_url": database, "master_key_file": ""})
    ring = runtime.ring(settings)

    async def found() -> dict[str, tuple[str, str]]:
        return {each.subject: (each.level, each.text) for each in await database_findings(settings, ring)}

    before = await found()
    assert before["database"][0] == "broken"  # the tests' server: not durable, and we are its superuser
    assert not {"accounts", "incidents", "proposals"} & set(before)


async def test_what_stands_in_a_database_is_looked_at(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own server is not durable, which is all that would be said of it: here that is passed over."""
    monkeypatch.setattr("tongbao.app.diagnosis._server", _nothing_wrong)
    settings = Settings(
        **{
            **SAFE,
            "data_dir": tmp_path,
            "database_url": database,
            "master_key_file": "",
            "argon2_time": 1,
            "argon2_memory_kib": 1024,
        }
    )
    ring = runtime.ring(settings)

    async def found() -> dict[str, str]:
        return {each.subject: each.level for each in await database_findings(settings, ring)}

    assert (await found())["operators"] == "note"
    yesterday = VirtualClock(datetime.now(UTC) - timedelta(days=2))
    async with open_services(settings, database, yesterday) as services:
        for number in range(2):
            await services.identity.register(uuid4(), "console", f"o{number}@x.cn", "a password", "O", "zh", roles="admin")
        assert not {"operators", "accounts", "incidents", "proposals"} & set(await found())
        await _equipped(services, "o0@x.cn")
        (bare,) = [each for each in await database_findings(settings, ring) if each.subject == "second factor"]
        assert (bare.level, bare.text) == ("note", "o1@x.cn: neither an authenticator app nor a passkey")
        without = msgspec.structs.replace(settings, operators_second_factor="off")
        assert not [each for each in await database_findings(without, ring) if each.subject == "second factor"]
        login, name, _ = seed.OPERATORS[0]
        await services.identity.register(uuid4(), "console", login, seed.PASSWORD, name, "zh", roles="")
        await services.operators.open_incident("page_tampering", "wallet/main.js", "changed", MACHINE)
        assert (await found())["rules"] == "broken", "none"
        await services.law.adopt(named_packs("cn,house"), "test", "test")
        (idle,) = [each for each in await database_findings(settings, ring) if each.subject == "rules"]
        assert (
            idle.level == "note"
            and "cn.micro.day" in idle.text
            and "cn.barcode.bank" not in idle.text
            and "cn.auth.medium" not in idle.text
        )
    after = await found()
    assert (after["accounts"], after["incidents"]) == ("broken", "broken")


async def _equipped(services: Services, login: str) -> None:
    """An operator who has an authenticator app."""
    session = await services.identity.log_in("console", login, "a password", "desk")
    caller = await services.identity.authenticate(session.token, "console")
    shown = await services.apps.start(uuid4(), caller, "a password")
    code = code_of(base64.b32decode(shown.secret), step_at(services.clock.now()))
    await services.apps.confirm(uuid4(), caller, code)


async def _nothing_wrong(*_: Any, **__: Any) -> list[Finding]:
    return []


async def test_a_database_that_does_not_answer_is_broken(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "none", database_url="postgresql://127.0.0.1:1/x")
    found = await examine(settings)
    assert [each for each in found if (each.level, each.subject) == ("broken", "database")] and worst(found) == "broken"
    assert not (tmp_path / "none").exists()


async def test_a_master_key_that_is_not_there_is_broken(tmp_path: Path) -> None:
    runtime.keys(Settings(data_dir=tmp_path))
    (tmp_path / "master.key").unlink()
    found = await examine(Settings(data_dir=tmp_path))
    assert [each for each in found if (each.level, each.subject) == ("broken", "master key")], found


def test_settings_that_are_empty_are_told_as_what_they_come_to(tmp_path: Path) -> None:
    told = effective(Settings(data_dir=tmp_path, port=1234, master_key=Secret("00" * 32), database_url="postgresql://u:p@h/x"))
    assert (told["public_url"], told["bank_url"]) == ("http://127.0.0.1:1234", "http://127.0.0.1:1235")
    assert told["anchor_file"] == str(tmp_path / "anchors.jsonl")
    assert (told["master_key"], told["database_url"]) == ("…", "…")
    assert all(told.values())


_NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("made", "rehearsed", "public", "level", "text"),
    [
        (None, None, False, "note", "none was ever made"), (None, None, True, "broken", "none was ever made"),
        (3, 1, True, "broken", "3 days old"), (3, 1, False, "note", "3 days old"),
        (1, None, True, "note", "none was ever brought back"),
        (1, 93, True, "note", "93 days ago"), (1, 92, True, "ok", "2026-11-21"),
    ],
)  # fmt: skip
def test_a_backup_that_is_old_or_was_never_tried_is_named(
    made: int | None, rehearsed: int | None, public: bool, level: str, text: str, tmp_path: Path
) -> None:
    if made is not None:
        remember(tmp_path, made_at=_NOW - timedelta(days=made))
    if rehearsed is not None:
        remember(tmp_path, rehearsed_at=_NOW - timedelta(days=rehearsed))
    found = backup_findings(Settings(data_dir=tmp_path, secure_cookies=public), _NOW)
    assert [(each.level, each.subject) for each in found] == [(level, "backups")] and text.replace("never", "ever") in found[
        0
    ].text
