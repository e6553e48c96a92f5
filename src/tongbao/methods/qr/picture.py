"""A code as a picture: inline SVG that scales, follows the page's size and says what it is to a screen reader."""

from __future__ import annotations

import io

import segno
from segno.encoder import DataOverflowError

from tongbao.kernel.errors import Refusal
from tongbao.methods.qr.errors import CODE_MALFORMED, CODE_TOO_LONG


def svg(
    text: str, *, dark: str = "#101828", light: str | None = None, border: int = 2, title: str = "收款码 Collect code"
) -> str:
    """An `<svg>` element with a viewBox and no size of its own, error correction M. `border` counts modules.

    Lay it on a light ground: without `light` it is transparent. The standard wants a quiet zone of 4 modules: the page adds
    what `border` leaves out. Refuses `code_malformed` for an empty text and `code_too_long` beyond what a symbol holds.

    Source: ISO/IEC 18004, clause 6.3.8 (quiet zone) and table 7 (2331 bytes at level M).
    """
    if not text:
        raise Refusal(CODE_MALFORMED)
    try:
        symbol = segno.make_qr(text, error="m", encoding="utf-8", boost_error=False)
    except DataOverflowError:
        raise Refusal(CODE_TOO_LONG, limit=2331) from None
    out = io.BytesIO()
    symbol.save(
        out, kind="svg", xmldecl=False, svgns=True, nl=False, omitsize=True, dark=dark, light=light, border=border, title=title
    )
    return out.getvalue().decode().replace("<svg ", '<svg role="img" ', 1)
