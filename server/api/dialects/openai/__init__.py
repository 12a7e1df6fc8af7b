"""The wire format of OpenAI: /v1/images/generations, /edits and /variations, and /v1/chat/completions.

Its clients read /v1/models as well, which Hua's own API answers for both.
"""

from __future__ import annotations

from server.api.dialects.dialect import Dialect
from server.api.dialects.openai import chat, routes
from server.api.dialects.openai.errors import refuse
from server.api.router import Router

router = Router()
router.include_router(routes.router)
router.include_router(chat.router)
DIALECT = Dialect(routes.NAME, router, prefixes=("/v1/images/", "/v1/chat/"), refuse=refuse)
