"""The client with asyncio. Its methods are those of client.py."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx

from hua_client.base_task import BaseTask, ImageInfo, Json
from hua_client.calls import Calls, Options
from hua_client.client import RETRY_S, URL
from hua_client.events import Event, Status
from hua_client.inputs import ImageInput, as_image, decode
from hua_client.models import Model, read_model
from hua_client.painting import Painting
from hua_client.runners import LIMITS, AsyncRunner

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage


class AsyncImage(ImageInfo):
    """As Image."""

    def __init__(self, raw: Json, task_id: str, index: int, calls: Calls, runner: AsyncRunner) -> None:
        super().__init__(raw, task_id, index)
        self.origin = calls.origin
        self._calls, self._runner = calls, runner

    async def read(self) -> bytes:
        """As Image.read."""
        return await self._runner.run(self._calls.download(self))

    async def save(self, path: str | Path) -> Path:
        """As Image.save."""
        return await self._runner.run(self._calls.save(self, Path(path)))

    async def pillow(self) -> PillowImage:
        """Raises ImportError if Pillow is not installed."""
        return decode(await self.read())


class AsyncTask(BaseTask[AsyncImage]):
    """As Task."""

    def __init__(self, raw: Json, calls: Calls, runner: AsyncRunner) -> None:
        super().__init__(raw, lambda image, task_id, index: AsyncImage(image, task_id, index, calls, runner))
        self._calls, self._runner = calls, runner

    async def events(self, timeout_s: float | None = None) -> AsyncIterator[Event]:
        """As Task.events."""
        async for event in self._runner.stream(self._calls.follow(self.id, timeout_s)):
            self.note(event)
            yield event

    async def wait(self, timeout_s: float | None = None) -> Self:
        """As Task.wait."""
        if not self.ended:
            async for _ in self.events(timeout_s):
                pass
        return self.check()

    async def refresh(self) -> Self:
        self.update(await self._runner.run(self._calls.read(self.id)))
        return self

    async def cancel(self) -> Self:
        """As Task.cancel."""
        self.update(await self._runner.run(self._calls.cancel(self.id)))
        return self

    async def keep(self) -> Self:
        """As Task.keep."""
        return await self.change_retention("keep")

    async def change_retention(self, retention: str) -> Self:
        """As Task.change_retention."""
        self.update(await self._runner.run(self._calls.change_retention(self.id, retention)))
        return self

    async def delete_images(self) -> Self:
        """As Task.delete_images."""
        self.update(await self._runner.run(self._calls.delete_images(self.id)))
        return self

    async def save(self, path: str | Path) -> list[Path]:
        """As Task.save."""
        return await self._runner.run(self._calls.save_all(self, path))


class AsyncHua(Painting[Coroutine[Any, Any, AsyncTask]]):
    """As Hua, for asyncio."""

    def __init__(
        self, url: str = URL, key: str | None = None, *, retry_s: float = RETRY_S, http: httpx.AsyncClient | None = None
    ) -> None:
        self._calls = Calls(url, key, retry_s)
        self._http = http or httpx.AsyncClient(limits=LIMITS)
        self._runner = AsyncRunner(self._http)

    async def submit(self, type: str, /, *, options: Options | None = None, **params: Any) -> AsyncTask:
        """As Hua.submit."""
        return self._task(await self._runner.run(self._calls.submit(type, params, options or {})))

    async def run(self, type: str, /, *, options: Options | None = None, **params: Any) -> AsyncTask:
        return await (await self.submit(type, options=options, **params)).wait()

    async def tool(self, id: str, /, *, options: Options | None = None, **values: Any) -> AsyncTask:
        """As Hua.tool."""
        return await self._task(await self._runner.run(self._calls.submit_tool(id, values, options or {}))).wait()

    async def tools(self) -> list[Json]:
        """As Hua.tools."""
        return await self._runner.run(self._calls.list_tools())

    async def caption(self, image: ImageInput, *, options: Options | None = None, **params: Any) -> str:
        """As Hua.caption."""
        task = await self.run("img2txt.caption", url=as_image(image), options=options, **params)
        return str((task.answer or {})["text"])

    async def task(self, task_id: str) -> AsyncTask:
        """As Hua.task."""
        return self._task(await self._runner.run(self._calls.read(task_id)))

    async def tasks(self, status: Status | None = None) -> AsyncIterator[AsyncTask]:
        """As Hua.tasks."""
        async for raw in self._runner.stream(self._calls.list_tasks(status)):
            yield self._task(raw)

    async def cancel(self, task_id: str) -> AsyncTask:
        """As Hua.cancel."""
        return self._task(await self._runner.run(self._calls.cancel(task_id)))

    async def upload(self, image: ImageInput) -> str:
        """As Hua.upload."""
        return await self._runner.run(self._calls.upload(as_image(image)))

    async def models(self, **query: str) -> list[Model]:
        """As Hua.models."""
        return [read_model(raw) for raw in await self._runner.run(self._calls.list_models(query))]

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _task(self, raw: Json) -> AsyncTask:
        return AsyncTask(raw, self._calls, self._runner)
