"""A task and its images as the server describes them: what both clients and callbacks have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, Self, TypeAlias, TypeVar

from hua_client.errors import TaskCanceledError, TaskFailedError
from hua_client.events import ENDED, Ended, Event, Progress, Queued, Running, Status

Json: TypeAlias = dict[str, Any]
SUFFIXES = {"png": (".png",), "jpeg": (".jpg", ".jpeg"), "webp": (".webp",)}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where tasks and images are found by their ids: a server, and a key of the tenant that they belong to."""

    url: str
    """The address of the server, without a slash at its end."""
    key: str | None = field(repr=False)


class ImageInfo:
    """An image of a task. It can be an input of another task."""

    origin: Origin | None = None
    """None if only the link of the image is known, as in a callback."""

    def __init__(self, raw: Json, task_id: str, index: int) -> None:
        self.raw = raw
        """The server's JSON."""
        self.task_id = task_id
        self.index = index
        """Which image of the task it is; its control maps are counted after its images."""
        self.url: str = raw["url"]
        """A link that needs no key, valid until `expires_at`, or while the image is kept; empty if it is withheld."""
        self.width: int = raw["width"]
        self.height: int = raw["height"]
        self.seed: int | None = raw.get("seed")
        self.format: str = raw["format"]
        self.sha256: str = raw.get("sha256", "")
        self.expires_at = datetime.fromisoformat(raw["expires_at"]) if raw["expires_at"] else None
        """None if the image is kept without end."""
        self.safe: bool = raw.get("safe", True)
        """False if the audit of the server withholds it; `reason` says why."""
        self.reason: str = raw.get("reason", "")

    def __repr__(self) -> str:
        return f"<image {self.width}×{self.height} {self.format}, seed {self.seed}>"

    def check_suffix(self, path: Path) -> None:
        """Raises ValueError if the name of a file promises another format."""
        others = {suffix: name for name, suffixes in SUFFIXES.items() if name != self.format for suffix in suffixes}
        if wanted := others.get(path.suffix.lower()):
            raise ValueError(
                f"the image is {self.format}: save it as {path.with_suffix(SUFFIXES[self.format][0])}, "
                f'or paint it with options={{"format": "{wanted}"}}'
            )


ImageT = TypeVar("ImageT", bound=ImageInfo)


class BaseTask(Generic[ImageT]):
    """A task, as it was when the server was asked last."""

    def __init__(self, raw: Json, image: Callable[[Json, str, int], ImageT]) -> None:
        self._image = image
        self.update(raw)

    def update(self, raw: Json) -> None:
        """`raw` is the server's JSON."""
        images, hints = raw.get("images", ()), raw.get("hints", ())
        self.raw = raw
        """The server's JSON."""
        self.id: str = raw["id"]
        self.type: str = raw["type"]
        self.status: Status = raw["status"]
        self.position: int | None = raw.get("position")
        """While queued: the number of tasks before it, plus one."""
        progress = raw.get("progress")
        self.progress = Progress(progress["step"], progress["steps"]) if progress else None
        self.params: Json = raw.get("params", {})
        """All params, with defaults and the chosen seed."""
        self.model: str | None = raw.get("model")
        self.images: list[ImageT] = [self._image(image, self.id, index) for index, image in enumerate(images)]
        self.hints: list[ImageT] = [
            self._image(image, self.id, index) for index, image in enumerate(hints, start=len(images))
        ]
        """The control maps that the images follow."""
        self.answer: Json | None = raw.get("answer")
        """The result of a task that returns data, not images."""
        self.warnings: list[str] = raw.get("warnings", [])
        self.error: Json | None = raw.get("error")
        """`code` and `message`, if the task failed."""
        self.created_at = datetime.fromisoformat(raw["created_at"])

    def __repr__(self) -> str:
        return f"<task {self.id} {self.type}: {self.status}>"

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def image(self) -> ImageT:
        """The first image. Raises TaskFailedError, TaskCanceledError, ValueError if there is none."""
        self.check()
        if not self.images:
            reason = "see its answer" if self.answer else "they are deleted, or it paints none"
            if not self.ended:
                reason = f"it is {self.status}, and has them once `wait` returns"
            raise ValueError(f"task {self.id} has no images: {reason}")
        return self.images[0]

    def note(self, event: Event) -> None:
        """Takes over what an event tells."""
        match event:
            case Queued(position):
                self.status, self.position, self.progress = "queued", position, None
            case Running():
                self.status, self.position = "running", None
            case Progress():
                self.progress = event
            case Ended():
                self.update(event.raw)

    def check(self) -> Self:
        """The task itself. Raises TaskFailedError, TaskCanceledError."""
        if self.status == "failed":
            error = self.error or {}
            raise TaskFailedError(error.get("message", "the task failed"), error.get("code", "internal"), self)
        if self.status == "canceled":
            raise TaskCanceledError(f"task {self.id} was canceled", "canceled", self)
        return self

    def paths(self, path: str | Path) -> list[Path]:
        """A file for each image: PATH, or PATH-0, PATH-1… if there are several."""
        file = Path(path)
        if len(self.images) == 1:
            return [file]
        return [file.with_stem(f"{file.stem}-{index}") for index in range(len(self.images))]


TaskInfo: TypeAlias = BaseTask[ImageInfo]
"""A task without a client, as a callback brings it."""
