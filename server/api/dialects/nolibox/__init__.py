"""The wire format of the drawing API that Hua replaces: /engine/push, /engine/status, and its callbacks.

Statuses, field names and envelopes are that API's own. What it got wrong is not copied: a wrong request is refused,
not accepted to fail later; a cancel stops the work and is called back; the seed that was drawn is told.
"""

from __future__ import annotations

from server.api.dialects.dialect import Dialect
from server.api.dialects.nolibox.answers import callback_body
from server.api.dialects.nolibox.routes import NAME, router

DIALECT = Dialect(NAME, router, callback_body)
