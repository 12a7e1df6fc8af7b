"""Steps whose capture or replay fails run without a graph; a driver that only pretends answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from models.device_faults import DeviceLostError
from models.diffusion.checkpoint import Checkpoint
from pipelines.engine.batch import Batch
from pipelines.engine.execution.cuda_graphs import Graphs
from pipelines.engine.execution.graph_capture import GraphCapture, capture_on
from pipelines.engine.trajectory import Trajectory
from tests.support.fake_cuda import CUDA, ILLEGAL_ADDRESS, NO_MEMORY, FakeCuda, cuda_error, fake_cuda
from tests.support.trajectories import close, finish_all, short_trajectory


@pytest.fixture
def cuda() -> Iterator[FakeCuda]:
    with fake_cuda() as cuda:
        yield cuda


@pytest.fixture
def graphs(cuda: FakeCuda) -> Graphs:
    return Graphs(GraphCapture(CUDA))


def same(found: Trajectory, seed: int) -> bool:
    return close(found.clean, finish_all(Graphs(), short_trajectory(found.denoise.checkpoint, seed))[0])


def test_captured_steps_are_replayed(cuda: FakeCuda, graphs: Graphs, sd1: Checkpoint) -> None:
    found = short_trajectory(sd1, 1)
    finish_all(graphs, found)
    assert same(found, 1)
    assert (graphs.captured, cuda.calls["replay"], graphs.failures.total()) == (1, 1, 0)
    (cached,) = graphs.steps
    assert cached.graph is not None
    assert cached.graph.bytes == 1 << 20


@pytest.mark.parametrize("where", ["capture_begin", "capture_end"])
@pytest.mark.parametrize("code", [*range(900, 907), NO_MEMORY])
def test_failed_capture_gives_its_memory_back(
    cuda: FakeCuda, graphs: Graphs, sd1: Checkpoint, caplog: pytest.LogCaptureFixture, where: str, code: int
) -> None:
    cuda.errors[where] = cuda_error(code)
    found = short_trajectory(sd1, 1)
    finish_all(graphs, found)
    assert same(found, 1)
    assert (graphs.captured, graphs.failures["capture"]) == (0, 1)
    assert caplog.text.count("runs without a CUDA graph") == 1
    assert (cuda.capturing, cuda.pools.total()) == ([], 0)
    finish_all(graphs, short_trajectory(sd1, 2, guided=False))
    assert graphs.captured == 1


@torch.inference_mode()
def test_memory_that_runs_out_within_a_capture(cuda: FakeCuda) -> None:
    """The first error is the one that says why."""

    def run() -> tuple[torch.Tensor, torch.Tensor, None]:
        cuda.errors["capture_end"] = cuda_error(901)
        raise torch.OutOfMemoryError("CUDA out of memory")

    capture = GraphCapture(CUDA)
    with pytest.raises(torch.OutOfMemoryError):
        capture(run)
    assert (cuda.capturing, cuda.pools.total()) == ([], 0)


def test_graph_that_cannot_be_launched_is_given_up(cuda: FakeCuda, graphs: Graphs, sd1: Checkpoint) -> None:
    cuda.errors["replay"] = cuda_error(NO_MEMORY)
    found = short_trajectory(sd1, 1)
    finish_all(graphs, found)
    assert same(found, 1)
    assert graphs.failures == {"replay": 1}
    assert [cached.graph for cached in graphs.steps] == [None]


@pytest.mark.parametrize("where", ["capture_begin", "capture_end", "replay"])
@torch.inference_mode()
def test_lost_device_is_not_survived(cuda: FakeCuda, graphs: Graphs, sd1: Checkpoint, where: str) -> None:
    cuda.errors[where] = cuda_error(ILLEGAL_ADDRESS)
    found = short_trajectory(sd1, 1)
    with pytest.raises(DeviceLostError):
        finish_all(graphs, found)


@torch.inference_mode()
def test_avoided_and_plain_steps_are_not_captured(cuda: FakeCuda, sd1: Checkpoint) -> None:
    begun: list[str] = []
    graphs = Graphs(GraphCapture(CUDA), on_step=begun.append)
    batch = Batch([short_trajectory(sd1, 1)], graphs)
    graphs.avoided = {batch.key.name}
    found = short_trajectory(sd1, 1)
    finish_all(graphs, found)
    assert same(found, 1)
    assert (graphs.captured, begun) == (0, [])
    graphs.avoided = ()
    finish_all(graphs, Trajectory(short_trajectory(sd1, 1).denoise, plain=True))
    assert (graphs.captured, begun) == (0, [])
    finish_all(graphs, short_trajectory(sd1, 1))
    assert begun == [batch.key.name] * 3


def test_cpu_has_no_graphs() -> None:
    assert capture_on(torch.device("cpu")) is None
