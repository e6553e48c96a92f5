"""A receipt's proof, downloaded with a click and checked by the public tool as anybody would check it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsers import COUNTER, PHONE, Language, Windows
from tests.e2e.hands import desk_log_in, tap, wallet_log_in
from tests.e2e.product import Product

pytestmark = pytest.mark.browser

TOOL = Path(__file__).parents[2] / "tools" / "verify_proof.py"


@pytest.mark.parametrize(("language", "says"), [("zh", "下载凭证证明"), ("en", "Download proof")], ids=["zh", "en"])
def test_both_sides_of_a_payment_download_a_proof_that_holds(
    product: Product, windows: Windows, tmp_path: Path, language: Language, says: str
) -> None:
    person = product.customer("张小明")
    product.pay(person, 3_675, refund_minor=1_000)
    phone = windows.open("/wallet/", language, PHONE)
    wallet_log_in(phone, person)
    payment = phone.get_by_test_id("bill-row").and_(phone.locator("[data-kind=payment]"))
    bill_id = payment.get_attribute("data-bill")
    payment.click()
    key = _public_key(phone)
    expect(phone.get_by_test_id("bill-confirmed")).not_to_be_empty()
    phone.get_by_test_id("support-details").locator("summary").click()
    receipt = _download(phone, says, tmp_path / "receipt.json")
    (bill,) = receipt["rows"]
    assert (bill["table"], bill["row"]["bill_id"], bill["row"]["amount_minor"]) == ("bill", bill_id, 3_675)
    _expect_to_hold(tmp_path / "receipt.json", key)

    till = windows.open("/merchant/", language, COUNTER)
    desk_log_in(till, product.owner_login)
    tap(till, "nav-orders")
    till.get_by_test_id("order-row").first.click()
    order = _download(till, says, tmp_path / "order.json")
    journal, *entries = order["rows"]
    assert till.url.endswith(journal["row"]["memo"]) and [part["table"] for part in entries] == ["entry"]
    _expect_to_hold(tmp_path / "order.json", key)

    entries[0]["row"]["amount_minor"] += 1
    (tmp_path / "order.json").write_text(json.dumps(order), encoding="utf-8")
    assert _told(tmp_path / "order.json", key).returncode == 1, "more was never received"


def _public_key(page: Page) -> str:
    """As it is published."""
    key: str = page.request.get("/v1/anchors").json()["public_key"]
    return key


def _download(page: Page, says: str, to: Path) -> dict[str, Any]:
    link = page.get_by_test_id("proof")
    expect(link).to_have_text(says)
    with page.expect_download() as download:
        link.click()
    assert download.value.suggested_filename.endswith(".proof.json")
    download.value.save_as(to)
    proof: dict[str, Any] = json.loads(to.read_bytes())
    return proof


def _expect_to_hold(file: Path, key: str) -> None:
    told = _told(file, key)
    assert told.returncode == 0 and "THE PROOF HOLDS" in told.stdout, told.stdout + told.stderr


def _told(file: Path, key: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, TOOL, file, key], capture_output=True, text=True, check=False)
