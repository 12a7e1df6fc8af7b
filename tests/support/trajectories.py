"""Denoise requests of toy checkpoints, and ways to run them to their end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from models.conditioning import Prompts
from models.diffusion.checkpoint import Checkpoint
from models.noise import SeededNoise
from pipelines.engine.batch import Batch
from pipelines.engine.execution.cuda_graphs import Graphs, StepResult
from pipelines.engine.trajectory import Trajectory
from pipelines.pipeline import ControlInput, Denoise

SIDE = 64
HINT = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
"""A control map of random numbers."""


def denoise(checkpoint: Checkpoint, sampler: str = "euler", text: str = "a boat", **changes: Any) -> Denoise:
    """A guided image of SIDE × SIDE pixels in five steps.

    `changes` are fields of Denoise, or `seed`, or `negative_text`.
    """
    fields: dict[str, Any] = {"width": SIDE, "height": SIDE, "steps": 5, "sampler": sampler} | changes
    negative_text, noise = fields.pop("negative_text", "rain"), SeededNoise(fields.pop("seed", 4))
    positive, negative = checkpoint.encode_prompt(
        text, negative_text, clip_skip=-1, width=fields["width"], height=fields["height"]
    )
    return Denoise(checkpoint, (Prompts((positive,), negative),), noise, **fields)


def trajectory(checkpoint: Checkpoint, text: str = "a boat", **changes: Any) -> Trajectory:
    return Trajectory(denoise(checkpoint, changes.pop("sampler", "euler"), text, **changes))


def short_trajectory(
    checkpoint: Checkpoint, seed: int, *controls: ControlInput, guided: bool = True, sampler: str = "euler_a"
) -> Trajectory:
    """Three steps; prompt and noise depend on the seed."""
    negative_text = "fog" if guided else None
    changes: dict[str, Any] = {"seed": seed, "negative_text": negative_text, "steps": 3, "controls": controls}
    return Trajectory(denoise(checkpoint, sampler, f"boat {seed}", **changes))


@torch.inference_mode()
def finish_all(graphs: Graphs, *trajectories: Trajectory) -> list[torch.Tensor]:
    """The clean latents of trajectories that share every step."""
    while pending := [each for each in trajectories if not each.done]:
        Batch(pending, graphs).step()
    return [each.clean for each in trajectories]


def finish(trajectory: Trajectory) -> torch.Tensor:
    """The clean latents of one trajectory."""
    return finish_all(Graphs(), trajectory)[0]


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return bool((one - other).norm() <= 1e-4 * other.norm())


class UncapturedGraph:
    """A graph that runs the step itself."""

    bytes = 1 << 20

    def __init__(self, run: Callable[[], StepResult]) -> None:
        self._run = run

    def replay(self) -> StepResult:
        return self._run()
