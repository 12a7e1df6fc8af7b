"""The newer ControlNet task types against diffusers' own pipelines: from noise, from a picture, under a mask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

import pipelines
from models.imaging.resize_modes import resize_to
from models.kinds.annotator import ANNOTATOR
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.controlnet import CONTROLNET
from models.kinds.kind import ModelRef
from pipelines.engine.events import Failed, Finished
from tests.pipelines.conftest import Studio
from tests.support.diffusers_reference import DiffusersReference, max_difference
from tests.support.pictures import DEPTHS, EDGES, PICTURE, SIDE

# diffusers rounds noise levels past the end of their range.
pytestmark = pytest.mark.filterwarnings("ignore:Should have ta>=t0:UserWarning")

CANNY, MULTI = (pipelines.find(f"control_new.{name}") for name in ("canny", "multi"))
MASK = np.zeros((SIDE, SIDE, 3), np.uint8)
MASK[16:48, 16:48] = 255
"""Of whole latent pixels: of a part of one, diffusers looks at a corner alone."""
URLS = {"url": "http://example.com/a.png", "mask_url": "http://example.com/b.png", "hint_url": "http://example.com/c"}


def params(*images: str, **changes: Any) -> Any:
    urls = {name: URLS[name] for name in images}
    common = {"model": "toy-sd1", "prompt": "a lighthouse", "seed": 7, "num_steps": 6, "sampler": "dpmpp_2m"}
    control = {"bypass_annotator": True, "control_strength": 0.8, "hint_end": 0.7, "hint_start": 0.1}
    return CANNY.Params(**urls | common | control | changes)


def pixels(*images: str) -> dict[str, np.ndarray]:
    return {name: {"url": PICTURE, "mask_url": MASK, "hint_url": EDGES}[name] for name in images}


def guidance(request: Any) -> dict[str, Any]:
    start, end = request.interval
    return {
        "controlnet_conditioning_scale": request.control_strength,
        "control_guidance_start": start,
        "control_guidance_end": end,
        "guess_mode": request.guess_mode,
    }


@pytest.mark.parametrize("guess", [False, True])
def test_control_new_from_noise_equals_diffusers(studio: Studio, models_dir: Path, guess: bool) -> None:
    reference = DiffusersReference.with_controlnets(
        diffusers.StableDiffusionControlNetPipeline, models_dir, "toy-sd1", "toy-sd1-canny"
    )
    request = params("hint_url", guess_mode=guess)
    expected = reference.image(request, image=Image.fromarray(EDGES), **guidance(request))
    assert max_difference(studio.image(CANNY, request, pixels("hint_url")), expected) <= 1


def test_control_new_from_a_picture_equals_diffusers(studio: Studio, models_dir: Path) -> None:
    reference = DiffusersReference.with_controlnets(
        diffusers.StableDiffusionControlNetImg2ImgPipeline, models_dir, "toy-sd1", "toy-sd1-canny"
    )
    request = params("url", "hint_url", fidelity=0.25, num_steps=8)
    pictures = {"image": Image.fromarray(PICTURE), "control_image": Image.fromarray(EDGES)}
    expected = reference.image(request, strength=0.75, **pictures, **guidance(request))
    assert max_difference(studio.image(CANNY, request, pixels("url", "hint_url")), expected) <= 1


@pytest.mark.parametrize(("inpainting", "folder"), [(False, "toy-sd1"), (True, "toy-sd1-inpainting")])
def test_control_new_under_a_mask_equals_diffusers(
    studio: Studio, models_dir: Path, inpainting: bool, folder: str
) -> None:
    """With the plain model, and with the inpainting model of nine channels."""
    reference = DiffusersReference.with_controlnets(
        diffusers.StableDiffusionControlNetInpaintPipeline, models_dir, folder, "toy-sd1-canny"
    )
    request = params("url", "mask_url", "hint_url", use_inpainting=inpainting, fidelity=0.25, num_steps=8)
    pictures = {"image": Image.fromarray(PICTURE), "control_image": Image.fromarray(EDGES)}
    mask = Image.fromarray(MASK[:, :, 0])
    expected = reference.image(request, strength=0.75, mask_image=mask, **pictures, **guidance(request))
    result = studio.image(CANNY, request, pixels("url", "mask_url", "hint_url"))
    assert max_difference(result, expected) <= 1
    assert max_difference(result, PICTURE) > 5


def test_mode_masked_uses_only_its_part_of_the_map(studio: Studio) -> None:
    request = params("url", "mask_url", "hint_url", inpainting_mode="masked", inpainting_mask_padding=8)
    images = pixels("url", "mask_url", "hint_url")
    result = studio.image(CANNY, request, images)
    outside = EDGES.copy()
    outside[:4, :4] = 255 - outside[:4, :4]  # more than the padding away from the mask
    assert np.array_equal(studio.image(CANNY, request, images | {"hint_url": outside}), result)
    inside = EDGES.copy()
    inside[20:40, 20:40] = 255 - inside[20:40, 20:40]
    assert not np.array_equal(studio.image(CANNY, request, images | {"hint_url": inside}), result)


def test_control_new_multi_takes_nets_by_hint_and_by_name(studio: Studio, models_dir: Path) -> None:
    nets = ("toy-sd1-canny", "toy-sd1-depth")
    reference = DiffusersReference.with_controlnets(
        diffusers.StableDiffusionControlNetPipeline, models_dir, "toy-sd1", *nets
    )
    common = {"model": "toy-sd1", "prompt": "a lighthouse", "seed": 7, "num_steps": 6}
    depth = {"hint_url": URLS["url"], "bypass_annotator": True, "control_strength": 0.6}
    canny = {"hint_url": URLS["hint_url"], "bypass_annotator": True, "hint_end": 0.5}
    controls = [{"type": "midas", "data": depth}, {"type": "toy-sd1-canny", "data": canny}]
    request = MULTI.Params(**common, controls=controls)
    assert MULTI.needs(request) == (
        ModelRef(CHECKPOINT, "toy-sd1"),
        ModelRef(CONTROLNET, "depth", base="toy-sd1"),
        ModelRef(CONTROLNET, "toy-sd1-canny", base="toy-sd1"),
    )
    expected = reference.image(
        request,
        image=[Image.fromarray(EDGES), Image.fromarray(DEPTHS)],
        controlnet_conditioning_scale=[1.0, 0.6],
        control_guidance_end=[0.5, 1.0],
    )
    images = {"controls.0.data.hint_url": DEPTHS, "controls.1.data.hint_url": EDGES}
    assert max_difference(studio.image(MULTI, request, images), expected) <= 1


def test_hint_annotator_and_threshold_change_the_map(studio: Studio) -> None:
    request = params("hint_url", bypass_annotator=False, hint_annotator="midas", hint_binarize_threshold=99)
    assert CANNY.needs(request) == (
        ModelRef(CHECKPOINT, "toy-sd1"),
        ModelRef(CONTROLNET, "canny", base="toy-sd1"),
        ModelRef(ANNOTATOR, "depth"),
    )
    finished = studio.run(CANNY, request, {"hint_url": PICTURE})
    assert isinstance(finished, Finished)
    assert set(np.unique(finished.result.hints[0])) == {0, 255}


def test_images_of_other_aspect_ratios_are_refused(studio: Studio) -> None:
    for short in ("mask_url", "hint_url"):
        images = pixels("url", "mask_url", "hint_url")
        images[short] = images[short][:32]
        failure = studio.run(CANNY, params("url", "mask_url", "hint_url"), images)
        assert isinstance(failure, Failed)
        assert failure.code == "bad_input"
        assert f"{short} is 64×32" in failure.message


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "hint_url is missing, and so is url"),
        ({"mask_url": "x", "hint_url": "x"}, "what to repaint in `url`, but url is missing"),
        ({"hint_url": "x", "hint_start": 0.5, "hint_end": 0.5}, "hint_start 0.5 is not before hint_end 0.5"),
        ({"hint_url": "x", "hint_annotator": "No Name"}, "hint_annotator"),
    ],
)
def test_invalid_control_new_params_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        params(**wrong)
    assert message in str(caught.value)


@pytest.mark.parametrize("images", [("hint_url",), ("hint_url", "url"), ("hint_url", "url", "mask_url")])
def test_wh_is_the_size_of_the_result_and_of_its_maps(studio: Studio, images: tuple[str, ...]) -> None:
    request = params(*images, wh=(2 * SIDE, SIDE), resize_mode="cover", num_steps=2)
    assert CANNY.work(request).pixels == 2 * SIDE * SIDE
    finished = studio.run(CANNY, request, pixels(*images))
    assert isinstance(finished, Finished), finished
    assert [image.shape[:2] for image in finished.result.images] == [(SIDE, 2 * SIDE)]
    (drawn,) = finished.result.hints
    expected = resize_to(EDGES, 2 * SIDE, SIDE, "cover")
    assert np.array_equal(drawn, expected)


def test_each_map_is_resized_and_weighed_in_its_own_way(studio: Studio) -> None:
    """Finished maps that were resized before, with the weights of a plain map, give the same image."""
    data = {"bypass_annotator": True, "control_strength": 0.5}
    own = {"hint_url": "x", "hint_resize_mode": "pad", "layer_weights": (0.5,) * 9, "control_strength": 1.0}
    common = {"model": "toy-sd1", "prompt": "a lighthouse", "seed": 7, "num_steps": 3, "wh": (2 * SIDE, SIDE)}
    nets = ("toy-sd1-canny", "toy-sd1-depth")
    first, second = "controls.0.data.hint_url", "controls.1.data.hint_url"
    request, plain = (
        MULTI.Params(
            **common, controls=[{"type": net, "data": data | each} for net, each in zip(nets, own_data, strict=True)]
        )
        for own_data in ((own, {"hint_url": "x", "hint_resize_mode": "cover"}), ({"hint_url": "x"},) * 2)
    )
    image = studio.image(MULTI, request, {first: EDGES, second: DEPTHS})
    resized = {first: resize_to(EDGES, 2 * SIDE, SIDE, "pad"), second: resize_to(DEPTHS, 2 * SIDE, SIDE, "cover")}
    assert np.array_equal(image, studio.image(MULTI, plain, resized))


def test_region_over_all_changes_nothing_and_a_part_is_another_image(studio: Studio) -> None:
    request = params("hint_url", region_url="x", num_steps=3)
    everywhere, middle = np.full_like(EDGES, 255), MASK
    plain = studio.image(CANNY, params("hint_url", num_steps=3), pixels("hint_url"))
    images = pixels("hint_url")
    assert np.array_equal(studio.image(CANNY, request, images | {"region_url": everywhere}), plain)
    assert not np.array_equal(studio.image(CANNY, request, images | {"region_url": middle}), plain)


def test_wrong_number_of_layer_weights_fails_by_name(studio: Studio) -> None:
    failure = studio.run(CANNY, params("hint_url", layer_weights=(1.0,) * 13), pixels("hint_url"))
    assert isinstance(failure, Failed)
    assert failure.code == "bad_input"
    assert "layer_weights has 13 numbers, but ControlNet 'toy-sd1-canny' acts on 9 layers" in failure.message
