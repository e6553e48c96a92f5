"""The few requests that a shop's till and its customers make all day, taken past the framework.

Everything a request may do wrong before its handler runs is left to the framework: a quick route takes what it finds in good
order and hands everything else on, so each rule and each refusal stands in one place. The handler is the same function, its
caller is identified by the same function, its body is decoded into the same struct, and its answer has the same bytes.

    framework  match, wrap, extract, validate, inject, encode      (measured: docs/decisions/0014)
    here       one dictionary look-up, one decode, one call, one encode
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler

from tongbao.app.answers import Answer, bug_answer, refusal_answer
from tongbao.app.injection import CallerOf
from tongbao.kernel import web
from tongbao.kernel.errors import Refusal

Headers = list[tuple[bytes, bytes]]
#: Begins an answer; None where the framework is to look at the request.
Begin = Callable[[Headers, bytes], Coroutine[Any, Any, Answer] | None]

#: What the framework's own check refuses; see `answers.check_request`.
_MOST_BRACKETS = 500
_key = re.compile(web.KEY_PATTERN).fullmatch
_quoted = re.compile('[%"]').search
_IN_PATH = "([A-Za-z0-9_-]{1,64})"
_encode = msgspec.json.Encoder().encode


class _Head(Mapping[str, str]):
    """A request's headers, decoded when they are looked at: of the dozen that a browser sends, four are."""

    def __init__(self, headers: Headers) -> None:
        self._raw = dict(headers)

    def __getitem__(self, name: str) -> str:
        return self._raw[name.encode()].decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def get(self, name: str, default: Any = None) -> Any:
        """As a dictionary's; without the exception that the inherited one would raise and catch."""
        value = self._raw.get(name.encode())
        return default if value is None else value.decode("latin-1")


class _Request:
    """A request, as `caller_of` looks at it."""

    def __init__(self, method: str, path: str, headers: _Head, body: bytes) -> None:
        self.method = method
        self.headers = headers
        self.scope = {"raw_path": path.encode(), "query_string": b""}
        self._body = body

    async def body(self) -> bytes:
        return self._body

    @cached_property
    def cookies(self) -> Mapping[str, str]:
        pairs = (pair.partition("=") for pair in self.headers.get("cookie", "").split(";"))
        return {name.strip(): value.strip() for name, _, value in pairs}


class QuickRoute:
    """One acting POST: a body, an idempotency key, a caller, at most one parameter in the path."""

    def __init__(self, route: HTTPRouteHandler, parts: frozenset[str], callers: Mapping[str, CallerOf]) -> None:
        handler = inspect.unwrap(route.fn)
        names = set(inspect.signature(handler).parameters)
        (self.path,) = route.paths
        in_path = re.findall(r"{(\w+):str}", self.path)
        self._caller = next(name for name in names if name in callers)
        self._parts = names & parts
        assert names == self._parts | {self._caller, "data", "key", *in_path}, f"{self.path} is not of the kind that can be quick"
        self._in_path: str | None = in_path[0] if in_path else None
        self._identify = callers[self._caller]
        self._handler: Callable[..., Awaitable[Any]] = handler
        self._status = route.status_code
        self._decode = msgspec.json.Decoder(typing.get_type_hints(handler, include_extras=True)["data"]).decode

    def begin(
        self, headers: Headers, body: bytes, path: str, parameter: str, services: Any
    ) -> Coroutine[Any, Any, Answer] | None:
        """The answer's coroutine, or None if anything about the request is out of the ordinary."""
        head = _Head(headers)
        key = head.get("idempotency-key", "")
        if len(head) != len(headers) or head.get("content-type") != "application/json" or not _key(key):
            return None
        if _quoted(head.get("cookie", "")):
            return None
        if b"\\u0000" in body or body.count(b"{") + body.count(b"[") > _MOST_BRACKETS:
            return None
        try:
            data = self._decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        arguments = {name: getattr(services, name) for name in self._parts}
        arguments["data"], arguments["key"] = data, key
        if self._in_path is not None:
            arguments[self._in_path] = parameter
        return self._answer(_Request("POST", path, head, body), path, services, arguments)

    async def _answer(self, request: _Request, path: str, services: Any, arguments: dict[str, Any]) -> Answer:
        try:
            arguments[self._caller] = await self._identify(request, services)
            return Answer(self._status, _encode(await self._handler(**arguments)))
        except Refusal as refusal:
            return refusal_answer(refusal, request.headers)
        except Exception as bug:
            return bug_answer(request.method, path, request.headers, bug)


class QuickRoutes:
    """Finds the quick route of a request. `services` is asked for when a request comes: they open after the routes are known."""

    def __init__(self, routes: Iterable[QuickRoute], services: Callable[[], Any]) -> None:
        self._services = services
        self._exact: dict[bytes, QuickRoute] = {}
        self._patterns: list[tuple[re.Pattern[bytes], QuickRoute]] = []
        for route in routes:
            if "{" in route.path:
                pattern = re.sub(r"{\w+:str}", lambda _: _IN_PATH, route.path)
                self._patterns.append((re.compile(pattern.encode()), route))
            else:
                self._exact[route.path.encode()] = route

    def find(self, method: bytes, url: bytes) -> Begin | None:
        """How to begin the answer to a request line, None if it is the framework's."""
        if method != b"POST":
            return None
        route = self._exact.get(url)
        if route is not None:
            return self._bound(route, url, "")
        for pattern, route in self._patterns:
            if found := pattern.fullmatch(url):
                return self._bound(route, url, found[1].decode())
        return None

    def _bound(self, route: QuickRoute, url: bytes, parameter: str) -> Begin:
        return lambda headers, body: route.begin(headers, body, url.decode(), parameter, self._services())
