"""Signatures by which a receiver knows that a callback is ours, after Standard Webhooks 1.0.0.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac


def tenant_secret(secret: bytes, tenant: str) -> bytes:
    """The 32 bytes that sign one tenant's callbacks, derived from the server's secret: nothing has to be stored."""
    return hmac.digest(secret, b"callbacks of " + tenant.encode(), hashlib.sha256)


def shown(secret: bytes) -> str:
    """A signing secret as receivers and their libraries expect it."""
    return "whsec_" + base64.b64encode(secret).decode()


def sign(secret: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of one try: `message_id` stays with the event, `timestamp` (unix seconds) is the try's own."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{signature}"}
