"""Takes a picture of every page of the three front ends, in both languages, at a phone's and a desktop's width.

`make screenshots`: plays the demonstration's week into a folder of its own, walks the tour (`tour.py`) and writes
docs/screenshots/<app>/<page>.<language>.<width>.png, a gallery (README.md) and overview.png. The wallet's home and confirmation
are also taken in elder mode and in the dark. What the pictures show is the same each time but for the dates.
"""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tongbao.app import frontends, runtime, seed
from tongbao.app.settings import Settings
from tongbao.app.stack import free_port, running

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools.tour import STOPS, App, Places, console_places, log_in, merchant_places, visit, wallet_places  # noqa: E402

FOLDER = ROOT / "docs" / "screenshots"
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox", "--disable-background-networking", "--disable-quic", "--no-first-run", "--disable-component-update",
    "--disable-sync",
)  # fmt: skip
SIZES = ((390, 844), (1280, 800))
COLOURS = 256
Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
LOGINS: dict[tuple[App, Language], str] = {
    ("wallet", "zh"): seed.PEOPLE[0].login,
    ("wallet", "en"): seed.PEOPLE[2].login,
    ("merchant", "zh"): seed.SHOPS[0].login,
    ("merchant", "en"): seed.SHOPS[2].login,
    ("console", "zh"): seed.OPERATORS[0][0],
    ("console", "en"): seed.OPERATORS[0][0],
}
TITLES: dict[App, tuple[str, str]] = {
    "wallet": ("钱包", "Wallet"),
    "merchant": ("商户收银台", "Merchant"),
    "console": ("运营控制台", "Console"),
}


class Look(NamedTuple):
    """A way of showing the wallet that a person can choose."""

    name: str
    storage: dict[str, str]
    dark: bool = False


ORDINARY = Look("", {})
LOOKS = (Look("elder", {"tongbao.elder": "on"}), Look("dark", {"tongbao.theme": "dark"}, dark=True))


def main() -> None:
    if frontends.built() is None:
        raise SystemExit("the front ends are not built: run `make web`")
    shutil.rmtree(FOLDER, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="tongbao-screenshots-") as folder:
        asyncio.run(_serve_and_take(Settings(data_dir=Path(folder), port=free_port())))
    _draw_overview()
    _write_gallery()
    taken = list(FOLDER.rglob("*.png"))
    print(f"{len(taken)} pictures, {sum(one.stat().st_size for one in taken) / 1e6:.1f} MB, in {FOLDER.relative_to(ROOT)}")


async def _serve_and_take(settings: Settings) -> None:
    dsn = await runtime.open_database(settings)
    try:
        await seed.play(settings, dsn, lambda what: print(f"making {what}"))
        async with running(settings, log=settings.data_dir / "product.log") as stack:
            url = stack.url.replace("127.0.0.1", "localhost")  # passkeys are made for a name
            await asyncio.to_thread(_take_all, url, _fonts(settings.data_dir))
    finally:
        if embedded := runtime.embedded(settings):
            await asyncio.to_thread(embedded.stop)


def _take_all(url: str, fonts: Path) -> None:
    with sync_playwright() as playwright:
        for language in LANGUAGES:
            environment: dict[str, str | float | bool] = {
                **os.environ,
                **({"FONTCONFIG_FILE": str(fonts)} if language == "zh" else {}),
            }
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS], env=environment)
            for app in STOPS:
                print(f"{app} in {language}")
                with _window(browser, url, language, ORDINARY) as page:
                    _take_app(page, app, language, browser, url)
            for look in LOOKS:
                with _window(browser, url, language, look) as page:
                    _take_look(page, look, language, browser, url)
            browser.close()


def _fonts(folder: Path) -> Path:
    """For Chinese pages: a server's own font for interfaces has no Chinese, so figures and characters would not match."""
    wanted = "".join(
        f'<match target="pattern"><test name="family"><string>{family}</string></test>'
        '<edit name="family" mode="assign" binding="strong"><string>Noto Sans CJK SC</string></edit></match>'
        for family in ("system-ui", "sans", "sans-serif")
    )
    file = folder / "fonts.conf"
    file.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        f'<include ignore_missing="yes">/etc/fonts/fonts.conf</include>{wanted}</fontconfig>'
    )
    return file


