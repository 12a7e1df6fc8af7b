"""An attempt while the services that it needs come and go, and when its lease is lost."""

import asyncio
import io
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from obstore.store import MemoryStore
from PIL import Image

from pipelines.engine.events import Advanced, Finished
from pipelines.pipeline import TaskResult
from server.audit.moderation import Moderation
from server.egress.client import Egress
from server.queue import Lease
from server.queue.poison import DEATHS_AT_MOST
from server.services import Services
from server.storage.bucket import Bucket, BucketUnavailableError
from server.task import AuditTerms, Status, Task
from server.tasks.input_images import InputImages
from server.worker.device_process import TaskParkedError
from server.worker.messages import DeviceStatus, Run
from tests.support.attempts import RecordingBroker, leased, new_attempt
from tests.support.moderation_service import moderation_service
from tests.support.uploads import uploads_in


class UnreadableBucket(Bucket):
    """A bucket whose first `failures` reads fail."""

    def __init__(self, failures: int) -> None:
        super().__init__(MemoryStore())
        self.failures = failures

    async def get(self, key: str) -> bytes | None:
        self.failures -= 1
        if self.failures >= 0:
            raise BucketUnavailableError("away")
        return await super().get(key)


class Device:
    """Finishes each run at once, or raises `error`."""

    status = DeviceStatus("fake", (), 2, 0)

    def __init__(self, error: Exception | None = None) -> None:
        self.runs: list[Run] = []
        self._error = error

    async def run(self, message: Run, on_progress: object) -> Finished:
        self.runs.append(message)
        if self._error:
            raise self._error
        return Finished(message.attempt_id, TaskResult([np.zeros((8, 8, 3), np.uint8)]), {"load": 0.0, "run": 0.1})

    def abort(self, attempt_id: str) -> None: ...


@pytest.fixture
def broker() -> RecordingBroker:
    return RecordingBroker()


@pytest.fixture
def recorded(services: Services, broker: RecordingBroker) -> Services:
    return replace(services, broker=broker)


def new_task(task_type: str = "txt2img.sd", **params: Any) -> Task:
    params = {"text": "x", "seed": 1, **params}
    return Task(id="0" * 32, type=task_type, params=params, tenant="a", created_at=time.time())


async def lose(services: Services, lease: Lease) -> None:
    """Another worker may take the task from now on."""
    await services.queue.give_back(lease)


async def status(services: Services) -> Status:
    view = await services.queue.find("0" * 32)
    assert view is not None
    return view.status


async def test_attempt_waits_while_the_bucket_is_away(recorded, broker):
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    bucket, device = UnreadableBucket(2), Device()
    inputs = InputImages(Egress(), uploads_in(bucket), max_upload=1 << 20, max_pixels=1 << 20)
    upload = await inputs.store(file.getvalue(), "a")
    lease = await leased(recorded, new_task("img2img.sd", url=upload.id))
    await new_attempt(recorded, lease, inputs, device=device).run()
    assert bucket.failures < 0
    assert device.runs[0].images["url"].shape == (8, 8, 3)
    assert [outcome.status for outcome in broker.outcomes] == [Status.SUCCEEDED]


async def test_attempt_without_device_gives_the_task_back(recorded, broker):
    lease = await leased(recorded, new_task())
    await new_attempt(recorded, lease).run()
    assert await status(recorded) is Status.QUEUED
    assert broker.outcomes == []


async def test_parked_attempt_gives_the_task_back_with_its_state(recorded, broker):
    lease = await leased(recorded, new_task())
    await new_attempt(recorded, lease, device=Device(TaskParkedError(b"state"))).run()
    following = await recorded.queue.lease("worker:cpu:2", (), 5.0)
    device = Device()
    await new_attempt(recorded, following, device=device).run()
    assert device.runs[0].state == b"state"


@pytest.mark.parametrize(("deaths", "plain"), [(0, False), (1, False), (2, True), (3, True)])
async def test_task_under_which_two_devices_have_died_runs_plainly(recorded, deaths: int, plain: bool):
    """The third death in a second place makes it poison."""
    lease, device = replace(await leased(recorded, new_task()), deaths=deaths), Device()
    await new_attempt(recorded, lease, device=device).run()
    assert [run.plain for run in device.runs] == [plain]


async def test_params_of_another_version_fail_only_the_task(recorded, broker):
    lease = await leased(recorded, new_task(of="yore"))
    await new_attempt(recorded, lease).run()
    [outcome] = broker.outcomes
    assert outcome.failure.code == "internal"


async def test_attempt_lost_before_the_device_does_not_run_there(recorded, broker):
    """I13: a task that is canceled during its fetch is not on the device yet, where it could be aborted."""
    lease, device = await leased(recorded, new_task()), Device()
    attempt = new_attempt(recorded, lease, device=device)
    await lose(recorded, lease)
    await attempt.heartbeat()
    await attempt.run()
    assert (device.runs, broker.outcomes) == ([], [])


