"""The client with blocking calls."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx

from hua_client.base_task import BaseTask, ImageInfo, Json
from hua_client.calls import Calls, Options
from hua_client.events import Event, Status
from hua_client.inputs import ImageInput, as_image, decode
from hua_client.models import Model, read_model
from hua_client.painting import Painting
from hua_client.runners import LIMITS, Runner

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

URL = "http://127.0.0.1:8000"
RETRY_S = 120.0


class Image(ImageInfo):
    """An image of a task."""

    def __init__(self, raw: Json, task_id: str, index: int, calls: Calls, runner: Runner) -> None:
        super().__init__(raw, task_id, index)
        self.origin = calls.origin
        self._calls, self._runner = calls, runner

    def read(self) -> bytes:
        """The image file. Raises WithheldError, GoneError."""
        return self._runner.run(self._calls.download(self))

    def save(self, path: str | Path) -> Path:
        """Raises WithheldError, GoneError, ValueError if the name ends like another format's."""
        return self._runner.run(self._calls.save(self, Path(path)))

    def pillow(self) -> PillowImage:
        """Raises ImportError if Pillow is not installed."""
        return decode(self.read())


class Task(BaseTask[Image]):
    """A task on the server. `wait`, `events`, `refresh` and `cancel` bring its fields up to date."""

    def __init__(self, raw: Json, calls: Calls, runner: Runner) -> None:
        super().__init__(raw, lambda image, task_id, index: Image(image, task_id, index, calls, runner))
        self._calls, self._runner = calls, runner

    def events(self, timeout_s: float | None = None) -> Iterator[Event]:
        """Queued, Running, Progress, Preview and at last Ended, as they happen. Raises WaitTimeoutError."""
        for event in self._runner.stream(self._calls.follow(self.id, timeout_s)):
            self.note(event)
            yield event

    def wait(self, timeout_s: float | None = None) -> Self:
        """Returns when the task has ended. Raises TaskFailedError, TaskCanceledError, WaitTimeoutError."""
        if not self.ended:
            for _ in self.events(timeout_s):
                pass
        return self.check()

    def refresh(self) -> Self:
        self.update(self._runner.run(self._calls.read(self.id)))
        return self

    def cancel(self) -> Self:
        """A task that has ended does not change."""
        self.update(self._runner.run(self._calls.cancel(self.id)))
        return self

    def keep(self) -> Self:
        """Keeps the images of an ended task without end. Raises GoneError, ConflictError if there is no room left."""
        return self.change_retention("keep")

    def change_retention(self, retention: str) -> Self:
        """`24h`, `7d`, …: when the images of an ended task go; `keep`: never."""
        self.update(self._runner.run(self._calls.change_retention(self.id, retention)))
        return self

    def delete_images(self) -> Self:
        """Deletes the images and control maps of an ended task now. The task stays. Raises ConflictError if it runs."""
        self.update(self._runner.run(self._calls.delete_images(self.id)))
        return self

    def save(self, path: str | Path) -> list[Path]:
        """Writes the image to this path; several images to PATH-0, PATH-1… Raises what Image.save raises."""
        return self._runner.run(self._calls.save_all(self, path))


class Hua(Painting[Task]):
    """A server of Hua. Several threads may use one client.

    `key`: an API key, if the server has any. `retry_s`: for how many seconds a request is repeated while the server
    does not answer, or answers 429 or 503. `http`: an httpx client of your own, with certificates or a proxy.
    """

    def __init__(
        self, url: str = URL, key: str | None = None, *, retry_s: float = RETRY_S, http: httpx.Client | None = None
    ) -> None:
        self._calls = Calls(url, key, retry_s)
        self._http = http or httpx.Client(limits=LIMITS)
        self._runner = Runner(self._http)
        if http is None:  # tasks hold the runner, and need its connections as long as they live
            weakref.finalize(self._runner, self._http.close)

    def submit(self, type: str, /, *, options: Options | None = None, **params: Any) -> Task:
        """Submits a task of any type, without waiting. An image in the params is a Path, bytes, an image of Pillow, an
        earlier result, a link, or the id of an upload. Raises ApiError, ConnectionFailedError, WithheldError."""
        return self._task(self._runner.run(self._calls.submit(type, params, options or {})))

    def run(self, type: str, /, *, options: Options | None = None, **params: Any) -> Task:
        return self.submit(type, options=options, **params).wait()

    def tool(self, id: str, /, *, options: Options | None = None, **values: Any) -> Task:
        """Fills in the form of a stored tool, and waits for the end of its task. Images are as in `submit`."""
        return self._task(self._runner.run(self._calls.submit_tool(id, values, options or {}))).wait()

    def tools(self) -> list[Json]:
        """The stored tools with their forms, as the server's JSON."""
        return self._runner.run(self._calls.list_tools())

    def caption(self, image: ImageInput, *, options: Options | None = None, **params: Any) -> str:
        """What an image shows, in words."""
        task = self.run("img2txt.caption", url=as_image(image), options=options, **params)
        return str((task.answer or {})["text"])

    def task(self, task_id: str) -> Task:
        """Raises NotFoundError, GoneError."""
        return self._task(self._runner.run(self._calls.read(task_id)))

    def tasks(self, status: Status | None = None) -> Iterator[Task]:
        """All tasks, newest first, read from the server as they are needed."""
        return map(self._task, self._runner.stream(self._calls.list_tasks(status)))

    def cancel(self, task_id: str) -> Task:
        """A task that has ended does not change. Raises NotFoundError, GoneError."""
        return self._task(self._runner.run(self._calls.cancel(task_id)))

    def upload(self, image: ImageInput) -> str:
        """The id of an image on the server, valid for a day. Not needed: calls upload their images themselves, once."""
        return self._runner.run(self._calls.upload(as_image(image)))

    def models(self, **query: str) -> list[Model]:
        """The models of the server; `kind`, `family` and `base` choose among them."""
        return [read_model(raw) for raw in self._runner.run(self._calls.list_models(query))]

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _task(self, raw: Json) -> Task:
        return Task(raw, self._calls, self._runner)
