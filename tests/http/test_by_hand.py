"""The example of docs/http.md, run as it is written."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.http.town import PASSWORD, PIN, Town, ok

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_example_logs_in_proves_its_requests_and_pays(town: Town) -> None:
    text = (Path(__file__).parents[2] / "docs" / "http.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    payer = await town.customer("Curl")
    await town.gift(payer, "5.00")
    given = {"URL": str(town.here.base_url), "PASSWORD": PASSWORD, "PIN": PIN, "SHOP": town.shop.login, "LOGIN": payer.login}
    ran = await asyncio.to_thread(
        subprocess.run, ["/bin/sh", "-c", script], env={**os.environ, **given}, capture_output=True, text=True, timeout=60
    )
    assert (ran.returncode, ran.stdout) == (0, "PAID\n"), ran.stdout + ran.stderr
    assert ok(await payer.get("/v1/wallet/balance"))["balance"] == "4.99"
