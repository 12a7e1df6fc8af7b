"""The audit: whether what a task has drawn may be handed out, as a model says that minds what a picture shows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from pipelines.pipeline import AnyPipeline, Params, TaskResult

if TYPE_CHECKING:
    from models.vision.safety_checker import Safety

UNSAFE = "unsafe"


class AuditError(Exception):
    """What was drawn could not be judged, so that nobody may have it."""

    code = "audit_failed"


@dataclass(frozen=True, slots=True)
class Audit:
    """Which tasks are judged, and by what: `model` names one of family safety, or is empty where nothing is judged.

    With `every`, those are judged too that their type would leave out.
    """

    model: str = ""
    every: bool = False

    def judge_of(self, pipeline: AnyPipeline, params: Params) -> str:
        """The name of the model that judges what this task draws; empty if none does."""
        if pipeline.answers:
            return ""
        asked = pipeline.audited == "on_request" and getattr(params, "use_audit", True)
        return self.model if self.every or asked or pipeline.audited == "always" else ""


def judged(made: TaskResult, safety: Safety) -> TaskResult:
    """What was made, but of each picture that is minded only the size and the reason. Raises AuditError."""
    drawn = [*made.images, *made.hints]
    if not drawn:
        return made
    try:
        reasons = [_reason(concepts) for concepts in safety.concepts(drawn)]
    except (torch.AcceleratorError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise AuditError(
            f"the audit failed with {type(error).__name__}: {error}; what was not judged is not handed out, have the "
            "operator look at the model of HUA_AUDIT"
        ) from error
    left = [np.zeros_like(pixels) if reason else pixels for pixels, reason in zip(drawn, reasons, strict=True)]
    count = len(made.images)
    return replace(made, images=left[:count], hints=left[count:], reasons=reasons)


def _reason(concepts: list[int]) -> str:
    """In the form of the origin's: a label, and what kind of it, by its number."""
    return f"{UNSAFE}/concept {', '.join(map(str, concepts))}" if concepts else ""
