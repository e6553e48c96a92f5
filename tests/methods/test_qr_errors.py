"""Every refusal tells the payer, in both languages, that nothing was charged."""

from __future__ import annotations

import pytest

from tongbao.kernel.errors import Code, catalogue
from tongbao.methods.qr import errors

DECLARED = [value for value in vars(errors).values() if isinstance(value, Code)]


def test_the_declared_codes() -> None:
    assert {code.name for code in DECLARED} == {
        "code_malformed",
        "code_checksum",
        "code_too_long",
        "code_expired",
        "code_signature_invalid",
        "code_not_static",
    }
    assert set(DECLARED) <= set(catalogue())


@pytest.mark.parametrize("code", DECLARED, ids=lambda code: code.name)
def test_messages(code: Code) -> None:
    detail = {"limit": 512}
    assert "未扣款" in code.message("zh", detail)
    assert "No money moved." in code.message("en", detail)
    assert "{" not in code.message("en", detail) and "–" not in code.message("en", detail)
