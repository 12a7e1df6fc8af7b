"""Following a map: which net guides a task by which picture, and how that is drawn. Shared by all control tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from models.kinds.annotator import ANNOTATOR
from models.kinds.controlnet import CONTROLNET
from models.kinds.kind import AnyModelRef, ModelRef
from pipelines.pipeline import ControlInput, Models

if TYPE_CHECKING:
    import numpy as np

    from models.adapters.controlnet import ControlNet
    from models.imaging.masks import Box
    from models.vision.annotators import Annotator
    from models.vision.control_maps import Drawing

Hint = Literal["canny", "depth", "pose", "mlsd", "softedge", "lineart", "scribble", "tile", "normal"]
HINTS: Mapping[Hint, str] = {
    "canny": "edges",
    "depth": "depth",
    "pose": "poses",
    "mlsd": "straight lines",
    "softedge": "soft edges",
    "lineart": "line drawings",
    "scribble": "scribbles",
    "tile": "the picture itself",
    "normal": "surfaces",
}
"""The kinds of maps that tasks are named by, and what each shows."""

ALSO_CALLED: Mapping[str, str] = {
    "hed": "softedge",
    "pidi": "softedge",
    "midas": "depth",
    "openpose": "pose",
    "normalbae": "normal",
}
WITHOUT_WEIGHTS = frozenset({"canny", "scribble", "tile"})
"""Hints that are drawn without a net."""
USUAL_RESOLUTION = 512
DEPTH_RESOLUTION = 384
SAME_SHAPE = 0.02
"""How much the ratio of two pictures' sides may differ for one to be laid on the other."""

Level = Annotated[int, Field(ge=1, le=255)]
Strength = Annotated[float, Field(ge=0, le=2)]
Share = Annotated[float, Field(ge=0, le=1)]


class ControlSizeMismatchError(ValueError):
    """A map and a picture that are to lie on each other are of different shapes."""

    code = "bad_input"


