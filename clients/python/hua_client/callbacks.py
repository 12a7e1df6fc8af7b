"""Checks callbacks, which are signed as Standard Webhooks 1.0.0 describes.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping

from hua_client.base_task import ImageInfo, TaskInfo
from hua_client.errors import BadCallbackError

TOLERANCE_S = 300


def verify_callback(
    headers: Mapping[str, str], body: bytes, secret: str, *, tolerance_s: float = TOLERANCE_S
) -> TaskInfo:
    """The ended task that a callback brings. Raises BadCallbackError.

    `body`: the bytes as they came. `secret`: what `hua keys callback-secret TENANT` prints. `tolerance_s`: how far the
    clocks of both sides may differ. A callback may come twice: `webhook-id` is the same then, and so is the task's id.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, timestamp, signatures = (lower[f"webhook-{part}"] for part in ("id", "timestamp", "signature"))
    except KeyError as error:
        raise BadCallbackError(f"the header {error} is missing; pass on all headers of the request") from None
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > tolerance_s:
        raise BadCallbackError("the callback is too old, or the clock of this machine is wrong")
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256))
    if not any(hmac.compare_digest(expected, signature.encode()) for signature in signatures.split()):
        raise BadCallbackError("the signature is wrong: another secret, or a body that was changed on its way")
    return TaskInfo(json.loads(body), ImageInfo)


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise ValueError("the secret is not one that `hua keys callback-secret` prints: whsec_ and base64") from None
