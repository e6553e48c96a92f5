"""What the doctor and the command line say of personal data."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner

from tests.privacy.test_ladder import ending, opening
from tests.support.town import NOON, town
from tongbao.app.commands.privacy import command
from tongbao.app.privacy_findings import privacy_settings, privacy_state
from tongbao.app.runtime import retention_key
from tongbao.app.settings import Settings
from tongbao.engine.api import PostgresStore, Sealer
from tongbao.privacy.purposes import PURPOSES
from tongbao.privacy.retention import fingerprint
from tongbao.security.envelopes import Identity


def levels(settings: Settings) -> dict[str, str]:
    return {subject: level for level, subject, _ in privacy_settings(settings)}


def test_a_private_retention_key_beside_the_data_is_noted(tmp_path: Path) -> None:
    here = Settings(data_dir=tmp_path / "data", privacy_contact="DPO, dpo@example.org")
    made = fingerprint(retention_key(here))
    private = tmp_path / "data" / "retention.key"
    assert fingerprint(retention_key(here)) == made == fingerprint(Identity.parse(private.read_text()).recipient)
    assert private.stat().st_mode & 0o777 == 0o600
    assert levels(here) == {"retention key": "note"}
    private.unlink()  # carried away
    assert fingerprint(retention_key(here)) == made
    assert levels(here) == {"retention key": "ok"}
    public = tmp_path / "public"
    public.write_text(f"{Identity.fresh().recipient}\n")
    there = Settings(data_dir=tmp_path / "other", retention_key=str(public))
    assert fingerprint(retention_key(there)) != made
    assert levels(there) == {"retention key": "ok", "privacy contact": "note"}


@pytest.mark.parametrize("content", [None, "", "tongbao-recipient-1:AAAA", Identity.fresh().secret_text()])
def test_a_retention_key_that_is_none_stops_the_start(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SystemExit, match="TONGBAO_RETENTION_KEY"):
        retention_key(Settings(data_dir=tmp_path, retention_key=str(file)))


async def test_what_is_late_is_said(database: str) -> None:
    connection = await asyncpg.connect(database)
    async with town(PostgresStore(database, sealer=Sealer(b"k" * 32))) as place:
        assert await privacy_state(connection, NOON) == []
        breach = (await place.happens(opening(place))).breach_id
        level, subject, text = (await privacy_state(connection, NOON + timedelta(hours=73)))[0]
        assert (level, subject) == ("broken", "privacy office") and "4 tasks of breaches" in text
        for clock in ("contain", "authority_cn", "central_bank", "authority_eu"):
            await place.happens(ending(place, breach, clock))
        assert await privacy_state(connection, NOON + timedelta(hours=73)) == []
    await connection.close()


def test_the_register_is_printed_without_a_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TONGBAO_DATA_DIR", str(tmp_path / "nothing"))
    monkeypatch.setenv("TONGBAO_PRIVACY_CONTACT", "The Officer")
    for lang in ("zh", "en"):
        said = CliRunner().invoke(command, ["register", "--lang", lang])
        assert said.exit_code == 0, said.output
        assert [each.id for each in PURPOSES.values() if getattr(each.name, lang) not in said.output] == []
        assert "The Officer" in said.output and "principal.name (C2)" in said.output
    assert not (tmp_path / "nothing").exists()