async def test_lost_attempt_does_not_wait_for_a_slow_host(recorded, broker, caplog):
    """I13: its place at the device is free at once, and the log has no error."""

    async def never(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    inputs = InputImages(Egress(resolve=never), recorded.uploads, max_upload=1 << 20, max_pixels=1 << 20)
    lease = await leased(recorded, new_task("img2img.sd", url="http://slow.example/a.png"))
    attempt = new_attempt(recorded, lease, inputs)
    running = asyncio.create_task(attempt.run())
    await asyncio.sleep(0)
    await lose(recorded, lease)
    await attempt.heartbeat()
    await attempt.release()  # loses it a second time, before the fetch has ended
    await asyncio.wait_for(running, 10)
    await attempt.release()  # and once more, with no fetch under way
    assert broker.outcomes == []
    assert "bug" not in caplog.text


async def test_attempt_lost_while_the_bucket_is_away_is_no_bug(recorded, broker, caplog):
    inputs = InputImages(Egress(), uploads_in(UnreadableBucket(1)), max_upload=1 << 20, max_pixels=1 << 20)
    lease, device = await leased(recorded, new_task("img2img.sd", url="file-" + "0" * 32)), Device()
    attempt = new_attempt(recorded, lease, inputs, device=device)
    running = asyncio.create_task(attempt.run())
    await asyncio.sleep(0)
    await lose(recorded, lease)
    await attempt.heartbeat()
    await asyncio.wait_for(running, 10)
    assert (device.runs, broker.outcomes) == ([], [])
    assert "bug" not in caplog.text


async def test_release_keeps_what_the_device_has_done(recorded, broker):
    """Given back, it would run a second time."""
    lease = await leased(recorded, new_task())
    attempt = new_attempt(recorded, lease, device=Device())
    await attempt.run()
    await attempt.release()
    assert await status(recorded) is Status.RUNNING


async def test_outcome_is_dated_by_the_clock_of_all_roles(recorded, broker):
    lease = await leased(recorded, new_task())
    await new_attempt(replace(recorded, clock=lambda: 1_700_000_000.0), lease, device=Device()).run()
    [outcome] = broker.outcomes
    assert (outcome.started_at, outcome.finished_at) == (1_700_000_000.0, 1_700_000_000.0)


async def test_outcome_too_large_for_the_log_becomes_a_failure(services, narrow):
    """Otherwise the task would run, and its outcome be refused, again and again."""
    lease = await leased(services, new_task())
    await new_attempt(replace(services, broker=narrow), lease, device=Device()).run()
    [outcome] = narrow.outcomes
    assert outcome.failure.code == "too_large"


class FaultyBroker(RecordingBroker):
    """Cannot write the outcome of a task that succeeded."""

    async def publish_outcome(self, outcome):
        if outcome.status is Status.SUCCEEDED:
            raise ZeroDivisionError
        await super().publish_outcome(outcome)


async def test_bug_after_the_device_is_done_ends_the_task(services):
    """Otherwise the task would run again and again, because its lease expires without a death."""
    broker = FaultyBroker()
    faulty, device = replace(services, broker=broker), Device()
    lease = await leased(faulty, new_task())
    for deaths in range(DEATHS_AT_MOST):
        assert lease.deaths == deaths
        await new_attempt(faulty, lease, device=device).run()
        if deaths + 1 < DEATHS_AT_MOST:
            lease = await faulty.queue.lease("worker:cpu:1", (), 5.0)
    assert len(device.runs) == DEATHS_AT_MOST
    [outcome] = broker.outcomes
    assert outcome.failure.code == "internal"


class Captioner(Device):
    """Answers with a text."""

    async def run(self, message: Run, on_progress: object) -> Finished:
        answer = {"text": "porn of a cat"}
        return Finished(message.attempt_id, TaskResult(answer=answer), {"load": 0.0, "run": 0.1})


@pytest.mark.parametrize(
    ("action", "code", "answer"),
    [
        ("refuse", "unsafe_answer", None),
        ("mask", None, {"text": "of a cat"}),
        ("report", None, {"text": "porn of a cat"}),
        ("off", None, {"text": "porn of a cat"}),
    ],
)
async def test_text_is_judged_by_the_terms_of_its_task(recorded, broker, action, code, answer):
    task = Task(
        id="0" * 32,
        type="txt2txt.prompt_enhance",
        params={"text": "x"},
        tenant="a",
        created_at=time.time(),
        audit=AuditTerms(text=action),
    )
    await new_attempt(recorded, await leased(recorded, task), device=Captioner()).run()
    (outcome,) = broker.outcomes
    assert (outcome.failure.code if outcome.failure else None, outcome.answer) == (code, answer)
    assert "porn" not in (outcome.failure.message if outcome.failure else "")


class Previewing(Device):
    """Shows a preview, and finishes when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.shown, self.finish = asyncio.Event(), asyncio.Event()

    async def run(self, message: Run, on_progress: Callable[[Advanced], None]) -> Finished:
        on_progress(Advanced(message.attempt_id, 1, 2, preview=np.zeros((8, 8, 3), np.uint8)))
        self.shown.set()
        await self.finish.wait()
        return await super().run(message, on_progress)


@pytest.mark.parametrize("asks", [False, True])
async def test_images_are_judged_by_the_service_and_have_no_previews_before(recorded, broker, asks):
    async with moderation_service() as moderator:
        moderator.answer = {"pass": False, "label": "gore"}
        settings = recorded.settings.model_copy(update={"moderation_url": moderator.url if asks else ""})
        services, device = (
            replace(recorded, settings=settings, moderation=Moderation.from_settings(settings)),
            Previewing(),
        )
        attempt = new_attempt(services, await leased(services, new_task()), device=device)
        running = asyncio.create_task(attempt.run())
        await device.shown.wait()
        await attempt.heartbeat()
        view = await services.queue.find("0" * 32)
        assert view is not None
        assert view.progress is not None
        assert bool(view.progress.preview) is not asks
        device.finish.set()
        await running
    (outcome,) = broker.outcomes
    assert [image.reason for image in outcome.images] == (["gore"] if asks else [""])
    assert ("moderation" in outcome.timings) is asks
