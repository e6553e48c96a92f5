"""Who tries secrets too often is stopped before a password is looked at."""

from __future__ import annotations

import msgspec
import pytest

from tests.http.conftest import client
from tests.http.town import PASSWORD, Town, ok, refused
from tongbao.app.stack import answering, ended, free_port, spawn

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_attempts_to_log_in_are_counted_by_address(town: Town) -> None:
    settings = msgspec.structs.replace(town.stack.settings, port=free_port(), limit_loopback=True, login_rate=3)
    server = await spawn("serve", settings, None)
    url = f"http://{settings.host}:{settings.port}"
    try:
        await answering(url, server)
        async with client(url) as door:
            for number in range(3):
                guess = {"login": f"1390000000{number}", "password": PASSWORD}
                refused(await door.post("/v1/wallet/login", json=guess), 401, "wrong_credentials")
            answer = await door.post("/v1/wallet/login", json={"login": town.ann.login, "password": PASSWORD})
            error = refused(answer, 429, "rate_limited")
            assert error.retryable and 1 <= error.detail["retry_after_s"] <= 20
            assert answer.headers["retry-after"] == str(error.detail["retry_after_s"])
            assert answer.headers["ratelimit-policy"] == '"log-in";q=3;w=60'
            ok(await town.ann.elsewhere(door).get("/v1/wallet/me"))  # who is logged in goes on
    finally:
        await ended(server)
