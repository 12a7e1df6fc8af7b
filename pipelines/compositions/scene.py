"""Product scene: cut a product out, paint a scene around it, and put its own pixels back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from models.catalog.style import read_styles
from models.kinds.kind import AnyModelRef, ModelRef
from models.kinds.matting import MATTING
from pipelines.params.image import refuse_odd_size
from pipelines.params.image_refs import ImageRef
from pipelines.params.limits import Fraction, GeneratedSide
from pipelines.params.prompts import Prompt
from pipelines.pipeline import Models, Recipe, Steps, TaskResult, Work
from pipelines.recipes.image_generation import ImageGeneration
from pipelines.recipes.masked_generation import MaskedGenerationParams, generate_masked
from pipelines.recipes.native_size import SIZE, with_native_size
from pipelines.recipes.optional_parts import OptionalPartsParams

if TYPE_CHECKING:
    import numpy as np

    from models.catalog.catalog import Catalog

SCENES = read_styles(Path(__file__).with_name("scenes.yaml"))
CUT_OUT = "cut_out"
"""The part of the task that it can do without, if the picture is transparent around the product."""
MATTING_REF = ModelRef(MATTING, "matting")
OPAQUE = (
    "the picture is opaque, and cut_out is left out, because this server has no matting model or the task says so; "
    "send a picture that is transparent around the product, or ask the operator for a model of family matting"
)


class NotCutOutError(ValueError):
    """The picture is opaque, and there is no model that cuts its product out."""

    code = "bad_input"


class Place(BaseModel):
    """Where the product stands in the scene."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    x: Fraction = Field(0.5, description="Its centre, as a fraction of the width.")
    y: Fraction = Field(0.6, description="Its centre, as a fraction of the height, from the top.")
    scale: float | None = Field(
        0.6,
        ge=0.1,
        le=1,
        description="The share of the scene that it fills along the side that is tighter. null: it keeps its size in "
        "pixels, unless it is larger than the scene.",
    )


class SceneParams(MaskedGenerationParams, OptionalPartsParams):
    url: ImageRef = Field(
        validation_alias=AliasChoices("url", "image_url"),
        description="The product. What is transparent is not part of it; in an opaque picture the model `matting` "
        "finds it.",
    )
    scene: str = Field(
        "",
        max_length=128,
        description=f"{', '.join(SCENES)}, or the id of a style of the operator. Its words go around `text`, and the "
        "stored task has them as `text`.",
        examples=list(SCENES),
    )
    text: Prompt = Field("", max_length=20_000, description="Words for the scene.", examples=["by the sea"])
    w: GeneratedSide = Field(512, le=2048, description=f"Width {SIZE}")
    h: GeneratedSide = Field(512, le=2048, description=f"Height {SIZE}")
    max_wh: GeneratedSide = Field(2048, description="Longest side, in pixels, at which images are generated.")
    place: Place = Place()
    shadow: bool = Field(True, description="Paint the shadow of the product on the ground under it.")
    harmonize: Fraction = Field(
        0.1, description="How much the edge of the product takes on the colours around it. 0: its pixels stay as sent."
    )

    @model_validator(mode="after")
    def _check_scene(self) -> Self:
        refuse_odd_size("w", self.w, self.max_wh)
        refuse_odd_size("h", self.h, self.max_wh)
        if not (self.scene or self.text or self.styles):
            raise ValueError("scene and text are missing; add one of them")
        return self


class ProductScene(ImageGeneration[SceneParams]):
    """Answers `{left_out}`."""

    names = ("img2img.scene",)
    title = "Product scene"
    Params = SceneParams
    style_param = "scene"
    own_styles = SCENES

    def has_mask(self, params: SceneParams) -> bool:
        return True

    def needs(self, params: SceneParams) -> tuple[AnyModelRef, ...]:
        return (*super().needs(params), *self.wants(params).get(CUT_OUT, ()))

    def wants(self, params: SceneParams) -> Mapping[str, tuple[AnyModelRef, ...]]:
        return {} if params.leaves_out(CUT_OUT) else {CUT_OUT: (MATTING_REF,)}

    def transparent_inputs(self, params: SceneParams) -> Mapping[str, str]:
        return {"url": OPAQUE} if params.leaves_out(CUT_OUT) else {}

    def resolve_names(self, params: SceneParams, catalog: Catalog) -> SceneParams:
        return super().resolve_names(with_native_size(params, params.checkpoint_ref, catalog), catalog)

    def work(self, params: SceneParams) -> Work:
        return Work(params.w * params.h, params.num_samples, params.num_steps, params.compute_fraction)

    def run(self, params: SceneParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.imaging.masks import fill_nearest
        from models.imaging.product import contact_shadow, harmonized, laid_over, placed, shaded

        cut_out = yield from _cut_out(params, models, images["url"])
        product = placed(cut_out, params.w, params.h, (params.place.x, params.place.y), params.place.scale)
        mask = params.mask_of_levels(255 - product[:, :, 3])
        checkpoint = params.load_checkpoint(models, images)
        grounds = yield from generate_masked(params, checkpoint, fill_nearest(product[:, :, :3], mask), mask)
        if params.shadow:
            shadow = contact_shadow(product[:, :, 3])
            grounds = [shaded(ground, shadow) for ground in grounds]
        scenes = [laid_over(harmonized(product, ground, params.harmonize), ground) for ground in grounds]
        return TaskResult(scenes, answer=params.answer)


def _cut_out(params: SceneParams, models: Models, picture: np.ndarray) -> Steps[np.ndarray]:
    """The picture, uint8 [height, width, 4], transparent around the product. Raises NotCutOutError."""
    from models.imaging.pixels import add_alpha

    if picture.shape[2] == 4 and bool((picture[:, :, 3] < 255).any()):
        return picture
    if params.leaves_out(CUT_OUT):
        raise NotCutOutError(f"url: {OPAQUE}")
    yield []
    return add_alpha(picture[:, :, :3], models.get(MATTING_REF).alpha(picture[:, :, :3]))
