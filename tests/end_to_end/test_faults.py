"""kill -9 of the device, kill -9 of all, and Ctrl-C, each in the middle of a queue: nothing is lost or ends twice."""

import os
import signal
import sqlite3
from collections import Counter

from tests.support.running_service import RunningService
from tests.support.tools import until

QUEUED = 8


def test_service_killed_and_stopped_mid_queue_loses_nothing(own_service: RunningService) -> None:
    kill_device(own_service)
    kill_service(own_service)
    interrupt_service(own_service)


def kill_device(service: RunningService) -> None:
    """Only the tasks that ran on the device are repeated."""
    ids = [service.submit(num_steps=20, w=128, h=128, seed=seed) for seed in range(6)]
    until(lambda: any(service.task(each)["status"] == "running" for each in ids))
    pid = service.device_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert {service.ended(each)["status"] for each in ids} == {"succeeded"}
    assert service.device_pid() not in {pid, None}
    assert service.process.poll() is None


def kill_service(service: RunningService) -> None:
    """Finished tasks stay as they were, to the byte. The others end after the next start."""
    ids = submit_staggered(service)
    until(lambda: len(succeeded(service, ids)) >= 3)
    before = {each: service.task(each) for each in ids}
    service.kill()
    service.start()
    after = {each: service.ended(each) for each in ids}
    assert {view["status"] for view in after.values()} == {"succeeded"}
    unfinished = [each for each in ids if before[each]["status"] != "succeeded"]
    assert unfinished, "the kill came too late to show anything"
    for each in set(ids) - set(unfinished):
        assert after[each]["images"][0]["sha256"] == before[each]["images"][0]["sha256"]
        assert after[each]["finished_at"] == before[each]["finished_at"]
    for view in after.values():
        assert service.http.get(view["images"][0]["url"]).status_code == 200


def interrupt_service(service: RunningService) -> None:
    """Running tasks end, the others wait for the next start; none runs twice."""
    ids = submit_staggered(service)
    until(lambda: succeeded(service, ids))
    os.killpg(service.process.pid, signal.SIGINT)
    assert service.process.wait(timeout=60) == 0
    service.start()
    assert {service.ended(each)["status"] for each in ids} == {"succeeded"}
    records = outcome_records(service)
    assert {records[each] for each in ids} == {1}, "a drained task must not run again"


def submit_staggered(service: RunningService) -> list[str]:
    """Tasks that end one after another, however many share a batch."""
    return [service.submit(num_steps=4 + 8 * index, w=128, h=128, seed=index) for index in range(QUEUED)]


def succeeded(service: RunningService, ids: list[str]) -> list[str]:
    return [each for each in ids if service.task(each)["status"] == "succeeded"]


def outcome_records(service: RunningService) -> Counter[str]:
    """How many outcome records each task has in the log."""
    with sqlite3.connect(service.data_dir / "logs.sqlite") as log:
        rows = log.execute("select key from records where log = 'outcomes'").fetchall()
    return Counter(key for (key,) in rows)
