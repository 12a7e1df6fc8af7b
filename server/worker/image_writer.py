"""Encodes and stores the images of one attempt."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence

import numpy as np

from pipelines.pipeline import TaskResult
from server.images.codec import encode
from server.images.infotext import infotext
from server.queue import Lease
from server.storage.bucket_keys import image_key
from server.task import RETENTION_S, Image, Kind, Output
from server.worker.stage_times import StageTimes


class ImageWriter:
    """Images that the audit withholds are not stored."""

    def __init__(
        self,
        lease: Lease,
        put: Callable[[str, bytes], Awaitable[None]],
        clock: Callable[[], float],
        times: StageTimes,
    ) -> None:
        """`put` stores a file under a key; `clock` is unix time."""
        self._lease = lease
        self._put = put
        self._clock = clock
        self._times = times

    async def write(self, result: TaskResult, seeds: Sequence[int | None]) -> tuple[Image, ...]:
        """`seeds`: of the images of the result, None for all if it is empty. Raises OversizedImageError."""
        seeds = seeds or [None] * len(result.images)
        images: list[tuple[np.ndarray, int | None, Kind]] = [
            *((pixels, seed, "image") for pixels, seed in zip(result.images, seeds, strict=True)),
            *((pixels, None, "hint") for pixels in result.hints),
        ]
        reasons = result.reasons or [""] * len(images)
        return tuple(
            [
                self._withheld(*image, reason) if reason else await self._write_one(index, *image)
                for index, (image, reason) in enumerate(zip(images, reasons, strict=True))
            ]
        )

    async def _write_one(self, index: int, pixels: np.ndarray, seed: int | None, kind: Kind) -> Image:
        task = self._lease.task
        height, width = pixels.shape[:2]
        began = time.monotonic()
        text = infotext(task, seed, width, height) if task.output.metadata else None
        data, sha256 = await asyncio.to_thread(_encoded, pixels, task.output, text)
        began = self._times.add("encode", began)
        expires_at = self._clock() + RETENTION_S[task.retention]
        name = f"{index}.{task.output.format}"
        key = image_key(task.retention, expires_at, task.id, self._lease.token, name)
        await self._put(key, data)
        self._times.add("upload", began)
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
        height, width = pixels.shape[:2]
        return Image(
            key="",
            width=width,
            height=height,
            bytes=0,
            sha256="",
            format=self._lease.task.output.format,
            seed=seed,
            kind=kind,
            reason=reason,
        )


def _encoded(pixels: np.ndarray, output: Output, text: str | None) -> tuple[bytes, str]:
    """The file and its SHA-256; both take long enough for a thread."""
    data = encode(pixels, output, text)
    return data, hashlib.sha256(data).hexdigest()
