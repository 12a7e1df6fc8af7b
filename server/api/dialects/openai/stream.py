"""The events of a request with `stream`: previews of the latents, then the images."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from server.api.dialects.openai.answers import AnsweredRequest, linked_results
from server.api.dialects.openai.errors import blocked_problem, error_reply, failure_problem
from server.api.dialects.pictures import result_in_base64
from server.api.errors import Problem
from server.api.problems import problem_of
from server.queue import Progress, QueueUnavailableError, View
from server.services import Services
from server.task import Manifest, Status
from server.tasks.waiting import cancel_all, wait_for_end

PING_S = 15.0
"""A comment is sent this often while nothing happens, so that no proxy closes the connection."""
PING = b": ping\n\n"
Event = Mapping[str, Any]


class ImageStream:
    """The events of several tasks, as they come. `kind`: `image_generation` or `image_edit`."""

    def __init__(self, services: Services, answered: AnsweredRequest, kind: str, *, cancels: bool) -> None:
        self._services = services
        self._answered = answered
        self._kind = kind
        self._cancels = cancels
        """Whether the tasks are canceled if the client hangs up."""

    async def bytes_of(self, views: Sequence[View]) -> AsyncIterator[bytes]:
        """Server-sent events until all tasks have ended."""
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        following = [asyncio.create_task(self._follow(view, events)) for view in views]
        left = len(views)
        try:
            while left:
                try:
                    async with asyncio.timeout(PING_S):
                        event = await events.get()
                except TimeoutError:
                    yield PING
                    continue
                if event is None:
                    left -= 1
                else:
                    yield _encoded(event)
        finally:
            for each in following:
                each.cancel()
            if left and self._cancels:
                await asyncio.shield(cancel_all(self._services, views))

    async def _follow(self, view: View, events: asyncio.Queue[Event | None]) -> None:
        """Puts the events of one task, and then None."""
        try:
            async for event in self._events(view):
                events.put_nowait(event)
        except Exception as error:
            events.put_nowait(_failed(problem_of(error)))
        finally:
            events.put_nowait(None)

    async def _events(self, view: View) -> AsyncIterator[Event]:
        with contextlib.suppress(QueueUnavailableError):
            async for event in self._previews(view):
                yield event
        manifest = await wait_for_end(self._services, view)
        async for event in self._results(manifest):
            yield event

    async def _previews(self, view: View) -> AsyncIterator[Event]:
        """One preview as soon as each part of the steps is done; fewer if the task is faster than its previews."""
        count, sent, last = self._answered.request.partial_images, -1, b""
        if not count:
            return
        async for current in self._services.queue.watch(view.task.id):
            progress = current.progress
            if progress is None or progress.preview in (b"", last):
                continue
            if (index := _part_done(progress, count)) > sent:
                sent, last = index, progress.preview
                yield self._preview(progress.preview, index)

    def _preview(self, jpeg: bytes, index: int) -> Event:
        return {
            "type": f"{self._kind}.partial_image",
            "b64_json": base64.b64encode(jpeg).decode(),
            "partial_image_index": index,
            "created_at": int(self._services.clock()),
            "background": "opaque",
            "output_format": "jpeg",
            "quality": self._answered.request.quality,
            "size": self._answered.request.size,
        }

    async def _results(self, manifest: Manifest) -> AsyncIterator[Event]:
        outcome = manifest.outcome
        if outcome.status is not Status.SUCCEEDED:
            yield _failed(failure_problem(outcome.status, outcome.failure))
            return
        if not linked_results(self._services, [manifest]):
            yield _failed(blocked_problem(outcome.images[0].reason if outcome.images else "no image"))
        for _, image in linked_results(self._services, [manifest]):
            yield {
                "type": f"{self._kind}.completed",
                "b64_json": await result_in_base64(self._services, image),
                "created_at": int(outcome.finished_at),
                **self._answered.description(image),
                "usage": self._answered.usage([image]).model_dump(),
            }


def _part_done(progress: Progress, previews: int) -> int:
    """The number of the last preview that is due: `previews` of them divide the steps evenly. -1 before the first."""
    return min(progress.step * (previews + 1) // max(progress.steps, 1), previews) - 1


def _failed(problem: Problem) -> Event:
    return {"type": "error", **error_reply(problem).model_dump()}


def _encoded(event: Event) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
