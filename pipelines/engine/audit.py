"""The audit: a safety model decides which images of a result may be returned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from pipelines.pipeline import AnyPipeline, Params, TaskResult

if TYPE_CHECKING:
    from models.vision.safety_checker import SafetyChecker

UNSAFE = "unsafe"


class AuditError(Exception):
    """The audit itself failed, so no image of the result may be returned."""

    code = "audit_failed"


@dataclass(frozen=True, slots=True)
class Audit:
    """Which tasks are audited, and by which model."""

    model: str = ""
    """Name of a model of the family `safety`; empty if nothing is audited."""
    every: bool = False
    """Also audits tasks whose type has no audit of its own."""

    def model_for(self, pipeline: AnyPipeline, params: Params) -> str:
        """Name of the model that audits this task; empty if it is not audited."""
        if pipeline.answers:
            return ""
        requested = pipeline.audited == "on_request" and getattr(params, "use_audit", True)
        return self.model if self.every or requested or pipeline.audited == "always" else ""


def without_unsafe(result: TaskResult, safety: SafetyChecker) -> TaskResult:
    """The result with zeros for each unsafe image, and the reasons. Raises AuditError."""
    images = [*result.images, *result.hints]
    if not images:
        return result
    try:
        reasons = [_reason(concepts) for concepts in safety.concepts(images)]
    except (torch.AcceleratorError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise AuditError(
            f"the audit failed with {type(error).__name__}: {error}; images without an audit are not returned, ask "
            "the operator to check the model of HUA_AUDIT"
        ) from error
    safe = [np.zeros_like(pixels) if reason else pixels for pixels, reason in zip(images, reasons, strict=True)]
    count = len(result.images)
    return replace(result, images=safe[:count], hints=safe[count:], reasons=reasons)


def _reason(concepts: list[int]) -> str:
    """In the format of carefree-creator: a label, and the numbers of the concepts; empty for a safe image."""
    return f"{UNSAFE}/concept {', '.join(map(str, concepts))}" if concepts else ""
