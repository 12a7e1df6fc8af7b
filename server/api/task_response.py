"""A task as our own API returns it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field

from server.queue.pools import reason
from server.storage.signed_links import Links
from server.task import KEEP, AnyRetention, Failure, Format, Image, Kind, Manifest, Priority, Status
from server.tasks.lookup import TaskRecord


class ProgressReply(BaseModel):
    step: int
    steps: int


class ImageReply(BaseModel):
    url: str = Field(
        description="Link that needs no key, valid until `expires_at`, or as long as the image is kept. Empty if the "
        "image is withheld."
    )
    width: int
    height: int
    seed: int | None
    format: Format
    bytes: int
    sha256: str
    expires_at: datetime | None = Field(description="When it is deleted. Null: it is kept without end.")
    safe: bool = Field(True, description="False if the safety audit withholds the image.")
    reason: str = Field("", description="Why the image is withheld.")


class TaskLinks(BaseModel):
    task: str
    events: str


class TaskReply(BaseModel):
    """A task. Times are RFC 3339 in UTC."""

    id: str
    type: str
    status: Status
    position: int | None = Field(
        None,
        description="While queued: the number of tasks before it, plus one; null while no live worker has its models.",
    )
    reason: str | None = Field(None, description="Why a queued task has no position: the models that no worker has.")
    progress: ProgressReply | None = Field(None, description="While running: denoising steps done, and their total.")
    params: dict[str, Any] = Field(description="The params with all defaults and the chosen seed.")
    original_prompts: dict[str, str] = Field(
        {}, description="Prompts as they were sent, by path, where `params` have other words: those that were painted."
    )
    model: str | None = Field(None, description="The model that it uses.")
    priority: Priority
    retention: AnyRetention = Field(description="How long the images are stored; `keep`: without end.")
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    images: list[ImageReply] = []
    hints: list[ImageReply] = Field([], description="Control maps that the images follow.")
    images_deleted_at: datetime | None = Field(None, description="When its images were deleted at your request.")
    answer: dict[str, Any] | None = Field(
        None, description="Result of a task that returns data, not images: a caption, a size…"
    )
    warnings: list[str] = Field(
        [],
        description="What had no effect: keys of a LoRA that are not understood, modules that the model lacks, words "
        "in a language that is not translated, images that could not be kept.",
    )
    error: Failure | None = Field(None, description="Why the task failed.")
    timings: dict[str, float] = Field({}, description="Seconds by stage, once the task has ended.")
    links: TaskLinks


def task_reply(record: TaskRecord, links: Links) -> TaskReply:
    """The reply for a task. Once the task has ended, it depends only on the manifest and the secret of the server."""
    view, task, manifest = record.view, record.view.task, record.manifest
    progress = view.progress if view.status is Status.RUNNING else None
    return TaskReply(
        id=task.id,
        type=task.type,
        status=view.status,
        position=(view.position or None) if view.status is Status.QUEUED else None,
        reason=reason(view.missing) or None,
        progress=ProgressReply(step=progress.step, steps=progress.steps) if progress else None,
        params=task.params,
        original_prompts=task.original_prompts,
        model=task.models[0] if task.models else None,
        priority=task.priority,
        retention=_retention(record),
        created_at=_utc(task.created_at),
        started_at=_utc(view.started_at) if view.started_at else None,
        finished_at=_utc(view.finished_at) if view.finished_at else None,
        images=_image_replies(manifest, "image", links),
        hints=_image_replies(manifest, "hint", links),
        images_deleted_at=_utc(manifest.deleted_at) if manifest and manifest.deleted_at else None,
        answer=manifest.outcome.answer if manifest else None,
        warnings=[*task.notes, *((*manifest.outcome.warnings, *manifest.notes) if manifest else ())],
        error=manifest.outcome.failure if manifest else None,
        timings=manifest.outcome.timings if manifest else {},
        links=TaskLinks(task=links.task(task.id), events=links.events(task.id)),
    )


def _retention(record: TaskRecord) -> AnyRetention:
    """As it is now; of a task that has not ended, as it is wanted."""
    if record.manifest is not None:
        return record.manifest.retention
    task = record.view.task
    return task.retention if task.keep_bytes is None else KEEP


def linked_images(manifest: Manifest, kind: Kind, links: Links) -> list[tuple[str, Image]]:
    """The images of this kind, each with its link; the link of a withheld image is empty."""
    return [
        (links.image(manifest.task.id, index, image.format, manifest.expires_at) if image.safe else "", image)
        for index, image in enumerate(manifest.images)
        if image.kind == kind
    ]


def _image_replies(manifest: Manifest | None, kind: Kind, links: Links) -> list[ImageReply]:
    if manifest is None:
        return []
    return [_image_reply(url, image, manifest) for url, image in linked_images(manifest, kind, links)]


def _image_reply(url: str, image: Image, manifest: Manifest) -> ImageReply:
    return ImageReply(
        url=url,
        width=image.width,
        height=image.height,
        seed=image.seed,
        format=image.format,
        bytes=image.bytes,
        sha256=image.sha256,
        expires_at=None if manifest.kept else _utc(manifest.expires_at),
        safe=image.safe,
        reason=image.reason,
    )


def _utc(unix_s: float) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)
