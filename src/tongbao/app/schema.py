"""The OpenAPI document: what the framework derives from the routes, made to say what the edge really does.

Added here: every error's one shape and which statuses a route may answer; that unknown fields are refused; readable names
for pages. `python -m tongbao.app.openapi` prints it, and the front ends' types are generated from that.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from litestar import Litestar

from tongbao.app.console import permission_of
from tongbao.kernel.errors import InvariantBroken

_PAGE = re.compile(r"Page_(?:[a-z_]+\.)*([A-Za-z]+)_")
_MODULE = re.compile(r"^(?:[a-z]+_)+(?=[A-Z])")
_SENTENCE = re.compile(r"(?<=\.)\s")
#: Where nobody is logged in yet.
_ENTRANCE = re.compile(r"/v1/[a-z]+/(login|register|recovery|welcome|contacts)(/|$)")
_METHODS = ("get", "post", "put", "patch", "delete")

_ERROR_BODY = {
    "type": "object",
    "description": "What went wrong, in both languages, and whether money moved (null: not known yet; repeat with the same key).",
    "required": ["code", "message", "messages", "family", "money_moved", "retryable", "detail", "request_id"],
    "properties": {
        "code": {"type": "string", "description": "Stable: never renamed, never reused."},
        "message": {"type": "string", "description": "In the language of Accept-Language (Chinese unless it begins with en)."},
        "messages": {
            "type": "object",
            "required": ["zh", "en"],
            "properties": {"zh": {"type": "string"}, "en": {"type": "string"}},
        },
        "family": {"type": "string", "enum": ["decline", "refusal", "broken"]},
        "money_moved": {"type": ["boolean", "null"]},
        "retryable": {"type": "boolean"},
        "detail": {"type": "object", "additionalProperties": {"type": ["string", "integer", "boolean", "null"]}},
        "request_id": {"type": "string"},
    },
}
_ERROR_ANSWER = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"$ref": "#/components/schemas/ErrorBody"}},
}
_DESCRIPTIONS = {
    "400": "The request is malformed.",
    "401": "Not logged in, or wrong credentials.",
    "403": "Not allowed: a role, a wrong PIN, a lock, a missing X-Tongbao-App header.",
    "404": "There is no such thing, or it is somebody else's.",
    "409": "It conflicts with what is already so.",
    "410": "It has expired.",
    "413": "The body is too large.",
    "415": "Not application/json.",
    "422": "An expected no, such as insufficient funds.",
    "429": "Too many requests; see Retry-After.",
    "503": "Unavailable for a moment; nothing happened.",
    "504": "Not known in time; repeat with the same key.",
}
_READING = ("400", "401", "403", "404", "409", "429", "503")


def document(app: Litestar) -> dict[str, Any]:
    """The document of an application. Stable from run to run."""
    text = json.dumps(app.openapi_schema.to_schema(), ensure_ascii=False, sort_keys=True)
    names = json.loads(text)["components"]["schemas"]
    if clashing := [name for name, count in Counter(map(_readable, names)).items() if count > 1]:
        raise InvariantBroken(f"two schemas are called alike: {clashing}")
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(f'"{name}"', f'"{_readable(name)}"').replace(f'/{name}"', f'/{_readable(name)}"')
    found: dict[str, Any] = json.loads(text)
    schemas = found["components"]["schemas"]
    for name, schema in schemas.items():
        if name.endswith("Body"):
            schema["additionalProperties"] = False
    schemas["ErrorBody"], schemas["ErrorAnswer"] = _ERROR_BODY, _ERROR_ANSWER
    found["components"]["securitySchemes"] = {
        "session": {"type": "apiKey", "in": "cookie", "name": "tongbao_session"},
        "bearer": {"type": "http", "scheme": "bearer", "description": "A session's token, or a merchant's API key (sk_…)."},
    }
    for path, item in found["paths"].items():
        for method in _METHODS:
            if method in item:
                _complete(path, method, item[method])
    return found


def _readable(name: str) -> str:
    page = _PAGE.fullmatch(name)
    return f"{page[1].removesuffix('Answer').removesuffix('Line')}Page" if page else _MODULE.sub("", name)


def _tell(path: str, method: str, operation: dict[str, Any]) -> None:
    """The handler's docstring: its first sentence is the summary, and what a console route needs stands at the end."""
    said = " ".join(operation.get("description", "").split())
    operation["summary"] = _SENTENCE.split(said, maxsplit=1)[0].rstrip(".")
    if permission := permission_of(path, method):
        said += f" Needs the permission `{permission}`."
        operation["x-permission"] = str(permission)
    operation["description"] = said


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    _tell(path, method, operation)
    statuses = _READING if method == "get" else tuple(_DESCRIPTIONS)
    for status in statuses:
        operation["responses"][status] = {
            "description": _DESCRIPTIONS[status],
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}},
        }
    for status, answer in operation["responses"].items():
        if status.startswith("2") and answer.get("description", "").endswith("URL follows"):
            answer["description"] = "Done."
    anonymous = bool(_ENTRANCE.match(path)) or not path.startswith(("/v1/wallet", "/v1/merchant", "/v1/console"))
    operation["security"] = [] if anonymous else [{"session": []}, {"bearer": []}]
    if method != "get" and not anonymous:
        parameters = operation.setdefault("parameters", [])
        parameters.append(
            {
                "name": "X-Tongbao-Proof",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "maxLength": 100},
                "description": (
                    "`<unix seconds>.<hex HMAC-SHA-256>` over method, path with query, seconds, Idempotency-Key and the hex "
                    "SHA-256 of the body, joined by line feeds, with the session's `binding`: the request comes from its device. "
                    "Needed with a session, not with an API key."
                ),
            }
        )
        parameters.append(
            {
                "name": "X-Tongbao-App",
                "in": "header",
                "required": False,
                "schema": {"type": "string"},
                "description": "Any value; needed with the cookie, not with a bearer token: no other site's form can send it.",
            }
        )
