"""The older ControlNet task types against diffusers' own pipelines, alone and in mixed batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
from DeepCache import DeepCacheSDHelper
from PIL import Image
from pydantic import ValidationError

import pipelines
from models.kinds.annotator import ANNOTATOR
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.controlnet import CONTROLNET
from models.kinds.kind import ModelRef
from pipelines.engine.events import Failed, Finished
from pipelines.sampler_names import SAMPLERS
from pipelines.txt2img import Txt2Img
from tests.pipelines.conftest import Studio, images_of
from tests.support.diffusers_reference import DiffusersReference, max_difference, txt2img_params
from tests.support.pictures import DEPTHS, EDGES, PICTURE

# diffusers rounds noise levels past the end of their range.
pytestmark = pytest.mark.filterwarnings("ignore:Should have ta>=t0:UserWarning")

CANNY, DEPTH, MULTI = (pipelines.find(f"control.{name}") for name in ("canny", "depth", "multi"))
IMAGES = {"url": PICTURE, "hint_url": EDGES}


def params(index: int = 0, pipeline: Any = CANNY, **changes: Any) -> Any:
    """Parameters that differ between indices in everything but the size."""
    request: dict[str, Any] = {
        "url": "http://example.com/picture.png",
        "hint_url": "http://example.com/hint.png",
        "base_model": "toy-sd1",
        "prompt": f"a lighthouse, number {index}",
        "seed": 100 + index,
        "num_steps": 3 + index % 5,
        "guidance_scale": 1.0 if index % 4 == 3 else 3.0 + index / 2,
        "use_img2img": False,
        "bypass_annotator": True,
        "control_strength": 0.5 + index % 3 / 2,
        "hint_starts": {"canny": 0.3} if index % 3 == 1 else {},
        "hint_ends": {"canny": 0.7} if index % 3 == 2 else {},
        "guess_mode": index % 5 == 2,
    }
    return pipeline.Params(**request | changes)


def guidance(request: Any, hint: str = "canny") -> dict[str, Any]:
    """The same options as arguments of diffusers."""
    start, end = request.interval(hint)
    return {
        "controlnet_conditioning_scale": float(request.control_strength),
        "control_guidance_start": start,
        "control_guidance_end": end,
        "guess_mode": request.guess_mode,
    }


@pytest.mark.parametrize(
    ("model", "net", "kind", "names"),
    [
        ("toy-sd1", "toy-sd1-canny", diffusers.StableDiffusionControlNetPipeline, SAMPLERS),
        (
            "toy-sdxl",
            "toy-sdxl-canny",
            diffusers.StableDiffusionXLControlNetPipeline,
            ("euler", "heun", "dpmpp_2m_sde", "unipc", "lcm"),
        ),
    ],
)
def test_control_batch_of_all_samplers_equals_diffusers(
    studio: Studio, models_dir: Path, model: str, net: str, kind: Any, names: tuple[str, ...]
) -> None:
    reference = DiffusersReference.with_controlnets(kind, models_dir, model, net)
    requests = {name: params(index, sampler=name, base_model=model) for index, name in enumerate(names)}
    for index, (name, request) in enumerate(requests.items()):
        studio.engine.add(f"other {name}", Txt2Img(), txt2img_params(index, model), {})
        studio.engine.add(name, CANNY, request, IMAGES)
    result = images_of(studio.events())
    hint = Image.fromarray(EDGES)
    differences = {
        name: max_difference(result[name][0], reference.image(request, image=hint, **guidance(request)))
        for name, request in requests.items()
    }
    assert max(differences.values()) <= 1, differences


def test_cached_steps_follow_the_map(studio: Studio, models_dir: Path) -> None:
    """The reference is diffusers' pipeline with the helper of DeepCache's authors."""
    reference = DiffusersReference.with_controlnets(
        diffusers.StableDiffusionControlNetPipeline, models_dir, "toy-sd1", "toy-sd1-canny"
    )
    helper = DeepCacheSDHelper(pipe=reference.pipe)
    helper.set_params(cache_interval=2, cache_branch_id=0)
    helper.enable()
    request = params(0, sampler="euler", deep_cache=2)
    expected = reference.image(request, image=Image.fromarray(EDGES), **guidance(request))
    assert max_difference(studio.image(CANNY, request, IMAGES), expected) <= 1


def test_control_from_a_picture_equals_diffusers(studio: Studio, models_dir: Path) -> None:
    reference = DiffusersReference.with_controlnets(
        diffusers.StableDiffusionControlNetImg2ImgPipeline, models_dir, "toy-sd1", "toy-sd1-canny"
    )
    for index, name in enumerate(("euler", "heun", "dpmpp_2m", "plms", "lcm")):
        request = params(index, sampler=name, use_img2img=True, fidelity=0.25, num_steps=8)
        expected = reference.image(
            request,
            image=Image.fromarray(PICTURE),
            control_image=Image.fromarray(EDGES),
            strength=0.75,
            **guidance(request),
        )
        assert max_difference(studio.image(CANNY, request, IMAGES), expected) <= 1, name


def test_control_multi_equals_diffusers(studio: Studio, models_dir: Path) -> None:
    reference = DiffusersReference.with_controlnets(
        diffusers.StableDiffusionControlNetPipeline, models_dir, "toy-sd1", "toy-sd1-canny", "toy-sd1-depth"
    )
    hints = {"depth_params.hint_url": DEPTHS}
    for index, name in enumerate(("euler", "heun", "dpmpp_sde")):
        request = params(
            index,
            MULTI,
            sampler=name,
            types=["depth", "canny"],
            depth_params={"hint_url": "http://example.com/depth.png", "control_strength": 0.4},
            hint_starts={"depth": 0.2},
            hint_ends={"canny": 0.8},
        )
        expected = reference.image(
            request,
            image=[Image.fromarray(EDGES), Image.fromarray(DEPTHS)],
            controlnet_conditioning_scale=[request.control_strength, 0.4],
            control_guidance_start=[0.0, 0.2],
            control_guidance_end=[0.8, 1.0],
            guess_mode=request.guess_mode,
        )
        assert max_difference(studio.image(MULTI, request, IMAGES | hints), expected) <= 1, name


def test_map_is_drawn_from_the_picture_and_returned(studio: Studio) -> None:
    request = params(hint_url="", bypass_annotator=False, use_img2img=True, num_samples=2)
    finished = studio.run(CANNY, request, {"url": PICTURE})
    assert isinstance(finished, Finished)
    assert len(finished.result.images) == 2
    (edges,) = finished.result.hints
    assert edges.shape == PICTURE.shape
    assert edges.max() == 255
    drawn = studio.run(CANNY, params(bypass_annotator=True), IMAGES)
    assert isinstance(drawn, Finished)
    assert np.array_equal(drawn.result.hints[0], EDGES)


def test_depth_map_is_drawn_by_an_annotator(studio: Studio) -> None:
    request = params(0, DEPTH, hint_url=None, bypass_annotator=False)
    finished = studio.run(DEPTH, request, {"url": PICTURE})
    assert isinstance(finished, Finished)
    assert finished.result.hints[0].std() > 10
    assert DEPTH.needs(request) == (
        ModelRef(CHECKPOINT, "toy-sd1"),
        ModelRef(CONTROLNET, "depth", base="toy-sd1"),
        ModelRef(ANNOTATOR, "depth"),
    )
    assert DEPTH.needs(params(0, DEPTH)) == (
        ModelRef(CHECKPOINT, "toy-sd1"),
        ModelRef(CONTROLNET, "depth", base="toy-sd1"),
    )


def test_strength_and_start_decide_how_much_the_map_acts(studio: Studio) -> None:
    """In proportion to the strength, and not at all outside the steps of the map."""
    request = params(seed=5, control_strength=1)
    guided = studio.image(CANNY, request, IMAGES)
    weaker = studio.image(CANNY, params(seed=5, control_strength=0.3), IMAGES)
    unguided = studio.image(CANNY, params(seed=5, control_strength=0), IMAGES)
    late = studio.image(CANNY, params(seed=5, control_strength=1, hint_starts={"canny": 0.99}), IMAGES)
    assert max_difference(guided, unguided) > max_difference(weaker, unguided) > 5
    assert np.array_equal(late, unguided)


def test_result_and_map_have_the_size_of_the_picture(studio: Studio) -> None:
    picture = np.zeros((70, 90, 4), np.uint8)
    hint = np.zeros((140, 180, 3), np.uint8)
    finished = studio.run(CANNY, params(), {"url": picture, "hint_url": hint})
    assert isinstance(finished, Finished)
    assert finished.result.images[0].shape == finished.result.hints[0].shape == (70, 90, 3)


def test_hint_of_another_aspect_ratio_is_refused(studio: Studio) -> None:
    failure = studio.run(CANNY, params(), {"url": PICTURE, "hint_url": EDGES[:32]})
    assert isinstance(failure, Failed)
    assert failure.code == "bad_input"
    assert failure.message == "hint_url is 64×32, but the picture is 64×64; send images with the same aspect ratio"


@pytest.mark.parametrize(
    ("pipeline", "wrong", "message"),
    [
        (CANNY, {"use_latent_guidance": True}, "use_latent_guidance is not supported"),
        (CANNY, {"hint_starts": {"canny": 0.8}, "hint_ends": {"canny": 0.5}}, "0.8 is not before hint_ends.canny 0.5"),
        (CANNY, {"hint_starts": {"edges": 0.8}}, "hint_starts.edges"),
        (MULTI, {"types": ["canny", "canny"]}, "names a hint twice"),
        (MULTI, {"types": ["canny"], "depth_params": {}}, "depth_params is set"),
        (MULTI, {"types": []}, "at least 1 item"),
    ],
)
def test_invalid_control_params_are_refused(pipeline: Any, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        params(0, pipeline, **wrong)
    assert message in str(caught.value)


def test_names_of_older_clients_are_accepted() -> None:
    """The parameters of an older client: the model under two names, and an ignored one."""
    request = CANNY.Params(url="x", hint_url="", prompt="a cat", base_model="anime", version="v1.5", no_switch=True)
    assert (request.text, request.model, request.hint_url) == ("a cat", "anime", None)
    assert (request.fidelity, request.use_img2img, request.control_strength) == (0.05, True, 1.0)
