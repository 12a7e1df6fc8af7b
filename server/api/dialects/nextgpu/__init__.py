"""The wire format of nextGPU: POST /session/publish, which answers with the addresses of the images."""

from __future__ import annotations

from server.api.dialects.dialect import Dialect
from server.api.dialects.nextgpu.routes import NAME, refuse, router

DIALECT = Dialect(NAME, router, prefixes=("/session/",), refuse=refuse)
