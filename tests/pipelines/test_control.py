"""The older ControlNet tasks against diffusers' own pipelines, alone and in company."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from DeepCache import DeepCacheSDHelper
from diffusers import ControlNetModel
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
from tests.pipelines.engine.test_engine import Stock, difference, wish

# diffusers rounds noise levels past the end of their range.
pytestmark = pytest.mark.filterwarnings("ignore:Should have ta>=t0:UserWarning")

CANNY, DEPTH, MULTI = (pipelines.find(f"control.{name}") for name in ("canny", "depth", "multi"))
SIDE = 64
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]
DISC = ((ROWS - 32) ** 2 + (COLUMNS - 24) ** 2 < 300)[:, :, None]
PICTURE = np.where(DISC, 250, np.stack([2 * ROWS, 128 - 2 * ROWS, 2 * COLUMNS], axis=2)).astype(np.uint8)
EDGES = np.where(DISC, 255, 0).astype(np.uint8).repeat(3, axis=2)
DEPTHS = (ROWS + COLUMNS)[:, :, None].repeat(3, axis=2).astype(np.uint8)
GIVEN = {"url": PICTURE, "hint_url": EDGES}


def params(index: int = 0, pipeline: Any = CANNY, **changes: Any) -> Any:
    """Requests that agree in nothing but their size."""
    wanted: dict[str, Any] = {
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
    return pipeline.Params(**wanted | changes)


def stock(kind: Any, models_dir: Path, model: str, *nets: str) -> Stock:
    """A diffusers pipeline with these ControlNets."""
    loaded = [ControlNetModel.from_pretrained(models_dir / net, torch_dtype=torch.float32) for net in nets]
    return Stock(kind, models_dir / model, controlnet=loaded if len(loaded) > 1 else loaded[0])


def guidance(wanted: Any, hint: str = "canny") -> dict[str, Any]:
    """How diffusers is told the same."""
    start, end = wanted.interval(hint)
    return {
        "controlnet_conditioning_scale": float(wanted.control_strength),
        "control_guidance_start": start,
        "control_guidance_end": end,
        "guess_mode": wanted.guess_mode,
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
def test_a_mixed_batch_equals_diffusers_alone(
    studio: Studio, models_dir: Path, model: str, net: str, kind: Any, names: tuple[str, ...]
) -> None:
    reference = stock(kind, models_dir, model, net)
    wishes = {name: params(index, sampler=name, base_model=model) for index, name in enumerate(names)}
    for index, (name, wanted) in enumerate(wishes.items()):
        studio.engine.add(f"other {name}", Txt2Img(), wish(index, model), {})
        studio.engine.add(name, CANNY, wanted, GIVEN)
    made = images_of(studio.events())
    hint = Image.fromarray(EDGES)
    differences = {
        name: difference(made[name][0], reference.image(wanted, image=hint, **guidance(wanted)))
        for name, wanted in wishes.items()
    }
    assert max(differences.values()) <= 1, differences


def test_shallow_steps_follow_the_map_too(studio: Studio, models_dir: Path) -> None:
    """As by the helper of DeepCache's authors, around diffusers' pipeline."""
    reference = stock(diffusers.StableDiffusionControlNetPipeline, models_dir, "toy-sd1", "toy-sd1-canny")
    helper = DeepCacheSDHelper(pipe=reference._pipe)
    helper.set_params(cache_interval=2, cache_branch_id=0)
    helper.enable()
    wanted = params(0, sampler="euler", deep_cache=2)
    expected = reference.image(wanted, image=Image.fromarray(EDGES), **guidance(wanted))
    assert difference(studio.image(CANNY, wanted, GIVEN), expected) <= 1


def test_image_to_image_equals_diffusers(studio: Studio, models_dir: Path) -> None:
    reference = stock(diffusers.StableDiffusionControlNetImg2ImgPipeline, models_dir, "toy-sd1", "toy-sd1-canny")
    for index, name in enumerate(("euler", "heun", "dpmpp_2m", "plms", "lcm")):
        wanted = params(index, sampler=name, use_img2img=True, fidelity=0.25, num_steps=8)
        expected = reference.image(
            wanted,
            image=Image.fromarray(PICTURE),
            control_image=Image.fromarray(EDGES),
            strength=0.75,
            **guidance(wanted),
        )
        assert difference(studio.image(CANNY, wanted, GIVEN), expected) <= 1, name


def test_several_nets_equal_diffusers(studio: Studio, models_dir: Path) -> None:
    reference = stock(
        diffusers.StableDiffusionControlNetPipeline, models_dir, "toy-sd1", "toy-sd1-canny", "toy-sd1-depth"
    )
    hints = {"depth_params.hint_url": DEPTHS}
    for index, name in enumerate(("euler", "heun", "dpmpp_sde")):
        wanted = params(
            index,
            MULTI,
            sampler=name,
            types=["depth", "canny"],
            depth_params={"hint_url": "http://example.com/depth.png", "control_strength": 0.4},
            hint_starts={"depth": 0.2},
            hint_ends={"canny": 0.8},
        )
        expected = reference.image(
            wanted,
            image=[Image.fromarray(EDGES), Image.fromarray(DEPTHS)],
            controlnet_conditioning_scale=[wanted.control_strength, 0.4],
            control_guidance_start=[0.0, 0.2],
            control_guidance_end=[0.8, 1.0],
            guess_mode=wanted.guess_mode,
        )
        assert difference(studio.image(MULTI, wanted, GIVEN | hints), expected) <= 1, name


def test_the_map_is_drawn_of_the_picture_and_handed_back(studio: Studio) -> None:
    wanted = params(hint_url="", bypass_annotator=False, use_img2img=True, num_samples=2)
    finished = studio.run(CANNY, wanted, {"url": PICTURE})
    assert isinstance(finished, Finished)
    assert len(finished.result.images) == 2
    (edges,) = finished.result.hints
    assert edges.shape == PICTURE.shape
    assert edges.max() == 255
    drawn = studio.run(CANNY, params(bypass_annotator=True), GIVEN)
    assert isinstance(drawn, Finished)
    assert np.array_equal(drawn.result.hints[0], EDGES)


def test_a_learned_annotator_draws(studio: Studio) -> None:
    wanted = params(0, DEPTH, hint_url=None, bypass_annotator=False)
    finished = studio.run(DEPTH, wanted, {"url": PICTURE})
    assert isinstance(finished, Finished)
    assert finished.result.hints[0].std() > 10
    assert DEPTH.needs(wanted) == (
        ModelRef(CHECKPOINT, "toy-sd1"),
        ModelRef(CONTROLNET, "depth", base="toy-sd1"),
        ModelRef(ANNOTATOR, "depth"),
    )
    assert DEPTH.needs(params(0, DEPTH)) == (
        ModelRef(CHECKPOINT, "toy-sd1"),
        ModelRef(CONTROLNET, "depth", base="toy-sd1"),
    )


def test_a_map_decides_what_is_painted(studio: Studio) -> None:
    """As much as is asked for, and not at all outside of its span."""
    wanted = params(seed=5, control_strength=1)
    guided = studio.image(CANNY, wanted, GIVEN)
    weaker = studio.image(CANNY, params(seed=5, control_strength=0.3), GIVEN)
    unguided = studio.image(CANNY, params(seed=5, control_strength=0), GIVEN)
    late = studio.image(CANNY, params(seed=5, control_strength=1, hint_starts={"canny": 0.99}), GIVEN)
    assert difference(guided, unguided) > difference(weaker, unguided) > 5
    assert np.array_equal(late, unguided)


def test_a_picture_of_any_size_comes_back_in_it(studio: Studio) -> None:
    picture = np.zeros((70, 90, 4), np.uint8)
    hint = np.zeros((140, 180, 3), np.uint8)
    finished = studio.run(CANNY, params(), {"url": picture, "hint_url": hint})
    assert isinstance(finished, Finished)
    assert finished.result.images[0].shape == finished.result.hints[0].shape == (70, 90, 3)


def test_a_map_of_another_shape_is_refused(studio: Studio) -> None:
    failure = studio.run(CANNY, params(), {"url": PICTURE, "hint_url": EDGES[:32]})
    assert isinstance(failure, Failed)
    assert failure.code == "bad_input"
    assert failure.message == "hint_url is 64×32, but the picture is 64×64; send images with the same aspect ratio"


@pytest.mark.parametrize(
    ("pipeline", "wrong", "says"),
    [
        (CANNY, {"use_latent_guidance": True}, "use_latent_guidance is not supported"),
        (CANNY, {"hint_starts": {"canny": 0.8}, "hint_ends": {"canny": 0.5}}, "0.8 is not before hint_ends.canny 0.5"),
        (CANNY, {"hint_starts": {"edges": 0.8}}, "hint_starts.edges"),
        (MULTI, {"types": ["canny", "canny"]}, "names a hint twice"),
        (MULTI, {"types": ["canny"], "depth_params": {}}, "depth_params is set"),
        (MULTI, {"types": []}, "at least 1 item"),
    ],
)
def test_what_makes_no_sense_is_refused(pipeline: Any, wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        params(0, pipeline, **wrong)
    assert says in str(caught.value)


def test_old_words_are_understood() -> None:
    """An older client's own: the model twice over, and what has no bearing."""
    wanted = CANNY.Params(url="x", hint_url="", prompt="a cat", base_model="anime", version="v1.5", no_switch=True)
    assert (wanted.text, wanted.model, wanted.hint_url) == ("a cat", "anime", None)
    assert (wanted.fidelity, wanted.use_img2img, wanted.control_strength) == (0.05, True, 1.0)
