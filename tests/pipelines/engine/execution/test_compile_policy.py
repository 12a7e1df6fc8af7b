"""Steps run uncompiled until their package exists, and then by the package, for every checkpoint of that layout."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from models import catalog
from models.patches.token_merging import TokenMerging
from models.registry import loaders
from pipelines.engine.batch import Batch
from pipelines.engine.execution.compile_policy import Compilation
from pipelines.engine.execution.cuda_graphs import TRIAL_STEPS, WARM_UP_STEPS, Graphs
from pipelines.engine.scheduling.batch_key import key_of
from pipelines.engine.trajectory import Trajectory
from tests.support.nets import unet_of
from tests.support.trajectories import UncapturedGraph, close, denoise, finish_all, short_trajectory

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tiny(compiled_dir: Path) -> Any:
    return loaders.load(catalog.read(compiled_dir).find("tiny"), CPU, torch.float32)


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder with nothing in it."""
    return tmp_path / "packages"


def compiled(graphs: Graphs) -> list[bool]:
    """Of the passes of each step that is kept, whether they run by a package."""
    return [runner.compiled for cached in graphs.steps for runner in cached.runners]


def scale(checkpoint: Any, factor: float) -> None:
    """Its denoiser's weights become others; by a power of two and back they are the same again."""
    for weight in unet_of(checkpoint).parameters():
        weight.data.mul_(factor)


@torch.inference_mode()
def step(graphs: Graphs, one: Trajectory, times: int) -> None:
    for _ in range(times):
        Batch([one], graphs).step()


def test_package_is_used_after_its_trial(tiny: Any, package: Path) -> None:
    graphs = Graphs(compilation=Compilation(package.parent))
    one = short_trajectory(tiny, 1)
    step(graphs, one, 1)
    assert compiled(graphs) == [False]
    step(graphs, one, TRIAL_STEPS - 1)
    assert compiled(graphs) == [True]
    assert close(finish_all(graphs, one)[0], finish_all(Graphs(), short_trajectory(tiny, 1))[0])


def test_checked_package_is_reused_without_a_trial(tiny: Any, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As another checkpoint of the same layout does, in memory of its own."""
    compilation = Compilation(package.parent)
    first = Graphs(compilation=compilation)
    finish_all(first, short_trajectory(tiny, 1))
    monkeypatch.setattr("models.compiled.package.Package.check", None)
    second = Graphs(compilation=compilation)
    scale(tiny, 2.0)
    found, expected = (finish_all(graphs, short_trajectory(tiny, 1))[0] for graphs in (second, Graphs()))
    scale(tiny, 0.5)
    assert compiled(second) == [True]
    assert close(found, expected)
    assert not close(found, finish_all(Graphs(), short_trajectory(tiny, 1))[0])


def test_steps_run_uncompiled_until_the_package_is_ready(tiny: Any, package: Path, packages: Path) -> None:
    """The graph of before makes room for one of the package. Another worker was faster here: the child that was to
    compile it finds nothing left to do."""
    compilation = Compilation(packages, compile_after=WARM_UP_STEPS)
    graphs, one = Graphs(UncapturedGraph, compilation=compilation), short_trajectory(tiny, 1, sampler="heun")
    step(graphs, one, WARM_UP_STEPS)
    assert (graphs.captured, compiled(graphs)) == (1, [False])
    shutil.copy(package, packages)
    step(graphs, one, 1)
    assert list(compilation.finish()) == [(packages / package.name, True)]
    step(graphs, one, WARM_UP_STEPS)
    assert (graphs.captured, compiled(graphs)) == (2, [True])
    assert close(one.clean, finish_all(Graphs(), short_trajectory(tiny, 1, sampler="heun"))[0])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a file"])
def test_broken_package_leaves_steps_uncompiled(
    tiny: Any, package: Path, packages: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    packages.mkdir()
    (packages / package.name).write_bytes(content)
    graphs = Graphs(compilation=Compilation(packages))
    found = finish_all(graphs, short_trajectory(tiny, 1))[0]
    assert compiled(graphs) == [False]
    assert torch.equal(found, finish_all(Graphs(), short_trajectory(tiny, 1))[0])
    assert caplog.text.count(f"{package.name} is not used") == 1


def test_package_with_other_results_is_not_used(
    tiny: Any, package: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("models.compiled.package.TOLERANCE", {torch.float32: -1.0})
    graphs = Graphs(compilation=Compilation(package.parent))
    found = finish_all(graphs, short_trajectory(tiny, 1))[0]
    assert compiled(graphs) == [False]
    assert torch.equal(found, finish_all(Graphs(), short_trajectory(tiny, 1))[0])
    assert "its results differ from the net's by" in caplog.text


@pytest.fixture
def touched(tiny: Any) -> list[Trajectory]:
    return [
        short_trajectory(tiny.adapted(patches=[TokenMerging()]), 1),
        *(Trajectory(denoise(tiny, **how)) for how in ({"circular": True}, {"deep_cache": 2}, {"strict": True})),
    ]


def test_patched_and_strict_passes_are_not_compiled(touched: list[Trajectory], package: Path) -> None:
    """And so does a request for the same bits whatever was compiled meanwhile."""
    for each in touched:
        assert not key_of(each).compilable
        graphs = Graphs(compilation=Compilation(package.parent))
        step(graphs, each, 2)
        assert compiled(graphs) == []


def test_without_a_folder_nothing_is_compiled(tiny: Any) -> None:
    graphs = Graphs()
    step(graphs, short_trajectory(tiny, 1), 2)
    assert compiled(graphs) == []
    assert graphs.warm_up_steps == 0
