"""The usage record of an ended task: what it cost its tenant. It depends only on the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from server.task import Frozen, Image, Manifest, Status, Task

DEVICE_STAGES = ("load", "run", "audit")
"""The stages of an attempt during which it occupies a device."""


class Usage(Frozen):
    """The usage of one task. Times are unix seconds."""

    task: str
    tenant: str
    type: str
    model: str
    status: Status
    images: int
    """Images that are handed out; neither withheld images nor control maps count."""
    width: int
    """Of the first image, in pixels; 0 without images."""
    height: int
    steps: int
    cost: float
    """The requested work, in units of one 512×512 image at 20 steps."""
    charge: float
    """The work to pay for: 0 unless the task succeeded, and less than `cost` if the audit withholds images or if they
    are smaller than was assumed."""
    reasons: tuple[str, ...] = ()
    """Labels of what the audit found in the prompts, if they were accepted all the same."""
    device_s: float
    """Seconds for which the task occupied a device."""
    created_at: float
    started_at: float | None
    finished_at: float

    @property
    def day(self) -> str:
        """The day on which the task ended, in UTC: YYYY-MM-DD."""
        return datetime.fromtimestamp(self.finished_at, UTC).date().isoformat()


def usage_of(manifest: Manifest) -> Usage:
    """Failed and canceled tasks, and withheld images, are recorded but not charged. Control maps are not images."""
    task, outcome = manifest.task, manifest.outcome
    images = [image for image in outcome.images if image.kind == "image"]
    first = images[0] if images else None
    steps = task.params.get("num_steps")
    return Usage(
        task=task.id,
        tenant=task.tenant,
        type=task.type,
        model=task.models[0] if task.models else "",
        status=outcome.status,
        images=sum(image.safe for image in images),
        width=first.width if first else 0,
        height=first.height if first else 0,
        steps=steps if isinstance(steps, int) else 0,
        cost=task.cost,
        charge=_final_cost(task, images) * _handed_out_fraction(images) if outcome.status is Status.SUCCEEDED else 0.0,
        reasons=task.reasons,
        device_s=sum(outcome.timings.get(stage, 0.0) for stage in DEVICE_STAGES),
        created_at=task.created_at,
        started_at=outcome.started_at,
        finished_at=outcome.finished_at,
    )


def _final_cost(task: Task, images: Sequence[Image]) -> float:
    """The cost. If it was estimated for the largest size possible, it is scaled to the real size of the first image."""
    if not (task.most_pixels and images):
        return task.cost
    return task.cost * min(1.0, images[0].width * images[0].height / task.most_pixels)


def _handed_out_fraction(images: Sequence[Image]) -> float:
    """The fraction of images that the audit does not withhold; 1 without images."""
    return sum(image.safe for image in images) / len(images) if images else 1.0
