"""Hands services and the caller to route handlers by the names of their parameters.

The framework can do this too, but resolves each dependency in a task of its own: a third of the time of a payment over HTTP
was spent there (py-spy, bench http). Here it is a loop over attributes, done once the request's own parts are parsed.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from typing import Any

from litestar import Request
from litestar.handlers import HTTPRouteHandler

from tongbao.kernel import web

AnyRequest = Request[Any, Any, Any]
#: Who is asking: given the request and the services.
CallerOf = Callable[[web.Asking, Any], Awaitable[Any]]
#: Stands before and after a handler: (caller, services, the handler's arguments, the handler's work) -> its answer.
Guard = Callable[[Any, Any, Mapping[str, Any], Callable[[], Awaitable[Any]]], Awaitable[Any]]


def with_services(
    route: HTTPRouteHandler, parts: frozenset[str], callers: Mapping[str, CallerOf], guard: Guard | None = None
) -> HTTPRouteHandler:
    """`route` with its parameters named in `parts` taken from the application's services, and those in `callers` from who is
    asking; `guard` stands before it. The rest (body, query, headers, path) stays the framework's, and so does the OpenAPI
    document."""
    handler = inspect.unwrap(route.fn)
    signature = inspect.signature(handler)
    names = signature.parameters
    injected = tuple(name for name in names if name in parts)
    caller = next((name for name in names if name in callers), None)
    if not injected and caller is None:
        return route
    identify = callers[caller] if caller else None
    wants_request = "request" in names
    is_async = inspect.iscoroutinefunction(handler)

    @functools.wraps(handler)
    async def call(request: AnyRequest, **arguments: Any) -> Any:
        services = request.app.state.services
        if caller is not None and identify is not None:
            arguments[caller] = await identify(request, services)
        for name in injected:
            arguments[name] = getattr(services, name)
        if wants_request:
            arguments["request"] = request
        if guard is not None:
            assert caller is not None and is_async
            return await guard(arguments[caller], services, arguments, lambda: handler(**arguments))
        return await handler(**arguments) if is_async else handler(**arguments)

    hints = typing.get_type_hints(handler, include_extras=True)
    kept = [name for name in names if name not in injected and name not in (caller, "request")]
    request = inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY, annotation=AnyRequest)
    kept_parameters = [names[name].replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name]) for name in kept]
    call.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[request, *kept_parameters], return_annotation=hints["return"]
    )
    call.__annotations__ = {"request": AnyRequest, **{name: hints[name] for name in kept}, "return": hints["return"]}
    del call.__wrapped__
    return copy(route)(call)
