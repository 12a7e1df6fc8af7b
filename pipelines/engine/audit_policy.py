"""Which tasks are audited, and what becomes of unsafe images.

Free of torch, for the worker's parent audits by the same rules as the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pipelines.pipeline import AnyPipeline, Params, TaskResult

ImageAudit = Literal["default", "all", "off"]
"""Of one task: as the policy says, in any case, or not at all."""


@dataclass(frozen=True, slots=True)
class AuditPolicy:
    """Which tasks are audited, and by which models."""

    models: tuple[str, ...] = ()
    """Names of models of the family `safety`; empty if no model audits."""
    every: bool = False
    """Also audits tasks whose type has no audit of its own."""

    def covers(self, pipeline: AnyPipeline, params: Params, images: ImageAudit = "default") -> bool:
        """Whether the images of this task are audited."""
        if pipeline.answers or images == "off":
            return False
        requested = pipeline.audited == "on_request" and getattr(params, "use_audit", True)
        return self.every or images == "all" or requested or pipeline.audited == "always"

    def models_for(self, pipeline: AnyPipeline, params: Params, images: ImageAudit = "default") -> tuple[str, ...]:
        """Names of the models that audit this task."""
        return self.models if self.covers(pipeline, params, images) else ()


def withheld(result: TaskResult, reasons: Sequence[str]) -> TaskResult:
    """The result with zeros for each image that has a reason. `reasons`: of its images, then of its hints."""
    images = [*result.images, *result.hints]
    safe = [np.zeros_like(pixels) if reason else pixels for pixels, reason in zip(images, reasons, strict=True)]
    count = len(result.images)
    return replace(result, images=safe[:count], hints=safe[count:], reasons=list(reasons))
