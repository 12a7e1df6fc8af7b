"""Image to image, run by the engine on a toy model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from models.kinds.captioner import CAPTIONER
from models.kinds.kind import ModelRef
from models.noise import SeededNoise
from pipelines.engine.engine import Engine
from pipelines.engine.trajectory import Trajectory
from pipelines.img2img import Img2Img
from tests.pipelines.conftest import Studio, images_of, run_dry
from tests.support.diffusers_reference import DiffusersReference, max_difference, resized_latents


def picture(width: int, height: int, channels: int = 3) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    planes = [rows * 255 // height, columns * 255 // width, np.full_like(rows, 128), np.full_like(rows, 200)]
    return np.stack(planes[:channels], axis=-1).astype(np.uint8)


def generate(engine: Engine, source: np.ndarray, **changes: Any) -> np.ndarray:
    values = {"text": "a boat", "model": "toy-sd1", "num_steps": 4, "seed": 5, "url": "x", **changes}
    engine.add("one", Img2Img(), Img2Img.Params.model_validate(values), {"url": source})
    return images_of(run_dry(engine))["one"][0]


@pytest.mark.parametrize(
    ("source", "changes", "expected"),
    [
        ((72, 80), {}, (80, 72)),
        ((70, 83), {}, (83, 70)),
        ((128, 64), {"max_wh": 96}, (48, 96)),
        ((300, 8), {"max_wh": 96}, (3, 96)),
        ((64, 64), {"wh": [96, 72]}, (72, 96)),
    ],
)
def test_result_has_the_size_of_the_picture_up_to_max_wh(
    engine: Engine, source: tuple[int, int], changes: dict[str, Any], expected: tuple[int, int]
) -> None:
    assert generate(engine, picture(*source), **changes).shape[:2] == expected


def test_alpha_is_kept_unless_keep_alpha_is_false(engine: Engine) -> None:
    source = picture(64, 64, 4)
    assert np.array_equal(generate(engine, source)[:, :, 3], source[:, :, 3])
    assert generate(engine, source, keep_alpha=False).shape == (64, 64, 3)


def test_higher_fidelity_is_closer_to_the_picture(engine: Engine) -> None:
    source = picture(64, 64)
    distances = [
        np.abs(generate(engine, source, fidelity=fidelity, num_steps=20).astype(int) - source).mean()
        for fidelity in (0.0, 0.5, 0.9)
    ]
    assert distances == sorted(distances, reverse=True)


def test_full_fidelity_returns_the_decoded_picture(engine: Engine) -> None:
    source = picture(64, 64)
    whole = [generate(engine, source, fidelity=1.0, text=text) for text in ("a boat", "a cat")]
    assert np.array_equal(*whole)


def test_auto_prompt_appends_the_caption_to_the_text(studio: Studio) -> None:
    source = picture(64, 64)
    with studio.held("captioner") as handle:
        captioner = handle.get(ModelRef(CAPTIONER, "captioner"))
        caption = captioner.text(list(captioner.tokens(source)))
    values = {"model": "toy-sd1", "num_steps": 2, "seed": 5, "url": "x", "fidelity": 0.0}

    def generate_with(**changes: Any) -> np.ndarray:
        return studio.image(Img2Img(), Img2Img.Params.model_validate({**values, **changes}), {"url": source})

    assert np.array_equal(generate_with(auto_prompt=True), generate_with(text=caption))
    assert np.array_equal(generate_with(auto_prompt=True, text="a boat"), generate_with(text=f"a boat, {caption}"))


@pytest.mark.parametrize(
    ("options", "prompt"),
    [
        ({"auto_gender": True}, "1girl, a boat"),
        ({"auto_prompt": True}, "a boat, a girl by the sea"),
        ({"auto_prompt": True, "auto_gender": True}, "1girl, a boat, a girl by the sea"),
    ],
)
def test_prompt_has_what_the_description_says(options: dict[str, bool], prompt: str) -> None:
    params = Img2Img.Params(url="x", text="a boat", **options)
    assert params.prompt_with("a girl by the sea") == prompt
    assert any(ref.name == "captioner" for ref in Img2Img().needs(params))


def test_text_may_be_left_out_only_with_auto_prompt() -> None:
    assert Img2Img.Params(url="x", auto_prompt=True).text == ""
    assert Img2Img.Params(url="x", text="").text == ""
    with pytest.raises(ValidationError, match="text is missing; add it, or"):
        Img2Img.Params(url="x")


def test_work_is_an_upper_bound_unless_wh_is_set() -> None:
    known, unknown = (Img2Img().work(Img2Img.Params(url="x", text="a", wh=wh)) for wh in ((512, 512), (0, 0)))
    assert (known.pixels, known.is_upper_bound) == (512 * 512, False)
    assert (unknown.pixels, unknown.is_upper_bound) == (1024 * 1024, True)


@pytest.mark.parametrize("mode", ["fill", "cover", "pad"])
def test_resize_mode_decides_what_is_cropped(engine: Engine, mode: str) -> None:
    """Of a wide picture `cover` leaves the middle; all of the strength is off, so the autoencoder alone acts."""
    source = np.tile(np.arange(192, dtype=np.uint8)[None, :, None], (64, 1, 3))
    result = generate(engine, source, wh=[64, 64], resize_mode=mode, fidelity=1.0)
    assert result.shape == (64, 64, 3)
    plain = generate(engine, np.ascontiguousarray(source[:, 64:128]), fidelity=1.0)
    assert np.array_equal(result, plain) == (mode == "cover")


def test_resize_mode_latent_equals_diffusers_on_stretched_latents(engine: Engine, models_dir: Path) -> None:
    """The picture is encoded at its own size, whose sides are not those of a latent, and its latents are stretched."""
    source = picture(75, 90)
    request = Img2Img.Params(
        model="toy-sd1", text="a boat", url="x", seed=5, num_steps=8, wh=(64, 96), resize_mode="latent", fidelity=0.25
    )
    stock = DiffusersReference(diffusers.StableDiffusionImg2ImgPipeline, models_dir / "toy-sd1")
    encoded = np.asarray(Image.fromarray(source).resize((72, 88), Image.Resampling.LANCZOS))
    generator = torch.Generator().manual_seed(request.seed)
    latents = resized_latents(stock, encoded, 64, 96, generator)
    expected = stock.image(request, image=latents, strength=0.75, generator=generator)
    engine.add("one", Img2Img(), request, {"url": source})
    assert max_difference(images_of(run_dry(engine))["one"][0], expected) <= 1


def test_resize_mode_latent_without_wh_changes_nothing(engine: Engine) -> None:
    source = picture(64, 80)
    assert np.array_equal(generate(engine, source, resize_mode="latent"), generate(engine, source))


def test_noise_multiplier_multiplies_the_noise_that_is_added(engine: Engine) -> None:
    """The first latents are signal · source + sigma · multiplier · noise."""
    starts = []
    for multiplier in (0.0, 0.5, 1.0):
        values = {"text": "a", "model": "toy-sd1", "num_steps": 4, "seed": 5, "url": "x", "sampler": "euler"}
        request = Img2Img.Params.model_validate({**values, "noise_multiplier": multiplier})
        engine.add("one", Img2Img(), request, {"url": picture(64, 64)})
        engine.step()
        (trajectory,) = engine.unfinished()
        starts.append(Trajectory(replace(trajectory.denoise, noise=SeededNoise(9))).latents[0])
        run_dry(engine)
    nothing, half, whole = starts
    assert torch.allclose(half - nothing, (whole - nothing) / 2, atol=1e-5)
    assert torch.allclose(whole - nothing, trajectory.table.sigma * SeededNoise(9).initial((1, 4, 8, 8))[0], atol=1e-5)
