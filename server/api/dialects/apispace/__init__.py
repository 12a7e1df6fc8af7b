"""The wire format of APISpace's drawing API: /aigc/txt2img and others.

That service passes its tasks on to the API that `dialects/nolibox` speaks. So params, results and callbacks are those
of that dialect; addresses, the header of the key and the envelopes are its own.
"""

from __future__ import annotations

from server.api.dialects.apispace.routes import NAME, ApispaceRoute, router
from server.api.dialects.dialect import Dialect
from server.api.dialects.nolibox.answers import callback_body

DIALECT = Dialect(NAME, router, callback_body, prefixes=("/aigc/",), refuse=ApispaceRoute.refuse)
