"""The page at `/`: one document that needs nothing from anywhere else, and runs nothing but its own script."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import Final

from target_promoter.sandbox.records import Response


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_STYLE: Final = _read("page.css")
_LIVE: Final = _read("page.js")
_CONTROLS: Final = _read("controls.js")
_PAGE: Final = (
    _read("page.html")
    .replace("{{style}}", _STYLE)
    .replace("{{live}}", _LIVE)
    .replace("{{controls}}", _CONTROLS)
    .encode()
)

# What comes from outside is data: even if the script took it for more, the browser would not run or fetch it.
_POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        f"script-src {_hash(_LIVE)} {_hash(_CONTROLS)}",
        f"style-src {_hash(_STYLE)}",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
_HEADERS: Final = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


def page() -> Response:
    """Return the page; what the account holds it asks for itself."""
    return Response(200, _PAGE, _HEADERS, b"text/html; charset=utf-8")
