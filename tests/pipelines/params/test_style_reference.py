"""Tasks with a style reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from models.diffusion.checkpoint import Checkpoint
from models.patches.reference_attention import REFERENCE, ReferenceStyle
from pipelines.engine.batch import Batch
from pipelines.engine.scheduling.batch_key import key_of
from pipelines.txt2img import Txt2Img
from tests.pipelines.conftest import Studio, images_of
from tests.support.diffusers_reference import max_difference, txt2img_params
from tests.support.pictures import PICTURE
from tests.support.trajectories import trajectory

TXT2IMG = Txt2Img()
IMAGES = {"style_reference.url": PICTURE}


def style(**changes: Any) -> dict[str, Any]:
    return {"url": "http://example.com/style.png", **changes}


def generate(studio: Studio, images: dict[str, np.ndarray] = IMAGES, **changes: Any) -> np.ndarray:
    return studio.image(TXT2IMG, txt2img_params(1, **changes), images)


def test_no_weight_or_no_image_changes_nothing(studio: Studio) -> None:
    plain = generate(studio, {})
    assert np.array_equal(generate(studio, style_reference=style(reference_weight=0)), plain)
    assert np.array_equal(generate(studio, {}, style_reference={"url": ""}), plain)
    assert max_difference(generate(studio, style_reference=style()), plain) > 4


def test_fidelity_weight_and_image_change_the_result(studio: Studio) -> None:
    styles = [style(), style(style_fidelity=1), style(reference_weight=0.5)]
    pictures = [generate(studio, style_reference=each) for each in styles]
    pictures.append(generate(studio, {"style_reference.url": PICTURE[::-1].copy()}, style_reference=style()))
    assert len({picture.tobytes() for picture in pictures}) == 4
    assert np.array_equal(generate(studio, style_reference=style()), pictures[0])


def test_mixed_batch_equals_each_image_alone(studio: Studio) -> None:
    names = ("euler", "dpmpp_2m", "ddim", "heun")
    requests = {
        name: txt2img_params(
            index, sampler=name, style_reference=style(style_fidelity=index / 4, reference_weight=1 - index / 5)
        )
        for index, name in enumerate(names)
    }
    expected = {name: studio.image(TXT2IMG, request, IMAGES) for name, request in requests.items()}
    for name, request in requests.items():
        studio.engine.add(f"plain {name}", TXT2IMG, request.model_copy(update={"style_reference": None}), {})
        studio.engine.add(name, TXT2IMG, request, IMAGES)
    in_batch = images_of(studio.events())
    assert all(max_difference(in_batch[name][0], expected[name]) <= 1 for name in names)
    assert not any(np.array_equal(in_batch[name][0], in_batch[f"plain {name}"][0]) for name in names)


def test_tasks_with_styles_share_steps(sd1: Checkpoint) -> None:
    styles = (ReferenceStyle(picture, 0.5, 1.0) for picture in (PICTURE, PICTURE[::-1].copy()))
    one, other = (sd1.adapted(patches=[style]) for style in styles)
    keys = [key_of(trajectory(checkpoint)) for checkpoint in (sd1, one, other)]
    assert keys[1] == keys[2] != keys[0]


@pytest.mark.parametrize("model", ["toy-sd1", "toy-sd1-inpainting"])
def test_reference_is_as_noisy_as_the_image(toys: dict[str, Checkpoint], model: str) -> None:
    style = ReferenceStyle(PICTURE, 0.5, 1.0)
    checkpoint = toys[model].adapted(patches=[style])
    clean = style.latents(checkpoint.encode, 64, 64)[0]
    under_way = trajectory(checkpoint, inpainting_inputs=None if model == "toy-sd1" else torch.ones(1, 5, 8, 8))
    initial = under_way.latents[0] / under_way.table.sigma
    while not under_way.done:
        signal, sigma = under_way.noise_level
        reference = under_way.patches[0].step_tensors(signal, sigma)[REFERENCE]
        noise = (reference[:4] - signal * clean) / sigma
        torch.testing.assert_close(noise, initial.flip(1, 2), rtol=1e-3, atol=1e-3)
        if model != "toy-sd1":
            assert torch.equal(reference[4:], torch.cat([torch.zeros(1, 8, 8), clean]))
        with torch.inference_mode():
            Batch([under_way]).step()


def test_token_merging_with_style_is_refused() -> None:
    with pytest.raises(ValidationError, match="use only one of tome_info and style_reference"):
        txt2img_params(1, style_reference=style(), tome_info={"enable": True})
    txt2img_params(1, style_reference={"url": None}, tome_info={"enable": True})
    txt2img_params(1, style_reference=style(), tome_info={"enable": False})
