"""What each task cost its tenant: one record for each task that has ended, a function of its manifest alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from server.task import Frozen, Image, Manifest, Status, Task

ON_DEVICE = ("load", "run", "audit")
"""The stages of an attempt that a device is held for."""


class Usage(Frozen):
    """`cost` is the work asked for, in units of one 512×512 image at 20 steps; `charge` is 0 unless it was done, and
    less where the audit withholds some of its images, or where they are smaller than they might have become.

    `width` and `height` are those of the first image. Times are unix seconds.
    """

    task: str
    tenant: str
    type: str
    model: str
    status: Status
    images: int
    width: int
    height: int
    steps: int
    cost: float
    charge: float
    device_s: float
    created_at: float
    started_at: float | None
    finished_at: float

    @property
    def day(self) -> str:
        """The day on which it ended, in UTC: YYYY-MM-DD."""
        return datetime.fromtimestamp(self.finished_at, UTC).date().isoformat()


def usage_of(manifest: Manifest) -> Usage:
    """What has failed, was canceled or is withheld is told, but not charged; hints are no images."""
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
        charge=_done(task, images) * _handed_out(images) if outcome.status is Status.SUCCEEDED else 0.0,
        device_s=sum(outcome.timings.get(stage, 0.0) for stage in ON_DEVICE),
        created_at=task.created_at,
        started_at=outcome.started_at,
        finished_at=outcome.finished_at,
    )


def _done(task: Task, images: Sequence[Image]) -> float:
    """The cost, of which a task that started from a picture of unknown size has its part by the size that this had."""
    if not (task.most_pixels and images):
        return task.cost
    return task.cost * min(1.0, images[0].width * images[0].height / task.most_pixels)


def _handed_out(images: Sequence[Image]) -> float:
    """The share of the images that the audit does not withhold; all, where there are none."""
    return sum(image.safe for image in images) / len(images) if images else 1.0
