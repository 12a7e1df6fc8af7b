"""What the engine does when the device fails under a task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from models.conditioning import Conditioning
from models.device_faults import DeviceLostError
from models.diffusion.checkpoint import Checkpoint
from pipelines.engine.engine import Engine
from pipelines.engine.events import Failed, Finished
from pipelines.engine.execution.cuda_graphs import Graphs
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.txt2img import Txt2Img
from tests.pipelines.conftest import Shelf, run_dry
from tests.pipelines.engine.tape import Tape
from tests.support.diffusers_reference import txt2img_params
from tests.support.fake_cuda import ILLEGAL_ADDRESS, FakeCuda, cuda_error, fake_cuda

TXT2IMG = Txt2Img()


@pytest.fixture
def cuda() -> Iterator[FakeCuda]:
    with fake_cuda() as cuda:
        yield cuda


class Faulty:
    """A checkpoint whose passes of so many rows raise an error, `times` times."""

    def __init__(self, checkpoint: Checkpoint, error: BaseException, rows: int = 1, times: int = 99) -> None:
        self._checkpoint, self._error, self._rows, self.times = checkpoint, error, rows, times
        self.passes: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._checkpoint, name)

    def predict(
        self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning, **more: Any
    ) -> torch.Tensor:
        self.passes.append(len(latents))
        if len(latents) >= self._rows and self.times:
            self.times -= 1
            raise self._error
        return self._checkpoint.predict(latents, timesteps, conditioning, **more)


def engine_of(checkpoint: Any, graphs: Graphs | None = None) -> Engine:
    return Engine(Shelf(checkpoint), Capacity(), graphs=graphs)


def test_lost_device_ends_the_engine(cuda: FakeCuda, sd1: Checkpoint) -> None:
    engine = engine_of(Faulty(sd1, cuda_error(ILLEGAL_ADDRESS)))
    engine.add("a", TXT2IMG, txt2img_params(0), {})
    with pytest.raises(DeviceLostError):
        run_dry(engine)


def test_device_that_a_library_has_lost_ends_the_engine(cuda: FakeCuda, sd1: Checkpoint) -> None:
    engine = engine_of(Faulty(sd1, RuntimeError("CUDNN_STATUS_EXECUTION_FAILED")))
    cuda.lost = cuda_error(719)
    engine.add("a", TXT2IMG, txt2img_params(0), {})
    with pytest.raises(DeviceLostError, match="719"):
        run_dry(engine)


def test_passing_error_fails_its_task_alone(cuda: FakeCuda, sd1: Checkpoint) -> None:
    engine = engine_of(Faulty(sd1, cuda_error(701), rows=2))
    engine.add("guided", TXT2IMG, txt2img_params(0), {})
    engine.add("unguided", TXT2IMG, txt2img_params(3), {})
    ends = {event.attempt_id: type(event) for event in run_dry(engine) if isinstance(event, Failed | Finished)}
    assert ends == {"guided": Failed, "unguided": Finished}


def test_complete_results_are_returned_before_the_end(cuda: FakeCuda, sd1: Checkpoint) -> None:
    """The device fails in the step in which another task has ended."""
    faulty = Faulty(sd1, cuda_error(ILLEGAL_ADDRESS), rows=2, times=0)
    engine = engine_of(faulty)
    engine.add("short", TXT2IMG, txt2img_params(3).model_copy(update={"num_steps": 1}), {})
    engine.step()
    engine.add("long", TXT2IMG, txt2img_params(0), {})
    faulty.times = 1
    assert [type(event) for event in engine.step()] == [Finished]
    with pytest.raises(DeviceLostError):
        engine.step()


def test_step_that_does_not_fit_is_tried_without_the_cached_graphs(sd1: Checkpoint) -> None:
    graphs = Graphs(Tape)
    engine = engine_of(sd1, graphs)
    engine.add("first", TXT2IMG, txt2img_params(0), {})
    run_dry(engine)
    assert graphs.bytes
    faulty = Faulty(sd1, torch.OutOfMemoryError("CUDA out of memory"), times=1)
    engine = engine_of(faulty, graphs)
    engine.add("second", TXT2IMG, txt2img_params(3), {})
    assert [type(event) for event in run_dry(engine) if isinstance(event, Failed | Finished)] == [Finished]


def test_plain_task_shares_no_step_and_is_not_captured(sd1: Checkpoint) -> None:
    counting, graphs = Faulty(sd1, RuntimeError(), times=0), Graphs(Tape)
    engine = engine_of(counting, graphs)
    for name in ("a", "b"):
        engine.add(name, TXT2IMG, txt2img_params(3), {}, plain=True)
    assert [type(event) for event in run_dry(engine) if isinstance(event, Failed | Finished)] == [Finished] * 2
    assert (set(counting.passes), graphs.captured) == ({1}, 0)
