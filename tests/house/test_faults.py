"""kill -9 of everything, or of the device alone, in the middle of a queue: nothing is lost, nothing ends twice."""

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


def test_killing_the_whole_group_loses_no_task_and_no_result(own_house, sink) -> None:
    ids = staggered(own_house)
    own_house.until(lambda: sum(own_house.task(each)["status"] == "succeeded" for each in ids) >= 3, 60)
    before = {each: own_house.task(each) for each in ids}
    own_house.kill()
    own_house.start()
    after = {each: own_house.ended(each) for each in ids}
    assert {view["status"] for view in after.values()} == {"succeeded"}
    unfinished = [each for each in ids if before[each]["status"] != "succeeded"]
    assert unfinished, "the kill came too late to show anything"
    for each in set(ids) - set(unfinished):
        assert after[each]["images"][0]["sha256"] == before[each]["images"][0]["sha256"]
        assert after[each]["finished_at"] == before[each]["finished_at"]
    for view in after.values():
        assert own_house.http.get(view["images"][0]["url"]).status_code == 200


def test_killing_the_device_repeats_only_what_it_was_at(own_house) -> None:
    ids = [own_house.submit(num_steps=20, w=128, h=128, seed=seed) for seed in range(6)]
    own_house.until(lambda: any(own_house.task(each)["status"] == "running" for each in ids), 60)
    pid = own_house.device_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert {own_house.ended(each)["status"] for each in ids} == {"succeeded"}
    assert own_house.device_pid() not in {pid, None}
    assert own_house.process.poll() is None


def test_ctrl_c_lets_running_tasks_end_and_keeps_the_others_for_the_next_start(own_house) -> None:
    ids = staggered(own_house)
    own_house.until(lambda: any(own_house.task(each)["status"] == "succeeded" for each in ids), 60)
    os.killpg(own_house.process.pid, signal.SIGINT)
    assert own_house.process.wait(timeout=60) == 0
    own_house.start()
    assert {own_house.ended(each)["status"] for each in ids} == {"succeeded"}
    assert set(outcomes(own_house).values()) == {1}, "a drained task must not have been run again"
