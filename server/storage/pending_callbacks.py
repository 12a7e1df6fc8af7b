"""How a callback that is still to be delivered is stored in the bucket: one JSON object under the id of its task."""

from __future__ import annotations

from pydantic import TypeAdapter

from server.queue import DueCallback

_STORED = TypeAdapter(DueCallback)


def encode_callback(due: DueCallback) -> bytes:
    return _STORED.dump_json(due)


def decode_callback(data: bytes) -> DueCallback:
    """Raises ValidationError if the object was not written by `encode_callback`."""
    return _STORED.validate_json(data)
