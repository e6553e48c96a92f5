"""Settings that are not valid are refused at once, under the names that they have in the environment."""

from __future__ import annotations

import pytest

from tongbao.app.settings import Settings


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("TONGBAO_PORT", "http", "TONGBAO_PORT is not valid"),
        ("TONGBAO_ARGON2_TIME", "1.5", "TONGBAO_ARGON2_TIME is not valid"),
        ("TONGBAO_ADDRESS_RATE", "0", "TONGBAO_ADDRESS_RATE is not valid"),
        ("TONGBAO_CIPHER", "ROT13", "TONGBAO_CIPHER is not valid"),
        ("TONGBAO_DATABASE_URL", "foo", "TONGBAO_DATABASE_URL is not valid"),
        ("TONGBAO_DATABASE_URL", "mysql://u@h/d", "TONGBAO_DATABASE_URL is not valid"),
        ("TONGBAO_PROT", "1", "unknown setting: TONGBAO_PROT"),
    ],
)
def test_what_is_not_valid_is_named(name: str, value: str, says: str) -> None:
    with pytest.raises(SystemExit, match=says) as refused:
        Settings.read({name: value})
    assert "$" not in str(refused.value)


@pytest.mark.parametrize("url", ["", "postgresql://u@h/d", "postgres:///d?host=/run"])
def test_a_database_is_named_by_a_postgresql_url_or_not_at_all(url: str) -> None:
    assert Settings.read({"TONGBAO_DATABASE_URL": url}).database_url == url
