"""ControlNets in batches: who shares one, and what each row gets. Whole pictures are in test_control.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models import catalog
from models.adapters import controlnet
from models.adapters.controlnet import ControlNet
from models.conditioning import Prompts
from models.diffusion.checkpoint import Checkpoint
from models.noise import SeededNoise
from pipelines.engine.batch import Batch
from pipelines.engine.execution.batch_rows import Rows
from pipelines.engine.execution.control_inputs import strengths, weight_maps
from pipelines.engine.scheduling.batch_key import key_of
from pipelines.engine.trajectory import ControlMismatchError, Trajectory
from pipelines.pipeline import ControlInput, Denoise

SIDE = 64
HINT = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
LEFT = (torch.arange(SIDE) < SIDE // 2).float().expand(1, 1, SIDE, SIDE)
"""A region: the left half."""


@pytest.fixture(scope="module")
def nets(models_dir: Path) -> dict[str, ControlNet]:
    entries = (entry for entry in catalog.read(models_dir) if entry.family == "controlnet")
    return {entry.name: controlnet.load(entry, torch.device("cpu"), torch.float32) for entry in entries}


@pytest.fixture
def canny(nets: dict[str, ControlNet]) -> ControlNet:
    return nets["toy-sd1-canny"]


@pytest.fixture
def depth(nets: dict[str, ControlNet]) -> ControlNet:
    return nets["toy-sd1-depth"]


def denoise(checkpoint: Checkpoint, *controls: ControlInput, seed: int = 0, sampler: str = "euler") -> Denoise:
    positive, negative = checkpoint.encode_prompt("a boat", "fog", clip_skip=-1, width=SIDE, height=SIDE)
    prompts, noise = (Prompts((positive,), negative),), SeededNoise(seed)
    return Denoise(checkpoint, prompts, noise, SIDE, SIDE, steps=4, sampler=sampler, controls=controls)


def layer_weights(net: ControlNet) -> tuple[float, ...]:
    """A different one for each layer."""
    return tuple(index / net.parts for index in range(net.parts))


def unguided(checkpoint: Checkpoint) -> tuple[Prompts, ...]:
    return tuple(replace(each, negative=None) for each in denoise(checkpoint).prompts)


def finished(*requests: Denoise) -> list[torch.Tensor]:
    """What these become, together as long as their keys agree."""
    trajectories = [Trajectory(request) for request in requests]
    with torch.inference_mode():
        while pending := [each for each in trajectories if not each.done]:
            key = key_of(pending[0])
            Batch([each for each in pending if key_of(each) == key]).step()
    return [each.clean for each in trajectories]


def test_controlnet_is_in_the_key_while_it_acts(sd1: Checkpoint, canny: ControlNet) -> None:
    plain = Trajectory(denoise(sd1))
    guided = Trajectory(denoise(sd1, ControlInput(canny, HINT, start=0.25, end=0.75)))
    agree = []
    for _ in range(4):
        agree.append(key_of(guided) == key_of(plain))
        assert key_of(guided).nets == (() if agree[-1] else ("toy-sd1-canny",))
        with torch.inference_mode():
            for each in (plain, guided):
                Batch([each]).step()
    assert agree == [True, False, False, True]


def test_control_range_counts_model_evaluations(sd1: Checkpoint, canny: ControlNet) -> None:
    guided = Trajectory(denoise(sd1, ControlInput(canny, HINT, end=0.5), sampler="heun"))
    acting = []
    for index in range(len(guided.table)):
        guided.index = index
        acting.append(bool(guided.controls))
    assert acting == [True] * 3 + [False] * 4


def test_controlnet_of_strength_zero_never_acts(sd1: Checkpoint, canny: ControlNet) -> None:
    assert Trajectory(denoise(sd1, ControlInput(canny, HINT, strength=0))).controls == []


def test_order_of_controlnets_does_not_matter(sd1: Checkpoint, canny: ControlNet, depth: ControlNet) -> None:
    one, other = ControlInput(canny, HINT, 0.7), ControlInput(depth, 1 - HINT, 0.4, guess=True)
    requests = denoise(sd1, one, other), denoise(sd1, other, one)
    assert key_of(Trajectory(requests[0])) == key_of(Trajectory(requests[1]))
    first, second = finished(*requests)
    assert torch.allclose(first, second, atol=1e-4)


def test_hint_strength_and_range_are_per_row(sd1: Checkpoint, canny: ControlNet) -> None:
    requests = [
        denoise(sd1, ControlInput(canny, HINT, 1.0), seed=1),
        denoise(sd1, ControlInput(canny, 1 - HINT, 0.3, end=0.5), seed=2),
        denoise(sd1, ControlInput(canny, HINT, 0.8, guess=True), seed=3),
        replace(denoise(sd1, ControlInput(canny, HINT, 0.8, guess=True), seed=4), prompts=unguided(sd1)),
        denoise(sd1, ControlInput(canny, HINT, 0.8, fades=True), seed=5),
        denoise(sd1, ControlInput(canny, HINT, 0.8, region=LEFT), seed=6),
        denoise(sd1, ControlInput(canny, HINT, layer_weights=layer_weights(canny)), seed=7),
    ]
    fresh = [replace(request, noise=SeededNoise(seed)) for seed, request in enumerate(requests, start=1)]
    together = finished(*requests)
    for one, request in zip(together, fresh, strict=True):
        assert torch.allclose(one, finished(request)[0], atol=1e-3)


def test_modes_of_a_control_weigh_the_parts(sd1: Checkpoint, canny: ControlNet) -> None:
    """Of two rows each, the negative's first: as published for 13 parts, 0.825 ** (12 - i)."""
    modes = [
        ControlInput(canny, HINT, 0.5),
        ControlInput(canny, HINT, 0.5, fades=True),
        ControlInput(canny, HINT, 0.5, fades=True, guess=True),
        ControlInput(canny, HINT, 0.5, guess=True),
        ControlInput(canny, HINT, 0.5, guess=True, fades=True, layer_weights=layer_weights(canny)),
    ]
    rows = Rows.of([Trajectory(denoise(sd1, mode)) for mode in modes])
    weights = strengths(rows, modes)
    inner = torch.arange(canny.parts).flip(0)
    level, fading, falling = torch.full((canny.parts,), 0.5), 0.5 * 0.825**inner, torch.logspace(-1, 0, canny.parts) / 2
    nothing = torch.zeros(canny.parts)
    own = torch.tensor(layer_weights(canny)) / 2
    expected = [level, fading, nothing, nothing, nothing, level, fading, fading, falling, own]
    assert torch.allclose(weights, torch.stack(expected))


