"""Events are sent to another process."""

from __future__ import annotations

import pickle

import numpy as np

from pipelines.engine.events import Advanced, Failed, Finished, Parked
from pipelines.pipeline import TaskResult


def test_events_survive_pickling() -> None:
    advanced = pickle.loads(pickle.dumps(Advanced("attempt", 1, 2, np.zeros((8, 8, 3), np.uint8))))
    assert (advanced.attempt_id, advanced.step, advanced.steps, advanced.preview.shape) == ("attempt", 1, 2, (8, 8, 3))
    for event in (Finished("attempt", TaskResult(), {"load": 1.0}), Parked("attempt", b"state")):
        assert pickle.loads(pickle.dumps(event)) == event


def test_pickled_failure_leaves_its_traceback_out() -> None:
    failed = Failed("attempt", "internal", "it failed", "Traceback: a file of ours")
    assert pickle.loads(pickle.dumps(failed)) == Failed("attempt", "internal", "it failed")
