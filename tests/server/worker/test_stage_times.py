import time

import pytest

from pipelines.engine.events import Finished
from pipelines.pipeline import TaskResult
from server.worker.stage_times import StageTimes


def test_times_of_a_stage_add_up() -> None:
    times, began = StageTimes(), time.monotonic()
    times.add("upload", began - 2.0)
    times.add("upload", began - 1.0)
    assert times.by_stage == {"upload": pytest.approx(3.0, abs=0.5)}


def test_by_part_has_the_parts_of_run_instead_of_run() -> None:
    times = StageTimes()
    times.add_device(
        Finished("a", TaskResult(), {"load": 1.0, "run": 5.0, "audit": 0.5}, {"denoise": 4.0, "decode": 1.0})
    )
    assert times.by_stage == {"load": 1.0, "run": 5.0, "audit": 0.5}
    assert times.by_part == {"load": 1.0, "audit": 0.5, "denoise": 4.0, "decode": 1.0}
