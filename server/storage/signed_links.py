"""Links to tasks and images. Links to images are signed and expire."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable
from urllib.parse import parse_qs, quote

_IMAGE = re.compile(r"([0-9a-f]{32})/(\d{1,3})\.([a-z]{3,4})\?(.+)")


class BadSignatureError(Exception):
    """The link was not created by this server, or was changed."""


class LinkExpiredError(Exception):
    """The link has expired; its image is deleted or withheld."""


class Links:
    """Builds and checks links. A link to an image needs no API key, because links are passed on to people without one.

    All links to one image are equal, so that a callback which is sent twice has the same body. `clock` is unix time.
    """

    def __init__(self, secret: bytes, public_url: str, clock: Callable[[], float] = time.time) -> None:
        self._secret = hmac.digest(secret, b"image links", "sha256")
        self._public_url = public_url
        self._clock = clock

    def task(self, task_id: str) -> str:
        return f"{self._public_url}/v1/tasks/{task_id}"

    def tool_picture(self, tool_id: str, name: str) -> str:
        return f"{self._public_url}/v1/tools/{tool_id}/pictures/{quote(name)}"

    def events(self, task_id: str) -> str:
        return f"{self.task(task_id)}/events"

    def image(self, task_id: str, index: int, extension: str, expires_at: float, quality: int | None = None) -> str:
        """`expires_at` is in unix seconds. An extension that the stored file does not have, or a quality from 1 to 100,
        has the file converted when it is read."""
        name, expires = f"{task_id}/{index}.{extension}", int(expires_at)
        converted = "" if quality is None else f"&quality={quality}"
        signature = self._sign(name, expires, quality)
        return f"{self._public_url}/files/{name}?expires={expires}&signature={signature}{converted}"

    def check_image(
        self, task_id: str, index: int, extension: str, expires: int, signature: str, quality: int | None = None
    ) -> None:
        """Raises BadSignatureError unless we signed the link, and LinkExpiredError if it has expired."""
        expected = self._sign(f"{task_id}/{index}.{extension}", expires, quality)
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise BadSignatureError("the signature of this link is wrong; use the `url` of the image unchanged")
        if expires <= self._clock():
            raise LinkExpiredError(
                "this link has expired; if the image is kept, GET /v1/tasks/ID has its new link; if it is deleted, "
                "submit the task again, with a longer retention"
            )

    def image_of(self, url: str) -> tuple[str, int] | None:
        """The task id and the index of the image that a link of this server leads to; None for other URLs.

        Raises BadSignatureError, LinkExpiredError.
        """
        path = url.removeprefix(f"{self._public_url}/files/")
        if path == url:
            return None
        match = _IMAGE.fullmatch(path)
        query = parse_qs(match[4]) if match else {}
        expires, quality = (query.get(name, [""])[0] for name in ("expires", "quality"))
        if match is None or not re.fullmatch(r"[0-9]{1,16}", expires) or not re.fullmatch(r"[0-9]{0,3}", quality):
            raise BadSignatureError("this is no link to an image; use the `url` of the image unchanged")
        signature = query.get("signature", [""])[0]
        self.check_image(match[1], int(match[2]), match[3], int(expires), signature, int(quality) if quality else None)
        return match[1], int(match[2])

    def _sign(self, name: str, expires: int, quality: int | None) -> str:
        converted = "" if quality is None else f"&{quality}"
        return hmac.new(self._secret, f"{name}?{expires}{converted}".encode(), hashlib.sha256).hexdigest()
