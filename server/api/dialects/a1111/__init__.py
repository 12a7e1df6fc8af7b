"""The wire format of AUTOMATIC1111's web UI: /sdapi/v1, /controlnet and /internal.

Its clients wait for the images. Options, progress and interruption are those of each API key.
"""

from __future__ import annotations

from server.api.dialects.a1111 import extras, generation, lists, png_info, progress, settings_routes
from server.api.dialects.a1111.controlnet import routes as controlnet
from server.api.dialects.a1111.refusals import refuse
from server.api.dialects.dialect import Dialect
from server.api.router import Router

router = Router(tags=["a1111"])
for routes in (generation, extras, progress, lists, settings_routes, png_info):
    router.include_router(routes.router, prefix="/sdapi/v1")
router.include_router(extras.reading_router, prefix="/sdapi/v1")
for other in (progress.internal_router, controlnet.router, controlnet.detect_router):
    router.include_router(other)

DIALECT = Dialect(generation.NAME, router, prefixes=("/sdapi/", "/controlnet/", "/internal/"), refuse=refuse)
