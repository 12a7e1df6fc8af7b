"""Hidden pattern: paint a picture whose light and dark form words, a QR code or another picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from pydantic import AliasChoices, Field, model_validator

from models.kinds.font import FONT
from models.kinds.kind import AnyModelRef, ModelRef
from pipelines.params.control import AnnotatorParams, ControlStrength, Hint, refuse_empty_interval
from pipelines.params.image import ImageParams, refuse_odd_size
from pipelines.params.image_refs import OptionalImage
from pipelines.params.limits import SEEDS, Fraction, GeneratedSide
from pipelines.pipeline import Models, Recipe, Steps, TaskResult, Work
from pipelines.recipes.concurrent import run_concurrently
from pipelines.recipes.control_guidance import ControlSpec, control_models, first_available
from pipelines.recipes.control_maps import ControlMaps, draw_control_maps
from pipelines.recipes.image_generation import ImageGeneration, generate_from_noise
from pipelines.recipes.native_size import SIZE, with_native_size
from pipelines.recipes.optional_parts import OptionalPartsParams

if TYPE_CHECKING:
    import numpy as np

    from models.catalog.catalog import Catalog
    from models.diffusion.checkpoint import Checkpoint

OWN_FONT = "font"
"""The part of the task that it can do without: Pillow's own font has Latin letters."""
FONT_REF = ModelRef(FONT, "font")
TRIES = 3
"""How often an image is painted, at most, until its code is read."""


class PatternParams(ImageParams, OptionalPartsParams):
    url: OptionalImage = Field(None, description="The pattern as a picture. It is cropped to the shape of the result.")
    words: str = Field("", max_length=200, description="Words to draw as the pattern. A line end begins a new line.")
    qr: str = Field("", max_length=500, description="The content of a QR code to draw as the pattern.")
    invert: bool = Field(False, description="Swap light and dark. Words and codes are dark on a light ground.")
    w: GeneratedSide = Field(512, description=f"Width {SIZE}")
    h: GeneratedSide = Field(512, description=f"Height {SIZE}")
    hints: tuple[Hint, ...] = Field(
        ("qr", "brightness"),
        min_length=1,
        max_length=11,
        fail_fast=True,
        description="Kinds of control maps. The first one that this server has a ControlNet for is followed.",
    )
    control_strength: ControlStrength = Field(
        1.2,
        validation_alias=AliasChoices("control_strength", "strength"),
        description="How plainly the pattern shows. Also accepted as `strength`.",
    )
    control_start: Fraction = Field(
        0.0,
        validation_alias=AliasChoices("control_start", "start"),
        description="The fraction of the steps after which the pattern is followed. Also accepted as `start`.",
    )
    control_end: Fraction = Field(
        0.9,
        validation_alias=AliasChoices("control_end", "end"),
        description="The fraction of the steps until which the pattern is followed. Also accepted as `end`.",
    )
    check: bool = Field(
        False,
        description=f"Read the code in each image, and paint those in which it is not read again with other seeds, up "
        f"to {TRIES} times in all. `answer.readable` tells whether it is read in all images.",
    )

    @model_validator(mode="after")
    def _check_pattern(self) -> Self:
        if [self.url is not None, bool(self.words.strip()), bool(self.qr)].count(True) != 1:
            raise ValueError("the pattern is one of url, words and qr; set exactly one of them")
        if self.check and not self.qr:
            raise ValueError("check reads QR codes; set qr, or leave check out")
        refuse_odd_size("w", self.w, self.max_wh)
        refuse_odd_size("h", self.h, self.max_wh)
        refuse_empty_interval("control_start", self.control_start, "control_end", self.control_end)
        return self

    @property
    def control_spec(self) -> ControlSpec:
        hint = self.hints[0]
        strength, start, end = self.control_strength, self.control_start, self.control_end
        return ControlSpec(hint, "url", hint, AnnotatorParams(), strength=strength, start=start, end=end)


