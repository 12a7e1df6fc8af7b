"""The wire format of 触站 (Chuzhan): /aiapi/v1/draw, /aiapi/v1/task/detail, and their callbacks."""

from __future__ import annotations

from server.api.dialects.chuzhan.answers import NAME, callback_body
from server.api.dialects.chuzhan.refusals import PREFIX, refuse
from server.api.dialects.chuzhan.routes import router
from server.api.dialects.dialect import Dialect

DIALECT = Dialect(
    NAME,
    router,
    callback_body,
    callback_pauses_s=(5.0, 10.0, 15.0, 20.0, 25.0),
    prefixes=(f"{PREFIX}/",),
    refuse=refuse,
)
