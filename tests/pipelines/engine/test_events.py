"""What a failed task says."""

from __future__ import annotations

import pickle

import numpy as np
import torch

from pipelines.engine.events import Advanced, failed
from pipelines.engine.sampling.samplers import SamplerError


class OverloadedError(Exception):
    code = "overloaded"


def test_out_of_memory_says_what_to_do() -> None:
    failure = failed("task", torch.OutOfMemoryError("CUDA out of memory"), "trace")
    assert (failure.code, failure.trace) == ("out_of_memory", "trace")
    assert "smaller" in failure.message


def test_exceptions_with_a_code_speak_for_themselves() -> None:
    assert failed("task", OverloadedError("come back later"), "").code == "overloaded"
    assert failed("task", OverloadedError("come back later"), "").message == "come back later"
    assert failed("task", SamplerError("no such sigmas"), "").code == "bad_input"


def test_everything_else_is_internal_and_named() -> None:
    failure = failed("task", ZeroDivisionError("division by zero"), "")
    assert failure.code == "internal"
    assert "ZeroDivisionError: division by zero" in failure.message


def test_events_leave_the_process() -> None:
    event = Advanced("task", 1, 2, np.zeros((8, 8, 3), np.uint8))
    assert pickle.loads(pickle.dumps(event)).steps == 2
