"""One step of many: what may share it, and that sharing changes nothing."""

from __future__ import annotations

import warnings
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from models.adapters.lora import Lora
from models.adapters.lora_merge import Adapter
from models.conditioning import Conditioning, Prompts
from models.diffusion.checkpoint import Checkpoint
from models.noise import SeededNoise
from models.patches.token_merging import TokenMerging
from pipelines.engine.batch import Batch
from pipelines.engine.sampling import samplers
from pipelines.engine.scheduling.batch_key import key_of
from pipelines.engine.trajectory import Trajectory
from pipelines.pipeline import Denoise
from pipelines.sampler_names import SAMPLERS
from tests.support.diffusers_reference import TCD_GAMMA
from tests.support.trajectories import trajectory

pytestmark = pytest.mark.filterwarnings("ignore:Should have ta>=t0:UserWarning")
# A stronger guidance also multiplies float32's rounding, of diffusers' arithmetic as much as of ours.
STRENGTH, STEPS, GUIDANCE = 0.6, 10, 3.0


@torch.inference_mode()
def finish(trajectories: list[Trajectory]) -> list[torch.Tensor]:
    while waiting := [each for each in trajectories if not each.done]:
        Batch(waiting).step()
    return [each.clean for each in trajectories]


def alone(one: Trajectory) -> torch.Tensor:
    return finish([one])[0]


def test_image_to_image_latents_equal_diffusers(sd1: Checkpoint, models_dir: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = diffusers.StableDiffusionImg2ImgPipeline.from_pretrained(
            models_dir / "toy-sd1", safety_checker=None, local_files_only=True
        )
    pipe.set_progress_bar_config(disable=True)
    config = pipe.scheduler.config
    pixels = np.linspace(0, 255, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
    ours, stock = [], []
    for seed, sampler in enumerate(SAMPLERS):
        noise = SeededNoise(seed)
        source = sd1.encode(pixels, noise)
        positive, negative = sd1.encode_prompt("a boat", "rain", clip_skip=-1, width=64, height=64)
        prompts = (Prompts((positive,), negative),)
        request = Denoise(sd1, prompts, noise, 64, 64, STEPS, sampler, None, GUIDANCE, source=source, strength=STRENGTH)
        ours.append(Trajectory(request))
        pipe.scheduler = samplers.scheduler_for(config, sampler, None)
        if hasattr(pipe.scheduler, "noise_sampler_seed"):
            pipe.scheduler.noise_sampler_seed = seed
        made = pipe(
            "a boat",
            Image.fromarray(pixels),
            STRENGTH,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            negative_prompt="rain",
            generator=torch.Generator().manual_seed(seed),
            eta=TCD_GAMMA if sampler == "tcd" else 0.0,
            output_type="latent",
        )
        stock.append(made.images)
    errors = {
        sampler: float((our - reference).norm() / reference.norm())
        for sampler, our, reference in zip(SAMPLERS, map(alone, ours), stock, strict=True)
    }
    assert max(errors.values()) <= 1e-5, errors


def test_unlike_trajectories_share_a_step_as_if_alone(sd1: Checkpoint) -> None:
    def requests() -> list[Trajectory]:
        return [
            trajectory(
                sd1,
                f"boat {index}",
                seed=index,
                sampler=sampler,
                steps=2 + index % 4,
                guidance=2.0 + index,
                negative_text=None if index % 3 == 0 else "rain",
            )
            for index, sampler in enumerate(SAMPLERS)
        ]

    together = finish(requests())
    for one, other in zip(together, map(alone, requests()), strict=True):
        assert (one - other).norm() <= 3e-4 * other.norm()


def test_guidance_scale_is_per_row(sd1: Checkpoint) -> None:
    """A scale of 1 is the positive alone, whatever the neighbour's scale."""
    unguided, guided, strong = (
        trajectory(sd1, negative_text=None),
        trajectory(sd1, guidance=1.0),
        trajectory(sd1, guidance=9.0),
    )
    by_none, by_one, by_nine = finish([unguided, guided, strong])
    assert torch.allclose(by_none, by_one, atol=1e-4)
    assert not torch.allclose(by_one, by_nine, atol=1e-2)


def test_batch_key_depends_on_tensor_shapes_only(
    sd1: Checkpoint, toys: dict[str, Checkpoint], loras: dict[str, Lora]
) -> None:
    key = key_of(trajectory(sd1))
    same = [
        trajectory(sd1, "x", seed=9, sampler="heun", steps=3, guidance=2.0),
        trajectory(sd1, negative_text=None),
        trajectory(sd1.adapted([Adapter(loras["toy-lora"], 0, 1)])),
        trajectory(sd1, source=torch.zeros(1, 4, 8, 8), strength=0.5),
    ]
    other = [
        trajectory(sd1, width=72),
        trajectory(sd1, circular=True),
        trajectory(sd1, "word " * 100),
        trajectory(sd1.adapted([Adapter(loras["toy-lora"], 0.8)])),
        trajectory(sd1.adapted([Adapter(loras["toy-lora"], 0.7)])),
        trajectory(sd1.adapted(patches=[TokenMerging()])),
        trajectory(sd1.adapted(patches=[TokenMerging(seed=1)])),
        trajectory(toys["toy-sd2"]),
        trajectory(toys["toy-sdxl"]),
    ]
    assert all(key_of(each) == key for each in same)
    assert key not in {key_of(each) for each in other}
    assert len({key_of(each) for each in other}) == len(other)


def test_extras_are_stacked_with_their_rows(toys: dict[str, Checkpoint]) -> None:
    sdxl = toys["toy-sdxl"]
    first, second = trajectory(sdxl, "one"), trajectory(sdxl, "two", seed=5)
    together = finish([first, second])
    expected = alone(trajectory(sdxl, "two", seed=5))
    assert (together[1] - expected).norm() <= 1e-4 * expected.norm()


def test_failed_step_advances_no_trajectory(sd1: Checkpoint) -> None:
    sound, broken = trajectory(sd1, sampler="euler_a"), trajectory(sd1, sampler="euler_a", seed=5)
    crooked = Conditioning(broken.prompts.positives[0].embeds[..., :-1])
    spoiled = Trajectory(Denoise(sd1, (Prompts((crooked,), None),), SeededNoise(5), 64, 64, STEPS, "euler_a"))
    before = sound.latents[0]
    with pytest.raises(RuntimeError), torch.inference_mode():
        Batch([sound, spoiled]).step()
    assert sound.index == 0
    assert sound.latents[0] is before
    assert torch.equal(alone(sound), alone(trajectory(sd1, sampler="euler_a")))
