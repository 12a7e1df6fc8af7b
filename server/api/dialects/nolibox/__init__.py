"""The wire format of the drawing API that Hua replaces: /engine/push, /engine/status, and its callbacks.

Statuses, field names and envelopes are those of that API. Its faults are not copied: an invalid request fails at once
and not only when it runs; a cancel stops the work and sends a callback; the drawn seed is returned.
"""

from __future__ import annotations

from server.api.dialects.dialect import Dialect
from server.api.dialects.nolibox.answers import callback_body
from server.api.dialects.nolibox.push import NAME
from server.api.dialects.nolibox.routes import router

DIALECT = Dialect(NAME, router, callback_body)
