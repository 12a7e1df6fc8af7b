"""Text to image, run by the engine on a toy model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from models.adapters.lora_merge import MergedNet
from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from models.diffusion.checkpoint import Checkpoint
from models.imaging.resize_modes import resize_to
from models.kinds.kind import AnyModelRef, ModelRef
from models.kinds.upscaler import UPSCALER
from models.noise import SeededNoise
from pipelines.engine.engine import Engine
from pipelines.engine.trajectory import Trajectory
from pipelines.txt2img import Txt2Img
from tests.pipelines.conftest import Studio, images_of, run_dry
from tests.support.pictures import PICTURE


def generate(engine: Engine, **changes: Any) -> list[np.ndarray]:
    params = Txt2Img.Params.model_validate(
        {"text": "a red house", "model": "toy-sd1", "w": 64, "h": 64, "num_steps": 3, "seed": 5, **changes}
    )
    engine.add("one", Txt2Img(), params, {})
    return images_of(run_dry(engine))["one"]


def test_images_have_the_requested_size(engine: Engine) -> None:
    assert [image.shape for image in generate(engine, w=72, h=104, num_samples=2)] == [(104, 72, 3)] * 2


def test_prompt_and_negative_prompt_change_the_image(engine: Engine) -> None:
    first = generate(engine)
    assert np.array_equal(first, generate(engine))
    assert not np.array_equal(first, generate(engine, text="a blue boat"))
    assert not np.array_equal(first, generate(engine, negative_prompt="a blue boat"))


def test_variations_blend_two_seeds(engine: Engine) -> None:
    start, end = generate(engine)[0], generate(engine, seed=9)[0]
    none = generate(engine, variation_seed=9, variation_strength=0)[0]
    whole = generate(engine, variation_seed=9, variation_strength=1)[0]
    half = generate(engine, variations=[{"seed": 9, "strength": 0.5}])[0]
    assert np.array_equal(none, start)
    assert np.abs(whole.astype(int) - end).max() <= 1
    assert not np.array_equal(half, start)
    assert not np.array_equal(half, end)


def test_use_circular_makes_a_seamless_tile(engine: Engine) -> None:
    """Across the wrapped edge it is as smooth as inside; without `use_circular` there is a seam."""

    def seam(image: np.ndarray) -> float:
        inside = np.abs(np.diff(image.astype(float), axis=1)).mean()
        return float(np.abs(image[:, 0].astype(float) - image[:, -1]).mean() / inside)

    plain, tiled = (generate(engine, use_circular=circular)[0] for circular in (False, True))
    assert seam(tiled) < 1.5 < seam(plain)


def test_second_pass_starts_from_enlarged_latents(engine: Engine, sd1: Checkpoint) -> None:
    highres = {"upscale_factor": 1.5, "fidelity": 0.5, "upscale_method": "bilinear"}
    params = Txt2Img.Params(text="a red house", model="toy-sd1", w=64, h=64, num_steps=4, seed=5, highres_info=highres)
    recipe = Txt2Img().run(params, OneModel(sd1), {})
    with torch.inference_mode():
        first = next(recipe)
        latents = [torch.randn(1, 4, 8, 8)]
        second = recipe.send(latents)
    assert (first[0].width, first[0].height, first[0].source) == (64, 64, None)
    assert (second[0].width, second[0].height, second[0].strength) == (96, 96, 0.5)
    assert second[0].source is not None
    expected = torch.nn.functional.interpolate(latents[0], size=(12, 12), mode="bilinear")
    assert torch.equal(second[0].source, expected)
    assert len(Trajectory(second[0]).table) == 4
    assert generate(engine, highres_info=highres)[0].shape == (96, 96, 3)


@pytest.mark.parametrize(("sampler", "fidelity"), [("euler", 0.97), ("lcm", 0.5)])
def test_second_pass_of_too_many_steps_is_refused(sampler: str, fidelity: float) -> None:
    second_pass = {"fidelity": fidelity}
    with pytest.raises(ValidationError, match="num_steps 40 over"):
        Txt2Img.Params(text="a house", num_steps=40, sampler=sampler, highres_info=second_pass)


@pytest.mark.parametrize("sampler", ["euler", "heun"])
def test_one_step_paints_more_than_a_plain_colour(engine: Engine, sampler: str) -> None:
    image = generate(engine, sampler=sampler, num_steps=1)[0]
    assert image.std(axis=(0, 1)).min() > 20


class Named:
    """Checkpoints by name."""

    def __init__(self, checkpoints: dict[str, Checkpoint]) -> None:
        self._checkpoints = checkpoints

    def get(self, ref: AnyModelRef) -> Any:
        return self._checkpoints[ref.name]


class OneModel:
    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint

    def get(self, ref: AnyModelRef) -> Any:
        return self._checkpoint


def test_lora_changes_only_its_own_task(engine: Engine) -> None:
    plain = generate(engine)
    with_lora = generate(engine, text="a red house<lora:toy-lora:0.8>")
    assert np.array_equal(generate(engine), plain)
    assert np.abs(with_lora[0].astype(int) - plain[0]).max() > 8
    assert np.array_equal(generate(engine, lora_scales={"toy-lora": 0.8}), with_lora)
    assert np.array_equal(generate(engine, lora_scales={"toy-lora": 0.0}), plain)


def _names(net: MergedNet, scales: Any) -> tuple[tuple[str, float], ...]:
    return tuple((lora.name, scale) for lora, scale in scales if scale and net.part in lora.updates)


def test_loras_in_one_batch_equal_each_alone_and_are_not_merged(engine: Engine, monkeypatch: Any) -> None:
    sets = [None, {"toy-lora": 0.8}, {"toy-lora-peft": 1.0}, {"toy-lora": 0.8}]
    alone = [generate(engine, lora_scales=scales, seed=seed)[0] for seed, scales in enumerate(sets)]
    switches: list[Any] = []
    changes = MergedNet._changes  # private: nothing public counts how often weights are changed
    monkeypatch.setattr(
        MergedNet,
        "_changes",
        lambda net, scales: switches.append((net.part, _names(net, scales))) or changes(net, scales),
    )
    for seed, scales in enumerate(sets):
        params = Txt2Img.Params(
            text="a red house", model="toy-sd1", w=64, h=64, num_steps=3, seed=seed, lora_scales=scales
        )
        engine.add(str(seed), Txt2Img(), params, {})
    together = images_of(run_dry(engine))
    assert all(np.abs(together[str(seed)][0].astype(int) - image).max() <= 1 for seed, image in enumerate(alone))
    assert [names for part, names in switches if part == "unet"] == [()]  # the weights are restored once


def test_custom_embeddings_replace_a_word_of_the_prompts(engine: Engine) -> None:
    plain = generate(engine, text="a sks house", negative_prompt="sks")
    vectors = torch.randn(2, 128, generator=torch.Generator().manual_seed(1)).tolist()
    assert not np.array_equal(generate(engine, text="a sks house", custom_embeddings={"sks": vectors}), plain)
    assert not np.array_equal(
        generate(engine, negative_prompt="sks", custom_embeddings={"sks": vectors}), generate(engine)
    )
    assert np.array_equal(generate(engine, custom_embeddings={"sks": vectors}), generate(engine))
    assert np.array_equal(generate(engine, text="a sks house", negative_prompt="sks"), plain)


def test_installed_embedding_is_used_by_name(studio: Studio) -> None:
    params = {"text": "a toy-embedding", "model": "toy-sd1", "w": 64, "h": 64, "num_steps": 2, "seed": 5}
    without, used = (
        studio.image(Txt2Img(), Txt2Img.Params.model_validate({**params, "embeddings": names}), {})
        for names in ([], ["toy-embedding"])
    )
    assert not np.array_equal(without, used)


def test_lora_of_a_learnt_style_changes_the_brightness(engine: Engine) -> None:
    """toy-neon was trained on dark pictures."""
    values = {
        "text": "a blue car, a green cat",
        "w": 128,
        "h": 128,
        "num_steps": 10,
        "guidance_scale": 5,
        "num_samples": 3,
    }
    plain, styled = (np.mean(generate(engine, **values, lora_scales=scales)) for scales in (None, {"toy-neon": 1.0}))
    assert styled < plain - 25


def test_second_pass_has_its_own_prompt_sampler_and_steps(sd1: Checkpoint) -> None:
    highres = {"w": 96, "h": 64, "num_steps": 7, "sampler": "DPM++ 2M Karras", "text": "a boat", "guidance_scale": 2.0}
    highres["timestep_spacing"] = "trailing"
    params = Txt2Img.Params.model_validate(
        {"text": "a house", "model": "toy-sd1", "w": 64, "h": 64, "num_steps": 4, "highres_info": highres}
    )
    recipe = Txt2Img().run(params, OneModel(sd1), {})
    with torch.inference_mode():
        (first,) = next(recipe)
        (second,) = recipe.send([torch.randn(1, 4, 8, 8)])
    assert (second.width, second.height, second.guidance) == (96, 64, 2.0)
    assert (second.sampler, second.sigmas, second.spacing) == ("dpmpp_2m", "karras", "trailing")
    assert (first.sampler, first.sigmas, first.spacing) == ("euler", None, None)
    assert len(Trajectory(second).table) == 7
    boat, _ = sd1.encode_prompt("a boat", None, clip_skip=-1, width=96, height=64)
    assert torch.equal(second.prompts[0].positives[0].embeds, boat.embeds)


@pytest.mark.parametrize(
    ("highres", "message"),
    [
        ({"sampler": "eular"}, "highres_info: .*did you mean"),
        ({"text": "(a:1000)"}, "highres_info: .*weights may be"),
        ({"sampler": "lcm", "num_steps": 60}, "highres_info: .*at most 50"),
    ],
)
def test_wrong_parameters_of_the_second_pass_are_refused(highres: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Txt2Img.Params(text="a house", highres_info=highres)


def test_second_pass_may_start_from_an_upscaler(studio: Studio) -> None:
    """Almost at fidelity 1 the result is what the net makes of the first pass; enlarged latents are not."""
    base = {"text": "a red house", "model": "toy-sd1", "w": 64, "h": 64, "num_steps": 6, "seed": 5}
    small = studio.image(Txt2Img(), Txt2Img.Params.model_validate(base), {})
    second = {"upscale_factor": 1.5, "fidelity": 0.95, "num_steps": 1, "upscaler": "esr"}
    request = Txt2Img.Params.model_validate(base | {"highres_info": second})
    assert [ref.name for ref in Txt2Img().needs(request)] == ["toy-sd1", "esr"]
    result = studio.image(Txt2Img(), request, {})
    with studio.held("esr") as handle:
        upscaler = handle.get(ModelRef(UPSCALER, "esr"))
        canvas = upscaler.canvas(small)
        for _ in upscaler.enlarge(small, canvas):
            pass
    expected = resize_to(canvas, 96, 96, "cover").astype(int)
    assert np.abs(result.astype(int) - expected).mean() < 0.5 * np.abs(expected - expected.mean()).mean()


@pytest.mark.parametrize("method", ["bilinear", "lanczos"])
def test_picture_takes_the_place_of_the_first_pass(engine: Engine, sd1: Checkpoint, method: str) -> None:
    """The one pass starts from the latents that image to image starts from, enlarged in them or in pixels."""
    highres = {"first_url": "x", "w": 96, "h": 64, "fidelity": 0.5, "upscale_method": method}
    values = {"text": "a house", "model": "toy-sd1", "w": 64, "h": 64, "num_steps": 4, "seed": 5}
    request = Txt2Img.Params.model_validate(values | {"highres_info": highres})
    engine.add("one", Txt2Img(), request, {"highres_info.first_url": PICTURE})
    engine.step()
    (trajectory,) = engine.unfinished()
    if method == "lanczos":
        expected = sd1.encode(resize_to(PICTURE, 96, 64, "cover"), SeededNoise(5))
    else:
        latents = sd1.encode(PICTURE, SeededNoise(5))
        expected = torch.nn.functional.interpolate(latents, size=(12, 12), mode="bilinear")[:, :, 2:10]
    assert trajectory.denoise.source is not None
    assert torch.equal(trajectory.denoise.source, expected)
    assert images_of(run_dry(engine))["one"][0].shape == (64, 96, 3)


@pytest.mark.parametrize("method", ["bilinear", "lanczos"])
def test_second_pass_may_have_its_own_model(toys: dict[str, Checkpoint], method: str) -> None:
    """toy-sd2 has other weights, and latents of the same form; pixels are encoded and decoded by it."""
    highres = {"upscale_factor": 1.5, "fidelity": 0.5, "upscale_method": method, "model": "toy-sd2"}
    values = {"text": "a house", "model": "toy-sd1", "w": 64, "h": 64, "num_steps": 2, "seed": 5}
    params = Txt2Img.Params.model_validate(values | {"highres_info": highres})
    assert [ref.name for ref in Txt2Img().needs(params)] == ["toy-sd1", "toy-sd2"]
    recipe, latents, last = Txt2Img().run(params, Named(toys), {}), torch.randn(1, 4, 8, 8), torch.randn(1, 4, 12, 12)
    with torch.inference_mode():
        (first,) = next(recipe)
        (second,) = recipe.send([latents])
        with pytest.raises(StopIteration) as ended:
            recipe.send([last])
    assert (first.checkpoint.name, second.checkpoint.name) == ("toy-sd1", "toy-sd2")
    boat = toys["toy-sd2"].encode_prompt("a house", "", clip_skip=-1, width=96, height=96)[0]
    assert torch.equal(second.prompts[0].positives[0].embeds, boat.embeds)
    assert second.source is not None
    if method == "lanczos":
        pixels = resize_to(toys["toy-sd1"].decode(latents)[0], 96, 96, "cover")
        noise = SeededNoise(5)
        assert torch.equal(second.source, toys["toy-sd2"].encode(pixels, noise))
    assert np.array_equal(ended.value.value.images[0], toys["toy-sd2"].decode(last)[0])


def test_model_of_the_second_pass_gets_its_name_in_the_catalog() -> None:
    one, other = (
        ModelEntry(name=name, path=Path(name), family="sd1", aliases=(f"my-{name}",)) for name in ("one", "other")
    )
    params = Txt2Img.Params.model_validate({"text": "a", "model": "my-one", "highres_info": {"model": "my-other"}})
    resolved = Txt2Img().resolve_names(params, Catalog([one, other]))
    assert resolved.highres_info is not None
    assert (resolved.model, resolved.highres_info.model) == ("one", "other")
