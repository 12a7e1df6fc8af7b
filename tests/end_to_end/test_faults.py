"""kill -9 of the device, kill -9 of all, and Ctrl-C, each in the middle of a queue: nothing is lost or ends twice."""

import os
import signal
import sqlite3
from collections import Counter


def outcomes(house) -> Counter:
    """How many outcome records each task has in the log."""
    with sqlite3.connect(house.data_dir / "logs.sqlite") as log:
        rows = log.execute("select key from records where log = 'outcomes'").fetchall()
    return Counter(key for (key,) in rows)


def staggered(house) -> list[str]:
    """A queue that ends one by one, however many tasks share a batch."""
    return [house.submit(num_steps=4 + 6 * place, w=128, h=128, seed=place) for place in range(12)]


def succeeded(house, ids: list[str]) -> list[str]:
    return [each for each in ids if house.task(each)["status"] == "succeeded"]


def test_killed_and_stopped_in_the_middle_of_a_queue_it_loses_no_task_and_no_result(own_house) -> None:
    device_killed(own_house)
    group_killed(own_house)
    told_to_end(own_house)


def device_killed(house) -> None:
    """Only what it was at is repeated."""
    ids = [house.submit(num_steps=20, w=128, h=128, seed=seed) for seed in range(6)]
    house.until(lambda: any(house.task(each)["status"] == "running" for each in ids), 60)
    pid = house.device_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert {house.ended(each)["status"] for each in ids} == {"succeeded"}
    assert house.device_pid() not in {pid, None}
    assert house.process.poll() is None


def group_killed(house) -> None:
    """What had ended stays as it was, to the byte; the rest ends after the next start."""
    ids = staggered(house)
    house.until(lambda: len(succeeded(house, ids)) >= 3, 60)
    before = {each: house.task(each) for each in ids}
    house.kill()
    house.start()
    after = {each: house.ended(each) for each in ids}
    assert {view["status"] for view in after.values()} == {"succeeded"}
    unfinished = [each for each in ids if before[each]["status"] != "succeeded"]
    assert unfinished, "the kill came too late to show anything"
    for each in set(ids) - set(unfinished):
        assert after[each]["images"][0]["sha256"] == before[each]["images"][0]["sha256"]
        assert after[each]["finished_at"] == before[each]["finished_at"]
    for view in after.values():
        assert house.http.get(view["images"][0]["url"]).status_code == 200


def told_to_end(house) -> None:
    """Running tasks end, the others are kept for the next start; none is run again."""
    ids = staggered(house)
    house.until(lambda: succeeded(house, ids), 60)
    os.killpg(house.process.pid, signal.SIGINT)
    assert house.process.wait(timeout=60) == 0
    house.start()
    assert {house.ended(each)["status"] for each in ids} == {"succeeded"}
    told = outcomes(house)
    assert {told[each] for each in ids} == {1}, "a drained task must not have been run again"
