"""`python -m tongbao.app.openapi` prints the OpenAPI document, without starting anything."""

from __future__ import annotations

import json
import sys

from tongbao.app.asgi import application
from tongbao.app.schema import document
from tongbao.app.settings import Settings

if __name__ == "__main__":
    json.dump(document(application(Settings())), sys.stdout, ensure_ascii=False, indent=1, sort_keys=True)
    sys.stdout.write("\n")
