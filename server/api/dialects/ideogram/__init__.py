"""The wire format of Ideogram: V3 generate, and the older generate, at the official paths and under /ideogram."""

from __future__ import annotations

from server.api.dialects.dialect import Dialect
from server.api.dialects.ideogram.errors import refuse
from server.api.dialects.ideogram.routes import NAME, router

DIALECT = Dialect(NAME, router, prefixes=("/v1/ideogram-v3/", "/ideogram/"), refuse=refuse)
