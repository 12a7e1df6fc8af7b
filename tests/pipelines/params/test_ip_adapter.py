"""Image prompts of IP-Adapters, against diffusers' own pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
from PIL import Image

from models.imaging.face_crops import crop_square
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.faces import FACE
from models.kinds.ip_adapter import IP_ADAPTER
from models.kinds.kind import ModelRef
from models.toy.drawing import draw
from models.toy.world import Scene, Thing
from pipelines.engine.events import Failed
from pipelines.erase import EraseParams
from pipelines.inpaint import Inpaint
from pipelines.txt2img import Txt2Img
from tests.pipelines.conftest import Studio, images_of
from tests.support.diffusers_reference import SIDE, DiffusersReference, max_difference, txt2img_params
from tests.support.pictures import DISC, PICTURE

TXT2IMG = Txt2Img()
IMAGES = {"ip_adapter.url": PICTURE}


def image_prompt(**changes: Any) -> dict[str, Any]:
    return {"url": "http://example.com/prompt.png", **changes}


@pytest.mark.parametrize(
    ("model", "adapter", "kind"),
    [
        ("toy-sd1", "toy-ip", diffusers.StableDiffusionPipeline),
        ("toy-sd1", "toy-ip-plus", diffusers.StableDiffusionPipeline),
        ("toy-sdxl", "toy-ip-xl", diffusers.StableDiffusionXLPipeline),
    ],
)
def test_ip_adapter_batch_equals_diffusers(
    studio: Studio, models_dir: Path, model: str, adapter: str, kind: Any
) -> None:
    """Scales, samplers and guidance differ, and tasks without an image prompt share the batch."""
    stock = DiffusersReference(kind, models_dir / model)
    stock.pipe.load_ip_adapter(
        str(models_dir), subfolder="", weight_name=f"{adapter}.safetensors", image_encoder_folder="./toy-clip-vision"
    )
    requests = {
        name: txt2img_params(
            index, model, sampler=name, ip_adapter=image_prompt(model=adapter, scale=0.3 + 0.2 * index)
        )
        for index, name in enumerate(("euler", "dpmpp_2m", "ddim", "unipc"))
    }
    for index, (name, request) in enumerate(requests.items()):
        studio.engine.add(f"plain {name}", TXT2IMG, txt2img_params(index, model), {})
        studio.engine.add(name, TXT2IMG, request, IMAGES)
    result = images_of(studio.events())
    for name, request in requests.items():
        stock.pipe.set_ip_adapter_scale(request.ip_adapter.scale)
        expected = stock.image(request, width=SIDE, height=SIDE, ip_adapter_image=Image.fromarray(PICTURE))
        assert max_difference(result[name][0], expected) <= 1, name
        assert max_difference(result[name][0], result[f"plain {name}"][0]) > 8, name


def test_needs_the_named_adapter_or_the_first_that_fits(studio: Studio) -> None:
    assert TXT2IMG.needs(txt2img_params(0, ip_adapter=image_prompt())) == (
        ModelRef(CHECKPOINT, "toy-sd1"),
        ModelRef(IP_ADAPTER, base="toy-sd1"),
    )
    assert TXT2IMG.needs(txt2img_params(0, ip_adapter=image_prompt(model="toy-ip-plus")))[1] == ModelRef(
        IP_ADAPTER, "toy-ip-plus"
    )
    erasing = EraseParams(url="a", mask_url="b", model="sd", version="toy-sd1", ip_adapter=image_prompt())
    assert erasing.diffusion_params is not None
    assert erasing.diffusion_params.extra_models == (ModelRef(IP_ADAPTER, base="toy-sd1"),)


def test_inpainting_takes_an_image_prompt_too(studio: Studio) -> None:
    request: dict[str, Any] = {"url": "a", "mask_url": "b", "text": "x", "model": "toy-sd1", "seed": 3, "num_steps": 2}
    images = {"url": PICTURE, "mask_url": np.where(DISC, 255, 0).astype(np.uint8).repeat(3, axis=2), **IMAGES}
    weak, strong = (
        studio.image(Inpaint(), Inpaint.Params(**request, ip_adapter=image_prompt(scale=scale)), images)
        for scale in (0, 1)
    )
    assert max_difference(weak, strong) > 8


def test_prompt_of_several_images_is_their_mean(studio: Studio) -> None:
    other = np.ascontiguousarray(PICTURE[::-1, :, ::-1])
    first, second, same, both = (
        studio.image(TXT2IMG, txt2img_params(0, ip_adapter=image_prompt(scale=1, more_urls=more)), images)
        for more, images in (
            ((), IMAGES),
            ((), {"ip_adapter.url": other}),
            (("b",), IMAGES | {"ip_adapter.more_urls.0": PICTURE}),
            (("b",), IMAGES | {"ip_adapter.more_urls.0": other}),
        )
    )
    assert max_difference(first, same) <= 1
    assert min(max_difference(first, both), max_difference(second, both)) > 1


def test_prompt_of_faces_is_that_of_their_crops(studio: Studio) -> None:
    things = [Thing("person", "red", "", "", x, 0.5, 0.5) for x in (0.25, 0.75)]
    picture = np.array(draw(Scene(things, "on the grass", "flat", 1), 128))

    def image(pixels: np.ndarray, **changes: Any) -> np.ndarray:
        request = txt2img_params(0, ip_adapter=image_prompt(scale=1, **changes))
        return studio.image(TXT2IMG, request, {"ip_adapter.url": pixels})

    with studio.held("face") as handle:
        largest, *_ = handle.get(ModelRef(FACE, "face")).find(picture)
    crop = crop_square(picture, largest.square(1.5))
    assert np.array_equal(image(picture, faces=1), image(crop))
    assert max_difference(image(picture, faces=1), image(picture)) > 1
    request = txt2img_params(0, ip_adapter=image_prompt(faces=2))
    assert ModelRef(FACE, "face") in TXT2IMG.needs(request)
    failed = studio.run(TXT2IMG, request, {"ip_adapter.url": np.zeros((64, 64, 3), np.uint8)})
    assert isinstance(failed, Failed)
    assert (failed.code, "ip_adapter.url shows no face" in failed.message) == ("bad_input", True)
