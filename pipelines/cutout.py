"""Cut out what a picture is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AliasChoices, Field, StringConstraints

from models.kinds.kind import AnyModelRef, ModelRef
from models.kinds.matting import MATTING
from pipelines.params.image_refs import ImageRef
from pipelines.pipeline import Models, Params, Pipeline, Recipe, TaskResult, Work

if TYPE_CHECKING:
    import numpy as np

Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]
STEPS_WORTH = 4
"""Steps of guided Stable Diffusion at 512×512 that cost about as much as a net at 1024×1024."""


class CutOutParams(Params):
    url: ImageRef
    model: str = Field(
        "matting",
        max_length=64,
        validation_alias=AliasChoices("model", "version"),
        description="A model of family `matting` that GET /v1/models lists. Also called `version`.",
    )
    output: Literal["cutout", "alpha"] = Field(
        "cutout", description="The object with all else transparent, or the mask alone, white where the object is."
    )
    background: Colour | None = Field(
        None, description="Lay the object on this colour, #rrggbb, instead of leaving the ground transparent."
    )
    threshold: int | None = Field(
        None, ge=1, le=255, description="Make the mask hard: opaque from this share on (of 255), and nothing below."
    )
    callback_url: str = Field("", max_length=2048, description="Kept for old clients; the envelope's notify_url wins.")


class CutOut(Pipeline[CutOutParams]):
    names = ("img2img.sod",)
    title = "Cut out"
    Params = CutOutParams
    families = frozenset({"matting"})

    def needs(self, params: CutOutParams) -> tuple[AnyModelRef, ...]:
        return (ModelRef(MATTING, params.model),)

    def work(self, params: CutOutParams) -> Work:
        return Work(pixels=512 * 512, images=1, steps=STEPS_WORTH)

    def run(self, params: CutOutParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.imaging.pixels import flattened

        matting, picture = models.get(ModelRef(MATTING, params.model)), images["url"]
        rgb, was_opaque = flattened(picture)
        yield []
        alpha = matting.alpha(rgb)
        if params.threshold is not None:
            alpha = _hard(alpha, params.threshold)
        if was_opaque is not None:
            alpha = _times(alpha, was_opaque)
        return TaskResult([_shown(params, picture[:, :, :3], alpha)])


def _shown(params: CutOutParams, colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    import numpy as np

    from models.imaging.pixels import over, with_alpha

    if params.output == "alpha":
        return np.dstack([alpha] * 3)
    cut_out = with_alpha(colours, alpha)
    if params.background is None:
        return cut_out
    red, green, blue = bytes.fromhex(params.background[1:])
    return over(cut_out, (red, green, blue))


def _hard(alpha: np.ndarray, threshold: int) -> np.ndarray:
    import numpy as np

    return np.where(alpha >= threshold, np.uint8(255), np.uint8(0))


def _times(alpha: np.ndarray, other: np.ndarray) -> np.ndarray:
    """What is opaque in both, of 255."""
    both: np.ndarray = (alpha.astype("uint16") * other + 127) // 255
    return both.astype("uint8")
