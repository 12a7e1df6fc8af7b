"""One attempt at one task: fetch its inputs, have the device run it, store the images, say what came of it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

import pipelines
from pipelines.engine.events import Advanced, Finished
from pipelines.pipeline import Params, TaskResult
from server.images.codec import OversizedImageError, encode, preview_jpeg
from server.images.infotext import infotext
from server.observability.tracing import record_span
from server.queue import Lease, Progress
from server.storage.bucket import Bucket, BucketUnavailableError
from server.storage.bucket_keys import image_key
from server.task import RETENTION_S, Failure, Image, Kind, Outcome, Output, Status
from server.tasks.input_images import BadInputError, InputImages
from server.worker.device_process import Device, DeviceDiedError, DeviceGoneError, TaskFailedError, TaskParkedError
from server.worker.messages import Run

log = logging.getLogger(__name__)
LONGEST_PAUSE_S = 5.0
T = TypeVar("T")


class Attempt:
    """State of one lease under way; `lost` once somebody else holds the task or it has ended, `made` once the device
    has done its part. `clock` is unix time; `put` stores images, if not the bucket does so itself."""

    def __init__(
        self,
        lease: Lease,
        inputs: InputImages,
        bucket: Bucket,
        on_change: Callable[[Attempt], None],
        clock: Callable[[], float] = time.time,
        put: Callable[[str, bytes], Awaitable[None]] | None = None,
    ) -> None:
        self.lease = lease
        self.progress: Progress | None = None
        self.lost = False
        self.made = False
        self.on_device = True
        self.told_at = 0.0
        self._inputs = inputs
        self._bucket = bucket
        self._on_change = on_change
        self._clock = clock
        self._put = put or bucket.put
        self._fetching: asyncio.Timeout | None = None
        self._started_at = clock()
        self._seconds: dict[str, float] = {}
        self._parts: Mapping[str, float] = {}

    async def run(self, device: Device | None) -> Outcome:
        """What came of the task; raises DeviceDiedError, DeviceGoneError or TaskParkedError, which say nothing
        about it yet."""
        task = self.lease.task
        try:
            finished = await self._run_on(device)
            self.made = True
            self._leave_device()
            images = await self._store(finished.result)
            return self._outcome(Status.SUCCEEDED, images=images, answer=finished.result.answer)
        except (BadInputError, OversizedImageError) as error:
            return self.failed("bad_input", str(error))
        except TaskFailedError as error:
            return self.failed(error.code, str(error))
        except (DeviceDiedError, DeviceGoneError, TaskParkedError):
            raise
        except Exception as error:
            log.exception("task %s failed in a way that is a bug", task.id)
            return self.failed("internal", f"{type(error).__name__}; the server's log says more")
        finally:
            self._leave_device()

    def lose(self) -> None:
        """What is still fetched is not waited for: a host that is slow would keep a place at the device."""
        if self._fetching is not None and not self.lost:  # a timeout that is under way takes no second one
            self._fetching.reschedule(0)
        self.lost = True

    @cached_property
    def _params(self) -> Params:
        """Read where a task of another version, which they do not fit, is a failed task and no fallen worker."""
        params: Params = pipelines.find(self.lease.task.type).Params.model_validate(self.lease.task.params)
        return params

    @property
    def stages(self) -> dict[str, float]:
        """Seconds by stage; what the device did is told in its parts."""
        return {stage: seconds for stage, seconds in self._seconds.items() if stage != "run"} | dict(self._parts)

    def _leave_device(self) -> None:
        self.on_device = False
        self._on_change(self)

    def failed(self, code: str, message: str) -> Outcome:
        return self._outcome(Status.FAILED, failure=Failure(code=code, message=message))

    async def _run_on(self, device: Device | None) -> Finished:
        task = self.lease.task
        began = time.monotonic()
        inputs = await self._fetch()
        self._spend("fetch", began)
        parked = await self._parked()
        if self.lost:
            raise _aborted()
        if device is None:
            raise DeviceGoneError("the device process is being started again")
        run = Run(self.lease.token, task.type, task.params, inputs, parked, task.priority)
        finished = await device.run(run, self._note)
        self._seconds |= finished.seconds
        self._parts = finished.parts
        self._trace(finished)
        return finished

    async def _fetch(self) -> dict[str, np.ndarray]:
        """Pixels by path; raises BadInputError, or TaskFailedError if the attempt is lost meanwhile."""
        task = self.lease.task
        try:
            async with asyncio.timeout(None) as self._fetching:
                return await self._while_bucket_is_away(lambda: self._inputs.fetch(task, self._params))
        except TimeoutError:
            raise _aborted() from None
        finally:
            self._fetching = None

    def _trace(self, finished: Finished) -> None:
        """The device is asked nothing while it works, so what it did is traced from its end backwards."""
        ended_at = time.time()
        for part in ("audit", "decode", "denoise", "prepare", "load"):
            seconds = finished.parts.get(part, 0.0) or finished.seconds.get(part, 0.0)
            if seconds:
                record_span(part, ended_at - seconds, ended_at)
                ended_at -= seconds

    async def _parked(self) -> bytes:
        """Where an earlier attempt stood; empty if that is nowhere, or not to be had any more."""
        key = self.lease.parked
        if not key:
            return b""
        return await self._while_bucket_is_away(lambda: self._bucket.get(key)) or b""

    async def park(self, state: bytes) -> str:
        """Keeps where this attempt stands for another one; answers the key, or nothing if the bucket is away."""
        key = image_key("24h", self._clock() + RETENTION_S["24h"], self.lease.task.id, self.lease.token, "parked")
        try:
            await self._bucket.put(key, state)
        except BucketUnavailableError as error:
            log.warning("task %s begins anew elsewhere: %s", self.lease.task.id, error)
            return ""
        return key

    def _note(self, step: Advanced) -> None:
        preview = self.progress.preview if self.progress else b""
        if step.preview is not None:
            preview = preview_jpeg(step.preview)
        self.progress = Progress(step.step, step.steps, preview)
        self._on_change(self)

    async def _store(self, made: TaskResult) -> tuple[Image, ...]:
        seeds = self._params.seeds or [None] * len(made.images)
        every: list[tuple[np.ndarray, int | None, Kind]] = [
            *((pixels, seed, "image") for pixels, seed in zip(made.images, seeds, strict=True)),
            *((pixels, None, "hint") for pixels in made.hints),
        ]
        reasons = made.reasons or [""] * len(every)
        return tuple(
            [
                self._withheld(*one, reason) if reason else await self._store_one(index, *one)
                for index, (one, reason) in enumerate(zip(every, reasons, strict=True))
            ]
        )

    async def _store_one(self, index: int, pixels: np.ndarray, seed: int | None, kind: Kind) -> Image:
        task = self.lease.task
        height, width = pixels.shape[:2]
        began = time.monotonic()
        text = infotext(task, seed, width, height) if task.output.metadata else None
        data, sha256 = await asyncio.to_thread(_encoded, pixels, task.output, text)
        began = self._spend("encode", began)
        expires_at = self._clock() + RETENTION_S[task.retention]
        key = image_key(task.retention, expires_at, task.id, self.lease.token, f"{index}.{task.output.format}")
        await self._while_bucket_is_away(lambda: self._put(key, data))
        self._spend("upload", began)
        return Image(
            key=key,
            width=width,
            height=height,
            bytes=len(data),
            sha256=sha256,
            format=task.output.format,
            seed=seed,
            kind=kind,
        )

    def _withheld(self, pixels: np.ndarray, seed: int | None, kind: Kind, reason: str) -> Image:
        """No file: nothing of it is stored anywhere."""
        height, width = pixels.shape[:2]
        written = self.lease.task.output.format
        return Image(
            key="", width=width, height=height, bytes=0, sha256="", format=written, seed=seed, kind=kind, reason=reason
        )

    async def _while_bucket_is_away(self, work: Callable[[], Awaitable[T]]) -> T:
        """Does `work`, however long the bucket is away; the lease is renewed meanwhile. Raises TaskFailedError once it
        is lost."""
        pause_s = 0.1
        while True:
            try:
                return await work()
            except BucketUnavailableError as error:
                if self.lost:
                    raise _aborted() from error
                log.warning("task %s waits: %s", self.lease.task.id, error)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _outcome(
        self,
        status: Status,
        images: tuple[Image, ...] = (),
        answer: Mapping[str, Any] | None = None,
        failure: Failure | None = None,
    ) -> Outcome:
        return Outcome(
            task=self.lease.task,
            attempt=self.lease.token,
            status=status,
            worker=self.lease.worker,
            images=images,
            answer=None if answer is None else dict(answer),
            failure=failure,
            started_at=self._started_at,
            finished_at=self._clock(),
            timings=self._seconds,
        )

    def _spend(self, stage: str, began: float) -> float:
        now = time.monotonic()
        self._seconds[stage] = self._seconds.get(stage, 0.0) + now - began
        record_span(stage, time.time() - (now - began), time.time())
        return now


def _aborted() -> TaskFailedError:
    return TaskFailedError("aborted", "the task was stopped before it was done")


def _encoded(pixels: np.ndarray, output: Output, text: str | None) -> tuple[bytes, str]:
    """The file and its SHA-256: both take a thread's time."""
    data = encode(pixels, output, text)
    return data, hashlib.sha256(data).hexdigest()