@contextmanager
def _window(browser: Browser, url: str, language: Language, look: Look) -> Iterator[Page]:
    width, height = SIZES[0]
    context = browser.new_context(
        base_url=url, locale={"zh": "zh-CN", "en": "en-US"}[language], timezone_id="Asia/Shanghai", reduced_motion="reduce",
        viewport={"width": width, "height": height}, color_scheme="dark" if look.dark else "light",
    )  # fmt: skip
    for name, value in look.storage.items():
        context.add_init_script(f"localStorage.setItem({name!r}, {value!r})")
    try:
        yield context.new_page()
    finally:
        context.close()


def _take_app(page: Page, app: App, language: Language, browser: Browser, url: str) -> None:
    for stop in STOPS[app]:
        if stop.guest:
            visit(page, stop, {})
            _take(page, FOLDER / app / f"{stop.name}.{language}")
    log_in(page, app, LOGINS[app, language], seed.PASSWORD)
    places = _places(page, app, language, browser, url)
    for stop in STOPS[app]:
        if not stop.guest:
            visit(page, stop, places)
            _take(page, FOLDER / app / f"{stop.name}.{language}")


def _take_look(page: Page, look: Look, language: Language, browser: Browser, url: str) -> None:
    log_in(page, "wallet", LOGINS["wallet", language], seed.PASSWORD)
    places = _places(page, "wallet", language, browser, url)
    for stop in STOPS["wallet"]:
        if stop.name in ("home", "pay-confirm"):
            visit(page, stop, places)
            _take(page, FOLDER / "wallet" / f"{stop.name}-{look.name}.{language}", SIZES[:1])


def _places(page: Page, app: App, language: Language, browser: Browser, url: str) -> Places:
    match app:
        case "wallet":
            with _window(browser, url, language, ORDINARY) as till:
                log_in(till, "merchant", LOGINS["merchant", language], seed.PASSWORD)
                return wallet_places(page, till, seed.PEOPLE[1].login, seed.PIN)
        case "merchant":
            return merchant_places(page)
        case "console":
            return console_places(page)


def _take(page: Page, name: Path, sizes: tuple[tuple[int, int], ...] = SIZES) -> None:
    """What the window shows now, at each size, in a palette: screens have few colours, and the folder stays small."""
    name.parent.mkdir(parents=True, exist_ok=True)
    for width, height in sizes:
        page.set_viewport_size({"width": width, "height": height})
        page.mouse.move(0, 0)  # nothing is shown as pointed at
        expect(page.locator(".skeleton:visible")).to_have_count(0)
        taken = page.screenshot(animations="disabled", caret="hide")
        with Image.open(io.BytesIO(taken)) as picture:
            small = picture.convert("RGB").quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
            small.save(name.with_name(f"{name.name}.{width}.png"), optimize=True)
    width, height = SIZES[0]
    page.set_viewport_size({"width": width, "height": height})


def _draw_overview() -> None:
    """One picture for the README: a phone that confirms, a till that has received, the console on the payment."""
    height, gap = 640, 16
    names = (
        "wallet/home.zh.390.png",
        "merchant/received.en.1280.png",
        "wallet/pay-confirm.en.390.png",
        "console/payment.zh.1280.png",
    )
    pictures = [Image.open(FOLDER / name).convert("RGB") for name in names]
    pictures = [one.resize((one.width * height // one.height, height), Image.Resampling.LANCZOS) for one in pictures]
    sheet = Image.new("RGB", (sum(one.width + gap for one in pictures) + gap, height + 2 * gap), "#E4E7EC")
    left = gap
    for one in pictures:
        sheet.paste(one, (left, gap))
        left += one.width + gap
    sheet.quantize(COLOURS, dither=Image.Dither.NONE).save(FOLDER / "overview.png", optimize=True)


def _write_gallery() -> None:
    lines = [
        "# 界面一览 · Screenshots",
        "",
        "每个页面，中英文，手机与桌面宽度。由 `make screenshots` 生成，数据为演示数据。",
        "Every page in both languages at a phone's and a desktop's width.",
        "Made by `make screenshots` from the demonstration's data.",
    ]
    for app, stops in STOPS.items():
        zh, en = TITLES[app]
        lines += ["", f"## {zh} · {en}"]
        names = [stop.name for stop in stops]
        if app == "wallet":
            names += [f"{page}-{look.name}" for look in LOOKS for page in ("home", "pay-confirm")]
        for name in names:
            lines += ["", f"### {name.replace('-', ' ')}", ""]
            for language in LANGUAGES:
                for width, _ in SIZES:
                    file = f"{app}/{name}.{language}.{width}.png"
                    if (FOLDER / file).exists():
                        shown = 180 if width == SIZES[0][0] else 480
                        lines.append(f'<img src="{file}" width="{shown}" alt="{name}, {language}, {width} px">')
    (FOLDER / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
