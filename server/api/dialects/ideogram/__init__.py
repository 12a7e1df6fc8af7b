"""The wire format of Ideogram: V3, and the older models, at the official paths and under /ideogram."""

from __future__ import annotations

from server.api.dialects.dialect import Dialect
from server.api.dialects.ideogram import describe, routes_legacy, routes_v3, upscale
from server.api.dialects.ideogram.errors import refuse
from server.api.dialects.ideogram.painting import NAME
from server.api.router import Router

router = Router()
for _routes in (routes_v3.router, routes_legacy.router, routes_legacy.remix_router, upscale.router, describe.router):
    router.include_router(_routes)
    router.include_router(_routes, prefix="/ideogram", include_in_schema=False)

DIALECT = Dialect(NAME, router, prefixes=("/v1/ideogram-", "/ideogram/", "/manage/", "/datasets"), refuse=refuse)
