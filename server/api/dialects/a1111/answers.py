"""The answers to txt2img and img2img: images in base64, the request, and the details as a string of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field

from models.catalog.catalog import UnknownModelError
from models.catalog.file_hashes import AUTO_V2
from server.api.dialects.a1111.request import GenerationRequest, Img2ImgRequest
from server.api.dialects.pictures import result_in_base64
from server.images.a1111_names import SAMPLERS
from server.images.infotext import infotext
from server.services import Services
from server.task import Image, Manifest, Status

BULKY = {"init_images", "mask"}
"""Fields of a request that its echo leaves out, as A1111 does."""


class GenerationReply(BaseModel):
    images: list[str] = Field(description="In base64: an image for each of `all_seeds`, and then control maps.")
    parameters: dict[str, Any] = Field(description="The request.")
    info: str = Field(description="A string of JSON: prompts, seeds, infotexts…")


@dataclass(frozen=True, slots=True)
class PaintedImage:
    """An image that is not withheld, and the task that painted it."""

    manifest: Manifest
    image: Image
    index: int
    """Of the image among the task's."""
    shown: Image | None = None
    """The image with its faces repaired, if they were."""

    @property
    def infotext(self) -> str:
        return infotext(self.manifest.task, self.image.seed, self.image.width, self.image.height)

    @property
    def subseed(self) -> int:
        return int(self.manifest.task.params.get("variation_seed", 0))


async def generation_reply(
    services: Services,
    request: GenerationRequest,
    ended: Sequence[Manifest],
    *,
    shows_maps: bool,
    repaired: Sequence[Manifest] = (),
) -> GenerationReply:
    """`ended` are the tasks of the request, of which some may have been interrupted. `repaired` are those that repaired
    the faces of each image, in the same order."""
    painted, maps = painted_images(ended), list(_images(ended, "hint")) if shows_maps else []
    if repaired:
        results = [next(_images([manifest], "image"), None) for manifest in repaired]
        painted = [
            each if result is None else replace(each, shown=result.image)
            for each, result in zip(painted, results, strict=True)
        ]
    shown = [*painted, *maps] if request.send_images else []
    return GenerationReply(
        images=[await result_in_base64(services, each.shown or each.image) for each in shown],
        parameters=_echo(request),
        info=json.dumps(_info(services, request, ended, painted), ensure_ascii=False),
    )


def painted_images(ended: Sequence[Manifest]) -> list[PaintedImage]:
    """The images of these tasks, without control maps."""
    return list(_images(ended, "image"))


def _images(ended: Sequence[Manifest], kind: str) -> Iterator[PaintedImage]:
    for manifest in ended:
        if manifest.outcome.status is Status.SUCCEEDED:
            for index, image in enumerate(manifest.images):
                if image.kind == kind and image.safe:
                    yield PaintedImage(manifest, image, index)


def _echo(request: GenerationRequest) -> dict[str, Any]:
    shows = isinstance(request, Img2ImgRequest) and request.include_init_images
    return request.model_dump(exclude=set() if shows else BULKY) | ({} if shows else dict.fromkeys(BULKY))


def _info(
    services: Services, request: GenerationRequest, ended: Sequence[Manifest], painted: Sequence[PaintedImage]
) -> dict[str, Any]:
    params = ended[0].task.params
    seeds, subseeds = [each.image.seed for each in painted], [each.subseed for each in painted]
    width, height = (painted[0].image.width, painted[0].image.height) if painted else request.size
    finished = datetime.fromtimestamp(max(each.outcome.finished_at for each in ended), UTC)
    prompt, negative = str(params.get("text", "")), str(params.get("negative_prompt", ""))
    return {
        "prompt": prompt,
        "all_prompts": [prompt] * len(painted),
        "negative_prompt": negative,
        "all_negative_prompts": [negative] * len(painted),
        "seed": params.get("seed", -1),
        "all_seeds": seeds,
        "subseed": params.get("variation_seed", 0),
        "all_subseeds": subseeds,
        "subseed_strength": params.get("variation_strength", 0),
        "width": width,
        "height": height,
        "sampler_name": SAMPLERS.get(str(params.get("sampler")), params.get("sampler")),
        "cfg_scale": params.get("guidance_scale"),
        "steps": params.get("num_steps"),
        "batch_size": request.batch_size,
        "restore_faces": request.restore_faces,
        "face_restoration_model": None,
        "sd_model_name": params.get("model"),
        "sd_model_hash": _model_hash(services, str(params.get("model"))),
        "sd_vae_name": params.get("vae"),
        "sd_vae_hash": None,
        "seed_resize_from_w": params.get("seed_resize_w") or -1,
        "seed_resize_from_h": params.get("seed_resize_h") or -1,
        "denoising_strength": _strength(params),
        "extra_generation_params": {},
        "index_of_first_image": 0,
        "infotexts": [each.infotext for each in painted],
        "styles": request.styles,
        "job_timestamp": f"{finished:%Y%m%d%H%M%S}",
        "clip_skip": max(params.get("clip_skip", -1), 0) + 1,
        "is_using_inpainting_conditioning": False,
        "version": "Hua",
    }


def _strength(params: dict[str, Any]) -> float | None:
    fidelity = params.get("fidelity", (params.get("highres_info") or {}).get("fidelity"))
    return None if fidelity is None else round(1 - fidelity, 6)


def _model_hash(services: Services, model: str) -> str:
    try:
        known = services.catalog.hash_of(services.catalog.find(model))
    except UnknownModelError:
        return ""
    return known.sha256[:AUTO_V2] if known else ""
