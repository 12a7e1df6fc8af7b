"""The contract of a task type: its names, its parameters, its recipe.

Torch-free on purpose: the API validates with the very classes that the device runs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict

from models.catalog.entry import ModelEntry
from models.kinds import CHECKPOINT_FAMILIES
from models.kinds.kind import AnyModelRef, ModelRef
from pipelines.sampler_names import Spacing

if TYPE_CHECKING:
    import numpy as np
    import torch

    from models.adapters.controlnet import ControlNet
    from models.catalog.catalog import Catalog
    from models.conditioning import Conditioning
    from models.diffusion.checkpoint import Checkpoint
    from models.noise import Noise


class Params(BaseModel):
    """What a caller may say to a task type; unknown names are refused, so that a typing error is never ignored.

    A bound on texts, be it none, has each of them read: else half a surrogate pair, which JSON may hold and no UTF-8,
    would be noticed only when the task is written down.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True, str_min_length=0
    )

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each image, where images have seeds."""
        return ()

    def with_mentioned_embeddings(self, embeddings: Sequence[ModelEntry]) -> Self:
        """These parameters with the embeddings that their prompts mention; unchanged where there is no prompt."""
        return self


M = TypeVar("M")
P = TypeVar("P", bound=Params)


@dataclass(frozen=True, slots=True)
class PreservedRegion:
    """What a Denoise must not change: after every step, the latents of `picture` [1, channels, h, w], as noisy as the
    next step wants them, are put back wherever `mask` [1, 1, h, w] is 0. Where it is 1, there is to be painted.
    """

    picture: torch.Tensor
    mask: torch.Tensor


@dataclass(frozen=True, slots=True)
class ControlInput:
    """A ControlNet's share in a Denoise: it follows `hint`, [1, 3, height, width] in 0..1, as strongly as `strength`
    says, from `start` to `end` of its steps, in shares of them as diffusers counts (`control_guidance_start`, `_end`).

    `guess` shows the hint to the prompt alone, and ever more faintly towards the outer layers, so that the net guesses
    what the hint means where the prompt does not say (the authors' guess mode).
    """

    net: ControlNet
    hint: torch.Tensor
    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0
    guess: bool = False


@dataclass(frozen=True, slots=True)
class Denoise:
    """What a recipe yields: "bring these latents from noise to image, so". One image each.

    Without `source` it starts from pure noise at `width` × `height`; with `source` (latents [1, channels, h, w]) it
    starts `strength` of the way up the noise. `negative=None` means one row a step and no guidance.

    `spacing` is how the steps spread over the timesteps; None: as the checkpoint was trained.
    `initial` is the noise to start from, [1, channels, h, w], if the recipe has drawn it from `noise` already.
    `beside`, [1, inputs - channels, h, w], is what an inpainting checkpoint is shown beside the latents.
    `guidance_interval` is where it is guided, in shares of its steps. `strict`: it shares no forward pass.
    `deep_cache`: at every so manyth step the denoiser's deep features are computed, and kept for those between.
    """

    checkpoint: Checkpoint
    positive: Conditioning
    negative: Conditioning | None
    noise: Noise
    width: int
    height: int
    steps: int
    sampler: str
    sigmas: str | None = None
    guidance: float = 7.5
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    source: torch.Tensor | None = None
    strength: float = 1.0
    circular: bool = False
    initial: torch.Tensor | None = None
    beside: torch.Tensor | None = None
    kept: PreservedRegion | None = None
    controls: tuple[ControlInput, ...] = ()
    strict: bool = False
    deep_cache: int = 1
    spacing: Spacing | None = None


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What a recipe returns, and a task comes to. Pixels are uint8, [h, w, 3 or 4], or [h, w] for a single plane."""

    images: Sequence[np.ndarray] = ()
    hints: Sequence[np.ndarray] = ()
    """The control maps that the images follow."""
    answer: Mapping[str, Any] | None = None
    """What a task says rather than draws, as plain JSON."""
    reasons: Sequence[str] = ()
    """Of the images and then the hints: why the audit withholds it, or nothing; empty if all may be handed out."""


T = TypeVar("T")
Steps = Generator[Sequence[Denoise], "list[torch.Tensor]", T]
"""Yields what is to be denoised, is sent the clean latents in the same order, returns what became of them.

One that yields nothing, `[]`, lets others step, and goes on.
"""
Recipe = Steps[TaskResult]


class Models(Protocol):
    """The models that a recipe may use: those that `Pipeline.needs` names are on the device when it runs."""

    def get(self, ref: ModelRef[M]) -> M:
        """The model that a reference means. Raises WrongFamilyError if it is of another kind."""
        ...


@dataclass(frozen=True, slots=True)
class Work:
    """How much a task asks of a device: what limits, prices and fairness are reckoned by.

    `bound`: `pixels` is the most that an image may have, for the picture that decides is not known yet.
    """

    pixels: int
    images: int
    steps: int
    share: float = 1.0
    """Of what so many steps compute with guidance, by the whole denoiser: levers leave some of it out."""
    bound: bool = False

    @property
    def cost(self) -> float:
        """Work in units of one 512×512 image at 20 steps, guided."""
        return self.images * (self.pixels / (512 * 512)) * (self.steps / 20) * self.share


ResultShape = Literal["images", "composite", "control", "workflow"]
"""How the results belong together, which a foreign API's replies may show.

`images`: the images alone. `composite`: one image that several inputs were merged into. `control`: images with the
control maps that they follow, or control maps alone. `workflow`: the images of the target node, those of the
intermediate nodes as hints, and an answer that tells which hint belongs to which node.
"""
Audited = Literal["always", "on_request", "never"]
USE_AUDIT = "Have what is drawn judged before it is handed out, where the operator has set up an audit."


class Pipeline(ABC, Generic[P]):
    """A task type. One file beside this one holds one subclass; `pipelines` finds it by itself."""

    names: tuple[str, ...]
    """The canonical name first, then its aliases."""
    title: str
    Params: type[P]
    families: frozenset[str] = CHECKPOINT_FAMILIES
    """What the model that a task names may be."""
    audited: Audited = "always"
    """Whether what it draws is judged, where the operator has pictures judged at all; on request: by `use_audit`."""
    answers: tuple[Any, ...] = ()
    """If it says rather than draws: what its answer's one value may hold, which tells what it can be used for."""

    result_shape: ResultShape = "images"

    @abstractmethod
    def needs(self, params: P) -> tuple[AnyModelRef, ...]:
        """The models that must be on the device before `run`; the first one decides where a task runs best."""

    @abstractmethod
    def work(self, params: P) -> Work:
        """How much this task asks of a device."""

    @abstractmethod
    def run(self, params: P, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        """The recipe. `images` holds the decoded uint8 inputs [h, w, 3 or 4], by path: `url`, `controls.0.hint_url`."""

    def resolve_names(self, params: P, catalog: Catalog) -> P:
        """`params` with what the catalog decides: the model's canonical name, the embeddings that prompts mention.

        Raises UnknownModelError, MisfitError.
        """
        for ref in self.needs(params):
            entry = catalog.find(replace(ref, inpainting=False))
            if ref.kind.named_by_callers and getattr(params, "model", None) == ref.name:
                catalog.refuse_unless(entry, self.families)
                params = params.model_copy(update={"model": entry.name})
        params = params.with_mentioned_embeddings(catalog.embeddings(self.needs(params)))
        catalog.refuse_misfits(self.needs(params))
        return params

    def resolve(self, params: P) -> P:
        """`params` with everything random decided (seeds), so that a second run makes the same images."""
        return params


AnyPipeline = Pipeline[Any]
