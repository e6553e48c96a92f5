"""Pictures of a code: as a person photographs it, and as a camera sees it."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page


def picture_of_code(page: Page) -> bytes:
    """A PNG of the code on the screen, its quiet zone included."""
    return page.get_by_test_id("qr").screenshot()


def film(picture: bytes, path: Path, size: tuple[int, int] = (640, 480), frames: int = 10) -> None:
    """A Motion-JPEG film of the code held in the middle of a grey table, for Chromium's pretended camera."""
    with Image.open(io.BytesIO(picture)) as code:
        side = int(min(size) * 0.85)
        frame = Image.new("RGB", size, (120, 120, 120))
        frame.paste(
            code.convert("RGB").resize((side, side), Image.Resampling.LANCZOS), ((size[0] - side) // 2, (size[1] - side) // 2)
        )
    one = io.BytesIO()
    frame.save(one, "JPEG", quality=90)
    path.write_bytes(one.getvalue() * frames)