class Pattern(ImageGeneration[PatternParams]):
    """Answers `{left_out}`, and `readable` of a task with `check`."""

    names = ("img2img.pattern",)
    title = "Hidden pattern"
    Params = PatternParams

    def needs(self, params: PatternParams) -> tuple[AnyModelRef, ...]:
        controls = control_models(params.checkpoint, (params.control_spec,))
        return (*super().needs(params), *controls, *self.wants(params).get(OWN_FONT, ()))

    def wants(self, params: PatternParams) -> Mapping[str, tuple[AnyModelRef, ...]]:
        return {OWN_FONT: (FONT_REF,)} if params.words and not params.leaves_out(OWN_FONT) else {}

    def resolve_names(self, params: PatternParams, catalog: Catalog) -> PatternParams:
        params = with_native_size(params, params.checkpoint_ref, catalog)
        hint = first_available(params.hints, params.checkpoint, catalog) or params.hints[0]
        return super().resolve_names(params.model_copy(update={"hints": (hint,)}), catalog)

    def work(self, params: PatternParams) -> Work:
        steps = params.num_steps * (TRIES if params.check else 1)
        return Work(params.w * params.h, params.num_samples, steps, params.compute_fraction)

    def run(self, params: PatternParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        images = {**images, "url": _pattern(params, models, images)}
        checkpoint = params.load_checkpoint(models, images)
        maps = draw_control_maps((params.control_spec,), params.checkpoint, models, images, (params.w, params.h))
        if not params.check:
            painted = yield from _paint(params, checkpoint, maps, params.seeds)
            return TaskResult(painted, maps.maps, params.answer)
        return (yield from _paint_readable(params, checkpoint, maps))


def _pattern(params: PatternParams, models: Models, images: Mapping[str, np.ndarray]) -> np.ndarray:
    """The pattern, uint8 RGB [h, w, 3]. Raises UnfitCodeError, MissingGlyphError."""
    import numpy as np

    from models.imaging.lettering import draw_words
    from models.imaging.pixels import flatten_alpha
    from models.imaging.qr import draw_qr
    from models.imaging.resize_modes import resize_to

    if params.qr:
        pixels = np.dstack([draw_qr(params.qr, params.w, params.h)] * 3)
    elif params.words:
        font = None if params.leaves_out(OWN_FONT) else models.get(FONT_REF).file
        pixels = np.dstack([draw_words(params.words, params.w, params.h, font)] * 3)
    else:
        pixels = resize_to(flatten_alpha(images["url"])[0], params.w, params.h, "cover")
    return 255 - pixels if params.invert else pixels


def _paint(
    params: PatternParams, checkpoint: Checkpoint, maps: ControlMaps, seeds: Sequence[int]
) -> Steps[list[np.ndarray]]:
    """One image of each seed."""
    controls = maps.inputs(params.w, params.h)
    alone = [params.model_copy(update={"seed": seed, "num_samples": 1}) for seed in seeds]
    recipes = [generate_from_noise(each, checkpoint, params.w, params.h, controls) for each in alone]
    painted = yield from run_concurrently(recipes)
    return [image for images in painted for image in images]


def _paint_readable(params: PatternParams, checkpoint: Checkpoint, maps: ControlMaps) -> Recipe:
    """Paints what is not read again, with the seeds that follow. What is never read stays that of its first seed."""
    from models.imaging.qr import reads_as

    seeds = list(params.seeds)
    images = yield from _paint(params, checkpoint, maps, seeds)
    unread = [index for index, image in enumerate(images) if not reads_as(image, params.qr)]
    for attempt in range(1, TRIES):
        others = [(params.seeds[index] + attempt * params.num_samples) % SEEDS for index in unread]
        painted = yield from _paint(params, checkpoint, maps, others)
        for index, seed, image in zip(list(unread), others, painted, strict=True):
            if reads_as(image, params.qr):
                unread.remove(index)
                images[index], seeds[index] = image, seed
    result = TaskResult(images, maps.maps, {**params.answer, "readable": not unread})
    return replace(result, seeds=seeds)
