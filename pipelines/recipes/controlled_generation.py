"""The base of task types that generate images which follow control maps."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import AliasChoices, Field, model_validator

from models.kinds.kind import AnyModelRef
from pipelines.params.control import prefer_base_model
from pipelines.params.image import ImageParams
from pipelines.params.prompts import Prompt
from pipelines.pipeline import USE_AUDIT, Steps
from pipelines.recipes.control_guidance import ControlSpec, control_models
from pipelines.recipes.control_maps import ControlMaps
from pipelines.recipes.image_generation import ImageGeneration, generate_from_image, generate_from_noise

if TYPE_CHECKING:
    import numpy as np

    from models.diffusion.checkpoint import Checkpoint


class ControlledParams(ImageParams):
    """What the two APIs for ControlNet have in common."""

    text: Prompt = Field(
        max_length=20_000,
        validation_alias=AliasChoices("text", "prompt"),
        description="The prompt, as in txt2img.sd. Also accepted as `prompt`.",
        examples=["a red house on the grass"],
    )
    model: str = Field(
        "v1.5",
        validation_alias=AliasChoices("model", "base_model", "version"),
        description="A name or alias that GET /v1/models lists. Also accepted as `base_model` and `version`.",
    )
    use_audit: bool = Field(False, description=USE_AUDIT)

    @model_validator(mode="before")
    @classmethod
    def _prefer_base_model(cls, values: Any) -> Any:
        return prefer_base_model(values)


C = TypeVar("C", bound=ControlledParams)


class ControlledGeneration(ImageGeneration[C]):
    """Generates images that follow control maps."""

    audited = "on_request"
    result_shape = "control"

    @abstractmethod
    def control_specs(self, params: C) -> tuple[ControlSpec, ...]:
        """The maps to follow."""

    def needs(self, params: C) -> tuple[AnyModelRef, ...]:
        specs = self.control_specs(params)
        return (params.checkpoint_ref, *control_models(params.checkpoint, specs), *params.extra_models)


def generate_controlled(
    params: ImageParams,
    checkpoint: Checkpoint,
    picture: np.ndarray,
    maps: ControlMaps,
    fidelity: float | None,
    source: np.ndarray | None = None,
) -> Steps[list[np.ndarray]]:
    """Images that follow the maps, as large as `picture` [height, width, 3 or 4] but with no side above max_wh.

    They follow the picture itself as closely as `fidelity`, 0 to 1; None: they start from noise alone.
    `source`: the picture that is encoded in its place, RGB; its latents are stretched to the size of the images.
    """
    from models.imaging.pixels import fit_within, flatten_alpha, resize, snap_size

    picture_size = picture.shape[1], picture.shape[0]
    size = snap_size(*picture_size, params.max_wh)
    controls = maps.inputs(*size)
    if fidelity is None:
        images = yield from generate_from_noise(params, checkpoint, *size, controls)
    else:
        source = resize(flatten_alpha(picture)[0], *size) if source is None else source
        images = yield from generate_from_image(params, checkpoint, source, fidelity, controls, size)
    return [resize(image, *fit_within(*picture_size, params.max_wh)) for image in images]
