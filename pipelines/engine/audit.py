"""The audit: safety models decide which images of a result may be returned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from models.device_faults import raise_if_lost
from pipelines.engine.audit_policy import withheld
from pipelines.pipeline import TaskResult

if TYPE_CHECKING:
    from models.vision.safety_model import SafetyModel


class AuditError(Exception):
    """The audit itself failed, so no image of the result may be returned."""

    code = "audit_failed"


def without_unsafe(result: TaskResult, models: Sequence[SafetyModel]) -> TaskResult:
    """The result with zeros for each image that one of the models finds unsafe, and the reason of the first of them.

    Raises AuditError.
    """
    images = [*result.images, *result.hints]
    if not images:
        return result
    try:
        judged = [model.reasons(images) for model in models]
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        raise_if_lost(error)
        raise AuditError(
            f"the audit failed with {type(error).__name__}: {error}; images without an audit are not returned, ask "
            "the operator to check the models of HUA_AUDIT"
        ) from error
    reasons = [next(filter(None, each), "") for each in zip(*judged, strict=True)]
    return withheld(result, reasons)
