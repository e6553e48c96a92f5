"""The built front ends, and the headers that keep every page to its own scripts."""

from __future__ import annotations

import mimetypes
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from litestar import HttpMethod, MediaType, Response, route
from litestar.handlers import HTTPRouteHandler
from litestar.params import PathParameter

from tongbao.kernel import web
from tongbao.kernel.errors import Refusal

NAMES = ("wallet", "merchant", "console")

#: Pages are asked for, or asked about: HEAD is answered as GET is, without the body. Source: RFC 9110, 9.3.2.
_READS = (HttpMethod.GET, HttpMethod.HEAD)

#: Said aloud where a machine's own table of types differs from another's. That a text is in UTF-8 is added to it.
_KINDS = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; worker-src 'self'; media-src 'self' blob:; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'self'; report-uri /v1/page-reports; report-to pages"
)

SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Reporting-Endpoints": 'pages="/v1/page-reports"',
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=()",
}


def built() -> Path | None:
    """Where the built front ends are: beside the sources in a checkout, or inside an installed package; None if not built."""
    here = Path(__file__).resolve()
    for candidate in (here.parents[1] / "frontends", here.parents[3] / "web" / "dist"):
        if (candidate / "wallet" / "index.html").is_file():
            return candidate
    return None


def frontends() -> list[HTTPRouteHandler]:
    """Routes for the three front ends, the landing page and the icon that browsers ask for unasked."""
    return [landing, favicon, *(route for name in NAMES for route in _frontend(name))]


@route("/", http_method=_READS, include_in_schema=False, media_type=MediaType.HTML, sync_to_thread=False)
def landing() -> Response[str]:
    """Where to go."""
    links = "".join(
        f'<li><a href="/{name}/">{zh} · {en}</a></li>'
        for name, zh, en in (
            ("wallet", "钱包", "Wallet"),
            ("merchant", "商户收银台", "Merchant"),
            ("console", "运营控制台", "Console"),
        )
    )
    page = (
        '<!doctype html><html lang="zh"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>通宝 Tongbao</title></head><body><main><h1>通宝 Tongbao</h1><ul>{links}</ul></main></body></html>"
    )
    return Response(page, media_type=MediaType.HTML, headers=SECURITY_HEADERS)


@route("/favicon.ico", http_method=_READS, include_in_schema=False, sync_to_thread=False)
def favicon() -> Response[bytes] | Response[str]:
    """The wallet's own icon."""
    return _file("wallet", "icon-192.png")


def _frontend(name: str) -> list[HTTPRouteHandler]:
    @route(f"/{name}", http_method=_READS, include_in_schema=False, name=name)
    async def home() -> Response[bytes] | Response[str]:
        return _file(name, "/")

    @route(f"/{name}/{{path:path}}", http_method=_READS, include_in_schema=False, name=f"{name} files")
    async def file(path: Annotated[str, PathParameter()]) -> Response[bytes] | Response[str]:
        return _file(name, path)

    return [home, file]


def _file(name: str, path: str) -> Response[bytes] | Response[str]:
    root = built()
    if root is None:
        text = "The front ends are not built: run `make web`. 前端尚未构建：请运行 make web。"
        return Response(text, status_code=503, media_type=MediaType.TEXT)
    files = _files(root / name, (root / name / "index.html").stat().st_mtime_ns)
    wanted = path.strip("/") or "index.html"
    if wanted not in files:
        if "." in wanted.rpartition("/")[2]:
            raise Refusal(web.NOT_FOUND)
        wanted = "index.html"  # a page of the single-page application
    file = files[wanted]
    kind = _KINDS.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    # Files under assets/ carry a hash of their content in their name.
    cache = "public, max-age=31536000, immutable" if wanted.startswith("assets/") else "no-cache"
    return Response(_content(file), media_type=kind, headers={**SECURITY_HEADERS, "Cache-Control": cache})


@lru_cache(maxsize=8)
def _files(folder: Path, built_ns: int) -> dict[str, Path]:
    """What was built, by its path in a URL: no path of a stranger's ever reaches the file system."""
    _content.cache_clear()
    return {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}


@lru_cache(maxsize=1024)
def _content(file: Path) -> bytes:
    """A file's bytes, read once."""
    return file.read_bytes()
