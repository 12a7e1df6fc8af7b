"""The wire format of OpenAI's Images API: /v1/images/generations, /edits and /variations.

Its clients read /v1/models as well, which Hua's own API answers for both.
"""

from __future__ import annotations

from server.api.dialects.dialect import Dialect
from server.api.dialects.openai.errors import refuse
from server.api.dialects.openai.routes import NAME, router

DIALECT = Dialect(NAME, router, prefixes=("/v1/images/",), refuse=refuse)
