"""One language model behind an OpenAI-compatible endpoint, which the operator names (`HUA_LLM_URL`)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx

from server.egress.transport import sent
from server.settings import Settings

Message = Mapping[str, Any]
"""`{"role": "user", "content": …}`, as the endpoint takes it."""

COMPLETIONS = "chat/completions"
MAX_ANSWER = 1 << 20
"""Bytes of an answer that are read."""
MOST_WAIT_S = 2.0
"""An endpoint that is busy is asked once more if it says that it will be free within this time."""


class LLMError(Exception):
    """The endpoint gave no usable answer. The message is for logs and callers; it holds neither key nor prompt."""


class NoLLMError(LLMError):
    """The operator has named no endpoint."""


class LLM:
    """Asks the endpoint. The operator has named it, so the rules for addresses of callers do not apply to it."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.llm_url.rstrip("/")
        self._key = settings.llm_key
        self._timeout_s = settings.llm_timeout_s
        self._slots = asyncio.Semaphore(settings.llm_concurrency)
        self.model = settings.llm_model
        """The name that the endpoint knows the model by."""

    @property
    def offered(self) -> bool:
        """Whether there is an endpoint. Without one nothing may be asked."""
        return bool(self._url)

    async def chat(self, messages: Sequence[Message], *, temperature: float = 0.0, **options: Any) -> str:
        """The text that the model answers. `options` are further fields of the request. Raises LLMError."""
        completion = await self.complete({"messages": list(messages), "temperature": temperature, **options})
        text = completion["choices"][0]["message"]["content"]
        if text is None:
            raise LLMError("the language model's answer has no text")
        # JSON may have lone surrogates, which neither a task nor an answer can hold.
        return str(text).encode("utf-8", "replace").decode()

    async def complete(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The whole answer, in which each choice has a text or null. Raises LLMError."""
        async with self.answering(COMPLETIONS, body) as response:
            answer = await _read(response)
        try:
            completion: dict[str, Any] = json.loads(answer)
            texts = [choice["message"]["content"] for choice in completion["choices"]]
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise LLMError("the language model's answer is no chat completion") from error
        if not texts or not all(text is None or isinstance(text, str) for text in texts):
            raise LLMError("the language model's answer is no chat completion")
        return completion

    @asynccontextmanager
    async def answering(self, path: str, body: Mapping[str, Any]) -> AsyncIterator[httpx.Response]:
        """The response with status 200 to a POST, not read yet. Takes HUA_LLM_TIMEOUT_S at most. Raises LLMError."""
        content = json.dumps({"model": self.model, **body}).encode()
        try:
            async with asyncio.timeout(self._timeout_s), self._slots:
                for last_try in (False, True):
                    async with sent([self._request(path, content)]) as response:
                        wait_s = _wait_s(response)
                        if last_try or wait_s is None:
                            if response.status_code != httpx.codes.OK:
                                raise LLMError(f"the language model answered with status {response.status_code}")
                            yield response
                            return
                    await asyncio.sleep(wait_s)
        except TimeoutError as error:
            raise LLMError(f"the language model took longer than {self._timeout_s:g} seconds") from error
        except httpx.HTTPError as error:
            raise LLMError(f"the language model cannot be reached ({type(error).__name__})") from error

    def _request(self, path: str, content: bytes) -> httpx.Request:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self._key}"} if self._key else {})
        timeout = httpx.Timeout(self._timeout_s).as_dict()
        return httpx.Request(
            "POST", f"{self._url}/{path}", content=content, headers=headers, extensions={"timeout": timeout}
        )


async def _read(response: httpx.Response) -> bytes:
    """The whole answer. Raises LLMError if it is too long."""
    answer = b""
    async for part in response.aiter_bytes():
        answer += part
        if len(answer) > MAX_ANSWER:
            raise LLMError("the language model's answer is too long")
    return answer


def _wait_s(response: httpx.Response) -> float | None:
    """How long to wait before the one further try; None if there is none."""
    if response.status_code != httpx.codes.TOO_MANY_REQUESTS:
        return None
    try:
        wait_s = float(response.headers.get("Retry-After", ""))
    except ValueError:
        return None
    return wait_s if 0 <= wait_s <= MOST_WAIT_S else None
