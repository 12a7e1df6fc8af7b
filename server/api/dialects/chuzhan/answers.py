"""The state and the results of a task in the format of this API."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from server.api.dialects.chuzhan.request import DetailRequest
from server.storage.signed_links import Links
from server.task import Format, Image, Manifest, Status, Task
from server.tasks.lookup import TaskRecord

NAME = "chuzhan"
D = TypeVar("D")
STATES = {
    Status.QUEUED: "in_queue",
    Status.RUNNING: "running",
    Status.SUCCEEDED: "success",
    Status.FAILED: "fail",
    Status.CANCELED: "fail",
}
LINK_S = 1800
"""How long the links of an answer are valid, in seconds. Those of a callback last as long as the image."""
PASSED, WITHHELD = 0, 1
DEFAULT_QUALITY = 100
CUT_OUT = "img2img.sod"
SHEET = "sheet"
"""The node of a workflow that lays the images out as one; `imgUrl` is that one, and `images` are the others."""

LinkOf = Callable[[int, Image], str]
"""The link to an image that the audit does not withhold, by its index among all of the task."""


class Answer(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True)


class Reply(BaseModel, Generic[D]):
    code: int = 0
    success: bool = True
    msg: str = ""
    data: D


class ImageResult(Answer):
    image_url: str = Field(description="Empty if the audit withholds the image.")
    audit: int = Field(description="0: the image passed. 1: the audit withholds it.")


class TaskDetail(Answer):
    task_id: str
    state: str = Field(description="in_queue, running, success or fail.")
    progress: float = Field(description="0 to 1.")
    audit: int = Field(0, description="1 if the audit withholds an image.")
    img_url: str = Field("", description="The first image.")
    images: list[ImageResult] = []
    current_image: str = Field(
        "", alias="current_image", description="While the task runs: a preview, a JPEG in base64."
    )
    fail_reason: str = ""


def task_detail(record: TaskRecord, links: Links, request: DetailRequest, now: float) -> TaskDetail:
    """`now` is in unix seconds."""
    view, manifest = record.view, record.manifest
    if manifest is not None:
        file_format = request.img_format or _default_format(manifest.task)
        expires_at = min(manifest.expires_at, now + LINK_S)
        return _ended(manifest, _linking(manifest, links, file_format, request.img_quality, expires_at))
    progress = view.progress if view.status is Status.RUNNING else None
    return TaskDetail(
        task_id=view.task.id,
        state=STATES[view.status],
        progress=round(progress.step / max(progress.steps, 1), 4) if progress else 0.0,
        current_image=base64.b64encode(progress.preview).decode() if progress and request.preview else "",
    )


def callback_body(manifest: Manifest, links: Links) -> dict[str, Any]:
    """The body of a callback."""
    file_format = _default_format(manifest.task)
    detail = _ended(manifest, _linking(manifest, links, file_format, DEFAULT_QUALITY, manifest.expires_at))
    nonce = manifest.task.callback.nonce if manifest.task.callback else ""
    return {**detail.model_dump(exclude={"current_image"}), "nonce": nonce}


def _ended(manifest: Manifest, link_of: LinkOf) -> TaskDetail:
    outcome = manifest.outcome
    pictures = [
        ImageResult(image_url=link_of(index, image) if image.safe else "", audit=PASSED if image.safe else WITHHELD)
        for index, image in enumerate(outcome.images)
        if image.kind == "image" or manifest.task.type == "workflow"
    ]
    has_sheet = manifest.task.type == "workflow" and manifest.task.params["target"] == SHEET
    reason = "" if outcome.status is Status.SUCCEEDED else "the task was canceled"
    return TaskDetail(
        task_id=manifest.task.id,
        state=STATES[outcome.status],
        progress=1.0,
        audit=max((picture.audit for picture in pictures), default=PASSED),
        img_url=next((picture.image_url for picture in pictures if picture.image_url), ""),
        images=pictures[1:] if has_sheet else pictures,
        fail_reason=outcome.failure.message if outcome.failure else reason,
    )


def _linking(manifest: Manifest, links: Links, file_format: Format, quality: int, expires_at: float) -> LinkOf:
    task_id = manifest.task.id
    kept_quality = quality if file_format == "jpeg" else None
    return lambda index, _: links.image(task_id, index, file_format, expires_at, kept_quality)


def _default_format(task: Task) -> Format:
    """PNG for images with a transparent background, which a JPEG cannot have."""
    if task.type != "workflow":
        return "png" if task.type == CUT_OUT else "jpeg"
    endpoints = {node["key"]: node["endpoint"] for node in task.params["nodes"]}
    return "png" if endpoints.get(task.params["target"]) == CUT_OUT else "jpeg"
