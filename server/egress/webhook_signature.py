"""Signatures by which a receiver recognises our callbacks, by Standard Webhooks 1.0.0.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac


def tenant_secret(secret: bytes, tenant: str) -> bytes:
    """The 32 bytes that sign the callbacks of one tenant. They are derived from the server's secret, not stored."""
    return hmac.digest(secret, b"callbacks of " + tenant.encode(), hashlib.sha256)


def format_secret(secret: bytes) -> str:
    """A signing secret in the form that the libraries of receivers expect."""
    return "whsec_" + base64.b64encode(secret).decode()


def sign(secret: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of one try. `message_id` is the same at every try; `timestamp`, in unix seconds, is not."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{signature}"}
