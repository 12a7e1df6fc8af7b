"""Control maps: which ControlNet follows which map, and how the maps are drawn. Shared by all control tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.kinds.annotator import ANNOTATOR
from models.kinds.controlnet import CONTROLNET
from models.kinds.kind import AnyModelRef, ModelRef
from pipelines.params.control import AnnotatorParams, Hint, Pass
from pipelines.params.limits import SizeMismatchError
from pipelines.pipeline import Models

if TYPE_CHECKING:
    import numpy as np

    from models.adapters.controlnet import ControlNet
    from models.catalog.catalog import Catalog
    from models.imaging.resize_modes import ResizeMode
    from models.vision.annotators import Annotator

WITHOUT_WEIGHTS = frozenset({"canny", "scribble", "tile", "qr", "brightness"})
"""Kinds of maps that are drawn without a network."""
ASPECT_TOLERANCE = 0.02
"""How much the aspect ratios of two images may differ, relatively, for one to be stretched to the other's size."""


@dataclass(frozen=True, slots=True)
class ControlSpec:
    """One control map that a task follows."""

    hint: str
    """The kind of ControlNet, or the name of one."""
    image: str
    """The path of the input image that the map is drawn from."""
    annotator: str | None
    """The kind of map to draw; None if the image is a finished map."""
    annotator_params: AnnotatorParams
    binarize_threshold: int | None = None
    """Levels above this, 0 to 255, become white and the others black; None keeps the map as it is."""
    strength: float = 1.0
    start: float = 0.0
    """Fraction of the steps after which the map is followed."""
    end: float = 1.0
    """Fraction of the steps until which the map is followed."""
    guess: bool = False
    """Guess mode, as in `ControlInput`."""
    fades: bool = False
    """As in `ControlInput`."""
    only: Pass | None = None
    """The pass that the map acts in, of a task that has two; None: both."""
    region: str | None = None
    """The path of the mask of where the map acts; None: everywhere."""
    layer_weights: tuple[float, ...] | None = None
    """As in `ControlInput`."""
    resize_mode: ResizeMode | None = None
    """How its image and its region get the shape of the picture; None: those of another shape are refused."""

    def controlnet_ref(self, checkpoint: str) -> ModelRef[ControlNet]:
        """The ControlNet that follows this map with a checkpoint."""
        return ModelRef(CONTROLNET, self.hint, base=checkpoint)

    def needs(self, checkpoint: str) -> tuple[AnyModelRef, ...]:
        """The models that draw this map and follow it with a checkpoint."""
        return (self.controlnet_ref(checkpoint), *annotator_models(self.annotator))

    def draw(self, models: Models, images: Mapping[str, np.ndarray]) -> np.ndarray:
        """The map, uint8 RGB [height, width, 3], as large as the image that it is drawn from."""
        from models.imaging.pixels import flatten_alpha
        from models.vision.control_maps import binarize_map

        pixels, _ = flatten_alpha(images[self.image])
        if self.annotator is not None:
            pixels = draw_map(self.annotator, self.annotator_params, models, pixels)
        return pixels if self.binarize_threshold is None else binarize_map(pixels, self.binarize_threshold)


def draw_map(hint: str, params: AnnotatorParams, models: Models, pixels: np.ndarray) -> np.ndarray:
    """The map of kind `hint` of uint8 RGB pixels, of the same size."""
    from models.vision import control_maps

    drawing = params.drawing(hint)
    if hint in WITHOUT_WEIGHTS:
        return control_maps.WITHOUT_WEIGHTS[hint](pixels, drawing)
    return models.get(ModelRef(ANNOTATOR, hint)).annotate(pixels, drawing)


def annotator_models(hint: str | None) -> tuple[ModelRef[Annotator], ...]:
    """The models that draw a map of kind `hint`."""
    return () if hint is None or hint in WITHOUT_WEIGHTS else (ModelRef(ANNOTATOR, hint),)


def first_available(hints: Iterable[Hint], checkpoint: str, catalog: Catalog) -> Hint | None:
    """The first of these kinds of maps that the catalog has a ControlNet for, and what draws it."""
    for hint in hints:
        refs: tuple[AnyModelRef, ...] = ModelRef(CONTROLNET, hint, base=checkpoint), *annotator_models(hint)
        if catalog.has(refs):
            return hint
    return None


def control_models(checkpoint: str, specs: Iterable[ControlSpec]) -> tuple[AnyModelRef, ...]:
    """The ControlNets and annotators that follow maps with a checkpoint, each once."""
    return tuple(dict.fromkeys(ref for spec in specs for ref in spec.needs(checkpoint)))


def refuse_different_shape(name: str, pixels: np.ndarray, size: tuple[int, int]) -> None:
    """Raises SizeMismatchError for an image that cannot be scaled to `size`, width and height, without distortion."""
    height, width = pixels.shape[:2]
    if abs(width / height * size[1] / size[0] - 1) > ASPECT_TOLERANCE:
        raise SizeMismatchError(
            f"{name} is {width}×{height}, but the picture is {size[0]}×{size[1]}; send images with the same "
            "aspect ratio"
        )
