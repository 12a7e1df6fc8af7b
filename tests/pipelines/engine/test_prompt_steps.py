"""Denoising whose prompts change with the steps or act together, against a plain loop over the same denoiser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from models.conditioning import Conditioning
from models.diffusion.checkpoint import Checkpoint
from models.noise import SeededNoise
from pipelines.engine.batch import Batch
from pipelines.engine.execution.cuda_graphs import Graphs
from pipelines.engine.sampling import samplers
from pipelines.engine.scheduling.batch_key import key_of
from pipelines.engine.trajectory import Trajectory
from pipelines.txt2img import Txt2ImgParams
from tests.support.trajectories import SIDE, UncapturedGraph, close, finish, finish_all

STEPS, GUIDANCE = 6, 5.0
CHANGING = "a [boat:house:0.5]"
ALTERNATING = "a [boat|house|tree]"
JOINED = "a boat AND a house:0.6 AND rain:-0.3"
Mixed = Callable[[int], list[tuple[str, float]]]


def request(
    checkpoint: Checkpoint, text: str, *, negative: str = "fog", seed: int = 4, **options: object
) -> Trajectory:
    fields = {"num_steps": STEPS, "guidance_scale": GUIDANCE} | options
    params = Txt2ImgParams.model_validate({"text": text, "negative_prompt": negative, "seed": seed, **fields})
    return Trajectory(params.denoise_request(checkpoint, params.noises()[0], SIDE, SIDE))


@torch.inference_mode()
def reference(checkpoint: Checkpoint, mixed: Mixed, *, negative: Callable[[int], str], guidance: float) -> torch.Tensor:
    """Euler steps of diffusers with the guidance of Liu et al. 2022: uncond + scale · Σ weight · (cond - uncond)."""
    scheduler = samplers.scheduler_for(checkpoint.scheduler_config, "euler", None)
    scheduler.set_timesteps(STEPS)
    latents = SeededNoise(4).initial((1, 4, SIDE // 8, SIDE // 8)) * scheduler.init_noise_sigma

    def encoded(text: str) -> Conditioning:
        return checkpoint.encode_prompt(text, None, clip_skip=-1, width=SIDE, height=SIDE)[0]

    for step, timestep in enumerate(scheduler.timesteps):
        scaled = scheduler.scale_model_input(latents, timestep)
        predictions = {
            text: checkpoint.predict(scaled, timestep[None], encoded(text))
            for text in (negative(step), *(text for text, _ in mixed(step)))
        }
        base = predictions[negative(step)]
        directions = [weight * (predictions[text] - base) for text, weight in mixed(step)]
        latents = scheduler.step(base + guidance * sum(directions), timestep, latents).prev_sample
    return latents


def changing(step: int) -> list[tuple[str, float]]:
    return [("a boat" if step < 3 else "a house", 1.0)]


def alternating(step: int) -> list[tuple[str, float]]:
    return [(f"a {('boat', 'house', 'tree')[step % 3]}", 1.0)]


def joined(step: int) -> list[tuple[str, float]]:
    return [("a boat", 1.0), ("a house", 0.6), ("rain", -0.3)]


@pytest.mark.parametrize(("text", "mixed"), [(CHANGING, changing), (ALTERNATING, alternating), (JOINED, joined)])
def test_prompts_guide_as_published(sd1: Checkpoint, text: str, mixed: Mixed) -> None:
    expected = reference(sd1, mixed, negative=lambda _: "fog", guidance=GUIDANCE)
    assert close(finish(request(sd1, text)), expected)


def test_negative_prompt_changes_too(sd1: Checkpoint) -> None:
    expected = reference(
        sd1, lambda _: [("a boat", 1.0)], negative=lambda step: "fog" if step < 2 else "rain", guidance=GUIDANCE
    )
    assert close(finish(request(sd1, "a boat", negative="[fog:rain:2]")), expected)


def test_without_guidance_prompts_are_averaged(sd1: Checkpoint) -> None:
    """The mean of two predictions is the first plus half of the difference."""
    expected = reference(sd1, lambda _: [("a house", 1.0)], negative=lambda _: "a boat", guidance=0.5)
    assert close(finish(request(sd1, "a boat AND a house", guidance_scale=1.0)), expected)


def test_only_what_changes_at_all_has_a_schedule(sd1: Checkpoint) -> None:
    assert [len(request(sd1, text).denoise.prompts) for text in ("a boat", CHANGING, JOINED)] == [1, STEPS, 1]


def test_steps_of_an_image_to_image_are_those_that_run(sd1: Checkpoint) -> None:
    params = Txt2ImgParams(text=CHANGING, seed=1, num_steps=STEPS)
    source = torch.zeros(1, 4, SIDE // 8, SIDE // 8)
    one = params.denoise_request(sd1, params.noises()[0], SIDE, SIDE, source=source, strength=0.7)
    assert len(one.prompts) == len(Trajectory(one).table) == 4
    boats = [each.positives[0] is one.prompts[0].positives[0] for each in one.prompts]
    assert boats == [True, True, False, False]


def test_second_order_samplers_share_their_passes_out(sd1: Checkpoint) -> None:
    heun = request(sd1, CHANGING, sampler="heun")
    assert len(heun.table) == 2 * STEPS - 1
    first, still_first = heun.prompts.positives[0], []
    with torch.inference_mode():
        while not heun.done:
            still_first.append(heun.prompts.positives[0] is first)
            Batch([heun]).step()
    assert still_first == [True] * 6 + [False] * 5


def test_prompts_that_change_share_steps_with_others(sd1: Checkpoint) -> None:
    def three() -> list[Trajectory]:
        return [request(sd1, CHANGING, seed=1), request(sd1, "a tree", seed=2), request(sd1, ALTERNATING, seed=3)]

    assert len({key_of(each) for each in three()}) == 1
    together = finish_all(Graphs(UncapturedGraph), *three())
    assert all(close(one, finish(other)) for one, other in zip(together, three(), strict=True))


def test_joined_prompts_share_steps_with_equally_many(sd1: Checkpoint) -> None:
    def pair() -> list[Trajectory]:
        return [request(sd1, JOINED, seed=1), request(sd1, "fire AND ice AND [snow|rain]:2", seed=2)]

    assert key_of(pair()[0]) == key_of(pair()[1]) != key_of(request(sd1, "a boat"))
    together = finish_all(Graphs(UncapturedGraph), *pair())
    assert all(close(one, finish(other)) for one, other in zip(together, pair(), strict=True))


def test_parked_trajectory_goes_on_with_the_prompt_of_its_step(sd1: Checkpoint) -> None:
    whole, begun = request(sd1, CHANGING), request(sd1, CHANGING)
    with torch.inference_mode():
        for _ in range(3):
            Batch([begun]).step()
    assert close(finish(Trajectory(request(sd1, CHANGING).denoise, begun.state())), finish(whole))


def test_deep_features_belong_to_their_prompt(sd1: Checkpoint) -> None:
    """The same prompt twice is that prompt with twice the guidance."""
    single = request(sd1, "a boat", deep_cache=2, guidance_scale=2 * GUIDANCE)
    assert close(finish(request(sd1, "a boat AND a boat", deep_cache=2)), finish(single))