def test_controlnet_of_another_family_is_refused(sd1: Checkpoint, nets: dict[str, ControlNet]) -> None:
    with pytest.raises(ControlMismatchError, match="'toy-sdxl-canny' reads text of width 96, but model 'toy-sd1'"):
        Trajectory(denoise(sd1, ControlInput(nets["toy-sdxl-canny"], HINT)))


def test_hint_of_another_size_is_refused(sd1: Checkpoint, canny: ControlNet) -> None:
    with pytest.raises(ControlMismatchError, match="a hint is 32×64, but the image is 64×64"):
        Trajectory(denoise(sd1, ControlInput(canny, HINT[:, :, :, :32])))


def test_layer_weights_of_another_length_are_refused(sd1: Checkpoint, canny: ControlNet) -> None:
    with pytest.raises(ControlMismatchError, match=f"has 2 numbers, but .* acts on {canny.parts} layers"):
        Trajectory(denoise(sd1, ControlInput(canny, HINT, layer_weights=(1, 0.5))))


def test_region_weighs_each_place_by_its_share(sd1: Checkpoint, canny: ControlNet) -> None:
    """The edge of this region lies in the middle of a latent pixel."""
    region = (torch.arange(SIDE) < 28).float().expand(1, 1, SIDE, SIDE)
    controls = [ControlInput(canny, HINT, 0.5, region=region), ControlInput(canny, HINT, 0.5, guess=True)]
    rows = Rows.of([Trajectory(denoise(sd1, each)) for each in controls])
    maps = weight_maps(rows, controls, 8, 8)
    outermost, second = maps[0][:, 0], maps[canny.sizes(8, 8).index((4, 4))][:, 0]
    assert outermost[0, 0].tolist() == [0.5, 0.5, 0.5, 0.25, 0, 0, 0, 0]
    assert second[0, 3].tolist() == [0.5, 0.375, 0, 0]
    assert torch.equal(maps[0][0], maps[0][2])
    assert not maps[0][1].any()
    assert torch.allclose(outermost[3], torch.full((8, 8), 0.05))


def test_region_of_a_step_is_what_a_loop_over_its_residuals_adds(sd1: Checkpoint, canny: ControlNet) -> None:
    """One step without guidance, against the residuals of the net, each masked, added by hand."""
    request = replace(denoise(sd1, ControlInput(canny, HINT, 0.8, region=LEFT)), prompts=unguided(sd1), steps=1)
    trajectory = Trajectory(request)
    scale, timestep = (torch.from_numpy(each).float() for each in (trajectory.table.S, trajectory.table.T))
    latents, conditioning = trajectory.latents[0][None] * scale, request.prompts[0].positives[0]
    with torch.inference_mode():
        residuals = canny.residuals(latents, timestep, conditioning, HINT)
        for residual in residuals:
            left = residual.shape[3] // 2 if residual.shape[3] > 1 else 1
            residual[..., :left] *= 0.8 if residual.shape[3] > 1 else 0.4
            residual[..., left:] *= 0
        expected = sd1.predict(latents, timestep, conditioning, residuals=residuals)
        Batch([trajectory]).step()
    clean = trajectory.table.weights[0]
    before = latents / scale
    assert torch.allclose(trajectory.clean, clean[0] * before + clean[4] * expected, atol=1e-4)
