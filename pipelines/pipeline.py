"""The contract of a task type: its names, its parameters, its recipe.

Torch-free on purpose: the API validates with the very classes that the device runs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import numpy as np
    import torch

    from models.checkpoint import Checkpoint, Conditioning
    from models.eraser import Eraser
    from models.matting import Matting
    from models.upscaler import Upscaler
    from pipelines.engine.noise import SeededNoise


class Params(BaseModel):
    """What a caller may say to a task type; unknown names are refused, so that a typing error is never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each image, where images have seeds."""
        return ()


class ImageInput:
    """Marks a parameter that names an image; the worker fetches and decodes it before the recipe runs."""


ImageRef = Annotated[
    str,
    ImageInput(),
    Field(min_length=1, description="An http(s) URL, a data: URI, base64, or an id that POST /v1/files answered."),
]


def image_fields(params: type[Params]) -> tuple[str, ...]:
    """The names of the parameters that are images."""
    return tuple(
        name
        for name, field in params.model_fields.items()
        if any(isinstance(mark, ImageInput) for mark in field.metadata)
    )


P = TypeVar("P", bound=Params)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a Denoise must not change: after every step, the latents of `picture` [1, channels, h, w], as noisy as the
    next step wants them, are put back wherever `mask` [1, 1, h, w] is 0. Where it is 1, there is to be painted.
    """

    picture: torch.Tensor
    mask: torch.Tensor


@dataclass(frozen=True, slots=True)
class Denoise:
    """What a recipe yields: "bring these latents from noise to image, so". One image each.

    Without `source` it starts from pure noise at `width` × `height`; with `source` (latents [1, channels, h, w]) it
    starts `strength` of the way up the noise. `negative=None` means one row a step and no guidance.

    `initial` is the noise to start from, [1, channels, h, w], if the recipe has drawn it from `noise` already.
    `beside`, [1, inputs - channels, h, w], is what an inpainting checkpoint is shown beside the latents.
    """

    checkpoint: Checkpoint
    positive: Conditioning
    negative: Conditioning | None
    noise: SeededNoise
    width: int
    height: int
    steps: int
    sampler: str
    sigmas: str | None = None
    guidance: float = 7.5
    source: torch.Tensor | None = None
    strength: float = 1.0
    circular: bool = False
    initial: torch.Tensor | None = None
    beside: torch.Tensor | None = None
    kept: Kept | None = None


Recipe = Generator[Sequence[Denoise], "list[torch.Tensor]", "list[np.ndarray]"]
"""Yields what is to be denoised, is sent the clean latents in the same order, returns uint8 pixels [h, w, 3 or 4].

One that yields nothing, `[]`, lets others step, and goes on.
"""


class Models(Protocol):
    """The models a recipe may use; those that `Pipeline.needs` named are resident when it runs.

    Each raises WrongFamilyError for a model that cannot do what is asked of it.
    """

    def checkpoint(self, name: str) -> Checkpoint: ...

    def upscaler(self, name: str) -> Upscaler: ...

    def eraser(self, name: str) -> Eraser: ...

    def matting(self, name: str) -> Matting: ...


@dataclass(frozen=True, slots=True)
class Work:
    """How much a task asks of a device: what limits, prices and fairness are reckoned by."""

    pixels: int
    images: int
    steps: int

    @property
    def cost(self) -> float:
        """Work in units of one 512×512 image at 20 steps."""
        return self.images * (self.pixels / (512 * 512)) * (self.steps / 20)


class Pipeline(ABC, Generic[P]):
    """A task type. One file beside this one holds one subclass; `pipelines` finds it by itself."""

    names: ClassVar[tuple[str, ...]]
    """The canonical name first, then its aliases."""
    title: ClassVar[str]
    Params: type[P]

    @abstractmethod
    def needs(self, params: P) -> tuple[str, ...]:
        """Names of the models that must be resident before `run`; the first one decides where a task runs best."""

    @abstractmethod
    def work(self, params: P) -> Work:
        """How much this task asks of a device."""

    @abstractmethod
    def run(self, params: P, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        """The recipe. `images` holds, by parameter name, the decoded uint8 inputs [h, w, 3 or 4]."""

    def resolve(self, params: P) -> P:
        """`params` with everything random decided (seeds), so that a second run makes the same images."""
        return params


AnyPipeline = Pipeline[Any]
