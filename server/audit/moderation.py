"""An outside service that judges texts and images.

The operator chose its address, so requests go there directly, and not through the rules for addresses of callers. They
follow no redirect. What the service does not answer in time, or not as expected, is not safe.
"""

from __future__ import annotations

import asyncio
import time
from typing import Literal

import httpx
from pydantic import ValidationError

from server.audit.moderation_kinds import Judgement, OpenAI, Service, Subject, Webhook
from server.egress.transport import sent
from server.observability.metrics import MODERATION_SECONDS
from server.settings import Settings

MOST_AT_ONCE = 8
MAX_ANSWER = 1 << 20
Reason = Literal["timeout", "unknown"]


class ModerationError(Exception):
    """The service did not judge: it took too long (`timeout`), or its answer cannot be used (`unknown`)."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"the moderation service of this server did not answer as expected ({reason})")
        self.reason = reason


class Moderation:
    """Asks the service of the settings. At most eight requests are open at a time; others wait."""

    def __init__(self, service: Service, timeout_s: float) -> None:
        self._service, self._timeout_s = service, timeout_s
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)

    @classmethod
    def from_settings(cls, settings: Settings) -> Moderation | None:
        """None if no service is set."""
        if not settings.moderation_url:
            return None
        url, key = settings.moderation_url, settings.moderation_key
        webhook = settings.moderation_kind == "webhook"
        service = Webhook(url, key) if webhook else OpenAI(url, key, settings.moderation_model)
        return cls(service, settings.moderation_timeout_s)

    async def judge(self, content: str | bytes, subject: Subject) -> Judgement:
        """`content` is a text, or a JPEG file. Raises ModerationError."""
        request = self._service.request(content, subject)
        async with self._slots:
            began, result = time.monotonic(), "unknown"
            try:
                judgement = await self._asked(request)
                result = "flagged" if judgement.reason else "passed"
                return judgement
            except ModerationError as error:
                result = error.reason
                raise
            finally:
                kind = "text" if isinstance(content, str) else "image"
                MODERATION_SECONDS.labels(kind, result).observe(time.monotonic() - began)

    async def _asked(self, request: httpx.Request) -> Judgement:
        try:
            async with asyncio.timeout(self._timeout_s), sent([request]) as response:
                if response.status_code != 200:
                    raise ModerationError("unknown")
                return self._service.judgement(await _body(response))
        except (TimeoutError, httpx.TimeoutException) as error:
            raise ModerationError("timeout") from error
        except (httpx.HTTPError, ValidationError) as error:
            raise ModerationError("unknown") from error


async def _body(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_ANSWER:
            raise ModerationError("unknown")
    return bytes(body)
