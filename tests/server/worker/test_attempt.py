"""An attempt at a task while what it depends on comes and goes."""

import asyncio
import io
import time

import numpy as np
import pytest
from obstore.store import MemoryStore
from PIL import Image

from pipelines.pipeline import TaskResult
from server.egress.client import Egress
from server.queue import Lease
from server.storage.bucket import Bucket, BucketUnavailableError
from server.storage.bucket_keys import MOMENT_S, swept_at
from server.task import RETENTION_S, Output, Task
from server.tasks.input_images import InputImages
from server.worker.attempt import Attempt
from server.worker.device_process import DeviceGoneError


class Away(Bucket):
    """A bucket that cannot be read at first."""

    def __init__(self, times: int) -> None:
        super().__init__(MemoryStore())
        self.times = times

    async def get(self, key: str) -> bytes | None:
        self.times -= 1
        if self.times >= 0:
            raise BucketUnavailableError("away")
        return await super().get(key)


async def test_a_bucket_that_is_away_delays_a_task_and_does_not_fail_it() -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    bucket = Away(2)
    inputs = InputImages(Egress(), bucket, max_upload=1 << 20, max_pixels=1 << 20)
    upload = await inputs.store(file.getvalue(), "a")
    params = {"text": "x", "url": upload.id, "seed": 1}
    task = Task(id="0" * 32, type="img2img.sd", params=params, tenant="a", created_at=time.time())
    attempt = Attempt(Lease(task, "token", "worker"), inputs, bucket, lambda _: None)
    with pytest.raises(DeviceGoneError):  # it got as far as the device, of which there is none
        await attempt.run(None)
    assert bucket.times < 0


async def test_nothing_is_stored_of_a_picture_that_is_withheld():
    bucket = Away(0)
    inputs = InputImages(Egress(), bucket, max_upload=1 << 20, max_pixels=1 << 20)
    params = {"text": "x", "seed": 5, "num_samples": 2}
    task = Task(
        id="0" * 32, type="txt2img.sd", params=params, tenant="a", created_at=time.time(), output=Output(format="webp")
    )
    attempt = Attempt(Lease(task, "token", "worker"), inputs, bucket, lambda _: None)
    picture = np.zeros((8, 16, 3), np.uint8)
    stored = await attempt._store(TaskResult([picture, picture], [picture], reasons=["unsafe", "", "unsafe"]))
    assert [(image.safe, image.kind, image.seed, image.bytes > 0) for image in stored] == [
        (False, "image", 5, False),
        (True, "image", 6, True),
        (False, "hint", None, False),
    ]
    assert {(image.width, image.height, image.format) for image in stored} == {(16, 8, "webp")}
    assert [key for key, _ in await bucket.keys("images")] == [stored[1].key]
    assert {image.key for image in stored} == {"", stored[1].key}


async def test_a_task_that_no_task_type_understands_fails_alone():
    bucket = Away(0)
    inputs = InputImages(Egress(), bucket, max_upload=1 << 20, max_pixels=1 << 20)
    task = Task(id="0" * 32, type="txt2img.sd", params={"of": "yore"}, tenant="a", created_at=time.time())
    outcome = await Attempt(Lease(task, "token", "worker"), inputs, bucket, lambda _: None).run(None)
    assert outcome.failure is not None
    assert outcome.failure.code == "internal"


async def test_what_is_lost_before_it_reached_the_device_does_not_run_there():
    """I13: of a task that is canceled while its images are fetched, the device has nothing to abort yet."""
    bucket = Away(0)
    inputs = InputImages(Egress(), bucket, max_upload=1 << 20, max_pixels=1 << 20)
    params = {"text": "x", "seed": 1}
    task = Task(id="0" * 32, type="txt2img.sd", params=params, tenant="a", created_at=time.time())
    attempt = Attempt(Lease(task, "token", "worker"), inputs, bucket, lambda _: None)
    attempt.lost = True
    outcome = await attempt.run(None)  # a device, of which there is none, would have been an error
    assert outcome.failure is not None
    assert outcome.failure.code == "aborted"


async def test_a_result_is_dated_and_kept_by_the_time_that_all_roles_share():
    """I18: a machine whose clock is behind would have its images swept at once."""
    bucket, now = Away(0), 1_700_000_000.0
    inputs = InputImages(Egress(), bucket, max_upload=1 << 20, max_pixels=1 << 20)
    params = {"text": "x", "seed": 1}
    task = Task(id="0" * 32, type="txt2img.sd", params=params, tenant="a", created_at=now, retention="5m")
    attempt = Attempt(Lease(task, "token", "worker"), inputs, bucket, lambda _: None, clock=lambda: now)
    [image] = await attempt._store(TaskResult([np.zeros((8, 8, 3), np.uint8)]))
    assert now + RETENTION_S["5m"] < swept_at(image.key) <= now + RETENTION_S["5m"] + MOMENT_S
    assert attempt.failed("code", "message").finished_at == now


async def test_what_is_lost_does_not_wait_for_a_slow_host():
    """I13: its place at the device is free at once, and nobody reads of a bug."""

    async def never(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    inputs = InputImages(Egress(resolve=never), Away(0), max_upload=1 << 20, max_pixels=1 << 20)
    params = {"text": "x", "seed": 1, "url": "http://slow.example/a.png"}
    task = Task(id="0" * 32, type="img2img.sd", params=params, tenant="a", created_at=time.time())
    attempt = Attempt(Lease(task, "token", "worker"), inputs, Away(0), lambda _: None)
    running = asyncio.create_task(attempt.run(None))
    await asyncio.sleep(0)
    attempt.lose()
    await asyncio.sleep(0)
    attempt.lose()  # again, before it has heard of the first
    outcome = await asyncio.wait_for(running, 10)
    assert outcome.failure is not None
    assert outcome.failure.code == "aborted"
    attempt.lose()  # once more, when nothing is fetched


async def test_what_is_lost_while_the_bucket_is_away_is_no_bug(caplog):
    upload = "file-" + "0" * 32
    inputs = InputImages(Egress(), Away(1), max_upload=1 << 20, max_pixels=1 << 20)
    task = Task(
        id="0" * 32,
        type="img2img.sd",
        params={"text": "x", "seed": 1, "url": upload},
        tenant="a",
        created_at=time.time(),
    )
    attempt = Attempt(Lease(task, "token", "worker"), inputs, Away(0), lambda _: None)
    attempt.lost = True
    outcome = await attempt.run(None)
    assert outcome.failure is not None
    assert outcome.failure.code == "aborted"
    assert "bug" not in caplog.text