class DrawParams(BaseModel):
    """How a map is drawn of a picture."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    detect_resolution: int | None = Field(
        None,
        ge=128,
        le=1024,
        description=f"Shorter side at which the picture is looked at: {USUAL_RESOLUTION}, "
        f"for depth {DEPTH_RESOLUTION}. Some nets know only one of their own.",
    )
    low_threshold: Level = Field(100, description="Canny: weaker gradients are no edges.")
    high_threshold: Level = Field(200, description="Canny: stronger gradients are edges even if nothing leads there.")
    value_threshold: float = Field(0.1, ge=0.01, le=2, description="M-LSD: the least score of a line.")
    distance_threshold: float = Field(0.1, ge=0.01, le=20, description="M-LSD: the least length of a line.")

    def drawing(self, hint: str) -> Drawing:
        from models.vision.control_maps import Drawing

        usual = DEPTH_RESOLUTION if hint == "depth" else USUAL_RESOLUTION
        return Drawing(
            self.detect_resolution or usual,
            self.low_threshold,
            self.high_threshold,
            self.value_threshold,
            self.distance_threshold,
        )


@dataclass(frozen=True, slots=True)
class Guide:
    """One map that a task is to follow: `image` is the path of the picture it is drawn of, `annotator` the kind of map
    to draw, None if it is one already; the rest is as in `Control`."""

    hint: str
    image: str
    annotator: str | None
    draw: DrawParams
    binarize: int | None = None
    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0
    guess: bool = False

    def controlnet_ref(self, checkpoint: str) -> ModelRef[ControlNet]:
        return ModelRef(CONTROLNET, self.hint, base=checkpoint)

    def needs(self, checkpoint: str) -> tuple[AnyModelRef, ...]:
        """The models that it takes to follow this map with a checkpoint."""
        return (self.controlnet_ref(checkpoint), *annotators(self.annotator))

    def drawn(self, models: Models, images: Mapping[str, np.ndarray]) -> np.ndarray:
        """The map, uint8 RGB [height, width, 3], as large as the picture it is drawn of."""
        from models.imaging.pixels import flattened
        from models.vision.control_maps import binarized

        pixels, _ = flattened(images[self.image])
        if self.annotator is not None:
            pixels = draw_map(self.annotator, self.draw, models, pixels)
        return pixels if self.binarize is None else binarized(pixels, self.binarize)


@dataclass(frozen=True, slots=True)
class Followed:
    """The maps of one task, all of one size, and who follows them."""

    guides: tuple[Guide, ...]
    checkpoint: str
    maps: tuple[np.ndarray, ...]
    models: Models

    def controls(self, width: int, height: int, box: Box | None = None) -> tuple[ControlInput, ...]:
        """For an image of `width` × `height` pixels that shows all of the maps, or the box of them."""
        return tuple(self._control(*each, width, height, box) for each in zip(self.guides, self.maps, strict=True))

    def _control(self, guide: Guide, pixels: np.ndarray, width: int, height: int, box: Box | None) -> ControlInput:
        import torch

        from models.imaging.pixels import resized

        part = pixels if box is None else pixels[box.pixels]
        hint = torch.from_numpy(resized(part, width, height).copy()).permute(2, 0, 1)[None].float() / 255
        net = self.models.get(guide.controlnet_ref(self.checkpoint))
        return ControlInput(net, hint, guide.strength, guide.start, guide.end, guide.guess)


def followed(
    guides: tuple[Guide, ...], checkpoint: str, models: Models, images: Mapping[str, np.ndarray], size: tuple[int, int]
) -> Followed:
    """The maps drawn, and brought to one size, width and height. Raises SizeMismatchError."""
    maps = tuple(_laid(guide.drawn(models, images), guide.image, size) for guide in guides)
    return Followed(guides, checkpoint, maps, models)


def draw_map(hint: str, draw: DrawParams, models: Models, pixels: np.ndarray) -> np.ndarray:
    """The map of RGB pixels, of the same size."""
    from models.vision import control_maps

    drawing = draw.drawing(hint)
    if hint in WITHOUT_WEIGHTS:
        return control_maps.WITHOUT_WEIGHTS[hint](pixels, drawing)
    return models.get(ModelRef(ANNOTATOR, hint)).annotate(pixels, drawing)


def annotators(hint: str | None) -> tuple[ModelRef[Annotator], ...]:
    """The models that it takes to draw a map."""
    return () if hint is None or hint in WITHOUT_WEIGHTS else (ModelRef(ANNOTATOR, hint),)


def needs(checkpoint: str, guides: Iterable[Guide]) -> tuple[AnyModelRef, ...]:
    """The ControlNets and annotators that it takes to follow maps with a checkpoint, each once."""
    return tuple(dict.fromkeys(ref for guide in guides for ref in guide.needs(checkpoint)))


def plain_name(hint: str) -> str:
    """The kind of map that a caller means."""
    return ALSO_CALLED.get(hint, hint)


def refuse_empty_span(start_name: str, start: float, end_name: str, end: float) -> None:
    if start >= end:
        raise ValueError(f"{start_name} {start:g} is not before {end_name} {end:g}; lower it, or raise {end_name}")


def prefer_base_model(values: Any) -> Any:
    """Of parameters as they were sent, `base_model` is the one that counts, as in the API that Hua replaces."""
    if not isinstance(values, dict) or "base_model" not in values:
        return values
    return {name: value for name, value in values.items() if name not in ("model", "version")}


def refuse_other_shape(name: str, pixels: np.ndarray, size: tuple[int, int]) -> None:
    """Raises SizeMismatchError for an image that cannot be laid on one of this width and height without bending it."""
    height, width = pixels.shape[:2]
    if abs(width / height * size[1] / size[0] - 1) > SAME_SHAPE:
        raise ControlSizeMismatchError(
            f"{name} is {width}×{height}, where the picture is {size[0]}×{size[1]}; send all images in one size"
        )


def _laid(pixels: np.ndarray, name: str, size: tuple[int, int]) -> np.ndarray:
    from models.imaging.pixels import resized

    refuse_other_shape(name, pixels, size)
    return resized(pixels, *size)
