"""A trajectory at rest is plain tensors, and goes on from them bit for bit."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
import torch

from models.diffusion.checkpoint import Checkpoint
from models.noise import SeededNoise
from pipelines.engine.batch import Batch
from pipelines.engine.trajectory import SourceShapeError, Trajectory
from pipelines.sampler_names import SAMPLERS
from tests.support.trajectories import denoise, finish

pytestmark = pytest.mark.filterwarnings("ignore:Should have ta>=t0:UserWarning")


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("steps_before", [0, 3])
def test_resumed_trajectory_ends_in_identical_latents(sd1: Checkpoint, sampler: str, steps_before: int) -> None:
    expected = finish(Trajectory(denoise(sd1, sampler)))
    trajectory = Trajectory(denoise(sd1, sampler))
    with torch.inference_mode():
        for _ in range(steps_before):
            Batch([trajectory]).step()
    file = io.BytesIO()
    torch.save(trajectory.state(), file)
    file.seek(0)
    resumed = Trajectory(denoise(sd1, sampler), torch.load(file, weights_only=True))
    assert resumed.index == steps_before
    assert torch.equal(finish(resumed), expected)


def test_trajectory_keeps_only_what_its_sampler_reads(sd1: Checkpoint) -> None:
    kept = {}
    for sampler in ("euler", "lms", "unipc"):
        trajectory = Trajectory(denoise(sd1, sampler))
        finish(trajectory)
        kept[sampler] = len(trajectory.latents), len(trajectory.outputs)
    assert kept["euler"] == (1, 0)
    assert kept["lms"] == (4, 3), "what a velocity says of the noise depends on the latents that it was told for"
    assert max(max(deep) for deep in kept.values()) <= 4


def test_noise_of_a_step_is_drawn_once(sd1: Checkpoint) -> None:
    trajectory = Trajectory(denoise(sd1, "euler_a"))
    first = trajectory.noise()
    assert first is not None
    assert trajectory.noise() is first
    trajectory.advance(trajectory.latents[0], first)
    assert not torch.equal(trajectory.noise(), first)  # type: ignore[arg-type]


def test_strength_zero_returns_the_source(sd1: Checkpoint) -> None:
    source = torch.randn(1, 4, 8, 8)
    trajectory = Trajectory(denoise(sd1, source=source, strength=0.0))
    assert trajectory.done
    assert torch.equal(trajectory.clean, source)


def test_source_starts_at_the_noise_level_of_strength(sd1: Checkpoint) -> None:
    source = torch.randn(1, 4, 8, 8)
    near = Trajectory(denoise(sd1, "ddim", source=source, strength=0.2))
    far = Trajectory(denoise(sd1, "ddim", source=source, strength=1.0))
    assert (len(near.table), len(far.table)) == (1, 5)
    assert (near.clean - source).norm() < (far.clean - source).norm()


def test_source_of_another_size_is_refused(sd1: Checkpoint) -> None:
    with pytest.raises(SourceShapeError, match="64×64 pixels need"):
        Trajectory(denoise(sd1, source=torch.zeros(1, 4, 16, 8)))


def test_rows_are_two_with_guidance(sd1: Checkpoint) -> None:
    assert Trajectory(denoise(sd1)).rows == 2
    assert Trajectory(denoise(sd1, negative_text=None)).rows == 1


def test_last_guess_is_close_to_the_result(sd1: Checkpoint) -> None:
    trajectory = Trajectory(denoise(sd1, "euler", steps=20))
    assert torch.equal(trajectory.guess, trajectory.clean)
    assert torch.allclose(finish(trajectory), trajectory.guess, atol=1e-4)


def test_guidance_stops_outside_its_interval(sd1: Checkpoint) -> None:
    """Two of four steps guided, which is a guided one that was stopped and went on without its negative."""
    request = denoise(sd1, steps=4, guidance=5.0)
    whole, some = Trajectory(request), Trajectory(replace(request, guidance_interval=(0.0, 0.5), noise=SeededNoise(4)))
    rows = []
    with torch.inference_mode():
        for _ in range(2):
            Batch([whole]).step()
        while not some.done:
            rows.append(Batch([some]).rows)
            Batch([some]).step()
    rest = Trajectory(replace(request, prompts=denoise(sd1, negative_text=None).prompts), whole.state())
    assert rows == [2, 2, 1, 1]
    assert torch.equal(some.clean, finish(rest))
