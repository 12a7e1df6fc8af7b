"""Cut out the main object of a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AliasChoices, Field, StringConstraints

from models.kinds.kind import AnyModelRef, ModelRef
from models.kinds.matting import MATTING
from pipelines.params.image_refs import ImageRef
from pipelines.params.limits import CallbackUrl
from pipelines.pipeline import Models, Params, Pipeline, Recipe, TaskResult, Work

if TYPE_CHECKING:
    import numpy as np

Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]
EQUIVALENT_STEPS = 4
"""Steps of guided Stable Diffusion at 512×512 that cost about as much as a matting network at 1024×1024."""


class CutOutParams(Params):
    url: ImageRef
    model: str = Field(
        "matting",
        max_length=64,
        validation_alias=AliasChoices("model", "version"),
        description="A model of family `matting` that GET /v1/models lists. Also accepted as `version`.",
    )
    output: Literal["cutout", "alpha"] = Field(
        "cutout",
        description="`cutout`: the object, with everything else transparent. `alpha`: the mask alone, white "
        "where the object is.",
    )
    background: Colour | None = Field(
        None, description="Put the object on this colour, #rrggbb, instead of a transparent background."
    )
    threshold: int | None = Field(
        None,
        ge=1,
        le=255,
        description="Make the mask binary: opaque where alpha is at least this, 1 to 255, transparent elsewhere.",
    )
    callback_url: CallbackUrl = ""


class CutOut(Pipeline[CutOutParams]):
    names = ("img2img.sod",)
    title = "Cut out"
    Params = CutOutParams
    families = frozenset({"matting"})

    def needs(self, params: CutOutParams) -> tuple[AnyModelRef, ...]:
        return (ModelRef(MATTING, params.model),)

    def work(self, params: CutOutParams) -> Work:
        return Work(pixels=512 * 512, images=1, steps=EQUIVALENT_STEPS)

    def run(self, params: CutOutParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.imaging.pixels import flatten_alpha

        matting, picture = models.get(ModelRef(MATTING, params.model)), images["url"]
        rgb, original_alpha = flatten_alpha(picture)
        yield []
        alpha = matting.alpha(rgb)
        if params.threshold is not None:
            alpha = _binarized(alpha, params.threshold)
        if original_alpha is not None:
            alpha = _multiplied(alpha, original_alpha)
        return TaskResult([_result(params, picture[:, :, :3], alpha)])


def _result(params: CutOutParams, colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The output for uint8 colours [height, width, 3] and alpha [height, width]."""
    import numpy as np

    from models.imaging.pixels import add_alpha, blend_over

    if params.output == "alpha":
        return np.dstack([alpha] * 3)
    cut_out = add_alpha(colours, alpha)
    if params.background is None:
        return cut_out
    red, green, blue = bytes.fromhex(params.background[1:])
    return blend_over(cut_out, (red, green, blue))


def _binarized(alpha: np.ndarray, threshold: int) -> np.ndarray:
    import numpy as np

    return np.where(alpha >= threshold, np.uint8(255), np.uint8(0))


def _multiplied(alpha: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The product of two uint8 alpha planes, where 255 counts as 1."""
    product: np.ndarray = (alpha.astype("uint16") * other + 127) // 255
    return product.astype("uint8")
