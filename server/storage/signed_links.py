"""Links that clients are given: to tasks, and signed, expiring ones to images."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable


class BadSignatureError(Exception):
    """The link was not made by this server, or has been changed."""


class LinkExpiredError(Exception):
    """The link was good once; what it led to has been deleted."""


class Links:
    """Whoever holds an image link may read the image until it expires: links go to people who have no API key.

    Two links to one image are equal, so that a callback sent twice is the same callback. `clock` is unix time.
    """

    def __init__(self, secret: bytes, public_url: str, clock: Callable[[], float] = time.time) -> None:
        self._secret = hmac.digest(secret, b"image links", "sha256")
        self._public_url = public_url
        self._clock = clock

    def task(self, task_id: str) -> str:
        return f"{self._public_url}/v1/tasks/{task_id}"

    def events(self, task_id: str) -> str:
        return f"{self.task(task_id)}/events"

    def image(self, task_id: str, index: int, extension: str, expires_at: float) -> str:
        """`expires_at` is in unix seconds."""
        name, expires = f"{task_id}/{index}.{extension}", int(expires_at)
        return f"{self._public_url}/files/{name}?expires={expires}&signature={self._sign(name, expires)}"

    def check_image(self, task_id: str, index: int, extension: str, expires: int, signature: str) -> None:
        """Raises BadSignatureError or LinkExpiredError unless the link is ours and still good."""
        right = self._sign(f"{task_id}/{index}.{extension}", expires)
        if not hmac.compare_digest(right.encode(), signature.encode()):
            raise BadSignatureError("this link's signature is wrong; use the url as the task gives it, unchanged")
        if expires <= self._clock():
            raise LinkExpiredError(
                "this image has expired and is deleted; make it again with the task's params, "
                "and choose a longer retention if it should stay"
            )

    def _sign(self, name: str, expires: int) -> str:
        return hmac.new(self._secret, f"{name}?{expires}".encode(), hashlib.sha256).hexdigest()
