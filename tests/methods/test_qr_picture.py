"""The picture is read back by another library's reader, as a phone would see it: turned, small, blurred, inverted."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from uuid import UUID
from xml.etree import ElementTree

import pytest
import zxingcpp
from PIL import Image, ImageDraw, ImageFilter

from tongbao.kernel.errors import Refusal
from tongbao.methods.qr.api import CodeSigner, Payee, dynamic_code, static_code, svg

PAYEE = Payee(merchant_id=UUID(int=1 << 100), store_id=UUID(int=2 << 100), name="老王面馆", city="杭州市", store_label="A1")
STATIC = static_code(PAYEE, "CNY")
ORDER = dynamic_code(
    CodeSigner.from_seed(bytes(range(32)), "2026-11"),
    PAYEE,
    payment_id=UUID(int=3 << 100),
    currency="CNY",
    amount_minor=1250,
    reference="T20261121-000042",
    expires_at=datetime(2026, 11, 21, 12, 15, tzinfo=UTC),
)


def drawn(text: str, *, scale: int, dark: str = "black", light: str = "white") -> Image.Image:
    """The very paths of our SVG, drawn: rows of strokes one module high, `M`/`m` to move and `h` to draw."""
    root = ElementTree.fromstring(svg(text, border=4))
    size = int(root.attrib["viewBox"].split()[2])
    image = Image.new("RGB", (size * scale, size * scale), light)
    pen = ImageDraw.Draw(image)
    path = next(element for element in root.iter() if element.tag.endswith("path")).attrib["d"]
    x = y = 0.0
    for command, arguments in re.findall(r"([Mmh])([-0-9. ]+)", path):
        numbers = [float(number) for number in arguments.split()]
        if command == "M":
            x, y = numbers
        elif command == "m":
            x, y = x + numbers[0], y + numbers[1]
        else:
            pen.rectangle((x * scale, (y - 0.5) * scale, (x + numbers[0]) * scale - 1, (y + 0.5) * scale - 1), fill=dark)
            x += numbers[0]
    return image


@pytest.mark.parametrize("text", [STATIC, ORDER], ids=["static", "dynamic"])
@pytest.mark.parametrize(
    ("scale", "turn", "blur", "dark", "light"),
    [
        (3, 0, 0.0, "#101828", "white"),
        (8, 0, 3.0, "#101828", "white"),
        (6, 90, 0.0, "#101828", "white"),
        (6, 180, 1.0, "#101828", "white"),
        (6, 17, 1.0, "#101828", "white"),
        (6, -33, 1.5, "#101828", "white"),
        (6, 5, 1.0, "#2BB8A3", "#0C1116"),
        (6, 8, 1.0, "#555555", "#bbbbbb"),
    ],
)
def test_a_reader_reads_the_picture(text: str, scale: int, turn: int, blur: float, dark: str, light: str) -> None:
    image = drawn(text, scale=scale, dark=dark, light=light)
    image = image.rotate(turn, Image.Resampling.BICUBIC, expand=True, fillcolor=light).filter(ImageFilter.GaussianBlur(blur))
    results = zxingcpp.read_barcodes(image, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode))
    assert [result.text for result in results] == [text]


def test_the_element() -> None:
    picture = svg(ORDER, light="#FFFFFF", title='A & B <"shop">')
    root = ElementTree.fromstring(picture)
    assert picture.startswith("<svg ") and root.attrib["role"] == "img"
    assert "viewBox" in root.attrib and "width" not in root.attrib and "height" not in root.attrib
    assert [element.text for element in root if element.tag.endswith("title")] == ['A & B <"shop">']
    assert "#101828" in picture
    assert int(svg(ORDER, border=0).split('viewBox="0 0 ')[1].split()[0]) + 4 == int(root.attrib["viewBox"].split()[2])


@pytest.mark.parametrize(("text", "refused"), [("", "code_malformed"), ("x" * 2332, "code_too_long")])
def test_what_cannot_be_drawn(text: str, refused: str) -> None:
    with pytest.raises(Refusal) as raised:
        svg(text)
    assert raised.value.code.name == refused
