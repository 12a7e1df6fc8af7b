"""How moderation services are called: a webhook of the operator's own, or an API like OpenAI's."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
from pydantic import BaseModel, Field

from server.audit.letters import Place
from server.egress.webhook_signature import sign

MAX_LABEL_LENGTH = 64
UNSAFE = "unsafe"
"""The reason if the service gives none."""


@dataclass(frozen=True, slots=True)
class Judgement:
    reason: str = ""
    """Why the service objects: a label, perhaps with categories behind slashes. Empty if it does not."""
    mask: tuple[Place, ...] = ()
    """What to take out of a text so that it passes; empty if the service does not say."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose text or image is judged."""

    id: str
    """Of the task; another one for each request that is not a task yet."""
    tenant: str
    type: str
    """The task type."""


class Service(Protocol):
    """How a kind of service is called."""

    def request(self, content: str | bytes, subject: Subject) -> httpx.Request:
        """`content` is a text, or a JPEG file."""
        ...

    def judgement(self, answer: bytes) -> Judgement:
        """Raises ValidationError."""
        ...


class WebhookAnswer(BaseModel):
    passes: bool = Field(alias="pass", strict=True)
    label: str = ""
    category: str = ""
    sublabel: str = ""
    mask: list[tuple[int, int]] = []


class Webhook:
    """`HUA_MODERATION_KIND=webhook`: one JSON body, signed like a callback (Standard Webhooks) if there is a key."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._secret = base64.b64decode(key[6:]) if key.startswith("whsec_") else key.encode()

    def request(self, content: str | bytes, subject: Subject) -> httpx.Request:
        body: dict[str, Any] = {"id": subject.id, "tenant": subject.tenant, "type": subject.type}
        if isinstance(content, str):
            body |= {"kind": "text", "text": content}
        else:
            body |= {"kind": "image", "image": base64.b64encode(content).decode()}
        data = json.dumps(body).encode()
        signature = sign(self._secret, subject.id, int(time.time()), data) if self._secret else {}
        return _post(self._url, data, signature)

    def judgement(self, answer: bytes) -> Judgement:
        read = WebhookAnswer.model_validate_json(answer)
        if read.passes:
            return Judgement()
        return Judgement(_reason(read.label, read.category, read.sublabel), tuple(read.mask))


class OpenAIResult(BaseModel):
    flagged: bool = Field(strict=True)
    categories: dict[str, bool | None] = {}


class OpenAIAnswer(BaseModel):
    results: list[OpenAIResult] = Field(min_length=1)


class OpenAI:
    """`HUA_MODERATION_KIND=openai`: `POST URL/moderations`, as of 2025."""

    def __init__(self, url: str, key: str, model: str) -> None:
        self._url = f"{url.rstrip('/')}/moderations"
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._model = model

    def request(self, content: str | bytes, subject: Subject) -> httpx.Request:
        if isinstance(content, str):
            part: dict[str, Any] = {"type": "text", "text": content}
        else:
            uri = f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"
            part = {"type": "image_url", "image_url": {"url": uri}}
        return _post(self._url, json.dumps({"model": self._model, "input": [part]}).encode(), self._headers)

    def judgement(self, answer: bytes) -> Judgement:
        results = OpenAIAnswer.model_validate_json(answer).results
        if not any(result.flagged for result in results):
            return Judgement()
        named = (name for result in results for name, holds in result.categories.items() if holds)
        return Judgement(_reason(*next(named, "").split("/")))


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> httpx.Request:
    fixed = {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "Hua"}
    return httpx.Request("POST", url, headers={**headers, **fixed}, content=body)


def _reason(*labels: str) -> str:
    """Labels are shown to callers and logged, so each is short and one line."""
    cleaned = ("".join(filter(str.isprintable, " ".join(label.split())))[:MAX_LABEL_LENGTH] for label in labels)
    return "/".join(filter(None, cleaned)) or UNSAFE
