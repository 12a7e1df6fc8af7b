"""The audit of a result between the device and its storage: images by the moderation service, texts as prompts are.

Safety models have judged the images already, in the device's process. Nothing here holds up the device.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

import pipelines
from pipelines.engine.audit_policy import AuditPolicy, withheld
from pipelines.pipeline import Params, TaskResult
from server.audit.moderation import Moderation, ModerationError
from server.audit.moderation_kinds import Subject
from server.images.codec import preview_jpeg
from server.services import Services
from server.task import Task

LONGEST_SIDE = 1024
"""Of an image as it is sent to the service, in pixels."""


class ResultAudit:
    """Judges the results of one task."""

    def __init__(self, services: Services, task: Task) -> None:
        settings = services.settings
        self._texts, self._terms = services.text_audit, task.audit
        self._moderation = services.moderation if "images" in settings.moderation_of else None
        self._open = settings.moderation_open
        self._policy = AuditPolicy(every=settings.audit_all)
        self._pipeline = task.type
        self._subject = Subject(task.id, task.tenant, task.type)

    def sees_images(self, params: Params) -> bool:
        """Whether the service judges the images, so that no preview may be shown before."""
        return self._image_service(params) is not None

    async def check(self, result: TaskResult, params: Params) -> TaskResult:
        """Raises UnsafeTextError, AuditUnavailableError for a text of the answer; an unsafe image becomes black."""
        if service := self._image_service(params):
            result = await self._without_unsafe(service, result)
        texts = dict(_texts("", result.answer)) if self._terms.judges_texts else {}
        if not texts:
            return result
        audited = await self._texts.audit(texts, self._terms, self._subject)
        return replace(result, answer=_with_texts("", result.answer, audited.texts))

    def _image_service(self, params: Params) -> Moderation | None:
        covered = self._policy.covers(pipelines.find(self._pipeline), params, self._terms.images)
        return self._moderation if covered else None

    async def _without_unsafe(self, service: Moderation, result: TaskResult) -> TaskResult:
        images = [*result.images, *result.hints]
        known = list(result.reasons) or [""] * len(images)
        reasons = await asyncio.gather(
            *(self._reason(service, pixels, reason) for pixels, reason in zip(images, known, strict=True))
        )
        return withheld(result, reasons) if any(reasons) else result

    async def _reason(self, service: Moderation, pixels: np.ndarray, known: str) -> str:
        if known:
            return known
        longest = min(max(pixels.shape[:2]), LONGEST_SIDE)
        file = await asyncio.to_thread(preview_jpeg, pixels, longest)
        try:
            return (await service.judge(file, self._subject)).reason
        except ModerationError as error:
            return "" if self._open else error.reason


def _texts(path: str, value: Any) -> list[tuple[str, str]]:
    """The texts in an answer, by dotted path."""
    match value:
        case str():
            return [(path, value)] if value else []
        case Mapping():
            return [each for name, child in value.items() for each in _texts(f"{path}.{name}".lstrip("."), child)]
        case list() | tuple():
            return [each for index, child in enumerate(value) for each in _texts(f"{path}.{index}".lstrip("."), child)]
    return []


def _with_texts(path: str, value: Any, texts: Mapping[str, str]) -> Any:
    match value:
        case str():
            return texts.get(path, value)
        case Mapping():
            return {name: _with_texts(f"{path}.{name}".lstrip("."), child, texts) for name, child in value.items()}
        case list() | tuple():
            return [_with_texts(f"{path}.{index}".lstrip("."), child, texts) for index, child in enumerate(value)]
    return value
