"""A worker without a device, for tests of everything that happens around the pixels."""

import hashlib
import io
import time
from collections.abc import Sequence

from PIL import Image as Picture

from server.queue import Lease, Progress, WorkerView
from server.services import Services
from server.storage.bucket_keys import image_key
from server.task import RETENTION_S, Failure, Image, Kind, Outcome, Status


def png_file(width: int = 16, height: int = 16) -> bytes:
    file = io.BytesIO()
    Picture.new("RGB", (width, height), (180, 50, 30)).save(file, "PNG")
    return file.getvalue()


class Painter:
    """A worker without a device: each method is one step of a task, which the test calls."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def take(self) -> Lease:
        await self._services.queue.announce(WorkerView(name="w1", device="cpu", resident=("toy",), running=1))
        lease = await self._services.queue.lease("w1", ("toy",), 120.0)
        assert lease is not None
        return lease

    async def advance(self, lease: Lease, step: int, steps: int, preview: bytes = b"") -> None:
        await self._services.queue.heartbeat(lease, Progress(step, steps, preview))

    async def finish(self, lease: Lease, answer: dict[str, object] | None = None) -> None:
        """With as many images as the task asks for."""
        await self.finish_with(lease, [("image", (16, 16))] * lease.task.params.get("num_samples", 1), answer)

    async def finish_with(
        self, lease: Lease, pictures: Sequence[tuple[Kind, tuple[int, int]]], answer: dict[str, object] | None = None
    ) -> None:
        """With pictures of these kinds and sizes."""
        task = lease.task
        expires_at = time.time() + RETENTION_S[task.retention]
        images = []
        for index, (kind, (width, height)) in enumerate(pictures):
            data = png_file(width, height)
            name = f"{index}.{task.output.format}"
            key = image_key(task.retention, expires_at, task.id, lease.token, name)
            await self._services.bucket.put(key, data)
            image = Image(
                key=key,
                width=width,
                height=height,
                bytes=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
                format=task.output.format,
                seed=task.params["seed"] + index if "seed" in task.params else None,
                kind=kind,
            )
            images.append(image)
        await self._publish(lease, Status.SUCCEEDED, images=tuple(images), answer=answer)

    async def describe(self, lease: Lease, text: str) -> None:
        await self.answer(lease, {"text": text})

    async def answer(self, lease: Lease, answer: dict[str, object]) -> None:
        await self._publish(lease, Status.SUCCEEDED, answer=answer)

    async def withhold(self, lease: Lease) -> None:
        image = Image(key="", width=16, height=16, bytes=0, sha256="", seed=1, reason="unsafe/concept 9")
        await self._publish(lease, Status.SUCCEEDED, images=(image,))

    async def fail(self, lease: Lease) -> None:
        failure = Failure(code="out_of_memory", message="too large for this device; ask for a smaller size")
        await self._publish(lease, Status.FAILED, failure=failure)

    async def _publish(self, lease: Lease, status: Status, **fields: object) -> None:
        now = time.time()
        timings = {"fetch": 0.1, "load": 0.2, "run": 0.4, "encode": 0.1, "upload": 0.05}
        outcome = Outcome(
            task=lease.task,
            attempt=lease.token,
            status=status,
            worker="w1",
            started_at=now - 1,
            finished_at=now,
            timings=timings,
            **fields,
        )
        await self._services.broker.publish_outcome(outcome)

    async def paint_always(self) -> None:
        while True:
            lease = await self.take()
            await self.advance(lease, 1, 2)
            await self.finish(lease)
