"""ControlNet, in the words of the newer of the two APIs for it: `control_new.canny` and its like, and
`control_new.multi`. Text to image, image to image or inpainting, as the images that are given say.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

from pydantic import AliasChoices, Field, StringConstraints, model_validator

from models.catalog import FOR_INPAINTING
from pipelines.guidance import (
    HINTS,
    DrawParams,
    Guide,
    GuideTimes,
    Hint,
    SizeMismatchError,
    Strength,
    followed,
    needs,
    plain_name,
)
from pipelines.guided import painted, repainted
from pipelines.painting import PaintParams, paint
from pipelines.pipeline import Made, Models, Pipeline, Recipe, Work
from pipelines.references import OptionalImage

if TYPE_CHECKING:
    import numpy as np

HintName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class HintData(DrawParams, GuideTimes):
    """One map, and how it is followed."""

    hint_url: OptionalImage = Field(None, description="What the map is drawn of, or the map itself (bypass_annotator).")
    hint_annotator: HintName | None = Field(None, description="Draw a map of this kind instead of the net's own.")
    hint_binarize_threshold: int | None = Field(
        None, ge=0, le=255, description="Make the map black and white: white is what is above this."
    )
    extra_annotator_params: DrawParams | None = Field(None, description="Wins over what stands beside it.")
    control_strength: Strength = Field(1.0, description="How strongly the map is followed.")
    bypass_annotator: bool = Field(False, description="The hint is a finished map already.")
    guess_mode: bool = Field(False, description="Let the net guess what the map shows; the prompt matters less.")
    no_switch: bool = Field(False, description="Accepted for old clients; has no bearing.")

    def guide(self, hint: str, image: str) -> Guide:
        more = self.extra_annotator_params
        draw = self if more is None else self.model_copy(update=more.model_dump(exclude_unset=True))
        start, end = self.times
        return Guide(
            plain_name(hint),
            image,
            None if self.bypass_annotator else plain_name(self.hint_annotator or hint),
            draw,
            self.hint_binarize_threshold,
            self.control_strength,
            start,
            end,
            self.guess_mode,
        )


class ControlNewBaseParams(PaintParams):
    """What all tasks of this API have in common."""

    url: OptionalImage = Field(None, description="The picture to start from; not given: noise alone.")
    mask_url: OptionalImage = Field(None, description="What to paint of `url`, as in txt2img.sd.inpainting.")
    text: str = Field(
        "",
        max_length=20_000,
        validation_alias=AliasChoices("text", "prompt"),
        description="The prompt, as in txt2img.sd. `prompt` is accepted as well.",
    )
    model: str = Field(
        "v1.5",
        validation_alias=AliasChoices("model", "base_model", "version"),
        description="A name or alias that GET /v1/models lists. `base_model` and `version` are accepted as well.",
    )
    fidelity: float = Field(0.05, ge=0, le=0.99, description="Closeness to `url`, where that is given.")
    use_inpainting: bool = Field(False, description="With a mask: use the inpainting model of `model`.")
    use_audit: bool = Field(False, description="Accepted for old clients; has no bearing.")
